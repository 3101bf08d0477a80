/*
 * run.c: run modes, the order of a turn, stop, runs inside and beside runs.
 */
#include "support.h"

static int count;

static void on_timer(evloop_timer *timer)
{
    (void)timer;
    count++;
}

static void on_task(evloop_task *task)
{
    (void)task;
    count++;
}

static void on_stop_timer(evloop_timer *timer)
{
    count++;
    evloop_stop(evloop_timer_loop(timer));
}

static void on_stop_task(evloop_task *task)
{
    count++;
    evloop_stop(evloop_task_loop(task));
}

/* ---- modes ----------------------------------------------------------------------------------- */

static const evloop_run_mode modes[] = {EVLOOP_RUN_DEFAULT, EVLOOP_RUN_ONCE, EVLOOP_RUN_NOWAIT};

TEST(a_run_with_nothing_to_do_returns)
{
    evloop *loop = loop_new();
    for (int i = 0; i < 3; i++)
        assert_int_equal(evloop_run(loop, modes[i]), 0);
    assert_int_equal(evloop_run_for(loop, EVLOOP_SEC(3600)), 0);
    assert_int_equal(evloop_run_for(loop, EVLOOP_FOREVER), 0);
    loop_end(loop);
}

TEST(a_run_with_nothing_referenced_returns)
{
    evloop *loop = loop_new();
    evloop_timer timer = {0};
    evloop_timer_start(loop, &timer, EVLOOP_SEC(3600), 0, on_timer);
    evloop_timer_unref(&timer);
    for (int i = 0; i < 3; i++)
        assert_int_equal(evloop_run(loop, modes[i]), 0);
    assert_int_equal(evloop_run_for(loop, EVLOOP_SEC(3600)), 0);
    evloop_timer_stop(&timer);
    loop_end(loop);
}

TEST(a_mode_that_does_not_exist_is_refused)
{
    evloop *loop = loop_new();
    evloop_task task = {0};
    count = 0;
    evloop_submit(loop, &task, on_task);
    assert_int_equal(evloop_run(loop, (evloop_run_mode)3), -EINVAL);
    assert_int_equal(evloop_run(loop, (evloop_run_mode)1000), -EINVAL);
    assert_int_equal(count, 0);
    loop_run(loop);
    assert_int_equal(count, 1);
    loop_end(loop);
}

TEST(a_default_run_goes_on_until_nothing_keeps_the_loop_alive)
{
    evloop *loop = loop_new();
    evloop_timer timers[5] = {{0}};
    count = 0;
    for (unsigned i = 0; i < 5; i++)
        evloop_timer_start(loop, &timers[i], EVLOOP_MS(i), 0, on_timer);
    loop_run(loop);
    assert_int_equal(count, 5);
    assert_false(evloop_alive(loop));
    loop_end(loop);
}

TEST(a_nowait_run_is_one_turn_and_does_not_sleep)
{
    evloop *loop = loop_new();
    evloop_timer timer = {0};
    evloop_timer_start(loop, &timer, EVLOOP_SEC(3600), 0, on_timer);
    evloop_metrics before = loop_metrics(loop);
    loop_turn(loop);
    evloop_metrics after = loop_metrics(loop);
    assert_int_equal(after.turns - before.turns, 1);
    assert_int_equal(after.sleeps - before.sleeps, 0);
    evloop_timer_stop(&timer);
    loop_end(loop);
}

TEST(a_once_run_sleeps_until_a_callback_has_run)
{
    evloop *loop = loop_new();
    evloop_timer timer = {0};
    count = 0;
    evloop_timer_start(loop, &timer, EVLOOP_MS(5), EVLOOP_MS(5), on_timer);
    assert_int_equal(evloop_run(loop, EVLOOP_RUN_ONCE), 0);
    assert_true(count >= 1);
    evloop_timer_stop(&timer);
    loop_end(loop);
}

