/*
 * socket_dgram.h: options of datagram sockets, and their groups; see socket.h. Any thread.
 *
 * A v6 socket takes v4 as well, unless it was told not to: what is set on it is set for both, and
 * the result is that of v6.
 */
#ifndef POLLER_SOCKET_DGRAM_H
#define POLLER_SOCKET_DGRAM_H

#include <sys/socket.h>

#include "poller/socket.h"

int socket_connect_dgram(int fd, const evloop_address *address); /* does not wait */
int socket_set_broadcast(int fd, bool on);
int socket_set_ttl(int fd, int family, unsigned ttl);
int socket_set_ecn(int fd, int family, unsigned ecn);
int socket_set_multicast_ttl(int fd, int family, unsigned ttl);
int socket_set_multicast_loop(int fd, int family, bool on);
int socket_set_multicast_interface(int fd, int family, unsigned index);

/* A group, and perhaps a source and an interface. */
struct membership {
    struct sockaddr_storage group;
    struct sockaddr_storage source; /* ss_family == AF_UNSPEC: all */
    unsigned interface_index;       /* 0: the system chooses */
};

/* The index of an interface by its name, index or address; NULL: 0. Errors: -ENODEV. */
int socket_find_interface(const char *text, unsigned *index);
int socket_parse_membership(struct membership *membership, const char *group, const char *source,
                            const char *interface_name);
int socket_join(int fd, const struct membership *membership);
int socket_leave(int fd, const struct membership *membership);

/* ---- what each system does in its own way ---------------------------------------------------- */

/* Several sockets may have one address and port. */
int socket_share_address(int fd);
int socket_set_v4_multicast(int fd, int option, unsigned char value);
int socket_set_v4_interface(int fd, unsigned index);
/* Has what MESSAGE_* names told beside each message. */
int socket_ask_control(int fd, int family, unsigned control);
/* Whether the kernel cuts up messages that are sent with a segment size. */
bool socket_cuts_segments(int fd);

#endif
