/*
 * uring_urgent.c: a receive of which the kernel says that there is more, and then brings nothing, is
 * made to go on. Here it says so whenever it is told to, and what there is comes between two waits:
 * as if the receive stood still at an urgent byte.
 */
#include "net.h"
#include "uring.h"

#include <sys/socket.h>

#include "poller/uring.h"

void __real_uring_collect(struct poller *poller, const struct ring_event *event);
void __wrap_uring_collect(struct poller *poller, const struct ring_event *event);
int __real_io_uring_submit_and_get_events(struct io_uring *ring);
int __wrap_io_uring_submit_and_get_events(struct io_uring *ring);
bool __real_transfer_readable(int fd);
bool __wrap_transfer_readable(int fd);
int __real_setsockopt(int fd, int level, int name, const void *value, socklen_t size);
int __wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t size);

static struct {
    bool promises;
    bool refuses;  /* to look */
    bool readable; /* it says so of everything */
    int sends;     /* the byte that is due, to this descriptor, when it has been entered; -1 */
    uint64_t due;
    unsigned looks, polls;
} kernel;

void __wrap_uring_collect(struct poller *poller, const struct ring_event *event)
{
    struct ring_event changed = *event;
    if (kernel.promises && event->flags & IORING_CQE_F_MORE)
        changed.flags |= IORING_CQE_F_SOCK_NONEMPTY;
    __real_uring_collect(poller, &changed);
}

int __wrap_io_uring_submit_and_get_events(struct io_uring *ring)
{
    int result = __real_io_uring_submit_and_get_events(ring);
    kernel.polls++;
    if (kernel.sends >= 0)
        net_send(kernel.sends, kernel.due, 1);
    kernel.sends = -1;
    return result;
}

bool __wrap_transfer_readable(int fd)
{
    return kernel.readable || __real_transfer_readable(fd);
}

int __wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t size)
{
    bool looks = level == SOL_SOCKET && name == SO_RCVLOWAT;
    kernel.looks += looks;
    if (looks && kernel.refuses) {
        errno = EPERM;
        return -1;
    }
    return __real_setsockopt(fd, level, name, value, size);
}

struct world {
    evloop *loop;
    evloop_stream stream;
    int peer;
    uint64_t heard;
    bool is_answered;
};

static void on_read(evloop_stream *stream, ssize_t n, const void *data)
{
    struct world *world = evloop_container_of(stream, struct world, stream);
    assert_true(n > 0);
    assert_true(pattern_matches(data, (size_t)n, world->heard));
    world->heard += (size_t)n;
    if (world->is_answered) {
        kernel.sends = world->peer;
        kernel.due = world->heard;
    }
}

static void hear(struct world *world, uint64_t heard)
{
    while (world->heard < heard)
        assert_int_equal(evloop_run(world->loop, EVLOOP_RUN_ONCE), 0);
    assert_int_equal(world->heard, heard);
}

/* A stream that has heard one byte, and of which the kernel has said that there is more. */
static void world_begin(struct world *world)
{
    int fds[2];
    memset(world, 0, sizeof *world);
    memset(&kernel, 0, sizeof kernel);
    kernel.sends = -1;
    kernel.promises = true;
    net_pair(AF_INET, fds);
    world->loop = loop_new();
    world->peer = fds[1];
    assert_int_equal(evloop_stream_open(world->loop, &world->stream, fds[0]), 0);
    assert_int_equal(evloop_stream_read_start(&world->stream, on_read), 0);
    loop_turn(world->loop);
    net_send(world->peer, 0, 1);
    hear(world, 1);
    kernel.promises = false;
    assert_int_equal(kernel.looks, 0);
}

static void world_end(struct world *world)
{
    assert_int_equal(evloop_stream_close(&world->stream, NULL), 0);
    loop_run(world->loop);
    loop_end(world->loop);
    assert_int_equal(close(world->peer), 0);
}

