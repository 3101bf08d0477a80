/*
 * microtask.c: evloop_microtask(): when it runs, in what order, what happens beyond budget and
 * ring.
 */
#include "support.h"

static char letters[] = "0123456789abcdefghijklmnopqrstuvwxyz";

static void note_char(void *arg)
{
    trace(*(const char *)arg);
}

/* A callback that notes its name and offers a microtask that notes the next letter. */
static void note_and_offer(evloop *loop, char *name)
{
    trace(*name);
    assert_int_equal(evloop_microtask(loop, note_char, name + 1), 0);
}

static void on_task(evloop_task *task)
{
    note_and_offer(evloop_task_loop(task), task->data);
}

static void on_timer(evloop_timer *timer)
{
    note_and_offer(evloop_timer_loop(timer), timer->data);
}

static void on_hook(evloop_hook *hook)
{
    note_and_offer(evloop_hook_loop(hook), hook->data);
}

static void on_watch(evloop_watch *watch, unsigned events)
{
    (void)events;
    note_and_offer(evloop_watch_loop(watch), watch->data);
}

static void on_notify(evloop_notify *notify)
{
    note_and_offer(evloop_notify_loop(notify), notify->data);
}

/* ---- after every callback -------------------------------------------------------------------- */

TEST(microtasks_run_between_two_tasks)
{
    char names[] = "A1B2C3";
    evloop *loop = loop_new();
    evloop_task a = {.data = names}, b = {.data = names + 2}, c = {.data = names + 4};
    evloop_submit(loop, &b, on_task);
    evloop_submit(loop, &c, on_task);
    evloop_submit_urgent(loop, &a, on_task);
    loop_turn(loop);
    assert_trace("A1B2C3");
    loop_end(loop);
}

TEST(microtasks_run_between_two_timers)
{
    char names[] = "A1B2";
    evloop *loop = loop_new();
    evloop_timer a = {.data = names}, b = {.data = names + 2};
    evloop_timer_start(loop, &a, 1, 0, on_timer);
    evloop_timer_start(loop, &b, 1, 0, on_timer);
    evloop_update(loop);
    burn_ns(EVLOOP_MS(1));
    loop_turn(loop);
    assert_trace("A1B2");
    loop_end(loop);
}

TEST(microtasks_run_between_two_hooks)
{
    char names[] = "A1B2";
    const evloop_hook_kind kinds[] = {EVLOOP_HOOK_IDLE, EVLOOP_HOOK_PREPARE, EVLOOP_HOOK_CHECK};
    for (int i = 0; i < 3; i++) {
        evloop *loop = loop_new();
        evloop_hook a = {.data = names}, b = {.data = names + 2};
        evloop_hook_start(loop, &a, kinds[i], on_hook);
        evloop_hook_start(loop, &b, kinds[i], on_hook);
        loop_turn(loop);
        assert_trace("A1B2");
        evloop_hook_stop(&a);
        evloop_hook_stop(&b);
        loop_end(loop);
    }
}

TEST(microtasks_run_between_two_watches)
{
    char names[] = "A1B2";
    int first[2], second[2];
    evloop *loop = loop_new();
    evloop_watch a = {.data = names}, b = {.data = names + 2};
    pipe_open(first);
    pipe_open(second);
    fd_write_byte(first[1]);
    fd_write_byte(second[1]);
    evloop_watch_start(loop, &a, first[0], EVLOOP_READABLE, on_watch);
    evloop_watch_start(loop, &b, second[0], EVLOOP_READABLE, on_watch);
    loop_turn(loop);
    bool in_order = strcmp(trace_text(), "A1B2") == 0;
    bool in_reverse = strcmp(trace_text(), "B2A1") == 0;
    assert_true(in_order || in_reverse);
    evloop_watch_stop(&a);
    evloop_watch_stop(&b);
    loop_end(loop);
    fds_close(first);
    fds_close(second);
}

TEST(microtasks_run_between_two_notifications)
{
    char names[] = "A1B2";
    evloop *loop = loop_new();
    evloop_notify a = {.data = names}, b = {.data = names + 2};
    evloop_notify_start(loop, &a, on_notify);
    evloop_notify_start(loop, &b, on_notify);
    evloop_notify_send(&a);
    evloop_notify_send(&b);
    loop_turn(loop);
    assert_trace("A1B2");
    evloop_notify_stop(&a);
    evloop_notify_stop(&b);
    loop_end(loop);
}

