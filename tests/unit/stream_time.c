/*
 * stream_time.c: deadlines of streams, to the nanosecond, on a clock that goes when it is told to.
 */
#include "net.h"

#include <sys/socket.h>

#include "poller/poller.h"

#define T EVLOOP_MS(100)

static uint64_t time_ns;

int __wrap_poller_clock(uint64_t *now_ns);

int __wrap_poller_clock(uint64_t *now_ns)
{
    *now_ns = time_ns;
    return 0;
}

struct world {
    evloop *loop;
    evloop_stream stream;
    evloop_write write;
    struct iovec iov[64];
    int peer;
    unsigned reads;
    ssize_t last;
    int connected, written; /* statuses; 1: not told yet */
    unsigned closed;
};

static struct world world;

static void on_read(evloop_stream *stream, ssize_t n, const void *data)
{
    (void)stream;
    (void)data;
    world.last = n;
    world.reads++;
}

static void on_write(evloop_write *write, int status)
{
    (void)write;
    world.written = status;
}

static void on_connect(evloop_stream *stream, int status)
{
    (void)stream;
    world.connected = status;
}

static void on_closed(evloop_stream *stream)
{
    (void)stream;
    world.closed++;
}

static void begin_without_stream(void)
{
    memset(&world, 0, sizeof world);
    time_ns = EVLOOP_SEC(1000);
    world.loop = loop_new();
    world.peer = -1;
    world.written = world.connected = 1;
}

static void begin(int family)
{
    int fds[2];
    begin_without_stream();
    net_pair(family, fds);
    net_narrow(fds[0]);
    net_narrow(fds[1]);
    world.peer = fds[1];
    assert_int_equal(evloop_stream_open(world.loop, &world.stream, fds[0]), 0);
}

static void finish(void)
{
    if (evloop_stream_active(&world.stream))
        assert_int_equal(evloop_stream_close(&world.stream, on_closed), 0);
    loop_turn(world.loop);
    assert_int_equal(world.closed, 1);
    loop_end(world.loop);
    if (world.peer >= 0)
        assert_int_equal(close(world.peer), 0);
}

static void turns(void)
{
    for (int i = 0; i < 4; i++)
        loop_turn(world.loop);
}

/* Lets so much time pass, after all that begins now has begun, and does what is due then. */
static void pass(uint64_t duration_ns)
{
    turns();
    time_ns += duration_ns;
    turns();
}

static void read_start(void)
{
    assert_int_equal(evloop_stream_read_start(&world.stream, on_read), 0);
}

static void write_much(void)
{
    unsigned count = pattern_pieces(world.iov, 64, 0, 16 << 20);
    world.written = 1;
    assert_int_equal(evloop_stream_write(&world.stream, &world.write, world.iov, count, on_write),
                     0);
}

/* Lets the stream write on: takes what is in the socket. */
static void take_all(void)
{
    static char memory[1 << 16];
    while (recv(world.peer, memory, sizeof memory, MSG_DONTWAIT) > 0)
        continue;
    assert_int_equal(errno, EAGAIN);
}

/* ---- reading --------------------------------------------------------------------------------- */

TEST(a_read_timeout_passes_at_its_time_and_not_before)
{
    begin(AF_UNIX);
    assert_int_equal(evloop_stream_set_read_timeout(&world.stream, T), 0);
    read_start();
    pass(T - 1);
    assert_int_equal(world.reads, 0);
    pass(1);
    assert_int_equal(world.reads, 1);
    assert_int_equal(world.last, -ETIMEDOUT);
    assert_int_equal(evloop_stream_error(&world.stream), 0);
    pass(10 * T);
    assert_int_equal(world.reads, 1);
    finish();
}

