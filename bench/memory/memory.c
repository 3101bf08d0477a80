/*
 * memory.c: the allocator that counts, and the table of the systems.
 */
#include "memory.h"

#include <stdlib.h>

/* In front of each piece of memory, and as large as its alignment asks for. */
union header {
    size_t size;
    max_align_t align;
};

static size_t bytes;

void *counting_resize(void *memory, size_t size)
{
    union header *header = memory ? (union header *)memory - 1 : NULL;

    if (header)
        bytes -= header->size;
    if (size == 0) {
        free(header);
        return NULL;
    }
    header = realloc(header, sizeof *header + size);
    bench_check(header ? 0 : -1, "realloc");
    header->size = size;
    bytes += size;
    return header + 1;
}

size_t counting_bytes(void)
{
    return bytes;
}

static void memory_run(const struct bench *bench, const void *ops,
                       const struct bench_budget *budget, double *values)
{
    const struct memory_ops *memory = ops;

    (void)bench;
    (void)budget;
    values[0] = (double)memory->loop_bytes() / 1024;
}

static const struct bench_system default_systems[] = {
    {"evloop", &memory_evloop_default},          {"epoll", &memory_evloop_default},
    {"libuv", IF_LIBUV(&memory_libuv)},          {"libev", IF_LIBEV(&memory_libev)},
    {"libevent", IF_LIBEVENT(&memory_libevent)},
};

static const struct bench_system small_systems[] = {
    {"evloop", &memory_evloop_small},
    {"libuv", IF_LIBUV(&memory_libuv)},
    {"libev", IF_LIBEV(&memory_libev)},
    {"libevent", IF_LIBEVENT(&memory_libevent)},
};

static const struct bench_case cases[] = {
    {"loop", "memory", "KiB", true, 192},
    {"small-loop", "memory", "KiB", true, 0},
};

#define MEMORY(i, kind)                                                                            \
    {                                                                                              \
        .name = "memory", .cases = &cases[i], .case_count = 1, .run = memory_run, .exact = true,   \
        .systems = kind##_systems, .system_count = BENCH_COUNT(kind##_systems)                     \
    }

static const struct bench benches[] = {MEMORY(0, default), MEMORY(1, small)};

const struct bench_set memory_set = BENCH_SET(benches);