static evloop *post_loop;

static void on_post(void *arg)
{
    note_and_offer(post_loop, arg);
}

TEST(microtasks_run_between_two_posts)
{
    char names[] = "A1B2";
    post_loop = loop_new();
    evloop_post(post_loop, on_post, names);
    evloop_post(post_loop, on_post, names + 2);
    loop_turn(post_loop);
    assert_trace("A1B2");
    loop_end(post_loop);
}

/* ---- order ----------------------------------------------------------------------------------- */

TEST(microtasks_run_in_the_order_in_which_they_were_accepted)
{
    evloop *loop = loop_new();
    for (int i = 0; i < 36; i++)
        assert_int_equal(evloop_microtask(loop, note_char, &letters[i]), 0);
    assert_trace("");
    loop_run(loop);
    assert_trace(letters);
    loop_turn(loop);
    assert_trace("");
    loop_end(loop);
}

TEST(microtasks_overtake_tasks_and_timers)
{
    char names[] = "A1U2T3m";
    evloop *loop = loop_new();
    evloop_task task = {.data = names}, urgent = {.data = names + 2};
    evloop_timer timer = {.data = names + 4};
    evloop_submit(loop, &task, on_task);
    evloop_submit_urgent(loop, &urgent, on_task);
    evloop_timer_start(loop, &timer, 1, 0, on_timer);
    evloop_update(loop);
    burn_ns(EVLOOP_MS(1));
    evloop_microtask(loop, note_char, names + 6);
    loop_turn(loop);
    assert_trace("mT3U2A1");
    loop_end(loop);
}

static void offer_more(void *arg)
{
    char *name = arg;
    trace(*name);
    if (*name < 'e') {
        char *next = name + 1;
        assert_int_equal(evloop_microtask(post_loop, offer_more, next), 0);
    }
}

TEST(a_microtask_offered_by_a_microtask_runs_after_it_and_after_those_before)
{
    char names[] = "abcde";
    post_loop = loop_new();
    evloop_microtask(post_loop, offer_more, &names[0]);
    evloop_microtask(post_loop, note_char, &letters[1]);
    evloop_microtask(post_loop, note_char, &letters[2]);
    loop_turn(post_loop);
    assert_trace("a12bcde");
    loop_end(post_loop);
}

TEST(a_microtask_needs_a_loop_and_a_function)
{
    evloop *loop = loop_new();
    assert_int_equal(evloop_microtask(NULL, note_char, letters), -EINVAL);
    assert_int_equal(evloop_microtask(loop, NULL, letters), -EINVAL);
    assert_false(evloop_alive(loop));
    loop_turn(loop);
    loop_end(loop);
}

/* ---- budget ---------------------------------------------------------------------------------- */

static void offers_twenty(evloop_task *task)
{
    trace('A');
    for (int i = 0; i < 20; i++)
        assert_int_equal(evloop_microtask(evloop_task_loop(task), note_char, &letters[i]), 0);
}

static void note_b(evloop_task *task)
{
    (void)task;
    trace('B');
}

TEST(microtasks_beyond_the_budget_stay_first_in_line)
{
    evloop_options options = evloop_options_default();
    options.microtask_budget = 3;
    evloop *loop = loop_new_with(options);
    evloop_task a = {0}, b = {0};
    evloop_submit(loop, &a, offers_twenty);
    evloop_submit(loop, &b, note_b);
    loop_run(loop);
    assert_trace("A012B3456789abcdefghij");
    evloop_metrics metrics = loop_metrics(loop);
    assert_true(metrics.microtask_overruns >= 1);
    assert_int_equal(metrics.microtasks_run, 20);
    loop_end(loop);
}

static int chain_runs;
static int chain_stop;

static void chain(void *loop)
{
    if (++chain_runs < chain_stop)
        assert_int_equal(evloop_microtask(loop, chain, loop), 0);
}

static void ends_chain(evloop_watch *watch, unsigned events)
{
    (void)events;
    chain_stop = 0;
    evloop_watch_stop(watch);
}

TEST(microtasks_that_never_end_do_not_starve_io)
{
    evloop_options options = evloop_options_default();
    int fds[2];
    options.microtask_budget = 10;
    evloop *loop = loop_new_with(options);
    evloop_watch watch = {0};
    chain_runs = 0;
    chain_stop = INT32_MAX;
    pipe_open(fds);
    fd_write_byte(fds[1]);
    evloop_watch_start(loop, &watch, fds[0], EVLOOP_READABLE, ends_chain);
    evloop_microtask(loop, chain, loop);
    loop_run(loop);
    assert_true(chain_runs < 1000);
    loop_end(loop);
    fds_close(fds);
}

