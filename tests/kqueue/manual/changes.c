/*
 * changes.c: what kqueue(2) says of the calls: what is registered, errors, waiting, the end. Each
 * test quotes what it checks, from FreeBSD's page.
 */
#include "queue.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>

/* "A kevent is identified by the (ident, filter) pair; there may only be one unique kevent per
 * kqueue." "Re-adding an existing event will modify the parameters of the original event, and not
 * result in a duplicate entry." */
TEST(what_is_added_again_is_modified_and_not_there_twice)
{
    int queue = kqueue(), fds[2], first, second;
    pipe_open(fds);
    fd_write_byte(fds[1]);
    assert_int_equal(change(queue, fds[0], EVFILT_READ, EV_ADD, 0, &first), 0);
    assert_int_equal(change(queue, fds[0], EVFILT_READ, EV_ADD, 0, &second), 0);
    assert_ptr_equal(told_one(queue, fds[0], EVFILT_READ).udata, &second);
    changed(queue, fds[0], EVFILT_READ, EV_DELETE);
    told_nothing(queue);
    fds_close(fds);
    close(queue);
}

TEST(the_filters_of_a_descriptor_are_told_apart)
{
    int queue = kqueue(), fds[2], read, write;
    pair_open(fds);
    fd_write_byte(fds[1]);
    assert_int_equal(change(queue, fds[0], EVFILT_READ, EV_ADD, 0, &read), 0);
    assert_int_equal(change(queue, fds[0], EVFILT_WRITE, EV_ADD, 0, &write), 0);
    struct kevent events[3];
    assert_int_equal(told(queue, events, 3), 2);
    for (int i = 0; i < 2; i++)
        assert_ptr_equal(events[i].udata, events[i].filter == EVFILT_READ ? &read : &write);
    assert_int_not_equal(events[0].filter, events[1].filter);
    changed(queue, fds[0], EVFILT_WRITE, EV_DELETE);
    told_one(queue, fds[0], EVFILT_READ);
    fds_close(fds);
    close(queue);
}

/* "The filter is executed upon the initial registration of a kevent in order to detect whether a
 * preexisting condition is present." */
TEST(what_is_ready_already_is_told_when_it_is_added_and_when_it_is_added_again)
{
    int queue = kqueue(), fds[2];
    pipe_open(fds);
    fd_write_byte(fds[1]);
    for (int i = 0; i < 2; i++) {
        changed(queue, fds[0], EVFILT_READ, EV_ADD | EV_CLEAR);
        told_one(queue, fds[0], EVFILT_READ);
        told_nothing(queue);
    }
    fds_close(fds);
    close(queue);
}

/* "If the filter indicates that the condition that triggered the event no longer holds, the kevent
 * is removed from the kqueue and is not returned." */
TEST(what_no_longer_holds_is_not_told)
{
    int queue = kqueue(), fds[2];
    pipe_open(fds);
    changed(queue, fds[0], EVFILT_READ, EV_ADD | EV_CLEAR);
    fd_write_byte(fds[1]);
    fd_read_all(fds[0]);
    told_nothing(queue);
    fds_close(fds);
    close(queue);
}

/* "Disable the event so kevent() will not return it." "Adding an event automatically enables it,
 * unless overridden by the EV_DISABLE flag." */
TEST(what_is_disabled_is_told_when_it_is_enabled_or_added_again)
{
    int queue = kqueue(), fds[2];
    pipe_open(fds);
    fd_write_byte(fds[1]);
    changed(queue, fds[0], EVFILT_READ, EV_ADD | EV_DISABLE);
    told_nothing(queue);
    changed(queue, fds[0], EVFILT_READ, EV_ENABLE);
    told_one(queue, fds[0], EVFILT_READ);
    changed(queue, fds[0], EVFILT_READ, EV_DISABLE);
    told_nothing(queue);
    changed(queue, fds[0], EVFILT_READ, EV_ADD);
    told_one(queue, fds[0], EVFILT_READ);
    fds_close(fds);
    close(queue);
}

/* "Causes the event to return only the first occurrence of the filter being triggered. After the
 * user retrieves the event from the kqueue, it is deleted." */
