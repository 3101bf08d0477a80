/*
 * accept.c: what listeners do with those who come.
 */
#include "script.h"
#include "system.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>

enum { CLIENTS = 6 };

static struct actor clients[CLIENTS], servers[CLIENTS];

static void crowd_init(struct scene *scene)
{
    static const char *const client_names[CLIENTS] = {"c0", "c1", "c2", "c3", "c4", "c5"};
    static const char *const server_names[CLIENTS] = {"s0", "s1", "s2", "s3", "s4", "s5"};
    memset(clients, 0, sizeof clients);
    memset(servers, 0, sizeof servers);
    for (int i = 0; i < CLIENTS; i++) {
        actor_init(&clients[i], scene, client_names[i]);
        actor_init(&servers[i], scene, server_names[i]);
    }
}

static void crowd_leaves(struct scene *scene)
{
    for (int i = 0; i < CLIENTS; i++) {
        if (evloop_stream_active(&clients[i].stream))
            assert_int_equal(evloop_stream_close(&clients[i].stream, NULL), 0);
        if (evloop_stream_active(&servers[i].stream))
            assert_int_equal(evloop_stream_close(&servers[i].stream, NULL), 0);
    }
    scene_turn(scene);
}

static void who_is_not_taken_is_closed(struct scene *scene)
{
    door_open(&scene->door, NULL);
    unsigned before = fds_open();
    dial(&scene->a, NULL);
    hear(&scene->a);
    expect(scene, "door", "nobody");
    expect(scene, "a", "connect 0; eof");
    assert_int_equal(fds_open(), before + 1); /* a's */
    assert_int_equal(evloop_listener_connections(&scene->door.listener), 0);
}

static void take_twice(struct door *door)
{
    struct scene *scene = door->scene;
    assert_int_equal(evloop_accept(&door->listener, &scene->a.stream), -EBUSY);
    assert_int_equal(evloop_accept(&door->listener, &scene->b.stream), 0);
    assert_int_equal(evloop_accept(&door->listener, &servers[0].stream), -EAGAIN);
    assert_int_equal(evloop_accept_fd(&door->listener), -EAGAIN);
    note(scene, door->name, ACCEPT, "taken");
}

static void who_is_taken_is_taken_once(struct scene *scene)
{
    crowd_init(scene);
    door_open(&scene->door, NULL);
    scene->door.instead = take_twice;
    dial(&scene->a, NULL);
    expect(scene, "a", "connect 0");
    expect(scene, "door", "taken");
    assert_false(evloop_stream_active(&servers[0].stream));
    assert_int_equal(evloop_accept(&scene->door.listener, &servers[0].stream), -EAGAIN);
    assert_int_equal(evloop_accept_fd(&scene->door.listener), -EAGAIN);
    hear(&scene->b);
    say(&scene->a, "hello");
    expect(scene, "b", "read hello");
}

static int taken_fd;

static void take_fd(struct door *door)
{
    taken_fd = evloop_accept_fd(&door->listener);
    assert_true(taken_fd >= 0);
    assert_int_equal(evloop_accept_fd(&door->listener), -EAGAIN);
    note(door->scene, door->name, ACCEPT, "descriptor");
}

static void who_is_taken_as_a_descriptor_belongs_to_the_taker(struct scene *scene)
{
    char byte;
    door_open(&scene->door, NULL);
    scene->door.instead = take_fd;
    dial(&scene->a, NULL);
    say(&scene->a, "x");
    expect(scene, "a", "connect 0");
    expect(scene, "door", "descriptor");
    assert_int_equal(evloop_listener_connections(&scene->door.listener), 0);
    assert_true(fcntl(taken_fd, F_GETFD) & FD_CLOEXEC);
    fd_nonblocking(taken_fd);
    while (read(taken_fd, &byte, 1) < 0)
        scene_turn(scene);
    assert_int_equal(byte, 'x');
    hear(&scene->a);
    assert_int_equal(close(taken_fd), 0);
    expect(scene, "a", "eof");
}

/* ---- another loop, another thread ------------------------------------------------------------ */

struct elsewhere {
    evloop_stream stream;
    evloop *loop;
    struct runner runner;
    evloop_timer keep;
    int fd;
    char heard[64];
    size_t heard_size;
    bool closed;
};

static void elsewhere_closed(evloop_stream *stream)
{
    struct elsewhere *elsewhere = stream->data;
    elsewhere->closed = true;
    check(evloop_timer_stop(&elsewhere->keep) == 0);
}

