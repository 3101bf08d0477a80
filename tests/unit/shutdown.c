/*
 * shutdown.c: evloop_shutdown(): the gate, the drain, the deadline, the end.
 */
#include "support.h"

static int count;

static void on_task(evloop_task *task)
{
    (void)task;
    count++;
}

static void on_fn(void *arg)
{
    (void)arg;
    count++;
}

static void on_notify(evloop_notify *notify)
{
    (void)notify;
    count++;
}

static void on_timer(evloop_timer *timer)
{
    (void)timer;
    count++;
}

static void on_hook(evloop_hook *hook)
{
    (void)hook;
    count++;
}

static void on_watch(evloop_watch *watch, unsigned events)
{
    (void)watch;
    (void)events;
    count++;
}

static void never(evloop_task *task)
{
    (void)task;
    fail_msg("a refused task ran");
}

static void assert_gate_closed(evloop *loop, evloop_notify *notify)
{
    evloop_task task = {0};
    assert_int_equal(evloop_submit(loop, &task, never), EVLOOP_ECLOSED);
    assert_int_equal(evloop_submit_urgent(loop, &task, never), EVLOOP_ECLOSED);
    assert_false(evloop_task_active(&task));
    assert_int_equal(evloop_post(loop, on_fn, NULL), EVLOOP_ECLOSED);
    assert_int_equal(evloop_microtask(loop, on_fn, NULL), EVLOOP_ECLOSED);
    assert_int_equal(evloop_notify_send(notify), EVLOOP_ECLOSED);
}

/* ---- the gate -------------------------------------------------------------------------------- */

TEST(every_offer_after_the_shutdown_is_refused)
{
    evloop *loop = loop_new();
    evloop_notify notify = {0};
    count = 0;
    evloop_notify_start(loop, &notify, on_notify);
    assert_int_equal(evloop_shutdown(loop, 0), 0);
    assert_gate_closed(loop, &notify);
    loop_run(loop);
    assert_gate_closed(loop, &notify);
    assert_int_equal(count, 0);
    evloop_notify_stop(&notify);
    loop_end(loop);
}

TEST(a_loop_that_was_shut_down_does_not_run_again)
{
    evloop *loop = loop_new();
    evloop_shutdown(loop, 0);
    loop_run(loop);
    assert_int_equal(evloop_get_state(loop), EVLOOP_STATE_CLOSED);
    assert_int_equal(evloop_run(loop, EVLOOP_RUN_DEFAULT), EVLOOP_ECLOSED);
    assert_int_equal(evloop_run(loop, EVLOOP_RUN_ONCE), EVLOOP_ECLOSED);
    assert_int_equal(evloop_run(loop, EVLOOP_RUN_NOWAIT), EVLOOP_ECLOSED);
    assert_int_equal(evloop_run_for(loop, EVLOOP_FOREVER), EVLOOP_ECLOSED);
    assert_int_equal(evloop_get_state(loop), EVLOOP_STATE_CLOSED);
    assert_false(evloop_alive(loop));
    loop_end(loop);
}

TEST(nothing_starts_on_a_closed_loop)
{
    int fds[2];
    evloop *loop = loop_new();
    evloop_timer timer = {0};
    evloop_hook hook = {0};
    evloop_notify notify = {0};
    evloop_watch watch = {0};
    pipe_open(fds);
    evloop_shutdown(loop, 0);
    loop_run(loop);
    assert_int_equal(evloop_timer_start(loop, &timer, 0, 0, on_timer), EVLOOP_ECLOSED);
    assert_int_equal(evloop_hook_start(loop, &hook, EVLOOP_HOOK_IDLE, on_hook), EVLOOP_ECLOSED);
    assert_int_equal(evloop_notify_start(loop, &notify, on_notify), EVLOOP_ECLOSED);
    assert_int_equal(evloop_watch_start(loop, &watch, fds[0], EVLOOP_READABLE, on_watch),
                     EVLOOP_ECLOSED);
    assert_false(evloop_timer_active(&timer));
    assert_false(evloop_hook_active(&hook));
    assert_false(evloop_notify_active(&notify));
    assert_false(evloop_watch_active(&watch));
    loop_end(loop);
    fds_close(fds);
}

