/*
 * system.c: every system call of the poller fails, with every error that its manual page lists. What
 * one poller has alone: system_epoll.c, system_kqueue.c.
 */
#include "kernel.h"

#include <fcntl.h>

/* ---- creating -------------------------------------------------------------------------------- */

static void create_fails_with(enum call call, unsigned nth, int err)
{
    evloop *const untouched = (evloop *)&kernel_ran;
    evloop *loop = untouched;
    evloop_options options = evloop_options_default();
    options.allocator = &test_heap.allocator;
    kernel_reset();
    kernel_fail(call, nth, 1, err);
    assert_int_equal(evloop_create(&loop, &options), -err);
    assert_ptr_equal(loop, untouched);
    assert_int_equal(heap_blocks(&test_heap), 0);
    assert_int_equal(evloop_create(&loop, &options), 0);
    kernel_assert_works(loop);
    loop_end(loop);
}

static void create_fails_with_each(const struct kernel_errors *failing)
{
    for (const int *err = failing->errors; *err; err++)
        create_fails_with(failing->call, failing->nth, *err);
}

TEST(create_returns_what_a_call_says_and_leaves_nothing_behind)
{
    for (const struct kernel_errors *failing = kernel_poller.creating; failing->errors; failing++)
        create_fails_with_each(failing);
}

/* Each of the loop's descriptors would be standard input, and is moved from there. */

static void create_cannot_move(void *arg)
{
    evloop *loop;
    unsigned nth = *(unsigned *)arg;
    check(close(STDIN_FILENO) == 0);
    kernel_reset();
    kernel_fail(CALL_FCNTL, nth, 1, EMFILE);
    check(evloop_create(&loop, NULL) == -EMFILE);
    check(fcntl(STDIN_FILENO, F_GETFD) < 0);
    check(evloop_create(&loop, NULL) == 0);
    check(evloop_destroy(loop, 0) == 0);
}

TEST(create_returns_that_there_is_no_number_above_the_standard_ones)
{
    for (unsigned nth = 1; nth <= kernel_poller.moves; nth++)
        assert_true(child_succeeds(create_cannot_move, &nth));
}

TEST(create_returns_what_the_clock_says_and_leaves_nothing_behind)
{
    static const int errors[] = {EFAULT, EINVAL, ENODEV, ENOTSUP, EPERM, 0};
    create_fails_with_each(&(struct kernel_errors){CALL_CLOCK_GETTIME, 1, errors});
}

/* ---- the wait -------------------------------------------------------------------------------- */

static void run_fails_with(evloop_run_mode mode, int err)
{
    evloop *loop = kernel_begin();
    evloop_timer timer = {0};
    assert_int_equal(evloop_timer_start(loop, &timer, EVLOOP_FOREVER, 0, kernel_on_timer), 0);
    kernel_fail(kernel_poller.wait.call, 1, 1, err);
    assert_int_equal(evloop_run(loop, mode), -err);
    assert_int_equal(evloop_get_state(loop), EVLOOP_STATE_IDLE);
    assert_true(evloop_timer_active(&timer));
    assert_int_equal(evloop_timer_stop(&timer), 0);
    kernel_assert_works(loop);
    loop_end(loop);
}

TEST(run_returns_what_the_wait_says_and_runs_again)
{
    const evloop_run_mode modes[] = {EVLOOP_RUN_DEFAULT, EVLOOP_RUN_ONCE, EVLOOP_RUN_NOWAIT};
    for (const int *err = kernel_poller.wait.errors; *err; err++)
        for (size_t mode = 0; mode < sizeof modes / sizeof *modes; mode++)
            run_fails_with(modes[mode], *err);
}

TEST(a_wait_that_a_signal_interrupts_is_not_seen)
{
    evloop *loop = kernel_begin();
    kernel_fail(CALL_EPOLL_PWAIT2, 1, 5, EINTR);
    kernel_fail(kernel_poller.wait.call, 1, 5, EINTR);
    kernel_run_timer(loop, EVLOOP_MS(2));
    kernel_fail(kernel_poller.wait.call, 1, 1, EINTR);
    loop_turn(loop);
    loop_end(loop);
}

