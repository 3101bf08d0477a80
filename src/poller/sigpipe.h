/*
 * sigpipe.h: writing to what nobody reads any more is an error, and not a signal that ends the
 * program.
 *
 * Darwin and NetBSD send the signal to the process, whichever thread has written, so that no thread
 * can hold it back: there it is forbidden to the descriptor, once. The others send it to the
 * thread: sockets are told with every send, and it is held back from the thread while it writes to
 * anything else.
 */
#ifndef POLLER_SIGPIPE_H
#define POLLER_SIGPIPE_H

#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/socket.h>

#ifdef F_SETNOSIGPIPE

enum { SEND_FLAGS = 0 };

/* A descriptor that is to be written to; its description's, for good. */
int sigpipe_forbid(int fd);

struct sigpipe {
    bool nothing;
};

static inline void sigpipe_hold(struct sigpipe *held)
{
    held->nothing = true;
}

static inline void sigpipe_release(const struct sigpipe *held, bool raised)
{
    (void)held;
    (void)raised;
}

#else

#include <errno.h>
#include <pthread.h>

enum { SEND_FLAGS = MSG_NOSIGNAL };

/* Takes a SIGPIPE that is pending; there may be none. */
void sigpipe_take(const sigset_t *set);

static inline int sigpipe_forbid(int fd)
{
    (void)fd;
    return 0;
}

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
        sigemptyset(&set);
        sigaddset(&set, SIGPIPE);
        sigpipe_take(&set);
    }
    pthread_sigmask(SIG_SETMASK, &held->before, NULL);
    errno = saved;
}

#endif

#endif
