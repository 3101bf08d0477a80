/*
 * message_linux.c: many messages a system call, with the control data of Linux; see message.h.
 */
#include "poller/message.h"

#include <errno.h>
#include <linux/errqueue.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/socket.h>

enum { LINE = 64, APART = 17 * LINE };

/* All that can come beside one message. */
enum {
    CONTROL_IN = CMSG_SPACE(sizeof(struct in6_pktinfo)) + CMSG_SPACE(sizeof(struct in_pktinfo)) +
                 3 * CMSG_SPACE(sizeof(int)),
    CONTROL_OUT = CMSG_SPACE(sizeof(struct in6_pktinfo)) + CMSG_SPACE(sizeof(uint16_t)),
    CONTROL_ERROR =
        CMSG_SPACE(sizeof(struct sock_extended_err) + sizeof(struct sockaddr_in6)) + CONTROL_IN
};

/* Where in a room everything lies: one of each a slot; bytes from its beginning. */
struct layout {
    size_t headers;
    size_t iov;
    size_t datagrams;
    size_t peers;
    size_t locals;
    size_t control;
    size_t bytes;
    size_t stride; /* of the bytes */
    size_t size;
};

static size_t rounded(size_t size)
{
    return (size + LINE - 1) & ~(size_t)(LINE - 1);
}

/* Takes place for count of this size at the end. */
static size_t place(struct layout *layout, size_t count, size_t size)
{
    size_t at = layout->size;
    layout->size += rounded(count * size);
    return at;
}

static struct layout layout_of(const struct evloop_message_format *format)
{
    size_t count = format->batch;
    struct layout layout = {.size = rounded(sizeof(struct message_room))};
    layout.headers = place(&layout, count, sizeof(struct mmsghdr));
    layout.iov = place(&layout, count, sizeof(struct iovec));
    layout.datagrams = place(&layout, count, sizeof(evloop_datagram));
    layout.peers = place(&layout, count, sizeof(evloop_address));
    layout.locals = place(&layout, count, sizeof(evloop_address));
    layout.control = place(&layout, count, CONTROL_IN);
    layout.stride = rounded(format->size) + APART;
    layout.bytes = place(&layout, count, layout.stride);
    return layout;
}

size_t message_control_size(void)
{
    return CONTROL_IN;
}

size_t message_room_size(const struct evloop_message_format *format)
{
    return layout_of(format).size;
}

static void lay_out_slot(const struct message_room *room, const struct layout *layout, size_t i)
{
    char *base = (char *)(uintptr_t)room;
    struct iovec *iov = (struct iovec *)(void *)(base + layout->iov) + i;
    evloop_address *peer = (evloop_address *)(void *)(base + layout->peers) + i;
    struct msghdr *header = &room->headers[i].msg_hdr;
    iov->iov_base = base + layout->bytes + i * layout->stride;
    iov->iov_len = room->format.size;
    memset(header, 0, sizeof *header);
    header->msg_name = &peer->of;
    header->msg_iov = iov;
    header->msg_iovlen = 1;
    header->msg_control = room->format.control ? base + layout->control + i * CONTROL_IN : NULL;
    room->datagrams[i].data = iov->iov_base;
    room->datagrams[i].peer = peer;
}

void message_room_lay_out(struct message_room *room, const struct evloop_message_format *format)
{
    struct layout layout = layout_of(format);
    char *base = (char *)room;
    room->format = *format;
    room->headers = (struct mmsghdr *)(void *)(base + layout.headers);
    room->datagrams = (evloop_datagram *)(void *)(base + layout.datagrams);
    room->locals = (evloop_address *)(void *)(base + layout.locals);
    for (size_t i = 0; i < format->batch; i++)
        lay_out_slot(room, &layout, i);
    room->used = format->batch;
}

/* ---- receiving ------------------------------------------------------------------------------- */

