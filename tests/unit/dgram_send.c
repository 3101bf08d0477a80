/*
 * dgram_send.c: datagrams as they are sent: order, copies and requests, the queue and its bounds,
 * several in one piece.
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

static size_t turns(evloop *loop)
{
    return (size_t)loop_metrics(loop).turns;
}

/* ---- copies and requests --------------------------------------------------------------------- */

TEST(what_is_sent_may_be_changed_after_the_call)
{
    evloop *loop = loop_new();
    struct box *box = box_bind(loop, "127.0.0.1:0", NULL);
    struct box *sender = box_bind(loop, "127.0.0.1:0", NULL);
    evloop_address to = box_address(box);
    char text[] = "before";
    assert_int_equal(box_send(sender, text, &to), 0);
    memcpy(text, "after!", 6);
    memset(&to, 0, sizeof to);
    box_wait(loop, box, 1);
    assert_string_equal(box->mails[0].text, "before");
    box_close(loop, box);
    box_close(loop, sender);
    loop_end(loop);
}

TEST(what_a_turn_sends_leaves_at_its_end)
{
    evloop *loop = loop_new();
    struct box *box = box_bind(loop, "127.0.0.1:0", NULL);
    struct box *sender = box_connect(loop, box, NULL);
    char bytes[8];
    assert_int_equal(box_send(sender, "x", NULL), 0);
    assert_int_equal(evloop_dgram_queued(&sender->dgram), 1);
    assert_int_equal(recv(evloop_dgram_fd(&box->dgram), bytes, sizeof bytes, 0), -1);
    size_t before = turns(loop);
    loop_turn(loop);
    assert_int_equal(turns(loop), before + 1);
    assert_int_equal(evloop_dgram_queued(&sender->dgram), 0);
    assert_int_equal(box->count, 1);
    box_close(loop, box);
    box_close(loop, sender);
    loop_end(loop);
}

struct order {
    evloop_dgram_request request;
    char name;
    int status;
};

static void on_order(evloop_dgram_request *request, int status)
{
    struct order *order = evloop_container_of(request, struct order, request);
    order->status = status;
    trace(order->name);
}

TEST(copies_and_requests_leave_in_the_order_of_the_calls)
{
    evloop *loop = loop_new();
    struct box *box = box_bind(loop, "127.0.0.1:0", NULL);
    struct box *sender = box_connect(loop, box, NULL);
    struct iovec two[] = {{(void *)"se", 2}, {(void *)"cond", 4}}, one = {(void *)"fourth", 6};
    struct order second = {.name = '2'}, fourth = {.name = '4'};
    assert_int_equal(box_send(sender, "first", NULL), 0);
    assert_int_equal(evloop_dgram_write(&sender->dgram, &second.request, two, 2, NULL, on_order),
                     0);
    assert_int_equal(box_send(sender, "third", NULL), 0);
    assert_int_equal(evloop_dgram_write(&sender->dgram, &fourth.request, &one, 1, NULL, on_order),
                     0);
    assert_int_equal(evloop_dgram_write(&sender->dgram, &fourth.request, &one, 1, NULL, on_order),
                     -EBUSY);
    assert_int_equal(
        evloop_dgram_write(&sender->dgram, &(evloop_dgram_request){0}, &one, 1025, NULL, on_order),
        -EINVAL);
    assert_trace("");
    box_wait(loop, box, 4);
    assert_trace("24");
    assert_int_equal(second.status, 0);
    assert_int_equal(fourth.status, 0);
    assert_string_equal(box->mails[0].text, "first");
    assert_string_equal(box->mails[1].text, "second");
    assert_string_equal(box->mails[2].text, "third");
    assert_string_equal(box->mails[3].text, "fourth");
    loop_turn(loop);
    assert_trace("");
    box_close(loop, box);
    box_close(loop, sender);
    loop_end(loop);
}

static void write_again(evloop_dgram_request *request, int status)
{
    static const struct iovec iov = {(void *)"again", 5};
    struct box *sender = request->data;
    assert_int_equal(status, 0);
    trace('w');
    if (sender->errors++ < 2)
        assert_int_equal(evloop_dgram_write(&sender->dgram, request, &iov, 1, NULL, write_again),
                         0);
}

