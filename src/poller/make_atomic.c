/*
 * make_atomic.c: descriptors that are close-on-exec from the beginning, where the system can make
 * them so in one call; see socket.h, descriptor.h and transfer.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "poller/descriptor.h"
#include "poller/socket.h"
#include "poller/transfer.h"

static int close_both(const int fds[2], int err)
{
    close(fds[0]);
    close(fds[1]);
    return err;
}

int socket_open(int family, int type)
{
    int fd = socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    return fd < 0 ? -errno : fd;
}

int socket_pair(int fds[2])
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
        return -errno;
    if (fcntl(pair[0], F_SETFL, O_RDWR | O_NONBLOCK) != 0)
        return close_both(pair, -errno);
    fds[0] = pair[0];
    fds[1] = pair[1];
    return 0;
}

int descriptor_pipe(int fds[2], int nonblocking)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
        return -errno;
    int flags = nonblocking == 0 ? O_RDONLY : O_WRONLY;
    if (fcntl(ends[nonblocking], F_SETFL, flags | O_NONBLOCK) != 0)
        return close_both(ends, -errno);
    fds[0] = ends[0];
    fds[1] = ends[1];
    return 0;
}

int transfer_accept(int fd)
{
    int accepted;
    do
        accepted = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    while (accepted < 0 && errno == EINTR);
    return accepted < 0 ? -errno : accepted;
}

ssize_t transfer_receive_message(int fd, struct msghdr *message)
{
    return recvmsg(fd, message, MSG_CMSG_CLOEXEC);
}
