/*
 * watches.c: events of descriptors that are not there any more, registrations that were left half
 * done, what comes while the loop goes to sleep, and changes from the wrong thread.
 */
#include "sim.h"

#include <fcntl.h>

#include "core/loop.h"

static unsigned told;

static void on_watch(evloop_watch *watch, unsigned events)
{
    (void)watch, (void)events;
    told++;
}

/* Moves a descriptor to a number that is free. */
static void move_to(int *fd, int number)
{
    if (*fd == number)
        return;
    assert_int_equal(dup2(*fd, number), number);
    assert_int_equal(close(*fd), 0);
    *fd = number;
}

/* ---- stale events ---------------------------------------------------------------------------- */

static int old_pipe[2];
static int new_pipe[2];
static evloop_watch first, old, fresh;

/* Both were ready when the kernel was asked; now the second's number belongs to another pipe. */
static void replace_the_other(evloop_watch *watch, unsigned events)
{
    evloop_watch *other = watch == &first ? &old : &first;
    evloop *loop = evloop_watch_loop(watch);
    (void)events;
    if (!evloop_watch_active(other))
        return;
    int *other_pipe = other == &old ? old_pipe : watch->data;
    int number = other_pipe[0];
    assert_int_equal(evloop_watch_stop(other), 0);
    assert_int_equal(close(number), 0);
    pipe_open(new_pipe);
    move_to(&new_pipe[0], number);
    other_pipe[0] = -1;
    assert_int_equal(evloop_watch_start(loop, &fresh, number, EVLOOP_READABLE, on_watch), 0);
}

TEST(stale_events_do_not_reach_a_successor_that_was_started_in_a_callback)
{
    sim_off();
    evloop *loop = loop_new();
    int first_pipe[2];
    pipe_open(first_pipe);
    pipe_open(old_pipe);
    first = old = fresh = (evloop_watch){.data = first_pipe};
    told = 0;
    assert_int_equal(
        evloop_watch_start(loop, &first, first_pipe[0], EVLOOP_READABLE, replace_the_other), 0);
    assert_int_equal(
        evloop_watch_start(loop, &old, old_pipe[0], EVLOOP_READABLE, replace_the_other), 0);
    fd_write_byte(first_pipe[1]);
    fd_write_byte(old_pipe[1]);
    loop_turn(loop);
    loop_turn(loop);
    assert_true(evloop_watch_active(&fresh));
    assert_int_equal(told, 0);
    fd_write_byte(new_pipe[1]);
    loop_turn(loop);
    assert_int_equal(told, 1);
    evloop_watch_stop(&first);
    evloop_watch_stop(&old);
    evloop_watch_stop(&fresh);
    loop_end(loop);
    fds_close(first_pipe);
    fds_close(old_pipe);
    fds_close(new_pipe);
}

/*
 * The descriptor is closed before its watch is stopped, and a duplicate keeps the kernel's
 * registration alive: nobody can remove it any more, and its events come under a number that now
 * means something else.
 */
TEST(stale_events_of_a_registration_that_cannot_be_removed_do_not_reach_its_successor)
{
    sim_off();
    evloop *loop = loop_new();
    pipe_open(old_pipe);
    old = fresh = (evloop_watch){0};
    told = 0;
    int number = old_pipe[0];
    assert_int_equal(evloop_watch_start(loop, &old, number, EVLOOP_READABLE, on_watch), 0);
    int duplicate = fcntl(number, F_DUPFD_CLOEXEC, 0);
    assert_true(duplicate >= 0);
    assert_int_equal(close(number), 0);
    assert_int_equal(evloop_watch_stop(&old), 0);

    pipe_open(new_pipe);
    move_to(&new_pipe[0], number);
    assert_int_equal(evloop_watch_start(loop, &fresh, number, EVLOOP_READABLE, on_watch), 0);
    fd_write_byte(old_pipe[1]);
    for (int i = 0; i < 3; i++)
        loop_turn(loop);
    assert_int_equal(told, 0);
    fd_write_byte(new_pipe[1]);
    loop_turn(loop);
    assert_int_equal(told, 1);
    assert_int_equal(evloop_watch_stop(&fresh), 0);
    loop_end(loop);
    old_pipe[0] = duplicate;
    fds_close(old_pipe);
    fds_close(new_pipe);
}

static void end_run(evloop_timer *timer)
{
    evloop_stop(evloop_timer_loop(timer));
}

/* The kernel may interrupt a wait of a thread for each ring that it had closed before. */
static void wait_until_undisturbed(evloop *loop)
{
    for (int in_a_row = 0; in_a_row < 3;) {
        uint64_t polls = loop_metrics(loop).polls;
        assert_int_equal(evloop_run_for(loop, EVLOOP_MS(20)), 0);
        in_a_row = loop_metrics(loop).polls - polls <= 2 ? in_a_row + 1 : 0;
    }
}

