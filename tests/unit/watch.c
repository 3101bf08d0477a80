/*
 * watch.c: evloop_watch: what is refused, what is told, several watches on one descriptor, changes.
 */
#include "net.h"
#include "probe.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>

static void never(evloop_watch *watch, unsigned events)
{
    (void)watch;
    (void)events;
    fail_msg("a watch was told what it should not have been");
}

/* ---- life ------------------------------------------------------------------------------------ */

TEST(a_watch_that_was_never_started_is_inactive)
{
    evloop_watch watch = {0};
    assert_false(evloop_watch_active(&watch));
    assert_null(evloop_watch_loop(&watch));
    assert_int_equal(evloop_watch_fd(&watch), -1);
    assert_int_equal(evloop_watch_events(&watch), 0);
    assert_int_equal(evloop_watch_stop(&watch), 0);
    assert_int_equal(evloop_watch_modify(&watch, EVLOOP_READABLE), -EINVAL);
    assert_false(evloop_watch_active(&watch));
}

TEST(a_watch_knows_what_it_was_started_with)
{
    int fds[2];
    struct probe probe;
    evloop *loop = loop_new();
    pair_open(fds);
    probe_start(loop, &probe, fds[0], EVLOOP_READABLE | EVLOOP_WRITABLE);
    assert_true(evloop_watch_active(&probe.watch));
    assert_ptr_equal(evloop_watch_loop(&probe.watch), loop);
    assert_int_equal(evloop_watch_fd(&probe.watch), fds[0]);
    assert_int_equal(evloop_watch_events(&probe.watch), EVLOOP_READABLE | EVLOOP_WRITABLE);
    assert_int_equal(evloop_watch_modify(&probe.watch, EVLOOP_DISCONNECT), 0);
    assert_int_equal(evloop_watch_events(&probe.watch), EVLOOP_DISCONNECT);
    assert_int_equal(evloop_watch_stop(&probe.watch), 0);
    assert_false(evloop_watch_active(&probe.watch));
    assert_int_equal(evloop_watch_events(&probe.watch), 0);
    assert_int_equal(evloop_watch_stop(&probe.watch), 0);
    loop_end(loop);
    fds_close(fds);
}

TEST(an_active_watch_is_refused_and_left_as_it_was)
{
    int fds[2];
    struct probe probe;
    evloop *loop = loop_new(), *other = loop_new();
    pipe_open(fds);
    fd_write_byte(fds[1]);
    probe_start(loop, &probe, fds[0], EVLOOP_READABLE);
    assert_int_equal(evloop_watch_start(loop, &probe.watch, fds[1], EVLOOP_WRITABLE, never),
                     -EBUSY);
    assert_int_equal(evloop_watch_start(other, &probe.watch, fds[0], EVLOOP_READABLE, never),
                     -EBUSY);
    assert_int_equal(evloop_watch_fd(&probe.watch), fds[0]);
    assert_false(evloop_alive(other));
    expect(loop, &probe, 1, EVLOOP_READABLE);
    evloop_watch_stop(&probe.watch);
    loop_end(other);
    loop_end(loop);
    fds_close(fds);
}

static void assert_refused(evloop *loop, int fd, unsigned events, int err)
{
    evloop_watch watch = {0};
    assert_int_equal(evloop_watch_start(loop, &watch, fd, events, never), err);
    assert_false(evloop_watch_active(&watch));
    assert_int_equal(evloop_watch_fd(&watch), -1);
    assert_false(evloop_alive(loop));
}

