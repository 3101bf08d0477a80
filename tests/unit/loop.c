/*
 * loop.c: what a loop tells about itself: alive, state, clock, objects, metrics, version.
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

/* ---- alive ----------------------------------------------------------------------------------- */

TEST(an_active_object_keeps_the_loop_alive_while_it_is_referenced)
{
    int fds[2];
    evloop *loop = loop_new();
    evloop_timer timer = {0};
    evloop_watch watch = {0};
    evloop_hook hook = {0};
    evloop_notify notify = {0};
    pipe_open(fds);
    assert_false(evloop_alive(loop));

    evloop_timer_start(loop, &timer, EVLOOP_SEC(60), 0, on_timer);
    assert_true(evloop_alive(loop));
    assert_int_equal(evloop_timer_unref(&timer), 0);
    assert_false(evloop_alive(loop));
    assert_int_equal(evloop_timer_ref(&timer), 0);
    assert_true(evloop_alive(loop));
    evloop_timer_stop(&timer);
    assert_false(evloop_alive(loop));

    evloop_watch_start(loop, &watch, fds[0], EVLOOP_READABLE, on_watch);
    assert_true(evloop_alive(loop));
    assert_int_equal(evloop_watch_unref(&watch), 0);
    assert_false(evloop_alive(loop));
    assert_int_equal(evloop_watch_ref(&watch), 0);
    assert_true(evloop_alive(loop));
    evloop_watch_stop(&watch);
    assert_false(evloop_alive(loop));

    evloop_hook_start(loop, &hook, EVLOOP_HOOK_PREPARE, on_hook);
    assert_true(evloop_alive(loop));
    assert_int_equal(evloop_hook_unref(&hook), 0);
    assert_false(evloop_alive(loop));
    assert_int_equal(evloop_hook_ref(&hook), 0);
    assert_true(evloop_alive(loop));
    evloop_hook_stop(&hook);
    assert_false(evloop_alive(loop));

    evloop_notify_start(loop, &notify, on_notify);
    assert_true(evloop_alive(loop));
    assert_int_equal(evloop_notify_unref(&notify), 0);
    assert_false(evloop_alive(loop));
    assert_int_equal(evloop_notify_ref(&notify), 0);
    assert_true(evloop_alive(loop));
    evloop_notify_stop(&notify);
    assert_false(evloop_alive(loop));
    loop_end(loop);
    fds_close(fds);
}

TEST(references_do_not_add_up)
{
    evloop *loop = loop_new();
    evloop_timer timer = {0}, other = {0};
    evloop_timer_start(loop, &timer, EVLOOP_SEC(60), 0, on_timer);
    evloop_timer_start(loop, &other, EVLOOP_SEC(60), 0, on_timer);
    evloop_timer_unref(&timer);
    evloop_timer_unref(&timer);
    assert_true(evloop_alive(loop));
    evloop_timer_stop(&timer);
    assert_true(evloop_alive(loop));
    evloop_timer_ref(&other);
    evloop_timer_ref(&other);
    evloop_timer_unref(&other);
    assert_false(evloop_alive(loop));
    evloop_timer_ref(&other);
    assert_true(evloop_alive(loop));
    evloop_timer_stop(&other);
    assert_false(evloop_alive(loop));
    loop_end(loop);
}

TEST(stopping_what_was_unreferenced_does_not_take_a_reference_of_another)
{
    int fds[2];
    evloop *loop = loop_new();
    evloop_watch watch = {0};
    evloop_hook hook = {0};
    evloop_notify notify = {0};
    evloop_timer keeper = {0};
    pipe_open(fds);
    evloop_timer_start(loop, &keeper, EVLOOP_SEC(60), 0, on_timer);
    evloop_watch_start(loop, &watch, fds[0], EVLOOP_READABLE, on_watch);
    evloop_hook_start(loop, &hook, EVLOOP_HOOK_PREPARE, on_hook);
    evloop_notify_start(loop, &notify, on_notify);
    evloop_watch_unref(&watch);
    evloop_hook_unref(&hook);
    evloop_notify_unref(&notify);
    evloop_watch_stop(&watch);
    evloop_hook_stop(&hook);
    evloop_notify_stop(&notify);
    assert_true(evloop_alive(loop));
    evloop_watch_stop(&watch);
    evloop_hook_stop(&hook);
    evloop_notify_stop(&notify);
    assert_true(evloop_alive(loop));
    evloop_timer_stop(&keeper);
    evloop_timer_stop(&keeper);
    assert_false(evloop_alive(loop));
    loop_end(loop);
    fds_close(fds);
}

