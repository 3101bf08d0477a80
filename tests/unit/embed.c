/*
 * embed.c: an evloop inside somebody else's loop, which knows nothing but poll(2).
 */
#include "support.h"

#include <poll.h>

static int to_ms(uint64_t timeout_ns)
{
    if (timeout_ns == EVLOOP_FOREVER)
        return -1;
    uint64_t ms = timeout_ns / EVLOOP_MS(1) + (timeout_ns % EVLOOP_MS(1) != 0);
    return ms > INT32_MAX ? INT32_MAX : (int)ms;
}

/* The foreign loop. */
static void drive(evloop *loop, const bool *done)
{
    struct pollfd p = {.fd = evloop_backend_fd(loop), .events = POLLIN};
    assert_true(p.fd >= 0);
    while (!*done) {
        int n = poll(&p, 1, to_ms(evloop_next_timeout_ns(loop)));
        assert_true(n >= 0 || errno == EINTR);
        assert_int_equal(evloop_run(loop, EVLOOP_RUN_NOWAIT), 0);
    }
}

static bool polls_readable(evloop *loop)
{
    struct pollfd p = {.fd = evloop_backend_fd(loop), .events = POLLIN};
    int n = poll(&p, 1, 0);
    assert_true(n >= 0);
    return n == 1;
}

/* Whether the foreign loop would come back at once. */
static bool is_told(evloop *loop)
{
    return evloop_next_timeout_ns(loop) == 0 || polls_readable(loop);
}

/* Turns until the loop has nothing to do; asserts that this takes few. */
static void settle(evloop *loop)
{
    for (int i = 0; i < 5; i++)
        loop_turn(loop);
    assert_false(polls_readable(loop));
    assert_true(evloop_next_timeout_ns(loop) == EVLOOP_FOREVER);
}

static int timer_runs;

static void on_timer(evloop_timer *timer)
{
    if (++timer_runs == 10)
        *(bool *)timer->data = true;
}

TEST(timers_fire_inside_a_foreign_loop)
{
    bool done = false;
    evloop *loop = loop_new();
    evloop_timer timer = {.data = &done};
    timer_runs = 0;
    evloop_timer_start(loop, &timer, EVLOOP_US(300), EVLOOP_US(700), on_timer);
    drive(loop, &done);
    assert_int_equal(timer_runs, 10);
    evloop_timer_stop(&timer);
    loop_end(loop);
}

static void on_never(evloop_timer *timer)
{
    (void)timer;
}

static void set_done(void *arg)
{
    *(bool *)arg = true;
}

static void on_task(evloop_task *task)
{
    ++*(int *)task->data;
}

struct outside {
    evloop *loop;
    bool done;
    int runs;
    evloop_task tasks[100];
    int fd;
};

static void *offers_tasks(void *arg)
{
    struct outside *outside = arg;
    for (int i = 0; i < 100; i++) {
        outside->tasks[i].data = &outside->runs;
        burn_ns(EVLOOP_US(20));
        check(evloop_submit(outside->loop, &outside->tasks[i], on_task) == 0);
    }
    check(evloop_post(outside->loop, set_done, &outside->done) == 0);
    return NULL;
}

TEST(tasks_of_other_threads_wake_a_foreign_loop)
{
    static struct outside outside;
    pthread_t thread;
    memset(&outside, 0, sizeof outside);
    outside.loop = loop_new();
    thread_start(&thread, offers_tasks, &outside);
    drive(outside.loop, &outside.done);
    thread_join(thread);
    assert_int_equal(outside.runs, 100);
    loop_end(outside.loop);
}

static void on_watch(evloop_watch *watch, unsigned events)
{
    assert_int_equal(events, EVLOOP_READABLE);
    fd_read_all(evloop_watch_fd(watch));
    if (++timer_runs == 20)
        *(bool *)watch->data = true;
}

static void *writes_bytes(void *arg)
{
    struct outside *outside = arg;
    for (int i = 0; i < 2000 && !__atomic_load_n(&outside->runs, __ATOMIC_SEQ_CST); i++) {
        burn_ns(EVLOOP_US(50));
        check(write(outside->fd, "x", 1) == 1);
    }
    return NULL;
}

