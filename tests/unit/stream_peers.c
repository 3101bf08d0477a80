/*
 * stream_peers.c: peers that misbehave: they neither stall a stream, nor make the loop spin, nor
 * cost memory without end.
 */
#include "net.h"
#include "system.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/socket.h>

#define FEW_TURNS 20

struct world {
    evloop *loop;
    evloop_stream stream;
    evloop_write write;
    struct iovec iov[64];
    int peer;
    uint64_t heard;
    unsigned reads;
    ssize_t last;
    int written; /* its status; 1: not told yet */
    bool closed;
};

static const int families[] = {AF_INET, AF_INET6, AF_UNIX};
enum { FAMILIES = 3 };

static void on_read(evloop_stream *stream, ssize_t n, const void *data)
{
    struct world *world = evloop_container_of(stream, struct world, stream);
    world->last = n;
    if (n < 0)
        return;
    assert_true(pattern_matches(data, (size_t)n, world->heard));
    world->heard += (size_t)n;
    world->reads++;
}

static void on_write(evloop_write *write, int status)
{
    struct world *world = evloop_container_of(write, struct world, write);
    assert_int_equal(world->written, 1);
    world->written = status;
}

static void on_closed(evloop_stream *stream)
{
    evloop_container_of(stream, struct world, stream)->closed = true;
}

static void world_begin(struct world *world, int family)
{
    int fds[2];
    memset(world, 0, sizeof *world);
    net_pair(family, fds);
    world->loop = loop_new();
    world->peer = fds[1];
    world->written = 1;
    assert_int_equal(evloop_stream_open(world->loop, &world->stream, fds[0]), 0);
}

static void world_write(struct world *world, size_t size)
{
    unsigned count = pattern_pieces(world->iov, 64, 0, size);
    world->written = 1;
    assert_int_equal(
        evloop_stream_write(&world->stream, &world->write, world->iov, count, on_write), 0);
}

static void world_end(struct world *world)
{
    assert_int_equal(evloop_stream_close(&world->stream, on_closed), 0);
    loop_run(world->loop);
    assert_true(world->closed);
    loop_end(world->loop);
    if (world->peer >= 0)
        assert_int_equal(close(world->peer), 0);
}

static bool absent(int family)
{
    return family == AF_INET6 && !net_has_v6();
}

/* Turns of a loop that is left alone for a while: few if it sleeps, thousands if it spins. */
static void assert_sleeps(evloop *loop)
{
    uint64_t before = loop_metrics(loop).turns;
    assert_int_equal(evloop_run_for(loop, EVLOOP_MS(20)), 0);
    assert_true(loop_metrics(loop).turns - before < FEW_TURNS);
}

/* ---- one byte at a time ---------------------------------------------------------------------- */

static void *drip_main(void *arg)
{
    int fd = *(int *)arg;
    for (uint64_t i = 0; i < scaled(20000); i++)
        check(net_put(fd, pattern_at(i), 1, 0) == 1);
    return NULL;
}

TEST(a_peer_that_sends_one_byte_at_a_time_is_heard)
{
    for (int i = 0; i < FAMILIES; i++) {
        struct world world;
        pthread_t thread;
        if (absent(families[i]))
            continue;
        world_begin(&world, families[i]);
        assert_int_equal(evloop_stream_read_start(&world.stream, on_read), 0);
        thread_start(&thread, drip_main, &world.peer);
        while (world.heard < scaled(20000))
            assert_int_equal(evloop_run(world.loop, EVLOOP_RUN_ONCE), 0);
        thread_join(thread);
        assert_int_equal(world.heard, scaled(20000));
        world_end(&world);
    }
}

static void *sip_main(void *arg)
{
    int fd = *(int *)arg;
    for (uint64_t i = 0; i < scaled(20000); i++) {
        unsigned char byte;
        check(recv(fd, &byte, 1, 0) == 1);
        check(byte == *pattern_at(i));
    }
    return NULL;
}

TEST(a_peer_that_takes_one_byte_at_a_time_gets_them_all)
{
    for (int i = 0; i < FAMILIES; i++) {
        struct world world;
        pthread_t thread;
        if (absent(families[i]))
            continue;
        world_begin(&world, families[i]);
        net_narrow(evloop_stream_fd(&world.stream));
        thread_start(&thread, sip_main, &world.peer);
        world_write(&world, scaled(20000));
        while (world.written == 1)
            assert_int_equal(evloop_run(world.loop, EVLOOP_RUN_ONCE), 0);
        assert_int_equal(world.written, 0);
        thread_join(thread);
        world_end(&world);
    }
}

