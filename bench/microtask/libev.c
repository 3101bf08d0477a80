/*
 * libev.c: ev_feed_event(), which makes a watcher pending; pending watchers run before the loop
 * goes on.
 */
#include <ev.h>

#include "microtask.h"

struct microtasks {
    struct ev_loop *loop;
    ev_idle source;
    ev_prepare fed[MICROTASK_BURST]; /* never started, only fed */
    size_t left;                     /* to be asked for */
    size_t ran;
};

static void on_source(struct ev_loop *loop, ev_idle *source, int events);

static void *open_loop(const struct bench *bench)
{
    struct microtasks *self = bench_alloc(1, sizeof *self);

    (void)bench;
    self->loop = ev_loop_new(EVFLAG_AUTO);
    bench_check(self->loop ? 0 : -1, "ev_loop_new");
    ev_idle_init(&self->source, on_source);
    self->source.data = self;
    return self;
}

static void on_burst(struct ev_loop *loop, ev_prepare *watcher, int events)
{
    struct microtasks *self = watcher->data;

    (void)loop;
    (void)events;
    self->ran++;
}

static void on_source(struct ev_loop *loop, ev_idle *source, int events)
{
    struct microtasks *self = source->data;
    size_t burst = self->left < MICROTASK_BURST ? self->left : MICROTASK_BURST;

    (void)events;
    for (size_t i = 0; i < burst; i++)
        ev_feed_event(self->loop, &self->fed[i], EV_CUSTOM);
    self->left -= burst;
    if (self->left == 0)
        ev_idle_stop(loop, source);
}

static void *open_burst(const struct bench *bench)
{
    struct microtasks *self = open_loop(bench);

    for (size_t i = 0; i < MICROTASK_BURST; i++) {
        ev_prepare_init(&self->fed[i], on_burst);
        self->fed[i].data = self;
    }
    return self;
}

static void run_burst(void *arg, size_t count)
{
    struct microtasks *self = arg;

    self->left = count;
    self->ran = 0;
    ev_idle_start(self->loop, &self->source);
    ev_run(self->loop, 0);
    bench_check(self->ran == count ? 0 : -1, "all callbacks run");
}

static void on_chain(struct ev_loop *loop, ev_prepare *watcher, int events)
{
    struct microtasks *self = watcher->data;

    (void)loop;
    (void)events;
    self->ran++;
    if (--self->left > 0)
        ev_feed_event(self->loop, watcher, EV_CUSTOM);
}

static void *open_chain(const struct bench *bench)
{
    struct microtasks *self = open_loop(bench);

    ev_prepare_init(&self->fed[0], on_chain);
    self->fed[0].data = self;
    return self;
}

static void run_chain(void *arg, size_t count)
{
    struct microtasks *self = arg;

    self->left = count;
    self->ran = 0;
    ev_feed_event(self->loop, &self->fed[0], EV_CUSTOM);
    ev_run(self->loop, EVRUN_NOWAIT);
    bench_check(self->ran == count ? 0 : -1, "all callbacks run");
}

const struct batch_ops microtask_burst_libev = {open_burst, run_burst};
const struct batch_ops microtask_chain_libev = {open_chain, run_chain};
