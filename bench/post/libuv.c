/*
 * libuv.c: as a good libuv user does it: a vector that grows, swapped under the mutex, and one
 * uv_async_send() when it was empty.
 */
#include <stdlib.h>
#include <uv.h>

#include "post.h"

struct item {
    void (*fn)(void *arg);
    void *arg;
};

struct vector {
    struct item *items;
    size_t count;
    size_t capacity;
};

struct post {
    uv_loop_t loop;
    uv_async_t async;
    uv_mutex_t mutex;
    struct vector filling;  /* guarded by the mutex */
    struct vector draining; /* the loop's own */
    size_t ran;
    size_t total;
};

static void count_one(void *arg)
{
    struct post *self = arg;

    if (++self->ran == self->total)
        uv_stop(&self->loop);
}

static void grow(struct vector *vector)
{
    vector->capacity *= 2;
    vector->items = realloc(vector->items, vector->capacity * sizeof *vector->items);
    bench_check(vector->items ? 0 : -1, "realloc");
}

static void push(struct post *self, void (*fn)(void *arg), void *arg)
{
    struct vector *filling = &self->filling;
    bool was_empty;

    uv_mutex_lock(&self->mutex);
    was_empty = filling->count == 0;
    if (filling->count == filling->capacity)
        grow(filling);
    filling->items[filling->count++] = (struct item){fn, arg};
    uv_mutex_unlock(&self->mutex);
    if (was_empty)
        bench_check(uv_async_send(&self->async), "uv_async_send");
}

static void on_async(uv_async_t *async)
{
    struct post *self = async->data;
    struct vector full;

    uv_mutex_lock(&self->mutex);
    full = self->filling;
    self->filling = self->draining;
    uv_mutex_unlock(&self->mutex);
    for (size_t i = 0; i < full.count; i++)
        full.items[i].fn(full.items[i].arg);
    full.count = 0;
    self->draining = full;
}

static struct post *open_loop(size_t capacity)
{
    struct post *self = bench_alloc(1, sizeof *self);

    self->filling.items = bench_alloc(capacity, sizeof *self->filling.items);
    self->draining.items = bench_alloc(capacity, sizeof *self->draining.items);
    self->filling.capacity = self->draining.capacity = capacity;
    bench_check(uv_loop_init(&self->loop), "uv_loop_init");
    bench_check(uv_async_init(&self->loop, &self->async, on_async), "uv_async_init");
    bench_check(uv_mutex_init(&self->mutex), "uv_mutex_init");
    self->async.data = self;
    return self;
}

static void *open_producers(size_t total, unsigned producers)
{
    (void)producers;
    return open_loop(total);
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

const struct post_ops post_libuv = {open_producers, produce, consume};

static void *open_uncontended(const struct bench *bench)
{
    (void)bench;
    return open_loop(UNCONTENDED_BURST);
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

const struct batch_ops uncontended_libuv = {open_uncontended, batch};
