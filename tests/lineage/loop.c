/*
 * loop.c: what the lineage's loop did wrong: sleeping on work, waking too often or never, waiting
 * for itself, starving, counting, forgetting errors. On a simulated kernel, which notices a sleep
 * that nobody would end.
 */
#include "sim.h"

#include "poller/poller.h"

static evloop_timer keeper; /* far away: it keeps the loop alive, and lets it sleep */

static void on_keeper(evloop_timer *timer)
{
    (void)timer;
}

static void keep_alive(evloop *loop)
{
    memset(&keeper, 0, sizeof keeper);
    assert_int_equal(evloop_timer_start(loop, &keeper, EVLOOP_SEC(3600), 0, on_keeper), 0);
}

static void end_kept(evloop *loop)
{
    assert_int_equal(evloop_timer_stop(&keeper), 0);
    loop_end(loop);
}

static unsigned ran;

static void on_function(void *arg)
{
    (void)arg;
    ran++;
}

static void on_task(evloop_task *task)
{
    (void)task;
    ran++;
}

/* Calls a function from a thread that is not the loop's. */
static void elsewhere(void *(*fn)(void *), void *arg)
{
    pthread_t thread;
    thread_start(&thread, fn, arg);
    thread_join(thread);
}

static bool waiting_is_forbidden;

int __real_sched_yield(void);
int __wrap_sched_yield(void);

int __wrap_sched_yield(void)
{
    check(!waiting_is_forbidden);
    return __real_sched_yield();
}

/* ---- lost wakeup: the look before the sleep leaves no queue out ------------------------------ */

static unsigned ran_at_sleep;

static void note_sleep(evloop *loop)
{
    if (sim.timeout_ns == 0)
        return;
    ran_at_sleep = ran;
    evloop_stop(loop);
}

static void (*last_moment)(evloop *loop);

/* The last callback before the loop decides to sleep. */
static void on_prepare(evloop_hook *hook)
{
    if (last_moment)
        last_moment(evloop_hook_loop(hook));
    last_moment = NULL;
}

static void sleep_after(evloop_options options, void (*moment)(evloop *loop), unsigned expected)
{
    evloop_hook prepare = {0};
    evloop *loop = sim_loop_new_with(options);
    keep_alive(loop);
    assert_int_equal(evloop_hook_start(loop, &prepare, EVLOOP_HOOK_PREPARE, on_prepare), 0);
    ran = ran_at_sleep = 0;
    last_moment = moment;
    sim.on_wait = note_sleep;
    loop_run(loop);
    assert_int_equal(ran_at_sleep, expected);
    assert_int_equal(ran, expected);
    assert_int_equal(evloop_hook_stop(&prepare), 0);
    end_kept(loop);
}

/* With a budget of 2 and a ring of 2 slots, what these leave over stands in the ring, overflow or
 * batch alone. */
static evloop_options two_of_each(void)
{
    evloop_options options = evloop_options_default();
    options.task_budget = 2;
    options.microtask_budget = 2;
    options.microtask_capacity = 2;
    return options;
}

static void *offer_four(void *loop)
{
    for (int i = 0; i < 4; i++)
        check(evloop_microtask(loop, on_function, NULL) == 0);
    return NULL;
}

static void *offer_three(void *loop)
{
    for (int i = 0; i < 3; i++)
        check(evloop_microtask(loop, on_function, NULL) == 0);
    return NULL;
}

static void *offer_five(void *loop)
{
    for (int i = 0; i < 5; i++)
        check(evloop_microtask(loop, on_function, NULL) == 0);
    return NULL;
}

static void offer_own(evloop *loop)
{
    offer_four(loop);
}

static void fill_the_ring(evloop *loop)
{
    elsewhere(offer_four, loop);
}

static void spill_one(evloop *loop)
{
    elsewhere(offer_three, loop);
}

static void spill_many(evloop *loop)
{
    elsewhere(offer_five, loop);
}

TEST(lost_wakeup_microtasks_of_its_own_that_a_budget_left_are_not_slept_on)
{
    evloop_options options = two_of_each();
    options.microtask_capacity = 8;
    sleep_after(options, offer_own, 4);
}

