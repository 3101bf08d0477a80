/*
 * memory.c: every allocation of every call fails once. The call says so, the object is as before,
 * nothing is leaked, what had been accepted before still runs, and the same call succeeds when
 * there is memory again.
 */
#include "support.h"

#include <fcntl.h>

enum { HIGH_FD = 900 };

static unsigned ran;

static void on_function(void *arg)
{
    assert_int_equal((uintptr_t)arg, ran); /* in the order in which they were accepted */
    ran++;
}

static void on_watch(evloop_watch *watch, unsigned events)
{
    (void)watch;
    assert_int_equal(events, EVLOOP_READABLE);
    ran++;
}

/* ---- creating -------------------------------------------------------------------------------- */

static void create_at_any_cost(evloop_options options)
{
    evloop *const untouched = (evloop *)&options;
    evloop *loop = untouched;
    size_t nth = 0;
    int err;
    options.allocator = &test_heap.allocator;
    do {
        heap_fail_in(&test_heap, ++nth);
        err = evloop_create(&loop, &options);
        if (err) {
            assert_int_equal(err, -ENOMEM);
            assert_ptr_equal(loop, untouched);
            assert_int_equal(heap_blocks(&test_heap), 0);
        }
    } while (err);
    heap_fail_in(&test_heap, 0);
    assert_true(nth > 3);
    loop_turn(loop);
    loop_end(loop);
}

TEST(a_loop_with_default_options_that_cannot_have_its_memory_is_not_created)
{
    create_at_any_cost(evloop_options_default());
}

TEST(a_small_loop_that_cannot_have_its_memory_is_not_created)
{
    create_at_any_cost(evloop_options_small());
}

TEST(a_loop_with_options_of_its_own_that_cannot_have_its_memory_is_not_created)
{
    evloop_options options = evloop_options_default();
    options.microtask_capacity = 1;
    options.post_cache = 1 << 12;
    options.spin_ns = 1;
    options.task_budget = 1;
    create_at_any_cost(options);
}

/* ---- posting --------------------------------------------------------------------------------- */

TEST(a_post_beyond_the_cache_without_memory_is_refused_and_works_afterwards)
{
    evloop_options options = evloop_options_default();
    options.post_cache = 2;
    evloop *loop = loop_new_with(options);
    uintptr_t accepted = 0;
    unsigned refused = 0;
    ran = 0;
    while (accepted < 6) {
        size_t blocks = heap_blocks(&test_heap);
        heap_fail_in(&test_heap, 1);
        int err = evloop_post(loop, on_function, (void *)accepted);
        heap_fail_in(&test_heap, 0);
        if (err) {
            assert_int_equal(err, -ENOMEM);
            assert_int_equal(heap_blocks(&test_heap), blocks);
            refused++;
            err = evloop_post(loop, on_function, (void *)accepted);
        }
        assert_int_equal(err, 0);
        accepted++;
    }
    assert_int_equal(refused, 4);
    loop_run(loop);
    assert_int_equal(ran, accepted);
    loop_end(loop);
}

TEST(a_microtask_beyond_the_ring_without_memory_is_refused_and_works_afterwards)
{
    evloop_options options = evloop_options_default();
    options.microtask_capacity = 2;
    evloop *loop = loop_new_with(options);
    uintptr_t accepted = 0;
    unsigned refused = 0;
    ran = 0;
    while (accepted < 1000) {
        size_t blocks = heap_blocks(&test_heap);
        heap_fail_in(&test_heap, 1);
        int err = evloop_microtask(loop, on_function, (void *)accepted);
        heap_fail_in(&test_heap, 0);
        if (err) {
            assert_int_equal(err, -ENOMEM);
            assert_int_equal(heap_blocks(&test_heap), blocks);
            refused++;
            err = evloop_microtask(loop, on_function, (void *)accepted);
        }
        assert_int_equal(err, 0);
        accepted++;
    }
    assert_true(refused >= 3); /* the overflow grew as often */
    loop_run(loop);
    assert_int_equal(ran, accepted);
    loop_end(loop);
}

/* Refused right at the edge, with no second try: what is in the ring and in the overflow still
 * runs. */
TEST(microtasks_that_were_refused_for_memory_leave_the_order_of_the_others)
{
    evloop_options options = evloop_options_default();
    options.microtask_capacity = 4;
    evloop *loop = loop_new_with(options);
    uintptr_t accepted = 0;
    unsigned refused = 0;
    ran = 0;
    for (int round = 0; round < 3; round++) {
        heap_fail_in(&test_heap, HEAP_FAIL_ALL);
        for (int i = 0; i < 10; i++) {
            int err = evloop_microtask(loop, on_function, (void *)accepted);
            assert_true(err == 0 || err == -ENOMEM);
            accepted += err == 0;
            refused += err != 0;
        }
        loop_run(loop);
        assert_int_equal(ran, accepted);
        heap_fail_in(&test_heap, 0);
        for (int i = 0; i < 10; i++, accepted++)
            assert_int_equal(evloop_microtask(loop, on_function, (void *)accepted), 0);
        loop_run(loop);
        assert_int_equal(ran, accepted);
    }
    assert_true(refused > 0);
    loop_end(loop);
}