/* ---- a peer that never reads ----------------------------------------------------------------- */

TEST(a_peer_that_never_reads_costs_neither_turns_nor_memory)
{
    for (int i = 0; i < FAMILIES; i++) {
        struct world world;
        if (absent(families[i]))
            continue;
        world_begin(&world, families[i]);
        net_narrow(evloop_stream_fd(&world.stream));
        net_narrow(world.peer);
        world_write(&world, 100u << 20);
        for (int turn = 0; turn < 20; turn++)
            loop_turn(world.loop);
        size_t bytes = heap_bytes(&test_heap);
        assert_sleeps(world.loop);
        assert_int_equal(heap_bytes(&test_heap), bytes);
        assert_int_equal(world.written, 1);
        assert_true(world.write.written < 100u << 20);
        world_end(&world);
        assert_int_equal(world.written, -ECANCELED);
    }
}

/* What waits in small pieces is put together. */
TEST(bytes_that_wait_for_a_peer_that_never_reads_cost_little_more_than_themselves)
{
    enum { BYTES = 10000 };
    struct world world;
    world_begin(&world, AF_UNIX);
    world_write(&world, 100u << 20);
    loop_turn(world.loop);
    size_t before = heap_bytes(&test_heap);
    for (int i = 0; i < BYTES; i++) {
        assert_int_equal(evloop_stream_send(&world.stream, "x", 1), 0);
        if (i % 1000 == 0)
            loop_turn(world.loop);
    }
    assert_true(heap_bytes(&test_heap) - before < 2 * BYTES);
    world_end(&world);
}

/* Both ends write and neither reads: nobody spins, and reading resolves it. */
TEST(two_who_only_write_do_not_spin)
{
    enum { SIZE = 8 << 20 };
    for (int i = 0; i < FAMILIES; i++) {
        struct world one, other;
        if (absent(families[i]))
            continue;
        world_begin(&one, families[i]);
        memset(&other, 0, sizeof other);
        other.loop = one.loop;
        other.written = 1;
        net_narrow(one.peer);
        net_narrow(evloop_stream_fd(&one.stream));
        assert_int_equal(evloop_stream_open(one.loop, &other.stream, one.peer), 0);
        one.peer = -1;
        world_write(&one, SIZE);
        world_write(&other, SIZE);
        for (int turn = 0; turn < 20; turn++)
            loop_turn(one.loop);
        assert_sleeps(one.loop);
        assert_int_equal(evloop_stream_read_start(&one.stream, on_read), 0);
        assert_int_equal(evloop_stream_read_start(&other.stream, on_read), 0);
        while (one.heard < SIZE || other.heard < SIZE || one.written == 1 || other.written == 1)
            assert_int_equal(evloop_run(one.loop, EVLOOP_RUN_ONCE), 0);
        assert_int_equal(evloop_stream_close(&other.stream, NULL), 0);
        world_end(&one);
    }
}

/* ---- a peer that ends ------------------------------------------------------------------------ */

TEST(a_peer_that_has_ended_while_nobody_reads_does_not_make_the_loop_spin)
{
    for (int i = 0; i < FAMILIES; i++) {
        for (int whole = 0; whole < 2; whole++) {
            struct world world;
            if (absent(families[i]))
                continue;
            world_begin(&world, families[i]);
            assert_int_equal(evloop_stream_read_start(&world.stream, on_read), 0);
            loop_turn(world.loop);
            assert_int_equal(evloop_stream_read_stop(&world.stream), 0);
            net_send(world.peer, 0, 10);
            if (whole) {
                assert_int_equal(close(world.peer), 0);
                world.peer = -1;
            } else {
                assert_int_equal(shutdown(world.peer, SHUT_WR), 0);
            }
            for (int turn = 0; turn < 5; turn++)
                loop_turn(world.loop);
            assert_sleeps(world.loop);
            assert_int_equal(world.reads, 0);
            assert_int_equal(evloop_stream_read_start(&world.stream, on_read), 0);
            while (world.last != EVLOOP_EOF)
                assert_int_equal(evloop_run(world.loop, EVLOOP_RUN_ONCE), 0);
            assert_int_equal(world.heard, 10);
            for (int turn = 0; turn < 5; turn++)
                loop_turn(world.loop);
            assert_sleeps(world.loop);
            world_end(&world);
        }
    }
}

