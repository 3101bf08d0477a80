/*
 * arguments.c: a NULL is refused by every function, and harms none.
 */
#include "support.h"

static void on_timer(evloop_timer *timer)
{
    (void)timer;
}

static void on_task(evloop_task *task)
{
    (void)task;
}

static void on_watch(evloop_watch *watch, unsigned events)
{
    (void)watch;
    (void)events;
}

static void on_hook(evloop_hook *hook)
{
    (void)hook;
}

static void on_notify(evloop_notify *notify)
{
    (void)notify;
}

static void on_nothing(void *arg)
{
    (void)arg;
}

static int on_walk(const evloop_object *object, void *arg)
{
    (void)object;
    (void)arg;
    return 0;
}

TEST(functions_of_the_loop_refuse_no_loop)
{
    evloop_metrics metrics = {.size = sizeof metrics};
    assert_int_equal(evloop_destroy(NULL, 0), -EINVAL);
    assert_int_equal(evloop_run(NULL, EVLOOP_RUN_DEFAULT), -EINVAL);
    assert_int_equal(evloop_run_for(NULL, 0), -EINVAL);
    assert_int_equal(evloop_stop(NULL), -EINVAL);
    assert_int_equal(evloop_shutdown(NULL, 0), -EINVAL);
    assert_int_equal(evloop_backend_fd(NULL), -EINVAL);
    assert_int_equal(evloop_walk(NULL, on_walk, NULL), -EINVAL);
    assert_int_equal(evloop_after_fork(NULL), -EINVAL);
    assert_int_equal(evloop_get_metrics(NULL, &metrics), -EINVAL);
    assert_int_equal(evloop_get_state(NULL), EVLOOP_STATE_CLOSED);
    assert_false(evloop_alive(NULL));
    assert_false(evloop_on_loop_thread(NULL));
    assert_true(evloop_update(NULL) == 0);
    assert_true(evloop_next_timeout_ns(NULL) == 0);
    assert_string_equal(evloop_backend_name(NULL), "");
    assert_string_equal(evloop_backend_reason(NULL), "");
}

TEST(functions_that_fill_or_call_something_refuse_nothing)
{
    evloop *loop = loop_new();
    assert_int_equal(evloop_walk(loop, NULL, NULL), -EINVAL);
    assert_int_equal(evloop_get_metrics(loop, NULL), -EINVAL);
    loop_end(loop);
}

TEST(offers_refuse_null)
{
    evloop *loop = loop_new();
    evloop_task task = {0};
    assert_int_equal(evloop_submit(NULL, &task, on_task), -EINVAL);
    assert_int_equal(evloop_submit(loop, NULL, on_task), -EINVAL);
    assert_int_equal(evloop_submit(loop, &task, NULL), -EINVAL);
    assert_int_equal(evloop_submit_urgent(NULL, &task, on_task), -EINVAL);
    assert_int_equal(evloop_submit_urgent(loop, NULL, on_task), -EINVAL);
    assert_int_equal(evloop_submit_urgent(loop, &task, NULL), -EINVAL);
    assert_int_equal(evloop_post(NULL, on_nothing, loop), -EINVAL);
    assert_int_equal(evloop_post(loop, NULL, loop), -EINVAL);
    assert_int_equal(evloop_microtask(NULL, on_nothing, loop), -EINVAL);
    assert_int_equal(evloop_microtask(loop, NULL, loop), -EINVAL);
    assert_false(evloop_alive(loop));
    loop_turn(loop);
    assert_int_equal(loop_metrics(loop).tasks_accepted, 0);
    loop_end(loop);
}

TEST(functions_of_tasks_refuse_no_task)
{
    assert_int_equal(evloop_task_cancel(NULL), -EINVAL);
    assert_int_equal(evloop_task_unref(NULL), -EINVAL);
    assert_int_equal(evloop_task_ref(NULL), -EINVAL);
    assert_false(evloop_task_active(NULL));
    assert_null(evloop_task_loop(NULL));
}

TEST(functions_of_notifications_refuse_null)
{
    evloop *loop = loop_new();
    evloop_notify notify = {0};
    assert_int_equal(evloop_notify_start(NULL, &notify, on_notify), -EINVAL);
    assert_int_equal(evloop_notify_start(loop, NULL, on_notify), -EINVAL);
    assert_int_equal(evloop_notify_start(loop, &notify, NULL), -EINVAL);
    assert_int_equal(evloop_notify_send(NULL), -EINVAL);
    assert_int_equal(evloop_notify_stop(NULL), -EINVAL);
    assert_int_equal(evloop_notify_unref(NULL), -EINVAL);
    assert_int_equal(evloop_notify_ref(NULL), -EINVAL);
    assert_false(evloop_notify_active(NULL));
    assert_null(evloop_notify_loop(NULL));
    assert_false(evloop_alive(loop));
    loop_end(loop);
}

