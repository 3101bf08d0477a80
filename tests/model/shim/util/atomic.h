/*
 * shim/util/atomic.h: stands before src/util/atomic.h when the library's sources are compiled for
 * the checker: the same names, and behind them an operation that the checker carries out.
 */
#ifndef SHIM_ATOMIC_H
#define SHIM_ATOMIC_H

#include "../../../../src/util/atomic.h"
#include "../../checker/checker.h"

#undef atomic_get
#undef atomic_set
#undef atomic_add
#undef atomic_sub
#undef atomic_or
#undef atomic_and
#undef atomic_try
#undef atomic_claim
#undef mutex_init
#undef mutex_destroy
#undef mutex_lock
#undef mutex_unlock
#undef once_call
#undef cpu_relax
#undef thread_yield
#undef SHORT_WAIT

#define SITE_OF(name, operation, object, order, failure)                                           \
    SITE name = {__FILE__,                                                                         \
                 operation,                                                                        \
                 object,                                                                           \
                 __LINE__,                                                                         \
                 memory_order_##order,                                                             \
                 memory_order_##failure,                                                           \
                 false}

#define WORD(value) ((uint64_t)(uintptr_t)(value))

#define atomic_get(object, order)                                                                  \
    __extension__({                                                                                \
        SITE_OF(get_, "get", #object, order, relaxed);                                             \
        (__typeof__(*(object)))(uintptr_t)model_get(object, sizeof *(object), &get_);              \
    })
#define atomic_set(object, value, order)                                                           \
    __extension__({                                                                                \
        SITE_OF(set_, "set", #object, order, relaxed);                                             \
        model_set(object, sizeof *(object), WORD(value), &set_);                                   \
    })
#define MODEL_CHANGE(object, value, order, how, name)                                              \
    __extension__({                                                                                \
        SITE_OF(change_, name, #object, order, relaxed);                                           \
        (__typeof__(*(object)))(uintptr_t)model_change(object, sizeof *(object), how, WORD(value), \
                                                       &change_);                                  \
    })
#define atomic_add(object, value, order) MODEL_CHANGE(object, value, order, MODEL_ADD, "add")
#define atomic_sub(object, value, order) MODEL_CHANGE(object, value, order, MODEL_SUB, "sub")
#define atomic_or(object, value, order) MODEL_CHANGE(object, value, order, MODEL_OR, "or")
#define atomic_and(object, value, order) MODEL_CHANGE(object, value, order, MODEL_AND, "and")
#define MODEL_CLAIM(object, expected, desired, success, failure, name)                             \
    __extension__({                                                                                \
        SITE_OF(claim_, name, #object, success, failure);                                          \
        uint64_t found_ = WORD(*(expected));                                                       \
        bool claimed_ = model_claim(object, sizeof *(object), &found_, WORD(desired), &claim_);    \
        *(expected) = (__typeof__(*(object)))(uintptr_t)found_;                                    \
        claimed_;                                                                                  \
    })
#define atomic_try(object, expected, desired, success, failure)                                    \
    MODEL_CLAIM(object, expected, desired, success, failure, "try")
#define atomic_claim(object, expected, desired, success, failure)                                  \
    MODEL_CLAIM(object, expected, desired, success, failure, "claim")

#define mutex_init(m) ((void)(m))
#define mutex_destroy(m) ((void)(m))
#define mutex_lock(m)                                                                              \
    __extension__({                                                                                \
        SITE_OF(lock_, "lock", #m, acquire, relaxed);                                              \
        model_lock(m, &lock_);                                                                     \
    })
#define mutex_unlock(m)                                                                            \
    __extension__({                                                                                \
        SITE_OF(unlock_, "unlock", #m, release, relaxed);                                          \
        model_unlock(m, &unlock_);                                                                 \
    })
#define once_call(control, fn, argument)                                                           \
    __extension__({                                                                                \
        SITE_OF(once_, "once", #control, acq_rel, acquire);                                        \
        model_once(control, fn, argument, &once_);                                                 \
    })

#define cpu_relax() ((void)0)
#define thread_yield() model_yield()
#define SHORT_WAIT 1

#endif
