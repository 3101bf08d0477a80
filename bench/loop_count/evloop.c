/*
 * evloop.c: an idle hook.
 */
#include <evloop.h>

#include "loop_count.h"

struct turns {
    evloop *loop;
    evloop_hook idle;
    evloop_watch watch;
    size_t left;
};

static void on_idle(evloop_hook *idle)
{
    struct turns *self = idle->data;

    if (--self->left == 0)
        evloop_stop(self->loop);
}

static void on_readable(evloop_watch *watch, unsigned events)
{
    (void)watch;
    (void)events;
}

static void *open_loop(const struct bench *bench)
{
    struct turns *self = bench_alloc(1, sizeof *self);
    int fd = quiet_pipe(bench);

    bench_check(evloop_create(&self->loop, NULL), "evloop_create");
    self->idle.data = self;
    bench_check(evloop_hook_start(self->loop, &self->idle, EVLOOP_HOOK_IDLE, on_idle),
                "evloop_hook_start");
    if (fd >= 0)
        bench_check(evloop_watch_start(self->loop, &self->watch, fd, EVLOOP_READABLE, on_readable),
                    "evloop_watch_start");
    return self;
}

static void batch(void *arg, size_t count)
{
    struct turns *self = arg;

    self->left = count;
    bench_check(evloop_run(self->loop, EVLOOP_RUN_DEFAULT), "evloop_run");
}

const struct batch_ops loop_count_evloop = {open_loop, batch};
