/*
 * timers.h: very many timers, the same ones for every system.
 *
 *   start     all, in the order of the array, far away (10 to 70 s)
 *   restart   all, in a random order, to another time as far away
 *   stop      all, in the order of the array
 *   expire    all were started for a short time, which has passed: one callback for each
 *
 * Delays have whole microseconds, or milliseconds where a system has nothing finer.
 */
#ifndef BENCH_TIMERS_H
#define BENCH_TIMERS_H

#include "../harness/harness.h"

/**
 * One system's side. Each call is a whole batch; each is made where a callback of the loop could
 * make it.
 */
struct timers_ops {
    void *(*open)(size_t count);
    void (*start)(void *self, const uint32_t *delays_us);
    void (*restart)(void *self, const uint32_t *order, const uint32_t *delays_us);
    void (*stop)(void *self);
    void (*expire)(void *self); /* reads the clock, and runs the loop until all have fired */
};

extern const struct timers_ops timers_evloop;
extern const struct timers_ops timers_libuv;
extern const struct timers_ops timers_libev;
extern const struct timers_ops timers_libevent;

extern const struct bench_set timers_set;

#endif
