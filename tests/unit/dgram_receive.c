/*
 * dgram_receive.c: datagrams as they come: batches, what is told beside them, errors of the
 * network.
 */
#include "mail.h"
#include "net.h"
#include "system.h"

#include <netinet/in.h>
#include <sys/socket.h>

static evloop_address address_of(const char *text)
{
    evloop_address address;
    assert_int_equal(evloop_address_parse(&address, text), 0);
    return address;
}

/* The port is the socket's; the address is another. */
static evloop_address same_port(const char *text, const struct box *box)
{
    evloop_address address = address_of(text), of = box_address(box);
    evloop_address_set_port(&address, evloop_address_port(&of));
    return address;
}

static bool can_bind_v6(evloop *loop)
{
    evloop_dgram d = {0};
    if (evloop_udp_bind(loop, &d, "[::1]:0", NULL) != 0)
        return false;
    evloop_dgram_close(&d, NULL);
    loop_turn(loop);
    return true;
}

/* ---- batches --------------------------------------------------------------------------------- */

static void send_numbers(struct box *sender, unsigned from, unsigned count)
{
    char text[16];
    for (unsigned i = from; i < from + count; i++) {
        snprintf(text, sizeof text, "%u", i);
        assert_int_equal(box_send(sender, text, NULL), 0);
    }
}

static void assert_numbers(const struct box *box, unsigned count)
{
    char text[16];
    for (unsigned i = 0; i < count; i++) {
        snprintf(text, sizeof text, "%u", i);
        assert_string_equal(box->mails[i].text, text);
    }
}

TEST(what_came_together_is_told_together_and_in_order)
{
    evloop *loop = loop_new();
    struct box *box = box_bind(loop, "127.0.0.1:0", NULL);
    struct box *sender = box_connect(loop, box, NULL);
    evloop_address from = box_address(sender);
    send_numbers(sender, 0, 20);
    box_wait(loop, box, 20);
    assert_int_equal(box->batches, 1);
    assert_numbers(box, 20);
    for (unsigned i = 0; i < 20; i++)
        assert_true(evloop_address_equal(&box->mails[i].peer, &from));
    box_close(loop, box);
    box_close(loop, sender);
    loop_end(loop);
}

TEST(a_batch_is_as_large_as_was_asked_for_and_the_next_comes_in_the_next_turn)
{
    evloop *loop = loop_new();
    evloop_dgram_options options = evloop_dgram_options_default();
    options.batch = 8;
    struct box *box = box_bind(loop, "127.0.0.1:0", &options);
    struct box *other = box_bind(loop, "127.0.0.1:0", NULL);
    struct box *sender = box_connect(loop, box, NULL);
    struct box *second = box_connect(loop, other, NULL);
    loop_turn(loop);
    send_numbers(sender, 0, 20);
    send_numbers(second, 0, 1);
    loop_turn(loop);
    assert_int_equal(box->count, 8);
    assert_int_equal(other->count, 1); /* a busy one starves nobody */
    loop_turn(loop);
    assert_int_equal(box->count, 16);
    loop_turn(loop);
    assert_int_equal(box->count, 20);
    assert_int_equal(box->largest, 8);
    assert_numbers(box, 20);
    box_close(loop, box);
    box_close(loop, other);
    box_close(loop, sender);
    box_close(loop, second);
    loop_end(loop);
}

TEST(a_batch_that_was_just_full_is_not_followed_by_an_empty_one)
{
    evloop *loop = loop_new();
    evloop_dgram_options options = evloop_dgram_options_default();
    options.batch = 4;
    struct box *box = box_bind(loop, "127.0.0.1:0", &options);
    struct box *sender = box_connect(loop, box, NULL);
    for (unsigned round = 0; round < 3; round++) {
        send_numbers(sender, 4 * round, 4);
        box_wait(loop, box, 4 * (round + 1));
        loop_turn(loop);
        loop_turn(loop);
        assert_int_equal(box->batches, round + 1);
    }
    box_close(loop, box);
    box_close(loop, sender);
    loop_end(loop);
}

