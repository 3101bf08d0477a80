#include "core/microtask.h"

#include <errno.h>

#include "evloop/error.h"
#include "util/memory.h"

enum { SPINS_FOR_A_PUSH = 64 };

int microtasks_init(struct microtasks *microtasks, const evloop_allocator *allocator,
                    uint32_t capacity, uintptr_t first_ticket)
{
    microtasks->slots = (struct microtask_slot *)memory_zalloc(
        allocator, capacity * sizeof *microtasks->slots);
    if (!microtasks->slots)
        return -ENOMEM;
    microtasks->allocator = allocator;
    microtasks->mask = capacity - 1;
    microtasks->head = first_ticket;
    atomic_set(&microtasks->tail, first_ticket, relaxed);
    for (uintptr_t i = 0, ticket = first_ticket; i < capacity; i++, ticket += 2)
        atomic_set(&microtasks->slots[ticket / 2 & microtasks->mask].turn, ticket, relaxed);
    mutex_init(&microtasks->lock);
    return 0;
}

void microtasks_free(struct microtasks *microtasks)
{
    if (!microtasks->slots)
        return;
    mutex_destroy(&microtasks->lock);
    memory_free(microtasks->allocator, microtasks->batch.items);
    memory_free(microtasks->allocator, microtasks->overflow.items);
    memory_free(microtasks->allocator, microtasks->slots);
}

static struct microtask_slot *slot_of(struct microtasks *microtasks, uintptr_t ticket)
{
    return &microtasks->slots[ticket / 2 & microtasks->mask];
}

/* The old items stay valid until the new ones are in place: a fork's child may find either. */
static int vector_grow(struct microtask_vector *vector, const evloop_allocator *allocator)
{
    size_t capacity = vector->capacity ? vector->capacity * 2 : 64;
    struct microtask *items =
        (struct microtask *)memory_alloc(allocator, capacity * sizeof *items);
    if (!items)
        return -ENOMEM;
    struct microtask *old = vector->items;
    if (vector->count)
        memcpy(items, old, vector->count * sizeof *items);
    vector->items = items;
    vector->capacity = capacity;
    memory_free(allocator, old);
    return 0;
}

static int push_to_overflow(struct microtasks *microtasks, struct microtask task)
{
    int err = 0;
    struct microtask_vector *overflow = &microtasks->overflow;
    mutex_lock(&microtasks->lock);
    if (microtasks->overflow_closed)
        err = EVLOOP_ECLOSED;
    else if (overflow->count == overflow->capacity)
        err = vector_grow(overflow, microtasks->allocator);
    if (!err) {
        overflow->items[overflow->count++] = task;
        microtasks->overflow_count++;
        atomic_set(&microtasks->overflowing, true, seq_cst); /* partner: microtasks_pending() */
    }
    mutex_unlock(&microtasks->lock);
    return err;
}

int microtasks_push(struct microtasks *microtasks, evloop_fn fn, void *arg)
{
    struct microtask task = {fn, arg};
    uintptr_t ticket = atomic_get(&microtasks->tail, relaxed);
    for (;;) {
        if (ticket & MICROTASKS_CLOSED)
            return EVLOOP_ECLOSED;
        /* acquire: whoever knows of a push to the overflow sees it here; partner: take_overflow() */
        if (atomic_get(&microtasks->overflowing, acquire))
            return push_to_overflow(microtasks, task);
        struct microtask_slot *slot = slot_of(microtasks, ticket);
        /* acquire: the slot was cleared; partner: the release in pop_from_ring() */
        intptr_t ahead = (intptr_t)(atomic_get(&slot->turn, acquire) - ticket);
        if (ahead < 0) /* still filled from the last lap */
            return push_to_overflow(microtasks, task);
        if (ahead > 0) { /* somebody else drew this ticket */
            ticket = atomic_get(&microtasks->tail, relaxed);
            continue;
        }
        /* seq_cst: the pre-sleep check sees the ticket, or this thread sees the sleep */
        if (atomic_try(&microtasks->tail, &ticket, ticket + 2, seq_cst, relaxed)) {
            slot->task = task;
            atomic_set(&slot->turn, ticket + 1, release); /* partner: pop_from_ring() */
            return 0;
        }
    }
}

