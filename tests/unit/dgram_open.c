/*
 * dgram_open.c: datagram sockets: how they are opened, what is refused, how they end.
 */
#include "mail.h"
#include "net.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

static void never(evloop_dgram *d, ssize_t n, const evloop_datagram *datagrams)
{
    (void)d;
    (void)n;
    (void)datagrams;
    fail_msg("a socket was told what it should not have been");
}

static void never_closed(evloop_dgram *d)
{
    (void)d;
    fail_msg("a socket was closed that was never open");
}

static evloop_address address_of(const char *text)
{
    evloop_address address;
    assert_int_equal(evloop_address_parse(&address, text), 0);
    return address;
}

/* A path in a new directory. */
static const char *path_new(void)
{
    static char path[PLACE_SIZE + sizeof "/socket"];
    place_make(path);
    strcat(path, "/socket");
    return path;
}

static void path_end(const char *path)
{
    char directory[PLACE_SIZE + sizeof "/socket"];
    strcpy(directory, path);
    *strrchr(directory, '/') = '\0';
    place_remove(directory);
}

static bool exists(const char *path)
{
    struct stat status;
    return lstat(path, &status) == 0;
}

/* ---- opening --------------------------------------------------------------------------------- */

TEST(a_socket_that_was_never_opened_is_inactive_and_harmless)
{
    evloop_dgram d = {0};
    evloop_address address;
    const evloop_datagram datagram = {.data = "x", .size = 1};
    assert_false(evloop_dgram_active(&d));
    assert_false(evloop_dgram_receiving(&d));
    assert_null(evloop_dgram_loop(&d));
    assert_int_equal(evloop_dgram_fd(&d), -1);
    assert_int_equal(evloop_dgram_queued(&d), 0);
    assert_int_equal(evloop_dgram_receive_start(&d, never), -ENOTCONN);
    assert_int_equal(evloop_dgram_receive_stop(&d), -ENOTCONN);
    assert_int_equal(evloop_dgram_send(&d, "x", 1, NULL), -ENOTCONN);
    assert_int_equal(evloop_dgram_try_send(&d, &datagram, 1), -ENOTCONN);
    assert_int_equal(evloop_dgram_local(&d, &address), -ENOTCONN);
    assert_int_equal(evloop_dgram_release(&d), -ENOTCONN);
    assert_int_equal(evloop_dgram_set_ttl(&d, 1), -ENOTCONN);
    assert_int_equal(evloop_dgram_close(&d, never_closed), -ENOTCONN);
}

TEST(a_socket_that_is_bound_to_port_0_tells_which_it_has)
{
    evloop *loop = loop_new();
    evloop_dgram d = {0};
    evloop_address address;
    assert_int_equal(evloop_udp_bind(loop, &d, "127.0.0.1:0", NULL), 0);
    assert_true(evloop_dgram_active(&d));
    assert_ptr_equal(evloop_dgram_loop(&d), loop);
    assert_true(evloop_dgram_fd(&d) >= 0);
    assert_int_equal(evloop_dgram_local(&d, &address), 0);
    assert_int_equal(evloop_address_family(&address), AF_INET);
    assert_int_not_equal(evloop_address_port(&address), 0);
    assert_int_equal(evloop_dgram_peer(&d, &address), -ENOTCONN);
    assert_int_equal(evloop_dgram_close(&d, NULL), 0);
    loop_run(loop);
    assert_false(evloop_dgram_active(&d));
    loop_end(loop);
}

TEST(an_open_socket_is_refused_and_left_as_it_was)
{
    evloop *loop = loop_new();
    struct box *box = box_bind(loop, "127.0.0.1:0", NULL);
    evloop_address before = box_address(box), address = address_of("127.0.0.1:0");
    assert_int_equal(evloop_udp_bind(loop, &box->dgram, "127.0.0.1:0", NULL), -EBUSY);
    assert_int_equal(evloop_dgram_connect(loop, &box->dgram, &address, NULL), -EBUSY);
    assert_int_equal(evloop_dgram_socket(loop, &box->dgram, AF_INET, NULL), -EBUSY);
    assert_int_equal(evloop_dgram_open(loop, &box->dgram, 0, NULL), -EBUSY);
    address = box_address(box);
    assert_true(evloop_address_equal(&before, &address));
    box_close(loop, box);
    loop_end(loop);
}

