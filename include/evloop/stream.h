/*
 * evloop/stream.h: bytes that come and go in order: one type for TCP, unix sockets, pipes,
 * terminals.
 *
 * A function named after the kind opens a stream (evloop_tcp_connect(), evloop_accept(),
 * evloop_pipe_from(), ...); everything after that is here. The struct is yours, and must stay where
 * it is until the callback of evloop_stream_close() has it back, which is where to free it:
 *
 *     static void on_closed(evloop_stream *s)
 *     {
 *         free(evloop_container_of(s, struct client, stream));
 *     }
 *
 * Callbacks come on the loop's thread, never from inside a call. A stream may be closed in any of
 * them. What is said of a thread, "loop", holds for every function here. Errors that all of them
 * have: -EINVAL (NULL), EVLOOP_ETHREAD, -ECHILD; those that work on an open stream: -ENOTCONN (it
 * is not open, or is being closed).
 *
 * Failure. When the connection is lost, or a deadline has passed, the stream has failed: every
 * request that is pending gets the error, so does the read callback if it is reading, and so does
 * every later call that would read or write. It stays yours to close.
 */
#ifndef EVLOOP_STREAM_H
#define EVLOOP_STREAM_H

#include <string.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "evloop/address.h"
#include "evloop/base.h"
#include "evloop/private.h"
#include "evloop/timer.h"

EVLOOP_BEGIN_DECLS

typedef struct evloop_stream evloop_stream;
typedef struct evloop_write evloop_write;

/** Told once: the stream is closed, and its memory yours. */
typedef void (*evloop_stream_fn)(evloop_stream *stream);
/** Told once: 0, or why it could not be done. */
typedef void (*evloop_status_fn)(evloop_stream *stream, int status);
/**
 * n > 0: that many bytes at data, lent until the callback returns. n < 0: EVLOOP_EOF (the peer
 * sends no more), or the error that the stream failed with; reading has stopped, and data is NULL.
 */
typedef void (*evloop_read_fn)(evloop_stream *stream, ssize_t n, const void *data);
/** The request is done: 0, or an error; write->written says how many bytes went out. */
typedef void (*evloop_write_fn)(evloop_write *write, int status);
/**
 * The queue has grown to the high watermark (full), or shrunk to the low one (!full): perhaps since
 * the stream has failed.
 */
typedef void (*evloop_watermark_fn)(evloop_stream *stream, bool full);

/** A stream. Zero-filled memory is one that is not open. */
struct evloop_stream {
    void *data;       /**< yours */
    const char *name; /**< yours, for debugging; may be NULL */

    /* private */
    struct evloop_handle handle_;
    struct evloop_endpoint endpoint_;
    struct evloop_operation in_;
    struct evloop_operation out_;
    unsigned flags_;
    int error_;
    int read_status_;
    evloop_read_fn read_fn_;
    void *into_;
    size_t into_size_;
    size_t least_;
    size_t filled_;
    struct evloop_link writes_;
    struct evloop_link finished_;
    size_t queued_;
    size_t high_;
    size_t low_;
    evloop_watermark_fn watermark_fn_;
    evloop_status_fn connect_fn_;
    evloop_status_fn shutdown_fn_;
    evloop_stream_fn close_fn_;
    struct evloop_listener *listener_;
    struct evloop_link siblings_;
    struct evloop_stream_fds *fds_;
    uint64_t timeouts_[4];
    uint64_t since_[3];
    uint64_t armed_;
    evloop_timer timer_;
};

/** A request to write. Zero-filled memory is an inactive one. */
struct evloop_write {
    void *data;     /**< yours */
    size_t written; /**< bytes that the kernel has taken so far */

    /* private */
    struct evloop_link link_;
    evloop_stream *stream_;
    evloop_write_fn fn_;
    const struct iovec *iov_;
    size_t skip_;
    size_t left_;
    uint64_t file_offset_;
    const int *fds_;
    unsigned fd_count_;
    unsigned iov_count_;
    int file_;
    int status_;
    unsigned kind_;
};

