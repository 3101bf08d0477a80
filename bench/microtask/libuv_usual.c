/*
 * libuv_usual.c: a list of items from malloc, and a uv_async_send() to oneself for each.
 */
#include <stdlib.h>
#include <uv.h>

#include "microtask.h"

struct microtasks;

struct item {
    struct item *next;
    void (*fn)(struct microtasks *self);
};

struct microtasks {
    uv_loop_t loop;
    uv_idle_t source;
    uv_async_t async;
    struct item *first;
    struct item **last;
    size_t left; /* to be asked for */
    size_t ran;
};

static void ask(struct microtasks *self, void (*fn)(struct microtasks *self))
{
    struct item *item = malloc(sizeof *item);

    bench_check(item ? 0 : -1, "malloc");
    *item = (struct item){NULL, fn};
    *self->last = item;
    self->last = &item->next;
    bench_check(uv_async_send(&self->async), "uv_async_send");
}

static void on_async(uv_async_t *async)
{
    struct microtasks *self = async->data;
    struct item *item = self->first;

    self->first = NULL;
    self->last = &self->first;
    while (item) {
        struct item *next = item->next;

        item->fn(self);
        free(item);
        item = next;
    }
    if (self->left == 0 && !self->first)
        uv_stop(&self->loop);
}

static void *open_loop(const struct bench *bench)
{
    struct microtasks *self = bench_alloc(1, sizeof *self);

    (void)bench;
    bench_check(uv_loop_init(&self->loop), "uv_loop_init");
    bench_check(uv_idle_init(&self->loop, &self->source), "uv_idle_init");
    bench_check(uv_async_init(&self->loop, &self->async, on_async), "uv_async_init");
    self->source.data = self->async.data = self;
    self->last = &self->first;
    return self;
}

static void on_burst(struct microtasks *self)
{
    self->ran++;
}

static void on_source(uv_idle_t *source)
{
    struct microtasks *self = source->data;
    size_t burst = self->left < MICROTASK_BURST ? self->left : MICROTASK_BURST;

    for (size_t i = 0; i < burst; i++)
        ask(self, on_burst);
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

static void on_chain(struct microtasks *self)
{
    self->ran++;
    if (--self->left > 0)
        ask(self, on_chain);
}

static void run_chain(void *arg, size_t count)
{
    struct microtasks *self = arg;

    self->left = count;
    self->ran = 0;
    ask(self, on_chain);
    uv_run(&self->loop, UV_RUN_DEFAULT);
    bench_check(self->ran == count ? 0 : -1, "all callbacks run");
}

const struct batch_ops microtask_burst_libuv_usual = {open_loop, run_burst};
const struct batch_ops microtask_chain_libuv_usual = {open_loop, run_chain};
