/*
 * kqueue_wake_pipe.c: the wake, where the kernel has no event for it: a pipe, told of as long as
 * there is anything in it, and emptied by whoever is told.
 */
#include <errno.h>
#include <unistd.h>

#include "poller/descriptor.h"
#include "poller/kqueue.h"

/* Both ends: a full pipe is a wake that is still to be seen. */
static int open_pipe(int fds[2])
{
    int err = descriptor_pipe(fds, 0);
    if (err)
        return err;
    err = descriptor_set_nonblocking(fds[1]);
    for (int i = 0; i < 2 && !err; i++) {
        int fd = descriptor_above_standard(fds[i]);
        err = fd < 0 ? fd : 0;
        fds[i] = fd;
    }
    if (err) {
        close(fds[0]);
        close(fds[1]);
    }
    return err;
}

int kqueue_wake_open(struct poller *poller)
{
    struct kevent change;
    int fds[2];
    int err = open_pipe(fds);
    if (err)
        return err;
    EV_SET(&change, (uintptr_t)fds[0], EVFILT_READ, EV_ADD, 0, 0, NULL);
    err = kqueue_submit(poller->fd, &change, 1);
    if (err) {
        close(fds[0]);
        close(fds[1]);
        return err;
    }
    poller->kqueue->wake_fd = fds[0];
    poller->wake_fd = fds[1];
    return 0;
}

void kqueue_wake_close(struct poller *poller)
{
    close(poller->kqueue->wake_fd);
    close(poller->wake_fd);
    poller->kqueue->wake_fd = -1;
    poller->wake_fd = -1;
}

/* Signal-safe. */
void kqueue_wake(struct poller *poller)
{
    int saved = errno;
    while (write(poller->wake_fd, "", 1) < 0 && errno == EINTR)
        ;
    errno = saved;
}

bool kqueue_take_wake(struct poller *poller, const struct kevent *event)
{
    char bytes[256];
    ssize_t n;
    if (event->filter != EVFILT_READ || event->ident != (uintptr_t)poller->kqueue->wake_fd)
        return false;
    do
        n = read(poller->kqueue->wake_fd, bytes, sizeof bytes);
    while (n == (ssize_t)sizeof bytes || (n < 0 && errno == EINTR));
    return true;
}
