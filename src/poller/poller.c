/*
 * poller.c: the life of a poller: which backend, initialised once, closed once, used by many
 * threads.
 *
 * Invariant: a thread that may touch the kernel's objects counts in `users`, and came in while
 * POLLER_CLOSED was not set; the closer sets POLLER_CLOSED, and closes them when it is the only bit
 * left.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "evloop/error.h"
#include "poller/poller.h"

enum { INIT_PENDING = 1 };

/* ---- which backend --------------------------------------------------------------------------- */

static const struct poller_backend *find_backend(const char *name)
{
    for (const struct poller_backend *const *backend = poller_backends(); *backend; backend++)
        if (strcmp((*backend)->name, name) == 0)
            return *backend;
    return NULL;
}

static bool known_elsewhere(const char *name)
{
    return strcmp(name, "epoll") == 0 || strcmp(name, "uring") == 0 || strcmp(name, "kqueue") == 0;
}

static void explain(struct poller *poller, const char *words)
{
    snprintf(poller->reason, sizeof poller->reason, "%s", words);
}

/* -ENOTSUP says nothing beyond the words. */
static void explain_failure(struct poller *poller, const char *words, int err)
{
    if (err == -ENOTSUP)
        explain(poller, words);
    else
        snprintf(poller->reason, sizeof poller->reason, "%s: %s", words, evloop_strerror(err));
}

/* 0, or the error of what does not work. */
static int probe(struct poller *poller, const struct poller_backend *backend)
{
    const char *words = backend->name;
    int err = backend->probe ? backend->probe(&words) : 0;
    if (err)
        explain_failure(poller, words, err);
    return err;
}

/* The first of these that works here. The reason then is why the one before it does not. */
static int choose_first(struct poller *poller, const struct poller_backend *const *candidates)
{
    int err = -ENOTSUP;
    for (; *candidates; candidates++) {
        err = probe(poller, *candidates);
        if (err)
            continue;
        poller->backend = *candidates;
        poller->next_best = candidates + 1;
        return 0;
    }
    return err;
}

static int choose_by_name(struct poller *poller, const char *name)
{
    const struct poller_backend *backend = find_backend(name);
    if (!backend)
        return known_elsewhere(name) ? -ENOTSUP : -EINVAL;
    int err = probe(poller, backend);
    if (!err)
        poller->backend = backend;
    return err;
}

static int choose(struct poller *poller, const char *name)
{
    explain(poller, "chosen by option");
    if (!name) {
        name = getenv("EVLOOP_BACKEND");
        explain(poller, "chosen by the environment");
    }
    if (name && *name)
        return choose_by_name(poller, name);
    explain(poller, "the best that works here");
    return choose_first(poller, poller_backends());
}

int poller_choose(struct poller *poller, const evloop_allocator *allocator, const char *name)
{
    memset(poller, 0, sizeof *poller);
    int err = choose(poller, name);
    if (err)
        return err;
    poller->allocator = allocator;
    poller->fd = -1;
    poller->wake_fd = -1;
    poller->once = (pthread_once_t)PTHREAD_ONCE_INIT;
    atomic_set(&poller->init_result, INIT_PENDING, relaxed);
    atomic_set(&poller->users, 0, relaxed);
    interest_init(&poller->interest);
    ready_init(&poller->readiness);
    buffers_init(&poller->buffers);
    return 0;
}

/* What works here may still be refused to this loop: then it gets the next best. */
static int open_backend(struct poller *poller)
{
    int err = poller->backend->open(poller);
    while (err && poller->next_best && *poller->next_best) {
        explain_failure(poller, poller->backend->name, err);
        err = choose_first(poller, poller->next_best);
        if (err)
            return err;
        err = poller->backend->open(poller);
    }
    return err;
}

/* ---- opened once, closed once ---------------------------------------------------------------- */

static void initialise(void *argument)
{
    struct poller *poller = (struct poller *)argument;
    int result = EVLOOP_ECLOSED;
    /* relaxed: who closes it waits for this to return */
    if (!(atomic_get(&poller->users, relaxed) & POLLER_CLOSED))
        result = open_backend(poller);
    atomic_set(&poller->init_result, result, release); /* partner: poller_enter() */
}