TEST(a_request_can_be_used_again_in_its_callback)
{
    evloop *loop = loop_new();
    struct box *box = box_bind(loop, "127.0.0.1:0", NULL);
    struct box *sender = box_connect(loop, box, NULL);
    evloop_dgram_request request = {.data = sender};
    write_again(&request, 0);
    box_wait(loop, box, 2);
    loop_turn(loop);
    assert_trace("www");
    box_close(loop, box);
    box_close(loop, sender);
    loop_end(loop);
}

TEST(a_request_can_be_taken_back_before_it_left)
{
    evloop *loop = loop_new();
    struct box *box = box_bind(loop, "127.0.0.1:0", NULL);
    struct box *sender = box_connect(loop, box, NULL);
    struct iovec iov = {(void *)"x", 1};
    struct order a = {.name = 'a'}, b = {.name = 'b'};
    assert_int_equal(evloop_dgram_cancel(&a.request), -EINVAL);
    assert_int_equal(evloop_dgram_write(&sender->dgram, &a.request, &iov, 1, NULL, on_order), 0);
    assert_int_equal(evloop_dgram_write(&sender->dgram, &b.request, &iov, 1, NULL, on_order), 0);
    assert_int_equal(evloop_dgram_cancel(&a.request), 0);
    assert_int_equal(evloop_dgram_cancel(&a.request), -EALREADY);
    assert_int_equal(evloop_dgram_queued(&sender->dgram), 1);
    assert_trace("");
    box_wait(loop, box, 1);
    assert_trace("ab");
    assert_int_equal(a.status, -ECANCELED);
    assert_int_equal(b.status, 0);
    assert_int_equal(evloop_dgram_cancel(&b.request), -EINVAL);
    loop_turn(loop);
    assert_int_equal(box->count, 1);
    box_close(loop, box);
    box_close(loop, sender);
    loop_end(loop);
}

/* ---- errors of single datagrams -------------------------------------------------------------- */

TEST(a_datagram_that_is_too_long_does_not_stop_the_others)
{
    static char bytes[65508];
    evloop *loop = loop_new();
    struct box *box = box_bind(loop, "127.0.0.1:0", NULL);
    struct box *sender = box_connect(loop, box, NULL);
    evloop_dgram_request request = {0};
    struct iovec iov[] = {{bytes, 65507}, {bytes, 1}};
    assert_int_equal(box_send(sender, "before", NULL), 0);
    assert_int_equal(evloop_dgram_send(&sender->dgram, bytes, sizeof bytes, NULL), -EMSGSIZE);
    assert_int_equal(evloop_dgram_write(&sender->dgram, &request, iov, 2, NULL, NULL), -EMSGSIZE);
    assert_int_equal(box_send(sender, "after", NULL), 0);
    box_wait(loop, box, 2);
    assert_string_equal(box->mails[1].text, "after");
    box_close(loop, box);
    box_close(loop, sender);
    loop_end(loop);
}

TEST(what_the_kernel_refuses_is_told_to_whom_it_concerns)
{
    evloop *loop = loop_new();
    struct box *box = box_bind(loop, "127.0.0.1:0", NULL);
    struct box *sender = box_bind(loop, "127.0.0.1:0", NULL);
    evloop_address to = box_address(box), forbidden = address_of("255.255.255.255:9");
    struct iovec iov = {(void *)"x", 1};
    struct order request = {.name = 'r'};
    assert_int_equal(box_send(sender, "one", &to), 0);
    assert_int_equal(box_send(sender, "refused", &forbidden), 0);
    assert_int_equal(
        evloop_dgram_write(&sender->dgram, &request.request, &iov, 1, &forbidden, on_order), 0);
    assert_int_equal(box_send(sender, "two", &to), 0);
    box_wait(loop, box, 2);
    box_wait_error(loop, sender, 1);
    assert_trace("r");
    assert_int_equal(request.status, -EACCES);
    assert_int_equal(sender->errors, 1);
    assert_int_equal(sender->error, -EACCES);
    assert_true(sender->about);
    assert_string_equal(sender->error_mail.text, "refused");
    assert_true(evloop_address_equal(&sender->error_mail.peer, &forbidden));
    assert_true(evloop_dgram_receiving(&sender->dgram));
    box_close(loop, box);
    box_close(loop, sender);
    loop_end(loop);
}

