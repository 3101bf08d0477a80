/*
 * libevent.c: it has no idle callback; a timer without a delay, added again each time, runs once a
 * turn.
 */
#include <event2/event.h>
#include <event2/event_struct.h>

#include "loop_count.h"

struct turns {
    struct event_base *base;
    struct event idle;
    struct event io;
    size_t left;
};

static const struct timeval at_once = {0, 0};

static void on_idle(evutil_socket_t fd, short events, void *arg)
{
    struct turns *self = arg;

    (void)fd;
    (void)events;
    bench_check(event_add(&self->idle, &at_once), "event_add");
    if (--self->left == 0)
        event_base_loopbreak(self->base);
}

static void on_readable(evutil_socket_t fd, short events, void *arg)
{
    (void)fd;
    (void)events;
    (void)arg;
}

static void *open_loop(const struct bench *bench)
{
    struct turns *self = bench_alloc(1, sizeof *self);
    int fd = quiet_pipe(bench);

    self->base = event_base_new();
    bench_check(self->base ? 0 : -1, "event_base_new");
    bench_check(evtimer_assign(&self->idle, self->base, on_idle, self), "evtimer_assign");
    bench_check(event_add(&self->idle, &at_once), "event_add");
    if (fd >= 0) {
        bench_check(
            event_assign(&self->io, self->base, fd, EV_READ | EV_PERSIST, on_readable, self),
            "event_assign");
        bench_check(event_add(&self->io, NULL), "event_add");
    }
    return self;
}

static void batch(void *arg, size_t count)
{
    struct turns *self = arg;

    self->left = count;
    event_base_loop(self->base, 0);
}

const struct batch_ops loop_count_libevent = {open_loop, batch};
