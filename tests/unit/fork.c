/*
 * fork.c: a loop in a fork's child: -ECHILD until evloop_after_fork(), and the parent is not
 * disturbed.
 *
 * In a child everything is asserted by check(), which aborts it; the parent sees that.
 */
#include "support.h"

struct world {
    evloop *loop;
    evloop_timer timer;
    evloop_watch watch;
    evloop_hook hook;
    evloop_notify notify;
    evloop_task task;
    int fds[2];
    int timer_calls, watch_calls, task_calls, notify_calls, hook_calls;
};

static void on_timer(evloop_timer *timer)
{
    evloop_container_of(timer, struct world, timer)->timer_calls++;
}

static void on_watch(evloop_watch *watch, unsigned events)
{
    (void)events;
    evloop_container_of(watch, struct world, watch)->watch_calls++;
}

static void on_hook(evloop_hook *hook)
{
    evloop_container_of(hook, struct world, hook)->hook_calls++;
}

static void on_notify(evloop_notify *notify)
{
    evloop_container_of(notify, struct world, notify)->notify_calls++;
}

static void on_task(evloop_task *task)
{
    evloop_container_of(task, struct world, task)->task_calls++;
}

static void on_fn(void *arg)
{
    ++*(int *)arg;
}

static int on_walk(const evloop_object *object, void *arg)
{
    (void)object;
    (void)arg;
    return 0;
}

static void world_make(struct world *world)
{
    memset(world, 0, sizeof *world);
    world->loop = loop_new();
    pipe_open(world->fds);
    evloop_timer_start(world->loop, &world->timer, EVLOOP_MS(1), EVLOOP_MS(1), on_timer);
    evloop_watch_start(world->loop, &world->watch, world->fds[0], EVLOOP_READABLE, on_watch);
    evloop_hook_start(world->loop, &world->hook, EVLOOP_HOOK_CHECK, on_hook);
    evloop_notify_start(world->loop, &world->notify, on_notify);
    loop_turn(world->loop);
    evloop_submit(world->loop, &world->task, on_task);
}

static void world_end(struct world *world)
{
    evloop_timer_stop(&world->timer);
    evloop_watch_stop(&world->watch);
    evloop_hook_stop(&world->hook);
    evloop_notify_stop(&world->notify);
    evloop_task_cancel(&world->task);
    loop_end(world->loop);
    fds_close(world->fds);
}

/* Asserts that everything in the parent still works. */
static void world_works(struct world *world)
{
    int timers = world->timer_calls, tasks = world->task_calls, watches = world->watch_calls;
    int notifications = world->notify_calls;
    if (!evloop_task_active(&world->task))
        assert_int_equal(evloop_submit(world->loop, &world->task, on_task), 0);
    assert_int_equal(evloop_notify_send(&world->notify), 0);
    fd_write_byte(world->fds[1]);
    while (world->timer_calls == timers || world->watch_calls == watches)
        assert_int_equal(evloop_run(world->loop, EVLOOP_RUN_ONCE), 0);
    assert_int_equal(world->task_calls, tasks + 1);
    assert_int_equal(world->notify_calls, notifications + 1);
    fd_read_all(world->fds[0]);
    watches = world->watch_calls;
    loop_turn(world->loop);
    assert_int_equal(world->watch_calls, watches);
}

/*
 * What a child does not need any more it gives back, so that memory checkers have nothing to say.
 */
static void give_back(evloop *loop)
{
    check(evloop_after_fork(loop) == 0);
    check(evloop_destroy(loop, EVLOOP_DESTROY_FORCE) == 0);
    check(heap_blocks(&test_heap) == 0);
}

/* ---- before evloop_after_fork() -------------------------------------------------------------- */

