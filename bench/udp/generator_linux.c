/*
 * generator_linux.c: sends a window of datagrams, waits until all are back, and again. Bursts go
 * and come in one piece. A datagram that is lost ends the measurement: nothing here should lose
 * one.
 */
#include <errno.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "udp.h"

enum { WINDOW_MAX = 64, TIMEOUT_S = 5 };

struct udp_generator {
    int fd;
    unsigned window; /* messages */
    size_t each;     /* datagrams in a message */
    struct mmsghdr out[WINDOW_MAX];
    struct mmsghdr in[WINDOW_MAX];
    struct iovec iov_out[WINDOW_MAX];
    struct iovec iov_in[WINDOW_MAX];
    char bytes_out[UDP_BURST * UDP_BURST_SIZE];
    char bytes_in[WINDOW_MAX][65536];
};

static void set(int fd, int option, int value, const char *what)
{
    bench_check(setsockopt(fd, IPPROTO_UDP, option, &value, sizeof value), what);
}

struct udp_generator *udp_generator_open(const struct sockaddr_in *server, size_t window,
                                         bool burst)
{
    struct udp_generator *self = bench_alloc(1, sizeof *self);
    struct timeval limit = {.tv_sec = TIMEOUT_S};
    size_t size = burst ? sizeof self->bytes_out : UDP_PLAIN_SIZE;

    self->window = (unsigned)window;
    self->each = burst ? UDP_BURST : 1;
    self->fd = socket(AF_INET, SOCK_DGRAM, 0);
    bench_check(self->fd, "socket");
    bench_check(connect(self->fd, (const struct sockaddr *)server, sizeof *server), "connect");
    bench_check(setsockopt(self->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit), "setsockopt");
    if (burst) {
        set(self->fd, UDP_SEGMENT, UDP_BURST_SIZE, "UDP_SEGMENT");
        set(self->fd, UDP_GRO, 1, "UDP_GRO");
    }
    for (size_t i = 0; i < window; i++) {
        self->iov_out[i] = (struct iovec){self->bytes_out, size};
        self->iov_in[i] = (struct iovec){self->bytes_in[i], sizeof self->bytes_in[i]};
        self->out[i].msg_hdr.msg_iov = &self->iov_out[i];
        self->out[i].msg_hdr.msg_iovlen = 1;
        self->in[i].msg_hdr.msg_iov = &self->iov_in[i];
        self->in[i].msg_hdr.msg_iovlen = 1;
    }
    return self;
}

static void send_window(struct udp_generator *self)
{
    for (unsigned sent = 0; sent < self->window;) {
        int n = sendmmsg(self->fd, self->out + sent, self->window - sent, 0);

        bench_check(n, "sendmmsg");
        sent += (unsigned)n;
    }
}

static void receive_window(struct udp_generator *self)
{
    size_t bytes = self->window * self->iov_out[0].iov_len;

    while (bytes > 0) {
        int n = recvmmsg(self->fd, self->in, WINDOW_MAX < self->window ? WINDOW_MAX : self->window,
                         MSG_WAITFORONE, NULL);

        bench_check(n < 0 ? -errno : 0, "a datagram is lost: recvmmsg");
        for (int i = 0; i < n; i++)
            bytes -= self->in[i].msg_len;
    }
}

size_t udp_generator_run(struct udp_generator *self, size_t count)
{
    size_t done = 0;

    while (done < count) {
        send_window(self);
        receive_window(self);
        done += self->window * self->each;
    }
    return done;
}
