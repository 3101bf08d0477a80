/*
 * restore.h: what this process has changed of things that it shares with others (modes of
 * terminals, O_NONBLOCK), and puts back: when the descriptor is closed, when restore_all() is
 * called, which a signal handler may do, and when the process exits.
 *
 * The list is one for all loops. Whoever holds its lock has every signal blocked, so that a handler
 * never waits for the thread that it interrupted, and so that a terminal's background does not stop
 * the process in the midst of it. A fork's child has the list, but what others changed is not
 * for it to undo.
 */
#ifndef POLLER_RESTORE_H
#define POLLER_RESTORE_H

#include <signal.h>
#include <sys/types.h>

#include "evloop/loop.h"
#include "util/list.h"

struct restore {
    list_link link;
    int fd;
    pid_t owner; /* the process that made the change */
    const evloop_allocator *allocator;
    void (*undo)(struct restore *restore); /* with the lock held; signal-safe */
};

/* Before the first entry: errors are -ENOMEM. Any thread, as all but the last of these. */
int restore_prepare(void);
void restore_lock(sigset_t *signals);
void restore_unlock(const sigset_t *signals);

/* With the lock held. */
void restore_add(struct restore *restore);
struct restore *restore_find(int fd, void (*undo)(struct restore *restore));
/* The one after `after`, or the first; NULL at the end. */
struct restore *restore_next(const struct restore *after);
/* Undoes it, if it is this process's change. */
void restore_undo(struct restore *restore);

/* Undoes all of this process's changes, which stay in the list. Signal-safe. */
void restore_all(void);

#endif