TEST(a_datagram_without_bytes_is_a_datagram)
{
    evloop *loop = loop_new();
    struct box *box = box_bind(loop, "127.0.0.1:0", NULL);
    struct box *sender = box_connect(loop, box, NULL);
    assert_int_equal(evloop_dgram_send(&sender->dgram, NULL, 0, NULL), 0);
    assert_int_equal(box_send(sender, "x", NULL), 0);
    box_wait(loop, box, 2);
    assert_int_equal(box->mails[0].size, 0);
    assert_int_equal(box->mails[1].size, 1);
    box_close(loop, box);
    box_close(loop, sender);
    loop_end(loop);
}

TEST(what_is_longer_than_the_room_is_flagged)
{
    evloop *loop = loop_new();
    evloop_dgram_options options = evloop_dgram_options_default();
    options.receive_size = 4;
    struct box *box = box_bind(loop, "127.0.0.1:0", &options);
    struct box *sender = box_connect(loop, box, NULL);
    assert_int_equal(box_send(sender, "four", NULL), 0);
    assert_int_equal(box_send(sender, "fiver", NULL), 0);
    assert_int_equal(box_send(sender, "x", NULL), 0);
    box_wait(loop, box, 3);
    assert_false(box->mails[0].truncated);
    assert_true(box->mails[1].truncated);
    assert_int_equal(box->mails[1].size, 4);
    assert_string_equal(box->mails[1].text, "five");
    assert_false(box->mails[2].truncated);
    assert_string_equal(box->mails[2].text, "x");
    box_close(loop, box);
    box_close(loop, sender);
    loop_end(loop);
}

TEST(the_largest_datagram_comes_whole)
{
    evloop *loop = loop_new();
    struct box *box = box_bind(loop, "127.0.0.1:0", NULL);
    struct box *sender = box_connect(loop, box, NULL);
    net_narrow(evloop_dgram_fd(&sender->dgram)); /* some let go no more than there is room for */
    net_narrow(evloop_dgram_fd(&box->dgram));
    char *bytes = malloc(65508);
    memset(bytes, 'x', 65508);
    assert_int_equal(evloop_dgram_send(&sender->dgram, bytes, 65508, NULL), -EMSGSIZE);
    assert_int_equal(evloop_dgram_send(&sender->dgram, bytes, 65507, NULL), 0);
    box_wait(loop, box, 1);
    assert_int_equal(box->mails[0].size, 65507);
    assert_false(box->mails[0].truncated);
    free(bytes);
    box_close(loop, box);
    box_close(loop, sender);
    loop_end(loop);
}

/* ---- pausing --------------------------------------------------------------------------------- */

static void stop_it(struct box *box)
{
    assert_int_equal(evloop_dgram_receive_stop(&box->dgram), 0);
    box->then = NULL;
}

TEST(receiving_stops_at_once_and_goes_on_where_it_was)
{
    evloop *loop = loop_new();
    evloop_dgram_options options = evloop_dgram_options_default();
    options.batch = 2;
    struct box *box = box_bind(loop, "127.0.0.1:0", &options);
    struct box *sender = box_connect(loop, box, NULL);
    assert_int_equal(evloop_dgram_receive_start(&box->dgram, box_on_datagrams), -EBUSY);
    box->then = stop_it;
    send_numbers(sender, 0, 5);
    box_wait(loop, box, 2);
    assert_false(evloop_dgram_receiving(&box->dgram));
    for (int i = 0; i < 3; i++)
        loop_turn(loop);
    assert_int_equal(box->count, 2);
    assert_int_equal(evloop_dgram_receive_stop(&box->dgram), 0);
    assert_int_equal(evloop_dgram_receive_start(&box->dgram, box_on_datagrams), 0);
    box_wait(loop, box, 4);
    box_wait(loop, box, 5);
    assert_numbers(box, 5);
    box_close(loop, box);
    box_close(loop, sender);
    loop_end(loop);
}

static void restart_it(struct box *box)
{
    assert_int_equal(evloop_dgram_receive_stop(&box->dgram), 0);
    assert_int_equal(evloop_dgram_receive_start(&box->dgram, box_on_datagrams), 0);
}

TEST(receiving_can_be_stopped_and_started_inside_the_callback)
{
    evloop *loop = loop_new();
    evloop_dgram_options options = evloop_dgram_options_default();
    options.batch = 2;
    struct box *box = box_bind(loop, "127.0.0.1:0", &options);
    struct box *sender = box_connect(loop, box, NULL);
    box->then = restart_it;
    send_numbers(sender, 0, 5);
    box_wait(loop, box, 2);
    box_wait(loop, box, 4);
    box_wait(loop, box, 5);
    assert_numbers(box, 5);
    box_close(loop, box);
    box_close(loop, sender);
    loop_end(loop);
}

