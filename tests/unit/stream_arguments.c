/*
 * stream_arguments.c: streams and listeners refuse what makes no sense, and are harmed by none of
 * it.
 */
#include "net.h"

#include <limits.h>
#include <sys/socket.h>

static void on_status(evloop_stream *stream, int status)
{
    (void)stream;
    (void)status;
    fail_msg("a status was told");
}

static void on_read(evloop_stream *stream, ssize_t n, const void *data)
{
    (void)stream;
    (void)n;
    (void)data;
    fail_msg("something was read");
}

static void on_write(evloop_write *write, int status)
{
    (void)write;
    (void)status;
    fail_msg("a write was told");
}

static void on_watermark(evloop_stream *stream, bool full)
{
    (void)stream;
    (void)full;
    fail_msg("a watermark was told");
}

static void on_closed(evloop_stream *stream)
{
    (void)stream;
    fail_msg("a closing was told");
}

static void on_connection(evloop_listener *listener)
{
    (void)listener;
    fail_msg("somebody came");
}

static void on_watch(evloop_watch *watch, unsigned events)
{
    (void)watch;
    (void)events;
    fail_msg("a watch was told");
}

static char byte = 'x';
static const struct iovec one_byte = {&byte, 1};

/* What works on an open stream; each gives `expected` here. */
static void assert_all(evloop_stream *stream, int expected)
{
    evloop_write write = {0};
    evloop_address address;
    evloop_credentials credentials;
    const evloop_keepalive keepalive = {1, 1, 1};
    const int fd = 0;
    assert_int_equal(evloop_stream_read_start(stream, on_read), expected);
    assert_int_equal(evloop_stream_read_into(stream, &byte, 1, 1, on_read), expected);
    assert_int_equal(evloop_stream_read_stop(stream), expected);
    assert_int_equal(evloop_stream_send(stream, "x", 1), expected);
    assert_int_equal(evloop_stream_write(stream, &write, &one_byte, 1, on_write), expected);
    assert_int_equal(evloop_stream_write_fds(stream, &write, &one_byte, 1, &fd, 1, on_write),
                     expected);
    assert_int_equal(evloop_stream_sendfile(stream, &write, 0, 0, 1, on_write), expected);
    assert_int_equal(evloop_stream_try_write(stream, &one_byte, 1), expected);
    assert_int_equal(evloop_stream_set_watermarks(stream, 1, 2, on_watermark), expected);
    assert_int_equal(evloop_stream_set_read_timeout(stream, 1), expected);
    assert_int_equal(evloop_stream_set_write_timeout(stream, 1), expected);
    assert_int_equal(evloop_stream_set_idle_timeout(stream, 1), expected);
    assert_int_equal(evloop_stream_shutdown(stream, on_status), expected);
    assert_int_equal(evloop_stream_close(stream, on_closed), expected);
    assert_int_equal(evloop_stream_close_gracefully(stream, 1, on_closed), expected);
    assert_int_equal(evloop_stream_reset(stream, on_closed), expected);
    assert_int_equal(evloop_stream_release(stream), expected);
    assert_int_equal(evloop_stream_local(stream, &address), expected);
    assert_int_equal(evloop_stream_peer(stream, &address), expected);
    assert_int_equal(evloop_tcp_set_nagle(stream, true), expected);
    assert_int_equal(evloop_tcp_set_keepalive(stream, &keepalive), expected);
    assert_int_equal(evloop_unix_credentials(stream, &credentials), expected);
    assert_int_equal(evloop_unix_accept_fds(stream), expected);
    assert_int_equal(evloop_unix_take_fd(stream), expected);
    assert_false(evloop_stream_reading(stream));
    assert_false(evloop_stream_active(stream));
    assert_int_equal(evloop_stream_queued(stream), 0);
    assert_int_equal(evloop_stream_read_count(stream), 0);
    assert_int_equal(evloop_stream_error(stream), 0);
    assert_int_equal(evloop_stream_fd(stream), -1);
    assert_null(evloop_stream_loop(stream));
}

TEST(functions_of_streams_refuse_no_stream)
{
    assert_all(NULL, -EINVAL);
    assert_int_equal(evloop_buffer_keep(NULL), -EINVAL);
    assert_int_equal(evloop_stream_unref(NULL), -EINVAL);
    assert_int_equal(evloop_stream_ref(NULL), -EINVAL);
    assert_int_equal(evloop_write_cancel(NULL), -EINVAL);
    assert_int_equal(evloop_buffer_release(NULL, &byte), -EINVAL);
}