TEST(accepted_work_keeps_the_loop_alive)
{
    evloop *loop = loop_new();
    evloop_task task = {0};
    evloop_submit(loop, &task, on_task);
    assert_true(evloop_alive(loop));
    loop_run(loop);
    assert_false(evloop_alive(loop));
    evloop_submit_urgent(loop, &task, on_task);
    assert_true(evloop_alive(loop));
    loop_run(loop);
    assert_false(evloop_alive(loop));
    evloop_post(loop, on_nothing, NULL);
    assert_true(evloop_alive(loop));
    loop_run(loop);
    assert_false(evloop_alive(loop));
    evloop_microtask(loop, on_nothing, NULL);
    assert_true(evloop_alive(loop));
    loop_run(loop);
    assert_false(evloop_alive(loop));
    loop_end(loop);
}

TEST(a_cancelled_task_does_not_keep_the_loop_alive)
{
    evloop *loop = loop_new();
    evloop_task task = {0};
    evloop_submit(loop, &task, on_task);
    assert_int_equal(evloop_task_cancel(&task), 0);
    assert_false(evloop_alive(loop));
    loop_end(loop);
}

static int seen_alive;

static void task_sees_alive(evloop_task *task)
{
    seen_alive += evloop_alive(evloop_task_loop(task));
}

static void fn_sees_alive(void *loop)
{
    seen_alive += evloop_alive(loop);
}

TEST(the_work_that_is_being_executed_counts_as_alive)
{
    evloop *loop = loop_new();
    evloop_task task = {0};
    seen_alive = 0;
    evloop_submit(loop, &task, task_sees_alive);
    loop_run(loop);
    assert_int_equal(seen_alive, 1);
    evloop_submit_urgent(loop, &task, task_sees_alive);
    loop_run(loop);
    assert_int_equal(seen_alive, 2);
    evloop_post(loop, fn_sees_alive, loop);
    loop_run(loop);
    assert_int_equal(seen_alive, 3);
    evloop_microtask(loop, fn_sees_alive, loop);
    loop_run(loop);
    assert_int_equal(seen_alive, 4);
    assert_false(evloop_alive(loop));
    loop_end(loop);
}

/* ---- state ----------------------------------------------------------------------------------- */

static evloop_state seen_state;
static bool seen_on_thread;

static void see_state(evloop_task *task)
{
    seen_state = evloop_get_state(evloop_task_loop(task));
    seen_on_thread = evloop_on_loop_thread(evloop_task_loop(task));
}

TEST(a_loop_is_idle_then_running_then_idle)
{
    evloop *loop = loop_new();
    evloop_task task = {0};
    assert_int_equal(evloop_get_state(loop), EVLOOP_STATE_IDLE);
    assert_false(evloop_on_loop_thread(loop));
    evloop_submit(loop, &task, see_state);
    loop_run(loop);
    assert_int_equal(seen_state, EVLOOP_STATE_RUNNING);
    assert_true(seen_on_thread);
    assert_int_equal(evloop_get_state(loop), EVLOOP_STATE_IDLE);
    assert_false(evloop_on_loop_thread(loop));
    loop_end(loop);
}

TEST(a_loop_that_waits_is_seen_to_sleep)
{
    struct runner runner;
    evloop *loop = loop_new();
    evloop_timer timer = {0};
    evloop_timer_start(loop, &timer, EVLOOP_SEC(3600), 0, on_timer);
    runner_start(&runner, loop);
    wait_until(evloop_get_state(loop) == EVLOOP_STATE_SLEEPING);
    assert_false(evloop_on_loop_thread(loop));
    evloop_stop(loop);
    assert_int_equal(runner_join(&runner), 0);
    assert_int_equal(evloop_get_state(loop), EVLOOP_STATE_IDLE);
    evloop_timer_stop(&timer);
    loop_end(loop);
}

