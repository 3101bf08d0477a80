/*
 * filters.c: what kqueue(2) says of the filters: when they tell, and what. Each test quotes what it
 * checks, from FreeBSD's page.
 */
#include "queue.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

/* ---- level, and cleared ---------------------------------------------------------------------- */

/* "Returns whenever there is data available to read." "Data contains the number of bytes of
 * protocol data available to read." */
TEST(read_is_told_as_long_as_there_are_bytes_and_counts_them)
{
    int queue = kqueue(), fds[2];
    pair_open(fds);
    changed(queue, fds[0], EVFILT_READ, EV_ADD);
    told_nothing(queue);
    for (int64_t count = 1; count <= 3; count++) {
        fd_write_byte(fds[1]);
        assert_int_equal(told_one(queue, fds[0], EVFILT_READ).data, count);
        assert_int_equal(told_one(queue, fds[0], EVFILT_READ).data, count);
    }
    fd_read_all(fds[0]);
    told_nothing(queue);
    fds_close(fds);
    close(queue);
}

/* "After the event is retrieved by the user, its state is reset." What arrives then is told, though
 * nothing was read. */
TEST(read_that_is_cleared_is_told_of_each_arrival)
{
    int queue = kqueue(), fds[2];
    tcp_open(fds);
    changed(queue, fds[0], EVFILT_READ, EV_ADD | EV_CLEAR);
    for (int i = 0; i < 3; i++) {
        fd_write_byte(fds[1]);
        assert_true(wait_one(queue).flags & EV_CLEAR);
        told_nothing(queue);
    }
    fds_close(fds);
    close(queue);
}

/* "Multiple events which trigger the filter do not result in multiple kevents being placed on the
 * kqueue; instead, the filter will aggregate the events into a single struct kevent." */
TEST(arrivals_before_the_retrieval_are_told_together)
{
    int queue = kqueue(), fds[2];
    pipe_open(fds);
    changed(queue, fds[0], EVFILT_READ, EV_ADD | EV_CLEAR);
    fd_write_byte(fds[1]);
    fd_write_byte(fds[1]);
    assert_int_equal(told_one(queue, fds[0], EVFILT_READ).data, 2);
    told_nothing(queue);
    fds_close(fds);
    close(queue);
}

/* "Returns whenever it is possible to write to the descriptor. For sockets, pipes and fifos, data
 * will contain the amount of space remaining in the write buffer." */
static void check_room(int fds[2], int queue)
{
    changed(queue, fds[1], EVFILT_WRITE, EV_ADD | EV_CLEAR);
    int64_t room = told_one(queue, fds[1], EVFILT_WRITE).data;
    assert_true(room > 1);
    told_nothing(queue);
    fd_write_byte(fds[1]);
    changed(queue, fds[1], EVFILT_WRITE, EV_ADD);
    assert_true(told_one(queue, fds[1], EVFILT_WRITE).data < room);
    fill(fds[1]);
    told_nothing(queue);
    fd_read_all(fds[0]);
    assert_int_equal(wait_one(queue).filter, EVFILT_WRITE);
    told_nothing(queue);
    fds_close(fds);
}

TEST(write_is_told_of_room_and_again_when_there_was_none)
{
    int queue = kqueue(), fds[2];
    pipe_open(fds);
    check_room(fds, queue);
    pair_open(fds);
    check_room(fds, queue);
    close(queue);
}

TEST(write_that_is_cleared_is_not_told_again_for_what_arrives)
{
    int queue = kqueue(), fds[2];
    tcp_open(fds);
    changed(queue, fds[0], EVFILT_WRITE, EV_ADD | EV_CLEAR);
    told_one(queue, fds[0], EVFILT_WRITE);
    changed(queue, fds[0], EVFILT_READ, EV_ADD | EV_CLEAR);
    fd_write_byte(fds[1]);
    assert_int_equal(wait_one(queue).filter, EVFILT_READ);
    told_nothing(queue);
    fds_close(fds);
    close(queue);
}

