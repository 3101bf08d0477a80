/*
 * stream_fair.c: one busy stream does not starve the others. Measured by turns: what a unix socket
 * was sent is there when the call returns, and the turn that begins then must tell it.
 */
#include "net.h"

#include <sys/socket.h>

enum { PIECE = 1 << 20, BUFFER = 4096 };

struct counted {
    evloop_stream stream;
    evloop *loop;
    uint64_t heard;
    unsigned reads; /* in this turn */
    uint64_t in_turn;
    uint64_t most; /* in any turn */
};

static void on_read(evloop_stream *stream, ssize_t n, const void *data)
{
    struct counted *counted = evloop_container_of(stream, struct counted, stream);
    (void)data;
    assert_true(n > 0);
    counted->heard += (size_t)n;
    counted->reads++;
    counted->in_turn += (size_t)n;
    if (counted->in_turn > counted->most)
        counted->most = counted->in_turn;
}

/* Keeps the socket full, from a thread of its own, until it is closed. */
struct flood {
    pthread_t thread;
    int fd;
};

static void *flood_main(void *arg)
{
    struct flood *flood = arg;
    while (net_put(flood->fd, pattern_at(0), PIECE, 0) > 0)
        continue;
    check(close(flood->fd) == 0);
    return NULL;
}

static void flood_start(struct flood *flood, int fd)
{
    flood->fd = fd;
    thread_start(&flood->thread, flood_main, flood);
}

static void counted_open(struct counted *counted, evloop *loop, int fd)
{
    memset(counted, 0, sizeof *counted);
    counted->loop = loop;
    assert_int_equal(evloop_stream_open(loop, &counted->stream, fd), 0);
    assert_int_equal(evloop_stream_read_start(&counted->stream, on_read), 0);
}

/* Over io_uring, bytes that came apart are told apart, and are not more than one read's. */
static void assert_share(const struct counted *busy)
{
    assert_true(busy->in_turn <= BUFFER);
    if (strcmp(evloop_backend_name(busy->loop), "uring") != 0)
        assert_true(busy->reads <= 1);
}

/* There is more than one buffer of it in the first turn, and nearly always later on. */
TEST(a_busy_stream_is_read_one_buffer_a_turn)
{
    int busy_fds[2], quiet_fds[2];
    struct counted busy, quiet;
    struct flood flood;
    evloop_options options = evloop_options_default();
    options.read_buffer_size = BUFFER;
    evloop *loop = loop_new_with(options);
    net_pair(AF_INET, busy_fds);
    net_pair(AF_UNIX, quiet_fds);
    counted_open(&busy, loop, busy_fds[0]);
    counted_open(&quiet, loop, quiet_fds[0]);
    flood_start(&flood, busy_fds[1]);
    wait_until(net_waiting(busy_fds[0]) > 3 * BUFFER);
    for (size_t round = 0; round < scaled(100); round++) {
        uint64_t before = quiet.heard;
        assert_int_equal(send(quiet_fds[1], "x", 1, 0), 1);
        busy.in_turn = busy.reads = 0;
        loop_turn(loop);
        assert_int_equal(quiet.heard, before + 1);
        assert_share(&busy);
    }
    while (busy.heard < 10 * PIECE) {
        busy.in_turn = busy.reads = 0;
        loop_turn(loop);
        assert_share(&busy);
    }
    assert_in_range(busy.most, 1, BUFFER);
    assert_int_equal(evloop_stream_close(&busy.stream, NULL), 0);
    assert_int_equal(evloop_stream_close(&quiet.stream, NULL), 0);
    loop_run(loop);
    thread_join(flood.thread);
    loop_end(loop);
    fds_close((int[2]){-1, quiet_fds[1]});
}

static void on_task(void *arg)
{
    ++*(unsigned *)arg;
}

static void on_timer(evloop_timer *timer)
{
    ++*(unsigned *)timer->data;
}

TEST(busy_streams_do_not_starve_timers_and_tasks)
{
    int fds[2];
    struct counted busy;
    struct flood flood;
    unsigned tasks = 0, ticks = 0;
    evloop_timer timer = {.data = &ticks};
    evloop *loop = loop_new();
    net_pair(AF_UNIX, fds);
    counted_open(&busy, loop, fds[0]);
    flood_start(&flood, fds[1]);
    while (busy.heard < 10 * PIECE) {
        unsigned tasks_before = tasks, ticks_before = ticks;
        assert_int_equal(evloop_timer_start(loop, &timer, 0, 0, on_timer), 0);
        assert_int_equal(evloop_post(loop, on_task, &tasks), 0);
        burn_ns(EVLOOP_US(2));
        loop_turn(loop);
        assert_int_equal(tasks, tasks_before + 1);
        assert_int_equal(ticks, ticks_before + 1);
    }
    assert_int_equal(evloop_stream_close(&busy.stream, NULL), 0);
    loop_run(loop);
    thread_join(flood.thread);
    loop_end(loop);
}

/* A stream that always has something to write, to a peer that always takes it. */
struct writer {
    evloop_stream stream;
    evloop_write write;
    struct iovec iov[64];
    unsigned count;
    unsigned done;
};

