/*
 * system_kqueue.c: of system.c, what kqueue has alone: a descriptor has a filter for each of what is
 * wanted of it, each of which may be refused, and what is changed goes with the wait.
 */
#include "kernel_kqueue.h"

#include <fcntl.h>

#include "core/loop.h"

static const struct kernel_which any_late = {0, EV_ADD | EV_DELETE, true};

static void watch_start(evloop *loop, evloop_watch *watch, int fd, unsigned events)
{
    *watch = (evloop_watch){0};
    assert_int_equal(evloop_watch_start(loop, watch, fd, events, kernel_on_watch), 0);
}

/* Reads, is to write instead, and the wait fails: what the kernel has, nobody knows. */
static void leave_changes(evloop *loop, evloop_watch *watch, int fd)
{
    watch_start(loop, watch, fd, EVLOOP_READABLE);
    loop_turn(loop);
    assert_int_equal(evloop_watch_modify(watch, EVLOOP_WRITABLE), 0);
    kernel_fail(CALL_KEVENT_WAIT, 1, 1, EFAULT);
    kernel_fail(CALL_KEVENT, 1, 1, EFAULT);
    assert_int_equal(evloop_run(loop, EVLOOP_RUN_NOWAIT), -EFAULT);
    kernel_reset();
}

/* ---- starting -------------------------------------------------------------------------------- */

static void assert_not_registered(evloop *loop, int fd)
{
    assert_false(kernel_registered(loop, fd, EVFILT_READ));
    assert_false(kernel_registered(loop, fd, EVFILT_WRITE));
}

static void start_fails_as_a_whole_with(int err)
{
    evloop *loop = kernel_begin();
    evloop_watch watch = {0};
    int fds[2];
    pair_open(fds);
    kernel_fail(CALL_KEVENT, 1, 1, err);
    assert_int_equal(evloop_watch_start(loop, &watch, fds[0], EVLOOP_READABLE | EVLOOP_WRITABLE,
                                        kernel_on_watch),
                     -err);
    assert_not_registered(loop, fds[0]);
    kernel_assert_works(loop);
    loop_end(loop);
    fds_close(fds);
}

TEST(start_returns_what_kevent_says)
{
    for (const int *err = kernel_poller.wait.errors; *err; err++)
        start_fails_as_a_whole_with(*err);
}

TEST(changes_that_a_signal_interrupts_are_made_all_the_same)
{
    evloop *loop = kernel_begin();
    evloop_watch watch;
    int fds[2];
    pair_open(fds);
    kernel_fail(CALL_KEVENT, 1, 3, EINTR);
    watch_start(loop, &watch, fds[0], EVLOOP_WRITABLE);
    kernel_fail(CALL_KEVENT, 1, 3, EINTR);
    assert_int_equal(evloop_watch_stop(&watch), 0);
    assert_not_registered(loop, fds[0]);
    loop_end(loop);
    fds_close(fds);
}

static void one_of_a_pair_fails_with(kqueue_filter filter, int err)
{
    evloop *loop = kernel_begin();
    evloop_watch watch = {.data = &watch}, before;
    int fds[2];
    pair_open(fds);
    memcpy(&before, &watch, sizeof before);
    kernel_refuse_changes((struct kernel_which){filter, EV_ADD, false}, 1, 1, err);
    assert_int_equal(evloop_watch_start(loop, &watch, fds[0], EVLOOP_READABLE | EVLOOP_WRITABLE,
                                        kernel_on_watch),
                     -err);
    assert_memory_equal(&watch, &before, sizeof before);
    assert_not_registered(loop, fds[0]);
    loop_turn(loop);
    assert_int_equal(kernel_ran, 0);
    kernel_assert_works(loop);
    loop_end(loop);
    fds_close(fds);
}

/* The ancestor left the other half behind. */
TEST(half_of_a_registration_is_rolled_back)
{
    for (const int *err = kernel_poller.start_errors; *err; err++) {
        one_of_a_pair_fails_with(EVFILT_READ, *err);
        one_of_a_pair_fails_with(EVFILT_WRITE, *err);
    }
}

/* Some kernels say EPIPE, some that it is no descriptor. */
TEST(a_pipe_that_nobody_reads_is_refused_as_such)
{
    evloop *loop = kernel_begin();
    evloop_watch watch = {0};
    int ends[2];
    pipe_open(ends);
    for (int i = 0; i < 2; i++) {
        kernel_refuse_changes((struct kernel_which){EVFILT_WRITE, EV_ADD, false}, 1, 1,
                              i ? EPIPE : EBADF);
        assert_int_equal(
            evloop_watch_start(loop, &watch, ends[1], EVLOOP_WRITABLE, kernel_on_watch), -EPIPE);
    }
    loop_end(loop);
    fds_close(ends);
}

