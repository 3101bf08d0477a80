/*
 * evloop/address.h: where a socket is: an IP address and a port, or a path.
 *
 * Text forms, as every function that takes an address as text reads them:
 *   "127.0.0.1:80", "[::1]:80", "[fe80::1%eth0]:80"   numbers; port 0 lets the system choose
 *   ":80"                                             every address of this machine, v6 and v4
 *   "/run/daemon.sock", "./daemon.sock"               a path
 *   "@name"                                           a name of Linux's that is in no directory
 * Names of hosts are not looked up here.
 */
#ifndef EVLOOP_ADDRESS_H
#define EVLOOP_ADDRESS_H

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "evloop/base.h"

EVLOOP_BEGIN_DECLS

/** An address. Zero-filled memory is none (family AF_UNSPEC). */
typedef struct evloop_address {
    socklen_t size; /**< of what stands in the union */
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
        struct sockaddr_un path;
    } of;
} evloop_address;

/** Enough for every address as text, with the final zero: bytes. */
#define EVLOOP_ADDRESS_TEXT 128

/**
 * Reads an address.
 * Thread: any. Errors: -EINVAL (NULL; no address: *address is untouched), -ENAMETOOLONG (a path),
 * -ENODEV (a scope that is no interface), -ENOTSUP ("@name" on another system than Linux). Since
 * 0.1.0.
 */
EVLOOP_API int evloop_address_parse(evloop_address *address, const char *text);

/**
 * Writes an address as evloop_address_parse() reads it, cut off at size bytes; "" for none. Returns
 * text.
 * Thread: any. Since 0.1.0.
 */
EVLOOP_API char *evloop_address_format(const evloop_address *address, char *text, size_t size);

/** Takes over an address of the system's; none if it is NULL or too long. Thread: any. Since 0.1.0.
 */
EVLOOP_API evloop_address evloop_address_from(const struct sockaddr *address, socklen_t size);

/** The family: AF_INET, AF_INET6, AF_UNIX, AF_UNSPEC. Thread: any. Since 0.1.0. */
EVLOOP_API int evloop_address_family(const evloop_address *address);
/** The port; 0 if it has none. Thread: any. Since 0.1.0. */
EVLOOP_API uint16_t evloop_address_port(const evloop_address *address);
/** Sets the port of an IP address. Thread: any. Errors: -EINVAL. Since 0.1.0. */
EVLOOP_API int evloop_address_set_port(evloop_address *address, uint16_t port);
/** Whether both are the same place. Thread: any. Since 0.1.0. */
EVLOOP_API bool evloop_address_equal(const evloop_address *one, const evloop_address *other);

EVLOOP_END_DECLS

#endif
