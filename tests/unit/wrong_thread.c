/*
 * wrong_thread.c: while a thread runs the loop, loop-thread functions called on another say
 * EVLOOP_ETHREAD, and nothing has happened.
 */
#include "support.h"

#include <stdatomic.h>

struct world {
    evloop *loop;
    struct runner runner;
    evloop_timer timer, spare_timer;
    evloop_watch watch, spare_watch;
    evloop_hook hook, spare_hook;
    evloop_notify notify, spare_notify;
    evloop_task task;
    int fds[2];
    int calls;
};

static void on_timer(evloop_timer *timer)
{
    (void)timer;
    fail_msg("a timer ran that nobody started");
}

static void on_watch(evloop_watch *watch, unsigned events)
{
    (void)events;
    check(evloop_watch_stop(watch) == 0);
    evloop_container_of(watch, struct world, watch)->calls++;
}

static void on_hook(evloop_hook *hook)
{
    (void)hook;
}

static void on_notify(evloop_notify *notify)
{
    evloop_container_of(notify, struct world, notify)->calls++;
}

static void on_task(evloop_task *task)
{
    (void)task;
}

static int on_walk(const evloop_object *object, void *arg)
{
    (void)object;
    (void)arg;
    fail_msg("an object was shown");
    return 0;
}

static struct gate gate = GATE_INIT;

static void open_gate(void *arg)
{
    (void)arg;
    gate_add(&gate);
}

/* Returns when the loop's thread has done all that was offered before. */
static void meet_the_loop(evloop *loop)
{
    gate.count = 0;
    assert_int_equal(evloop_post(loop, open_gate, NULL), 0);
    gate_wait(&gate, 1);
}

static void world_run(struct world *world)
{
    memset(world, 0, sizeof *world);
    world->loop = loop_new();
    pipe_open(world->fds);
    evloop_timer_start(world->loop, &world->timer, EVLOOP_SEC(3600), 0, on_timer);
    evloop_watch_start(world->loop, &world->watch, world->fds[0], EVLOOP_READABLE, on_watch);
    evloop_hook_start(world->loop, &world->hook, EVLOOP_HOOK_CHECK, on_hook);
    evloop_notify_start(world->loop, &world->notify, on_notify);
    runner_start(&world->runner, world->loop);
    meet_the_loop(world->loop);
}

/* Ends the run; asserts that every object is as world_run() left it, and works. */
static void world_end(struct world *world)
{
    meet_the_loop(world->loop);
    fd_write_byte(world->fds[1]);
    assert_int_equal(evloop_notify_send(&world->notify), 0);
    evloop_stop(world->loop);
    assert_int_equal(runner_join(&world->runner), 0);
    while (world->calls < 2)
        assert_int_equal(evloop_run(world->loop, EVLOOP_RUN_ONCE), 0);
    assert_true(evloop_timer_active(&world->timer));
    assert_true(evloop_timer_due_in(&world->timer) > EVLOOP_SEC(3000));
    assert_true(evloop_hook_active(&world->hook));
    assert_true(evloop_notify_active(&world->notify));
    assert_false(evloop_timer_active(&world->spare_timer));
    assert_false(evloop_watch_active(&world->spare_watch));
    assert_false(evloop_hook_active(&world->spare_hook));
    assert_false(evloop_notify_active(&world->spare_notify));
    evloop_timer_stop(&world->timer);
    evloop_hook_stop(&world->hook);
    evloop_notify_stop(&world->notify);
    loop_end(world->loop);
    fds_close(world->fds);
}

TEST(objects_are_not_started_on_another_thread)
{
    struct world w;
    world_run(&w);
    assert_int_equal(evloop_timer_start(w.loop, &w.spare_timer, 0, 0, on_timer), EVLOOP_ETHREAD);
    assert_int_equal(
        evloop_watch_start(w.loop, &w.spare_watch, w.fds[1], EVLOOP_WRITABLE, on_watch),
        EVLOOP_ETHREAD);
    assert_int_equal(evloop_hook_start(w.loop, &w.spare_hook, EVLOOP_HOOK_IDLE, on_hook),
                     EVLOOP_ETHREAD);
    assert_int_equal(evloop_notify_start(w.loop, &w.spare_notify, on_notify), EVLOOP_ETHREAD);
    world_end(&w);
}

TEST(timers_are_not_changed_on_another_thread)
{
    struct world w;
    world_run(&w);
    assert_int_equal(evloop_timer_stop(&w.timer), EVLOOP_ETHREAD);
    assert_int_equal(evloop_timer_again(&w.timer, 0), EVLOOP_ETHREAD);
    assert_int_equal(evloop_timer_set_slack(&w.timer, 1000), EVLOOP_ETHREAD);
    assert_int_equal(evloop_timer_unref(&w.timer), EVLOOP_ETHREAD);
    assert_int_equal(evloop_timer_ref(&w.timer), EVLOOP_ETHREAD);
    world_end(&w);
}

TEST(watches_are_not_changed_on_another_thread)
{
    struct world w;
    world_run(&w);
    assert_int_equal(evloop_watch_stop(&w.watch), EVLOOP_ETHREAD);
    assert_int_equal(evloop_watch_modify(&w.watch, 0), EVLOOP_ETHREAD);
    assert_int_equal(evloop_watch_unref(&w.watch), EVLOOP_ETHREAD);
    assert_int_equal(evloop_watch_ref(&w.watch), EVLOOP_ETHREAD);
    world_end(&w);
}

