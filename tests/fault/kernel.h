/*
 * kernel.h: the system calls of the epoll poller, counted, and made to fail when told so.
 *
 * Needs WRAP of all the calls: KERNEL_CALLS in CMakeLists.txt.
 */
#ifndef EVLOOP_TESTS_KERNEL_H
#define EVLOOP_TESTS_KERNEL_H

#include "support.h"

enum call {
    CALL_EPOLL_CREATE1,
    CALL_EVENTFD,
    CALL_EPOLL_CTL,
    CALL_EPOLL_WAIT,
    CALL_EPOLL_PWAIT2,
    CALL_CLOCK_GETTIME,
    CALL_WRITE,
    CALL_DUP3,
    CALL_FCNTL,
    CALLS
};

/** Forgets all counts and all failures that were asked for. */
void kernel_reset(void);
/** Makes the nth call from now, and so many in all, fail with err. */
void kernel_fail(enum call call, unsigned nth, unsigned times, int err);
/** Counts and fails only those of epoll_ctl's calls that are this operation; 0: all. */
void kernel_only_operation(int operation);
/** How many calls were made since the reset. */
unsigned kernel_count(enum call call);
/** The clock stands still until the reset. */
void kernel_stop_clock(void);
/** The timeout of the last epoll_wait. */
int kernel_last_timeout_ms(void);

#endif
