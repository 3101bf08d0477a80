/*
 * trace.c: one program of many steps, on one thread, run on every backend that is here: what its
 * callbacks were told is the same everywhere, and stands in this file.
 *
 * Each object has a trace of its own, and the loop's own work (timers, tasks, hooks, microtasks,
 * notify) has one for all of it. Between objects with different descriptors there is no order that
 * anybody promises. Reads of one stream that follow one another are one line: where a stream of
 * bytes is cut is nobody's promise either.
 */
#include "net.h"

#include <sys/socket.h>

enum { TRACE_SIZE = 16384, WHOLE = 400000, SETTLING_TURNS = 6 };

struct trace {
    char text[TRACE_SIZE];
    size_t length;
    size_t step_begin; /* the length when the step began */
    uint64_t bytes;    /* of the reads that are one line, which is not written yet */
};

enum who { LOOP, DOOR, CLIENT, SERVER, DGRAM, WATCH, WHO };

struct play {
    evloop *loop;
    struct trace traces[WHO];
    evloop_listener door;
    evloop_stream client, server;
    evloop_write write;
    evloop_dgram near, far;
    evloop_watch watch;
    evloop_timer first, second;
    evloop_task task, urgent;
    evloop_hook prepare, check;
    evloop_notify notify;
    uint64_t heard;
    unsigned ended; /* what a step waits for */
};

static struct play *now;

/* ---- traces ---------------------------------------------------------------------------------- */

