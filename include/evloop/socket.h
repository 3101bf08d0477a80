/*
 * evloop/socket.h: connecting and listening: TCP and unix sockets.
 *
 * What is said of a thread, "loop", holds for every function here. Errors that all of them have:
 * -EINVAL (NULL), EVLOOP_ETHREAD, -ECHILD; those that work on an open listener or stream: -ENOTCONN
 * (it is not open, or is being closed).
 */
#ifndef EVLOOP_SOCKET_H
#define EVLOOP_SOCKET_H

#include <string.h>

#include "evloop/stream.h"

EVLOOP_BEGIN_DECLS

/**
 * Called with a socket before it is connected or bound, to set options on it; the descriptor stays
 * the library's. Anything but 0 is an error, and the result of the call that made the socket.
 */
typedef int (*evloop_configure_fn)(int fd, const evloop_address *address, void *arg);

/** TCP's keepalive: idle_s == 0: none. At first the rest is the system's. */
typedef struct evloop_keepalive {
    unsigned idle_s;     /**< silence before the first probe: seconds, at most 32767 */
    unsigned interval_s; /**< between probes: seconds, at most 32767; 0: as it was */
    unsigned count;      /**< probes without an answer, after which the connection is lost: at most
                              127; 0: as it was */
} evloop_keepalive;

/* ---- connecting ------------------------------------------------------------------------------ */

/** Options of connecting. Make one with evloop_connect_options_default(). */
typedef struct evloop_connect_options {
    size_t size;                   /**< sizeof(evloop_connect_options) */
    uint64_t timeout_ns;           /**< -ETIMEDOUT after so long; 0: the system's limit */
    const evloop_address *local;   /**< bind to this first; NULL: do not */
    evloop_keepalive keepalive;    /**< TCP */
    bool nagle;                    /**< TCP: let the system hold back small packets; the loop
                                       gathers what a turn wrote, and needs no help */
    bool fast_open;                /**< TCP: the first bytes go with the first packet, where the
                                       system can; they may arrive twice */
    bool seqpacket;                /**< unix: messages instead of bytes; not on Darwin */
    evloop_configure_fn configure; /**< may be NULL */
    void *configure_arg;
} evloop_connect_options;

/** Every default. Since 0.1.0. */
static inline evloop_connect_options evloop_connect_options_default(void)
{
    evloop_connect_options options;
    memset(&options, 0, sizeof options);
    options.size = sizeof options;
    return options;
}

/**
 * Connects to an address, IP or path. fn is called once, never from inside the call: 0, or why
 * there is no connection; close the stream then. Reading and writing may be started before. options
 * may be NULL. A unix listener whose backlog is full refuses with -EAGAIN on
 * Linux, with -ECONNREFUSED elsewhere.
 * Thread: loop. Errors: -EINVAL (also: options of no known size), -E2BIG (options that this library
 * does not know), -EBUSY (the stream is open), -EAFNOSUPPORT, -EMFILE, -ENFILE, -ENOBUFS, -ENOMEM,
 * what binding or configure says, EVLOOP_ECLOSED, EVLOOP_ETHREAD, -ECHILD. What the network says
 * comes to fn. Since 0.1.0.
 */
EVLOOP_API int evloop_connect(evloop *loop, evloop_stream *stream, const evloop_address *address,
                              const evloop_connect_options *options, evloop_status_fn fn);

/**
 * evloop_connect() with an IP address as text: "127.0.0.1:80".
 * Errors: also evloop_address_parse()'s. Since 0.1.0.
 */
EVLOOP_API int evloop_tcp_connect(evloop *loop, evloop_stream *stream, const char *address,
                                  const evloop_connect_options *options, evloop_status_fn fn);

/** evloop_connect() with a path, or "@name". Errors: also evloop_address_parse()'s. Since 0.1.0. */
EVLOOP_API int evloop_unix_connect(evloop *loop, evloop_stream *stream, const char *path,
                                   const evloop_connect_options *options, evloop_status_fn fn);

/* ---- listening ------------------------------------------------------------------------------- */

typedef struct evloop_listener evloop_listener;

/**
 * There is a connection, to be taken with evloop_accept() or evloop_accept_fd(); what is not taken
 * when the callback returns is closed. Or accepting has failed (no descriptors are left, for
 * instance): then these two return the error. It is told once; the loop tries again by itself, less
 * and less often, and as soon as it has closed something.
 */
typedef void (*evloop_listener_fn)(evloop_listener *listener);

/** A listener. Zero-filled memory is an inactive one. */
struct evloop_listener {
    void *data;       /**< yours */
    const char *name; /**< yours, for debugging; may be NULL */

