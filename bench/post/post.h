/*
 * post.h: work handed to the loop's thread by other threads, as fast as they can.
 *
 * Every system calls one function of the user's, with one argument, for each item; items of one
 * producer arrive in order; the loop sleeps when there is nothing to do, and the producers wake it.
 */
#ifndef BENCH_POST_H
#define BENCH_POST_H

#include "../harness/batch.h"
#include "../harness/harness.h"

/** Several producers, one loop. */
struct post_ops {
    void *(*open)(size_t total, unsigned producers);
    void (*produce)(void *self, unsigned producer, size_t count); /* on the producer's thread */
    void (*consume)(void *self, size_t total); /* on the loop's: until that many have run */
};

/** In a single thread: so many are pushed, then the loop runs until all have run, and so on. */
enum { UNCONTENDED_BURST = 1000 };

extern const struct post_ops post_evloop_submit;
extern const struct post_ops post_evloop_post;
extern const struct post_ops post_libuv;
extern const struct post_ops post_libuv_usual;

extern const struct batch_ops uncontended_evloop_submit;
extern const struct batch_ops uncontended_evloop_post;
extern const struct batch_ops uncontended_libuv;
extern const struct batch_ops uncontended_libuv_usual;
extern const struct batch_ops uncontended_floor;

extern const struct bench_set post_set;

#endif
