/*
 * microtask.h: functions to be run before the loop goes on; a ring, and an overflow for what it cannot hold.
 *
 * A place in the order is a ticket: tickets are even, go up by 2, and wrap around; the lowest bit of `tail`
 * says that the gate is closed. A slot's `turn` is the ticket of the push that may fill it, ticket + 1 when it
 * is filled, and the ticket of the next lap when it was emptied: cleared first, released afterwards.
 *
 * Invariants:
 * - The order is: the batch taken from the overflow, the ring, the overflow.
 * - While `overflowing`, every push goes to the overflow. It is set and cleared under the lock.
 * - The consumer takes the overflow only under the lock, and only if it finds there that no ticket of the
 *   ring is outstanding: what was pushed before the overflow began has then been taken.
 * - A ticket that was drawn and is not filled yet holds back everything behind it, the overflow included.
 *
 * Any thread: microtasks_push, microtasks_close. The rest: the loop's thread.
 */
#ifndef CORE_MICROTASK_H
#define CORE_MICROTASK_H

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
    /* the consumer's */
    struct microtask_slot *slots;
    uintptr_t mask;
    uintptr_t head; /* the next ticket to be taken */
    struct microtask_vector batch;
    size_t batch_next;
    const evloop_allocator *allocator;

    /* the producers' */
    CACHE_ALIGNED ATOMIC(uintptr_t) tail; /* the next ticket to be drawn | MICROTASKS_CLOSED */
    ATOMIC(bool) overflowing;
    mutex lock;
    struct microtask_vector overflow;
    bool overflow_closed;
    uint64_t overflow_count; /* pushes that ever went there */
};

enum { MICROTASKS_CLOSED = 1 };

enum microtask_pop { MICROTASK_NONE, MICROTASK_TAKEN, MICROTASK_NOT_NOW };

/* capacity is a power of two; the first ticket is any even number. */
int microtasks_init(struct microtasks *microtasks, const evloop_allocator *allocator,
                    uint32_t capacity, uintptr_t first_ticket);
void microtasks_free(struct microtasks *microtasks);
/* 0, EVLOOP_ECLOSED, or -ENOMEM. */
int microtasks_push(struct microtasks *microtasks, evloop_fn fn, void *arg);
/* NOT_NOW: the next one is being pushed at this very moment, and nothing may overtake it. */
enum microtask_pop microtasks_pop(struct microtasks *microtasks, struct microtask *task);
void microtasks_close(struct microtasks *microtasks);
uint64_t microtasks_overflows(struct microtasks *microtasks);
/* How many wait; for people. */
size_t microtasks_count(struct microtasks *microtasks);
/* In a fork's child: forgets pushes that other threads were in the midst of. */
void microtasks_after_fork(struct microtasks *microtasks);

/* Whether anything was accepted, or is being pushed, and has not been taken: for the pre-sleep check. */
static inline bool microtasks_pending(const struct microtasks *microtasks)
{
    return microtasks->batch_next != microtasks->batch.count ||
           (atomic_get(&microtasks->tail, seq_cst) & ~(uintptr_t)MICROTASKS_CLOSED) !=
               microtasks->head ||
           atomic_get(&microtasks->overflowing, seq_cst);
}

#endif
