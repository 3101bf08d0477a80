/*
 * memory.h: memory that is watched: for data races, and for use after it was freed.
 */
#ifndef MEMORY_H
#define MEMORY_H

#include <stdbool.h>
#include <stddef.h>

/* Everything is as new. */
void memory_reset(void);
/* Whether races are told with the places in the program, which takes a while. */
extern bool memory_explains;
/* An atomic access, or a mutex's: ordered against plain ones. */
void memory_atomic(const volatile void *address, size_t size, bool writes);

#endif