TEST(a_socket_that_is_not_connected_needs_an_address)
{
    evloop *loop = loop_new();
    struct box *sender = box_bind(loop, "127.0.0.1:0", NULL);
    const evloop_datagram datagram = {.data = "x", .size = 1};
    assert_int_equal(evloop_dgram_try_send(&sender->dgram, &datagram, 1), -EDESTADDRREQ);
    assert_int_equal(box_send(sender, "x", NULL), 0);
    box_wait_error(loop, sender, 1);
    assert_int_equal(sender->error, -EDESTADDRREQ);
    box_close(loop, sender);
    loop_end(loop);
}

/* The sockets are connected to each other's address, of which one is not there at first. */
TEST(a_refusal_of_an_earlier_datagram_loses_no_later_one)
{
    evloop *loop = loop_new();
    struct box *gone = box_bind(loop, "127.0.0.1:0", NULL);
    struct box *sender = box_connect(loop, gone, NULL);
    struct box *deaf = box_connect(loop, gone, NULL);
    evloop_address address = box_address(gone);
    const evloop_datagram datagram = {.data = "y", .size = 1};
    evloop_dgram_receive_stop(&deaf->dgram);
    evloop_dgram_close(&gone->dgram, NULL);
    loop_turn(loop);
    assert_int_equal(evloop_dgram_try_send(&sender->dgram, &datagram, 1), 1); /* is refused */
    assert_int_equal(evloop_dgram_try_send(&deaf->dgram, &datagram, 1), 1);
    assert_int_equal(evloop_dgram_bind(loop, &gone->dgram, &address, NULL), 0);
    assert_int_equal(evloop_dgram_receive_start(&gone->dgram, box_on_datagrams), 0);
    assert_int_equal(box_send(sender, "a", NULL), 0);
    assert_int_equal(box_send(sender, "b", NULL), 0);
    assert_int_equal(evloop_dgram_try_send(&deaf->dgram, &datagram, 1), 1);
    box_wait(loop, gone, 3);
    assert_string_equal(gone->mails[1].text, "a");
    assert_string_equal(gone->mails[2].text, "b");
    box_wait_error(loop, sender, 1);
    assert_int_equal(sender->error, -ECONNREFUSED);
    assert_int_equal(sender->errors, 1);
    assert_int_equal(deaf->errors, 0);
    box_close(loop, gone);
    box_close(loop, sender);
    box_close(loop, deaf);
    loop_end(loop);
}

TEST(many_refusals_lose_nothing_either)
{
    evloop *loop = loop_new();
    struct box *gone = box_bind(loop, "127.0.0.1:0", NULL);
    struct box *sender = box_connect(loop, gone, NULL);
    struct iovec iov = {(void *)"x", 1};
    struct order orders[40];
    memset(orders, 0, sizeof orders);
    evloop_dgram_close(&gone->dgram, NULL);
    loop_turn(loop);
    for (size_t i = 0; i < 40; i++) {
        orders[i].name = 'x';
        assert_int_equal(
            evloop_dgram_write(&sender->dgram, &orders[i].request, &iov, 1, NULL, on_order), 0);
    }
    while (strlen(trace_text()) < 40)
        loop_turn(loop);
    for (size_t i = 0; i < 40; i++)
        assert_int_equal(orders[i].status, 0);
    box_wait_error(loop, sender, 1);
    assert_int_equal(sender->error, -ECONNREFUSED);
    free(gone);
    box_close(loop, sender);
    loop_end(loop);
}

/* ---- arrays ---------------------------------------------------------------------------------- */

TEST(an_array_goes_at_once_and_in_order)
{
    enum { COUNT = 150 };
    static char text[COUNT][8];
    static evloop_datagram datagrams[COUNT];
    evloop *loop = loop_new();
    struct box *box = box_bind(loop, "127.0.0.1:0", NULL);
    struct box *sender = box_bind(loop, "127.0.0.1:0", NULL);
    evloop_address to = box_address(box);
    for (unsigned i = 0; i < COUNT; i++) {
        snprintf(text[i], sizeof text[i], "%u", i);
        datagrams[i] = (evloop_datagram){.data = text[i], .size = strlen(text[i]), .peer = &to};
    }
    assert_int_equal(evloop_dgram_try_send(&sender->dgram, datagrams, COUNT), COUNT);
    assert_int_equal(evloop_dgram_queued(&sender->dgram), 0);
    box_wait(loop, box, COUNT);
    for (unsigned i = 0; i < COUNT; i++)
        assert_string_equal(box->mails[i].text, text[i]);
    box_close(loop, box);
    box_close(loop, sender);
    loop_end(loop);
}

