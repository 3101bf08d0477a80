/*
 * dgram_each.c: where datagrams are received one system call each, an error that comes after one of
 * them is told after it, and nothing is overlooked.
 */
#include "mail.h"

#include <sys/socket.h>

/* This call of recvmsg(), counted from now on, fails, once. */
static unsigned failing;
static int failure;

ssize_t __real_recvmsg(int fd, struct msghdr *message, int flags);
ssize_t __wrap_recvmsg(int fd, struct msghdr *message, int flags);

ssize_t __wrap_recvmsg(int fd, struct msghdr *message, int flags)
{
    if (failing && --failing == 0) {
        errno = failure;
        return -1;
    }
    return __real_recvmsg(fd, message, flags);
}

static void send_two(evloop *loop, struct box *box, struct box *sender)
{
    assert_int_equal(box_send(sender, "one", NULL), 0);
    assert_int_equal(box_send(sender, "two", NULL), 0);
    box_wait(loop, box, 2);
}

TEST(an_error_that_comes_after_a_datagram_is_told_after_it)
{
    evloop *loop = loop_new();
    struct box *box = box_bind(loop, "127.0.0.1:0", NULL);
    struct box *sender = box_connect(loop, box, NULL);
    failing = 2;
    failure = ECONNREFUSED;
    send_two(loop, box, sender);
    assert_int_equal(box->batches, 2);
    assert_int_equal(box->errors, 1);
    assert_int_equal(box->error, -ECONNREFUSED);
    box_close(loop, box);
    box_close(loop, sender);
    loop_end(loop);
}

/* Nothing else wakes the loop for it. */
TEST(an_error_that_comes_after_the_last_datagram_is_told)
{
    evloop *loop = loop_new();
    struct box *box = box_bind(loop, "127.0.0.1:0", NULL);
    struct box *sender = box_connect(loop, box, NULL);
    failing = 3;
    failure = ECONNREFUSED;
    send_two(loop, box, sender);
    assert_int_equal(box->batches, 1);
    box_wait_error(loop, box, 1);
    assert_int_equal(box->error, -ECONNREFUSED);
    box_close(loop, box);
    box_close(loop, sender);
    loop_end(loop);
}

TEST(an_interruption_after_a_datagram_is_none_to_what_follows)
{
    evloop *loop = loop_new();
    struct box *box = box_bind(loop, "127.0.0.1:0", NULL);
    struct box *sender = box_connect(loop, box, NULL);
    failing = 2;
    failure = EINTR;
    send_two(loop, box, sender);
    assert_int_equal(box->batches, 1);
    assert_int_equal(box->errors, 0);
    box_close(loop, box);
    box_close(loop, sender);
    loop_end(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_ENTRY(an_error_that_comes_after_a_datagram_is_told_after_it),
        TEST_ENTRY(an_error_that_comes_after_the_last_datagram_is_told),
        TEST_ENTRY(an_interruption_after_a_datagram_is_none_to_what_follows),
    };
    return RUN_TESTS("datagrams, one by one", tests);
}
