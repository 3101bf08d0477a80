/*
 * stream_memory.c: every allocation of an exchange fails in turn: somebody is told, or it was not
 * needed; nothing is leaked, nothing is lost in silence.
 */
#include "exchange.h"

static void each_allocation_fails(enum exchange_over over)
{
    size_t nth = 0, before;
    unsigned failures = 0;
    do {
        exchange_open(over);
        before = heap_calls(&test_heap);
        heap_fail_in(&test_heap, ++nth);
        unsigned told = exchange_play();
        heap_fail_in(&test_heap, 0);
        if (told)
            assert_int_equal(exchange_error(), -ENOMEM);
        failures += told > 0;
        exchange_close();
    } while (heap_calls(&test_heap) - before >= nth);
    assert_true(nth > 1);
    assert_true(failures > 0);
}

TEST(each_allocation_of_an_exchange_over_tcp_fails)
{
    each_allocation_fails(OVER_TCP);
}

TEST(each_allocation_of_an_exchange_over_a_unix_socket_fails)
{
    each_allocation_fails(OVER_UNIX);
}

TEST(each_allocation_of_an_exchange_of_messages_fails)
{
    each_allocation_fails(OVER_SEQPACKET);
}

TEST(each_allocation_of_an_exchange_over_a_pipe_fails)
{
    each_allocation_fails(OVER_PIPE);
}

TEST(an_exchange_without_any_memory_is_refused_or_fails)
{
    for (int over = 0; over < OVERS; over++) {
        exchange_open((enum exchange_over)over);
        heap_fail_in(&test_heap, HEAP_FAIL_ALL);
        assert_true(exchange_play() > 0);
        assert_int_equal(exchange_error(), -ENOMEM);
        heap_fail_in(&test_heap, 0);
        exchange_close();
    }
}

/* ---- single calls ---------------------------------------------------------------------------- */

static unsigned reads, writes;

static void on_read(evloop_stream *stream, ssize_t n, const void *data)
{
    (void)stream;
    (void)data;
    assert_true(n > 0);
    reads++;
}

static void on_write(evloop_write *write, int status)
{
    (void)write;
    assert_int_equal(status, 0);
    writes++;
}

/* "nothing was queued": the stream goes on as if the call had not been made. */
TEST(a_send_without_memory_is_refused_and_the_stream_goes_on)
{
    int fds[2];
    char memory[8];
    evloop *loop = loop_new();
    evloop_stream stream = {0};
    evloop_write write = {0};
    const struct iovec iov = {(void *)(uintptr_t) "abc", 3};
    writes = 0;
    pair_open(fds);
    assert_int_equal(evloop_stream_open(loop, &stream, fds[0]), 0);
    heap_fail_in(&test_heap, HEAP_FAIL_ALL);
    assert_int_equal(evloop_stream_send(&stream, "lost", 4), -ENOMEM);
    assert_int_equal(evloop_stream_queued(&stream), 0);
    assert_int_equal(evloop_stream_error(&stream), 0);
    assert_int_equal(evloop_stream_write(&stream, &write, &iov, 1, on_write), 0); /* needs none */
    assert_int_equal(evloop_stream_send(&stream, "lost", 4), -ENOMEM);
    assert_int_equal(evloop_stream_queued(&stream), 3);
    loop_turn(loop);
    heap_fail_in(&test_heap, 0);
    loop_turn(loop);
    assert_int_equal(writes, 1);
    assert_int_equal(evloop_stream_send(&stream, "def", 3), 0);
    loop_turn(loop);
    assert_int_equal(read(fds[1], memory, sizeof memory), 6);
    assert_memory_equal(memory, "abcdef", 6);
    assert_int_equal(evloop_stream_close(&stream, NULL), 0);
    loop_run(loop);
    loop_end(loop);
    fds_close((int[2]){-1, fds[1]});
}

TEST(reading_without_memory_is_refused_and_works_afterwards)
{
    int fds[2];
    char memory[4];
    evloop *loop = loop_new();
    evloop_stream stream = {0};
    reads = 0;
    pair_open(fds);
    assert_int_equal(evloop_stream_open(loop, &stream, fds[0]), 0);
    fd_write_byte(fds[1]);
    heap_fail_in(&test_heap, HEAP_FAIL_ALL);
    assert_int_equal(evloop_stream_read_start(&stream, on_read), -ENOMEM);
    assert_false(evloop_stream_reading(&stream));
    assert_int_equal(evloop_stream_read_into(&stream, memory, 4, 1, on_read), 0); /* its own */
    while (reads == 0)
        loop_turn(loop);
    heap_fail_in(&test_heap, 0);
    assert_int_equal(evloop_stream_read_start(&stream, on_read), 0);
    fd_write_byte(fds[1]);
    while (reads == 1)
        loop_turn(loop);
    assert_int_equal(evloop_stream_close(&stream, NULL), 0);
    loop_run(loop);
    loop_end(loop);
    fds_close((int[2]){-1, fds[1]});
}

