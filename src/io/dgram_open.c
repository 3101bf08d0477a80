/*
 * dgram_open.c: datagram sockets that are opened: bound, connected, neither, or taken over.
 */
#include "io/dgram.h"

#include "poller/descriptor.h"
#include "poller/socket_dgram.h"
#include "util/options.h"

enum {
    OPTIONS_SIZE_0_1 = sizeof(evloop_dgram_options),
    BATCH = 32,
    BATCH_AT_MOST = 1024,
    RECEIVE_SIZE = 65536,
    RECEIVE_SIZE_AT_MOST = 1 << 20,
    QUEUE_LIMIT = 1 << 20
};

/* What is to be opened. */
struct opening {
    evloop *loop;
    evloop_dgram *dgram;
    int family;
    const evloop_address *local; /* NULL: not bound */
    const evloop_address *peer;  /* NULL: not connected */
    evloop_dgram_options options;
};

static int read_options(evloop_dgram_options *options, const evloop_dgram_options *given)
{
    *options = evloop_dgram_options_default();
    int err = options_read(options, sizeof *options, OPTIONS_SIZE_0_1, given);
    if (err)
        return err;
    if (!options->batch)
        options->batch = BATCH;
    if (!options->receive_size)
        options->receive_size = RECEIVE_SIZE;
    if (!options->queue_limit)
        options->queue_limit = QUEUE_LIMIT;
    return options->batch > BATCH_AT_MOST || options->receive_size > RECEIVE_SIZE_AT_MOST ? -EINVAL
                                                                                          : 0;
}

static int prepare(struct opening *opening, const evloop_dgram_options *given)
{
    int err = handle_check_open(opening->loop);
    if (err)
        return err;
    if (!opening->dgram)
        return -EINVAL;
    if (handle_active(&opening->dgram->handle_))
        return -EBUSY;
    return read_options(&opening->options, given);
}

static unsigned control_of(const evloop_dgram_options *options)
{
    return (options->receive_local ? MESSAGE_LOCAL : 0U) |
           (options->receive_ttl ? MESSAGE_TTL : 0U) | (options->receive_ecn ? MESSAGE_ECN : 0U) |
           (options->receive_errors ? MESSAGE_ERRORS : 0U) | (options->gro ? MESSAGE_SEGMENTS : 0U);
}

static bool is_in_a_directory(const evloop_address *address)
{
    return evloop_address_family(address) == AF_UNIX && address->of.path.sun_path[0];
}

/* A path where nobody receives any more is taken over. */
static int bind_socket(int fd, const evloop_address *address, unsigned permissions)
{
    int err = socket_bind(fd, address);
    bool path = is_in_a_directory(address);
    if (err == -EADDRINUSE && path && socket_path_remove_stale(address) == 0)
        err = socket_bind(fd, address);
    if (!err && path && permissions)
        err = socket_path_set_mode(address->of.path.sun_path, permissions);
    return err;
}

static int configure(int fd, const struct opening *opening)
{
    const evloop_dgram_options *options = &opening->options;
    const evloop_address *address = opening->peer ? opening->peer : opening->local;
    int err = socket_ask_control(fd, opening->family, control_of(options));
    if (!err && options->reuse_address)
        err = socket_share_address(fd);
    if (!err && options->reuse_port)
        err = socket_set_reuse_port(fd);
    if (!err && opening->family == AF_INET6)
        err = socket_set_v6_only(fd, options->v6_only);
    if (!err && options->broadcast)
        err = socket_set_broadcast(fd, true);
    if (!err && options->configure)
        err = options->configure(fd, address, options->configure_arg);
    return err;
}

static int name(int fd, const struct opening *opening)
{
    int err = 0;
    if (opening->local)
        err = bind_socket(fd, opening->local, opening->options.permissions);
    if (!err && opening->peer)
        err = socket_connect_dgram(fd, opening->peer);
    return err;
}

static int attach(int fd, const struct opening *opening, unsigned flags)
{
    bool udp = opening->family == AF_INET || opening->family == AF_INET6;
    struct dgram_traits traits = {
        .family = opening->family,
        .flags = flags,
        .queue_limit = opening->options.queue_limit,
        .format = {.size = opening->options.receive_size, .batch = opening->options.batch}};
    if (udp) /* of unix sockets descriptors would come, which nobody closes */
        traits.format.control = control_of(&opening->options);
    if (!udp || !socket_cuts_segments(fd))
        traits.flags |= DGRAM_CUTS;
    return dgram_attach(opening->loop, opening->dgram, fd, &traits);
}

