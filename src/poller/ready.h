/*
 * ready.h: operations, carried out over readiness: ready.c, whose comment says how, and
 * ready_message.c. Each function is the poller_ function of the same name.
 */
#ifndef POLLER_READY_H
#define POLLER_READY_H

#include "poller/poller.h"

enum kind {
    KIND_ACCEPT = 1,
    KIND_CONNECT,
    KIND_CONNECTED,
    KIND_RECEIVE,
    KIND_SEND,
    KIND_RECEIVE_MESSAGES,
    KIND_SEND_MESSAGES
};

/* Of endpoint.flags, beside ENDPOINT_*. */
enum {
    READY_IN = 1 << 8,
    READY_OUT = 1 << 9,
    READY_END = 1 << 10,    /* the end, or an error, is still to be read */
    READY_URGENT = 1 << 11, /* urgent data can end a read early */
    ASKED_IN = 1 << 12,     /* registered */
    ASKED_OUT = 1 << 13,
    ALWAYS_READY = 1 << 14, /* a regular file, for instance: the kernel has nothing to tell */
    HAD_IN = 1 << 16,       /* in this turn, and is in line for what goes out */
    TOLD_ERROR = 1 << 15    /* messages: the last that came was an error, from the queue of these */
};

int ready_attach(struct poller *poller, struct evloop_endpoint *endpoint, int fd, unsigned flags);
int ready_detach(struct poller *poller, struct evloop_endpoint *endpoint);
int ready_accept(struct poller *poller, struct evloop_operation *operation);
void ready_connect(struct poller *poller, struct evloop_operation *operation,
                   const struct sockaddr *address, socklen_t size);
int ready_receive(struct poller *poller, struct evloop_operation *operation, void *memory,
                  size_t size);
ssize_t ready_send(struct poller *poller, struct evloop_operation *operation);
int ready_receive_messages(struct poller *poller, struct evloop_operation *operation,
                           const struct evloop_message_format *format);
size_t ready_cancel(struct poller *poller, struct evloop_operation *operation);
bool ready_next_completion(struct poller *poller);

/* Whether receiving messages goes on after this error. */
bool ready_messages_pass(ssize_t err);
/* Gathers, and sends what the kernel takes at once: a count, or an error; -EAGAIN. */
ssize_t ready_transmit(struct evloop_operation *operation);
/* Whether a failure to accept is one connection's, which the next has nothing to do with. */
bool ready_accept_passes(int err);

/* ---- between ready.c and ready_message.c ------------------------------------------------------ */

/* To be gone on with, in this turn (readiness.ready) or the next one (.again), if it can be. */
void ready_schedule(list_link *list, struct evloop_endpoint *endpoint);
/* The descriptor is not ready any more, if it is one that has to be waited for. */
void ready_clear(struct evloop_endpoint *endpoint, unsigned bit);
/* Starts an operation that waits until it can be carried out: OPERATION_STARTED, or an error. */
int ready_start_in(struct poller *poller, struct evloop_operation *operation, enum kind kind);
int ready_start_out(struct poller *poller, struct evloop_operation *operation, enum kind kind,
                    unsigned asked);

/* ready_message.c; whether there was a completion */
bool message_perform_receive(struct poller *poller, struct evloop_endpoint *endpoint);
bool message_perform_send(struct evloop_endpoint *endpoint);

#endif
