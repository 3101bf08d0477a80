/*
 * dgram.c: the system calls of datagram sockets: how many there are, and what becomes of each error
 * that they can have.
 */
#include "../unit/mail.h"
#include "calls.h"

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

/* How many messages a call takes or brings: message_batch.c, or message_each.c. */
#ifdef ONE_MESSAGE_A_CALL
enum { SENT_AT_ONCE = 1, RECEIVED_AT_ONCE = 1 };
#else
enum { SENT_AT_ONCE = 64, RECEIVED_AT_ONCE = 32 };
#endif

/* ---- the calls ------------------------------------------------------------------------------- */

struct calls {
    unsigned count;
    unsigned messages; /* that went through */
    unsigned most;     /* that one call was given */
    unsigned from;     /* the number of the first call that fails; 0: none does */
    unsigned to;       /* ... of the first that does not fail any more */
    int err;
    unsigned at_most; /* so many messages go through at a time; 0: all */
};

static struct calls sends, receives, registrations, polls;

static void reset_calls(void)
{
    memset(&sends, 0, sizeof sends);
    memset(&receives, 0, sizeof receives);
    memset(&registrations, 0, sizeof registrations);
    memset(&polls, 0, sizeof polls);
}

/* So many calls fail, from the next one on. */
static void fail_next(struct calls *calls, unsigned times, int err)
{
    calls->from = calls->count + 1;
    calls->to = calls->from + times;
    calls->err = err;
}

static bool fails(struct calls *calls)
{
    unsigned number = ++calls->count;
    if (!calls->from || number < calls->from || number >= calls->to)
        return false;
    errno = calls->err;
    return true;
}

int __real_sendmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags);
int __wrap_sendmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags);

int __wrap_sendmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags)
{
    if (count > sends.most)
        sends.most = count;
    if (fails(&sends))
        return -1;
    if (sends.at_most && count > sends.at_most)
        count = sends.at_most;
    int n = __real_sendmmsg(fd, messages, count, flags);
    sends.messages += n > 0 ? (unsigned)n : 0;
    return n;
}

ssize_t __real_sendmsg(int fd, const struct msghdr *message, int flags);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *message, int flags);

ssize_t __wrap_sendmsg(int fd, const struct msghdr *message, int flags)
{
    if (fails(&sends))
        return -1;
    ssize_t n = __real_sendmsg(fd, message, flags);
    sends.messages += n >= 0;
    return n;
}

ssize_t __real_recvmsg(int fd, struct msghdr *message, int flags);
ssize_t __wrap_recvmsg(int fd, struct msghdr *message, int flags);

/* What is in a queue of errors is not counted. */
ssize_t __wrap_recvmsg(int fd, struct msghdr *message, int flags)
{
    if (flags & MSG_ERRQUEUE)
        return __real_recvmsg(fd, message, flags);
    if (fails(&receives))
        return -1;
    ssize_t n = __real_recvmsg(fd, message, flags);
    receives.messages += n >= 0;
    return n;
}

int __real_recvmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags,
                    struct timespec *timeout);
int __wrap_recvmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags,
                    struct timespec *timeout);

int __wrap_recvmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags,
                    struct timespec *timeout)
{
    if (fails(&receives))
        return -1;
    int n = __real_recvmmsg(fd, messages, count, flags, timeout);
    receives.messages += n > 0 ? (unsigned)n : 0;
    return n;
}

/* calls_epoll.c, calls_kqueue.c */
bool calls_fails(enum call call)
{
    return call == CALL_INTEREST && fails(&registrations);
}

int __real_poll(struct pollfd *fds, nfds_t count, int timeout_ms);
int __wrap_poll(struct pollfd *fds, nfds_t count, int timeout_ms);

int __wrap_poll(struct pollfd *fds, nfds_t count, int timeout_ms)
{
    return fails(&polls) ? -1 : __real_poll(fds, count, timeout_ms);
}

struct two {
    evloop *loop;
    struct box *box;
    struct box *sender; /* connected to it */
};