TEST(a_loop_that_shuts_down_is_draining_then_closed)
{
    evloop *loop = loop_new();
    evloop_task task = {0};
    evloop_submit(loop, &task, see_state);
    assert_int_equal(evloop_shutdown(loop, 0), 0);
    loop_run(loop);
    assert_int_equal(seen_state, EVLOOP_STATE_DRAINING);
    assert_int_equal(evloop_get_state(loop), EVLOOP_STATE_CLOSED);
    loop_end(loop);
}

/* ---- the clock ------------------------------------------------------------------------------- */

TEST(update_reads_the_clock_and_now_repeats_it)
{
    evloop *loop = loop_new();
    uint64_t last = evloop_update(loop);
    assert_true(last > 0);
    for (int i = 0; i < 100; i++) {
        assert_true(evloop_now(loop) == last);
        burn_ns(EVLOOP_US(20));
        assert_true(evloop_now(loop) == last);
        uint64_t next = evloop_update(loop);
        assert_true(next >= last + EVLOOP_US(20));
        last = next;
    }
    loop_end(loop);
}

static uint64_t seen_now;

static void see_now(evloop_task *task)
{
    seen_now = evloop_now(evloop_task_loop(task));
}

TEST(the_clock_is_read_at_the_start_of_a_turn)
{
    evloop *loop = loop_new();
    evloop_task task = {0};
    uint64_t before = evloop_update(loop);
    burn_ns(EVLOOP_MS(1));
    evloop_submit(loop, &task, see_now);
    loop_turn(loop);
    assert_true(seen_now >= before + EVLOOP_MS(1));
    loop_end(loop);
}

static void see_now_in_timer(evloop_timer *timer)
{
    seen_now = evloop_now(evloop_timer_loop(timer));
}

TEST(the_clock_is_read_after_a_sleep)
{
    evloop *loop = loop_new();
    evloop_timer timer = {0};
    uint64_t before = evloop_update(loop);
    evloop_timer_start(loop, &timer, EVLOOP_MS(3), 0, see_now_in_timer);
    loop_run(loop);
    assert_true(seen_now >= before + EVLOOP_MS(3));
    loop_end(loop);
}

/* ---- walk ------------------------------------------------------------------------------------ */

struct walk {
    int calls;
    int by_type[5];
    evloop_object seen[16];
    int stop_at;
};

static int collect(const evloop_object *object, void *arg)
{
    struct walk *walk = arg;
    assert_true(walk->calls < 16);
    walk->seen[walk->calls++] = *object;
    walk->by_type[object->type]++;
    return walk->calls == walk->stop_at ? 77 : 0;
}

static const evloop_object *walk_find(const struct walk *walk, const void *object)
{
    for (int i = 0; i < walk->calls; i++)
        if (walk->seen[i].object == object)
            return &walk->seen[i];
    fail_msg("an active object is not shown");
    return NULL;
}

struct objects {
    int fds[2];
    evloop_timer timer;
    evloop_watch watch;
    evloop_hook hook;
    evloop_notify notify;
    evloop_task task;
};

static const evloop_task_info task_info = {.name = "errand"};

static void objects_start(struct objects *objects, evloop *loop)
{
    memset(objects, 0, sizeof *objects);
    pipe_open(objects->fds);
    objects->timer.name = "tick";
    objects->watch.name = "pipe";
    objects->hook.name = "checker";
    objects->task.info = &task_info;
    evloop_timer_start(loop, &objects->timer, EVLOOP_SEC(60), 0, on_timer);
    evloop_watch_start(loop, &objects->watch, objects->fds[0], EVLOOP_READABLE, on_watch);
    evloop_hook_start(loop, &objects->hook, EVLOOP_HOOK_CHECK, on_hook);
    evloop_notify_start(loop, &objects->notify, on_notify);
    evloop_submit(loop, &objects->task, on_task);
}

