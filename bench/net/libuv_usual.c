/*
 * libuv_usual.c: as the examples have it: memory of its own for each read and for each write, which
 * the write's callback frees.
 */
#include <stdlib.h>
#include <string.h>

#include "libuv.h"

struct request {
    uv_write_t write;
    uv_buf_t buf;
};

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    const struct libuv_side *side = handle->data;
    size_t size = side->server->plan.buffer ? side->server->plan.buffer : suggested;

    *buf = uv_buf_init(libuv_alloc(size), (unsigned)size);
}

static void on_written(uv_write_t *write, int status)
{
    struct request *request = (struct request *)write;

    bench_check(status, "write");
    free(request->buf.base);
    free(request);
}

/* The memory is freed when it is written. */
static void write_memory(uv_stream_t *stream, char *memory, size_t size)
{
    struct request *request = libuv_alloc(sizeof *request);

    request->buf = uv_buf_init(memory, (unsigned)size);
    bench_check(uv_write(&request->write, stream, &request->buf, 1, on_written), "uv_write");
}

static void write_copy(uv_stream_t *stream, const char *data, size_t size)
{
    char *memory = libuv_alloc(size);

    memcpy(memory, data, size);
    write_memory(stream, memory, size);
}

static void on_echo(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    const struct net_server *server = libuv_side_of(stream)->server;
    const char *request = buf->base;

    if (n > 0 && (size_t)n <= server->plan.message) {
        write_memory(stream, buf->base, (size_t)n);
        return;
    }
    for (size_t left = n > 0 ? (size_t)n : 0; left > 0;) {
        size_t size = net_request_size(server, left);

        write_copy(stream, request, size);
        request += size;
        left -= size;
    }
    if (n < 0)
        libuv_close(stream);
    free(buf->base);
}

static void on_sink(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    if (n < 0)
        libuv_close(stream);
    else
        net_count(libuv_side_of(stream)->server, (size_t)n);
    free(buf->base);
}

static void on_source(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    for (size_t i = 0; n > 0 && i < NET_BLOCKS; i++)
        write_copy(stream, net_block, NET_BLOCK);
    free(buf->base);
}

static void on_small_writes(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    for (size_t i = 0; n > 0 && i < NET_PIECES; i++)
        write_copy(stream, net_block, NET_PIECE);
    free(buf->base);
}

static void begin(uv_stream_t *stream)
{
    static const uv_read_cb readers[] = {
        [NET_ECHO] = on_echo,
        [NET_SINK] = on_sink,
        [NET_SOURCE] = on_source,
        [NET_SMALL_WRITES] = on_small_writes,
        [NET_SMALL_SENDS] = on_small_writes,
    };
    enum net_service service = libuv_side_of(stream)->server->plan.service;

    bench_check(uv_read_start(stream, on_alloc, readers[service]), "uv_read_start");
}

static void serve(struct net_server *server)
{
    libuv_serve(server, begin);
}

const struct net_peer net_libuv_usual = {serve};
