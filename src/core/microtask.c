/*
 * microtask.c: the ring, the overflow, and the way between them; see microtask.h.
 */
#include "core/microtask.h"

#include <errno.h>

#include "util/memory.h"

enum { OWN_AT_MOST = 1024, TAIL_FLAGS = MICROTASKS_CLOSED | MICROTASKS_OVERFLOWING };

int microtasks_init(struct microtasks *microtasks, const evloop_allocator *allocator,
                    uint32_t capacity, uintptr_t first_ticket)
{
    uint32_t own = capacity < OWN_AT_MOST ? capacity : OWN_AT_MOST;
    size_t slots_size = capacity * sizeof *microtasks->slots;
    void *memory = memory_zalloc(allocator, slots_size + own * sizeof *microtasks->own);
    if (!memory)
        return -ENOMEM;
    microtasks->slots = (struct microtask_slot *)memory;
    microtasks->own = (struct microtask *)(void *)((char *)memory + slots_size);
    microtasks->own_mask = own - 1;
    microtasks->allocator = allocator;
    microtasks->mask = (uintptr_t)(capacity - 1) * MICROTASK_TICKET;
    microtasks->head = first_ticket;
    atomic_set(&microtasks->tail, first_ticket, relaxed);
    for (uintptr_t i = 0, ticket = first_ticket; i < capacity; i++, ticket += MICROTASK_TICKET)
        atomic_set(&microtasks_slot(microtasks, ticket)->turn, ticket, relaxed);
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

/* The old items stay valid until the new ones are in place: a fork's child may find either. */
static int vector_grow(struct microtask_vector *vector, const evloop_allocator *allocator)
{
    size_t capacity = vector->capacity ? vector->capacity * 2 : 64;
    struct microtask *items = (struct microtask *)memory_alloc(allocator, capacity * sizeof *items);
    if (!items)
        return -ENOMEM;
    struct microtask *old = vector->items;
    if (vector->count)
        memcpy(items, old, vector->count * sizeof *items);
    vector->items = items;
    compiler_barrier();
    vector->capacity = capacity;
    memory_free(allocator, old);
    return 0;
}

/* False if the gate is closed. */
static bool announce_overflow(struct microtasks *microtasks)
{
    uintptr_t tail = atomic_get(&microtasks->tail, relaxed);
    do {
        if (tail & MICROTASKS_CLOSED)
            return false;
        /* seq_cst: the pre-sleep check sees the flag, or this thread sees the sleep */
    } while (
        !atomic_try(&microtasks->tail, &tail, tail | MICROTASKS_OVERFLOWING, seq_cst, relaxed));
    return true;
}

static int push_locked(struct microtasks *microtasks, struct microtask task)
{
    struct microtask_vector *overflow = &microtasks->overflow;
    if (overflow->count == overflow->capacity) {
        int err = vector_grow(overflow, microtasks->allocator);
        if (err)
            return err;
    }
    if (!announce_overflow(microtasks))
        return EVLOOP_ECLOSED;
    overflow->items[overflow->count] = task;
    compiler_barrier(); /* a fork's child finds an item that is whole, or none */
    overflow->count++;
    microtasks->overflow_count++;
    return 0;
}

int microtasks_push_slowly(struct microtasks *microtasks, evloop_fn fn, void *arg)
{
    struct microtask task = {fn, arg};
    if (atomic_get(&microtasks->tail, relaxed) & MICROTASKS_CLOSED)
        return EVLOOP_ECLOSED;
    mutex_lock(&microtasks->lock);
    int err = push_locked(microtasks, task);
    mutex_unlock(&microtasks->lock);
    return err;
}

/* Whether a ticket was drawn that the consumer has not taken. */
static bool outstanding(const struct microtasks *microtasks)
{
    /* relaxed: what was drawn before the overflow was used shows behind the lock that guards it */
    uintptr_t tail = atomic_get(&microtasks->tail, relaxed);
    return (tail & ~(uintptr_t)TAIL_FLAGS) != microtasks->head;
}

static bool overflowing(const struct microtasks *microtasks)
{
    return atomic_get(&microtasks->tail, relaxed) & MICROTASKS_OVERFLOWING;
}

static bool wait_for_push(struct microtasks *microtasks)
{
    const struct microtask_slot *slot = microtasks_slot(microtasks, microtasks->head);
    for (int spin = 0; spin < SHORT_WAIT; spin++) {
        /* relaxed: microtasks_pop() reads it again, and acquires */
        if (atomic_get(&slot->turn, relaxed) == microtasks->head + 1)
            return true;
        cpu_relax();
    }
    return false;
}

/* The overflow becomes the batch, or, if there is nothing in it, comes to its end. */
static void take_overflow(struct microtasks *microtasks)
{
    mutex_lock(&microtasks->lock);
    if (!outstanding(microtasks)) {
        struct microtask_vector emptied = microtasks->batch;
        emptied.count = 0;
        microtasks->batch = microtasks->overflow;
        microtasks->batch_next = 0;
        microtasks->overflow = emptied;
        /* stronger than the model needs (relaxed), as in stop_requested() */
        if (microtasks->batch.count == 0)
            atomic_and(&microtasks->tail, ~(uintptr_t)MICROTASKS_OVERFLOWING, release);
    }
    mutex_unlock(&microtasks->lock);
}

enum microtask_pop microtasks_pop_slowly(struct microtasks *microtasks, struct microtask *task)
{
    if (outstanding(microtasks))
        return wait_for_push(microtasks) ? microtasks_pop(microtasks, task) : MICROTASK_NOT_NOW;
    if (!overflowing(microtasks))
        return MICROTASK_NONE;
    if (microtasks->batch_next == microtasks->batch.count)
        take_overflow(microtasks);
    if (outstanding(microtasks))
        return microtasks_pop(microtasks, task);
    if (microtasks->batch_next == microtasks->batch.count)
        return MICROTASK_NONE;
    *task = microtasks->batch.items[microtasks->batch_next++];
    return MICROTASK_TAKEN;
}

void microtasks_close(struct microtasks *microtasks)
{
    /*
     * Its place in the order of the exchanges on `tail` decides. release is
     * stronger than the model needs (relaxed), as in stop_requested().
     */
    atomic_or(&microtasks->tail, MICROTASKS_CLOSED, release);
}

uint64_t microtasks_overflows(struct microtasks *microtasks)
{
    mutex_lock(&microtasks->lock);
    uint64_t count = microtasks->overflow_count;
    mutex_unlock(&microtasks->lock);
    return count;
}

size_t microtasks_count(struct microtasks *microtasks)
{
    uintptr_t tail = atomic_get(&microtasks->tail, relaxed) & ~(uintptr_t)TAIL_FLAGS;
    size_t count = (tail - microtasks->head) / MICROTASK_TICKET;
    count += microtasks->batch.count - microtasks->batch_next;
    count += microtasks->own_tail - microtasks->own_head;
    mutex_lock(&microtasks->lock);
    count += microtasks->overflow.count;
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
    uintptr_t tail = atomic_get(&microtasks->tail, relaxed) & ~(uintptr_t)TAIL_FLAGS;
    for (uintptr_t ticket = microtasks->head; ticket != tail; ticket += MICROTASK_TICKET) {
        struct microtask_slot *slot = microtasks_slot(microtasks, ticket);
        if (atomic_get(&slot->turn, relaxed) != ticket + 1) {
            slot->task.fn = ignore;
            atomic_set(&slot->turn, ticket + 1, relaxed);
        }
    }
}