/* ---- the drain ------------------------------------------------------------------------------- */

#define MANY 3000

static evloop *loop_with_work(evloop_task tasks[MANY], evloop_notify *notify)
{
    evloop_options options = evloop_options_default();
    options.task_budget = 100;
    options.microtask_budget = 100;
    options.microtask_capacity = 64;
    evloop *loop = loop_new_with(options);
    memset(tasks, 0, MANY * sizeof *tasks);
    count = 0;
    for (int i = 0; i < MANY; i++) {
        int err = i % 2 ? evloop_submit(loop, &tasks[i], on_task)
                        : evloop_submit_urgent(loop, &tasks[i], on_task);
        assert_int_equal(err, 0);
        assert_int_equal(evloop_post(loop, on_fn, NULL), 0);
        assert_int_equal(evloop_microtask(loop, on_fn, NULL), 0);
    }
    assert_int_equal(evloop_notify_start(loop, notify, on_notify), 0);
    assert_int_equal(evloop_notify_send(notify), 0);
    return loop;
}

TEST(everything_that_was_accepted_before_the_shutdown_runs_exactly_once)
{
    static evloop_task tasks[MANY];
    evloop_notify notify = {0};
    evloop *loop = loop_with_work(tasks, &notify);
    assert_int_equal(evloop_shutdown(loop, 0), 0);
    assert_int_equal(count, 0);
    loop_run(loop);
    assert_int_equal(count, 3 * MANY + 1);
    assert_int_equal(evloop_get_state(loop), EVLOOP_STATE_CLOSED);
    evloop_metrics metrics = loop_metrics(loop);
    assert_int_equal(metrics.tasks_accepted, metrics.tasks_run);
    evloop_notify_stop(&notify);
    loop_end(loop);
}

static void stops_the_run(evloop_timer *timer)
{
    evloop_stop(evloop_timer_loop(timer));
}

TEST(a_stop_in_the_drain_loses_nothing)
{
    static evloop_task tasks[MANY];
    evloop_notify notify = {0};
    evloop_timer timer = {0};
    evloop *loop = loop_with_work(tasks, &notify);
    evloop_timer_start(loop, &timer, 0, 1, stops_the_run);
    evloop_shutdown(loop, 0);
    int err, runs = 0;
    while ((err = evloop_run(loop, EVLOOP_RUN_DEFAULT)) == 0 && runs < 100000)
        runs++;
    assert_int_equal(err, EVLOOP_ECLOSED);
    assert_int_equal(count, 3 * MANY + 1);
    evloop_timer_stop(&timer);
    evloop_notify_stop(&notify);
    loop_end(loop);
}

TEST(a_stop_before_a_shutdown_loses_nothing)
{
    static evloop_task tasks[MANY];
    evloop_notify notify = {0};
    evloop *loop = loop_with_work(tasks, &notify);
    evloop_stop(loop);
    evloop_shutdown(loop, 0);
    int err;
    while ((err = evloop_run(loop, EVLOOP_RUN_DEFAULT)) == 0)
        continue;
    assert_int_equal(err, EVLOOP_ECLOSED);
    assert_int_equal(count, 3 * MANY + 1);
    evloop_notify_stop(&notify);
    loop_end(loop);
}

static evloop_task *cancel_tasks;

static void cancels_half(evloop_task *task)
{
    (void)task;
    count++;
    for (int i = 1; i < MANY; i += 2)
        assert_int_equal(evloop_task_cancel(&cancel_tasks[i]), 0);
}

