/*
 * fork.h: where a poller tells the kernel of a change, fork.c is told: fork_epoll.c, fork_kqueue.c.
 */
#ifndef EVLOOP_TESTS_FORK_H
#define EVLOOP_TESTS_FORK_H

/** The loop's thread is in the midst of changes. */
void fork_changing(void);

#endif