TEST(every_byte_gives_a_reader_the_whole_time_again)
{
    begin(AF_UNIX);
    assert_int_equal(evloop_stream_set_read_timeout(&world.stream, T), 0);
    read_start();
    for (unsigned i = 1; i <= 50; i++) {
        pass(T - 1);
        net_send(world.peer, 0, 1);
        loop_turn(world.loop);
        assert_int_equal(world.reads, i);
        assert_int_equal(world.last, 1);
    }
    pass(T - 1);
    assert_int_equal(world.last, 1);
    pass(1);
    assert_int_equal(world.last, -ETIMEDOUT);
    finish();
}

/* What would be due first stays where it was: the stream's own timer. */
TEST(no_timer_is_restarted_for_a_byte)
{
    begin(AF_UNIX);
    assert_int_equal(evloop_stream_set_read_timeout(&world.stream, T), 0);
    assert_int_equal(evloop_stream_set_idle_timeout(&world.stream, 2 * T), 0);
    read_start();
    turns();
    assert_int_equal(evloop_next_timeout_ns(world.loop), T);
    for (unsigned i = 1; i < 10; i++) {
        time_ns += T / 10;
        net_send(world.peer, 0, 1);
        turns();
        assert_int_equal(world.reads, i);
        assert_int_equal(evloop_next_timeout_ns(world.loop), T - i * (T / 10));
    }
    uint64_t fired = loop_metrics(world.loop).timers_fired;
    pass(T / 10); /* it finds out, and goes on for the rest */
    assert_int_equal(world.last, 1);
    assert_true(loop_metrics(world.loop).timers_fired - fired <= 1);
    assert_int_equal(evloop_next_timeout_ns(world.loop), T - T / 10);
    finish();
}

TEST(a_reader_that_waits_for_many_bytes_is_given_time_by_each)
{
    static char memory[100];
    begin(AF_UNIX);
    assert_int_equal(evloop_stream_set_read_timeout(&world.stream, T), 0);
    assert_int_equal(evloop_stream_read_into(&world.stream, memory, 100, 100, on_read), 0);
    for (int i = 0; i < 99; i++) {
        pass(T - 1);
        net_send(world.peer, 0, 1);
        loop_turn(world.loop);
    }
    assert_int_equal(world.reads, 0);
    pass(T);
    assert_int_equal(world.last, -ETIMEDOUT);
    assert_int_equal(evloop_stream_read_count(&world.stream), 99);
    finish();
}

TEST(a_read_timeout_does_not_pass_while_nobody_reads)
{
    begin(AF_UNIX);
    assert_int_equal(evloop_stream_set_read_timeout(&world.stream, T), 0);
    pass(10 * T);
    read_start();
    pass(T - 1);
    assert_int_equal(evloop_stream_read_stop(&world.stream), 0);
    pass(10 * T);
    read_start();
    pass(T - 1);
    assert_int_equal(world.reads, 0);
    pass(1);
    assert_int_equal(world.last, -ETIMEDOUT);
    read_start(); /* and again */
    pass(T - 1);
    assert_int_equal(world.reads, 1);
    pass(1);
    assert_int_equal(world.reads, 2);
    finish();
}

TEST(a_timeout_that_is_changed_counts_from_the_same_moment)
{
    begin(AF_UNIX);
    assert_int_equal(evloop_stream_set_read_timeout(&world.stream, 10 * T), 0);
    read_start();
    pass(T / 2);
    assert_int_equal(evloop_stream_set_read_timeout(&world.stream, T), 0); /* sooner */
    pass(T / 2 - 1);
    assert_int_equal(world.reads, 0);
    assert_int_equal(evloop_stream_set_read_timeout(&world.stream, 2 * T), 0); /* later */
    pass(T);
    assert_int_equal(world.reads, 0);
    pass(1);
    assert_int_equal(world.last, -ETIMEDOUT);
    finish();
}

TEST(a_timeout_that_is_taken_away_does_not_pass)
{
    begin(AF_UNIX);
    assert_int_equal(evloop_stream_set_read_timeout(&world.stream, T), 0);
    assert_int_equal(evloop_stream_set_idle_timeout(&world.stream, T), 0);
    read_start();
    pass(T - 1);
    assert_int_equal(evloop_stream_set_read_timeout(&world.stream, 0), 0);
    assert_int_equal(evloop_stream_set_idle_timeout(&world.stream, 0), 0);
    pass(100 * T);
    assert_int_equal(world.reads, 0);
    finish();
}