static struct two two_new(const evloop_dgram_options *options)
{
    struct two two = {.loop = loop_new()};
    two.box = box_bind(two.loop, "127.0.0.1:0", options);
    two.sender = box_connect(two.loop, two.box, options);
    loop_turn(two.loop);
    loop_turn(two.loop);
    reset_calls();
    return two;
}

static void two_end(struct two *two)
{
    reset_calls();
    box_close(two->loop, two->box);
    box_close(two->loop, two->sender);
    loop_end(two->loop);
}

static void send_numbers(struct box *sender, unsigned count)
{
    char text[16];
    for (unsigned i = 0; i < count; i++) {
        snprintf(text, sizeof text, "%u", i);
        assert_int_equal(box_send(sender, text, NULL), 0);
    }
}

static void assert_numbers(const struct box *box, unsigned count)
{
    char text[16];
    assert_int_equal(box->count, count);
    for (unsigned i = 0; i < count; i++) {
        snprintf(text, sizeof text, "%u", i);
        assert_string_equal(box->mails[i].text, text);
    }
}

/* After so many messages there is no room, for one attempt; that some went hides what was next. */
static void no_room_after(unsigned messages)
{
    bool hidden = SENT_AT_ONCE == 1;
    sends.at_most = messages;
    sends.from = sends.count + (hidden ? messages : 1) + 1;
    sends.to = sends.from + (hidden ? 2 : 1);
    sends.err = EAGAIN;
}

static unsigned calls_for(unsigned messages, unsigned at_once)
{
    return (messages + at_once - 1) / at_once;
}

/* ---- how many -------------------------------------------------------------------------------- */

TEST(a_turns_datagrams_leave_in_one_call_and_come_in_one)
{
    struct two two = two_new(NULL);
    send_numbers(two.sender, 30);
    assert_int_equal(sends.count, 0);
    loop_turn(two.loop);
    assert_int_equal(sends.count, calls_for(30, SENT_AT_ONCE));
    assert_int_equal(sends.messages, 30);
    assert_int_equal(receives.messages, 30);
    /* Where one call brings one, the last says that there is no more. */
    const unsigned calls = calls_for(30, RECEIVED_AT_ONCE) + (RECEIVED_AT_ONCE == 1);
    assert_int_equal(receives.count, calls);
    loop_turn(two.loop);
    assert_int_equal(receives.count, calls); /* else no call in vain does */
    assert_numbers(two.box, 30);
    two_end(&two);
}

TEST(sixty_four_leave_in_a_call)
{
    struct two two = two_new(NULL);
    send_numbers(two.sender, 150);
    loop_turn(two.loop);
    assert_int_equal(sends.count, calls_for(150, SENT_AT_ONCE));
    if (SENT_AT_ONCE > 1)
        assert_int_equal(sends.most, SENT_AT_ONCE);
    box_wait(two.loop, two.box, 150);
    assert_numbers(two.box, 150);
    if (RECEIVED_AT_ONCE > 1)
        assert_int_equal(receives.count, calls_for(150, RECEIVED_AT_ONCE));
    two_end(&two);
}

TEST(receiving_is_registered_once)
{
    struct two two = two_new(NULL);
    for (unsigned i = 0; i < 5; i++) {
        evloop_dgram_receive_stop(&two.box->dgram);
        assert_int_equal(evloop_dgram_receive_start(&two.box->dgram, box_on_datagrams), 0);
        assert_int_equal(box_send(two.sender, "x", NULL), 0);
        box_wait(two.loop, two.box, i + 1);
    }
    assert_int_equal(registrations.count, 0);
    two_end(&two);
}

TEST(what_has_segments_leaves_in_one_message)
{
    static char bytes[6000];
    struct two two = two_new(NULL);
    assert_int_equal(evloop_dgram_send_segments(&two.sender->dgram, bytes, 6000, 100, NULL), 0);
    box_wait(two.loop, two.box, 60);
    assert_int_equal(sends.messages, 1);
    two_end(&two);
}

TEST(an_array_is_one_call)
{
    evloop_datagram datagrams[64];
    struct two two = two_new(NULL);
    for (int i = 0; i < 64; i++)
        datagrams[i] = (evloop_datagram){.data = "x", .size = 1};
    assert_int_equal(evloop_dgram_try_send(&two.sender->dgram, datagrams, 64), 64);
    assert_int_equal(sends.count, calls_for(64, SENT_AT_ONCE));
    box_wait(two.loop, two.box, 64);
    two_end(&two);
}

