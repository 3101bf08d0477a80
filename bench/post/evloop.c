/*
 * evloop.c: evloop_submit() on tasks that are part of the producers' own structs, and
 * evloop_post().
 */
#include <evloop.h>

#include "post.h"

struct post {
    evloop *loop;
    evloop_notify busy; /* keeps the loop alive between the items */
    evloop_task *tasks; /* those of producer 0, those of producer 1, ... */
    size_t ran;
    size_t total;
};

static void count_one(void *arg)
{
    struct post *self = arg;

    if (++self->ran == self->total)
        evloop_stop(self->loop);
}

static void on_task(evloop_task *task)
{
    count_one(task->data);
}

static void on_busy(evloop_notify *notify)
{
    (void)notify;
}

static struct post *open_loop(size_t tasks)
{
    struct post *self = bench_alloc(1, sizeof *self);

    self->tasks = bench_alloc(tasks, sizeof *self->tasks);
    for (size_t i = 0; i < tasks; i++)
        self->tasks[i].data = self;
    bench_check(evloop_create(&self->loop, NULL), "evloop_create");
    bench_check(evloop_notify_start(self->loop, &self->busy, on_busy), "evloop_notify_start");
    return self;
}

static void *open_submit(size_t total, unsigned producers)
{
    (void)producers;
    return open_loop(total);
}

static void *open_post(size_t total, unsigned producers)
{
    (void)total;
    (void)producers;
    return open_loop(1);
}

static void produce_submit(void *arg, unsigned producer, size_t count)
{
    struct post *self = arg;
    evloop_task *task = self->tasks + producer * count;

    for (evloop_task *end = task + count; task < end; task++)
        bench_check(evloop_submit(self->loop, task, on_task), "evloop_submit");
}

static void produce_post(void *arg, unsigned producer, size_t count)
{
    struct post *self = arg;

    (void)producer;
    for (size_t i = 0; i < count; i++)
        bench_check(evloop_post(self->loop, count_one, self), "evloop_post");
}

static void consume(void *arg, size_t total)
{
    struct post *self = arg;

    self->total = total;
    bench_check(evloop_run(self->loop, EVLOOP_RUN_DEFAULT), "evloop_run");
    self->ran = 0;
}

const struct post_ops post_evloop_submit = {open_submit, produce_submit, consume};
const struct post_ops post_evloop_post = {open_post, produce_post, consume};

static void *open_uncontended(const struct bench *bench)
{
    (void)bench;
    return open_loop(UNCONTENDED_BURST);
}

static void run_all(struct post *self, size_t count)
{
    while (self->ran < count)
        bench_check(evloop_run(self->loop, EVLOOP_RUN_NOWAIT), "evloop_run");
    self->ran = 0;
}

static void batch_submit(void *arg, size_t count)
{
    struct post *self = arg;

    for (size_t burst; count > 0; count -= burst) {
        burst = count < UNCONTENDED_BURST ? count : UNCONTENDED_BURST;
        produce_submit(self, 0, burst);
        run_all(self, burst);
    }
}

static void batch_post(void *arg, size_t count)
{
    struct post *self = arg;

    for (size_t burst; count > 0; count -= burst) {
        burst = count < UNCONTENDED_BURST ? count : UNCONTENDED_BURST;
        produce_post(self, 0, burst);
        run_all(self, burst);
    }
}

const struct batch_ops uncontended_evloop_submit = {open_uncontended, batch_submit};
const struct batch_ops uncontended_evloop_post = {open_uncontended, batch_post};