/* Echoes. */
static void elsewhere_read(evloop_stream *stream, ssize_t n, const void *data)
{
    struct elsewhere *elsewhere = stream->data;
    if (n < 0) {
        check(n == EVLOOP_EOF);
        check(evloop_stream_close(stream, elsewhere_closed) == 0);
        return;
    }
    check(elsewhere->heard_size + (size_t)n <= sizeof elsewhere->heard);
    memcpy(elsewhere->heard + elsewhere->heard_size, data, (size_t)n);
    elsewhere->heard_size += (size_t)n;
    check(evloop_stream_send(stream, data, (size_t)n) == 0);
}

static void elsewhere_open(void *arg)
{
    struct elsewhere *elsewhere = arg;
    elsewhere->stream.data = elsewhere;
    check(evloop_stream_open(elsewhere->loop, &elsewhere->stream, elsewhere->fd) == 0);
    check(evloop_stream_read_start(&elsewhere->stream, elsewhere_read) == 0);
}

static void never(evloop_timer *timer)
{
    (void)timer;
}

static struct elsewhere elsewhere;

static void hand_over(struct door *door)
{
    elsewhere.fd = evloop_accept_fd(&door->listener);
    assert_true(elsewhere.fd >= 0);
    assert_int_equal(evloop_post(elsewhere.loop, elsewhere_open, &elsewhere), 0);
    note(door->scene, door->name, ACCEPT, "handed over");
}

static void a_connection_is_handed_to_the_loop_of_another_thread(struct scene *scene)
{
    memset(&elsewhere, 0, sizeof elsewhere);
    elsewhere.loop = loop_new();
    assert_int_equal(
        evloop_timer_start(elsewhere.loop, &elsewhere.keep, EVLOOP_SEC(3600), 0, never), 0);
    runner_start(&elsewhere.runner, elsewhere.loop);
    door_open(&scene->door, NULL);
    scene->door.instead = hand_over;
    dial(&scene->a, NULL);
    hear(&scene->a);
    say(&scene->a, "are you there");
    expect(scene, "door", "handed over");
    expect(scene, "a", "connect 0; read are you there");
    end(&scene->a);
    expect(scene, "a", "shutdown 0; eof");
    assert_int_equal(runner_join(&elsewhere.runner), 0);
    assert_true(elsewhere.closed);
    loop_end(elsewhere.loop);
}

/* ---- pausing --------------------------------------------------------------------------------- */

static void a_paused_listener_lets_nobody_in_until_it_is_resumed(struct scene *scene)
{
    evloop_listener *listener = &scene->door.listener;
    door_open(&scene->door, NULL);
    scene->door.next = &scene->b;
    assert_int_equal(evloop_listener_pause(listener), 0);
    assert_int_equal(evloop_listener_pause(listener), 0);
    dial(&scene->a, NULL);
    say(&scene->a, "I wait");
    expect(scene, "a", "connect 0");
    expect_nothing(scene);
    assert_int_equal(evloop_listener_resume(listener), 0);
    assert_int_equal(evloop_listener_resume(listener), 0);
    expect(scene, "door", "accept 0");
    hear(&scene->b);
    expect(scene, "b", "read I wait");
}

static void pause_after_it(struct door *door, enum event event)
{
    if (event == ACCEPT)
        assert_int_equal(evloop_listener_pause(&door->listener), 0);
}

static void a_listener_paused_in_its_callback_lets_one_in_at_a_time(struct scene *scene)
{
    crowd_init(scene);
    door_open(&scene->door, NULL);
    scene->door.then = pause_after_it;
    scene->door.next = &servers[0];
    for (int i = 0; i < CLIENTS; i++)
        dial(&clients[i], NULL);
    for (int i = 0; i < CLIENTS; i++) {
        expect(scene, "door", "accept 0");
        scene_turn(scene);
        scene_turn(scene);
        if (i + 1 < CLIENTS) {
            scene->door.next = &servers[i + 1];
            assert_int_equal(evloop_listener_resume(&scene->door.listener), 0);
        }
    }
    for (int i = 0; i < CLIENTS; i++)
        expect(scene, clients[i].name, "connect 0");
    expect_nothing(scene);
    crowd_leaves(scene);
}

/* ---- limits ---------------------------------------------------------------------------------- */

static int let_in;

static void let_in_next(struct door *door)
{
    assert_true(let_in < CLIENTS);
    assert_int_equal(evloop_accept(&door->listener, &servers[let_in].stream), 0);
    note(door->scene, door->name, ACCEPT, "in");
    let_in++;
}