TEST(start_returns_what_fstat_says)
{
    static const int errors[] = {EBADF, EFAULT, EIO, EOVERFLOW};
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        evloop *loop = kernel_begin();
        evloop_watch watch = {0};
        int fds[2];
        pipe_open(fds);
        kernel_fail(CALL_FSTAT, 1, 1, errors[i]);
        assert_int_equal(evloop_watch_start(loop, &watch, fds[0], EVLOOP_READABLE, kernel_on_watch),
                         -errors[i]);
        kernel_reset();
        kernel_assert_works(loop);
        loop_end(loop);
        fds_close(fds);
    }
}

static void assert_not_taken(int fd)
{
    evloop *loop = kernel_begin();
    evloop_watch watch = {0};
    kernel_reset();
    assert_int_equal(evloop_watch_start(loop, &watch, fd, EVLOOP_READABLE, kernel_on_watch),
                     -EPERM);
    assert_int_equal(kernel_changes(), 0);
    loop_end(loop);
}

/* The kernel would take them, and count bytes. */
TEST(what_is_always_ready_is_not_registered)
{
    FILE *file = tmpfile();
    int directory = open("/", O_RDONLY | O_CLOEXEC);
    assert_non_null(file);
    assert_true(directory >= 0);
    assert_not_taken(fileno(file));
    assert_not_taken(directory);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(close(directory), 0);
}

#ifdef NOTE_OOB
TEST(urgent_data_is_asked_for_where_it_can_come)
{
    evloop *loop = kernel_begin();
    evloop_watch watch = {0};
    int sockets[2], ends[2];
    pair_open(sockets);
    pipe_open(ends);
    watch_start(loop, &watch, sockets[0], EVLOOP_PRIORITY);
    assert_true(kernel_registered(loop, sockets[0], EVFILT_EXCEPT));
    assert_int_equal(evloop_watch_stop(&watch), 0);
    assert_false(kernel_registered(loop, sockets[0], EVFILT_EXCEPT));
    assert_int_equal(evloop_watch_start(loop, &watch, ends[0], EVLOOP_READABLE | EVLOOP_PRIORITY,
                                        kernel_on_watch),
                     -ENOTSUP);
    assert_not_registered(loop, ends[0]);
    loop_end(loop);
    fds_close(sockets);
    fds_close(ends);
}

/* A pipe has none. */
TEST(urgent_data_that_cannot_come_is_refused_to_who_asks_and_costs_nobody_else)
{
    evloop *loop = kernel_begin();
    evloop_watch first, second, third = {0};
    int ends[2];
    pipe_open(ends);
    watch_start(loop, &first, ends[0], EVLOOP_READABLE);
    watch_start(loop, &second, ends[0], EVLOOP_READABLE);
    loop_turn(loop);
    assert_int_equal(evloop_watch_modify(&first, EVLOOP_READABLE | EVLOOP_PRIORITY), -ENOTSUP);
    assert_int_equal(evloop_watch_events(&first), EVLOOP_READABLE);
    assert_int_equal(evloop_watch_start(loop, &third, ends[0], EVLOOP_PRIORITY, kernel_on_watch),
                     -ENOTSUP);
    assert_int_equal(evloop_watch_modify(&first, 0), 0);
    assert_int_equal(evloop_watch_modify(&second, 0), 0);
    loop_turn(loop);
    assert_int_equal(evloop_watch_modify(&first, EVLOOP_READABLE), 0);
    assert_int_equal(evloop_watch_modify(&second, EVLOOP_PRIORITY), -ENOTSUP);
    fd_write_byte(ends[1]);
    loop_turn(loop);
    assert_int_equal(kernel_ran, 1);
    assert_int_equal(kernel_events, EVLOOP_READABLE);
    assert_int_equal(evloop_watch_stop(&first), 0);
    assert_int_equal(evloop_watch_stop(&second), 0);
    loop_end(loop);
    fds_close(ends);
}

/* As it is told of everything else that is asked for later. */
TEST(who_asks_for_urgent_data_of_a_closed_descriptor_is_told_by_the_wait)
{
    evloop *loop = kernel_begin();
    evloop_watch watch;
    int fds[2];
    pair_open(fds);
    watch_start(loop, &watch, fds[0], EVLOOP_READABLE);
    loop_turn(loop);
    fds_close(fds);
    assert_int_equal(evloop_watch_modify(&watch, EVLOOP_PRIORITY), 0);
    loop_turn(loop);
    assert_int_equal(kernel_ran, 1);
    assert_int_equal(kernel_events, EVLOOP_ERROR);
    assert_int_equal(evloop_watch_stop(&watch), 0);
    loop_end(loop);
}

