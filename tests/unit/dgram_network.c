/*
 * dgram_network.c: groups, broadcast, and what the network does with datagrams. All of it on the
 * loopback interface.
 */
#include "mail.h"

#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>

static const char group[] = "239.255.17.4";

static evloop_address address_of(const char *text)
{
    evloop_address address;
    assert_int_equal(evloop_address_parse(&address, text), 0);
    return address;
}

static evloop_address with_port_of(const char *text, const struct box *box)
{
    evloop_address address = address_of(text), of = box_address(box);
    evloop_address_set_port(&address, evloop_address_port(&of));
    return address;
}

/* A member of the group's, and who sends to it by way of the loopback interface. */
struct two {
    evloop *loop;
    struct box *member;
    struct box *sender;
    evloop_address to;
};

static struct two two_new(const evloop_dgram_options *options)
{
    struct two two = {.loop = loop_new()};
    two.member = box_bind(two.loop, "0.0.0.0:0", options);
    two.sender = box_bind(two.loop, "127.0.0.1:0", NULL);
    two.to = with_port_of("239.255.17.4:0", two.member);
    assert_int_equal(evloop_dgram_set_multicast_interface(&two.sender->dgram, "127.0.0.1"), 0);
    return two;
}

static void two_end(struct two *two)
{
    box_close(two->loop, two->member);
    box_close(two->loop, two->sender);
    loop_end(two->loop);
}

/* Whether what is sent to the group arrives: what is sent to the member itself does. */
static bool arrives(struct two *two)
{
    evloop_address direct = with_port_of("127.0.0.1:0", two->member);
    size_t before = two->member->count;
    assert_int_equal(box_send(two->sender, "to the group", &two->to), 0);
    assert_int_equal(box_send(two->sender, "to you", &direct), 0);
    for (;;) {
        assert_int_equal(evloop_run(two->loop, EVLOOP_RUN_ONCE), 0);
        size_t count = two->member->count;
        if (count > before && strcmp(two->member->mails[count - 1].text, "to you") == 0)
            return count - before == 2;
    }
}

TEST(a_member_gets_what_is_sent_to_the_group_until_it_leaves)
{
    struct two two = two_new(NULL);
    assert_false(arrives(&two));
    assert_int_equal(evloop_dgram_join(&two.member->dgram, group, NULL, "127.0.0.1"), 0);
    assert_int_equal(evloop_dgram_join(&two.member->dgram, group, NULL, "127.0.0.1"), -EADDRINUSE);
    assert_true(arrives(&two));
    assert_int_equal(evloop_dgram_leave(&two.member->dgram, group, NULL, "127.0.0.1"), 0);
    assert_false(arrives(&two));
    assert_int_equal(evloop_dgram_leave(&two.member->dgram, group, NULL, "127.0.0.1"),
                     -EADDRNOTAVAIL);
    two_end(&two);
}

TEST(a_member_of_a_source_hears_nobody_else)
{
    struct two two = two_new(NULL);
    assert_int_equal(evloop_dgram_join(&two.member->dgram, group, "127.0.0.9", "127.0.0.1"), 0);
    assert_false(arrives(&two));
    assert_int_equal(evloop_dgram_join(&two.member->dgram, group, "127.0.0.1", "127.0.0.1"), 0);
    assert_true(arrives(&two));
    assert_int_equal(evloop_dgram_leave(&two.member->dgram, group, "127.0.0.1", "127.0.0.1"), 0);
    assert_false(arrives(&two));
    two_end(&two);
}

static void join_by(const char *interface_name)
{
    struct two two = two_new(NULL);
    assert_int_equal(evloop_dgram_join(&two.member->dgram, group, NULL, interface_name), 0);
    assert_int_equal(evloop_dgram_set_multicast_interface(&two.sender->dgram, interface_name), 0);
    assert_true(arrives(&two));
    assert_int_equal(evloop_dgram_leave(&two.member->dgram, group, NULL, interface_name), 0);
    two_end(&two);
}