TEST(lost_wakeup_microtasks_that_a_budget_left_in_the_ring_are_not_slept_on)
{
    evloop_options options = two_of_each();
    options.microtask_capacity = 8;
    sleep_after(options, fill_the_ring, 4);
}

TEST(lost_wakeup_microtasks_that_a_budget_left_in_the_overflow_are_not_slept_on)
{
    sleep_after(two_of_each(), spill_one, 3);
}

TEST(lost_wakeup_microtasks_that_a_budget_left_half_taken_are_not_slept_on)
{
    evloop_options options = two_of_each();
    options.microtask_budget = 3;
    sleep_after(options, spill_many, 5);
}

static void post_five(evloop *loop)
{
    for (int i = 0; i < 5; i++)
        assert_int_equal(evloop_post(loop, on_function, NULL), 0);
}

TEST(lost_wakeup_tasks_that_a_budget_left_are_not_slept_on)
{
    sleep_after(two_of_each(), post_five, 5);
}

static evloop_task urgent;

/* The loop takes it out of the queue that all threads share, without running it. */
static void submit_urgent_and_take(evloop *loop)
{
    memset(&urgent, 0, sizeof urgent);
    assert_int_equal(evloop_submit_urgent(loop, &urgent, on_task), 0);
    assert_true(evloop_alive(loop));
}

TEST(lost_wakeup_an_urgent_task_is_not_slept_on)
{
    sleep_after(two_of_each(), submit_urgent_and_take, 1);
}

static void stop(evloop *loop)
{
    assert_int_equal(evloop_stop(loop), 0);
}

static void shut_down(evloop *loop)
{
    assert_int_equal(evloop_shutdown(loop, 0), 0);
}

static void assert_does_not_sleep_after(void (*moment)(evloop *loop))
{
    evloop_hook prepare = {0};
    evloop *loop = sim_loop_new();
    keep_alive(loop);
    assert_int_equal(evloop_hook_start(loop, &prepare, EVLOOP_HOOK_PREPARE, on_prepare), 0);
    last_moment = moment;
    loop_run(loop);
    assert_int_equal(sim.sleeps, 0);
    assert_int_equal(evloop_hook_stop(&prepare), 0);
    end_kept(loop);
}

TEST(lost_wakeup_a_stop_or_shutdown_is_not_slept_on)
{
    assert_does_not_sleep_after(stop);
    assert_does_not_sleep_after(shut_down);
}

/* ---- sticky wake flag ------------------------------------------------------------------------ */

static void consume_nowait(evloop *loop)
{
    assert_int_equal(evloop_run(loop, EVLOOP_RUN_NOWAIT), 0);
}

static void consume_once(evloop *loop)
{
    assert_int_equal(evloop_run(loop, EVLOOP_RUN_ONCE), 0);
}

static void consume_default(evloop *loop)
{
    assert_int_equal(evloop_stop(loop), 0); /* before the run: it returns at once */
    assert_int_equal(evloop_run(loop, EVLOOP_RUN_DEFAULT), 0);
    assert_int_equal(evloop_run(loop, EVLOOP_RUN_NOWAIT), 0);
}

static void consume_for(evloop *loop)
{
    assert_int_equal(evloop_run_for(loop, 0), 0);
}

TEST(sticky_wake_every_way_of_consuming_a_wake_arms_the_next)
{
    void (*const consume[])(evloop *) = {consume_nowait, consume_once, consume_default,
                                         consume_for};
    for (size_t i = 0; i < sizeof consume / sizeof *consume; i++) {
        evloop *loop = sim_loop_new();
        keep_alive(loop);
        for (unsigned round = 1; round <= 3; round++) {
            unsigned wakes = sim.wakes;
            ran = 0;
            assert_int_equal(evloop_post(loop, on_function, NULL), 0);
            assert_int_equal(sim.wakes, wakes + 1);
            assert_int_equal(evloop_post(loop, on_function, NULL), 0);
            assert_int_equal(sim.wakes, wakes + 1);
            consume[i](loop);
            assert_int_equal(ran, 2);
        }
        end_kept(loop);
    }
}

