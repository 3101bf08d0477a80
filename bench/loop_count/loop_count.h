/*
 * loop_count.h: how often a loop goes round while a callback of the user's is to be called in every
 * turn.
 *
 *   empty       there is no descriptor to look at
 *   one-watch   one, on which nothing happens
 */
#ifndef BENCH_LOOP_COUNT_H
#define BENCH_LOOP_COUNT_H

#include "../harness/batch.h"

/** As many quiet pipes as the benchmark wants (0 or 1): the end to be watched, or -1. */
int quiet_pipe(const struct bench *bench);

extern const struct batch_ops loop_count_evloop;
extern const struct batch_ops loop_count_libuv;
extern const struct batch_ops loop_count_libev;
extern const struct batch_ops loop_count_libevent;
extern const struct batch_ops loop_count_floor;

extern const struct bench_set loop_count_set;

#endif
