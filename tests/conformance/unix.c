/*
 * unix.c: what only unix sockets do: messages, descriptors, credentials.
 */
#include "script.h"
#include "system.h"

#include <fcntl.h>
#include <sys/socket.h>

/* ---- messages -------------------------------------------------------------------------------- */

static void messages_keep_their_boundaries(struct scene *scene)
{
    static struct request one, two;
    meet(scene);
    hear(&scene->b);
    say(&scene->a, "one");
    put_text(&scene->a, &one, "two");
    say(&scene->a, "three");
    put_text(&scene->a, &two, "four");
    expect(scene, "a", "write 3 0; write 4 0");
    expect(scene, "b", "read one; read two; read three; read four");
    hear(&scene->a);
    say(&scene->b, "back");
    say(&scene->b, "again");
    expect(scene, "a", "read back; read again");
}

static void a_message_is_made_of_all_pieces_of_a_write(struct scene *scene)
{
    static struct request request;
    memset(&request, 0, sizeof request);
    request.actor = &scene->a;
    for (int i = 0; i < 3; i++) {
        request.iov[i].iov_base = (void *)(uintptr_t) "abc";
        request.iov[i].iov_len = (size_t)i + 1;
    }
    meet(scene);
    hear(&scene->b);
    assert_int_equal(
        evloop_stream_write(&scene->a.stream, &request.write, request.iov, 3, on_write), 0);
    expect(scene, "a", "write 6 0");
    expect(scene, "b", "read aababc");
    assert_int_equal(evloop_stream_try_write(&scene->a.stream, request.iov, 3), 6);
    expect(scene, "b", "read aababc");
}

static void many_messages_wait_for_a_slow_reader(struct scene *scene)
{
    enum { MANY = 1000, SIZE = 5000 };
    uint64_t reads = 0;
    meet(scene);
    scene->b.strict = true;
    for (uint64_t i = 0; i < MANY; i++)
        assert_int_equal(evloop_stream_send(&scene->a.stream, pattern_at(i * SIZE), SIZE), 0);
    expect_nothing(scene);
    assert_true(evloop_stream_queued(&scene->a.stream) > 0);
    hear(&scene->b);
    while (reads < MANY) {
        scene_until(scene, scene->b.reads > reads);
        reads = scene->b.reads;
        assert_int_equal(scene->b.last, SIZE);
        assert_int_equal(scene->b.heard, reads * SIZE);
        notes_forget(scene);
    }
    assert_int_equal(evloop_stream_queued(&scene->a.stream), 0);
}

static void a_message_that_is_too_large_is_refused(struct scene *scene)
{
    static const char large[16 * 1024 * 1024];
    meet(scene);
    hear(&scene->b);
    assert_int_equal(evloop_stream_send(&scene->a.stream, large, sizeof large), -EMSGSIZE);
    assert_int_equal(evloop_stream_error(&scene->a.stream), 0);
    assert_int_equal(evloop_stream_queued(&scene->a.stream), 0);
    say(&scene->a, "small");
    expect(scene, "b", "read small");
}

static struct request little, too_large;

static void cancel_the_next(struct actor *actor, enum event event)
{
    (void)actor;
    if (event == WRITE && little.done && !too_large.done)
        assert_int_equal(evloop_write_cancel(&too_large.write), -EALREADY);
}

/* Both are over when the first is told. */
static void a_message_that_was_refused_is_not_taken_back(struct scene *scene)
{
    meet(scene);
    hear(&scene->b);
    scene->a.then = cancel_the_next;
    put(&scene->a, &little, 10);
    put(&scene->a, &too_large, PATTERN_SPAN);
    expect(scene, "a", "write 10 0; write 0 EMSGSIZE");
    assert_int_equal(evloop_stream_queued(&scene->a.stream), 0);
    expect(scene, "b", "read 10 bytes");
}

/* An empty message would be an end. */
static void a_message_that_was_taken_back_leaves_nothing(struct scene *scene)
{
    enum { SIZE = 5000 };
    static struct request request;
    struct iovec iov = {(void *)(uintptr_t)pattern_at(0), SIZE};
    unsigned messages = 0;
    meet(scene);
    while (evloop_stream_try_write(&scene->a.stream, &iov, 1) > 0)
        messages++;
    put(&scene->a, &request, SIZE);
    scene_turn(scene);
    assert_int_equal(evloop_write_cancel(&request.write), 0);
    expect(scene, "a", "write 0 ECANCELED");
    hear(&scene->b);
    scene_until(scene, scene->b.reads == messages);
    notes_forget(scene);
    expect_nothing(scene);
    assert_true(evloop_stream_reading(&scene->b.stream));
}