TEST(events_that_do_not_exist_or_cannot_be_asked_for_are_refused)
{
    int fds[2];
    struct probe probe;
    evloop *loop = loop_new();
    pipe_open(fds);
    assert_refused(loop, fds[0], 0, -EINVAL);
    assert_refused(loop, fds[0], EVLOOP_ERROR, -EINVAL);
    assert_refused(loop, fds[0], EVLOOP_READABLE | EVLOOP_ERROR, -EINVAL);
    assert_refused(loop, fds[0], EVLOOP_READABLE | 0x100, -EINVAL);
    assert_refused(loop, fds[0], 0x80000000U, -EINVAL);
    probe_start(loop, &probe, fds[0], EVLOOP_READABLE);
    assert_int_equal(evloop_watch_modify(&probe.watch, 0x100), -EINVAL);
    assert_int_equal(evloop_watch_modify(&probe.watch, EVLOOP_ERROR), -EINVAL);
    assert_int_equal(evloop_watch_events(&probe.watch), EVLOOP_READABLE);
    fd_write_byte(fds[1]);
    expect(loop, &probe, 1, EVLOOP_READABLE);
    evloop_watch_stop(&probe.watch);
    loop_end(loop);
    fds_close(fds);
}

TEST(a_descriptor_that_is_not_open_is_refused)
{
    int fds[2];
    evloop *loop = loop_new();
    pipe_open(fds);
    fds_close((int[2]){fds[0], -1});
    assert_refused(loop, fds[0], EVLOOP_READABLE, -EBADF);
    assert_refused(loop, -1, EVLOOP_READABLE, -EBADF);
    assert_refused(loop, 1000000, EVLOOP_READABLE, -EBADF);
    assert_refused(loop, INT32_MAX, EVLOOP_READABLE, -EBADF);
    loop_end(loop);
    fds_close((int[2]){fds[1], -1});
}

TEST(a_regular_file_or_directory_is_refused)
{
    FILE *file = tmpfile();
    int directory = open("/", O_RDONLY);
    evloop *loop = loop_new();
    assert_non_null(file);
    assert_refused(loop, fileno(file), EVLOOP_READABLE, -EPERM);
    assert_refused(loop, fileno(file), EVLOOP_WRITABLE, -EPERM);
    assert_refused(loop, directory, EVLOOP_READABLE, -EPERM);
    loop_turn(loop);
    loop_end(loop);
    close(directory);
    fclose(file);
}

TEST(a_watch_keeps_the_loop_alive_also_when_it_is_paused)
{
    int fds[2];
    struct probe probe;
    evloop *loop = loop_new();
    pipe_open(fds);
    probe_start(loop, &probe, fds[0], EVLOOP_READABLE);
    assert_int_equal(evloop_watch_modify(&probe.watch, 0), 0);
    assert_true(evloop_watch_active(&probe.watch));
    assert_true(evloop_alive(loop));
    evloop_watch_unref(&probe.watch);
    assert_false(evloop_alive(loop));
    evloop_watch_stop(&probe.watch);
    loop_end(loop);
    fds_close(fds);
}

/* ---- events ---------------------------------------------------------------------------------- */

TEST(a_readable_pipe_is_told_in_every_turn_until_it_is_read)
{
    int fds[2];
    struct probe probe;
    evloop *loop = loop_new();
    pipe_open(fds);
    probe_start(loop, &probe, fds[0], EVLOOP_READABLE);
    expect(loop, &probe, 0, 0);
    fd_write_byte(fds[1]);
    for (int i = 0; i < 5; i++)
        expect(loop, &probe, 1, EVLOOP_READABLE);
    fd_read_all(fds[0]);
    expect(loop, &probe, 0, 0);
    fd_write_byte(fds[1]);
    expect(loop, &probe, 1, EVLOOP_READABLE);
    evloop_watch_stop(&probe.watch);
    expect(loop, &probe, 0, 0);
    loop_end(loop);
    fds_close(fds);
}

TEST(the_end_of_input_is_readable)
{
    int fds[2];
    struct probe probe;
    evloop *loop = loop_new();
    pipe_open(fds);
    probe_start(loop, &probe, fds[0], EVLOOP_READABLE);
    fds_close((int[2]){fds[1], -1});
    expect(loop, &probe, 1, EVLOOP_READABLE);
    expect(loop, &probe, 1, EVLOOP_READABLE);
    evloop_watch_stop(&probe.watch);
    loop_end(loop);
    fds_close((int[2]){fds[0], -1});
}

static void fill(int fd)
{
    char block[4096];
    memset(block, 'x', sizeof block);
    while (write(fd, block, sizeof block) > 0)
        continue;
    assert_int_equal(errno, EAGAIN);
}

