/*
 * restore.c: the list of changes to be put back; see restore.h.
 */
#include "poller/restore.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "util/atomic.h"

static list_link changes = {&changes, &changes};
static ATOMIC(bool) locked;
static sigset_t signals_before_fork;
static int prepare_result;

void restore_lock(sigset_t *signals)
{
    sigset_t all;
    bool expected = false;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, signals);
    /* acquire: the list as it was left; partner: restore_unlock(). relaxed: nothing is read then */
    while (!atomic_try(&locked, &expected, true, acquire, relaxed)) {
        expected = false;
        thread_yield();
    }
}

void restore_unlock(const sigset_t *signals)
{
    atomic_set(&locked, false, release); /* partner: restore_lock() */
    pthread_sigmask(SIG_SETMASK, signals, NULL);
}

/* The child must not find the lock held by a thread that it has not got. */
static void before_fork(void)
{
    sigset_t signals;
    restore_lock(&signals);
    signals_before_fork = signals;
}

static void after_fork(void)
{
    sigset_t signals = signals_before_fork;
    restore_unlock(&signals);
}

static void prepare(void *argument)
{
    (void)argument;
    if (pthread_atfork(before_fork, after_fork, after_fork) != 0 || atexit(restore_all) != 0)
        prepare_result = -ENOMEM;
}

int restore_prepare(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    once_call(&once, prepare, NULL);
    return prepare_result;
}

void restore_add(struct restore *restore)
{
    restore->owner = getpid();
    list_append(&changes, &restore->link);
}

struct restore *restore_next(const struct restore *after)
{
    list_link *link = after ? after->link.next : changes.next;
    return link == &changes ? NULL : list_entry(link, struct restore, link);
}

struct restore *restore_find(int fd, void (*undo)(struct restore *restore))
{
    struct restore *restore = restore_next(NULL);
    while (restore && (restore->fd != fd || restore->undo != undo))
        restore = restore_next(restore);
    return restore;
}

void restore_undo(struct restore *restore)
{
    if (restore->owner == getpid())
        restore->undo(restore);
}

void restore_all(void)
{
    sigset_t signals;
    int saved = errno;
    restore_lock(&signals);
    for (struct restore *restore = restore_next(NULL); restore; restore = restore_next(restore))
        restore_undo(restore);
    restore_unlock(&signals);
    errno = saved;
}
