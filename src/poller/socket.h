/*
 * socket.h: making, naming and configuring sockets, and asking about them: what does not wait. Each
 * call returns 0, or a descriptor, or a negative errno (-ENOTSUP: not this kind of socket, or not
 * this system). Sockets that are made here are non-blocking and close-on-exec; where SIGPIPE is a
 * property of the socket it raises none, elsewhere every send has to say so. Any thread.
 */
#ifndef POLLER_SOCKET_H
#define POLLER_SOCKET_H

#include <errno.h>

#include "evloop/address.h"
#include "evloop/socket.h"

/* Messages over connections of unix sockets. */
#ifdef __APPLE__
enum { SOCKET_SEQPACKET = -ENOTSUP };
#else
enum { SOCKET_SEQPACKET = SOCK_SEQPACKET };
#endif

int socket_open(int family, int type);
/* Two unix stream sockets; fds[1] blocks, since it is for others. */
int socket_pair(int fds[2]);
int socket_bind(int fd, const evloop_address *address);
int socket_listen(int fd, unsigned backlog); /* 0: as many as the system lets wait */
/* The descriptor is closed whatever is returned, but for -EBADF. */
int socket_close(int fd);
int socket_shutdown(int fd);       /* no more is sent */
int socket_disconnect(int fd);     /* Linux. TCP: resets it at once, and drops what is queued */
int socket_reset_on_close(int fd); /* TCP: closing it resets the connection */
int socket_local(int fd, evloop_address *address);
int socket_peer(int fd, evloop_address *address);
int socket_error(int fd); /* what is pending, which is taken */
int socket_type(int fd);  /* SOCK_STREAM, ...; -ENOTSOCK */
int socket_family(int fd);
static inline bool socket_is_ip(int family)
{
    return family == AF_INET || family == AF_INET6;
}
bool socket_listens(int fd);

/* What errno says of a call for an option of this level. */
int socket_option_error(int fd, int level);
/* Any option that is an int. */
int socket_set_option(int fd, int level, int option, int value);
int socket_set_nagle(int fd, bool on);
/* -EINVAL: beyond what the system takes, and nothing is changed. */
int socket_set_keepalive(int fd, const evloop_keepalive *keepalive);
int socket_set_reuse_address(int fd);
int socket_set_reuse_port(int fd);
/* Whether connections are spread over listeners that reuse a port. */
bool socket_spreads(int family);
int socket_set_v6_only(int fd, bool on);
int socket_set_fast_open_queue(int fd, unsigned length); /* of a listener */
int socket_set_fast_open(int fd);                        /* of a connection to be made */
/* -ENOTCONN: nobody is at the other end. */
int socket_credentials(int fd, evloop_credentials *peer);

/* The mode of a path that was bound: before socket_listen(), so that nobody connects earlier. */
int socket_path_set_mode(const char *path, unsigned mode);
/*
 * Removes a path that is a socket of which nobody holds the other side any more. 0: it is gone, and
 * can be bound; -EADDRINUSE: somebody has it, or it is no socket; or why it cannot be removed.
 */
int socket_path_remove_stale(const evloop_address *address);
/*
 * Removes the path of a listener that was closed just now; not that of a successor, which may have
 * taken the name over (-EADDRINUSE).
 */
int socket_path_remove(const char *path);

#endif
