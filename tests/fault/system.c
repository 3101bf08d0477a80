/*
 * system.c: every system call of the epoll poller fails, with every error that its manual page
 * lists.
 */
#include "kernel.h"

#include <fcntl.h>
#include <sys/epoll.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

static unsigned ran;
static unsigned last_events;

static void on_timer(evloop_timer *timer)
{
    (void)timer;
    ran++;
}

static void on_function(void *arg)
{
    (void)arg;
    ran++;
}

static void on_watch(evloop_watch *watch, unsigned events)
{
    (void)watch;
    last_events = events;
    ran++;
}

static evloop *begin(void)
{
    kernel_reset();
    ran = last_events = 0;
    return loop_new();
}

/* The loop is as good as new. */
static void assert_works(evloop *loop)
{
    evloop_timer timer = {0};
    evloop_watch watch = {0};
    int fds[2];
    kernel_reset();
    pipe_open(fds);
    ran = 0;
    assert_int_equal(evloop_timer_start(loop, &timer, EVLOOP_US(100), 0, on_timer), 0);
    assert_int_equal(evloop_post(loop, on_function, NULL), 0);
    assert_int_equal(evloop_watch_start(loop, &watch, fds[0], EVLOOP_READABLE, on_watch), 0);
    assert_int_equal(evloop_watch_unref(&watch), 0);
    loop_run(loop);
    assert_int_equal(ran, 2);
    fd_write_byte(fds[1]);
    loop_turn(loop);
    assert_int_equal(ran, 3);
    assert_int_equal(evloop_watch_stop(&watch), 0);
    fds_close(fds);
}

/* ---- creating -------------------------------------------------------------------------------- */

static void create_fails_with(enum call call, int err)
{
    evloop *const untouched = (evloop *)&ran;
    evloop *loop = untouched;
    evloop_options options = evloop_options_default();
    options.allocator = &test_heap.allocator;
    kernel_reset();
    kernel_fail(call, 1, 1, err);
    assert_int_equal(evloop_create(&loop, &options), -err);
    assert_ptr_equal(loop, untouched);
    assert_int_equal(heap_blocks(&test_heap), 0);
    assert_int_equal(evloop_create(&loop, &options), 0);
    assert_works(loop);
    loop_end(loop);
}

static void create_fails_with_each(enum call call, const int *errors, size_t count)
{
    for (size_t i = 0; i < count; i++)
        create_fails_with(call, errors[i]);
}

TEST(create_returns_what_epoll_create1_says_and_leaves_nothing_behind)
{
    const int errors[] = {EINVAL, EMFILE, ENFILE, ENOMEM};
    create_fails_with_each(CALL_EPOLL_CREATE1, errors, COUNT(errors));
}

TEST(create_returns_what_eventfd_says_and_leaves_nothing_behind)
{
    const int errors[] = {EINVAL, EMFILE, ENFILE, ENODEV, ENOMEM};
    create_fails_with_each(CALL_EVENTFD, errors, COUNT(errors));
}

TEST(create_returns_what_epoll_ctl_says_and_leaves_nothing_behind)
{
    const int errors[] = {EBADF, EINVAL, ELOOP, ENOMEM, ENOSPC, EPERM};
    create_fails_with_each(CALL_EPOLL_CTL, errors, COUNT(errors));
}

/* Each of the loop's two descriptors would be standard input, and is moved from there. */
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
    for (unsigned nth = 1; nth <= 2; nth++)
        assert_true(child_succeeds(create_cannot_move, &nth));
}

TEST(create_returns_what_the_clock_says_and_leaves_nothing_behind)
{
    const int errors[] = {EFAULT, EINVAL, ENODEV, ENOTSUP, EPERM};
    create_fails_with_each(CALL_CLOCK_GETTIME, errors, COUNT(errors));
}

/* ---- the wait -------------------------------------------------------------------------------- */

static const int wait_errors[] = {EBADF, EFAULT, EINVAL};