TEST(a_full_pipe_is_not_writable_until_it_is_read)
{
    int fds[2];
    struct probe probe;
    evloop *loop = loop_new();
    pipe_open(fds);
    probe_start(loop, &probe, fds[1], EVLOOP_WRITABLE);
    expect(loop, &probe, 1, EVLOOP_WRITABLE);
    fill(fds[1]);
    expect(loop, &probe, 0, 0);
    fd_read_all(fds[0]);
    expect(loop, &probe, 1, EVLOOP_WRITABLE);
    evloop_watch_stop(&probe.watch);
    loop_end(loop);
    fds_close(fds);
}

TEST(events_that_come_together_are_told_together)
{
    int fds[2];
    struct probe probe;
    evloop *loop = loop_new();
    pair_open(fds);
    probe_start(loop, &probe, fds[0], EVLOOP_READABLE | EVLOOP_WRITABLE);
    expect(loop, &probe, 1, EVLOOP_WRITABLE);
    fd_write_byte(fds[1]);
    expect(loop, &probe, 1, EVLOOP_READABLE | EVLOOP_WRITABLE);
    evloop_watch_stop(&probe.watch);
    loop_end(loop);
    fds_close(fds);
}

TEST(a_peer_that_closes_its_side_is_told_as_a_disconnect)
{
    int fds[2];
    struct probe both, disconnect;
    evloop *loop = loop_new();
    pair_open(fds);
    probe_start(loop, &disconnect, fds[0], EVLOOP_DISCONNECT);
    expect(loop, &disconnect, 0, 0);
    fd_write_byte(fds[1]);
    expect(loop, &disconnect, 0, 0);
    assert_int_equal(shutdown(fds[1], SHUT_WR), 0);
    expect(loop, &disconnect, 1, EVLOOP_DISCONNECT);
    probe_start(loop, &both, fds[0], EVLOOP_READABLE | EVLOOP_DISCONNECT);
    expect(loop, &both, 1, EVLOOP_READABLE | EVLOOP_DISCONNECT);
    assert_int_equal(disconnect.events, EVLOOP_DISCONNECT);
    evloop_watch_stop(&both.watch);
    evloop_watch_stop(&disconnect.watch);
    loop_end(loop);
    fds_close(fds);
}

TEST(a_peer_that_is_gone_is_told_as_a_disconnect)
{
    int fds[2];
    struct probe probe;
    evloop *loop = loop_new();
    pair_open(fds);
    probe_start(loop, &probe, fds[0], EVLOOP_DISCONNECT);
    fds_close((int[2]){fds[1], -1});
    expect(loop, &probe, 1, EVLOOP_DISCONNECT);
    evloop_watch_stop(&probe.watch);
    loop_end(loop);
    fds_close((int[2]){fds[0], -1});
}

static int listen_loopback(struct sockaddr_in *address)
{
    socklen_t length = sizeof *address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(fd >= 0);
    memset(address, 0, sizeof *address);
    address->sin_family = AF_INET;
    address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(fd, (struct sockaddr *)address, sizeof *address), 0);
    assert_int_equal(listen(fd, 8), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)address, &length), 0);
    return fd;
}

static void tcp_pair(int fds[2])
{
    struct sockaddr_in address;
    int listener = listen_loopback(&address);
    fds[0] = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(fds[0], (struct sockaddr *)&address, sizeof address), 0);
    fds[1] = accept(listener, NULL, NULL);
    assert_true(fds[1] >= 0);
    close(listener);
    fd_nonblocking(fds[0]);
    fd_nonblocking(fds[1]);
}

/* Turns until the probe has been told something: the network may take a moment. */
static void turns_until_told(evloop *loop, struct probe *probe)
{
    probe->calls = 0;
    while (probe->calls == 0)
        assert_int_equal(evloop_run(loop, EVLOOP_RUN_ONCE), 0);
}

