/*
 * libuv.c: an idle handle.
 */
#include <uv.h>

#include "loop_count.h"

struct turns {
    uv_loop_t loop;
    uv_idle_t idle;
    uv_poll_t poll;
    size_t left;
};

static void on_idle(uv_idle_t *idle)
{
    struct turns *self = idle->data;

    if (--self->left == 0)
        uv_stop(&self->loop);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    (void)poll;
    (void)status;
    (void)events;
}

static void *open_loop(const struct bench *bench)
{
    struct turns *self = bench_alloc(1, sizeof *self);
    int fd = quiet_pipe(bench);

    bench_check(uv_loop_init(&self->loop), "uv_loop_init");
    bench_check(uv_idle_init(&self->loop, &self->idle), "uv_idle_init");
    self->idle.data = self;
    bench_check(uv_idle_start(&self->idle, on_idle), "uv_idle_start");
    if (fd >= 0) {
        bench_check(uv_poll_init(&self->loop, &self->poll, fd), "uv_poll_init");
        bench_check(uv_poll_start(&self->poll, UV_READABLE, on_readable), "uv_poll_start");
    }
    return self;
}

static void batch(void *arg, size_t count)
{
    struct turns *self = arg;

    self->left = count;
    uv_run(&self->loop, UV_RUN_DEFAULT);
}

const struct batch_ops loop_count_libuv = {open_loop, batch};