TEST(an_interface_is_a_name_an_index_or_an_address)
{
    char index[16], name[IF_NAMESIZE] = "";
    struct two two = two_new(NULL);
    /* The loopback interface, whatever it is called here. */
    evloop_dgram_options options = evloop_dgram_options_default();
    options.receive_local = true;
    struct box *box = box_bind(two.loop, "127.0.0.1:0", &options);
    evloop_address to = box_address(box);
    assert_int_equal(box_send(two.sender, "x", &to), 0);
    box_wait(two.loop, box, 1);
    unsigned number = box->mails[0].interface_index;
    assert_non_null(if_indextoname(number, name));
    snprintf(index, sizeof index, "%u", number);
    box_close(two.loop, box);
    two_end(&two);
    join_by(name);
    join_by(index);
    join_by("127.0.0.1");
}

TEST(what_is_no_group_and_no_interface_is_refused)
{
    evloop *loop = loop_new();
    struct box *box = box_bind(loop, "0.0.0.0:0", NULL);
    evloop_dgram *d = &box->dgram;
    assert_int_equal(evloop_dgram_join(d, "127.0.0.1", NULL, NULL), -EINVAL);
    assert_int_equal(evloop_dgram_join(d, "239.255.17.4:80", NULL, NULL), -EINVAL);
    assert_int_equal(evloop_dgram_join(d, "::1", NULL, NULL), -EINVAL);
    assert_int_equal(evloop_dgram_join(d, group, "::1", NULL), -EINVAL);
    assert_int_equal(evloop_dgram_join(d, group, "someone", NULL), -EINVAL);
    assert_int_equal(evloop_dgram_join(d, group, NULL, "no-such-interface"), -ENODEV);
    assert_int_equal(evloop_dgram_join(d, group, NULL, "4000000"), -ENODEV);
    assert_int_equal(evloop_dgram_join(d, group, NULL, "0"), -ENODEV);
    assert_int_equal(evloop_dgram_join(d, group, NULL, "203.0.113.77"), -ENODEV);
    assert_int_equal(evloop_dgram_join(d, group, NULL, ""), -ENODEV);
    assert_int_equal(evloop_dgram_set_multicast_interface(d, "no-such-interface"), -ENODEV);
    assert_int_equal(evloop_dgram_set_multicast_ttl(d, 256), -EINVAL);
    assert_int_equal(evloop_dgram_set_ttl(d, 0), -EINVAL);
    assert_int_equal(evloop_dgram_set_ttl(d, 256), -EINVAL);
    assert_int_equal(evloop_dgram_set_ecn(d, 4), -EINVAL);
    box_close(loop, box);
    loop_end(loop);
}

TEST(a_unix_socket_has_no_network)
{
    evloop *loop = loop_new();
    evloop_dgram d = {0};
    assert_int_equal(evloop_dgram_socket(loop, &d, AF_UNIX, NULL), 0);
    assert_int_equal(evloop_dgram_join(&d, group, NULL, NULL), -ENOTSUP);
    assert_int_equal(evloop_dgram_set_broadcast(&d, true), -ENOTSUP);
    assert_int_equal(evloop_dgram_set_ttl(&d, 1), -ENOTSUP);
    assert_int_equal(evloop_dgram_set_ecn(&d, 1), -ENOTSUP);
    assert_int_equal(evloop_dgram_set_multicast_ttl(&d, 1), -ENOTSUP);
    assert_int_equal(evloop_dgram_set_multicast_loop(&d, true), -ENOTSUP);
    assert_int_equal(evloop_dgram_set_multicast_interface(&d, NULL), -ENOTSUP);
    evloop_dgram_close(&d, NULL);
    loop_run(loop);
    loop_end(loop);
}