static bool pop_from_ring(struct microtasks *microtasks, struct microtask *task)
{
    uintptr_t ticket = microtasks->head;
    struct microtask_slot *slot = slot_of(microtasks, ticket);
    if (atomic_get(&slot->turn, acquire) != ticket + 1) /* partner: microtasks_push() */
        return false;
    *task = slot->task;
    slot->task.fn = NULL;
    slot->task.arg = NULL;
    microtasks->head = ticket + 2;
    uintptr_t next_lap = ticket + 2 * (microtasks->mask + 1);
    atomic_set(&slot->turn, next_lap, release); /* partner: microtasks_push() */
    return true;
}

static bool ring_outstanding(const struct microtasks *microtasks)
{
    uintptr_t tail = atomic_get(&microtasks->tail, acquire);
    return (tail & ~(uintptr_t)MICROTASKS_CLOSED) != microtasks->head;
}

static bool wait_for_push(struct microtasks *microtasks, struct microtask *task)
{
    for (int spin = 0; spin < SPINS_FOR_A_PUSH; spin++) {
        if (pop_from_ring(microtasks, task))
            return true;
        cpu_relax();
    }
    return false;
}

/* Under the lock the overflow stands still, and all that was pushed before it shows in the ring. */
static bool take_overflow(struct microtasks *microtasks)
{
    bool taken = false;
    mutex_lock(&microtasks->lock);
    if (!ring_outstanding(microtasks)) {
        struct microtask_vector empty = microtasks->batch;
        empty.count = 0;
        microtasks->batch = microtasks->overflow;
        microtasks->batch_next = 0;
        microtasks->overflow = empty;
        atomic_set(&microtasks->overflowing, false, release); /* partner: microtasks_push() */
        taken = true;
    }
    mutex_unlock(&microtasks->lock);
    return taken;
}

enum microtask_pop microtasks_pop(struct microtasks *microtasks, struct microtask *task)
{
    for (;;) {
        if (microtasks->batch_next != microtasks->batch.count) {
            *task = microtasks->batch.items[microtasks->batch_next++];
            return MICROTASK_TAKEN;
        }
        if (pop_from_ring(microtasks, task))
            return MICROTASK_TAKEN;
        if (ring_outstanding(microtasks))
            return wait_for_push(microtasks, task) ? MICROTASK_TAKEN : MICROTASK_NOT_NOW;
        if (!atomic_get(&microtasks->overflowing, acquire)) /* partner: push_to_overflow() */
            return MICROTASK_NONE;
        take_overflow(microtasks);
    }
}

void microtasks_close(struct microtasks *microtasks)
{
    atomic_or(&microtasks->tail, MICROTASKS_CLOSED, seq_cst);
    mutex_lock(&microtasks->lock);
    microtasks->overflow_closed = true;
    mutex_unlock(&microtasks->lock);
}

uint64_t microtasks_overflows(struct microtasks *microtasks)
{
    mutex_lock(&microtasks->lock);
    uint64_t count = microtasks->overflow_count;
    mutex_unlock(&microtasks->lock);
    return count;
}

static void ignore(void *arg)
{
    (void)arg;
}

void microtasks_after_fork(struct microtasks *microtasks)
{
    mutex_init(&microtasks->lock);
    atomic_set(&microtasks->overflowing, microtasks->overflow.count > 0, relaxed);
    uintptr_t tail = atomic_get(&microtasks->tail, relaxed) & ~(uintptr_t)MICROTASKS_CLOSED;
    for (uintptr_t ticket = microtasks->head; ticket != tail; ticket += 2) {
        struct microtask_slot *slot = slot_of(microtasks, ticket);
        if (atomic_get(&slot->turn, relaxed) != ticket + 1) {
            slot->task.fn = ignore;
            atomic_set(&slot->turn, ticket + 1, relaxed);
        }
    }
}

size_t microtasks_count(struct microtasks *microtasks)
{
    uintptr_t tail = atomic_get(&microtasks->tail, acquire) & ~(uintptr_t)MICROTASKS_CLOSED;
    size_t count = microtasks->batch.count - microtasks->batch_next;
    count += (tail - microtasks->head) / 2;
    mutex_lock(&microtasks->lock);
    count += microtasks->overflow.count;
    mutex_unlock(&microtasks->lock);
    return count;
}