/* Not every kernel tells it; then nobody is promised to hear of it. */
TEST(a_watch_for_priority_is_refused_as_a_whole_if_nobody_tells_it)
{
    int fds[2];
    struct probe probe;
    evloop *loop = loop_new();
    tcp_pair(fds);
    bool told = net_tells_urgent_data(loop, fds[0]);
    probe_start(loop, &probe, fds[0], EVLOOP_READABLE);
    int err = evloop_watch_modify(&probe.watch, EVLOOP_READABLE | EVLOOP_PRIORITY);
    assert_int_equal(err, told ? 0 : -ENOTSUP);
    assert_int_equal(evloop_watch_events(&probe.watch),
                     told ? EVLOOP_READABLE | EVLOOP_PRIORITY : EVLOOP_READABLE);
    fd_write_byte(fds[1]);
    turns_until_told(loop, &probe);
    assert_int_equal(probe.ever, EVLOOP_READABLE);
    evloop_watch_stop(&probe.watch);
    loop_end(loop);
    fds_close(fds);
}

TEST(out_of_band_data_is_told_as_priority)
{
    int fds[2];
    struct probe probe;
    evloop *loop = loop_new();
    tcp_pair(fds);
    if (!net_tells_urgent_data(loop, fds[0])) {
        loop_end(loop);
        fds_close(fds);
        skip();
    }
    probe_start(loop, &probe, fds[0], EVLOOP_PRIORITY);
    fd_write_byte(fds[1]);
    expect(loop, &probe, 0, 0);
    assert_int_equal(send(fds[1], "!", 1, MSG_OOB), 1);
    turns_until_told(loop, &probe);
    assert_int_equal(probe.ever, EVLOOP_PRIORITY);
    evloop_watch_stop(&probe.watch);
    loop_end(loop);
    fds_close(fds);
}

TEST(an_incoming_connection_is_readable)
{
    struct sockaddr_in address;
    struct probe probe;
    evloop *loop = loop_new();
    int listener = listen_loopback(&address), client = socket(AF_INET, SOCK_STREAM, 0);
    probe_start(loop, &probe, listener, EVLOOP_READABLE);
    expect(loop, &probe, 0, 0);
    assert_int_equal(connect(client, (struct sockaddr *)&address, sizeof address), 0);
    turns_until_told(loop, &probe);
    assert_int_equal(probe.events, EVLOOP_READABLE);
    evloop_watch_stop(&probe.watch);
    loop_end(loop);
    close(client);
    close(listener);
}

TEST(a_descriptor_that_failed_is_told_as_every_event_that_was_asked_for)
{
    struct sockaddr_in address;
    struct probe probe;
    evloop *loop = loop_new();
    int listener = listen_loopback(&address), client = socket(AF_INET, SOCK_STREAM, 0);
    fd_nonblocking(client);
    close(listener);
    assert_int_equal(connect(client, (struct sockaddr *)&address, sizeof address), -1);
    probe_start(loop, &probe, client, EVLOOP_READABLE | EVLOOP_WRITABLE);
    turns_until_told(loop, &probe);
    assert_int_equal(probe.events, EVLOOP_READABLE | EVLOOP_WRITABLE);
    evloop_watch_stop(&probe.watch);
    loop_end(loop);
    close(client);
}

TEST(a_pipe_that_nobody_reads_any_more_is_writable)
{
    int fds[2];
    struct probe probe;
    evloop *loop = loop_new();
    pipe_open(fds);
    fill(fds[1]);
    probe_start(loop, &probe, fds[1], EVLOOP_WRITABLE);
    expect(loop, &probe, 0, 0);
    fds_close((int[2]){fds[0], -1});
    expect(loop, &probe, 1, EVLOOP_WRITABLE);
    evloop_watch_stop(&probe.watch);
    loop_end(loop);
    fds_close((int[2]){fds[1], -1});
}

