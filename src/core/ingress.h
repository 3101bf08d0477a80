/*
 * ingress.h: the queue through which tasks reach the loop from any thread.
 *
 * One word holds the newest task, whether the gate is closed, and whether the loop sleeps. A producer puts its task
 * in front with one compare-and-swap, which at the same time finds the gate open and takes the loop's sleep
 * away: it is then, and only then, this producer's duty to wake the loop. The loop takes all tasks at once.
 *
 * Invariants:
 * - Tasks are linked from newest to oldest through link_.next, the whole chain at all times: there is no
 *   moment in which a task is accepted and cannot be reached.
 * - The order of acceptance is the order of the exchanges on `head`, one total order.
 * - A task whose push was refused was never in the chain.
 * - The push's exchange is the producer's last access to the loop, unless it took the sleep away.
 *
 * Any thread: ingress_push, ingress_close, ingress_interrupt. The rest: the loop's thread.
 */
#ifndef CORE_INGRESS_H
#define CORE_INGRESS_H

#include "evloop/task.h"
#include "util/atomic.h"

struct ingress {
    ATOMIC(uintptr_t) head; /* evloop_task * | INGRESS_* */
};

enum { INGRESS_CLOSED = 1, INGRESS_SLEEPING = 2, INGRESS_FLAGS = 3 };

enum ingress_result { INGRESS_REFUSED, INGRESS_ACCEPTED, INGRESS_ACCEPTED_WAKE };

/* Empty, open, and asleep, since nobody looks at it yet. */
void ingress_init(struct ingress *ingress);
enum ingress_result ingress_push(struct ingress *ingress, evloop_task *task);
/* The newest task, from which the others hang; NULL if there is none. */
evloop_task *ingress_take(struct ingress *ingress);
/* From now on every push is refused. */
void ingress_close(struct ingress *ingress);

/* Says that the loop is going to sleep, and whether the queue was empty at that moment. */
bool ingress_announce_sleep(struct ingress *ingress);
/* Takes the announcement back; false if somebody took the sleep away before. */
bool ingress_end_sleep(struct ingress *ingress);
/* Takes the sleep away; true if it was there, and the caller must wake the loop. */
bool ingress_interrupt(struct ingress *ingress);

bool ingress_empty(const struct ingress *ingress);
bool ingress_sleeping(const struct ingress *ingress);

#endif
