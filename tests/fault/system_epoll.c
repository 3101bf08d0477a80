/*
 * system_epoll.c: of system.c, what epoll has alone.
 */
#include "kernel_epoll.h"

#include <fcntl.h>
#include <sys/epoll.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* ---- the wait -------------------------------------------------------------------------------- */

/* Whether the loop waits with it: not with every C library, and not under every valgrind. */
static bool uses_epoll_pwait2(evloop *loop)
{
    evloop_timer timer = {0};
    assert_int_equal(evloop_timer_start(loop, &timer, EVLOOP_MS(1), 0, kernel_on_timer), 0);
    loop_run(loop);
    kernel_reset();
    assert_int_equal(evloop_timer_again(&timer, EVLOOP_MS(1)), 0);
    loop_run(loop);
    return kernel_count(CALL_EPOLL_PWAIT2) > 0;
}

TEST(run_returns_what_epoll_pwait2_says_and_runs_again)
{
    const int errors[] = {EBADF, EFAULT, EINVAL};
    for (size_t i = 0; i < COUNT(errors); i++) {
        evloop *loop = kernel_begin();
        evloop_timer timer = {0};
        if (uses_epoll_pwait2(loop)) {
            kernel_fail(CALL_EPOLL_PWAIT2, 1, 1, errors[i]);
            assert_int_equal(evloop_timer_start(loop, &timer, EVLOOP_SEC(60), 0, kernel_on_timer),
                             0);
            assert_int_equal(evloop_run(loop, EVLOOP_RUN_DEFAULT), -errors[i]);
            assert_int_equal(evloop_timer_stop(&timer), 0);
        }
        kernel_assert_works(loop);
        loop_end(loop);
    }
}

/* A kernel without epoll_pwait2, and a sandbox that refuses it: whole ms, rounded up, so that no
 * timer is early. */
TEST(without_epoll_pwait2_the_loop_waits_with_epoll_wait_and_no_timer_is_early)
{
    const int errors[] = {ENOSYS, EPERM};
    for (size_t i = 0; i < COUNT(errors); i++) {
        evloop *loop = kernel_begin();
        kernel_fail(CALL_EPOLL_PWAIT2, 1, 1000, errors[i]);
        kernel_run_timer(loop, EVLOOP_US(1500));
        kernel_run_timer(loop, EVLOOP_US(1));
        kernel_run_timer(loop, EVLOOP_US(2999));
        assert_true(kernel_count(CALL_EPOLL_PWAIT2) <= 1); /* once is enough to know */
        assert_true(kernel_count(CALL_EPOLL_WAIT) > 0);
        kernel_reset();
        kernel_assert_works(loop);
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
        evloop *loop = kernel_begin();
        evloop_timer timer = {0};
        kernel_stop_clock();
        kernel_fail(CALL_EPOLL_PWAIT2, 1, 1, ENOSYS);
        kernel_fail(CALL_EPOLL_WAIT, 1, 1, EBADF);
        assert_int_equal(evloop_timer_start(loop, &timer, delays[i], 0, kernel_on_timer), 0);
        assert_int_equal(evloop_run(loop, EVLOOP_RUN_DEFAULT), -EBADF);
        assert_int_equal(kernel_last_timeout_ms(), timeouts_ms[i]);
        assert_int_equal(evloop_timer_stop(&timer), 0);
        loop_end(loop);
    }
    kernel_reset();
}

/* ---- registrations --------------------------------------------------------------------------- */

/* What was to be removed is there still: the addition becomes a change. */
TEST(an_addition_of_a_descriptor_that_the_kernel_still_has_changes_it)
{
    evloop *loop = kernel_begin();
    evloop_watch watch = {0};
    int fds[2];
    pipe_open(fds);
    fd_write_byte(fds[1]);
    struct epoll_event event = {.events = 0};
    assert_int_equal(epoll_ctl(evloop_backend_fd(loop), EPOLL_CTL_ADD, fds[0], &event), 0);
    assert_int_equal(evloop_watch_start(loop, &watch, fds[0], EVLOOP_READABLE, kernel_on_watch), 0);
    loop_turn(loop);
    assert_int_equal(kernel_ran, 1);
    assert_int_equal(evloop_watch_stop(&watch), 0);
    loop_end(loop);
    fds_close(fds);
}

static void reopening_fails_with(enum call call, int err)
{
    evloop *loop = kernel_begin();
    int fds[2], watched[2];
    evloop_watch watch = {0};
    kernel_leave_registration(loop, fds);
    pipe_open(watched);
    assert_int_equal(evloop_watch_start(loop, &watch, watched[0], EVLOOP_READABLE, kernel_on_watch),
                     0);
    kernel_fail(call, 1, 1, err);
    assert_int_equal(evloop_run(loop, EVLOOP_RUN_NOWAIT), -err); /* the stale event shows */
    kernel_reset();
    loop_turn(loop);
    fd_write_byte(watched[1]);
    kernel_ran = 0;
    loop_turn(loop);
    assert_int_equal(kernel_ran, 1);
    assert_int_equal(evloop_watch_stop(&watch), 0);
    kernel_assert_works(loop);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_ENTRY(run_returns_what_epoll_pwait2_says_and_runs_again),
        TEST_ENTRY(without_epoll_pwait2_the_loop_waits_with_epoll_wait_and_no_timer_is_early),
        TEST_ENTRY(without_epoll_pwait2_a_wait_is_rounded_up_to_whole_ms),
        TEST_ENTRY(an_addition_of_a_descriptor_that_the_kernel_still_has_changes_it),
        TEST_ENTRY(getting_rid_of_a_stale_registration_can_fail_and_is_tried_again),
    };
    check(setenv("EVLOOP_BACKEND", kernel_poller.name, 1) ==
          0); /* with no other to stand in for it */
    return RUN_TESTS("fault: system, epoll", tests);
}