/* ---- reading --------------------------------------------------------------------------------- */

/**
 * Has fn called with whatever comes, until evloop_stream_read_stop(). The bytes lie in a buffer of
 * the loop's, lent for the length of the callback. May be called before a connection is there. A
 * stream gets at most one buffer a turn, so that a busy one cannot starve the others. TCP's urgent
 * byte is left out, unless the socket has been told SO_OOBINLINE; it holds up none of the others.
 * Errors: -EBUSY (reading already), the stream's failure, -ENOMEM, -ENOSPC. Since 0.1.0.
 */
EVLOOP_API int evloop_stream_read_start(evloop_stream *stream, evloop_read_fn fn);

/**
 * Reads into memory of yours: fn is called once, with the count, when at least `least` bytes have
 * come (least == size: exactly so many; 1: as soon as there is anything). If the input ends or
 * fails before, fn gets that error, and evloop_stream_read_count() says how much is in the memory.
 * (Seqpacket: a message that is longer than the memory, or than the loop's buffer, is lost, and the
 * stream fails with -EMSGSIZE.)
 * Errors: -EINVAL (least is 0 or above size), and as evloop_stream_read_start(). Since 0.1.0.
 */
EVLOOP_API int evloop_stream_read_into(evloop_stream *stream, void *memory, size_t size,
                                       size_t least, evloop_read_fn fn);

/** How many bytes the current, or last, evloop_stream_read_into() has read. Since 0.1.0. */
EVLOOP_API size_t evloop_stream_read_count(const evloop_stream *stream);

/**
 * Reading pauses at once: fn is not called again until it is started anew. What has come meanwhile
 * waits in the kernel, which is how a peer is slowed down. Harmless if not reading. Since 0.1.0.
 */
EVLOOP_API int evloop_stream_read_stop(evloop_stream *stream);

/** Whether it is reading. Since 0.1.0. */
EVLOOP_API bool evloop_stream_reading(const evloop_stream *stream);

/**
 * Inside a read callback: the lent buffer stays yours after the callback, until
 * evloop_buffer_release(). The loop reads on with another; it has a bounded number of them
 * (evloop_options.read_buffers).
 * Errors: -EINVAL (not inside a read callback with data from the loop's buffer), -ENOBUFS (too many
 * are out: copy), -ENOMEM. Since 0.1.0.
 */
EVLOOP_API int evloop_buffer_keep(evloop_stream *stream);
/**
 * Gives back what evloop_buffer_keep() kept; data is the pointer that the callback got. Give all
 * back before the loop is destroyed.
 * Errors: -EINVAL (no such buffer is out). Since 0.1.0.
 */
EVLOOP_API int evloop_buffer_release(evloop *loop, const void *data);

/* ---- writing --------------------------------------------------------------------------------- */

/*
 * What is written in one turn of the loop leaves at the end of it, in order, in one system call (of
 * up to about 1 MiB). Writing before a connection is there is allowed: it waits.
 */

/**
 * Writes a copy: up to 1 KiB is put aside until the end of the turn; more is offered to the kernel
 * at once if nothing is queued before it, and only what that does not take is copied.
 * Errors: the stream's failure, -EPIPE (after evloop_stream_shutdown()), -ENOMEM (nothing was
 * queued), -EMSGSIZE (seqpacket: larger than a message may be). Since 0.1.0.
 */
EVLOOP_API int evloop_stream_send(evloop_stream *stream, const void *data, size_t size);

/**
 * Writes without a copy: request, iovec and memory stay as they are until fn is called, exactly
 * once: with 0 when the kernel has taken every byte, with the failure, or -ECANCELED. fn may be
 * NULL.
 * Errors: the stream's failure, -EPIPE, -EBUSY (the request is in use), -EINVAL (count above 1024,
 * or a size beyond SSIZE_MAX). Since 0.1.0.
 */
EVLOOP_API int evloop_stream_write(evloop_stream *stream, evloop_write *write,
                                   const struct iovec *iov, unsigned count, evloop_write_fn fn);