TEST(microtasks_that_are_left_over_do_not_let_the_loop_sleep)
{
    evloop_options options = evloop_options_default();
    int fds[2];
    options.microtask_budget = 10;
    evloop *loop = loop_new_with(options);
    evloop_watch watch = {0};
    chain_runs = 0;
    chain_stop = 1000;
    pipe_open(fds);
    evloop_watch_start(loop, &watch, fds[0], EVLOOP_READABLE, ends_chain);
    evloop_microtask(loop, chain, loop);
    while (chain_runs < 1000)
        assert_int_equal(evloop_run(loop, EVLOOP_RUN_ONCE), 0);
    assert_int_equal(loop_metrics(loop).sleeps, 0);
    evloop_watch_stop(&watch);
    loop_end(loop);
    fds_close(fds);
}

static void stops_at_fifty(void *loop)
{
    if (++chain_runs == 50)
        assert_int_equal(evloop_stop(loop), 0);
    if (chain_runs < chain_stop)
        assert_int_equal(evloop_microtask(loop, stops_at_fifty, loop), 0);
}

TEST(microtasks_that_never_end_do_not_outlast_a_stop)
{
    evloop_options options = evloop_options_default();
    options.microtask_budget = 10;
    evloop *loop = loop_new_with(options);
    chain_runs = 0;
    chain_stop = INT32_MAX;
    evloop_microtask(loop, stops_at_fifty, loop);
    loop_run(loop);
    assert_true(chain_runs >= 50);
    assert_true(evloop_alive(loop));
    chain_stop = 0;
    loop_run(loop);
    assert_false(evloop_alive(loop));
    loop_end(loop);
}

/* ---- ring and overflow ----------------------------------------------------------------------- */

static size_t order_next;

static void in_order(void *arg)
{
    assert_true((uintptr_t)arg == order_next);
    order_next++;
}

static evloop *tiny_loop(void)
{
    evloop_options options = evloop_options_default();
    options.microtask_capacity = 4;
    return loop_new_with(options);
}

TEST(microtasks_beyond_the_ring_keep_their_order)
{
    evloop *loop = tiny_loop();
    order_next = 0;
    for (size_t round = 0; round < 20; round++) {
        for (size_t i = 0; i < 100; i++)
            assert_int_equal(evloop_microtask(loop, in_order, (void *)(round * 100 + i)), 0);
        loop_run(loop);
        assert_int_equal(order_next, (round + 1) * 100);
    }
    assert_true(loop_metrics(loop).microtask_overflows > 0);
    loop_end(loop);
}

static size_t order_given;

static void offer_two_more(void *loop)
{
    order_next++;
    for (int i = 0; i < 2 && order_given < 2000; i++, order_given++)
        assert_int_equal(evloop_microtask(loop, offer_two_more, loop), 0);
}

static void offer_numbers(evloop_task *task)
{
    for (int i = 0; i < 7 && order_given < 2000; i++)
        assert_int_equal(evloop_microtask(evloop_task_loop(task), in_order, (void *)order_given++),
                         0);
    if (order_given < 2000)
        assert_int_equal(evloop_submit(evloop_task_loop(task), task, offer_numbers), 0);
}

TEST(order_holds_when_the_ring_fills_and_empties_again_and_again)
{
    evloop_options options = evloop_options_default();
    options.microtask_capacity = 4;
    options.microtask_budget = 3;
    evloop *loop = loop_new_with(options);
    evloop_task task = {0};
    order_next = order_given = 0;
    evloop_submit(loop, &task, offer_numbers);
    loop_run(loop);
    assert_int_equal(order_next, 2000);
    loop_end(loop);
}

TEST(microtasks_that_multiply_all_run)
{
    evloop *loop = tiny_loop();
    order_next = 0;
    order_given = 1;
    evloop_microtask(loop, offer_two_more, loop);
    loop_run(loop);
    assert_int_equal(order_next, 2000);
    assert_int_equal(loop_metrics(loop).microtasks_run, 2000);
    loop_end(loop);
}

