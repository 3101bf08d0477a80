/*
 * create.c: a loop's beginning and end: options, their versions, evloop_create() and
 * evloop_destroy().
 */
#include "support.h"

#include <fcntl.h>

static int not_a_loop;
#define UNTOUCHED ((evloop *)(void *)&not_a_loop)

static int create_error(evloop_options options)
{
    evloop *loop = UNTOUCHED;
    options.allocator = &test_heap.allocator;
    int err = evloop_create(&loop, &options);
    assert_ptr_equal(loop, UNTOUCHED);
    return err;
}

/* ---- options --------------------------------------------------------------------------------- */

TEST(a_loop_needs_no_options)
{
    evloop *loop = NULL;
    assert_int_equal(evloop_create(&loop, NULL), 0);
    assert_non_null(loop);
    assert_int_equal(evloop_get_state(loop), EVLOOP_STATE_IDLE);
    assert_false(evloop_alive(loop));
    assert_null(evloop_data(loop));
    loop_end(loop);
}

TEST(every_default_can_be_spelled_out)
{
    evloop_options options = evloop_options_default();
    options.task_budget = 1024;
    options.microtask_budget = 1024;
    options.microtask_capacity = 4096;
    options.post_cache = 512;
    loop_end(loop_new_with(options));
}

TEST(the_small_preset_makes_a_loop)
{
    loop_end(loop_new_with(evloop_options_small()));
}

TEST(the_data_of_the_options_comes_back)
{
    int mine;
    evloop_options options = evloop_options_default();
    options.data = &mine;
    evloop *loop = loop_new_with(options);
    assert_ptr_equal(evloop_data(loop), &mine);
    loop_end(loop);
}

TEST(nowhere_to_store_the_loop_is_refused)
{
    evloop_options options = evloop_options_default();
    assert_int_equal(evloop_create(NULL, NULL), -EINVAL);
    assert_int_equal(evloop_create(NULL, &options), -EINVAL);
}

TEST(a_capacity_that_is_no_power_of_two_is_refused)
{
    const uint32_t odd[] = {3, 5, 6, 7, 100, 4095, 4097, UINT32_MAX};
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        evloop_options options = evloop_options_default();
        options.microtask_capacity = odd[i];
        assert_int_equal(create_error(options), -EINVAL);
        options = evloop_options_default();
        options.post_cache = odd[i];
        assert_int_equal(create_error(options), -EINVAL);
    }
}

TEST(a_small_power_of_two_is_a_capacity)
{
    for (uint32_t capacity = 2; capacity <= 64; capacity *= 2) {
        evloop_options options = evloop_options_default();
        options.microtask_capacity = capacity;
        options.post_cache = capacity;
        loop_end(loop_new_with(options));
    }
}

TEST(a_size_of_no_version_is_refused)
{
    evloop_options options = evloop_options_default();
    options.size = 0;
    assert_int_equal(create_error(options), -EINVAL);
    options.size = 1;
    assert_int_equal(create_error(options), -EINVAL);
    options.size = sizeof options - 1;
    assert_int_equal(create_error(options), -EINVAL);
}

struct newer_options {
    evloop_options known;
    uint64_t unknown[2];
};

TEST(options_of_a_newer_library_that_ask_for_nothing_new_are_taken)
{
    struct newer_options newer = {.known = evloop_options_default()};
    newer.known.size = sizeof newer;
    newer.known.allocator = &test_heap.allocator;
    evloop *loop = NULL;
    assert_int_equal(evloop_create(&loop, &newer.known), 0);
    loop_end(loop);
}

TEST(options_of_a_newer_library_that_ask_for_something_new_are_refused)
{
    for (int i = 0; i < 2; i++) {
        struct newer_options newer = {.known = evloop_options_default()};
        newer.known.size = sizeof newer;
        newer.unknown[i] = 1;
        evloop *loop = UNTOUCHED;
        assert_int_equal(evloop_create(&loop, &newer.known), -E2BIG);
        assert_ptr_equal(loop, UNTOUCHED);
    }
}