/**
 * The same, and passes descriptors along with the first bytes, over a unix socket: the kernel
 * duplicates them when it takes these. Any number: 253 go with each message, so that there must be
 * a byte for every 253. fds must stay until fn is called.
 * Errors: -ENOTSUP (not a unix socket), -EINVAL (too few bytes), and as evloop_stream_write().
 * Since 0.1.0.
 */
EVLOOP_API int evloop_stream_write_fds(evloop_stream *stream, evloop_write *write,
                                       const struct iovec *iov, unsigned count, const int *fds,
                                       unsigned fd_count, evloop_write_fn fn);

/**
 * Writes size bytes of a file from offset on, without their passing through the program where the
 * kernel can do so. The file must stay open until fn is called; a file that ends before: -ENODATA
 * (-EIO on FreeBSD and OpenBSD, which have none), and the stream has failed, since the peer was
 * promised more.
 * Errors: as evloop_stream_write(). Since 0.1.0.
 */
EVLOOP_API int evloop_stream_sendfile(evloop_stream *stream, evloop_write *write, int file,
                                      uint64_t offset, size_t size, evloop_write_fn fn);

/**
 * Offers bytes to the kernel now. Returns how many it took; -EAGAIN if none, or if others are
 * queued before them.
 * Errors: the stream's failure, -EPIPE, -EINVAL. Since 0.1.0.
 */
EVLOOP_API ssize_t evloop_stream_try_write(evloop_stream *stream, const struct iovec *iov,
                                           unsigned count);

/**
 * Takes a request back of which nothing has gone out: its callback gets -ECANCELED. If a part has,
 * it goes on, so that the peer does not see half of it, and -EALREADY is returned; write->written
 * says how much.
 * Errors: -EINVAL (not in use), -EALREADY. Since 0.1.0.
 */
EVLOOP_API int evloop_write_cancel(evloop_write *write);

/** Bytes that were written, and that the kernel has not taken. Since 0.1.0. */
EVLOOP_API size_t evloop_stream_queued(const evloop_stream *stream);

/**
 * Has fn called when the queue has grown to high bytes or more, and when it has shrunk again to low
 * or fewer: both, always, even if it has shrunk, or was lost with the connection, before the first
 * could be told. So who stops writing at high, by what evloop_stream_queued() says or by what fn is
 * told, will hear when to go on. high == 0: not any more.
 * Errors: -EINVAL (low is not below high). Since 0.1.0.
 */
EVLOOP_API int evloop_stream_set_watermarks(evloop_stream *stream, size_t low, size_t high,
                                            evloop_watermark_fn fn);

/**
 * Sends of at least so many bytes leave out of your memory, without a copy, where the system can do
 * that (io_uring from Linux 6.2 on, over TCP): least > 0, of use from 16 KiB or so. A write then is
 * over only when the kernel has no more use for its memory, which may be when the peer has
 * acknowledged it. What closes the stream or cancels one of its writes before that, or stops or
 * closes any stream of the loop from another thread, resets the connection; and evloop_run() gives
 * -EBUSY in another thread meanwhile. Where the kernel copies in any case (to this machine, or for
 * want of a device that can do otherwise), it is found out with the first send, and the others are
 * as ever. least == 0: not any more, which is the default.
 * Errors: -EINVAL, -ENOTCONN, EVLOOP_ETHREAD. Since 0.1.0.
 */
EVLOOP_API int evloop_stream_set_zero_copy(evloop_stream *stream, size_t least);

/* ---- deadlines: 0 is none, which is the default ---------------------------------------------- */

/**
 * While reading: no byte came for so long. Reading stops, and its callback gets -ETIMEDOUT; the
 * stream has not failed. Since 0.1.0.
 */
EVLOOP_API int evloop_stream_set_read_timeout(evloop_stream *stream, uint64_t timeout_ns);
/** Bytes are queued, and the kernel took none for so long: the stream fails with -ETIMEDOUT. Since
 * 0.1.0. */
