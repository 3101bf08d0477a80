/*
 * stream_calls.c: how often streams call the kernel, over readiness: what a turn has written leaves
 * in one call, and nothing is asked for again and again.
 */
#include "net.h"
#include "kernel_calls.h"

#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>

static struct {
    unsigned send, receive;
    unsigned refused; /* of those that receive, the next */
    size_t most;      /* bytes offered in one call */
} calls;

static void count_anew(void)
{
    memset(&calls, 0, sizeof calls);
    kernel_changes = 0;
    kernel_accepts = 0;
}

static size_t size_of(const struct iovec *iov, size_t count)
{
    size_t size = 0;
    for (size_t i = 0; i < count; i++)
        size += iov[i].iov_len;
    return size;
}

static void count_send(size_t size)
{
    calls.send++;
    if (size > calls.most)
        calls.most = size;
}

ssize_t __real_send(int fd, const void *data, size_t size, int flags);
ssize_t __wrap_send(int fd, const void *data, size_t size, int flags);

ssize_t __wrap_send(int fd, const void *data, size_t size, int flags)
{
    count_send(size);
    return __real_send(fd, data, size, flags);
}

ssize_t __real_sendmsg(int fd, const struct msghdr *message, int flags);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *message, int flags);

ssize_t __wrap_sendmsg(int fd, const struct msghdr *message, int flags)
{
    count_send(size_of(message->msg_iov, (size_t)message->msg_iovlen));
    return __real_sendmsg(fd, message, flags);
}

ssize_t __real_writev(int fd, const struct iovec *iov, int count);
ssize_t __wrap_writev(int fd, const struct iovec *iov, int count);

ssize_t __wrap_writev(int fd, const struct iovec *iov, int count)
{
    count_send(size_of(iov, (size_t)count));
    return __real_writev(fd, iov, count);
}

ssize_t __real_recv(int fd, void *memory, size_t size, int flags);
ssize_t __wrap_recv(int fd, void *memory, size_t size, int flags);

ssize_t __wrap_recv(int fd, void *memory, size_t size, int flags)
{
    calls.receive++;
    if (calls.refused) {
        calls.refused--;
        errno = EAGAIN;
        return -1;
    }
    return __real_recv(fd, memory, size, flags);
}

ssize_t __real_recvmsg(int fd, struct msghdr *message, int flags);
ssize_t __wrap_recvmsg(int fd, struct msghdr *message, int flags);

ssize_t __wrap_recvmsg(int fd, struct msghdr *message, int flags)
{
    calls.receive++;
    return __real_recvmsg(fd, message, flags);
}

/* ---- a stream and a plain peer --------------------------------------------------------------- */

struct world {
    evloop *loop;
    evloop_stream stream;
    int peer;
    uint64_t heard;
    unsigned reads;
};

static void world_begin(struct world *world, int family)
{
    int fds[2];
    memset(world, 0, sizeof *world);
    net_pair(family, fds);
    world->loop = loop_new();
    world->peer = fds[1];
    assert_int_equal(evloop_stream_open(world->loop, &world->stream, fds[0]), 0);
    count_anew();
}

static void world_end(struct world *world)
{
    assert_int_equal(evloop_stream_close(&world->stream, NULL), 0);
    loop_run(world->loop);
    loop_end(world->loop);
    assert_int_equal(close(world->peer), 0);
}

static void on_read(evloop_stream *stream, ssize_t n, const void *data)
{
    struct world *world = evloop_container_of(stream, struct world, stream);
    assert_true(n > 0);
    assert_true(pattern_matches(data, (size_t)n, world->heard));
    world->heard += (size_t)n;
    world->reads++;
}

static void assert_peer_gets(struct world *world, size_t size)
{
    static unsigned char memory[4 << 20];
    assert_true(size <= sizeof memory);
    assert_int_equal(net_receive(world->peer, memory, size), size);
    assert_true(pattern_matches(memory, size, 0));
}

/* ---- gathering ------------------------------------------------------------------------------- */

TEST(what_a_turn_has_sent_leaves_in_one_call)
{
    struct world world;
    world_begin(&world, AF_INET);
    for (size_t i = 0; i < 1000; i++)
        assert_int_equal(evloop_stream_send(&world.stream, pattern_at(i * 13), 13), 0);
    assert_int_equal(calls.send, 0);
    loop_turn(world.loop);
    assert_int_equal(calls.send, 1);
    assert_peer_gets(&world, 13000);
    for (int i = 0; i < 5; i++)
        loop_turn(world.loop);
    assert_int_equal(calls.send, 1);
    world_end(&world);
}