enum { BURST = 100 };

static void *post_burst(void *loop)
{
    for (int i = 0; i < BURST; i++)
        check(evloop_post(loop, on_function, NULL) == 0);
    return NULL;
}

static unsigned bursts;

static void burst_in_sleep(evloop *loop)
{
    if (sim.timeout_ns == 0)
        return;
    unsigned wakes = sim.wakes;
    if (bursts++ == 5) {
        evloop_stop(loop);
        return;
    }
    elsewhere(post_burst, loop);
    assert_int_equal(sim.wakes, wakes + 1);
}

TEST(sticky_wake_each_sleep_is_ended_by_one_wake_however_many_come)
{
    evloop *loop = sim_loop_new();
    keep_alive(loop);
    ran = bursts = 0;
    sim.on_wait = burst_in_sleep;
    loop_run(loop);
    assert_int_equal(ran, 5 * BURST);
    assert_int_equal(sim.wakes, 6);
    sim.on_wait = NULL;
    end_kept(loop);
}

static unsigned wakes_before;

static void post_awake(evloop_timer *timer)
{
    wakes_before = sim.wakes;
    elsewhere(post_burst, evloop_timer_loop(timer));
    assert_int_equal(sim.wakes, wakes_before);
}

/* A sleep that was not ended by a wake must be over for the producers, too. */
TEST(sticky_wake_after_a_sleep_that_a_timer_ended_a_post_costs_no_wake)
{
    evloop *loop = sim_loop_new();
    evloop_timer timer = {0};
    ran = 0;
    assert_int_equal(evloop_timer_start(loop, &timer, EVLOOP_MS(5), 0, post_awake), 0);
    loop_run(loop);
    assert_int_equal(ran, BURST);
    assert_int_equal(sim.wakes, wakes_before);
    loop_end(loop);
}

/* In the first turn, before any sleep. */
TEST(sticky_wake_a_run_that_begins_is_awake_for_all_to_see)
{
    evloop *loop = sim_loop_new();
    evloop_timer timer = {0};
    ran = 0;
    assert_int_equal(evloop_timer_start(loop, &timer, 0, 0, post_awake), 0);
    loop_run(loop);
    assert_int_equal(ran, BURST);
    assert_int_equal(sim.sleeps, 0);
    loop_end(loop);
}

static void post_in_run(evloop_task *task)
{
    wakes_before = sim.wakes;
    elsewhere(post_burst, evloop_task_loop(task));
    assert_int_equal(sim.wakes, wakes_before);
}

TEST(sticky_wake_a_post_to_a_loop_that_runs_costs_no_wake)
{
    evloop *loop = sim_loop_new();
    evloop_task task = {0};
    ran = 0;
    assert_int_equal(evloop_submit(loop, &task, post_in_run), 0);
    loop_run(loop);
    assert_int_equal(ran, BURST);
    loop_end(loop);
}

/* ---- close wakes nobody ---------------------------------------------------------------------- */

static void *shut_down_thread(void *loop)
{
    check(evloop_shutdown(loop, 0) == 0);
    return NULL;
}

static void *stop_thread(void *loop)
{
    check(evloop_stop(loop) == 0);
    return NULL;
}

static void *(*ender)(void *loop);

static void end_in_sleep(evloop *loop)
{
    if (sim.timeout_ns == 0)
        return;
    assert_int_equal(sim.wakes, 0);
    elsewhere(ender, loop);
    assert_int_equal(sim.wakes, 1);
    evloop_stop(loop);
}

static void assert_wakes(void *(*end)(void *loop))
{
    evloop *loop = sim_loop_new();
    keep_alive(loop);
    ender = end;
    sim.on_wait = end_in_sleep;
    loop_run(loop);
    assert_int_equal(sim.sleeps, 1);
    sim.on_wait = NULL;
    end_kept(loop);
}

TEST(close_a_shutdown_wakes_the_loop_that_sleeps)
{
    assert_wakes(shut_down_thread);
}