TEST(an_event_wakes_a_sleeping_loop)
{
    int fds[2];
    struct probe probe;
    struct runner runner;
    evloop *loop = loop_new();
    pipe_open(fds);
    probe_start(loop, &probe, fds[0], EVLOOP_READABLE);
    runner_start(&runner, loop);
    wait_asleep(loop);
    fd_write_byte(fds[1]);
    wait_until(evloop_get_state(loop) != EVLOOP_STATE_SLEEPING);
    evloop_stop(loop);
    assert_int_equal(runner_join(&runner), 0);
    assert_true(probe.calls > 0);
    evloop_watch_stop(&probe.watch);
    loop_end(loop);
    fds_close(fds);
}

/* ---- several watches on one descriptor ------------------------------------------------------- */

TEST(several_watches_on_one_descriptor_are_each_told_what_they_asked_for)
{
    int fds[2];
    struct probe reader, writer, both;
    evloop *loop = loop_new();
    pair_open(fds);
    probe_start(loop, &reader, fds[0], EVLOOP_READABLE);
    probe_start(loop, &writer, fds[0], EVLOOP_WRITABLE);
    probe_start(loop, &both, fds[0], EVLOOP_READABLE | EVLOOP_WRITABLE);
    loop_turn(loop);
    assert_int_equal(reader.calls, 0);
    assert_int_equal(writer.events, EVLOOP_WRITABLE);
    assert_int_equal(both.events, EVLOOP_WRITABLE);
    fd_write_byte(fds[1]);
    loop_turn(loop);
    assert_int_equal(reader.calls, 1);
    assert_int_equal(reader.events, EVLOOP_READABLE);
    assert_int_equal(writer.calls, 2);
    assert_int_equal(writer.ever, EVLOOP_WRITABLE);
    assert_int_equal(both.calls, 2);
    assert_int_equal(both.events, EVLOOP_READABLE | EVLOOP_WRITABLE);
    evloop_watch_stop(&writer.watch);
    expect(loop, &reader, 1, EVLOOP_READABLE);
    evloop_watch_stop(&both.watch);
    expect(loop, &reader, 1, EVLOOP_READABLE);
    assert_int_equal(writer.calls, 2);
    assert_int_equal(both.calls, 3);
    evloop_watch_stop(&reader.watch);
    loop_end(loop);
    fds_close(fds);
}

TEST(a_watch_that_joins_one_on_the_same_descriptor_is_told_too)
{
    int fds[2];
    struct probe first, second;
    evloop *loop = loop_new();
    pair_open(fds);
    fd_write_byte(fds[1]);
    probe_start(loop, &first, fds[0], EVLOOP_READABLE);
    expect(loop, &first, 1, EVLOOP_READABLE);
    probe_start(loop, &second, fds[0], EVLOOP_WRITABLE);
    expect(loop, &second, 1, EVLOOP_WRITABLE);
    evloop_watch_modify(&first.watch, 0);
    expect(loop, &second, 1, EVLOOP_WRITABLE);
    evloop_watch_stop(&second.watch);
    evloop_watch_modify(&first.watch, EVLOOP_READABLE);
    expect(loop, &first, 1, EVLOOP_READABLE);
    evloop_watch_stop(&first.watch);
    loop_end(loop);
    fds_close(fds);
}

/* ---- modify ---------------------------------------------------------------------------------- */

TEST(a_change_of_what_is_asked_for_is_in_force_in_the_next_turn)
{
    int fds[2];
    struct probe probe;
    evloop *loop = loop_new();
    pair_open(fds);
    fd_write_byte(fds[1]);
    probe_start(loop, &probe, fds[0], EVLOOP_READABLE);
    expect(loop, &probe, 1, EVLOOP_READABLE);
    evloop_watch_modify(&probe.watch, EVLOOP_WRITABLE);
    expect(loop, &probe, 1, EVLOOP_WRITABLE);
    evloop_watch_modify(&probe.watch, EVLOOP_DISCONNECT);
    expect(loop, &probe, 0, 0);
    evloop_watch_modify(&probe.watch, EVLOOP_READABLE | EVLOOP_WRITABLE);
    expect(loop, &probe, 1, EVLOOP_READABLE | EVLOOP_WRITABLE);
    evloop_watch_modify(&probe.watch, 0);
    expect(loop, &probe, 0, 0);
    expect(loop, &probe, 0, 0);
    evloop_watch_modify(&probe.watch, EVLOOP_READABLE);
    expect(loop, &probe, 1, EVLOOP_READABLE);
    evloop_watch_stop(&probe.watch);
    loop_end(loop);
    fds_close(fds);
}