/* ---- the clock ------------------------------------------------------------------------------- */

TEST(run_returns_what_the_clock_says_and_runs_again)
{
    evloop *loop = kernel_begin();
    evloop_timer timer = {0};
    assert_int_equal(evloop_timer_start(loop, &timer, EVLOOP_US(10), 0, kernel_on_timer), 0);
    assert_int_equal(evloop_post(loop, kernel_on_function, NULL), 0);
    kernel_fail(CALL_CLOCK_GETTIME, 1, 1, EINVAL);
    assert_int_equal(evloop_run(loop, EVLOOP_RUN_DEFAULT), -EINVAL);
    kernel_fail(CALL_CLOCK_GETTIME, 1, 1, EINVAL);
    assert_int_equal(evloop_run_for(loop, EVLOOP_SEC(1)), -EINVAL);
    assert_int_equal(evloop_get_state(loop), EVLOOP_STATE_IDLE);
    assert_int_equal(kernel_ran, 0);
    loop_run(loop);
    assert_int_equal(kernel_ran, 2);
    kernel_assert_works(loop);
    loop_end(loop);
}

/* Wherever in a run it is that the clock fails. */
TEST(a_clock_that_fails_anywhere_in_a_run_loses_nothing)
{
    unsigned failures = 0;
    for (unsigned nth = 1; nth <= 8; nth++) {
        evloop *loop = kernel_begin();
        evloop_timer timer = {0};
        assert_int_equal(evloop_timer_start(loop, &timer, EVLOOP_MS(1), 0, kernel_on_timer), 0);
        kernel_fail(CALL_CLOCK_GETTIME, nth, 1, EINVAL);
        int err = evloop_run(loop, EVLOOP_RUN_DEFAULT);
        assert_true(err == 0 || err == -EINVAL);
        failures += err != 0;
        kernel_reset();
        loop_run(loop);
        assert_int_equal(kernel_ran, 1);
        kernel_assert_works(loop);
        loop_end(loop);
    }
    assert_true(failures >= 2);
}

TEST(a_shutdown_without_a_clock_has_not_happened)
{
    evloop *loop = kernel_begin();
    kernel_fail(CALL_CLOCK_GETTIME, 1, 1, EINVAL);
    assert_int_equal(evloop_shutdown(loop, EVLOOP_SEC(1)), -EINVAL);
    assert_int_equal(evloop_get_state(loop), EVLOOP_STATE_IDLE);
    kernel_assert_works(loop);
    loop_end(loop);
}

TEST(the_loops_clock_stands_still_while_the_kernels_cannot_be_read)
{
    evloop *loop = kernel_begin();
    uint64_t now = evloop_update(loop);
    kernel_fail(CALL_CLOCK_GETTIME, 1, 2, EINVAL);
    assert_int_equal(evloop_update(loop), now);
    assert_int_equal(evloop_next_timeout_ns(loop), 0); /* to try again, and to be told by the run */
    kernel_assert_works(loop);
    loop_end(loop);
}

enum { MANY = 300 };

/* However many are started while the clock fails: what was started is not early, the rest is as
 * before. */
TEST(timers_that_are_started_while_the_clock_fails_are_not_early)
{
    static evloop_timer timers[MANY];
    evloop *loop = kernel_begin();
    unsigned started = 0;
    memset(timers, 0, sizeof timers);
    kernel_not_before = clock_ns() + EVLOOP_MS(2);
    kernel_fail(CALL_CLOCK_GETTIME, 1, MANY, EINVAL);
    for (int i = 0; i < MANY; i++) {
        int err = evloop_timer_start(loop, &timers[i], EVLOOP_MS(2), 0, kernel_on_timed);
        assert_true(err == 0 || err == -EINVAL);
        assert_true(evloop_timer_active(&timers[i]) == (err == 0));
        started += err == 0;
    }
    assert_true(started > 0);
    kernel_reset();
    for (int i = 0; i < MANY; i++)
        if (!evloop_timer_active(&timers[i]))
            assert_int_equal(evloop_timer_start(loop, &timers[i], EVLOOP_MS(2), 0, kernel_on_timed),
                             0);
    loop_run(loop);
    assert_int_equal(kernel_ran, MANY);
    loop_end(loop);
}

