/*
 * libev.c: seconds in a double, from the loop's cached clock; ev_timer_again() is the cheap way to
 * move one.
 */
#include <ev.h>

#include "timers.h"

struct timers {
    struct ev_loop *loop;
    ev_timer *timers;
    size_t count;
    size_t fired;
};

static void on_timer(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct timers *self = timer->data;

    (void)loop;
    (void)events;
    self->fired++;
}

static void *open_loop(size_t count)
{
    struct timers *self = bench_alloc(1, sizeof *self);

    self->loop = ev_loop_new(EVFLAG_AUTO);
    bench_check(self->loop ? 0 : -1, "ev_loop_new");
    self->timers = bench_alloc(count, sizeof *self->timers);
    self->count = count;
    for (size_t i = 0; i < count; i++) {
        ev_init(&self->timers[i], on_timer);
        self->timers[i].data = self;
    }
    return self;
}

static void start(void *arg, const uint32_t *delays_us)
{
    struct timers *self = arg;

    ev_now_update(self->loop);
    for (size_t i = 0; i < self->count; i++) {
        ev_timer_set(&self->timers[i], delays_us[i] * 1e-6, 0.);
        ev_timer_start(self->loop, &self->timers[i]);
    }
}

static void restart(void *arg, const uint32_t *order, const uint32_t *delays_us)
{
    struct timers *self = arg;

    ev_now_update(self->loop);
    for (size_t i = 0; i < self->count; i++) {
        self->timers[order[i]].repeat = delays_us[i] * 1e-6;
        ev_timer_again(self->loop, &self->timers[order[i]]);
    }
}

static void stop(void *arg)
{
    struct timers *self = arg;

    for (size_t i = 0; i < self->count; i++)
        ev_timer_stop(self->loop, &self->timers[i]);
}

static void expire(void *arg)
{
    struct timers *self = arg;

    ev_now_update(self->loop);
    while (self->fired < self->count)
        ev_run(self->loop, EVRUN_NOWAIT);
}

const struct timers_ops timers_libev = {open_loop, start, restart, stop, expire};