TEST(a_once_run_that_has_something_to_do_does_not_wait_for_more)
{
    evloop *loop = loop_new();
    evloop_timer timer = {0};
    evloop_task task = {0};
    count = 0;
    evloop_timer_start(loop, &timer, EVLOOP_SEC(3600), 0, on_timer);
    evloop_submit(loop, &task, on_task);
    assert_int_equal(evloop_run(loop, EVLOOP_RUN_ONCE), 0);
    assert_int_equal(count, 1);
    evloop_timer_stop(&timer);
    loop_end(loop);
}

static void *submit_when_asleep(void *arg)
{
    evloop_task *task = arg;
    evloop *loop = task->data;
    wait_asleep(loop);
    check(evloop_submit(loop, task, on_task) == 0);
    return NULL;
}

TEST(a_once_run_is_ended_by_a_task_from_another_thread)
{
    evloop *loop = loop_new();
    evloop_timer timer = {0};
    evloop_task task = {.data = loop};
    pthread_t thread;
    count = 0;
    evloop_timer_start(loop, &timer, EVLOOP_SEC(3600), 0, on_timer);
    thread_start(&thread, submit_when_asleep, &task);
    assert_int_equal(evloop_run(loop, EVLOOP_RUN_ONCE), 0);
    assert_int_equal(count, 1);
    thread_join(thread);
    evloop_timer_stop(&timer);
    loop_end(loop);
}

/* ---- run_for --------------------------------------------------------------------------------- */

TEST(a_run_for_a_time_ends_when_the_time_is_over_and_not_before)
{
    evloop *loop = loop_new();
    evloop_timer timer = {0};
    count = 0;
    evloop_timer_start(loop, &timer, EVLOOP_SEC(3600), 0, on_timer);
    for (int i = 0; i < 3; i++) {
        uint64_t begin = clock_ns();
        assert_int_equal(evloop_run_for(loop, EVLOOP_MS(5)), 0);
        assert_true(clock_ns() - begin >= EVLOOP_MS(5));
    }
    assert_int_equal(count, 0);
    assert_true(evloop_timer_active(&timer));
    evloop_timer_stop(&timer);
    loop_end(loop);
}

TEST(a_run_for_a_time_runs_what_is_due_in_it)
{
    evloop *loop = loop_new();
    evloop_timer soon = {0}, late = {0};
    count = 0;
    evloop_timer_start(loop, &soon, EVLOOP_MS(1), 0, on_timer);
    evloop_timer_start(loop, &late, EVLOOP_SEC(3600), 0, on_timer);
    while (count == 0)
        assert_int_equal(evloop_run_for(loop, EVLOOP_MS(2)), 0);
    assert_int_equal(count, 1);
    evloop_timer_stop(&late);
    loop_end(loop);
}

TEST(a_run_for_no_time_does_not_sleep)
{
    evloop *loop = loop_new();
    evloop_timer timer = {0};
    evloop_timer_start(loop, &timer, EVLOOP_SEC(3600), 0, on_timer);
    evloop_metrics before = loop_metrics(loop);
    assert_int_equal(evloop_run_for(loop, 0), 0);
    assert_int_equal(loop_metrics(loop).sleeps, before.sleeps);
    evloop_timer_stop(&timer);
    loop_end(loop);
}

static void on_hook(evloop_hook *hook)
{
    (void)hook;
    count++;
}

TEST(a_loop_that_is_never_idle_does_not_outlast_a_run_for_a_time)
{
    evloop *loop = loop_new();
    evloop_hook idle = {0};
    count = 0;
    evloop_hook_start(loop, &idle, EVLOOP_HOOK_IDLE, on_hook);
    assert_int_equal(evloop_run_for(loop, EVLOOP_MS(5)), 0);
    assert_true(count > 0);
    evloop_hook_stop(&idle);
    loop_end(loop);
}

TEST(a_run_for_ever_ends_when_nothing_keeps_the_loop_alive)
{
    evloop *loop = loop_new();
    evloop_timer timer = {0};
    count = 0;
    evloop_timer_start(loop, &timer, EVLOOP_MS(2), 0, on_timer);
    assert_int_equal(evloop_run_for(loop, EVLOOP_FOREVER), 0);
    assert_int_equal(count, 1);
    loop_end(loop);
}

