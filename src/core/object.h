/*
 * object.h: the state word of an object: the loop it belongs to (64-byte aligned), and six bits.
 */
#ifndef CORE_OBJECT_H
#define CORE_OBJECT_H

#include "util/atomic.h"

enum {
    OBJECT_ACTIVE = 1, /* the loop may use the object's memory */
    OBJECT_UNREF = 2,  /* it does not keep the loop alive */
    OBJECT_BIT_2 = 4,  /* what these mean is the kind's own affair */
    OBJECT_BIT_3 = 8,
    OBJECT_BIT_4 = 16,
    OBJECT_BIT_5 = 32,
    OBJECT_FLAGS = 63
};

/* Only the loop's thread writes it; relaxed, since others read it to learn that they may not. */
typedef ATOMIC(uintptr_t) object_state;

static inline uintptr_t object_get(const object_state *state)
{
    return atomic_get(state, relaxed);
}

static inline void object_set(object_state *state, uintptr_t flags)
{
    atomic_set(state, object_get(state) | flags, relaxed);
}

static inline void object_clear(object_state *state, uintptr_t flags)
{
    atomic_set(state, object_get(state) & ~flags, relaxed);
}

static inline evloop *object_loop(uintptr_t state)
{
    return (evloop *)(state & ~(uintptr_t)OBJECT_FLAGS);
}

#endif
