/*
 * message_bsd.c: see message_bsd.h. There are no joined messages, and no queue of errors: an error
 * is told by the next call.
 */
#include "poller/message_bsd.h"

#include <errno.h>
#include <netinet/ip.h>

void message_take_byte(struct cmsghdr *part, evloop_datagram *datagram)
{
    if (message_part_is(part, IPPROTO_IP, IP_RECVTTL))
        datagram->ttl = *CMSG_DATA(part);
    else if (message_part_is(part, IPPROTO_IP, PART_TOS))
        datagram->ecn = *CMSG_DATA(part) & IPTOS_ECN_MASK;
}

int message_receive_error(int fd, struct message_room *room)
{
    (void)fd;
    (void)room;
    return -EAGAIN;
}

void message_add_segment_size(struct msghdr *header, unsigned segment_size)
{
    (void)header;
    (void)segment_size;
}
