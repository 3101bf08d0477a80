/*
 * connect.c: streams that are connections to be made, and what can be set on them.
 */
#include "io/stream.h"
#include "evloop/socket.h"
#include "poller/socket.h"
#include "util/options.h"

enum { OPTIONS_SIZE_0_1 = sizeof(evloop_connect_options) };

static int configure_tcp(int fd, const evloop_connect_options *options)
{
    int err = socket_set_nagle(fd, options->nagle);
    if (!err && options->keepalive.idle_s)
        err = socket_set_keepalive(fd, &options->keepalive);
    if (!err && options->fast_open)
        err = socket_set_fast_open(fd);
    return err;
}

static int configure(int fd, const evloop_address *address, const evloop_connect_options *options)
{
    int err = socket_is_ip(evloop_address_family(address)) ? configure_tcp(fd, options) : 0;
    if (!err && options->configure)
        err = options->configure(fd, address, options->configure_arg);
    if (!err && options->local)
        err = socket_bind(fd, options->local);
    return err;
}

static int type_of(int family, const evloop_connect_options *options)
{
    if (!options->seqpacket)
        return SOCK_STREAM;
    return family == AF_UNIX ? (int)SOCKET_SEQPACKET : -EINVAL;
}

int evloop_connect(evloop *loop, evloop_stream *stream, const evloop_address *address,
                   const evloop_connect_options *given, evloop_status_fn fn)
{
    evloop_connect_options options = evloop_connect_options_default();
    int err = stream_check_open(loop, stream);
    if (!err)
        err = options_read(&options, sizeof options, OPTIONS_SIZE_0_1, given);
    if (err)
        return err;
    int family = evloop_address_family(address);
    int type = type_of(family, &options);
    if (!fn || family == AF_UNSPEC || type < 0)
        return -EINVAL;
    int fd = socket_open(family, type);
    if (fd < 0)
        return fd;
    err = configure(fd, address, &options);
    if (!err)
        err = stream_attach(loop, stream, fd, stream_endpoint_flags(family, type),
                            STREAM_SOCKET | (type == SOCK_STREAM ? 0 : STREAM_MESSAGES));
    if (err) {
        socket_close(fd);
        return err;
    }
    stream_connect(stream, address, options.timeout_ns, fn);
    return 0;
}

int evloop_tcp_connect(evloop *loop, evloop_stream *stream, const char *text,
                       const evloop_connect_options *options, evloop_status_fn fn)
{
    evloop_address address;
    int err = evloop_address_parse(&address, text);
    if (!err && !socket_is_ip(evloop_address_family(&address)))
        err = -EINVAL;
    return err ? err : evloop_connect(loop, stream, &address, options, fn);
}

int evloop_unix_connect(evloop *loop, evloop_stream *stream, const char *path,
                        const evloop_connect_options *options, evloop_status_fn fn)
{
    evloop_address address;
    int err = evloop_address_parse(&address, path);
    if (!err && evloop_address_family(&address) != AF_UNIX)
        err = -EINVAL;
    return err ? err : evloop_connect(loop, stream, &address, options, fn);
}

static int check_tcp(const evloop_stream *stream)
{
    int err = stream_check(stream);
    if (err)
        return err;
    bool tcp = stream->flags_ & STREAM_SOCKET && socket_is_ip(socket_family(stream->endpoint_.fd));
    return tcp ? 0 : -ENOTSUP;
}

int evloop_tcp_set_nagle(evloop_stream *stream, bool on)
{
    int err = check_tcp(stream);
    return err ? err : socket_set_nagle(stream->endpoint_.fd, on);
}

int evloop_tcp_set_keepalive(evloop_stream *stream, const evloop_keepalive *keepalive)
{
    int err = keepalive ? check_tcp(stream) : -EINVAL;
    return err ? err : socket_set_keepalive(stream->endpoint_.fd, keepalive);
}