/* ---- the backend ----------------------------------------------------------------------------- */

TEST(a_backend_that_nobody_knows_is_refused)
{
    evloop_options options = evloop_options_default();
    options.backend = "abacus";
    assert_int_equal(create_error(options), -EINVAL);
}

/* That which works on every kernel of this system, and which this build is for. */
static const char *sure_backend(void)
{
    evloop_options options = evloop_options_default();
    evloop *loop = NULL;
    options.backend = "epoll";
    int err = evloop_create(&loop, &options);
    if (err) {
        assert_int_equal(err, -ENOTSUP);
        return "kqueue";
    }
    loop_end(loop);
    return "epoll";
}

TEST(a_backend_of_another_system_is_not_supported)
{
    const bool here = strcmp(sure_backend(), "kqueue") == 0;
    evloop_options options = evloop_options_default();
    options.backend = here ? "epoll" : "kqueue";
    assert_int_equal(create_error(options), -ENOTSUP);
    if (here) {
        options.backend = "uring";
        assert_int_equal(create_error(options), -ENOTSUP);
    }
}

TEST(a_backend_chosen_by_the_options_is_taken)
{
    evloop_options options = evloop_options_default();
    options.backend = sure_backend();
    evloop *loop = loop_new_with(options);
    assert_string_equal(evloop_backend_name(loop), options.backend);
    assert_true(strlen(evloop_backend_reason(loop)) > 0);
    loop_end(loop);
}

/* Gives back what the variable was, or NULL. */
static char *environment_set(const char *value)
{
    const char *old = getenv("EVLOOP_BACKEND");
    char *copy = old ? strdup(old) : NULL;
    assert_int_equal(setenv("EVLOOP_BACKEND", value, 1), 0);
    return copy;
}

static void environment_restore(char *old)
{
    if (old)
        setenv("EVLOOP_BACKEND", old, 1);
    else
        unsetenv("EVLOOP_BACKEND");
    free(old);
}

TEST(the_environment_chooses_the_backend)
{
    const char *chosen = sure_backend();
    char *old = environment_set(chosen);
    evloop *loop = NULL;
    int good = evloop_create(&loop, NULL);
    char *before = environment_set("abacus");
    evloop *other = UNTOUCHED;
    int bad = evloop_create(&other, NULL);
    environment_restore(before);
    environment_restore(old);
    assert_int_equal(good, 0);
    assert_string_equal(evloop_backend_name(loop), chosen);
    assert_int_equal(bad, -EINVAL);
    assert_ptr_equal(other, UNTOUCHED);
    loop_end(loop);
}

TEST(the_options_choose_the_backend_before_the_environment_does)
{
    char *old = environment_set("abacus");
    evloop_options options = evloop_options_default();
    options.backend = sure_backend();
    evloop *loop = NULL;
    int err = evloop_create(&loop, &options);
    environment_restore(old);
    assert_int_equal(err, 0);
    loop_end(loop);
}

TEST(a_failed_allocation_fails_the_create_and_leaves_nothing)
{
    size_t failures = 0;
    for (size_t nth = 1;; nth++) {
        evloop *loop = UNTOUCHED;
        evloop_options options = evloop_options_default();
        options.allocator = &test_heap.allocator;
        heap_fail_in(&test_heap, nth);
        int err = evloop_create(&loop, &options);
        heap_fail_in(&test_heap, 0);
        if (!err) {
            loop_end(loop);
            break;
        }
        failures++;
        assert_int_equal(err, -ENOMEM);
        assert_ptr_equal(loop, UNTOUCHED);
        assert_int_equal(heap_blocks(&test_heap), 0);
    }
    assert_true(failures > 0);
}