TEST(hooks_and_notifications_are_not_changed_on_another_thread)
{
    struct world w;
    world_run(&w);
    assert_int_equal(evloop_hook_stop(&w.hook), EVLOOP_ETHREAD);
    assert_int_equal(evloop_hook_unref(&w.hook), EVLOOP_ETHREAD);
    assert_int_equal(evloop_hook_ref(&w.hook), EVLOOP_ETHREAD);
    assert_int_equal(evloop_notify_stop(&w.notify), EVLOOP_ETHREAD);
    assert_int_equal(evloop_notify_unref(&w.notify), EVLOOP_ETHREAD);
    assert_int_equal(evloop_notify_ref(&w.notify), EVLOOP_ETHREAD);
    world_end(&w);
}

TEST(the_loop_is_not_inspected_on_another_thread)
{
    struct world w;
    evloop_metrics metrics = {.size = sizeof metrics, .turns = 4711};
    world_run(&w);
    assert_int_equal(evloop_walk(w.loop, on_walk, NULL), EVLOOP_ETHREAD);
    assert_int_equal(evloop_get_metrics(w.loop, &metrics), EVLOOP_ETHREAD);
    assert_int_equal(metrics.turns, 4711);
    world_end(&w);
}

static struct gate busy = GATE_INIT, done = GATE_INIT;

static void hold_the_loop(void *arg)
{
    (void)arg;
    gate_add(&busy);
    gate_wait(&done, 1);
}

TEST(a_task_is_not_cancelled_on_another_thread)
{
    struct world w;
    busy.count = done.count = 0;
    world_run(&w);
    assert_int_equal(evloop_post(w.loop, hold_the_loop, NULL), 0);
    gate_wait(&busy, 1);
    assert_int_equal(evloop_submit(w.loop, &w.task, on_task), 0);
    assert_int_equal(evloop_task_cancel(&w.task), EVLOOP_ETHREAD);
    gate_add(&done);
    wait_until(!evloop_task_active(&w.task));
    world_end(&w);
}

static void on_beat(evloop_timer *timer)
{
    atomic_fetch_add((atomic_size_t *)timer->data, 1);
}

/* Under ThreadSanitizer this also asserts that the refusal does not race with the loop's thread. */
TEST(a_call_on_another_thread_is_refused_also_while_the_loop_changes_the_object)
{
    atomic_size_t beats = 0;
    struct runner runner;
    evloop *loop = loop_new();
    evloop_timer timer = {.data = &beats};
    evloop_timer_start(loop, &timer, 0, 1, on_beat);
    runner_start(&runner, loop);
    while (atomic_load(&beats) < 1000) {
        assert_int_equal(evloop_timer_stop(&timer), EVLOOP_ETHREAD);
        assert_int_equal(evloop_timer_again(&timer, 0), EVLOOP_ETHREAD);
        assert_int_equal(evloop_timer_unref(&timer), EVLOOP_ETHREAD);
    }
    evloop_stop(loop);
    assert_int_equal(runner_join(&runner), 0);
    assert_true(evloop_timer_active(&timer));
    evloop_timer_stop(&timer);
    loop_end(loop);
}

static void *changes_things(void *arg)
{
    struct world *w = arg;
    check(evloop_timer_stop(&w->timer) == 0);
    check(evloop_timer_start(w->loop, &w->spare_timer, EVLOOP_SEC(3600), 0, on_timer) == 0);
    check(evloop_run(w->loop, EVLOOP_RUN_NOWAIT) == 0);
    return NULL;
}

TEST(any_thread_may_change_things_while_nobody_runs_the_loop)
{
    pthread_t thread;
    struct world w = {.loop = loop_new()};
    evloop_timer_start(w.loop, &w.timer, EVLOOP_SEC(3600), 0, on_timer);
    loop_turn(w.loop);
    thread_start(&thread, changes_things, &w);
    thread_join(thread);
    assert_false(evloop_timer_active(&w.timer));
    assert_int_equal(evloop_timer_stop(&w.spare_timer), 0);
    loop_end(w.loop);
}

static void on_count(void *arg)
{
    ++*(size_t *)arg;
}

/* A look that took the tasks in would disturb the loop's thread, which does the same meanwhile. */
TEST(another_thread_is_not_told_that_the_loop_is_alive_and_disturbs_nothing)
{
    struct world w;
    size_t n = scaled(20000), runs = 0;
    busy.count = done.count = 0;
    world_run(&w);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(evloop_post(w.loop, on_count, &runs), 0);
        assert_false(evloop_alive(w.loop));
    }
    assert_int_equal(evloop_post(w.loop, hold_the_loop, NULL), 0);
    gate_wait(&busy, 1);
    assert_int_equal(runs, n);
    assert_false(evloop_alive(w.loop));
    gate_add(&done);
    world_end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_ENTRY(objects_are_not_started_on_another_thread),
        TEST_ENTRY(timers_are_not_changed_on_another_thread),
        TEST_ENTRY(watches_are_not_changed_on_another_thread),
        TEST_ENTRY(hooks_and_notifications_are_not_changed_on_another_thread),
        TEST_ENTRY(the_loop_is_not_inspected_on_another_thread),
        TEST_ENTRY(another_thread_is_not_told_that_the_loop_is_alive_and_disturbs_nothing),
        TEST_ENTRY(a_task_is_not_cancelled_on_another_thread),
        TEST_ENTRY(a_call_on_another_thread_is_refused_also_while_the_loop_changes_the_object),
        TEST_ENTRY(any_thread_may_change_things_while_nobody_runs_the_loop),
    };
    return RUN_TESTS("wrong_thread", tests);
}
