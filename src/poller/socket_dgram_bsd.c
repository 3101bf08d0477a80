/*
 * socket_dgram_bsd.c: datagram sockets of Darwin and the BSDs; see socket_dgram.h. There are no
 * queues of errors and no joined messages: to ask for them asks for nothing.
 */
#include <errno.h>

#include "poller/poller.h"
#include "poller/socket_dgram.h"

/* What the system has not is asked for in vain. */
enum { NOTHING = -1 };

#ifdef IP_RECVPKTINFO
enum { ASK_LOCAL = IP_RECVPKTINFO, ASK_INTERFACE = NOTHING };
#else
enum { ASK_LOCAL = IP_RECVDSTADDR, ASK_INTERFACE = IP_RECVIF };
#endif

#ifdef IP_RECVTOS
enum { ASK_TOS = IP_RECVTOS };
#else
enum { ASK_TOS = NOTHING };
#endif

/* One address for several also takes the other option, unless it is a group's. */
int socket_share_address(int fd)
{
    int err = socket_set_reuse_address(fd);
    return err ? err : socket_set_option(fd, SOL_SOCKET, SO_REUSEPORT, 1);
}

/* OpenBSD takes nothing but a byte. */
int socket_set_v4_multicast(int fd, int option, unsigned char value)
{
    if (setsockopt(fd, IPPROTO_IP, option, &value, sizeof value) == 0)
        return 0;
    return socket_option_error(fd, IPPROTO_IP);
}

static int ask_v4(int fd, int option)
{
    return option == NOTHING ? -ENOTSUP : socket_set_option(fd, IPPROTO_IP, option, 1);
}

static int ask_of_v4(int fd, unsigned control)
{
    int err = control & MESSAGE_ECN ? ask_v4(fd, ASK_TOS) : 0;
    if (!err && control & MESSAGE_LOCAL)
        err = ask_v4(fd, ASK_LOCAL);
    if (!err && control & MESSAGE_LOCAL && ASK_INTERFACE != NOTHING)
        err = ask_v4(fd, ASK_INTERFACE);
    if (!err && control & MESSAGE_TTL)
        err = ask_v4(fd, IP_RECVTTL);
    return err;
}

/* What comes by v4 to such a socket is told as v6's. */
static int ask_of_v6(int fd, unsigned control)
{
    int err = 0;
    if (control & MESSAGE_LOCAL)
        err = socket_set_option(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
    if (!err && control & MESSAGE_TTL)
        err = socket_set_option(fd, IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 1);
    if (!err && control & MESSAGE_ECN)
        err = socket_set_option(fd, IPPROTO_IPV6, IPV6_RECVTCLASS, 1);
    return err;
}

int socket_ask_control(int fd, int family, unsigned control)
{
    control &= ~(unsigned)(MESSAGE_SEGMENTS | MESSAGE_ERRORS);
    if (!socket_is_ip(family))
        return control ? -ENOTSUP : 0;
    return family == AF_INET ? ask_of_v4(fd, control) : ask_of_v6(fd, control);
}

bool socket_cuts_segments(int fd)
{
    (void)fd;
    return false;
}
