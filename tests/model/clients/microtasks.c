/*
 * microtasks.c: the ring and its overflow, by themselves: two slots, and tickets that wrap around.
 *
 * Items are numbers, 1 and up; the consumer notes what it takes. What is left is taken when all
 * threads have ended.
 */
#include "world.h"

enum { PUSHES = 8 };

static struct microtasks queue;
static char numbers[PUSHES + 1]; /* an item is the address of its number */
static bool accepted[PUSHES + 1];
static int taken[PUSHES + 1];
static unsigned taken_count;
static ATOMIC(int) passed_on;

static void ignore(void *arg)
{
    (void)arg;
}

static void setup_at(uintptr_t first_ticket)
{
    memset(&queue, 0, sizeof queue);
    memset(accepted, 0, sizeof accepted);
    memset(taken, 0, sizeof taken);
    taken_count = 0;
    atomic_set(&passed_on, 0, relaxed);
    require(microtasks_init(&queue, &model_allocator, 2, first_ticket) == 0);
}

static void setup(void)
{
    setup_at((uintptr_t)0 - 2 * MICROTASK_TICKET);
}

/* Laps before and behind the wrap of 64 bits, and of 32. */
static void setup_before_the_wrap(void)
{
    setup_at((uintptr_t)0 - 3 * MICROTASK_TICKET);
}

static void setup_before_32_bits(void)
{
    setup_at(((uintptr_t)1 << 32) - 3 * MICROTASK_TICKET);
}

static void push(int number)
{
    int err = microtasks_push(&queue, ignore, &numbers[number]);
    require(err == 0 || err == EVLOOP_ECLOSED);
    accepted[number] = err == 0;
}

static void take_note(const struct microtask *task)
{
    require(task->fn == ignore);
    require(taken_count < PUSHES);
    taken[taken_count++] = (int)((char *)task->arg - numbers);
}

static enum microtask_pop pop(void)
{
    struct microtask task;
    enum microtask_pop result = microtasks_pop(&queue, &task);
    if (result == MICROTASK_TAKEN)
        take_note(&task);
    return result;
}

static void pop_3(void)
{
    for (int i = 0; i < 3; i++)
        pop();
}

static void pop_4(void)
{
    pop_3();
    pop();
}

/* ---- what was accepted comes out once, in order ---------------------------------------------- */

static unsigned position(int number)
{
    unsigned at = 0;
    while (at < taken_count && taken[at] != number)
        at++;
    return at;
}

static void verify_order_of(int first, int second)
{
    if (accepted[first] && accepted[second])
        require(position(first) < position(second));
}

static void verify(void)
{
    unsigned accepted_count = 0;
    for (int i = 1; i <= PUSHES; i++)
        require(!accepted[i] || position(i) < taken_count || microtasks_pending(&queue));
    while (pop() == MICROTASK_TAKEN)
        ;
    require(!microtasks_pending(&queue));
    for (int i = 1; i <= PUSHES; i++) {
        accepted_count += accepted[i];
        require(accepted[i] == (position(i) < taken_count));
    }
    require(accepted_count == taken_count);
    for (int i = 1; i < PUSHES; i++)
        if (i != 4)
            verify_order_of(i, i + 1);
    microtasks_free(&queue);
    require(model_blocks() == 0);
}

/* The ring alone has room for two at a time, wherever its tickets are. */
static void verify_ring_alone(void)
{
    while (pop() == MICROTASK_TAKEN)
        ;
    for (int i = 5; i <= PUSHES; i++) {
        push(i);
        require(pop() == MICROTASK_TAKEN);
    }
    require(microtasks_overflows(&queue) == 0);
    verify();
}

static void push_1(void)
{
    push(1);
}

static void push_1_2(void)
{
    push(1);
    push(2);
}

static void push_1_2_3(void)
{
    push_1_2();
    push(3);
}

static void push_1_2_3_4(void)
{
    push_1_2_3();
    push(4);
}

static void push_5(void)
{
    push(5);
}

static void push_5_6(void)
{
    push(5);
    push(6);
}

/* ---- causal order ---------------------------------------------------------------------------- */

static void push_and_pass_on(void)
{
    push(1);
    atomic_set(&passed_on, 1, release);
}

