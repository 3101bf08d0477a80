/*
 * descriptor.h: descriptors that others made, and that streams are to use: what they are, made
 * non-blocking with as little notice to those who share them as can be, and given back.
 *
 * O_NONBLOCK belongs to the open file description, which a parent, a child, or the other end of a
 * shell's pipeline may share. Where the system lets us, the descriptor gets a description of its
 * own; elsewhere the flag is set, and cleared again when the stream gives the descriptor up and
 * when the process exits. Any thread; on an error nothing has changed.
 */
#ifndef POLLER_DESCRIPTOR_H
#define POLLER_DESCRIPTOR_H

#include <sys/stat.h>

#include "evloop/loop.h"

/*
 * What it is, as flags of endpoints; changes nothing. -EBADF, -EISDIR; -EINVAL: a socket that
 * listens, or that is for datagrams.
 */
int descriptor_classify(int fd, unsigned *endpoint_flags);
/*
 * Makes it non-blocking; a regular file stays as it is. *restore: it is to be given back with
 * descriptor_give_back() instead of being closed. The allocator must outlive that.
 */
int descriptor_adopt(const evloop_allocator *allocator, int fd, bool *restore);
/* Puts back what descriptor_adopt() and terminal_set_mode() changed; it stays open. */
void descriptor_restore(int fd);
/* The same, and closes it. */
void descriptor_give_back(int fd);
/* Its terminal gets its former mode back; it stays open and non-blocking, and is nobody's now. */
void descriptor_release(int fd);

/* For good: of a descriptor that is wholly the library's, or handed over so. */
int descriptor_set_nonblocking(int fd);
/* Another number for the same description; close-on-exec. */
int descriptor_duplicate(int fd);
/*
 * What a call has just returned, or its error. Where a standard descriptor is closed, the loop's
 * must not take its number: who writes to standard error would write to it.
 */
int descriptor_above_standard(int fd);
/* A pipe, close-on-exec; the end with this index (0: to read from) does not block. */
int descriptor_pipe(int fds[2], int nonblocking);

/*
 * For descriptor.c, the system's own: gives the descriptor a non-blocking description of its own,
 * under the same number. -ENOTSUP: it cannot have one.
 */
int descriptor_separate(int fd, int flags, const struct stat *status);

#endif
