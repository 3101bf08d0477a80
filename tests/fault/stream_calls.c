/*
 * stream_calls.c: every system call of streams and listeners fails in turn, with every error that
 * its manual page lists, is interrupted, or transfers little, in the midst of an exchange.
 */
#include "exchange.h"
#include "sweep.h"

#include <sys/socket.h>

static void open_over(int over)
{
    exchange_open((enum exchange_over)over);
}

/* A message that is too long is left out, and its writer told: those that follow arrive. */
static bool leaves_a_gap(int err)
{
    return err == EMSGSIZE;
}

static const struct sweep sweeps[OVERS] = {
    {"tcp", OVER_TCP, open_over, exchange_play, exchange_close, NULL},
    {"unix", OVER_UNIX, open_over, exchange_play, exchange_close, NULL},
    {"seqpacket", OVER_SEQPACKET, open_over, exchange_play, exchange_close, leaves_a_gap},
    {"pipe", OVER_PIPE, open_over, exchange_play, exchange_close, NULL},
};

TEST(whatever_call_fails_over_tcp_nobody_is_lied_to)
{
    sweep_calls(&sweeps[OVER_TCP]);
}

TEST(whatever_call_fails_over_a_unix_socket_nobody_is_lied_to)
{
    sweep_calls(&sweeps[OVER_UNIX]);
}

TEST(whatever_call_fails_over_messages_nobody_is_lied_to)
{
    sweep_calls(&sweeps[OVER_SEQPACKET]);
}

TEST(whatever_call_fails_over_a_pipe_nobody_is_lied_to)
{
    sweep_calls(&sweeps[OVER_PIPE]);
}

/* ---- interrupted ----------------------------------------------------------------------------- */

TEST(calls_that_are_interrupted_are_made_again)
{
    static const enum call interrupted[] = {CALL_ACCEPT,  CALL_CONNECT, CALL_PREAD, CALL_READ,
                                            CALL_RECV,    CALL_RECVMSG, CALL_SEND,  CALL_SENDFILE,
                                            CALL_SENDMSG, CALL_WRITEV,  CALL_CLOSE};
    for (int over = 0; over < OVERS; over++)
        for (size_t i = 0; i < sizeof interrupted / sizeof *interrupted; i++)
            for (unsigned nth = 1; nth <= 3; nth++)
                assert_int_equal(sweep_play(&sweeps[over], interrupted[i], nth, 3, EINTR), 0);
}

TEST(every_call_that_can_be_is_interrupted_in_one_exchange)
{
    for (int over = 0; over < OVERS; over++) {
        exchange_open((enum exchange_over)over);
        calls_reset();
        for (int call = 0; call < CALLS; call++)
            for (const int *err = call_errors((enum call)call); *err; err++)
                if (*err == EINTR && call != CALL_CLOSE)
                    calls_fail((enum call)call, 1, 4, EINTR);
        assert_int_equal(exchange_play(), 0);
        calls_reset();
        exchange_close();
    }
}

/* ---- little at a time: only what the kernel may do when there is more ------------------------ */

static void shorten(enum exchange_over over, enum call call, size_t most)
{
    exchange_open(over);
    calls_reset();
    calls_shorten(call, most);
    assert_int_equal(exchange_play(), 0);
    calls_reset();
    exchange_close();
}

TEST(a_little_at_a_time_is_sent_of_a_file)
{
    static const size_t sizes[] = {100, 4096, 65521};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (int over = 0; over < OVERS; over++)
            shorten((enum exchange_over)over, CALL_SENDFILE, sizes[i]);
}

/* ---- outside an exchange --------------------------------------------------------------------- */

TEST(a_pair_that_cannot_be_had_leaves_nothing_behind)
{
    static const enum call needed[] = {CALL_SOCKETPAIR, CALL_FCNTL, CALL_INTEREST};
    evloop *loop = loop_new();
    for (size_t i = 0; i < sizeof needed / sizeof *needed; i++)
        for (const int *err = call_errors(needed[i]); *err; err++) {
            evloop_stream stream = {0};
            int other = -1;
            calls_reset();
            calls_fail(needed[i], 1, 1, *err);
            int result = evloop_stream_pair(loop, &stream, &other);
            bool failed = calls_failed() > 0;
            calls_reset();
            assert_int_equal(result, failed ? -*err : 0);
            assert_true(evloop_stream_active(&stream) == !failed);
            assert_true((other >= 0) == !failed);
            if (failed)
                continue;
            assert_int_equal(evloop_stream_close(&stream, NULL), 0);
            loop_run(loop);
            assert_int_equal(close(other), 0);
        }
    loop_end(loop);
}

