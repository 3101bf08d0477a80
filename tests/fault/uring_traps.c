/*
 * uring_traps.c: what is different about io_uring, and must not be seen: completions that come after
 * a cancellation, queues and pools that are full, numbers that are used again, a ring that belongs
 * to a thread.
 */
#include "inject.h"
#include "net.h"
#include "uring.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

enum { MANY = 64, ROUNDS = 300, PIECE = 3000, FEW_ENTERS = 100 };

struct peer {
    evloop_stream stream;
    int other;
    uint64_t heard;
    int ended;
    unsigned char memory[1000];
};

static struct peer peers[MANY];

static int reset_injections(void **state)
{
    inject_reset();
    return support_teardown(state);
}

#define TRAP_ENTRY(name)                                                                           \
    {                                                                                              \
#name, name, support_setup, reset_injections, (void *)#name                                \
    }

static struct peer *peer_of(evloop_stream *stream)
{
    return evloop_container_of(stream, struct peer, stream);
}

static void on_read(evloop_stream *stream, ssize_t n, const void *data)
{
    struct peer *peer = peer_of(stream);
    assert_int_equal(peer->ended, 0);
    if (n < 0) {
        peer->ended = (int)n;
        return;
    }
    assert_true(pattern_matches(data, (size_t)n, peer->heard));
    peer->heard += (size_t)n;
}

static void peer_open_over(evloop *loop, struct peer *peer, int family)
{
    int fds[2];
    memset(peer, 0, sizeof *peer);
    net_pair(family, fds);
    peer->other = fds[1];
    assert_int_equal(evloop_stream_open(loop, &peer->stream, fds[0]), 0);
}

static void peer_open(evloop *loop, struct peer *peer)
{
    peer_open_over(loop, peer, AF_INET);
}

static void peer_close(evloop *loop, struct peer *peer)
{
    assert_int_equal(evloop_stream_close(&peer->stream, NULL), 0);
    loop_run(loop);
    assert_false(evloop_stream_active(&peer->stream));
    if (peer->other >= 0)
        assert_int_equal(close(peer->other), 0);
}

static void await(evloop *loop, const struct peer *peer, uint64_t heard)
{
    while (peer->heard < heard && !peer->ended)
        assert_int_equal(evloop_run(loop, EVLOOP_RUN_ONCE), 0);
    assert_int_equal(peer->heard, heard);
}

/* ---- cancelled ------------------------------------------------------------------------------- */

TEST(every_byte_arrives_once_however_often_reading_is_stopped)
{
    evloop *loop = loop_new();
    struct peer *peer = &peers[0];
    uint64_t sent = 0, luck = 1;
    peer_open(loop, peer);
    for (size_t i = 0; i < scaled(ROUNDS); i++) {
        assert_int_equal(evloop_stream_read_start(&peer->stream, on_read), 0);
        if (chance(&luck) % 2)
            loop_turn(loop);
        net_send(peer->other, sent % PATTERN_PERIOD, PIECE);
        sent += PIECE;
        if (chance(&luck) % 2)
            loop_turn(loop);
        assert_int_equal(evloop_stream_read_stop(&peer->stream), 0);
        uint64_t heard = peer->heard;
        if (chance(&luck) % 2)
            loop_turn(loop);
        assert_int_equal(peer->heard, heard);
    }
    assert_int_equal(evloop_stream_read_start(&peer->stream, on_read), 0);
    await(loop, peer, sent);
    assert_int_equal(close(peer->other), 0);
    peer->other = -1;
    while (!peer->ended)
        assert_int_equal(evloop_run(loop, EVLOOP_RUN_ONCE), 0);
    assert_int_equal(peer->ended, EVLOOP_EOF);
    peer_close(loop, peer);
    loop_end(loop);
}

