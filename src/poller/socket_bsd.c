/*
 * socket_bsd.c: sockets as Darwin and the BSDs have them in common; see socket.h.
 */
#include <errno.h>

#include "poller/socket.h"

int socket_family(int fd)
{
    evloop_address name;
    socklen_t size = sizeof name.of;
    if (getsockname(fd, &name.of.any, &size) != 0)
        return -errno;
    return name.of.any.sa_family;
}

enum { NONE = 0 };

/* The others give all to one of those that share an address. */
#ifdef SO_REUSEPORT_LB
enum { REUSE_PORT = SO_REUSEPORT_LB };
#else
enum { REUSE_PORT = NONE };
#endif

bool socket_spreads(int family)
{
    return REUSE_PORT != NONE && socket_is_ip(family);
}

int socket_set_reuse_port(int fd)
{
    int family = socket_family(fd);
    if (family < 0)
        return family;
    if (!socket_spreads(family))
        return -ENOTSUP;
    return socket_set_option(fd, SOL_SOCKET, REUSE_PORT, 1);
}