TEST(an_address_of_the_wrong_kind_is_refused)
{
    evloop *loop = loop_new();
    evloop_dgram d = {0};
    evloop_address none = {0};
    assert_int_equal(evloop_udp_bind(loop, &d, "/tmp/path", NULL), -EINVAL);
    assert_int_equal(evloop_udp_bind(loop, &d, "localhost:1", NULL), -EINVAL);
    assert_int_equal(evloop_udp_connect(loop, &d, "@name", NULL), -EINVAL);
    assert_int_equal(evloop_unix_dgram_bind(loop, &d, "127.0.0.1:0", NULL), -EINVAL);
    assert_int_equal(evloop_unix_dgram_connect(loop, &d, "127.0.0.1:1", NULL), -EINVAL);
    assert_int_equal(evloop_dgram_bind(loop, &d, &none, NULL), -EINVAL);
    assert_int_equal(evloop_dgram_connect(loop, &d, NULL, NULL), -EINVAL);
    assert_int_equal(evloop_dgram_socket(loop, &d, AF_UNSPEC, NULL), -EINVAL);
    assert_false(evloop_dgram_active(&d));
    loop_end(loop);
}

TEST(options_that_cannot_be_are_refused)
{
    struct {
        evloop_dgram_options known;
        char unknown[16];
    } newer = {.known = evloop_dgram_options_default()};
    char name[UNIX_NAME_SIZE];
    evloop *loop = loop_new();
    evloop_dgram d = {0};
    evloop_dgram_options options = evloop_dgram_options_default();
    options.size--;
    assert_int_equal(evloop_udp_bind(loop, &d, "127.0.0.1:0", &options), -EINVAL);
    options = evloop_dgram_options_default();
    options.batch = 1025;
    assert_int_equal(evloop_udp_bind(loop, &d, "127.0.0.1:0", &options), -EINVAL);
    options = evloop_dgram_options_default();
    options.receive_ttl = true;
    assert_int_equal(evloop_unix_dgram_bind(loop, &d, net_unix_name(name, "ttl"), &options),
                     -ENOTSUP);
    newer.known.size = sizeof newer;
    newer.unknown[3] = 1;
    assert_int_equal(evloop_udp_bind(loop, &d, "127.0.0.1:0", &newer.known), -E2BIG);
    assert_false(evloop_dgram_active(&d));
    newer.unknown[3] = 0;
    assert_int_equal(evloop_udp_bind(loop, &d, "127.0.0.1:0", &newer.known), 0);
    evloop_dgram_close(&d, NULL);
    loop_run(loop);
    loop_end(loop);
}

TEST(an_address_is_taken_once_unless_all_agree_to_share_it)
{
    evloop *loop = loop_new();
    evloop_dgram_options share = evloop_dgram_options_default();
    evloop_dgram_options reuse = evloop_dgram_options_default();
    evloop_dgram d = {0};
    share.reuse_port = true;
    reuse.reuse_address = true;
    struct box *box = box_bind(loop, "127.0.0.1:0", NULL);
    struct box *sharing = box_bind(loop, "127.0.0.1:0", &share);
    struct box *reusing = box_bind(loop, "127.0.0.1:0", &reuse);
    evloop_address taken = box_address(box);
    assert_int_equal(evloop_dgram_bind(loop, &d, &taken, NULL), -EADDRINUSE);
    assert_int_equal(evloop_dgram_bind(loop, &d, &taken, &share), -EADDRINUSE);
    taken = box_address(sharing);
    assert_int_equal(evloop_dgram_bind(loop, &d, &taken, NULL), -EADDRINUSE);
    assert_int_equal(evloop_dgram_bind(loop, &d, &taken, &share), 0);
    evloop_dgram_close(&d, NULL);
    loop_turn(loop);
    taken = box_address(reusing);
    assert_int_equal(evloop_dgram_bind(loop, &d, &taken, &reuse), 0);
    evloop_dgram_close(&d, NULL);
    box_close(loop, box);
    box_close(loop, sharing);
    box_close(loop, reusing);
    loop_end(loop);
}

static bool has_v6(evloop *loop)
{
    evloop_dgram d = {0};
    if (evloop_udp_bind(loop, &d, "[::1]:0", NULL) != 0)
        return false;
    evloop_dgram_close(&d, NULL);
    loop_turn(loop);
    return true;
}