TEST(every_byte_arrives_once_in_whatever_way_it_is_read)
{
    evloop *loop = loop_new();
    struct peer *peer = &peers[0];
    uint64_t sent = 0, luck = 7;
    peer_open(loop, peer);
    for (size_t i = 0; i < scaled(ROUNDS); i++) {
        evloop_stream_read_stop(&peer->stream);
        size_t least = 1 + chance(&luck) % sizeof peer->memory;
        if (chance(&luck) % 3)
            assert_int_equal(evloop_stream_read_into(&peer->stream, peer->memory,
                                                     sizeof peer->memory, least, on_read),
                             0);
        else
            assert_int_equal(evloop_stream_read_start(&peer->stream, on_read), 0);
        loop_turn(loop);
        net_send(peer->other, sent % PATTERN_PERIOD, PIECE / 3);
        sent += PIECE / 3;
        if (chance(&luck) % 2)
            loop_turn(loop);
    }
    evloop_stream_read_stop(&peer->stream);
    assert_int_equal(evloop_stream_read_start(&peer->stream, on_read), 0);
    await(loop, peer, sent);
    peer_close(loop, peer);
    loop_end(loop);
}

TEST(what_a_cancelled_receive_still_brought_is_not_lost)
{
    evloop *loop = loop_new();
    struct peer *peer = &peers[0];
    uint64_t sent = 0;
    peer_open(loop, peer);
    for (size_t i = 0; i < scaled(ROUNDS); i++) {
        assert_int_equal(evloop_stream_read_start(&peer->stream, on_read), 0);
        loop_turn(loop); /* in flight */
        net_send(peer->other, sent % PATTERN_PERIOD, PIECE);
        sent += PIECE;
        assert_int_equal(evloop_stream_read_stop(&peer->stream), 0); /* both in the kernel now */
    }
    assert_int_equal(evloop_stream_read_start(&peer->stream, on_read), 0);
    await(loop, peer, sent);
    peer_close(loop, peer);
    loop_end(loop);
}

TEST(a_cancellation_that_fails_is_repeated_until_the_kernel_has_let_go)
{
    static const int errors[] = {ENOMEM, EBUSY, EINTR, EAGAIN};
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        evloop *loop = loop_new();
        struct peer *peer = &peers[0];
        peer_open(loop, peer);
        assert_int_equal(
            evloop_stream_read_into(&peer->stream, peer->memory, sizeof peer->memory, 1, on_read),
            0);
        loop_turn(loop);
        inject_reset();
        inject_call_fail(INJECT_ENTER, 1, 3, errors[i]);
        assert_int_equal(evloop_stream_read_stop(&peer->stream), 0);
        assert_int_equal(inject_done(), 3);
        net_send(peer->other, 0, PIECE);
        loop_turn(loop);
        for (size_t b = 0; b < sizeof peer->memory; b++)
            assert_int_equal(peer->memory[b], 0); /* it is the user's again */
        assert_int_equal(evloop_stream_read_start(&peer->stream, on_read), 0);
        await(loop, peer, PIECE);
        peer_close(loop, peer);
        loop_end(loop);
    }
}

/* ---- numbers that are used again ------------------------------------------------------------- */

static void on_wrong_read(evloop_stream *stream, ssize_t n, const void *data)
{
    (void)stream, (void)data;
    fail_msg("the old one's bytes came to the new one: %d", (int)n);
}

static void on_read_of_the_old(evloop_stream *stream, ssize_t n, const void *data)
{
    (void)stream, (void)n, (void)data;
}

TEST(what_was_in_flight_for_a_number_does_not_reach_its_next_owner)
{
    evloop *loop = loop_new();
    for (size_t i = 0; i < scaled(ROUNDS); i++) {
        struct peer *old = &peers[0], *new = &peers[1];
        peer_open(loop, old);
        assert_int_equal(evloop_stream_read_start(&old->stream, on_read_of_the_old), 0);
        loop_turn(loop);
        net_send(old->other, 0, PIECE);
        if (i % 3 == 0)
            inject_trickle();
        if (i % 2)
            loop_turn(loop);
        int number = evloop_stream_fd(&old->stream);
        assert_int_equal(evloop_stream_close(&old->stream, NULL), 0);
        loop_turn(loop);
        peer_open(loop, new);
        assert_int_equal(evloop_stream_fd(&new->stream), number);
        assert_int_equal(evloop_stream_read_start(&new->stream, on_wrong_read), 0);
        loop_turn(loop);
        loop_turn(loop);
        inject_reset();
        assert_int_equal(close(old->other), 0);
        peer_close(loop, new);
    }
    loop_end(loop);
}