/* ---- what is told beside it ------------------------------------------------------------------ */

static evloop_dgram_options all_told(void)
{
    evloop_dgram_options options = evloop_dgram_options_default();
    options.receive_local = true;
    options.receive_ttl = true;
    options.receive_ecn = true;
    return options;
}

TEST(nothing_is_told_beside_a_datagram_unless_it_was_asked_for)
{
    evloop *loop = loop_new();
    struct box *box = box_bind(loop, "127.0.0.1:0", NULL);
    struct box *sender = box_connect(loop, box, NULL);
    assert_int_equal(box_send(sender, "x", NULL), 0);
    box_wait(loop, box, 1);
    assert_int_equal(evloop_address_family(&box->mails[0].local), AF_UNSPEC);
    assert_int_equal(box->mails[0].interface_index, 0);
    assert_int_equal(box->mails[0].segment_size, 0);
    assert_int_equal(box->mails[0].ttl, -1);
    assert_int_equal(box->mails[0].ecn, -1);
    assert_false(box->mails[0].truncated);
    box_close(loop, box);
    box_close(loop, sender);
    loop_end(loop);
}

TEST(local_address_interface_ttl_and_ecn_are_told)
{
    evloop *loop = loop_new();
    evloop_dgram_options options = all_told();
    struct box *box = box_bind(loop, "0.0.0.0:0", &options);
    struct box *sender = box_bind(loop, "127.0.0.1:0", NULL);
    evloop_address to = same_port(net_has_all_of_127() ? "127.0.0.2:0" : "127.0.0.1:0", box);
    assert_int_equal(evloop_dgram_set_ttl(&sender->dgram, 17), 0);
    assert_int_equal(evloop_dgram_set_ecn(&sender->dgram, 2), 0);
    assert_int_equal(box_send(sender, "x", &to), 0);
    box_wait(loop, box, 1);
    assert_true(evloop_address_equal(&box->mails[0].local, &to));
    assert_int_not_equal(box->mails[0].interface_index, 0);
    assert_int_equal(box->mails[0].ttl, 17);
    assert_int_equal(box->mails[0].ecn, 2);
    /* Nothing stays of one datagram that the next does not have. */
    assert_int_equal(evloop_dgram_set_ecn(&sender->dgram, 0), 0);
    assert_int_equal(box_send(sender, "x", &to), 0);
    box_wait(loop, box, 2);
    assert_int_equal(box->mails[1].ecn, 0);
    box_close(loop, box);
    box_close(loop, sender);
    loop_end(loop);
}

TEST(they_are_told_of_v6_and_of_v4_that_comes_to_v6)
{
    evloop *loop = loop_new();
    evloop_dgram_options options = all_told();
    if (!can_bind_v6(loop)) {
        loop_end(loop);
        skip();
    }
    struct box *box = box_bind(loop, "[::]:0", &options);
    struct box *v6 = box_bind(loop, "[::1]:0", NULL);
    struct box *v4 = box_bind(loop, "127.0.0.1:0", NULL);
    evloop_address to = same_port("[::1]:0", box);
    assert_int_equal(evloop_dgram_set_ttl(&v6->dgram, 18), 0);
    assert_int_equal(evloop_dgram_set_ecn(&v6->dgram, 1), 0);
    assert_int_equal(box_send(v6, "six", &to), 0);
    box_wait(loop, box, 1);
    assert_true(evloop_address_equal(&box->mails[0].local, &to));
    assert_int_not_equal(box->mails[0].interface_index, 0);
    assert_int_equal(box->mails[0].ttl, 18);
    assert_int_equal(box->mails[0].ecn, 1);
    const bool all = net_has_all_of_127();
    to = same_port(all ? "127.0.0.2:0" : "127.0.0.1:0", box);
    assert_int_equal(evloop_dgram_set_ttl(&v4->dgram, 19), 0);
    assert_int_equal(evloop_dgram_set_ecn(&v4->dgram, 3), 0);
    assert_int_equal(box_send(v4, "four", &to), 0);
    box_wait(loop, box, 2);
    to = same_port(all ? "[::ffff:127.0.0.2]:0" : "[::ffff:127.0.0.1]:0", box);
    assert_true(evloop_address_equal(&box->mails[1].local, &to));
    assert_int_equal(box->mails[1].ttl, 19);
    assert_int_equal(box->mails[1].ecn, 3);
    box_close(loop, box);
    box_close(loop, v6);
    box_close(loop, v4);
    loop_end(loop);
}