static void fill_and_pass_on(void)
{
    push_1_2_3();
    atomic_set(&passed_on, 1, release);
}

static void push_if_passed_on(void)
{
    if (atomic_get(&passed_on, acquire))
        push(5);
}

static void verify_causal(void)
{
    verify();
    verify_order_of(1, 5);
    verify_order_of(3, 5);
}

/* The consumer's own offers come behind what it knows of. */
static void push_own_if_passed_on(void)
{
    if (atomic_get(&passed_on, acquire)) {
        accepted[5] = microtasks_push_own(&queue, ignore, &numbers[5]);
        if (!accepted[5])
            push(5);
    }
    pop_3();
}

static void push_own_between(void)
{
    pop();
    accepted[5] = microtasks_push_own(&queue, ignore, &numbers[5]);
    if (!accepted[5])
        push(5);
    accepted[6] = microtasks_push_own(&queue, ignore, &numbers[6]);
    if (!accepted[6])
        push(6);
    pop_3();
}

/* ---- the gate -------------------------------------------------------------------------------- */

static void close_queue(void)
{
    microtasks_close(&queue);
    atomic_set(&passed_on, 1, release);
}

static void push_after_close(void)
{
    bool closed = atomic_get(&passed_on, acquire);
    push(5);
    require(!closed || !accepted[5]);
}

/* Nothing is accepted any more, so what was is all there, in the thread that closed it. */
static void close_and_drain(void)
{
    microtasks_close(&queue);
    while (pop() != MICROTASK_NONE)
        model_turn();
    require(!microtasks_pending(&queue));
    items[0].position = taken_count;
}

static void verify_drained(void)
{
    unsigned drained = items[0].position;
    verify();
    require(taken_count == drained);
}

const struct client microtasks_clients[] = {
    EXPLORED("microtasks-one-thread-in-order",
             "four pushes, two slots: through the overflow and "
             "back",
             setup, verify, push_1_2_3_4, pop_4),
    BOUNDED("microtasks-two-threads-in-order", "each thread's pushes in its order", 6, COMPLETE, 0,
            setup, verify, push_1_2, push_5_6, pop_3),
    BOUNDED("microtasks-overflow-against-ring", "three and one pushes into two slots", 6, COMPLETE,
            0, setup, verify, push_1_2_3, push_5, pop_3),
    EXPLORED("microtasks-wrap-around", "tickets wrap, and the ring goes on", setup_before_the_wrap,
             verify_ring_alone, push_1_2, pop_3),
    EXPLORED("microtasks-beyond-32-bits", "they are 64 bits wide", setup_before_32_bits,
             verify_ring_alone, push_1_2, pop_3),
    BOUNDED("microtasks-everything-at-once", "four and two pushes", 2, 4, 200000, setup, verify,
            push_1_2_3_4, push_5_6, pop_4),
    EXPLORED("microtasks-in-causal-order", "what was known is older", setup, verify_causal,
             push_and_pass_on, push_if_passed_on, pop_3),
    EXPLORED("microtasks-overflow-in-causal-order", "also behind the overflow", setup,
             verify_causal, fill_and_pass_on, push_if_passed_on, pop_3),
    EXPLORED("microtasks-own-in-causal-order", "the loop's own offers do not overtake", setup,
             verify_causal, push_and_pass_on, push_own_if_passed_on),
    EXPLORED("microtasks-own-behind-the-overflow", "nor when the ring has overflowed", setup,
             verify_causal, fill_and_pass_on, push_own_if_passed_on),
    EXPLORED("microtasks-own-between-others", "the loop's own offers keep their order", setup,
             verify, push_1_2_3, push_own_between),
    EXPLORED("microtasks-refused-after-close", "after the gate is closed nothing is accepted",
             setup, verify, close_queue, push_after_close, pop_3),
    EXPLORED("microtasks-drained-after-close", "what was accepted is seen by who closed the gate",
             setup, verify_drained, close_and_drain, push_1),
    EXPLORED("microtasks-overflow-drained-after-close", "also what went to the overflow", setup,
             verify_drained, close_and_drain, push_1_2_3),
    EXPLORED("microtasks-two-threads-drained-after-close", "also of two threads", setup,
             verify_drained, close_and_drain, push_1_2, push_5),
    {0},
};
