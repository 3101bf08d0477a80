/*
 * socket_darwin.c: who the peer is, as Darwin tells it; see socket.h.
 */
#include <errno.h>
#include <sys/ucred.h>
#include <sys/un.h>

#include "poller/socket.h"

int socket_credentials(int fd, evloop_credentials *peer)
{
    struct xucred credentials;
    socklen_t size = sizeof credentials;
    pid_t pid = -1;
    int family = socket_family(fd);
    if (family < 0)
        return family;
    if (family != AF_UNIX)
        return -ENOTSUP;
    if (getsockopt(fd, SOL_LOCAL, LOCAL_PEERCRED, &credentials, &size) != 0)
        return errno == EINVAL ? -ENOTCONN : -errno;
    if (credentials.cr_version != XUCRED_VERSION || credentials.cr_ngroups < 1)
        return -ENOTSUP;
    size = sizeof pid;
    /* It may be gone, and with it its number. */
    if (getsockopt(fd, SOL_LOCAL, LOCAL_PEERPID, &pid, &size) != 0 || pid <= 0)
        pid = -1;
    peer->pid = pid;
    peer->uid = credentials.cr_uid;
    peer->gid = credentials.cr_groups[0];
    return 0;
}
