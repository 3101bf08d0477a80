/*
 * floor.c: what a turn costs that asks the kernel: a call, epoll_wait() without a time-out, and
 * again.
 */
#include <sys/epoll.h>

#include "loop_count.h"

struct turns {
    int epoll;
    void (*idle)(struct turns *self);
    size_t left;
};

static void on_idle(struct turns *self)
{
    self->left--;
}

static void *open_epoll(const struct bench *bench)
{
    struct turns *self = bench_alloc(1, sizeof *self);
    struct epoll_event event = {.events = EPOLLIN};
    int fd = quiet_pipe(bench);

    self->idle = on_idle;
    self->epoll = epoll_create1(0);
    bench_check(self->epoll, "epoll_create1");
    if (fd >= 0)
        bench_check(epoll_ctl(self->epoll, EPOLL_CTL_ADD, fd, &event), "epoll_ctl");
    return self;
}

static void batch(void *arg, size_t count)
{
    struct turns *self = arg;

    self->left = count;
    while (self->left > 0) {
        struct epoll_event event;

        self->idle(self);
        bench_check(epoll_wait(self->epoll, &event, 1, 0), "epoll_wait");
    }
}

const struct batch_ops loop_count_floor = {open_epoll, batch};