TEST(watches_are_told_inside_a_foreign_loop)
{
    static struct outside outside;
    int fds[2];
    pthread_t thread;
    evloop_watch watch = {.data = &outside.done};
    memset(&outside, 0, sizeof outside);
    timer_runs = 0;
    outside.loop = loop_new();
    pipe_open(fds);
    outside.fd = fds[1];
    evloop_watch_start(outside.loop, &watch, fds[0], EVLOOP_READABLE, on_watch);
    thread_start(&thread, writes_bytes, &outside);
    drive(outside.loop, &outside.done);
    __atomic_store_n(&outside.runs, 1, __ATOMIC_SEQ_CST);
    thread_join(thread);
    evloop_watch_stop(&watch);
    loop_end(outside.loop);
    fds_close(fds);
}

static evloop_notify notified;

static void on_notify(evloop_notify *notify)
{
    ++*(int *)notify->data;
}

TEST(work_that_is_offered_after_the_question_makes_the_descriptor_readable)
{
    int runs = 0;
    bool sink = false;
    evloop *loop = loop_new();
    evloop_task task = {.data = &runs};
    memset(&notified, 0, sizeof notified);
    notified.data = &runs;
    evloop_notify_start(loop, &notified, on_notify);
    for (int i = 0; i < 20; i++) {
        settle(loop);
        int err = i % 4 == 0   ? evloop_submit(loop, &task, on_task)
                  : i % 4 == 1 ? evloop_submit_urgent(loop, &task, on_task)
                  : i % 4 == 2 ? evloop_notify_send(&notified)
                               : evloop_post(loop, set_done, &sink);
        assert_int_equal(err, 0);
        assert_true(polls_readable(loop));
    }
    settle(loop);
    assert_true(evloop_next_timeout_ns(loop) == EVLOOP_FOREVER);
    assert_int_equal(evloop_microtask(loop, set_done, &sink), 0);
    assert_true(polls_readable(loop));
    settle(loop);
    evloop_notify_stop(&notified);
    assert_int_equal(runs, 15);
    loop_end(loop);
}

TEST(work_that_was_there_before_the_question_is_told)
{
    int runs = 0, fds[2];
    evloop *loop = loop_new();
    evloop_task task = {.data = &runs};
    evloop_timer timer = {0};
    evloop_watch watch = {0};
    pipe_open(fds);
    fd_write_byte(fds[1]);
    assert_true(evloop_next_timeout_ns(loop) == EVLOOP_FOREVER);
    evloop_submit(loop, &task, on_task);
    assert_true(is_told(loop));
    settle(loop);
    evloop_timer_start(loop, &timer, 0, 0, on_never);
    assert_true(is_told(loop));
    settle(loop);
    evloop_watch_start(loop, &watch, fds[0], EVLOOP_READABLE, on_watch);
    assert_true(is_told(loop));
    evloop_watch_stop(&watch);
    settle(loop);
    loop_end(loop);
    fds_close(fds);
}

TEST(a_change_of_interest_is_told_without_a_turn_in_between)
{
    int fds[2];
    bool done = false;
    evloop *loop = loop_new();
    evloop_watch watch = {.data = &done};
    pair_open(fds);
    fd_write_byte(fds[1]);
    evloop_watch_start(loop, &watch, fds[0], EVLOOP_DISCONNECT, on_watch);
    for (int i = 0; i < 5; i++)
        loop_turn(loop);
    assert_false(is_told(loop));
    evloop_watch_modify(&watch, EVLOOP_READABLE);
    assert_true(is_told(loop));
    evloop_watch_stop(&watch);
    settle(loop);
    loop_end(loop);
    fds_close(fds);
}

TEST(leftovers_beyond_a_budget_are_told)
{
    int runs = 0;
    evloop_options options = evloop_options_default();
    options.task_budget = 2;
    evloop *loop = loop_new_with(options);
    evloop_task tasks[6] = {{0}};
    for (int i = 0; i < 6; i++) {
        tasks[i].data = &runs;
        evloop_submit(loop, &tasks[i], on_task);
    }
    for (int i = 0; i < 3; i++) {
        assert_true(is_told(loop));
        loop_turn(loop);
    }
    assert_int_equal(runs, 6);
    settle(loop);
    loop_end(loop);
}

TEST(the_next_timeout_is_the_next_timers)
{
    evloop *loop = loop_new();
    evloop_timer timer = {0};
    assert_true(evloop_next_timeout_ns(loop) == EVLOOP_FOREVER);
    evloop_timer_start(loop, &timer, EVLOOP_SEC(100), 0, on_never);
    uint64_t timeout = evloop_next_timeout_ns(loop);
    assert_true(timeout > 0 && timeout <= EVLOOP_SEC(100));
    evloop_timer_unref(&timer);
    assert_true(evloop_next_timeout_ns(loop) <= EVLOOP_SEC(100));
    evloop_timer_stop(&timer);
    settle(loop);
    loop_end(loop);
}

