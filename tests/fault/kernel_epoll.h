/*
 * kernel_epoll.h: of kernel.h, what epoll has alone.
 */
#ifndef EVLOOP_TESTS_KERNEL_EPOLL_H
#define EVLOOP_TESTS_KERNEL_EPOLL_H

#include "kernel.h"

/** Counts and fails only those of epoll_ctl's calls that are this operation; 0: all. */
void kernel_only_operation(int operation);
/** The timeout of the last epoll_wait. */
int kernel_last_timeout_ms(void);

#endif
