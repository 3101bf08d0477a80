/*
 * poller.h: THE contract between the loop and the kernel: waiting, waking, descriptors, the clock.
 *
 * Nothing outside this folder makes a system call that waits, reads a clock, or touches a watched
 * descriptor. The rules that every backend keeps:
 *
 * - A poller initialises exactly once, through pthread_once, in whichever thread needs it first;
 *   nobody returns from poller_init() before that is done, and its error is kept and returned to
 *   all.
 * - `closed` is atomic and one-way. After poller_close() every call gives EVLOOP_ECLOSED, on every
 *   system. Descriptors are closed once, when the last thread that may use them has left.
 * - Changes of interest are collected, and applied when the loop waits. The first watch on a
 *   descriptor is told to the kernel at once, so that its error is the caller's; removal of the
 *   last one is immediate.
 * - The kernel's events are collected first; the loop takes them one by one afterwards. A watch
 *   that is removed in between is not told, and each registration carries a generation, so that an
 *   event of a closed descriptor cannot reach its successor under the same number.
 *
 * Any thread: poller_init, poller_close, poller_wake (signal-safe), poller_clock. The rest: the
 * loop's thread.
 */
#ifndef POLLER_POLLER_H
#define POLLER_POLLER_H

#include "evloop/loop.h"
#include "evloop/watch.h"
#include "util/atomic.h"
#include "util/list.h"

struct poller;

/* What the watches on one descriptor add up to. */
struct descriptor {
    list_link watches;   /* through evloop_watch.same_fd_, in the order of starting */
    list_link changed;   /* in interest.changed while `registered` may differ from what is wanted */
    unsigned registered; /* the events that the kernel was asked for */
    uint32_t generation; /* grows whenever the descriptor gets its first watch */
};

#define DESCRIPTORS_A_PAGE 64

struct descriptor_page {
    struct descriptor of[DESCRIPTORS_A_PAGE];
};

/* All descriptors, by number; pages do not move. */
struct interest {
    struct descriptor_page **pages;
    size_t page_count;
    size_t watch_count;
    list_link changed; /* descriptors */
    list_link ready;   /* collected watches, through evloop_watch.collected_ */
};

/* The kernel calls of one system; everything else is in poller.c and interest.c. */
struct poller_backend {
    const char *name;
    int (*open)(struct poller *poller);
    void (*close)(struct poller *poller);
    /*
     * Makes a new kernel object behind the same descriptor numbers, without a word to the old one.
     */
    int (*reopen)(struct poller *poller);
    /*
     * Changes the events of a descriptor in the kernel from `from` to `to`; 0 is "not registered".
     */
    int (*change)(struct poller *poller, int fd, uint32_t generation, unsigned from, unsigned to);
    /* Waits, and hands each event to interest_collect(). Interrupted by a signal: 0. */
    int (*wait)(struct poller *poller, uint64_t timeout_ns);
    void (*wake)(struct poller *poller);
};

struct poller {
    const struct poller_backend *backend;
    const char *reason;
    const evloop_allocator *allocator;

    pthread_once_t once;
    ATOMIC(int) init_result; /* 1 until the initialisation is done */
    ATOMIC(unsigned) users;  /* POLLER_CLOSED | POLLER_USER times the threads inside wait or wake */

    int fd;             /* polls readable when there is an event */
    int wake_fd;        /* private to the backend */
    bool waits_ms;      /* private to the backend: the kernel cannot wait for ns */
    bool reopen_wanted; /* the kernel holds a registration that nobody can remove */
    struct interest interest;
};

enum { POLLER_CLOSED = 1, POLLER_USER = 2 };

/* Chooses the backend: by name, or by the environment, or the best; opens nothing yet. */
int poller_choose(struct poller *poller, const evloop_allocator *allocator, const char *name);
int poller_init(struct poller *poller);
/*
 * Wakes the thread that waits, lets all threads leave, closes. EVLOOP_ECLOSED if it was closed
 * already.
 */
int poller_close(struct poller *poller);
/* Frees what is left once it is closed, or was never opened. */
void poller_free(struct poller *poller);

/* Applies the changes of interest, then waits: 0 not at all, EVLOOP_FOREVER without a limit. */
int poller_wait(struct poller *poller, uint64_t timeout_ns);
int poller_apply_changes(struct poller *poller);
/* Whether there is a change to be applied, or a collected watch to be taken. */
bool poller_changed(const struct poller *poller);
/* Makes the wait that is under way, or else the next one, return. */
int poller_wake(struct poller *poller);
/* The next collected watch and its events; NULL when all were taken. */
evloop_watch *poller_next_ready(struct poller *poller, unsigned *events);

int poller_add(struct poller *poller, evloop_watch *watch);
int poller_modify(struct poller *poller, evloop_watch *watch, unsigned events);
int poller_remove(struct poller *poller, evloop_watch *watch);
size_t poller_watch_count(const struct poller *poller);
/* Any watch but those up to `after`, in the order of descriptors; NULL: there is none. */
evloop_watch *poller_next_watch(const struct poller *poller, const evloop_watch *after);

/* In a fork's child: new kernel objects under the same numbers, all watches registered again. */
int poller_after_fork(struct poller *poller);

/* Monotonic ns. */
int poller_clock(uint64_t *now_ns);

/* For the backends. */
extern const struct poller_backend poller_epoll;
const struct poller_backend *const *poller_backends(void); /* best first, NULL at the end */
void interest_collect(struct poller *poller, int fd, uint32_t generation, unsigned events);

/* For poller.c. */
void interest_init(struct interest *interest);
void interest_free(struct poller *poller);
int interest_apply(struct poller *poller);
void interest_after_fork(struct poller *poller);
int interest_register_again(struct poller *poller);

#endif
