/*
 * floor.c: an array, filled and then run, by one thread that shares nothing with anybody.
 */
#include "post.h"

struct item {
    void (*fn)(void *arg);
    void *arg;
};

struct post {
    struct item items[UNCONTENDED_BURST];
    size_t count;
    size_t ran;
};

static void count_one(void *arg)
{
    struct post *self = arg;

    self->ran++;
}

static void *open_array(const struct bench *bench)
{
    (void)bench;
    return bench_alloc(1, sizeof(struct post));
}

static void run_all(struct post *self)
{
    for (size_t i = 0; i < self->count; i++)
        self->items[i].fn(self->items[i].arg);
    self->count = 0;
}

static void batch(void *arg, size_t count)
{
    struct post *self = arg;

    for (size_t i = 0; i < count; i++) {
        self->items[self->count++] = (struct item){count_one, self};
        if (self->count == UNCONTENDED_BURST)
            run_all(self);
    }
    run_all(self);
}

const struct batch_ops uncontended_floor = {open_array, batch};