TEST(oneshot_is_told_once_and_is_deleted)
{
    int queue = kqueue(), fds[2];
    pipe_open(fds);
    fd_write_byte(fds[1]);
    changed(queue, fds[0], EVFILT_READ, EV_ADD | EV_ONESHOT);
    told_one(queue, fds[0], EVFILT_READ);
    told_nothing(queue);
    assert_int_equal(change(queue, fds[0], EVFILT_READ, EV_DELETE, 0, NULL), ENOENT);
    fds_close(fds);
    close(queue);
}

/* "Disable the event source immediately after delivery of an event." */
TEST(dispatch_is_disabled_when_it_was_told)
{
    int queue = kqueue(), fds[2];
    pipe_open(fds);
    fd_write_byte(fds[1]);
    changed(queue, fds[0], EVFILT_READ, EV_ADD | EV_DISPATCH);
    told_one(queue, fds[0], EVFILT_READ);
    told_nothing(queue);
    changed(queue, fds[0], EVFILT_READ, EV_ENABLE);
    told_one(queue, fds[0], EVFILT_READ);
    fds_close(fds);
    close(queue);
}

/* "All changes contained in the changelist are applied before any pending events are read from the
 * queue." "The same array may be used for the changelist and eventlist." */
TEST(changes_are_applied_in_order_before_events_are_read)
{
    int queue = kqueue(), fds[2];
    struct kevent list[3];
    pair_open(fds);
    EV_SET(&list[0], (uintptr_t)fds[0], EVFILT_WRITE, EV_ADD, 0, 0, NULL);
    EV_SET(&list[1], (uintptr_t)fds[0], EVFILT_WRITE, EV_DELETE, 0, 0, NULL);
    EV_SET(&list[2], (uintptr_t)fds[1], EVFILT_WRITE, EV_ADD | EV_CLEAR, 0, 0, NULL);
    assert_int_equal(kevent(queue, list, 3, list, 3, NULL), 1);
    assert_int_equal(list[0].ident, fds[1]);
    fds_close(fds);
    close(queue);
}

/* "If an error occurs while processing an element of the changelist and there is enough room in the
 * eventlist, then the event will be placed in the eventlist with EV_ERROR set in flags and the
 * system error in data." The other changes are made; there is no wait, and no event beside it. */
TEST(an_error_of_a_change_comes_in_the_event_list_at_once)
{
    int queue = kqueue(), fds[2], mark;
    struct kevent changes[2], events[4];
    pipe_open(fds);
    fd_write_byte(fds[1]);
    EV_SET(&changes[0], (uintptr_t)fds[0], EVFILT_WRITE, EV_DELETE, 0, 0, &mark);
    EV_SET(&changes[1], (uintptr_t)fds[0], EVFILT_READ, EV_ADD, 0, 0, NULL);
    assert_int_equal(kevent(queue, changes, 2, events, 4, NULL), 1);
    assert_true(events[0].flags & EV_ERROR);
    assert_int_equal(events[0].data, ENOENT);
    assert_int_equal(events[0].ident, fds[0]);
    assert_int_equal(events[0].filter, EVFILT_WRITE);
    assert_ptr_equal(events[0].udata, &mark);
    told_one(queue, fds[0], EVFILT_READ);
    fds_close(fds);
    close(queue);
}

/* "Otherwise, -1 will be returned, and errno will be set to indicate the error condition." What was
 * before it is applied, what comes after it is not. */
TEST(an_error_without_room_is_returned_and_ends_the_changes)
{
    int queue = kqueue(), fds[2];
    struct kevent changes[3];
    pair_open(fds);
    EV_SET(&changes[0], (uintptr_t)fds[0], EVFILT_WRITE, EV_ADD, 0, 0, NULL);
    EV_SET(&changes[1], (uintptr_t)fds[1], EVFILT_READ, EV_DELETE, 0, 0, NULL);
    EV_SET(&changes[2], (uintptr_t)fds[1], EVFILT_WRITE, EV_ADD, 0, 0, NULL);
    assert_int_equal(kevent(queue, changes, 3, NULL, 0, NULL), -1);
    assert_int_equal(errno, ENOENT);
    told_one(queue, fds[0], EVFILT_WRITE);
    fds_close(fds);
    close(queue);
}

/* "It forces EV_ERROR to always be returned. When a filter is successfully added the data field
 * will be zero." "Without draining any pending events". */