TEST(an_array_goes_after_what_is_queued)
{
    evloop *loop = loop_new();
    struct box *box = box_bind(loop, "127.0.0.1:0", NULL);
    struct box *sender = box_connect(loop, box, NULL);
    const evloop_datagram datagram = {.data = "second", .size = 6};
    assert_int_equal(box_send(sender, "first", NULL), 0);
    assert_int_equal(evloop_dgram_try_send(&sender->dgram, &datagram, 1), 1);
    assert_int_equal(box_send(sender, "third", NULL), 0);
    box_wait(loop, box, 3);
    assert_string_equal(box->mails[0].text, "first");
    assert_string_equal(box->mails[1].text, "second");
    assert_string_equal(box->mails[2].text, "third");
    box_close(loop, box);
    box_close(loop, sender);
    loop_end(loop);
}

TEST(of_an_array_those_before_an_error_are_counted)
{
    evloop *loop = loop_new();
    struct box *box = box_bind(loop, "127.0.0.1:0", NULL);
    struct box *sender = box_bind(loop, "127.0.0.1:0", NULL);
    evloop_address to = box_address(box), forbidden = address_of("255.255.255.255:9");
    const evloop_datagram datagrams[] = {
        {.data = "a", .size = 1, .peer = &to},
        {.data = "b", .size = 1, .peer = &to},
        {.data = "c", .size = 1, .peer = &forbidden},
        {.data = "d", .size = 1, .peer = &to},
    };
    assert_int_equal(evloop_dgram_try_send(&sender->dgram, datagrams, 4), 2);
    assert_int_equal(evloop_dgram_try_send(&sender->dgram, datagrams + 2, 2), -EACCES);
    assert_int_equal(evloop_dgram_try_send(&sender->dgram, datagrams + 3, 1), 1);
    box_wait(loop, box, 3);
    assert_string_equal(box->mails[2].text, "d");
    assert_int_equal(sender->errors, 0);
    box_close(loop, box);
    box_close(loop, sender);
    loop_end(loop);
}

/* ---- no room --------------------------------------------------------------------------------- */

/* Two unix sockets: who is connected to one that does not read has to wait. */
struct pair {
    struct box *reader;
    struct box *writer;
};

static struct pair pair_new(evloop *loop, const evloop_dgram_options *options)
{
    char name[UNIX_NAME_SIZE];
    struct pair pair = {box_new(), box_new()};
    net_unix_name(name, "pair");
    assert_int_equal(evloop_unix_dgram_bind(loop, &pair.reader->dgram, name, NULL), 0);
    assert_int_equal(evloop_unix_dgram_connect(loop, &pair.writer->dgram, name, options), 0);
    assert_int_equal(evloop_dgram_receive_start(&pair.writer->dgram, box_on_datagrams), 0);
    return pair;
}

static void pair_read(struct pair *pair)
{
    assert_int_equal(evloop_dgram_receive_start(&pair->reader->dgram, box_on_datagrams), 0);
}

static void pair_close(evloop *loop, struct pair *pair)
{
    box_close(loop, pair->reader);
    box_close(loop, pair->writer);
}

/* Sends until the kernel takes no more: how many it took. */
static unsigned fill(struct box *sender)
{
    unsigned count = 0;
    char text[16];
    for (;; count++) {
        snprintf(text, sizeof text, "%u", count);
        const evloop_datagram datagram = {.data = text, .size = strlen(text)};
        ssize_t n = evloop_dgram_try_send(&sender->dgram, &datagram, 1);
        if (n == -EAGAIN)
            return count;
        assert_int_equal(n, 1);
    }
}

static void assert_numbers(const struct box *box, unsigned from, unsigned count)
{
    char text[16];
    for (unsigned i = from; i < from + count; i++) {
        snprintf(text, sizeof text, "%u", i);
        assert_string_equal(box->mails[i].text, text);
    }
}