TEST(a_refusal_after_a_wait_that_failed_leaves_what_was_asked_for)
{
    evloop *loop = kernel_begin();
    evloop_watch watch;
    int fds[2];
    pair_open(fds);
    leave_changes(loop, &watch, fds[0]);
    kernel_refuse_changes((struct kernel_which){EVFILT_EXCEPT, EV_ADD, false}, 1, 1, EINVAL);
    assert_int_equal(evloop_watch_modify(&watch, EVLOOP_WRITABLE | EVLOOP_PRIORITY), -ENOTSUP);
    kernel_ran = 0;
    loop_turn(loop);
    assert_int_equal(kernel_ran, 1);
    assert_int_equal(kernel_events, EVLOOP_WRITABLE);
    assert_int_equal(evloop_watch_stop(&watch), 0);
    loop_end(loop);
    fds_close(fds);
}
#else
TEST(urgent_data_that_nobody_can_tell_is_not_asked_for)
{
    evloop *loop = kernel_begin();
    evloop_watch watch = {0};
    int sockets[2];
    pair_open(sockets);
    assert_int_equal(evloop_watch_start(loop, &watch, sockets[0], EVLOOP_READABLE | EVLOOP_PRIORITY,
                                        kernel_on_watch),
                     -ENOTSUP);
    assert_not_registered(loop, sockets[0]);
    watch_start(loop, &watch, sockets[0], EVLOOP_READABLE);
    assert_int_equal(evloop_watch_modify(&watch, EVLOOP_PRIORITY), -ENOTSUP);
    assert_int_equal(evloop_watch_events(&watch), EVLOOP_READABLE);
    fd_write_byte(sockets[1]);
    loop_turn(loop);
    assert_int_equal(kernel_ran, 1);
    assert_int_equal(evloop_watch_stop(&watch), 0);
    loop_end(loop);
    fds_close(sockets);
}
#endif

/* ---- endpoints ------------------------------------------------------------------------------- */

static const unsigned in = EVLOOP_READABLE | EVLOOP_DISCONNECT | INTEREST_EDGE;

TEST(what_an_endpoint_cannot_have_beside_leaves_what_it_had)
{
    evloop *loop = kernel_begin();
    struct evloop_endpoint endpoint = {0};
    int fds[2];
    pair_open(fds);
    assert_int_equal(
        poller_attach(&loop->poller, &endpoint, fds[0], ENDPOINT_SOCKET | ENDPOINT_STREAM), 0);
    assert_int_equal(interest_set(&loop->poller, &endpoint, in), 0);
    for (const int *err = kernel_poller.start_errors; *err; err++) {
        kernel_refuse(CHANGE_ADD, 1, *err);
        assert_int_equal(interest_set(&loop->poller, &endpoint, in | EVLOOP_WRITABLE), -*err);
        assert_true(kernel_registered(loop, fds[0], EVFILT_READ));
        assert_false(kernel_registered(loop, fds[0], EVFILT_WRITE));
    }
    assert_int_equal(interest_set(&loop->poller, &endpoint, in | EVLOOP_WRITABLE), 0);
    assert_true(kernel_registered(loop, fds[0], EVFILT_WRITE));
    assert_int_equal(poller_detach(&loop->poller, &endpoint), fds[0]);
    assert_not_registered(loop, fds[0]);
    loop_end(loop);
    fds_close(fds);
}

/* ---- changes that go with the wait ----------------------------------------------------------- */

enum { FEW = 10, MANY = 100 };

struct crowd {
    evloop *loop;
    evloop_watch watches[MANY];
    int fds[MANY][2];
    unsigned count;
    unsigned writable[MANY], failed[MANY];
};

static struct crowd crowd;

static void on_crowd(evloop_watch *watch, unsigned events)
{
    size_t i = (size_t)(watch - crowd.watches);
    crowd.writable[i] += (events & EVLOOP_WRITABLE) != 0;
    crowd.failed[i] += (events & EVLOOP_ERROR) != 0;
}

/* So many who could write, and are to be told so from the next turn on. */
static void crowd_open(unsigned count)
{
    memset(&crowd, 0, sizeof crowd);
    crowd.loop = kernel_begin();
    crowd.count = count;
    for (unsigned i = 0; i < count; i++) {
        pair_open(crowd.fds[i]);
        assert_int_equal(evloop_watch_start(crowd.loop, &crowd.watches[i], crowd.fds[i][0],
                                            EVLOOP_READABLE, on_crowd),
                         0);
    }
    kernel_reset();
    for (unsigned i = 0; i < count; i++)
        assert_int_equal(evloop_watch_modify(&crowd.watches[i], EVLOOP_WRITABLE), 0);
    assert_int_equal(kernel_changes(), 0);
}