/* "Note that this filter is not supported for vnodes or BPF devices." */
TEST(write_is_not_supported_for_files)
{
    FILE *file = tmpfile();
    int queue = kqueue();
    assert_non_null(file);
    assert_int_equal(change(queue, fileno(file), EVFILT_WRITE, EV_ADD, 0, NULL), EINVAL);
    fclose(file);
    close(queue);
}

/* ---- ends and errors ------------------------------------------------------------------------- */

/* "If the read direction of the socket has shutdown, then the filter also sets EV_EOF in flags
 * ... It is possible for EOF to be returned (indicating the connection is gone) while there is
 * still data pending in the socket buffer." */
static void check_half_close(int fds[2])
{
    int queue = kqueue();
    changed(queue, fds[0], EVFILT_READ, EV_ADD | EV_CLEAR);
    changed(queue, fds[0], EVFILT_WRITE, EV_ADD | EV_CLEAR);
    assert_int_equal(wait_one(queue).filter, EVFILT_WRITE);
    fd_write_byte(fds[1]);
    assert_false(wait_one(queue).flags & EV_EOF);
    assert_int_equal(shutdown(fds[1], SHUT_WR), 0);
    struct kevent event = wait_one(queue);
    while (event.filter == EVFILT_WRITE) { /* allowed, if it is not said that it has ended */
        assert_false(event.flags & EV_EOF);
        event = wait_one(queue);
    }
    assert_int_equal(event.filter, EVFILT_READ);
    assert_true(event.flags & EV_EOF);
    assert_int_equal(event.data, 1);
    assert_int_equal(event.fflags, 0);
    fds_close(fds);
    close(queue);
}

TEST(the_end_of_a_socket_is_told_with_data_still_to_be_read)
{
    int fds[2];
    pair_open(fds);
    check_half_close(fds);
    tcp_open(fds);
    check_half_close(fds);
}

/* "When the last writer disconnects, the filter will set EV_EOF in flags." */
TEST(the_end_of_a_pipe_is_told_when_the_last_writer_is_gone)
{
    int queue = kqueue(), fds[2];
    pipe_open(fds);
    int other = dup(fds[1]);
    changed(queue, fds[0], EVFILT_READ, EV_ADD);
    fd_write_byte(fds[1]);
    close(other);
    assert_false(told_one(queue, fds[0], EVFILT_READ).flags & EV_EOF);
    close(fds[1]);
    fds[1] = -1;
    struct kevent event = told_one(queue, fds[0], EVFILT_READ);
    assert_true(event.flags & EV_EOF);
    assert_int_equal(event.data, 1);
    fds_close(fds);
    close(queue);
}

/* "The filter will set EV_EOF when the reader disconnects." */
TEST(write_is_told_of_the_end_when_the_reader_is_gone)
{
    int queue = kqueue(), fds[2];
    pipe_open(fds);
    fill(fds[1]);
    changed(queue, fds[1], EVFILT_WRITE, EV_ADD | EV_CLEAR);
    told_nothing(queue);
    close(fds[0]);
    fds[0] = -1;
    struct kevent event = told_one(queue, fds[1], EVFILT_WRITE);
    assert_true(event.flags & EV_EOF);
    assert_int_equal(event.fflags, 0);
    fds_close(fds);
    close(queue);
}

static void check_own_shutdown(int fds[2])
{
    int queue = kqueue();
    changed(queue, fds[0], EVFILT_WRITE, EV_ADD);
    assert_false(told_one(queue, fds[0], EVFILT_WRITE).flags & EV_EOF);
    assert_int_equal(shutdown(fds[0], SHUT_WR), 0);
    assert_true(told_one(queue, fds[0], EVFILT_WRITE).flags & EV_EOF);
    changed(queue, fds[0], EVFILT_WRITE, EV_DELETE);
    changed(queue, fds[0], EVFILT_READ, EV_ADD);
    told_nothing(queue);
    fds_close(fds);
    close(queue);
}