static void child_is_refused(void *arg)
{
    struct world *world = arg;
    evloop *loop = world->loop;
    evloop_task task = {0};
    evloop_timer timer = {0};
    evloop_watch watch = {0};
    evloop_hook hook = {0};
    evloop_notify notify = {0};
    evloop_metrics metrics = {.size = sizeof metrics};
    int sink = 0;
    check(evloop_run(loop, EVLOOP_RUN_DEFAULT) == -ECHILD);
    check(evloop_run(loop, EVLOOP_RUN_ONCE) == -ECHILD);
    check(evloop_run(loop, EVLOOP_RUN_NOWAIT) == -ECHILD);
    check(evloop_run_for(loop, 1) == -ECHILD);
    check(evloop_stop(loop) == -ECHILD);
    check(evloop_shutdown(loop, 0) == -ECHILD);
    check(evloop_destroy(loop, 0) == -ECHILD);
    check(evloop_destroy(loop, EVLOOP_DESTROY_FORCE) == -ECHILD);
    check(evloop_backend_fd(loop) == -ECHILD);
    check(evloop_walk(loop, on_walk, NULL) == -ECHILD);
    check(evloop_get_metrics(loop, &metrics) == -ECHILD);
    check(evloop_submit(loop, &task, on_task) == -ECHILD);
    check(evloop_submit_urgent(loop, &task, on_task) == -ECHILD);
    check(!evloop_task_active(&task));
    check(evloop_post(loop, on_fn, &sink) == -ECHILD);
    check(evloop_microtask(loop, on_fn, &sink) == -ECHILD);
    check(evloop_timer_start(loop, &timer, 0, 0, on_timer) == -ECHILD);
    check(evloop_watch_start(loop, &watch, world->fds[1], EVLOOP_WRITABLE, on_watch) == -ECHILD);
    check(evloop_hook_start(loop, &hook, EVLOOP_HOOK_IDLE, on_hook) == -ECHILD);
    check(evloop_notify_start(loop, &notify, on_notify) == -ECHILD);
    give_back(loop);
}

TEST(a_childs_calls_on_the_loop_are_refused)
{
    struct world world;
    world_make(&world);
    assert_true(child_succeeds(child_is_refused, &world));
    world_works(&world);
    world_end(&world);
}

static void check_objects_are_refused(struct world *world)
{
    check(evloop_task_cancel(&world->task) == -ECHILD);
    check(evloop_notify_send(&world->notify) == -ECHILD);
    check(evloop_notify_stop(&world->notify) == -ECHILD);
    check(evloop_notify_unref(&world->notify) == -ECHILD);
    check(evloop_notify_ref(&world->notify) == -ECHILD);
    check(evloop_timer_stop(&world->timer) == -ECHILD);
    check(evloop_timer_again(&world->timer, 0) == -ECHILD);
    check(evloop_timer_set_slack(&world->timer, 1) == -ECHILD);
    check(evloop_timer_unref(&world->timer) == -ECHILD);
    check(evloop_timer_ref(&world->timer) == -ECHILD);
    check(evloop_watch_stop(&world->watch) == -ECHILD);
    check(evloop_watch_modify(&world->watch, 0) == -ECHILD);
    check(evloop_watch_unref(&world->watch) == -ECHILD);
    check(evloop_watch_ref(&world->watch) == -ECHILD);
    check(evloop_hook_stop(&world->hook) == -ECHILD);
    check(evloop_hook_unref(&world->hook) == -ECHILD);
    check(evloop_hook_ref(&world->hook) == -ECHILD);
}

static void child_objects_are_refused(void *arg)
{
    struct world *world = arg;
    check_objects_are_refused(world);
    give_back(world->loop);
}

TEST(a_childs_calls_on_the_objects_are_refused)
{
    struct world world;
    world_make(&world);
    assert_true(child_succeeds(child_objects_are_refused, &world));
    world_works(&world);
    world_end(&world);
}

/* ---- after it -------------------------------------------------------------------------------- */

static void child_goes_on(void *arg)
{
    struct world *world = arg;
    evloop *loop = world->loop;
    int posts = 0;
    check(evloop_after_fork(loop) == 0);
    check(evloop_timer_active(&world->timer));
    check(evloop_watch_active(&world->watch));
    check(evloop_task_active(&world->task));
    check(evloop_post(loop, on_fn, &posts) == 0);
    check(evloop_microtask(loop, on_fn, &posts) == 0);
    check(evloop_notify_send(&world->notify) == 0);
    check(write(world->fds[1], "x", 1) == 1);
    while (world->timer_calls < 3 || world->watch_calls == 0)
        check(evloop_run(loop, EVLOOP_RUN_ONCE) == 0);
    check(posts == 2);
    check(world->task_calls == 1);
    check(world->notify_calls == 1);
    char byte;
    check(read(world->fds[0], &byte, 1) == 1);
    check(evloop_timer_stop(&world->timer) == 0);
    check(evloop_watch_stop(&world->watch) == 0);
    check(evloop_hook_stop(&world->hook) == 0);
    check(evloop_notify_stop(&world->notify) == 0);
    check(!evloop_alive(loop));
    check(evloop_destroy(loop, 0) == 0);
    check(heap_blocks(&test_heap) == 0);
}

