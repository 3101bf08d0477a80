/*
 * kevent.c: changes, then events; see kqueue.h.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>

#include "kqueue.h"

enum { NS_A_SECOND = 1000000000, SIGNALS_SIZE = 8 };

static int apply(struct kqueue_state *queue, const struct kevent *change)
{
    int slot = filter_slot(change->filter);
    bool user = change->filter == EVFILT_USER;
    if (slot < 0 && !user)
        return EINVAL;
    if (user && change->fflags & NOTE_TRIGGER && change->flags == 0)
        return filter_trigger(queue, change); /* perhaps in a signal handler */
    pthread_mutex_lock(&queue->mutex);
    int err =
        user ? filter_apply_user(queue, change) : filter_apply(queue, change, (enum slot)slot);
    pthread_mutex_unlock(&queue->mutex);
    return err;
}

/*
 * "If an error occurs while processing an element of the changelist and there is enough room in the
 * eventlist, then the event will be placed in the eventlist with EV_ERROR set in flags and the
 * system error in data. Otherwise, -1 will be returned." Returns how many were placed, or -1.
 */
static int apply_all(struct kqueue_state *queue, const struct kevent *changes, int change_count,
                     struct kevent *events, int event_count)
{
    int n = 0;
    for (int i = 0; i < change_count; i++) {
        struct kevent change = changes[i]; /* both may be the same array */
        int err = apply(queue, &change);
        if (!err && !(change.flags & EV_RECEIPT))
            continue;
        if (n == event_count) {
            errno = err;
            return err ? -1 : n;
        }
        change.flags = EV_ERROR;
        change.data = err;
        events[n++] = change;
    }
    return n;
}

static bool is_valid(const struct timespec *timeout)
{
    return !timeout ||
           (timeout->tv_sec >= 0 && timeout->tv_nsec >= 0 && timeout->tv_nsec < NS_A_SECOND);
}

static struct timespec now(void)
{
    struct timespec time;
    syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &time);
    return time;
}

static struct timespec sum(struct timespec a, const struct timespec *b, int sign)
{
    a.tv_sec += sign * b->tv_sec;
    a.tv_nsec += sign * b->tv_nsec;
    if (a.tv_nsec >= NS_A_SECOND) {
        a.tv_nsec -= NS_A_SECOND;
        a.tv_sec++;
    } else if (a.tv_nsec < 0) {
        a.tv_nsec += NS_A_SECOND;
        a.tv_sec--;
    }
    return a;
}

static int collect(struct kqueue_state *queue, struct kevent *events, int event_count)
{
    pthread_mutex_lock(&queue->mutex);
    int n = filter_collect(queue, events, event_count);
    pthread_mutex_unlock(&queue->mutex);
    return n;
}

/* 1: there may be something; 0: the time is over; -1: errno. */
static int sleep_until(int fd, const struct timespec *deadline)
{
    struct pollfd readable = {.fd = fd, .events = POLLIN};
    struct timespec left;
    if (deadline) {
        struct timespec time = now();
        left = sum(*deadline, &time, -1);
        if (left.tv_sec < 0)
            left = (struct timespec){0, 0};
    }
    return (int)syscall(SYS_ppoll, &readable, 1, deadline ? &left : NULL, NULL, SIGNALS_SIZE);
}

int kevent(int fd, const struct kevent *changes, int change_count, struct kevent *events,
           int event_count, const struct timespec *timeout)
{
    struct kqueue_state *queue = kqueue_find(fd);
    struct timespec deadline;
    if (!queue || !is_valid(timeout)) {
        errno = queue ? EINVAL : EBADF;
        return -1;
    }
    int n = apply_all(queue, changes, change_count, events, event_count);
    if (n != 0 || event_count == 0)
        return n;
    bool at_once = timeout && timeout->tv_sec == 0 && timeout->tv_nsec == 0;
    if (timeout)
        deadline = sum(now(), timeout, 1);
    while ((n = collect(queue, events, event_count)) == 0 && !at_once) {
        int awake = sleep_until(fd, timeout ? &deadline : NULL);
        if (awake < 0)
            return -1;
        at_once = awake == 0;
    }
    return n;
}