TEST(stale_registrations_do_not_keep_the_loop_spinning)
{
    sim_off();
    evloop *loop = loop_new();
    evloop_timer timer = {0};
    evloop_watch other = {0};
    pipe_open(old_pipe);
    pipe_open(new_pipe);
    old = (evloop_watch){0};
    told = 0;
    assert_int_equal(evloop_watch_start(loop, &other, new_pipe[0], EVLOOP_READABLE, on_watch), 0);
    wait_until_undisturbed(loop);
    assert_int_equal(evloop_watch_start(loop, &old, old_pipe[0], EVLOOP_READABLE, on_watch), 0);
    int duplicate = fcntl(old_pipe[0], F_DUPFD_CLOEXEC, 0);
    assert_int_equal(close(old_pipe[0]), 0);
    old_pipe[0] = duplicate;
    assert_int_equal(evloop_watch_stop(&old), 0);
    fd_write_byte(old_pipe[1]);
    uint64_t polls = loop_metrics(loop).polls;
    assert_int_equal(evloop_timer_start(loop, &timer, EVLOOP_MS(20), 0, end_run), 0);
    loop_run(loop);
    assert_int_equal(told, 0);
    assert_true(loop_metrics(loop).polls - polls <= 4);
    fd_write_byte(new_pipe[1]); /* what is still watched still works */
    loop_turn(loop);
    assert_int_equal(told, 1);
    assert_int_equal(evloop_watch_stop(&other), 0);
    loop_end(loop);
    fds_close(old_pipe);
    fds_close(new_pipe);
}

/* ---- registrations that were left half done -------------------------------------------------- */

TEST(a_failed_removal_does_not_keep_the_slot)
{
    evloop *loop = sim_loop_new();
    evloop_watch watch = {0};
    int fds[2];
    pipe_open(fds);
    assert_int_equal(evloop_watch_start(loop, &watch, fds[0], EVLOOP_READABLE, on_watch), 0);
    sim.change_error = -EBADF;
    assert_int_equal(evloop_watch_stop(&watch), 0);
    assert_int_equal(sim.change_to, 0);
    assert_false(evloop_watch_active(&watch));
    sim.change_error = 0;
    unsigned changes = sim.changes;
    assert_int_equal(evloop_watch_start(loop, &watch, fds[0], EVLOOP_WRITABLE, on_watch), 0);
    assert_int_equal(sim.changes, changes + 1);
    assert_int_equal(sim.change_from, 0);
    assert_int_equal(sim.change_to, EVLOOP_WRITABLE);
    assert_int_equal(evloop_watch_stop(&watch), 0);
    loop_end(loop);
    fds_close(fds);
}

TEST(a_failed_registration_is_rolled_back)
{
    evloop *loop = sim_loop_new();
    evloop_watch watch = {0}, before;
    int fds[2];
    pipe_open(fds);
    sim.change_error = -ENOSPC;
    memcpy(&before, &watch, sizeof before);
    assert_int_equal(
        evloop_watch_start(loop, &watch, fds[0], EVLOOP_READABLE | EVLOOP_WRITABLE, on_watch),
        -ENOSPC);
    assert_memory_equal(&watch, &before, sizeof before);
    assert_false(evloop_alive(loop));
    assert_string_equal(evloop_busy_reason(loop), "");
    sim.change_error = 0;
    loop_turn(loop);
    assert_int_equal(evloop_watch_start(loop, &watch, fds[0], EVLOOP_READABLE, on_watch), 0);
    assert_int_equal(sim.change_from, 0);
    assert_int_equal(sim.change_to, EVLOOP_READABLE);
    assert_int_equal(evloop_watch_stop(&watch), 0);
    loop_end(loop);
    fds_close(fds);
}

/* ---- what comes while the loop goes to sleep, and while it sleeps ---------------------------- */

static void on_keeper(evloop_timer *timer)
{
    (void)timer;
}

static void elsewhere(void *(*fn)(void *), void *arg)
{
    pthread_t thread;
    thread_start(&thread, fn, arg);
    thread_join(thread);
}

static uint64_t posted_ran_at;

static void on_posted(void *loop)
{
    posted_ran_at = sim.now;
    assert_int_equal(evloop_stop(loop), 0);
}

static void *post(void *loop)
{
    check(evloop_post(loop, on_posted, loop) == 0);
    return NULL;
}

static unsigned reopened;

static void post_meanwhile(evloop *loop)
{
    reopened++;
    sim.on_reopen = NULL;
    assert_int_equal(evloop_get_state(loop), EVLOOP_STATE_SLEEPING);
    elsewhere(post, loop);
    assert_true(sim.woken);
}