TEST(a_stream_that_has_failed_does_not_make_the_loop_spin)
{
    struct world world;
    world_begin(&world, AF_INET);
    assert_int_equal(evloop_stream_read_start(&world.stream, on_read), 0);
    loop_turn(world.loop);
    net_reset(world.peer);
    world.peer = -1;
    while (world.last >= 0)
        assert_int_equal(evloop_run(world.loop, EVLOOP_RUN_ONCE), 0);
    assert_int_equal(world.last, -ECONNRESET);
    for (int turn = 0; turn < 5; turn++)
        loop_turn(world.loop);
    assert_sleeps(world.loop);
    world_end(&world);
}

TEST(a_reset_while_nobody_reads_or_writes_does_not_make_the_loop_spin)
{
    struct world world;
    world_begin(&world, AF_INET);
    assert_int_equal(evloop_stream_read_start(&world.stream, on_read), 0);
    loop_turn(world.loop);
    assert_int_equal(evloop_stream_read_stop(&world.stream), 0);
    net_reset(world.peer);
    world.peer = -1;
    for (int turn = 0; turn < 5; turn++)
        loop_turn(world.loop);
    assert_sleeps(world.loop);
    assert_int_equal(world.last, 0);
    int err = evloop_stream_read_start(&world.stream, on_read);
    assert_true(err == 0 || err == -ECONNRESET);
    while (!err && world.last >= 0)
        assert_int_equal(evloop_run(world.loop, EVLOOP_RUN_ONCE), 0);
    assert_int_equal(evloop_stream_error(&world.stream), -ECONNRESET);
    world_end(&world);
}

/* ---- resets in the midst of everything ------------------------------------------------------- */

enum stage { READING, WRITING, BOTH, SHUTTING, GRACEFUL, READING_INTO, STAGES };

static void begin_stage(struct world *world, enum stage stage)
{
    static char memory[1000];
    if (stage == READING || stage == BOTH)
        assert_int_equal(evloop_stream_read_start(&world->stream, on_read), 0);
    if (stage == READING_INTO)
        assert_int_equal(
            evloop_stream_read_into(&world->stream, memory, sizeof memory, sizeof memory, on_read),
            0);
    if (stage >= WRITING && stage <= GRACEFUL)
        world_write(world, 100u << 20);
    if (stage == SHUTTING)
        assert_int_equal(evloop_stream_shutdown(&world->stream, NULL), 0);
    if (stage == GRACEFUL)
        assert_int_equal(
            evloop_stream_close_gracefully(&world->stream, EVLOOP_SEC(3600), on_closed), 0);
}

/* Whatever a stream is in the midst of: everybody is told once, and it can be closed. */
TEST(a_peer_that_resets_in_the_midst_of_something_ends_it)
{
    for (int turns = 0; turns < 4; turns++)
        for (int stage = READING; stage < STAGES; stage++) {
            struct world world;
            world_begin(&world, AF_INET);
            net_send(world.peer, 0, 100);
            begin_stage(&world, (enum stage)stage);
            for (int i = 0; i < turns; i++)
                loop_turn(world.loop);
            net_reset(world.peer);
            world.peer = -1;
            bool reads = stage == READING || stage == BOTH || stage == READING_INTO;
            bool writes = stage >= WRITING && stage <= GRACEFUL;
            while ((reads && world.last >= 0) || (writes && world.written == 1) ||
                   (stage == GRACEFUL && !world.closed))
                assert_int_equal(evloop_run(world.loop, EVLOOP_RUN_ONCE), 0);
            if (writes && stage != GRACEFUL)
                assert_true(world.written == -ECONNRESET || world.written == -EPIPE);
            if (stage == GRACEFUL) {
                loop_end(world.loop);
                continue;
            }
            world_end(&world);
        }
}

static void on_connect(evloop_stream *stream, int status)
{
    (void)status;
    assert_int_equal(evloop_stream_close(stream, on_closed), 0);
}

TEST(a_listener_that_resets_every_connection_harms_nobody)
{
    evloop_address address;
    int listener = net_listen(AF_INET, 10, &address);
    evloop *loop = loop_new();
    for (size_t i = 0; i < scaled(200); i++) {
        struct world world;
        memset(&world, 0, sizeof world);
        assert_int_equal(evloop_connect(loop, &world.stream, &address, NULL, on_connect), 0);
        int fd = accept(listener, NULL, NULL);
        assert_true(fd >= 0);
        net_reset(fd);
        loop_run(loop);
        assert_true(world.closed);
    }
    loop_end(loop);
    assert_int_equal(close(listener), 0);
}