/* ---- the order of a turn --------------------------------------------------------------------- */

static void note_micro(void *arg)
{
    (void)arg;
    trace('.');
}

static void note(evloop *loop, char what)
{
    trace(what);
    evloop_microtask(loop, note_micro, NULL);
}

static void note_timer(evloop_timer *timer)
{
    note(evloop_timer_loop(timer), 'T');
}

static void note_task(evloop_task *task)
{
    note(evloop_task_loop(task), *(const char *)task->data);
}

static void note_hook(evloop_hook *hook)
{
    note(evloop_hook_loop(hook), *(const char *)hook->data);
}

static void note_watch(evloop_watch *watch, unsigned events)
{
    (void)events;
    note(evloop_watch_loop(watch), 'W');
}

TEST(a_turn_has_the_order_that_the_header_gives)
{
    char names[] = "UNIPC";
    int fds[2];
    evloop *loop = loop_new();
    evloop_timer timer = {0};
    evloop_task urgent = {.data = &names[0]}, task = {.data = &names[1]};
    evloop_hook idle = {.data = &names[2]}, prepare = {.data = &names[3]},
                check_hook = {.data = &names[4]};
    evloop_watch watch = {0};
    pipe_open(fds);
    fd_write_byte(fds[1]);
    evloop_watch_start(loop, &watch, fds[0], EVLOOP_READABLE, note_watch);
    evloop_hook_start(loop, &check_hook, EVLOOP_HOOK_CHECK, note_hook);
    evloop_hook_start(loop, &prepare, EVLOOP_HOOK_PREPARE, note_hook);
    evloop_hook_start(loop, &idle, EVLOOP_HOOK_IDLE, note_hook);
    evloop_submit(loop, &task, note_task);
    evloop_submit_urgent(loop, &urgent, note_task);
    evloop_timer_start(loop, &timer, 1, 0, note_timer);
    evloop_update(loop);
    burn_ns(EVLOOP_MS(1));
    loop_turn(loop);
    assert_trace("T.U.N.I.P.W.C.");
    loop_turn(loop);
    assert_trace("I.P.W.C.");
    evloop_destroy(loop, EVLOOP_DESTROY_FORCE);
    fds_close(fds);
}

/* ---- stop ------------------------------------------------------------------------------------ */

TEST(a_stop_before_a_run_makes_that_run_return_at_once)
{
    for (int i = 0; i < 3; i++) {
        evloop *loop = loop_new();
        evloop_task task = {0};
        evloop_timer timer = {0};
        count = 0;
        evloop_submit(loop, &task, on_task);
        evloop_timer_start(loop, &timer, EVLOOP_SEC(3600), 0, on_timer);
        assert_int_equal(evloop_stop(loop), 0);
        assert_int_equal(evloop_run(loop, modes[i]), 0);
        assert_int_equal(count, 0);
        loop_turn(loop);
        assert_int_equal(count, 1);
        evloop_timer_stop(&timer);
        loop_end(loop);
    }
}

TEST(a_stop_ends_one_run_only)
{
    evloop *loop = loop_new();
    evloop_timer timer = {0};
    count = 0;
    evloop_stop(loop);
    evloop_stop(loop);
    loop_run(loop);
    evloop_timer_start(loop, &timer, EVLOOP_MS(1), 0, on_timer);
    loop_run(loop);
    assert_int_equal(count, 1);
    loop_end(loop);
}

TEST(a_stop_before_a_run_for_a_time_makes_it_return_at_once)
{
    evloop *loop = loop_new();
    evloop_timer timer = {0};
    evloop_timer_start(loop, &timer, EVLOOP_SEC(3600), 0, on_timer);
    evloop_stop(loop);
    assert_int_equal(evloop_run_for(loop, EVLOOP_FOREVER), 0);
    evloop_timer_stop(&timer);
    loop_end(loop);
}

