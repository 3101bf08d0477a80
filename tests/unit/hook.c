/*
 * hook.c: idle, prepare and check hooks: once a turn, in order, and what starting and stopping
 * inside does.
 */
#include "support.h"

static void on_note(evloop_hook *hook)
{
    trace(*(const char *)hook->data);
}

static void on_never(evloop_timer *timer)
{
    (void)timer;
}

static const evloop_hook_kind kinds[] = {EVLOOP_HOOK_IDLE, EVLOOP_HOOK_PREPARE, EVLOOP_HOOK_CHECK};

/* ---- life ------------------------------------------------------------------------------------ */

TEST(a_hook_that_was_never_started_is_inactive)
{
    evloop_hook hook = {0};
    assert_false(evloop_hook_active(&hook));
    assert_null(evloop_hook_loop(&hook));
    assert_int_equal(evloop_hook_stop(&hook), 0);
    assert_false(evloop_hook_active(&hook));
}

TEST(an_active_hook_is_refused_and_left_as_it_was)
{
    char name = 'H';
    evloop *loop = loop_new(), *other = loop_new();
    evloop_hook hook = {.data = &name};
    assert_int_equal(evloop_hook_start(loop, &hook, EVLOOP_HOOK_CHECK, on_note), 0);
    assert_int_equal(evloop_hook_start(loop, &hook, EVLOOP_HOOK_IDLE, on_note), -EBUSY);
    assert_int_equal(evloop_hook_start(other, &hook, EVLOOP_HOOK_CHECK, on_note), -EBUSY);
    assert_true(evloop_hook_active(&hook));
    assert_ptr_equal(evloop_hook_loop(&hook), loop);
    loop_turn(loop);
    assert_trace("H");
    assert_int_equal(evloop_hook_stop(&hook), 0);
    assert_int_equal(evloop_hook_stop(&hook), 0);
    loop_turn(loop);
    assert_trace("");
    loop_end(other);
    loop_end(loop);
}

TEST(a_kind_of_hook_that_does_not_exist_is_refused)
{
    char name = 'H';
    evloop *loop = loop_new();
    evloop_hook hook = {.data = &name};
    assert_int_equal(evloop_hook_start(loop, &hook, (evloop_hook_kind)3, on_note), -EINVAL);
    assert_int_equal(evloop_hook_start(loop, &hook, EVLOOP_HOOK_IDLE, NULL), -EINVAL);
    assert_false(evloop_hook_active(&hook));
    loop_turn(loop);
    assert_trace("");
    loop_end(loop);
}

/* ---- order ----------------------------------------------------------------------------------- */

TEST(hooks_run_once_a_turn_by_kind_and_in_the_order_of_starting)
{
    char names[] = "123456";
    evloop *loop = loop_new();
    evloop_hook hooks[6];
    memset(hooks, 0, sizeof hooks);
    for (int i = 0; i < 6; i++) {
        hooks[i].data = &names[i];
        evloop_hook_start(loop, &hooks[i], kinds[2 - i % 3], on_note);
    }
    loop_turn(loop);
    assert_trace("362514");
    loop_turn(loop);
    assert_trace("362514");
    for (int i = 0; i < 6; i++)
        evloop_hook_stop(&hooks[i]);
    loop_end(loop);
}

/* ---- inside callbacks ------------------------------------------------------------------------ */

static evloop_hook *other_hook;
static evloop_hook_kind other_kind;

static void starts_other(evloop_hook *hook)
{
    on_note(hook);
    if (!evloop_hook_active(other_hook))
        evloop_hook_start(evloop_hook_loop(hook), other_hook, other_kind, on_note);
}

TEST(a_hook_that_is_started_inside_a_hook_of_its_kind_runs_in_the_next_turn)
{
    for (int i = 0; i < 3; i++) {
        char names[] = "AB";
        evloop *loop = loop_new();
        evloop_hook a = {.data = &names[0]}, b = {.data = &names[1]};
        other_hook = &b;
        other_kind = kinds[i];
        evloop_hook_start(loop, &a, kinds[i], starts_other);
        loop_turn(loop);
        assert_trace("A");
        loop_turn(loop);
        assert_trace("AB");
        evloop_hook_stop(&a);
        evloop_hook_stop(&b);
        loop_end(loop);
    }
}

static void stops_other(evloop_hook *hook)
{
    on_note(hook);
    assert_int_equal(evloop_hook_stop(other_hook), 0);
    assert_false(evloop_hook_active(other_hook));
}

