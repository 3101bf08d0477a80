/*
 * calls.h: the system calls of streams, listeners and datagram sockets, counted, and made to fail,
 * to be interrupted, to transfer little, when told so.
 *
 * Needs WRAP of all the calls: IO_CALLS in CMakeLists.txt. The calls of tests count too: so
 * they make none of these between calls_fail() and calls_reset() but through the library.
 */
#ifndef EVLOOP_TESTS_CALLS_H
#define EVLOOP_TESTS_CALLS_H

#include "net.h"

enum call {
    CALL_ACCEPT, /* accept4 too, as with pipe2 */
    CALL_BIND,
    CALL_CHMOD,
    CALL_CLOSE,
    CALL_CONNECT,
    CALL_DUP3,
    CALL_FCNTL,
    CALL_FSTAT,
    CALL_FSTATFS,
    CALL_GETPEERNAME,
    CALL_GETSOCKNAME,
    CALL_GETSOCKOPT,
    CALL_INTEREST, /* what the poller tells the kernel of a descriptor */
    CALL_IOCTL,
    CALL_ISATTY,
    CALL_LISTEN,
    CALL_LSTAT,
    CALL_OPEN,
    CALL_PIPE,
    CALL_POLL,
    CALL_PREAD,
    CALL_READ,
    CALL_RECV,
    CALL_RECVMMSG,
    CALL_RECVMSG,
    CALL_SEND,
    CALL_SENDFILE,
    CALL_SENDMMSG,
    CALL_SENDMSG,
    CALL_SETSOCKOPT,
    CALL_SHUTDOWN,
    CALL_SOCKET,
    CALL_SOCKETPAIR,
    CALL_TCGETATTR,
    CALL_TCGETPGRP,
    CALL_TCSETATTR,
    CALL_UNLINK,
    CALL_WRITEV,
    CALLS
};

/** Forgets all counts, and all failures that were asked for. */
void calls_reset(void);
/** Makes the nth call from now, and so many in all, fail with err. */
void calls_fail(enum call call, unsigned nth, unsigned times, int err);
/** Makes a call that transfers bytes do so for `most` of them at a time; 0: as many as it likes. */
void calls_shorten(enum call call, size_t most);
/** How many calls were made since the reset; how many of all failed because they were told to. */
unsigned calls_count(enum call call);
unsigned calls_failed(void);
const char *call_name(enum call call);

/** The errors that the manual page of a call lists; 0 ends them. */
const int *call_errors(enum call call);

/* ---- calls_epoll.c, calls_kqueue.c ----------------------------------------------------------- */

/** Its name. */
extern const char *const calls_poller;
extern const int calls_interest_errors[];
/** Counts a call; whether it is to fail, with errno. */
bool calls_fails(enum call call);

#endif