/* A read callback that cannot keep its buffer for want of memory is told so, and copies. */
static int kept;
static const void *kept_data;

static void keep(evloop_stream *stream, ssize_t n, const void *data)
{
    assert_int_equal(n, 1);
    heap_fail_in(&test_heap, reads == 0 ? HEAP_FAIL_ALL : 0);
    kept = evloop_buffer_keep(stream);
    kept_data = data;
    heap_fail_in(&test_heap, 0);
    reads++;
}

static void on_failure(evloop_stream *stream, ssize_t n, const void *data)
{
    (void)data;
    assert_int_equal(n, evloop_stream_error(stream));
    reads++;
}

/* A read into the user's memory is told once, also if descriptors that came with it are lost. */
TEST(a_read_whose_descriptors_are_lost_is_told_once)
{
    for (size_t least = 1; least <= 2; least++) {
        int fds[2];
        char memory[2];
        evloop *loop = loop_new();
        evloop_stream stream = {0}, peer = {0};
        evloop_write write = {0};
        struct iovec iov = {memory, 1};
        const int standard = STDERR_FILENO;
        reads = writes = 0;
        pair_open(fds);
        assert_int_equal(evloop_stream_open(loop, &stream, fds[0]), 0);
        assert_int_equal(evloop_stream_open(loop, &peer, fds[1]), 0);
        assert_int_equal(evloop_unix_accept_fds(&stream), 0);
        assert_int_equal(evloop_stream_read_into(&stream, memory, 2, least, on_failure), 0);
        assert_int_equal(evloop_stream_write_fds(&peer, &write, &iov, 1, &standard, 1, on_write),
                         0);
        heap_fail_in(&test_heap, HEAP_FAIL_ALL);
        while (reads == 0)
            loop_turn(loop);
        heap_fail_in(&test_heap, 0);
        assert_int_equal(evloop_stream_send(&peer, "more", 4), 0);
        loop_turn(loop);
        loop_turn(loop);
        assert_int_equal(reads, 1);
        assert_int_equal(evloop_stream_read_count(&stream), 1);
        assert_int_equal(evloop_stream_error(&stream), -ENOMEM);
        assert_int_equal(evloop_stream_close(&stream, NULL), 0);
        assert_int_equal(evloop_stream_close(&peer, NULL), 0);
        loop_run(loop);
        loop_end(loop);
    }
}

TEST(a_buffer_is_kept_without_memory_or_not_and_reading_goes_on)
{
    int fds[2];
    evloop *loop = loop_new();
    evloop_stream stream = {0};
    reads = 0;
    pair_open(fds);
    assert_int_equal(evloop_stream_open(loop, &stream, fds[0]), 0);
    assert_int_equal(evloop_stream_read_start(&stream, keep), 0);
    for (unsigned i = 1; i <= 3; i++) {
        fd_write_byte(fds[1]);
        while (reads < i)
            loop_turn(loop);
        if (i == 1)
            assert_true(kept == 0 || kept == -ENOMEM);
        else
            assert_int_equal(kept, 0);
        if (kept == 0)
            assert_int_equal(evloop_buffer_release(loop, kept_data), 0);
    }
    assert_int_equal(evloop_stream_close(&stream, NULL), 0);
    loop_run(loop);
    loop_end(loop);
    fds_close((int[2]){-1, fds[1]});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_ENTRY(each_allocation_of_an_exchange_over_tcp_fails),
        TEST_ENTRY(each_allocation_of_an_exchange_over_a_unix_socket_fails),
        TEST_ENTRY(each_allocation_of_an_exchange_of_messages_fails),
        TEST_ENTRY(each_allocation_of_an_exchange_over_a_pipe_fails),
        TEST_ENTRY(an_exchange_without_any_memory_is_refused_or_fails),
        TEST_ENTRY(a_send_without_memory_is_refused_and_the_stream_goes_on),
        TEST_ENTRY(reading_without_memory_is_refused_and_works_afterwards),
        TEST_ENTRY(a_read_whose_descriptors_are_lost_is_told_once),
        TEST_ENTRY(a_buffer_is_kept_without_memory_or_not_and_reading_goes_on),
    };
    support_limit(60);
    return RUN_TESTS("fault: memory of streams", tests);
}