/* ---- urgent data ----------------------------------------------------------------------------- */

static char letter_at(uint64_t position)
{
    return (char)('a' + *pattern_at(position) % 26);
}

static void send_letters(int fd, uint64_t *position, size_t size)
{
    char letters[5000];
    for (size_t i = 0; i < size; i++)
        letters[i] = letter_at((*position)++);
    assert_int_equal(net_put(fd, letters, size, 0), size);
}

/* The last byte that is sent with MSG_OOB is the urgent one. */
static void send_letters_and_urgent_byte(int fd, uint64_t *position, size_t size)
{
    char letters[5001];
    for (size_t i = 0; i < size; i++)
        letters[i] = letter_at((*position)++);
    letters[size] = '!';
    assert_int_equal(net_put(fd, letters, size + 1, MSG_OOB), size + 1);
}

static void on_letters(evloop_stream *stream, ssize_t n, const void *data)
{
    struct world *world = evloop_container_of(stream, struct world, stream);
    const char *letters = data;
    world->last = n;
    for (ssize_t i = 0; i < n; i++)
        if (letters[i] != '!')
            assert_int_equal(letters[i], letter_at(world->heard++));
}

/* TCP's urgent byte ends a read early, wherever it stands: the others must arrive, in order. (It is
 * among them itself if another came before it was passed.) */
static void hear_around_urgent_data(struct world *world, size_t rounds)
{
    uint64_t position = 0, sequence = 7;
    assert_int_equal(evloop_stream_read_start(&world->stream, on_letters), 0);
    for (size_t round = 0; round < rounds; round++) {
        send_letters_and_urgent_byte(world->peer, &position, (size_t)(chance(&sequence) % 5000));
        send_letters(world->peer, &position, (size_t)(chance(&sequence) % 100));
        if (chance(&sequence) % 2)
            loop_turn(world->loop);
        if (chance(&sequence) % 4 == 0)
            while (world->heard < position)
                assert_int_equal(evloop_run(world->loop, EVLOOP_RUN_ONCE), 0);
    }
    while (world->heard < position)
        assert_int_equal(evloop_run(world->loop, EVLOOP_RUN_ONCE), 0);
}

TEST(urgent_data_does_not_stall_a_stream)
{
    for (int i = 0; i < 2; i++) {
        struct world world;
        if (absent(families[i]))
            continue;
        world_begin(&world, families[i]);
        hear_around_urgent_data(&world, scaled(500));
        for (int turn = 0; turn < 5; turn++)
            loop_turn(world.loop);
        assert_sleeps(world.loop);
        assert_int_equal(close(world.peer), 0);
        world.peer = -1;
        while (world.last != EVLOOP_EOF)
            assert_int_equal(evloop_run(world.loop, EVLOOP_RUN_ONCE), 0);
        world_end(&world);
    }
}

static atomic_uint signals_seen;
static atomic_bool signals_end;

static void on_signal(int sig)
{
    (void)sig;
    atomic_fetch_add(&signals_seen, 1);
}

static void *signal_whenever_the_last_was_seen(void *arg)
{
    for (unsigned sent = 0; !atomic_load(&signals_end);) {
        if (atomic_load(&signals_seen) == sent) {
            check(pthread_kill(*(pthread_t *)arg, SIGUSR1) == 0);
            sent++;
        }
        sched_yield();
    }
    return NULL;
}

/* At the urgent byte a kernel that tells of it can say that there is nothing, and mean a signal. */
TEST(urgent_data_does_not_stall_a_stream_when_signals_come)
{
    struct world world;
    pthread_t self = pthread_self(), thread;
    world_begin(&world, AF_INET);
    if (!net_tells_urgent_data(world.loop, world.peer)) {
        world_end(&world);
        skip();
    }
    atomic_store(&signals_end, false);
    atomic_store(&signals_seen, 0);
    handle_signal(on_signal);
    thread_start(&thread, signal_whenever_the_last_was_seen, &self);
    hear_around_urgent_data(&world, scaled(2000));
    atomic_store(&signals_end, true);
    thread_join(thread);
    handle_signal(SIG_DFL);
    assert_true(atomic_load(&signals_seen) > 0);
    world_end(&world);
}