TEST(a_hook_can_be_stopped_inside_any_hook_of_its_kind)
{
    const char *first[] = {"ABC", "AC", "AB"}, *next[] = {"BC", "AC", "AB"};
    for (int kind = 0; kind < 3; kind++) {
        for (int out = 0; out < 3; out++) {
            char names[] = "ABC";
            evloop *loop = loop_new();
            evloop_hook hooks[3];
            memset(hooks, 0, sizeof hooks);
            for (int i = 0; i < 3; i++) {
                hooks[i].data = &names[i];
                evloop_hook_start(loop, &hooks[i], kinds[kind], i ? on_note : stops_other);
            }
            other_hook = &hooks[out];
            loop_turn(loop);
            assert_trace(first[out]);
            loop_turn(loop);
            assert_trace(next[out]);
            for (int i = 0; i < 3; i++)
                evloop_hook_stop(&hooks[i]);
            loop_end(loop);
        }
    }
}

TEST(a_hook_that_already_ran_can_be_stopped_by_a_later_one)
{
    char names[] = "ABC";
    evloop *loop = loop_new();
    evloop_hook a = {.data = &names[0]}, b = {.data = &names[1]}, c = {.data = &names[2]};
    other_hook = &a;
    evloop_hook_start(loop, &a, EVLOOP_HOOK_PREPARE, on_note);
    evloop_hook_start(loop, &b, EVLOOP_HOOK_PREPARE, stops_other);
    evloop_hook_start(loop, &c, EVLOOP_HOOK_PREPARE, on_note);
    loop_turn(loop);
    assert_trace("ABC");
    loop_turn(loop);
    assert_trace("BC");
    evloop_hook_stop(&b);
    evloop_hook_stop(&c);
    loop_end(loop);
}

static void restarts_other(evloop_hook *hook)
{
    on_note(hook);
    evloop_hook_stop(other_hook);
    evloop_hook_start(evloop_hook_loop(hook), other_hook, other_kind, on_note);
}

TEST(a_hook_that_is_restarted_inside_a_hook_of_its_kind_waits_for_the_next_turn)
{
    char names[] = "ABC";
    evloop *loop = loop_new();
    evloop_hook a = {.data = &names[0]}, b = {.data = &names[1]}, c = {.data = &names[2]};
    other_hook = &b;
    other_kind = EVLOOP_HOOK_CHECK;
    evloop_hook_start(loop, &a, EVLOOP_HOOK_CHECK, restarts_other);
    evloop_hook_start(loop, &b, EVLOOP_HOOK_CHECK, on_note);
    evloop_hook_start(loop, &c, EVLOOP_HOOK_CHECK, on_note);
    loop_turn(loop);
    assert_trace("AC");
    evloop_hook_stop(&a);
    loop_turn(loop);
    assert_trace("CB");
    evloop_hook_stop(&b);
    evloop_hook_stop(&c);
    loop_end(loop);
}

static void stops_and_frees_itself(evloop_hook *hook)
{
    trace('f');
    assert_int_equal(evloop_hook_stop(hook), 0);
    free(hook);
}

TEST(a_hook_can_be_stopped_and_freed_in_its_own_callback)
{
    evloop *loop = loop_new();
    for (int i = 0; i < 3; i++) {
        evloop_hook *hook = calloc(1, sizeof *hook);
        evloop_hook_start(loop, hook, kinds[i], stops_and_frees_itself);
    }
    loop_turn(loop);
    assert_trace("fff");
    assert_false(evloop_alive(loop));
    loop_end(loop);
}

static void frees_other(evloop_hook *hook)
{
    on_note(hook);
    if (other_hook) {
        evloop_hook_stop(other_hook);
        free(other_hook);
        other_hook = NULL;
    }
}

TEST(the_hook_that_is_next_can_be_stopped_and_freed)
{
    char names[] = "AXC";
    evloop *loop = loop_new();
    evloop_hook a = {.data = &names[0]}, c = {.data = &names[2]};
    other_hook = calloc(1, sizeof *other_hook);
    other_hook->data = &names[1];
    evloop_hook_start(loop, &a, EVLOOP_HOOK_IDLE, frees_other);
    evloop_hook_start(loop, other_hook, EVLOOP_HOOK_IDLE, on_note);
    evloop_hook_start(loop, &c, EVLOOP_HOOK_IDLE, on_note);
    loop_turn(loop);
    assert_trace("AC");
    evloop_hook_stop(&a);
    evloop_hook_stop(&c);
    loop_end(loop);
}

/* ---- sleep ----------------------------------------------------------------------------------- */

static int idle_calls;

static void count_to_ten(evloop_hook *hook)
{
    if (++idle_calls == 10)
        evloop_hook_stop(hook);
}