TEST(receipts_come_for_all_changes_and_no_event_beside_them)
{
    int queue = kqueue(), fds[2];
    struct kevent list[3], events[8];
    pair_open(fds);
    changed(queue, fds[1], EVFILT_WRITE, EV_ADD);
    EV_SET(&list[0], (uintptr_t)fds[0], EVFILT_READ, EV_ADD | EV_RECEIPT, 0, 0, NULL);
    EV_SET(&list[1], (uintptr_t)fds[1], EVFILT_READ, EV_DELETE | EV_RECEIPT, 0, 0, NULL);
    EV_SET(&list[2], (uintptr_t)fds[0], EVFILT_READ, EV_DELETE | EV_RECEIPT, 0, 0, NULL);
    assert_int_equal(kevent(queue, list, 3, events, 8, NULL), 3);
    for (int i = 0; i < 3; i++) {
        assert_true(events[i].flags & EV_ERROR);
        assert_int_equal(events[i].ident, list[i].ident);
        assert_int_equal(events[i].data, i == 1 ? ENOENT : 0);
    }
    told_one(queue, fds[1], EVFILT_WRITE);
    fds_close(fds);
    close(queue);
}

TEST(errors_of_changes_are_those_of_the_manual)
{
    int queue = kqueue(), fds[2];
    pipe_open(fds);
    int closed = dup(fds[0]);
    close(closed);
    assert_int_equal(change(queue, fds[0], EVFILT_READ, EV_DELETE, 0, NULL), ENOENT);
    assert_int_equal(change(queue, fds[0], EVFILT_READ, EV_ENABLE, 0, NULL), ENOENT);
    assert_int_equal(change(queue, closed, EVFILT_READ, EV_ADD, 0, NULL), EBADF);
    assert_int_equal(change(queue, -1, EVFILT_READ, EV_ADD, 0, NULL), EBADF);
    assert_int_equal(change(queue, fds[0], -100, EV_ADD, 0, NULL), EINVAL);
    fds_close(fds);
    close(queue);
}

TEST(errors_of_the_call_are_those_of_the_manual)
{
    struct kevent event;
    const struct timespec wrong[] = {{-1, 0}, {0, -1}, {0, 1000000000}};
    int queue = kqueue(), fds[2];
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_int_equal(kevent(queue, NULL, 0, &event, 1, &wrong[i]), -1);
        assert_int_equal(errno, EINVAL);
    }
    pipe_open(fds);
    assert_int_equal(told(fds[0], &event, 1), -1);
    assert_int_equal(errno, EBADF);
    fds_close(fds);
    close(queue);
    assert_int_equal(told(queue, &event, 1), -1);
    assert_int_equal(errno, EBADF);
}

/* "When nevents is zero, kevent() will return immediately even if there is a timeout specified." */
TEST(without_room_for_events_nothing_is_waited_for)
{
    int queue = kqueue();
    assert_int_equal(kevent(queue, NULL, 0, NULL, 0, NULL), 0);
    close(queue);
}

/* "If the time limit expires, then kevent() returns 0." Not a nanosecond before. */
TEST(the_time_limit_is_kept_to_the_nanosecond)
{
    const struct timespec limit = {0, 2000001};
    struct kevent event;
    int queue = kqueue();
    uint64_t start = clock_ns();
    assert_int_equal(kevent(queue, NULL, 0, &event, 1, &limit), 0);
    assert_true(clock_ns() - start >= 2000001);
    close(queue);
}

/* "Calling close() on a file descriptor will remove any kevents that reference the descriptor."
 * Also where the file stays open by another number. */
TEST(a_close_removes_what_references_the_descriptor)
{
    int queue = kqueue(), fds[2];
    pipe_open(fds);
    fd_write_byte(fds[1]);
    int number = dup(fds[0]);
    changed(queue, number, EVFILT_READ, EV_ADD);
    close(number);
    told_nothing(queue);
    assert_int_equal(dup(fds[0]), number);
    assert_int_equal(change(queue, number, EVFILT_READ, EV_DELETE, 0, NULL), ENOENT);
    changed(queue, number, EVFILT_READ, EV_ADD);
    assert_int_equal(dup2(fds[1], number), number);
    told_nothing(queue);
    assert_int_equal(change(queue, number, EVFILT_READ, EV_DELETE, 0, NULL), ENOENT);
    close(number);
    fds_close(fds);
    close(queue);
}