static evloop *inner_loop;

static void runs_inner(evloop_watch *watch, unsigned events)
{
    assert_int_equal(events, EVLOOP_READABLE);
    assert_int_equal(evloop_run(inner_loop, EVLOOP_RUN_NOWAIT), 0);
    evloop_watch_stop(watch);
}

TEST(one_loop_can_watch_another)
{
    int runs = 0;
    evloop *outer = loop_new();
    evloop_task task = {.data = &runs};
    evloop_watch watch = {0};
    inner_loop = loop_new();
    settle(inner_loop);
    assert_int_equal(evloop_watch_start(outer, &watch, evloop_backend_fd(inner_loop),
                                        EVLOOP_READABLE, runs_inner),
                     0);
    loop_turn(outer);
    assert_true(evloop_watch_active(&watch));
    assert_true(evloop_next_timeout_ns(inner_loop) == EVLOOP_FOREVER);
    assert_int_equal(evloop_submit(inner_loop, &task, on_task), 0);
    loop_run(outer);
    assert_int_equal(runs, 1);
    loop_end(outer);
    loop_end(inner_loop);
}

static int lost_fds[2];
static unsigned lost_events;

static void on_lost(evloop_watch *watch, unsigned events)
{
    lost_events |= events;
    evloop_watch_stop(watch);
}

/* The kernel refuses the change when the run ends: after the last look at the descriptors. */
static void lose(evloop_hook *hook)
{
    evloop_watch *watch = hook->data;
    assert_int_equal(close(lost_fds[0]), 0);
    lost_fds[0] = -1;
    assert_int_equal(evloop_watch_modify(watch, EVLOOP_READABLE | EVLOOP_DISCONNECT), 0);
    evloop_hook_stop(hook);
}

TEST(an_error_that_is_found_at_the_end_of_a_run_is_told)
{
    evloop *loop = loop_new();
    evloop_watch watch = {0};
    evloop_hook hook = {.data = &watch};
    lost_events = 0;
    pipe_open(lost_fds);
    evloop_watch_start(loop, &watch, lost_fds[0], EVLOOP_READABLE, on_lost);
    evloop_hook_start(loop, &hook, EVLOOP_HOOK_CHECK, lose);
    loop_turn(loop);
    assert_int_equal(lost_events, 0);
    assert_true(evloop_next_timeout_ns(loop) == 0);
    loop_turn(loop);
    assert_int_equal(lost_events, EVLOOP_ERROR);
    settle(loop);
    loop_end(loop);
    fds_close(lost_fds);
}

TEST(the_end_of_a_drain_is_told)
{
    evloop *loop = loop_new();
    evloop_timer timer = {0};
    evloop_timer_start(loop, &timer, EVLOOP_SEC(3600), 0, on_never);
    assert_int_equal(evloop_shutdown(loop, EVLOOP_FOREVER), 0);
    loop_turn(loop);
    assert_int_equal(evloop_get_state(loop), EVLOOP_STATE_DRAINING);
    assert_true(evloop_next_timeout_ns(loop) > 0);
    evloop_timer_stop(&timer); /* the last thing that kept it alive */
    assert_true(evloop_next_timeout_ns(loop) == 0);
    loop_turn(loop);
    assert_int_equal(evloop_get_state(loop), EVLOOP_STATE_CLOSED);
    loop_end(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_ENTRY(timers_fire_inside_a_foreign_loop),
        TEST_ENTRY(tasks_of_other_threads_wake_a_foreign_loop),
        TEST_ENTRY(watches_are_told_inside_a_foreign_loop),
        TEST_ENTRY(work_that_is_offered_after_the_question_makes_the_descriptor_readable),
        TEST_ENTRY(work_that_was_there_before_the_question_is_told),
        TEST_ENTRY(a_change_of_interest_is_told_without_a_turn_in_between),
        TEST_ENTRY(an_error_that_is_found_at_the_end_of_a_run_is_told),
        TEST_ENTRY(the_end_of_a_drain_is_told),
        TEST_ENTRY(leftovers_beyond_a_budget_are_told),
        TEST_ENTRY(the_next_timeout_is_the_next_timers),
        TEST_ENTRY(one_loop_can_watch_another),
    };
    return RUN_TESTS("embed", tests);
}