TEST(a_task_can_be_cancelled_in_the_drain)
{
    static evloop_task tasks[MANY];
    evloop *loop = loop_new();
    memset(tasks, 0, sizeof tasks);
    cancel_tasks = tasks;
    count = 0;
    evloop_submit(loop, &tasks[0], cancels_half);
    for (int i = 1; i < MANY; i++)
        evloop_submit(loop, &tasks[i], on_task);
    evloop_shutdown(loop, 0);
    loop_run(loop);
    assert_int_equal(count, MANY / 2);
    evloop_metrics metrics = loop_metrics(loop);
    assert_int_equal(metrics.tasks_accepted, metrics.tasks_run + metrics.tasks_cancelled);
    loop_end(loop);
}

/* ---- from wherever --------------------------------------------------------------------------- */

static void shuts_down_from_task(evloop_task *task)
{
    evloop *loop = evloop_task_loop(task);
    count++;
    assert_int_equal(evloop_shutdown(loop, 0), 0);
    assert_int_equal(evloop_get_state(loop), EVLOOP_STATE_DRAINING);
    assert_int_equal(evloop_submit(loop, task, never), EVLOOP_ECLOSED);
}

TEST(a_task_can_shut_the_loop_down)
{
    evloop *loop = loop_new();
    evloop_task first = {0}, second = {0};
    evloop_timer timer = {0};
    count = 0;
    evloop_timer_start(loop, &timer, EVLOOP_SEC(3600), 0, on_timer);
    evloop_submit(loop, &first, shuts_down_from_task);
    evloop_submit(loop, &second, on_task);
    loop_run(loop);
    assert_int_equal(count, 2);
    evloop_timer_stop(&timer);
    loop_end(loop);
}

static void shuts_down_from_timer(evloop_timer *timer)
{
    assert_int_equal(evloop_shutdown(evloop_timer_loop(timer), 0), 0);
}

static void shuts_down_from_fn(void *loop)
{
    assert_int_equal(evloop_shutdown(loop, 0), 0);
}

static void shuts_down_from_hook(evloop_hook *hook)
{
    assert_int_equal(evloop_shutdown(evloop_hook_loop(hook), 0), 0);
}

static void shuts_down_from_watch(evloop_watch *watch, unsigned events)
{
    (void)events;
    assert_int_equal(evloop_shutdown(evloop_watch_loop(watch), 0), 0);
}

static void shuts_down_from_notify(evloop_notify *notify)
{
    assert_int_equal(evloop_shutdown(evloop_notify_loop(notify), 0), 0);
}

static void starts_one(evloop *loop, int kind, const int fds[2])
{
    static evloop_timer timer;
    static evloop_hook hook;
    static evloop_watch watch;
    static evloop_notify notify;
    memset(&timer, 0, sizeof timer);
    memset(&hook, 0, sizeof hook);
    memset(&watch, 0, sizeof watch);
    memset(&notify, 0, sizeof notify);
    const int errors[] = {
        kind == 0 ? evloop_timer_start(loop, &timer, 0, 1, shuts_down_from_timer) : 0,
        kind == 1 ? evloop_post(loop, shuts_down_from_fn, loop) : 0,
        kind == 2 ? evloop_microtask(loop, shuts_down_from_fn, loop) : 0,
        kind == 3 ? evloop_hook_start(loop, &hook, EVLOOP_HOOK_IDLE, shuts_down_from_hook) : 0,
        kind == 4 ? evloop_hook_start(loop, &hook, EVLOOP_HOOK_PREPARE, shuts_down_from_hook) : 0,
        kind == 5 ? evloop_hook_start(loop, &hook, EVLOOP_HOOK_CHECK, shuts_down_from_hook) : 0,
        kind == 6 ? evloop_watch_start(loop, &watch, fds[0], EVLOOP_READABLE, shuts_down_from_watch)
                  : 0,
        kind == 7 ? evloop_notify_start(loop, &notify, shuts_down_from_notify) : 0,
        kind == 7 ? evloop_notify_send(&notify) : 0,
    };
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
        assert_int_equal(errors[i], 0);
}