TEST(a_v6_socket_takes_v4_as_well_unless_told_not_to)
{
    evloop *loop = loop_new();
    evloop_dgram_options only = evloop_dgram_options_default();
    only.v6_only = true;
    if (!has_v6(loop)) {
        loop_end(loop);
        skip();
    }
    struct box *both = box_bind(loop, "[::]:0", NULL);
    struct box *alone = box_bind(loop, "[::]:0", &only);
    struct box *v4 = box_bind(loop, "127.0.0.1:0", NULL);
    struct box *v6 = box_bind(loop, "[::1]:0", NULL);
    evloop_address to = box_address(both), v4_to = address_of("127.0.0.1:0");
    evloop_address v6_to = address_of("[::1]:0");
    evloop_address_set_port(&v4_to, evloop_address_port(&to));
    evloop_address_set_port(&v6_to, evloop_address_port(&to));
    assert_int_equal(box_send(v4, "four", &v4_to), 0);
    box_wait(loop, both, 1);
    assert_int_equal(box_send(v6, "six", &v6_to), 0);
    box_wait(loop, both, 2);
    assert_string_equal(both->mails[0].text, "four");
    assert_string_equal(both->mails[1].text, "six");
    to = box_address(alone);
    evloop_address_set_port(&v4_to, evloop_address_port(&to));
    evloop_address_set_port(&v6_to, evloop_address_port(&to));
    assert_int_equal(box_send(v4, "four", &v4_to), 0);
    assert_int_equal(box_send(v6, "six", &v6_to), 0);
    box_wait(loop, alone, 1);
    assert_string_equal(alone->mails[0].text, "six");
    /* An answer finds its way back, to either family. */
    assert_int_equal(box_send(both, "back", &both->mails[0].peer), 0);
    box_wait(loop, v4, 1);
    assert_int_equal(box_send(both, "back", &both->mails[1].peer), 0);
    box_wait(loop, v6, 1);
    box_close(loop, both);
    box_close(loop, alone);
    box_close(loop, v4);
    box_close(loop, v6);
    loop_end(loop);
}

static int configure_count;

static int configure(int fd, const evloop_address *address, void *arg)
{
    struct sockaddr_storage name = {0};
    socklen_t size = sizeof name;
    configure_count++;
    assert_int_equal(evloop_address_family(address), AF_INET);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&name, &size), 0);
    assert_int_equal(((struct sockaddr_in *)&name)->sin_port, 0); /* not bound yet */
    return *(int *)arg;
}

TEST(a_socket_can_be_configured_before_it_is_bound)
{
    evloop *loop = loop_new();
    evloop_dgram d = {0};
    int result = -EXDEV;
    evloop_dgram_options options = evloop_dgram_options_default();
    options.configure = configure;
    options.configure_arg = &result;
    configure_count = 0;
    assert_int_equal(evloop_udp_bind(loop, &d, "127.0.0.1:0", &options), -EXDEV);
    assert_false(evloop_dgram_active(&d));
    result = 0;
    assert_int_equal(evloop_udp_bind(loop, &d, "127.0.0.1:0", &options), 0);
    assert_int_equal(configure_count, 2);
    evloop_dgram_close(&d, NULL);
    loop_run(loop);
    loop_end(loop);
}

TEST(a_connected_socket_hears_its_peer_alone)
{
    evloop *loop = loop_new();
    struct box *peer = box_bind(loop, "127.0.0.1:0", NULL);
    struct box *stranger = box_bind(loop, "127.0.0.1:0", NULL);
    struct box *box = box_connect(loop, peer, NULL);
    evloop_address address, to = box_address(box), expected = box_address(peer);
    assert_int_equal(evloop_dgram_peer(&box->dgram, &address), 0);
    assert_true(evloop_address_equal(&address, &expected));
    assert_int_equal(box_send(stranger, "not you", &to), 0);
    assert_int_equal(box_send(peer, "you", &to), 0);
    box_wait(loop, box, 1);
    assert_string_equal(box->mails[0].text, "you");
    box_close(loop, peer);
    box_close(loop, stranger);
    box_close(loop, box);
    loop_end(loop);
}

TEST(a_connected_socket_can_be_bound_first)
{
    evloop *loop = loop_new();
    struct box *peer = box_bind(loop, "127.0.0.1:0", NULL);
    struct box *passing = box_bind(loop, "127.0.0.1:0", NULL);
    evloop_address local = box_address(passing), remote = box_address(peer), now;
    evloop_address v6 = address_of("[::1]:0");
    evloop_dgram d = {0};
    evloop_dgram_options options = evloop_dgram_options_default();
    box_close(loop, passing);
    options.local = &v6;
    assert_int_equal(evloop_dgram_connect(loop, &d, &remote, &options), -EINVAL);
    options.local = &local;
    assert_int_equal(evloop_dgram_bind(loop, &d, &local, &options), -EINVAL);
    assert_int_equal(evloop_dgram_connect(loop, &d, &remote, &options), 0);
    assert_int_equal(evloop_dgram_local(&d, &now), 0);
    assert_true(evloop_address_equal(&now, &local));
    evloop_dgram_close(&d, NULL);
    box_close(loop, peer);
    loop_end(loop);
}