TEST(write_is_told_of_the_end_when_its_own_side_was_shut_down)
{
    int fds[2];
    tcp_open(fds);
    check_own_shutdown(fds);
    pair_open(fds);
    check_own_shutdown(fds);
}

/* "Returns the socket error (if any) in fflags." Whoever reads next still gets it. */
TEST(a_reset_is_told_to_both_filters_and_its_error_is_left_to_the_reader)
{
    int queue = kqueue(), fds[2];
    const struct linger reset = {1, 0};
    char byte;
    tcp_open(fds);
    changed(queue, fds[0], EVFILT_READ, EV_ADD);
    assert_int_equal(setsockopt(fds[1], SOL_SOCKET, SO_LINGER, &reset, sizeof reset), 0);
    close(fds[1]);
    fds[1] = -1;
    wait_one(queue);
    changed(queue, fds[0], EVFILT_WRITE, EV_ADD);
    struct kevent events[3];
    assert_int_equal(told(queue, events, 3), 2);
    for (int i = 0; i < 2; i++) {
        assert_true(events[i].flags & EV_EOF);
        assert_int_equal(events[i].fflags, ECONNRESET);
    }
    assert_int_equal(read(fds[0], &byte, 1), -1);
    assert_int_equal(errno, ECONNRESET);
    fds_close(fds);
    close(queue);
}

TEST(a_refused_connection_is_told_and_its_error_is_left_to_the_socket)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof address;
    int queue = kqueue(), bound = socket(AF_INET, SOCK_STREAM, 0), err = 0;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(bound, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(getsockname(bound, (struct sockaddr *)&address, &size), 0);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    fd_nonblocking(fd);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), -1);
    assert_int_equal(errno, EINPROGRESS);
    changed(queue, fd, EVFILT_WRITE, EV_ADD | EV_CLEAR);
    struct kevent event = wait_one(queue);
    assert_true(event.flags & EV_EOF);
    assert_int_not_equal(event.fflags, 0);
    size = sizeof err;
    assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &size), 0);
    assert_int_equal(err, ECONNREFUSED);
    close(fd);
    close(bound);
    close(queue);
}

/* An error of a datagram is no end: the read direction has not shut down. */
TEST(an_error_of_datagrams_is_told_as_readable_without_an_end)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof address;
    int queue = kqueue(), fds[2];
    char byte;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    for (int i = 0; i < 2; i++) {
        fds[i] = socket(AF_INET, SOCK_DGRAM, 0);
        fd_nonblocking(fds[i]);
    }
    assert_int_equal(bind(fds[1], (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(getsockname(fds[1], (struct sockaddr *)&address, &size), 0);
    assert_int_equal(connect(fds[0], (struct sockaddr *)&address, sizeof address), 0);
    close(fds[1]);
    fds[1] = -1;
    fd_write_byte(fds[0]);
    changed(queue, fds[0], EVFILT_READ, EV_ADD | EV_CLEAR);
    struct kevent event = wait_one(queue);
    assert_false(event.flags & EV_EOF);
    assert_int_equal(event.fflags, 0);
    assert_int_equal(read(fds[0], &byte, 1), -1);
    assert_int_equal(errno, ECONNREFUSED);
    fds_close(fds);
    close(queue);
}

/* ---- listeners, urgent data ------------------------------------------------------------------ */

/* "Sockets which have previously been passed to listen() return when there is an incoming
 * connection pending. data contains the size of the listen backlog." */
TEST(a_listener_is_told_of_connections_and_counts_them)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof address;
    int queue = kqueue(), listener = socket(AF_INET, SOCK_STREAM, 0), fds[3];
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(listener, 3), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &size), 0);
    changed(queue, listener, EVFILT_READ, EV_ADD);
    told_nothing(queue);
    for (int i = 0; i < 3; i++) {
        fds[i] = socket(AF_INET, SOCK_STREAM, 0);
        assert_int_equal(connect(fds[i], (struct sockaddr *)&address, sizeof address), 0);
        wait_until(told_one(queue, listener, EVFILT_READ).data == i + 1);
    }
    int accepted = accept(listener, NULL, NULL);
    assert_int_equal(told_one(queue, listener, EVFILT_READ).data, 2);
    close(accepted);
    for (int i = 0; i < 3; i++)
        close(fds[i]);
    close(listener);
    close(queue);
}