/* ---- sending --------------------------------------------------------------------------------- */

static struct order {
    evloop_dgram_request request;
    int status;
} orders[3];

static void on_order(evloop_dgram_request *request, int status)
{
    struct order *order = evloop_container_of(request, struct order, request);
    order->status = status;
    trace((char)('0' + (order - orders)));
}

static void write_three(struct two *two)
{
    static const struct iovec iov[3] = {{(void *)"0", 1}, {(void *)"1", 1}, {(void *)"2", 1}};
    memset(orders, 0, sizeof orders);
    for (int i = 0; i < 3; i++)
        assert_int_equal(
            evloop_dgram_write(&two->sender->dgram, &orders[i].request, &iov[i], 1, NULL, on_order),
            0);
}

TEST(a_short_call_is_followed_by_another)
{
    struct two two = two_new(NULL);
    sends.at_most = 1;
    write_three(&two);
    loop_turn(two.loop);
    assert_trace("012");
    assert_int_equal(sends.count, 3);
    assert_numbers(two.box, 3);
    two_end(&two);
}

TEST(an_interruption_is_not_noticed)
{
    struct two two = two_new(NULL);
    fail_next(&sends, 2, EINTR);
    fail_next(&receives, 2, EINTR);
    write_three(&two);
    loop_turn(two.loop);
    assert_trace("012");
    assert_numbers(two.box, 3);
    two_end(&two);
}

TEST(without_room_it_waits_until_the_system_says_that_there_is)
{
    struct two two = two_new(NULL);
    fail_next(&sends, 1, EAGAIN);
    write_three(&two);
    while (two.box->count < 3)
        assert_int_equal(evloop_run(two.loop, EVLOOP_RUN_ONCE), 0);
    assert_trace("012");
    assert_numbers(two.box, 3);
    two_end(&two);
}

/* The first fails, since a second attempt does too; the others go. */
TEST(each_error_is_the_datagrams_that_met_it)
{
    static const int errors[] = {EPERM,  EACCES,       ENOBUFS,     ENOMEM,        EINVAL,
                                 EPIPE,  EDESTADDRREQ, EMSGSIZE,    EADDRNOTAVAIL, EIO,
                                 EFAULT, EHOSTUNREACH, ENETUNREACH, ENETDOWN};
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        struct two two = two_new(NULL);
        write_three(&two);
        bool networks = errors[i] == EACCES || errors[i] == EMSGSIZE || errors[i] == EHOSTUNREACH ||
                        errors[i] == ENETUNREACH || errors[i] == ENETDOWN;
        fail_next(&sends, networks ? 2 : 1, errors[i]);
        loop_turn(two.loop);
        assert_trace("012");
        assert_int_equal(orders[0].status, -errors[i]);
        assert_int_equal(orders[1].status, 0);
        assert_int_equal(orders[2].status, 0);
        assert_int_equal(two.box->count, 2);
        assert_int_equal(two.sender->errors, 0);
        two_end(&two);
    }
}

TEST(an_error_that_was_pending_is_told_and_the_datagram_goes)
{
    static const int errors[] = {ECONNREFUSED, EHOSTUNREACH, ENETUNREACH, EMSGSIZE, EACCES};
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        struct two two = two_new(NULL);
        write_three(&two);
        fail_next(&sends, 1, errors[i]);
        loop_turn(two.loop);
        assert_trace("012");
        assert_int_equal(orders[0].status, 0);
        assert_numbers(two.box, 3);
        assert_int_equal(two.sender->errors, 1);
        assert_int_equal(two.sender->error, -errors[i]);
        two_end(&two);
    }
}

TEST(a_refusal_that_never_ends_is_given_up)
{
    struct two two = two_new(NULL);
    const evloop_datagram datagram = {.data = "x", .size = 1};
    write_three(&two);
    fail_next(&sends, UINT32_MAX / 2, ECONNREFUSED);
    while (orders[2].status == 0)
        loop_turn(two.loop);
    assert_trace("012");
    for (int i = 0; i < 3; i++)
        assert_int_equal(orders[i].status, -ECONNREFUSED);
    assert_int_equal(evloop_dgram_try_send(&two.sender->dgram, &datagram, 1), -ECONNREFUSED);
    two_end(&two);
}

