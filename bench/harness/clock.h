/*
 * clock.h: the two clocks of the benchmarks.
 */
#ifndef BENCH_CLOCK_H
#define BENCH_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline uint64_t clock_ns(clockid_t id)
{
    struct timespec now;

    clock_gettime(id, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

/** What this thread has used; other programs on the machine do not count. */
static inline uint64_t clock_cpu_ns(void)
{
    return clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

/** What a person with a stop-watch sees; for work of several threads. */
static inline uint64_t clock_wall_ns(void)
{
    return clock_ns(CLOCK_MONOTONIC);
}

/** Lets time pass without giving up the core: who sleeps finds cold caches. */
static inline void clock_spin_ns(uint64_t ns)
{
    uint64_t end_ns = clock_wall_ns() + ns;

    while (clock_wall_ns() < end_ns)
        continue;
}

#endif
