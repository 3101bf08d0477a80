/*
 * message_linux.c: what Linux tells beside messages of v4, joined messages, the queue of errors;
 * see message_system.h.
 */
#include <time.h> /* first: errqueue.h needs it */

#include <errno.h>
#include <linux/errqueue.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <string.h>

#include "poller/message_system.h"

enum {
    CONTROL_ERROR =
        CMSG_SPACE(sizeof(struct sock_extended_err) + sizeof(struct sockaddr_in6)) + CONTROL_IN
};

/* ---- receiving ------------------------------------------------------------------------------- */

static int integer(struct cmsghdr *part)
{
    int value;
    memcpy(&value, CMSG_DATA(part), sizeof value);
    return value;
}

/* A group that was sent to, or else the address of ours: not the broadcast address. */
static void take_pktinfo(struct cmsghdr *part, evloop_datagram *datagram, evloop_address *local,
                         uint16_t port)
{
    struct in_pktinfo info;
    memcpy(&info, CMSG_DATA(part), sizeof info);
    bool group = IN_MULTICAST(ntohl(info.ipi_addr.s_addr));
    message_set_local(datagram, local, group ? info.ipi_addr : info.ipi_spec_dst, port);
    datagram->interface_index = (unsigned)info.ipi_ifindex;
}

void message_take_part(struct cmsghdr *part, evloop_datagram *datagram, evloop_address *local,
                       uint16_t port)
{
    if (message_part_is(part, IPPROTO_UDP, UDP_GRO)) {
        size_t segment_size = (size_t)integer(part);
        datagram->segment_size = segment_size < datagram->size ? (unsigned)segment_size : 0;
    } else if (message_part_is(part, IPPROTO_IP, IP_PKTINFO)) {
        take_pktinfo(part, datagram, local, port);
    } else if (message_part_is(part, IPPROTO_IP, IP_TTL)) {
        datagram->ttl = integer(part);
    } else if (message_part_is(part, IPPROTO_IP, IP_TOS)) {
        datagram->ecn = *CMSG_DATA(part) & IPTOS_ECN_MASK;
    }
}

/* The error of the network that a message in the error queue tells; 0: it tells something else. */
static int error_in(struct msghdr *header)
{
    for (struct cmsghdr *part = CMSG_FIRSTHDR(header); part; part = CMSG_NXTHDR(header, part)) {
        struct sock_extended_err error;
        if (!message_part_is(part, IPPROTO_IP, IP_RECVERR) &&
            !message_part_is(part, IPPROTO_IPV6, IPV6_RECVERR))
            continue;
        memcpy(&error, CMSG_DATA(part), sizeof error);
        if (error.ee_origin == SO_EE_ORIGIN_ICMP || error.ee_origin == SO_EE_ORIGIN_ICMP6)
            return -(int)error.ee_errno;
    }
    return 0;
}

/* Errors that arose on this machine were those of the calls that met them. */
int message_receive_error(int fd, struct message_room *room)
{
    _Alignas(struct cmsghdr) char control[CONTROL_ERROR];
    evloop_datagram *datagram = &room->datagrams[0];
    struct msghdr header = room->headers[0].msg_hdr;
    for (;;) {
        header.msg_namelen = sizeof datagram->peer->of;
        header.msg_control = control;
        header.msg_controllen = sizeof control;
        ssize_t n = recvmsg(fd, &header, MSG_ERRQUEUE);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        int err = error_in(&header);
        if (err == 0)
            continue;
        *datagram = (evloop_datagram){.data = datagram->data,
                                      .size = (size_t)n,
                                      .peer = datagram->peer,
                                      .ttl = -1,
                                      .ecn = -1,
                                      .truncated = header.msg_flags & MSG_TRUNC};
        ((evloop_address *)(uintptr_t)datagram->peer)->size = header.msg_namelen;
        return err;
    }
}

/* ---- sending --------------------------------------------------------------------------------- */

bool message_chooses_from(int fd)
{
    (void)fd;
    return true;
}

void message_add_from(struct msghdr *header, struct in_addr from)
{
    struct in_pktinfo info = {.ipi_spec_dst = from};
    message_add_part(header, IPPROTO_IP, IP_PKTINFO, &info, sizeof info);
}

void message_add_segment_size(struct msghdr *header, unsigned segment_size)
{
    uint16_t size = (uint16_t)segment_size;
    message_add_part(header, IPPROTO_UDP, UDP_SEGMENT, &size, sizeof size);
}