TEST(a_copy_that_fails_is_told_with_its_bytes)
{
    struct two two = two_new(NULL);
    fail_next(&sends, 1, EPERM);
    send_numbers(two.sender, 3);
    loop_turn(two.loop);
    assert_int_equal(two.sender->error, -EPERM);
    assert_true(two.sender->about);
    assert_string_equal(two.sender->error_mail.text, "0");
    assert_int_equal(two.box->count, 2);
    two_end(&two);
}

static void free_it(struct box *box)
{
    int fd = evloop_dgram_release(&box->dgram);
    assert_true(fd >= 0);
    close(fd);
    free(box);
}

TEST(a_socket_may_be_gone_after_it_was_told_of_a_failure)
{
    struct two two = two_new(NULL);
    two.sender->then = free_it;
    fail_next(&sends, 1, EPERM);
    send_numbers(two.sender, 1);
    loop_turn(two.loop);
    reset_calls();
    box_close(two.loop, two.box);
    loop_end(two.loop);
}

TEST(without_a_registration_the_datagram_fails_that_had_to_wait)
{
    struct two two = two_new(NULL);
    fail_next(&sends, 1, EAGAIN);
    fail_next(&registrations, 1, ENOSPC);
    write_three(&two);
    loop_turn(two.loop);
    assert_int_equal(orders[0].status, -ENOSPC);
    box_wait(two.loop, two.box, 2);
    assert_trace("012");
    two_end(&two);
}

/* Whether a unix socket waits in vain has to be asked, and the answer may not come. */
static void fill_while_asking_fails(int err, unsigned polls_made)
{
    char name[64];
    evloop *loop = loop_new();
    struct box *full = box_new(), *sender = box_new();
    snprintf(name, sizeof name, "@evloop-fault-%d", (int)getpid());
    assert_int_equal(evloop_unix_dgram_bind(loop, &full->dgram, name, NULL), 0);
    assert_int_equal(evloop_dgram_socket(loop, &sender->dgram, AF_UNIX, NULL), 0);
    assert_int_equal(evloop_dgram_receive_start(&sender->dgram, box_on_datagrams), 0);
    evloop_address to = box_address(full);
    const evloop_datagram datagram = {.data = "x", .size = 1, .peer = &to};
    reset_calls();
    fail_next(&polls, 1, err);
    ssize_t n;
    do
        n = evloop_dgram_try_send(&sender->dgram, &datagram, 1);
    while (n == 1);
    assert_int_equal(n, -ENOBUFS);
    assert_int_equal(polls.count, polls_made);
    fail_next(&polls, 1, err);
    assert_int_equal(box_send(sender, "lost", &to), 0);
    box_wait_error(loop, sender, 1);
    assert_int_equal(sender->error, -ENOBUFS);
    assert_string_equal(sender->error_mail.text, "lost");
    reset_calls();
    box_close(loop, full);
    box_close(loop, sender);
    loop_end(loop);
}

TEST(who_cannot_ask_whether_there_will_be_room_does_not_wait_for_ever)
{
    fill_while_asking_fails(ENOMEM, 1);
    fill_while_asking_fails(EINTR, 2);
}

/* ---- pieces ---------------------------------------------------------------------------------- */

static void assert_cut(int err, unsigned second_calls)
{
    static char bytes[1000];
    struct two two = two_new(NULL);
    struct box *box = two.box;
    fail_next(&sends, 1, err);
    assert_int_equal(evloop_dgram_send_segments(&two.sender->dgram, bytes, 1000, 100, NULL), 0);
    box_wait(two.loop, box, 10);
    assert_int_equal(sends.messages, 10);
    assert_int_equal(box->mails[9].size, 100);
    sends.messages = 0;
    assert_int_equal(evloop_dgram_send_segments(&two.sender->dgram, bytes, 1000, 100, NULL), 0);
    box_wait(two.loop, box, 20);
    assert_int_equal(sends.messages, second_calls);
    const evloop_datagram datagram = {.data = bytes, .size = 1000, .segment_size = 100};
    fail_next(&sends, 1, err);
    assert_int_equal(evloop_dgram_try_send(&two.sender->dgram, &datagram, 1), second_calls == 1 ? 1
                                                                              : err == EIO ? -EIO
                                                                                           : 1);
    if (second_calls == 1)
        box_wait(two.loop, box, 30);
    two_end(&two);
}