TEST(a_zero_filled_stream_is_not_open_and_is_not_harmed)
{
    evloop_stream stream = {0}, before;
    evloop_write write = {0};
    memcpy(&before, &stream, sizeof before);
    assert_all(&stream, -ENOTCONN);
    assert_int_equal(evloop_buffer_keep(&stream), -EINVAL);
    assert_int_equal(evloop_write_cancel(&write), -EINVAL);
    assert_memory_equal(&stream, &before, sizeof before);
}

TEST(opening_refuses_null)
{
    int fds[2], other;
    evloop *loop = loop_new();
    evloop_stream stream = {0};
    evloop_address address;
    assert_int_equal(evloop_address_parse(&address, "127.0.0.1:1"), 0);
    pair_open(fds);
    assert_int_equal(evloop_connect(NULL, &stream, &address, NULL, on_status), -EINVAL);
    assert_int_equal(evloop_connect(loop, NULL, &address, NULL, on_status), -EINVAL);
    assert_int_equal(evloop_connect(loop, &stream, NULL, NULL, on_status), -EINVAL);
    assert_int_equal(evloop_connect(loop, &stream, &address, NULL, NULL), -EINVAL);
    assert_int_equal(evloop_tcp_connect(NULL, &stream, "127.0.0.1:1", NULL, on_status), -EINVAL);
    assert_int_equal(evloop_tcp_connect(loop, NULL, "127.0.0.1:1", NULL, on_status), -EINVAL);
    assert_int_equal(evloop_tcp_connect(loop, &stream, NULL, NULL, on_status), -EINVAL);
    assert_int_equal(evloop_tcp_connect(loop, &stream, "127.0.0.1:1", NULL, NULL), -EINVAL);
    assert_int_equal(evloop_unix_connect(NULL, &stream, "./no", NULL, on_status), -EINVAL);
    assert_int_equal(evloop_unix_connect(loop, NULL, "./no", NULL, on_status), -EINVAL);
    assert_int_equal(evloop_unix_connect(loop, &stream, NULL, NULL, on_status), -EINVAL);
    assert_int_equal(evloop_unix_connect(loop, &stream, "./no", NULL, NULL), -EINVAL);
    assert_int_equal(evloop_stream_open(NULL, &stream, fds[0]), -EINVAL);
    assert_int_equal(evloop_stream_open(loop, NULL, fds[0]), -EINVAL);
    assert_int_equal(evloop_stream_pair(NULL, &stream, &other), -EINVAL);
    assert_int_equal(evloop_stream_pair(loop, NULL, &other), -EINVAL);
    assert_int_equal(evloop_stream_pair(loop, &stream, NULL), -EINVAL);
    assert_false(evloop_stream_active(&stream));
    assert_false(evloop_alive(loop));
    loop_end(loop);
    fds_close(fds);
}

TEST(addresses_of_another_kind_are_refused)
{
    evloop *loop = loop_new();
    evloop_stream stream = {0};
    evloop_listener listener = {0};
    evloop_address none = {0}, address;
    evloop_connect_options options = evloop_connect_options_default();
    evloop_listen_options listen_options = evloop_listen_options_default();
    options.seqpacket = listen_options.seqpacket = true;
    assert_int_equal(evloop_address_parse(&address, "127.0.0.1:1"), 0);
    assert_int_equal(evloop_connect(loop, &stream, &none, NULL, on_status), -EINVAL);
    assert_int_equal(evloop_connect(loop, &stream, &address, &options, on_status), -EINVAL);
    assert_int_equal(evloop_listen(loop, &listener, &none, NULL, on_connection), -EINVAL);
    assert_int_equal(evloop_listen(loop, &listener, &address, &listen_options, on_connection),
                     -EINVAL);
    assert_int_equal(evloop_tcp_connect(loop, &stream, "nonsense", NULL, on_status), -EINVAL);
    assert_int_equal(evloop_tcp_connect(loop, &stream, "./path", NULL, on_status), -EINVAL);
    assert_int_equal(evloop_unix_connect(loop, &stream, "127.0.0.1:1", NULL, on_status), -EINVAL);
    assert_int_equal(evloop_tcp_listen(loop, &listener, "./path", NULL, on_connection), -EINVAL);
    assert_int_equal(evloop_unix_listen(loop, &listener, "[::]:0", NULL, on_connection), -EINVAL);
    assert_false(evloop_stream_active(&stream));
    assert_false(evloop_listener_active(&listener));
    loop_end(loop);
}

/* Options of a newer library, whose additions are not all zero, ask for what this one has not. */
struct newer_connect_options {
    evloop_connect_options known;
    uint64_t added;
};