    /* private */
    struct evloop_handle handle_;
    struct evloop_endpoint endpoint_;
    struct evloop_operation accept_;
    evloop_listener_fn fn_;
    evloop_listener_fn close_fn_;
    unsigned flags_;
    int accepted_;
    int failure_;
    unsigned limit_;
    unsigned connections_;
    uint64_t back_off_;
    struct evloop_link streams_;
    struct evloop_link waiting_;
    evloop_timer timer_;
};

/** Options of listening. Make one with evloop_listen_options_default(). */
typedef struct evloop_listen_options {
    size_t size;      /**< sizeof(evloop_listen_options) */
    unsigned backlog; /**< connections that wait to be accepted; 0: the system's limit */
    unsigned
        max_connections; /**< accept no more while so many streams of this listener are open; 0: no
                                      limit */
    evloop_keepalive keepalive; /**< TCP: of every connection */
    bool nagle;                 /**< TCP: of every connection; see evloop_connect_options */
    bool reuse_port;            /**< several sockets on one address share its connections (Linux,
                                      FreeBSD) */
    bool v6_only;               /**< "[::]" and ":80" take v4 as well unless this is set;
                                      never on OpenBSD */
    unsigned fast_open;         /**< TCP: how many may be waiting; 0: not */
    bool seqpacket;             /**< unix: messages instead of bytes; not on Darwin */
    unsigned permissions; /**< unix: the mode of the path, 0600 for instance; 0: as umask wants */
    evloop_configure_fn configure; /**< may be NULL */
    void *configure_arg;
} evloop_listen_options;

/** Every default. Since 0.1.0. */
static inline evloop_listen_options evloop_listen_options_default(void)
{
    evloop_listen_options options;
    memset(&options, 0, sizeof options);
    options.size = sizeof options;
    return options;
}

/**
 * Listens at an address, IP or path, and has fn called for every connection. options may be NULL. A
 * path where nobody listens any more is taken over; a path that is made is removed by the closing.
 * Thread: loop. Errors: -EINVAL, -E2BIG, -EBUSY (active), -EADDRINUSE, -EACCES, -EADDRNOTAVAIL,
 * -EAFNOSUPPORT, -EMFILE, -ENFILE, -ENOBUFS, -ENOMEM, -ENOTSUP (an option that the system has not),
 * what configure says, EVLOOP_ECLOSED (evloop_shutdown() was called), EVLOOP_ETHREAD, -ECHILD.
 * Since 0.1.0.
 */
EVLOOP_API int evloop_listen(evloop *loop, evloop_listener *listener, const evloop_address *address,
                             const evloop_listen_options *options, evloop_listener_fn fn);

/**
 * evloop_listen() with an IP address as text: "[::]:80" and ":80" are v6 and v4.
 * Errors: also evloop_address_parse()'s. Since 0.1.0.
 */
EVLOOP_API int evloop_tcp_listen(evloop *loop, evloop_listener *listener, const char *address,
                                 const evloop_listen_options *options, evloop_listener_fn fn);

/** evloop_listen() with a path, or "@name". Errors: also evloop_address_parse()'s. Since 0.1.0. */
EVLOOP_API int evloop_unix_listen(evloop *loop, evloop_listener *listener, const char *path,
                                  const evloop_listen_options *options, evloop_listener_fn fn);

/**
 * Listens on a socket that is bound and listens already (from a service manager, say), which
 * becomes the listener's. Of the options it takes max_connections alone.
 * Errors: -EINVAL (it does not listen), -ENOTSOCK, and as evloop_listen(). Since 0.1.0.
 */
EVLOOP_API int evloop_listen_fd(evloop *loop, evloop_listener *listener, int fd,
                                const evloop_listen_options *options, evloop_listener_fn fn);

/**
 * Inside the listener's callback: opens a stream on the connection, on the listener's loop.
 * Errors: -EAGAIN (none, or taken already), -EBUSY (the stream is open), what accepting failed
 * with. Since 0.1.0.
 */
EVLOOP_API int evloop_accept(evloop_listener *listener, evloop_stream *stream);

/**
 * Inside the listener's callback: takes the connection as a descriptor: to hand it to another loop,
 * whose thread then calls evloop_stream_open(). Returns it.
 * Errors: -EAGAIN, what accepting failed with. Since 0.1.0.
 */
EVLOOP_API int evloop_accept_fd(evloop_listener *listener);

/**
 * Accepts no more until evloop_listener_resume(); connections wait in the kernel. (On io_uring some
 * may have been accepted ahead: they wait in the loop.) Since 0.1.0.
 */
