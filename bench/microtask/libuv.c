/*
 * libuv.c: an idle handle for each callback, that stops itself. It runs in the next turn.
 */
#include <uv.h>

#include "microtask.h"

struct microtasks {
    uv_loop_t loop;
    uv_idle_t source;
    uv_idle_t idle[MICROTASK_BURST];
    size_t left; /* to be asked for */
    size_t ran;
};

static void *open_loop(const struct bench *bench)
{
    struct microtasks *self = bench_alloc(1, sizeof *self);

    (void)bench;
    bench_check(uv_loop_init(&self->loop), "uv_loop_init");
    bench_check(uv_idle_init(&self->loop, &self->source), "uv_idle_init");
    self->source.data = self;
    for (size_t i = 0; i < MICROTASK_BURST; i++) {
        bench_check(uv_idle_init(&self->loop, &self->idle[i]), "uv_idle_init");
        self->idle[i].data = self;
    }
    return self;
}

static void on_burst(uv_idle_t *idle)
{
    struct microtasks *self = idle->data;

    uv_idle_stop(idle);
    self->ran++;
}

static void on_source(uv_idle_t *source)
{
    struct microtasks *self = source->data;
    size_t burst = self->left < MICROTASK_BURST ? self->left : MICROTASK_BURST;

    for (size_t i = 0; i < burst; i++)
        bench_check(uv_idle_start(&self->idle[i], on_burst), "uv_idle_start");
    self->left -= burst;
    if (self->left == 0)
        uv_idle_stop(source);
}

static void run_burst(void *arg, size_t count)
{
    struct microtasks *self = arg;

    self->left = count;
    self->ran = 0;
    bench_check(uv_idle_start(&self->source, on_source), "uv_idle_start");
    uv_run(&self->loop, UV_RUN_DEFAULT);
    bench_check(self->ran == count ? 0 : -1, "all callbacks run");
}

static void on_chain(uv_idle_t *idle)
{
    struct microtasks *self = idle->data;

    uv_idle_stop(idle);
    self->ran++;
    if (--self->left > 0)
        bench_check(uv_idle_start(idle, on_chain), "uv_idle_start");
}

static void run_chain(void *arg, size_t count)
{
    struct microtasks *self = arg;

    self->left = count;
    self->ran = 0;
    bench_check(uv_idle_start(&self->idle[0], on_chain), "uv_idle_start");
    uv_run(&self->loop, UV_RUN_DEFAULT);
    bench_check(self->ran == count ? 0 : -1, "all callbacks run");
}

const struct batch_ops microtask_burst_libuv = {open_loop, run_burst};
const struct batch_ops microtask_chain_libuv = {open_loop, run_chain};