EVLOOP_API int evloop_stream_set_write_timeout(evloop_stream *stream, uint64_t timeout_ns);
/** No byte came or went for so long: the stream fails with -ETIMEDOUT. Since 0.1.0. */
EVLOOP_API int evloop_stream_set_idle_timeout(evloop_stream *stream, uint64_t timeout_ns);

/* ---- ending ---------------------------------------------------------------------------------- */

/**
 * When all that is queued has gone out, tells the peer that no more will come; then fn (which may
 * be NULL). Reading goes on.
 * Errors: the stream's failure, -EALREADY, -ENOTSUP (a stream that only its closing can end: a
 * pipe, a terminal). Since 0.1.0.
 */
EVLOOP_API int evloop_stream_shutdown(evloop_stream *stream, evloop_status_fn fn);

/**
 * Closes at once. Requests that are pending get -ECANCELED, in order, then fn is called (which may
 * be NULL), all before the turn ends; no other callback comes. Memory is yours in fn, not before.
 * Errors: -EALREADY (it is being closed), -EINVAL. Harmless on a stream that was never opened:
 * -ENOTCONN, and fn is not called. Since 0.1.0.
 */
EVLOOP_API int evloop_stream_close(evloop_stream *stream, evloop_stream_fn fn);

/**
 * Closes in good order: what is queued goes out, the peer is told that no more comes, what it still
 * sends is thrown away until it ends as well; then as evloop_stream_close(), which can also be
 * called meanwhile, to cut it short: its fn is the one that is called then. Whatever is not done
 * after timeout_ns is given up; 0 is at once.
 * Errors: as evloop_stream_close(). Since 0.1.0.
 */
EVLOOP_API int evloop_stream_close_gracefully(evloop_stream *stream, uint64_t timeout_ns,
                                              evloop_stream_fn fn);

/**
 * As evloop_stream_close(), and a TCP peer gets a reset: nothing that is on its way to it is
 * delivered, and no port lingers.
 * Errors: as evloop_stream_close(). Since 0.1.0.
 */
EVLOOP_API int evloop_stream_reset(evloop_stream *stream, evloop_stream_fn fn);

/**
 * Gives the descriptor up: it is the caller's, non-blocking, and the stream is inactive at once,
 * also inside its own callback. Returns the descriptor.
 * Errors: -EBUSY (bytes are queued, or callbacks are due, or it is connecting; or bytes have come
 * to the loop, ahead of their turn, that nobody has read: read them, and try again. On io_uring only,
 * and never after evloop_stream_read_into() has come to its end). Since 0.1.0.
 */
EVLOOP_API int evloop_stream_release(evloop_stream *stream);

/* ---- about it -------------------------------------------------------------------------------- */

/** 0, or what the stream failed with; also after it was closed, until it is opened again. Since
 * 0.1.0. */
EVLOOP_API int evloop_stream_error(const evloop_stream *stream);
/** The descriptor, which stays the stream's; -1 if it is not open. Since 0.1.0. */
EVLOOP_API int evloop_stream_fd(const evloop_stream *stream);
/** Where this end is. Errors: -ENOTCONN, -ENOTSOCK. Since 0.1.0. */
EVLOOP_API int evloop_stream_local(const evloop_stream *stream, evloop_address *address);
/** Where the other end is. Errors: -ENOTCONN, -ENOTSOCK. Since 0.1.0. */
EVLOOP_API int evloop_stream_peer(const evloop_stream *stream, evloop_address *address);
/** Lets it not keep the loop alive. Since 0.1.0. */
EVLOOP_API int evloop_stream_unref(evloop_stream *stream);
/** Lets it keep the loop alive, as it does from the start. Since 0.1.0. */
EVLOOP_API int evloop_stream_ref(evloop_stream *stream);
/** Whether it is open: from the start until the callback of its closing. Since 0.1.0. */
EVLOOP_API bool evloop_stream_active(const evloop_stream *stream);
/** The loop that it was last opened on; NULL if none. Since 0.1.0. */
EVLOOP_API evloop *evloop_stream_loop(const evloop_stream *stream);

EVLOOP_END_DECLS

#endif
