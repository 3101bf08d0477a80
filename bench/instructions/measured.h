/*
 * measured.h: the function in which valgrind counts.
 */
#ifndef BENCH_MEASURED_H
#define BENCH_MEASURED_H

#include <stddef.h>

/** Calls work(self, count). Valgrind is told this name. */
void measured(void (*work)(void *self, size_t count), void *self, size_t count);

#endif
