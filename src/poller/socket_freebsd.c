/*
 * socket_freebsd.c: sockets as FreeBSD has them; see socket.h.
 */
#include <errno.h>
#include <netinet/tcp.h>
#include <sys/param.h>
#include <sys/ucred.h>
#include <sys/un.h>

#include "poller/socket.h"

/* How many may be waiting is the listener's backlog. */
int socket_set_fast_open_queue(int fd, unsigned length)
{
    return socket_set_option(fd, IPPROTO_TCP, TCP_FASTOPEN, length != 0);
}

/* It takes a send to an address in the place of a connect. */
int socket_set_fast_open(int fd)
{
    (void)fd;
    return -ENOTSUP;
}

int socket_credentials(int fd, evloop_credentials *peer)
{
    struct xucred credentials;
    socklen_t size = sizeof credentials;
    int family = socket_family(fd);
    if (family < 0)
        return family;
    if (family != AF_UNIX)
        return -ENOTSUP;
    if (getsockopt(fd, SOL_LOCAL, LOCAL_PEERCRED, &credentials, &size) != 0)
        return errno == EINVAL ? -ENOTCONN : -errno;
    if (credentials.cr_version != XUCRED_VERSION || credentials.cr_ngroups < 1)
        return -ENOTSUP;
    peer->pid = credentials.cr_pid > 0 ? credentials.cr_pid : -1;
    peer->uid = credentials.cr_uid;
    peer->gid = credentials.cr_gid;
    return 0;
}
