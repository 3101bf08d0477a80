/*
 * memory.h: the allocator that a loop was given, or the C library's.
 */
#ifndef UTIL_MEMORY_H
#define UTIL_MEMORY_H

#include <stdlib.h>
#include <string.h>

#include "evloop/loop.h"
#include "util/atomic.h"

static inline void *memory_resize_default(void *context, void *memory, size_t size)
{
    (void)context;
    if (size)
        return realloc(memory, size);
    free(memory);
    return NULL;
}

static inline void *memory_alloc(const evloop_allocator *allocator, size_t size)
{
    return allocator->resize(allocator->context, NULL, size);
}

static inline void *memory_zalloc(const evloop_allocator *allocator, size_t size)
{
    void *memory = memory_alloc(allocator, size);
    return memory ? memset(memory, 0, size) : NULL;
}

static inline void memory_free(const evloop_allocator *allocator, void *memory)
{
    if (memory)
        allocator->resize(allocator->context, memory, 0);
}

/*
 * Aligned to a power of two, whatever the allocator gives; the address it gave stands before.
 */
static inline void *memory_alloc_aligned(const evloop_allocator *allocator, size_t size,
                                         size_t alignment)
{
    char *memory = (char *)memory_alloc(allocator, size + alignment + sizeof(void *));
    if (!memory)
        return NULL;
    uintptr_t first = (uintptr_t)memory + sizeof(void *) + alignment - 1;
    void **aligned = (void **)(first & ~(uintptr_t)(alignment - 1));
    aligned[-1] = memory;
    return aligned;
}

static inline void *memory_zalloc_aligned(const evloop_allocator *allocator, size_t size,
                                          size_t alignment)
{
    void *memory = memory_alloc_aligned(allocator, size, alignment);
    return memory ? memset(memory, 0, size) : NULL;
}

static inline void memory_free_aligned(const evloop_allocator *allocator, void *aligned)
{
    if (aligned)
        memory_free(allocator, ((void **)aligned)[-1]);
}

#endif
