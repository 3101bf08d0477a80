/*
 * libev.c: an idle watcher.
 */
#include <ev.h>

#include "loop_count.h"

struct turns {
    struct ev_loop *loop;
    ev_idle idle;
    ev_io io;
    size_t left;
};

static void on_idle(struct ev_loop *loop, ev_idle *idle, int events)
{
    struct turns *self = idle->data;

    (void)events;
    if (--self->left == 0)
        ev_break(loop, EVBREAK_ONE);
}

static void on_readable(struct ev_loop *loop, ev_io *io, int events)
{
    (void)loop;
    (void)io;
    (void)events;
}

static void *open_loop(const struct bench *bench)
{
    struct turns *self = bench_alloc(1, sizeof *self);
    int fd = quiet_pipe(bench);

    self->loop = ev_loop_new(EVFLAG_AUTO);
    bench_check(self->loop ? 0 : -1, "ev_loop_new");
    ev_idle_init(&self->idle, on_idle);
    self->idle.data = self;
    ev_idle_start(self->loop, &self->idle);
    if (fd >= 0) {
        ev_io_init(&self->io, on_readable, fd, EV_READ);
        ev_io_start(self->loop, &self->io);
    }
    return self;
}

static void batch(void *arg, size_t count)
{
    struct turns *self = arg;

    self->left = count;
    ev_run(self->loop, 0);
}

const struct batch_ops loop_count_libev = {open_loop, batch};