static void echo(evloop_dgram *d, ssize_t n, const evloop_datagram *datagrams)
{
    if (n > 0)
        assert_int_equal(evloop_dgram_try_send(d, datagrams, (size_t)n), n);
}

TEST(an_echo_comes_from_the_address_that_was_sent_to)
{
    evloop *loop = loop_new();
    evloop_dgram_options options = all_told();
    evloop_dgram server = {0};
    evloop_address local;
    struct box *sender = box_bind(loop, "127.0.0.1:0", NULL);
    assert_int_equal(evloop_udp_bind(loop, &server, "0.0.0.0:0", &options), 0);
    assert_int_equal(evloop_dgram_receive_start(&server, echo), 0);
    assert_int_equal(evloop_dgram_local(&server, &local), 0);
    for (unsigned i = 1; i <= 3; i++) {
        char text[EVLOOP_ADDRESS_TEXT];
        snprintf(text, sizeof text, "127.0.0.%u:%u", net_has_all_of_127() ? i : 1,
                 evloop_address_port(&local));
        evloop_address to = address_of(text);
        assert_int_equal(box_send(sender, text, &to), 0);
        box_wait(loop, sender, i);
        assert_string_equal(sender->mails[i - 1].text, text);
        assert_true(evloop_address_equal(&sender->mails[i - 1].peer, &to));
    }
    evloop_dgram_close(&server, NULL);
    box_close(loop, sender);
    loop_end(loop);
}

TEST(so_it_does_over_v6_and_for_v4_that_comes_to_v6)
{
    evloop *loop = loop_new();
    evloop_dgram_options options = all_told();
    evloop_dgram server = {0};
    evloop_address local;
    if (!can_bind_v6(loop)) {
        loop_end(loop);
        skip();
    }
    struct box *v4 = box_bind(loop, "127.0.0.1:0", NULL);
    struct box *v6 = box_bind(loop, "[::1]:0", NULL);
    assert_int_equal(evloop_udp_bind(loop, &server, "[::]:0", &options), 0);
    assert_int_equal(evloop_dgram_receive_start(&server, echo), 0);
    assert_int_equal(evloop_dgram_local(&server, &local), 0);
    evloop_address to = address_of(net_has_all_of_127() ? "127.0.0.3:0" : "127.0.0.1:0");
    evloop_address_set_port(&to, evloop_address_port(&local));
    assert_int_equal(box_send(v4, "four", &to), 0);
    box_wait(loop, v4, 1);
    assert_true(evloop_address_equal(&v4->mails[0].peer, &to));
    to = address_of("[::1]:0");
    evloop_address_set_port(&to, evloop_address_port(&local));
    assert_int_equal(box_send(v6, "six", &to), 0);
    box_wait(loop, v6, 1);
    assert_true(evloop_address_equal(&v6->mails[0].peer, &to));
    evloop_dgram_close(&server, NULL);
    box_close(loop, v4);
    box_close(loop, v6);
    loop_end(loop);
}

/* ---- errors of the network ------------------------------------------------------------------- */

/* An address of this machine that nobody receives at. */
static evloop_address nobody(evloop *loop)
{
    struct box *box = box_bind(loop, "127.0.0.1:0", NULL);
    evloop_address address = box_address(box);
    box_close(loop, box);
    return address;
}

TEST(a_refusal_is_told_and_receiving_goes_on)
{
    evloop *loop = loop_new();
    evloop_address to = nobody(loop), from;
    struct box *box = box_new();
    assert_int_equal(evloop_dgram_connect(loop, &box->dgram, &to, NULL), 0);
    assert_int_equal(evloop_dgram_receive_start(&box->dgram, box_on_datagrams), 0);
    assert_int_equal(box_send(box, "x", NULL), 0);
    box_wait_error(loop, box, 1);
    assert_int_equal(box->error, -ECONNREFUSED);
    assert_false(box->about);
    assert_true(evloop_dgram_receiving(&box->dgram));
    /* Somebody comes. */
    struct box *late = box_new();
    assert_int_equal(evloop_dgram_bind(loop, &late->dgram, &to, NULL), 0);
    from = box_address(box);
    assert_int_equal(box_send(late, "here I am", &from), 0);
    box_wait(loop, box, 1);
    box_close(loop, late);
    box_close(loop, box);
    loop_end(loop);
}