TEST(close_a_stop_wakes_the_loop_that_sleeps)
{
    assert_wakes(stop_thread);
}

/* With the real kernel: the run returns because of the shutdown, with an hour to go until its
 * timer. */
TEST(close_a_shutdown_ends_a_run_that_waits_in_the_kernel)
{
    struct runner runner;
    sim_off();
    evloop *loop = loop_new();
    keep_alive(loop);
    runner_start(&runner, loop);
    wait_asleep(loop);
    assert_int_equal(evloop_shutdown(loop, 0), 0);
    assert_int_equal(runner_join(&runner), 0);
    assert_int_equal(evloop_get_state(loop), EVLOOP_STATE_CLOSED);
    end_kept(loop);
}

/* ---- waiting for oneself --------------------------------------------------------------------- */

static void end_inside(evloop *loop)
{
    waiting_is_forbidden = true;
    assert_int_equal(evloop_destroy(loop, 0), -EBUSY);
    assert_int_equal(evloop_destroy(loop, EVLOOP_DESTROY_FORCE), -EBUSY);
    assert_int_equal(evloop_shutdown(loop, EVLOOP_FOREVER), 0);
    assert_int_equal(evloop_shutdown(loop, 0), 0);
    assert_int_equal(evloop_stop(loop), 0);
    waiting_is_forbidden = false;
    ran++;
}

static void end_in_task(evloop_task *task)
{
    end_inside(evloop_task_loop(task));
}

static void end_in_timer(evloop_timer *timer)
{
    end_inside(evloop_timer_loop(timer));
}

static void end_in_hook(evloop_hook *hook)
{
    end_inside(evloop_hook_loop(hook));
}

static void end_in_function(void *loop)
{
    end_inside(loop);
}

static void end_in_notify(evloop_notify *notify)
{
    end_inside(evloop_notify_loop(notify));
}

TEST(waiting_for_oneself_a_loop_can_be_shut_down_inside_any_of_its_callbacks)
{
    for (int kind = 0; kind < 6; kind++) {
        evloop *loop = sim_loop_new();
        evloop_task task = {0};
        evloop_timer timer = {0};
        evloop_hook hook = {0};
        evloop_notify notify = {0};
        ran = 0;
        keep_alive(loop);
        switch (kind) {
        case 0:
            assert_int_equal(evloop_submit(loop, &task, end_in_task), 0);
            break;
        case 1:
            assert_int_equal(evloop_timer_start(loop, &timer, 1, 0, end_in_timer), 0);
            break;
        case 2:
            assert_int_equal(evloop_hook_start(loop, &hook, EVLOOP_HOOK_CHECK, end_in_hook), 0);
            assert_int_equal(evloop_post(loop, on_function, NULL), 0);
            break;
        case 3:
            assert_int_equal(evloop_post(loop, end_in_function, loop), 0);
            break;
        case 4:
            assert_int_equal(evloop_microtask(loop, end_in_function, loop), 0);
            break;
        default:
            assert_int_equal(evloop_notify_start(loop, &notify, end_in_notify), 0);
            assert_int_equal(evloop_notify_send(&notify), 0);
            break;
        }
        loop_run(loop);
        assert_true(ran > 0);
        int err = evloop_run(loop, EVLOOP_RUN_DEFAULT); /* the stop may have come first */
        assert_true(err == 0 || err == EVLOOP_ECLOSED);
        assert_int_equal(evloop_get_state(loop), EVLOOP_STATE_CLOSED);
        assert_false(sim.hung);
        evloop_hook_stop(&hook);
        evloop_notify_stop(&notify);
        end_kept(loop);
    }
}

/* ---- a backlog starves I/O ------------------------------------------------------------------- */

static unsigned polls;
static unsigned ran_at_first_poll;

static void note_poll(evloop *loop)
{
    (void)loop;
    if (polls++ == 0)
        ran_at_first_poll = ran;
}

static void on_watch(evloop_watch *watch, unsigned events)
{
    (void)watch, (void)events;
}

