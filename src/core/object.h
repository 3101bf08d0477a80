/*
 * object.h: the state word of an object: the loop it belongs to (64-byte aligned), and six bits.
 */
#ifndef CORE_OBJECT_H
#define CORE_OBJECT_H

#include "evloop/base.h"

enum {
    OBJECT_ACTIVE = 1, /* the loop may use the object's memory */
    OBJECT_UNREF = 2,  /* it does not keep the loop alive */
    OBJECT_BIT_2 = 4,  /* what these mean is the kind's own affair */
    OBJECT_BIT_3 = 8,
    OBJECT_BIT_4 = 16,
    OBJECT_BIT_5 = 32,
    OBJECT_FLAGS = 63
};

static inline evloop *object_loop(uintptr_t state)
{
    return (evloop *)(state & ~(uintptr_t)OBJECT_FLAGS);
}

#endif
