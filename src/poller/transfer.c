/*
 * transfer.c: single attempts, with the system calls that all systems share; see transfer.h. No
 * SIGPIPE reaches the program: sockets are told so, for the others it is held back and taken.
 */
#include "poller/transfer.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "poller/sigpipe.h"

enum { COPY_AT_ONCE = 32 * 1024 };

static ssize_t or_error(ssize_t result)
{
    return result < 0 ? -errno : result;
}

static ssize_t or_send_error(ssize_t result)
{
    return result < 0 && errno == TORN_DOWN ? -EPIPE : or_error(result);
}

int transfer_connect(int fd, const struct sockaddr *address, socklen_t size)
{
    if (connect(fd, address, size) == 0)
        return 0;
    return errno == EINTR ? -EINPROGRESS : -errno;
}

/* What came of a connection that was in progress. */
int transfer_connected(int fd)
{
    int err = 0;
    socklen_t size = sizeof err;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &size) < 0)
        return -errno;
    return -err;
}

ssize_t transfer_receive(int fd, void *memory, size_t size)
{
    ssize_t n;
    do
        n = recv(fd, memory, size, 0);
    while (n < 0 && errno == EINTR);
    return or_error(n);
}

bool transfer_readable(int fd)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
    return poll(&poll_fd, 1, 0) > 0 && poll_fd.revents & POLLIN;
}

ssize_t transfer_read(int fd, void *memory, size_t size)
{
    ssize_t n;
    do
        n = read(fd, memory, size);
    while (n < 0 && errno == EINTR);
    return or_error(n);
}

enum { FDS_OF_A_MESSAGE = 512 }; /* the most that any system lets it have */
enum { OTHER_CONTROL = 512 }; /* credentials and such, if somebody has asked the socket for them */

union fds_control {
    struct cmsghdr header; /* for its alignment */
    char bytes[CMSG_SPACE(FDS_OF_A_MESSAGE * sizeof(int)) + OTHER_CONTROL];
};

/*
 * Takes the descriptors of a part of the control data. There is room for as many as Linux lets a
 * message have; where the system lets it have more, those are closed.
 */
static void take_rights(struct cmsghdr *part, struct received *extra)
{
    int fd;
    size_t bytes = part->cmsg_len - CMSG_LEN(0);
    for (size_t at = 0; at + sizeof fd <= bytes; at += sizeof fd) {
        memcpy(&fd, CMSG_DATA(part) + at, sizeof fd);
        if (extra->fd_count < FDS_AT_ONCE) {
            extra->fds[extra->fd_count++] = fd;
        } else {
            close(fd);
            extra->lost = true;
        }
    }
}

/* Takes the descriptors out of the control data; whether there was any. */
static bool take_fds(struct msghdr *message, struct received *extra)
{
    bool any = false;
    for (struct cmsghdr *part = CMSG_FIRSTHDR(message); part; part = CMSG_NXTHDR(message, part)) {
        any = true;
        if (part->cmsg_level == SOL_SOCKET && part->cmsg_type == SCM_RIGHTS)
            take_rights(part, extra);
    }
    return any;
}

ssize_t transfer_receive_fds(int fd, void *memory, size_t size, struct received *extra, bool *cut)
{
    union fds_control control;
    struct iovec iov = {memory, size};
    struct msghdr message;
    ssize_t n;
    memset(&message, 0, sizeof message);
    do {
        message.msg_iov = &iov;
        message.msg_iovlen = 1;
        message.msg_control = extra->fds ? control.bytes : NULL;
        message.msg_controllen = extra->fds ? sizeof control : 0;
        n = transfer_receive_message(fd, &message);
    } while (n < 0 && errno == EINTR);
    *cut = false;
    if (n < 0)
        return -errno;
    *cut = message.msg_flags & MSG_CTRUNC;
    if (extra->fds) {
        extra->lost = *cut;
        *cut = take_fds(&message, extra) || *cut;
    }
    return message.msg_flags & MSG_TRUNC ? -EMSGSIZE : n;
}

static void add_fds(struct msghdr *message, union fds_control *control,
                    const struct evloop_outgoing *outgoing)
{
    size_t bytes = outgoing->fd_count * sizeof(int);
    memset(control, 0, CMSG_SPACE(bytes));
    message->msg_control = control->bytes;
    message->msg_controllen = (socklen_t)CMSG_SPACE(bytes);
    struct cmsghdr *header = CMSG_FIRSTHDR(message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = (socklen_t)CMSG_LEN(bytes);
    memcpy(CMSG_DATA(header), outgoing->fds, bytes);
}

static ssize_t send_message(int fd, const struct evloop_outgoing *outgoing)
{
    union fds_control control;
    struct msghdr message;
    ssize_t n;
    memset(&message, 0, sizeof message);
    message.msg_iov = outgoing->iov;
    message.msg_iovlen = (__typeof__(message.msg_iovlen))outgoing->iov_count;
    if (outgoing->fd_count)
        add_fds(&message, &control, outgoing);
    do
        n = sendmsg(fd, &message, SEND_FLAGS);
    while (n < 0 && errno == EINTR);
    return or_send_error(n);
}

ssize_t transfer_send(int fd, const struct evloop_outgoing *outgoing)
{
    ssize_t n;
    if (outgoing->iov_count != 1 || outgoing->fd_count)
        return send_message(fd, outgoing);
    do
        n = send(fd, outgoing->iov->iov_base, outgoing->iov->iov_len, SEND_FLAGS);
    while (n < 0 && errno == EINTR);
    return or_send_error(n);
}

ssize_t transfer_write(int fd, const struct evloop_outgoing *outgoing)
{
    struct sigpipe held;
    ssize_t n;
    sigpipe_hold(&held);
    do
        n = writev(fd, outgoing->iov, (int)outgoing->iov_count);
    while (n < 0 && errno == EINTR);
    sigpipe_release(&held, n < 0 && errno == EPIPE);
    return or_send_error(n);
}

/* A file that the kernel cannot send by itself goes through memory. */
ssize_t transfer_copy_file(int fd, const struct evloop_outgoing *outgoing)
{
    char memory[COPY_AT_ONCE];
    size_t size = outgoing->file_size < sizeof memory ? outgoing->file_size : sizeof memory;
    ssize_t n;
    do
        n = pread(outgoing->file, memory, size, (off_t)outgoing->file_offset);
    while (n < 0 && errno == EINTR);
    if (n <= 0)
        return n == 0 ? FILE_ENDED : -errno;
    struct iovec iov = {memory, (size_t)n};
    struct evloop_outgoing copy = {.iov = &iov, .iov_count = 1, .file = -1};
    return transfer_write(fd, &copy);
}