static void assert_polls(evloop *loop, unsigned budget, unsigned count)
{
    int fds[2];
    evloop_watch watch = {0};
    pipe_open(fds);
    assert_int_equal(evloop_watch_start(loop, &watch, fds[0], EVLOOP_READABLE, on_watch), 0);
    assert_int_equal(evloop_watch_unref(&watch), 0);
    sim.on_wait = note_poll;
    polls = ran = 0;
    loop_run(loop);
    sim.on_wait = NULL;
    assert_int_equal(ran, count);
    assert_int_equal(ran_at_first_poll, budget);
    assert_true(polls >= count / budget);
    assert_int_equal(evloop_watch_stop(&watch), 0);
    loop_end(loop);
    fds_close(fds);
}

TEST(backlog_of_tasks_lets_the_kernel_be_asked_once_a_turn)
{
    evloop_options options = evloop_options_default();
    options.task_budget = 10;
    evloop *loop = sim_loop_new_with(options);
    for (int i = 0; i < 100; i++)
        assert_int_equal(evloop_post(loop, on_function, NULL), 0);
    assert_polls(loop, 10, 100);
}

static void post_again(void *loop)
{
    if (++ran < 100)
        assert_int_equal(evloop_post(loop, post_again, loop), 0);
}

TEST(backlog_of_tasks_that_post_themselves_lets_the_kernel_be_asked_once_a_turn)
{
    evloop *loop = sim_loop_new();
    assert_int_equal(evloop_post(loop, post_again, loop), 0);
    assert_polls(loop, 1, 100);
}

static void microtask_again(void *loop)
{
    if (++ran < 100)
        assert_int_equal(evloop_microtask(loop, microtask_again, loop), 0);
}

TEST(backlog_of_microtasks_lets_the_kernel_be_asked)
{
    evloop_options options = evloop_options_default();
    options.microtask_budget = 10;
    evloop *loop = sim_loop_new_with(options);
    assert_int_equal(evloop_microtask(loop, microtask_again, loop), 0);
    assert_polls(loop, 10, 100);
}

/* ---- urgent ---------------------------------------------------------------------------------- */

static evloop_task relay[BURST];
static bool inside;

static void submit_next_urgent(evloop_task *task)
{
    size_t next = (size_t)(task - relay) + 1;
    assert_false(inside);
    inside = true;
    if (next < BURST)
        assert_int_equal(
            evloop_submit_urgent(evloop_task_loop(task), &relay[next], submit_next_urgent), 0);
    inside = false;
    ran++;
}

TEST(urgent_tasks_are_queued_and_never_run_inside_the_call)
{
    evloop *loop = sim_loop_new();
    evloop_task first = {0}, second = {0};
    memset(relay, 0, sizeof relay);
    ran = 0;
    inside = false;
    assert_int_equal(evloop_submit_urgent(loop, &first, on_task), 0);
    assert_int_equal(evloop_submit_urgent(loop, &second, on_task), 0);
    assert_int_equal(ran, 0);
    assert_int_equal(evloop_submit_urgent(loop, &relay[0], submit_next_urgent), 0);
    loop_run(loop);
    assert_int_equal(ran, BURST + 2);
    loop_end(loop);
}

static void note_name(evloop_task *task)
{
    trace(*(char *)task->data);
}

static evloop_task second_urgent = {.data = "b"};
static evloop_task third_urgent = {.data = "c"};

static void note_and_submit(evloop_task *task)
{
    trace('a');
    assert_int_equal(evloop_submit_urgent(evloop_task_loop(task), &third_urgent, note_name), 0);
}

TEST(urgent_tasks_do_not_overtake_each_other)
{
    evloop *loop = sim_loop_new();
    evloop_task first = {0};
    assert_int_equal(evloop_submit_urgent(loop, &first, note_and_submit), 0);
    assert_int_equal(evloop_submit_urgent(loop, &second_urgent, note_name), 0);
    loop_run(loop);
    assert_trace("abc");
    loop_end(loop);
}

/* ---- references ------------------------------------------------------------------------------ */

static void on_timer(evloop_timer *timer)
{
    (void)timer;
    ran++;
}