TEST(a_walk_shows_every_active_object_once)
{
    struct objects objects;
    struct walk walk = {0};
    evloop *loop = loop_new();
    objects_start(&objects, loop);
    evloop_timer_unref(&objects.timer);
    assert_int_equal(evloop_walk(loop, collect, &walk), 0);
    assert_int_equal(walk.calls, 5);
    for (int type = 0; type < 5; type++)
        assert_int_equal(walk.by_type[type], 1);
    assert_int_equal(walk_find(&walk, &objects.timer)->type, EVLOOP_TYPE_TIMER);
    assert_string_equal(walk_find(&walk, &objects.timer)->name, "tick");
    assert_false(walk_find(&walk, &objects.timer)->ref);
    assert_int_equal(walk_find(&walk, &objects.watch)->type, EVLOOP_TYPE_WATCH);
    assert_string_equal(walk_find(&walk, &objects.watch)->name, "pipe");
    assert_true(walk_find(&walk, &objects.watch)->ref);
    assert_int_equal(walk_find(&walk, &objects.hook)->type, EVLOOP_TYPE_HOOK);
    assert_string_equal(walk_find(&walk, &objects.hook)->name, "checker");
    assert_int_equal(walk_find(&walk, &objects.notify)->type, EVLOOP_TYPE_NOTIFY);
    assert_string_equal(walk_find(&walk, &objects.notify)->name, "");
    assert_int_equal(walk_find(&walk, &objects.task)->type, EVLOOP_TYPE_TASK);
    assert_string_equal(walk_find(&walk, &objects.task)->name, "errand");
    evloop_destroy(loop, EVLOOP_DESTROY_FORCE);
    fds_close(objects.fds);
}

TEST(a_walk_shows_nothing_that_is_not_active)
{
    struct objects objects;
    struct walk walk = {0};
    evloop *loop = loop_new();
    assert_int_equal(evloop_walk(loop, collect, &walk), 0);
    objects_start(&objects, loop);
    evloop_timer_stop(&objects.timer);
    evloop_watch_stop(&objects.watch);
    evloop_hook_stop(&objects.hook);
    evloop_notify_stop(&objects.notify);
    evloop_task_cancel(&objects.task);
    assert_int_equal(evloop_walk(loop, collect, &walk), 0);
    assert_int_equal(walk.calls, 0);
    loop_end(loop);
    fds_close(objects.fds);
}

TEST(a_walk_ends_when_its_function_says_so)
{
    struct objects objects;
    evloop *loop = loop_new();
    objects_start(&objects, loop);
    for (int n = 1; n <= 5; n++) {
        struct walk walk = {.stop_at = n};
        assert_int_equal(evloop_walk(loop, collect, &walk), 77);
        assert_int_equal(walk.calls, n);
    }
    evloop_destroy(loop, EVLOOP_DESTROY_FORCE);
    fds_close(objects.fds);
}

static int stop_shown(const evloop_object *object, void *arg)
{
    ++*(int *)arg;
    switch (object->type) {
    case EVLOOP_TYPE_TASK:
        return evloop_task_cancel(object->object);
    case EVLOOP_TYPE_NOTIFY:
        return evloop_notify_stop(object->object);
    case EVLOOP_TYPE_TIMER:
        return evloop_timer_stop(object->object);
    case EVLOOP_TYPE_HOOK:
        return evloop_hook_stop(object->object);
    case EVLOOP_TYPE_WATCH:
        return evloop_watch_stop(object->object);
    case EVLOOP_TYPE_STREAM:
        return evloop_stream_close(object->object, NULL);
    case EVLOOP_TYPE_LISTENER:
        return evloop_listener_close(object->object, NULL);
    case EVLOOP_TYPE_DGRAM:
        break;
    }
    return -1;
}

TEST(a_walk_may_stop_each_object_that_it_is_shown)
{
    struct objects objects;
    int shown = 0;
    evloop *loop = loop_new();
    evloop_timer more[20] = {{0}};
    evloop_task tasks[5] = {{0}};
    objects_start(&objects, loop);
    for (unsigned i = 0; i < 20; i++)
        evloop_timer_start(loop, &more[i], EVLOOP_MS(i * i * i * 100), 0, on_timer);
    for (int i = 0; i < 5; i++)
        evloop_submit(loop, &tasks[i], on_task);
    assert_int_equal(evloop_walk(loop, stop_shown, &shown), 0);
    assert_int_equal(shown, 30);
    assert_false(evloop_alive(loop));
    loop_end(loop);
    fds_close(objects.fds);
}

