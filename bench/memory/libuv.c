/*
 * libuv.c: through uv_replace_allocator(); the struct is the user's.
 */
#include <string.h>
#include <uv.h>

#include "memory.h"

static void *count_malloc(size_t size)
{
    return counting_resize(NULL, size);
}

static void *count_calloc(size_t count, size_t size)
{
    void *memory = counting_resize(NULL, count * size);

    return memory ? memset(memory, 0, count * size) : NULL;
}

static void count_free(void *memory)
{
    counting_resize(memory, 0);
}

void memory_count_libuv(void)
{
    bench_check(uv_replace_allocator(count_malloc, counting_resize, count_calloc, count_free),
                "uv_replace_allocator");
}

static size_t loop_bytes(void)
{
    uv_loop_t loop;

    memory_count_libuv();
    bench_check(uv_loop_init(&loop), "uv_loop_init");
    return sizeof loop + counting_bytes();
}

const struct memory_ops memory_libuv = {loop_bytes};