TEST(a_childs_loop_is_as_the_parents_was_and_works)
{
    struct world world;
    world_make(&world);
    assert_true(child_succeeds(child_goes_on, &world));
    assert_int_equal(world.task_calls, 0);
    world_works(&world);
    assert_int_equal(world.task_calls, 1);
    world_end(&world);
}

TEST(what_a_child_does_to_its_loop_does_not_disturb_the_parents)
{
    struct world world;
    world_make(&world);
    for (int i = 0; i < 3; i++) {
        assert_true(child_succeeds(child_goes_on, &world));
        world_works(&world);
        evloop_submit(world.loop, &world.task, on_task);
        world.timer_calls = world.watch_calls = world.task_calls = world.notify_calls = 0;
    }
    world_end(&world);
}

static void grandchild_goes_on(void *arg)
{
    struct world *world = arg;
    check(evloop_run(world->loop, EVLOOP_RUN_NOWAIT) == -ECHILD);
    child_goes_on(arg);
}

static void child_forks(void *arg)
{
    struct world *world = arg;
    check(evloop_after_fork(world->loop) == 0);
    check(child_succeeds(grandchild_goes_on, arg));
    child_goes_on(arg);
}

TEST(a_childs_child_can_go_on_as_well)
{
    struct world world;
    world_make(&world);
    assert_true(child_succeeds(child_forks, &world));
    world_works(&world);
    world_end(&world);
}

static void child_shuts_down(void *arg)
{
    struct world *world = arg;
    check(evloop_after_fork(world->loop) == 0);
    check(evloop_shutdown(world->loop, 0) == 0);
    check(evloop_run(world->loop, EVLOOP_RUN_DEFAULT) == 0);
    check(world->task_calls == 1);
    check(evloop_destroy(world->loop, EVLOOP_DESTROY_FORCE) == 0);
    check(heap_blocks(&test_heap) == 0);
}

TEST(a_child_can_shut_its_loop_down_and_the_parent_cannot_tell)
{
    struct world world;
    world_make(&world);
    assert_true(child_succeeds(child_shuts_down, &world));
    assert_int_equal(evloop_get_state(world.loop), EVLOOP_STATE_IDLE);
    world_works(&world);
    world_end(&world);
}

static void child_makes_its_own(void *arg)
{
    struct world *world = arg;
    evloop *loop = NULL;
    int posts = 0;
    check(evloop_create(&loop, NULL) == 0);
    check(evloop_post(loop, on_fn, &posts) == 0);
    check(evloop_run(loop, EVLOOP_RUN_DEFAULT) == 0);
    check(posts == 1);
    check(evloop_destroy(loop, 0) == 0);
    give_back(world->loop);
}

TEST(a_child_can_make_a_loop_of_its_own)
{
    struct world world;
    world_make(&world);
    assert_true(child_succeeds(child_makes_its_own, &world));
    world_works(&world);
    world_end(&world);
}

TEST(after_fork_in_the_parent_does_nothing)
{
    struct world world;
    world_make(&world);
    assert_int_equal(evloop_after_fork(world.loop), 0);
    world_works(&world);
    assert_int_equal(evloop_after_fork(NULL), -EINVAL);
    world_end(&world);
}

static void child_leaves_it_alone(void *arg)
{
    check_objects_are_refused(arg);
}

static void forks_inside(evloop_timer *timer)
{
    struct world *world = evloop_container_of(timer, struct world, timer);
    if (world->timer_calls++ > 0)
        return;
    assert_int_equal(evloop_submit(world->loop, &world->task, on_task), 0);
    assert_true(child_succeeds(child_leaves_it_alone, world));
}

TEST(a_callback_can_fork_a_child_that_leaves_the_loop_alone)
{
    struct world world;
    world_make(&world);
    evloop_timer_stop(&world.timer);
    evloop_task_cancel(&world.task);
    evloop_timer_start(world.loop, &world.timer, EVLOOP_MS(1), EVLOOP_MS(1), forks_inside);
    while (world.timer_calls == 0)
        assert_int_equal(evloop_run(world.loop, EVLOOP_RUN_ONCE), 0);
    world_works(&world);
    world_end(&world);
}