static void add(struct trace *trace, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void add(struct trace *trace, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int n = vsnprintf(trace->text + trace->length, TRACE_SIZE - trace->length, format, arguments);
    va_end(arguments);
    check(n > 0 && trace->length + (size_t)n < TRACE_SIZE);
    trace->length += (size_t)n;
}

static void end_reads(struct trace *trace)
{
    if (trace->bytes)
        add(trace, "read %llu bytes\n", (unsigned long long)trace->bytes);
    trace->bytes = 0;
}

/* A number, or the name of an error. */
static const char *outcome(ssize_t n)
{
    static char texts[4][32];
    static unsigned used;
    char *text = texts[used++ % 4];
    if (n < 0)
        return evloop_err_name((int)n);
    snprintf(text, sizeof texts[0], "%zd", n);
    return text;
}

/* Where nothing was told in a step, there is no word of it. */
static void end_step(struct trace *trace, const char *name)
{
    end_reads(trace);
    if (trace->length > trace->step_begin)
        add(trace, "-- %s\n", name);
    trace->step_begin = trace->length;
}

#define TELL(who, ...) (end_reads(&now->traces[who]), add(&now->traces[who], __VA_ARGS__))

/* ---- callbacks ------------------------------------------------------------------------------- */

static enum who who_is(const evloop_stream *stream)
{
    return stream == &now->client ? CLIENT : SERVER;
}

static void on_microtask(void *arg)
{
    TELL(LOOP, "microtask %s\n", (const char *)arg);
}

static void on_closed(evloop_stream *stream)
{
    TELL(who_is(stream), "closed %s\n", outcome(evloop_stream_error(stream)));
    now->ended++;
}

static void on_read(evloop_stream *stream, ssize_t n, const void *data)
{
    struct trace *trace = &now->traces[who_is(stream)];
    if (n <= 0) {
        TELL(who_is(stream), "read %s, reading %d\n", outcome(n), evloop_stream_reading(stream));
        now->ended++;
        return;
    }
    assert_true(pattern_matches(data, (size_t)n, now->heard));
    now->heard += (size_t)n;
    trace->bytes += (uint64_t)n;
}

static void on_read_into(evloop_stream *stream, ssize_t n, const void *data)
{
    (void)data;
    TELL(who_is(stream), "into %s, reading %d\n", outcome(n), evloop_stream_reading(stream));
    now->heard += n > 0 ? (uint64_t)n : 0;
    now->ended++;
}

static void on_write(evloop_write *write, int status)
{
    TELL(CLIENT, "write %zu, status %s, queued %zu\n", write->written, outcome(status),
         evloop_stream_queued(&now->client));
    now->ended++;
}

static void on_shutdown(evloop_stream *stream, int status)
{
    TELL(who_is(stream), "shutdown %s\n", outcome(status));
    now->ended++;
}

static void on_connect(evloop_stream *stream, int status)
{
    TELL(who_is(stream), "connect %s\n", outcome(status));
    now->ended++;
}

static void on_connection(evloop_listener *listener)
{
    TELL(DOOR, "connection\n");
    TELL(DOOR, "accept %s\n", outcome(evloop_accept(listener, &now->server)));
    TELL(DOOR, "and another %s\n", outcome(evloop_accept_fd(listener)));
    now->ended++;
}

static void on_door_closed(evloop_listener *listener)
{
    (void)listener;
    TELL(DOOR, "closed\n");
    now->ended++;
}

static void on_datagrams(evloop_dgram *d, ssize_t n, const evloop_datagram *datagrams)
{
    (void)d;
    for (ssize_t i = 0; i < n; i++) {
        TELL(DGRAM, "datagram %zu\n", datagrams[i].size);
        now->ended++;
    }
    if (n < 0) {
        TELL(DGRAM, "error %s\n", outcome(n));
        now->ended++;
    }
}

static void on_dgram_closed(evloop_dgram *d)
{
    TELL(DGRAM, "%s closed\n", d->name);
    now->ended++;
}

static void on_watch(evloop_watch *watch, unsigned events)
{
    TELL(WATCH, "events %u\n", events);
    if (events & EVLOOP_READABLE)
        fd_read_all(evloop_watch_fd(watch));
    now->ended++;
}

static void on_timer(evloop_timer *timer)
{
    TELL(LOOP, "timer %s\n", timer->name);
    assert_int_equal(evloop_microtask(now->loop, on_microtask, (void *)"of a timer"), 0);
    now->ended++;
}

static void on_task(evloop_task *task)
{
    TELL(LOOP, "task %s\n", task == &now->urgent ? "urgent" : "plain");
    now->ended++;
}

static void on_post(void *arg)
{
    TELL(LOOP, "post %s\n", (const char *)arg);
    now->ended++;
}

static void on_hook(evloop_hook *hook)
{
    TELL(LOOP, "hook %s\n", hook->name);
    assert_int_equal(evloop_hook_stop(hook), 0);
    now->ended++;
}

static void on_notify(evloop_notify *notify)
{
    (void)notify;
    TELL(LOOP, "notify\n");
    now->ended++;
}

/* ---- the program ----------------------------------------------------------------------------- */

/* Runs until so many things have ended, and some turns more, in which nothing should come. */
static void step(struct play *play, const char *name, unsigned count)
{
    while (play->ended < count)
        assert_int_equal(evloop_run(play->loop, EVLOOP_RUN_ONCE), 0);
    for (int i = 0; i < SETTLING_TURNS; i++)
        loop_turn(play->loop);
    assert_int_equal(play->ended, count);
    for (int who = 0; who < WHO; who++)
        end_step(&play->traces[who], name);
    play->ended = 0;
}

static void send_pattern(struct play *play, size_t size)
{
    play->heard = 0;
    assert_int_equal(evloop_stream_send(&play->client, pattern_at(0), size), 0);
    while (play->heard < size)
        assert_int_equal(evloop_run(play->loop, EVLOOP_RUN_ONCE), 0);
}

static void connect_streams(struct play *play, const evloop_address *where)
{
    evloop_address address;
    assert_int_equal(evloop_listen(play->loop, &play->door, where, NULL, on_connection), 0);
    assert_int_equal(evloop_listener_local(&play->door, &address), 0);
    assert_int_equal(evloop_connect(play->loop, &play->client, &address, NULL, on_connect), 0);
    step(play, "connect", 2);
    assert_int_equal(evloop_listener_close(&play->door, on_door_closed), 0);
    step(play, "close the door", 1);
}

static void stream_steps(struct play *play)
{
    static char memory[1000];
    const struct iovec iov = {(void *)(uintptr_t)pattern_at(0), WHOLE};
    assert_int_equal(evloop_stream_read_start(&play->server, on_read), 0);
    send_pattern(play, 5);
    step(play, "send little", 0);
    send_pattern(play, WHOLE);
    step(play, "send much", 0);
    play->heard = 0;
    assert_int_equal(evloop_stream_write(&play->client, &play->write, &iov, 1, on_write), 0);
    while (play->heard < WHOLE)
        assert_int_equal(evloop_run(play->loop, EVLOOP_RUN_ONCE), 0);
    step(play, "write", 1);
    assert_int_equal(evloop_stream_read_stop(&play->server), 0);
    assert_int_equal(evloop_stream_send(&play->client, pattern_at(0), 3000), 0);
    step(play, "send to nobody", 0);
    assert_int_equal(
        evloop_stream_read_into(&play->server, memory, sizeof memory, 1000, on_read_into), 0);
    step(play, "read into", 1);
    assert_memory_equal(memory, pattern_at(0), sizeof memory);
    play->heard = 1000;
    assert_int_equal(evloop_stream_read_start(&play->server, on_read), 0);
    while (play->heard < 3000)
        assert_int_equal(evloop_run(play->loop, EVLOOP_RUN_ONCE), 0);
    step(play, "read the rest", 0);
}

/* One stream is ended in good order, and the other one's peer goes away. */
static void ending_steps(struct play *play)
{
    assert_int_equal(evloop_stream_shutdown(&play->client, on_shutdown), 0);
    step(play, "shut down", 2);
    assert_int_equal(evloop_stream_read_start(&play->client, on_read), 0);
    assert_int_equal(evloop_stream_reset(&play->server, on_closed), 0);
    step(play, "reset", 2);
    assert_int_equal(evloop_stream_close(&play->client, on_closed), 0);
    step(play, "close", 1);
}

static void refusal_steps(struct play *play, const char *nowhere)
{
    evloop_address address;
    assert_int_equal(evloop_address_parse(&address, nowhere), 0);
    assert_int_equal(evloop_connect(play->loop, &play->client, &address, NULL, on_connect), 0);
    step(play, "connect to nobody", 1);
    assert_int_equal(evloop_stream_close(&play->client, on_closed), 0);
    step(play, "close", 1);
}

static void dgram_steps(struct play *play)
{
    evloop_address near, far;
    play->near.name = "near";
    play->far.name = "far";
    assert_int_equal(evloop_udp_bind(play->loop, &play->near, "127.0.0.1:0", NULL), 0);
    assert_int_equal(evloop_udp_bind(play->loop, &play->far, "127.0.0.1:0", NULL), 0);
    assert_int_equal(evloop_dgram_local(&play->near, &near), 0);
    assert_int_equal(evloop_dgram_local(&play->far, &far), 0);
    assert_int_equal(evloop_dgram_receive_start(&play->far, on_datagrams), 0);
    for (size_t size = 0; size < 10; size++)
        assert_int_equal(evloop_dgram_send(&play->near, pattern_at(0), size * 100, &far), 0);
    step(play, "datagrams", 10);
    assert_int_equal(evloop_dgram_receive_stop(&play->far), 0);
    assert_int_equal(evloop_dgram_send(&play->near, pattern_at(0), 7, &far), 0);
    step(play, "a datagram to nobody", 0);
    assert_int_equal(evloop_dgram_receive_start(&play->far, on_datagrams), 0);
    step(play, "and to somebody", 1);
    assert_int_equal(evloop_dgram_close(&play->near, on_dgram_closed), 0);
    step(play, "close one", 1);
    assert_int_equal(evloop_dgram_close(&play->far, on_dgram_closed), 0);
    step(play, "close the other", 1);
}

static void watch_steps(struct play *play)
{
    int fds[2];
    pipe_open(fds);
    assert_int_equal(
        evloop_watch_start(play->loop, &play->watch, fds[0], EVLOOP_READABLE, on_watch), 0);
    step(play, "watch", 0);
    fd_write_byte(fds[1]);
    step(play, "a byte", 1);
    assert_int_equal(evloop_watch_stop(&play->watch), 0);
    fd_write_byte(fds[1]);
    step(play, "nobody looks", 0);
    fds_close(fds);
}

static void loop_steps(struct play *play)
{
    play->first.name = "first";
    play->second.name = "second";
    play->prepare.name = "prepare";
    play->check.name = "check";
    assert_int_equal(evloop_timer_start(play->loop, &play->second, EVLOOP_MS(2), 0, on_timer), 0);
    assert_int_equal(evloop_timer_start(play->loop, &play->first, EVLOOP_MS(1), 0, on_timer), 0);
    burn_ns(EVLOOP_MS(3));
    assert_int_equal(evloop_submit(play->loop, &play->task, on_task), 0);
    assert_int_equal(evloop_submit_urgent(play->loop, &play->urgent, on_task), 0);
    assert_int_equal(evloop_post(play->loop, on_post, (void *)"a post"), 0);
    assert_int_equal(evloop_hook_start(play->loop, &play->prepare, EVLOOP_HOOK_PREPARE, on_hook),
                     0);
    assert_int_equal(evloop_hook_start(play->loop, &play->check, EVLOOP_HOOK_CHECK, on_hook), 0);
    assert_int_equal(evloop_notify_start(play->loop, &play->notify, on_notify), 0);
    assert_int_equal(evloop_notify_send(&play->notify), 0);
    assert_int_equal(evloop_notify_send(&play->notify), 0);
    assert_int_equal(evloop_microtask(play->loop, on_microtask, (void *)"of nobody"), 0);
    step(play, "the loop's own", 8);
    assert_int_equal(evloop_notify_stop(&play->notify), 0);
}

/* ---- the comparison -------------------------------------------------------------------------- */

/* false: the backend does not work here. */
static bool play_on(struct play *play, const char *backend, int family)
{
    evloop_options options = evloop_options_default();
    evloop_address where;
    char place[PLACE_SIZE], text[PLACE_SIZE + 16];
    memset(play, 0, sizeof *play);
    now = play;
    options.backend = backend;
    options.allocator = &test_heap.allocator;
    int err = evloop_create(&play->loop, &options);
    if (err == -ENOSYS || err == -EPERM || err == -ENOTSUP)
        return false;
    assert_int_equal(err, 0);
    assert_string_equal(evloop_backend_name(play->loop), backend);
    place_make(place);
    snprintf(text, sizeof text, "%s/door", place);
    assert_int_equal(evloop_address_parse(&where, family == AF_UNIX ? text : "127.0.0.1:0"), 0);
    connect_streams(play, &where);
    stream_steps(play);
    ending_steps(play);
    refusal_steps(play, family == AF_UNIX ? text : "127.0.0.1:1");
    dgram_steps(play);
    watch_steps(play);
    loop_steps(play);
    loop_run(play->loop);
    loop_end(play->loop);
    place_remove(place);
    return true;
}

/* ---- what is told, everywhere --------------------------------------------------------------- */

#define CLIENT_AT_FIRST                                                                            \
    "connect 0\n"                                                                                  \
    "-- connect\n"                                                                                 \
    "write 400000, status 0, queued 0\n"                                                           \
    "-- write\n"                                                                                   \
    "shutdown 0\n"                                                                                 \
    "-- shut down\n"

static const char client_over_tcp[] = CLIENT_AT_FIRST "read ECONNRESET, reading 0\n"
                                                      "-- reset\n"
                                                      "closed ECONNRESET\n"
                                                      "-- close\n"
                                                      "connect ECONNREFUSED\n"
                                                      "-- connect to nobody\n"
                                                      "closed ECONNREFUSED\n"
                                                      "-- close\n";

static const char client_over_unix[] = CLIENT_AT_FIRST "read EVLOOP_EOF, reading 0\n"
                                                       "-- reset\n"
                                                       "closed 0\n"
                                                       "-- close\n"
                                                       "connect ENOENT\n"
                                                       "-- connect to nobody\n"
                                                       "closed ENOENT\n"
                                                       "-- close\n";

static const char *const expected[WHO] = {
    [LOOP] = "microtask of nobody\n"
             "task urgent\n"
             "task plain\n"
             "post a post\n"
             "notify\n"
             "hook prepare\n"
             "hook check\n"
             "timer first\n"
             "microtask of a timer\n"
             "timer second\n"
             "microtask of a timer\n"
             "-- the loop's own\n",
    [DOOR] = "connection\n"
             "accept 0\n"
             "and another EAGAIN\n"
             "-- connect\n"
             "closed\n"
             "-- close the door\n",
    [SERVER] = "read 5 bytes\n"
               "-- send little\n"
               "read 400000 bytes\n"
               "-- send much\n"
               "read 400000 bytes\n"
               "-- write\n"
               "into 1000, reading 0\n"
               "-- read into\n"
               "read 2000 bytes\n"
               "-- read the rest\n"
               "read EVLOOP_EOF, reading 0\n"
               "-- shut down\n"
               "closed 0\n"
               "-- reset\n",
    [DGRAM] = "datagram 0\n"
              "datagram 100\n"
              "datagram 200\n"
              "datagram 300\n"
              "datagram 400\n"
              "datagram 500\n"
              "datagram 600\n"
              "datagram 700\n"
              "datagram 800\n"
              "datagram 900\n"
              "-- datagrams\n"
              "datagram 7\n"
              "-- and to somebody\n"
              "near closed\n"
              "-- close one\n"
              "far closed\n"
              "-- close the other\n",
    [WATCH] = "events 1\n"
              "-- a byte\n",
};

static void play_everywhere(const char *client, int family)
{
    static const char *const backends[] = {"epoll", "uring", "kqueue"};
    static struct play play;
    unsigned played = 0;
    for (size_t i = 0; i < sizeof backends / sizeof *backends; i++) {
        if (!play_on(&play, backends[i], family))
            continue;
        played++;
        for (int who = 0; who < WHO; who++)
            assert_string_equal(play.traces[who].text, who == CLIENT ? client : expected[who]);
    }
    assert_true(played > 0);
}

TEST(every_callback_is_told_the_same_over_tcp)
{
    play_everywhere(client_over_tcp, AF_INET);
}

TEST(every_callback_is_told_the_same_over_a_unix_socket)
{
    play_everywhere(client_over_unix, AF_UNIX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_ENTRY(every_callback_is_told_the_same_over_tcp),
        TEST_ENTRY(every_callback_is_told_the_same_over_a_unix_socket),
    };
    return RUN_TESTS("trace", tests);
}
