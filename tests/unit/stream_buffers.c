/*
 * stream_buffers.c: the memory that reads lend: of whatever size, kept as often as the options say.
 */
#include "net.h"

#include <sys/socket.h>

enum { TOTAL = 300000 };

static uint64_t heard;
static unsigned reads;
static size_t largest;
static ssize_t last;

static void on_read(evloop_stream *stream, ssize_t n, const void *data)
{
    (void)stream;
    last = n;
    reads++;
    if (n < 0)
        return;
    assert_true(pattern_matches(data, (size_t)n, heard));
    heard += (size_t)n;
    if ((size_t)n > largest)
        largest = (size_t)n;
}

static evloop *begin(uint32_t size, uint32_t count)
{
    evloop_options options = evloop_options_default();
    options.read_buffer_size = size;
    options.read_buffers = count;
    heard = reads = 0;
    largest = 0;
    last = 0;
    return loop_new_with(options);
}

static void *send_main(void *arg)
{
    int fd = *(int *)arg;
    uint64_t position = 0;
    while (position < TOTAL) {
        ssize_t n = net_put(fd, pattern_at(position), (size_t)(TOTAL - position), 0);
        check(n > 0);
        position += (uint64_t)n;
    }
    check(close(fd) == 0);
    return NULL;
}

/* A buffer that is smaller than what there is must be read again, to the end. */
TEST(buffers_of_any_size_bring_everything)
{
    static const uint32_t sizes[] = {1000, 4096, 16384, 65536, 1 << 20};
    static const int families[] = {AF_INET, AF_UNIX};
    for (size_t i = 0; i < 5; i++)
        for (size_t j = 0; j < 2; j++) {
            int fds[2];
            pthread_t thread;
            evloop_stream stream = {0};
            evloop *loop = begin(sizes[i], 0);
            net_pair(families[j], fds);
            assert_int_equal(evloop_stream_open(loop, &stream, fds[0]), 0);
            assert_int_equal(evloop_stream_read_start(&stream, on_read), 0);
            thread_start(&thread, send_main, &fds[1]);
            while (last >= 0)
                assert_int_equal(evloop_run(loop, EVLOOP_RUN_ONCE), 0);
            thread_join(thread);
            assert_int_equal(last, EVLOOP_EOF);
            assert_int_equal(heard, TOTAL);
            assert_true(largest <= sizes[i]);
            assert_int_equal(evloop_stream_close(&stream, NULL), 0);
            loop_run(loop);
            loop_end(loop);
        }
}

/* It is the kernel's, if anybody's: one byte at a time, or none, would be of no use. */
TEST(however_little_memory_is_granted_for_receiving_everything_comes)
{
    static const uint32_t sizes[] = {1, 8, 100, 4096};
    for (size_t i = 0; i < 4; i++) {
        int fds[2];
        evloop_stream stream = {0};
        evloop_options options = evloop_options_default();
        options.receive_memory = sizes[i];
        heard = reads = 0;
        last = 0;
        evloop *loop = loop_new_with(options);
        pair_open(fds);
        assert_int_equal(evloop_stream_open(loop, &stream, fds[0]), 0);
        assert_int_equal(evloop_stream_read_start(&stream, on_read), 0);
        net_send(fds[1], 0, 50000);
        fds_close((int[2]){-1, fds[1]});
        while (last >= 0)
            assert_int_equal(evloop_run(loop, EVLOOP_RUN_ONCE), 0);
        assert_int_equal(heard, 50000);
        assert_int_equal(evloop_stream_close(&stream, NULL), 0);
        loop_run(loop);
        loop_end(loop);
    }
}

