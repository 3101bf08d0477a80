/*
 * stream.h: what the files of streams ask of each other.
 *
 * stream.c      opening, failing, closing; callbacks that are due
 * stream_in.c   reading
 * stream_out.c  writing
 * stream_time.c deadlines
 *
 * A stream that has failed (error_) has nothing queued and nothing in flight. Whatever a stream has
 * to tell, it tells in stream_call(), in one order: connected, written, watermark, shut down, read.
 */
#ifndef IO_STREAM_H
#define IO_STREAM_H

#include "core/handle.h"
#include "core/loop.h"
#include "evloop/stream.h"

enum {
    STREAM_CONNECTING = 1 << 0,
    STREAM_CONNECT_DUE = 1 << 1, /* the callback is */
    STREAM_READING = 1 << 2,     /* as the user wants it */
    STREAM_INTO = 1 << 3,        /* ... into the user's memory */
    STREAM_RECEIVING = 1 << 4,   /* in_ is in flight */
    STREAM_SENDING = 1 << 5,     /* out_ is in flight */
    STREAM_READ_DUE = 1 << 6,    /* read_status_ is to be told */
    STREAM_LENT = 1 << 7,        /* inside a callback, which was lent a buffer */
    STREAM_SHUTTING = 1 << 8,    /* to be told to the peer when the queue is empty */
    STREAM_SHUT = 1 << 9,        /* it was */
    STREAM_SHUT_DUE = 1 << 10,
    STREAM_FULL = 1 << 11,      /* the queue is above its watermark */
    STREAM_FULL_TOLD = 1 << 12, /* ... as the user knows it */
    STREAM_GRACEFUL = 1 << 13,  /* being closed in good order */
    STREAM_CLOSING = 1 << 14,   /* waiting for the close phase */
    STREAM_SOCKET = 1 << 15,
    STREAM_MESSAGES = 1 << 16, /* seqpacket */
    STREAM_RESTORE = 1 << 17,  /* the descriptor gets its former state back */
    STREAM_TIMED = 1 << 18,    /* has a deadline that depends on what comes and goes */
    STREAM_FULL_DUE = 1 << 19, /* the queue was above its watermark, and nobody was told */
    STREAM_LATE = 1 << 20,     /* a deadline seems to have passed */
    STREAM_ANY_DUE = STREAM_CONNECT_DUE | STREAM_READ_DUE | STREAM_SHUT_DUE | STREAM_FULL_DUE
};

enum stream_timeout { TIMEOUT_READ, TIMEOUT_WRITE, TIMEOUT_IDLE, TIMEOUT_END };

enum write_kind { WRITE_MEMORY, WRITE_FILE, WRITE_BLOCK, WRITE_LARGE_BLOCK, WRITE_OWN_MEMORY };

static inline evloop *stream_loop(const evloop_stream *stream)
{
    return handle_loop(&stream->handle_);
}

static inline struct poller *stream_poller(const evloop_stream *stream)
{
    return &stream_loop(stream)->poller;
}

/* Open, not being closed, on this thread. */
static inline int stream_check(const evloop_stream *stream)
{
    int err = stream ? handle_check(&stream->handle_) : -EINVAL;
    if (err)
        return err;
    return stream->flags_ & (STREAM_CLOSING | STREAM_GRACEFUL) ? -ENOTCONN : 0;
}

/* Before anything else is done with the memory of a stream that is to be opened. */
int stream_check_open(evloop *loop, const evloop_stream *stream);
/* Opens it on a descriptor, with flags of endpoints and of streams; takes that over on success. */
int stream_attach(evloop *loop, evloop_stream *stream, int fd, unsigned endpoint_flags,
                  unsigned flags);
/* Of a socket that is not connected yet, or that was accepted. */
unsigned stream_endpoint_flags(int family, int type);
void stream_fail(evloop_stream *stream, int err);
void stream_call(struct evloop_handle *handle);
/* From a graceful closing to the close phase. */
void stream_finish_closing(evloop_stream *stream);
void stream_connect(evloop_stream *stream, const evloop_address *address, uint64_t timeout_ns,
                    evloop_status_fn fn);

/* stream_in.c */
void stream_received(struct evloop_operation *operation,
                     const struct evloop_completion *completion);
int stream_receive(evloop_stream *stream);
void stream_stop_receiving(evloop_stream *stream);
bool stream_tell_reader(evloop_stream *stream);

/* stream_out.c */
void stream_sent(struct evloop_operation *operation, const struct evloop_completion *completion);
void stream_gather(struct evloop_operation *operation, struct evloop_outgoing *outgoing);
void stream_flush(struct evloop_handle *handle);
/* Or connecting: that is sending, too. */
void stream_stop_sending(evloop_stream *stream);
void stream_fail_writes(evloop_stream *stream, int err);
bool stream_tell_writers(evloop_stream *stream);
bool stream_tell_watermark(evloop_stream *stream);
void stream_forget_writes(evloop_stream *stream);

/* stream_time.c */
void stream_await(evloop_stream *stream, enum stream_timeout what);
void stream_note(evloop_stream *stream, enum stream_timeout what);
void stream_set_end(evloop_stream *stream, uint64_t timeout_ns);

/* unix.c */
void stream_keep_fds(evloop_stream *stream, const struct received *received);
void stream_drop_fds(evloop_stream *stream);

/* listener.c */
void listener_add_stream(struct evloop_listener *listener, evloop_stream *stream);
void listener_remove_stream(evloop_stream *stream);

#endif