/* ---- starting a watch ------------------------------------------------------------------------ */

static void start_fails_with(int err)
{
    evloop *loop = kernel_begin();
    evloop_watch watch = {.data = &kernel_ran, .name = "watch"}, before;
    int fds[2];
    pipe_open(fds);
    fd_write_byte(fds[1]);
    memcpy(&before, &watch, sizeof before);
    kernel_refuse(CHANGE_ADD, 1, err);
    assert_int_equal(evloop_watch_start(loop, &watch, fds[0], EVLOOP_READABLE, kernel_on_watch),
                     -err);
    assert_memory_equal(&watch, &before, sizeof before);
    assert_string_equal(evloop_busy_reason(loop), "");
    loop_turn(loop);
    assert_int_equal(kernel_ran, 0);
    assert_int_equal(evloop_watch_start(loop, &watch, fds[0], EVLOOP_READABLE, kernel_on_watch), 0);
    loop_turn(loop);
    assert_int_equal(kernel_ran, 1);
    assert_int_equal(evloop_watch_stop(&watch), 0);
    loop_end(loop);
    fds_close(fds);
}

TEST(a_watch_that_the_kernel_refuses_is_as_before_and_can_be_started_later)
{
    for (const int *err = kernel_poller.start_errors; *err; err++)
        start_fails_with(*err);
}

static void removal_fails_with(int err)
{
    evloop *loop = kernel_begin();
    evloop_watch watch = {0}, next = {0};
    int fds[2];
    pair_open(fds);
    fd_write_byte(fds[1]);
    assert_int_equal(evloop_watch_start(loop, &watch, fds[0], EVLOOP_READABLE, kernel_on_watch), 0);
    kernel_reset();
    kernel_refuse(CHANGE_REMOVE, 1, err);
    assert_int_equal(evloop_watch_stop(&watch), 0);
    assert_int_equal(kernel_count(CALL_EPOLL_CTL) + kernel_count(CALL_KEVENT), 1);
    kernel_reset();
    assert_int_equal(evloop_watch_start(loop, &next, fds[0], EVLOOP_WRITABLE, kernel_on_watch), 0);
    loop_turn(loop);
    assert_int_equal(kernel_ran, 1);
    assert_int_equal(kernel_events, EVLOOP_WRITABLE);
    assert_int_equal(evloop_watch_stop(&next), 0);
    loop_turn(loop);
    assert_int_equal(kernel_ran, 1);
    loop_end(loop);
    fds_close(fds);
}

/* A registration that an earlier, failed removal has left behind. */
TEST(a_failed_removal_frees_the_descriptor_for_the_next_watch)
{
    static const int errors[] = {EBADF, ENOENT, ENOMEM, EPERM, EINVAL, 0};
    for (const int *err = errors; *err; err++)
        removal_fails_with(*err);
}

/* ---- changing a watch ------------------------------------------------------------------------ */

struct changing {
    evloop *loop;
    evloop_watch watch;
    int fds[2];
};

/* A watch that is about to be told of data, and the change is about to fail. */
static void change_begin(struct changing *changing, int err)
{
    memset(changing, 0, sizeof *changing);
    changing->loop = kernel_begin();
    pair_open(changing->fds);
    fd_write_byte(changing->fds[1]);
    assert_int_equal(evloop_watch_start(changing->loop, &changing->watch, changing->fds[0],
                                        EVLOOP_DISCONNECT, kernel_on_watch),
                     0);
    loop_turn(changing->loop);
    assert_int_equal(kernel_ran, 0);
    kernel_reset();
    kernel_refuse(CHANGE_MODIFY, 2, err);
    assert_int_equal(evloop_watch_modify(&changing->watch, EVLOOP_READABLE), 0);
    assert_int_equal(kernel_count(CALL_EPOLL_CTL) + kernel_count(CALL_KEVENT),
                     0); /* no system call yet */
}

static void change_end(struct changing *changing)
{
    assert_int_equal(evloop_watch_stop(&changing->watch), 0);
    loop_turn(changing->loop);
    kernel_assert_works(changing->loop);
    loop_end(changing->loop);
    fds_close(changing->fds);
}

