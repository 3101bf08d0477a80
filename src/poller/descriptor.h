/*
 * descriptor.h: descriptors that others have opened: of what kind they are, and making them
 * non-blocking for as long as they are the library's.
 */
#ifndef POLLER_DESCRIPTOR_H
#define POLLER_DESCRIPTOR_H

#include <stdbool.h>

/*
 * Makes it non-blocking; says with which flags of an endpoint it is to be attached, and whether its
 * former state must be restored, since others may share it. -EINVAL: a socket that listens, or is
 * for datagrams.
 */
int descriptor_adopt(int fd, unsigned *endpoint_flags, bool *restore);
/* Gives it its former state back. */
void descriptor_restore(int fd);
/* The same, and closes it. */
void descriptor_give_back(int fd);
int descriptor_set_nonblocking(int fd);

#endif