static void assert_all_told(void)
{
    for (unsigned i = 0; i < crowd.count; i++) {
        assert_true(crowd.writable[i] > 0);
        assert_int_equal(crowd.failed[i], 0);
    }
}

static void crowd_close(void)
{
    for (unsigned i = 0; i < crowd.count; i++) {
        assert_int_equal(evloop_watch_stop(&crowd.watches[i]), 0);
        fds_close(crowd.fds[i]);
    }
    loop_end(crowd.loop);
}

TEST(changes_go_with_the_wait_in_one_call)
{
    crowd_open(FEW);
    loop_turn(crowd.loop);
    assert_int_equal(kernel_count(CALL_KEVENT), 0);
    assert_int_equal(kernel_count(CALL_KEVENT_WAIT), 1);
    assert_all_told();
    crowd_close();
}

TEST(more_changes_than_one_call_takes_are_all_made)
{
    crowd_open(MANY);
    loop_turn(crowd.loop);
    assert_all_told();
    assert_true(kernel_count(CALL_KEVENT) + kernel_count(CALL_KEVENT_WAIT) < MANY / 10);
    crowd_close();
}

TEST(of_many_changes_any_may_lack_memory)
{
    for (unsigned nth = 1; nth <= MANY; nth += 7) {
        crowd_open(MANY);
        kernel_refuse_changes((struct kernel_which){0, EV_ADD, true}, nth, 1, ENOMEM);
        assert_int_equal(evloop_run(crowd.loop, EVLOOP_RUN_NOWAIT), -ENOMEM);
        loop_turn(crowd.loop);
        assert_all_told();
        crowd_close();
    }
}

/* Wherever among them: those that were made, and those that were not, are told of in the end. */
TEST(many_changes_outlive_a_call_that_fails_as_a_whole)
{
    static const int errors[] = {EBADF, EFAULT, EACCES, ENOMEM};
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
        for (unsigned nth = 1; nth <= 3; nth++) {
            crowd_open(MANY);
            kernel_fail(CALL_KEVENT, nth, 1, errors[i]);
            assert_int_equal(evloop_run(crowd.loop, EVLOOP_RUN_NOWAIT), -errors[i]);
            loop_turn(crowd.loop);
            loop_turn(crowd.loop);
            assert_all_told();
            crowd_close();
        }
}

TEST(changes_outlive_a_wait_that_fails)
{
    for (const int *err = kernel_poller.wait.errors; *err; err++) {
        crowd_open(FEW);
        assert_true(evloop_backend_fd(crowd.loop) >= 0); /* which does not tell of changes */
        kernel_fail(CALL_KEVENT_WAIT, 1, 1, *err);
        kernel_fail(CALL_KEVENT, 1, 1, *err); /* nor at the end of the run */
        assert_int_equal(evloop_run(crowd.loop, EVLOOP_RUN_NOWAIT), -*err);
        assert_int_equal(evloop_next_timeout_ns(crowd.loop), 0);
        loop_turn(crowd.loop);
        assert_all_told();
        crowd_close();
    }
}

/* "When kevent() call fails with EINTR error, all changes in the changelist have been applied." */
TEST(changes_that_went_with_an_interrupted_wait_are_not_made_again)
{
    evloop *loop = kernel_begin();
    evloop_watch watch;
    int fds[2];
    pair_open(fds);
    watch_start(loop, &watch, fds[0], EVLOOP_READABLE);
    loop_turn(loop);
    kernel_reset();
    assert_int_equal(evloop_watch_modify(&watch, EVLOOP_WRITABLE), 0);
    kernel_fail(CALL_KEVENT_WAIT, 1, 1, EINTR);
    loop_turn(loop);
    assert_int_equal(kernel_changes(), 0); /* none reached the kernel, and it said otherwise */
    loop_turn(loop);
    assert_int_equal(kernel_changes(), 0);
    assert_int_equal(evloop_watch_stop(&watch), 0);
    assert_int_equal(evloop_next_timeout_ns(loop), EVLOOP_FOREVER);
    loop_end(loop);
    fds_close(fds);
}

