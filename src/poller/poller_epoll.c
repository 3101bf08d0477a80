/*
 * poller_epoll.c: Linux.
 *
 * Each event's data is the descriptor and its generation. The wake is an eventfd, registered
 * edge-triggered, so that nobody has to read it: every write is an edge of its own.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "poller/descriptor.h"
#include "poller/poller.h"

enum { EVENTS_A_WAIT = 256 };

static const uint64_t wake_data = UINT64_MAX;

static int watch_wake_fd(int fd, int wake_fd)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data = {.u64 = wake_data}};
    return epoll_ctl(fd, EPOLL_CTL_ADD, wake_fd, &event) == 0 ? 0 : -errno;
}

static int open_both(int *fd, int *wake_fd)
{
    int err;
    *fd = descriptor_above_standard(epoll_create1(EPOLL_CLOEXEC));
    if (*fd < 0)
        return *fd;
    *wake_fd = descriptor_above_standard(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (*wake_fd < 0) {
        err = *wake_fd;
        goto close_fd;
    }
    err = watch_wake_fd(*fd, *wake_fd);
    if (err)
        goto close_wake_fd;
    return 0;

close_wake_fd:
    close(*wake_fd);
close_fd:
    close(*fd);
    return err;
}

static int epoll_open(struct poller *poller)
{
    int fd = -1;
    int wake_fd = -1;
    int err = open_both(&fd, &wake_fd);
    if (err)
        return err;
    poller->fd = fd;
    poller->wake_fd = wake_fd;
    poller->waits_ms = false;
    return 0;
}

static void epoll_close(struct poller *poller)
{
    close(poller->fd);
    close(poller->wake_fd);
    poller->fd = -1;
    poller->wake_fd = -1;
}

/* The new objects take the old ones' numbers, so that an outer loop's descriptor stays the same. */
static int epoll_reopen(struct poller *poller)
{
    int fd = -1;
    int wake_fd = -1;
    int err = open_both(&fd, &wake_fd);
    if (err)
        return err;
    if (dup3(wake_fd, poller->wake_fd, O_CLOEXEC) < 0)
        err = -errno;
    close(wake_fd);
    if (!err)
        err = watch_wake_fd(fd, poller->wake_fd);
    if (!err && dup3(fd, poller->fd, O_CLOEXEC) < 0)
        err = -errno;
    close(fd);
    return err;
}

static uint32_t to_epoll(unsigned events)
{
    uint32_t mask = 0;
    if (events & EVLOOP_READABLE)
        mask |= EPOLLIN;
    if (events & EVLOOP_WRITABLE)
        mask |= EPOLLOUT;
    if (events & EVLOOP_DISCONNECT)
        mask |= EPOLLRDHUP;
    if (events & EVLOOP_PRIORITY)
        mask |= EPOLLPRI;
    if (events & INTEREST_EDGE)
        mask |= EPOLLET;
    return mask;
}

static unsigned from_epoll(uint32_t mask)
{
    unsigned events = 0;
    if (mask == EPOLLIN) /* nearly always */
        return EVLOOP_READABLE;
    if (mask & EPOLLIN)
        events |= EVLOOP_READABLE;
    if (mask & EPOLLOUT)
        events |= EVLOOP_WRITABLE;
    if (mask & EPOLLRDHUP)
        events |= EVLOOP_DISCONNECT;
    if (mask & EPOLLPRI)
        events |= EVLOOP_PRIORITY;
    if (mask & (EPOLLERR | EPOLLHUP))
        events |= EVLOOP_ERROR;
    return events;
}

static int epoll_change(struct poller *poller, int fd, uint32_t generation, unsigned from,
                        unsigned to)
{
    struct epoll_event event = {.events = to_epoll(to),
                                .data = {.u64 = (uint64_t)generation << 32 | (uint32_t)fd}};
    int operation = !to ? EPOLL_CTL_DEL : from ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
    if (epoll_ctl(poller->fd, operation, fd, &event) == 0)
        return 0;
    if (operation == EPOLL_CTL_ADD && errno == EEXIST) /* left by a removal that failed */
        operation = EPOLL_CTL_MOD;
    else if (operation == EPOLL_CTL_MOD && errno == ENOENT) /* closed, and the number came back */
        operation = EPOLL_CTL_ADD;
    else
        return -errno;
    return epoll_ctl(poller->fd, operation, fd, &event) == 0 ? 0 : -errno;
}

static int timeout_ms(uint64_t timeout_ns)
{
    if (timeout_ns == EVLOOP_FOREVER)
        return -1;
    uint64_t ms = timeout_ns / 1000000 + (timeout_ns % 1000000 != 0);
    return ms > INT_MAX ? INT_MAX : (int)ms;
}

#ifdef EVLOOP_HAVE_EPOLL_PWAIT2
static int wait_ns(struct poller *poller, struct epoll_event *events, uint64_t timeout_ns)
{
    struct timespec timeout = {.tv_sec = (time_t)(timeout_ns / 1000000000),
                               .tv_nsec = (long)(timeout_ns % 1000000000)};
    int count = epoll_pwait2(poller->fd, events, EVENTS_A_WAIT, &timeout, NULL);
    if (count < 0 && (errno == ENOSYS || errno == EPERM)) /* an older kernel, or a sandbox */
        poller->waits_ms = true;
    return count;
}
#else
static int wait_ns(struct poller *poller, struct epoll_event *events, uint64_t timeout_ns)
{
    (void)events;
    (void)timeout_ns;
    poller->waits_ms = true;
    return -1;
}
#endif

static int wait_for_events(struct poller *poller, struct epoll_event *events, uint64_t timeout_ns)
{
    if (timeout_ns > 0 && timeout_ns < EVLOOP_SEC(1000000) && !poller->waits_ms) {
        int count = wait_ns(poller, events, timeout_ns);
        if (!poller->waits_ms)
            return count;
    }
    return epoll_wait(poller->fd, events, EVENTS_A_WAIT, timeout_ms(timeout_ns));
}

static int epoll_poll(struct poller *poller, uint64_t timeout_ns)
{
    struct epoll_event events[EVENTS_A_WAIT];
    int count = wait_for_events(poller, events, timeout_ns);
    if (count < 0)
        return errno == EINTR ? 0 : -errno;
    for (int i = 0; i < count; i++) {
        uint64_t data = events[i].data.u64;
        if (data != wake_data)
            interest_collect(poller, (int)(uint32_t)data, (uint32_t)(data >> 32),
                             from_epoll(events[i].events));
    }
    return 0;
}

/* Signal-safe. A full counter is a wake that is still to be seen. */
static void epoll_wake(struct poller *poller)
{
    const uint64_t one = 1;
    int saved = errno;
    while (write(poller->wake_fd, &one, sizeof one) < 0 && errno == EINTR)
        ;
    errno = saved;
}

const struct poller_backend poller_epoll = {
    .name = "epoll",
    .open = epoll_open,
    .close = epoll_close,
    .reopen = epoll_reopen,
    .change = epoll_change,
    .wait = epoll_poll,
    .wake = epoll_wake,
};