TEST(with_errors_asked_for_it_is_told_whom_they_are_about)
{
    if (!system_queues_errors)
        skip();
    evloop *loop = loop_new();
    evloop_address to = nobody(loop), other = nobody(loop), from;
    evloop_dgram_options options = evloop_dgram_options_default();
    options.receive_errors = true;
    struct box *box = box_bind(loop, "127.0.0.1:0", &options);
    struct box *sender = box_bind(loop, "127.0.0.1:0", NULL);
    assert_int_equal(box_send(box, "lost", &to), 0);
    box_wait_error(loop, box, 1);
    assert_int_equal(box->error, -ECONNREFUSED);
    assert_true(box->about);
    assert_true(evloop_address_equal(&box->error_mail.peer, &to));
    assert_string_equal(box->error_mail.text, "lost");
    assert_int_equal(box_send(box, "gone", &other), 0);
    assert_int_equal(box_send(box, "gone", &to), 0);
    box_wait_error(loop, box, 3);
    assert_true(evloop_address_equal(&box->error_mail.peer, &to));
    assert_int_equal(box->errors, 3);
    from = box_address(box);
    assert_int_equal(box_send(sender, "x", &from), 0);
    box_wait(loop, box, 1);
    box_close(loop, box);
    box_close(loop, sender);
    loop_end(loop);
}

TEST(so_it_is_over_v6)
{
    evloop *loop = loop_new();
    evloop_dgram_options options = evloop_dgram_options_default();
    options.receive_errors = true;
    if (!can_bind_v6(loop) || !system_queues_errors) {
        loop_end(loop);
        skip();
    }
    struct box *box = box_bind(loop, "[::]:0", &options);
    struct box *gone = box_bind(loop, "[::1]:0", NULL);
    evloop_address to = box_address(gone), v4 = nobody(loop);
    box_close(loop, gone);
    assert_int_equal(box_send(box, "six", &to), 0);
    box_wait_error(loop, box, 1);
    assert_int_equal(box->error, -ECONNREFUSED);
    assert_true(evloop_address_equal(&box->error_mail.peer, &to));
    assert_int_equal(box_send(box, "four", &v4), 0);
    box_wait_error(loop, box, 2);
    assert_int_equal(evloop_address_port(&box->error_mail.peer), evloop_address_port(&v4));
    assert_string_equal(box->error_mail.text, "four");
    box_close(loop, box);
    loop_end(loop);
}

TEST(errors_and_datagrams_have_their_turns)
{
    if (!system_queues_errors)
        skip();
    evloop *loop = loop_new();
    evloop_address to = nobody(loop), from;
    evloop_dgram_options options = evloop_dgram_options_default();
    options.receive_errors = true;
    options.batch = 1;
    struct box *box = box_bind(loop, "127.0.0.1:0", &options);
    struct box *sender = box_bind(loop, "127.0.0.1:0", NULL);
    from = box_address(box);
    for (int i = 0; i < 10; i++) {
        assert_int_equal(box_send(box, "lost", &to), 0);
        assert_int_equal(box_send(sender, "found", &from), 0);
    }
    loop_turn(loop); /* they are sent */
    size_t told = box->count + box->errors;
    for (int i = 0; i < 6; i++)
        loop_turn(loop);
    assert_int_equal(box->count + box->errors, told + 6);
    assert_true(box->count >= 3);
    assert_true(box->errors >= 3);
    while (box->count < 10 || box->errors < 10)
        assert_int_equal(evloop_run(loop, EVLOOP_RUN_ONCE), 0);
    assert_int_equal(box->count, 10);
    assert_int_equal(box->errors, 10);
    box_close(loop, box);
    box_close(loop, sender);
    loop_end(loop);
}

/* ---- unix sockets ---------------------------------------------------------------------------- */