static void no_more_are_let_in_than_max_connections(struct scene *scene)
{
    evloop_listen_options options = evloop_listen_options_default();
    evloop_listener *listener = &scene->door.listener;
    crowd_init(scene);
    let_in = 0;
    options.max_connections = 2;
    door_open(&scene->door, &options);
    scene->door.instead = let_in_next;
    for (int i = 0; i < 5; i++)
        dial(&clients[i], NULL);
    for (int i = 0; i < 5; i++)
        expect(scene, clients[i].name, "connect 0");
    expect(scene, "door", "in; in");
    expect_nothing(scene);
    assert_int_equal(evloop_listener_connections(listener), 2);
    leave(&servers[0]);
    expect(scene, "s0", "closed");
    expect(scene, "door", "in");
    expect_nothing(scene);
    assert_int_equal(evloop_listener_connections(listener), 2);
    leave(&servers[1]);
    leave(&servers[2]);
    expect(scene, "s1", "closed");
    expect(scene, "s2", "closed");
    expect(scene, "door", "in; in");
    assert_int_equal(evloop_listener_connections(listener), 2);
    crowd_leaves(scene);
    assert_int_equal(evloop_listener_connections(listener), 0);
}

/* Those that were released are open no more. */
static void a_stream_that_is_released_is_not_counted_any_more(struct scene *scene)
{
    evloop_listen_options options = evloop_listen_options_default();
    crowd_init(scene);
    let_in = 0;
    options.max_connections = 1;
    door_open(&scene->door, &options);
    scene->door.instead = let_in_next;
    dial(&clients[0], NULL);
    dial(&clients[1], NULL);
    expect(scene, "c0", "connect 0");
    expect(scene, "c1", "connect 0");
    expect(scene, "door", "in");
    expect_nothing(scene);
    int fd = evloop_stream_release(&servers[0].stream);
    assert_true(fd >= 0);
    expect(scene, "door", "in");
    assert_int_equal(evloop_listener_connections(&scene->door.listener), 1);
    assert_int_equal(close(fd), 0);
    crowd_leaves(scene);
}

/* ---- closing --------------------------------------------------------------------------------- */

static void a_closed_listener_is_nobodys_door(struct scene *scene)
{
    evloop_listener *listener = &scene->door.listener;
    meet(scene);
    assert_int_equal(evloop_listener_close(listener, on_door_closed), 0);
    assert_int_equal(evloop_listener_close(listener, on_door_closed), -EALREADY);
    expect(scene, "door", "closed");
    hear(&scene->b);
    say(&scene->a, "we go on");
    expect(scene, "b", "read we go on");
    leave(&scene->a);
    expect(scene, "a", "closed");
    dial(&scene->a, NULL);
    expect(scene, "a", scene->over == UNIX ? "connect ENOENT" : "connect ECONNREFUSED");
    expect(scene, "b", "eof");
}

static void close_door_after_it(struct door *door, enum event event)
{
    if (event == ACCEPT)
        door_close(door);
}

static void a_listener_may_be_closed_in_its_callback(struct scene *scene)
{
    door_open(&scene->door, NULL);
    scene->door.next = &scene->b;
    scene->door.then = close_door_after_it;
    dial(&scene->a, NULL);
    expect(scene, "a", "connect 0");
    expect(scene, "door", "accept 0; closed");
    hear(&scene->b);
    say(&scene->a, "and yet");
    expect(scene, "b", "read and yet");
}

static void close_door_instead(struct door *door)
{
    note(door->scene, door->name, ACCEPT, "no");
    door_close(door);
}

static void who_comes_to_a_listener_that_closes_in_its_callback_is_closed(struct scene *scene)
{
    unsigned before = fds_open();
    door_open(&scene->door, NULL);
    scene->door.instead = close_door_instead;
    dial(&scene->a, NULL);
    hear(&scene->a);
    expect(scene, "door", "no; closed");
    expect(scene, "a", "connect 0; eof");
    assert_int_equal(fds_open(), before + 1);
}

static void reopen_door(struct door *door, enum event event)
{
    if (event != CLOSED)
        return;
    door->then = NULL;
    door_open(door, NULL);
    door->next = &door->scene->b;
}

