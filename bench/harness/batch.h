/*
 * batch.h: benchmarks in which the same small thing is done again and again.
 */
#ifndef BENCH_BATCH_H
#define BENCH_BATCH_H

#include <time.h>

#include "harness.h"

/** Does it count times. */
typedef void (*batch_fn)(void *self, size_t count);

/** What is measured. */
struct batch_work {
    batch_fn batch;
    void *self;
    clockid_t clock; /* a thread's CPU time, say */
    size_t first;    /* how many to begin with; others are that times a power of two */
};

/** Time for each, in ns. */
double batch_measure(const struct batch_work *work, const struct bench_budget *budget);

/** One system's side, where one thread does it all. */
struct batch_ops {
    void *(*open)(const struct bench *bench); /* makes loop and objects; not measured */
    batch_fn batch;                           /* measured */
};

/** CPU time for each, in ns. */
void batch_run(const struct bench *bench, const void *ops, const struct bench_budget *budget,
               double *values);

/** How many in a second of CPU time, in millions. */
void batch_run_rate(const struct bench *bench, const void *ops, const struct bench_budget *budget,
                    double *values);

#endif
