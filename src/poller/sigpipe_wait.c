/*
 * sigpipe_wait.c: a pending SIGPIPE is taken, where every wait for a signal is without an end; see
 * sigpipe.h.
 */
#include "poller/sigpipe.h"

/* Who ignores the signal has none pending; and what is pending here is this thread's. */
void sigpipe_take(const sigset_t *set)
{
    sigset_t pending;
    int taken;
    sigemptyset(&pending);
    if (sigpending(&pending) == 0 && sigismember(&pending, SIGPIPE) == 1)
        sigwait(set, &taken);
}