/* What the last call has changed is as it was. */
static void prepare(struct message_room *room)
{
    for (unsigned i = 0; i < room->used; i++) {
        struct msghdr *header = &room->headers[i].msg_hdr;
        header->msg_namelen = sizeof room->datagrams[i].peer->of;
        header->msg_controllen = header->msg_control ? CONTROL_IN : 0;
    }
    room->used = 0;
}

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
    local->size = sizeof local->of.v4;
    memset(&local->of.v4, 0, sizeof local->of.v4);
    local->of.v4.sin_family = AF_INET;
    local->of.v4.sin_port = htons(port);
    local->of.v4.sin_addr =
        IN_MULTICAST(ntohl(info.ipi_addr.s_addr)) ? info.ipi_addr : info.ipi_spec_dst;
    datagram->local = local;
    datagram->interface_index = (unsigned)info.ipi_ifindex;
}

static void take_pktinfo6(struct cmsghdr *part, evloop_datagram *datagram, evloop_address *local,
                          uint16_t port)
{
    struct in6_pktinfo info;
    memcpy(&info, CMSG_DATA(part), sizeof info);
    local->size = sizeof local->of.v6;
    memset(&local->of.v6, 0, sizeof local->of.v6);
    local->of.v6.sin6_family = AF_INET6;
    local->of.v6.sin6_port = htons(port);
    local->of.v6.sin6_addr = info.ipi6_addr;
    if (IN6_IS_ADDR_LINKLOCAL(&info.ipi6_addr) || IN6_IS_ADDR_MC_LINKLOCAL(&info.ipi6_addr))
        local->of.v6.sin6_scope_id = info.ipi6_ifindex;
    datagram->local = local;
    datagram->interface_index = info.ipi6_ifindex;
}

static bool is(const struct cmsghdr *part, int level, int type)
{
    return part->cmsg_level == level && part->cmsg_type == type;
}

static void take_part(struct cmsghdr *part, evloop_datagram *datagram, evloop_address *local,
                      uint16_t port)
{
    if (is(part, IPPROTO_UDP, UDP_GRO)) {
        size_t segment_size = (size_t)integer(part);
        datagram->segment_size = segment_size < datagram->size ? (unsigned)segment_size : 0;
    } else if (is(part, IPPROTO_IP, IP_PKTINFO)) {
        take_pktinfo(part, datagram, local, port);
    } else if (is(part, IPPROTO_IPV6, IPV6_PKTINFO)) {
        take_pktinfo6(part, datagram, local, port);
    } else if (is(part, IPPROTO_IP, IP_TTL) || is(part, IPPROTO_IPV6, IPV6_HOPLIMIT)) {
        datagram->ttl = integer(part);
    } else if (is(part, IPPROTO_IP, IP_TOS)) {
        datagram->ecn = *CMSG_DATA(part) & IPTOS_ECN_MASK;
    } else if (is(part, IPPROTO_IPV6, IPV6_TCLASS)) {
        datagram->ecn = integer(part) & IPTOS_ECN_MASK;
    }
}

void message_read_header(struct msghdr *header, uint16_t port, evloop_datagram *datagram,
                         evloop_address *local)
{
    datagram->local = NULL;
    datagram->interface_index = 0;
    datagram->segment_size = 0;
    datagram->ttl = -1;
    datagram->ecn = -1;
    datagram->truncated = header->msg_flags & MSG_TRUNC;
    if (header->msg_controllen == 0)
        return;
    for (struct cmsghdr *part = CMSG_FIRSTHDR(header); part; part = CMSG_NXTHDR(header, part))
        take_part(part, datagram, local, port);
}

static void take(struct message_room *room, unsigned i)
{
    struct msghdr *header = &room->headers[i].msg_hdr;
    evloop_datagram *datagram = &room->datagrams[i];
    datagram->size = room->headers[i].msg_len;
    ((evloop_address *)(uintptr_t)datagram->peer)->size = header->msg_namelen;
    message_read_header(header, room->format.port, datagram, &room->locals[i]);
}

