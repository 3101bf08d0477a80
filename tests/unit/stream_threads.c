/*
 * stream_threads.c: while a thread runs the loop, functions of streams and listeners called on
 * another say EVLOOP_ETHREAD, and nothing has happened.
 */
#include "net.h"

#include <sys/socket.h>

struct world {
    evloop *loop;
    struct runner runner;
    evloop_stream stream, spare;
    evloop_listener listener, spare_listener;
    evloop_write write, pending;
    int fds[2];
    int reads;
};

static struct gate gate = GATE_INIT;

static void on_read(evloop_stream *stream, ssize_t n, const void *data)
{
    struct world *world = evloop_container_of(stream, struct world, stream);
    (void)data;
    check(n == 1);
    world->reads++;
    gate_add(&gate);
}

static void unexpected(void)
{
    check_failed("nothing was told", __FILE__, __LINE__);
}

static void on_nothing(evloop_stream *stream)
{
    (void)stream;
    unexpected();
}

static void on_status(evloop_stream *stream, int status)
{
    (void)stream;
    (void)status;
    unexpected();
}

static void on_watermark(evloop_stream *stream, bool full)
{
    (void)stream;
    (void)full;
    unexpected();
}

static void on_connection(evloop_listener *listener)
{
    (void)listener;
    unexpected();
}

static void world_run(struct world *world)
{
    memset(world, 0, sizeof *world);
    gate.count = 0;
    world->loop = loop_new();
    pair_open(world->fds);
    assert_int_equal(evloop_stream_open(world->loop, &world->stream, world->fds[0]), 0);
    assert_int_equal(evloop_stream_read_start(&world->stream, on_read), 0);
    assert_int_equal(
        evloop_tcp_listen(world->loop, &world->listener, "127.0.0.1:0", NULL, on_connection), 0);
    runner_start(&world->runner, world->loop);
    wait_asleep(world->loop);
}

static void world_end(struct world *world)
{
    assert_int_equal(write(world->fds[1], "x", 1), 1);
    gate_wait(&gate, 1);
    assert_int_equal(evloop_stop(world->loop), 0);
    assert_int_equal(runner_join(&world->runner), 0);
    assert_int_equal(world->reads, 1);
    assert_int_equal(evloop_stream_close(&world->stream, NULL), 0);
    assert_int_equal(evloop_listener_close(&world->listener, NULL), 0);
    loop_run(world->loop);
    loop_end(world->loop);
    fds_close((int[2]){-1, world->fds[1]});
}

static char byte = 'x';
static const struct iovec iov = {&byte, 1};

TEST(streams_belong_to_the_loops_thread)
{
    struct world world;
    evloop_address address;
    evloop_credentials credentials;
    const evloop_keepalive keepalive = {1, 1, 1};
    const int fd = 0;
    world_run(&world);
    evloop_stream *stream = &world.stream;
    evloop_write *write = &world.write;
    const int expected = EVLOOP_ETHREAD;
    assert_int_equal(evloop_stream_read_start(stream, on_read), expected);
    assert_int_equal(evloop_stream_read_into(stream, &byte, 1, 1, on_read), expected);
    assert_int_equal(evloop_stream_read_stop(stream), expected);
    assert_int_equal(evloop_buffer_keep(stream), expected);
    assert_int_equal(evloop_buffer_release(world.loop, &byte), expected);
    assert_int_equal(evloop_stream_send(stream, "x", 1), expected);
    assert_int_equal(evloop_stream_write(stream, write, &iov, 1, NULL), expected);
    assert_int_equal(evloop_stream_write_fds(stream, write, &iov, 1, &fd, 1, NULL), expected);
    assert_int_equal(evloop_stream_sendfile(stream, write, 0, 0, 1, NULL), expected);
    assert_int_equal(evloop_stream_try_write(stream, &iov, 1), expected);
    assert_int_equal(evloop_stream_set_watermarks(stream, 1, 2, on_watermark), expected);
    assert_int_equal(evloop_stream_set_read_timeout(stream, 1), expected);
    assert_int_equal(evloop_stream_set_write_timeout(stream, 1), expected);
    assert_int_equal(evloop_stream_set_idle_timeout(stream, 1), expected);
    assert_int_equal(evloop_stream_shutdown(stream, on_status), expected);
    assert_int_equal(evloop_stream_close(stream, on_nothing), expected);
    assert_int_equal(evloop_stream_close_gracefully(stream, 1, on_nothing), expected);
    assert_int_equal(evloop_stream_reset(stream, on_nothing), expected);
    assert_int_equal(evloop_stream_release(stream), expected);
    assert_int_equal(evloop_stream_local(stream, &address), expected);
    assert_int_equal(evloop_stream_peer(stream, &address), expected);
    assert_int_equal(evloop_stream_unref(stream), expected);
    assert_int_equal(evloop_stream_ref(stream), expected);
    assert_int_equal(evloop_tcp_set_nagle(stream, true), expected);
    assert_int_equal(evloop_tcp_set_keepalive(stream, &keepalive), expected);
    assert_int_equal(evloop_unix_credentials(stream, &credentials), expected);
    assert_int_equal(evloop_unix_accept_fds(stream), expected);
    assert_int_equal(evloop_unix_take_fd(stream), expected);
    world_end(&world);
}

