/*
 * socket_group.c: groups, where v4 and v6 have the same calls for them; see socket_dgram.h.
 */
#include <errno.h>

#include "poller/socket_dgram.h"

int socket_set_v4_interface(int fd, unsigned index)
{
    struct ip_mreqn request;
    memset(&request, 0, sizeof request);
    request.imr_ifindex = (int)index;
    return setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &request, sizeof request) < 0 ? -errno : 0;
}

/* A v6 socket can be in groups of v4: the level is the group's. */
static int change(int fd, const struct membership *membership, int option, int source_option)
{
    int level = membership->group.ss_family == AF_INET ? IPPROTO_IP : IPPROTO_IPV6;
    struct group_req group;
    struct group_source_req source;
    int result;
    if (membership->source.ss_family == AF_UNSPEC) {
        memset(&group, 0, sizeof group);
        group.gr_interface = membership->interface_index;
        group.gr_group = membership->group;
        result = setsockopt(fd, level, option, &group, sizeof group);
    } else {
        memset(&source, 0, sizeof source);
        source.gsr_interface = membership->interface_index;
        source.gsr_group = membership->group;
        source.gsr_source = membership->source;
        result = setsockopt(fd, level, source_option, &source, sizeof source);
    }
    return result < 0 ? -errno : 0;
}

int socket_join(int fd, const struct membership *membership)
{
    return change(fd, membership, MCAST_JOIN_GROUP, MCAST_JOIN_SOURCE_GROUP);
}

int socket_leave(int fd, const struct membership *membership)
{
    return change(fd, membership, MCAST_LEAVE_GROUP, MCAST_LEAVE_SOURCE_GROUP);
}