TEST(functions_of_timers_refuse_null)
{
    evloop *loop = loop_new();
    evloop_timer timer = {0};
    assert_int_equal(evloop_timer_start(NULL, &timer, 0, 0, on_timer), -EINVAL);
    assert_int_equal(evloop_timer_start(loop, NULL, 0, 0, on_timer), -EINVAL);
    assert_int_equal(evloop_timer_start(loop, &timer, 0, 0, NULL), -EINVAL);
    assert_int_equal(evloop_timer_again(NULL, 0), -EINVAL);
    assert_int_equal(evloop_timer_stop(NULL), -EINVAL);
    assert_int_equal(evloop_timer_set_slack(NULL, 0), -EINVAL);
    assert_int_equal(evloop_timer_unref(NULL), -EINVAL);
    assert_int_equal(evloop_timer_ref(NULL), -EINVAL);
    assert_true(evloop_timer_due_in(NULL) == EVLOOP_FOREVER);
    assert_int_equal(evloop_timer_missed(NULL), 0);
    assert_false(evloop_timer_active(NULL));
    assert_null(evloop_timer_loop(NULL));
    assert_false(evloop_alive(loop));
    loop_end(loop);
}

TEST(functions_of_hooks_refuse_null)
{
    evloop *loop = loop_new();
    evloop_hook hook = {0};
    assert_int_equal(evloop_hook_start(NULL, &hook, EVLOOP_HOOK_IDLE, on_hook), -EINVAL);
    assert_int_equal(evloop_hook_start(loop, NULL, EVLOOP_HOOK_IDLE, on_hook), -EINVAL);
    assert_int_equal(evloop_hook_start(loop, &hook, EVLOOP_HOOK_IDLE, NULL), -EINVAL);
    assert_int_equal(evloop_hook_stop(NULL), -EINVAL);
    assert_int_equal(evloop_hook_unref(NULL), -EINVAL);
    assert_int_equal(evloop_hook_ref(NULL), -EINVAL);
    assert_false(evloop_hook_active(NULL));
    assert_null(evloop_hook_loop(NULL));
    assert_false(evloop_alive(loop));
    loop_end(loop);
}

TEST(functions_of_watches_refuse_null)
{
    int fds[2];
    evloop *loop = loop_new();
    evloop_watch watch = {0};
    pipe_open(fds);
    assert_int_equal(evloop_watch_start(NULL, &watch, fds[0], EVLOOP_READABLE, on_watch), -EINVAL);
    assert_int_equal(evloop_watch_start(loop, NULL, fds[0], EVLOOP_READABLE, on_watch), -EINVAL);
    assert_int_equal(evloop_watch_start(loop, &watch, fds[0], EVLOOP_READABLE, NULL), -EINVAL);
    assert_int_equal(evloop_watch_modify(NULL, EVLOOP_READABLE), -EINVAL);
    assert_int_equal(evloop_watch_stop(NULL), -EINVAL);
    assert_int_equal(evloop_watch_unref(NULL), -EINVAL);
    assert_int_equal(evloop_watch_ref(NULL), -EINVAL);
    assert_int_equal(evloop_watch_fd(NULL), -1);
    assert_int_equal(evloop_watch_events(NULL), 0);
    assert_false(evloop_watch_active(NULL));
    assert_null(evloop_watch_loop(NULL));
    assert_false(evloop_alive(loop));
    loop_end(loop);
    fds_close(fds);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_ENTRY(functions_of_the_loop_refuse_no_loop),
        TEST_ENTRY(functions_that_fill_or_call_something_refuse_nothing),
        TEST_ENTRY(offers_refuse_null),
        TEST_ENTRY(functions_of_tasks_refuse_no_task),
        TEST_ENTRY(functions_of_notifications_refuse_null),
        TEST_ENTRY(functions_of_timers_refuse_null),
        TEST_ENTRY(functions_of_hooks_refuse_null),
        TEST_ENTRY(functions_of_watches_refuse_null),
    };
    return RUN_TESTS("arguments", tests);
}
