/*
 * stream_accept.c: what accept says: what concerns one connection passes unnoticed; a want is told
 * once, does not spin, and is over by itself.
 */
#include "calls.h"

#include <sys/socket.h>

enum { COMING = 5, FEW_CALLS = 10 };

struct world {
    evloop *loop;
    evloop_listener listener;
    evloop_stream streams[COMING];
    int coming[COMING];
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

static void begin(void)
{
    evloop_address address;
    memset(&world, 0, sizeof world);
    world.loop = loop_new();
    assert_int_equal(
        evloop_tcp_listen(world.loop, &world.listener, "127.0.0.1:0", NULL, on_connection), 0);
    assert_int_equal(evloop_listener_local(&world.listener, &address), 0);
    loop_turn(world.loop);
    for (int i = 0; i < COMING; i++)
        world.coming[i] = net_connect(&address);
    calls_reset();
}

static void finish(void)
{
    calls_reset();
    while (world.accepted < COMING)
        assert_int_equal(evloop_run(world.loop, EVLOOP_RUN_ONCE), 0);
    for (int i = 0; i < COMING; i++) {
        assert_int_equal(close(world.coming[i]), 0);
        assert_int_equal(evloop_stream_close(&world.streams[i], NULL), 0);
    }
    assert_int_equal(evloop_listener_close(&world.listener, NULL), 0);
    loop_run(world.loop);
    loop_end(world.loop);
}

TEST(a_want_is_told_once_and_does_not_spin)
{
    static const int wants[] = {EMFILE, ENFILE, ENOBUFS, ENOMEM};
    for (size_t i = 0; i < sizeof wants / sizeof *wants; i++) {
        begin();
        calls_fail(CALL_ACCEPT, 1, 1000000, wants[i]);
        while (world.failures == 0)
            assert_int_equal(evloop_run(world.loop, EVLOOP_RUN_ONCE), 0);
        assert_int_equal(world.error, -wants[i]);
        assert_int_equal(evloop_run_for(world.loop, EVLOOP_MS(100)), 0);
        assert_true(calls_count(CALL_ACCEPT) <= FEW_CALLS);
        assert_int_equal(world.failures, 1);
        assert_int_equal(world.accepted, 0);
        finish();
        assert_int_equal(world.failures, 1);
    }
}

/* Whatever accept says: when it says so no more, everybody is let in. */
TEST(after_any_error_everybody_is_let_in)
{
    for (const int *err = call_errors(CALL_ACCEPT); *err; err++)
        for (unsigned nth = 1; nth <= 3; nth++) {
            begin();
            calls_fail(CALL_ACCEPT, nth, 2, *err);
            while (calls_failed() < 2 && world.accepted < COMING)
                assert_int_equal(evloop_run(world.loop, EVLOOP_RUN_ONCE), 0);
            finish();
            assert_true(world.failures <= 1);
            if (world.failures)
                assert_int_equal(world.error, -*err);
        }
}

/* A connection that was given up before it was accepted is nobody's concern. */
TEST(what_concerns_one_connection_passes_unnoticed)
{
    static const int passing[] = {ECONNABORTED, EINTR,       EAGAIN,      EPROTO,      ENETDOWN,
                                  EHOSTDOWN,    ENETUNREACH, ENOPROTOOPT, EHOSTUNREACH};
    for (size_t i = 0; i < sizeof passing / sizeof *passing; i++) {
        begin();
        calls_fail(CALL_ACCEPT, 1, 3, passing[i]);
        finish();
        assert_int_equal(world.failures, 0);
    }
}

static void on_connection_resume(evloop_listener *listener)
{
    if (world.accepted == 0 && world.failures == 0) {
        assert_int_equal(evloop_listener_pause(listener), 0);
        calls_fail(CALL_INTEREST, 1, 1, ENOSPC);
        assert_int_equal(evloop_listener_resume(listener), 0);
        assert_int_equal(calls_failed(), 1);
    }
    on_connection(listener);
}

/* The kernel does not take the listener back while a connection of it is in the user's hands. */
TEST(a_failure_inside_the_callback_does_not_take_its_connection_away)
{
    begin();
    world.listener.fn_ = on_connection_resume;
    while (world.accepted == 0)
        assert_int_equal(evloop_run(world.loop, EVLOOP_RUN_ONCE), 0);
    assert_int_equal(world.failures, 0);
    while (world.failures == 0)
        assert_int_equal(evloop_run(world.loop, EVLOOP_RUN_ONCE), 0);
    assert_int_equal(world.accepted, 1);
    assert_int_equal(world.error, -ENOSPC);
    finish();
    assert_int_equal(world.failures, 1);
}

TEST(a_want_that_comes_back_is_told_again)
{
    begin();
    calls_fail(CALL_ACCEPT, 1, 1, EMFILE);
    while (world.accepted < 2)
        assert_int_equal(evloop_run(world.loop, EVLOOP_RUN_ONCE), 0);
    assert_int_equal(world.failures, 1);
    calls_fail(CALL_ACCEPT, 1, 1, ENFILE);
    while (world.failures < 2)
        assert_int_equal(evloop_run(world.loop, EVLOOP_RUN_ONCE), 0);
    assert_int_equal(world.error, -ENFILE);
    finish();
    assert_int_equal(world.failures, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_ENTRY(a_want_is_told_once_and_does_not_spin),
        TEST_ENTRY(after_any_error_everybody_is_let_in),
        TEST_ENTRY(what_concerns_one_connection_passes_unnoticed),
        TEST_ENTRY(a_failure_inside_the_callback_does_not_take_its_connection_away),
        TEST_ENTRY(a_want_that_comes_back_is_told_again),
    };
    support_limit(60);
    return RUN_TESTS("fault: accepting", tests);
}