#ifdef NOTE_OOB
/* FreeBSD has none of it: told as long as there is out-of-band data, and of that alone. */
TEST(urgent_data_is_told_and_an_end_is_not_urgent)
{
    int queue = kqueue(), fds[2];
    char byte;
    tcp_open(fds);
    assert_int_equal(change(queue, fds[0], EVFILT_EXCEPT, EV_ADD, NOTE_OOB, NULL), 0);
    fd_write_byte(fds[1]);
    told_nothing(queue);
    assert_int_equal(send(fds[1], "!", 1, MSG_OOB), 1);
    struct kevent event = wait_one(queue);
    assert_int_equal(event.filter, EVFILT_EXCEPT);
    assert_true(event.fflags & NOTE_OOB);
    assert_int_equal(told_one(queue, fds[0], EVFILT_EXCEPT).ident, fds[0]);
    assert_int_equal(recv(fds[0], &byte, 1, MSG_OOB), 1);
    told_nothing(queue);
    assert_int_equal(send(fds[1], "?", 1, MSG_OOB), 1);
    assert_int_equal(wait_one(queue).filter, EVFILT_EXCEPT);
    assert_int_equal(recv(fds[0], &byte, 1, MSG_OOB), 1);
    assert_int_equal(shutdown(fds[1], SHUT_WR), 0);
    assert_int_equal(shutdown(fds[0], SHUT_WR), 0);
    told_nothing(queue);
    struct pollfd readable = {.fd = queue, .events = POLLIN};
    assert_int_equal(poll(&readable, 1, 0), 0); /* else a wait would be busy */
    assert_int_equal(change(queue, fds[0], EVFILT_EXCEPT, EV_DELETE, 0, NULL), 0);
    fds_close(fds);
    close(queue);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_ENTRY(read_is_told_as_long_as_there_are_bytes_and_counts_them),
        TEST_ENTRY(read_that_is_cleared_is_told_of_each_arrival),
        TEST_ENTRY(arrivals_before_the_retrieval_are_told_together),
        TEST_ENTRY(write_is_told_of_room_and_again_when_there_was_none),
        TEST_ENTRY(write_that_is_cleared_is_not_told_again_for_what_arrives),
        TEST_ENTRY(write_is_not_supported_for_files),
        TEST_ENTRY(the_end_of_a_socket_is_told_with_data_still_to_be_read),
        TEST_ENTRY(the_end_of_a_pipe_is_told_when_the_last_writer_is_gone),
        TEST_ENTRY(write_is_told_of_the_end_when_the_reader_is_gone),
        TEST_ENTRY(write_is_told_of_the_end_when_its_own_side_was_shut_down),
        TEST_ENTRY(a_reset_is_told_to_both_filters_and_its_error_is_left_to_the_reader),
        TEST_ENTRY(a_refused_connection_is_told_and_its_error_is_left_to_the_socket),
        TEST_ENTRY(an_error_of_datagrams_is_told_as_readable_without_an_end),
        TEST_ENTRY(a_listener_is_told_of_connections_and_counts_them),
#ifdef NOTE_OOB
        TEST_ENTRY(urgent_data_is_told_and_an_end_is_not_urgent),
#endif
    };
    return RUN_TESTS("kqueue-filters", tests);
}
