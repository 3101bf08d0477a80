/*
 * wake.h: two loops on two threads on the same core wake each other, again and again: what it costs
 * to wake a thread that sleeps in its loop, one way, the switch between the threads included.
 */
#ifndef BENCH_WAKE_H
#define BENCH_WAKE_H

#include "../harness/harness.h"

/** One system's side. Each thread runs its loop until it was woken count times; thread 0 begins. */
struct wake_ops {
    void *(*open)(void);
    void (*play)(void *self, int side, size_t count);
};

/**
 * Whether a player that was woken for the nth time is to wake the other one: 0 has begun, 1
 * answers.
 */
static inline bool wake_answers(int side, size_t nth, size_t count)
{
    return side == 1 || nth < count;
}

extern const struct wake_ops wake_evloop;
extern const struct wake_ops wake_libuv;
extern const struct wake_ops wake_libev;
extern const struct wake_ops wake_libevent;
extern const struct wake_ops wake_floor;

extern const struct bench_set wake_set;

#endif