static void a_listener_opens_again_in_the_callback_of_its_closing(struct scene *scene)
{
    door_open(&scene->door, NULL);
    scene->door.then = reopen_door;
    door_close(&scene->door);
    expect(scene, "door", "closed");
    dial(&scene->a, NULL);
    expect(scene, "a", "connect 0");
    expect(scene, "door", "accept 0");
}

/* ---- what it listens on ---------------------------------------------------------------------- */

static void a_listening_descriptor_is_taken_over(struct scene *scene)
{
    evloop_listener *listener = &scene->door.listener;
    int fd = net_listen(scene->over == TCP4 ? AF_INET : AF_INET6, 10, &scene->where);
    assert_int_equal(evloop_listen_fd(scene->loop, listener, fd, NULL, on_connection), 0);
    assert_int_equal(evloop_listener_fd(listener), fd);
    scene->door.next = &scene->b;
    dial(&scene->a, NULL);
    expect(scene, "a", "connect 0");
    expect(scene, "door", "accept 0");
    door_close(&scene->door);
    expect(scene, "door", "closed");
    assert_int_equal(fcntl(fd, F_GETFD), -1);
}

static void a_descriptor_that_does_not_listen_is_refused(struct scene *scene)
{
    evloop_listener *listener = &scene->door.listener;
    int fds[2], pipes[2];
    net_pair(scene->over == TCP4 ? AF_INET : AF_INET6, fds);
    pipe_open(pipes);
    assert_int_equal(evloop_listen_fd(scene->loop, listener, fds[0], NULL, on_connection), -EINVAL);
    assert_int_equal(evloop_listen_fd(scene->loop, listener, pipes[0], NULL, on_connection),
                     -ENOTSOCK);
    assert_false(evloop_listener_active(listener));
    fds_close(fds);
    fds_close(pipes);
}

static void a_place_that_is_taken_cannot_be_listened_at(struct scene *scene)
{
    struct door other = {.next = NULL};
    door_init(&other, scene, "other");
    door_open(&scene->door, NULL);
    assert_int_equal(
        evloop_listen(scene->loop, &other.listener, &scene->where, NULL, on_connection),
        -EADDRINUSE);
    assert_false(evloop_listener_active(&other.listener));
    scene->door.next = &scene->b;
    dial(&scene->a, NULL); /* the first one has not suffered */
    expect(scene, "a", "connect 0");
    expect(scene, "door", "accept 0");
}

/* A daemon that was killed leaves its path behind; the next one must be able to start. */
static void a_path_where_nobody_listens_any_more_is_taken_over(struct scene *scene)
{
    char text[EVLOOP_ADDRESS_TEXT];
    evloop_address address;
    snprintf(text, sizeof text, "%s/door", scene->place);
    assert_int_equal(evloop_address_parse(&address, text), 0);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, &address.of.any, address.size), 0);
    assert_int_equal(close(fd), 0);
    door_open(&scene->door, NULL);
    scene->door.next = &scene->b;
    dial(&scene->a, NULL);
    expect(scene, "a", "connect 0");
    expect(scene, "door", "accept 0");
    door_close(&scene->door);
    expect(scene, "door", "closed");
    assert_int_equal(access(text, F_OK), -1);
}

static void a_path_that_is_no_socket_is_not_removed(struct scene *scene)
{
    char text[EVLOOP_ADDRESS_TEXT];
    snprintf(text, sizeof text, "%s/file", scene->place);
    int fd = open(text, O_CREAT | O_WRONLY, 0600);
    assert_true(fd >= 0);
    assert_int_equal(close(fd), 0);
    assert_int_equal(
        evloop_unix_listen(scene->loop, &scene->door.listener, text, NULL, on_connection),
        -EADDRINUSE);
    assert_int_equal(access(text, F_OK), 0);
    assert_int_equal(unlink(text), 0);
}

static void a_path_has_the_permissions_that_were_asked_for(struct scene *scene)
{
    evloop_listen_options options = evloop_listen_options_default();
    struct stat status;
    options.permissions = 0600;
    mode_t mask = umask(0);
    door_open(&scene->door, &options);
    umask(mask);
    assert_int_equal(stat(scene->where.of.path.sun_path, &status), 0);
    assert_true(S_ISSOCK(status.st_mode));
    assert_int_equal(status.st_mode & 0777, 0600);
}

static int configure_and_count(int fd, const evloop_address *address, void *arg)
{
    const int size = 16384;
    assert_int_not_equal(evloop_address_family(address), AF_UNSPEC);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size), 0);
    ++*(int *)arg;
    return 0;
}

