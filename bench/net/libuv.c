/*
 * libuv.c: one buffer for all reads; what is to be written is offered at once, all of it in one
 * call, and only what the kernel does not take is copied and queued.
 */
#include "libuv.h"

#include <stdlib.h>
#include <string.h>

#include "../memory/memory.h"

enum { PIECES_AT_ONCE = 64 };

void *libuv_alloc(size_t size)
{
    void *memory = malloc(size);

    bench_check(memory ? 0 : -1, "malloc");
    return memory;
}

static void on_closed(uv_handle_t *handle)
{
    free(handle);
}

void libuv_close(uv_stream_t *stream)
{
    uv_close((uv_handle_t *)stream, on_closed);
}

/* ---- writing --------------------------------------------------------------------------------- */

struct rest {
    uv_write_t request;
    char bytes[];
};

static void on_rest_written(uv_write_t *request, int status)
{
    bench_check(status, "write");
    free(request->data);
}

static void queue_rest(uv_stream_t *stream, const uv_buf_t *bufs, unsigned count, size_t taken)
{
    for (unsigned i = 0; i < count; i++) {
        size_t skip = taken < bufs[i].len ? taken : bufs[i].len;
        size_t size = bufs[i].len - skip;
        struct rest *rest;
        uv_buf_t buf;

        taken -= skip;
        if (size == 0)
            continue;
        rest = libuv_alloc(sizeof *rest + size);
        rest->request.data = rest;
        memcpy(rest->bytes, bufs[i].base + skip, size);
        buf = uv_buf_init(rest->bytes, (unsigned)size);
        bench_check(uv_write(&rest->request, stream, &buf, 1, on_rest_written), "uv_write");
    }
}

static void write_all(uv_stream_t *stream, const uv_buf_t *bufs, unsigned count)
{
    int n = uv_try_write(stream, bufs, count);

    if (n == UV_EAGAIN)
        n = 0;
    bench_check(n, "uv_try_write");
    queue_rest(stream, bufs, count, (size_t)n);
}

/* ---- the services ---------------------------------------------------------------------------- */

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct libuv_side *side = handle->data;

    *buf = uv_buf_init(side->buffer, (unsigned)suggested);
    if (side->server->plan.buffer > 0)
        buf->len = side->server->plan.buffer;
}

static void on_echo(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    const struct net_server *server = libuv_side_of(stream)->server;
    uv_buf_t answers[PIECES_AT_ONCE];
    unsigned count = 0;
    char *request = buf->base;

    if (n < 0) {
        libuv_close(stream);
        return;
    }
    for (size_t left = (size_t)n; left > 0;) {
        size_t size = net_request_size(server, left);

        answers[count++] = uv_buf_init(request, (unsigned)size);
        request += size;
        left -= size;
        if (count < PIECES_AT_ONCE && left > 0)
            continue;
        write_all(stream, answers, count);
        count = 0;
    }
}

static void on_sink(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    (void)buf;
    if (n < 0)
        libuv_close(stream);
    else
        net_count(libuv_side_of(stream)->server, (size_t)n);
}

static void on_written(uv_write_t *request, int status)
{
    (void)request;
    bench_check(status, "write");
}

static void write_each(uv_stream_t *stream, unsigned size, size_t count)
{
    uv_buf_t buf = uv_buf_init(net_block, size);

    for (size_t i = 0; i < count; i++)
        bench_check(uv_write(&libuv_side_of(stream)->requests[i], stream, &buf, 1, on_written),
                    "uv_write");
}

static void on_source(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    (void)buf;
    if (n > 0)
        write_each(stream, NET_BLOCK, NET_BLOCKS);
}

static void on_small_writes(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    (void)buf;
    if (n > 0)
        write_each(stream, NET_PIECE, NET_PIECES);
}

static void on_small_sends(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    uv_buf_t piece = uv_buf_init(net_block, NET_PIECE);

    (void)buf;
    for (size_t i = 0; n > 0 && i < NET_PIECES; i++)
        write_all(stream, &piece, 1);
}

static void on_answer(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    uv_buf_t answer = uv_buf_init(buf->base, n > 0 ? (unsigned)n : 0);

    bench_check(uv_try_write(stream, &answer, 1) == n ? 0 : -1, "uv_try_write");
    libuv_close(stream);
}

static void begin(uv_stream_t *stream)
{
    static const uv_read_cb readers[] = {
        [NET_ECHO] = on_echo,
        [NET_SINK] = on_sink,
        [NET_SOURCE] = on_source,
        [NET_SMALL_WRITES] = on_small_writes,
        [NET_SMALL_SENDS] = on_small_sends,
        [NET_ANSWER] = on_answer,
        [NET_IDLE] = on_echo,
    };
    enum net_service service = libuv_side_of(stream)->server->plan.service;

    if (service == NET_CLOSE)
        libuv_close(stream);
    else
        bench_check(uv_read_start(stream, on_alloc, readers[service]), "uv_read_start");
    if (service == NET_IDLE)
        net_count(libuv_side_of(stream)->server, 1);
}

/* ---- serving --------------------------------------------------------------------------------- */

static void init_handle(struct libuv_side *side, union libuv_connection *handle)
{
    if (side->server->plan.local)
        bench_check(uv_pipe_init(&side->loop, &handle->pipe, 0), "uv_pipe_init");
    else
        bench_check(uv_tcp_init(&side->loop, &handle->tcp), "uv_tcp_init");
    handle->stream.data = side;
}

static void *make_handle(const struct net_server *server)
{
    size_t size = server->plan.local ? sizeof(uv_pipe_t) : sizeof(uv_tcp_t);

    return server->plan.service == NET_IDLE ? counting_resize(NULL, size) : libuv_alloc(size);
}

static void on_connection(uv_stream_t *listener, int status)
{
    struct libuv_side *side = listener->data;
    union libuv_connection *connection = make_handle(side->server);

    bench_check(status, "accepting");
    init_handle(side, connection);
    bench_check(uv_accept(listener, &connection->stream), "uv_accept");
    side->begin(&connection->stream);
}

void libuv_serve(struct net_server *server, void (*begin_connection)(uv_stream_t *stream))
{
    struct libuv_side *side = bench_alloc(1, sizeof *side);

    if (server->plan.service == NET_IDLE)
        memory_count_libuv();
    side->server = server;
    side->begin = begin_connection;
    bench_check(uv_loop_init(&side->loop), "uv_loop_init");
    init_handle(side, &side->listener);
    if (server->plan.local)
        bench_check(uv_pipe_open(&side->listener.pipe, server->listener), "uv_pipe_open");
    else
        bench_check(uv_tcp_open(&side->listener.tcp, server->listener), "uv_tcp_open");
    bench_check(uv_listen(&side->listener.stream, SOMAXCONN, on_connection), "uv_listen");
    uv_run(&side->loop, UV_RUN_DEFAULT);
}

static void serve(struct net_server *server)
{
    libuv_serve(server, begin);
}

const struct net_peer net_libuv = {serve};