TEST(late_changes_do_not_meet_a_successor_of_the_descriptor)
{
    evloop *loop = kernel_begin();
    evloop_watch watch, next;
    int fds[2], other[2];
    pair_open(fds);
    leave_changes(loop, &watch, fds[0]);
    int number = fds[0];
    assert_int_equal(evloop_watch_stop(&watch), 0);
    fds_close(fds);
    pair_open(other);
    if (other[0] != number) {
        assert_int_equal(dup2(other[0], number), number);
        assert_int_equal(close(other[0]), 0);
        other[0] = number;
    }
    watch_start(loop, &next, number, EVLOOP_READABLE);
    kernel_ran = 0;
    loop_turn(loop);
    assert_int_equal(kernel_ran, 0);
    assert_false(kernel_registered(loop, number, EVFILT_WRITE));
    fd_write_byte(other[1]);
    loop_turn(loop);
    assert_int_equal(kernel_ran, 1);
    assert_int_equal(kernel_events, EVLOOP_READABLE);
    assert_int_equal(evloop_watch_stop(&next), 0);
    loop_end(loop);
    fds_close(other);
}

TEST(a_watch_with_late_changes_leaves_nothing_behind)
{
    evloop *loop = kernel_begin();
    evloop_watch watch;
    int fds[2];
    pair_open(fds);
    leave_changes(loop, &watch, fds[0]);
    assert_int_equal(evloop_watch_stop(&watch), 0);
    assert_not_registered(loop, fds[0]);
    loop_turn(loop);
    assert_not_registered(loop, fds[0]);
    loop_end(loop);
    fds_close(fds);
}

static void half_of_a_change_fails_with(kqueue_filter filter, int err, int result)
{
    evloop *loop = kernel_begin();
    evloop_watch watch;
    int fds[2];
    pair_open(fds);
    watch_start(loop, &watch, fds[0], EVLOOP_DISCONNECT);
    loop_turn(loop);
    assert_int_equal(evloop_watch_modify(&watch, EVLOOP_READABLE | EVLOOP_WRITABLE), 0);
    kernel_refuse_changes((struct kernel_which){filter, EV_ADD, true}, 1, 2, err);
    assert_int_equal(evloop_run(loop, EVLOOP_RUN_NOWAIT), result);
    assert_not_registered(loop, fds[0]);
    assert_int_equal(evloop_watch_stop(&watch), 0);
    loop_end(loop);
    fds_close(fds);
}

TEST(half_of_a_change_is_taken_back)
{
    for (const int *err = kernel_poller.passing_errors; *err; err++) {
        half_of_a_change_fails_with(EVFILT_READ, *err, -*err);
        half_of_a_change_fails_with(EVFILT_WRITE, *err, -*err);
    }
    for (const int *err = kernel_poller.refusals; *err; err++) {
        half_of_a_change_fails_with(EVFILT_READ, *err, 0);
        half_of_a_change_fails_with(EVFILT_WRITE, *err, 0);
    }
}

/* "The event could not be found to be modified or deleted": closed, and the number came back. */
TEST(what_is_not_there_to_be_removed_is_no_error)
{
    crowd_open(FEW);
    kernel_refuse_changes((struct kernel_which){0, EV_DELETE, true}, 1, FEW, ENOENT);
    loop_turn(crowd.loop);
    loop_turn(crowd.loop);
    assert_all_told();
    crowd_close();
}

/* ---- events ---------------------------------------------------------------------------------- */

TEST(data_before_the_end_is_read_before_it)
{
    evloop *loop = kernel_begin();
    evloop_watch watch;
    int fds[2];
    char byte;
    pipe_open(fds);
    watch_start(loop, &watch, fds[0], EVLOOP_READABLE | EVLOOP_DISCONNECT);
    assert_int_equal(write(fds[1], "abc", 3), 3);
    assert_int_equal(close(fds[1]), 0);
    fds[1] = -1;
    for (int left = 3; left >= 0; left--) {
        kernel_events = 0;
        loop_turn(loop);
        assert_int_equal(kernel_events, EVLOOP_READABLE | EVLOOP_DISCONNECT);
        assert_int_equal(read(fds[0], &byte, 1), left > 0);
    }
    assert_int_equal(evloop_watch_stop(&watch), 0);
    loop_end(loop);
    fds_close(fds);
}

/* "returns the socket error (if any) in fflags": then whoever asked for anything is told. */
TEST(an_error_in_fflags_is_told_to_whoever_waits)
{
    evloop *loop = kernel_begin();
    evloop_watch reader, writer;
    struct kevent event;
    int fds[2];
    pair_open(fds);
    watch_start(loop, &reader, fds[0], EVLOOP_READABLE);
    watch_start(loop, &writer, fds[0], EVLOOP_WRITABLE);
    loop_turn(loop);
    kernel_ran = kernel_events = 0;
    EV_SET(&event, (uintptr_t)fds[0], EVFILT_READ, EV_EOF, ECONNRESET, 0, (void *)(uintptr_t)1);
    kernel_tell(&event);
    loop_turn(loop);
    assert_int_equal(kernel_ran, 2);
    assert_int_equal(kernel_events, EVLOOP_WRITABLE);
    assert_int_equal(evloop_watch_stop(&reader), 0);
    assert_int_equal(evloop_watch_stop(&writer), 0);
    loop_end(loop);
    fds_close(fds);
}

