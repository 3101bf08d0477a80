/*
 * socket_group_openbsd.c: groups of v4 as OpenBSD has them; see socket_group.h.
 */
#include <errno.h>

#include "poller/socket_group.h"

int socket_change_v4_group(int fd, int option, struct in_addr group, unsigned interface_index)
{
    struct ip_mreqn request;
    memset(&request, 0, sizeof request);
    request.imr_multiaddr = group;
    request.imr_ifindex = (int)interface_index;
    return setsockopt(fd, IPPROTO_IP, option, &request, sizeof request) < 0 ? -errno : 0;
}

int socket_set_v4_interface(int fd, unsigned index)
{
    struct ip_mreqn request;
    memset(&request, 0, sizeof request);
    request.imr_ifindex = (int)index;
    return setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &request, sizeof request) < 0 ? -errno : 0;
}
