/*
 * libev.c: through ev_set_allocator().
 */
#include <ev.h>

#include "memory.h"

static void *resize(void *memory, long size)
{
    return counting_resize(memory, (size_t)size);
}

static size_t loop_bytes(void)
{
    ev_set_allocator(resize);
    bench_check(ev_loop_new(EVFLAG_AUTO) ? 0 : -1, "ev_loop_new");
    return counting_bytes();
}

const struct memory_ops memory_libev = {loop_bytes};