static void assert_sleeps(evloop *loop)
{
    uint64_t before = loop_metrics(loop).turns;
    assert_int_equal(evloop_run_for(loop, EVLOOP_MS(20)), 0);
    assert_true(loop_metrics(loop).turns - before < 10);
}

TEST(a_receive_that_stands_still_is_made_to_go_on)
{
    struct world world;
    world_begin(&world);
    net_send(world.peer, 1, 1);
    hear(&world, 2);
    assert_int_equal(kernel.looks, 1);
    net_send(world.peer, 2, 1);
    hear(&world, 3);
    assert_int_equal(kernel.looks, 1);
    world_end(&world);
}

TEST(a_receive_of_which_there_was_no_more_is_left_alone)
{
    struct world world;
    world_begin(&world);
    assert_sleeps(world.loop);
    net_send(world.peer, 1, 1);
    hear(&world, 2);
    assert_int_equal(kernel.looks, 0);
    world_end(&world);
}

TEST(a_kernel_that_refuses_to_look_makes_nobody_spin)
{
    struct world world;
    world_begin(&world);
    kernel.refuses = kernel.readable = true;
    assert_sleeps(world.loop);
    assert_int_equal(kernel.looks, 1);
    net_send(world.peer, 1, 1);
    hear(&world, 2);
    world_end(&world);
}

TEST(a_receive_that_is_begun_anew_where_there_is_something_is_looked_after)
{
    struct world world;
    world_begin(&world);
    assert_int_equal(evloop_stream_read_stop(&world.stream), 0);
    loop_turn(world.loop);
    net_send(world.peer, 1, 1);
    assert_int_equal(evloop_stream_read_start(&world.stream, on_read), 0);
    kernel.polls = 0;
    hear(&world, 2);
    assert_true(kernel.polls > 0);
    assert_sleeps(world.loop);
    world_end(&world);
}

/* No turn comes between. */
TEST(a_promise_to_a_stream_is_none_to_its_descriptors_next_owner)
{
    struct world world;
    world_begin(&world);
    assert_int_equal(evloop_stream_read_stop(&world.stream), 0);
    int fd = evloop_stream_release(&world.stream);
    assert_true(fd >= 0);
    assert_int_equal(evloop_stream_open(world.loop, &world.stream, fd), 0);
    assert_int_equal(evloop_stream_read_start(&world.stream, on_read), 0);
    for (uint64_t i = 1; i <= 3; i++) {
        kernel.promises = i == 2;
        net_send(world.peer, i, 1);
        hear(&world, i + 1);
        assert_int_equal(kernel.looks, i == 3);
    }
    assert_sleeps(world.loop);
    world_end(&world);
}

/* Whoever waits instead of the loop waits for the ring. */
TEST(a_receive_that_stands_still_when_a_run_ends_is_made_to_go_on)
{
    struct world world;
    world_begin(&world);
    assert_true(evloop_backend_fd(world.loop) >= 0);
    loop_turn(world.loop);
    kernel.promises = world.is_answered = true;
    net_send(world.peer, 1, 1);
    while (world.heard < 2)
        loop_turn(world.loop);
    kernel.promises = world.is_answered = false;
    assert_int_equal(kernel.looks, 1);
    hear(&world, 3);
    world_end(&world);
}

int main(void)
{
    if (!uring_only())
        return SKIPPED;
    const struct CMUnitTest tests[] = {
        TEST_ENTRY(a_receive_that_stands_still_is_made_to_go_on),
        TEST_ENTRY(a_receive_of_which_there_was_no_more_is_left_alone),
        TEST_ENTRY(a_kernel_that_refuses_to_look_makes_nobody_spin),
        TEST_ENTRY(a_receive_that_is_begun_anew_where_there_is_something_is_looked_after),
        TEST_ENTRY(a_promise_to_a_stream_is_none_to_its_descriptors_next_owner),
        TEST_ENTRY(a_receive_that_stands_still_when_a_run_ends_is_made_to_go_on),
    };
    return RUN_TESTS("urgent data over io_uring", tests);
}