static void walk_in_callback(evloop_task *task)
{
    struct walk walk = {0};
    assert_int_equal(evloop_walk(evloop_task_loop(task), collect, &walk), 0);
    assert_int_equal(walk.calls, 1);
    assert_int_equal(walk.by_type[EVLOOP_TYPE_TIMER], 1);
}

TEST(a_walk_from_a_callback_does_not_show_the_task_that_runs)
{
    evloop *loop = loop_new();
    evloop_timer timer = {0};
    evloop_task task = {0};
    evloop_timer_start(loop, &timer, EVLOOP_SEC(60), 0, on_timer);
    evloop_submit(loop, &task, walk_in_callback);
    loop_turn(loop);
    evloop_timer_stop(&timer);
    loop_end(loop);
}

TEST(types_have_names)
{
    assert_string_equal(evloop_type_name(EVLOOP_TYPE_TASK), "task");
    assert_string_equal(evloop_type_name(EVLOOP_TYPE_NOTIFY), "notify");
    assert_string_equal(evloop_type_name(EVLOOP_TYPE_TIMER), "timer");
    assert_string_equal(evloop_type_name(EVLOOP_TYPE_HOOK), "hook");
    assert_string_equal(evloop_type_name(EVLOOP_TYPE_WATCH), "watch");
}

/* ---- metrics --------------------------------------------------------------------------------- */

TEST(a_new_loop_has_counted_nothing)
{
    evloop *loop = loop_new();
    evloop_metrics metrics = loop_metrics(loop);
    assert_int_equal(metrics.turns, 0);
    assert_int_equal(metrics.callbacks, 0);
    assert_int_equal(metrics.tasks_accepted, 0);
    assert_int_equal(metrics.tasks_run, 0);
    assert_int_equal(metrics.tasks_cancelled, 0);
    assert_int_equal(metrics.microtasks_run, 0);
    assert_int_equal(metrics.timers_fired, 0);
    assert_int_equal(metrics.events, 0);
    loop_end(loop);
}

TEST(everything_that_happens_is_counted)
{
    struct objects objects;
    evloop *loop = loop_new();
    evloop_task urgent = {0}, cancelled = {0};
    evloop_timer due = {0};
    objects_start(&objects, loop);
    fd_write_byte(objects.fds[1]);
    evloop_submit_urgent(loop, &urgent, on_task);
    evloop_submit(loop, &cancelled, on_task);
    evloop_task_cancel(&cancelled);
    evloop_post(loop, on_nothing, NULL);
    evloop_notify_send(&objects.notify);
    evloop_notify_send(&objects.notify);
    evloop_microtask(loop, on_nothing, NULL);
    evloop_microtask(loop, on_nothing, NULL);
    evloop_timer_start(loop, &due, 1, 0, on_timer);
    evloop_update(loop);
    burn_ns(EVLOOP_MS(1));
    loop_turn(loop);
    evloop_metrics metrics = loop_metrics(loop);
    assert_int_equal(metrics.turns, 1);
    assert_int_equal(metrics.tasks_accepted, 5);
    assert_int_equal(metrics.tasks_run, 4);
    assert_int_equal(metrics.tasks_cancelled, 1);
    assert_int_equal(metrics.microtasks_run, 2);
    assert_int_equal(metrics.timers_fired, 1);
    assert_int_equal(metrics.events, 1);
    assert_int_equal(metrics.polls, 1);
    assert_int_equal(metrics.sleeps, 0);
    assert_int_equal(metrics.callbacks, 4 + 2 + 1 + 1 + 1);
    assert_int_equal(metrics.task_overruns, 0);
    assert_int_equal(metrics.microtask_overruns, 0);
    assert_int_equal(metrics.microtask_overflows, 0);
    evloop_destroy(loop, EVLOOP_DESTROY_FORCE);
    fds_close(objects.fds);
}