int poller_init(struct poller *poller)
{
    once_call(&poller->once, initialise, poller);
    if (atomic_get(&poller->users, relaxed) & POLLER_CLOSED)
        return EVLOOP_ECLOSED;
    return atomic_get(&poller->init_result, relaxed); /* ordered by once_call() */
}

static void poller_leave(struct poller *poller)
{
    atomic_sub(&poller->users, POLLER_USER, release); /* partner: the wait in poller_close() */
}

static int poller_enter(struct poller *poller)
{
    /* relaxed: the order of the exchanges on `users` decides; partner: poller_close() */
    if (atomic_add(&poller->users, POLLER_USER, relaxed) & POLLER_CLOSED) {
        poller_leave(poller);
        return EVLOOP_ECLOSED;
    }
    int result = atomic_get(&poller->init_result, acquire); /* partner: initialise() */
    if (result != 0)
        poller_leave(poller);
    return result;
}

int poller_close(struct poller *poller)
{
    /* relaxed: the order of the exchanges on `users` decides; partner: poller_enter() */
    if (atomic_or(&poller->users, POLLER_CLOSED, relaxed) & POLLER_CLOSED)
        return EVLOOP_ECLOSED;
    poller_init(poller); /* waits for an initialisation under way; makes sure that none begins */
    if (atomic_get(&poller->init_result, relaxed) != 0)
        return 0;
    poller->backend->wake(poller);
    while (atomic_get(&poller->users, acquire) != POLLER_CLOSED) /* partner: poller_leave() */
        thread_yield();
    poller->backend->close(poller);
    return 0;
}

void poller_free(struct poller *poller)
{
    if (!poller->backend)
        return;
    buffers_free(poller);
    messages_free(poller);
    interest_free(poller);
}

int poller_wake(struct poller *poller)
{
    int result = poller_enter(poller);
    if (result == INIT_PENDING)
        return 0; /* nobody can be waiting */
    if (result != 0)
        return result;
    poller->backend->wake(poller);
    poller_leave(poller);
    return 0;
}

static int reopen(struct poller *poller)
{
    int err = poller->backend->reopen(poller);
    if (!err)
        err = interest_register_again(poller);
    if (err)
        return err;
    poller->reopen_wanted = false;
    poller->backend->wake(poller); /* a wake that was on its way went to the old object */
    return 0;
}

static int apply_changes(struct poller *poller)
{
    if (poller->reopen_wanted) {
        int err = reopen(poller);
        if (err)
            return err;
    }
    return interest_apply(poller);
}

int poller_apply_changes(struct poller *poller)
{
    int err = poller_init(poller);
    if (err)
        return err;
    err = apply_changes(poller);
    int pause_err = poller->backend->pause ? poller->backend->pause(poller) : 0;
    return err ? err : pause_err;
}

int poller_lend_fd(struct poller *poller)
{
    /* relaxed: see poller_is(); the loop sees it before it waits, or is woken */
    unsigned before = atomic_or(&poller->modes, POLLER_FD_LENT, relaxed);
    if (before == POLLER_NATIVE) /* the descriptor does not tell of those operations yet */
        poller_wake(poller);
    return poller->fd;
}

int poller_wait(struct poller *poller, uint64_t timeout_ns)
{
    int err = poller_enter(poller);
    if (err == INIT_PENDING) {
        err = poller_init(poller);
        if (!err)
            err = poller_enter(poller);
    }
    if (err)
        return err;
    err = apply_changes(poller);
    if (ready_begin(poller) || err || !list_empty(&poller->interest.ready) || poller->collected)
        timeout_ns = 0;
    int wait_err = poller->backend->wait(poller, timeout_ns);
    poller_leave(poller);
    return err ? err : wait_err;
}

int poller_after_fork(struct poller *poller)
{
    int result = atomic_get(&poller->init_result, relaxed); /* the only thread of this process */
    if (atomic_get(&poller->users, relaxed) & POLLER_CLOSED)
        return EVLOOP_ECLOSED;
    if (result != 0)
        return result == INIT_PENDING ? 0 : result;
    atomic_set(&poller->users, 0, relaxed); /* the other threads are not in this process */
    interest_after_fork(poller);
    poller->reopen_wanted = true;
    return reopen(poller);
}