/* Also when all of it was there before the first read, and the end too. */
TEST(small_buffers_bring_what_was_there_before)
{
    int fds[2];
    evloop_stream stream = {0};
    evloop *loop = begin(1000, 0);
    pair_open(fds);
    net_send(fds[1], 0, 50000);
    fds_close((int[2]){-1, fds[1]});
    assert_int_equal(evloop_stream_open(loop, &stream, fds[0]), 0);
    assert_int_equal(evloop_stream_read_start(&stream, on_read), 0);
    while (last >= 0)
        assert_int_equal(evloop_run(loop, EVLOOP_RUN_ONCE), 0);
    assert_int_equal(heard, 50000);
    assert_int_equal(evloop_stream_close(&stream, NULL), 0);
    loop_run(loop);
    loop_end(loop);
}

static const void *kept[64];
static unsigned kept_count;
static int refusal;

static void keep(evloop_stream *stream, ssize_t n, const void *data)
{
    on_read(stream, n, data);
    refusal = evloop_buffer_keep(stream);
    if (refusal == 0) {
        assert_true(kept_count < 64);
        kept[kept_count++] = data;
    }
}

static void say_and_keep(evloop *loop, int fd)
{
    unsigned before = reads;
    net_send(fd, heard, 100);
    while (reads == before)
        loop_turn(loop);
}

TEST(as_many_buffers_can_be_kept_as_the_options_say)
{
    static const uint32_t counts[] = {1, 2, 5, 0};
    for (size_t i = 0; i < 4; i++) {
        int fds[2];
        evloop_stream stream = {0};
        unsigned most = counts[i] ? counts[i] : 16;
        evloop *loop = begin(4096, counts[i]);
        kept_count = 0;
        pair_open(fds);
        assert_int_equal(evloop_stream_open(loop, &stream, fds[0]), 0);
        assert_int_equal(evloop_stream_read_start(&stream, keep), 0);
        for (unsigned n = 1; n <= most; n++) {
            say_and_keep(loop, fds[1]);
            assert_int_equal(refusal, 0);
        }
        say_and_keep(loop, fds[1]);
        assert_int_equal(refusal, -ENOBUFS);
        assert_int_equal(kept_count, most);
        for (unsigned n = 0; n < most; n++)
            assert_true(pattern_matches(kept[n], 100, n * 100));
        assert_int_equal(evloop_buffer_release(loop, kept[--kept_count]), 0);
        say_and_keep(loop, fds[1]);
        assert_int_equal(refusal, 0);
        while (kept_count)
            assert_int_equal(evloop_buffer_release(loop, kept[--kept_count]), 0);
        assert_int_equal(evloop_stream_close(&stream, NULL), 0);
        loop_run(loop);
        loop_end(loop);
        fds_close((int[2]){-1, fds[1]});
    }
}

static char own[10];

static void go_on_elsewhere_and_keep(evloop_stream *stream, ssize_t n, const void *data)
{
    assert_int_equal(evloop_stream_read_stop(stream), 0);
    assert_int_equal(evloop_stream_read_into(stream, own, sizeof own, sizeof own, on_read), 0);
    keep(stream, n, data);
}

TEST(a_buffer_can_be_kept_by_one_who_reads_on_elsewhere)
{
    int fds[2];
    evloop_stream stream = {0};
    evloop *loop = begin(4096, 4);
    kept_count = 0;
    pair_open(fds);
    assert_int_equal(evloop_stream_open(loop, &stream, fds[0]), 0);
    assert_int_equal(evloop_stream_read_start(&stream, go_on_elsewhere_and_keep), 0);
    say_and_keep(loop, fds[1]);
    assert_int_equal(refusal, 0);
    assert_int_equal(evloop_buffer_release(loop, kept[0]), 0);
    assert_int_equal(evloop_stream_close(&stream, NULL), 0);
    loop_run(loop);
    loop_end(loop);
    fds_close((int[2]){-1, fds[1]});
}

static void *read_once(void *arg)
{
    unsigned before = reads;
    while (reads == before)
        check(evloop_run((evloop *)arg, EVLOOP_RUN_ONCE) == 0);
    return NULL;
}

