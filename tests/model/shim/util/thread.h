/*
 * shim/util/thread.h: stands before src/util/thread.h when the sources are compiled for the
 * checker, whose threads are coroutines.
 */
#ifndef UTIL_THREAD_H
#define UTIL_THREAD_H

#include <stdint.h>

uintptr_t model_self(void);

static inline uintptr_t thread_self(void)
{
    return model_self();
}

#endif
