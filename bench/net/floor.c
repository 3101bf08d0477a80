/*
 * floor.c: epoll and the calls on sockets, edge-triggered, and nothing around them. The load never
 * has more under way than a socket holds, so that answers are always taken whole.
 */
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/uio.h>
#include <unistd.h>

#include "net.h"

enum { EVENTS_MAX = 256, PIECE_BYTES = NET_PIECES * NET_PIECE };

struct floor {
    struct net_server *server;
    int epoll;
    size_t size; /* to read at a time */
    size_t left; /* of what a source was asked for */
    char buffer[4 * NET_BUFFER];
};

/* 0: closed by the peer; -1: nothing has come. */
static ssize_t receive(int fd, char *memory, size_t size)
{
    ssize_t n = recv(fd, memory, size, 0);

    bench_check(n >= 0 || errno == EAGAIN ? 0 : -errno, "recv");
    return n;
}

static void check_whole(ssize_t n, size_t size)
{
    bench_check(n < 0 ? -errno : 0, "send");
    bench_check((size_t)n < size ? -EMSGSIZE : 0, "send");
}

static void send_whole(int fd, const char *data, size_t size)
{
    check_whole(send(fd, data, size, MSG_NOSIGNAL), size);
}

/* A short read is the last: what comes later is an edge of its own. */
static void echo(struct floor *self, int fd)
{
    ssize_t n = receive(fd, self->buffer, self->size);

    if (n > 0)
        send_whole(fd, self->buffer, (size_t)n);
    else if (n == 0)
        close(fd);
}

static void sink(struct floor *self, int fd)
{
    ssize_t n;

    do {
        n = receive(fd, self->buffer, self->size);
        if (n > 0)
            net_count(self->server, (size_t)n);
    } while (n == (ssize_t)self->size);
    if (n == 0)
        close(fd);
}

/* What is left of the blocks; short when the socket is full. */
static bool send_blocks(struct floor *self, int fd)
{
    struct iovec iov[NET_BLOCKS];
    struct msghdr message = {.msg_iov = iov};
    size_t size = 0;
    ssize_t n;

    for (; size < self->left; size += iov[message.msg_iovlen++].iov_len) {
        size_t piece = self->left - size < NET_BLOCK ? self->left - size : NET_BLOCK;

        iov[message.msg_iovlen] = (struct iovec){net_block, piece};
    }
    n = sendmsg(fd, &message, MSG_NOSIGNAL);
    bench_check(n >= 0 || errno == EAGAIN ? 0 : -errno, "sendmsg");
    self->left -= n < 0 ? 0 : (size_t)n;
    return n > 0;
}

static void source(struct floor *self, int fd)
{
    if (self->left == 0 && receive(fd, self->buffer, self->size) > 0)
        self->left = NET_BLOCKS * NET_BLOCK;
    while (self->left > 0 && send_blocks(self, fd))
        continue;
}

/* The pieces stay where they are. */
static void small_writes(struct floor *self, int fd)
{
    struct iovec iov[NET_PIECES];
    const struct msghdr message = {.msg_iov = iov, .msg_iovlen = NET_PIECES};

    if (receive(fd, self->buffer, self->size) <= 0)
        return;
    for (int i = 0; i < NET_PIECES; i++)
        iov[i] = (struct iovec){net_block, NET_PIECE};
    check_whole(sendmsg(fd, &message, MSG_NOSIGNAL), PIECE_BYTES);
}

/* They are put together. */
static void small_sends(struct floor *self, int fd)
{
    if (receive(fd, self->buffer, self->size) <= 0)
        return;
    for (int i = 0; i < NET_PIECES; i++)
        memcpy(self->buffer + i * NET_PIECE, net_block, NET_PIECE);
    send_whole(fd, self->buffer, PIECE_BYTES);
}

static void answer(struct floor *self, int fd)
{
    ssize_t n = receive(fd, self->buffer, self->size);

    if (n > 0)
        send_whole(fd, self->buffer, (size_t)n);
    if (n >= 0)
        close(fd);
}

static void add(struct floor *self, int fd, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.fd = fd};

    bench_check(epoll_ctl(self->epoll, EPOLL_CTL_ADD, fd, &event), "epoll_ctl");
}

/* One for each event: the listener is level-triggered, and a call in vain is dear. */
static void take_connection(struct floor *self)
{
    int fd = accept4(self->server->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

    bench_check(fd >= 0 || errno == EAGAIN ? 0 : -errno, "accept4");
    if (fd < 0)
        return;
    if (self->server->plan.service == NET_CLOSE)
        close(fd);
    else
        add(self, fd,
            EPOLLET | EPOLLIN | (self->server->plan.service == NET_SOURCE ? EPOLLOUT : 0));
}

static void serve(struct net_server *server)
{
    static void (*const services[])(struct floor * self, int fd) = {
        [NET_ECHO] = echo,
        [NET_SINK] = sink,
        [NET_SOURCE] = source,
        [NET_SMALL_WRITES] = small_writes,
        [NET_SMALL_SENDS] = small_sends,
        [NET_ANSWER] = answer,
    };
    struct floor *self = bench_alloc(1, sizeof *self);

    self->server = server;
    self->size = server->plan.buffer ? server->plan.buffer : NET_BUFFER;
    self->epoll = epoll_create1(0);
    bench_check(self->epoll, "epoll_create1");
    add(self, server->listener, EPOLLIN);
    for (;;) {
        struct epoll_event events[EVENTS_MAX];
        int n = epoll_wait(self->epoll, events, EVENTS_MAX, -1);

        bench_check(n, "epoll_wait");
        for (int i = 0; i < n; i++)
            if (events[i].data.fd == server->listener)
                take_connection(self);
            else
                services[server->plan.service](self, events[i].data.fd);
    }
}

const struct net_peer net_floor = {serve};
