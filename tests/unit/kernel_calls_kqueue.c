/*
 * kernel_calls_kqueue.c: the poller of Darwin and the BSDs, with one call for all. It waits in
 * those that ask for no receipts.
 */
#include "kernel_calls.h"

#include "poller/kqueue.h"

EVLOOP_ATOMIC(unsigned) kernel_changes;
EVLOOP_ATOMIC(const pthread_t *) kernel_refuses;

#ifdef NOTE_OOB
const bool kernel_tells_urgent_data = true;
#else
const bool kernel_tells_urgent_data = false;
#endif

bool kernel_counts(evloop *loop)
{
    (void)loop;
    return true;
}

int __real_kevent(int fd, const struct kevent *changes, kqueue_count change_count,
                  struct kevent *events, kqueue_count event_count, const struct timespec *timeout);
int __wrap_kevent(int fd, const struct kevent *changes, kqueue_count change_count,
                  struct kevent *events, kqueue_count event_count, const struct timespec *timeout);

static bool is_of_a_descriptor(const struct kevent *change)
{
    return change->filter == EVFILT_READ || change->filter == EVFILT_WRITE;
}

int __wrap_kevent(int fd, const struct kevent *changes, kqueue_count change_count,
                  struct kevent *events, kqueue_count event_count, const struct timespec *timeout)
{
    const pthread_t *refused = kernel_refuses;
    bool waits = event_count > 0 && (change_count == 0 || !(changes[0].flags & EV_RECEIPT));
    kernel_changes += change_count > 0 && is_of_a_descriptor(changes);
    if (waits && refused && pthread_equal(pthread_self(), *refused)) {
        errno = EDOM;
        return -1;
    }
    return __real_kevent(fd, changes, change_count, events, event_count, timeout);
}