TEST(what_the_kernel_could_not_be_made_to_let_go_of_is_nobodys)
{
    enum { FOR_EVER = 1000000 };
    evloop *loop = loop_new();
    struct peer *old = &peers[0], *new = &peers[1];
    peer_open(loop, old);
    assert_int_equal(evloop_stream_read_start(&old->stream, on_read_of_the_old), 0);
    loop_turn(loop);
    int number = evloop_stream_fd(&old->stream);
    inject_reset();
    inject_call_fail(INJECT_REQUEST, 1, FOR_EVER, 0);
    inject_call_fail(INJECT_ENTER, 1, FOR_EVER, ENOMEM);
    assert_int_equal(evloop_stream_close(&old->stream, NULL), 0);
    inject_reset();
    loop_turn(loop);
    assert_false(evloop_stream_active(&old->stream));
    peer_open(loop, new);
    assert_int_equal(evloop_stream_fd(&new->stream), number);
    assert_int_equal(evloop_stream_read_start(&new->stream, on_wrong_read), 0);
    assert_int_equal(close(old->other), 0);
    for (int i = 0; i < 5; i++)
        loop_turn(loop);
    peer_close(loop, new);
    loop_end(loop);
}

/* ---- full ------------------------------------------------------------------------------------ */

TEST(a_full_completion_queue_loses_nothing)
{
    evloop *loop = loop_new();
    inject_small_rings();
    loop_end(loop);
    loop = loop_new();
    for (int i = 0; i < MANY; i++) {
        peer_open(loop, &peers[i]);
        assert_int_equal(evloop_stream_read_start(&peers[i].stream, on_read), 0);
    }
    loop_turn(loop);
    for (int round = 0; round < 20; round++) {
        for (int i = 0; i < MANY; i++)
            net_send(peers[i].other, (uint64_t)round * 100, 100);
        for (int i = 0; i < MANY; i++)
            await(loop, &peers[i], (uint64_t)(round + 1) * 100);
    }
    assert_true(inject_overflows() > 0);
    for (int i = 0; i < MANY; i++) {
        evloop_stream_close(&peers[i].stream, NULL);
        close(peers[i].other);
    }
    loop_run(loop);
    loop_end(loop);
}

/* Twice as many streams as there are buffers, which their users stop to read from at times. */
TEST(streams_that_starve_are_fed_and_nobody_spins)
{
    evloop_options options = evloop_options_default();
    options.receive_memory = 8192;
    evloop *loop = loop_new_with(options);
    for (int i = 0; i < MANY; i++) {
        peer_open(loop, &peers[i]);
        assert_int_equal(evloop_stream_read_start(&peers[i].stream, on_read), 0);
    }
    loop_turn(loop);
    inject_reset();
    for (int round = 0; round < 10; round++) {
        for (int i = 0; i < MANY; i++) {
            size_t size = i == 0 ? 60000 : 100; /* one floods */
            net_send(peers[i].other, (uint64_t)round * size % PATTERN_PERIOD, size);
        }
        for (int i = MANY - 1; i >= 0; i--)
            await(loop, &peers[i], (uint64_t)(round + 1) * (i == 0 ? 60000 : 100));
    }
    assert_int_equal(evloop_run_for(loop, EVLOOP_MS(50)), 0);
    inject_reset();
    assert_int_equal(evloop_run_for(loop, EVLOOP_MS(50)), 0);
    assert_true(inject_calls(INJECT_ENTER) < 10);
    for (int i = 0; i < MANY; i++) {
        evloop_stream_close(&peers[i].stream, NULL);
        close(peers[i].other);
    }
    loop_run(loop);
    loop_end(loop);
}

/* What a unix socket was sent is there: the turn that begins then must tell it. */
TEST(who_takes_all_buffers_does_not_keep_another_from_being_heard_in_its_turn)
{
    enum { FLOOD = 60000 };
    struct peer *flood = &peers[0], *quiet = &peers[1];
    evloop_options options = evloop_options_default();
    options.receive_memory = 32768;
    options.read_buffer_size = 4096;
    evloop *loop = loop_new_with(options);
    peer_open_over(loop, flood, AF_UNIX);
    peer_open_over(loop, quiet, AF_UNIX);
    assert_int_equal(evloop_stream_read_start(&flood->stream, on_read), 0);
    assert_int_equal(evloop_stream_read_start(&quiet->stream, on_read), 0);
    loop_turn(loop);
    for (uint64_t round = 0; round < 20; round++) {
        net_send(flood->other, round * FLOOD, FLOOD);
        for (uint64_t byte = 0; byte < 3; byte++) {
            net_send(quiet->other, quiet->heard, 1);
            loop_turn(loop);
            assert_int_equal(quiet->heard, round * 3 + byte + 1);
        }
        await(loop, flood, (round + 1) * FLOOD);
    }
    assert_int_equal(evloop_stream_close(&quiet->stream, NULL), 0);
    assert_int_equal(close(quiet->other), 0);
    peer_close(loop, flood);
    loop_end(loop);
}

