/*
 * thread.h: which thread is this? A number that is unique among living threads, and costs two
 * instructions.
 */
#ifndef UTIL_THREAD_H
#define UTIL_THREAD_H

#include <stdint.h>

#if defined(__ELF__)
#define THREAD_MARKER_MODEL __attribute__((tls_model("initial-exec")))
#else
#define THREAD_MARKER_MODEL
#endif

extern _Thread_local char thread_marker THREAD_MARKER_MODEL;

/* Never 0. */
static inline uintptr_t thread_self(void)
{
    return (uintptr_t)&thread_marker;
}

#endif
