/*
 * libuv.h: what both ways of writing a server for libuv have in common: the loop, accepting, and
 * allocating.
 */
#ifndef BENCH_NET_LIBUV_H
#define BENCH_NET_LIBUV_H

#include <uv.h>

#include "net.h"

/** A connection; data is its struct libuv_side. */
union libuv_connection {
    uv_stream_t stream;
    uv_tcp_t tcp;
    uv_pipe_t pipe;
};

struct libuv_side {
    struct net_server *server;
    uv_loop_t loop;
    union libuv_connection listener;
    void (*begin)(uv_stream_t *stream); /* what is done with a connection */
    uv_write_t requests[NET_PIECES];
    char buffer[4 * NET_BUFFER];
};

static inline struct libuv_side *libuv_side_of(const uv_stream_t *stream)
{
    return stream->data;
}

/** Memory that must be there. */
void *libuv_alloc(size_t size);

/** Closes a connection, and frees it. */
void libuv_close(uv_stream_t *stream);

/** Runs a server. */
void libuv_serve(struct net_server *server, void (*begin)(uv_stream_t *stream));

#endif
