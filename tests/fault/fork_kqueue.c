/*
 * fork_kqueue.c: see fork.h.
 */
#include "fork.h"

#include "poller/kqueue.h"

int __real_kevent(int fd, const struct kevent *changes, kqueue_count change_count,
                  struct kevent *events, kqueue_count event_count, const struct timespec *timeout);
int __wrap_kevent(int fd, const struct kevent *changes, kqueue_count change_count,
                  struct kevent *events, kqueue_count event_count, const struct timespec *timeout);

/* Both changes are in one call, which is still to be made. */
int __wrap_kevent(int fd, const struct kevent *changes, kqueue_count change_count,
                  struct kevent *events, kqueue_count event_count, const struct timespec *timeout)
{
    if (change_count > 0 && event_count > change_count)
        fork_changing();
    return __real_kevent(fd, changes, change_count, events, event_count, timeout);
}