/* ---- writing --------------------------------------------------------------------------------- */

TEST(a_write_timeout_passes_when_the_kernel_has_taken_nothing_for_so_long)
{
    begin(AF_UNIX);
    assert_int_equal(evloop_stream_set_write_timeout(&world.stream, T), 0);
    pass(10 * T); /* nothing is queued */
    write_much();
    pass(0);
    for (int i = 0; i < 50; i++) {
        size_t before = world.write.written;
        pass(T - 1);
        take_all();
        pass(0);
        assert_true(world.write.written > before);
    }
    pass(T - 1);
    assert_int_equal(world.written, 1);
    pass(1);
    assert_int_equal(world.written, -ETIMEDOUT);
    assert_int_equal(evloop_stream_error(&world.stream), -ETIMEDOUT);
    finish();
}

TEST(a_write_timeout_does_not_pass_when_all_is_written)
{
    begin(AF_UNIX);
    assert_int_equal(evloop_stream_set_write_timeout(&world.stream, T), 0);
    assert_int_equal(evloop_stream_send(&world.stream, "x", 1), 0);
    pass(T - 1);
    pass(10 * T);
    assert_int_equal(evloop_stream_error(&world.stream), 0);
    finish();
}

/* ---- idle ------------------------------------------------------------------------------------ */

TEST(an_idle_timeout_passes_when_nothing_came_or_went_for_so_long)
{
    begin(AF_UNIX);
    assert_int_equal(evloop_stream_set_idle_timeout(&world.stream, T), 0);
    read_start();
    for (int i = 0; i < 50; i++) {
        pass(T - 1);
        if (i % 2)
            net_send(world.peer, 0, 1);
        else
            assert_int_equal(evloop_stream_send(&world.stream, "x", 1), 0);
        pass(0);
        assert_int_equal(evloop_stream_error(&world.stream), 0);
    }
    pass(T - 1);
    assert_true(world.last >= 0);
    pass(1);
    assert_int_equal(world.last, -ETIMEDOUT);
    assert_int_equal(evloop_stream_error(&world.stream), -ETIMEDOUT);
    finish();
}

TEST(starting_and_stopping_to_read_is_idle)
{
    begin(AF_UNIX);
    assert_int_equal(evloop_stream_set_idle_timeout(&world.stream, T), 0);
    for (int i = 0; i < 9; i++) {
        read_start();
        pass(T / 10);
        assert_int_equal(evloop_stream_read_stop(&world.stream), 0);
    }
    pass(T / 10);
    assert_int_equal(evloop_stream_error(&world.stream), -ETIMEDOUT);
    finish();
}

TEST(writing_what_does_not_go_out_is_idle)
{
    begin(AF_UNIX);
    write_much();
    pass(0);
    assert_int_equal(evloop_stream_set_idle_timeout(&world.stream, T), 0);
    for (int i = 0; i < 9; i++) {
        assert_int_equal(evloop_stream_send(&world.stream, "x", 1), 0);
        pass(T / 10);
    }
    pass(T / 10);
    assert_int_equal(world.written, -ETIMEDOUT);
    finish();
}

TEST(the_earliest_of_several_deadlines_passes_first)
{
    begin(AF_UNIX);
    assert_int_equal(evloop_stream_set_idle_timeout(&world.stream, 3 * T), 0);
    assert_int_equal(evloop_stream_set_write_timeout(&world.stream, 2 * T), 0);
    assert_int_equal(evloop_stream_set_read_timeout(&world.stream, T), 0);
    read_start();
    write_much();
    pass(0);
    pass(T);
    assert_int_equal(world.last, -ETIMEDOUT);
    assert_int_equal(evloop_stream_error(&world.stream), 0);
    pass(T - 1);
    assert_int_equal(world.written, 1);
    pass(1);
    assert_int_equal(world.written, -ETIMEDOUT);
    finish();
}