/* Under a generation that is over: it reaches nobody, and goes; what else there is, stays. */
TEST(an_event_of_an_earlier_registration_is_nobodys)
{
    evloop *loop = kernel_begin();
    evloop_watch watch;
    struct kevent event;
    int fds[2];
    pair_open(fds);
    watch_start(loop, &watch, fds[0], EVLOOP_WRITABLE);
    assert_int_equal(evloop_watch_stop(&watch), 0);
    watch_start(loop, &watch, fds[0], EVLOOP_READABLE | EVLOOP_WRITABLE);
    EV_SET(&event, (uintptr_t)fds[0], EVFILT_READ, 0, 0, 1, (void *)(uintptr_t)1);
    kernel_tell(&event);
    loop_turn(loop);
    assert_int_equal(kernel_ran, 0);
    assert_false(kernel_registered(loop, fds[0], EVFILT_READ));
    assert_true(kernel_registered(loop, fds[0], EVFILT_WRITE));
    loop_turn(loop);
    assert_int_equal(kernel_ran, 1);
    assert_int_equal(evloop_watch_stop(&watch), 0);
    loop_end(loop);
    fds_close(fds);
}

/* ---- the end of a connection alone ----------------------------------------------------------- */

static void end_watched(evloop *loop, evloop_watch *watch, int fds[2])
{
    pair_open(fds);
    watch_start(loop, watch, fds[0], EVLOOP_DISCONNECT);
    assert_int_equal(evloop_watch_unref(watch), 0);
    fd_write_byte(fds[1]);
    kernel_run_timer(loop, EVLOOP_MS(10));
    kernel_ran = 0;
}

static void end_closed(evloop *loop, evloop_watch *watch, int fds[2])
{
    assert_int_equal(evloop_watch_stop(watch), 0);
    kernel_assert_works(loop);
    loop_end(loop);
    fds_close(fds);
}

TEST(who_waits_for_the_end_alone_is_not_woken_by_data)
{
    evloop *loop = kernel_begin();
    evloop_watch watch;
    int fds[2];
    end_watched(loop, &watch, fds);
    assert_true(kernel_waits() <= 5);
    fd_write_byte(fds[1]);
    kernel_reset();
    kernel_run_timer(loop, EVLOOP_MS(10));
    assert_int_equal(kernel_ran, 1); /* the timer */
    assert_true(kernel_waits() <= 5);
    end_closed(loop, &watch, fds);
}

static void close_other_end(int fds[2])
{
    assert_int_equal(close(fds[1]), 0);
    fds[1] = -1;
}

TEST(the_end_is_told_as_long_as_it_lasts)
{
    evloop *loop = kernel_begin();
    evloop_watch watch;
    int fds[2];
    end_watched(loop, &watch, fds);
    close_other_end(fds);
    for (unsigned turn = 1; turn <= 5; turn++) {
        loop_turn(loop);
        assert_int_equal(kernel_ran, turn);
        assert_int_equal(kernel_events, EVLOOP_DISCONNECT);
    }
    assert_int_equal(evloop_watch_modify(&watch, EVLOOP_READABLE), 0);
    loop_turn(loop);
    assert_int_equal(kernel_events, EVLOOP_READABLE);
    end_closed(loop, &watch, fds);
}

TEST(an_end_that_cannot_be_told_again_is_returned_or_told)
{
    for (int passes = 0; passes <= 1; passes++) {
        evloop *loop = kernel_begin();
        evloop_watch watch;
        int fds[2];
        end_watched(loop, &watch, fds);
        close_other_end(fds);
        kernel_refuse(CHANGE_ADD, 1, passes ? ENOMEM : EACCES);
        assert_int_equal(evloop_run(loop, EVLOOP_RUN_NOWAIT), passes ? -ENOMEM : 0);
        assert_int_equal(kernel_ran, 1);
        assert_int_equal(kernel_events, EVLOOP_DISCONNECT | (passes ? 0 : EVLOOP_ERROR));
        for (int turn = 0; turn < 3; turn++)
            loop_turn(loop);
        assert_int_equal(kernel_ran, passes ? 4 : 1);
        end_closed(loop, &watch, fds);
    }
}

/* ---- waiting and waking ---------------------------------------------------------------------- */

