/*
 * notify.h: one of many objects that other threads can signal is signalled, and the loop delivers
 * it.
 */
#ifndef BENCH_NOTIFY_H
#define BENCH_NOTIFY_H

#include "../harness/batch.h"

extern const struct batch_ops notify_evloop;
extern const struct batch_ops notify_libuv;
extern const struct batch_ops notify_libev;

extern const struct bench_set notify_set;

#endif