static int released;

static void release(evloop_timer *timer)
{
    (void)timer;
    released = evloop_stream_release(&world.stream);
}

/* In the next turn, which is when a deadline has passed. */
static void release_later(evloop_timer *timer)
{
    assert_int_equal(evloop_timer_start(world.loop, timer, 0, 0, release), 0);
}

/* Its callback is due: it would be lost. */
TEST(a_stream_whose_deadline_has_just_passed_is_not_given_up)
{
    evloop_timer timer = {0};
    begin(AF_UNIX);
    assert_int_equal(evloop_stream_set_read_timeout(&world.stream, T), 0);
    read_start();
    turns();
    assert_int_equal(evloop_timer_start(world.loop, &timer, T, 0, release_later), 0);
    pass(T);
    assert_int_equal(released, -EBUSY);
    assert_int_equal(world.reads, 1);
    assert_int_equal(world.last, -ETIMEDOUT);
    finish();
}

/* ---- connecting and closing ------------------------------------------------------------------ */

TEST(a_connection_is_given_up_at_its_time_and_not_before)
{
    evloop_address address;
    evloop_connect_options options = evloop_connect_options_default();
    begin_without_stream();
    int crowd[CROWD], listener = net_listen_full(AF_INET, &address, crowd);
    options.timeout_ns = T;
    assert_int_equal(evloop_connect(world.loop, &world.stream, &address, &options, on_connect), 0);
    pass(T - 1);
    assert_int_equal(world.connected, 1);
    pass(1);
    assert_int_equal(world.connected, -ETIMEDOUT);
    pass(10 * T);
    finish();
    net_disperse(listener, crowd);
}

TEST(a_connection_that_was_made_in_time_has_no_deadline_any_more)
{
    evloop_address address;
    evloop_connect_options options = evloop_connect_options_default();
    begin_without_stream();
    int listener = net_listen(AF_INET, 10, &address);
    options.timeout_ns = T;
    assert_int_equal(evloop_connect(world.loop, &world.stream, &address, &options, on_connect), 0);
    read_start();
    while (world.connected == 1)
        loop_turn(world.loop);
    assert_int_equal(world.connected, 0);
    pass(100 * T);
    assert_int_equal(world.reads, 0);
    assert_int_equal(evloop_stream_error(&world.stream), 0);
    finish();
    assert_int_equal(close(listener), 0);
}

TEST(connecting_is_not_the_kernels_taking_nothing)
{
    evloop_address where;
    begin_without_stream();
    int listener = net_listen(AF_INET, 1, &where);
    assert_int_equal(evloop_connect(world.loop, &world.stream, &where, NULL, on_connect), 0);
    assert_int_equal(evloop_stream_set_write_timeout(&world.stream, T), 0);
    world.iov[0] = (struct iovec){(void *)(uintptr_t) "x", 1};
    assert_int_equal(evloop_stream_write(&world.stream, &world.write, world.iov, 1, on_write), 0);
    time_ns += 2 * T;
    while (world.written == 1)
        loop_turn(world.loop);
    assert_int_equal(world.connected, 0);
    assert_int_equal(world.written, 0);
    finish();
    assert_int_equal(close(listener), 0);
}

/* Whoever embeds the loop may come back to it much later. */
TEST(a_deadline_that_begins_between_two_runs_has_its_whole_time)
{
    begin(AF_UNIX);
    assert_int_equal(evloop_stream_set_read_timeout(&world.stream, T), 0);
    read_start();
    turns();
    assert_int_equal(evloop_stream_read_stop(&world.stream), 0);
    time_ns += T - 1;
    read_start();
    pass(T - 1);
    assert_int_equal(world.reads, 0);
    pass(1);
    assert_int_equal(world.last, -ETIMEDOUT);
    finish();
}