/* On a clock that stands still, so that what is left is known. */
TEST(a_wait_is_for_nanoseconds)
{
    const uint64_t delays[] = {1, EVLOOP_US(999), EVLOOP_MS(1) + 1, EVLOOP_SEC(1) - 1,
                               EVLOOP_SEC(3600) + 1};
    for (size_t i = 0; i < sizeof delays / sizeof *delays; i++) {
        evloop *loop = kernel_begin();
        evloop_timer timer = {0};
        kernel_stop_clock();
        kernel_fail(CALL_KEVENT_WAIT, 1, 1, EBADF);
        assert_int_equal(evloop_timer_start(loop, &timer, delays[i], 0, kernel_on_timer), 0);
        assert_int_equal(evloop_run(loop, EVLOOP_RUN_DEFAULT), -EBADF);
        assert_int_equal(kernel_last_timeout_ns(), delays[i]);
        assert_int_equal(evloop_timer_stop(&timer), 0);
        loop_end(loop);
    }
    kernel_reset();
}

/* FreeBSD calls a time limit invalid that is too large for its clock. */
TEST(no_wait_is_too_long_for_the_kernel)
{
    const uint64_t delays[] = {EVLOOP_SEC(86400) * 365, EVLOOP_FOREVER - 1, EVLOOP_FOREVER};
    for (size_t i = 0; i < sizeof delays / sizeof *delays; i++) {
        evloop *loop = kernel_begin();
        kernel_fail(CALL_KEVENT_WAIT, 1, 1, EBADF);
        assert_int_equal(poller_wait(&loop->poller, delays[i]), -EBADF);
        bool forever = delays[i] == EVLOOP_FOREVER;
        assert_int_equal(kernel_last_timeout_ns(), forever ? EVLOOP_FOREVER : EVLOOP_SEC(86400));
        loop_end(loop);
    }
}

/* Each wait here would last for ever. */
static void wake_outlives(evloop *loop, int result)
{
    assert_int_equal(poller_wait(&loop->poller, EVLOOP_FOREVER), result);
    assert_int_equal(poller_wait(&loop->poller, EVLOOP_FOREVER), 0);
}

TEST(a_wake_outlives_a_wait_that_fails)
{
    evloop *loop = kernel_begin();
    assert_int_equal(poller_wake(&loop->poller), 0);
    kernel_fail(CALL_KEVENT_WAIT, 1, 1, EFAULT);
    wake_outlives(loop, -EFAULT);
    assert_int_equal(poller_wake(&loop->poller), 0);
    kernel_fail(CALL_KEVENT_WAIT, 1, 1, EINTR);
    wake_outlives(loop, 0);
    loop_end(loop);
}

/* The second wait is short, since the change is tried again; so it is the first that tells. */
TEST(a_wake_outlives_changes_that_are_refused)
{
    crowd_open(FEW);
    kernel_refuse_changes(any_late, 1, 1000, ENOMEM);
    assert_int_equal(poller_wake(&crowd.loop->poller), 0);
    assert_int_equal(poller_wait(&crowd.loop->poller, EVLOOP_FOREVER), -ENOMEM);
    assert_int_equal(kernel_count(CALL_KEVENT_WAIT), 2);
    kernel_reset();
    crowd_close();
}

/* Else it would end every wait from then on. A pipe does not hold them all. */
TEST(a_wake_ends_one_wait)
{
    evloop *loop = kernel_begin();
    for (int wakes = 1; wakes <= 100000; wakes *= 10) {
        for (int i = 0; i < wakes; i++)
            assert_int_equal(poller_wake(&loop->poller), 0);
        loop_turn(loop);
        kernel_reset();
        kernel_run_timer(loop, EVLOOP_MS(5));
        assert_true(kernel_waits() <= 5);
    }
    loop_end(loop);
}

/* ---- fork ------------------------------------------------------------------------------------ */

static int lowest_number(void)
{
    int fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0);
    check(fd >= 0 && close(fd) == 0);
    return fd;
}

/* The number of the parent's kqueue is free here, and somebody takes it. */
static void child_keeps_what_is_not_the_loops(void *arg)
{
    evloop *loop = arg;
    int number = lowest_number();
    int ends[2];
    check(pipe(ends) == 0);
    check(evloop_after_fork(loop) == 0);
    check(evloop_run(loop, EVLOOP_RUN_NOWAIT) == 0);
    check(evloop_destroy(loop, EVLOOP_DESTROY_FORCE) == 0);
    check(write(ends[1], "x", 1) == 1); /* both are what they were */
    check(close(ends[0]) == 0 && close(ends[1]) == 0);
    check(lowest_number() == number);
}