TEST(a_callback_of_every_kind_can_shut_the_loop_down)
{
    int fds[2];
    pipe_open(fds);
    fd_write_byte(fds[1]);
    for (int kind = 0; kind < 8; kind++) {
        evloop *loop = loop_new();
        evloop_timer keeper = {0};
        evloop_timer_start(loop, &keeper, EVLOOP_MS(1), EVLOOP_MS(1), on_timer);
        starts_one(loop, kind, fds);
        loop_run(loop);
        assert_int_equal(evloop_get_state(loop), EVLOOP_STATE_CLOSED);
        assert_int_equal(evloop_destroy(loop, EVLOOP_DESTROY_FORCE), 0);
    }
    fds_close(fds);
}

TEST(another_thread_can_shut_a_sleeping_loop_down)
{
    for (int i = 0; i < 20; i++) {
        struct runner runner;
        evloop *loop = loop_new();
        evloop_timer timer = {0};
        evloop_timer_start(loop, &timer, EVLOOP_SEC(3600), 0, on_timer);
        runner_start(&runner, loop);
        if (i % 2)
            wait_asleep(loop);
        assert_int_equal(evloop_shutdown(loop, 0), 0);
        assert_int_equal(runner_join(&runner), 0);
        assert_int_equal(evloop_get_state(loop), EVLOOP_STATE_CLOSED);
        evloop_timer_stop(&timer);
        loop_end(loop);
    }
}

TEST(a_loop_that_sleeps_on_a_descriptor_alone_can_be_shut_down)
{
    int fds[2];
    struct runner runner;
    evloop *loop = loop_new();
    evloop_watch watch = {0};
    pipe_open(fds);
    evloop_watch_start(loop, &watch, fds[0], EVLOOP_READABLE, shuts_down_from_watch);
    runner_start(&runner, loop);
    wait_asleep(loop);
    assert_int_equal(evloop_shutdown(loop, 0), 0);
    assert_int_equal(runner_join(&runner), 0);
    evloop_watch_stop(&watch);
    loop_end(loop);
    fds_close(fds);
}

/* ---- the deadline ---------------------------------------------------------------------------- */

TEST(objects_get_the_time_that_they_need_within_the_deadline)
{
    evloop *loop = loop_new();
    evloop_timer timer = {0};
    count = 0;
    evloop_timer_start(loop, &timer, EVLOOP_MS(5), 0, on_timer);
    evloop_shutdown(loop, EVLOOP_SEC(3600));
    loop_run(loop);
    assert_int_equal(count, 1);
    assert_int_equal(evloop_get_state(loop), EVLOOP_STATE_CLOSED);
    loop_end(loop);
}

TEST(objects_that_need_longer_than_the_deadline_are_left)
{
    evloop *loop = loop_new();
    evloop_timer timer = {0};
    count = 0;
    evloop_timer_start(loop, &timer, EVLOOP_SEC(3600), 0, on_timer);
    evloop_shutdown(loop, EVLOOP_MS(10));
    loop_run(loop);
    assert_int_equal(count, 0);
    assert_int_equal(evloop_get_state(loop), EVLOOP_STATE_CLOSED);
    assert_int_equal(evloop_timer_stop(&timer), 0);
    loop_end(loop);
}

TEST(a_loop_that_is_never_idle_does_not_outlast_the_deadline)
{
    evloop *loop = loop_new();
    evloop_timer timer = {0};
    count = 0;
    evloop_timer_start(loop, &timer, 0, 1, on_timer);
    evloop_shutdown(loop, EVLOOP_MS(10));
    loop_run(loop);
    assert_true(count > 0);
    evloop_timer_stop(&timer);
    loop_end(loop);
}

TEST(a_watch_works_until_the_deadline)
{
    int fds[2];
    evloop *loop = loop_new();
    evloop_watch watch = {0};
    pipe_open(fds);
    fd_write_byte(fds[1]);
    evloop_watch_start(loop, &watch, fds[0], EVLOOP_READABLE, shuts_down_from_watch);
    evloop_shutdown(loop, EVLOOP_SEC(3600));
    loop_run(loop);
    evloop_watch_stop(&watch);
    loop_end(loop);
    fds_close(fds);
}

