/*
 * connect.c: how connections come about, and how they do not.
 */
#include "script.h"
#include "system.h"

#include <netinet/tcp.h>
#include <sys/socket.h>

static void connect_is_told_on_both_sides(struct scene *scene)
{
    door_open(&scene->door, NULL);
    scene->door.next = &scene->b;
    dial(&scene->a, NULL);
    assert_true(evloop_stream_active(&scene->a.stream));
    expect(scene, "a", "connect 0");
    expect(scene, "door", "accept 0");
    assert_true(evloop_stream_active(&scene->b.stream));
    assert_int_equal(evloop_stream_error(&scene->a.stream), 0);
    expect_nothing(scene);
}

static void each_end_knows_the_other(struct scene *scene)
{
    evloop_address mine, theirs;
    meet(scene);
    assert_int_equal(evloop_stream_peer(&scene->a.stream, &theirs), 0);
    assert_true(evloop_address_equal(&theirs, &scene->where));
    assert_int_equal(evloop_stream_local(&scene->b.stream, &mine), 0);
    assert_true(evloop_address_equal(&mine, &scene->where));
    assert_int_equal(evloop_stream_local(&scene->a.stream, &mine), 0);
    assert_int_equal(evloop_stream_peer(&scene->b.stream, &theirs), 0);
    assert_true(evloop_address_equal(&mine, &theirs));
    assert_int_equal(evloop_address_family(&mine), scene->over == TCP6 ? AF_INET6 : AF_INET);
}

/* An address where nobody listens, but somebody did. */
static void find_an_empty_place(struct scene *scene)
{
    if (scene->over & TCP) {
        int family = scene->over == TCP4 ? AF_INET : AF_INET6;
        assert_int_equal(close(net_listen(family, 1, &scene->where)), 0);
        return;
    }
    char text[EVLOOP_ADDRESS_TEXT];
    snprintf(text, sizeof text, "%s/left", scene->place);
    assert_int_equal(evloop_address_parse(&scene->where, text), 0);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, &scene->where.of.any, scene->where.size), 0);
    assert_int_equal(close(fd), 0);
}

static void forget_the_place(struct scene *scene)
{
    if (scene->over == UNIX)
        assert_int_equal(unlink(scene->where.of.path.sun_path), 0);
}

static void connect_to_nobody_is_refused(struct scene *scene)
{
    find_an_empty_place(scene);
    dial(&scene->a, NULL);
    expect(scene, "a", "connect ECONNREFUSED");
    assert_true(evloop_stream_active(&scene->a.stream));
    assert_int_equal(evloop_stream_error(&scene->a.stream), -ECONNREFUSED);
    expect_nothing(scene);
    leave(&scene->a);
    expect(scene, "a", "closed");
    forget_the_place(scene);
}

static void what_waits_for_a_connection_fails_with_it(struct scene *scene)
{
    static struct request one, two;
    find_an_empty_place(scene);
    dial(&scene->a, NULL);
    hear(&scene->a);
    put_text(&scene->a, &one, "one");
    say(&scene->a, "and");
    put_text(&scene->a, &two, "three");
    end(&scene->a);
    expect(scene, "a",
           "connect ECONNREFUSED; write 0 ECONNREFUSED; write 0 ECONNREFUSED; "
           "shutdown ECONNREFUSED; read ECONNREFUSED");
    assert_int_equal(evloop_stream_queued(&scene->a.stream), 0);
    assert_int_equal(evloop_stream_send(&scene->a.stream, "x", 1), -ECONNREFUSED);
    assert_int_equal(evloop_stream_read_start(&scene->a.stream, on_read), -ECONNREFUSED);
    assert_int_equal(evloop_stream_shutdown(&scene->a.stream, on_shutdown), -ECONNREFUSED);
    leave(&scene->a);
    expect(scene, "a", "closed");
    forget_the_place(scene);
}