static void on_hook(evloop_hook *hook)
{
    (void)hook;
}

static void on_notify(evloop_notify *notify)
{
    (void)notify;
}

/* An unref that comes first must not take away another object's reference, at once or later. */
TEST(references_an_unref_before_the_start_takes_nothing_away)
{
    evloop *loop = sim_loop_new();
    int fds[2];
    evloop_timer timer = {0};
    evloop_hook hook = {0};
    evloop_notify notify = {0};
    evloop_watch watch = {0};
    pipe_open(fds);
    keep_alive(loop);
    assert_int_equal(evloop_timer_unref(&timer), 0);
    assert_int_equal(evloop_hook_unref(&hook), 0);
    assert_int_equal(evloop_notify_unref(&notify), 0);
    assert_int_equal(evloop_watch_unref(&watch), 0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(evloop_timer_start(loop, &timer, EVLOOP_SEC(1), 0, on_timer), 0);
        assert_int_equal(evloop_hook_start(loop, &hook, EVLOOP_HOOK_IDLE, on_hook), 0);
        assert_int_equal(evloop_notify_start(loop, &notify, on_notify), 0);
        assert_int_equal(evloop_watch_start(loop, &watch, fds[0], EVLOOP_READABLE, on_watch), 0);
        assert_true(evloop_alive(loop));
        assert_int_equal(evloop_timer_stop(&timer), 0);
        assert_int_equal(evloop_hook_stop(&hook), 0);
        assert_int_equal(evloop_notify_stop(&notify), 0);
        assert_int_equal(evloop_watch_stop(&watch), 0);
        assert_int_equal(evloop_timer_unref(&timer), 0);
        assert_int_equal(evloop_hook_unref(&hook), 0);
        assert_int_equal(evloop_notify_unref(&notify), 0);
        assert_int_equal(evloop_watch_unref(&watch), 0);
        assert_true(evloop_alive(loop));
    }
    assert_int_equal(evloop_timer_stop(&keeper), 0);
    assert_int_equal(evloop_timer_ref(&timer), 0);
    assert_int_equal(evloop_hook_ref(&hook), 0);
    assert_int_equal(evloop_notify_ref(&notify), 0);
    assert_int_equal(evloop_watch_ref(&watch), 0);
    assert_false(evloop_alive(loop));
    loop_end(loop);
    fds_close(fds);
}

TEST(references_are_exact_however_often_they_are_taken_and_given)
{
    evloop *loop = sim_loop_new();
    evloop_timer timer = {0}, other = {0};
    assert_int_equal(evloop_timer_start(loop, &timer, EVLOOP_SEC(1), 0, on_timer), 0);
    assert_int_equal(evloop_timer_start(loop, &other, EVLOOP_SEC(1), 0, on_timer), 0);
    assert_int_equal(evloop_timer_unref(&other), 0);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(evloop_timer_unref(&timer), 0);
        assert_int_equal(evloop_timer_unref(&timer), 0);
        assert_false(evloop_alive(loop));
        assert_int_equal(evloop_timer_ref(&timer), 0);
        assert_int_equal(evloop_timer_ref(&timer), 0);
        assert_true(evloop_alive(loop));
    }
    assert_int_equal(evloop_timer_unref(&timer), 0);
    assert_false(evloop_alive(loop));
    assert_int_equal(evloop_timer_stop(&timer), 0);
    assert_int_equal(evloop_timer_stop(&other), 0);
    assert_false(evloop_alive(loop));
    loop_end(loop);
}

static bool alive_inside;

static void note_alive(evloop *loop)
{
    alive_inside = evloop_alive(loop);
    ran++;
}

static void alive_in_task(evloop_task *task)
{
    note_alive(evloop_task_loop(task));
}

static void alive_in_function(void *loop)
{
    note_alive(loop);
}