TEST(a_microtask_without_memory_is_refused_and_the_accepted_ones_run)
{
    evloop *loop = tiny_loop();
    size_t accepted = 0;
    int err;
    order_next = 0;
    heap_fail_in(&test_heap, HEAP_FAIL_ALL);
    while ((err = evloop_microtask(loop, in_order, (void *)accepted)) == 0)
        accepted++;
    assert_int_equal(err, -ENOMEM);
    assert_true(accepted >= 4);
    loop_run(loop);
    assert_int_equal(order_next, accepted);
    assert_int_equal(evloop_microtask(loop, in_order, (void *)accepted), 0);
    heap_fail_in(&test_heap, 0);
    loop_run(loop);
    assert_int_equal(order_next, accepted + 1);
    loop_end(loop);
}

TEST(microtasks_within_the_ring_allocate_nothing)
{
    evloop_options options = evloop_options_default();
    options.microtask_capacity = 64;
    evloop *loop = loop_new_with(options);
    size_t calls = heap_calls(&test_heap);
    order_next = 0;
    for (size_t round = 0; round < 100; round++) {
        for (size_t i = 0; i < 64; i++)
            assert_int_equal(evloop_microtask(loop, in_order, (void *)(round * 64 + i)), 0);
        loop_run(loop);
    }
    assert_int_equal(order_next, 6400);
    assert_int_equal(heap_calls(&test_heap), calls);
    assert_int_equal(loop_metrics(loop).microtask_overflows, 0);
    loop_end(loop);
}

/* ---- other threads --------------------------------------------------------------------------- */

struct sender {
    evloop *loop;
    struct gate gate;
    int runs;
};

static void on_sent(void *arg)
{
    struct sender *sender = arg;
    assert_true(evloop_on_loop_thread(sender->loop));
    if (++sender->runs == 200)
        evloop_stop(sender->loop);
    gate_add(&sender->gate);
}

static void *send_two_hundred(void *arg)
{
    struct sender *sender = arg;
    for (unsigned i = 0; i < 200; i++) {
        check(evloop_microtask(sender->loop, on_sent, sender) == 0);
        gate_wait(&sender->gate, i + 1);
        if (i < 199)
            wait_asleep(sender->loop);
    }
    return NULL;
}

static void on_never(evloop_timer *timer)
{
    (void)timer;
}

TEST(a_microtask_from_another_thread_wakes_the_loop)
{
    struct sender sender = {.loop = loop_new(), .gate = GATE_INIT};
    evloop_timer timer = {0};
    pthread_t thread;
    evloop_timer_start(sender.loop, &timer, EVLOOP_SEC(3600), 0, on_never);
    thread_start(&thread, send_two_hundred, &sender);
    loop_run(sender.loop);
    thread_join(thread);
    assert_int_equal(sender.runs, 200);
    evloop_timer_stop(&timer);
    loop_end(sender.loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_ENTRY(microtasks_run_between_two_tasks),
        TEST_ENTRY(microtasks_run_between_two_timers),
        TEST_ENTRY(microtasks_run_between_two_hooks),
        TEST_ENTRY(microtasks_run_between_two_watches),
        TEST_ENTRY(microtasks_run_between_two_notifications),
        TEST_ENTRY(microtasks_run_between_two_posts),
        TEST_ENTRY(microtasks_run_in_the_order_in_which_they_were_accepted),
        TEST_ENTRY(microtasks_overtake_tasks_and_timers),
        TEST_ENTRY(a_microtask_offered_by_a_microtask_runs_after_it_and_after_those_before),
        TEST_ENTRY(a_microtask_needs_a_loop_and_a_function),
        TEST_ENTRY(microtasks_beyond_the_budget_stay_first_in_line),
        TEST_ENTRY(microtasks_that_never_end_do_not_starve_io),
        TEST_ENTRY(microtasks_that_are_left_over_do_not_let_the_loop_sleep),
        TEST_ENTRY(microtasks_that_never_end_do_not_outlast_a_stop),
        TEST_ENTRY(microtasks_beyond_the_ring_keep_their_order),
        TEST_ENTRY(order_holds_when_the_ring_fills_and_empties_again_and_again),
        TEST_ENTRY(microtasks_that_multiply_all_run),
        TEST_ENTRY(a_microtask_without_memory_is_refused_and_the_accepted_ones_run),
        TEST_ENTRY(microtasks_within_the_ring_allocate_nothing),
        TEST_ENTRY(a_microtask_from_another_thread_wakes_the_loop),
    };
    return RUN_TESTS("microtask", tests);
}