static void connect_to_no_path_is_told(struct scene *scene)
{
    char text[EVLOOP_ADDRESS_TEXT];
    snprintf(text, sizeof text, "%s/nothing", scene->place);
    assert_int_equal(evloop_unix_connect(scene->loop, &scene->a.stream, text, NULL, on_connect), 0);
    expect(scene, "a", "connect ENOENT");
    leave(&scene->a);
    expect(scene, "a", "closed");
}

/* The listener takes the connection in its callback and closes it there. */
static void leave_at_the_door(struct door *door, enum event event)
{
    if (event == ACCEPT)
        leave(&door->scene->b);
}

static void a_connection_that_is_closed_at_once_ends(struct scene *scene)
{
    door_open(&scene->door, NULL);
    scene->door.next = &scene->b;
    scene->door.then = leave_at_the_door;
    dial(&scene->a, NULL);
    hear(&scene->a);
    expect(scene, "a", "connect 0; eof");
    expect(scene, "door", "accept 0");
    expect(scene, "b", "closed");
}

static void a_listener_that_closes_resets_whom_it_did_not_accept(struct scene *scene)
{
    door_open(&scene->door, NULL);
    assert_int_equal(evloop_listener_pause(&scene->door.listener), 0);
    dial(&scene->a, NULL);
    hear(&scene->a);
    expect(scene, "a", "connect 0");
    door_close(&scene->door);
    expect(scene, "door", "closed");
    bool reset = scene->over != UNIX || system_resets_unix;
    expect(scene, "a", reset ? "read ECONNRESET" : "eof");
    assert_int_equal(evloop_stream_error(&scene->a.stream), reset ? -ECONNRESET : 0);
}

static void connect_has_a_deadline(struct scene *scene)
{
    evloop_connect_options options = evloop_connect_options_default();
    static struct request request;
    int family = scene->over == TCP4 ? AF_INET : AF_INET6;
    int crowd[CROWD], listener = net_listen_full(family, &scene->where, crowd);
    options.timeout_ns = EVLOOP_MS(20);
    uint64_t begin = clock_ns();
    dial(&scene->a, &options);
    put_text(&scene->a, &request, "hello");
    expect(scene, "a", "connect ETIMEDOUT; write 0 ETIMEDOUT");
    assert_true(clock_ns() - begin >= options.timeout_ns);
    assert_int_equal(evloop_stream_error(&scene->a.stream), -ETIMEDOUT);
    leave(&scene->a);
    expect(scene, "a", "closed");
    net_disperse(listener, crowd);
}

static void a_deadline_that_was_kept_is_forgotten(struct scene *scene)
{
    evloop_connect_options options = evloop_connect_options_default();
    options.timeout_ns = EVLOOP_SEC(3600);
    door_open(&scene->door, NULL);
    scene->door.next = &scene->b;
    dial(&scene->a, &options);
    expect(scene, "a", "connect 0");
    expect(scene, "door", "accept 0");
    assert_int_equal(evloop_stream_unref(&scene->a.stream), 0);
    assert_int_equal(evloop_stream_unref(&scene->b.stream), 0);
    assert_int_equal(evloop_listener_unref(&scene->door.listener), 0);
    loop_run(scene->loop); /* nothing keeps it */
}

static void what_is_written_before_the_connection_waits_for_it(struct scene *scene)
{
    static struct request one, two;
    door_open(&scene->door, NULL);
    scene->door.next = &scene->b;
    dial(&scene->a, NULL);
    hear(&scene->a);
    put_text(&scene->a, &one, "one");
    say(&scene->a, " and ");
    put_text(&scene->a, &two, "three");
    assert_int_equal(evloop_stream_queued(&scene->a.stream), strlen("one and three"));
    expect(scene, "door", "accept 0");
    hear(&scene->b);
    say(&scene->b, "answer");
    expect(scene, "a", "connect 0; write 3 0; write 5 0; read answer");
    expect(scene, "b", "read one and three");
}