TEST(where_a_device_cannot_cut_them_the_library_does_from_then_on)
{
    assert_cut(EIO, 10);
}

TEST(segments_that_the_kernel_does_not_want_are_cut_by_the_library)
{
    assert_cut(EINVAL, 1);
    assert_cut(EMSGSIZE, 1);
}

TEST(of_a_piece_that_went_in_part_the_rest_follows)
{
    static char bytes[1000];
    struct two two = two_new(NULL);
    const evloop_datagram datagrams[] = {{.data = bytes, .size = 1000, .segment_size = 100},
                                         {.data = "x", .size = 1}};
    fail_next(&sends, 1, EIO);
    assert_int_equal(evloop_dgram_try_send(&two.sender->dgram, datagrams, 1), 1);
    box_wait(two.loop, two.box, 10);
    /* From here on the library cuts: 4 go, then there is no room. */
    no_room_after(4);
    assert_int_equal(evloop_dgram_try_send(&two.sender->dgram, datagrams, 2), 1);
    assert_int_equal(evloop_dgram_queued(&two.sender->dgram), 600);
    assert_int_equal(evloop_dgram_try_send(&two.sender->dgram, datagrams + 1, 1), -EAGAIN);
    box_wait(two.loop, two.box, 20);
    for (size_t i = 0; i < 20; i++)
        assert_int_equal(two.box->mails[i].size, 100);
    two_end(&two);
}

/* The call has said that the kernel took it; so the receive callback is told. */
TEST(of_a_piece_that_went_in_part_the_loss_of_the_rest_is_told)
{
    static char bytes[1000];
    struct two two = two_new(NULL);
    const evloop_datagram datagram = {.data = bytes, .size = 1000, .segment_size = 100};
    fail_next(&sends, 1, EIO);
    assert_int_equal(evloop_dgram_try_send(&two.sender->dgram, &datagram, 1), 1);
    box_wait(two.loop, two.box, 10);
    no_room_after(4);
    heap_fail_in(&test_heap, HEAP_FAIL_ALL);
    assert_int_equal(evloop_dgram_try_send(&two.sender->dgram, &datagram, 1), 1);
    heap_fail_in(&test_heap, 0);
    assert_int_equal(evloop_dgram_queued(&two.sender->dgram), 0);
    box_wait(two.loop, two.box, 14);
    box_wait_error(two.loop, two.sender, 1);
    assert_int_equal(two.sender->error, -ENOMEM);
    assert_true(evloop_dgram_receiving(&two.sender->dgram));
    two_end(&two);
}

/* ---- receiving ------------------------------------------------------------------------------- */

TEST(errors_of_the_network_and_want_of_memory_do_not_stop_receiving)
{
    static const int errors[] = {ECONNREFUSED, EHOSTUNREACH, ENETUNREACH, EHOSTDOWN, ENETDOWN,
                                 ENOPROTOOPT,  EPROTO,       EACCES,      EMSGSIZE,  ETIMEDOUT,
                                 EOPNOTSUPP,   ECONNRESET,   ENOMEM,      ENOBUFS};
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        struct two two = two_new(NULL);
        fail_next(&receives, 1, errors[i]);
        send_numbers(two.sender, 1);
        box_wait(two.loop, two.box, 1);
        assert_int_equal(two.box->errors, 1);
        assert_int_equal(two.box->error, -errors[i]);
        assert_false(two.box->about);
        assert_true(evloop_dgram_receiving(&two.box->dgram));
        two_end(&two);
    }
}

