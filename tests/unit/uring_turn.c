/*
 * uring_turn.c: what a turn over io_uring costs in calls, and that it is nothing where epoll is the
 * better engine.
 */
#include "net.h"
#include "uring.h"

#include <liburing.h>
#include <sys/socket.h>

enum { MANY = 16, ROUNDS = 10, SIZE = 64 };

struct evloop_operation;

ssize_t __real_ready_transmit(struct evloop_operation *operation);
ssize_t __wrap_ready_transmit(struct evloop_operation *operation);
int __real_io_uring_submit_and_wait_timeout(struct io_uring *ring, struct io_uring_cqe **cqe,
                                            unsigned count, struct __kernel_timespec *timeout,
                                            sigset_t *mask);
int __wrap_io_uring_submit_and_wait_timeout(struct io_uring *ring, struct io_uring_cqe **cqe,
                                            unsigned count, struct __kernel_timespec *timeout,
                                            sigset_t *mask);
int __real_io_uring_submit_and_get_events(struct io_uring *ring);
int __wrap_io_uring_submit_and_get_events(struct io_uring *ring);
int __real_io_uring_submit(struct io_uring *ring);
int __wrap_io_uring_submit(struct io_uring *ring);

static unsigned at_once, enters;
static bool told_too_long; /* to wait; or not at all */
static long long longest_ns;

ssize_t __wrap_ready_transmit(struct evloop_operation *operation)
{
    at_once++;
    return __real_ready_transmit(operation);
}

int __wrap_io_uring_submit_and_wait_timeout(struct io_uring *ring, struct io_uring_cqe **cqe,
                                            unsigned count, struct __kernel_timespec *timeout,
                                            sigset_t *mask)
{
    enters++;
    told_too_long |= longest_ns && (!timeout || timeout->tv_sec || !timeout->tv_nsec ||
                                    timeout->tv_nsec > longest_ns);
    return __real_io_uring_submit_and_wait_timeout(ring, cqe, count, timeout, mask);
}

int __wrap_io_uring_submit_and_get_events(struct io_uring *ring)
{
    enters++;
    return __real_io_uring_submit_and_get_events(ring);
}

int __wrap_io_uring_submit(struct io_uring *ring)
{
    enters++;
    return __real_io_uring_submit(ring);
}

struct echo {
    evloop_stream stream;
    evloop_write write;
    struct iovec iov;
    int other;
    char memory[SIZE];
};

static struct echo echoes[MANY];

static void on_written(evloop_write *write, int status)
{
    (void)write;
    assert_int_equal(status, 0);
}

static void on_read(evloop_stream *stream, ssize_t n, const void *data)
{
    struct echo *echo = evloop_container_of(stream, struct echo, stream);
    assert_int_equal(n, SIZE);
    memcpy(echo->memory, data, SIZE);
    echo->iov = (struct iovec){.iov_base = echo->memory, .iov_len = SIZE};
    assert_int_equal(evloop_stream_write(stream, &echo->write, &echo->iov, 1, on_written), 0);
}

/* What a unix socket is sent is there at once. */
static evloop *open_echoes(int count)
{
    evloop *loop = loop_new();
    for (int i = 0; i < count; i++) {
        int fds[2];
        net_pair(AF_UNIX, fds);
        echoes[i].other = fds[1];
        assert_int_equal(evloop_stream_open(loop, &echoes[i].stream, fds[0]), 0);
        assert_int_equal(evloop_stream_read_start(&echoes[i].stream, on_read), 0);
    }
    loop_turn(loop);
    return loop;
}

/* Two turns: they are read, and what they wrote is sent. */
static void exchange(evloop *loop, int count)
{
    for (int i = 0; i < count; i++)
        net_send(echoes[i].other, 0, SIZE);
    at_once = enters = 0;
    loop_turn(loop);
    loop_turn(loop);
    for (int i = 0; i < count; i++) {
        char memory[SIZE];
        assert_int_equal(recv(echoes[i].other, memory, SIZE, MSG_DONTWAIT), SIZE);
        assert_true(pattern_matches(memory, SIZE, 0));
    }
}

static void close_echoes(evloop *loop, int count)
{
    for (int i = 0; i < count; i++) {
        assert_int_equal(evloop_stream_close(&echoes[i].stream, NULL), 0);
        assert_int_equal(close(echoes[i].other), 0);
    }
    loop_run(loop);
    loop_end(loop);
}

