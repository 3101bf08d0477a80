#include "core/ingress.h"

static evloop_task *task_of(uintptr_t head)
{
    return (evloop_task *)(head & ~(uintptr_t)INGRESS_FLAGS);
}

void ingress_init(struct ingress *ingress)
{
    atomic_set(&ingress->head, INGRESS_SLEEPING, relaxed);
}

enum ingress_result ingress_push(struct ingress *ingress, evloop_task *task)
{
    uintptr_t head = atomic_get(&ingress->head, relaxed);
    do {
        if (head & INGRESS_CLOSED)
            return INGRESS_REFUSED;
        evloop_task *older = task_of(head);
        task->link_.next = older ? &older->link_ : NULL;
        /* release: the task; partner: ingress_take(). seq_cst: the pre-sleep check of the other queues. */
    } while (!atomic_try(&ingress->head, &head, (uintptr_t)task, seq_cst, relaxed));
    return head & INGRESS_SLEEPING ? INGRESS_ACCEPTED_WAKE : INGRESS_ACCEPTED;
}

evloop_task *ingress_take(struct ingress *ingress)
{
    uintptr_t head = atomic_get(&ingress->head, relaxed);
    if (!task_of(head))
        return NULL;
    /* acquire: the tasks; partner: ingress_push() */
    return task_of(atomic_and(&ingress->head, INGRESS_FLAGS, acquire));
}

void ingress_close(struct ingress *ingress)
{
    atomic_or(&ingress->head, INGRESS_CLOSED, seq_cst);
}

bool ingress_announce_sleep(struct ingress *ingress)
{
    return !task_of(atomic_or(&ingress->head, INGRESS_SLEEPING, seq_cst));
}

bool ingress_end_sleep(struct ingress *ingress)
{
    return atomic_and(&ingress->head, ~(uintptr_t)INGRESS_SLEEPING, seq_cst) & INGRESS_SLEEPING;
}

bool ingress_interrupt(struct ingress *ingress)
{
    return ingress_sleeping(ingress) && ingress_end_sleep(ingress);
}

bool ingress_empty(const struct ingress *ingress)
{
    return !task_of(atomic_get(&ingress->head, seq_cst));
}

bool ingress_sleeping(const struct ingress *ingress)
{
    return atomic_get(&ingress->head, seq_cst) & INGRESS_SLEEPING;
}