/* An event that belongs to nobody makes the poller want a new kernel object for its next wait. */
static void find_a_dead_registration(evloop *loop)
{
    sim.on_wait = NULL;
    sim.on_reopen = post_meanwhile;
    interest_collect(&loop->poller, 0, 4711, EVLOOP_READABLE);
    sim.woken = true;
}

TEST(lost_wakeup_a_wake_that_went_to_a_poller_that_was_being_replaced_is_repeated)
{
    evloop *loop = sim_loop_new();
    evloop_timer keeper = {0};
    uint64_t begin = sim.now;
    reopened = 0;
    posted_ran_at = 0;
    assert_int_equal(evloop_timer_start(loop, &keeper, EVLOOP_SEC(3600), 0, on_keeper), 0);
    sim.on_wait = find_a_dead_registration;
    loop_run(loop);
    assert_int_equal(reopened, 1);
    assert_int_equal(posted_ran_at, begin);
    assert_int_equal(evloop_timer_stop(&keeper), 0);
    loop_end(loop);
}

static evloop_watch sleeper;

static void note_microtask(void *arg)
{
    (void)arg;
    trace('m');
}

static void note_watch(evloop_watch *watch, unsigned events)
{
    (void)watch, (void)events;
    trace('w');
}

static void *offer_microtask(void *loop)
{
    check(evloop_microtask(loop, note_microtask, NULL) == 0);
    return NULL;
}

static void microtask_and_event(evloop *loop)
{
    assert_true(sim.timeout_ns > 0);
    elsewhere(offer_microtask, loop);
    interest_collect(&loop->poller, evloop_watch_fd(&sleeper), 1, EVLOOP_READABLE);
}

TEST(microtasks_that_were_accepted_in_a_sleep_run_before_the_first_watch_is_told)
{
    evloop *loop = sim_loop_new();
    int fds[2];
    pipe_open(fds);
    sleeper = (evloop_watch){0};
    assert_int_equal(evloop_watch_start(loop, &sleeper, fds[0], EVLOOP_READABLE, note_watch), 0);
    sim.on_wait = microtask_and_event;
    assert_int_equal(evloop_run(loop, EVLOOP_RUN_ONCE), 0);
    assert_trace("mw");
    assert_int_equal(evloop_watch_stop(&sleeper), 0);
    loop_end(loop);
    fds_close(fds);
}

/* ---- changes from the wrong thread ----------------------------------------------------------- */

static evloop_watch shared;
static evloop_watch started_elsewhere;
static int shared_pipe[2];

static void *change_from_elsewhere(void *loop)
{
    check(evloop_watch_modify(&shared, EVLOOP_WRITABLE) == EVLOOP_ETHREAD);
    check(evloop_watch_stop(&shared) == EVLOOP_ETHREAD);
    check(evloop_watch_unref(&shared) == EVLOOP_ETHREAD);
    check(evloop_watch_start(loop, &started_elsewhere, shared_pipe[1], EVLOOP_READABLE, on_watch) ==
          EVLOOP_ETHREAD);
    return NULL;
}

static void let_others_try(evloop_task *task)
{
    pthread_t thread;
    thread_start(&thread, change_from_elsewhere, evloop_task_loop(task));
    thread_join(thread);
}

TEST(interest_is_changed_by_no_other_thread)
{
    evloop *loop = sim_loop_new();
    evloop_task task = {0};
    shared = started_elsewhere = (evloop_watch){0};
    pipe_open(shared_pipe);
    assert_int_equal(evloop_watch_start(loop, &shared, shared_pipe[0], EVLOOP_READABLE, on_watch),
                     0);
    assert_int_equal(evloop_submit(loop, &task, let_others_try), 0);
    loop_turn(loop);
    assert_int_equal(evloop_watch_events(&shared), EVLOOP_READABLE);
    assert_int_equal(sim.changes, 1);
    assert_true(evloop_watch_active(&shared));
    assert_false(evloop_watch_active(&started_elsewhere));
    assert_int_equal(evloop_watch_stop(&shared), 0);
    loop_end(loop);
    fds_close(shared_pipe);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_ENTRY(stale_registrations_do_not_keep_the_loop_spinning),
        TEST_ENTRY(stale_events_do_not_reach_a_successor_that_was_started_in_a_callback),
        TEST_ENTRY(
            stale_events_of_a_registration_that_cannot_be_removed_do_not_reach_its_successor),
        TEST_ENTRY(a_failed_removal_does_not_keep_the_slot),
        TEST_ENTRY(a_failed_registration_is_rolled_back),
        TEST_ENTRY(lost_wakeup_a_wake_that_went_to_a_poller_that_was_being_replaced_is_repeated),
        TEST_ENTRY(microtasks_that_were_accepted_in_a_sleep_run_before_the_first_watch_is_told),
        TEST_ENTRY(interest_is_changed_by_no_other_thread),
    };
    return RUN_TESTS("lineage: watches", tests);
}
