/*
 * interleave.h: runs something in the middle of something else, at every place in turn. See step.h.
 */
#ifndef EVLOOP_TESTS_INTERLEAVE_H
#define EVLOOP_TESTS_INTERLEAVE_H

#include <stdbool.h>

struct interleaving {
    void (*prepare)(void *arg);   /* makes the world in which both happen */
    void (*operation)(void *arg); /* is interrupted */
    void (*intruder)(void *arg);  /* happens meanwhile */
    void (*verify)(void *arg);    /* looks at what came of it, and cleans up */
    void *arg;
};

/** Once for each step of the operation; returns how many there were. */
unsigned interleave(const struct interleaving *interleaving);

/** Whether the intruder has come in this round. */
bool intruder_came(void);

/** From here on in this round no intruder comes any more. */
void intruder_stays_out(void);

#endif
