/*
 * libev.c: ev_async_send().
 */
#include <ev.h>

#include "../harness/random.h"
#include "notify.h"

struct notifies {
    struct ev_loop *loop;
    ev_async *all;
    uint32_t last;
    size_t delivered;
    struct random random;
};

static void on_signal(struct ev_loop *loop, ev_async *async, int events)
{
    struct notifies *self = async->data;

    (void)loop;
    (void)events;
    self->delivered++;
}

static void *open_loop(const struct bench *bench)
{
    struct notifies *self = bench_alloc(1, sizeof *self);

    self->loop = ev_loop_new(EVFLAG_AUTO);
    bench_check(self->loop ? 0 : -1, "ev_loop_new");
    self->all = bench_alloc(bench->objects, sizeof *self->all);
    self->last = (uint32_t)bench->objects - 1;
    self->random = random_seed();
    for (size_t i = 0; i < bench->objects; i++) {
        ev_async_init(&self->all[i], on_signal);
        self->all[i].data = self;
        ev_async_start(self->loop, &self->all[i]);
    }
    return self;
}

static void batch(void *arg, size_t count)
{
    struct notifies *self = arg;

    self->delivered = 0;
    for (size_t sent = 1; sent <= count; sent++) {
        ev_async *one = &self->all[random_between(&self->random, 0, self->last)];

        ev_async_send(self->loop, one);
        while (self->delivered < sent)
            ev_run(self->loop, EVRUN_NOWAIT);
    }
}

const struct batch_ops notify_libev = {open_loop, batch};
