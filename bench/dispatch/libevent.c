/*
 * libevent.c: a persistent event on each pipe.
 */
#include <event2/event.h>
#include <event2/event_struct.h>

#include "dispatch.h"

struct dispatch {
    struct pipes pipes;
    struct event_base *base;
    struct event *events;
};

static void on_readable(evutil_socket_t fd, short events, void *arg)
{
    struct pipe_end *end = arg;

    (void)fd;
    (void)events;
    if (pipes_ready(end)) {
        struct dispatch *self = (struct dispatch *)(void *)end->pipes;

        event_base_loopbreak(self->base);
    }
}

static void *open_loop(const struct bench *bench)
{
    struct dispatch *self = bench_alloc(1, sizeof *self);

    pipes_open(&self->pipes, bench);
    self->base = event_base_new();
    bench_check(self->base ? 0 : -1, "event_base_new");
    self->events = bench_alloc(self->pipes.count, sizeof *self->events);
    for (size_t i = 0; i < self->pipes.count; i++) {
        bench_check(event_assign(&self->events[i], self->base, self->pipes.ends[i].reader,
                                 EV_READ | EV_PERSIST, on_readable, &self->pipes.ends[i]),
                    "event_assign");
        bench_check(event_add(&self->events[i], NULL), "event_add");
    }
    return self;
}

static void batch(void *arg, size_t count)
{
    struct dispatch *self = arg;

    pipes_begin(&self->pipes, count);
    event_base_loop(self->base, 0);
}

const struct batch_ops dispatch_libevent = {open_loop, batch};
