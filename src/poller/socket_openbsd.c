/*
 * socket_openbsd.c: sockets as OpenBSD has them; see socket.h.
 */
#include <errno.h>

#include "poller/socket.h"

/* How long it waits is the system's to say, for all sockets. */
int socket_set_keepalive(int fd, const evloop_keepalive *keepalive)
{
    int family = socket_family(fd);
    if (family < 0)
        return family;
    if (!socket_is_ip(family) || socket_type(fd) != SOCK_STREAM || keepalive->idle_s ||
        keepalive->interval_s || keepalive->count)
        return -ENOTSUP;
    return socket_set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 0);
}

/* It always is. */
int socket_set_v6_only(int fd, bool on)
{
    (void)fd;
    (void)on;
    return 0;
}

int socket_credentials(int fd, evloop_credentials *peer)
{
    struct sockpeercred credentials;
    socklen_t size = sizeof credentials;
    int family = socket_family(fd);
    if (family < 0)
        return family;
    if (family != AF_UNIX)
        return -ENOTSUP;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0)
        return errno == EINVAL ? -ENOTCONN : -errno;
    peer->pid = credentials.pid > 0 ? credentials.pid : -1;
    peer->uid = credentials.uid;
    peer->gid = credentials.gid;
    return 0;
}