TEST(what_finds_no_room_waits_and_leaves_in_order)
{
    evloop *loop = loop_new();
    struct pair pair = pair_new(loop, NULL);
    unsigned count = fill(pair.writer);
    char text[16];
    for (unsigned i = count; i < count + 100; i++) {
        snprintf(text, sizeof text, "%u", i);
        assert_int_equal(box_send(pair.writer, text, NULL), 0);
        if (i % 10 == 0)
            loop_turn(loop);
    }
    loop_turn(loop);
    assert_true(evloop_dgram_queued(&pair.writer->dgram) > 0);
    assert_int_equal(evloop_dgram_release(&pair.writer->dgram), -EBUSY);
    pair_read(&pair);
    box_wait(loop, pair.reader, count + 100);
    assert_numbers(pair.reader, 0, count + 100);
    assert_int_equal(evloop_dgram_queued(&pair.writer->dgram), 0);
    assert_int_equal(pair.writer->errors, 0);
    pair_close(loop, &pair);
    loop_end(loop);
}

TEST(a_loop_sleeps_while_there_is_no_room)
{
    evloop *loop = loop_new();
    struct pair pair = pair_new(loop, NULL);
    fill(pair.writer);
    assert_int_equal(box_send(pair.writer, "x", NULL), 0);
    assert_int_equal(evloop_run_for(loop, EVLOOP_MS(1)), 0);
    size_t before = turns(loop);
    assert_int_equal(evloop_run_for(loop, EVLOOP_MS(50)), 0);
    assert_true(turns(loop) - before < 10);
    pair_close(loop, &pair);
    loop_end(loop);
}

TEST(a_request_that_waits_can_be_taken_back)
{
    evloop *loop = loop_new();
    struct pair pair = pair_new(loop, NULL);
    struct iovec iov = {(void *)"x", 1};
    struct order a = {.name = 'a'}, b = {.name = 'b'};
    unsigned count = fill(pair.writer);
    assert_int_equal(evloop_dgram_write(&pair.writer->dgram, &a.request, &iov, 1, NULL, on_order),
                     0);
    loop_turn(loop);
    assert_int_equal(evloop_dgram_write(&pair.writer->dgram, &b.request, &iov, 1, NULL, on_order),
                     0);
    assert_int_equal(evloop_dgram_cancel(&a.request), 0);
    loop_turn(loop);
    assert_trace("a");
    pair_read(&pair);
    box_wait(loop, pair.reader, count + 1);
    loop_turn(loop);
    assert_trace("b");
    fill(pair.writer);
    assert_int_equal(evloop_dgram_write(&pair.writer->dgram, &a.request, &iov, 1, NULL, on_order),
                     0);
    evloop_dgram_receive_stop(&pair.reader->dgram);
    loop_turn(loop);
    assert_int_equal(evloop_dgram_cancel(&a.request), 0); /* the only one */
    loop_turn(loop);
    assert_trace("a");
    assert_int_equal(evloop_dgram_queued(&pair.writer->dgram), 0);
    pair_close(loop, &pair);
    loop_end(loop);
}

TEST(requests_that_wait_are_cancelled_by_the_closing)
{
    evloop *loop = loop_new();
    struct pair pair = pair_new(loop, NULL);
    struct iovec iov = {(void *)"x", 1};
    struct order a = {.name = 'a'}, b = {.name = 'b'};
    fill(pair.writer);
    assert_int_equal(evloop_dgram_write(&pair.writer->dgram, &a.request, &iov, 1, NULL, on_order),
                     0);
    loop_turn(loop);
    assert_int_equal(evloop_dgram_write(&pair.writer->dgram, &b.request, &iov, 1, NULL, on_order),
                     0);
    assert_int_equal(box_send(pair.writer, "lost", NULL), 0);
    pair_close(loop, &pair);
    assert_trace("ab");
    assert_int_equal(a.status, -ECANCELED);
    assert_int_equal(b.status, -ECANCELED);
    loop_end(loop);
}

TEST(a_receiver_that_is_full_stops_nobody_who_sends_to_others)
{
    char full_name[UNIX_NAME_SIZE], other_name[UNIX_NAME_SIZE];
    evloop *loop = loop_new();
    struct box *full = box_new(), *other = box_new(), *sender = box_new();
    evloop_address to_full = address_of(net_unix_name(full_name, "full"));
    evloop_address to_other = address_of(net_unix_name(other_name, "other"));
    assert_int_equal(evloop_unix_dgram_bind(loop, &full->dgram, full_name, NULL), 0);
    assert_int_equal(evloop_unix_dgram_bind(loop, &other->dgram, other_name, NULL), 0);
    assert_int_equal(evloop_dgram_receive_start(&other->dgram, box_on_datagrams), 0);
    assert_int_equal(evloop_dgram_socket(loop, &sender->dgram, AF_UNIX, NULL), 0);
    assert_int_equal(evloop_dgram_receive_start(&sender->dgram, box_on_datagrams), 0);
    const evloop_datagram datagram = {.data = "x", .size = 1, .peer = &to_full};
    ssize_t n;
    do
        n = evloop_dgram_try_send(&sender->dgram, &datagram, 1);
    while (n == 1);
    assert_int_equal(n, -ENOBUFS);
    assert_int_equal(box_send(sender, "lost", &to_full), 0);
    assert_int_equal(box_send(sender, "arrives", &to_other), 0);
    box_wait(loop, other, 1);
    box_wait_error(loop, sender, 1);
    assert_int_equal(sender->error, -ENOBUFS);
    assert_string_equal(sender->error_mail.text, "lost");
    box_close(loop, full);
    box_close(loop, other);
    box_close(loop, sender);
    loop_end(loop);
}

