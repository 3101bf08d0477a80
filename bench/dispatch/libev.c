/*
 * libev.c: an ev_io on each pipe.
 */
#include <ev.h>

#include "dispatch.h"

struct dispatch {
    struct pipes pipes;
    struct ev_loop *loop;
    ev_io *watchers;
};

static void on_readable(struct ev_loop *loop, ev_io *watcher, int events)
{
    (void)events;
    if (pipes_ready(watcher->data))
        ev_break(loop, EVBREAK_ONE);
}

static void *open_loop(const struct bench *bench)
{
    struct dispatch *self = bench_alloc(1, sizeof *self);

    pipes_open(&self->pipes, bench);
    self->loop = ev_loop_new(EVFLAG_AUTO);
    bench_check(self->loop ? 0 : -1, "ev_loop_new");
    self->watchers = bench_alloc(self->pipes.count, sizeof *self->watchers);
    for (size_t i = 0; i < self->pipes.count; i++) {
        ev_io_init(&self->watchers[i], on_readable, self->pipes.ends[i].reader, EV_READ);
        self->watchers[i].data = &self->pipes.ends[i];
        ev_io_start(self->loop, &self->watchers[i]);
    }
    return self;
}

static void batch(void *arg, size_t count)
{
    struct dispatch *self = arg;

    pipes_begin(&self->pipes, count);
    ev_run(self->loop, 0);
}

const struct batch_ops dispatch_libev = {open_loop, batch};