static void a_listener_is_configured_before_it_is_bound(struct scene *scene)
{
    evloop_listen_options options = evloop_listen_options_default();
    int calls = 0;
    options.configure = configure_and_count;
    options.configure_arg = &calls;
    door_open(&scene->door, &options);
    assert_int_equal(calls, 1);
    scene->door.next = &scene->b;
    dial(&scene->a, NULL);
    expect(scene, "a", "connect 0");
    expect(scene, "door", "accept 0");
    assert_int_equal(calls, 1);
}

static int refuse(int fd, const evloop_address *address, void *arg)
{
    (void)fd;
    (void)address;
    (void)arg;
    return -EXDEV;
}

static void a_listener_that_is_refused_by_its_configuration_is_not_made(struct scene *scene)
{
    evloop_listen_options options = evloop_listen_options_default();
    options.configure = refuse;
    unsigned before = fds_open();
    int err = scene->over == TCP4 ? evloop_tcp_listen(scene->loop, &scene->door.listener,
                                                      "127.0.0.1:0", &options, on_connection)
                                  : evloop_tcp_listen(scene->loop, &scene->door.listener, "[::1]:0",
                                                      &options, on_connection);
    assert_int_equal(err, -EXDEV);
    assert_false(evloop_listener_active(&scene->door.listener));
    assert_int_equal(fds_open(), before);
}

static void two_listeners_share_a_port_if_they_want(struct scene *scene)
{
    static struct door other;
    evloop_listen_options options = evloop_listen_options_default();
    memset(&other, 0, sizeof other);
    crowd_init(scene);
    let_in = 0;
    options.reuse_port = true;
    door_init(&other, scene, "door");
    door_open(&scene->door, &options);
    assert_int_equal(
        evloop_listen(scene->loop, &other.listener, &scene->where, &options, on_connection), 0);
    scene->door.instead = other.instead = let_in_next;
    for (int i = 0; i < CLIENTS; i++)
        dial(&clients[i], NULL);
    expect(scene, "door", "in; in; in; in; in; in");
    for (int i = 0; i < CLIENTS; i++)
        expect(scene, clients[i].name, "connect 0");
    crowd_leaves(scene);
    assert_int_equal(evloop_listener_close(&other.listener, NULL), 0);
    scene_turn(scene);
}

static void one_listener_takes_v4_and_v6(struct scene *scene)
{
    evloop_address v4 = {0};
    scene->door.next = &scene->b;
    assert_int_equal(
        evloop_tcp_listen(scene->loop, &scene->door.listener, ":0", NULL, on_connection), 0);
    assert_int_equal(evloop_listener_local(&scene->door.listener, &scene->where), 0);
    uint16_t port = evloop_address_port(&scene->where);
    assert_int_not_equal(port, 0);
    assert_int_equal(evloop_address_parse(&scene->where, "[::1]:0"), 0);
    assert_int_equal(evloop_address_set_port(&scene->where, port), 0);
    dial(&scene->a, NULL);
    expect(scene, "a", "connect 0");
    expect(scene, "door", "accept 0");
    assert_int_equal(evloop_address_parse(&v4, "127.0.0.1:0"), 0);
    assert_int_equal(evloop_address_set_port(&v4, port), 0);
    leave(&scene->a);
    leave(&scene->b);
    expect(scene, "a", "closed");
    expect(scene, "b", "closed");
    scene->where = v4;
    scene->door.next = &scene->b;
    dial(&scene->a, NULL);
    expect(scene, "a", "connect 0");
    expect(scene, "door", "accept 0");
}

static void a_listener_of_v6_only_refuses_v4(struct scene *scene)
{
    evloop_listen_options options = evloop_listen_options_default();
    options.v6_only = true;
    assert_int_equal(
        evloop_tcp_listen(scene->loop, &scene->door.listener, "[::]:0", &options, on_connection),
        0);
    assert_int_equal(evloop_listener_local(&scene->door.listener, &scene->where), 0);
    uint16_t port = evloop_address_port(&scene->where);
    assert_int_equal(evloop_address_parse(&scene->where, "127.0.0.1:0"), 0);
    assert_int_equal(evloop_address_set_port(&scene->where, port), 0);
    dial(&scene->a, NULL);
    expect(scene, "a", "connect ECONNREFUSED");
}