TEST(other_errors_stop_receiving_until_it_is_started_again)
{
    static const int errors[] = {EBADF, EINVAL, ENOTCONN, EFAULT, EIO};
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        struct two two = two_new(NULL);
        fail_next(&receives, 1, errors[i]);
        send_numbers(two.sender, 1);
        box_wait_error(two.loop, two.box, 1);
        assert_int_equal(two.box->error, -errors[i]);
        assert_false(evloop_dgram_receiving(&two.box->dgram));
        loop_turn(two.loop);
        assert_int_equal(two.box->count, 0);
        assert_int_equal(evloop_dgram_receive_start(&two.box->dgram, box_on_datagrams), 0);
        box_wait(two.loop, two.box, 1);
        two_end(&two);
    }
}

TEST(an_error_that_is_in_no_queue_of_errors_is_told_as_well)
{
    evloop_dgram_options options = evloop_dgram_options_default();
    options.receive_errors = true;
    struct two two = two_new(&options);
    fail_next(&receives, 1, EHOSTUNREACH);
    struct box *box = two.box;
    send_numbers(two.sender, 1);
    /* Something has come: that is told first, and the error is not lost but in its queue. */
    box_wait(two.loop, box, 1);
    assert_int_equal(box->errors, 0);
    fail_next(&receives, 2, ENOMEM);
    send_numbers(two.sender, 1);
    box_wait_error(two.loop, box, 1);
    assert_int_equal(box->error, -ENOMEM);
    two_end(&two);
}

TEST(without_a_registration_receiving_does_not_start)
{
    evloop *loop = loop_new();
    struct box *box = box_new();
    assert_int_equal(evloop_udp_bind(loop, &box->dgram, "127.0.0.1:0", NULL), 0);
    reset_calls();
    fail_next(&registrations, 1, ENOSPC);
    assert_int_equal(evloop_dgram_receive_start(&box->dgram, box_on_datagrams), -ENOSPC);
    assert_false(evloop_dgram_receiving(&box->dgram));
    assert_int_equal(evloop_dgram_receive_start(&box->dgram, box_on_datagrams), 0);
    reset_calls();
    box_close(loop, box);
    loop_end(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_ENTRY(a_turns_datagrams_leave_in_one_call_and_come_in_one),
        TEST_ENTRY(sixty_four_leave_in_a_call),
        TEST_ENTRY(receiving_is_registered_once),
        TEST_ENTRY(what_has_segments_leaves_in_one_message),
        TEST_ENTRY(an_array_is_one_call),
        TEST_ENTRY(a_short_call_is_followed_by_another),
        TEST_ENTRY(an_interruption_is_not_noticed),
        TEST_ENTRY(without_room_it_waits_until_the_system_says_that_there_is),
        TEST_ENTRY(each_error_is_the_datagrams_that_met_it),
        TEST_ENTRY(an_error_that_was_pending_is_told_and_the_datagram_goes),
        TEST_ENTRY(a_refusal_that_never_ends_is_given_up),
        TEST_ENTRY(a_copy_that_fails_is_told_with_its_bytes),
        TEST_ENTRY(a_socket_may_be_gone_after_it_was_told_of_a_failure),
        TEST_ENTRY(without_a_registration_the_datagram_fails_that_had_to_wait),
        TEST_ENTRY(who_cannot_ask_whether_there_will_be_room_does_not_wait_for_ever),
        TEST_ENTRY(where_a_device_cannot_cut_them_the_library_does_from_then_on),
        TEST_ENTRY(segments_that_the_kernel_does_not_want_are_cut_by_the_library),
        TEST_ENTRY(of_a_piece_that_went_in_part_the_rest_follows),
        TEST_ENTRY(of_a_piece_that_went_in_part_the_loss_of_the_rest_is_told),
        TEST_ENTRY(errors_of_the_network_and_want_of_memory_do_not_stop_receiving),
        TEST_ENTRY(other_errors_stop_receiving_until_it_is_started_again),
        TEST_ENTRY(an_error_that_is_in_no_queue_of_errors_is_told_as_well),
        TEST_ENTRY(without_a_registration_receiving_does_not_start),
    };
    check(setenv("EVLOOP_BACKEND", calls_poller, 1) == 0); /* io_uring makes other calls */
    return RUN_TESTS("dgram faults", tests);
}
