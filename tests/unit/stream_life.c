/*
 * stream_life.c: streams in their loop: what keeps it alive, who frees what, what a walk and a
 * destruction see of them, and what the child of a fork has.
 */
#include "net.h"

#include <fcntl.h>
#include <sys/socket.h>

struct client {
    evloop_stream stream;
    evloop_write write;
    struct iovec iov;
    unsigned char *memory;
    int writes;
};

static int freed, told;

static void on_closed(evloop_stream *stream)
{
    struct client *client = evloop_container_of(stream, struct client, stream);
    freed++;
    free(client->memory);
    free(client);
}

static void on_write(evloop_write *write, int status)
{
    (void)status;
    evloop_container_of(write, struct client, write)->writes++;
    told++;
}

static void on_read(evloop_stream *stream, ssize_t n, const void *data)
{
    (void)data;
    told++;
    if (n < 0)
        assert_int_equal(evloop_stream_close(stream, on_closed), 0);
}

static struct client *client_new(evloop *loop, int fd)
{
    struct client *client = calloc(1, sizeof *client);
    assert_non_null(client);
    assert_int_equal(evloop_stream_open(loop, &client->stream, fd), 0);
    return client;
}

/* More than the kernel takes. */
static void client_write(struct client *client)
{
    enum { SIZE = 8 << 20 };
    client->memory = malloc(SIZE);
    assert_non_null(client->memory);
    client->iov.iov_base = client->memory;
    client->iov.iov_len = SIZE;
    memset(client->memory, 'x', SIZE);
    assert_int_equal(
        evloop_stream_write(&client->stream, &client->write, &client->iov, 1, on_write), 0);
}

static evloop *begin(int fds[2])
{
    freed = told = 0;
    pair_open(fds);
    return loop_new();
}

/* ---- freeing --------------------------------------------------------------------------------- */

TEST(the_callback_of_the_closing_may_free_the_stream)
{
    int fds[2];
    evloop *loop = begin(fds);
    struct client *client = client_new(loop, fds[0]);
    assert_int_equal(evloop_stream_read_start(&client->stream, on_read), 0);
    client_write(client);
    loop_turn(loop);
    assert_int_equal(evloop_stream_close(&client->stream, on_closed), 0);
    assert_int_equal(freed, 0);
    loop_run(loop);
    assert_int_equal(freed, 1);
    assert_int_equal(told, 1);
    loop_end(loop);
    fds_close((int[2]){-1, fds[1]});
}

TEST(a_stream_that_fails_may_be_closed_and_freed)
{
    int fds[2];
    evloop *loop = begin(fds);
    struct client *client = client_new(loop, fds[0]);
    assert_int_equal(evloop_stream_read_start(&client->stream, on_read), 0);
    client_write(client);
    loop_turn(loop);
    fds_close((int[2]){-1, fds[1]});
    loop_run(loop);
    assert_int_equal(freed, 1);
    assert_int_equal(told, 2);
    loop_end(loop);
}

/* Every one of many is freed, wherever its closing came from. */
TEST(many_streams_are_closed_in_one_turn)
{
    enum { MANY = 50 };
    int fds[MANY][2];
    struct client *clients[MANY];
    evloop *loop = loop_new();
    freed = told = 0;
    for (int i = 0; i < MANY; i++) {
        pair_open(fds[i]);
        clients[i] = client_new(loop, fds[i][0]);
        assert_int_equal(evloop_stream_read_start(&clients[i]->stream, on_read), 0);
    }
    for (int i = 0; i < MANY; i++) {
        fds_close((int[2]){-1, fds[i][1]});
        if (i % 3 == 0)
            assert_int_equal(evloop_stream_close(&clients[i]->stream, on_closed), 0);
        else if (i % 3 == 1)
            assert_int_equal(
                evloop_stream_close_gracefully(&clients[i]->stream, EVLOOP_SEC(60), on_closed), 0);
    }
    loop_run(loop);
    assert_int_equal(freed, MANY);
    loop_end(loop);
}

/* ---- the loop -------------------------------------------------------------------------------- */

