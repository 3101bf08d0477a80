/*
 * microtasks.c: the defects of the ring and its overflow, each brought about at every step of a
 * push and of a pop.
 */
#include "support.h"

#include "step.h"

#include "core/microtask.h"
#include "interleave.h"

enum { RING = 2, PUSHES_AT_MOST = 64 };

/* What is done in one round: `before` in peace; then the operation, and `meanwhile` in the middle
 * of it. */
struct plan {
    uintptr_t first_ticket;
    unsigned pushes_before;
    unsigned pops_before;
    bool operation_pushes;
    unsigned pushes_meanwhile;
    unsigned pops_meanwhile;
    unsigned pushes_after_those;
    bool by_consumer; /* what is pushed apart from the operation */
};

static struct microtasks microtasks;
static uintptr_t pushes_begun;   /* also the number of the last one */
static unsigned pushes_done;     /* those in the midst of the operation not counted */
static uintptr_t operation_push; /* its number; 0: none is under way, or was */
static uintptr_t last_meanwhile; /* the last push that began while it was under way */
static bool operation_under_way;
static uintptr_t popped[PUSHES_AT_MOST];
static unsigned pops_done;

static void item(void *arg)
{
    (void)arg;
}

static unsigned outstanding(void)
{
    unsigned taken = 0;
    for (unsigned i = 0; i < pops_done; i++)
        taken += !(operation_under_way && popped[i] == operation_push);
    return pushes_done - taken;
}

static void push(bool by_consumer)
{
    uintptr_t number = ++pushes_begun;
    if (!by_consumer || !microtasks_push_own(&microtasks, item, (void *)number))
        assert_int_equal(microtasks_push(&microtasks, item, (void *)number), 0);
    pushes_done++;
    if (outstanding())
        assert_true(microtasks_pending(&microtasks));
}

static enum microtask_pop pop(void)
{
    struct microtask task = {NULL, NULL};
    enum microtask_pop result = microtasks_pop(&microtasks, &task);
    if (result == MICROTASK_TAKEN) {
        assert_ptr_equal(task.fn, item);
        assert_true(pops_done < PUSHES_AT_MOST);
        popped[pops_done++] = (uintptr_t)task.arg;
    }
    return result;
}

/* While nothing else is under way, or only a push is. */
static void pop_and_look(void)
{
    unsigned waiting = outstanding();
    enum microtask_pop result = pop();
    if (result == MICROTASK_NONE)
        assert_int_equal(waiting, 0);
    if (result == MICROTASK_NOT_NOW)
        assert_true(operation_under_way && operation_push);
    if (outstanding())
        assert_true(microtasks_pending(&microtasks));
}

static void prepare(void *arg)
{
    const struct plan *plan = arg;
    memset(&microtasks, 0, sizeof microtasks);
    pushes_begun = operation_push = last_meanwhile = 0;
    pushes_done = pops_done = 0;
    assert_int_equal(microtasks_init(&microtasks, &test_heap.allocator, RING, plan->first_ticket),
                     0);
    for (unsigned i = 0; i < plan->pushes_before; i++)
        push(plan->by_consumer);
    for (unsigned i = 0; i < plan->pops_before; i++)
        pop_and_look();
}

static void operation(void *arg)
{
    const struct plan *plan = arg;
    unsigned waiting = outstanding();
    operation_under_way = true;
    if (plan->operation_pushes) {
        operation_push = ++pushes_begun;
        assert_int_equal(microtasks_push(&microtasks, item, (void *)operation_push), 0);
        pushes_done++;
    } else {
        enum microtask_pop result = pop();
        assert_true(result == MICROTASK_TAKEN || (waiting == 0 && result == MICROTASK_NONE));
    }
    operation_under_way = false;
}

static void meanwhile(void *arg)
{
    const struct plan *plan = arg;
    for (unsigned i = 0; i < plan->pushes_meanwhile; i++)
        push(plan->by_consumer);
    for (unsigned i = 0; i < plan->pops_meanwhile; i++)
        pop_and_look();
    for (unsigned i = 0; i < plan->pushes_after_those; i++)
        push(plan->by_consumer);
    last_meanwhile = pushes_begun;
}

/* Only what began during the operation's own push may have come before it. */
static bool overtook(uintptr_t first, uintptr_t second)
{
    bool free_order = operation_push == second && first <= last_meanwhile;
    return first > second && !free_order;
}

static void verify(void *arg)
{
    (void)arg;
    while (outstanding())
        pop_and_look();
    assert_int_equal(pop(), MICROTASK_NONE);
    assert_false(microtasks_pending(&microtasks));
    assert_int_equal(pops_done, pushes_done);
    for (unsigned i = 0; i < pops_done; i++)
        for (unsigned j = i + 1; j < pops_done; j++) {
            assert_int_not_equal(popped[i], popped[j]);
            assert_false(overtook(popped[i], popped[j]));
        }
    microtasks_free(&microtasks);
}

static unsigned play(struct plan *plan)
{
    struct interleaving interleaving = {prepare, operation, meanwhile, verify, plan};
    return interleave(&interleaving);
}

/* Every state of a small ring and its overflow, before the operation and after what happens
 * meanwhile. */
static void play_all(struct plan plan)
{
    for (plan.pushes_before = 0; plan.pushes_before <= 2 * RING; plan.pushes_before++)
        for (plan.pops_before = 0; plan.pops_before <= plan.pushes_before; plan.pops_before++)
            for (plan.pushes_meanwhile = 0; plan.pushes_meanwhile <= 2 * RING;
                 plan.pushes_meanwhile++)
                play(&plan);
}