TEST(a_child_closes_nothing_that_is_somebody_elses)
{
    evloop *loop = kernel_begin();
    evloop_watch watch;
    int fds[2];
    pipe_open(fds);
    watch_start(loop, &watch, fds[0], EVLOOP_READABLE);
    assert_true(child_succeeds(child_keeps_what_is_not_the_loops, loop));
    fd_write_byte(fds[1]);
    loop_turn(loop);
    assert_int_equal(kernel_ran, 1);
    assert_int_equal(evloop_watch_stop(&watch), 0);
    loop_end(loop);
    fds_close(fds);
}

static void child_leaves_nothing_open(void *arg)
{
    evloop *loop = arg;
    int lowest = -1;
    for (int attempt = 0; attempt < 5; attempt++) {
        kernel_fail(CALL_KEVENT, 2, 1, ENOMEM); /* the watch; the kqueue is there already */
        check(evloop_after_fork(loop) == -ENOMEM);
        check(attempt == 0 || lowest_number() == lowest);
        lowest = lowest_number();
    }
    check(evloop_after_fork(loop) == 0);
    check(lowest_number() == lowest);
    check(evloop_destroy(loop, EVLOOP_DESTROY_FORCE) == 0);
}

TEST(an_attempt_in_a_child_that_fails_leaves_nothing_open)
{
    evloop *loop = kernel_begin();
    evloop_watch watch;
    int fds[2];
    pipe_open(fds);
    watch_start(loop, &watch, fds[0], EVLOOP_READABLE);
    assert_true(child_succeeds(child_leaves_nothing_open, loop));
    assert_int_equal(evloop_watch_stop(&watch), 0);
    loop_end(loop);
    fds_close(fds);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_ENTRY(start_returns_what_kevent_says),
        TEST_ENTRY(changes_that_a_signal_interrupts_are_made_all_the_same),
        TEST_ENTRY(half_of_a_registration_is_rolled_back),
        TEST_ENTRY(a_pipe_that_nobody_reads_is_refused_as_such),
        TEST_ENTRY(start_returns_what_fstat_says),
        TEST_ENTRY(what_is_always_ready_is_not_registered),
#ifdef NOTE_OOB
        TEST_ENTRY(urgent_data_is_asked_for_where_it_can_come),
        TEST_ENTRY(urgent_data_that_cannot_come_is_refused_to_who_asks_and_costs_nobody_else),
        TEST_ENTRY(who_asks_for_urgent_data_of_a_closed_descriptor_is_told_by_the_wait),
        TEST_ENTRY(a_refusal_after_a_wait_that_failed_leaves_what_was_asked_for),
#else
        TEST_ENTRY(urgent_data_that_nobody_can_tell_is_not_asked_for),
#endif
        TEST_ENTRY(what_an_endpoint_cannot_have_beside_leaves_what_it_had),
        TEST_ENTRY(changes_go_with_the_wait_in_one_call),
        TEST_ENTRY(more_changes_than_one_call_takes_are_all_made),
        TEST_ENTRY(of_many_changes_any_may_lack_memory),
        TEST_ENTRY(many_changes_outlive_a_call_that_fails_as_a_whole),
        TEST_ENTRY(changes_outlive_a_wait_that_fails),
        TEST_ENTRY(changes_that_went_with_an_interrupted_wait_are_not_made_again),
        TEST_ENTRY(late_changes_do_not_meet_a_successor_of_the_descriptor),
        TEST_ENTRY(a_watch_with_late_changes_leaves_nothing_behind),
        TEST_ENTRY(half_of_a_change_is_taken_back),
        TEST_ENTRY(what_is_not_there_to_be_removed_is_no_error),
        TEST_ENTRY(data_before_the_end_is_read_before_it),
        TEST_ENTRY(an_error_in_fflags_is_told_to_whoever_waits),
        TEST_ENTRY(an_event_of_an_earlier_registration_is_nobodys),
        TEST_ENTRY(who_waits_for_the_end_alone_is_not_woken_by_data),
        TEST_ENTRY(the_end_is_told_as_long_as_it_lasts),
        TEST_ENTRY(an_end_that_cannot_be_told_again_is_returned_or_told),
        TEST_ENTRY(a_wait_is_for_nanoseconds),
        TEST_ENTRY(no_wait_is_too_long_for_the_kernel),
        TEST_ENTRY(a_wake_outlives_a_wait_that_fails),
        TEST_ENTRY(a_wake_outlives_changes_that_are_refused),
        TEST_ENTRY(a_wake_ends_one_wait),
        TEST_ENTRY(a_child_closes_nothing_that_is_somebody_elses),
        TEST_ENTRY(an_attempt_in_a_child_that_fails_leaves_nothing_open),
    };
    return RUN_TESTS("fault: system, kqueue", tests);
}