TEST(many_loops_can_exist_at_once)
{
    evloop *loops[50];
    for (int i = 0; i < 50; i++)
        loops[i] = loop_new_with(evloop_options_small());
    for (int i = 0; i < 50; i++)
        loop_end(loops[i]);
}

static void *create_and_destroy(void *arg)
{
    gate_wait(arg, 1);
    for (int i = 0; i < 20; i++) {
        evloop *loop = NULL;
        check(evloop_create(&loop, NULL) == 0);
        check(evloop_run(loop, EVLOOP_RUN_NOWAIT) == 0);
        check(evloop_destroy(loop, 0) == 0);
    }
    return NULL;
}

TEST(threads_can_create_loops_at_the_same_time)
{
    struct gate gate = GATE_INIT;
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        thread_start(&threads[i], create_and_destroy, &gate);
    gate_add(&gate);
    for (int i = 0; i < 4; i++)
        thread_join(threads[i]);
}

/* ---- destroy --------------------------------------------------------------------------------- */

TEST(destroy_refuses_null_and_flags_that_it_does_not_know)
{
    evloop *loop = loop_new();
    assert_int_equal(evloop_destroy(NULL, 0), -EINVAL);
    assert_int_equal(evloop_destroy(NULL, EVLOOP_DESTROY_FORCE), -EINVAL);
    assert_int_equal(evloop_destroy(loop, 2), -EINVAL);
    assert_int_equal(evloop_destroy(loop, 2 | EVLOOP_DESTROY_FORCE), -EINVAL);
    loop_turn(loop);
    loop_end(loop);
}

static void on_timer(evloop_timer *timer)
{
    ++*(int *)timer->data;
}

static void on_task(evloop_task *task)
{
    ++*(int *)task->data;
}

static void on_watch(evloop_watch *watch, unsigned events)
{
    (void)events;
    ++*(int *)watch->data;
}

static void on_hook(evloop_hook *hook)
{
    ++*(int *)hook->data;
}

static void on_notify(evloop_notify *notify)
{
    ++*(int *)notify->data;
}

static void on_post(void *arg)
{
    ++*(int *)arg;
}

TEST(a_busy_loop_says_what_is_left)
{
    int calls = 0, fds[2];
    evloop *loop = loop_new();
    evloop_timer a = {.data = &calls, .name = "tick"}, b = {.data = &calls};
    evloop_watch watch = {.data = &calls};
    evloop_task tasks[3] = {{.data = &calls}, {.data = &calls}, {.data = &calls}};
    pipe_open(fds);
    evloop_timer_start(loop, &a, EVLOOP_SEC(60), 0, on_timer);
    evloop_timer_start(loop, &b, EVLOOP_SEC(60), 0, on_timer);
    evloop_watch_start(loop, &watch, fds[0], EVLOOP_READABLE, on_watch);
    for (int i = 0; i < 3; i++)
        evloop_submit(loop, &tasks[i], on_task);
    assert_int_equal(evloop_destroy(loop, 0), -EBUSY);
    const char *reason = evloop_busy_reason(loop);
    assert_non_null(strstr(reason, "2 timers"));
    assert_non_null(strstr(reason, "\"tick\""));
    assert_non_null(strstr(reason, "1 watch"));
    assert_null(strstr(reason, "1 watches"));
    assert_non_null(strstr(reason, "3 tasks"));
    assert_int_equal(calls, 0);
    assert_int_equal(evloop_destroy(loop, EVLOOP_DESTROY_FORCE), 0);
    fds_close(fds);
}

TEST(nothing_left_is_no_reason)
{
    evloop *loop = loop_new();
    assert_string_equal(evloop_busy_reason(loop), "");
    loop_end(loop);
}

