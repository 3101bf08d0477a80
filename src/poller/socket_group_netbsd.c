/*
 * socket_group_netbsd.c: groups of v4 as NetBSD has them: an interface's index stands in the place
 * of its address, as 0.x.x.x; see socket_group.h.
 */
#include <errno.h>

#include "poller/socket_group.h"

static struct in_addr interface_of(unsigned index)
{
    struct in_addr interface = {htonl(index)};
    return interface;
}

int socket_change_v4_group(int fd, int option, struct in_addr group, unsigned interface_index)
{
    struct ip_mreq request;
    memset(&request, 0, sizeof request);
    request.imr_multiaddr = group;
    request.imr_interface = interface_of(interface_index);
    return setsockopt(fd, IPPROTO_IP, option, &request, sizeof request) < 0 ? -errno : 0;
}

int socket_set_v4_interface(int fd, unsigned index)
{
    struct in_addr interface = interface_of(index);
    return setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &interface, sizeof interface) < 0 ? -errno
                                                                                         : 0;
}