TEST(the_queue_is_bounded)
{
    evloop *loop = loop_new();
    evloop_dgram_options options = evloop_dgram_options_default();
    options.queue_limit = 1000;
    struct pair pair = pair_new(loop, &options);
    char bytes[500] = "";
    struct iovec iov = {bytes, sizeof bytes};
    struct order request = {.name = 'r'};
    unsigned count = fill(pair.writer);
    assert_int_equal(evloop_dgram_send(&pair.writer->dgram, bytes, 500, NULL), 0);
    assert_int_equal(evloop_dgram_send(&pair.writer->dgram, bytes, 373, NULL), -EAGAIN);
    assert_int_equal(evloop_dgram_queued(&pair.writer->dgram), 500);
    assert_int_equal(evloop_dgram_send(&pair.writer->dgram, bytes, 372, NULL), 0);
    assert_int_equal(evloop_dgram_send(&pair.writer->dgram, NULL, 0, NULL), -EAGAIN);
    assert_int_equal(
        evloop_dgram_write(&pair.writer->dgram, &request.request, &iov, 1, NULL, on_order), 0);
    pair_read(&pair);
    box_wait(loop, pair.reader, count + 3);
    assert_int_equal(evloop_dgram_send(&pair.writer->dgram, NULL, 0, NULL), 0);
    box_wait(loop, pair.reader, count + 4);
    pair_close(loop, &pair);
    assert_trace("r");
    loop_end(loop);
}

static void on_watermark(evloop_dgram *d, bool full)
{
    (void)d;
    trace(full ? 'H' : 'L');
}

TEST(watermarks_are_told_when_the_queue_has_passed_them)
{
    evloop *loop = loop_new();
    struct pair pair = pair_new(loop, NULL);
    evloop_dgram *d = &pair.writer->dgram;
    char bytes[100] = "";
    unsigned count = fill(pair.writer);
    assert_int_equal(evloop_dgram_set_watermarks(d, 5, 5, on_watermark), -EINVAL);
    assert_int_equal(evloop_dgram_set_watermarks(d, 5, 150, NULL), -EINVAL);
    assert_int_equal(evloop_dgram_set_watermarks(d, 50, 150, on_watermark), 0);
    assert_int_equal(evloop_dgram_send(d, bytes, 100, NULL), 0);
    loop_turn(loop);
    assert_trace("");
    assert_int_equal(evloop_dgram_send(d, bytes, 50, NULL), 0);
    assert_trace(""); /* never from inside a call */
    loop_turn(loop);
    assert_trace("H");
    assert_int_equal(evloop_dgram_send(d, bytes, 50, NULL), 0);
    loop_turn(loop);
    assert_trace("");
    pair_read(&pair);
    box_wait(loop, pair.reader, count + 3);
    loop_turn(loop);
    assert_trace("L");
    /* Both are told, even if the kernel takes it all in the same turn. */
    for (int i = 0; i < 3; i++)
        assert_int_equal(evloop_dgram_send(d, bytes, 100, NULL), 0);
    loop_turn(loop);
    assert_trace("HL");
    loop_turn(loop);
    assert_trace("");
    pair_close(loop, &pair);
    loop_end(loop);
}

TEST(without_memory_nothing_is_queued)
{
    evloop *loop = loop_new();
    struct box *box = box_bind(loop, "127.0.0.1:0", NULL);
    struct box *sender = box_connect(loop, box, NULL);
    heap_fail_in(&test_heap, HEAP_FAIL_ALL);
    assert_int_equal(box_send(sender, "lost", NULL), -ENOMEM);
    heap_fail_in(&test_heap, 0);
    assert_int_equal(evloop_dgram_queued(&sender->dgram), 0);
    assert_int_equal(box_send(sender, "kept", NULL), 0);
    box_wait(loop, box, 1);
    assert_string_equal(box->mails[0].text, "kept");
    box_close(loop, box);
    box_close(loop, sender);
    loop_end(loop);
}