TEST(a_change_that_lacks_memory_is_returned_by_the_run_and_made_by_the_next)
{
    for (const int *err = kernel_poller.passing_errors; *err; err++) {
        struct changing changing;
        change_begin(&changing, *err);
        assert_int_equal(evloop_run(changing.loop, EVLOOP_RUN_NOWAIT), -*err);
        assert_int_equal(kernel_ran, 0);
        kernel_reset();
        assert_int_equal(evloop_next_timeout_ns(changing.loop), 0);
        loop_turn(changing.loop);
        assert_int_equal(kernel_ran, 1);
        assert_int_equal(kernel_events, EVLOOP_READABLE);
        change_end(&changing);
    }
}

TEST(a_change_that_the_kernel_refuses_is_told_to_the_watch_once)
{
    for (const int *err = kernel_poller.refusals; *err; err++) {
        struct changing changing;
        change_begin(&changing, *err);
        loop_turn(changing.loop);
        loop_turn(changing.loop); /* where the refusal came with the wait */
        assert_int_equal(kernel_ran, 1);
        assert_true(kernel_events & EVLOOP_ERROR);
        for (int turn = 0; turn < 3; turn++)
            loop_turn(changing.loop);
        assert_int_equal(kernel_ran, 1);
        change_end(&changing);
    }
}

struct starving {
    evloop_watch healthy, failing;
    int healthy_fds[2], failing_fds[2];
};

/* One watch is ready; the other cannot be resumed. */
static void starving_begin(evloop *loop, struct starving *starving)
{
    memset(starving, 0, sizeof *starving);
    pipe_open(starving->failing_fds);
    pipe_open(starving->healthy_fds);
    assert_int_equal(evloop_watch_start(loop, &starving->failing, starving->failing_fds[0],
                                        EVLOOP_READABLE, kernel_on_watch),
                     0);
    assert_int_equal(evloop_watch_start(loop, &starving->healthy, starving->healthy_fds[0],
                                        EVLOOP_READABLE, kernel_on_watch),
                     0);
    assert_int_equal(evloop_watch_modify(&starving->failing, 0), 0);
    loop_turn(loop);
    fd_write_byte(starving->failing_fds[1]);
    fd_write_byte(starving->healthy_fds[1]);
    kernel_refuse(CHANGE_ADD, UINT16_MAX, ENOMEM);
    assert_int_equal(evloop_watch_modify(&starving->failing, EVLOOP_READABLE), 0);
}

static void starving_end(struct starving *starving)
{
    assert_int_equal(evloop_watch_stop(&starving->failing), 0);
    assert_int_equal(evloop_watch_stop(&starving->healthy), 0);
    fds_close(starving->failing_fds);
    fds_close(starving->healthy_fds);
}

TEST(a_watch_that_cannot_be_resumed_is_returned_by_the_run_and_starves_no_other)
{
    struct starving starving;
    evloop *loop = kernel_begin();
    starving_begin(loop, &starving);
    assert_int_equal(kernel_ran, 0);
    for (unsigned run = 0; run < 3; run++) {
        assert_int_equal(evloop_run(loop, EVLOOP_RUN_NOWAIT), -ENOMEM);
        assert_int_equal(evloop_run(loop, EVLOOP_RUN_DEFAULT), -ENOMEM);
        assert_int_equal(evloop_run_for(loop, EVLOOP_SEC(3600)), -ENOMEM);
        assert_int_equal(kernel_ran, 3 * (run + 1));
    }
    kernel_reset();
    kernel_ran = 0;
    loop_turn(loop);
    assert_int_equal(kernel_ran, 2);
    starving_end(&starving);
    kernel_assert_works(loop);
    loop_end(loop);
}

/* The kernel knows it no longer: closed, and the number came back. */
TEST(a_change_of_a_descriptor_that_the_kernel_has_forgotten_registers_it_anew)
{
    struct changing changing;
    change_begin(&changing, ENOENT);
    int other[2];
    kernel_reset();
    pair_open(other);
    fd_write_byte(other[1]);
    int number = changing.fds[0];
    assert_int_equal(close(number), 0); /* the registration goes with it */
    assert_int_equal(dup2(other[0], number), number);
    loop_turn(changing.loop);
    loop_turn(changing.loop);
    assert_true(kernel_ran >= 1);
    assert_int_equal(kernel_events, EVLOOP_READABLE);
    change_end(&changing);
    fds_close(other);
}

