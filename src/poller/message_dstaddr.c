/*
 * message_dstaddr.c: where messages of v4 came in, in two parts, and from where they go; see
 * message_system.h.
 */
#include <sys/types.h> /* first: if_dl.h needs it */

#include <net/if_dl.h>
#include <string.h>

#include "poller/message_bsd.h"

/* Of the broadcast address nothing can be sent back. */
static void take_address(struct cmsghdr *part, evloop_datagram *datagram, evloop_address *local,
                         uint16_t port)
{
    struct in_addr host;
    memcpy(&host, CMSG_DATA(part), sizeof host);
    if (host.s_addr != INADDR_BROADCAST)
        message_set_local(datagram, local, host, port);
}

static void take_interface(struct cmsghdr *part, evloop_datagram *datagram)
{
    struct sockaddr_dl interface;
    memcpy(&interface, CMSG_DATA(part), offsetof(struct sockaddr_dl, sdl_type));
    datagram->interface_index = interface.sdl_index;
}

void message_take_part(struct cmsghdr *part, evloop_datagram *datagram, evloop_address *local,
                       uint16_t port)
{
    if (message_part_is(part, IPPROTO_IP, IP_RECVDSTADDR))
        take_address(part, datagram, local, port);
    else if (message_part_is(part, IPPROTO_IP, IP_RECVIF))
        take_interface(part, datagram);
    else
        message_take_byte(part, datagram);
}

/* A socket that is bound to an address sends from that one, and may be refused to say so again. */
bool message_chooses_from(int fd)
{
    evloop_address bound;
    socklen_t size = sizeof bound.of;
    memset(&bound, 0, sizeof bound);
    return getsockname(fd, &bound.of.any, &size) == 0 && bound.of.any.sa_family == AF_INET &&
           bound.of.v4.sin_addr.s_addr == INADDR_ANY;
}

void message_add_from(struct msghdr *header, struct in_addr from)
{
    message_add_part(header, IPPROTO_IP, IP_SENDSRCADDR, &from, sizeof from);
}