TEST(a_stop_in_a_callback_lets_the_turn_finish)
{
    char names[] = "PC";
    evloop *loop = loop_new();
    evloop_timer timer = {0}, never = {0};
    evloop_hook prepare = {.data = &names[0]}, check_hook = {.data = &names[1]};
    count = 0;
    evloop_hook_start(loop, &prepare, EVLOOP_HOOK_PREPARE, note_hook);
    evloop_hook_start(loop, &check_hook, EVLOOP_HOOK_CHECK, note_hook);
    evloop_timer_start(loop, &never, EVLOOP_SEC(3600), 0, on_timer);
    evloop_timer_start(loop, &timer, 1, 0, on_stop_timer);
    evloop_update(loop);
    burn_ns(EVLOOP_MS(1));
    loop_run(loop);
    assert_int_equal(count, 1);
    assert_trace("P.C.");
    evloop_destroy(loop, EVLOOP_DESTROY_FORCE);
}

TEST(a_stopped_loop_can_run_again)
{
    evloop *loop = loop_new();
    evloop_timer timer = {0};
    count = 0;
    evloop_timer_start(loop, &timer, EVLOOP_MS(1), EVLOOP_MS(1), on_stop_timer);
    for (int i = 1; i <= 5; i++) {
        loop_run(loop);
        assert_int_equal(count, i);
    }
    evloop_timer_stop(&timer);
    loop_end(loop);
}

static void stop_loop(void *loop)
{
    evloop_stop(loop);
}

TEST(a_stop_in_a_microtask_ends_the_run)
{
    evloop *loop = loop_new();
    evloop_timer timer = {0};
    evloop_timer_start(loop, &timer, EVLOOP_SEC(3600), 0, on_timer);
    assert_int_equal(evloop_microtask(loop, stop_loop, loop), 0);
    loop_run(loop);
    evloop_timer_stop(&timer);
    loop_end(loop);
}

TEST(a_stop_from_another_thread_ends_a_sleeping_run)
{
    struct runner runner;
    evloop *loop = loop_new();
    evloop_timer timer = {0};
    evloop_timer_start(loop, &timer, EVLOOP_SEC(3600), 0, on_timer);
    for (int i = 0; i < 50; i++) {
        runner_start(&runner, loop);
        if (i % 2 == 0)
            wait_asleep(loop);
        assert_int_equal(evloop_stop(loop), 0);
        assert_int_equal(runner_join(&runner), 0);
    }
    evloop_timer_stop(&timer);
    loop_end(loop);
}

/* ---- signals --------------------------------------------------------------------------------- */

static evloop *signal_loop;
static volatile sig_atomic_t signals;

static void stop_on_signal(int sig)
{
    (void)sig;
    signals = signals + 1;
    evloop_stop(signal_loop);
}

static void count_signal(int sig)
{
    (void)sig;
    signals = signals + 1;
}

static void *signal_when_asleep(void *arg)
{
    wait_asleep(signal_loop);
    check(pthread_kill(*(pthread_t *)arg, SIGUSR1) == 0);
    return NULL;
}

TEST(a_signal_handler_can_stop_the_loop)
{
    evloop_timer timer = {0};
    pthread_t self = pthread_self(), thread;
    signal_loop = loop_new();
    signals = 0;
    handle_signal(stop_on_signal);
    evloop_timer_start(signal_loop, &timer, EVLOOP_SEC(3600), 0, on_timer);
    thread_start(&thread, signal_when_asleep, &self);
    loop_run(signal_loop);
    thread_join(thread);
    assert_int_equal(signals, 1);
    evloop_timer_stop(&timer);
    loop_end(signal_loop);
    handle_signal(SIG_DFL);
}

static void *signal_then_submit(void *arg)
{
    evloop_task *task = arg;
    pthread_t loop_thread = *(pthread_t *)task->data;
    for (int i = 0; i < 20; i++) {
        wait_asleep(signal_loop);
        check(pthread_kill(loop_thread, SIGUSR1) == 0);
    }
    wait_asleep(signal_loop);
    check(evloop_submit(signal_loop, task, on_stop_task) == 0);
    return NULL;
}