TEST(run_returns_what_epoll_wait_says_and_runs_again)
{
    const evloop_run_mode modes[] = {EVLOOP_RUN_DEFAULT, EVLOOP_RUN_ONCE, EVLOOP_RUN_NOWAIT};
    for (size_t i = 0; i < COUNT(wait_errors); i++)
        for (size_t mode = 0; mode < COUNT(modes); mode++) {
            evloop *loop = begin();
            evloop_timer timer = {0};
            assert_int_equal(evloop_timer_start(loop, &timer, EVLOOP_FOREVER, 0, on_timer), 0);
            kernel_fail(CALL_EPOLL_WAIT, 1, 1, wait_errors[i]);
            assert_int_equal(evloop_run(loop, modes[mode]), -wait_errors[i]);
            assert_int_equal(evloop_get_state(loop), EVLOOP_STATE_IDLE);
            assert_true(evloop_timer_active(&timer));
            assert_int_equal(evloop_timer_stop(&timer), 0);
            assert_works(loop);
            loop_end(loop);
        }
}

/* Whether the loop waits with it: not with every C library, and not under every valgrind. */
static bool uses_epoll_pwait2(evloop *loop)
{
    evloop_timer timer = {0};
    assert_int_equal(evloop_timer_start(loop, &timer, EVLOOP_MS(1), 0, on_timer), 0);
    loop_run(loop);
    kernel_reset();
    assert_int_equal(evloop_timer_again(&timer, EVLOOP_MS(1)), 0);
    loop_run(loop);
    return kernel_count(CALL_EPOLL_PWAIT2) > 0;
}

TEST(run_returns_what_epoll_pwait2_says_and_runs_again)
{
    for (size_t i = 0; i < COUNT(wait_errors); i++) {
        evloop *loop = begin();
        evloop_timer timer = {0};
        if (uses_epoll_pwait2(loop)) {
            kernel_fail(CALL_EPOLL_PWAIT2, 1, 1, wait_errors[i]);
            assert_int_equal(evloop_timer_start(loop, &timer, EVLOOP_SEC(60), 0, on_timer), 0);
            assert_int_equal(evloop_run(loop, EVLOOP_RUN_DEFAULT), -wait_errors[i]);
            assert_int_equal(evloop_timer_stop(&timer), 0);
        }
        assert_works(loop);
        loop_end(loop);
    }
}

static uint64_t not_before;

static void on_timed(evloop_timer *timer)
{
    (void)timer;
    assert_true(clock_ns() >= not_before);
    ran++;
}

static void run_timer(evloop *loop, uint64_t delay_ns)
{
    evloop_timer timer = {0};
    ran = 0;
    not_before = clock_ns() + delay_ns;
    assert_int_equal(evloop_timer_start(loop, &timer, delay_ns, 0, on_timed), 0);
    loop_run(loop);
    assert_int_equal(ran, 1);
}

TEST(a_wait_that_a_signal_interrupts_is_not_seen)
{
    evloop *loop = begin();
    kernel_fail(CALL_EPOLL_PWAIT2, 1, 5, EINTR);
    kernel_fail(CALL_EPOLL_WAIT, 1, 5, EINTR);
    run_timer(loop, EVLOOP_MS(2));
    kernel_fail(CALL_EPOLL_WAIT, 1, 1, EINTR);
    loop_turn(loop);
    loop_end(loop);
}

/* A kernel without epoll_pwait2, and a sandbox that refuses it: whole ms, rounded up, so that no
 * timer is early. */
TEST(without_epoll_pwait2_the_loop_waits_with_epoll_wait_and_no_timer_is_early)
{
    const int errors[] = {ENOSYS, EPERM};
    for (size_t i = 0; i < COUNT(errors); i++) {
        evloop *loop = begin();
        kernel_fail(CALL_EPOLL_PWAIT2, 1, 1000, errors[i]);
        run_timer(loop, EVLOOP_US(1500));
        run_timer(loop, EVLOOP_US(1));
        run_timer(loop, EVLOOP_US(2999));
        assert_true(kernel_count(CALL_EPOLL_PWAIT2) <= 1); /* once is enough to know */
        assert_true(kernel_count(CALL_EPOLL_WAIT) > 0);
        kernel_reset();
        assert_works(loop);
        loop_end(loop);
    }
}

/* On a clock that stands still, so that what is left is known; the wait itself need not be endured.
 */
