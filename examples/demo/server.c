/*
 * The echo server: a listener and its streams, all on one loop.
 *
 * What is read is sent. When much is queued for a client it is not read any more, until most of
 * that has gone out: a connection holds HIGH bytes and what one read brought at most.
 */
#define _POSIX_C_SOURCE 200809L

#include "demo.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

enum { LOW = 16 * 1024, HIGH = 64 * 1024 };

struct connection {
    evloop_stream stream;
    struct server *server;
    bool broken;
};

static struct connection *connection_of(evloop_stream *stream)
{
    return evloop_container_of(stream, struct connection, stream);
}

static void on_closed(evloop_stream *stream)
{
    struct connection *c = connection_of(stream);
    c->server->closed++;
    c->server->broken += c->broken;
    free(c);
}

static void connection_break(struct connection *c)
{
    c->broken = true;
    evloop_stream_close(&c->stream, on_closed);
}

/* The client has everything, and knows that it was all. */
static void on_shut(evloop_stream *stream, int status)
{
    if (status < 0)
        connection_break(connection_of(stream));
    else
        evloop_stream_close(stream, on_closed);
}

static void on_read(evloop_stream *stream, ssize_t n, const void *data)
{
    int err = n > 0             ? evloop_stream_send(stream, data, (size_t)n)
              : n == EVLOOP_EOF ? evloop_stream_shutdown(stream, on_shut)
                                : (int)n;
    if (err)
        connection_break(connection_of(stream));
}

static void on_watermark(evloop_stream *stream, bool full)
{
    struct connection *c = connection_of(stream);
    if (full) {
        c->server->held_back++;
        evloop_stream_read_stop(stream);
    } else if (evloop_stream_read_start(stream, on_read) < 0) {
        connection_break(c);
    }
}

static void on_connection(evloop_listener *listener)
{
    struct server *server = evloop_container_of(listener, struct server, listener);
    struct connection *c = calloc(1, sizeof *c);
    if (!c || evloop_accept(listener, &c->stream) < 0) {
        server->refused++; /* out of descriptors or memory: the listener goes on by itself */
        free(c);
        return;
    }
    server->accepted++;
    c->server = server;
    c->stream.name = "server's connection";
    if (evloop_stream_set_watermarks(&c->stream, LOW, HIGH, on_watermark) < 0 ||
        evloop_stream_read_start(&c->stream, on_read) < 0)
        connection_break(c);
}

static void on_finish(evloop_notify *finish)
{
    struct server *server = evloop_container_of(finish, struct server, finish);
    evloop_listener_close(&server->listener, NULL);
    evloop_notify_stop(finish);
    server->on_finish(server);
}

/*
 * Small buffers for what is sent, which accepted sockets inherit, so that large answers do not fit.
 */
static int set_small_buffers(int fd, const evloop_address *address, void *arg)
{
    const int size = 32 * 1024;
    (void)address;
    (void)arg;
    return setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size) < 0 ? -errno : 0;
}

int server_start(struct server *server, evloop *loop)
{
    evloop_listen_options options = evloop_listen_options_default();
    options.configure = set_small_buffers;
    server->listener.name = "listener";
    server->finish.name = "server's finish";
    int err = evloop_tcp_listen(loop, &server->listener, "127.0.0.1:0", &options, on_connection);
    if (!err)
        err = evloop_listener_local(&server->listener, &server->address);
    if (!err)
        err = evloop_notify_start(loop, &server->finish, on_finish);
    return err;
}
