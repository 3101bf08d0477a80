/*
 * sweep.h: a scene is played again and again; each time another call fails in another way.
 */
#ifndef EVLOOP_TESTS_SWEEP_H
#define EVLOOP_TESTS_SWEEP_H

#include "calls.h"

/** What is played, and over what; the scene asserts what must be true of it, whatever fails. */
struct sweep {
    const char *name;
    int over;
    void (*open)(int over);      /* makes what is needed; nothing fails yet */
    unsigned (*play)(void);      /* returns how many failures somebody was told */
    void (*close)(void);         /* nothing fails any more */
    bool (*leaves_out)(int err); /* what the scene does not bear; NULL: it bears all */
};

/** Plays it with times failures of a call, from the nth on; returns what play() did. */
unsigned sweep_play(const struct sweep *sweep, enum call call, unsigned nth, unsigned times,
                    int err);
/**
 * Each call fails in turn, the first time that it is made, the second, ..., with every error that
 * its manual page lists; nobody notices an interruption.
 */
void sweep_calls(const struct sweep *sweep);

/** A test that says, if it fails, which failure it was about. */
#define SWEEP_ENTRY(name)                                                                          \
    {                                                                                              \
#name, name, support_setup, sweep_teardown, (void *)#name                                  \
    }
int sweep_teardown(void **state);

#endif