TEST(a_socket_that_is_not_bound_is_bound_when_it_sends)
{
    evloop *loop = loop_new();
    struct box *peer = box_bind(loop, "127.0.0.1:0", NULL);
    struct box *box = box_new();
    evloop_dgram_options options = evloop_dgram_options_default();
    evloop_address to = box_address(peer), local;
    options.receive_local = true;
    assert_int_equal(evloop_dgram_socket(loop, &box->dgram, AF_INET, &options), 0);
    assert_int_equal(evloop_dgram_receive_start(&box->dgram, box_on_datagrams), 0);
    assert_int_equal(box_send(box, "hello", &to), 0);
    box_wait(loop, peer, 1);
    local = box_address(box);
    assert_int_not_equal(evloop_address_port(&local), 0);
    assert_int_equal(box_send(peer, "and back", &peer->mails[0].peer), 0);
    box_wait(loop, box, 1);
    assert_int_equal(evloop_address_port(&box->mails[0].local), evloop_address_port(&local));
    box_close(loop, peer);
    box_close(loop, box);
    loop_end(loop);
}

TEST(a_socket_of_others_is_taken_over)
{
    evloop *loop = loop_new();
    struct box *peer = box_bind(loop, "127.0.0.1:0", NULL);
    struct box *box = box_new();
    evloop_address to = box_address(peer);
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    assert_int_equal(evloop_dgram_open(loop, &box->dgram, fd, NULL), 0);
    assert_int_equal(evloop_dgram_fd(&box->dgram), fd);
    assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
    assert_int_equal(evloop_dgram_receive_start(&box->dgram, box_on_datagrams), 0);
    assert_int_equal(box_send(box, "hello", &to), 0);
    box_wait(loop, peer, 1);
    assert_int_equal(box_send(peer, "and back", &peer->mails[0].peer), 0);
    box_wait(loop, box, 1);
    box_close(loop, box);
    assert_int_equal(fcntl(fd, F_GETFD), -1); /* it was the socket's */
    box_close(loop, peer);
    loop_end(loop);
}

static void on_watch(evloop_watch *watch, unsigned events)
{
    (void)watch;
    (void)events;
}

TEST(what_is_no_datagram_socket_is_not_taken_over)
{
    int fds[2], pair[2];
    evloop *loop = loop_new();
    evloop_dgram d = {0};
    evloop_watch watch = {0};
    int fd = net_socket(AF_INET, SOCK_DGRAM);
    pipe_open(fds);
    pair_open(pair);
    assert_int_equal(evloop_dgram_open(loop, &d, -1, NULL), -EBADF);
    assert_int_equal(evloop_dgram_open(loop, &d, fds[0], NULL), -ENOTSOCK);
    assert_int_equal(evloop_dgram_open(loop, &d, pair[0], NULL), -EINVAL);
    assert_int_equal(evloop_watch_start(loop, &watch, fd, EVLOOP_READABLE, on_watch), 0);
    assert_int_equal(evloop_dgram_open(loop, &d, fd, NULL), -EEXIST);
    evloop_watch_stop(&watch);
    assert_int_equal(evloop_dgram_open(loop, &d, fd, NULL), 0);
    assert_int_equal(evloop_watch_start(loop, &watch, fd, EVLOOP_READABLE, on_watch), -EEXIST);
    evloop_dgram_close(&d, NULL);
    loop_run(loop);
    loop_end(loop);
    fds_close(fds);
    fds_close(pair);
}

/* ---- unix sockets ---------------------------------------------------------------------------- */

TEST(a_path_is_there_while_its_socket_is_open)
{
    const char *path = path_new();
    evloop *loop = loop_new();
    struct box *box = box_new(), *sender = box_new();
    evloop_dgram_options options = evloop_dgram_options_default();
    struct stat status;
    options.permissions = 0600;
    assert_int_equal(evloop_unix_dgram_bind(loop, &box->dgram, path, &options), 0);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    assert_int_equal(evloop_dgram_receive_start(&box->dgram, box_on_datagrams), 0);
    assert_int_equal(evloop_unix_dgram_connect(loop, &sender->dgram, path, NULL), 0);
    assert_int_equal(box_send(sender, "by path", NULL), 0);
    box_wait(loop, box, 1);
    assert_string_equal(box->mails[0].text, "by path");
    assert_int_equal(evloop_address_family(&box->mails[0].peer), AF_UNSPEC);
    box_close(loop, box);
    assert_false(exists(path));
    box_close(loop, sender);
    loop_end(loop);
    path_end(path);
}

TEST(a_path_that_is_in_use_is_refused_and_one_that_was_left_behind_is_taken_over)
{
    const char *path = path_new();
    evloop *loop = loop_new();
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    evloop_dgram d = {0};
    int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
    strcpy(name.sun_path, path);
    assert_int_equal(bind(fd, (struct sockaddr *)&name, sizeof name), 0);
    assert_int_equal(evloop_unix_dgram_bind(loop, &d, path, NULL), -EADDRINUSE);
    assert_true(exists(path));
    close(fd);
    assert_true(exists(path));
    assert_int_equal(evloop_unix_dgram_bind(loop, &d, path, NULL), 0);
    evloop_dgram_close(&d, NULL);
    loop_run(loop);
    assert_false(exists(path));
    loop_end(loop);
    path_end(path);
}

