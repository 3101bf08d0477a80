/*
 * evloop.c: evloop_notify_send().
 */
#include <evloop.h>

#include "../harness/random.h"
#include "notify.h"

struct notifies {
    evloop *loop;
    evloop_notify *all;
    uint32_t last;
    size_t delivered;
    struct random random;
};

static void on_signal(evloop_notify *notify)
{
    struct notifies *self = notify->data;

    self->delivered++;
}

static void *open_loop(const struct bench *bench)
{
    struct notifies *self = bench_alloc(1, sizeof *self);

    bench_check(evloop_create(&self->loop, NULL), "evloop_create");
    self->all = bench_alloc(bench->objects, sizeof *self->all);
    self->last = (uint32_t)bench->objects - 1;
    self->random = random_seed();
    for (size_t i = 0; i < bench->objects; i++) {
        self->all[i].data = self;
        bench_check(evloop_notify_start(self->loop, &self->all[i], on_signal),
                    "evloop_notify_start");
    }
    return self;
}

static void batch(void *arg, size_t count)
{
    struct notifies *self = arg;

    self->delivered = 0;
    for (size_t sent = 1; sent <= count; sent++) {
        evloop_notify *one = &self->all[random_between(&self->random, 0, self->last)];

        bench_check(evloop_notify_send(one), "evloop_notify_send");
        while (self->delivered < sent)
            bench_check(evloop_run(self->loop, EVLOOP_RUN_NOWAIT), "evloop_run");
    }
}

const struct batch_ops notify_evloop = {open_loop, batch};