TEST(many_are_read_with_one_call_and_written_to_with_one)
{
    evloop *loop = open_echoes(MANY);
    for (int round = 0; round < ROUNDS; round++) {
        exchange(loop, MANY);
        assert_int_equal(at_once, 0);
        assert_int_equal(enters, 2);
    }
    close_echoes(loop, MANY);
}

TEST(one_alone_is_answered_at_once)
{
    evloop *loop = open_echoes(1);
    for (int round = 0; round < ROUNDS; round++) {
        exchange(loop, 1);
        assert_int_equal(at_once, 1);
    }
    close_echoes(loop, 1);
}

static void on_ready(evloop_watch *watch, unsigned events)
{
    (void)events;
    ++*(unsigned *)watch->data;
    char byte;
    assert_int_equal(read(evloop_watch_fd(watch), &byte, 1), 1);
}

static void on_timer(evloop_timer *timer)
{
    ++*(unsigned *)timer->data;
}

TEST(a_loop_without_sockets_does_not_enter_the_ring)
{
    unsigned ready = 0, ticks = 0;
    evloop_watch watch = {.data = &ready};
    evloop_timer timer = {.data = &ticks};
    int fds[2];
    evloop *loop = loop_new();
    pair_open(fds);
    enters = 0;
    assert_int_equal(evloop_watch_start(loop, &watch, fds[0], EVLOOP_READABLE, on_ready), 0);
    for (unsigned round = 1; round <= ROUNDS; round++) {
        assert_int_equal(evloop_timer_start(loop, &timer, 0, 0, on_timer), 0);
        fd_write_byte(fds[1]);
        while (ready < round || ticks < round)
            assert_int_equal(evloop_run(loop, EVLOOP_RUN_ONCE), 0);
    }
    assert_int_equal(enters, 0);
    assert_int_equal(evloop_watch_stop(&watch), 0);
    loop_end(loop);
    fds_close(fds);
}

/* ---- with a socket, whose loop waits in the ring --------------------------------------------- */

TEST(a_wait_in_the_ring_is_as_short_as_the_timer_and_no_shorter)
{
    enum { DELAY_US = 100 };
    unsigned ticks = 0;
    evloop_timer timer = {.data = &ticks};
    evloop *loop = open_echoes(1);
    enters = 0;
    told_too_long = false;
    longest_ns = EVLOOP_US(DELAY_US);
    for (unsigned round = 1; round <= ROUNDS; round++) {
        assert_int_equal(evloop_timer_start(loop, &timer, EVLOOP_US(DELAY_US), 0, on_timer), 0);
        while (ticks < round)
            assert_int_equal(evloop_run(loop, EVLOOP_RUN_ONCE), 0);
    }
    longest_ns = 0;
    assert_false(told_too_long);
    assert_in_range(enters, 1, 3 * ROUNDS);
    close_echoes(loop, 1);
}

TEST(a_watch_is_told_in_every_turn_in_which_there_is_something_though_a_ring_waits_for_it)
{
    unsigned ready = 0;
    evloop_watch watch = {.data = &ready};
    int fds[2];
    evloop *loop = open_echoes(1);
    pair_open(fds);
    assert_int_equal(evloop_watch_start(loop, &watch, fds[0], EVLOOP_READABLE, on_ready), 0);
    for (unsigned round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < 3; i++)
            fd_write_byte(fds[1]);
        for (unsigned i = 1; i <= 3; i++) { /* it reads one byte of them */
            while (ready < 3 * round + i)
                assert_int_equal(evloop_run(loop, EVLOOP_RUN_ONCE), 0);
            assert_int_equal(ready, 3 * round + i);
        }
    }
    assert_int_equal(evloop_watch_stop(&watch), 0);
    close_echoes(loop, 1);
    fds_close(fds);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_ENTRY(many_are_read_with_one_call_and_written_to_with_one),
        TEST_ENTRY(one_alone_is_answered_at_once),
        TEST_ENTRY(a_loop_without_sockets_does_not_enter_the_ring),
        TEST_ENTRY(a_wait_in_the_ring_is_as_short_as_the_timer_and_no_shorter),
        TEST_ENTRY(
            a_watch_is_told_in_every_turn_in_which_there_is_something_though_a_ring_waits_for_it),
    };
    if (!uring_only())
        return SKIPPED;
    return RUN_TESTS("uring turn", tests);
}
