/*
 * evloop.c: a stream for each connection; what a turn writes leaves at its end.
 */
#include <evloop.h>
#include <stdlib.h>

#include "../memory/memory.h"
#include "net.h"

/* A source and small writes have one connection. */
struct side {
    struct net_server *server;
    evloop *loop;
    evloop_listener listener;
    evloop_write requests[NET_PIECES];
};

static struct net_server *server_of(const evloop_stream *stream)
{
    const struct side *side = stream->data;

    return side->server;
}

static void on_closed(evloop_stream *stream)
{
    free(stream);
}

static void on_echo(evloop_stream *stream, ssize_t n, const void *data)
{
    const struct net_server *server = server_of(stream);
    const char *request = data;

    if (n < 0) {
        bench_check(evloop_stream_close(stream, on_closed), "evloop_stream_close");
        return;
    }
    for (size_t left = (size_t)n; left > 0;) {
        size_t size = net_request_size(server, left);

        bench_check(evloop_stream_send(stream, request, size), "evloop_stream_send");
        request += size;
        left -= size;
    }
}

static void on_sink(evloop_stream *stream, ssize_t n, const void *data)
{
    (void)data;
    if (n < 0)
        bench_check(evloop_stream_close(stream, on_closed), "evloop_stream_close");
    else
        net_count(server_of(stream), (size_t)n);
}

static const struct iovec block = {net_block, NET_BLOCK};
static const struct iovec piece = {net_block, NET_PIECE};

static void on_written(evloop_write *write, int status)
{
    (void)write;
    bench_check(status, "write");
}

static void write_each(evloop_stream *stream, const struct iovec *iov, size_t count)
{
    struct side *side = stream->data;

    for (size_t i = 0; i < count; i++)
        bench_check(evloop_stream_write(stream, &side->requests[i], iov, 1, on_written),
                    "evloop_stream_write");
}

static void on_source(evloop_stream *stream, ssize_t n, const void *data)
{
    (void)data;
    if (n > 0)
        write_each(stream, &block, NET_BLOCKS);
}

static void on_small_writes(evloop_stream *stream, ssize_t n, const void *data)
{
    (void)data;
    if (n > 0)
        write_each(stream, &piece, NET_PIECES);
}

static void on_small_sends(evloop_stream *stream, ssize_t n, const void *data)
{
    (void)data;
    for (size_t i = 0; n > 0 && i < NET_PIECES; i++)
        bench_check(evloop_stream_send(stream, net_block, NET_PIECE), "evloop_stream_send");
}

/* So short an answer is taken at once. */
static void on_answer(evloop_stream *stream, ssize_t n, const void *data)
{
    const struct iovec answer = {(void *)(uintptr_t)data, n > 0 ? (size_t)n : 0};

    bench_check(evloop_stream_try_write(stream, &answer, 1) == n ? 0 : -1,
                "evloop_stream_try_write");
    bench_check(evloop_stream_close(stream, on_closed), "evloop_stream_close");
}

static void begin(evloop_stream *stream)
{
    static const evloop_read_fn readers[] = {
        [NET_ECHO] = on_echo,
        [NET_SINK] = on_sink,
        [NET_SOURCE] = on_source,
        [NET_SMALL_WRITES] = on_small_writes,
        [NET_SMALL_SENDS] = on_small_sends,
        [NET_ANSWER] = on_answer,
        [NET_IDLE] = on_echo,
    };
    enum net_service service = server_of(stream)->plan.service;

    if (service == NET_CLOSE)
        bench_check(evloop_stream_close(stream, on_closed), "evloop_stream_close");
    else
        bench_check(evloop_stream_read_start(stream, readers[service]), "evloop_stream_read_start");
    if (service == NET_IDLE)
        net_count(server_of(stream), 1);
}

static evloop_stream *make_stream(bool counted)
{
    evloop_stream *stream =
        counted ? counting_resize(NULL, sizeof *stream) : malloc(sizeof *stream);

    bench_check(stream ? 0 : -1, "malloc");
    *stream = (evloop_stream){.data = NULL};
    return stream;
}

static void on_connection(evloop_listener *listener)
{
    struct side *side = listener->data;
    evloop_stream *stream = make_stream(side->server->plan.service == NET_IDLE);

    stream->data = side;
    bench_check(evloop_accept(listener, stream), "evloop_accept");
    begin(stream);
}

static void *resize(void *context, void *memory, size_t size)
{
    (void)context;
    return counting_resize(memory, size);
}

static void serve(struct net_server *server)
{
    static const evloop_allocator counting = {.resize = resize};
    struct side *side = bench_alloc(1, sizeof *side);
    evloop_options options = evloop_options_default();

    side->server = server;
    side->listener.data = side;
    if (server->plan.service == NET_IDLE)
        options.allocator = &counting;
    if (server->plan.buffer > 0)
        options.read_buffer_size = (uint32_t)server->plan.buffer;
    bench_check(evloop_create(&side->loop, &options), "evloop_create");
    bench_check(
        evloop_listen_fd(side->loop, &side->listener, server->listener, NULL, on_connection),
        "evloop_listen_fd");
    bench_check(evloop_run(side->loop, EVLOOP_RUN_DEFAULT), "evloop_run");
}

const struct net_peer net_evloop = {serve};