TEST(what_a_turn_has_written_leaves_in_one_call)
{
    enum { MANY = 200 };
    static evloop_write writes[MANY];
    static struct iovec iov[MANY][4];
    struct world world;
    size_t position = 0;
    memset(writes, 0, sizeof writes);
    world_begin(&world, AF_UNIX);
    for (int i = 0; i < MANY; i++) {
        for (int j = 0; j < 4; j++, position += 10)
            iov[i][j] = (struct iovec){(void *)(uintptr_t)pattern_at(position), 10};
        assert_int_equal(evloop_stream_write(&world.stream, &writes[i], iov[i], 4, NULL), 0);
        assert_int_equal(evloop_stream_send(&world.stream, pattern_at(position), 5), 0);
        position += 5;
    }
    assert_int_equal(calls.send, 0);
    loop_turn(world.loop);
    assert_int_equal(calls.send, 1);
    assert_peer_gets(&world, position);
    world_end(&world);
}

/* Also what callbacks of that turn write. */
static void on_timer(evloop_timer *timer)
{
    struct world *world = timer->data;
    assert_int_equal(evloop_stream_send(&world->stream, pattern_at(10), 10), 0);
}

static void on_posted(void *arg)
{
    struct world *world = arg;
    assert_int_equal(evloop_stream_send(&world->stream, pattern_at(20), 10), 0);
}

TEST(what_several_callbacks_of_a_turn_have_written_leaves_in_one_call)
{
    struct world world;
    evloop_timer timer = {.data = &world};
    world_begin(&world, AF_INET);
    assert_int_equal(evloop_stream_send(&world.stream, pattern_at(0), 10), 0);
    assert_int_equal(evloop_timer_start(world.loop, &timer, 0, 0, on_timer), 0);
    assert_int_equal(evloop_post(world.loop, on_posted, &world), 0);
    burn_ns(EVLOOP_US(10));
    loop_turn(world.loop);
    assert_int_equal(calls.send, 1);
    assert_peer_gets(&world, 30);
    world_end(&world);
}

static void answer(evloop_stream *stream, ssize_t n, const void *data)
{
    struct world *world = evloop_container_of(stream, struct world, stream);
    (void)data;
    for (ssize_t i = 0; i < n; i++)
        assert_int_equal(
            evloop_stream_send(stream, pattern_at((size_t)(world->heard++) * 100), 100), 0);
}

TEST(the_answers_to_what_a_read_brought_leave_in_one_call)
{
    struct world world;
    world_begin(&world, AF_INET);
    assert_int_equal(evloop_stream_read_start(&world.stream, answer), 0);
    loop_turn(world.loop);
    net_send(world.peer, 0, 16);
    count_anew();
    while (world.heard < 16)
        loop_turn(world.loop);
    loop_turn(world.loop);
    assert_int_equal(calls.send, 1);
    assert_peer_gets(&world, 1600);
    world_end(&world);
}

TEST(a_call_is_offered_about_a_mebibyte)
{
    enum { SIZE = 3 << 20 };
    struct world world;
    evloop_write write = {0};
    struct iovec iov[4];
    world_begin(&world, AF_INET);
    unsigned count = pattern_pieces(iov, 4, 0, SIZE);
    assert_int_equal(evloop_stream_write(&world.stream, &write, iov, count, NULL), 0);
    loop_turn(world.loop);
    assert_true(calls.most >= 1 << 19);
    assert_true(calls.most <= 1 << 21);
    world_end(&world);
}

TEST(much_that_is_sent_is_offered_at_once)
{
    struct world world;
    world_begin(&world, AF_UNIX);
    assert_int_equal(evloop_stream_send(&world.stream, pattern_at(0), 1024), 0);
    assert_int_equal(calls.send, 0);
    loop_turn(world.loop);
    assert_int_equal(calls.send, 1);
    assert_int_equal(evloop_stream_send(&world.stream, pattern_at(1024), 1025), 0);
    assert_int_equal(calls.send, 2);
    loop_turn(world.loop);
    assert_int_equal(calls.send, 2);
    assert_peer_gets(&world, 1024 + 1025);
    world_end(&world);
}

/* ---- nothing twice --------------------------------------------------------------------------- */

