/*
 * evloop.c: a watch on each pipe.
 */
#include <evloop.h>

#include "dispatch.h"

struct dispatch {
    struct pipes pipes;
    evloop *loop;
    evloop_watch *watches;
};

static void on_readable(evloop_watch *watch, unsigned events)
{
    (void)events;
    if (pipes_ready(watch->data))
        evloop_stop(evloop_watch_loop(watch));
}

static void *open_loop(const struct bench *bench)
{
    struct dispatch *self = bench_alloc(1, sizeof *self);

    pipes_open(&self->pipes, bench);
    bench_check(evloop_create(&self->loop, NULL), "evloop_create");
    self->watches = bench_alloc(self->pipes.count, sizeof *self->watches);
    for (size_t i = 0; i < self->pipes.count; i++) {
        self->watches[i].data = &self->pipes.ends[i];
        bench_check(evloop_watch_start(self->loop, &self->watches[i], self->pipes.ends[i].reader,
                                       EVLOOP_READABLE, on_readable),
                    "evloop_watch_start");
    }
    return self;
}

static void batch(void *arg, size_t count)
{
    struct dispatch *self = arg;

    pipes_begin(&self->pipes, count);
    bench_check(evloop_run(self->loop, EVLOOP_RUN_DEFAULT), "evloop_run");
}

const struct batch_ops dispatch_evloop = {open_loop, batch};