TEST(a_stream_keeps_the_loop_alive_until_it_is_closed)
{
    int fds[2];
    evloop *loop = begin(fds);
    struct client *client = client_new(loop, fds[0]);
    assert_true(evloop_alive(loop));
    assert_int_equal(evloop_stream_unref(&client->stream), 0);
    assert_false(evloop_alive(loop));
    loop_run(loop);
    assert_int_equal(evloop_stream_ref(&client->stream), 0);
    assert_true(evloop_alive(loop));
    assert_int_equal(evloop_stream_unref(&client->stream), 0);
    assert_int_equal(evloop_stream_close(&client->stream, on_closed), 0);
    loop_run(loop); /* the closing is to be done all the same */
    assert_int_equal(freed, 1);
    assert_false(evloop_alive(loop));
    loop_end(loop);
    fds_close((int[2]){-1, fds[1]});
}

TEST(a_stream_may_be_opened_again_on_another_descriptor)
{
    int fds[2], others[2];
    evloop *loop = begin(fds);
    evloop_stream stream = {0};
    pair_open(others);
    assert_int_equal(evloop_stream_open(loop, &stream, fds[0]), 0);
    assert_int_equal(evloop_stream_close(&stream, NULL), 0);
    loop_run(loop);
    assert_int_equal(evloop_stream_open(loop, &stream, others[0]), 0);
    assert_true(evloop_alive(loop));
    assert_int_equal(evloop_stream_close(&stream, NULL), 0);
    loop_run(loop);
    loop_end(loop);
    fds_close((int[2]){-1, fds[1]});
    fds_close((int[2]){-1, others[1]});
}

static int shown_streams, shown_listeners;

static int on_walk(const evloop_object *object, void *arg)
{
    shown_streams += object->type == EVLOOP_TYPE_STREAM;
    shown_listeners += object->type == EVLOOP_TYPE_LISTENER;
    if (object->type == EVLOOP_TYPE_STREAM) {
        assert_ptr_equal(object->object, arg);
        assert_string_equal(object->name, "client");
        assert_ptr_equal(object->data, &shown_streams);
        assert_false(object->ref);
    }
    return 0;
}

static void nobody(evloop_listener *listener)
{
    (void)listener;
}

TEST(a_walk_shows_streams_and_listeners_and_a_loop_with_them_is_busy)
{
    int fds[2];
    evloop *loop = begin(fds);
    evloop_listener listener = {0};
    struct client *client = client_new(loop, fds[0]);
    shown_streams = shown_listeners = 0;
    client->stream.name = "client";
    client->stream.data = &shown_streams;
    assert_int_equal(evloop_stream_unref(&client->stream), 0);
    assert_int_equal(evloop_tcp_listen(loop, &listener, "127.0.0.1:0", NULL, nobody), 0);
    assert_int_equal(evloop_walk(loop, on_walk, &client->stream), 0);
    assert_int_equal(shown_streams, 1);
    assert_int_equal(shown_listeners, 1);
    assert_int_equal(evloop_destroy(loop, 0), -EBUSY);
    assert_non_null(strstr(evloop_busy_reason(loop), "1 stream (\"client\")"));
    assert_non_null(strstr(evloop_busy_reason(loop), "1 listener"));
    assert_string_equal(evloop_type_name(EVLOOP_TYPE_STREAM), "stream");
    assert_string_equal(evloop_type_name(EVLOOP_TYPE_LISTENER), "listener");
    assert_int_equal(evloop_stream_close(&client->stream, on_closed), 0);
    assert_int_equal(evloop_listener_close(&listener, NULL), 0);
    loop_run(loop);
    loop_end(loop);
    fds_close((int[2]){-1, fds[1]});
}