static void a_message_of_more_than_a_mebibyte_stays_whole(struct scene *scene)
{
    enum { SIZE = 1500000, ROOM = 4 << 20 };
    static char memory[SIZE + 1];
    static struct request request;
    int size = ROOM;
    socklen_t length = sizeof size;
    meet(scene);
    int fd = evloop_stream_fd(&scene->a.stream);
    system_send_room(fd, size);
    if (getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, &length) != 0 || size < ROOM)
        skip();
    put(&scene->a, &request, SIZE);
    assert_int_equal(evloop_stream_read_into(&scene->b.stream, memory, sizeof memory, 1, on_read),
                     0);
    expect(scene, "a", "write %d 0", SIZE);
    scene_until(scene, scene->b.reads);
    assert_int_equal(evloop_stream_read_count(&scene->b.stream), SIZE);
    notes_forget(scene);
}

static void a_message_that_is_cut_off_is_an_error(struct scene *scene)
{
    meet(scene);
    hear_into(&scene->b, 4, 1);
    say(&scene->a, "four");
    expect(scene, "b", "read four");
    hear_into(&scene->b, 4, 1);
    say(&scene->a, "five!");
    expect(scene, "b", "read EMSGSIZE");
    assert_int_equal(evloop_stream_error(&scene->b.stream), -EMSGSIZE);
}

static void messages_end(struct scene *scene)
{
    meet(scene);
    hear(&scene->b);
    say(&scene->a, "last");
    end(&scene->a);
    expect(scene, "a", "shutdown 0");
    expect(scene, "b", "read last; eof");
    hear(&scene->a);
    say(&scene->b, "answer");
    scene_turn(scene);
    leave(&scene->b);
    expect(scene, "b", "closed");
    expect(scene, "a", "read answer; eof");
}

/* ---- descriptors ----------------------------------------------------------------------------- */

enum { MOST_FDS = 300 };

static int passed[MOST_FDS];

/* Files whose content is their number. */
static void files_make(int count)
{
    for (int i = 0; i < count; i++) {
        passed[i] = file_make(0, 0);
        assert_int_equal(pwrite(passed[i], &i, sizeof i, 0), sizeof i);
    }
}

static void files_close(int count)
{
    for (int i = 0; i < count; i++)
        assert_int_equal(close(passed[i]), 0);
}

static void put_fds(struct actor *actor, struct request *request, size_t size, int first, int count)
{
    memset(request, 0, sizeof *request);
    request->actor = actor;
    unsigned pieces = pattern_pieces(request->iov, 64, actor->sent, size);
    assert_int_equal(evloop_stream_write_fds(&actor->stream, &request->write, request->iov, pieces,
                                             passed + first, (unsigned)count, on_write),
                     0);
    actor->sent += size;
}

static void assert_takes_file(struct actor *actor, int number)
{
    int content = -1, fd = evloop_unix_take_fd(&actor->stream);
    assert_true(fd >= 0);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    assert_int_equal(pread(fd, &content, sizeof content, 0), sizeof content);
    assert_int_equal(content, number);
    assert_int_equal(close(fd), 0);
}

static int next_file;

static void take_in_callback(struct actor *actor, enum event event)
{
    if (event == READ && actor->last > 0)
        assert_takes_file(actor, next_file++);
}

static void a_descriptor_is_there_in_the_callback_of_its_bytes(struct scene *scene)
{
    static struct request request;
    next_file = 0;
    files_make(1);
    meet(scene);
    assert_int_equal(evloop_unix_accept_fds(&scene->b.stream), 0);
    scene->b.then = take_in_callback;
    hear(&scene->b);
    assert_int_equal(evloop_unix_take_fd(&scene->b.stream), -EAGAIN);
    put_fds(&scene->a, &request, 10, 0, 1);
    expect(scene, "a", "write 10 0");
    files_close(1); /* the kernel has duplicated it */
    expect(scene, "b", "read 10 bytes");
    assert_int_equal(next_file, 1);
    assert_int_equal(evloop_unix_take_fd(&scene->b.stream), -EAGAIN);
}

static void any_number_of_descriptors_is_passed_in_order(struct scene *scene)
{
    static struct request request, more;
    files_make(MOST_FDS);
    meet(scene);
    assert_int_equal(evloop_unix_accept_fds(&scene->b.stream), 0);
    hear(&scene->b);
    put_fds(&scene->a, &request, 100000, 0, MOST_FDS - 1);
    put_fds(&scene->a, &more, 1, MOST_FDS - 1, 1);
    expect(scene, "a", "write 100000 0; write 1 0");
    expect(scene, "b", "read 100001 bytes");
    for (int i = 0; i < MOST_FDS; i++)
        assert_takes_file(&scene->b, i);
    assert_int_equal(evloop_unix_take_fd(&scene->b.stream), -EAGAIN);
    files_close(MOST_FDS);
}

