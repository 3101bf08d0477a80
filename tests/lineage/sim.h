/*
 * sim.h: a loop over a kernel that is made up: the clock stands still until somebody sleeps,
 * sleeping costs no time, and a sleep that nobody would ever end is noticed instead of endured.
 *
 * Needs WRAP poller_backends poller_clock.
 */
#ifndef EVLOOP_TESTS_SIM_H
#define EVLOOP_TESTS_SIM_H

#include "support.h"

#include "poller/poller.h"

struct sim {
    bool on;
    uint64_t now;
    bool woken; /* a wake was sent that no wait has consumed */
    unsigned wakes;
    unsigned waits;
    unsigned sleeps;     /* waits that were asked to take time */
    uint64_t timeout_ns; /* of the last wait */
    bool hung;           /* a sleep without end was asked for, and nobody woke the loop */
    int wait_error;      /* what waits return from now on */
    int change_error;    /* what changes return from now on */
    unsigned changes;
    unsigned change_from; /* of the last change */
    unsigned change_to;
    unsigned opens;
    unsigned closes;
    void (*on_wait)(evloop *loop);   /* happens while the loop waits */
    void (*on_reopen)(evloop *loop); /* happens before the new kernel object replaces the old one */
    evloop *loop;
};

/** The one that loop_new_sim() made last. */
extern struct sim sim;

/** A loop over a new simulated kernel, on test_heap, with default options or these. */
evloop *sim_loop_new(void);
evloop *sim_loop_new_with(evloop_options options);

/** From here on loops have the real clock again. */
void sim_off(void);

#endif
