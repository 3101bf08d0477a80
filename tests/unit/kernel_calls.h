/*
 * kernel_calls.h: what the poller and the acceptor of a loop over readiness ask of the kernel,
 * counted and refused. Linked with WRAP ${KERNEL_CALLS}, which goes with the files of the system's
 * poller: kernel_calls_epoll.c or kernel_calls_kqueue.c.
 */
#ifndef EVLOOP_TESTS_KERNEL_CALLS_H
#define EVLOOP_TESTS_KERNEL_CALLS_H

#include "support.h"

/* So far, by all loops: */
extern EVLOOP_ATOMIC(unsigned) kernel_changes;  /* calls that change what is told of a descriptor */
extern EVLOOP_ATOMIC(unsigned) kernel_accepts;  /* calls that take a connection, if there is one */
extern EVLOOP_ATOMIC(unsigned) kernel_accepted; /* those that took one */

/* While this points to a thread, the kernel refuses to let it wait: EDOM. */
extern EVLOOP_ATOMIC(const pthread_t *) kernel_refuses;

/*
 * Whether the kernel tells of urgent data. If it does not, each receive over TCP that was short is
 * followed by one in vain: it may have been cut off there.
 */
extern const bool kernel_tells_urgent_data;

/* Whether a loop's connections are counted: they are not if a ring accepts them. */
bool kernel_counts(evloop *loop);

#endif