TEST(without_epoll_pwait2_a_wait_is_rounded_up_to_whole_ms)
{
    const uint64_t delays[] = {1, EVLOOP_US(999), EVLOOP_MS(1), EVLOOP_MS(1) + 1,
                               EVLOOP_SEC(3600) + 1};
    const int timeouts_ms[] = {1, 1, 1, 2, 3600001};
    for (size_t i = 0; i < COUNT(delays); i++) {
        evloop *loop = begin();
        evloop_timer timer = {0};
        kernel_stop_clock();
        kernel_fail(CALL_EPOLL_PWAIT2, 1, 1, ENOSYS);
        kernel_fail(CALL_EPOLL_WAIT, 1, 1, EBADF);
        assert_int_equal(evloop_timer_start(loop, &timer, delays[i], 0, on_timer), 0);
        assert_int_equal(evloop_run(loop, EVLOOP_RUN_DEFAULT), -EBADF);
        assert_int_equal(kernel_last_timeout_ms(), timeouts_ms[i]);
        assert_int_equal(evloop_timer_stop(&timer), 0);
        loop_end(loop);
    }
    kernel_reset();
}

/* ---- the clock ------------------------------------------------------------------------------- */

TEST(run_returns_what_the_clock_says_and_runs_again)
{
    evloop *loop = begin();
    evloop_timer timer = {0};
    assert_int_equal(evloop_timer_start(loop, &timer, EVLOOP_US(10), 0, on_timer), 0);
    assert_int_equal(evloop_post(loop, on_function, NULL), 0);
    kernel_fail(CALL_CLOCK_GETTIME, 1, 1, EINVAL);
    assert_int_equal(evloop_run(loop, EVLOOP_RUN_DEFAULT), -EINVAL);
    kernel_fail(CALL_CLOCK_GETTIME, 1, 1, EINVAL);
    assert_int_equal(evloop_run_for(loop, EVLOOP_SEC(1)), -EINVAL);
    assert_int_equal(evloop_get_state(loop), EVLOOP_STATE_IDLE);
    assert_int_equal(ran, 0);
    loop_run(loop);
    assert_int_equal(ran, 2);
    assert_works(loop);
    loop_end(loop);
}

/* Wherever in a run it is that the clock fails. */
TEST(a_clock_that_fails_anywhere_in_a_run_loses_nothing)
{
    unsigned failures = 0;
    for (unsigned nth = 1; nth <= 8; nth++) {
        evloop *loop = begin();
        evloop_timer timer = {0};
        assert_int_equal(evloop_timer_start(loop, &timer, EVLOOP_MS(1), 0, on_timer), 0);
        kernel_fail(CALL_CLOCK_GETTIME, nth, 1, EINVAL);
        int err = evloop_run(loop, EVLOOP_RUN_DEFAULT);
        assert_true(err == 0 || err == -EINVAL);
        failures += err != 0;
        kernel_reset();
        loop_run(loop);
        assert_int_equal(ran, 1);
        assert_works(loop);
        loop_end(loop);
    }
    assert_true(failures >= 2);
}

TEST(a_shutdown_without_a_clock_has_not_happened)
{
    evloop *loop = begin();
    kernel_fail(CALL_CLOCK_GETTIME, 1, 1, EINVAL);
    assert_int_equal(evloop_shutdown(loop, EVLOOP_SEC(1)), -EINVAL);
    assert_int_equal(evloop_get_state(loop), EVLOOP_STATE_IDLE);
    assert_works(loop);
    loop_end(loop);
}

TEST(the_loops_clock_stands_still_while_the_kernels_cannot_be_read)
{
    evloop *loop = begin();
    uint64_t now = evloop_update(loop);
    kernel_fail(CALL_CLOCK_GETTIME, 1, 2, EINVAL);
    assert_int_equal(evloop_update(loop), now);
    assert_int_equal(evloop_next_timeout_ns(loop), 0); /* to try again, and to be told by the run */
    assert_works(loop);
    loop_end(loop);
}

enum { MANY = 300 };

/* However many are started while the clock fails: what was started is not early, the rest is as
 * before. */