TEST(a_kept_buffer_stays_as_it_is_when_another_thread_runs_the_loop)
{
    int fds[2];
    pthread_t thread;
    evloop_stream stream = {0};
    evloop *loop = begin(4096, 0);
    kept_count = 0;
    pair_open(fds);
    assert_int_equal(evloop_stream_open(loop, &stream, fds[0]), 0);
    assert_int_equal(evloop_stream_read_start(&stream, keep), 0);
    say_and_keep(loop, fds[1]);
    thread_start(&thread, read_once, loop);
    net_send(fds[1], 100, 100);
    thread_join(thread);
    assert_int_equal(kept_count, 2);
    for (unsigned n = 0; n < 2; n++) {
        assert_true(pattern_matches(kept[n], 100, n * 100));
        assert_int_equal(evloop_buffer_release(loop, kept[n]), 0);
    }
    assert_int_equal(evloop_stream_close(&stream, NULL), 0);
    loop_run(loop);
    loop_end(loop);
    fds_close((int[2]){-1, fds[1]});
}

static evloop_stream two[2];

static void ask_for_the_others_descriptors(evloop_stream *stream, ssize_t n, const void *data)
{
    (void)data;
    assert_int_equal(n, 100);
    if (reads++ == 0)
        assert_int_equal(evloop_unix_accept_fds(&two[stream == two]), 0);
}

/* Of the other one they have come by then, in the same turn. */
TEST(bytes_that_came_before_descriptors_were_asked_for_are_told)
{
    int fds[2][2];
    evloop *loop = begin(4096, 0);
    memset(two, 0, sizeof two);
    for (int i = 0; i < 2; i++) {
        net_pair(AF_UNIX, fds[i]);
        assert_int_equal(evloop_stream_open(loop, &two[i], fds[i][0]), 0);
        assert_int_equal(evloop_stream_read_start(&two[i], ask_for_the_others_descriptors), 0);
    }
    loop_turn(loop);
    for (int i = 0; i < 2; i++)
        net_send(fds[i][1], 0, 100);
    while (reads < 2)
        loop_turn(loop);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(evloop_stream_close(&two[i], NULL), 0);
        fds_close((int[2]){-1, fds[i][1]});
    }
    loop_run(loop);
    loop_end(loop);
}

/* Streams share the buffers; what is kept costs memory only as long as it is kept. */
TEST(what_was_released_is_used_again)
{
    int fds[2];
    evloop_stream stream = {0};
    evloop *loop = begin(4096, 4);
    size_t bytes = 0;
    kept_count = 0;
    pair_open(fds);
    assert_int_equal(evloop_stream_open(loop, &stream, fds[0]), 0);
    assert_int_equal(evloop_stream_read_start(&stream, keep), 0);
    for (int round = 0; round < 100; round++) {
        for (int i = 0; i < 3; i++)
            say_and_keep(loop, fds[1]);
        while (kept_count)
            assert_int_equal(evloop_buffer_release(loop, kept[--kept_count]), 0);
        if (round == 10)
            bytes = heap_bytes(&test_heap);
    }
    assert_true(heap_bytes(&test_heap) <= bytes);
    assert_int_equal(evloop_stream_close(&stream, NULL), 0);
    loop_run(loop);
    loop_end(loop);
    fds_close((int[2]){-1, fds[1]});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_ENTRY(buffers_of_any_size_bring_everything),
        TEST_ENTRY(small_buffers_bring_what_was_there_before),
        TEST_ENTRY(however_little_memory_is_granted_for_receiving_everything_comes),
        TEST_ENTRY(bytes_that_came_before_descriptors_were_asked_for_are_told),
        TEST_ENTRY(as_many_buffers_can_be_kept_as_the_options_say),
        TEST_ENTRY(a_kept_buffer_stays_as_it_is_when_another_thread_runs_the_loop),
        TEST_ENTRY(what_was_released_is_used_again),
        TEST_ENTRY(a_buffer_can_be_kept_by_one_who_reads_on_elsewhere),
    };
    return RUN_TESTS("stream buffers", tests);
}
