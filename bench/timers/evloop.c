/*
 * evloop.c: a delay counts from the next reading of the clock, so each batch ends with one: it is
 * then that a timer finds its place.
 */
#include <evloop.h>

#include "timers.h"

struct timers {
    evloop *loop;
    evloop_timer *timers;
    size_t count;
    size_t fired;
};

static void on_timer(evloop_timer *timer)
{
    struct timers *self = timer->data;

    self->fired++;
}

static void *open_loop(size_t count)
{
    struct timers *self = bench_alloc(1, sizeof *self);

    bench_check(evloop_create(&self->loop, NULL), "evloop_create");
    self->timers = bench_alloc(count, sizeof *self->timers);
    self->count = count;
    for (size_t i = 0; i < count; i++)
        self->timers[i].data = self;
    return self;
}

static void start(void *arg, const uint32_t *delays_us)
{
    struct timers *self = arg;

    for (size_t i = 0; i < self->count; i++)
        bench_check(
            evloop_timer_start(self->loop, &self->timers[i], EVLOOP_US(delays_us[i]), 0, on_timer),
            "evloop_timer_start");
    evloop_update(self->loop);
}

static void restart(void *arg, const uint32_t *order, const uint32_t *delays_us)
{
    struct timers *self = arg;

    for (size_t i = 0; i < self->count; i++)
        bench_check(evloop_timer_again(&self->timers[order[i]], EVLOOP_US(delays_us[i])),
                    "evloop_timer_again");
    evloop_update(self->loop);
}

static void stop(void *arg)
{
    struct timers *self = arg;

    for (size_t i = 0; i < self->count; i++)
        bench_check(evloop_timer_stop(&self->timers[i]), "evloop_timer_stop");
}

static void expire(void *arg)
{
    struct timers *self = arg;

    evloop_update(self->loop);
    while (self->fired < self->count)
        bench_check(evloop_run(self->loop, EVLOOP_RUN_NOWAIT), "evloop_run");
}

const struct timers_ops timers_evloop = {open_loop, start, restart, stop, expire};
