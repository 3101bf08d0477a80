/*
 * floor.c: epoll_wait() in a loop of its own, and nothing around it.
 */
#include <sys/epoll.h>

#include "dispatch.h"

enum { EVENTS_MAX = 256 };

struct dispatch {
    struct pipes pipes;
    int epoll;
};

static void *open_epoll(const struct bench *bench)
{
    struct dispatch *self = bench_alloc(1, sizeof *self);

    pipes_open(&self->pipes, bench);
    self->epoll = epoll_create1(0);
    bench_check(self->epoll, "epoll_create1");
    for (size_t i = 0; i < self->pipes.count; i++) {
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = &self->pipes.ends[i]};

        bench_check(epoll_ctl(self->epoll, EPOLL_CTL_ADD, self->pipes.ends[i].reader, &event),
                    "epoll_ctl");
    }
    return self;
}

static void batch(void *arg, size_t count)
{
    struct dispatch *self = arg;
    bool ended = false;

    pipes_begin(&self->pipes, count);
    while (!ended) {
        struct epoll_event events[EVENTS_MAX];
        int n = epoll_wait(self->epoll, events, EVENTS_MAX, -1);

        bench_check(n, "epoll_wait");
        for (int i = 0; i < n; i++)
            ended |= pipes_ready(events[i].data.ptr);
    }
}

const struct batch_ops dispatch_floor = {open_epoll, batch};