/* A full socket is not tried in every turn. */
TEST(a_stream_that_waits_for_room_costs_nothing)
{
    struct world world;
    evloop_write write = {0};
    struct iovec iov[8];
    world_begin(&world, AF_UNIX);
    unsigned count = pattern_pieces(iov, 8, 0, 8 << 20);
    assert_int_equal(evloop_stream_write(&world.stream, &write, iov, count, NULL), 0);
    for (int i = 0; i < 3; i++)
        loop_turn(world.loop);
    count_anew();
    for (int i = 0; i < 50; i++)
        loop_turn(world.loop);
    assert_int_equal(calls.send, 0);
    assert_int_equal(kernel_changes, 0);
    world_end(&world);
}

static bool has_events(evloop *loop)
{
    struct pollfd fd = {evloop_backend_fd(loop), POLLIN, 0};
    return poll(&fd, 1, 0) == 1;
}

/* Who was full once is not woken by each read of its peer from then on. */
TEST(room_that_nobody_waits_for_is_not_told_of)
{
    enum { SIZE = 2 << 20 };
    static char memory[SIZE];
    struct world world;
    evloop_write write = {0};
    struct iovec iov[8];
    world_begin(&world, AF_UNIX);
    unsigned count = pattern_pieces(iov, 8, 0, SIZE);
    assert_int_equal(evloop_stream_write(&world.stream, &write, iov, count, NULL), 0);
    for (size_t got = 0; got < SIZE;) {
        loop_turn(world.loop);
        ssize_t n = recv(world.peer, memory, sizeof memory, MSG_DONTWAIT);
        got += n > 0 ? (size_t)n : 0;
    }
    for (int i = 0; i < 3; i++) {
        assert_int_equal(evloop_stream_send(&world.stream, "x", 1), 0);
        loop_turn(world.loop);
        assert_int_equal(net_receive(world.peer, memory, 1), 1);
        loop_turn(world.loop);
    }
    assert_int_equal(evloop_stream_send(&world.stream, "x", 1), 0);
    loop_turn(world.loop);
    assert_int_equal(net_receive(world.peer, memory, 1), 1);
    assert_false(has_events(world.loop));
    world_end(&world);
}

TEST(a_stream_that_waits_for_bytes_costs_nothing)
{
    struct world world;
    world_begin(&world, AF_INET);
    assert_int_equal(evloop_stream_read_start(&world.stream, on_read), 0);
    for (int i = 0; i < 3; i++)
        loop_turn(world.loop);
    count_anew();
    for (int i = 0; i < 50; i++)
        loop_turn(world.loop);
    assert_int_equal(calls.receive, 0);
    assert_int_equal(kernel_changes, 0);
    world_end(&world);
}

/* A request and its answer: one receive, one send, and no word about what is waited for. */
TEST(an_echo_costs_two_calls)
{
    struct world world;
    char memory[64];
    world_begin(&world, AF_INET);
    assert_int_equal(evloop_stream_read_start(&world.stream, on_read), 0);
    loop_turn(world.loop);
    for (unsigned i = 0; i < 20; i++) {
        count_anew();
        net_send(world.peer, i * sizeof memory, sizeof memory);
        calls.send = 0;
        while (world.heard < (i + 1) * sizeof memory)
            loop_turn(world.loop);
        assert_int_equal(evloop_stream_send(&world.stream, "x", 1), 0);
        loop_turn(world.loop);
        assert_int_equal(calls.receive, kernel_tells_urgent_data ? 1 : 2);
        assert_int_equal(calls.send, 1);
        assert_int_equal(kernel_changes, 0);
        assert_int_equal(net_receive(world.peer, memory, 1), 1);
    }
    world_end(&world);
}

TEST(stopping_and_starting_in_one_turn_costs_nothing)
{
    struct world world;
    world_begin(&world, AF_INET);
    assert_int_equal(evloop_stream_read_start(&world.stream, on_read), 0);
    loop_turn(world.loop);
    count_anew();
    for (int i = 0; i < 50; i++) {
        assert_int_equal(evloop_stream_read_stop(&world.stream), 0);
        assert_int_equal(evloop_stream_read_start(&world.stream, on_read), 0);
    }
    loop_turn(world.loop);
    assert_int_equal(kernel_changes, 0);
    assert_true(calls.receive <= 1);
    world_end(&world);
}

/* ---- accepting ------------------------------------------------------------------------------- */

static unsigned accepted;

static void on_connection(evloop_listener *listener)
{
    int fd = evloop_accept_fd(listener);
    assert_true(fd >= 0);
    assert_int_equal(close(fd), 0);
    accepted++;
}

