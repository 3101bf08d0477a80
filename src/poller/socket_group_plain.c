/*
 * socket_group_plain.c: groups, where v4 and v6 each have calls of their own, and a source cannot
 * be chosen; see socket_dgram.h.
 */
#include <errno.h>

#include "poller/socket_group.h"

static int change_v6(int fd, int option, const struct membership *membership)
{
    struct ipv6_mreq request;
    memset(&request, 0, sizeof request);
    request.ipv6mr_multiaddr = ((const struct sockaddr_in6 *)&membership->group)->sin6_addr;
    request.ipv6mr_interface = membership->interface_index;
    return setsockopt(fd, IPPROTO_IPV6, option, &request, sizeof request) < 0 ? -errno : 0;
}

static int change(int fd, const struct membership *membership, int v4_option, int v6_option)
{
    if (membership->source.ss_family != AF_UNSPEC)
        return -ENOTSUP;
    if (membership->group.ss_family == AF_INET6)
        return change_v6(fd, v6_option, membership);
    return socket_change_v4_group(fd, v4_option,
                                  ((const struct sockaddr_in *)&membership->group)->sin_addr,
                                  membership->interface_index);
}

int socket_join(int fd, const struct membership *membership)
{
    return change(fd, membership, IP_ADD_MEMBERSHIP, IPV6_JOIN_GROUP);
}

int socket_leave(int fd, const struct membership *membership)
{
    return change(fd, membership, IP_DROP_MEMBERSHIP, IPV6_LEAVE_GROUP);
}
