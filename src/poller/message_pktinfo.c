/*
 * message_pktinfo.c: where messages of v4 came in and from where they go, in one part; see
 * message_system.h.
 */
#include <string.h>

#include "poller/message_bsd.h"

/* A group that was sent to, or else the address of ours, where the system says it. */
static void take_pktinfo(struct cmsghdr *part, evloop_datagram *datagram, evloop_address *local,
                         uint16_t port)
{
    struct in_pktinfo info;
    memcpy(&info, CMSG_DATA(part), sizeof info);
    bool group = IN_MULTICAST(ntohl(info.ipi_addr.s_addr));
    struct in_addr host = group ? info.ipi_addr : info.ipi_spec_dst;
    if (host.s_addr != INADDR_BROADCAST)
        message_set_local(datagram, local, host, port);
    datagram->interface_index = info.ipi_ifindex;
}

void message_take_part(struct cmsghdr *part, evloop_datagram *datagram, evloop_address *local,
                       uint16_t port)
{
    if (message_part_is(part, IPPROTO_IP, IP_PKTINFO) ||
        message_part_is(part, IPPROTO_IP, IP_RECVPKTINFO))
        take_pktinfo(part, datagram, local, port);
    else
        message_take_byte(part, datagram);
}

bool message_chooses_from(int fd)
{
    (void)fd;
    return true;
}

void message_add_from(struct msghdr *header, struct in_addr from)
{
    struct in_pktinfo info;
    memset(&info, 0, sizeof info);
    info.ipi_spec_dst = from;
    message_add_part(header, IPPROTO_IP, IP_PKTINFO, &info, sizeof info);
}
