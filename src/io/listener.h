/*
 * listener.h: listeners without a socket of their own, which are fed with connections that another
 * loop has accepted.
 */
#ifndef IO_LISTENER_H
#define IO_LISTENER_H

#include "evloop/socket.h"

/* Its connections are of the kind that `like` accepts. */
int listener_start_fed(evloop *loop, evloop_listener *listener, const evloop_listener *like,
                       evloop_listener_fn fn);
/* Takes the descriptor in any case: hands it to the callback, or closes it. Loop's thread. */
void listener_feed(evloop_listener *listener, int fd);

/* Inside its callback: undoes an evloop_accept_fd(). */
void listener_put_back(evloop_listener *listener, int fd);

#endif