TEST(thousands_can_wait_and_leave_nothing_behind)
{
    enum { COUNT = 3000 };
    evloop *loop = loop_new();
    evloop_dgram_options options = evloop_dgram_options_default();
    options.queue_limit = 64 << 20;
    struct pair pair = pair_new(loop, &options);
    static char bytes[4000];
    unsigned count = fill(pair.writer);
    size_t before = heap_bytes(&test_heap);
    for (unsigned i = 0; i < COUNT; i++)
        assert_int_equal(evloop_dgram_send(&pair.writer->dgram, bytes, 1 + i, NULL), 0);
    pair_read(&pair);
    box_wait(loop, pair.reader, count + COUNT);
    assert_int_equal(evloop_dgram_queued(&pair.writer->dgram), 0);
    /* The room for receiving, and what is kept for the next time. */
    assert_true(heap_bytes(&test_heap) - before < (3 << 20));
    pair_close(loop, &pair);
    loop_end(loop);
}

/* ---- several in one piece -------------------------------------------------------------------- */

static char pattern[200000];

static void fill_pattern(void)
{
    for (size_t i = 0; i < sizeof pattern; i++)
        pattern[i] = (char)('a' + i % 26);
}

static void assert_segments(const struct box *box, size_t first, size_t size, size_t segment_size)
{
    size_t count = (size + segment_size - 1) / segment_size;
    for (size_t i = 0; i < count; i++) {
        const struct mail *mail = &box->mails[first + i];
        size_t at = i * segment_size;
        size_t expected = size - at < segment_size ? size - at : segment_size;
        assert_int_equal(mail->size, expected);
        assert_memory_equal(mail->text, pattern + at,
                            expected < MAIL_TEXT - 1 ? expected : MAIL_TEXT - 1);
    }
}

static void send_segments(evloop *loop, struct box *sender, struct box *box, size_t size,
                          unsigned segment_size)
{
    size_t first = box->count;
    assert_int_equal(evloop_dgram_send_segments(&sender->dgram, pattern, size, segment_size, NULL),
                     0);
    box_wait(loop, box, first + (size + segment_size - 1) / segment_size);
    assert_segments(box, first, size, segment_size);
}

TEST(several_in_one_piece_arrive_one_by_one)
{
    evloop *loop = loop_new();
    struct box *box = box_bind(loop, "127.0.0.1:0", NULL);
    struct box *sender = box_connect(loop, box, NULL);
    fill_pattern();
    send_segments(loop, sender, box, 1000, 100);
    send_segments(loop, sender, box, 1001, 100);
    send_segments(loop, sender, box, 99, 100);
    send_segments(loop, sender, box, 150, 1); /* more than one message takes */
    send_segments(loop, sender, box, 60000, 1200);
    send_segments(loop, sender, box, 100000, 40000); /* more bytes than one message takes */
    send_segments(loop, sender, box, 70000, 1400);
    assert_int_equal(evloop_dgram_send_segments(&sender->dgram, pattern, 10, 0, NULL), -EINVAL);
    assert_int_equal(evloop_dgram_send_segments(&sender->dgram, pattern, 10, 65508, NULL),
                     -EMSGSIZE);
    box_close(loop, box);
    box_close(loop, sender);
    loop_end(loop);
}

TEST(pieces_and_single_datagrams_keep_their_order)
{
    evloop *loop = loop_new();
    struct box *box = box_bind(loop, "127.0.0.1:0", NULL);
    struct box *sender = box_connect(loop, box, NULL);
    fill_pattern();
    assert_int_equal(box_send(sender, "first", NULL), 0);
    assert_int_equal(evloop_dgram_send_segments(&sender->dgram, pattern, 300, 3, NULL), 0);
    assert_int_equal(box_send(sender, "last", NULL), 0);
    box_wait(loop, box, 102);
    assert_string_equal(box->mails[0].text, "first");
    assert_segments(box, 1, 300, 3);
    assert_string_equal(box->mails[101].text, "last");
    box_close(loop, box);
    box_close(loop, sender);
    loop_end(loop);
}