TEST(each_kind_of_object_makes_a_loop_busy)
{
    int calls = 0, fds[2];
    evloop *loop = loop_new();
    evloop_timer timer = {.data = &calls};
    evloop_watch watch = {.data = &calls};
    evloop_hook hook = {.data = &calls};
    evloop_notify notify = {.data = &calls};
    pipe_open(fds);

    assert_int_equal(evloop_timer_start(loop, &timer, EVLOOP_SEC(60), 0, on_timer), 0);
    assert_int_equal(evloop_destroy(loop, 0), -EBUSY);
    assert_string_equal(evloop_busy_reason(loop), "1 timer");
    evloop_timer_stop(&timer);
    assert_int_equal(evloop_watch_start(loop, &watch, fds[0], EVLOOP_READABLE, on_watch), 0);
    assert_int_equal(evloop_destroy(loop, 0), -EBUSY);
    assert_string_equal(evloop_busy_reason(loop), "1 watch");
    evloop_watch_stop(&watch);
    assert_int_equal(evloop_hook_start(loop, &hook, EVLOOP_HOOK_CHECK, on_hook), 0);
    assert_int_equal(evloop_destroy(loop, 0), -EBUSY);
    assert_string_equal(evloop_busy_reason(loop), "1 hook");
    evloop_hook_stop(&hook);
    assert_int_equal(evloop_notify_start(loop, &notify, on_notify), 0);
    assert_int_equal(evloop_destroy(loop, 0), -EBUSY);
    assert_non_null(strstr(evloop_busy_reason(loop), "1 notif"));
    evloop_notify_stop(&notify);
    assert_string_equal(evloop_busy_reason(loop), "");
    loop_end(loop);
    fds_close(fds);
}

TEST(an_object_without_a_reference_makes_a_loop_busy_as_well)
{
    int calls = 0;
    evloop *loop = loop_new();
    evloop_timer timer = {.data = &calls};
    evloop_timer_start(loop, &timer, EVLOOP_SEC(60), 0, on_timer);
    evloop_timer_unref(&timer);
    assert_int_equal(evloop_destroy(loop, 0), -EBUSY);
    evloop_timer_stop(&timer);
    loop_end(loop);
}

TEST(each_kind_of_accepted_work_makes_a_loop_busy)
{
    int calls = 0;
    evloop *loop = loop_new();
    assert_int_equal(evloop_post(loop, on_post, &calls), 0);
    assert_int_equal(evloop_destroy(loop, 0), -EBUSY);
    assert_true(strlen(evloop_busy_reason(loop)) > 0);
    loop_run(loop);
    assert_int_equal(evloop_microtask(loop, on_post, &calls), 0);
    assert_int_equal(evloop_destroy(loop, 0), -EBUSY);
    assert_true(strlen(evloop_busy_reason(loop)) > 0);
    loop_run(loop);
    evloop_task task = {.data = &calls};
    assert_int_equal(evloop_submit_urgent(loop, &task, on_task), 0);
    assert_int_equal(evloop_destroy(loop, 0), -EBUSY);
    assert_true(strlen(evloop_busy_reason(loop)) > 0);
    loop_run(loop);
    assert_int_equal(calls, 3);
    loop_end(loop);
}

TEST(a_loop_that_was_too_busy_to_be_destroyed_goes_on)
{
    int calls = 0;
    evloop *loop = loop_new();
    evloop_task task = {.data = &calls};
    evloop_timer timer = {.data = &calls};
    evloop_submit(loop, &task, on_task);
    evloop_timer_start(loop, &timer, EVLOOP_MS(1), 0, on_timer);
    assert_int_equal(evloop_destroy(loop, 0), -EBUSY);
    loop_run(loop);
    assert_int_equal(calls, 2);
    loop_end(loop);
}

static int destroy_plain, destroy_force;

static void on_destroy(evloop_task *task)
{
    destroy_plain = evloop_destroy(task->data, 0);
    destroy_force = evloop_destroy(task->data, EVLOOP_DESTROY_FORCE);
}