static void on_connect(evloop_stream *stream, int status)
{
    (void)status;
    assert_int_equal(evloop_stream_close(stream, NULL), 0);
}

/* What binding says is the result of the call. */
TEST(a_connection_whose_socket_cannot_be_bound_is_not_made)
{
    evloop_connect_options options = evloop_connect_options_default();
    evloop_address address, local;
    evloop_stream stream = {0};
    evloop *loop = loop_new();
    int listener = net_listen(AF_INET, 1, &address);
    assert_int_equal(evloop_address_parse(&local, "127.0.0.1:0"), 0);
    options.local = &local;
    for (const int *err = call_errors(CALL_BIND); *err; err++) {
        unsigned before = fds_open();
        calls_reset();
        calls_fail(CALL_BIND, 1, 1, *err);
        assert_int_equal(evloop_connect(loop, &stream, &address, &options, on_connect), -*err);
        calls_reset();
        assert_int_equal(fds_open(), before);
        assert_false(evloop_stream_active(&stream));
    }
    assert_int_equal(evloop_connect(loop, &stream, &address, &options, on_connect), 0);
    loop_run(loop);
    loop_end(loop);
    assert_int_equal(close(listener), 0);
}

/* ---- a file that the kernel cannot send by itself -------------------------------------------- */

TEST(a_file_that_the_kernel_cannot_send_goes_through_memory)
{
    static const int refusals[] = {EINVAL, ENOSYS};
    for (int over = 0; over < OVERS; over++)
        for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++)
            assert_int_equal(sweep_play(&sweeps[over], CALL_SENDFILE, 1, 1000000, refusals[i]), 0);
}

/* ... where reading it may fail, or bring little. */
TEST(a_file_that_goes_through_memory_may_fail_to_be_read)
{
    for (const int *err = call_errors(CALL_PREAD); *err; err++)
        for (unsigned nth = 1; nth <= 3; nth++) {
            exchange_open(OVER_TCP);
            calls_reset();
            calls_fail(CALL_SENDFILE, 1, 1000000, EINVAL);
            calls_fail(CALL_PREAD, nth, 1, *err);
            unsigned told = exchange_play();
            calls_reset();
            exchange_close();
            if (*err == EINTR)
                assert_int_equal(told, 0);
            else
                assert_int_equal(exchange_error(), -*err);
        }
    exchange_open(OVER_TCP);
    calls_reset();
    calls_fail(CALL_SENDFILE, 1, 1000000, EINVAL);
    calls_shorten(CALL_PREAD, 1000);
    assert_int_equal(exchange_play(), 0);
    calls_reset();
    exchange_close();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SWEEP_ENTRY(whatever_call_fails_over_tcp_nobody_is_lied_to),
        SWEEP_ENTRY(whatever_call_fails_over_a_unix_socket_nobody_is_lied_to),
        SWEEP_ENTRY(whatever_call_fails_over_messages_nobody_is_lied_to),
        SWEEP_ENTRY(whatever_call_fails_over_a_pipe_nobody_is_lied_to),
        SWEEP_ENTRY(calls_that_are_interrupted_are_made_again),
        SWEEP_ENTRY(every_call_that_can_be_is_interrupted_in_one_exchange),
        SWEEP_ENTRY(a_little_at_a_time_is_sent_of_a_file),
        SWEEP_ENTRY(a_pair_that_cannot_be_had_leaves_nothing_behind),
        SWEEP_ENTRY(a_connection_whose_socket_cannot_be_bound_is_not_made),
        SWEEP_ENTRY(a_file_that_the_kernel_cannot_send_goes_through_memory),
        SWEEP_ENTRY(a_file_that_goes_through_memory_may_fail_to_be_read),
    };
    support_limit(120);
    return RUN_TESTS("fault: calls of streams", tests);
}