TEST(references_the_work_that_is_executed_counts)
{
    evloop *loop = sim_loop_new();
    evloop_task task = {0};
    ran = 0;
    alive_inside = false;
    assert_int_equal(evloop_submit(loop, &task, alive_in_task), 0);
    loop_run(loop);
    assert_true(alive_inside);
    alive_inside = false;
    assert_int_equal(evloop_post(loop, alive_in_function, loop), 0);
    loop_run(loop);
    assert_true(alive_inside);
    alive_inside = false;
    assert_int_equal(evloop_microtask(loop, alive_in_function, loop), 0);
    loop_run(loop);
    assert_true(alive_inside);
    assert_false(evloop_alive(loop));
    assert_int_equal(ran, 3);
    loop_end(loop);
}

/* ---- a second run ---------------------------------------------------------------------------- */

static void *run_beside(void *loop)
{
    for (int mode = EVLOOP_RUN_DEFAULT; mode <= EVLOOP_RUN_NOWAIT; mode++)
        check(evloop_run(loop, (evloop_run_mode)mode) == -EBUSY);
    check(evloop_run_for(loop, 0) == -EBUSY);
    check(!evloop_on_loop_thread(loop));
    return NULL;
}

static void run_twice_more(evloop_task *task)
{
    evloop *loop = evloop_task_loop(task);
    ran++;
    for (int i = 0; i < 2; i++) {
        elsewhere(run_beside, loop);
        assert_true(evloop_on_loop_thread(loop));
        assert_int_equal(evloop_run(loop, EVLOOP_RUN_DEFAULT), -EBUSY);
        assert_int_equal(evloop_run_for(loop, 0), -EBUSY);
        assert_true(evloop_on_loop_thread(loop));
        assert_int_equal(evloop_get_state(loop), EVLOOP_STATE_RUNNING);
    }
}

TEST(concurrent_run_the_second_is_refused_and_the_first_is_not_disturbed)
{
    evloop *loop = sim_loop_new();
    evloop_task task = {0};
    evloop_timer timer = {0};
    ran = 0;
    assert_int_equal(evloop_submit(loop, &task, run_twice_more), 0);
    assert_int_equal(evloop_timer_start(loop, &timer, EVLOOP_MS(1), 0, on_timer), 0);
    loop_run(loop);
    assert_int_equal(ran, 2);
    assert_int_equal(evloop_get_state(loop), EVLOOP_STATE_IDLE);
    loop_run(loop);
    loop_end(loop);
}

/* ---- an error of the wait -------------------------------------------------------------------- */

TEST(poll_error_is_what_the_run_returns_and_nothing_is_lost)
{
    evloop *loop = sim_loop_new();
    evloop_timer timer = {0};
    assert_int_equal(evloop_timer_start(loop, &timer, EVLOOP_MS(1), 0, on_timer), 0);
    ran = 0;
    sim.wait_error = -EIO;
    assert_int_equal(evloop_run(loop, EVLOOP_RUN_DEFAULT), -EIO);
    assert_int_equal(evloop_run(loop, EVLOOP_RUN_NOWAIT), -EIO);
    assert_int_equal(evloop_timer_again(&timer, EVLOOP_MS(1)), 0);
    assert_int_equal(evloop_run(loop, EVLOOP_RUN_ONCE), -EIO);
    assert_int_equal(evloop_timer_again(&timer, EVLOOP_MS(1)), 0);
    assert_int_equal(evloop_run_for(loop, EVLOOP_SEC(1)), -EIO);
    assert_int_equal(evloop_get_state(loop), EVLOOP_STATE_IDLE);
    ran = 0;
    sim.wait_error = 0;
    assert_int_equal(evloop_timer_again(&timer, EVLOOP_MS(1)), 0);
    assert_int_equal(evloop_post(loop, on_function, NULL), 0);
    loop_run(loop);
    assert_int_equal(ran, 2);
    loop_end(loop);
}

/* ---- defect 6 -------------------------------------------------------------------------------- */