static void a_shutdown_before_the_connection_waits_for_it(struct scene *scene)
{
    static struct request request;
    door_open(&scene->door, NULL);
    scene->door.next = &scene->b;
    dial(&scene->a, NULL);
    put_text(&scene->a, &request, "all");
    end(&scene->a);
    expect(scene, "a", "connect 0; write 3 0; shutdown 0");
    expect(scene, "door", "accept 0");
    hear(&scene->b);
    expect(scene, "b", "read all; eof");
}

/* The kernel may have let the connection in before. */
static void nobody_takes_it(struct door *door)
{
    (void)door;
}

static void close_before_the_connection_cancels(struct scene *scene)
{
    static struct request one, two;
    door_open(&scene->door, NULL);
    scene->door.instead = nobody_takes_it;
    dial(&scene->a, NULL);
    hear(&scene->a);
    put_text(&scene->a, &one, "one");
    put_text(&scene->a, &two, "two");
    end(&scene->a);
    leave(&scene->a);
    expect(scene, "a",
           "connect ECANCELED; write 0 ECANCELED; write 0 ECANCELED; shutdown ECANCELED; closed");
    expect_nothing(scene);
}

static void write_first(struct actor *actor, enum event event)
{
    static struct request request;
    if (event == CONNECT)
        put_text(actor, &request, "from inside");
}

static void a_connect_callback_may_write(struct scene *scene)
{
    door_open(&scene->door, NULL);
    scene->door.next = &scene->b;
    scene->a.then = write_first;
    dial(&scene->a, NULL);
    expect(scene, "a", "connect 0; write 11 0");
    expect(scene, "door", "accept 0");
    hear(&scene->b);
    expect(scene, "b", "read from inside");
}

static void dial_again(struct actor *actor, enum event event)
{
    if (event == CLOSED && actor->events[CLOSED] <= 3)
        dial(actor, NULL);
    else if (event == CONNECT)
        leave(actor);
}

static void a_stream_connects_again_in_the_callback_of_its_closing(struct scene *scene)
{
    find_an_empty_place(scene);
    scene->a.then = dial_again;
    dial(&scene->a, NULL);
    expect(scene, "a",
           "connect ECONNREFUSED; closed; connect ECONNREFUSED; closed; "
           "connect ECONNREFUSED; closed; connect ECONNREFUSED; closed");
    forget_the_place(scene);
}

static void an_open_stream_does_not_connect(struct scene *scene)
{
    meet(scene);
    assert_int_equal(evloop_connect(scene->loop, &scene->a.stream, &scene->where, NULL, on_connect),
                     -EBUSY);
    assert_int_equal(evloop_connect(scene->loop, &scene->b.stream, &scene->where, NULL, on_connect),
                     -EBUSY);
    hear(&scene->b);
    say(&scene->a, "still there");
    expect(scene, "b", "read still there");
}

static void a_connection_comes_from_where_it_was_bound(struct scene *scene)
{
    evloop_connect_options options = evloop_connect_options_default();
    evloop_address local, seen;
    int family = scene->over == TCP4 ? AF_INET : AF_INET6;
    assert_int_equal(close(net_listen(family, 1, &local)), 0); /* a port that is free */
    options.local = &local;
    door_open(&scene->door, NULL);
    scene->door.next = &scene->b;
    dial(&scene->a, &options);
    memset(&local, 0, sizeof local); /* it was needed for the call only */
    expect(scene, "a", "connect 0");
    expect(scene, "door", "accept 0");
    assert_int_equal(evloop_stream_local(&scene->a.stream, &local), 0);
    assert_int_equal(evloop_stream_peer(&scene->b.stream, &seen), 0);
    assert_true(evloop_address_equal(&local, &seen));
}