TEST(wakes_that_were_avoided_never_become_fewer)
{
    evloop *loop = loop_new();
    for (int i = 0; i < 10; i++)
        assert_int_equal(evloop_post(loop, on_nothing, NULL), 0);
    loop_turn(loop);
    uint64_t avoided = loop_metrics(loop).wakes_avoided;
    assert_int_equal(avoided, 9);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(evloop_stop(loop), 0); /* a wake that no task is to blame for */
        assert_int_equal(loop_metrics(loop).wakes_avoided, avoided);
        loop_turn(loop);
    }
    for (int i = 0; i < 10; i++)
        assert_int_equal(evloop_post(loop, on_nothing, NULL), 0);
    loop_turn(loop);
    assert_true(loop_metrics(loop).wakes_avoided >= avoided);
    loop_end(loop);
}

static void posts_and_looks(void *loop)
{
    assert_int_equal(evloop_post(loop, on_nothing, NULL), 0);
    assert_true(evloop_alive(loop)); /* takes it in */
}

static uint64_t overruns_of_a_turn(evloop *loop)
{
    uint64_t before = loop_metrics(loop).task_overruns;
    loop_turn(loop);
    return loop_metrics(loop).task_overruns - before;
}

TEST(only_turns_that_leave_tasks_over_are_counted_as_overruns)
{
    evloop_options options = evloop_options_default();
    options.task_budget = 2;
    evloop *loop = loop_new_with(options);
    for (int i = 0; i < 2; i++)
        assert_int_equal(evloop_post(loop, on_nothing, NULL), 0);
    assert_int_equal(overruns_of_a_turn(loop), 0);
    for (int i = 0; i < 5; i++)
        assert_int_equal(evloop_post(loop, on_nothing, NULL), 0);
    assert_int_equal(overruns_of_a_turn(loop), 1);
    assert_int_equal(overruns_of_a_turn(loop), 1);
    assert_int_equal(overruns_of_a_turn(loop), 0);
    for (int i = 0; i < 2; i++)
        assert_int_equal(evloop_post(loop, posts_and_looks, loop), 0);
    assert_int_equal(overruns_of_a_turn(loop), 0);
    assert_int_equal(overruns_of_a_turn(loop), 0);
    loop_end(loop);
}

TEST(metrics_of_an_older_version_are_filled_as_far_as_they_go)
{
    evloop *loop = loop_new();
    evloop_metrics metrics;
    memset(&metrics, 0x5a, sizeof metrics);
    metrics.size = offsetof(evloop_metrics, callbacks);
    loop_turn(loop);
    assert_int_equal(evloop_get_metrics(loop, &metrics), 0);
    assert_int_equal(metrics.turns, 1);
    assert_true(metrics.callbacks == UINT64_C(0x5a5a5a5a5a5a5a5a));
    assert_true(metrics.microtask_overflows == UINT64_C(0x5a5a5a5a5a5a5a5a));
    loop_end(loop);
}

TEST(metrics_of_a_newer_version_are_filled_as_far_as_the_library_goes)
{
    struct {
        evloop_metrics known;
        uint64_t unknown[4];
    } newer;
    evloop *loop = loop_new();
    memset(&newer, 0x5a, sizeof newer);
    newer.known.size = sizeof newer;
    loop_turn(loop);
    assert_int_equal(evloop_get_metrics(loop, &newer.known), 0);
    assert_int_equal(newer.known.turns, 1);
    assert_int_equal(newer.known.microtask_overflows, 0);
    assert_int_equal(newer.known.size, sizeof newer);
    loop_end(loop);
}

static void submit_many(evloop_task *task)
{
    evloop *loop = evloop_task_loop(task);
    evloop_metrics before = loop_metrics(loop);
    evloop_task *tasks = task->data;
    for (int i = 0; i < 1000; i++)
        assert_int_equal(evloop_submit(loop, &tasks[i], on_task), 0);
    evloop_metrics after = loop_metrics(loop);
    assert_int_equal(after.wakes_sent - before.wakes_sent, 0);
    assert_int_equal(after.wakes_avoided - before.wakes_avoided, 1000);
}

TEST(a_task_for_a_loop_that_is_awake_costs_no_wake)
{
    evloop *loop = loop_new();
    evloop_task *tasks = calloc(1000, sizeof *tasks);
    evloop_task first = {.data = tasks};
    evloop_submit(loop, &first, submit_many);
    loop_run(loop);
    assert_int_equal(loop_metrics(loop).tasks_run, 1001);
    loop_end(loop);
    free(tasks);
}

