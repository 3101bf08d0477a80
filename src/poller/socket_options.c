/*
 * socket_options.c: options that all systems but OpenBSD have; see socket.h.
 */
#include <errno.h>
#include <netinet/tcp.h>

#include "poller/socket.h"

#ifdef TCP_KEEPIDLE
enum { KEEPALIVE_IDLE = TCP_KEEPIDLE };
#else
enum { KEEPALIVE_IDLE = TCP_KEEPALIVE }; /* Darwin's name for it */
#endif

/* Linux's own limits, which no header tells; others take more. */
enum { KEEPALIVE_IDLE_MAX = 32767, KEEPALIVE_INTERVAL_MAX = 32767, KEEPALIVE_COUNT_MAX = 127 };

/* Every socket takes SO_KEEPALIVE, so TCP's own options are asked first. */
static int check_tcp(int fd)
{
    int value = 0;
    socklen_t size = sizeof value;
    if (getsockopt(fd, IPPROTO_TCP, KEEPALIVE_IDLE, &value, &size) == 0)
        return 0;
    return socket_option_error(fd, IPPROTO_TCP);
}

int socket_set_keepalive(int fd, const evloop_keepalive *keepalive)
{
    if (keepalive->idle_s > KEEPALIVE_IDLE_MAX || keepalive->interval_s > KEEPALIVE_INTERVAL_MAX ||
        keepalive->count > KEEPALIVE_COUNT_MAX)
        return -EINVAL;
    int err = check_tcp(fd);
    if (!err && keepalive->idle_s)
        err = socket_set_option(fd, IPPROTO_TCP, KEEPALIVE_IDLE, (int)keepalive->idle_s);
    if (!err && keepalive->interval_s)
        err = socket_set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, (int)keepalive->interval_s);
    if (!err && keepalive->count)
        err = socket_set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, (int)keepalive->count);
    if (!err)
        err = socket_set_option(fd, SOL_SOCKET, SO_KEEPALIVE, keepalive->idle_s != 0);
    return err;
}

int socket_set_v6_only(int fd, bool on)
{
    return socket_set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, on);
}
