/*
 * transfer.h: one attempt each at what an operation does, on a descriptor that does not block: a
 * count, a descriptor, or a negative errno; -EAGAIN if it would have to wait. Interruptions are
 * tried again.
 */
#ifndef POLLER_TRANSFER_H
#define POLLER_TRANSFER_H

#include <errno.h>

#include "poller/poller.h"

/* FreeBSD and OpenBSD have no such error. */
#ifdef ENODATA
enum { FILE_ENDED = -ENODATA };
#else
enum { FILE_ENDED = -EIO };
#endif

/* Darwin's word for a connection that is being torn down just now. */
#ifdef __APPLE__
enum { TORN_DOWN = EPROTOTYPE };
#else
enum { TORN_DOWN = EPIPE };
#endif

struct msghdr;

int transfer_accept(int fd);
/* -EINPROGRESS: the descriptor will be writable. */
int transfer_connect(int fd, const struct sockaddr *address, socklen_t size);
int transfer_connected(int fd);
ssize_t transfer_receive(int fd, void *memory, size_t size);
/* Whether there is something to be received, whatever an attempt says. */
bool transfer_readable(int fd);
ssize_t transfer_read(int fd, void *memory, size_t size);
/*
 * From a unix socket: puts the descriptors that come with the bytes at extra->fds (room for
 * FDS_AT_ONCE), or, if that is NULL, drops them; *cut is set if they, or their lack of room, ended
 * it early. -EMSGSIZE: a message that was cut off.
 */
ssize_t transfer_receive_fds(int fd, void *memory, size_t size, struct received *extra, bool *cut);
/* recvmsg(), once; descriptors that come are close-on-exec. */
ssize_t transfer_receive_message(int fd, struct msghdr *message);
ssize_t transfer_send(int fd, const struct evloop_outgoing *outgoing);
ssize_t transfer_write(int fd, const struct evloop_outgoing *outgoing);
/* A piece of a file: FILE_ENDED if it ends before that. */
ssize_t transfer_copy_file(int fd, const struct evloop_outgoing *outgoing);
ssize_t transfer_file(int fd, const struct evloop_outgoing *outgoing);

#endif