/* ---- steady state ---------------------------------------------------------------------------- */

static void again(evloop_timer *timer)
{
    evloop_microtask(evloop_timer_loop(timer), on_nothing, NULL);
    evloop_timer_again(timer, EVLOOP_US(1));
}

static void work_for_a_while(evloop *loop, struct objects *objects, evloop_timer *timer)
{
    for (int i = 0; i < 200; i++) {
        for (int k = 0; k < 100; k++)
            assert_int_equal(evloop_post(loop, on_nothing, NULL), 0);
        evloop_submit(loop, &objects->task, on_task);
        evloop_notify_send(&objects->notify);
        evloop_watch_modify(&objects->watch, i % 2 ? EVLOOP_READABLE : 0);
        evloop_watch_stop(&objects->watch);
        evloop_watch_start(loop, &objects->watch, objects->fds[0], EVLOOP_READABLE, on_watch);
        evloop_timer_stop(timer);
        evloop_timer_start(loop, timer, EVLOOP_US(1), 0, again);
        loop_turn(loop);
    }
}

TEST(nothing_is_allocated_in_steady_state)
{
    struct objects objects;
    evloop *loop = loop_new();
    evloop_timer timer = {0};
    objects_start(&objects, loop);
    work_for_a_while(loop, &objects, &timer);
    size_t calls = heap_calls(&test_heap);
    work_for_a_while(loop, &objects, &timer);
    assert_int_equal(heap_calls(&test_heap), calls);
    evloop_destroy(loop, EVLOOP_DESTROY_FORCE);
    fds_close(objects.fds);
}

/* ---- version --------------------------------------------------------------------------------- */

TEST(the_library_has_the_version_of_its_header)
{
    assert_int_equal(evloop_version(), EVLOOP_VERSION);
    assert_string_equal(evloop_version_string(), EVLOOP_VERSION_STRING);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_ENTRY(an_active_object_keeps_the_loop_alive_while_it_is_referenced),
        TEST_ENTRY(references_do_not_add_up),
        TEST_ENTRY(stopping_what_was_unreferenced_does_not_take_a_reference_of_another),
        TEST_ENTRY(accepted_work_keeps_the_loop_alive),
        TEST_ENTRY(a_cancelled_task_does_not_keep_the_loop_alive),
        TEST_ENTRY(the_work_that_is_being_executed_counts_as_alive),
        TEST_ENTRY(a_loop_is_idle_then_running_then_idle),
        TEST_ENTRY(a_loop_that_waits_is_seen_to_sleep),
        TEST_ENTRY(a_loop_that_shuts_down_is_draining_then_closed),
        TEST_ENTRY(update_reads_the_clock_and_now_repeats_it),
        TEST_ENTRY(the_clock_is_read_at_the_start_of_a_turn),
        TEST_ENTRY(the_clock_is_read_after_a_sleep),
        TEST_ENTRY(a_walk_shows_every_active_object_once),
        TEST_ENTRY(a_walk_shows_nothing_that_is_not_active),
        TEST_ENTRY(a_walk_ends_when_its_function_says_so),
        TEST_ENTRY(a_walk_may_stop_each_object_that_it_is_shown),
        TEST_ENTRY(a_walk_from_a_callback_does_not_show_the_task_that_runs),
        TEST_ENTRY(types_have_names),
        TEST_ENTRY(a_new_loop_has_counted_nothing),
        TEST_ENTRY(everything_that_happens_is_counted),
        TEST_ENTRY(wakes_that_were_avoided_never_become_fewer),
        TEST_ENTRY(only_turns_that_leave_tasks_over_are_counted_as_overruns),
        TEST_ENTRY(metrics_of_an_older_version_are_filled_as_far_as_they_go),
        TEST_ENTRY(metrics_of_a_newer_version_are_filled_as_far_as_the_library_goes),
        TEST_ENTRY(a_task_for_a_loop_that_is_awake_costs_no_wake),
        TEST_ENTRY(nothing_is_allocated_in_steady_state),
        TEST_ENTRY(the_library_has_the_version_of_its_header),
    };
    return RUN_TESTS("loop", tests);
}