/* ---- registrations that cannot be removed ---------------------------------------------------- */

TEST(a_stale_registration_does_not_leave_the_loop_spinning)
{
    evloop *loop = kernel_begin();
    evloop_timer timer = {0};
    int fds[2];
    kernel_leave_registration(loop, fds);
    kernel_reset();
    assert_int_equal(evloop_timer_start(loop, &timer, EVLOOP_MS(10), 0, kernel_on_timer), 0);
    loop_run(loop);
    assert_int_equal(kernel_ran, 1);
    assert_true(kernel_waits() <= 5);
    kernel_assert_works(loop);
    loop_end(loop);
    fds_close(fds);
}

/* ---- the wake -------------------------------------------------------------------------------- */

TEST(a_wake_that_a_signal_interrupts_is_sent_all_the_same)
{
    struct runner runner;
    evloop *loop = kernel_begin();
    evloop_timer keeper = {0};
    assert_int_equal(evloop_timer_start(loop, &keeper, EVLOOP_SEC(3600), 0, kernel_on_timer), 0);
    runner_start(&runner, loop);
    wait_asleep(loop);
    kernel_fail(kernel_poller.wake, 1, 3, EINTR);
    assert_int_equal(evloop_post(loop, kernel_on_function, NULL), 0);
    assert_int_equal(kernel_count(kernel_poller.wake), 4);
    assert_int_equal(evloop_stop(loop), 0);
    assert_int_equal(runner_join(&runner), 0);
    loop_turn(loop);
    assert_int_equal(kernel_ran, 1);
    assert_int_equal(evloop_timer_stop(&keeper), 0);
    loop_end(loop);
}

TEST(a_wake_for_which_there_is_no_room_is_no_error)
{
    evloop *loop = kernel_begin();
    kernel_fail(kernel_poller.wake, 1, 1, EAGAIN);
    assert_int_equal(evloop_post(loop, kernel_on_function, NULL), 0);
    assert_int_equal(kernel_count(kernel_poller.wake), 1); /* it is not tried for ever */
    loop_turn(loop);
    assert_int_equal(kernel_ran, 1);
    kernel_assert_works(loop);
    loop_end(loop);
}

TEST(a_wake_leaves_errno_alone)
{
    const int errors[] = {0, EINTR, EAGAIN};
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        evloop *loop = kernel_begin();
        if (errors[i])
            kernel_fail(kernel_poller.wake, 1, 1, errors[i]);
        errno = EDOM;
        assert_int_equal(evloop_stop(loop), 0);
        assert_int_equal(errno, EDOM);
        loop_turn(loop);
        loop_end(loop);
    }
}

/* ---- after a fork ---------------------------------------------------------------------------- */

struct family {
    evloop *loop;
    evloop_watch watch;
    int fds[2];
    enum call call;
    unsigned nth;
    int err;
};

/* On a pipe of the child's own: what it wrote to the parent's would be read there. */
static void child_loop_works(struct family *family)
{
    int fds[2];
    evloop_watch own = {0};
    check(pipe(fds) == 0);
    check(evloop_watch_start(family->loop, &own, fds[0], EVLOOP_READABLE, kernel_on_watch) == 0);
    check(evloop_run(family->loop, EVLOOP_RUN_NOWAIT) == 0);
    check(kernel_ran == 0);
    check(write(fds[1], "x", 1) == 1);
    check(evloop_run(family->loop, EVLOOP_RUN_NOWAIT) == 0);
    check(kernel_ran == 1);
    check(evloop_watch_stop(&own) == 0);
    check(evloop_watch_stop(&family->watch) == 0);
    check(evloop_post(family->loop, kernel_on_function, NULL) == 0);
    check(evloop_run(family->loop, EVLOOP_RUN_DEFAULT) == 0);
    check(kernel_ran == 2);
    check(evloop_destroy(family->loop, 0) == 0);
}