/* Whatever they are in the midst of: nothing is called, nothing is leaked. */
TEST(a_loop_that_is_destroyed_by_force_closes_streams_without_a_word)
{
    int fds[2], others[2], closing[2], graceful[2];
    evloop *loop = begin(fds);
    evloop_listener listener = {0};
    pair_open(others);
    pair_open(closing);
    pair_open(graceful);
    struct client *busy = client_new(loop, fds[0]), *idle = client_new(loop, others[0]);
    struct client *ends = client_new(loop, closing[0]), *flushes = client_new(loop, graceful[0]);
    assert_int_equal(evloop_tcp_listen(loop, &listener, "127.0.0.1:0", NULL, nobody), 0);
    assert_int_equal(evloop_stream_read_start(&busy->stream, on_read), 0);
    assert_int_equal(evloop_stream_set_idle_timeout(&busy->stream, EVLOOP_SEC(60)), 0);
    client_write(busy);
    client_write(flushes);
    assert_int_equal(evloop_stream_send(&idle->stream, "abc", 3), 0);
    loop_turn(loop);
    assert_int_equal(evloop_stream_send(&idle->stream, "abc", 3), 0);
    assert_int_equal(evloop_stream_close_gracefully(&flushes->stream, EVLOOP_SEC(60), on_closed),
                     0);
    loop_turn(loop);
    assert_int_equal(evloop_stream_close(&ends->stream, on_closed), 0);
    told = freed = 0;
    assert_int_equal(evloop_destroy(loop, EVLOOP_DESTROY_FORCE), 0);
    assert_int_equal(told, 0);
    assert_int_equal(freed, 0);
    assert_false(evloop_stream_active(&busy->stream));
    assert_false(evloop_listener_active(&listener));
    for (int i = 0; i < 4; i++) {
        struct client *all[] = {busy, idle, ends, flushes};
        free(all[i]->memory);
        free(all[i]);
    }
    fds_close((int[2]){-1, fds[1]});
    fds_close((int[2]){-1, others[1]});
    fds_close((int[2]){-1, closing[1]});
    fds_close((int[2]){-1, graceful[1]});
}

TEST(a_stream_allocates_nothing_once_its_loop_has_what_it_needs)
{
    int fds[2];
    evloop *loop = begin(fds);
    evloop_stream stream = {0};
    evloop_write write = {0};
    const struct iovec iov = {(void *)(uintptr_t) "x", 1};
    char memory[100] = "";
    size_t calls = 0;
    assert_int_equal(evloop_stream_open(loop, &stream, fds[0]), 0);
    for (int i = 0; i < 100; i++) {
        if (i == 10)
            calls = heap_calls(&test_heap);
        assert_int_equal(evloop_stream_read_into(&stream, memory, 1, 1, on_read), 0);
        assert_int_equal(evloop_stream_send(&stream, memory, sizeof memory), 0);
        assert_int_equal(evloop_stream_write(&stream, &write, &iov, 1, NULL), 0);
        fd_write_byte(fds[1]);
        loop_turn(loop);
        loop_turn(loop);
        fd_read_all(fds[1]);
    }
    assert_int_equal(heap_calls(&test_heap), calls);
    assert_int_equal(evloop_stream_close(&stream, NULL), 0);
    loop_run(loop);
    loop_end(loop);
    fds_close((int[2]){-1, fds[1]});
}

/* ---- microtasks ------------------------------------------------------------------------------ */

static void note_microtask(void *arg)
{
    (void)arg;
    trace('m');
}

static void read_and_post(evloop_stream *stream, ssize_t n, const void *data)
{
    (void)data;
    trace(n < 0 ? 'E' : 'r');
    assert_int_equal(evloop_microtask(evloop_stream_loop(stream), note_microtask, NULL), 0);
}

static void written_and_post(evloop_write *write, int status)
{
    (void)status;
    trace('w');
    assert_int_equal(evloop_microtask(write->data, note_microtask, NULL), 0);
}

static void closed_and_post(evloop_stream *stream)
{
    trace('c');
    assert_int_equal(evloop_microtask(evloop_stream_loop(stream), note_microtask, NULL), 0);
}

TEST(microtasks_run_after_every_callback_of_a_stream)
{
    int fds[2];
    evloop *loop = begin(fds);
    evloop_stream stream = {0};
    evloop_write writes[2] = {{.data = loop}, {.data = loop}};
    const struct iovec iov = {(void *)(uintptr_t) "x", 1};
    assert_int_equal(evloop_stream_open(loop, &stream, fds[0]), 0);
    assert_int_equal(evloop_stream_read_start(&stream, read_and_post), 0);
    for (int i = 0; i < 2; i++)
        assert_int_equal(evloop_stream_write(&stream, &writes[i], &iov, 1, written_and_post), 0);
    for (int i = 0; i < 3; i++)
        loop_turn(loop);
    assert_trace("wmwm");
    fd_write_byte(fds[1]);
    for (int i = 0; i < 3; i++)
        loop_turn(loop);
    assert_trace("rm");
    assert_int_equal(evloop_stream_close(&stream, closed_and_post), 0);
    loop_run(loop);
    assert_trace("cm");
    loop_end(loop);
    fds_close((int[2]){-1, fds[1]});
}

