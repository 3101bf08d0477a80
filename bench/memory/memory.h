/*
 * memory.h: what a loop asks the allocator for when it is made, its own struct included.
 */
#ifndef BENCH_MEMORY_H
#define BENCH_MEMORY_H

#include "../harness/harness.h"

/** One system's side: makes a loop, and says how many bytes it has. */
struct memory_ops {
    size_t (*loop_bytes)(void);
};

/** An allocator that counts; resize is as realloc(), and frees when size is 0. */
void *counting_resize(void *memory, size_t size);
size_t counting_bytes(void);

/** All that these libraries allocate from here on is counted. */
void memory_count_libuv(void);
void memory_count_libevent(void);

extern const struct memory_ops memory_evloop_default;
extern const struct memory_ops memory_evloop_small;
extern const struct memory_ops memory_libuv;
extern const struct memory_ops memory_libev;
extern const struct memory_ops memory_libevent;

extern const struct bench_set memory_set;

#endif
