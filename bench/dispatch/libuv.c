/*
 * libuv.c: a uv_poll_t on each pipe.
 */
#include <uv.h>

#include "dispatch.h"

struct dispatch {
    struct pipes pipes;
    uv_loop_t loop;
    uv_poll_t *polls;
};

static void on_readable(uv_poll_t *poll, int status, int events)
{
    (void)events;
    bench_check(status, "uv_poll");
    if (pipes_ready(poll->data))
        uv_stop(poll->loop);
}

static void *open_loop(const struct bench *bench)
{
    struct dispatch *self = bench_alloc(1, sizeof *self);

    pipes_open(&self->pipes, bench);
    bench_check(uv_loop_init(&self->loop), "uv_loop_init");
    self->polls = bench_alloc(self->pipes.count, sizeof *self->polls);
    for (size_t i = 0; i < self->pipes.count; i++) {
        bench_check(uv_poll_init(&self->loop, &self->polls[i], self->pipes.ends[i].reader),
                    "uv_poll_init");
        self->polls[i].data = &self->pipes.ends[i];
        bench_check(uv_poll_start(&self->polls[i], UV_READABLE, on_readable), "uv_poll_start");
    }
    return self;
}

static void batch(void *arg, size_t count)
{
    struct dispatch *self = arg;

    pipes_begin(&self->pipes, count);
    uv_run(&self->loop, UV_RUN_DEFAULT);
}

const struct batch_ops dispatch_libuv = {open_loop, batch};
