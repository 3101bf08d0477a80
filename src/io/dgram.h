/*
 * dgram.h: what the files of datagram sockets ask of each other.
 *
 * dgram.c         receiving, closing; callbacks that are due
 * dgram_open.c    opening
 * dgram_send.c    what users call to send
 * dgram_queue.c   what waits to be sent
 * dgram_source.c  how it becomes messages
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
    DGRAM_FULL_TOLD = 1 << 7, /* ... as the user knows it */
    DGRAM_FULL_DUE = 1 << 8   /* it was, and nobody was told */
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
    int err = d ? handle_check(&d->handle_) : -EINVAL;
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

/* What messages are made of: a datagram, or several of one size in a row. */
struct dgram_source {
    const struct iovec *iov;
    unsigned iov_count;
    unsigned segment_size;
    bool cut; /* by us: one segment a message */
    size_t size;
    const evloop_address *to;
    const evloop_address *from;
};

/* How many of the bytes that are left go into one message. */
size_t dgram_bytes_of_message(const struct dgram_source *source, size_t left);
/* Adds messages from this byte on; false if no more can be added. */
bool dgram_add_messages(const struct dgram_source *source, size_t at,
                        struct evloop_outgoing *outgoing);

/* Adds a datagram, which is one message; there is room. */
static inline void dgram_add_message(const struct iovec *iov, unsigned iov_count,
                                     const evloop_address *to, const evloop_address *from,
                                     struct evloop_outgoing *outgoing)
{
    struct outgoing_message *message = &outgoing->messages[outgoing->message_count++];
    message->iov = iov;
    message->iov_count = iov_count;
    message->segment_size = 0;
    message->to = to;
    message->from = from;
}

/* What an error means for the message that met it. */
enum dgram_verdict { ITS_OWN, SEND_AGAIN, CUT_AND_SEND_AGAIN };

/* dgram_queue.c */
void dgram_append(evloop_dgram *d, struct evloop_packet *packet);
/* Appends a copy of what begins at this byte of a datagram, or of several. */
int dgram_queue_copy(evloop_dgram *d, const evloop_datagram *datagram, size_t at);
void dgram_set_to(struct evloop_packet *packet, const evloop_address *to);
/* A packet is over: if anybody is to be told, it waits for that. */
void dgram_finish(evloop_dgram *d, struct evloop_packet *packet, int status);
/* After the queue has changed: the watermark's callback may be due. */
void dgram_note_size(evloop_dgram *d);
/* Offers the queue to the kernel as it is; it does not wait. */
void dgram_offer_queue(evloop_dgram *d);
enum dgram_verdict dgram_judge(evloop_dgram *d, int err, bool segments);
/* After a message went: the error that was met before was not its own. */
void dgram_note_network_error(evloop_dgram *d);
/* After a message went: the system has bound the socket. */
void dgram_note_port(evloop_dgram *d);
void dgram_gather(struct evloop_operation *operation, struct evloop_outgoing *outgoing);
void dgram_sent(struct evloop_operation *operation, const struct evloop_completion *completion);
void dgram_flush(struct evloop_handle *handle);
/* Requests are cancelled; what was put aside is offered to the kernel for the last time. */
/* What waits in the kernel for room does so no more. */
void dgram_stop_sending(evloop_dgram *d);
void dgram_end_sending(evloop_dgram *d);
/* Whether the socket is still there, and open. */
bool dgram_tell_sent(evloop_dgram *d);
bool dgram_tell_watermark(evloop_dgram *d);
/* Nobody is told; requests are their owners' again. */
void dgram_forget_sent(evloop_dgram *d);

#endif