/* ---- accepting ------------------------------------------------------------------------------- */

struct door {
    evloop *loop;
    evloop_listener listener;
    evloop_address address;
    unsigned accepted, failures;
    int error;
};

static void on_connection(evloop_listener *listener)
{
    struct door *door = evloop_container_of(listener, struct door, listener);
    int fd = evloop_accept_fd(listener);
    if (fd < 0) {
        door->failures++;
        door->error = fd;
        return;
    }
    door->accepted++;
    assert_int_equal(close(fd), 0);
}

static void door_open(struct door *door)
{
    memset(door, 0, sizeof *door);
    door->loop = loop_new();
    assert_int_equal(
        evloop_tcp_listen(door->loop, &door->listener, "127.0.0.1:0", NULL, on_connection), 0);
    assert_int_equal(evloop_listener_local(&door->listener, &door->address), 0);
    loop_turn(door->loop);
    inject_reset();
}

static void door_close(struct door *door)
{
    assert_int_equal(evloop_listener_close(&door->listener, NULL), 0);
    loop_run(door->loop);
    loop_end(door->loop);
}

TEST(an_accept_that_wants_something_does_not_spin)
{
    static const int wants[] = {EMFILE, ENFILE, ENOBUFS, ENOMEM};
    for (size_t i = 0; i < sizeof wants / sizeof *wants; i++) {
        struct door door;
        door_open(&door);
        int client = net_connect(&door.address);
        while (door.accepted == 0)
            assert_int_equal(evloop_run(door.loop, EVLOOP_RUN_ONCE), 0);
        assert_int_equal(evloop_listener_pause(&door.listener), 0);
        assert_int_equal(close(client), 0);
        client = net_connect(&door.address);
        inject_reset();
        inject_fail(TAG_ACCEPT, 1, 1000000, wants[i]);
        assert_int_equal(evloop_listener_resume(&door.listener), 0);
        assert_int_equal(evloop_run_for(door.loop, EVLOOP_MS(100)), 0);
        assert_true(inject_calls(INJECT_ENTER) < FEW_ENTERS);
        assert_int_equal(door.failures, 1);
        assert_int_equal(door.error, -wants[i]);
        inject_reset();
        while (door.accepted < 2)
            assert_int_equal(evloop_run(door.loop, EVLOOP_RUN_ONCE), 0);
        assert_int_equal(close(client), 0);
        door_close(&door);
    }
}

TEST(without_a_client_nobody_hears_that_descriptors_are_short)
{
    struct door door;
    door_open(&door);
    assert_int_equal(evloop_listener_pause(&door.listener), 0);
    inject_fail(TAG_ACCEPT, 1, 3, EMFILE);
    assert_int_equal(evloop_listener_resume(&door.listener), 0);
    assert_int_equal(evloop_run_for(door.loop, EVLOOP_MS(50)), 0);
    assert_int_equal(door.failures, 0);
    assert_true(inject_calls(INJECT_ENTER) < FEW_ENTERS);
    inject_reset();
    int client = net_connect(&door.address);
    while (door.accepted == 0)
        assert_int_equal(evloop_run(door.loop, EVLOOP_RUN_ONCE), 0);
    assert_int_equal(close(client), 0);
    door_close(&door);
}

TEST(a_connection_that_comes_while_accepting_is_stopped_is_not_lost)
{
    struct door door;
    door_open(&door);
    for (unsigned i = 0; i < scaled(ROUNDS); i++) {
        int client = net_connect(&door.address); /* in the kernel, for the accept in flight */
        assert_int_equal(evloop_listener_pause(&door.listener), 0);
        loop_turn(door.loop);
        assert_int_equal(door.accepted, i);
        assert_int_equal(evloop_listener_resume(&door.listener), 0);
        while (door.accepted == i)
            assert_int_equal(evloop_run(door.loop, EVLOOP_RUN_ONCE), 0);
        assert_int_equal(close(client), 0);
    }
    door_close(&door);
}

