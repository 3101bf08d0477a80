/*
 * sigpipe.h: writing to what nobody reads any more is an error, and not a signal that ends the
 * program.
 */
#ifndef POLLER_SIGPIPE_H
#define POLLER_SIGPIPE_H

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <time.h>

/* SIGPIPE of this thread, held back while something is written that could raise it. */
struct sigpipe {
    sigset_t before;
    bool pending;
};

static inline void sigpipe_hold(struct sigpipe *held)
{
    sigset_t set;
    sigset_t pending;
    sigemptyset(&pending);
    sigpending(&pending);
    held->pending = sigismember(&pending, SIGPIPE) == 1;
    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &set, &held->before);
}

static inline void sigpipe_release(const struct sigpipe *held, bool raised)
{
    int saved = errno;
    if (raised && !held->pending) {
        sigset_t set;
        const struct timespec at_once = {0, 0};
        sigemptyset(&set);
        sigaddset(&set, SIGPIPE);
        while (sigtimedwait(&set, NULL, &at_once) < 0 && errno == EINTR)
            ;
    }
    pthread_sigmask(SIG_SETMASK, &held->before, NULL);
    errno = saved;
}

#endif