TEST(a_loop_with_an_idle_hook_does_not_sleep)
{
    evloop *loop = loop_new();
    evloop_hook hook = {0};
    idle_calls = 0;
    evloop_hook_start(loop, &hook, EVLOOP_HOOK_IDLE, count_to_ten);
    assert_true(evloop_next_timeout_ns(loop) == 0);
    loop_run(loop);
    assert_int_equal(idle_calls, 10);
    evloop_metrics metrics = loop_metrics(loop);
    assert_int_equal(metrics.sleeps, 0);
    assert_int_equal(metrics.turns, 10);
    loop_end(loop);
}

static void on_due(evloop_timer *timer)
{
    ++*(int *)timer->data;
    evloop_stop(evloop_timer_loop(timer));
}

TEST(a_loop_with_an_unreferenced_idle_hook_sleeps)
{
    int due = 0;
    char name = 'i';
    evloop *loop = loop_new();
    evloop_hook hook = {.data = &name};
    evloop_timer timer = {.data = &due};
    evloop_hook_start(loop, &hook, EVLOOP_HOOK_IDLE, on_note);
    assert_int_equal(evloop_hook_unref(&hook), 0);
    evloop_timer_start(loop, &timer, EVLOOP_MS(20), 0, on_due);
    loop_run(loop);
    assert_int_equal(due, 1);
    assert_true(loop_metrics(loop).sleeps > 0);
    assert_true(strlen(trace_text()) < 20);
    evloop_hook_stop(&hook);
    loop_end(loop);
}

TEST(prepare_and_check_hooks_let_the_loop_sleep)
{
    int due = 0;
    char names[] = "pc";
    evloop *loop = loop_new();
    evloop_hook prepare = {.data = &names[0]}, after = {.data = &names[1]};
    evloop_timer timer = {.data = &due};
    evloop_hook_start(loop, &prepare, EVLOOP_HOOK_PREPARE, on_note);
    evloop_hook_start(loop, &after, EVLOOP_HOOK_CHECK, on_note);
    assert_true(evloop_next_timeout_ns(loop) == EVLOOP_FOREVER);
    evloop_timer_start(loop, &timer, EVLOOP_MS(20), 0, on_due);
    loop_run(loop);
    assert_int_equal(due, 1);
    assert_true(loop_metrics(loop).sleeps > 0);
    assert_true(strlen(trace_text()) < 40);
    evloop_hook_stop(&prepare);
    evloop_hook_stop(&after);
    loop_end(loop);
}

static void stops_loop(evloop_task *task)
{
    trace('t');
    evloop_stop(evloop_task_loop(task));
}

static void offers_task(evloop_hook *hook)
{
    evloop_task *task = hook->data;
    if (!evloop_task_loop(task))
        assert_int_equal(evloop_submit(evloop_hook_loop(hook), task, stops_loop), 0);
}

TEST(a_task_that_is_offered_in_a_prepare_hook_is_not_slept_over)
{
    evloop *loop = loop_new();
    evloop_task task = {0};
    evloop_hook hook = {.data = &task};
    evloop_timer timer = {0};
    evloop_timer_start(loop, &timer, EVLOOP_SEC(3600), 0, on_never);
    evloop_hook_start(loop, &hook, EVLOOP_HOOK_PREPARE, offers_task);
    loop_run(loop);
    assert_trace("t");
    evloop_hook_stop(&hook);
    evloop_timer_stop(&timer);
    loop_end(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        /* First: each ring that was closed before may interrupt one of their waits. */
        TEST_ENTRY(a_loop_with_an_unreferenced_idle_hook_sleeps),
        TEST_ENTRY(prepare_and_check_hooks_let_the_loop_sleep),
        TEST_ENTRY(a_hook_that_was_never_started_is_inactive),
        TEST_ENTRY(an_active_hook_is_refused_and_left_as_it_was),
        TEST_ENTRY(a_kind_of_hook_that_does_not_exist_is_refused),
        TEST_ENTRY(hooks_run_once_a_turn_by_kind_and_in_the_order_of_starting),
        TEST_ENTRY(a_hook_that_is_started_inside_a_hook_of_its_kind_runs_in_the_next_turn),
        TEST_ENTRY(a_hook_can_be_stopped_inside_any_hook_of_its_kind),
        TEST_ENTRY(a_hook_that_already_ran_can_be_stopped_by_a_later_one),
        TEST_ENTRY(a_hook_that_is_restarted_inside_a_hook_of_its_kind_waits_for_the_next_turn),
        TEST_ENTRY(a_hook_can_be_stopped_and_freed_in_its_own_callback),
        TEST_ENTRY(the_hook_that_is_next_can_be_stopped_and_freed),
        TEST_ENTRY(a_loop_with_an_idle_hook_does_not_sleep),
        TEST_ENTRY(a_task_that_is_offered_in_a_prepare_hook_is_not_slept_over),
    };
    return RUN_TESTS("hook", tests);
}