TEST(a_path_that_was_made_in_vain_is_removed)
{
    const char *path = path_new();
    evloop *loop = loop_new();
    evloop_address local = address_of(path);
    evloop_dgram d = {0};
    evloop_dgram_options options = evloop_dgram_options_default();
    options.local = &local;
    assert_int_equal(evloop_unix_dgram_connect(loop, &d, "/nowhere/at/all", &options), -ENOENT);
    assert_false(exists(path));
    loop_end(loop);
    path_end(path);
}

TEST(names_that_are_in_no_directory_can_be_answered)
{
    char one[UNIX_NAME_SIZE], other[UNIX_NAME_SIZE];
    evloop *loop = loop_new();
    struct box *box = box_new(), *sender = box_new();
    net_unix_name(one, "one");
    net_unix_name(other, "other");
    assert_int_equal(evloop_unix_dgram_bind(loop, &box->dgram, one, NULL), 0);
    assert_int_equal(evloop_unix_dgram_bind(loop, &sender->dgram, other, NULL), 0);
    assert_int_equal(evloop_dgram_receive_start(&box->dgram, box_on_datagrams), 0);
    assert_int_equal(evloop_dgram_receive_start(&sender->dgram, box_on_datagrams), 0);
    evloop_address to = address_of(one), expected = address_of(other);
    assert_int_equal(box_send(sender, "hello", &to), 0);
    box_wait(loop, box, 1);
    assert_true(evloop_address_equal(&box->mails[0].peer, &expected));
    assert_int_equal(box_send(box, "back", &box->mails[0].peer), 0);
    box_wait(loop, sender, 1);
    box_close(loop, box);
    box_close(loop, sender);
    loop_end(loop);
}

/* ---- ending ---------------------------------------------------------------------------------- */

static evloop_dgram_request requests[3];

static void on_written(evloop_dgram_request *request, int status)
{
    assert_int_equal(status, -ECANCELED);
    trace((char)('0' + (request - requests)));
}

static void on_closed(evloop_dgram *d)
{
    assert_false(evloop_dgram_active(d));
    trace('c');
}