TEST(timers_that_are_started_while_the_clock_fails_are_not_early)
{
    static evloop_timer timers[MANY];
    evloop *loop = begin();
    unsigned started = 0;
    memset(timers, 0, sizeof timers);
    not_before = clock_ns() + EVLOOP_MS(2);
    kernel_fail(CALL_CLOCK_GETTIME, 1, MANY, EINVAL);
    for (int i = 0; i < MANY; i++) {
        int err = evloop_timer_start(loop, &timers[i], EVLOOP_MS(2), 0, on_timed);
        assert_true(err == 0 || err == -EINVAL);
        assert_true(evloop_timer_active(&timers[i]) == (err == 0));
        started += err == 0;
    }
    assert_true(started > 0);
    kernel_reset();
    for (int i = 0; i < MANY; i++)
        if (!evloop_timer_active(&timers[i]))
            assert_int_equal(evloop_timer_start(loop, &timers[i], EVLOOP_MS(2), 0, on_timed), 0);
    loop_run(loop);
    assert_int_equal(ran, MANY);
    loop_end(loop);
}

/* ---- starting a watch ------------------------------------------------------------------------ */

TEST(a_watch_that_the_kernel_refuses_is_as_before_and_can_be_started_later)
{
    const int errors[] = {EBADF, EPERM, ENOMEM, ENOSPC, ELOOP, EINVAL};
    for (size_t i = 0; i < COUNT(errors); i++) {
        evloop *loop = begin();
        evloop_watch watch = {.data = &ran, .name = "watch"}, before;
        int fds[2];
        pipe_open(fds);
        fd_write_byte(fds[1]);
        memcpy(&before, &watch, sizeof before);
        kernel_fail(CALL_EPOLL_CTL, 1, 1, errors[i]);
        assert_int_equal(evloop_watch_start(loop, &watch, fds[0], EVLOOP_READABLE, on_watch),
                         -errors[i]);
        assert_memory_equal(&watch, &before, sizeof before);
        assert_string_equal(evloop_busy_reason(loop), "");
        loop_turn(loop);
        assert_int_equal(ran, 0);
        assert_int_equal(evloop_watch_start(loop, &watch, fds[0], EVLOOP_READABLE, on_watch), 0);
        loop_turn(loop);
        assert_int_equal(ran, 1);
        assert_int_equal(evloop_watch_stop(&watch), 0);
        loop_end(loop);
        fds_close(fds);
    }
}

/* A registration that an earlier, failed removal has left behind. */
TEST(a_failed_removal_frees_the_descriptor_for_the_next_watch)
{
    const int errors[] = {EBADF, ENOENT, ENOMEM, EPERM, EINVAL};
    for (size_t i = 0; i < COUNT(errors); i++) {
        evloop *loop = begin();
        evloop_watch watch = {0}, next = {0};
        int fds[2];
        pair_open(fds);
        fd_write_byte(fds[1]);
        assert_int_equal(evloop_watch_start(loop, &watch, fds[0], EVLOOP_READABLE, on_watch), 0);
        kernel_reset();
        kernel_only_operation(EPOLL_CTL_DEL);
        kernel_fail(CALL_EPOLL_CTL, 1, 1, errors[i]);
        assert_int_equal(evloop_watch_stop(&watch), 0);
        assert_int_equal(kernel_count(CALL_EPOLL_CTL), 1);
        kernel_reset();
        assert_int_equal(evloop_watch_start(loop, &next, fds[0], EVLOOP_WRITABLE, on_watch), 0);
        loop_turn(loop);
        assert_int_equal(ran, 1);
        assert_int_equal(last_events, EVLOOP_WRITABLE);
        assert_int_equal(evloop_watch_stop(&next), 0);
        loop_turn(loop);
        assert_int_equal(ran, 1);
        loop_end(loop);
        fds_close(fds);
    }
}

/* ---- changing a watch ------------------------------------------------------------------------ */

struct changing {
    evloop *loop;
    evloop_watch watch;
    int fds[2];
};

/* A writable watch that is about to be made readable, and the change is about to fail. */
static void change_begin(struct changing *changing, int err)
{
    memset(changing, 0, sizeof *changing);
    changing->loop = begin();
    pair_open(changing->fds);
    fd_write_byte(changing->fds[1]);
    assert_int_equal(evloop_watch_start(changing->loop, &changing->watch, changing->fds[0],
                                        EVLOOP_PRIORITY, on_watch),
                     0);
    loop_turn(changing->loop);
    assert_int_equal(ran, 0);
    kernel_reset();
    kernel_only_operation(EPOLL_CTL_MOD);
    kernel_fail(CALL_EPOLL_CTL, 1, 2, err);
    assert_int_equal(evloop_watch_modify(&changing->watch, EVLOOP_READABLE), 0);
    assert_int_equal(kernel_count(CALL_EPOLL_CTL), 0); /* no system call yet */
}

