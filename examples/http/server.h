/*
 * The server: a listener, and a connection for each client. One loop, one server; all on the loop's
 * thread.
 */
#ifndef HTTP_SERVER_H
#define HTTP_SERVER_H

#include <evloop.h>
#include <time.h>

#include "response.h"

struct server {
    evloop_listener listener;
    int folder;  /* a descriptor, which stays the caller's */
    bool ending; /* no connection is kept alive any more */
    time_t now;
    char date[HTTP_DATE_SIZE]; /* of now */
};

/* Serves the folder at the address. Returns 0 or a negative error. */
int server_start(struct server *server, evloop *loop, const char *address, int folder);
/* Ends the server: what is being answered is answered yet, for timeout_ns at most. */
void server_end(struct server *server, uint64_t timeout_ns);

#endif
