/*
 * evloop/private.h: what streams, listeners and datagram sockets are made of, so that they can be
 * members of your structs. Nothing here is for users.
 */
#ifndef EVLOOP_PRIVATE_H
#define EVLOOP_PRIVATE_H

#include <sys/types.h>

#include "evloop/base.h"

EVLOOP_BEGIN_DECLS

struct evloop_handle_kind;
struct evloop_completion;
struct evloop_outgoing;
struct evloop_operation;

/* Private: an object that closes asynchronously, as the loop knows it. */
struct evloop_handle {
    EVLOOP_ATOMIC(uintptr_t) state;
    const struct evloop_handle_kind *kind;
    struct evloop_link all;
    struct evloop_link flush; /* while there is something to be sent at the end of the turn */
    struct evloop_link due;   /* while callbacks are due, or it is to be closed */
};

/* Private: a descriptor, and the operations on it. */
struct evloop_endpoint {
    int fd;
    unsigned flags;
    struct evloop_operation *in;
    struct evloop_operation *out;
    size_t zero_copy; /* sends of so many bytes are worth it; 0: none is */
    struct evloop_link ready;
};

/* Private: one operation of the kernel's: accept, connect, receive, send. */
struct evloop_operation {
    struct evloop_endpoint *endpoint;
    void (*done)(struct evloop_operation *operation, const struct evloop_completion *completion);
    void (*gather)(struct evloop_operation *operation, struct evloop_outgoing *outgoing);
    void *memory;
    size_t size;
    unsigned kind;
    int result;
};

/* Private: how messages are to be received. */
struct evloop_message_format {
    size_t size;      /* room for each: bytes */
    unsigned batch;   /* how many at a time */
    unsigned control; /* what is to be told beside them */
    uint16_t port;    /* of the local address */
};

EVLOOP_END_DECLS

#endif