/* The path that was bound goes with the socket. */
static void close_bound(int fd, const struct opening *opening)
{
    evloop_address bound;
    bool made = opening->local && socket_local(fd, &bound) == 0 && is_in_a_directory(&bound);
    socket_close(fd);
    if (made)
        socket_path_remove(bound.of.path.sun_path);
}

static int open_socket(const struct opening *opening)
{
    int fd = socket_open(opening->family, SOCK_DGRAM);
    if (fd < 0)
        return fd;
    bool path = opening->local && is_in_a_directory(opening->local);
    int err = configure(fd, opening);
    if (!err)
        err = name(fd, opening);
    if (!err)
        err = attach(fd, opening, path ? DGRAM_PATH : 0);
    if (err)
        close_bound(fd, opening);
    return err;
}

/* ---- what users call ------------------------------------------------------------------------- */

int evloop_dgram_bind(evloop *loop, evloop_dgram *d, const evloop_address *address,
                      const evloop_dgram_options *options)
{
    struct opening opening = {
        .loop = loop, .dgram = d, .family = evloop_address_family(address), .local = address};
    int err = prepare(&opening, options);
    if (!err && (opening.family == AF_UNSPEC || opening.options.local))
        err = -EINVAL;
    return err ? err : open_socket(&opening);
}

int evloop_dgram_connect(evloop *loop, evloop_dgram *d, const evloop_address *address,
                         const evloop_dgram_options *options)
{
    struct opening opening = {
        .loop = loop, .dgram = d, .family = evloop_address_family(address), .peer = address};
    int err = prepare(&opening, options);
    if (!err && opening.family == AF_UNSPEC)
        err = -EINVAL;
    if (err)
        return err;
    opening.local = opening.options.local;
    if (opening.local && evloop_address_family(opening.local) != opening.family)
        return -EINVAL;
    return open_socket(&opening);
}

int evloop_dgram_socket(evloop *loop, evloop_dgram *d, int family,
                        const evloop_dgram_options *options)
{
    struct opening opening = {.loop = loop, .dgram = d, .family = family};
    int err = prepare(&opening, options);
    if (!err &&
        ((family != AF_INET && family != AF_INET6 && family != AF_UNIX) || opening.options.local))
        err = -EINVAL;
    return err ? err : open_socket(&opening);
}

int evloop_dgram_open(evloop *loop, evloop_dgram *d, int fd, const evloop_dgram_options *options)
{
    struct opening opening = {.loop = loop, .dgram = d};
    int err = prepare(&opening, options);
    int type = err ? err : socket_type(fd);
    if (type < 0)
        return type;
    if (type != SOCK_DGRAM)
        return -EINVAL;
    opening.family = socket_family(fd);
    if (opening.family < 0)
        return opening.family;
    err = socket_ask_control(fd, opening.family, control_of(&opening.options));
    if (!err && opening.options.broadcast)
        err = socket_set_broadcast(fd, true);
    if (!err)
        err = descriptor_set_nonblocking(fd);
    return err ? err : attach(fd, &opening, 0);
}

/* ---- addresses as text ----------------------------------------------------------------------- */

static int parse(evloop_address *address, const char *text, bool path)
{
    int err = evloop_address_parse(address, text);
    if (err)
        return err;
    return path == (evloop_address_family(address) == AF_UNIX) ? 0 : -EINVAL;
}

int evloop_udp_bind(evloop *loop, evloop_dgram *d, const char *text,
                    const evloop_dgram_options *options)
{
    evloop_address address;
    int err = parse(&address, text, false);
    return err ? err : evloop_dgram_bind(loop, d, &address, options);
}

int evloop_udp_connect(evloop *loop, evloop_dgram *d, const char *text,
                       const evloop_dgram_options *options)
{
    evloop_address address;
    int err = parse(&address, text, false);
    return err ? err : evloop_dgram_connect(loop, d, &address, options);
}

int evloop_unix_dgram_bind(evloop *loop, evloop_dgram *d, const char *path,
                           const evloop_dgram_options *options)
{
    evloop_address address;
    int err = parse(&address, path, true);
    return err ? err : evloop_dgram_bind(loop, d, &address, options);
}

int evloop_unix_dgram_connect(evloop *loop, evloop_dgram *d, const char *path,
                              const evloop_dgram_options *options)
{
    evloop_address address;
    int err = parse(&address, path, true);
    return err ? err : evloop_dgram_connect(loop, d, &address, options);
}