static void as_few_bytes_as_possible_carry_descriptors(struct scene *scene)
{
    static struct request request;
    files_make(MOST_FDS);
    meet(scene);
    assert_int_equal(evloop_unix_accept_fds(&scene->b.stream), 0);
    hear(&scene->b);
    put_fds(&scene->a, &request, 2, 0, MOST_FDS);
    expect(scene, "a", "write 2 0");
    expect(scene, "b", "read 2 bytes");
    for (int i = 0; i < MOST_FDS; i++)
        assert_takes_file(&scene->b, i);
    memset(&request, 0, sizeof request);
    pattern_pieces(request.iov, 1, 2, 1);
    assert_int_equal(evloop_stream_write_fds(&scene->a.stream, &request.write, request.iov, 1,
                                             passed, MOST_FDS, on_write),
                     -EINVAL);
    assert_int_equal(evloop_stream_write_fds(&scene->a.stream, &request.write, request.iov, 0,
                                             passed, 1, on_write),
                     -EINVAL);
    expect_nothing(scene);
    files_close(MOST_FDS);
}

static void descriptors_stay_with_their_bytes(struct scene *scene)
{
    static struct request plain, nothing, one, two, three;
    files_make(3);
    meet(scene);
    assert_int_equal(evloop_unix_accept_fds(&scene->b.stream), 0);
    put(&scene->a, &plain, 1000);
    put_fds(&scene->a, &one, 100, 0, 1);
    put(&scene->a, &nothing, 0);
    put_fds(&scene->a, &two, 100, 1, 1);
    put_fds(&scene->a, &three, 100, 2, 1);
    scene_turn(scene);
    scene_turn(scene);
    hear_into(&scene->b, 1000, 1000);
    scene_until(scene, scene->b.heard == 1000);
    for (int i = 0; i < 3; i++) {
        hear_into(&scene->b, 100, 100);
        scene_until(scene, scene->b.heard == 1100 + 100 * (uint64_t)i);
        assert_takes_file(&scene->b, i);
    }
    assert_int_equal(evloop_unix_take_fd(&scene->b.stream), -EAGAIN);
    notes_forget(scene);
    files_close(3);
}

static void what_nobody_takes_the_closing_closes(struct scene *scene)
{
    static struct request request;
    files_make(20);
    unsigned before = fds_open();
    meet(scene);
    assert_int_equal(evloop_unix_accept_fds(&scene->b.stream), 0);
    hear(&scene->b);
    put_fds(&scene->a, &request, 10, 0, 20);
    expect(scene, "b", "read 10 bytes");
    expect(scene, "a", "write 10 0");
    assert_takes_file(&scene->b, 0);
    leave(&scene->a);
    expect(scene, "a", "closed");
    expect(scene, "b", "eof");
    assert_takes_file(&scene->b, 1); /* "or later" */
    leave(&scene->b);
    expect(scene, "b", "closed");
    if (evloop_listener_active(&scene->door.listener)) {
        door_close(&scene->door);
        expect(scene, "door", "closed");
    }
    assert_int_equal(fds_open(), before);
    files_close(20);
}

static void descriptors_that_nobody_wants_are_closed_and_the_bytes_arrive(struct scene *scene)
{
    static struct request request;
    files_make(20);
    meet(scene);
    hear(&scene->b);
    unsigned before = fds_open();
    for (int i = 0; i < 50; i++) {
        put_fds(&scene->a, &request, 10, 0, 20);
        expect(scene, "a", "write 10 0");
        expect(scene, "b", "read 10 bytes");
        assert_int_equal(evloop_unix_take_fd(&scene->b.stream), -EAGAIN);
    }
    assert_int_equal(fds_open(), before);
    files_close(20);
}

static void a_write_with_descriptors_is_cancelled(struct scene *scene)
{
    static struct request big, with;
    files_make(1);
    meet_narrowly(scene);
    put(&scene->a, &big, TOO_MUCH);
    put_fds(&scene->a, &with, 10, 0, 1);
    scene_turn(scene);
    assert_int_equal(evloop_write_cancel(&with.write), 0);
    expect(scene, "a", "write 0 ECANCELED");
    files_close(1);
    assert_int_equal(evloop_unix_accept_fds(&scene->b.stream), 0);
    hear(&scene->b);
    expect(scene, "b", "read %d bytes", TOO_MUCH);
    expect(scene, "a", "write %d 0", TOO_MUCH);
    assert_int_equal(evloop_unix_take_fd(&scene->b.stream), -EAGAIN);
}

