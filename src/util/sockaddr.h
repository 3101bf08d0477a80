/*
 * sockaddr.h: what the systems' addresses of sockets differ in.
 */
#ifndef UTIL_SOCKADDR_H
#define UTIL_SOCKADDR_H

#include <netinet/in.h>
#include <sys/socket.h>

/* Names that are in no directory: they begin with a zero, and are as long as the size says. */
#ifdef __linux__
enum { SOCKADDR_ABSTRACT = 1 };
#else
enum { SOCKADDR_ABSTRACT = 0 };
#endif

/* Linux has no such member; elsewhere the kernel fills it in where it tells an address. */
#ifdef SIN6_LEN
static inline void sockaddr_set_length(struct sockaddr *address, size_t size)
{
    address->sa_len = (__typeof__(address->sa_len))size;
}
#else
static inline void sockaddr_set_length(struct sockaddr *address, size_t size)
{
    (void)address;
    (void)size;
}
#endif

#endif