static void a_place_that_is_taken_cannot_be_bound(struct scene *scene)
{
    evloop_connect_options options = evloop_connect_options_default();
    evloop_address taken;
    int fd = net_listen(scene->over == TCP4 ? AF_INET : AF_INET6, 1, &taken);
    options.local = &taken;
    door_open(&scene->door, NULL);
    assert_int_equal(
        evloop_connect(scene->loop, &scene->a.stream, &scene->where, &options, on_connect),
        -EADDRINUSE);
    assert_false(evloop_stream_active(&scene->a.stream));
    assert_int_equal(close(fd), 0);
    expect_nothing(scene);
}

struct configured {
    int calls;
    int fd;
    int result;
    evloop_address address;
};

static int configure(int fd, const evloop_address *address, void *arg)
{
    struct configured *configured = arg;
    evloop_address peer;
    socklen_t size = sizeof peer.of;
    assert_int_equal(getpeername(fd, &peer.of.any, &size), -1); /* not connected yet */
    configured->calls++;
    configured->fd = fd;
    configured->address = *address;
    return configured->result;
}

static void a_socket_is_configured_before_it_connects(struct scene *scene)
{
    evloop_connect_options options = evloop_connect_options_default();
    struct configured configured = {0};
    options.configure = configure;
    options.configure_arg = &configured;
    door_open(&scene->door, NULL);
    scene->door.next = &scene->b;
    dial(&scene->a, &options);
    assert_int_equal(configured.calls, 1);
    assert_int_equal(configured.fd, evloop_stream_fd(&scene->a.stream));
    assert_true(evloop_address_equal(&configured.address, &scene->where));
    expect(scene, "a", "connect 0");
    expect(scene, "door", "accept 0");
}

static void a_socket_that_is_refused_by_its_configuration_is_not_made(struct scene *scene)
{
    evloop_connect_options options = evloop_connect_options_default();
    struct configured configured = {.result = -EXDEV};
    options.configure = configure;
    options.configure_arg = &configured;
    door_open(&scene->door, NULL);
    unsigned before = fds_open();
    assert_int_equal(
        evloop_connect(scene->loop, &scene->a.stream, &scene->where, &options, on_connect), -EXDEV);
    assert_int_equal(configured.calls, 1);
    assert_int_equal(fds_open(), before);
    assert_false(evloop_stream_active(&scene->a.stream));
    expect_nothing(scene);
    scene->door.next = &scene->b;
    dial(&scene->a, NULL);
    expect(scene, "a", "connect 0");
    expect(scene, "door", "accept 0");
}

static void an_address_as_text_connects(struct scene *scene)
{
    char text[EVLOOP_ADDRESS_TEXT];
    door_open(&scene->door, NULL);
    scene->door.next = &scene->b;
    evloop_address_format(&scene->where, text, sizeof text);
    int err = scene->over == UNIX
                  ? evloop_unix_connect(scene->loop, &scene->a.stream, text, NULL, on_connect)
                  : evloop_tcp_connect(scene->loop, &scene->a.stream, text, NULL, on_connect);
    assert_int_equal(err, 0);
    expect(scene, "a", "connect 0");
    expect(scene, "door", "accept 0");
}

enum { MANY = 20 };
static struct actor clients[MANY], servers[MANY];
static int let_in;

static void let_in_next(struct door *door)
{
    assert_true(let_in < MANY);
    assert_int_equal(evloop_accept(&door->listener, &servers[let_in].stream), 0);
    let_in++;
}

static void many_connect_in_one_turn(struct scene *scene)
{
    memset(clients, 0, sizeof clients);
    memset(servers, 0, sizeof servers);
    let_in = 0;
    door_open(&scene->door, NULL);
    scene->door.instead = let_in_next;
    for (int i = 0; i < MANY; i++) {
        actor_init(&clients[i], scene, "client");
        actor_init(&servers[i], scene, "server");
        dial(&clients[i], NULL);
    }
    for (int i = 0; i < MANY; i++)
        scene_until(scene, clients[i].events[CONNECT] == 1);
    scene_until(scene, let_in == MANY);
    for (int i = 0; i < MANY; i++)
        assert_int_equal(evloop_stream_error(&clients[i].stream), 0);
    notes_forget(scene);
    for (int i = 0; i < MANY; i++) {
        assert_int_equal(evloop_stream_close(&clients[i].stream, NULL), 0);
        assert_int_equal(evloop_stream_close(&servers[i].stream, NULL), 0);
    }
    door_close(&scene->door);
    expect(scene, "door", "closed");
}

