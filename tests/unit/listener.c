/*
 * listener.c: listeners in want of descriptors: with RLIMIT_NOFILE, as it happens. What the kernel
 * says beyond that is in tests/fault.
 */
#include "net.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>

enum { COMING = 8 };

struct world {
    evloop *loop;
    evloop_listener listener;
    evloop_stream streams[COMING];
    int coming[COMING];
    int plugs[1024];
    unsigned plug_count;
    unsigned accepted, failures;
    int error;
};

static struct world world;

static void on_connection(evloop_listener *listener)
{
    assert_true(world.accepted < COMING);
    int err = evloop_accept(listener, &world.streams[world.accepted]);
    if (err == 0) {
        world.accepted++;
        return;
    }
    world.failures++;
    world.error = err;
    assert_int_equal(evloop_accept_fd(listener), err);
}

static void on_connect(evloop_stream *stream, int status)
{
    (void)stream;
    (void)status;
    fail_msg("a connection was told");
}

static void set_limit(rlim_t limit)
{
    struct rlimit now;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &now), 0);
    now.rlim_cur = limit;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &now), 0);
}

static struct rlimit before;

/* Takes every descriptor that is left, but so many. */
static void use_up_descriptors(unsigned but)
{
    for (;;) {
        int fd = dup(STDERR_FILENO);
        if (fd < 0)
            break;
        assert_true(world.plug_count < 1024);
        world.plugs[world.plug_count++] = fd;
    }
    assert_int_equal(errno, EMFILE);
    for (; but > 0; but--)
        assert_int_equal(close(world.plugs[--world.plug_count]), 0);
}

static void begin(void)
{
    evloop_address address;
    memset(&world, 0, sizeof world);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    set_limit(512); /* before the loop asks for anybody: io_uring keeps to the limit of that time */
    world.loop = loop_new();
    assert_int_equal(
        evloop_tcp_listen(world.loop, &world.listener, "127.0.0.1:0", NULL, on_connection), 0);
    assert_int_equal(evloop_listener_local(&world.listener, &address), 0);
    loop_turn(world.loop);
    for (int i = 0; i < COMING; i++)
        world.coming[i] = net_connect(&address);
}

static void finish(void)
{
    while (world.plug_count)
        assert_int_equal(close(world.plugs[--world.plug_count]), 0);
    set_limit(before.rlim_cur);
    for (int i = 0; i < COMING; i++) {
        assert_int_equal(close(world.coming[i]), 0);
        if (evloop_stream_active(&world.streams[i]))
            assert_int_equal(evloop_stream_close(&world.streams[i], NULL), 0);
    }
    if (evloop_listener_active(&world.listener))
        assert_int_equal(evloop_listener_close(&world.listener, NULL), 0);
    loop_run(world.loop);
    loop_end(world.loop);
}

TEST(a_want_of_descriptors_is_told_once_and_does_not_spin)
{
    begin();
    use_up_descriptors(0);
    while (world.failures == 0)
        assert_int_equal(evloop_run(world.loop, EVLOOP_RUN_ONCE), 0);
    assert_int_equal(world.error, -EMFILE);
    uint64_t turns = loop_metrics(world.loop).turns;
    assert_int_equal(evloop_run_for(world.loop, EVLOOP_MS(100)), 0);
    assert_true(loop_metrics(world.loop).turns - turns < 30);
    assert_int_equal(world.failures, 1);
    assert_int_equal(world.accepted, 0);
    finish();
}

/* By itself: nobody tells the loop that there are some again. */
TEST(accepting_goes_on_by_itself_when_there_are_descriptors)
{
    begin();
    use_up_descriptors(0);
    while (world.failures == 0)
        assert_int_equal(evloop_run(world.loop, EVLOOP_RUN_ONCE), 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(close(world.plugs[--world.plug_count]), 0);
    while (world.accepted < 3)
        assert_int_equal(evloop_run(world.loop, EVLOOP_RUN_ONCE), 0);
    while (world.failures < 2) /* which is news again */
        assert_int_equal(evloop_run(world.loop, EVLOOP_RUN_ONCE), 0);
    assert_int_equal(world.accepted, 3);
    finish();
}

/* As soon as the loop has closed something: in the turn of the closing or the next. */
TEST(accepting_goes_on_when_the_loop_has_closed_a_stream)
{
    begin();
    use_up_descriptors(1);
    while (world.failures == 0)
        assert_int_equal(evloop_run(world.loop, EVLOOP_RUN_ONCE), 0);
    assert_int_equal(world.accepted, 1);
    for (unsigned i = 0; i < COMING / 2 - 1; i++) { /* valgrind loses who comes in vain */
        assert_int_equal(evloop_stream_close(&world.streams[i], NULL), 0);
        loop_turn(world.loop);
        loop_turn(world.loop);
        loop_turn(world.loop);
        assert_int_equal(world.accepted, i + 2);
    }
    finish();
}

TEST(a_listener_in_want_of_descriptors_may_be_closed_or_paused)
{
    for (int closed = 0; closed < 2; closed++) {
        begin();
        use_up_descriptors(0);
        while (world.failures == 0)
            assert_int_equal(evloop_run(world.loop, EVLOOP_RUN_ONCE), 0);
        if (closed)
            assert_int_equal(evloop_listener_close(&world.listener, NULL), 0);
        else
            assert_int_equal(evloop_listener_pause(&world.listener), 0);
        for (int i = 0; i < 3; i++)
            assert_int_equal(close(world.plugs[--world.plug_count]), 0);
        assert_int_equal(evloop_run_for(world.loop, EVLOOP_MS(30)), 0);
        assert_int_equal(world.accepted, 0);
        if (!closed) {
            assert_int_equal(evloop_listener_resume(&world.listener), 0);
            while (world.accepted < 3)
                assert_int_equal(evloop_run(world.loop, EVLOOP_RUN_ONCE), 0);
        }
        finish();
    }
}

/* What needs a descriptor itself says so, and is as before. */
TEST(without_a_descriptor_nothing_is_opened)
{
    evloop_stream stream = {0};
    evloop_listener listener = {0};
    evloop_address address;
    begin();
    assert_int_equal(evloop_listener_local(&world.listener, &address), 0);
    use_up_descriptors(0);
    assert_int_equal(evloop_connect(world.loop, &stream, &address, NULL, on_connect), -EMFILE);
    assert_int_equal(evloop_tcp_listen(world.loop, &listener, "127.0.0.1:0", NULL, on_connection),
                     -EMFILE);
    assert_false(evloop_stream_active(&stream));
    assert_false(evloop_listener_active(&listener));
    finish();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_ENTRY(a_want_of_descriptors_is_told_once_and_does_not_spin),
        TEST_ENTRY(accepting_goes_on_by_itself_when_there_are_descriptors),
        TEST_ENTRY(accepting_goes_on_when_the_loop_has_closed_a_stream),
        TEST_ENTRY(a_listener_in_want_of_descriptors_may_be_closed_or_paused),
        TEST_ENTRY(without_a_descriptor_nothing_is_opened),
    };
    return RUN_TESTS("listener", tests);
}
