/*
 * batch.h: benchmarks in which one thread does the same small thing again and again.
 */
#ifndef BENCH_BATCH_H
#define BENCH_BATCH_H

#include "harness.h"

/** One system's side. */
struct batch_ops {
    void *(*open)(const struct bench *bench); /* makes loop and objects; not measured */
    void (*batch)(void *self, size_t count);  /* does it count times; measured */
};

/** CPU time for each, in ns. */
void batch_run(const struct bench *bench, const void *ops, const struct bench_budget *budget,
               double *values);

/** How many in a second of CPU time, in millions. */
void batch_run_rate(const struct bench *bench, const void *ops, const struct bench_budget *budget,
                    double *values);

#endif
