/*
 * memory.h: memory that is watched: for data races, and for use after it was freed.
 */
#ifndef MEMORY_H
#define MEMORY_H

#include <stddef.h>

/* Everything is as new. */
void memory_reset(void);
/* An atomic access, or a mutex's: ordered against plain ones. */
void memory_atomic(const volatile void *address, size_t size);

#endif