TEST(a_change_that_is_taken_back_changes_nothing)
{
    int fds[2];
    struct probe probe;
    evloop *loop = loop_new();
    pair_open(fds);
    fd_write_byte(fds[1]);
    probe_start(loop, &probe, fds[0], EVLOOP_READABLE);
    for (int i = 0; i < 10; i++) {
        evloop_watch_modify(&probe.watch, EVLOOP_WRITABLE);
        evloop_watch_modify(&probe.watch, 0);
        evloop_watch_modify(&probe.watch, EVLOOP_READABLE);
        expect(loop, &probe, 1, EVLOOP_READABLE);
    }
    evloop_watch_stop(&probe.watch);
    loop_end(loop);
    fds_close(fds);
}

TEST(a_paused_watch_on_a_descriptor_that_hung_up_does_not_keep_the_loop_awake)
{
    int fds[2];
    struct probe probe;
    evloop *loop = loop_new();
    pair_open(fds);
    probe_start(loop, &probe, fds[0], EVLOOP_READABLE);
    loop_turn(loop);
    evloop_watch_modify(&probe.watch, 0);
    fds_close((int[2]){fds[1], -1});
    assert_true(turns_while_left_alone(loop) < FEW_TURNS);
    assert_int_equal(probe.calls, 0);
    evloop_watch_modify(&probe.watch, EVLOOP_DISCONNECT);
    expect(loop, &probe, 1, EVLOOP_DISCONNECT);
    evloop_watch_stop(&probe.watch);
    loop_end(loop);
    fds_close((int[2]){fds[0], -1});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_ENTRY(a_watch_that_was_never_started_is_inactive),
        TEST_ENTRY(a_watch_knows_what_it_was_started_with),
        TEST_ENTRY(an_active_watch_is_refused_and_left_as_it_was),
        TEST_ENTRY(events_that_do_not_exist_or_cannot_be_asked_for_are_refused),
        TEST_ENTRY(a_descriptor_that_is_not_open_is_refused),
        TEST_ENTRY(a_regular_file_or_directory_is_refused),
        TEST_ENTRY(a_watch_keeps_the_loop_alive_also_when_it_is_paused),
        TEST_ENTRY(a_readable_pipe_is_told_in_every_turn_until_it_is_read),
        TEST_ENTRY(the_end_of_input_is_readable),
        TEST_ENTRY(a_full_pipe_is_not_writable_until_it_is_read),
        TEST_ENTRY(events_that_come_together_are_told_together),
        TEST_ENTRY(a_peer_that_closes_its_side_is_told_as_a_disconnect),
        TEST_ENTRY(a_peer_that_is_gone_is_told_as_a_disconnect),
        TEST_ENTRY(a_watch_for_priority_is_refused_as_a_whole_if_nobody_tells_it),
        TEST_ENTRY(out_of_band_data_is_told_as_priority),
        TEST_ENTRY(an_incoming_connection_is_readable),
        TEST_ENTRY(a_descriptor_that_failed_is_told_as_every_event_that_was_asked_for),
        TEST_ENTRY(a_pipe_that_nobody_reads_any_more_is_writable),
        TEST_ENTRY(an_event_wakes_a_sleeping_loop),
        TEST_ENTRY(several_watches_on_one_descriptor_are_each_told_what_they_asked_for),
        TEST_ENTRY(a_watch_that_joins_one_on_the_same_descriptor_is_told_too),
        TEST_ENTRY(a_change_of_what_is_asked_for_is_in_force_in_the_next_turn),
        TEST_ENTRY(a_change_that_is_taken_back_changes_nothing),
        TEST_ENTRY(a_paused_watch_on_a_descriptor_that_hung_up_does_not_keep_the_loop_awake),
    };
    return RUN_TESTS("watch", tests);
}
