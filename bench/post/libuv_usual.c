/*
 * libuv_usual.c: the idiom that is met most: an item from malloc, a list under a mutex,
 * uv_async_send() each time.
 */
#include <stdlib.h>
#include <uv.h>

#include "post.h"

struct item {
    struct item *next;
    void (*fn)(void *arg);
    void *arg;
};

struct post {
    uv_loop_t loop;
    uv_async_t async;
    uv_mutex_t mutex;
    struct item *first; /* guarded by the mutex, as is last */
    struct item **last;
    size_t ran;
    size_t total;
};

static void count_one(void *arg)
{
    struct post *self = arg;

    if (++self->ran == self->total)
        uv_stop(&self->loop);
}

static void push(struct post *self, void (*fn)(void *arg), void *arg)
{
    struct item *item = malloc(sizeof *item);

    bench_check(item ? 0 : -1, "malloc");
    *item = (struct item){NULL, fn, arg};
    uv_mutex_lock(&self->mutex);
    *self->last = item;
    self->last = &item->next;
    uv_mutex_unlock(&self->mutex);
    bench_check(uv_async_send(&self->async), "uv_async_send");
}

static void on_async(uv_async_t *async)
{
    struct post *self = async->data;
    struct item *item;

    uv_mutex_lock(&self->mutex);
    item = self->first;
    self->first = NULL;
    self->last = &self->first;
    uv_mutex_unlock(&self->mutex);
    while (item) {
        struct item *next = item->next;

        item->fn(item->arg);
        free(item);
        item = next;
    }
}

static struct post *open_loop(void)
{
    struct post *self = bench_alloc(1, sizeof *self);

    self->last = &self->first;
    bench_check(uv_loop_init(&self->loop), "uv_loop_init");
    bench_check(uv_async_init(&self->loop, &self->async, on_async), "uv_async_init");
    bench_check(uv_mutex_init(&self->mutex), "uv_mutex_init");
    self->async.data = self;
    return self;
}

static void *open_producers(size_t total, unsigned producers)
{
    (void)total;
    (void)producers;
    return open_loop();
}

static void produce(void *arg, unsigned producer, size_t count)
{
    struct post *self = arg;

    (void)producer;
    for (size_t i = 0; i < count; i++)
        push(self, count_one, self);
}

static void consume(void *arg, size_t total)
{
    struct post *self = arg;

    self->total = total;
    uv_run(&self->loop, UV_RUN_DEFAULT);
    self->ran = 0;
}

const struct post_ops post_libuv_usual = {open_producers, produce, consume};

static void *open_uncontended(const struct bench *bench)
{
    (void)bench;
    return open_loop();
}

static void batch(void *arg, size_t count)
{
    struct post *self = arg;

    for (size_t burst; count > 0; count -= burst) {
        burst = count < UNCONTENDED_BURST ? count : UNCONTENDED_BURST;
        produce(self, 0, burst);
        while (self->ran < burst)
            uv_run(&self->loop, UV_RUN_NOWAIT);
        self->ran = 0;
    }
}

const struct batch_ops uncontended_libuv_usual = {open_uncontended, batch};
