/*
 * instructions.h: instructions of the library for one operation, counted by valgrind: exact,
 * however busy the machine is. These are the figures that have limits.
 */
#ifndef BENCH_INSTRUCTIONS_H
#define BENCH_INSTRUCTIONS_H

#include "../harness/harness.h"

extern const struct bench_set instructions_set;

#endif
