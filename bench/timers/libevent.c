/*
 * libevent.c: microseconds. Only inside a callback does libevent have a cached clock, so that every
 * batch is one: elsewhere each event_add() would read the clock.
 */
#include <event2/event.h>
#include <event2/event_struct.h>

#include "timers.h"

struct timers {
    struct event_base *base;
    struct event *timers;
    size_t count;
    size_t fired;
    struct event in_loop;
    void (*batch)(struct timers *self);
    const uint32_t *order;
    const uint32_t *delays_us;
};

static void on_timer(evutil_socket_t fd, short events, void *arg)
{
    struct timers *self = arg;

    (void)fd;
    (void)events;
    self->fired++;
}

static void on_in_loop(evutil_socket_t fd, short events, void *arg)
{
    struct timers *self = arg;

    (void)fd;
    (void)events;
    self->batch(self);
}

static void run_in_loop(struct timers *self, void (*batch)(struct timers *self))
{
    self->batch = batch;
    event_active(&self->in_loop, EV_TIMEOUT, 0);
    event_base_loop(self->base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
}

static void *open_loop(size_t count)
{
    struct timers *self = bench_alloc(1, sizeof *self);

    self->base = event_base_new();
    bench_check(self->base ? 0 : -1, "event_base_new");
    bench_check(evtimer_assign(&self->in_loop, self->base, on_in_loop, self), "evtimer_assign");
    self->timers = bench_alloc(count, sizeof *self->timers);
    self->count = count;
    for (size_t i = 0; i < count; i++)
        bench_check(evtimer_assign(&self->timers[i], self->base, on_timer, self), "evtimer_assign");
    return self;
}

static void add(struct event *timer, uint32_t delay_us)
{
    struct timeval delay = {delay_us / 1000000, delay_us % 1000000};

    bench_check(event_add(timer, &delay), "event_add");
}

static void start_batch(struct timers *self)
{
    for (size_t i = 0; i < self->count; i++)
        add(&self->timers[i], self->delays_us[i]);
}

static void start(void *arg, const uint32_t *delays_us)
{
    struct timers *self = arg;

    self->delays_us = delays_us;
    run_in_loop(self, start_batch);
}

static void restart_batch(struct timers *self)
{
    for (size_t i = 0; i < self->count; i++)
        add(&self->timers[self->order[i]], self->delays_us[i]);
}

static void restart(void *arg, const uint32_t *order, const uint32_t *delays_us)
{
    struct timers *self = arg;

    self->order = order;
    self->delays_us = delays_us;
    run_in_loop(self, restart_batch);
}

static void stop_batch(struct timers *self)
{
    for (size_t i = 0; i < self->count; i++)
        bench_check(event_del(&self->timers[i]), "event_del");
}

static void stop(void *arg)
{
    run_in_loop(arg, stop_batch);
}

static void expire(void *arg)
{
    struct timers *self = arg;

    while (self->fired < self->count)
        event_base_loop(self->base, EVLOOP_NONBLOCK);
}

const struct timers_ops timers_libevent = {open_loop, start, restart, stop, expire};