static void send_descriptor(int fd, const evloop_address *to, int passed)
{
    char byte = 'x';
    struct iovec iov = {.iov_base = &byte, .iov_len = 1};
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof passed)] = {0};
    struct msghdr header = {.msg_name = (void *)(uintptr_t)&to->of,
                            .msg_namelen = to->size,
                            .msg_iov = &iov,
                            .msg_iovlen = 1,
                            .msg_control = control,
                            .msg_controllen = sizeof control};
    struct cmsghdr *part = CMSG_FIRSTHDR(&header);
    part->cmsg_level = SOL_SOCKET;
    part->cmsg_type = SCM_RIGHTS;
    part->cmsg_len = CMSG_LEN(sizeof passed);
    memcpy(CMSG_DATA(part), &passed, sizeof passed);
    assert_int_equal(sendmsg(fd, &header, 0), 1);
}

TEST(descriptors_that_come_with_a_datagram_do_not_stay_whatever_the_options)
{
    for (unsigned i = 0; i < 4; i++) {
        evloop *loop = loop_new();
        evloop_dgram_options options = evloop_dgram_options_default();
        options.gro = i & 1;
        options.receive_errors = i & 2;
        struct box *box = box_new();
        char name[UNIX_NAME_SIZE];
        net_unix_name(name, "passed");
        assert_int_equal(evloop_unix_dgram_bind(loop, &box->dgram, name, &options), 0);
        assert_int_equal(evloop_dgram_receive_start(&box->dgram, box_on_datagrams), 0);
        evloop_address to = box_address(box);
        int fd = net_socket(AF_UNIX, SOCK_DGRAM);
        int pipe_fds[2];
        char byte;
        pipe_open(pipe_fds);
        send_descriptor(fd, &to, pipe_fds[1]);
        box_wait(loop, box, 1);
        assert_string_equal(box->mails[0].text, "x");
        close(pipe_fds[1]);
        pipe_fds[1] = -1;
        assert_int_equal(read(pipe_fds[0], &byte, 1), 0); /* nobody has its other end */
        fds_close(pipe_fds);
        close(fd);
        box_close(loop, box);
        loop_end(loop);
    }
}

/* ---- memory ---------------------------------------------------------------------------------- */

TEST(without_memory_receiving_does_not_start)
{
    evloop *loop = loop_new();
    struct box *box = box_new();
    assert_int_equal(evloop_udp_bind(loop, &box->dgram, "127.0.0.1:0", NULL), 0);
    heap_fail_in(&test_heap, HEAP_FAIL_ALL);
    assert_int_equal(evloop_dgram_receive_start(&box->dgram, box_on_datagrams), -ENOMEM);
    heap_fail_in(&test_heap, 0);
    assert_false(evloop_dgram_receiving(&box->dgram));
    assert_int_equal(evloop_dgram_receive_start(&box->dgram, box_on_datagrams), 0);
    struct box *sender = box_connect(loop, box, NULL);
    assert_int_equal(box_send(sender, "x", NULL), 0);
    box_wait(loop, box, 1);
    box_close(loop, box);
    box_close(loop, sender);
    loop_end(loop);
}

TEST(all_sockets_of_a_loop_receive_into_one_piece_of_memory)
{
    evloop *loop = loop_new();
    evloop_dgram_options options = evloop_dgram_options_default();
    options.batch = 4;
    options.receive_size = 2048;
    struct box *box = box_bind(loop, "127.0.0.1:0", &options);
    size_t bytes = heap_bytes(&test_heap);
    assert_true(bytes < 192 * 1024 + 32 * 1024);
    struct box *second = box_bind(loop, "127.0.0.1:0", &options);
    options.receive_size = 100;
    struct box *third = box_bind(loop, "127.0.0.1:0", &options);
    struct box *to_second = box_connect(loop, second, &options);
    struct box *to_third = box_connect(loop, third, &options);
    assert_int_equal(heap_bytes(&test_heap), bytes);
    assert_int_equal(box_send(to_second, "second", NULL), 0);
    assert_int_equal(box_send(to_third, "third", NULL), 0);
    box_wait(loop, second, 1);
    while (third->count < 1)
        assert_int_equal(evloop_run(loop, EVLOOP_RUN_ONCE), 0);
    assert_string_equal(second->mails[0].text, "second");
    assert_string_equal(third->mails[0].text, "third");
    box_close(loop, box);
    box_close(loop, second);
    box_close(loop, third);
    box_close(loop, to_second);
    box_close(loop, to_third);
    loop_end(loop);
}

