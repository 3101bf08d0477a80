/*
 * pin.h: keeps threads on cores; one file for each kind of system.
 */
#ifndef BENCH_PIN_H
#define BENCH_PIN_H

#include <pthread.h>

/** The core that this thread is on, or -1 where that cannot be said or used. */
int pin_here(void);

/** Another core that this process may use, or -1. */
int pin_elsewhere(int core);

/** Keeps the thread on that core. Returns 0 or a negative number. */
int pin_to(pthread_t thread, int core);

/**
 * Lets the thread, when it wakes, not take the core from one that is running: threads that share a
 * core then take turns when they sleep, and every turn has the same work in it.
 */
void pin_yielding(pthread_t thread);

#endif
