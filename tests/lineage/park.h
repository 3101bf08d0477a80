/*
 * park.h: threads that are stopped at one of their steps until they are let go on: what two of them
 * do when both are preempted at the worst moments, every time, at every moment. See step.h.
 */
#ifndef EVLOOP_TESTS_PARK_H
#define EVLOOP_TESTS_PARK_H

#include "support.h"

struct parked {
    pthread_t thread;
    void (*fn)(void *arg);
    void *arg;
    unsigned steps_left;
    int locks_held;
    bool stands; /* at a step; else it has come to its end */
    bool joined;
    struct gate arrived;
    struct gate go;
};

/**
 * Has a new thread call fn; returns when it stands before that step, or has come to its end:
 * whether it stands.
 */
bool park(struct parked *parked, unsigned step, void (*fn)(void *arg), void *arg);

/** Lets it go on to its end; does nothing if that was done before. */
void unpark(struct parked *parked);

#endif
