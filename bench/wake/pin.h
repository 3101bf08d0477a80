/*
 * pin.h: keeps a thread on one core; one file for each kind of system.
 */
#ifndef BENCH_PIN_H
#define BENCH_PIN_H

#include <pthread.h>

/** The core that this thread is on, or -1 where that cannot be said or used. */
int pin_here(void);

/** Keeps the thread on that core. Returns 0 or a negative number. */
int pin_to(pthread_t thread, int core);

#endif