TEST(receiving_and_sending_allocate_nothing_once_they_have_begun)
{
    evloop *loop = loop_new();
    struct box *box = box_bind(loop, "127.0.0.1:0", NULL);
    struct box *sender = box_connect(loop, box, NULL);
    send_numbers(sender, 0, 100);
    box_wait(loop, box, 100);
    size_t calls = heap_calls(&test_heap);
    for (unsigned round = 1; round < 20; round++) {
        send_numbers(sender, 100 * round, 100);
        box_wait(loop, box, 100 * (round + 1));
    }
    assert_int_equal(heap_calls(&test_heap), calls);
    box_close(loop, box);
    box_close(loop, sender);
    loop_end(loop);
}

static struct box *demanding;

static void demand_more(evloop_dgram *d, ssize_t n, const evloop_datagram *datagrams)
{
    assert_int_equal(n, 2);
    assert_int_equal(evloop_dgram_receive_start(&demanding->dgram, box_on_datagrams), 0);
    /* What was lent is whole. */
    assert_memory_equal(datagrams[0].data, "first", 5);
    assert_memory_equal(datagrams[1].data, "second", 6);
    evloop_dgram_close(d, NULL);
}

TEST(who_wants_more_room_inside_a_callback_does_not_take_what_was_lent)
{
    evloop *loop = loop_new();
    evloop_dgram_options small = evloop_dgram_options_default();
    evloop_dgram d = {0};
    evloop_address to;
    small.batch = 2;
    small.receive_size = 64;
    assert_int_equal(evloop_udp_bind(loop, &d, "127.0.0.1:0", &small), 0);
    assert_int_equal(evloop_dgram_receive_start(&d, demand_more), 0);
    assert_int_equal(evloop_dgram_local(&d, &to), 0);
    demanding = box_new();
    assert_int_equal(evloop_udp_bind(loop, &demanding->dgram, "127.0.0.1:0", NULL), 0);
    assert_int_equal(box_send(demanding, "first", &to), 0);
    assert_int_equal(box_send(demanding, "second", &to), 0);
    while (!evloop_dgram_receiving(&demanding->dgram))
        assert_int_equal(evloop_run(loop, EVLOOP_RUN_ONCE), 0);
    to = box_address(demanding);
    assert_int_equal(box_send(demanding, "to itself", &to), 0);
    box_wait(loop, demanding, 1);
    box_close(loop, demanding);
    loop_end(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_ENTRY(what_came_together_is_told_together_and_in_order),
        TEST_ENTRY(a_batch_is_as_large_as_was_asked_for_and_the_next_comes_in_the_next_turn),
        TEST_ENTRY(a_batch_that_was_just_full_is_not_followed_by_an_empty_one),
        TEST_ENTRY(a_datagram_without_bytes_is_a_datagram),
        TEST_ENTRY(what_is_longer_than_the_room_is_flagged),
        TEST_ENTRY(the_largest_datagram_comes_whole),
        TEST_ENTRY(receiving_stops_at_once_and_goes_on_where_it_was),
        TEST_ENTRY(receiving_can_be_stopped_and_started_inside_the_callback),
        TEST_ENTRY(nothing_is_told_beside_a_datagram_unless_it_was_asked_for),
        TEST_ENTRY(local_address_interface_ttl_and_ecn_are_told),
        TEST_ENTRY(they_are_told_of_v6_and_of_v4_that_comes_to_v6),
        TEST_ENTRY(an_echo_comes_from_the_address_that_was_sent_to),
        TEST_ENTRY(so_it_does_over_v6_and_for_v4_that_comes_to_v6),
        TEST_ENTRY(a_refusal_is_told_and_receiving_goes_on),
        TEST_ENTRY(with_errors_asked_for_it_is_told_whom_they_are_about),
        TEST_ENTRY(so_it_is_over_v6),
        TEST_ENTRY(errors_and_datagrams_have_their_turns),
        TEST_ENTRY(descriptors_that_come_with_a_datagram_do_not_stay_whatever_the_options),
        TEST_ENTRY(without_memory_receiving_does_not_start),
        TEST_ENTRY(all_sockets_of_a_loop_receive_into_one_piece_of_memory),
        TEST_ENTRY(receiving_and_sending_allocate_nothing_once_they_have_begun),
        TEST_ENTRY(who_wants_more_room_inside_a_callback_does_not_take_what_was_lent),
    };
    return RUN_TESTS("dgram receive", tests);
}
