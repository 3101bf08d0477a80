/*
 * libuv.c: uv_async_send().
 */
#include <uv.h>

#include "../harness/random.h"
#include "notify.h"

struct notifies {
    uv_loop_t loop;
    uv_async_t *all;
    uint32_t last;
    size_t delivered;
    struct random random;
};

static void on_signal(uv_async_t *async)
{
    struct notifies *self = async->data;

    self->delivered++;
}

static void *open_loop(const struct bench *bench)
{
    struct notifies *self = bench_alloc(1, sizeof *self);

    bench_check(uv_loop_init(&self->loop), "uv_loop_init");
    self->all = bench_alloc(bench->objects, sizeof *self->all);
    self->last = (uint32_t)bench->objects - 1;
    self->random = random_seed();
    for (size_t i = 0; i < bench->objects; i++) {
        bench_check(uv_async_init(&self->loop, &self->all[i], on_signal), "uv_async_init");
        self->all[i].data = self;
    }
    return self;
}

static void batch(void *arg, size_t count)
{
    struct notifies *self = arg;

    self->delivered = 0;
    for (size_t sent = 1; sent <= count; sent++) {
        uv_async_t *one = &self->all[random_between(&self->random, 0, self->last)];

        bench_check(uv_async_send(one), "uv_async_send");
        while (self->delivered < sent)
            uv_run(&self->loop, UV_RUN_NOWAIT);
    }
}

const struct batch_ops notify_libuv = {open_loop, batch};
