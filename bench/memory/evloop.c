/*
 * evloop.c: through the allocator among the options.
 */
#include <evloop.h>

#include "memory.h"

static void *resize(void *context, void *memory, size_t size)
{
    (void)context;
    return counting_resize(memory, size);
}

static size_t bytes_with(evloop_options options)
{
    const evloop_allocator allocator = {.resize = resize};
    evloop *loop;

    options.allocator = &allocator;
    bench_check(evloop_create(&loop, &options), "evloop_create");
    return counting_bytes();
}

static size_t default_bytes(void)
{
    return bytes_with(evloop_options_default());
}

static size_t small_bytes(void)
{
    return bytes_with(evloop_options_small());
}

const struct memory_ops memory_evloop_default = {default_bytes};
const struct memory_ops memory_evloop_small = {small_bytes};
