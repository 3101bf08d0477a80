/*
 * ingress.h: the queue through which tasks reach the loop from any thread.
 *
 * One word holds the newest task, whether the gate is closed, and whether the loop sleeps. A
 * producer puts its task in front with one compare-and-swap, which at the same time finds the gate
 * open and takes the loop's sleep away: it is then, and only then, this producer's duty to wake the
 * loop. The loop takes all tasks at once.
 *
 * Invariants:
 * - Tasks are linked by `next` from the newest to the oldest, whole at all times: there is no
 *   moment in which a task is accepted and cannot be reached.
 * - The order of acceptance is the order of the exchanges on `head`, one total order.
 * - A task whose push was refused was never in the chain.
 * - The push's exchange is the producer's last access to the loop, unless it took the sleep away.
 *
 * Any thread: ingress_push, ingress_close, ingress_interrupt. The rest: the loop's thread.
 */
#ifndef CORE_INGRESS_H
#define CORE_INGRESS_H

#include "util/atomic.h"
#include "util/list.h"

struct ingress {
    ATOMIC(uintptr_t) head; /* the newest task's link | INGRESS_* */
};

enum { INGRESS_CLOSED = 1, INGRESS_SLEEPING = 2, INGRESS_FLAGS = 3 };

enum ingress_result { INGRESS_REFUSED, INGRESS_ACCEPTED, INGRESS_ACCEPTED_WAKE };

static inline list_link *ingress_newest(uintptr_t head)
{
    return (list_link *)(head & ~(uintptr_t)INGRESS_FLAGS);
}

/* Empty, open, and asleep, since nobody looks at it yet. */
static inline void ingress_init(struct ingress *ingress)
{
    atomic_set(&ingress->head, INGRESS_SLEEPING, relaxed);
}

static inline enum ingress_result ingress_push(struct ingress *ingress, list_link *task)
{
    uintptr_t head = atomic_get(&ingress->head, relaxed);
    do {
        if (head & INGRESS_CLOSED)
            return INGRESS_REFUSED;
        task->next = ingress_newest(head);
        /*
         * release: the task; partner: ingress_take(). acquire: what the loop did before the sleep
         * that this takes away; partner: ingress_announce_sleep().
         */
    } while (!atomic_try(&ingress->head, &head, (uintptr_t)task, acq_rel, relaxed));
    return head & INGRESS_SLEEPING ? INGRESS_ACCEPTED_WAKE : INGRESS_ACCEPTED;
}

/* The newest task, from which the others hang; NULL if there is none. */
static inline list_link *ingress_take(struct ingress *ingress)
{
    if (!ingress_newest(atomic_get(&ingress->head, relaxed)))
        return NULL;
    /* acquire: the tasks; partner: ingress_push() */
    return ingress_newest(atomic_and(&ingress->head, INGRESS_FLAGS, acquire));
}

/* From now on every push is refused. */
static inline void ingress_close(struct ingress *ingress)
{
    /*
     * Its place in the order of the exchanges on `head` decides. release is
     * stronger than the model needs (relaxed), as in stop_requested().
     */
    atomic_or(&ingress->head, INGRESS_CLOSED, release);
}

static inline bool ingress_empty(const struct ingress *ingress)
{
    /* relaxed: a push that is not seen here is found by the announcement, or finds it */
    return !ingress_newest(atomic_get(&ingress->head, relaxed));
}

static inline bool ingress_sleeping(const struct ingress *ingress)
{
    return atomic_get(&ingress->head, seq_cst) & INGRESS_SLEEPING;
}

/* Says that the loop is going to sleep, and whether the queue was empty at that moment. */
static inline bool ingress_announce_sleep(struct ingress *ingress)
{
    return !ingress_newest(atomic_or(&ingress->head, INGRESS_SLEEPING, seq_cst));
}

/* Takes the announcement back; false if somebody took the sleep away before. */
static inline bool ingress_end_sleep(struct ingress *ingress)
{
    /*
     * acq_rel: who is woken sees what it was woken for. stronger than the model needs (relaxed):
     * each queue sees to that as well, by words of its own.
     */
    return atomic_and(&ingress->head, ~(uintptr_t)INGRESS_SLEEPING, acq_rel) & INGRESS_SLEEPING;
}

/* Takes the sleep away; true if it was there, and the caller must wake the loop. */
static inline bool ingress_interrupt(struct ingress *ingress)
{
    return ingress_sleeping(ingress) && ingress_end_sleep(ingress);
}

#endif
