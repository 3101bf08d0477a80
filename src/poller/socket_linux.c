/*
 * socket_linux.c: sockets as Linux has them.
 */
#include "poller/socket.h"

#include <errno.h>
#include <limits.h>
#include <netinet/tcp.h>

int socket_family(int fd)
{
    int family = AF_UNSPEC;
    socklen_t size = sizeof family;
    if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &size) != 0)
        return -errno;
    return family;
}

int socket_disconnect(int fd)
{
    const struct sockaddr nobody = {.sa_family = AF_UNSPEC};
    return connect(fd, &nobody, sizeof nobody) == 0 ? 0 : -errno;
}

bool socket_spreads(int family)
{
    return socket_is_ip(family);
}

/* Older kernels take the option for a unix socket and do nothing. */
int socket_set_reuse_port(int fd)
{
    int family = socket_family(fd);
    if (family < 0)
        return family;
    if (family != AF_INET && family != AF_INET6)
        return -ENOTSUP;
    return socket_set_option(fd, SOL_SOCKET, SO_REUSEPORT, 1);
}

int socket_set_fast_open_queue(int fd, unsigned length)
{
    return socket_set_option(fd, IPPROTO_TCP, TCP_FASTOPEN,
                             length > INT_MAX ? INT_MAX : (int)length);
}

int socket_set_fast_open(int fd)
{
    return socket_set_option(fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 1);
}

int socket_credentials(int fd, evloop_credentials *peer)
{
    struct ucred credentials;
    socklen_t size = sizeof credentials;
    int family = socket_family(fd);
    if (family < 0)
        return family;
    if (family != AF_UNIX)
        return -ENOTSUP;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0)
        return -errno;
    if (credentials.pid == 0 && credentials.uid == (uid_t)-1)
        return -ENOTCONN;
    /* 0: a process of another namespace, which has no number in ours. */
    peer->pid = credentials.pid > 0 ? credentials.pid : -1;
    peer->uid = credentials.uid;
    peer->gid = credentials.gid;
    return 0;
}
