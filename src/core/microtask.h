/*
 * microtask.h: functions to be run before the loop goes on; a ring, and an overflow for what it
 * cannot hold.
 *
 * A place in the ring's order is a ticket: a multiple of 4 that goes up by 4 and wraps around. The
 * two low bits of `tail` are flags. A slot's `turn` is the ticket of the push that may fill it,
 * ticket + 1 when it is filled, and the ticket of the next lap when it was emptied: cleared first,
 * released afterwards.
 *
 * Invariants:
 * - Another thread's push is accepted by one exchange on `tail`: the one that draws a ticket, or
 *   the one that sets OVERFLOWING under the lock. After CLOSED is set neither succeeds.
 * - While OVERFLOWING is set no ticket is drawn: every push goes to the overflow. Only the consumer
 *   clears it, under the lock, when the overflow is empty and so is the batch that it took from
 *   there before.
 * - The order is: the own queue, the ring, the batch, the overflow. The consumer takes the overflow
 *   only under the lock, and only if it finds there that no ticket is outstanding.
 * - The loop's thread puts what it offers itself into a queue of its own, without atomics, but only
 *   while the ring holds nothing and no flag is set: what is there is older than what is elsewhere.
 * - A ticket that was drawn and is not filled yet holds back everything behind it, the overflow
 *   included.
 *
 * Any thread: microtasks_push, microtasks_close. The rest: the loop's thread.
 */
#ifndef CORE_MICROTASK_H
#define CORE_MICROTASK_H

#include "evloop/error.h"
#include "evloop/loop.h"
#include "util/atomic.h"

struct microtask {
    evloop_fn fn;
    void *arg;
};

struct microtask_slot {
    ATOMIC(uintptr_t) turn;
    struct microtask task;
};

struct microtask_vector {
    struct microtask *items;
    size_t count;
    size_t capacity;
};

struct microtasks {
    struct microtask_slot *slots;
    uintptr_t mask; /* (capacity - 1) * MICROTASK_TICKET */
    const evloop_allocator *allocator;

    /* the consumer's */
    uintptr_t head; /* the next ticket to be taken */
    struct microtask *own;
    uint32_t own_mask;
    uint32_t own_head;
    uint32_t own_tail;
    struct microtask_vector batch;
    size_t batch_next;

    /* the producers' */
    CACHE_ALIGNED ATOMIC(uintptr_t) tail; /* the next ticket to be drawn | MICROTASKS_* */
    mutex lock;
    struct microtask_vector overflow;
    uint64_t overflow_count; /* pushes that ever went there */
};

enum { MICROTASKS_CLOSED = 1, MICROTASKS_OVERFLOWING = 2, MICROTASK_TICKET = 4 };

enum microtask_pop { MICROTASK_NONE, MICROTASK_TAKEN, MICROTASK_NOT_NOW };

/* capacity is a power of two; the first ticket is any multiple of MICROTASK_TICKET. */
int microtasks_init(struct microtasks *microtasks, const evloop_allocator *allocator,
                    uint32_t capacity, uintptr_t first_ticket);
void microtasks_free(struct microtasks *microtasks);
/* From now on every push is refused. */
void microtasks_close(struct microtasks *microtasks);
uint64_t microtasks_overflows(struct microtasks *microtasks);
/* How many wait; for people. */
size_t microtasks_count(struct microtasks *microtasks);
/* In a fork's child: forgets pushes that other threads were in the midst of. */
void microtasks_after_fork(struct microtasks *microtasks);

/* What microtasks_push() and microtasks_pop() do when the ring alone cannot serve. */
int microtasks_push_slowly(struct microtasks *microtasks, evloop_fn fn, void *arg);
enum microtask_pop microtasks_pop_slowly(struct microtasks *microtasks, struct microtask *task);

static inline struct microtask_slot *microtasks_slot(const struct microtasks *microtasks,
                                                     uintptr_t ticket)
{
    uintptr_t index = (ticket & microtasks->mask) / MICROTASK_TICKET;
    return &microtasks->slots[index];
}

/* Whether the ring took it. */
static inline bool microtasks_push_to_ring(struct microtasks *microtasks, evloop_fn fn, void *arg)
{
    uintptr_t ticket = atomic_get(&microtasks->tail, relaxed);
    for (;;) {
        struct microtask_slot *slot = microtasks_slot(microtasks, ticket);
        /* acquire: the slot was cleared; partner: the release in microtasks_pop() */
        if (atomic_get(&slot->turn, acquire) != ticket) { /* a flag differs, too */
            uintptr_t found = ticket;
            ticket = atomic_get(&microtasks->tail, relaxed);
            if (ticket == found) /* closed, overflowing, or still filled from the last lap */
                return false;
            continue;
        }
        /* seq_cst: the pre-sleep check sees the ticket, or this thread sees the sleep */
        if (atomic_try(&microtasks->tail, &ticket, ticket + MICROTASK_TICKET, seq_cst, relaxed)) {
            slot->task.fn = fn;
            slot->task.arg = arg;
            atomic_set(&slot->turn, ticket + 1, release); /* partner: microtasks_pop() */
            return true;
        }
    }
}

/* For the loop's thread: whether its own queue took it. */
static inline bool microtasks_push_own(struct microtasks *microtasks, evloop_fn fn, void *arg)
{
    /* relaxed: what another thread pushed before, and this one knows of, shows all the same */
    if (atomic_get(&microtasks->tail, relaxed) != microtasks->head ||
        microtasks->own_tail - microtasks->own_head > microtasks->own_mask)
        return false;
    struct microtask *place = &microtasks->own[microtasks->own_tail++ & microtasks->own_mask];
    place->fn = fn;
    place->arg = arg;
    return true;
}

/* 0, EVLOOP_ECLOSED, or -ENOMEM. */
static inline int microtasks_push(struct microtasks *microtasks, evloop_fn fn, void *arg)
{
    return microtasks_push_to_ring(microtasks, fn, arg)
               ? 0
               : microtasks_push_slowly(microtasks, fn, arg);
}

/* NOT_NOW: the next one is being pushed at this very moment, and nothing may overtake it. */
static inline enum microtask_pop microtasks_pop(struct microtasks *microtasks,
                                                struct microtask *task)
{
    if (microtasks->own_head != microtasks->own_tail) {
        *task = microtasks->own[microtasks->own_head++ & microtasks->own_mask];
        return MICROTASK_TAKEN;
    }
    uintptr_t ticket = microtasks->head;
    struct microtask_slot *slot = microtasks_slot(microtasks, ticket);
    if (atomic_get(&slot->turn, acquire) != ticket + 1) /* partner: microtasks_push() */
        return microtasks_pop_slowly(microtasks, task);
    *task = slot->task;
    slot->task.fn = NULL;
    slot->task.arg = NULL;
    microtasks->head = ticket + MICROTASK_TICKET;
    /* release: the slot is clear; partner: microtasks_push() of the next lap */
    atomic_set(&slot->turn, ticket + microtasks->mask + MICROTASK_TICKET, release);
    return MICROTASK_TAKEN;
}

/*
 * Whether anything was accepted, or is being pushed, and has not been taken: for the pre-sleep
 * check.
 */
static inline bool microtasks_pending(const struct microtasks *microtasks)
{
    uintptr_t tail = atomic_get(&microtasks->tail, seq_cst);
    return microtasks->own_head != microtasks->own_tail ||
           (tail != microtasks->head && (tail & ~(uintptr_t)MICROTASKS_CLOSED) != microtasks->head);
}

#endif
