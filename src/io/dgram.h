/*
 * dgram.h: what the files of datagram sockets ask of each other.
 *
 * dgram.c         receiving, closing; callbacks that are due
 * dgram_open.c    opening
 * dgram_send.c    sending
 * dgram_network.c what the network does with what is sent; groups
 *
 * Whatever a socket has to tell beside what comes, it tells in dgram_call(), in one order: what was
 * sent, errors of the network, watermark.
 */
#ifndef IO_DGRAM_H
#define IO_DGRAM_H

#include "core/handle.h"
#include "core/loop.h"
#include "evloop/dgram.h"

enum {
    DGRAM_RECEIVING = 1 << 0, /* as the user wants it */
    DGRAM_ASKED = 1 << 1,     /* in_ is in flight */
    DGRAM_SENDING = 1 << 2,   /* out_ is in flight */
    DGRAM_CLOSING = 1 << 3,   /* waiting for the close phase */
    DGRAM_PATH = 1 << 4,      /* a path was made, and is to be removed */
    DGRAM_CUTS = 1 << 5,      /* the kernel does not cut up what has a segment size */
    DGRAM_FULL = 1 << 6,      /* the queue is above its watermark */
    DGRAM_FULL_TOLD = 1 << 7  /* ... as the user knows it */
};

static inline evloop *dgram_loop(const evloop_dgram *d)
{
    return handle_loop(&d->handle_);
}

static inline struct poller *dgram_poller(const evloop_dgram *d)
{
    return &dgram_loop(d)->poller;
}

static inline bool dgram_is_udp(const evloop_dgram *d)
{
    return d->family_ == AF_INET || d->family_ == AF_INET6;
}

/* Open, not being closed, on this thread. */
static inline int dgram_check(const evloop_dgram *d)
{
    if (!d)
        return -EINVAL;
    if (!handle_active(&d->handle_))
        return -ENOTCONN;
    int err = loop_check_thread(dgram_loop(d));
    if (err)
        return err;
    return d->flags_ & DGRAM_CLOSING ? -ENOTCONN : 0;
}

/* What it is to be like; the rest of the options is done with when the socket is there. */
struct dgram_traits {
    int family;
    unsigned flags;
    size_t queue_limit;
    struct evloop_message_format format;
};

/* Opens it on a descriptor, which it takes over on success. */
int dgram_attach(evloop *loop, evloop_dgram *d, int fd, const struct dgram_traits *traits);
void dgram_call(struct evloop_handle *handle);

/* dgram_send.c */
void dgram_gather(struct evloop_operation *operation, struct evloop_outgoing *outgoing);
void dgram_sent(struct evloop_operation *operation, const struct evloop_completion *completion);
void dgram_flush(struct evloop_handle *handle);
/* Requests are cancelled; what was put aside is offered to the kernel for the last time. */
void dgram_end_sending(evloop_dgram *d);
/* Whether the socket is still there, and open. */
bool dgram_tell_sent(evloop_dgram *d);
bool dgram_tell_watermark(evloop_dgram *d);
/* Nobody is told; requests are their owners' again. */
void dgram_forget_sent(evloop_dgram *d);

#endif
