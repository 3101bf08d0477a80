/*
 * libevent.c: through event_set_mem_functions().
 */
#include <event2/event.h>

#include "memory.h"

static void *count_malloc(size_t size)
{
    return counting_resize(NULL, size);
}

static void count_free(void *memory)
{
    counting_resize(memory, 0);
}

void memory_count_libevent(void)
{
    event_set_mem_functions(count_malloc, counting_resize, count_free);
}

static size_t loop_bytes(void)
{
    memory_count_libevent();
    bench_check(event_base_new() ? 0 : -1, "event_base_new");
    return counting_bytes();
}

const struct memory_ops memory_libevent = {loop_bytes};
