/*
 * socket_netbsd.c: who the peer is, as NetBSD tells it; see socket.h.
 */
#include <errno.h>
#include <sys/un.h>

#include "poller/socket.h"

int socket_credentials(int fd, evloop_credentials *peer)
{
    struct unpcbid credentials;
    socklen_t size = sizeof credentials;
    int family = socket_family(fd);
    if (family < 0)
        return family;
    if (family != AF_UNIX)
        return -ENOTSUP;
    if (getsockopt(fd, SOL_LOCAL, LOCAL_PEEREID, &credentials, &size) != 0)
        return errno == EINVAL ? -ENOTCONN : -errno;
    peer->pid = credentials.unp_pid > 0 ? credentials.unp_pid : -1;
    peer->uid = credentials.unp_euid;
    peer->gid = credentials.unp_egid;
    return 0;
}