/* support.h counts the descriptors. */
TEST(a_listener_that_is_closed_leaves_no_connection_behind_and_its_port_free)
{
    for (size_t i = 0; i < scaled(ROUNDS) / 10; i++) {
        struct door door;
        door_open(&door);
        int clients[3];
        for (int c = 0; c < 3; c++)
            clients[c] = net_connect(&door.address);
        assert_int_equal(evloop_listener_close(&door.listener, NULL), 0);
        loop_turn(door.loop);
        int again = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        int yes = 1;
        setsockopt(again, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
        assert_int_equal(bind(again, &door.address.of.any, door.address.size), 0);
        assert_int_equal(listen(again, 1), 0);
        assert_int_equal(close(again), 0);
        for (int c = 0; c < 3; c++)
            assert_int_equal(close(clients[c]), 0);
        loop_run(door.loop);
        loop_end(door.loop);
    }
}

static void on_first_connection(evloop_listener *listener)
{
    on_connection(listener);
    assert_int_equal(evloop_listener_close(listener, NULL), 0);
}

/* The kernel has accepted all of them by then. */
TEST(connections_that_were_accepted_and_not_told_are_closed_with_the_listener)
{
    struct door door;
    struct pollfd clients[3];
    door_open(&door);
    door.listener.fn_ = on_first_connection;
    for (int c = 0; c < 3; c++)
        clients[c] = (struct pollfd){.fd = net_connect(&door.address), .events = POLLRDHUP};
    loop_run(door.loop);
    assert_int_equal(door.accepted, 1);
    for (int c = 0; c < 3; c++) {
        assert_int_equal(poll(&clients[c], 1, 10000), 1);
        assert_int_equal(close(clients[c].fd), 0);
    }
    loop_end(door.loop);
}

/* ---- closing --------------------------------------------------------------------------------- */

TEST(closing_says_so_at_once_whatever_is_in_flight)
{
    evloop *loop = loop_new();
    struct peer *peer = &peers[0];
    peer_open(loop, peer);
    assert_int_equal(evloop_stream_read_start(&peer->stream, on_read), 0);
    loop_turn(loop);
    assert_int_equal(evloop_stream_close(&peer->stream, NULL), 0);
    loop_turn(loop);
    struct pollfd end = {.fd = peer->other, .events = POLLIN | POLLRDHUP};
    assert_int_equal(poll(&end, 1, 10000), 1);
    assert_true(end.revents & POLLRDHUP);
    assert_int_equal(close(peer->other), 0);
    loop_run(loop);
    loop_end(loop);
}

static void on_write_failed(evloop_write *write, int status)
{
    const struct peer *peer = write->data;
    assert_true(status == -ECONNRESET || status == -EPIPE);
    assert_int_equal(peer->heard, PIECE);
}

/* In the kernel, the send fails first: receiving goes on only after it has been submitted. */
TEST(what_came_before_a_connection_was_lost_is_told_before_a_send_finds_it_out)
{
    evloop *loop = loop_new();
    struct peer *peer = &peers[0];
    struct iovec iov = {.iov_base = (void *)pattern_at(0), .iov_len = PIECE};
    evloop_write write = {.data = peer};
    peer_open(loop, peer);
    assert_int_equal(evloop_stream_read_start(&peer->stream, on_read), 0);
    loop_turn(loop);
    net_send(peer->other, 0, PIECE);
    net_reset(peer->other);
    peer->other = -1;
    assert_int_equal(evloop_stream_write(&peer->stream, &write, &iov, 1, on_write_failed), 0);
    while (!peer->ended)
        assert_int_equal(evloop_run(loop, EVLOOP_RUN_ONCE), 0);
    assert_int_equal(peer->heard, PIECE);
    assert_int_equal(peer->ended, -ECONNRESET);
    peer_close(loop, peer);
    loop_end(loop);
}

/* ---- threads --------------------------------------------------------------------------------- */

struct visit {
    evloop *loop;
    uint64_t until;
    bool destroys, closes;
};

static void *visit_fn(void *arg)
{
    struct visit *visit = arg;
    while (visit->until && peers[0].heard < visit->until)
        check(evloop_run(visit->loop, EVLOOP_RUN_ONCE) == 0);
    if (visit->closes)
        check(evloop_stream_close(&peers[0].stream, NULL) == 0);
    if (visit->destroys)
        check(evloop_destroy(visit->loop, EVLOOP_DESTROY_FORCE) == 0);
    return NULL;
}

static void visit_by_another_thread(struct visit visit)
{
    pthread_t thread;
    thread_start(&thread, visit_fn, &visit);
    thread_join(thread);
}

TEST(a_loop_goes_from_thread_to_thread_with_what_is_in_flight)
{
    evloop *loop = loop_new();
    struct peer *peer = &peers[0];
    peer_open(loop, peer);
    assert_int_equal(evloop_stream_read_start(&peer->stream, on_read), 0);
    uint64_t sent = 0;
    for (int i = 0; i < 20; i++) {
        net_send(peer->other, sent, PIECE);
        sent += PIECE;
        if (i % 2)
            visit_by_another_thread((struct visit){.loop = loop, .until = sent});
        else
            await(loop, peer, sent);
        net_send(peer->other, sent, PIECE); /* while nobody runs it */
        sent += PIECE;
    }
    await(loop, peer, sent);
    peer_close(loop, peer);
    loop_end(loop);
}

TEST(a_thread_that_never_ran_a_loop_destroys_it_with_what_is_in_flight)
{
    evloop *loop = loop_new();
    struct peer *peer = &peers[0];
    peer_open(loop, peer);
    assert_int_equal(evloop_stream_read_start(&peer->stream, on_read), 0);
    net_send(peer->other, 0, PIECE);
    await(loop, peer, PIECE);
    net_send(peer->other, PIECE, PIECE);
    visit_by_another_thread((struct visit){.loop = loop, .closes = true, .destroys = true});
    assert_int_equal(close(peer->other), 0);
}

TEST(a_ring_that_another_thread_cannot_make_is_made_later)
{
    evloop *loop = loop_new();
    struct peer *peer = &peers[0];
    peer_open(loop, peer);
    assert_int_equal(evloop_stream_read_start(&peer->stream, on_read), 0);
    visit_by_another_thread((struct visit){.loop = loop});
    net_send(peer->other, 0, PIECE);
    visit_by_another_thread((struct visit){.loop = loop, .until = PIECE});
    net_send(peer->other, PIECE, PIECE);
    inject_reset();
    inject_call_fail(INJECT_OPEN, 1, 2, EMFILE);
    for (int i = 0; i < 2; i++)
        assert_int_equal(evloop_run(loop, EVLOOP_RUN_NOWAIT), -EMFILE);
    assert_int_equal(inject_done(), 2);
    await(loop, peer, 2 * PIECE);
    peer_close(loop, peer);
    loop_end(loop);
}

/* ---- fork ------------------------------------------------------------------------------------ */

static void child_reads_on(void *arg)
{
    evloop *loop = arg;
    check(evloop_run(loop, EVLOOP_RUN_NOWAIT) == -ECHILD);
    check(evloop_after_fork(loop) == 0);
    net_send(peers[0].other, PIECE, PIECE);
    while (peers[0].heard < 2 * PIECE)
        check(evloop_run(loop, EVLOOP_RUN_ONCE) == 0);
    check(evloop_destroy(loop, EVLOOP_DESTROY_FORCE) == 0);
}

TEST(a_forks_child_reads_on_and_its_parent_too)
{
    evloop *loop = loop_new();
    struct peer *peer = &peers[0];
    peer_open(loop, peer);
    assert_int_equal(evloop_stream_read_start(&peer->stream, on_read), 0);
    net_send(peer->other, 0, PIECE);
    await(loop, peer, PIECE);
    assert_true(child_succeeds(child_reads_on, loop));
    net_send(peer->other, PIECE, PIECE);
    await(loop, peer, 2 * PIECE);
    peer_close(loop, peer);
    loop_end(loop);
}

static unsigned connections(void)
{
    unsigned count = 0;
    struct stat status;
    for (int fd = 0; fd < 256; fd++)
        count += fstat(fd, &status) == 0 && S_ISSOCK(status.st_mode);
    return count;
}

enum { CLIENTS = 3 };

static void child_keeps_none(void *arg)
{
    const struct door *door = arg;
    check(evloop_after_fork(door->loop) == 0);
    check(connections() == 1 + CLIENTS); /* the listener, and the other ends */
}

/* The kernel has accepted all of them by then, and the first is told. */
static void on_connection_that_forks(evloop_listener *listener)
{
    struct door *door = evloop_container_of(listener, struct door, listener);
    on_connection(listener);
    if (door->accepted > 1)
        return;
    assert_int_equal(connections(), 1 + CLIENTS + CLIENTS - 1);
    assert_true(child_succeeds(child_keeps_none, door));
}

TEST(connections_that_were_accepted_and_not_told_are_the_parents_after_a_fork)
{
    struct door door;
    int clients[CLIENTS];
    door_open(&door);
    door.listener.fn_ = on_connection_that_forks;
    for (int c = 0; c < CLIENTS; c++)
        clients[c] = net_connect(&door.address);
    while (door.accepted < CLIENTS)
        assert_int_equal(evloop_run(door.loop, EVLOOP_RUN_ONCE), 0);
    for (int c = 0; c < CLIENTS; c++)
        assert_int_equal(close(clients[c]), 0);
    door_close(&door);
}

static pid_t child;

static void on_read_forks(evloop_stream *stream, ssize_t n, const void *data)
{
    on_read(stream, n, data);
    child = fork();
    check(child >= 0);
    if (child == 0)
        check(evloop_after_fork(evloop_stream_loop(stream)) == 0);
}

static void on_sent(evloop_write *write, int status)
{
    (void)write;
    assert_int_equal(status, 0);
}

/* Reading is begun before the write, and there is something to be read: so it is told first. */
TEST(what_was_sent_before_a_fork_and_not_told_is_not_sent_again)
{
    evloop *loop = loop_new();
    struct peer *reader = &peers[0], *writer = &peers[1];
    struct iovec iov = {.iov_base = (void *)pattern_at(0), .iov_len = PIECE};
    unsigned char heard[2 * PIECE];
    evloop_write write = {0};
    int status;
    peer_open_over(loop, reader, AF_INET);
    peer_open_over(loop, writer, AF_UNIX);
    net_send(reader->other, 0, PIECE);
    wait_until(net_waiting(evloop_stream_fd(&reader->stream)) == PIECE);
    assert_int_equal(evloop_stream_read_start(&reader->stream, on_read_forks), 0);
    assert_int_equal(evloop_stream_write(&writer->stream, &write, &iov, 1, on_sent), 0);
    loop_turn(loop);
    while (evloop_stream_queued(&writer->stream) > 0)
        check(evloop_run(loop, EVLOOP_RUN_ONCE) == 0);
    if (child == 0)
        _exit(0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(recv(writer->other, heard, sizeof heard, MSG_DONTWAIT), PIECE);
    assert_int_equal(evloop_stream_close(&writer->stream, NULL), 0);
    assert_int_equal(close(writer->other), 0);
    peer_close(loop, reader);
    loop_end(loop);
}

static void reads_on_as_somebody_else(void *arg)
{
    evloop *loop = loop_new();
    struct peer *peer = &peers[0];
    (void)arg;
    peer_open(loop, peer);
    check(evloop_stream_read_start(&peer->stream, on_read) == 0);
    loop_turn(loop);
    check(geteuid() != 0 || setuid(65534) == 0);
    net_send(peer->other, 0, PIECE);
    while (peer->heard < PIECE)
        check(evloop_run(loop, EVLOOP_RUN_ONCE) == 0);
    check(evloop_stream_send(&peer->stream, pattern_at(0), PIECE) == 0);
    while (evloop_stream_queued(&peer->stream) > 0)
        check(evloop_run(loop, EVLOOP_RUN_ONCE) == 0);
    check(evloop_stream_close(&peer->stream, NULL) == 0);
    loop_run(loop);
    unsigned char heard[PIECE];
    check(net_receive(peer->other, heard, PIECE) == PIECE && pattern_matches(heard, PIECE, 0));
    check(close(peer->other) == 0);
    check(evloop_destroy(loop, 0) == 0);
}

TEST(a_process_that_gives_up_its_rights_goes_on)
{
    assert_true(child_succeeds(reads_on_as_somebody_else, NULL));
}

/* ---- embedded -------------------------------------------------------------------------------- */

static void embed(bool lent_before)
{
    evloop *loop = loop_new();
    struct peer *peer = &peers[0];
    int fd = lent_before ? evloop_backend_fd(loop) : -1;
    peer_open(loop, peer);
    assert_int_equal(evloop_stream_read_start(&peer->stream, on_read), 0);
    loop_turn(loop);
    if (!lent_before)
        fd = evloop_backend_fd(loop);
    assert_true(fd >= 0);
    for (uint64_t sent = 0; sent < 50 * PIECE;) {
        net_send(peer->other, sent % PATTERN_PERIOD, PIECE);
        sent += PIECE;
        while (peer->heard < sent) {
            struct pollfd p = {.fd = fd, .events = POLLIN};
            if (evloop_next_timeout_ns(loop) != 0)
                assert_int_equal(poll(&p, 1, 10000), 1);
            assert_int_equal(evloop_run(loop, EVLOOP_RUN_NOWAIT), 0);
        }
    }
    peer_close(loop, peer);
    loop_end(loop);
}

TEST(an_outer_loop_is_told_of_what_the_ring_has)
{
    embed(true);
    embed(false);
}

/* ---- many ------------------------------------------------------------------------------------ */

TEST(many_loops_live_side_by_side)
{
    static evloop *loops[MANY];
    fds_raise_limit();
    for (int i = 0; i < MANY; i++) {
        loops[i] = loop_new_with(evloop_options_small());
        peer_open(loops[i], &peers[i]);
        assert_int_equal(evloop_stream_read_start(&peers[i].stream, on_read), 0);
        loop_turn(loops[i]);
    }
    for (int i = 0; i < MANY; i++)
        net_send(peers[i].other, 0, PIECE);
    for (int i = 0; i < MANY; i++) {
        await(loops[i], &peers[i], PIECE);
        peer_close(loops[i], &peers[i]);
        loop_end(loops[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TRAP_ENTRY(every_byte_arrives_once_however_often_reading_is_stopped),
        TRAP_ENTRY(every_byte_arrives_once_in_whatever_way_it_is_read),
        TRAP_ENTRY(what_a_cancelled_receive_still_brought_is_not_lost),
        TRAP_ENTRY(a_cancellation_that_fails_is_repeated_until_the_kernel_has_let_go),
        TRAP_ENTRY(what_was_in_flight_for_a_number_does_not_reach_its_next_owner),
        TRAP_ENTRY(what_the_kernel_could_not_be_made_to_let_go_of_is_nobodys),
        TRAP_ENTRY(a_full_completion_queue_loses_nothing),
        TRAP_ENTRY(streams_that_starve_are_fed_and_nobody_spins),
        TRAP_ENTRY(who_takes_all_buffers_does_not_keep_another_from_being_heard_in_its_turn),
        TRAP_ENTRY(an_accept_that_wants_something_does_not_spin),
        TRAP_ENTRY(without_a_client_nobody_hears_that_descriptors_are_short),
        TRAP_ENTRY(a_connection_that_comes_while_accepting_is_stopped_is_not_lost),
        TRAP_ENTRY(a_listener_that_is_closed_leaves_no_connection_behind_and_its_port_free),
        TRAP_ENTRY(connections_that_were_accepted_and_not_told_are_closed_with_the_listener),
        TRAP_ENTRY(closing_says_so_at_once_whatever_is_in_flight),
        TRAP_ENTRY(what_came_before_a_connection_was_lost_is_told_before_a_send_finds_it_out),
        TRAP_ENTRY(a_loop_goes_from_thread_to_thread_with_what_is_in_flight),
        TRAP_ENTRY(a_thread_that_never_ran_a_loop_destroys_it_with_what_is_in_flight),
        TRAP_ENTRY(a_ring_that_another_thread_cannot_make_is_made_later),
        TRAP_ENTRY(a_forks_child_reads_on_and_its_parent_too),
        TRAP_ENTRY(connections_that_were_accepted_and_not_told_are_the_parents_after_a_fork),
        TRAP_ENTRY(what_was_sent_before_a_fork_and_not_told_is_not_sent_again),
        TRAP_ENTRY(a_process_that_gives_up_its_rights_goes_on),
        TRAP_ENTRY(an_outer_loop_is_told_of_what_the_ring_has),
        TRAP_ENTRY(many_loops_live_side_by_side),
    };
    if (!uring_only())
        return SKIPPED;
    return RUN_TESTS("uring traps", tests);
}
