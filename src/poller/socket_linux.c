/*
 * socket_linux.c: sockets as Linux has them.
 */
#include "poller/socket.h"

#include <errno.h>
#include <limits.h>
#include <netinet/tcp.h>

/* The kernel's own limits, which no header tells. */
enum { KEEPALIVE_IDLE_MAX = 32767, KEEPALIVE_INTERVAL_MAX = 32767, KEEPALIVE_COUNT_MAX = 127 };

int socket_family(int fd)
{
    int family = AF_UNSPEC;
    socklen_t size = sizeof family;
    if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &size) != 0)
        return -errno;
    return family;
}

/* Every socket takes SO_KEEPALIVE, so TCP's own options are asked first. */
static int check_tcp(int fd)
{
    int value = 0;
    socklen_t size = sizeof value;
    if (getsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &value, &size) == 0)
        return 0;
    return errno == ENOPROTOOPT || errno == EOPNOTSUPP ? -ENOTSUP : -errno;
}

int socket_set_keepalive(int fd, const evloop_keepalive *keepalive)
{
    if (keepalive->idle_s > KEEPALIVE_IDLE_MAX || keepalive->interval_s > KEEPALIVE_INTERVAL_MAX ||
        keepalive->count > KEEPALIVE_COUNT_MAX)
        return -EINVAL;
    int err = check_tcp(fd);
    if (!err && keepalive->idle_s)
        err = socket_set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, (int)keepalive->idle_s);
    if (!err && keepalive->interval_s)
        err = socket_set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, (int)keepalive->interval_s);
    if (!err && keepalive->count)
        err = socket_set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, (int)keepalive->count);
    if (!err)
        err = socket_set_option(fd, SOL_SOCKET, SO_KEEPALIVE, keepalive->idle_s != 0);
    return err;
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