static void a_listener_without_reference_does_not_keep_the_loop(struct scene *scene)
{
    door_open(&scene->door, NULL);
    assert_true(evloop_alive(scene->loop));
    assert_int_equal(evloop_listener_unref(&scene->door.listener), 0);
    assert_false(evloop_alive(scene->loop));
    loop_run(scene->loop);
    assert_int_equal(evloop_listener_ref(&scene->door.listener), 0);
    assert_true(evloop_alive(scene->loop));
}

enum { BACKLOG = 3, CALLERS = 3 * BACKLOG };

/* Linux lets one more wait than it was told; Darwin and the BSDs half as many, and one. */
static void no_more_wait_than_the_backlog_holds(struct scene *scene)
{
    static struct actor callers[CALLERS];
    evloop_listen_options options = evloop_listen_options_default();
    unsigned waiting = 0;
    options.backlog = BACKLOG;
    door_open(&scene->door, &options);
    assert_int_equal(evloop_listener_pause(&scene->door.listener), 0);
    memset(callers, 0, sizeof callers);
    for (int i = 0; i < CALLERS; i++) {
        actor_init(&callers[i], scene, "caller");
        dial(&callers[i], NULL);
        scene_until(scene, callers[i].events[CONNECT] == 1);
        waiting += evloop_stream_error(&callers[i].stream) == 0;
        if (evloop_stream_error(&callers[i].stream))
            assert_int_equal(evloop_stream_error(&callers[i].stream), -system_full);
    }
    assert_in_range(waiting, BACKLOG, BACKLOG + BACKLOG / 2 + 1);
    notes_forget(scene);
    for (int i = 0; i < CALLERS; i++)
        assert_int_equal(evloop_stream_close(&callers[i].stream, NULL), 0);
    door_close(&scene->door);
    expect(scene, "door", "closed");
}

static void a_backlog_is_what_was_asked_for(struct scene *scene)
{
    evloop_listen_options options = evloop_listen_options_default();
    options.backlog = BACKLOG;
    door_open(&scene->door, &options);
    int backlog = system_backlog(evloop_listener_fd(&scene->door.listener));
    if (backlog < 0)
        skip();
    assert_int_equal(backlog, BACKLOG);
}

const struct script accept_scripts[] = {
    SCRIPT(who_is_not_taken_is_closed, LISTENING | SEQPACKET),
    SCRIPT(who_is_taken_is_taken_once, LISTENING | SEQPACKET),
    SCRIPT(who_is_taken_as_a_descriptor_belongs_to_the_taker, LISTENING | SEQPACKET),
    SCRIPT(a_connection_is_handed_to_the_loop_of_another_thread, LISTENING),
    SCRIPT(a_paused_listener_lets_nobody_in_until_it_is_resumed, LISTENING),
    SCRIPT(a_listener_paused_in_its_callback_lets_one_in_at_a_time, LISTENING),
    SCRIPT(no_more_are_let_in_than_max_connections, LISTENING),
    SCRIPT(a_stream_that_is_released_is_not_counted_any_more, LISTENING),
    SCRIPT(a_closed_listener_is_nobodys_door, LISTENING),
    SCRIPT(a_listener_may_be_closed_in_its_callback, LISTENING),
    SCRIPT(who_comes_to_a_listener_that_closes_in_its_callback_is_closed, LISTENING),
    SCRIPT(a_listener_opens_again_in_the_callback_of_its_closing, LISTENING),
    SCRIPT(a_listening_descriptor_is_taken_over, TCP),
    SCRIPT(a_descriptor_that_does_not_listen_is_refused, TCP),
    SCRIPT(a_place_that_is_taken_cannot_be_listened_at, LISTENING),
    SCRIPT(a_path_where_nobody_listens_any_more_is_taken_over, UNIX),
    SCRIPT(a_path_that_is_no_socket_is_not_removed, UNIX),
    SCRIPT(a_path_has_the_permissions_that_were_asked_for, UNIX),
    SCRIPT(a_listener_is_configured_before_it_is_bound, LISTENING),
    SCRIPT(a_listener_that_is_refused_by_its_configuration_is_not_made, TCP),
    SCRIPT(no_more_wait_than_the_backlog_holds, UNIX | SEQPACKET),
    SCRIPT(a_backlog_is_what_was_asked_for, TCP),
    SCRIPT(two_listeners_share_a_port_if_they_want, TCP),
    SCRIPT(one_listener_takes_v4_and_v6, TCP6),
    SCRIPT(a_listener_of_v6_only_refuses_v4, TCP6),
    SCRIPT(a_listener_without_reference_does_not_keep_the_loop, LISTENING),
    {NULL, NULL, 0},
};