EVLOOP_API int evloop_listener_pause(evloop_listener *listener);
/** Accepts again. Since 0.1.0. */
EVLOOP_API int evloop_listener_resume(evloop_listener *listener);
/** How many streams of this listener are open: those that evloop_accept() opened. Since 0.1.0. */
EVLOOP_API unsigned evloop_listener_connections(const evloop_listener *listener);
/** Where it listens: also which port, if the system chose. Errors: -ENOTCONN. Since 0.1.0. */
EVLOOP_API int evloop_listener_local(const evloop_listener *listener, evloop_address *address);
/**
 * Stops listening; fn (which may be NULL) is called before the turn ends, and the memory is yours
 * then.
 * Errors: -EALREADY, -ENOTCONN (inactive). Since 0.1.0.
 */
EVLOOP_API int evloop_listener_close(evloop_listener *listener, evloop_listener_fn fn);
/** The descriptor, which stays the listener's; -1 if inactive. Since 0.1.0. */
EVLOOP_API int evloop_listener_fd(const evloop_listener *listener);
/** Lets it not keep the loop alive. Since 0.1.0. */
EVLOOP_API int evloop_listener_unref(evloop_listener *listener);
/** Lets it keep the loop alive, as it does from the start. Since 0.1.0. */
EVLOOP_API int evloop_listener_ref(evloop_listener *listener);
/** Whether it is open: from the start until the callback of its closing. Since 0.1.0. */
EVLOOP_API bool evloop_listener_active(const evloop_listener *listener);
/** The loop that it was last started on; NULL if none. Since 0.1.0. */
EVLOOP_API evloop *evloop_listener_loop(const evloop_listener *listener);

/* ---- descriptors of others ------------------------------------------------------------------- */

/**
 * Makes a stream of a descriptor that is open already: a connected socket, a pipe, a terminal, a
 * regular file, or whatever can be polled; it becomes the stream's, and non-blocking, which others
 * who share it do not notice if it is a terminal or a nameless pipe; anything else that blocked
 * blocks again when the stream is closed, and when the process exits. A regular file reads from and
 * writes to its current position, and never has to wait. (The standard descriptors: evloop/pipe.h.)
 * Thread: loop. Errors: -EINVAL (also: a socket that listens, or that is for datagrams), -EISDIR,
 * -EBADF, -EBUSY (the stream is open), -EEXIST (a watch or a stream is on this descriptor),
 * -ENOMEM, -ENOSPC, EVLOOP_ECLOSED, EVLOOP_ETHREAD, -ECHILD. The descriptor stays the caller's
 * then. Since 0.1.0.
 */
EVLOOP_API int evloop_stream_open(evloop *loop, evloop_stream *stream, int fd);

/**
 * A pair of connected unix sockets: one end as a stream, the other, blocking, for a child or
 * another thread.
 * Errors: as evloop_stream_open(), -EMFILE, -ENFILE. Since 0.1.0.
 */
EVLOOP_API int evloop_stream_pair(evloop *loop, evloop_stream *stream, int *other_end);

/* ---- TCP ------------------------------------------------------------------------------------- */

/** Whether the system may hold back small packets. Errors: -ENOTSUP (not TCP). Since 0.1.0. */
EVLOOP_API int evloop_tcp_set_nagle(evloop_stream *stream, bool on);
/** Sets keepalive. Errors: -ENOTSUP (not TCP), -EINVAL (a number too large). Since 0.1.0. */
EVLOOP_API int evloop_tcp_set_keepalive(evloop_stream *stream, const evloop_keepalive *keepalive);

/* ---- unix sockets ---------------------------------------------------------------------------- */

/** Who is at the other end, as it was when the connection was made. */
typedef struct evloop_credentials {
    int64_t pid; /**< -1 where the system does not tell */
    uint32_t uid;
    uint32_t gid;
} evloop_credentials;

/** The peer of a unix socket. Errors: -ENOTSUP (not one). Since 0.1.0. */
EVLOOP_API int evloop_unix_credentials(const evloop_stream *stream, evloop_credentials *peer);

/**
 * Lets the peer pass descriptors (without this they are closed): they can be taken from the read
 * callback of the bytes that they came with, or later. If some cannot be received, the stream fails
 * (-EMFILE, -ENOMEM) when the bytes have been told.
 * Errors: -ENOTSUP (not a unix socket), -ENOMEM. Since 0.1.0.
 */
EVLOOP_API int evloop_unix_accept_fds(evloop_stream *stream);
/**
 * The next descriptor that the peer has passed, close-on-exec; it is the caller's. What nobody
 * takes the closing closes.
 * Errors: -EAGAIN (none). Since 0.1.0.
 */
EVLOOP_API int evloop_unix_take_fd(evloop_stream *stream);

EVLOOP_END_DECLS

#endif
