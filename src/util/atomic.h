/*
 * atomic.h: every atomic, mutex and once-control of the library goes through these names, so that
 * the same sources can be compiled against an instrumented version of this file.
 *
 * The last arguments are memory orders without their prefix: atomic_get(&queue->head, acquire).
 */
#ifndef UTIL_ATOMIC_H
#define UTIL_ATOMIC_H

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "evloop/base.h"

#define ATOMIC(type) EVLOOP_ATOMIC(type)

#define atomic_get(object, order) atomic_load_explicit(object, memory_order_##order)
#define atomic_set(object, value, order) atomic_store_explicit(object, value, memory_order_##order)
#define atomic_add(object, value, order)                                                           \
    atomic_fetch_add_explicit(object, value, memory_order_##order)
#define atomic_sub(object, value, order)                                                           \
    atomic_fetch_sub_explicit(object, value, memory_order_##order)
#define atomic_or(object, value, order)                                                            \
    atomic_fetch_or_explicit(object, value, memory_order_##order)
#define atomic_and(object, value, order)                                                           \
    atomic_fetch_and_explicit(object, value, memory_order_##order)

/*
 * Replaces *expected by desired; on failure *expected is what was found. May fail for no reason:
 * loop.
 */
#define atomic_try(object, expected, desired, success, failure)                                    \
    atomic_compare_exchange_weak_explicit(object, expected, desired, memory_order_##success,       \
                                          memory_order_##failure)

/* The same, but fails only if another value was found. */
#define atomic_claim(object, expected, desired, success, failure)                                  \
    atomic_compare_exchange_strong_explicit(object, expected, desired, memory_order_##success,     \
                                            memory_order_##failure)

/* What different threads write at the same time stands this far apart. */
#define CACHE_LINE 64
#define CACHE_ALIGNED _Alignas(CACHE_LINE)

/*
 * Keeps stores in the order in which they are written, for a fork's child that finds memory as it
 * was.
 */
#define compiler_barrier() atomic_signal_fence(memory_order_seq_cst)

/* Keeps what is seldom needed out of the way of what is needed often. */
#define NOINLINE __attribute__((noinline))

typedef pthread_mutex_t mutex;
#define mutex_init(m) pthread_mutex_init(m, NULL)
#define mutex_destroy(m) pthread_mutex_destroy(m)
#define mutex_lock(m) pthread_mutex_lock(m)
#define mutex_unlock(m) pthread_mutex_unlock(m)

/*
 * pthread_once(), with an argument: fn is called with it once for each control, whichever thread
 * comes first, and nobody returns before it has returned.
 */
void once_call(pthread_once_t *control, void (*fn)(void *argument), void *argument);

/* How often a short wait looks before it gives up. */
#define SHORT_WAIT 64

/* One step of a short wait for another thread that is in the midst of a few instructions. */
static inline void cpu_relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__) || defined(__arm__)
    __asm__ __volatile__("yield");
#endif
}

/* One step of a wait for another thread that may have been preempted. */
static inline void thread_yield(void)
{
    sched_yield();
}

#endif
