/*
 * random.h: numbers that are the same in every run and for every system (xorshift64*).
 */
#ifndef BENCH_RANDOM_H
#define BENCH_RANDOM_H

#include <stdint.h>

struct random {
    uint64_t state;
};

static inline struct random random_seed(void)
{
    return (struct random){UINT64_C(0x9e3779b97f4a7c15)};
}

/** A number from low to high, both included. */
static inline uint32_t random_between(struct random *random, uint32_t low, uint32_t high)
{
    uint64_t x = random->state;

    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    random->state = x;
    return low + (uint32_t)(((x * UINT64_C(0x2545f4914f6cdd1d)) >> 32) % (high - low + 1));
}

#endif
