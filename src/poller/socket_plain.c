/*
 * socket_plain.c: options of TCP that the system has not; see socket.h.
 */
#include <errno.h>

#include "poller/socket.h"

int socket_set_fast_open_queue(int fd, unsigned length)
{
    (void)fd;
    (void)length;
    return -ENOTSUP;
}

int socket_set_fast_open(int fd)
{
    (void)fd;
    return -ENOTSUP;
}