static void close_from_microtask(void *arg)
{
    assert_int_equal(evloop_stream_close(arg, closed_and_post), 0);
}

static void read_and_close_later(evloop_stream *stream, ssize_t n, const void *data)
{
    (void)n;
    (void)data;
    trace('r');
    assert_int_equal(evloop_microtask(evloop_stream_loop(stream), close_from_microtask, stream), 0);
}

TEST(a_microtask_closes_the_stream_between_two_of_its_callbacks)
{
    int fds[2];
    evloop *loop = begin(fds);
    evloop_stream stream = {0};
    assert_int_equal(evloop_stream_open(loop, &stream, fds[0]), 0);
    assert_int_equal(evloop_stream_read_start(&stream, read_and_close_later), 0);
    fd_write_byte(fds[1]);
    fds_close((int[2]){-1, fds[1]});
    loop_run(loop);
    assert_trace("rcm");
    loop_end(loop);
}

/* ---- embedding ------------------------------------------------------------------------------- */

TEST(an_outer_loop_is_told_when_a_stream_has_something_to_do)
{
    int fds[2];
    evloop *loop = begin(fds);
    evloop_stream stream = {0};
    assert_int_equal(evloop_stream_open(loop, &stream, fds[0]), 0);
    assert_int_equal(evloop_stream_read_start(&stream, read_and_post), 0);
    loop_turn(loop);
    assert_true(evloop_next_timeout_ns(loop) == EVLOOP_FOREVER);
    assert_int_equal(evloop_stream_send(&stream, "x", 1), 0);
    assert_int_equal(evloop_next_timeout_ns(loop), 0); /* it is to be sent */
    loop_turn(loop);
    loop_turn(loop);
    assert_true(evloop_next_timeout_ns(loop) == EVLOOP_FOREVER);
    assert_int_equal(evloop_stream_close(&stream, NULL), 0);
    assert_int_equal(evloop_next_timeout_ns(loop), 0);
    loop_turn(loop);
    loop_end(loop);
    fds_close((int[2]){-1, fds[1]});
}

/* What was left in the kernel while nobody read is no event any more: the outer loop must hear of
 * it all the same. */
TEST(an_outer_loop_is_told_when_reading_goes_on_with_what_is_there)
{
    int fds[2];
    evloop *loop = begin(fds);
    evloop_stream stream = {0};
    assert_true(evloop_backend_fd(loop) >= 0); /* from here on there is an outer loop */
    assert_int_equal(evloop_stream_open(loop, &stream, fds[0]), 0);
    assert_int_equal(evloop_stream_read_start(&stream, read_and_post), 0);
    loop_turn(loop);
    assert_int_equal(evloop_stream_read_stop(&stream), 0);
    fd_write_byte(fds[1]);
    loop_turn(loop);
    loop_turn(loop);
    assert_int_equal(evloop_stream_read_start(&stream, read_and_post), 0);
    assert_int_equal(evloop_next_timeout_ns(loop), 0);
    loop_turn(loop);
    assert_trace("rm");
    assert_int_equal(evloop_stream_close(&stream, NULL), 0);
    loop_turn(loop);
    loop_end(loop);
    fds_close((int[2]){-1, fds[1]});
}

/* ---- fork ------------------------------------------------------------------------------------ */

struct inherited {
    evloop *loop;
    evloop_stream *stream;
    evloop_listener *listener;
    int other;
};

static char child_read;

static void on_child_read(evloop_stream *stream, ssize_t n, const void *data)
{
    check(n == 1);
    child_read = *(const char *)data;
    check(evloop_stream_read_stop(stream) == 0);
    check(evloop_stop(evloop_stream_loop(stream)) == 0);
}