/* The loop had other things to do, and has not looked whether anything came. */
TEST(what_came_in_time_is_heard_by_a_loop_that_is_late)
{
    begin(AF_UNIX);
    assert_int_equal(evloop_stream_set_read_timeout(&world.stream, T), 0);
    read_start();
    turns();
    net_send(world.peer, 0, 10);
    time_ns += 2 * T;
    turns();
    assert_int_equal(world.last, 10);
    pass(T - 1);
    assert_int_equal(world.reads, 1);
    pass(1);
    assert_int_equal(world.last, -ETIMEDOUT);
    finish();
}

TEST(a_graceful_closing_is_given_up_at_its_time_and_not_before)
{
    begin(AF_UNIX);
    write_much();
    pass(0);
    assert_int_equal(evloop_stream_close_gracefully(&world.stream, T, on_closed), 0);
    pass(T - 1);
    assert_int_equal(world.closed, 0);
    assert_int_equal(world.written, 1);
    pass(1);
    assert_int_equal(world.written, -ECANCELED);
    assert_int_equal(world.closed, 1);
    finish();
}

TEST(a_deadline_that_never_comes_never_passes)
{
    begin(AF_UNIX);
    assert_int_equal(evloop_stream_set_read_timeout(&world.stream, EVLOOP_FOREVER), 0);
    assert_int_equal(evloop_stream_set_idle_timeout(&world.stream, EVLOOP_FOREVER), 0);
    read_start();
    write_much();
    assert_int_equal(evloop_stream_set_write_timeout(&world.stream, EVLOOP_FOREVER - 1), 0);
    pass(EVLOOP_SEC(1000000));
    assert_int_equal(world.reads, 0);
    assert_int_equal(world.written, 1);
    assert_int_equal(evloop_stream_close_gracefully(&world.stream, EVLOOP_FOREVER, on_closed), 0);
    pass(EVLOOP_SEC(1000000));
    assert_int_equal(world.closed, 0);
    assert_int_equal(close(world.peer), 0);
    world.peer = -1;
    pass(0);
    assert_int_equal(world.closed, 1);
    finish();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_ENTRY(a_read_timeout_passes_at_its_time_and_not_before),
        TEST_ENTRY(every_byte_gives_a_reader_the_whole_time_again),
        TEST_ENTRY(no_timer_is_restarted_for_a_byte),
        TEST_ENTRY(a_reader_that_waits_for_many_bytes_is_given_time_by_each),
        TEST_ENTRY(a_read_timeout_does_not_pass_while_nobody_reads),
        TEST_ENTRY(a_timeout_that_is_changed_counts_from_the_same_moment),
        TEST_ENTRY(a_timeout_that_is_taken_away_does_not_pass),
        TEST_ENTRY(a_write_timeout_passes_when_the_kernel_has_taken_nothing_for_so_long),
        TEST_ENTRY(a_write_timeout_does_not_pass_when_all_is_written),
        TEST_ENTRY(an_idle_timeout_passes_when_nothing_came_or_went_for_so_long),
        TEST_ENTRY(starting_and_stopping_to_read_is_idle),
        TEST_ENTRY(writing_what_does_not_go_out_is_idle),
        TEST_ENTRY(the_earliest_of_several_deadlines_passes_first),
        TEST_ENTRY(a_stream_whose_deadline_has_just_passed_is_not_given_up),
        TEST_ENTRY(a_connection_is_given_up_at_its_time_and_not_before),
        TEST_ENTRY(a_connection_that_was_made_in_time_has_no_deadline_any_more),
        TEST_ENTRY(connecting_is_not_the_kernels_taking_nothing),
        TEST_ENTRY(what_came_in_time_is_heard_by_a_loop_that_is_late),
        TEST_ENTRY(a_deadline_that_begins_between_two_runs_has_its_whole_time),
        TEST_ENTRY(a_graceful_closing_is_given_up_at_its_time_and_not_before),
        TEST_ENTRY(a_deadline_that_never_comes_never_passes),
    };
    return RUN_TESTS("stream time", tests);
}