TEST(defect_06_null_is_refused_and_what_is_behind_it_runs)
{
    evloop_options options = evloop_options_default();
    options.microtask_capacity = 2;
    evloop *loop = sim_loop_new_with(options);
    evloop_task task = {0};
    ran = 0;
    assert_int_equal(evloop_submit(loop, NULL, on_task), -EINVAL);
    assert_int_equal(evloop_submit(loop, &task, NULL), -EINVAL);
    assert_int_equal(evloop_submit(NULL, &task, on_task), -EINVAL);
    assert_int_equal(evloop_submit_urgent(loop, NULL, on_task), -EINVAL);
    assert_int_equal(evloop_submit_urgent(loop, &task, NULL), -EINVAL);
    assert_int_equal(evloop_post(loop, NULL, NULL), -EINVAL);
    assert_int_equal(evloop_post(NULL, on_function, NULL), -EINVAL);
    assert_int_equal(evloop_microtask(NULL, on_function, NULL), -EINVAL);
    for (int i = 0; i < 5; i++) { /* into the ring, and into the overflow */
        assert_int_equal(evloop_microtask(loop, NULL, NULL), -EINVAL);
        assert_int_equal(evloop_microtask(loop, on_function, NULL), 0);
    }
    assert_int_equal(evloop_submit(loop, &task, on_task), 0);
    assert_int_equal(evloop_post(loop, on_function, NULL), 0);
    loop_run(loop);
    assert_int_equal(ran, 7);
    loop_end(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_ENTRY(lost_wakeup_microtasks_of_its_own_that_a_budget_left_are_not_slept_on),
        TEST_ENTRY(lost_wakeup_microtasks_that_a_budget_left_in_the_ring_are_not_slept_on),
        TEST_ENTRY(lost_wakeup_microtasks_that_a_budget_left_in_the_overflow_are_not_slept_on),
        TEST_ENTRY(lost_wakeup_microtasks_that_a_budget_left_half_taken_are_not_slept_on),
        TEST_ENTRY(lost_wakeup_tasks_that_a_budget_left_are_not_slept_on),
        TEST_ENTRY(lost_wakeup_an_urgent_task_is_not_slept_on),
        TEST_ENTRY(lost_wakeup_a_stop_or_shutdown_is_not_slept_on),
        TEST_ENTRY(sticky_wake_every_way_of_consuming_a_wake_arms_the_next),
        TEST_ENTRY(sticky_wake_each_sleep_is_ended_by_one_wake_however_many_come),
        TEST_ENTRY(sticky_wake_after_a_sleep_that_a_timer_ended_a_post_costs_no_wake),
        TEST_ENTRY(sticky_wake_a_run_that_begins_is_awake_for_all_to_see),
        TEST_ENTRY(sticky_wake_a_post_to_a_loop_that_runs_costs_no_wake),
        TEST_ENTRY(close_a_shutdown_wakes_the_loop_that_sleeps),
        TEST_ENTRY(close_a_stop_wakes_the_loop_that_sleeps),
        TEST_ENTRY(close_a_shutdown_ends_a_run_that_waits_in_the_kernel),
        TEST_ENTRY(waiting_for_oneself_a_loop_can_be_shut_down_inside_any_of_its_callbacks),
        TEST_ENTRY(backlog_of_tasks_lets_the_kernel_be_asked_once_a_turn),
        TEST_ENTRY(backlog_of_tasks_that_post_themselves_lets_the_kernel_be_asked_once_a_turn),
        TEST_ENTRY(backlog_of_microtasks_lets_the_kernel_be_asked),
        TEST_ENTRY(urgent_tasks_are_queued_and_never_run_inside_the_call),
        TEST_ENTRY(urgent_tasks_do_not_overtake_each_other),
        TEST_ENTRY(references_an_unref_before_the_start_takes_nothing_away),
        TEST_ENTRY(references_are_exact_however_often_they_are_taken_and_given),
        TEST_ENTRY(references_the_work_that_is_executed_counts),
        TEST_ENTRY(concurrent_run_the_second_is_refused_and_the_first_is_not_disturbed),
        TEST_ENTRY(poll_error_is_what_the_run_returns_and_nothing_is_lost),
        TEST_ENTRY(defect_06_null_is_refused_and_what_is_behind_it_runs),
    };
    return RUN_TESTS("lineage: loop", tests);
}
