/*
 * kernel_accept4.c: connections are taken by accept4().
 */
#include "kernel_calls.h"

#include <sys/socket.h>

EVLOOP_ATOMIC(unsigned) kernel_accepts;
EVLOOP_ATOMIC(unsigned) kernel_accepted;

int __real_accept4(int fd, struct sockaddr *address, socklen_t *size, int flags);
int __wrap_accept4(int fd, struct sockaddr *address, socklen_t *size, int flags);

int __wrap_accept4(int fd, struct sockaddr *address, socklen_t *size, int flags)
{
    kernel_accepts++;
    int result = __real_accept4(fd, address, size, flags);
    kernel_accepted += result >= 0;
    return result;
}
