/*
 * kernel_accept.c: connections are taken by accept(): Darwin has no other call.
 */
#include "kernel_calls.h"

#include <sys/socket.h>

EVLOOP_ATOMIC(unsigned) kernel_accepts;
EVLOOP_ATOMIC(unsigned) kernel_accepted;

int __real_accept(int fd, struct sockaddr *address, socklen_t *size);
int __wrap_accept(int fd, struct sockaddr *address, socklen_t *size);

int __wrap_accept(int fd, struct sockaddr *address, socklen_t *size)
{
    kernel_accepts++;
    int result = __real_accept(fd, address, size);
    kernel_accepted += result >= 0;
    return result;
}