TEST(only_udp_takes_several_in_one_piece)
{
    evloop *loop = loop_new();
    struct pair pair = pair_new(loop, NULL);
    const evloop_datagram datagram = {.data = pattern, .size = 10, .segment_size = 5};
    assert_int_equal(evloop_dgram_send_segments(&pair.writer->dgram, pattern, 10, 5, NULL),
                     -ENOTSUP);
    assert_int_equal(evloop_dgram_try_send(&pair.writer->dgram, &datagram, 1), -ENOTSUP);
    pair_close(loop, &pair);
    loop_end(loop);
}

static void echo(evloop_dgram *d, ssize_t n, const evloop_datagram *datagrams)
{
    size_t *largest = d->data;
    assert_true(n > 0);
    for (ssize_t i = 0; i < n; i++)
        if (datagrams[i].segment_size && datagrams[i].size / datagrams[i].segment_size > *largest)
            *largest = datagrams[i].size / datagrams[i].segment_size;
    assert_int_equal(evloop_dgram_try_send(d, datagrams, (size_t)n), n);
}

TEST(what_the_system_has_joined_is_echoed_as_it_came)
{
    evloop *loop = loop_new();
    evloop_dgram_options options = evloop_dgram_options_default();
    size_t largest = 0;
    evloop_dgram server = {.data = &largest};
    evloop_address to;
    options.gro = true;
    fill_pattern();
    assert_int_equal(evloop_udp_bind(loop, &server, "127.0.0.1:0", &options), 0);
    assert_int_equal(evloop_dgram_receive_start(&server, echo), 0);
    assert_int_equal(evloop_dgram_local(&server, &to), 0);
    struct box *box = box_new();
    assert_int_equal(evloop_dgram_connect(loop, &box->dgram, &to, NULL), 0);
    assert_int_equal(evloop_dgram_receive_start(&box->dgram, box_on_datagrams), 0);
    send_segments(loop, box, box, 40010, 1000);
    send_segments(loop, box, box, 7, 1000);
    if (system_joins(evloop_dgram_fd(&server)))
        assert_int_equal(largest, 40);
    evloop_dgram_close(&server, NULL);
    box_close(loop, box);
    loop_end(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_ENTRY(what_is_sent_may_be_changed_after_the_call),
        TEST_ENTRY(what_a_turn_sends_leaves_at_its_end),
        TEST_ENTRY(copies_and_requests_leave_in_the_order_of_the_calls),
        TEST_ENTRY(a_request_can_be_used_again_in_its_callback),
        TEST_ENTRY(a_request_can_be_taken_back_before_it_left),
        TEST_ENTRY(a_datagram_that_is_too_long_does_not_stop_the_others),
        TEST_ENTRY(what_the_kernel_refuses_is_told_to_whom_it_concerns),
        TEST_ENTRY(a_socket_that_is_not_connected_needs_an_address),
        TEST_ENTRY(a_refusal_of_an_earlier_datagram_loses_no_later_one),
        TEST_ENTRY(many_refusals_lose_nothing_either),
        TEST_ENTRY(an_array_goes_at_once_and_in_order),
        TEST_ENTRY(an_array_goes_after_what_is_queued),
        TEST_ENTRY(of_an_array_those_before_an_error_are_counted),
        TEST_ENTRY(what_finds_no_room_waits_and_leaves_in_order),
        TEST_ENTRY(a_loop_sleeps_while_there_is_no_room),
        TEST_ENTRY(a_request_that_waits_can_be_taken_back),
        TEST_ENTRY(requests_that_wait_are_cancelled_by_the_closing),
        TEST_ENTRY(a_receiver_that_is_full_stops_nobody_who_sends_to_others),
        TEST_ENTRY(the_queue_is_bounded),
        TEST_ENTRY(watermarks_are_told_when_the_queue_has_passed_them),
        TEST_ENTRY(without_memory_nothing_is_queued),
        TEST_ENTRY(thousands_can_wait_and_leave_nothing_behind),
        TEST_ENTRY(several_in_one_piece_arrive_one_by_one),
        TEST_ENTRY(pieces_and_single_datagrams_keep_their_order),
        TEST_ENTRY(only_udp_takes_several_in_one_piece),
        TEST_ENTRY(what_the_system_has_joined_is_echoed_as_it_came),
    };
    return RUN_TESTS("dgram send", tests);
}