static void write_again(evloop_write *write, int status)
{
    struct writer *writer = evloop_container_of(write, struct writer, write);
    writer->done++;
    if (status == 0)
        assert_int_equal(
            evloop_stream_write(&writer->stream, write, writer->iov, writer->count, write_again),
            0);
}

static void *drain_main(void *arg)
{
    static char memory[PIECE];
    int fd = *(int *)arg;
    while (recv(fd, memory, sizeof memory, 0) > 0)
        continue;
    return NULL;
}

TEST(a_stream_that_writes_without_end_does_not_starve_the_others)
{
    int busy_fds[2], quiet_fds[2];
    struct writer busy;
    struct counted quiet;
    pthread_t drain;
    evloop *loop = loop_new();
    memset(&busy, 0, sizeof busy);
    net_pair(AF_UNIX, busy_fds);
    net_pair(AF_UNIX, quiet_fds);
    thread_start(&drain, drain_main, &busy_fds[1]);
    assert_int_equal(evloop_stream_open(loop, &busy.stream, busy_fds[0]), 0);
    counted_open(&quiet, loop, quiet_fds[0]);
    busy.count = pattern_pieces(busy.iov, 64, 0, 64 * PIECE);
    write_again(&busy.write, 0);
    for (size_t round = 0; round < scaled(100); round++) {
        uint64_t before = quiet.heard;
        assert_int_equal(send(quiet_fds[1], "x", 1, 0), 1);
        loop_turn(loop);
        assert_int_equal(quiet.heard, before + 1);
    }
    assert_int_equal(evloop_stream_close(&busy.stream, NULL), 0);
    assert_int_equal(evloop_stream_close(&quiet.stream, NULL), 0);
    loop_run(loop);
    thread_join(drain);
    loop_end(loop);
    fds_close((int[2]){busy_fds[1], quiet_fds[1]});
}

/* Whoever is ready is told of in the turn that finds it out, however many they are. */
TEST(everybody_who_has_something_to_read_reads_in_one_turn)
{
    enum { MANY = 100 };
    static struct counted all[MANY];
    int fds[MANY][2];
    evloop *loop = loop_new();
    for (int i = 0; i < MANY; i++) {
        pair_open(fds[i]);
        counted_open(&all[i], loop, fds[i][0]);
    }
    for (size_t round = 0; round < 10; round++) {
        for (int i = 0; i < MANY; i++)
            fd_write_byte(fds[i][1]);
        loop_turn(loop);
        for (int i = 0; i < MANY; i++)
            assert_int_equal(all[i].heard, round + 1);
    }
    for (int i = 0; i < MANY; i++)
        assert_int_equal(evloop_stream_close(&all[i].stream, NULL), 0);
    loop_run(loop);
    loop_end(loop);
    for (int i = 0; i < MANY; i++)
        fds_close((int[2]){-1, fds[i][1]});
}

/* A flood of connections does not starve a stream. */
struct door {
    evloop_listener listener;
    unsigned in_turn, most;
};

static void on_connection(evloop_listener *listener)
{
    struct door *door = evloop_container_of(listener, struct door, listener);
    int fd = evloop_accept_fd(listener);
    assert_true(fd >= 0);
    assert_int_equal(close(fd), 0);
    if (++door->in_turn > door->most)
        door->most = door->in_turn;
}

TEST(a_flood_of_connections_does_not_starve_a_stream)
{
    enum { COMING = 100 };
    int fds[2], coming[COMING];
    struct counted quiet;
    struct door door = {.most = 0};
    evloop_address address;
    evloop *loop = loop_new();
    unsigned taken = 0;
    net_pair(AF_UNIX, fds);
    counted_open(&quiet, loop, fds[0]);
    assert_int_equal(evloop_tcp_listen(loop, &door.listener, "127.0.0.1:0", NULL, on_connection),
                     0);
    assert_int_equal(evloop_listener_local(&door.listener, &address), 0);
    for (int i = 0; i < COMING; i++)
        coming[i] = net_connect(&address);
    while (taken < COMING) {
        uint64_t before = quiet.heard;
        assert_int_equal(send(fds[1], "x", 1, 0), 1);
        door.in_turn = 0;
        loop_turn(loop);
        assert_int_equal(quiet.heard, before + 1);
        taken += door.in_turn;
    }
    for (int i = 0; i < COMING; i++)
        assert_int_equal(close(coming[i]), 0);
    assert_int_equal(evloop_stream_close(&quiet.stream, NULL), 0);
    assert_int_equal(evloop_listener_close(&door.listener, NULL), 0);
    loop_run(loop);
    loop_end(loop);
    fds_close((int[2]){-1, fds[1]});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_ENTRY(a_busy_stream_is_read_one_buffer_a_turn),
        TEST_ENTRY(busy_streams_do_not_starve_timers_and_tasks),
        TEST_ENTRY(a_stream_that_writes_without_end_does_not_starve_the_others),
        TEST_ENTRY(everybody_who_has_something_to_read_reads_in_one_turn),
        TEST_ENTRY(a_flood_of_connections_does_not_starve_a_stream),
    };
    return RUN_TESTS("stream fairness", tests);
}