struct newer_listen_options {
    evloop_listen_options known;
    uint64_t added;
};

TEST(options_of_another_size_are_understood_or_refused)
{
    evloop *loop = loop_new();
    evloop_stream stream = {0};
    evloop_listener listener = {0};
    evloop_address here;
    struct newer_connect_options options = {evloop_connect_options_default(), 1};
    struct newer_listen_options listen_options = {evloop_listen_options_default(), 1};
    options.known.size = sizeof options;
    listen_options.known.size = sizeof listen_options;
    assert_int_equal(evloop_address_parse(&here, "127.0.0.1:0"), 0);
    assert_int_equal(evloop_connect(loop, &stream, &here, &options.known, on_status), -E2BIG);
    assert_int_equal(evloop_listen(loop, &listener, &here, &listen_options.known, on_connection),
                     -E2BIG);
    options.known.size = listen_options.known.size = 1;
    assert_int_equal(evloop_connect(loop, &stream, &here, &options.known, on_status), -EINVAL);
    assert_int_equal(evloop_listen(loop, &listener, &here, &listen_options.known, on_connection),
                     -EINVAL);
    listen_options.known.size = sizeof listen_options;
    listen_options.added = 0; /* it asks for nothing new */
    assert_int_equal(evloop_listen(loop, &listener, &here, &listen_options.known, on_connection),
                     0);
    assert_int_equal(evloop_listener_close(&listener, NULL), 0);
    loop_run(loop);
    loop_end(loop);
}

TEST(reading_refuses_nonsense)
{
    int fds[2];
    evloop *loop = loop_new();
    evloop_stream stream = {0};
    char memory[8];
    pair_open(fds);
    assert_int_equal(evloop_stream_open(loop, &stream, fds[0]), 0);
    assert_int_equal(evloop_stream_read_start(&stream, NULL), -EINVAL);
    assert_int_equal(evloop_stream_read_into(&stream, NULL, 8, 8, on_read), -EINVAL);
    assert_int_equal(evloop_stream_read_into(&stream, memory, 8, 8, NULL), -EINVAL);
    assert_int_equal(evloop_stream_read_into(&stream, memory, 8, 0, on_read), -EINVAL);
    assert_int_equal(evloop_stream_read_into(&stream, memory, 8, 9, on_read), -EINVAL);
    assert_int_equal(evloop_stream_read_into(&stream, memory, 0, 0, on_read), -EINVAL);
    assert_false(evloop_stream_reading(&stream));
    assert_int_equal(evloop_stream_read_stop(&stream), 0);
    fd_write_byte(fds[1]);
    loop_turn(loop);
    assert_int_equal(evloop_stream_close(&stream, NULL), 0);
    loop_run(loop);
    loop_end(loop);
    fds_close((int[2]){-1, fds[1]});
}

static void assert_writes_are_refused(evloop_stream *stream)
{
    static const struct iovec too_large[2] = {{&byte, (size_t)SSIZE_MAX}, {&byte, 1}};
    static struct iovec too_many[1025];
    evloop_write write = {0};
    const int fd = 0;
    for (int i = 0; i < 1025; i++)
        too_many[i] = one_byte;
    assert_int_equal(evloop_stream_send(stream, NULL, 1), -EINVAL);
    assert_int_equal(evloop_stream_write(stream, NULL, &one_byte, 1, on_write), -EINVAL);
    assert_int_equal(evloop_stream_write(stream, &write, NULL, 1, on_write), -EINVAL);
    assert_int_equal(evloop_stream_write(stream, &write, too_many, 1025, on_write), -EINVAL);
    assert_int_equal(evloop_stream_write(stream, &write, too_large, 2, on_write), -EINVAL);
    assert_int_equal(evloop_stream_write_fds(stream, &write, &one_byte, 1, NULL, 1, on_write),
                     -EINVAL);
    assert_int_equal(evloop_stream_write_fds(stream, &write, &one_byte, 0, &fd, 1, on_write),
                     -EINVAL);
    assert_int_equal(evloop_stream_sendfile(stream, NULL, 0, 0, 1, on_write), -EINVAL);
    assert_int_equal(evloop_stream_sendfile(stream, &write, -1, 0, 1, on_write), -EINVAL);
    assert_int_equal(evloop_stream_sendfile(stream, &write, 0, 0, (size_t)SSIZE_MAX + 1, on_write),
                     -EINVAL);
    assert_int_equal(evloop_stream_try_write(stream, NULL, 1), -EINVAL);
    assert_int_equal(evloop_stream_try_write(stream, too_many, 1025), -EINVAL);
    assert_int_equal(evloop_stream_try_write(stream, too_large, 2), -EINVAL);
    assert_int_equal(evloop_write_cancel(&write), -EINVAL);
    assert_int_equal(evloop_stream_queued(stream), 0);
}