static void only_unix_sockets_pass_descriptors(struct scene *scene)
{
    static struct request request;
    evloop_credentials credentials;
    const int standard = 0;
    struct iovec iov = {(void *)(uintptr_t) "x", 1};
    memset(&request, 0, sizeof request);
    meet(scene);
    assert_int_equal(
        evloop_stream_write_fds(&scene->a.stream, &request.write, &iov, 1, &standard, 1, on_write),
        -ENOTSUP);
    assert_int_equal(evloop_unix_accept_fds(&scene->b.stream), -ENOTSUP);
    assert_int_equal(evloop_unix_credentials(&scene->b.stream, &credentials), -ENOTSUP);
    hear(&scene->b);
    say(&scene->a, "fine");
    expect(scene, "b", "read fine");
}

static void only_tcp_has_its_options(struct scene *scene)
{
    evloop_keepalive keepalive = {60, 10, 3};
    int expected = scene->over & TCP ? 0 : -ENOTSUP;
    meet(scene);
    assert_int_equal(evloop_tcp_set_nagle(&scene->a.stream, true), expected);
    assert_int_equal(evloop_tcp_set_nagle(&scene->a.stream, false), expected);
    assert_int_equal(evloop_tcp_set_keepalive(&scene->a.stream, &keepalive), expected);
}

/* ---- names ----------------------------------------------------------------------------------- */

static void a_name_in_no_directory_is_listened_at(struct scene *scene)
{
    char name[64];
    evloop_address address;
    snprintf(name, sizeof name, "@evloop-test-%ld", (long)getpid());
    if (evloop_address_parse(&address, name) == -ENOTSUP)
        skip();
    assert_int_equal(
        evloop_unix_listen(scene->loop, &scene->door.listener, name, NULL, on_connection), 0);
    assert_int_equal(evloop_listener_local(&scene->door.listener, &scene->where), 0);
    assert_true(evloop_address_equal(&scene->where, &address));
    scene->door.next = &scene->b;
    assert_int_equal(evloop_unix_connect(scene->loop, &scene->a.stream, name, NULL, on_connect), 0);
    expect(scene, "a", "connect 0");
    expect(scene, "door", "accept 0");
    door_close(&scene->door);
    expect(scene, "door", "closed");
    leave(&scene->a);
    expect(scene, "a", "closed");
    dial(&scene->a, NULL);
    expect(scene, "a", "connect ECONNREFUSED");
}

/* ---- credentials ----------------------------------------------------------------------------- */

static void the_peer_is_known(struct scene *scene)
{
    evloop_credentials peer;
    meet(scene);
    for (int i = 0; i < 2; i++) {
        memset(&peer, 0xa5, sizeof peer);
        assert_int_equal(evloop_unix_credentials(i ? &scene->a.stream : &scene->b.stream, &peer),
                         0);
        assert_true(peer.pid == getpid() || peer.pid == -1);
        assert_int_equal(peer.uid, geteuid());
        assert_int_equal(peer.gid, getegid());
    }
}

const struct script unix_scripts[] = {
    SCRIPT(messages_keep_their_boundaries, SEQPACKET),
    SCRIPT(a_message_is_made_of_all_pieces_of_a_write, SEQPACKET),
    SCRIPT(many_messages_wait_for_a_slow_reader, SEQPACKET),
    SCRIPT(a_message_that_is_too_large_is_refused, SEQPACKET),
    SCRIPT(a_message_that_was_refused_is_not_taken_back, SEQPACKET),
    SCRIPT(a_message_that_was_taken_back_leaves_nothing, SEQPACKET),
    SCRIPT(a_message_of_more_than_a_mebibyte_stays_whole, SEQPACKET),
    SCRIPT(a_message_that_is_cut_off_is_an_error, SEQPACKET),
    SCRIPT(messages_end, SEQPACKET),
    SCRIPT(a_descriptor_is_there_in_the_callback_of_its_bytes, LOCAL | SEQPACKET),
    SCRIPT(any_number_of_descriptors_is_passed_in_order, LOCAL),
    SCRIPT(as_few_bytes_as_possible_carry_descriptors, LOCAL),
    SCRIPT(descriptors_stay_with_their_bytes, LOCAL | SEQPACKET),
    SCRIPT(what_nobody_takes_the_closing_closes, LOCAL | SEQPACKET),
    SCRIPT(descriptors_that_nobody_wants_are_closed_and_the_bytes_arrive, LOCAL | SEQPACKET),
    SCRIPT(a_write_with_descriptors_is_cancelled, LOCAL),
    SCRIPT(only_unix_sockets_pass_descriptors, TCP | PIPE),
    SCRIPT(only_tcp_has_its_options, ANY),
    SCRIPT(a_name_in_no_directory_is_listened_at, UNIX),
    SCRIPT(the_peer_is_known, LOCAL | SEQPACKET),
    {NULL, NULL, 0},
};