TEST(urgent_data_alone_is_no_data)
{
    struct world world;
    world_begin(&world, AF_INET);
    assert_int_equal(evloop_stream_read_start(&world.stream, on_read), 0);
    loop_turn(world.loop);
    assert_int_equal(send(world.peer, "!", 1, MSG_OOB), 1);
    for (int turn = 0; turn < 5; turn++)
        loop_turn(world.loop);
    assert_int_equal(world.reads, 0);
    assert_sleeps(world.loop);
    net_send(world.peer, 0, 10);
    while (world.heard < 10)
        assert_int_equal(evloop_run(world.loop, EVLOOP_RUN_ONCE), 0);
    world_end(&world);
}

/* ---- descriptors that nobody asked for ------------------------------------------------------- */

static void send_with_fds(int fd, uint64_t position, size_t size, const int *fds, size_t count)
{
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(253 * sizeof(int))];
    } control;
    struct iovec iov = {(void *)(uintptr_t)pattern_at(position), size};
    struct msghdr message;
    memset(&message, 0, sizeof message);
    memset(&control, 0, sizeof control);
    message.msg_iov = &iov;
    message.msg_iovlen = 1;
    message.msg_control = control.bytes;
    message.msg_controllen = (socklen_t)CMSG_SPACE(count * sizeof(int));
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = (socklen_t)CMSG_LEN(count * sizeof(int));
    memcpy(CMSG_DATA(header), fds, count * sizeof(int));
    assert_int_equal(sendmsg(fd, &message, 0), size);
}

TEST(descriptors_that_nobody_asked_for_neither_leak_nor_stall_a_stream)
{
    struct world world;
    int fds[253];
    uint64_t position = 0, sequence = 3;
    world_begin(&world, AF_UNIX);
    assert_int_equal(evloop_stream_read_start(&world.stream, on_read), 0);
    loop_turn(world.loop);
    for (int i = 0; i < 253; i++)
        fds[i] = STDERR_FILENO;
    unsigned before = fds_open();
    for (size_t round = 0; round < scaled(300); round++) {
        size_t size = 1 + (size_t)(chance(&sequence) % 3000);
        send_with_fds(world.peer, position, size, fds, 1 + (size_t)(chance(&sequence) % 253));
        position += size;
        size = (size_t)(chance(&sequence) % 100);
        net_send(world.peer, position, size);
        position += size;
        if (chance(&sequence) % 4 == 0)
            loop_turn(world.loop);
        if (chance(&sequence) % 8 == 0)
            while (world.heard < position)
                assert_int_equal(evloop_run(world.loop, EVLOOP_RUN_ONCE), 0);
    }
    while (world.heard < position)
        assert_int_equal(evloop_run(world.loop, EVLOOP_RUN_ONCE), 0);
    assert_int_equal(fds_open(), before);
    assert_int_equal(evloop_unix_take_fd(&world.stream), -EAGAIN);
    world_end(&world);
}

/* Whoever asked for descriptors and takes none keeps those that came, and reads on. */
TEST(descriptors_that_nobody_takes_do_not_stall_a_stream)
{
    struct world world;
    uint64_t position = 0;
    int fds[10];
    for (int i = 0; i < 10; i++)
        fds[i] = STDERR_FILENO;
    world_begin(&world, AF_UNIX);
    assert_int_equal(evloop_unix_accept_fds(&world.stream), 0);
    assert_int_equal(evloop_stream_read_start(&world.stream, on_read), 0);
    for (int round = 0; round < 50; round++) {
        send_with_fds(world.peer, position, 100, fds, 10);
        position += 100;
        if (round % 3)
            loop_turn(world.loop);
    }
    while (world.heard < position)
        assert_int_equal(evloop_run(world.loop, EVLOOP_RUN_ONCE), 0);
    world_end(&world); /* the teardown sees that none was leaked */
}

static unsigned take_all(evloop_stream *stream)
{
    unsigned count = 0;
    for (int fd; (fd = evloop_unix_take_fd(stream)) >= 0; count++)
        assert_int_equal(close(fd), 0);
    return count;
}

/* The limit that leaves room for so many, wherever their numbers are. */
static rlim_t limit_for(unsigned room)
{
    int free_fds[4];
    assert_true(room < 4);
    for (unsigned i = 0; i <= room; i++)
        free_fds[i] = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);
    for (unsigned i = 0; i <= room; i++)
        assert_int_equal(close(free_fds[i]), 0);
    return (rlim_t)free_fds[room];
}

