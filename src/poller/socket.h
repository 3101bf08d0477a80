/*
 * socket.h: making, naming and configuring sockets, and asking about them: what does not wait. Each
 * call returns 0, or a descriptor, or a negative errno. Sockets are non-blocking, close-on-exec, and
 * raise no SIGPIPE. Any thread.
 */
#ifndef POLLER_SOCKET_H
#define POLLER_SOCKET_H

#include "evloop/address.h"
#include "evloop/socket.h"

int socket_open(int family, int type);
int socket_pair(int fds[2]);
int socket_bind(int fd, const evloop_address *address);
int socket_listen(int fd, unsigned backlog);
int socket_close(int fd);
int socket_shutdown(int fd);       /* no more is sent */
int socket_reset_on_close(int fd); /* TCP: closing it resets the connection */
int socket_local(int fd, evloop_address *address);
int socket_peer(int fd, evloop_address *address);
int socket_error(int fd); /* what is pending, which is taken */
int socket_type(int fd);  /* SOCK_STREAM, ...; -ENOTSOCK */
int socket_family(int fd);
bool socket_listens(int fd);

int socket_set_nagle(int fd, bool on);
int socket_set_keepalive(int fd, const evloop_keepalive *keepalive);
int socket_set_reuse_address(int fd);
int socket_set_reuse_port(int fd);
int socket_set_v6_only(int fd, bool on);
int socket_set_fast_open_queue(int fd, unsigned length); /* of a listener */
int socket_set_fast_open(int fd);                        /* of a connection to be made */
int socket_credentials(int fd, evloop_credentials *peer);

/* A path that a listener made: its mode; whether somebody listens there; its removal. */
int socket_path_set_mode(const char *path, unsigned mode);
int socket_path_remove_stale(const evloop_address *address, int type);
int socket_path_remove(const char *path);

#endif
