/*
 * kqueue_wake_user.c: the wake, where the kernel has an event for it that any thread can trigger.
 */
#include <errno.h>

#include "poller/kqueue.h"

int kqueue_wake_open(struct poller *poller)
{
    struct kevent change;
    EV_SET(&change, 0, EVFILT_USER, EV_ADD | EV_CLEAR, 0, 0, NULL);
    return kqueue_submit(poller->fd, &change, 1);
}

/* It goes with the kqueue. */
void kqueue_wake_close(struct poller *poller)
{
    (void)poller;
}

/* Signal-safe: one system call. */
void kqueue_wake(struct poller *poller)
{
    struct kevent change;
    const struct timespec at_once = {0, 0};
    int saved = errno;
    EV_SET(&change, 0, EVFILT_USER, 0, NOTE_TRIGGER, 0, NULL);
    while (kevent(poller->fd, &change, 1, NULL, 0, &at_once) < 0 && errno == EINTR)
        ;
    errno = saved;
}

bool kqueue_take_wake(struct poller *poller, const struct kevent *event)
{
    (void)poller;
    return event->filter == EVFILT_USER;
}