TEST(a_signal_does_not_end_a_run)
{
    evloop_timer timer = {0};
    pthread_t self = pthread_self(), thread;
    evloop_task task = {.data = &self};
    signal_loop = loop_new();
    signals = 0;
    handle_signal(count_signal);
    count = 0;
    evloop_timer_start(signal_loop, &timer, EVLOOP_SEC(3600), 0, on_timer);
    thread_start(&thread, signal_then_submit, &task);
    loop_run(signal_loop);
    assert_int_equal(count, 1);
    thread_join(thread);
    assert_true(signals > 0);
    evloop_timer_stop(&timer);
    loop_end(signal_loop);
    handle_signal(SIG_DFL);
}

/* ---- runs inside and beside runs ------------------------------------------------------------- */

static void run_inside(evloop_task *task)
{
    evloop *loop = evloop_task_loop(task);
    count++;
    for (int i = 0; i < 3; i++)
        assert_int_equal(evloop_run(loop, modes[i]), -EBUSY);
    assert_int_equal(evloop_run_for(loop, EVLOOP_MS(1)), -EBUSY);
    assert_int_equal(evloop_get_state(loop), EVLOOP_STATE_RUNNING);
    assert_true(evloop_on_loop_thread(loop));
}

TEST(a_run_inside_a_run_is_refused_and_the_outer_goes_on)
{
    evloop *loop = loop_new();
    evloop_task inside = {0}, after = {0};
    evloop_timer timer = {0};
    count = 0;
    evloop_submit(loop, &inside, run_inside);
    evloop_submit(loop, &after, on_task);
    evloop_timer_start(loop, &timer, EVLOOP_MS(2), 0, on_timer);
    loop_run(loop);
    assert_int_equal(count, 3);
    loop_end(loop);
}

TEST(a_run_beside_a_run_is_refused_and_changes_nothing)
{
    struct runner runner;
    evloop *loop = loop_new();
    evloop_timer timer = {0};
    evloop_task task = {0};
    count = 0;
    evloop_timer_start(loop, &timer, EVLOOP_SEC(3600), 0, on_timer);
    runner_start(&runner, loop);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(evloop_run(loop, modes[i % 3]), -EBUSY);
        assert_int_equal(evloop_run_for(loop, EVLOOP_MS(1)), -EBUSY);
    }
    assert_false(evloop_on_loop_thread(loop));
    wait_asleep(loop);
    assert_int_equal(evloop_run(loop, EVLOOP_RUN_DEFAULT), -EBUSY);
    assert_int_equal(evloop_submit(loop, &task, on_stop_task), 0);
    assert_int_equal(runner_join(&runner), 0);
    assert_int_equal(count, 1);
    evloop_timer_stop(&timer);
    loop_end(loop);
}

static evloop *inner_loop;

static void run_other_loop(evloop_task *task)
{
    (void)task;
    assert_false(evloop_on_loop_thread(inner_loop));
    assert_int_equal(evloop_run(inner_loop, EVLOOP_RUN_DEFAULT), 0);
    assert_true(evloop_on_loop_thread(evloop_task_loop(task)));
    count += 10;
}

TEST(a_callback_can_run_another_loop)
{
    evloop *loop = loop_new();
    evloop_task outer = {0}, inner = {0};
    inner_loop = loop_new();
    count = 0;
    evloop_submit(inner_loop, &inner, on_task);
    evloop_submit(loop, &outer, run_other_loop);
    loop_run(loop);
    assert_int_equal(count, 11);
    loop_end(inner_loop);
    loop_end(loop);
}

static void *run_to_the_end(void *arg)
{
    check(evloop_run(arg, EVLOOP_RUN_DEFAULT) == 0);
    return NULL;
}