/* ---- watching -------------------------------------------------------------------------------- */

static void watch_at_any_cost(evloop *loop, int fds[2])
{
    evloop_watch watch = {.data = &ran, .name = "watch"}, before;
    size_t nth = 0;
    int err;
    memcpy(&before, &watch, sizeof before);
    do {
        heap_fail_in(&test_heap, ++nth);
        err = evloop_watch_start(loop, &watch, fds[0], EVLOOP_READABLE, on_watch);
        if (err) {
            assert_int_equal(err, -ENOMEM);
            assert_memory_equal(&watch, &before, sizeof before);
            assert_false(evloop_watch_active(&watch));
            loop_turn(loop);
        }
    } while (err);
    heap_fail_in(&test_heap, 0);
    assert_true(nth > 1);
    ran = 0;
    fd_write_byte(fds[1]);
    loop_turn(loop);
    assert_int_equal(ran, 1);
    assert_int_equal(evloop_watch_stop(&watch), 0);
}

TEST(a_watch_on_a_low_descriptor_without_memory_is_not_started_and_works_afterwards)
{
    evloop *loop = loop_new();
    int fds[2];
    pipe_open(fds);
    watch_at_any_cost(loop, fds);
    loop_end(loop);
    fds_close(fds);
}

TEST(a_watch_on_a_high_descriptor_without_memory_is_not_started_and_works_afterwards)
{
    evloop *loop = loop_new();
    int low[2], fds[2];
    evloop_watch other = {0};
    pipe_open(low);
    pipe_open(fds);
    assert_int_equal(evloop_watch_start(loop, &other, low[0], EVLOOP_READABLE, on_watch), 0);
    int high = fcntl(fds[0], F_DUPFD_CLOEXEC, HIGH_FD);
    assert_true(high >= HIGH_FD);
    assert_int_equal(close(fds[0]), 0);
    fds[0] = high;
    watch_at_any_cost(loop, fds);
    ran = 0; /* the one that was there before has not suffered */
    fd_write_byte(low[1]);
    loop_turn(loop);
    assert_int_equal(ran, 1);
    assert_int_equal(evloop_watch_stop(&other), 0);
    loop_end(loop);
    fds_close(low);
    fds_close(fds);
}

/* ---- everything else ------------------------------------------------------------------------- */

static void on_task(evloop_task *task)
{
    (void)task;
    ran++;
}

static void on_timer(evloop_timer *timer)
{
    (void)timer;
    ran++;
}

static void on_hook(evloop_hook *hook)
{
    ran++;
    assert_int_equal(evloop_hook_stop(hook), 0);
}

static void on_notify(evloop_notify *notify)
{
    ran++;
    assert_int_equal(evloop_notify_stop(notify), 0);
}

/* What promises to allocate nothing works without any memory at all. */
TEST(tasks_timers_hooks_and_notifications_need_no_memory)
{
    evloop *loop = loop_new();
    evloop_task task = {0}, urgent = {0};
    evloop_timer timer = {0};
    evloop_hook hook = {0};
    evloop_notify notify = {0};
    ran = 0;
    heap_fail_in(&test_heap, HEAP_FAIL_ALL);
    assert_int_equal(evloop_submit(loop, &task, on_task), 0);
    assert_int_equal(evloop_submit_urgent(loop, &urgent, on_task), 0);
    assert_int_equal(evloop_timer_start(loop, &timer, EVLOOP_US(10), 0, on_timer), 0);
    assert_int_equal(evloop_hook_start(loop, &hook, EVLOOP_HOOK_IDLE, on_hook), 0);
    assert_int_equal(evloop_notify_start(loop, &notify, on_notify), 0);
    assert_int_equal(evloop_notify_send(&notify), 0);
    loop_run(loop);
    assert_int_equal(ran, 5);
    loop_end(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_ENTRY(a_loop_with_default_options_that_cannot_have_its_memory_is_not_created),
        TEST_ENTRY(a_small_loop_that_cannot_have_its_memory_is_not_created),
        TEST_ENTRY(a_loop_with_options_of_its_own_that_cannot_have_its_memory_is_not_created),
        TEST_ENTRY(a_post_beyond_the_cache_without_memory_is_refused_and_works_afterwards),
        TEST_ENTRY(a_microtask_beyond_the_ring_without_memory_is_refused_and_works_afterwards),
        TEST_ENTRY(microtasks_that_were_refused_for_memory_leave_the_order_of_the_others),
        TEST_ENTRY(a_watch_on_a_low_descriptor_without_memory_is_not_started_and_works_afterwards),
        TEST_ENTRY(a_watch_on_a_high_descriptor_without_memory_is_not_started_and_works_afterwards),
        TEST_ENTRY(tasks_timers_hooks_and_notifications_need_no_memory),
    };
    return RUN_TESTS("fault: memory", tests);
}