TEST(streams_and_listeners_are_started_on_the_loops_thread)
{
    struct world world;
    evloop_address address;
    int fds[2], other = -1;
    world_run(&world);
    assert_int_equal(evloop_address_parse(&address, "127.0.0.1:0"), 0);
    pair_open(fds);
    const int expected = EVLOOP_ETHREAD;
    assert_int_equal(evloop_stream_open(world.loop, &world.spare, fds[0]), expected);
    assert_int_equal(evloop_stream_pair(world.loop, &world.spare, &other), expected);
    assert_int_equal(evloop_connect(world.loop, &world.spare, &address, NULL, on_status), expected);
    assert_int_equal(
        evloop_listen(world.loop, &world.spare_listener, &address, NULL, on_connection), expected);
    assert_int_equal(
        evloop_listen_fd(world.loop, &world.spare_listener, fds[0], NULL, on_connection), expected);
    assert_int_equal(other, -1);
    assert_false(evloop_stream_active(&world.spare));
    assert_false(evloop_listener_active(&world.spare_listener));
    fds_close(fds);
    world_end(&world);
}

TEST(listeners_belong_to_the_loops_thread)
{
    struct world world;
    evloop_address address;
    world_run(&world);
    evloop_listener *listener = &world.listener;
    const int expected = EVLOOP_ETHREAD;
    assert_int_equal(evloop_accept(listener, &world.spare), expected);
    assert_int_equal(evloop_accept_fd(listener), expected);
    assert_int_equal(evloop_listener_pause(listener), expected);
    assert_int_equal(evloop_listener_resume(listener), expected);
    assert_int_equal(evloop_listener_local(listener, &address), expected);
    assert_int_equal(evloop_listener_close(listener, on_connection), expected);
    assert_int_equal(evloop_listener_unref(listener), expected);
    assert_int_equal(evloop_listener_ref(listener), expected);
    world_end(&world);
}

/* ---- a write that waits ---------------------------------------------------------------------- */

static void on_canceled(evloop_write *write, int status)
{
    check(status == -ECANCELED);
    (void)write;
    gate_add(&gate);
}

TEST(a_write_is_cancelled_on_the_loops_thread)
{
    static char memory[4 << 20];
    const struct iovec much = {memory, sizeof memory};
    struct world world;
    memset(&world, 0, sizeof world);
    gate.count = 0;
    world.loop = loop_new();
    pair_open(world.fds);
    assert_int_equal(evloop_stream_open(world.loop, &world.stream, world.fds[0]), 0);
    assert_int_equal(evloop_stream_write(&world.stream, &world.write, &much, 1, NULL), 0);
    assert_int_equal(evloop_stream_write(&world.stream, &world.pending, &much, 1, on_canceled), 0);
    runner_start(&world.runner, world.loop);
    wait_asleep(world.loop);
    assert_int_equal(evloop_write_cancel(&world.pending), EVLOOP_ETHREAD);
    assert_int_equal(evloop_stop(world.loop), 0);
    assert_int_equal(runner_join(&world.runner), 0);
    assert_int_equal(gate.count, 0);
    assert_int_equal(evloop_write_cancel(&world.pending), 0);
    loop_turn(world.loop);
    assert_int_equal(gate.count, 1);
    assert_int_equal(evloop_stream_close(&world.stream, NULL), 0);
    loop_run(world.loop);
    loop_end(world.loop);
    fds_close((int[2]){-1, world.fds[1]});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_ENTRY(streams_belong_to_the_loops_thread),
        TEST_ENTRY(streams_and_listeners_are_started_on_the_loops_thread),
        TEST_ENTRY(listeners_belong_to_the_loops_thread),
        TEST_ENTRY(a_write_is_cancelled_on_the_loops_thread),
    };
    return RUN_TESTS("stream threads", tests);
}