TEST(a_loop_is_not_destroyed_by_its_own_callback)
{
    evloop *loop = loop_new();
    evloop_task task = {.data = loop};
    destroy_plain = destroy_force = 1;
    evloop_submit(loop, &task, on_destroy);
    loop_run(loop);
    assert_int_equal(destroy_plain, -EBUSY);
    assert_int_equal(destroy_force, -EBUSY);
    loop_end(loop);
}

TEST(a_loop_that_another_thread_runs_is_not_destroyed)
{
    int calls = 0;
    struct runner runner;
    evloop *loop = loop_new();
    evloop_timer timer = {.data = &calls};
    evloop_timer_start(loop, &timer, EVLOOP_SEC(3600), 0, on_timer);
    runner_start(&runner, loop);
    wait_asleep(loop);
    assert_int_equal(evloop_destroy(loop, 0), -EBUSY);
    assert_int_equal(evloop_destroy(loop, EVLOOP_DESTROY_FORCE), -EBUSY);
    assert_int_equal(evloop_stop(loop), 0);
    assert_int_equal(runner_join(&runner), 0);
    evloop_timer_stop(&timer);
    loop_end(loop);
}

TEST(a_forced_destroy_stops_every_object_and_calls_none)
{
    int calls = 0, fds[2];
    evloop *loop = loop_new();
    evloop_timer timer = {.data = &calls};
    evloop_watch watch = {.data = &calls};
    evloop_hook hook = {.data = &calls};
    evloop_notify notify = {.data = &calls};
    evloop_task task = {.data = &calls};
    pipe_open(fds);
    fd_write_byte(fds[1]);
    evloop_timer_start(loop, &timer, 0, EVLOOP_MS(1), on_timer);
    evloop_watch_start(loop, &watch, fds[0], EVLOOP_READABLE, on_watch);
    evloop_hook_start(loop, &hook, EVLOOP_HOOK_IDLE, on_hook);
    evloop_notify_start(loop, &notify, on_notify);
    evloop_notify_send(&notify);
    evloop_submit(loop, &task, on_task);
    assert_int_equal(evloop_destroy(loop, EVLOOP_DESTROY_FORCE), 0);
    assert_int_equal(calls, 0);
    assert_false(evloop_timer_active(&timer));
    assert_false(evloop_watch_active(&watch));
    assert_false(evloop_hook_active(&hook));
    assert_false(evloop_notify_active(&notify));
    assert_false(evloop_task_active(&task));
    fds_close(fds);
}

TEST(objects_of_a_destroyed_loop_can_be_used_on_another)
{
    int calls = 0, fds[2];
    evloop *first = loop_new(), *second;
    evloop_timer timer = {.data = &calls};
    evloop_watch watch = {.data = &calls};
    evloop_hook hook = {.data = &calls};
    evloop_notify notify = {.data = &calls};
    evloop_task task = {.data = &calls};
    pipe_open(fds);
    fd_write_byte(fds[1]);
    for (int round = 0; round < 2; round++) {
        evloop *loop = round == 0 ? first : (second = loop_new());
        assert_int_equal(evloop_timer_start(loop, &timer, 0, 0, on_timer), 0);
        assert_int_equal(evloop_watch_start(loop, &watch, fds[0], EVLOOP_READABLE, on_watch), 0);
        assert_int_equal(evloop_hook_start(loop, &hook, EVLOOP_HOOK_CHECK, on_hook), 0);
        assert_int_equal(evloop_notify_start(loop, &notify, on_notify), 0);
        assert_int_equal(evloop_notify_send(&notify), 0);
        assert_int_equal(evloop_submit(loop, &task, on_task), 0);
        if (round == 0)
            assert_int_equal(evloop_destroy(loop, EVLOOP_DESTROY_FORCE), 0);
    }
    loop_turn(second);
    loop_turn(second);
    assert_true(calls >= 5);
    assert_int_equal(evloop_destroy(second, EVLOOP_DESTROY_FORCE), 0);
    fds_close(fds);
}