TEST(what_is_sent_to_a_group_can_be_kept_from_this_machine)
{
    struct two two = two_new(NULL);
    assert_int_equal(evloop_dgram_join(&two.member->dgram, group, NULL, "127.0.0.1"), 0);
    assert_int_equal(evloop_dgram_set_multicast_loop(&two.sender->dgram, false), 0);
    /* The loopback interface brings back all that it is given; so the option itself is asked. */
    int value = 1;
    socklen_t size = sizeof value;
    assert_int_equal(getsockopt(evloop_dgram_fd(&two.sender->dgram), IPPROTO_IP, IP_MULTICAST_LOOP,
                                &value, &size),
                     0);
    assert_int_equal(value, 0);
    assert_int_equal(evloop_dgram_set_multicast_loop(&two.sender->dgram, true), 0);
    assert_true(arrives(&two));
    two_end(&two);
}

TEST(a_datagram_to_a_group_has_a_time_to_live_of_its_own)
{
    evloop_dgram_options options = evloop_dgram_options_default();
    options.receive_ttl = true;
    struct two two = two_new(&options);
    assert_int_equal(evloop_dgram_join(&two.member->dgram, group, NULL, "127.0.0.1"), 0);
    assert_int_equal(evloop_dgram_set_ttl(&two.sender->dgram, 33), 0);
    assert_int_equal(box_send(two.sender, "x", &two.to), 0);
    box_wait(two.loop, two.member, 1);
    assert_int_equal(two.member->mails[0].ttl, 1);
    assert_int_equal(evloop_dgram_set_multicast_ttl(&two.sender->dgram, 7), 0);
    assert_int_equal(box_send(two.sender, "x", &two.to), 0);
    box_wait(two.loop, two.member, 2);
    assert_int_equal(two.member->mails[1].ttl, 7);
    two_end(&two);
}

static void echo_group(evloop_dgram *d, ssize_t n, const evloop_datagram *datagrams)
{
    box_on_datagrams(d, n, datagrams);
    assert_int_equal(evloop_dgram_try_send(d, datagrams, (size_t)n), n);
}

TEST(the_group_is_told_as_the_local_address_and_an_answer_comes_from_the_member)
{
    evloop_dgram_options options = evloop_dgram_options_default();
    options.receive_local = true;
    struct two two = two_new(&options);
    assert_int_equal(evloop_dgram_join(&two.member->dgram, group, NULL, "127.0.0.1"), 0);
    evloop_dgram_receive_stop(&two.member->dgram);
    assert_int_equal(evloop_dgram_receive_start(&two.member->dgram, echo_group), 0);
    assert_int_equal(box_send(two.sender, "x", &two.to), 0);
    box_wait(two.loop, two.sender, 1);
    assert_true(evloop_address_equal(&two.member->mails[0].local, &two.to));
    evloop_address from = with_port_of("127.0.0.1:0", two.member);
    assert_true(evloop_address_equal(&two.sender->mails[0].peer, &from));
    two_end(&two);
}

TEST(broadcast_has_to_be_allowed)
{
    evloop *loop = loop_new();
    evloop_dgram_options options = evloop_dgram_options_default();
    options.broadcast = true;
    struct box *box = box_bind(loop, "0.0.0.0:0", NULL);
    struct box *sender = box_bind(loop, "127.0.0.1:0", NULL);
    struct box *allowed = box_bind(loop, "127.0.0.1:0", &options);
    evloop_address all = with_port_of("127.255.255.255:0", box);
    const evloop_datagram datagram = {.data = "x", .size = 1, .peer = &all};
    assert_int_equal(evloop_dgram_try_send(&sender->dgram, &datagram, 1), -EACCES);
    assert_int_equal(evloop_dgram_set_broadcast(&sender->dgram, true), 0);
    assert_int_equal(evloop_dgram_try_send(&sender->dgram, &datagram, 1), 1);
    assert_int_equal(evloop_dgram_try_send(&allowed->dgram, &datagram, 1), 1);
    box_wait(loop, box, 2);
    assert_int_equal(evloop_dgram_set_broadcast(&allowed->dgram, false), 0);
    assert_int_equal(evloop_dgram_try_send(&allowed->dgram, &datagram, 1), -EACCES);
    box_close(loop, box);
    box_close(loop, sender);
    box_close(loop, allowed);
    loop_end(loop);
}

static void echo_all(evloop_dgram *d, ssize_t n, const evloop_datagram *datagrams)
{
    assert_int_equal(evloop_dgram_try_send(d, datagrams, (size_t)n), n);
    trace('e');
}