static void fail_after_fork(void *arg)
{
    struct family *family = arg;
    kernel_fail(family->call, family->nth, 1, family->err);
    check(evloop_run(family->loop, EVLOOP_RUN_NOWAIT) == -ECHILD);
    check(evloop_after_fork(family->loop) == -family->err);
    check(evloop_run(family->loop, EVLOOP_RUN_NOWAIT) == -ECHILD);
    check(evloop_after_fork(family->loop) == 0);
    child_loop_works(family);
}

static void after_fork_fails_with(enum call call, unsigned nth, int err)
{
    struct family family = {.call = call, .nth = nth, .err = err};
    family.loop = kernel_begin();
    pipe_open(family.fds);
    assert_int_equal(evloop_watch_start(family.loop, &family.watch, family.fds[0], EVLOOP_READABLE,
                                        kernel_on_watch),
                     0);
    loop_turn(family.loop);
    assert_true(child_succeeds(fail_after_fork, &family));
    loop_turn(family.loop); /* and the parent's loop has not noticed */
    assert_int_equal(kernel_ran, 0);
    fd_write_byte(family.fds[1]);
    loop_turn(family.loop);
    assert_int_equal(kernel_ran, 1);
    assert_int_equal(evloop_watch_stop(&family.watch), 0);
    kernel_assert_works(family.loop);
    loop_end(family.loop);
    fds_close(family.fds);
}

static void after_fork_fails_with_each(const struct kernel_errors *failing)
{
    for (; failing->errors; failing++)
        for (const int *err = failing->errors; *err; err++)
            after_fork_fails_with(failing->call, failing->nth, *err);
}

TEST(after_fork_returns_what_the_kernel_says_and_can_be_repeated)
{
    after_fork_fails_with_each(kernel_poller.creating);
    after_fork_fails_with_each(kernel_poller.forking);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_ENTRY(create_returns_what_a_call_says_and_leaves_nothing_behind),
        TEST_ENTRY(create_returns_that_there_is_no_number_above_the_standard_ones),
        TEST_ENTRY(create_returns_what_the_clock_says_and_leaves_nothing_behind),
        TEST_ENTRY(run_returns_what_the_wait_says_and_runs_again),
        TEST_ENTRY(a_wait_that_a_signal_interrupts_is_not_seen),
        TEST_ENTRY(run_returns_what_the_clock_says_and_runs_again),
        TEST_ENTRY(a_clock_that_fails_anywhere_in_a_run_loses_nothing),
        TEST_ENTRY(a_shutdown_without_a_clock_has_not_happened),
        TEST_ENTRY(the_loops_clock_stands_still_while_the_kernels_cannot_be_read),
        TEST_ENTRY(timers_that_are_started_while_the_clock_fails_are_not_early),
        TEST_ENTRY(a_watch_that_the_kernel_refuses_is_as_before_and_can_be_started_later),
        TEST_ENTRY(a_failed_removal_frees_the_descriptor_for_the_next_watch),
        TEST_ENTRY(a_change_that_lacks_memory_is_returned_by_the_run_and_made_by_the_next),
        TEST_ENTRY(a_watch_that_cannot_be_resumed_is_returned_by_the_run_and_starves_no_other),
        TEST_ENTRY(a_change_that_the_kernel_refuses_is_told_to_the_watch_once),
        TEST_ENTRY(a_change_of_a_descriptor_that_the_kernel_has_forgotten_registers_it_anew),
        TEST_ENTRY(a_stale_registration_does_not_leave_the_loop_spinning),
        TEST_ENTRY(a_wake_that_a_signal_interrupts_is_sent_all_the_same),
        TEST_ENTRY(a_wake_for_which_there_is_no_room_is_no_error),
        TEST_ENTRY(a_wake_leaves_errno_alone),
        TEST_ENTRY(after_fork_returns_what_the_kernel_says_and_can_be_repeated),
    };
    check(setenv("EVLOOP_BACKEND", kernel_poller.name, 1) ==
          0); /* with no other to stand in for it */
    return RUN_TESTS("fault: system", tests);
}