static void change_end(struct changing *changing)
{
    assert_int_equal(evloop_watch_stop(&changing->watch), 0);
    loop_turn(changing->loop);
    assert_works(changing->loop);
    loop_end(changing->loop);
    fds_close(changing->fds);
}

TEST(a_change_that_lacks_memory_is_returned_by_the_run_and_made_by_the_next)
{
    const int errors[] = {ENOMEM, ENOSPC};
    for (size_t i = 0; i < COUNT(errors); i++) {
        struct changing changing;
        change_begin(&changing, errors[i]);
        assert_int_equal(evloop_run(changing.loop, EVLOOP_RUN_NOWAIT), -errors[i]);
        assert_int_equal(ran, 0);
        kernel_reset();
        assert_int_equal(evloop_next_timeout_ns(changing.loop), 0);
        loop_turn(changing.loop);
        assert_int_equal(ran, 1);
        assert_int_equal(last_events, EVLOOP_READABLE);
        change_end(&changing);
    }
}

TEST(a_change_that_the_kernel_refuses_is_told_to_the_watch_once)
{
    const int errors[] = {EBADF, EPERM, ELOOP, EINVAL};
    for (size_t i = 0; i < COUNT(errors); i++) {
        struct changing changing;
        change_begin(&changing, errors[i]);
        loop_turn(changing.loop);
        assert_int_equal(ran, 1);
        assert_true(last_events & EVLOOP_ERROR);
        for (int turn = 0; turn < 3; turn++)
            loop_turn(changing.loop);
        assert_int_equal(ran, 1);
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
                                        EVLOOP_READABLE, on_watch),
                     0);
    assert_int_equal(evloop_watch_start(loop, &starving->healthy, starving->healthy_fds[0],
                                        EVLOOP_READABLE, on_watch),
                     0);
    assert_int_equal(evloop_watch_modify(&starving->failing, 0), 0);
    loop_turn(loop);
    fd_write_byte(starving->failing_fds[1]);
    fd_write_byte(starving->healthy_fds[1]);
    kernel_only_operation(EPOLL_CTL_ADD);
    kernel_fail(CALL_EPOLL_CTL, 1, UINT16_MAX, ENOSPC);
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
    evloop *loop = begin();
    starving_begin(loop, &starving);
    assert_int_equal(ran, 0);
    for (unsigned run = 0; run < 3; run++) {
        assert_int_equal(evloop_run(loop, EVLOOP_RUN_NOWAIT), -ENOSPC);
        assert_int_equal(evloop_run(loop, EVLOOP_RUN_DEFAULT), -ENOSPC);
        assert_int_equal(evloop_run_for(loop, EVLOOP_SEC(3600)), -ENOSPC);
        assert_int_equal(ran, 3 * (run + 1));
    }
    kernel_reset();
    ran = 0;
    loop_turn(loop);
    assert_int_equal(ran, 2);
    starving_end(&starving);
    assert_works(loop);
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
    assert_true(ran >= 1);
    assert_int_equal(last_events, EVLOOP_READABLE);
    change_end(&changing);
    fds_close(other);
}

/* What was to be removed is there still: the addition becomes a change. */
TEST(an_addition_of_a_descriptor_that_the_kernel_still_has_changes_it)
{
    evloop *loop = begin();
    evloop_watch watch = {0};
    int fds[2];
    pipe_open(fds);
    fd_write_byte(fds[1]);
    struct epoll_event event = {.events = 0};
    assert_int_equal(epoll_ctl(evloop_backend_fd(loop), EPOLL_CTL_ADD, fds[0], &event), 0);
    assert_int_equal(evloop_watch_start(loop, &watch, fds[0], EVLOOP_READABLE, on_watch), 0);
    loop_turn(loop);
    assert_int_equal(ran, 1);
    assert_int_equal(evloop_watch_stop(&watch), 0);
    loop_end(loop);
    fds_close(fds);
}

/* ---- registrations that cannot be removed ---------------------------------------------------- */