TEST(a_shutdown_without_time_does_not_wait_for_objects)
{
    evloop *loop = loop_new();
    evloop_timer timer = {0};
    evloop_timer_start(loop, &timer, EVLOOP_SEC(3600), 0, on_timer);
    evloop_shutdown(loop, 0);
    loop_run(loop);
    evloop_timer_stop(&timer);
    loop_end(loop);
}

TEST(a_later_shutdown_only_brings_the_end_nearer)
{
    const uint64_t times[2][2] = {{EVLOOP_FOREVER, 0}, {0, EVLOOP_FOREVER}};
    for (int i = 0; i < 2; i++) {
        evloop *loop = loop_new();
        evloop_timer timer = {0};
        evloop_timer_start(loop, &timer, EVLOOP_SEC(3600), 0, on_timer);
        assert_int_equal(evloop_shutdown(loop, times[i][0]), 0);
        assert_int_equal(evloop_shutdown(loop, times[i][1]), 0);
        loop_run(loop);
        assert_int_equal(evloop_get_state(loop), EVLOOP_STATE_CLOSED);
        evloop_timer_stop(&timer);
        loop_end(loop);
    }
}

TEST(a_later_shutdown_from_another_thread_ends_the_wait)
{
    struct runner runner;
    evloop *loop = loop_new();
    evloop_timer timer = {0};
    evloop_timer_start(loop, &timer, EVLOOP_SEC(3600), 0, on_timer);
    evloop_shutdown(loop, EVLOOP_FOREVER);
    runner_start(&runner, loop);
    assert_int_equal(evloop_shutdown(loop, 0), 0);
    assert_int_equal(runner_join(&runner), 0);
    evloop_timer_stop(&timer);
    loop_end(loop);
}

TEST(notifications_do_not_keep_a_loop_that_is_shut_down)
{
    evloop *loop = loop_new();
    evloop_notify notify = {0};
    count = 0;
    evloop_notify_start(loop, &notify, on_notify);
    evloop_notify_send(&notify);
    evloop_shutdown(loop, EVLOOP_FOREVER);
    loop_run(loop);
    assert_int_equal(count, 1);
    evloop_notify_stop(&notify);
    loop_end(loop);
}

TEST(an_empty_loop_is_closed_by_its_next_run)
{
    evloop *loop = loop_new();
    evloop_shutdown(loop, EVLOOP_FOREVER);
    loop_run(loop);
    assert_int_equal(evloop_get_state(loop), EVLOOP_STATE_CLOSED);
    assert_int_equal(evloop_shutdown(loop, 0), 0);
    assert_int_equal(evloop_stop(loop), 0);
    loop_end(loop);
}

TEST(a_loop_that_was_shut_down_and_never_ran_can_be_destroyed)
{
    evloop *loop = loop_new();
    evloop_shutdown(loop, 0);
    loop_end(loop);
    loop = loop_new();
    evloop_task task = {0};
    evloop_submit(loop, &task, never);
    evloop_shutdown(loop, 0);
    assert_int_equal(evloop_destroy(loop, 0), -EBUSY);
    assert_int_equal(evloop_destroy(loop, EVLOOP_DESTROY_FORCE), 0);
}

TEST(tasks_without_a_reference_that_were_accepted_before_the_shutdown_run)
{
    evloop *loop = loop_new();
    evloop_task task = {0}, urgent = {0};
    count = 0;
    assert_int_equal(evloop_task_unref(&task), 0);
    assert_int_equal(evloop_task_unref(&urgent), 0);
    assert_int_equal(evloop_submit(loop, &task, on_task), 0);
    assert_int_equal(evloop_submit_urgent(loop, &urgent, on_task), 0);
    assert_int_equal(evloop_shutdown(loop, 0), 0);
    loop_run(loop);
    assert_int_equal(count, 2);
    assert_int_equal(evloop_get_state(loop), EVLOOP_STATE_CLOSED);
    loop_end(loop);
}

