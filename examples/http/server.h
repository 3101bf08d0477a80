/*
 * The server: a connection for each client. Every loop has a server of its own, on its own thread;
 * no two threads touch one connection.
 */
#ifndef HTTP_SERVER_H
#define HTTP_SERVER_H

#include <evloop.h>

#include "response.h"

struct server {
    int folder;  /* a descriptor, which stays the caller's */
    bool ending; /* no connection is kept alive any more */
    time_t now;
    char date[HTTP_DATE_SIZE]; /* of now */
};

/* The callback of a listener whose data is the server. */
void server_on_connection(evloop_listener *listener);
/*
 * The end begins: idle connections are closed, the others when they have been answered. To be
 * called on the loop's thread, before its shutdown.
 */
void server_end(struct server *server, evloop *loop);

#endif