TEST(threads_can_run_a_loop_in_turn)
{
    pthread_t thread;
    evloop *loop = loop_new();
    evloop_timer timer = {0};
    count = 0;
    evloop_timer_start(loop, &timer, 0, EVLOOP_MS(1), on_stop_timer);
    for (int i = 1; i <= 6; i += 2) {
        loop_run(loop);
        assert_int_equal(count, i);
        thread_start(&thread, run_to_the_end, loop);
        thread_join(thread);
        assert_int_equal(count, i + 1);
    }
    evloop_timer_stop(&timer);
    loop_end(loop);
}

static void *submit_twenty(void *arg)
{
    evloop_task *tasks = arg;
    for (int i = 0; i < 20; i++) {
        burn_ns(EVLOOP_US(50));
        check(evloop_submit(tasks[i].data, &tasks[i], i < 19 ? on_task : on_stop_task) == 0);
    }
    return NULL;
}

TEST(a_loop_that_spins_before_it_sleeps_misses_nothing)
{
    evloop_options options = evloop_options_default();
    options.spin_ns = EVLOOP_US(100);
    evloop *loop = loop_new_with(options);
    evloop_timer timer = {0};
    evloop_task tasks[20] = {{0}};
    pthread_t thread;
    count = 0;
    for (int i = 0; i < 20; i++)
        tasks[i].data = loop;
    evloop_timer_start(loop, &timer, EVLOOP_SEC(3600), 0, on_timer);
    thread_start(&thread, submit_twenty, tasks);
    loop_run(loop);
    thread_join(thread);
    assert_int_equal(count, 20);
    evloop_timer_stop(&timer);
    loop_end(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_ENTRY(a_run_with_nothing_to_do_returns),
        TEST_ENTRY(a_run_with_nothing_referenced_returns),
        TEST_ENTRY(a_mode_that_does_not_exist_is_refused),
        TEST_ENTRY(a_default_run_goes_on_until_nothing_keeps_the_loop_alive),
        TEST_ENTRY(a_nowait_run_is_one_turn_and_does_not_sleep),
        TEST_ENTRY(a_once_run_sleeps_until_a_callback_has_run),
        TEST_ENTRY(a_once_run_that_has_something_to_do_does_not_wait_for_more),
        TEST_ENTRY(a_once_run_is_ended_by_a_task_from_another_thread),
        TEST_ENTRY(a_run_for_a_time_ends_when_the_time_is_over_and_not_before),
        TEST_ENTRY(a_run_for_a_time_runs_what_is_due_in_it),
        TEST_ENTRY(a_run_for_no_time_does_not_sleep),
        TEST_ENTRY(a_loop_that_is_never_idle_does_not_outlast_a_run_for_a_time),
        TEST_ENTRY(a_run_for_ever_ends_when_nothing_keeps_the_loop_alive),
        TEST_ENTRY(a_turn_has_the_order_that_the_header_gives),
        TEST_ENTRY(a_stop_before_a_run_makes_that_run_return_at_once),
        TEST_ENTRY(a_stop_ends_one_run_only),
        TEST_ENTRY(a_stop_before_a_run_for_a_time_makes_it_return_at_once),
        TEST_ENTRY(a_stop_in_a_callback_lets_the_turn_finish),
        TEST_ENTRY(a_stopped_loop_can_run_again),
        TEST_ENTRY(a_stop_in_a_microtask_ends_the_run),
        TEST_ENTRY(a_stop_from_another_thread_ends_a_sleeping_run),
        TEST_ENTRY(a_signal_handler_can_stop_the_loop),
        TEST_ENTRY(a_signal_does_not_end_a_run),
        TEST_ENTRY(a_run_inside_a_run_is_refused_and_the_outer_goes_on),
        TEST_ENTRY(a_run_beside_a_run_is_refused_and_changes_nothing),
        TEST_ENTRY(a_callback_can_run_another_loop),
        TEST_ENTRY(threads_can_run_a_loop_in_turn),
        TEST_ENTRY(a_loop_that_spins_before_it_sleeps_misses_nothing),
    };
    return RUN_TESTS("run", tests);
}