TEST(writing_refuses_nonsense)
{
    int fds[2];
    evloop *loop = loop_new();
    evloop_stream stream = {0};
    pair_open(fds);
    assert_int_equal(evloop_stream_open(loop, &stream, fds[0]), 0);
    assert_writes_are_refused(&stream);
    loop_turn(loop);
    assert_int_equal(read(fds[1], &byte, 1), -1);
    assert_int_equal(evloop_stream_error(&stream), 0);
    assert_int_equal(evloop_stream_close(&stream, NULL), 0);
    loop_run(loop);
    loop_end(loop);
    fds_close((int[2]){-1, fds[1]});
}

TEST(an_open_stream_is_not_opened_again)
{
    int fds[2], others[2], other;
    evloop *loop = loop_new();
    evloop_stream stream = {0};
    evloop_address address;
    assert_int_equal(evloop_address_parse(&address, "127.0.0.1:1"), 0);
    pair_open(fds);
    pair_open(others);
    assert_int_equal(evloop_stream_open(loop, &stream, fds[0]), 0);
    assert_int_equal(evloop_stream_open(loop, &stream, others[0]), -EBUSY);
    assert_int_equal(evloop_stream_pair(loop, &stream, &other), -EBUSY);
    assert_int_equal(evloop_connect(loop, &stream, &address, NULL, on_status), -EBUSY);
    assert_int_equal(evloop_stream_fd(&stream), fds[0]);
    assert_int_equal(evloop_stream_close(&stream, NULL), 0);
    assert_int_equal(evloop_stream_open(loop, &stream, others[0]), -EBUSY);
    loop_run(loop);
    loop_end(loop);
    fds_close((int[2]){-1, fds[1]});
    fds_close(others);
}

TEST(a_watched_descriptor_is_not_opened_and_an_open_one_is_not_watched)
{
    int fds[2];
    evloop *loop = loop_new();
    evloop_stream stream = {0};
    evloop_watch watch = {0};
    pair_open(fds);
    assert_int_equal(evloop_watch_start(loop, &watch, fds[0], EVLOOP_READABLE, on_watch), 0);
    assert_int_equal(evloop_stream_open(loop, &stream, fds[0]), -EEXIST);
    assert_false(evloop_stream_active(&stream));
    assert_int_equal(evloop_watch_stop(&watch), 0);
    assert_int_equal(evloop_stream_open(loop, &stream, fds[0]), 0);
    assert_int_equal(evloop_watch_start(loop, &watch, fds[0], EVLOOP_READABLE, on_watch), -EEXIST);
    assert_false(evloop_watch_active(&watch));
    assert_int_equal(evloop_stream_close(&stream, NULL), 0);
    loop_run(loop);
    loop_end(loop);
    fds_close((int[2]){-1, fds[1]});
}

/* ---- listeners ------------------------------------------------------------------------------- */

static void assert_all_of_listener(evloop_listener *listener, int expected)
{
    evloop_address address;
    assert_int_equal(evloop_listener_pause(listener), expected);
    assert_int_equal(evloop_listener_resume(listener), expected);
    assert_int_equal(evloop_listener_local(listener, &address), expected);
    assert_int_equal(evloop_listener_close(listener, on_connection), expected);
    assert_int_equal(evloop_listener_connections(listener), 0);
    assert_int_equal(evloop_listener_fd(listener), -1);
    assert_false(evloop_listener_active(listener));
    assert_null(evloop_listener_loop(listener));
}

TEST(functions_of_listeners_refuse_no_listener)
{
    evloop_stream stream = {0};
    assert_all_of_listener(NULL, -EINVAL);
    assert_int_equal(evloop_listener_unref(NULL), -EINVAL);
    assert_int_equal(evloop_listener_ref(NULL), -EINVAL);
    assert_int_equal(evloop_accept(NULL, &stream), -EINVAL);
    assert_int_equal(evloop_accept_fd(NULL), -EINVAL);
}

TEST(a_zero_filled_listener_is_inactive_and_is_not_harmed)
{
    evloop_listener listener = {0}, before;
    evloop_stream stream = {0};
    memcpy(&before, &listener, sizeof before);
    assert_all_of_listener(&listener, -ENOTCONN);
    assert_true(evloop_accept(&listener, &stream) < 0);
    assert_true(evloop_accept_fd(&listener) < 0);
    assert_memory_equal(&listener, &before, sizeof before);
}

