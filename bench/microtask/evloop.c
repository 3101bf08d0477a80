/*
 * evloop.c: evloop_microtask(). Microtasks run as soon as the callback that asked for them has
 * returned.
 */
#include <evloop.h>

#include "microtask.h"

struct microtasks {
    evloop *loop;
    evloop_hook source;
    size_t left; /* to be asked for */
    size_t ran;
};

static void *open_loop(const struct bench *bench)
{
    struct microtasks *self = bench_alloc(1, sizeof *self);

    (void)bench;
    bench_check(evloop_create(&self->loop, NULL), "evloop_create");
    self->source.data = self;
    return self;
}

static void on_burst(void *arg)
{
    struct microtasks *self = arg;

    self->ran++;
}

static void on_source(evloop_hook *source)
{
    struct microtasks *self = source->data;
    size_t burst = self->left < MICROTASK_BURST ? self->left : MICROTASK_BURST;

    for (size_t i = 0; i < burst; i++)
        bench_check(evloop_microtask(self->loop, on_burst, self), "evloop_microtask");
    self->left -= burst;
    if (self->left == 0)
        evloop_hook_stop(source);
}

static void run_burst(void *arg, size_t count)
{
    struct microtasks *self = arg;

    self->left = count;
    self->ran = 0;
    bench_check(evloop_hook_start(self->loop, &self->source, EVLOOP_HOOK_IDLE, on_source),
                "evloop_hook_start");
    bench_check(evloop_run(self->loop, EVLOOP_RUN_DEFAULT), "evloop_run");
    bench_check(self->ran == count ? 0 : -1, "all microtasks run");
}

static void on_chain(void *arg)
{
    struct microtasks *self = arg;

    self->ran++;
    if (--self->left > 0)
        bench_check(evloop_microtask(self->loop, on_chain, self), "evloop_microtask");
}

static void run_chain(void *arg, size_t count)
{
    struct microtasks *self = arg;

    self->left = count;
    self->ran = 0;
    bench_check(evloop_microtask(self->loop, on_chain, self), "evloop_microtask");
    bench_check(evloop_run(self->loop, EVLOOP_RUN_DEFAULT), "evloop_run");
    bench_check(self->ran == count ? 0 : -1, "all microtasks run");
}

const struct batch_ops microtask_burst_evloop = {open_loop, run_burst};
const struct batch_ops microtask_chain_evloop = {open_loop, run_chain};