static void child_runs_what_another_thread_ran(void *arg)
{
    evloop *loop = arg;
    int posts = 0;
    check(evloop_run(loop, EVLOOP_RUN_NOWAIT) == -ECHILD);
    check(evloop_after_fork(loop) == 0);
    check(evloop_post(loop, on_fn, &posts) == 0);
    check(evloop_run(loop, EVLOOP_RUN_NOWAIT) == 0);
    check(posts == 1);
    check(evloop_destroy(loop, EVLOOP_DESTROY_FORCE) == 0);
}

static void open_gate(void *gate)
{
    gate_add(gate);
}

TEST(a_loop_that_another_thread_runs_can_be_taken_over_in_the_child)
{
    struct gate gate = GATE_INIT;
    struct runner runner;
    evloop *loop = loop_new();
    struct world world = {.loop = loop};
    evloop_timer_start(loop, &world.timer, EVLOOP_SEC(3600), 0, on_timer);
    runner_start(&runner, loop);
    assert_int_equal(evloop_post(loop, open_gate, &gate), 0);
    gate_wait(&gate, 1);
    wait_asleep(loop);
    assert_true(child_succeeds(child_runs_what_another_thread_ran, loop));
    assert_int_equal(evloop_get_state(loop), EVLOOP_STATE_SLEEPING);
    assert_int_equal(evloop_stop(loop), 0);
    assert_int_equal(runner_join(&runner), 0);
    evloop_timer_stop(&world.timer);
    loop_end(loop);
}

static struct gate busy = GATE_INIT, done = GATE_INIT;

static void hold_the_loop(void *arg)
{
    (void)arg;
    gate_add(&busy);
    gate_wait(&done, 1);
}

static void child_cannot_take_it_over(void *arg)
{
    evloop *loop = arg;
    check(evloop_after_fork(loop) == -EBUSY);
    check(evloop_after_fork(loop) == -EBUSY);
    check(evloop_run(loop, EVLOOP_RUN_NOWAIT) == -ECHILD);
    check(evloop_destroy(loop, EVLOOP_DESTROY_FORCE) == -ECHILD);
}

TEST(a_loop_that_another_thread_runs_awake_cannot_be_taken_over_in_the_child)
{
    struct runner runner;
    evloop *loop = loop_new();
    evloop_timer timer = {0};
    busy.count = done.count = 0;
    evloop_timer_start(loop, &timer, EVLOOP_SEC(3600), 0, on_timer);
    runner_start(&runner, loop);
    assert_int_equal(evloop_post(loop, hold_the_loop, NULL), 0);
    gate_wait(&busy, 1);
    assert_true(child_succeeds(child_cannot_take_it_over, loop));
    gate_add(&done);
    wait_asleep(loop);
    assert_true(child_succeeds(child_runs_what_another_thread_ran, loop));
    assert_int_equal(evloop_stop(loop), 0);
    assert_int_equal(runner_join(&runner), 0);
    evloop_timer_stop(&timer);
    loop_end(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_ENTRY(a_childs_calls_on_the_loop_are_refused),
        TEST_ENTRY(a_childs_calls_on_the_objects_are_refused),
        TEST_ENTRY(a_childs_loop_is_as_the_parents_was_and_works),
        TEST_ENTRY(what_a_child_does_to_its_loop_does_not_disturb_the_parents),
        TEST_ENTRY(a_childs_child_can_go_on_as_well),
        TEST_ENTRY(a_child_can_shut_its_loop_down_and_the_parent_cannot_tell),
        TEST_ENTRY(a_child_can_make_a_loop_of_its_own),
        TEST_ENTRY(after_fork_in_the_parent_does_nothing),
        TEST_ENTRY(a_callback_can_fork_a_child_that_leaves_the_loop_alone),
        TEST_ENTRY(a_loop_that_another_thread_runs_can_be_taken_over_in_the_child),
        TEST_ENTRY(a_loop_that_another_thread_runs_awake_cannot_be_taken_over_in_the_child),
    };
    return RUN_TESTS("fork", tests);
}