TEST(what_was_broadcast_can_be_answered_as_it_came)
{
    evloop *loop = loop_new();
    evloop_dgram_options options = evloop_dgram_options_default();
    evloop_dgram server = {0};
    evloop_address local, all = address_of("127.255.255.255:0");
    options.receive_local = true;
    options.broadcast = true;
    struct box *sender = box_bind(loop, "127.0.0.1:0", &options);
    assert_int_equal(evloop_udp_bind(loop, &server, "0.0.0.0:0", &options), 0);
    assert_int_equal(evloop_dgram_receive_start(&server, echo_all), 0);
    assert_int_equal(evloop_dgram_local(&server, &local), 0);
    evloop_address_set_port(&all, evloop_address_port(&local));
    assert_int_equal(box_send(sender, "x", &all), 0);
    box_wait(loop, sender, 1);
    assert_trace("e");
    evloop_dgram_close(&server, NULL);
    box_close(loop, sender);
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

TEST(a_v6_socket_can_be_in_groups_of_both_families)
{
    evloop *loop = loop_new();
    if (!has_v6(loop)) {
        loop_end(loop);
        skip();
    }
    struct box *box = box_bind(loop, "[::]:0", NULL);
    struct box *sender = box_bind(loop, "127.0.0.1:0", NULL);
    evloop_dgram *d = &box->dgram;
    assert_int_equal(evloop_dgram_join(d, "ff02::4321", NULL, "::1"), 0);
    assert_int_equal(evloop_dgram_join(d, "ff02::4321", NULL, "::1"), -EADDRINUSE);
    assert_int_equal(evloop_dgram_leave(d, "ff02::4321", NULL, "::1"), 0);
    assert_int_equal(evloop_dgram_leave(d, "ff02::4321", NULL, "::1"), -EADDRNOTAVAIL);
    assert_int_equal(evloop_dgram_join(d, "ff02::4321", "::1", "::1"), 0);
    assert_int_equal(evloop_dgram_leave(d, "ff02::4321", "::1", "::1"), 0);
    assert_int_equal(evloop_dgram_join(d, group, NULL, "127.0.0.1"), 0);
    assert_int_equal(evloop_dgram_set_multicast_interface(d, "::1"), 0);
    assert_int_equal(evloop_dgram_set_multicast_ttl(d, 3), 0);
    assert_int_equal(evloop_dgram_set_multicast_loop(d, false), 0);
    assert_int_equal(evloop_dgram_set_ttl(d, 3), 0);
    assert_int_equal(evloop_dgram_set_ecn(d, 1), 0);
    evloop_address to = with_port_of("239.255.17.4:0", box);
    assert_int_equal(evloop_dgram_set_multicast_interface(&sender->dgram, "127.0.0.1"), 0);
    assert_int_equal(box_send(sender, "x", &to), 0);
    box_wait(loop, box, 1);
    box_close(loop, box);
    box_close(loop, sender);
    loop_end(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_ENTRY(a_member_gets_what_is_sent_to_the_group_until_it_leaves),
        TEST_ENTRY(a_member_of_a_source_hears_nobody_else),
        TEST_ENTRY(an_interface_is_a_name_an_index_or_an_address),
        TEST_ENTRY(what_is_no_group_and_no_interface_is_refused),
        TEST_ENTRY(a_unix_socket_has_no_network),
        TEST_ENTRY(what_is_sent_to_a_group_can_be_kept_from_this_machine),
        TEST_ENTRY(a_datagram_to_a_group_has_a_time_to_live_of_its_own),
        TEST_ENTRY(the_group_is_told_as_the_local_address_and_an_answer_comes_from_the_member),
        TEST_ENTRY(broadcast_has_to_be_allowed),
        TEST_ENTRY(what_was_broadcast_can_be_answered_as_it_came),
        TEST_ENTRY(a_v6_socket_can_be_in_groups_of_both_families),
    };
    return RUN_TESTS("dgram network", tests);
}