static int option_of(const struct actor *actor, int level, int option)
{
    int value = -1;
    socklen_t size = sizeof value;
    assert_int_equal(getsockopt(evloop_stream_fd(&actor->stream), level, option, &value, &size), 0);
    return value;
}

static void assert_options(const struct actor *actor, bool nagle, bool keepalive)
{
    assert_int_equal(!option_of(actor, IPPROTO_TCP, TCP_NODELAY), nagle);
    assert_int_equal(option_of(actor, SOL_SOCKET, SO_KEEPALIVE) != 0, keepalive);
}

static void assert_keepalive(const struct actor *actor, int idle_s, int interval_s, int count)
{
    assert_int_equal(option_of(actor, IPPROTO_TCP, KEEPALIVE_IDLE), idle_s);
    assert_int_equal(option_of(actor, IPPROTO_TCP, TCP_KEEPINTVL), interval_s);
    assert_int_equal(option_of(actor, IPPROTO_TCP, TCP_KEEPCNT), count);
}

static void small_packets_are_not_held_back_unless_that_is_wanted(struct scene *scene)
{
    evloop_connect_options options = evloop_connect_options_default();
    evloop_listen_options listen_options = evloop_listen_options_default();
    for (int wanted = 0; wanted < 2; wanted++) {
        options.nagle = listen_options.nagle = wanted;
        options.keepalive.idle_s = listen_options.keepalive.idle_s = wanted ? 100 : 0;
        options.keepalive.interval_s = listen_options.keepalive.interval_s = wanted ? 10 : 0;
        options.keepalive.count = listen_options.keepalive.count = wanted ? 5 : 0;
        door_open(&scene->door, &listen_options);
        scene->door.next = &scene->b;
        dial(&scene->a, &options);
        expect(scene, "a", "connect 0");
        expect(scene, "door", "accept 0");
        assert_options(&scene->a, wanted, wanted);
        assert_options(&scene->b, wanted, wanted);
        if (wanted) {
            assert_keepalive(&scene->a, 100, 10, 5);
            assert_keepalive(&scene->b, 100, 10, 5);
        }
        leave(&scene->a);
        leave(&scene->b);
        door_close(&scene->door);
        expect(scene, "a", "closed");
        expect(scene, "b", "closed");
        expect(scene, "door", "closed");
    }
}

static void options_change_while_a_stream_is_open(struct scene *scene)
{
    const evloop_keepalive keepalive = {.idle_s = 50, .interval_s = 5, .count = 2}, none = {0};
    const evloop_keepalive idle = {.idle_s = 70};
    meet(scene);
    assert_int_equal(evloop_tcp_set_nagle(&scene->a.stream, true), 0);
    assert_int_equal(evloop_tcp_set_keepalive(&scene->a.stream, &keepalive), 0);
    assert_options(&scene->a, true, true);
    assert_keepalive(&scene->a, 50, 5, 2);
    assert_int_equal(evloop_tcp_set_keepalive(&scene->a.stream, &idle), 0);
    assert_keepalive(&scene->a, 70, 5, 2);
    assert_int_equal(evloop_tcp_set_nagle(&scene->a.stream, false), 0);
    assert_int_equal(evloop_tcp_set_keepalive(&scene->a.stream, &none), 0);
    assert_options(&scene->a, false, false);
    assert_options(&scene->b, false, false);
    assert_int_equal(evloop_tcp_set_keepalive(&scene->a.stream, NULL), -EINVAL);
}

