/*
 * microtasks.c: microtasks from many threads through a tiny ring and its overflow.
 */
#include "support.h"

#include <stdatomic.h>

#define PRODUCERS 4

static struct {
    evloop *loop;
    pthread_t threads[PRODUCERS];
    uintptr_t count;
    uintptr_t next[PRODUCERS + 1]; /* the last one is the loop's own thread */
    uintptr_t own;
    size_t left;
} many;

static void done_one(void)
{
    if (--many.left == 0)
        evloop_stop(many.loop);
}

static void on_microtask(void *arg)
{
    uintptr_t producer = (uintptr_t)arg % (PRODUCERS + 1),
              number = (uintptr_t)arg / (PRODUCERS + 1);
    assert_int_equal(number, many.next[producer]);
    many.next[producer]++;
    done_one();
}

static void *microtask_code(uintptr_t producer, uintptr_t number)
{
    return (void *)(number * (PRODUCERS + 1) + producer);
}

static void *offers(void *arg)
{
    uintptr_t producer = (uintptr_t)arg;
    for (uintptr_t i = 0; i < many.count; i++)
        check(evloop_microtask(many.loop, on_microtask, microtask_code(producer, i)) == 0);
    return NULL;
}

static void offers_own(evloop_hook *hook)
{
    (void)hook;
    for (int i = 0; i < 9 && many.own < many.count; i++, many.own++)
        assert_int_equal(
            evloop_microtask(many.loop, on_microtask, microtask_code(PRODUCERS, many.own)), 0);
}

static void on_never(evloop_timer *timer)
{
    (void)timer;
}

static void overflow(uint32_t capacity, uint32_t budget, bool own)
{
    evloop_options options = evloop_options_default();
    evloop_timer keeper = {0};
    evloop_hook hook = {0};
    options.microtask_capacity = capacity;
    options.microtask_budget = budget;
    memset(&many, 0, sizeof many);
    many.loop = loop_new_with(options);
    many.count = scaled(100000);
    many.left = many.count * (own ? PRODUCERS + 1 : PRODUCERS);
    evloop_timer_start(many.loop, &keeper, EVLOOP_SEC(36000), 0, on_never);
    if (own)
        evloop_hook_start(many.loop, &hook, EVLOOP_HOOK_IDLE, offers_own);
    for (uintptr_t p = 0; p < PRODUCERS; p++)
        thread_start(&many.threads[p], offers, (void *)p);
    loop_run(many.loop);
    for (int p = 0; p < PRODUCERS; p++)
        thread_join(many.threads[p]);
    assert_int_equal(many.left, 0);
    assert_true(loop_metrics(many.loop).microtask_overflows > 0);
    evloop_timer_stop(&keeper);
    evloop_hook_stop(&hook);
    loop_end(many.loop);
}

TEST(microtasks_that_overflow_a_tiny_ring_keep_the_order_of_each_thread)
{
    overflow(4, 1024, false);
}

TEST(microtasks_of_four_threads_and_the_loops_own_keep_the_order_of_each)
{
    overflow(8, 16, true);
}

TEST(a_ring_that_fills_now_and_then_keeps_the_order_of_each_thread)
{
    overflow(64, 7, true);
}

/* ---- order across threads -------------------------------------------------------------------- */

#define TURN 10

static atomic_uint token;
static unsigned token_turns, token_next;

static void on_token(void *arg)
{
    assert_int_equal((uintptr_t)arg, token_next);
    if (++token_next == token_turns * TURN)
        evloop_stop(many.loop);
}

/* Whoever has the token offers more than the ring holds, and hands it on. */
static void *passes_token(void *arg)
{
    for (unsigned i = (unsigned)(uintptr_t)arg; i < token_turns; i += PRODUCERS) {
        wait_until(atomic_load(&token) == i);
        for (uintptr_t k = 0; k < TURN; k++)
            check(evloop_microtask(many.loop, on_token, (void *)((uintptr_t)i * TURN + k)) == 0);
        atomic_store(&token, i + 1);
    }
    return NULL;
}

TEST(a_microtask_that_was_accepted_before_another_thread_offered_runs_first)
{
    evloop_options options = evloop_options_default();
    evloop_timer keeper = {0};
    options.microtask_capacity = 4;
    many.loop = loop_new_with(options);
    token = token_next = 0;
    token_turns = (unsigned)scaled(3000);
    evloop_timer_start(many.loop, &keeper, EVLOOP_SEC(36000), 0, on_never);
    for (uintptr_t p = 0; p < PRODUCERS; p++)
        thread_start(&many.threads[p], passes_token, (void *)p);
    loop_run(many.loop);
    for (int p = 0; p < PRODUCERS; p++)
        thread_join(many.threads[p]);
    assert_int_equal(token_next, token_turns * TURN);
    evloop_timer_stop(&keeper);
    loop_end(many.loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_ENTRY(microtasks_that_overflow_a_tiny_ring_keep_the_order_of_each_thread),
        TEST_ENTRY(microtasks_of_four_threads_and_the_loops_own_keep_the_order_of_each),
        TEST_ENTRY(a_ring_that_fills_now_and_then_keeps_the_order_of_each_thread),
        TEST_ENTRY(a_microtask_that_was_accepted_before_another_thread_offered_runs_first),
    };
    return RUN_TESTS("stress microtasks", tests);
}