/* Stops a watch whose descriptor was closed first, and which lives on under another number. */
static void leave_registration(evloop *loop, int fds[2])
{
    evloop_watch watch = {0};
    pipe_open(fds);
    assert_int_equal(evloop_watch_start(loop, &watch, fds[0], EVLOOP_READABLE, on_watch), 0);
    int duplicate = fcntl(fds[0], F_DUPFD_CLOEXEC, 0);
    assert_true(duplicate >= 0);
    assert_int_equal(close(fds[0]), 0);
    fds[0] = duplicate;
    assert_int_equal(evloop_watch_stop(&watch), 0);
    fd_write_byte(fds[1]);
}

static unsigned waits(void)
{
    return kernel_count(CALL_EPOLL_WAIT) + kernel_count(CALL_EPOLL_PWAIT2);
}

TEST(a_stale_registration_does_not_leave_the_loop_spinning)
{
    evloop *loop = begin();
    evloop_timer timer = {0};
    int fds[2];
    leave_registration(loop, fds);
    kernel_reset();
    assert_int_equal(evloop_timer_start(loop, &timer, EVLOOP_MS(10), 0, on_timer), 0);
    loop_run(loop);
    assert_int_equal(ran, 1);
    assert_true(waits() <= 5);
    assert_works(loop);
    loop_end(loop);
    fds_close(fds);
}

static void reopening_fails_with(enum call call, int err)
{
    evloop *loop = begin();
    int fds[2], watched[2];
    evloop_watch watch = {0};
    leave_registration(loop, fds);
    pipe_open(watched);
    assert_int_equal(evloop_watch_start(loop, &watch, watched[0], EVLOOP_READABLE, on_watch), 0);
    kernel_fail(call, 1, 1, err);
    assert_int_equal(evloop_run(loop, EVLOOP_RUN_NOWAIT), -err); /* the stale event shows */
    kernel_reset();
    loop_turn(loop);
    fd_write_byte(watched[1]);
    ran = 0;
    loop_turn(loop);
    assert_int_equal(ran, 1);
    assert_int_equal(evloop_watch_stop(&watch), 0);
    assert_works(loop);
    loop_end(loop);
    fds_close(fds);
    fds_close(watched);
}

TEST(getting_rid_of_a_stale_registration_can_fail_and_is_tried_again)
{
    reopening_fails_with(CALL_EPOLL_CREATE1, EMFILE);
    reopening_fails_with(CALL_EPOLL_CREATE1, ENOMEM);
    reopening_fails_with(CALL_EVENTFD, EMFILE);
    reopening_fails_with(CALL_EVENTFD, ENFILE);
    reopening_fails_with(CALL_EPOLL_CTL, ENOMEM);
    reopening_fails_with(CALL_DUP3, EBUSY);
    reopening_fails_with(CALL_DUP3, EMFILE);
}

/* ---- the wake -------------------------------------------------------------------------------- */

TEST(a_wake_that_a_signal_interrupts_is_sent_all_the_same)
{
    struct runner runner;
    evloop *loop = begin();
    evloop_timer keeper = {0};
    assert_int_equal(evloop_timer_start(loop, &keeper, EVLOOP_SEC(3600), 0, on_timer), 0);
    runner_start(&runner, loop);
    wait_asleep(loop);
    kernel_fail(CALL_WRITE, 1, 3, EINTR);
    assert_int_equal(evloop_post(loop, on_function, NULL), 0);
    assert_int_equal(kernel_count(CALL_WRITE), 4);
    assert_int_equal(evloop_stop(loop), 0);
    assert_int_equal(runner_join(&runner), 0);
    loop_turn(loop);
    assert_int_equal(ran, 1);
    assert_int_equal(evloop_timer_stop(&keeper), 0);
    loop_end(loop);
}

TEST(a_wake_for_which_there_is_no_room_is_no_error)
{
    evloop *loop = begin();
    kernel_fail(CALL_WRITE, 1, 1, EAGAIN);
    assert_int_equal(evloop_post(loop, on_function, NULL), 0);
    assert_int_equal(kernel_count(CALL_WRITE), 1); /* it is not tried for ever */
    loop_turn(loop);
    assert_int_equal(ran, 1);
    assert_works(loop);
    loop_end(loop);
}