TEST(requests_are_cancelled_in_order_before_the_closing_is_told)
{
    static const struct iovec iov = {(void *)"x", 1};
    evloop *loop = loop_new();
    struct box *peer = box_bind(loop, "127.0.0.1:0", NULL);
    evloop_address to = box_address(peer);
    evloop_dgram d = {0};
    memset(requests, 0, sizeof requests);
    assert_int_equal(evloop_udp_bind(loop, &d, "127.0.0.1:0", NULL), 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(evloop_dgram_write(&d, &requests[i], &iov, 1, &to, on_written), 0);
    assert_int_equal(evloop_dgram_close(&d, on_closed), 0);
    assert_int_equal(evloop_dgram_close(&d, on_closed), -EALREADY);
    assert_int_equal(evloop_dgram_send(&d, "x", 1, &to), -ENOTCONN);
    assert_int_equal(evloop_dgram_receive_start(&d, never), -ENOTCONN);
    assert_true(evloop_dgram_active(&d));
    assert_trace(""); /* never from inside a call */
    loop_turn(loop);
    assert_trace("012c");
    assert_int_equal(peer->count, 0);
    box_close(loop, peer);
    loop_end(loop);
}

TEST(what_was_sent_goes_out_before_a_closing)
{
    evloop *loop = loop_new();
    struct box *peer = box_bind(loop, "127.0.0.1:0", NULL);
    evloop_address to = box_address(peer);
    evloop_dgram d = {0};
    assert_int_equal(evloop_udp_bind(loop, &d, "127.0.0.1:0", NULL), 0);
    assert_int_equal(evloop_dgram_send(&d, "last", 4, &to), 0);
    assert_int_equal(evloop_dgram_send(&d, "words", 5, &to), 0);
    evloop_dgram_close(&d, NULL);
    box_wait(loop, peer, 2);
    assert_string_equal(peer->mails[0].text, "last");
    assert_string_equal(peer->mails[1].text, "words");
    box_close(loop, peer);
    loop_end(loop);
}

static void close_it(struct box *box)
{
    assert_int_equal(evloop_dgram_close(&box->dgram, box_on_closed), 0);
}

TEST(a_socket_can_be_closed_in_its_own_callback)
{
    evloop *loop = loop_new();
    struct box *box = box_bind(loop, "127.0.0.1:0", NULL);
    struct box *sender = box_connect(loop, box, NULL);
    box->then = close_it;
    assert_int_equal(box_send(sender, "x", NULL), 0);
    while (!box->closed)
        assert_int_equal(evloop_run(loop, EVLOOP_RUN_ONCE), 0);
    assert_int_equal(box->batches, 1);
    free(box);
    box_close(loop, sender);
    loop_end(loop);
}

static void free_it(evloop_dgram *d)
{
    trace('f');
    free(d);
}

TEST(memory_is_free_in_the_callback_of_the_closing)
{
    evloop *loop = loop_new();
    evloop_dgram *d = calloc(1, sizeof *d);
    assert_int_equal(evloop_udp_bind(loop, d, "127.0.0.1:0", NULL), 0);
    assert_int_equal(evloop_dgram_receive_start(d, never), 0);
    assert_int_equal(evloop_dgram_close(d, free_it), 0);
    loop_run(loop);
    assert_trace("f");
    loop_end(loop);
}

TEST(a_socket_can_be_opened_again)
{
    evloop *loop = loop_new();
    struct box *box = box_bind(loop, "127.0.0.1:0", NULL);
    evloop_dgram_close(&box->dgram, NULL);
    loop_turn(loop);
    assert_int_equal(evloop_udp_bind(loop, &box->dgram, "127.0.0.1:0", NULL), 0);
    assert_false(evloop_dgram_receiving(&box->dgram));
    assert_int_equal(evloop_dgram_receive_start(&box->dgram, box_on_datagrams), 0);
    struct box *sender = box_connect(loop, box, NULL);
    assert_int_equal(box_send(sender, "x", NULL), 0);
    box_wait(loop, box, 1);
    box_close(loop, box);
    box_close(loop, sender);
    loop_end(loop);
}

TEST(an_open_socket_keeps_the_loop_alive_unless_it_is_unreferenced)
{
    evloop *loop = loop_new();
    evloop_dgram d = {0};
    assert_int_equal(evloop_udp_bind(loop, &d, "127.0.0.1:0", NULL), 0);
    assert_true(evloop_alive(loop));
    assert_int_equal(evloop_dgram_unref(&d), 0);
    assert_false(evloop_alive(loop));
    loop_run(loop);
    assert_int_equal(evloop_dgram_ref(&d), 0);
    assert_true(evloop_alive(loop));
    evloop_dgram_unref(&d);
    evloop_dgram_close(&d, on_closed);
    loop_run(loop);
    assert_trace("c");
    loop_end(loop);
}

TEST(an_open_socket_is_named_by_who_asks_what_is_left)
{
    evloop *loop = loop_new();
    evloop_dgram d = {.name = "dns"};
    assert_int_equal(evloop_udp_bind(loop, &d, "127.0.0.1:0", NULL), 0);
    assert_int_equal(evloop_destroy(loop, 0), -EBUSY);
    assert_string_equal(evloop_busy_reason(loop), "1 datagram socket (\"dns\")");
    evloop_dgram_close(&d, NULL);
    loop_run(loop);
    loop_end(loop);
}

static void never_written(evloop_dgram_request *request, int status)
{
    (void)request;
    (void)status;
    fail_msg("a loop that is destroyed calls nobody");
}

TEST(a_loop_that_is_destroyed_by_force_closes_its_sockets_silently)
{
    static const struct iovec iov = {(void *)"x", 1};
    evloop *loop = loop_new();
    evloop_dgram d = {0}, closing = {0};
    evloop_dgram_request request = {0};
    evloop_address to = address_of("127.0.0.1:9");
    assert_int_equal(evloop_udp_bind(loop, &d, "127.0.0.1:0", NULL), 0);
    assert_int_equal(evloop_udp_bind(loop, &closing, "127.0.0.1:0", NULL), 0);
    assert_int_equal(evloop_dgram_receive_start(&d, never), 0);
    assert_int_equal(evloop_dgram_send(&d, "x", 1, &to), 0);
    assert_int_equal(evloop_dgram_write(&d, &request, &iov, 1, &to, never_written), 0);
    assert_int_equal(evloop_dgram_close(&closing, never_closed), 0);
    assert_int_equal(evloop_destroy(loop, EVLOOP_DESTROY_FORCE), 0);
    assert_false(evloop_dgram_active(&d));
    assert_int_equal(evloop_dgram_cancel(&request), -EINVAL);
}

static void end_shutdown(struct box *box)
{
    assert_int_equal(box->error, EVLOOP_ECLOSED);
    evloop_dgram_close(&box->dgram, box_on_closed);
}

TEST(a_shutdown_leaves_a_socket_until_the_deadline_and_then_tells_it)
{
    evloop *loop = loop_new();
    struct box *box = box_bind(loop, "127.0.0.1:0", NULL);
    struct box *silent = box_bind(loop, "127.0.0.1:0", NULL);
    struct box *sender = box_connect(loop, box, NULL);
    box->then = NULL;
    assert_int_equal(evloop_shutdown(loop, EVLOOP_MS(20)), 0);
    assert_int_equal(box_send(sender, "still", NULL), 0);
    box_wait(loop, box, 1);
    box->then = end_shutdown;
    sender->then = end_shutdown;
    loop_run(loop);
    assert_int_equal(box->errors, 1);
    assert_true(box->closed);
    assert_true(sender->closed);
    assert_int_equal(silent->error, EVLOOP_ECLOSED);
    assert_false(evloop_dgram_active(&silent->dgram));
    loop_end(loop);
    free(box);
    free(silent);
    free(sender);
}

static void release_it(struct box *box)
{
    box->error = evloop_dgram_release(&box->dgram);
    assert_false(evloop_dgram_active(&box->dgram));
}

TEST(a_descriptor_is_given_up_also_inside_the_callback)
{
    evloop *loop = loop_new();
    struct box *box = box_bind(loop, "127.0.0.1:0", NULL);
    struct box *sender = box_connect(loop, box, NULL);
    int fd = evloop_dgram_fd(&box->dgram);
    char bytes[8];
    assert_int_equal(box_send(sender, "x", NULL), 0);
    assert_int_equal(evloop_dgram_release(&sender->dgram), -EBUSY);
    box->then = release_it;
    box_wait(loop, box, 1);
    assert_int_equal(box->error, fd);
    assert_int_equal(box_send(sender, "y", NULL), 0);
    loop_turn(loop);
    assert_int_equal(recv(fd, bytes, sizeof bytes, 0), 1);
    close(fd);
    free(box);
    fd = evloop_dgram_release(&sender->dgram);
    assert_true(fd >= 0);
    close(fd);
    free(sender);
    loop_end(loop);
}

struct stranger {
    evloop_dgram *dgram;
    int result[6];
};

static void *call_from_elsewhere(void *arg)
{
    struct stranger *stranger = arg;
    const evloop_datagram datagram = {.data = "x", .size = 1};
    stranger->result[0] = evloop_dgram_send(stranger->dgram, "x", 1, NULL);
    stranger->result[1] = (int)evloop_dgram_try_send(stranger->dgram, &datagram, 1);
    stranger->result[2] = evloop_dgram_receive_stop(stranger->dgram);
    stranger->result[3] = evloop_dgram_close(stranger->dgram, NULL);
    stranger->result[4] = evloop_dgram_unref(stranger->dgram);
    stranger->result[5] = evloop_dgram_set_ttl(stranger->dgram, 1);
    return NULL;
}

static void let_a_stranger_call(evloop_timer *timer)
{
    pthread_t thread;
    thread_start(&thread, call_from_elsewhere, timer->data);
    thread_join(thread);
}

TEST(other_threads_than_the_loops_are_refused)
{
    evloop *loop = loop_new();
    struct box *box = box_bind(loop, "127.0.0.1:0", NULL);
    struct stranger stranger = {.dgram = &box->dgram};
    evloop_timer timer = {.data = &stranger};
    evloop_timer_start(loop, &timer, 0, 0, let_a_stranger_call);
    assert_int_equal(evloop_run(loop, EVLOOP_RUN_ONCE), 0);
    for (int i = 0; i < 6; i++)
        assert_int_equal(stranger.result[i], EVLOOP_ETHREAD);
    assert_true(evloop_dgram_receiving(&box->dgram));
    box_close(loop, box);
    loop_end(loop);
}

TEST(null_is_refused)
{
    evloop *loop = loop_new();
    evloop_dgram d = {0};
    evloop_address address = address_of("127.0.0.1:0");
    const evloop_datagram datagram = {.data = "x", .size = 1};
    assert_int_equal(evloop_dgram_bind(NULL, &d, &address, NULL), -EINVAL);
    assert_int_equal(evloop_dgram_bind(loop, NULL, &address, NULL), -EINVAL);
    assert_int_equal(evloop_dgram_bind(loop, &d, NULL, NULL), -EINVAL);
    assert_int_equal(evloop_udp_bind(loop, &d, NULL, NULL), -EINVAL);
    assert_int_equal(evloop_udp_connect(loop, &d, NULL, NULL), -EINVAL);
    assert_int_equal(evloop_dgram_socket(NULL, &d, AF_INET, NULL), -EINVAL);
    assert_int_equal(evloop_dgram_open(loop, NULL, 0, NULL), -EINVAL);
    assert_int_equal(evloop_dgram_receive_start(NULL, never), -EINVAL);
    assert_int_equal(evloop_dgram_receive_stop(NULL), -EINVAL);
    assert_int_equal(evloop_dgram_send(NULL, "x", 1, NULL), -EINVAL);
    assert_int_equal(evloop_dgram_send_segments(NULL, "x", 1, 1, NULL), -EINVAL);
    assert_int_equal(evloop_dgram_try_send(NULL, &datagram, 1), -EINVAL);
    assert_int_equal(evloop_dgram_write(NULL, &requests[0], NULL, 0, NULL, NULL), -EINVAL);
    assert_int_equal(evloop_dgram_cancel(NULL), -EINVAL);
    assert_int_equal(evloop_dgram_set_watermarks(NULL, 0, 0, NULL), -EINVAL);
    assert_int_equal(evloop_dgram_join(NULL, "239.0.0.1", NULL, NULL), -EINVAL);
    assert_int_equal(evloop_dgram_close(NULL, NULL), -EINVAL);
    assert_int_equal(evloop_dgram_release(NULL), -EINVAL);
    assert_int_equal(evloop_dgram_local(NULL, &address), -EINVAL);
    assert_int_equal(evloop_dgram_unref(NULL), -EINVAL);
    assert_int_equal(evloop_dgram_ref(NULL), -EINVAL);
    assert_int_equal(evloop_dgram_fd(NULL), -1);
    assert_int_equal(evloop_dgram_queued(NULL), 0);
    assert_false(evloop_dgram_active(NULL));
    assert_false(evloop_dgram_receiving(NULL));
    assert_null(evloop_dgram_loop(NULL));
    assert_int_equal(evloop_udp_bind(loop, &d, "127.0.0.1:0", NULL), 0);
    assert_int_equal(evloop_dgram_receive_start(&d, NULL), -EINVAL);
    assert_int_equal(evloop_dgram_send(&d, NULL, 1, &address), -EINVAL);
    assert_int_equal(evloop_dgram_try_send(&d, NULL, 1), -EINVAL);
    assert_int_equal(evloop_dgram_try_send(&d, &datagram, 0), -EINVAL);
    assert_int_equal(evloop_dgram_write(&d, NULL, NULL, 0, &address, NULL), -EINVAL);
    assert_int_equal(evloop_dgram_write(&d, &requests[0], NULL, 1, &address, NULL), -EINVAL);
    assert_int_equal(evloop_dgram_local(&d, NULL), -EINVAL);
    assert_int_equal(evloop_dgram_join(&d, NULL, NULL, NULL), -EINVAL);
    evloop_dgram_close(&d, NULL);
    loop_run(loop);
    loop_end(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_ENTRY(a_socket_that_was_never_opened_is_inactive_and_harmless),
        TEST_ENTRY(a_socket_that_is_bound_to_port_0_tells_which_it_has),
        TEST_ENTRY(an_open_socket_is_refused_and_left_as_it_was),
        TEST_ENTRY(an_address_of_the_wrong_kind_is_refused),
        TEST_ENTRY(options_that_cannot_be_are_refused),
        TEST_ENTRY(an_address_is_taken_once_unless_all_agree_to_share_it),
        TEST_ENTRY(a_v6_socket_takes_v4_as_well_unless_told_not_to),
        TEST_ENTRY(a_socket_can_be_configured_before_it_is_bound),
        TEST_ENTRY(a_connected_socket_hears_its_peer_alone),
        TEST_ENTRY(a_connected_socket_can_be_bound_first),
        TEST_ENTRY(a_socket_that_is_not_bound_is_bound_when_it_sends),
        TEST_ENTRY(a_socket_of_others_is_taken_over),
        TEST_ENTRY(what_is_no_datagram_socket_is_not_taken_over),
        TEST_ENTRY(a_path_is_there_while_its_socket_is_open),
        TEST_ENTRY(a_path_that_is_in_use_is_refused_and_one_that_was_left_behind_is_taken_over),
        TEST_ENTRY(a_path_that_was_made_in_vain_is_removed),
        TEST_ENTRY(names_that_are_in_no_directory_can_be_answered),
        TEST_ENTRY(requests_are_cancelled_in_order_before_the_closing_is_told),
        TEST_ENTRY(what_was_sent_goes_out_before_a_closing),
        TEST_ENTRY(a_socket_can_be_closed_in_its_own_callback),
        TEST_ENTRY(memory_is_free_in_the_callback_of_the_closing),
        TEST_ENTRY(a_socket_can_be_opened_again),
        TEST_ENTRY(an_open_socket_keeps_the_loop_alive_unless_it_is_unreferenced),
        TEST_ENTRY(an_open_socket_is_named_by_who_asks_what_is_left),
        TEST_ENTRY(a_loop_that_is_destroyed_by_force_closes_its_sockets_silently),
        TEST_ENTRY(a_shutdown_leaves_a_socket_until_the_deadline_and_then_tells_it),
        TEST_ENTRY(a_descriptor_is_given_up_also_inside_the_callback),
        TEST_ENTRY(other_threads_than_the_loops_are_refused),
        TEST_ENTRY(null_is_refused),
    };
    return RUN_TESTS("dgram open", tests);
}
