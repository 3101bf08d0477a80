/*
 * message.c: rooms for many messages, and what all systems tell beside one; see message.h.
 */
#include "poller/message.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <string.h>
#include <sys/socket.h>

#include "poller/message_system.h"
#include "poller/sigpipe.h"
#include "util/sockaddr.h"

enum { LINE = 64, APART = 17 * LINE };

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

void message_set_local(evloop_datagram *datagram, evloop_address *local, struct in_addr host,
                       uint16_t port)
{
    local->size = sizeof local->of.v4;
    memset(&local->of.v4, 0, sizeof local->of.v4);
    local->of.v4.sin_family = AF_INET;
    local->of.v4.sin_port = htons(port);
    local->of.v4.sin_addr = host;
    sockaddr_set_length(&local->of.any, sizeof local->of.v4);
    datagram->local = local;
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
    sockaddr_set_length(&local->of.any, sizeof local->of.v6);
    datagram->local = local;
    datagram->interface_index = info.ipi6_ifindex;
}

static int integer(struct cmsghdr *part)
{
    int value;
    memcpy(&value, CMSG_DATA(part), sizeof value);
    return value;
}

static void take_part(struct cmsghdr *part, evloop_datagram *datagram, evloop_address *local,
                      uint16_t port)
{
    if (message_part_is(part, IPPROTO_IPV6, IPV6_PKTINFO))
        take_pktinfo6(part, datagram, local, port);
    else if (message_part_is(part, IPPROTO_IPV6, IPV6_HOPLIMIT))
        datagram->ttl = integer(part);
    else if (message_part_is(part, IPPROTO_IPV6, IPV6_TCLASS))
        datagram->ecn = integer(part) & IPTOS_ECN_MASK;
    else
        message_take_part(part, datagram, local, port);
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
    datagram->size = (size_t)room->headers[i].msg_len;
    ((evloop_address *)(uintptr_t)datagram->peer)->size = header->msg_namelen;
    message_read_header(header, room->format.port, datagram, &room->locals[i]);
}

int message_receive(int fd, struct message_room *room)
{
    int n;
    prepare(room);
    room->error = 0;
    do
        n = message_receive_many(fd, room->headers, room->format.batch, &room->error);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return -errno;
    room->used = (unsigned)n;
    for (unsigned i = 0; i < room->used; i++)
        take(room, i);
    return n;
}

/* ---- sending --------------------------------------------------------------------------------- */

struct control_out {
    _Alignas(struct cmsghdr) char bytes[CONTROL_OUT];
};

void message_add_part(struct msghdr *header, int level, int type, const void *data, size_t size)
{
    struct cmsghdr *part =
        (struct cmsghdr *)(void *)((char *)header->msg_control + header->msg_controllen);
    memset(part, 0, CMSG_SPACE(size));
    part->cmsg_level = level;
    part->cmsg_type = type;
    part->cmsg_len = (socklen_t)CMSG_LEN(size);
    memcpy(CMSG_DATA(part), data, size);
    header->msg_controllen += (socklen_t)CMSG_SPACE(size);
}

/* A group's address is no address of ours, though a datagram may have come to it. */
static void add_from(int fd, struct msghdr *header, const evloop_address *from)
{
    if (from->of.any.sa_family == AF_INET) {
        struct in_addr host = from->of.v4.sin_addr;
        if (!IN_MULTICAST(ntohl(host.s_addr)) && message_chooses_from(fd))
            message_add_from(header, host);
    } else if (from->of.any.sa_family == AF_INET6) {
        struct in6_pktinfo info = {.ipi6_addr = from->of.v6.sin6_addr,
                                   .ipi6_ifindex = from->of.v6.sin6_scope_id};
        if (!IN6_IS_ADDR_MULTICAST(&info.ipi6_addr))
            message_add_part(header, IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof info);
    }
}

static void add_control(int fd, struct msghdr *header, const struct outgoing_message *message,
                        struct control_out *control)
{
    header->msg_control = control->bytes;
    if (message->from && message->from->size)
        add_from(fd, header, message->from);
    if (message->segment_size)
        message_add_segment_size(header, message->segment_size);
}

static void address(int fd, struct msghdr *header, const struct outgoing_message *message,
                    struct control_out *control)
{
    bool named = message->to && message->to->size;
    header->msg_name = named ? (void *)(uintptr_t)&message->to->of : NULL;
    header->msg_namelen = named ? message->to->size : 0;
    header->msg_iov = (struct iovec *)(uintptr_t)message->iov;
    header->msg_iovlen = (__typeof__(header->msg_iovlen))message->iov_count;
    header->msg_control = NULL;
    header->msg_controllen = 0;
    header->msg_flags = 0;
    if (message->from || message->segment_size)
        add_control(fd, header, message, control);
}

/* The call for one costs less. */
static int send_all(int fd, struct mmsghdr *headers, unsigned count)
{
    if (count == 1)
        return sendmsg(fd, &headers[0].msg_hdr, SEND_FLAGS) < 0 ? -1 : 1;
    return message_send_many(fd, headers, count);
}

int message_send(int fd, const struct outgoing_message *messages, unsigned count)
{
    struct mmsghdr headers[MESSAGES_AT_ONCE];
    struct control_out control[MESSAGES_AT_ONCE];
    int n;
    for (unsigned i = 0; i < count; i++)
        address(fd, &headers[i].msg_hdr, &messages[i], &control[i]);
    do
        n = send_all(fd, headers, count);
    while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}