static void check_no_queue(void *arg)
{
    struct kevent event;
    int queue = *(int *)arg;
    check(told(queue, &event, 1) == -1 && errno == EBADF);
    check(fcntl(queue, F_GETFD) == -1 && errno == EBADF);
    int own = kqueue();
    check(own >= 0 && told(own, &event, 1) == 0);
    close(own);
}

/* "The queue is not inherited by a child created with fork(2)." */
TEST(a_child_has_no_queue_and_the_parent_keeps_its_own)
{
    int queue = kqueue(), fds[2];
    pipe_open(fds);
    changed(queue, fds[0], EVFILT_READ, EV_ADD);
    assert_true(child_succeeds(check_no_queue, &queue));
    fd_write_byte(fds[1]);
    told_one(queue, fds[0], EVFILT_READ);
    fds_close(fds);
    close(queue);
}

/* A kqueue is a descriptor: it "returns whenever there is data available to read". */
TEST(a_queue_with_an_event_is_readable_to_another_and_to_poll)
{
    int outer = kqueue(), inner = kqueue(), fds[2];
    struct pollfd readable = {.fd = inner, .events = POLLIN};
    pipe_open(fds);
    changed(inner, fds[0], EVFILT_READ, EV_ADD);
    changed(outer, inner, EVFILT_READ, EV_ADD);
    told_nothing(outer);
    assert_int_equal(poll(&readable, 1, 0), 0);
    fd_write_byte(fds[1]);
    assert_int_equal(poll(&readable, 1, 0), 1);
    told_one(outer, inner, EVFILT_READ);
    fd_read_all(fds[0]);
    assert_int_equal(poll(&readable, 1, 0), 0);
    told_nothing(outer);
    fds_close(fds);
    close(inner);
    close(outer);
}

TEST(a_queue_lives_until_its_last_number_is_closed)
{
    int queue = kqueue(), fds[2];
    pipe_open(fds);
    fd_write_byte(fds[1]);
    changed(queue, fds[0], EVFILT_READ, EV_ADD);
    int numbers[] = {dup(queue), fcntl(queue, F_DUPFD_CLOEXEC, 20), dup(fds[1])};
    assert_int_equal(dup2(queue, numbers[2]), numbers[2]);
    close(queue);
    for (int i = 0; i < 3; i++) {
        told_one(numbers[i], fds[0], EVFILT_READ);
        close(numbers[i]);
    }
    fds_close(fds);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_ENTRY(what_is_added_again_is_modified_and_not_there_twice),
        TEST_ENTRY(the_filters_of_a_descriptor_are_told_apart),
        TEST_ENTRY(what_is_ready_already_is_told_when_it_is_added_and_when_it_is_added_again),
        TEST_ENTRY(what_no_longer_holds_is_not_told),
        TEST_ENTRY(what_is_disabled_is_told_when_it_is_enabled_or_added_again),
        TEST_ENTRY(oneshot_is_told_once_and_is_deleted),
        TEST_ENTRY(dispatch_is_disabled_when_it_was_told),
        TEST_ENTRY(changes_are_applied_in_order_before_events_are_read),
        TEST_ENTRY(an_error_of_a_change_comes_in_the_event_list_at_once),
        TEST_ENTRY(an_error_without_room_is_returned_and_ends_the_changes),
        TEST_ENTRY(receipts_come_for_all_changes_and_no_event_beside_them),
        TEST_ENTRY(errors_of_changes_are_those_of_the_manual),
        TEST_ENTRY(errors_of_the_call_are_those_of_the_manual),
        TEST_ENTRY(without_room_for_events_nothing_is_waited_for),
        TEST_ENTRY(the_time_limit_is_kept_to_the_nanosecond),
        TEST_ENTRY(a_close_removes_what_references_the_descriptor),
        TEST_ENTRY(a_child_has_no_queue_and_the_parent_keeps_its_own),
        TEST_ENTRY(a_queue_with_an_event_is_readable_to_another_and_to_poll),
        TEST_ENTRY(a_queue_lives_until_its_last_number_is_closed),
    };
    return RUN_TESTS("kqueue-changes", tests);
}
