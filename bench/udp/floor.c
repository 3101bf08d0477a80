/*
 * floor.c: epoll_wait(), recvmmsg(), sendmmsg(), and nothing around them. In bursts the size of the
 * pieces goes from the control data of what came to that of the answer.
 */
#include <errno.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "udp.h"

enum { BATCH = 32, ROOM = 65536 + 64 };

struct server {
    int fd;
    bool burst;
    struct mmsghdr headers[BATCH];
    struct iovec iov[BATCH];
    struct sockaddr_in peers[BATCH];
    _Alignas(struct cmsghdr) char control[BATCH][CMSG_SPACE(sizeof(int))];
    char bytes[BATCH][ROOM];
};

static void prepare(struct server *self, int count)
{
    for (int i = 0; i < count; i++) {
        struct msghdr *header = &self->headers[i].msg_hdr;

        self->iov[i] = (struct iovec){self->bytes[i], ROOM};
        header->msg_namelen = sizeof self->peers[i];
        header->msg_control = self->burst ? self->control[i] : NULL;
        header->msg_controllen = self->burst ? sizeof self->control[i] : 0;
    }
}

/* The size of the pieces is an int when it comes, and 16 bits when it goes. */
static void turn_round(struct server *self, int count)
{
    for (int i = 0; i < count; i++) {
        struct msghdr *header = &self->headers[i].msg_hdr;
        struct cmsghdr *part = self->burst ? CMSG_FIRSTHDR(header) : NULL;
        int size;
        uint16_t size_out;

        self->iov[i].iov_len = self->headers[i].msg_len;
        if (!part)
            continue;
        memcpy(&size, CMSG_DATA(part), sizeof size);
        size_out = (uint16_t)size;
        part->cmsg_type = UDP_SEGMENT;
        part->cmsg_len = CMSG_LEN(sizeof size_out);
        memcpy(CMSG_DATA(part), &size_out, sizeof size_out);
        header->msg_controllen = CMSG_SPACE(sizeof size_out);
    }
}

static void echo(struct server *self)
{
    int n = recvmmsg(self->fd, self->headers, BATCH, MSG_DONTWAIT, NULL);

    if (n < 0 && errno == EAGAIN) /* told of what came with the last batch */
        return;
    bench_check(n, "recvmmsg");
    turn_round(self, n);
    bench_check(sendmmsg(self->fd, self->headers, (unsigned)n, 0) == n ? 0 : -1, "sendmmsg");
    prepare(self, n);
}

static void serve(const struct sockaddr_in *address, bool burst)
{
    struct server *self = bench_alloc(1, sizeof *self);
    int epoll = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN | EPOLLET};
    int on = 1;

    self->burst = burst;
    self->fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    bench_check(self->fd, "socket");
    bench_check(bind(self->fd, (const struct sockaddr *)address, sizeof *address), "bind");
    if (burst)
        bench_check(setsockopt(self->fd, IPPROTO_UDP, UDP_GRO, &on, sizeof on), "UDP_GRO");
    for (int i = 0; i < BATCH; i++) {
        self->headers[i].msg_hdr.msg_iov = &self->iov[i];
        self->headers[i].msg_hdr.msg_iovlen = 1;
        self->headers[i].msg_hdr.msg_name = &self->peers[i];
    }
    prepare(self, BATCH);
    bench_check(epoll_ctl(epoll, EPOLL_CTL_ADD, self->fd, &event), "epoll_ctl");
    udp_bound(self->fd);
    for (;;) {
        bench_check(epoll_wait(epoll, &event, 1, -1), "epoll_wait");
        echo(self);
    }
}

const struct udp_ops udp_floor = {serve};