static void keepalive_beyond_the_limits_is_refused(struct scene *scene)
{
    const evloop_keepalive most = {.idle_s = 32767, .interval_s = 32767, .count = 127};
    evloop_keepalive more[] = {most, most, most};
    more[0].idle_s++;
    more[1].interval_s++;
    more[2].count++;
    meet(scene);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(evloop_tcp_set_keepalive(&scene->a.stream, &more[i]), -EINVAL);
        assert_options(&scene->a, false, false);
    }
    assert_int_equal(evloop_tcp_set_keepalive(&scene->a.stream, &most), 0);
    assert_keepalive(&scene->a, 32767, 32767, 127);
}

/* With it or without: whether the system can do it is its affair. */
static void the_first_bytes_may_go_with_the_first_packet(struct scene *scene)
{
    evloop_connect_options options = evloop_connect_options_default();
    evloop_listen_options listen_options = evloop_listen_options_default();
    static struct request request;
    options.fast_open = true;
    listen_options.fast_open = 10;
    door_open(&scene->door, &listen_options);
    int queue = system_fast_open_queue(evloop_listener_fd(&scene->door.listener));
    assert_true(queue == 10 || queue == -1);
    for (int round = 0; round < 3; round++) { /* the first one brings a cookie at best */
        scene->door.next = &scene->b;
        scene->a.sent = scene->a.heard = scene->b.sent = scene->b.heard = 0;
        dial(&scene->a, &options);
        assert_int_not_equal(system_fast_open(evloop_stream_fd(&scene->a.stream)), 0);
        hear(&scene->a);
        put(&scene->a, &request, 2000);
        expect(scene, "door", "accept 0");
        hear(&scene->b);
        expect(scene, "b", "read 2000 bytes");
        say(&scene->b, "well");
        expect(scene, "a", "connect 0; write 2000 0; read well");
        leave(&scene->a);
        expect(scene, "a", "closed");
        expect(scene, "b", "eof");
        leave(&scene->b);
        expect(scene, "b", "closed");
    }
}

const struct script connect_scripts[] = {
    SCRIPT(connect_is_told_on_both_sides, LISTENING | SEQPACKET),
    SCRIPT(each_end_knows_the_other, TCP),
    SCRIPT(connect_to_nobody_is_refused, LISTENING),
    SCRIPT(what_waits_for_a_connection_fails_with_it, LISTENING),
    SCRIPT(connect_to_no_path_is_told, UNIX),
    SCRIPT(a_connection_that_is_closed_at_once_ends, LISTENING | SEQPACKET),
    SCRIPT(a_listener_that_closes_resets_whom_it_did_not_accept, LISTENING),
    SCRIPT(connect_has_a_deadline, TCP),
    SCRIPT(a_deadline_that_was_kept_is_forgotten, LISTENING),
    SCRIPT(what_is_written_before_the_connection_waits_for_it, LISTENING),
    SCRIPT(a_shutdown_before_the_connection_waits_for_it, LISTENING),
    SCRIPT(close_before_the_connection_cancels, LISTENING),
    SCRIPT(a_connect_callback_may_write, LISTENING | SEQPACKET),
    SCRIPT(a_stream_connects_again_in_the_callback_of_its_closing, LISTENING),
    SCRIPT(an_open_stream_does_not_connect, LISTENING),
    SCRIPT(a_connection_comes_from_where_it_was_bound, TCP),
    SCRIPT(a_place_that_is_taken_cannot_be_bound, TCP),
    SCRIPT(a_socket_is_configured_before_it_connects, LISTENING),
    SCRIPT(a_socket_that_is_refused_by_its_configuration_is_not_made, LISTENING),
    SCRIPT(an_address_as_text_connects, LISTENING),
    SCRIPT(many_connect_in_one_turn, LISTENING),
    SCRIPT(small_packets_are_not_held_back_unless_that_is_wanted, TCP),
    SCRIPT(options_change_while_a_stream_is_open, TCP),
    SCRIPT(keepalive_beyond_the_limits_is_refused, TCP),
    SCRIPT(the_first_bytes_may_go_with_the_first_packet, TCP),
    {NULL, NULL, 0},
};