/* ---- standard descriptors that are closed ---------------------------------------------------- */

/* What is opened next gets the numbers of those that are closed: the loop has none of them. */
static void create_without_standard_descriptors(void *arg)
{
    evloop *loop;
    unsigned closed = *(unsigned *)arg;
    for (int fd = 0; fd <= STDERR_FILENO; fd++)
        if (closed & 1U << fd)
            check(close(fd) == 0);
    check(evloop_create(&loop, NULL) == 0);
    check(evloop_backend_fd(loop) > STDERR_FILENO);
    check(fcntl(evloop_backend_fd(loop), F_GETFD) & FD_CLOEXEC);
    for (int fd = 0; fd <= STDERR_FILENO; fd++)
        if (closed & 1U << fd)
            check(open("/dev/null", O_RDWR | O_CLOEXEC) == fd);
    check(evloop_stop(loop) == 0);
    check(evloop_run(loop, EVLOOP_RUN_DEFAULT) == 0);
    check(evloop_destroy(loop, 0) == 0);
    for (int fd = 0; fd <= STDERR_FILENO; fd++)
        check(fcntl(fd, F_GETFD) >= 0);
}

TEST(a_loop_takes_no_number_of_a_standard_descriptor)
{
    for (unsigned closed = 1; closed < 8; closed++)
        assert_true(child_succeeds(create_without_standard_descriptors, &closed));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_ENTRY(a_loop_needs_no_options),
        TEST_ENTRY(every_default_can_be_spelled_out),
        TEST_ENTRY(the_small_preset_makes_a_loop),
        TEST_ENTRY(the_data_of_the_options_comes_back),
        TEST_ENTRY(nowhere_to_store_the_loop_is_refused),
        TEST_ENTRY(a_capacity_that_is_no_power_of_two_is_refused),
        TEST_ENTRY(a_small_power_of_two_is_a_capacity),
        TEST_ENTRY(a_size_of_no_version_is_refused),
        TEST_ENTRY(options_of_a_newer_library_that_ask_for_nothing_new_are_taken),
        TEST_ENTRY(options_of_a_newer_library_that_ask_for_something_new_are_refused),
        TEST_ENTRY(a_backend_that_nobody_knows_is_refused),
        TEST_ENTRY(a_backend_of_another_system_is_not_supported),
        TEST_ENTRY(a_backend_chosen_by_the_options_is_taken),
        TEST_ENTRY(the_environment_chooses_the_backend),
        TEST_ENTRY(the_options_choose_the_backend_before_the_environment_does),
        TEST_ENTRY(a_failed_allocation_fails_the_create_and_leaves_nothing),
        TEST_ENTRY(many_loops_can_exist_at_once),
        TEST_ENTRY(threads_can_create_loops_at_the_same_time),
        TEST_ENTRY(destroy_refuses_null_and_flags_that_it_does_not_know),
        TEST_ENTRY(a_busy_loop_says_what_is_left),
        TEST_ENTRY(nothing_left_is_no_reason),
        TEST_ENTRY(each_kind_of_object_makes_a_loop_busy),
        TEST_ENTRY(an_object_without_a_reference_makes_a_loop_busy_as_well),
        TEST_ENTRY(each_kind_of_accepted_work_makes_a_loop_busy),
        TEST_ENTRY(a_loop_that_was_too_busy_to_be_destroyed_goes_on),
        TEST_ENTRY(a_loop_is_not_destroyed_by_its_own_callback),
        TEST_ENTRY(a_loop_that_another_thread_runs_is_not_destroyed),
        TEST_ENTRY(a_forced_destroy_stops_every_object_and_calls_none),
        TEST_ENTRY(objects_of_a_destroyed_loop_can_be_used_on_another),
        TEST_ENTRY(a_loop_takes_no_number_of_a_standard_descriptor),
    };
    return RUN_TESTS("create", tests);
}
