/*
 * cpu.h: the processors.
 */
#ifndef UTIL_CPU_H
#define UTIL_CPU_H

/* How many the calling thread may run on, at least 1. */
unsigned cpu_count(void);

#endif