TEST(one_who_comes_costs_one_accept)
{
    evloop *loop = loop_new();
    evloop_listener listener = {0};
    evloop_address address;
    accepted = 0;
    assert_int_equal(evloop_tcp_listen(loop, &listener, "127.0.0.1:0", NULL, on_connection), 0);
    assert_int_equal(evloop_listener_local(&listener, &address), 0);
    loop_turn(loop);
    count_anew();
    for (unsigned i = 1; i <= 10; i++) {
        int fd = net_connect(&address);
        while (accepted < i)
            loop_turn(loop);
        for (int j = 0; j < 3; j++)
            loop_turn(loop);
        assert_int_equal(kernel_accepts, i);
        assert_int_equal(close(fd), 0);
    }
    assert_int_equal(kernel_changes, 0);
    assert_int_equal(evloop_listener_close(&listener, NULL), 0);
    loop_run(loop);
    loop_end(loop);
}

static size_t most_offered(const struct iovec *iov, unsigned count)
{
    struct world world;
    world_begin(&world, AF_INET);
    assert_true(evloop_stream_try_write(&world.stream, iov, count) > 0);
    size_t most = calls.most;
    world_end(&world);
    return most;
}

/* Darwin refuses a call with more than an int can count. */
TEST(no_more_is_offered_at_once_than_any_kernel_takes)
{
    const size_t size = (size_t)1 << 30;
    if (under_valgrind()) /* which looks at all of it */
        skip();
    char *memory = mmap(NULL, size + 1, PROT_READ, MAP_PRIVATE | MAP_ANON, -1, 0);
    assert_true(memory != MAP_FAILED);
    const struct iovec too_much[] = {{memory, 0}, {memory, size + 1}, {memory, 1}};
    const struct iovec in_pieces[] = {{memory, 1}, {NULL, 0}, {memory, size}};
    const struct iovec just_so[] = {{memory, size - 1}, {memory, 1}};
    assert_int_equal(most_offered(too_much, 3), size);
    assert_int_equal(most_offered(in_pieces, 3), size);
    assert_int_equal(most_offered(just_so, 2), size);
    assert_int_equal(munmap(memory, size + 1), 0);
}

/* ---- urgent data ----------------------------------------------------------------------------- */

static void on_any(evloop_stream *stream, ssize_t n, const void *data)
{
    struct world *world = evloop_container_of(stream, struct world, stream);
    (void)data;
    assert_true(n > 0);
    world->heard += (size_t)n;
}

/* As Linux does while a signal is pending. */
TEST(what_lies_behind_the_urgent_byte_is_heard_though_the_kernel_says_that_there_is_nothing)
{
    struct world world;
    world_begin(&world, AF_INET);
    if (!net_tells_urgent_data(world.loop, world.peer)) {
        world_end(&world);
        skip();
    }
    assert_int_equal(evloop_stream_read_start(&world.stream, on_any), 0);
    assert_int_equal(send(world.peer, "abc!", 4, MSG_OOB), 4);
    assert_int_equal(send(world.peer, "def", 3, 0), 3);
    while (world.heard < 3)
        assert_int_equal(evloop_run(world.loop, EVLOOP_RUN_ONCE), 0);
    struct pollfd poll_fd = {.fd = evloop_stream_fd(&world.stream), .events = POLLIN};
    assert_int_equal(poll(&poll_fd, 1, -1), 1);
    calls.refused = 1;
    for (int i = 0; i < 3; i++)
        loop_turn(world.loop);
    assert_int_equal(calls.refused, 0);
    assert_int_equal(world.heard, 6);
    world_end(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_ENTRY(what_a_turn_has_sent_leaves_in_one_call),
        TEST_ENTRY(what_a_turn_has_written_leaves_in_one_call),
        TEST_ENTRY(what_several_callbacks_of_a_turn_have_written_leaves_in_one_call),
        TEST_ENTRY(the_answers_to_what_a_read_brought_leave_in_one_call),
        TEST_ENTRY(a_call_is_offered_about_a_mebibyte),
        TEST_ENTRY(much_that_is_sent_is_offered_at_once),
        TEST_ENTRY(no_more_is_offered_at_once_than_any_kernel_takes),
        TEST_ENTRY(a_stream_that_waits_for_room_costs_nothing),
        TEST_ENTRY(room_that_nobody_waits_for_is_not_told_of),
        TEST_ENTRY(a_stream_that_waits_for_bytes_costs_nothing),
        TEST_ENTRY(an_echo_costs_two_calls),
        TEST_ENTRY(stopping_and_starting_in_one_turn_costs_nothing),
        TEST_ENTRY(one_who_comes_costs_one_accept),
        TEST_ENTRY(
            what_lies_behind_the_urgent_byte_is_heard_though_the_kernel_says_that_there_is_nothing),
    };
    return RUN_TESTS("stream calls", tests);
}