static bool is_shut_down;

static void shuts_down_at_once(void *loop)
{
    assert_int_equal(evloop_shutdown(loop, 0), 0);
    is_shut_down = true;
}

static void on_timer_before_the_end(evloop_timer *timer)
{
    (void)timer;
    assert_false(is_shut_down);
    count++;
}

TEST(a_shutdown_without_time_lets_no_timer_run_once_the_accepted_work_is_done)
{
    evloop *loop = loop_new();
    evloop_timer timer = {0};
    count = 0;
    is_shut_down = false;
    evloop_timer_start(loop, &timer, 0, 1, on_timer_before_the_end);
    loop_turn(loop);
    assert_int_equal(count, 1);
    assert_int_equal(evloop_post(loop, shuts_down_at_once, loop), 0);
    loop_run(loop);
    assert_true(is_shut_down);
    assert_int_equal(evloop_get_state(loop), EVLOOP_STATE_CLOSED);
    evloop_timer_stop(&timer);
    loop_end(loop);
}

TEST(a_closed_loop_is_not_alive_whatever_is_still_active)
{
    evloop *loop = loop_new();
    evloop_timer timer = {0};
    evloop_timer_start(loop, &timer, EVLOOP_SEC(3600), 0, on_timer);
    assert_true(evloop_alive(loop));
    evloop_shutdown(loop, 0);
    loop_run(loop);
    assert_true(evloop_timer_active(&timer));
    assert_false(evloop_alive(loop));
    assert_int_equal(evloop_run(loop, EVLOOP_RUN_DEFAULT), EVLOOP_ECLOSED);
    evloop_timer_stop(&timer);
    loop_end(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_ENTRY(every_offer_after_the_shutdown_is_refused),
        TEST_ENTRY(a_loop_that_was_shut_down_does_not_run_again),
        TEST_ENTRY(nothing_starts_on_a_closed_loop),
        TEST_ENTRY(everything_that_was_accepted_before_the_shutdown_runs_exactly_once),
        TEST_ENTRY(tasks_without_a_reference_that_were_accepted_before_the_shutdown_run),
        TEST_ENTRY(a_stop_in_the_drain_loses_nothing),
        TEST_ENTRY(a_stop_before_a_shutdown_loses_nothing),
        TEST_ENTRY(a_task_can_be_cancelled_in_the_drain),
        TEST_ENTRY(a_task_can_shut_the_loop_down),
        TEST_ENTRY(a_callback_of_every_kind_can_shut_the_loop_down),
        TEST_ENTRY(another_thread_can_shut_a_sleeping_loop_down),
        TEST_ENTRY(a_loop_that_sleeps_on_a_descriptor_alone_can_be_shut_down),
        TEST_ENTRY(objects_get_the_time_that_they_need_within_the_deadline),
        TEST_ENTRY(objects_that_need_longer_than_the_deadline_are_left),
        TEST_ENTRY(a_loop_that_is_never_idle_does_not_outlast_the_deadline),
        TEST_ENTRY(a_watch_works_until_the_deadline),
        TEST_ENTRY(a_shutdown_without_time_does_not_wait_for_objects),
        TEST_ENTRY(a_shutdown_without_time_lets_no_timer_run_once_the_accepted_work_is_done),
        TEST_ENTRY(a_later_shutdown_only_brings_the_end_nearer),
        TEST_ENTRY(a_later_shutdown_from_another_thread_ends_the_wait),
        TEST_ENTRY(notifications_do_not_keep_a_loop_that_is_shut_down),
        TEST_ENTRY(an_empty_loop_is_closed_by_its_next_run),
        TEST_ENTRY(a_closed_loop_is_not_alive_whatever_is_still_active),
        TEST_ENTRY(a_loop_that_was_shut_down_and_never_ran_can_be_destroyed),
    };
    return RUN_TESTS("shutdown", tests);
}
