/*
 * kernel_kqueue.h: of kernel.h, what kqueue has alone.
 */
#ifndef EVLOOP_TESTS_KERNEL_KQUEUE_H
#define EVLOOP_TESTS_KERNEL_KQUEUE_H

#include "kernel.h"
#include "poller/kqueue.h"

/** Which changes: of a filter, or 0 for any; with a flag; only those that are not made at once. */
struct kernel_which {
    kqueue_filter filter;
    unsigned flag;
    bool late;
};

/** Makes the nth change of these from now fail by itself, and so many in all; the others are made. */
void kernel_refuse_changes(struct kernel_which which, unsigned nth, unsigned times, int err);
/** How many changes were asked for since the reset, whatever came of them. */
unsigned kernel_changes(void);
/** The next wait is told of this alone. */
void kernel_tell(const struct kevent *event);
/** The timeout of the last wait; EVLOOP_FOREVER. */
uint64_t kernel_last_timeout_ns(void);
/** Whether the kernel has this registration. */
bool kernel_registered(evloop *loop, int fd, kqueue_filter filter);

#endif