static void in_child(void *arg)
{
    struct inherited *inherited = arg;
    evloop_stream another = {0};
    evloop_write request = {0};
    check(evloop_stream_send(inherited->stream, "x", 1) == -ECHILD);
    check(evloop_stream_write(inherited->stream, &request, NULL, 0, NULL) == -ECHILD);
    check(evloop_stream_read_stop(inherited->stream) == -ECHILD);
    check(evloop_stream_close(inherited->stream, NULL) == -ECHILD);
    check(evloop_stream_release(inherited->stream) == -ECHILD);
    check(evloop_listener_close(inherited->listener, NULL) == -ECHILD);
    check(evloop_listener_pause(inherited->listener) == -ECHILD);
    check(evloop_stream_open(inherited->loop, &another, inherited->other) == -ECHILD);
    check(evloop_after_fork(inherited->loop) == 0);
    check(evloop_stream_active(inherited->stream));
    check(evloop_stream_read_stop(inherited->stream) == 0);
    check(evloop_stream_read_start(inherited->stream, on_child_read) == 0);
    check(write(inherited->other, "c", 1) == 1);
    check(evloop_run(inherited->loop, EVLOOP_RUN_DEFAULT) == 0);
    check(child_read == 'c');
    check(evloop_stream_send(inherited->stream, "child", 5) == 0);
    check(evloop_run(inherited->loop, EVLOOP_RUN_NOWAIT) == 0);
    check(evloop_stream_close(inherited->stream, NULL) == 0);
    check(evloop_listener_close(inherited->listener, NULL) == 0);
    check(evloop_run(inherited->loop, EVLOOP_RUN_DEFAULT) == 0);
    check(evloop_destroy(inherited->loop, 0) == 0);
}

TEST(the_child_of_a_fork_has_its_own_streams_and_the_parent_is_not_disturbed)
{
    int fds[2];
    char word[6] = "";
    evloop *loop = begin(fds);
    evloop_stream stream = {0};
    evloop_listener listener = {0};
    struct inherited inherited = {loop, &stream, &listener, fds[1]};
    assert_int_equal(evloop_stream_open(loop, &stream, fds[0]), 0);
    assert_int_equal(evloop_tcp_listen(loop, &listener, "127.0.0.1:0", NULL, nobody), 0);
    assert_int_equal(evloop_stream_read_start(&stream, read_and_post), 0);
    loop_turn(loop);
    assert_true(child_succeeds(in_child, &inherited));
    assert_int_equal(read(fds[1], word, 5), 5);
    assert_string_equal(word, "child");
    loop_turn(loop);
    assert_trace("");
    fd_write_byte(fds[1]);
    for (int i = 0; i < 3; i++)
        loop_turn(loop);
    assert_trace("rm");
    assert_int_equal(evloop_stream_close(&stream, NULL), 0);
    assert_int_equal(evloop_listener_close(&listener, NULL), 0);
    loop_run(loop);
    loop_end(loop);
    fds_close((int[2]){-1, fds[1]});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_ENTRY(the_callback_of_the_closing_may_free_the_stream),
        TEST_ENTRY(a_stream_that_fails_may_be_closed_and_freed),
        TEST_ENTRY(many_streams_are_closed_in_one_turn),
        TEST_ENTRY(a_stream_keeps_the_loop_alive_until_it_is_closed),
        TEST_ENTRY(a_stream_may_be_opened_again_on_another_descriptor),
        TEST_ENTRY(a_walk_shows_streams_and_listeners_and_a_loop_with_them_is_busy),
        TEST_ENTRY(a_loop_that_is_destroyed_by_force_closes_streams_without_a_word),
        TEST_ENTRY(a_stream_allocates_nothing_once_its_loop_has_what_it_needs),
        TEST_ENTRY(microtasks_run_after_every_callback_of_a_stream),
        TEST_ENTRY(a_microtask_closes_the_stream_between_two_of_its_callbacks),
        TEST_ENTRY(an_outer_loop_is_told_when_a_stream_has_something_to_do),
        TEST_ENTRY(an_outer_loop_is_told_when_reading_goes_on_with_what_is_there),
        TEST_ENTRY(the_child_of_a_fork_has_its_own_streams_and_the_parent_is_not_disturbed),
    };
    return RUN_TESTS("stream life", tests);
}
