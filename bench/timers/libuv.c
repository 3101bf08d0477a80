/*
 * libuv.c: whole milliseconds, from the loop's cached clock; uv_timer_start() on an active timer
 * moves it.
 */
#include <uv.h>

#include "timers.h"

struct timers {
    uv_loop_t loop;
    uv_timer_t *timers;
    size_t count;
    size_t fired;
};

static void on_timer(uv_timer_t *timer)
{
    struct timers *self = timer->data;

    self->fired++;
}

static void *open_loop(size_t count)
{
    struct timers *self = bench_alloc(1, sizeof *self);

    bench_check(uv_loop_init(&self->loop), "uv_loop_init");
    self->timers = bench_alloc(count, sizeof *self->timers);
    self->count = count;
    for (size_t i = 0; i < count; i++) {
        bench_check(uv_timer_init(&self->loop, &self->timers[i]), "uv_timer_init");
        self->timers[i].data = self;
    }
    return self;
}

static void start(void *arg, const uint32_t *delays_us)
{
    struct timers *self = arg;

    uv_update_time(&self->loop);
    for (size_t i = 0; i < self->count; i++)
        bench_check(uv_timer_start(&self->timers[i], on_timer, delays_us[i] / 1000, 0),
                    "uv_timer_start");
}

static void restart(void *arg, const uint32_t *order, const uint32_t *delays_us)
{
    struct timers *self = arg;

    uv_update_time(&self->loop);
    for (size_t i = 0; i < self->count; i++)
        bench_check(uv_timer_start(&self->timers[order[i]], on_timer, delays_us[i] / 1000, 0),
                    "uv_timer_start");
}

static void stop(void *arg)
{
    struct timers *self = arg;

    for (size_t i = 0; i < self->count; i++)
        bench_check(uv_timer_stop(&self->timers[i]), "uv_timer_stop");
}

static void expire(void *arg)
{
    struct timers *self = arg;

    uv_update_time(&self->loop);
    while (self->fired < self->count)
        uv_run(&self->loop, UV_RUN_NOWAIT);
}

const struct timers_ops timers_libuv = {open_loop, start, restart, stop, expire};