/* A push that is stopped anywhere, while others pop and push. */
static void play_all_pushes(uintptr_t first_ticket)
{
    struct plan plan = {.first_ticket = first_ticket, .operation_pushes = true};
    for (plan.pops_meanwhile = 0; plan.pops_meanwhile <= 3 * RING; plan.pops_meanwhile++)
        for (plan.pushes_after_those = 0; plan.pushes_after_those < 2; plan.pushes_after_those++)
            play_all(plan);
}

static void play_all_pops(uintptr_t first_ticket)
{
    play_all((struct plan){.first_ticket = first_ticket});
}

/* ---- defect 3 -------------------------------------------------------------------------------- */

/* The ring is full and a pop is stopped anywhere: whoever fills the slot that it has given away
 * must not have his work wiped out. */
TEST(defect_03_a_slot_is_cleared_before_it_is_released)
{
    struct plan plan = {.pushes_before = RING};
    for (plan.pushes_meanwhile = 0; plan.pushes_meanwhile <= RING; plan.pushes_meanwhile++)
        assert_true(play(&plan) > 0);
}

/* ---- defect 4 -------------------------------------------------------------------------------- */

TEST(defect_04_pushes_follow_the_overflow)
{
    struct plan plan = {0};
    prepare(&plan);
    for (unsigned i = 0; i < RING + 2; i++)
        push(false);
    pop_and_look(); /* there is room in the ring again */
    push(false);
    pop_and_look();
    pop_and_look(); /* from the overflow, as one batch */
    push(false);
    push(false);
    verify(&plan);
}

/* The hole in the first fix: a pop finds the ring empty, and stops; others fill ring and overflow;
 * it goes on. */
TEST(defect_04_the_overflow_never_overtakes_the_ring)
{
    struct plan plan = {.pushes_meanwhile = RING + 1};
    assert_true(play(&plan) > 0);
    play_all_pops(0);
}

/* The consumer's own pushes take a shorter way, and must find the same order. */
TEST(defect_04_the_consumers_own_pushes_overtake_nothing)
{
    struct plan plan = {.operation_pushes = true, .by_consumer = true};
    for (plan.pops_meanwhile = 0; plan.pops_meanwhile <= 3 * RING; plan.pops_meanwhile++)
        for (plan.pushes_after_those = 0; plan.pushes_after_those < 3; plan.pushes_after_those++)
            play_all(plan);
}

/* ---- defect 5 -------------------------------------------------------------------------------- */

/* Here the tail has moved as well, and what it moved over is not there yet. */
TEST(defect_05_a_push_that_was_begun_holds_back_what_is_behind_it)
{
    struct plan plan = {.operation_pushes = true, .pushes_meanwhile = 2, .pops_meanwhile = 2};
    assert_true(play(&plan) > 0);
    play_all_pushes(0);
}

TEST(defect_05_a_claimed_slot_holds_back_the_overflow_too)
{
    struct plan plan = {.operation_pushes = true,
                        .pushes_meanwhile = RING + 2,
                        .pops_meanwhile = RING + 2,
                        .pushes_after_those = 1};
    assert_true(play(&plan) > 0);
}

/* A claim by hand: its push never ends, and every answer is "not now". */
TEST(defect_05_a_claimed_slot_is_not_an_empty_ring)
{
    struct plan plan = {0};
    prepare(&plan);
    atomic_fetch_add(&microtasks.tail, MICROTASK_TICKET);
    for (int i = 0; i < 3; i++) {
        struct microtask task;
        assert_int_equal(microtasks_pop(&microtasks, &task), MICROTASK_NOT_NOW);
        assert_true(microtasks_pending(&microtasks));
    }
    microtasks_free(&microtasks);
}

/* ---- defect 10 ------------------------------------------------------------------------------- */

/* Laps around the wrap, with the ring filled to the last slot: nothing is lost, and no slot is out
 * of use. */
static void count_through(uintptr_t first_ticket)
{
    struct plan plan = {.first_ticket = first_ticket};
    prepare(&plan);
    for (int lap = 0; lap < 8; lap++) {
        for (unsigned i = 0; i < RING; i++)
            push(false);
        for (unsigned i = 0; i < RING; i++)
            pop_and_look();
    }
    assert_int_equal(microtasks_overflows(&microtasks), 0);
    verify(&plan);
}

static void wrap_at(uintptr_t end)
{
    for (uintptr_t distance = 0; distance <= 4; distance++)
        count_through(end - distance * MICROTASK_TICKET);
    for (uintptr_t distance = 1; distance <= 2; distance++) {
        play_all_pops(end - distance * MICROTASK_TICKET);
        play_all_pushes(end - distance * MICROTASK_TICKET);
    }
}

TEST(defect_10_the_tickets_of_the_ring_wrap_around_at_2_to_the_32)
{
    wrap_at((uintptr_t)(UINT64_C(1) << 32));
}

TEST(defect_10_the_tickets_of_the_ring_wrap_around_at_2_to_the_64)
{
    wrap_at(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_ENTRY(defect_03_a_slot_is_cleared_before_it_is_released),
        TEST_ENTRY(defect_04_pushes_follow_the_overflow),
        TEST_ENTRY(defect_04_the_overflow_never_overtakes_the_ring),
        TEST_ENTRY(defect_04_the_consumers_own_pushes_overtake_nothing),
        TEST_ENTRY(defect_05_a_push_that_was_begun_holds_back_what_is_behind_it),
        TEST_ENTRY(defect_05_a_claimed_slot_holds_back_the_overflow_too),
        TEST_ENTRY(defect_05_a_claimed_slot_is_not_an_empty_ring),
        TEST_ENTRY(defect_10_the_tickets_of_the_ring_wrap_around_at_2_to_the_32),
        TEST_ENTRY(defect_10_the_tickets_of_the_ring_wrap_around_at_2_to_the_64),
    };
    return RUN_TESTS("lineage: microtasks", tests);
}