int message_receive(int fd, struct message_room *room)
{
    int n;
    prepare(room);
    do
        n = recvmmsg(fd, room->headers, room->format.batch, 0, NULL);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return -errno;
    room->used = (unsigned)n;
    for (unsigned i = 0; i < room->used; i++)
        take(room, i);
    return n;
}

/* The error of the network that a message in the error queue tells; 0: it tells something else. */
static int error_in(struct msghdr *header)
{
    for (struct cmsghdr *part = CMSG_FIRSTHDR(header); part; part = CMSG_NXTHDR(header, part)) {
        struct sock_extended_err error;
        if (!is(part, IPPROTO_IP, IP_RECVERR) && !is(part, IPPROTO_IPV6, IPV6_RECVERR))
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

struct control_out {
    _Alignas(struct cmsghdr) char bytes[CONTROL_OUT];
};

/* Appends a part to the control data. */
static void add_part(struct msghdr *header, int level, int type, const void *data, size_t size)
{
    struct cmsghdr *part =
        (struct cmsghdr *)(void *)((char *)header->msg_control + header->msg_controllen);
    memset(part, 0, CMSG_SPACE(size));
    part->cmsg_level = level;
    part->cmsg_type = type;
    part->cmsg_len = CMSG_LEN(size);
    memcpy(CMSG_DATA(part), data, size);
    header->msg_controllen += CMSG_SPACE(size);
}

/* A group's address is no address of ours, though a datagram may have come to it. */
static void add_from(struct msghdr *header, const evloop_address *from)
{
    if (from->of.any.sa_family == AF_INET) {
        struct in_pktinfo info = {.ipi_spec_dst = from->of.v4.sin_addr};
        if (!IN_MULTICAST(ntohl(info.ipi_spec_dst.s_addr)))
            add_part(header, IPPROTO_IP, IP_PKTINFO, &info, sizeof info);
    } else if (from->of.any.sa_family == AF_INET6) {
        struct in6_pktinfo info = {.ipi6_addr = from->of.v6.sin6_addr,
                                   .ipi6_ifindex = from->of.v6.sin6_scope_id};
        if (!IN6_IS_ADDR_MULTICAST(&info.ipi6_addr))
            add_part(header, IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof info);
    }
}

static void add_control(struct msghdr *header, const struct outgoing_message *message,
                        struct control_out *control)
{
    header->msg_control = control->bytes;
    if (message->from && message->from->size)
        add_from(header, message->from);
    if (message->segment_size) {
        uint16_t segment_size = (uint16_t)message->segment_size;
        add_part(header, IPPROTO_UDP, UDP_SEGMENT, &segment_size, sizeof segment_size);
    }
}

static void address(struct msghdr *header, const struct outgoing_message *message,
                    struct control_out *control)
{
    bool named = message->to && message->to->size;
    header->msg_name = named ? (void *)(uintptr_t)&message->to->of : NULL;
    header->msg_namelen = named ? message->to->size : 0;
    header->msg_iov = (struct iovec *)(uintptr_t)message->iov;
    header->msg_iovlen = message->iov_count;
    header->msg_control = NULL;
    header->msg_controllen = 0;
    header->msg_flags = 0;
    if (message->from || message->segment_size)
        add_control(header, message, control);
}

/* The call for one costs less. */
static int send_all(int fd, struct mmsghdr *headers, unsigned count)
{
    if (count == 1)
        return sendmsg(fd, &headers[0].msg_hdr, MSG_NOSIGNAL) < 0 ? -1 : 1;
    return sendmmsg(fd, headers, count, MSG_NOSIGNAL);
}

int message_send(int fd, const struct outgoing_message *messages, unsigned count)
{
    struct mmsghdr headers[MESSAGES_AT_ONCE];
    struct control_out control[MESSAGES_AT_ONCE];
    int n;
    for (unsigned i = 0; i < count; i++)
        address(&headers[i].msg_hdr, &messages[i], &control[i]);
    do
        n = send_all(fd, headers, count);
    while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}