TEST(listening_refuses_null)
{
    evloop *loop = loop_new();
    evloop_listener listener = {0};
    evloop_address address;
    int fd = net_listen(AF_INET, 1, &address);
    assert_int_equal(evloop_listen(NULL, &listener, &address, NULL, on_connection), -EINVAL);
    assert_int_equal(evloop_listen(loop, NULL, &address, NULL, on_connection), -EINVAL);
    assert_int_equal(evloop_listen(loop, &listener, NULL, NULL, on_connection), -EINVAL);
    assert_int_equal(evloop_listen(loop, &listener, &address, NULL, NULL), -EINVAL);
    assert_int_equal(evloop_tcp_listen(NULL, &listener, ":0", NULL, on_connection), -EINVAL);
    assert_int_equal(evloop_tcp_listen(loop, NULL, ":0", NULL, on_connection), -EINVAL);
    assert_int_equal(evloop_tcp_listen(loop, &listener, NULL, NULL, on_connection), -EINVAL);
    assert_int_equal(evloop_tcp_listen(loop, &listener, ":0", NULL, NULL), -EINVAL);
    assert_int_equal(evloop_unix_listen(NULL, &listener, "./no", NULL, on_connection), -EINVAL);
    assert_int_equal(evloop_unix_listen(loop, NULL, "./no", NULL, on_connection), -EINVAL);
    assert_int_equal(evloop_unix_listen(loop, &listener, NULL, NULL, on_connection), -EINVAL);
    assert_int_equal(evloop_unix_listen(loop, &listener, "./no", NULL, NULL), -EINVAL);
    assert_int_equal(evloop_listen_fd(NULL, &listener, fd, NULL, on_connection), -EINVAL);
    assert_int_equal(evloop_listen_fd(loop, NULL, fd, NULL, on_connection), -EINVAL);
    assert_int_equal(evloop_listen_fd(loop, &listener, fd, NULL, NULL), -EINVAL);
    assert_int_equal(evloop_listen_fd(loop, &listener, -1, NULL, on_connection), -EBADF);
    assert_false(evloop_listener_active(&listener));
    assert_int_equal(access("./no", F_OK), -1);
    loop_end(loop);
    assert_int_equal(close(fd), 0);
}

TEST(an_active_listener_is_not_started_again)
{
    evloop *loop = loop_new();
    evloop_listener listener = {0};
    evloop_address address;
    assert_int_equal(evloop_tcp_listen(loop, &listener, "127.0.0.1:0", NULL, on_connection), 0);
    int fd = evloop_listener_fd(&listener);
    assert_int_equal(evloop_tcp_listen(loop, &listener, "127.0.0.1:0", NULL, on_connection),
                     -EBUSY);
    assert_int_equal(evloop_listener_local(&listener, NULL), -EINVAL);
    assert_int_equal(evloop_listener_local(&listener, &address), 0);
    assert_int_not_equal(evloop_address_port(&address), 0);
    assert_int_equal(evloop_listener_fd(&listener), fd);
    assert_int_equal(evloop_listener_close(&listener, NULL), 0);
    assert_int_equal(evloop_tcp_listen(loop, &listener, "127.0.0.1:0", NULL, on_connection),
                     -EBUSY);
    assert_int_equal(evloop_listener_close(&listener, NULL), -EALREADY);
    loop_run(loop);
    assert_false(evloop_listener_active(&listener));
    loop_end(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_ENTRY(functions_of_streams_refuse_no_stream),
        TEST_ENTRY(a_zero_filled_stream_is_not_open_and_is_not_harmed),
        TEST_ENTRY(opening_refuses_null),
        TEST_ENTRY(addresses_of_another_kind_are_refused),
        TEST_ENTRY(options_of_another_size_are_understood_or_refused),
        TEST_ENTRY(reading_refuses_nonsense),
        TEST_ENTRY(writing_refuses_nonsense),
        TEST_ENTRY(an_open_stream_is_not_opened_again),
        TEST_ENTRY(a_watched_descriptor_is_not_opened_and_an_open_one_is_not_watched),
        TEST_ENTRY(functions_of_listeners_refuse_no_listener),
        TEST_ENTRY(a_zero_filled_listener_is_inactive_and_is_not_harmed),
        TEST_ENTRY(listening_refuses_null),
        TEST_ENTRY(an_active_listener_is_not_started_again),
    };
    return RUN_TESTS("stream arguments", tests);
}
