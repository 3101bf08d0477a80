/*
 * passed_fds.c: descriptors that come to somebody who has no room for them are not kept, also where
 * the kernel gives them to the process all the same.
 */
#include "net.h"

#include <sys/socket.h>
#include <sys/un.h>

ssize_t __real_recvmsg(int fd, struct msghdr *message, int flags);
ssize_t __wrap_recvmsg(int fd, struct msghdr *message, int flags);

/* As Darwin does. */
ssize_t __wrap_recvmsg(int fd, struct msghdr *message, int flags)
{
    union {
        struct cmsghdr header; /* for its alignment */
        char bytes[1024];
    } control;
    struct msghdr all = *message;
    if (message->msg_control)
        return __real_recvmsg(fd, message, flags);
    all.msg_control = control.bytes;
    all.msg_controllen = sizeof control;
    return __real_recvmsg(fd, &all, flags);
}

static void send_with_descriptor(int fd)
{
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {.bytes = {0}};
    char byte = 'x';
    struct iovec iov = {&byte, 1};
    struct msghdr message = {.msg_iov = &iov,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof control.bytes};
    control.header.cmsg_level = SOL_SOCKET;
    control.header.cmsg_type = SCM_RIGHTS;
    control.header.cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(&control.header), &fd, sizeof fd);
    assert_int_equal(sendmsg(fd, &message, 0), 1);
}

static unsigned bytes_heard;

static void on_read(evloop_stream *stream, ssize_t n, const void *data)
{
    (void)stream;
    assert_int_equal(n, 1);
    assert_int_equal(*(const char *)data, 'x');
    bytes_heard++;
}

TEST(descriptors_that_a_stream_does_not_take_are_closed)
{
    evloop *loop = loop_new();
    evloop_stream stream = {0};
    int fds[2];
    net_pair(AF_UNIX, fds);
    bytes_heard = 0;
    assert_int_equal(evloop_stream_open(loop, &stream, fds[0]), 0);
    assert_int_equal(evloop_stream_read_start(&stream, on_read), 0);
    for (unsigned i = 1; i <= 3; i++) {
        send_with_descriptor(fds[1]);
        while (bytes_heard < i)
            assert_int_equal(evloop_run(loop, EVLOOP_RUN_ONCE), 0);
    }
    assert_int_equal(evloop_stream_close(&stream, NULL), 0);
    loop_run(loop);
    loop_end(loop);
    assert_int_equal(close(fds[1]), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_ENTRY(descriptors_that_a_stream_does_not_take_are_closed),
    };
    return RUN_TESTS("descriptors that are passed", tests);
}
