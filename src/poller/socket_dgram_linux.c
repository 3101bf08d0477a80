/*
 * socket_dgram_linux.c: what comes beside messages, as Linux has it; see socket_dgram.h.
 */
#include <errno.h>
#include <netinet/udp.h>

#include "poller/poller.h"
#include "poller/socket_dgram.h"

int socket_share_address(int fd)
{
    return socket_set_reuse_address(fd);
}

int socket_set_v4_multicast(int fd, int option, unsigned char value)
{
    return socket_set_option(fd, IPPROTO_IP, option, value);
}

/*
 * Where a socket is of both families, v6 has the word; v4 says nothing if it is not wanted there.
 */
static int ask_both(int fd, int family, int v4_option, int v6_option)
{
    int v4_err = socket_set_option(fd, IPPROTO_IP, v4_option, 1);
    return family == AF_INET ? v4_err : socket_set_option(fd, IPPROTO_IPV6, v6_option, 1);
}

int socket_ask_control(int fd, int family, unsigned control)
{
    int err = 0;
    if (family != AF_INET && family != AF_INET6)
        return control & ~(unsigned)(MESSAGE_SEGMENTS | MESSAGE_ERRORS) ? -ENOTSUP : 0;
    if (control & MESSAGE_LOCAL && family == AF_INET)
        err = socket_set_option(fd, IPPROTO_IP, IP_PKTINFO, 1);
    else if (control & MESSAGE_LOCAL)
        err = socket_set_option(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
    if (!err && control & MESSAGE_TTL)
        err = ask_both(fd, family, IP_RECVTTL, IPV6_RECVHOPLIMIT);
    if (!err && control & MESSAGE_ECN)
        err = ask_both(fd, family, IP_RECVTOS, IPV6_RECVTCLASS);
    if (!err && control & MESSAGE_ERRORS)
        err = ask_both(fd, family, IP_RECVERR, IPV6_RECVERR);
    if (!err && control & MESSAGE_SEGMENTS)
        (void)socket_set_option(fd, IPPROTO_UDP, UDP_GRO, 1); /* where the kernel has it */
    return err;
}

bool socket_cuts_segments(int fd)
{
    int value = 0;
    socklen_t size = sizeof value;
    return getsockopt(fd, IPPROTO_UDP, UDP_SEGMENT, &value, &size) == 0;
}
