/*
 * step.h: the library's atomic operations, with a place before and behind each at which something
 * else may happen.
 *
 * A source of src/ that is compiled behind this header (the files of stepped/) calls step() there.
 * A test runs one operation, and has a second one run in the middle of it, at each of these places
 * in turn: what two threads do when one is stopped at the worst moment, but on one thread, every
 * time, at every moment.
 */
#ifndef EVLOOP_TESTS_STEP_H
#define EVLOOP_TESTS_STEP_H

#include "util/atomic.h"

void step(void);
void step_locked(int change);

#undef atomic_get
#undef atomic_set
#undef atomic_add
#undef atomic_sub
#undef atomic_or
#undef atomic_and
#undef atomic_try
#undef atomic_claim
#undef mutex_lock
#undef mutex_unlock

/* The value of an expression, after one more step. */
#define STEPPED(variable, expression)                                                              \
    __extension__({                                                                                \
        step();                                                                                    \
        __auto_type variable = (expression);                                                       \
        step();                                                                                    \
        variable;                                                                                  \
    })

#define atomic_get(object, order) (step(), atomic_load_explicit(object, memory_order_##order))
#define atomic_set(object, value, order)                                                           \
    (step(), atomic_store_explicit(object, value, memory_order_##order), step())
#define atomic_add(object, value, order)                                                           \
    STEPPED(added_, atomic_fetch_add_explicit(object, value, memory_order_##order))
#define atomic_sub(object, value, order)                                                           \
    STEPPED(subtracted_, atomic_fetch_sub_explicit(object, value, memory_order_##order))
#define atomic_or(object, value, order)                                                            \
    STEPPED(ored_, atomic_fetch_or_explicit(object, value, memory_order_##order))
#define atomic_and(object, value, order)                                                           \
    STEPPED(anded_, atomic_fetch_and_explicit(object, value, memory_order_##order))
#define atomic_try(object, expected, desired, success, failure)                                    \
    STEPPED(tried_,                                                                                \
            atomic_compare_exchange_weak_explicit(object, expected, desired,                       \
                                                  memory_order_##success, memory_order_##failure))
#define atomic_claim(object, expected, desired, success, failure)                                  \
    STEPPED(claimed_, atomic_compare_exchange_strong_explicit(object, expected, desired,           \
                                                              memory_order_##success,              \
                                                              memory_order_##failure))

/* No steps while a lock is held: whatever came then would wait for it. */
#define mutex_lock(m) (step(), pthread_mutex_lock(m), step_locked(1))
#define mutex_unlock(m) (pthread_mutex_unlock(m), step_locked(-1), step())

#endif
