/*
 * kqueue.h: what the files of the kqueue poller share: poller_kqueue.c, and one of
 * kqueue_wake_user.c and kqueue_wake_pipe.c, which make a wait return from any thread and from a
 * signal handler.
 */
#ifndef POLLER_KQUEUE_H
#define POLLER_KQUEUE_H

#include <sys/types.h>

#include <sys/event.h>

#include "poller/poller.h"

/* The types of a kevent's fields, and of how many there are. */
#ifdef __NetBSD__
typedef uint32_t kqueue_filter;
typedef uint32_t kqueue_flags;
typedef size_t kqueue_count;
#else
typedef short kqueue_filter;
typedef unsigned short kqueue_flags;
typedef int kqueue_count;
#endif

enum { CHANGES = 64 };

struct kqueue {
    int number;          /* of poller->fd, as the user knows it */
    int wake_fd;         /* to be read from: kqueue_wake_pipe.c */
    unsigned late_count; /* changes that go with the next wait */
    struct kevent late[CHANGES];
};

/*
 * Makes changes at once. Those that the kernel could not make are not in force; of their errors,
 * the first. That there was nothing to be removed is none.
 */
int kqueue_submit(int fd, struct kevent *changes, unsigned count);

/* On poller->fd, which is new. */
int kqueue_wake_open(struct poller *poller);
void kqueue_wake_close(struct poller *poller);
void kqueue_wake(struct poller *poller);
/* Whether it is the wake's event, and no descriptor's; it is then ready for the next wake. */
bool kqueue_take_wake(struct poller *poller, const struct kevent *event);

#endif
