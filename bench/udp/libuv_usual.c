/*
 * libuv_usual.c: the common idiom: a buffer from malloc() for each datagram, and a request for each
 * answer.
 */
#include <stdlib.h>
#include <uv.h>

#include "udp.h"

struct answer {
    uv_udp_send_t request;
    uv_buf_t buf;
};

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    (void)handle;
    *buf = uv_buf_init(malloc(suggested), (unsigned)suggested);
}

static void on_sent(uv_udp_send_t *request, int status)
{
    struct answer *answer = (struct answer *)request;

    bench_check(status, "uv_udp_send");
    free(answer->buf.base);
    free(answer);
}

static void on_datagram(uv_udp_t *server, ssize_t n, const uv_buf_t *buf,
                        const struct sockaddr *peer, unsigned flags)
{
    struct answer *answer;

    (void)flags;
    bench_check((int)n, "receive");
    if (!peer) {
        free(buf->base);
        return;
    }
    answer = malloc(sizeof *answer);
    bench_check(answer ? 0 : -1, "malloc");
    answer->buf = uv_buf_init(buf->base, (unsigned)n);
    bench_check(uv_udp_send(&answer->request, server, &answer->buf, 1, peer, on_sent),
                "uv_udp_send");
}

static void serve(const struct sockaddr_in *address, bool burst)
{
    uv_loop_t loop;
    uv_udp_t server;
    uv_os_fd_t fd;

    (void)burst;
    bench_check(uv_loop_init(&loop), "uv_loop_init");
    bench_check(uv_udp_init(&loop, &server), "uv_udp_init");
    bench_check(uv_udp_bind(&server, (const struct sockaddr *)address, 0), "uv_udp_bind");
    bench_check(uv_udp_recv_start(&server, on_alloc, on_datagram), "uv_udp_recv_start");
    bench_check(uv_fileno((uv_handle_t *)&server, &fd), "uv_fileno");
    udp_bound(fd);
    uv_run(&loop, UV_RUN_DEFAULT);
}

const struct udp_ops udp_libuv_usual = {serve};