/* Whoever takes the next one would take it for one of these. */
TEST(a_stream_whose_descriptors_find_no_number_has_failed)
{
    struct world world;
    struct rlimit before;
    const int fds[3] = {STDERR_FILENO, STDERR_FILENO, STDERR_FILENO};
    if (under_valgrind()) /* which keeps the limit to itself */
        skip();
    for (unsigned room = 0; room <= 3; room++) {
        world_begin(&world, AF_UNIX);
        assert_int_equal(evloop_unix_accept_fds(&world.stream), 0);
        assert_int_equal(evloop_stream_read_start(&world.stream, on_read), 0);
        send_with_fds(world.peer, 0, 10, fds, 3);
        assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
        struct rlimit few = {limit_for(room), before.rlim_max};
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
        for (int turn = 0; turn < FEW_TURNS; turn++)
            loop_turn(world.loop);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
        if (room == 3 || system_receives_some) {
            assert_int_equal(world.heard, 10);
            assert_int_equal(evloop_stream_error(&world.stream), room < 3 ? -EMFILE : 0);
            assert_int_equal(world.last, room < 3 ? -EMFILE : 10);
        }
        assert_int_equal(evloop_stream_error(&world.stream) != 0, room < 3);
        assert_int_equal(take_all(&world.stream), room == 3 || system_receives_some ? room : 0);
        world_end(&world);
    }
}

TEST(descriptors_that_come_with_credentials_are_all_there)
{
    struct world world;
    int fds[253];
    for (int i = 0; i < 253; i++)
        fds[i] = STDERR_FILENO;
    world_begin(&world, AF_UNIX);
    if (!system_take_credentials(evloop_stream_fd(&world.stream))) {
        world_end(&world);
        skip();
    }
    assert_int_equal(evloop_unix_accept_fds(&world.stream), 0);
    assert_int_equal(evloop_stream_read_start(&world.stream, on_read), 0);
    send_with_fds(world.peer, 0, 10, fds, 253);
    while (world.heard < 10)
        loop_turn(world.loop);
    assert_int_equal(take_all(&world.stream), 253);
    assert_int_equal(evloop_stream_error(&world.stream), 0);
    world_end(&world);
}

/* The reset finds us waiting for room, too. */
TEST(what_a_peer_sent_before_it_reset_is_told)
{
    static struct world world;
    world_begin(&world, AF_INET);
    assert_int_equal(evloop_stream_read_start(&world.stream, on_read), 0);
    world_write(&world, 16 << 20);
    for (int i = 0; i < FEW_TURNS; i++)
        loop_turn(world.loop);
    assert_int_equal(world.written, 1);
    net_send(world.peer, 0, 3);
    assert_int_equal(close(world.peer), 0); /* with bytes that it has not read: a reset */
    world.peer = -1;
    while (world.last >= 0 || world.written == 1)
        loop_turn(world.loop);
    assert_int_equal(world.heard, 3);
    assert_true(world.written < 0);
    world_end(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_ENTRY(a_peer_that_sends_one_byte_at_a_time_is_heard),
        TEST_ENTRY(a_peer_that_takes_one_byte_at_a_time_gets_them_all),
        TEST_ENTRY(a_peer_that_never_reads_costs_neither_turns_nor_memory),
        TEST_ENTRY(bytes_that_wait_for_a_peer_that_never_reads_cost_little_more_than_themselves),
        TEST_ENTRY(two_who_only_write_do_not_spin),
        TEST_ENTRY(a_peer_that_has_ended_while_nobody_reads_does_not_make_the_loop_spin),
        TEST_ENTRY(a_stream_that_has_failed_does_not_make_the_loop_spin),
        TEST_ENTRY(a_reset_while_nobody_reads_or_writes_does_not_make_the_loop_spin),
        TEST_ENTRY(a_peer_that_resets_in_the_midst_of_something_ends_it),
        TEST_ENTRY(a_listener_that_resets_every_connection_harms_nobody),
        TEST_ENTRY(urgent_data_does_not_stall_a_stream),
        TEST_ENTRY(urgent_data_does_not_stall_a_stream_when_signals_come),
        TEST_ENTRY(urgent_data_alone_is_no_data),
        TEST_ENTRY(descriptors_that_nobody_asked_for_neither_leak_nor_stall_a_stream),
        TEST_ENTRY(descriptors_that_nobody_takes_do_not_stall_a_stream),
        TEST_ENTRY(a_stream_whose_descriptors_find_no_number_has_failed),
        TEST_ENTRY(descriptors_that_come_with_credentials_are_all_there),
        TEST_ENTRY(what_a_peer_sent_before_it_reset_is_told),
    };
    return RUN_TESTS("stream peers", tests);
}