TEST(a_wake_leaves_errno_alone)
{
    const int errors[] = {0, EINTR, EAGAIN};
    for (size_t i = 0; i < COUNT(errors); i++) {
        evloop *loop = begin();
        if (errors[i])
            kernel_fail(CALL_WRITE, 1, 1, errors[i]);
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
    check(evloop_watch_start(family->loop, &own, fds[0], EVLOOP_READABLE, on_watch) == 0);
    check(evloop_run(family->loop, EVLOOP_RUN_NOWAIT) == 0);
    check(ran == 0);
    check(write(fds[1], "x", 1) == 1);
    check(evloop_run(family->loop, EVLOOP_RUN_NOWAIT) == 0);
    check(ran == 1);
    check(evloop_watch_stop(&own) == 0);
    check(evloop_watch_stop(&family->watch) == 0);
    check(evloop_post(family->loop, on_function, NULL) == 0);
    check(evloop_run(family->loop, EVLOOP_RUN_DEFAULT) == 0);
    check(ran == 2);
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
    family.loop = begin();
    pipe_open(family.fds);
    assert_int_equal(
        evloop_watch_start(family.loop, &family.watch, family.fds[0], EVLOOP_READABLE, on_watch),
        0);
    loop_turn(family.loop);
    assert_true(child_succeeds(fail_after_fork, &family));
    loop_turn(family.loop); /* and the parent's loop has not noticed */
    assert_int_equal(ran, 0);
    fd_write_byte(family.fds[1]);
    loop_turn(family.loop);
    assert_int_equal(ran, 1);
    assert_int_equal(evloop_watch_stop(&family.watch), 0);
    assert_works(family.loop);
    loop_end(family.loop);
    fds_close(family.fds);
}

TEST(after_fork_returns_what_the_kernel_says_and_can_be_repeated)
{
    after_fork_fails_with(CALL_EPOLL_CREATE1, 1, EMFILE);
    after_fork_fails_with(CALL_EVENTFD, 1, EMFILE);
    after_fork_fails_with(CALL_EPOLL_CTL, 1, ENOMEM);
    after_fork_fails_with(CALL_EPOLL_CTL, 2, ENOMEM);
    after_fork_fails_with(CALL_EPOLL_CTL, 3, ENOSPC); /* the user's watch */
    after_fork_fails_with(CALL_DUP3, 1, EMFILE);
    after_fork_fails_with(CALL_DUP3, 2, EBUSY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_ENTRY(create_returns_what_epoll_create1_says_and_leaves_nothing_behind),
        TEST_ENTRY(create_returns_what_eventfd_says_and_leaves_nothing_behind),
        TEST_ENTRY(create_returns_what_epoll_ctl_says_and_leaves_nothing_behind),
        TEST_ENTRY(create_returns_that_there_is_no_number_above_the_standard_ones),
        TEST_ENTRY(create_returns_what_the_clock_says_and_leaves_nothing_behind),
        TEST_ENTRY(run_returns_what_epoll_wait_says_and_runs_again),
        TEST_ENTRY(run_returns_what_epoll_pwait2_says_and_runs_again),
        TEST_ENTRY(a_wait_that_a_signal_interrupts_is_not_seen),
        TEST_ENTRY(without_epoll_pwait2_the_loop_waits_with_epoll_wait_and_no_timer_is_early),
        TEST_ENTRY(without_epoll_pwait2_a_wait_is_rounded_up_to_whole_ms),
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
        TEST_ENTRY(an_addition_of_a_descriptor_that_the_kernel_still_has_changes_it),
        TEST_ENTRY(a_stale_registration_does_not_leave_the_loop_spinning),
        TEST_ENTRY(getting_rid_of_a_stale_registration_can_fail_and_is_tried_again),
        TEST_ENTRY(a_wake_that_a_signal_interrupts_is_sent_all_the_same),
        TEST_ENTRY(a_wake_for_which_there_is_no_room_is_no_error),
        TEST_ENTRY(a_wake_leaves_errno_alone),
        TEST_ENTRY(after_fork_returns_what_the_kernel_says_and_can_be_repeated),
    };
    check(setenv("EVLOOP_BACKEND", "epoll", 1) == 0); /* with no other to stand in for it */
    return RUN_TESTS("fault: system", tests);
}
