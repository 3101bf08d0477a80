/*
 * libuv.c: UV_UDP_RECVMMSG into one buffer; what came is answered in one call where this libuv has
 * one (uv_udp_try_send2), else one by one with uv_udp_try_send(). It knows neither GRO nor GSO.
 */
#include <uv.h>

#include "udp.h"

enum { BATCH = 20, ROOM = 64 * 1024 };

#define HAS_TRY_SEND2 (UV_VERSION_HEX >= ((1 << 16) | (50 << 8)))

static char buffer[BATCH * ROOM];

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    (void)handle;
    (void)suggested;
    *buf = uv_buf_init(buffer, sizeof buffer);
}

#if HAS_TRY_SEND2
static struct {
    uv_buf_t bufs[BATCH];
    uv_buf_t *buf_of[BATCH];
    unsigned counts[BATCH];
    struct sockaddr_storage peers[BATCH];
    struct sockaddr *peer_of[BATCH];
    unsigned count;
} batch;

static void answer(uv_udp_t *server)
{
    if (batch.count > 0)
        bench_check(
            uv_udp_try_send2(server, batch.count, batch.buf_of, batch.counts, batch.peer_of, 0),
            "uv_udp_try_send2");
    batch.count = 0;
}

static void keep(const uv_buf_t *buf, size_t size, const struct sockaddr *peer)
{
    unsigned i = batch.count++;

    batch.bufs[i] = uv_buf_init(buf->base, (unsigned)size);
    batch.buf_of[i] = &batch.bufs[i];
    batch.counts[i] = 1;
    *(struct sockaddr_in *)&batch.peers[i] = *(const struct sockaddr_in *)peer;
    batch.peer_of[i] = (struct sockaddr *)&batch.peers[i];
}

static void on_datagram(uv_udp_t *server, ssize_t n, const uv_buf_t *buf,
                        const struct sockaddr *peer, unsigned flags)
{
    bench_check((int)n, "receive");
    if (peer)
        keep(buf, (size_t)n, peer);
    if (!(flags & UV_UDP_MMSG_CHUNK) || batch.count == BATCH)
        answer(server);
}
#else
static void on_datagram(uv_udp_t *server, ssize_t n, const uv_buf_t *buf,
                        const struct sockaddr *peer, unsigned flags)
{
    uv_buf_t answer = uv_buf_init(buf->base, (unsigned)n);

    (void)flags;
    bench_check((int)n, "receive");
    if (peer)
        bench_check(uv_udp_try_send(server, &answer, 1, peer), "uv_udp_try_send");
}
#endif

static void serve(const struct sockaddr_in *address, bool burst)
{
    uv_loop_t loop;
    uv_udp_t server;
    uv_os_fd_t fd;

    (void)burst;
    bench_check(uv_loop_init(&loop), "uv_loop_init");
    bench_check(uv_udp_init_ex(&loop, &server, AF_INET | UV_UDP_RECVMMSG), "uv_udp_init_ex");
    bench_check(uv_udp_bind(&server, (const struct sockaddr *)address, 0), "uv_udp_bind");
    bench_check(uv_udp_recv_start(&server, on_alloc, on_datagram), "uv_udp_recv_start");
    bench_check(uv_fileno((uv_handle_t *)&server, &fd), "uv_fileno");
    udp_bound(fd);
    uv_run(&loop, UV_RUN_DEFAULT);
}

const struct udp_ops udp_libuv = {serve};
