/*
 * microtask.h: a callback of the loop's asks for another one, to be called as soon as possible.
 *
 *   burst   a callback asks for a thousand; they run when it has returned; and again
 *   chain   each one asks for the next
 */
#ifndef BENCH_MICROTASK_H
#define BENCH_MICROTASK_H

#include "../harness/batch.h"

enum { MICROTASK_BURST = 1000 };

extern const struct batch_ops microtask_burst_evloop;
extern const struct batch_ops microtask_chain_evloop;
extern const struct batch_ops microtask_burst_libuv;
extern const struct batch_ops microtask_chain_libuv;
extern const struct batch_ops microtask_burst_libuv_usual;
extern const struct batch_ops microtask_chain_libuv_usual;
extern const struct batch_ops microtask_burst_libev;
extern const struct batch_ops microtask_chain_libev;
extern const struct batch_ops microtask_burst_libevent;
extern const struct batch_ops microtask_chain_libevent;

extern const struct bench_set microtask_set;

#endif
