/*
 * uring_calls.h: what the probe of io_uring asks of liburing and of the kernel, counted, and made
 * to fail when told so; and a kernel that refuses io_uring.
 *
 * Needs WRAP of all the calls: URING_CALLS in CMakeLists.txt.
 */
#ifndef EVLOOP_TESTS_URING_CALLS_H
#define EVLOOP_TESTS_URING_CALLS_H

#include "support.h"

enum call {
    CALL_QUEUE_INIT,
    CALL_REGISTER,
    CALL_REGISTER_PROBE,
    CALL_REGISTER_BUFFERS,
    CALL_SUBMIT,
    CALL_WAIT,
    CALL_SOCKETPAIR,
    CALL_SOCKET,
    CALL_BIND,
    CALL_LISTEN,
    CALL_GETSOCKNAME,
    CALL_CONNECT,
    CALL_SEND,
    CALL_RECV,
    CALL_FCNTL,
    CALL_MMAP,
    CALLS
};

/** Forgets all counts, and all failures that were asked for. One thread. */
void uring_calls_reset(void);
/** Makes the nth call from now, and so many in all, fail with err. */
void uring_calls_fail(enum call call, unsigned nth, unsigned times, int err);
/** How many calls were made since the reset. */
unsigned uring_calls_count(enum call call);
/** Mappings that the library has made, and not removed. */
int uring_calls_mappings(void);
const char *uring_call_name(enum call call);

enum {
    CALLS_OF_SETUP = 1,
    CALLS_OF_ENTER = 2,
    CALLS_OF_REGISTER = 4,
    CALLS_OF_ALL = CALLS_OF_SETUP | CALLS_OF_ENTER | CALLS_OF_REGISTER
};

/** From here on the kernel answers these calls of io_uring's with err; 0: it kills the process. */
void uring_refuse(unsigned which, int err);

#endif
