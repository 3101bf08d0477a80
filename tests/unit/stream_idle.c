/*
 * stream_idle.c: ten thousand peers that say nothing: they cost no turns, and the one who speaks is
 * heard. The other ends live in another process, since one may not have so many descriptors.
 */
#include "net.h"

#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

enum { SPARE_FDS = 200 };

#define FEW_TURNS 20

struct peer {
    evloop_stream stream;
};

static struct peer *peers;
static size_t accepted, heard, ended, wanted;
static struct peer *speaker;
static evloop *loop;

static void on_closed(evloop_stream *stream)
{
    (void)stream;
    ended++;
}

static void on_read(evloop_stream *stream, ssize_t n, const void *data)
{
    (void)data;
    if (n > 0) {
        heard += (size_t)n;
        speaker = evloop_container_of(stream, struct peer, stream);
        return;
    }
    assert_int_equal(n, EVLOOP_EOF);
    assert_int_equal(evloop_stream_close(stream, on_closed), 0);
}

static void on_connection(evloop_listener *listener)
{
    assert_true(accepted < wanted);
    struct peer *peer = &peers[accepted++];
    assert_int_equal(evloop_accept(listener, &peer->stream), 0);
    assert_int_equal(evloop_stream_set_idle_timeout(&peer->stream, EVLOOP_SEC(3600)), 0);
    assert_int_equal(evloop_stream_read_start(&peer->stream, on_read), 0);
}

/* The other process: connects them all, then sends a byte over the nth for each n that it is told,
 * and goes when it is told no more. */
static void crowd(const evloop_address *address, int orders, size_t count)
{
    int *fds = calloc(count, sizeof *fds);
    size_t n;
    check(fds);
    for (size_t i = 0; i < count; i++) {
        fds[i] = socket(AF_INET, SOCK_STREAM, 0);
        check(fds[i] >= 0);
        check(connect(fds[i], &address->of.any, address->size) == 0);
    }
    while (read(orders, &n, sizeof n) == sizeof n)
        check(send(fds[n], "x", 1, 0) == 1);
    _exit(0);
}

static pid_t crowd_start(const evloop_address *address, int *orders, size_t count)
{
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    pid_t child = fork();
    check(child >= 0);
    if (child == 0) {
        close(fds[1]);
        crowd(address, fds[0], count);
    }
    assert_int_equal(close(fds[0]), 0);
    *orders = fds[1];
    return child;
}

/* If the system lets a process have so many descriptors. */
static size_t crowd_size(void)
{
    size_t count = scaled(10000);
    if (fds_raise_limit() < count + SPARE_FDS)
        skip();
    return count;
}

static void run_until_turned(const size_t *counter, size_t value)
{
    while (*counter < value)
        assert_int_equal(evloop_run(loop, EVLOOP_RUN_ONCE), 0);
}

static void assert_sleeps(void)
{
    uint64_t before = loop_metrics(loop).turns;
    assert_int_equal(evloop_run_for(loop, EVLOOP_MS(20)), 0);
    assert_true(loop_metrics(loop).turns - before < FEW_TURNS);
}

TEST(ten_thousand_idle_peers_cost_no_turns_and_each_is_heard)
{
    evloop_listener listener = {0};
    evloop_address address;
    int orders, status;
    uint64_t sequence = 1;
    wanted = crowd_size();
    accepted = heard = ended = 0;
    peers = calloc(wanted, sizeof *peers);
    assert_non_null(peers);
    loop = loop_new();
    assert_int_equal(evloop_tcp_listen(loop, &listener, "127.0.0.1:0", NULL, on_connection), 0);
    assert_int_equal(evloop_listener_local(&listener, &address), 0);
    pid_t child = crowd_start(&address, &orders, wanted);
    run_until_turned(&accepted, wanted);
    assert_int_equal(evloop_listener_connections(&listener), wanted);
    assert_sleeps();
    assert_int_equal(heard, 0);
    for (size_t i = 1; i <= 50; i++) {
        size_t n = (size_t)(chance(&sequence) % wanted);
        assert_int_equal(write(orders, &n, sizeof n), sizeof n);
        uint64_t events = loop_metrics(loop).events;
        run_until_turned(&heard, i);
        assert_int_equal(loop_metrics(loop).events, events + 1); /* nobody else was bothered */
    }
    assert_sleeps();
    assert_int_equal(close(orders), 0);
    run_until_turned(&ended, wanted);
    assert_int_equal(evloop_listener_connections(&listener), 0);
    assert_int_equal(evloop_listener_close(&listener, NULL), 0);
    loop_run(loop);
    loop_end(loop);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    free(peers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_ENTRY(ten_thousand_idle_peers_cost_no_turns_and_each_is_heard),
    };
    support_limit(60);
    return RUN_TESTS("stream idle", tests);
}
