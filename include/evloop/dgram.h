/*
 * evloop/dgram.h: datagrams: one type for UDP and for unix datagram sockets.
 *
 * A function named after the kind opens one (evloop_udp_bind(), evloop_udp_connect(),
 * evloop_unix_dgram_bind(), ...); everything after that is evloop_dgram_*. The struct is yours, and
 * must stay where it is until the callback of evloop_dgram_close() has it back, which is where to
 * free it.
 *
 * Datagrams come and go in batches: the callback gets all that have come as one array, and all that
 * a turn of the loop sends leave together at its end. An echo of whole batches:
 *
 *     static void on_datagrams(evloop_dgram *d, ssize_t n, const evloop_datagram *datagrams)
 *     {
 *         if (n > 0)
 *             evloop_dgram_try_send(d, datagrams, (size_t)n);
 *     }
 *
 * Callbacks come on the loop's thread, never from inside a call. A socket may be closed in any of
 * them. What is said of a thread, "loop", holds for every function here. Errors that all of them
 * have: -EINVAL (NULL), EVLOOP_ETHREAD, -ECHILD; those that work on an open socket: -ENOTCONN (it
 * is not open, or is being closed).
 *
 * Failure belongs to single datagrams: what one of them meets stops neither the others nor the
 * socket.
 */
#ifndef EVLOOP_DGRAM_H
#define EVLOOP_DGRAM_H

#include <string.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "evloop/address.h"
#include "evloop/base.h"
#include "evloop/private.h"
#include "evloop/socket.h"

EVLOOP_BEGIN_DECLS

typedef struct evloop_dgram evloop_dgram;
typedef struct evloop_dgram_request evloop_dgram_request;

/** A datagram, or several of one size in one piece of memory: see segment_size. */
typedef struct evloop_datagram {
    const void *data;
    size_t size;                 /**< bytes at data; 0 is a datagram too */
    const evloop_address *peer;  /**< received: from whom; none (AF_UNSPEC) if a unix socket has no
                                      name. To be sent: to whom; NULL or none: to the connected
                                      peer */
    const evloop_address *local; /**< received: to which address of ours it came, NULL if that was
                                      not asked for. To be sent: from which one; NULL: the system
                                      chooses. */
    unsigned interface_index;    /**< received: by which interface it came; 0: not asked for. Not
                                      looked at when sent. */
    unsigned segment_size;       /**< 0: data is one datagram. Else data is several in a row, of so
                                      many bytes each, the last one perhaps of fewer. */
    int ttl;                     /**< received: time to live, or hop limit; -1: not asked for. Not
                                      looked at when sent. */
    int ecn;                     /**< received: the two bits of explicit congestion notification;
                                      -1: not asked for. Not looked at when sent. */
    bool truncated;              /**< received: it was longer; the rest is lost */
} evloop_datagram;

/**
 * n > 0: so many datagrams have come; the array, and all that it points to, is lent until the
 * callback returns. n < 0: an error. Receiving goes on if it came by the network (-ECONNREFUSED,
 * -EHOSTUNREACH, -ENETUNREACH, ...) or for want of memory; else it has stopped
 * (evloop_dgram_receiving() tells). datagrams then is NULL, or the one that the error is about: one
 * that was sent, to datagrams->peer, of which datagrams->data is the beginning, or all.
 */
typedef void (*evloop_dgram_fn)(evloop_dgram *d, ssize_t n, const evloop_datagram *datagrams);
/** Told once: the socket is closed, and its memory yours. */
typedef void (*evloop_dgram_close_fn)(evloop_dgram *d);
/** The request is done: 0 if the kernel has taken the datagram, or an error. */
typedef void (*evloop_dgram_request_fn)(evloop_dgram_request *request, int status);
/** The queue has grown to the high watermark (full), or shrunk to the low one (!full). */
typedef void (*evloop_dgram_watermark_fn)(evloop_dgram *d, bool full);

/* Private: a datagram that is to be sent. */
struct evloop_packet {
    struct evloop_link link;
    const struct iovec *iov;
    size_t size;
    size_t sent;
    unsigned iov_count;
    unsigned segment_size;
    unsigned flags;
    int status;
    evloop_address to;
};

/** A datagram socket. Zero-filled memory is one that is not open. */
struct evloop_dgram {
    void *data;       /**< yours */
    const char *name; /**< yours, for debugging; may be NULL */

    /* private */
    struct evloop_handle handle_;
    struct evloop_endpoint endpoint_;
    struct evloop_operation in_;
    struct evloop_operation out_;
    unsigned flags_;
    int family_;
    struct evloop_message_format format_;
    evloop_dgram_fn fn_;
    evloop_dgram_close_fn close_fn_;
    struct evloop_link queue_;
    struct evloop_link finished_;
    size_t queued_;
    size_t queued_count_;
    size_t queue_limit_;
    size_t high_;
    size_t low_;
    evloop_dgram_watermark_fn watermark_fn_;
    int error_;
    int retried_;
    unsigned retries_;
};

/** A request to send a datagram. Zero-filled memory is an inactive one. */
struct evloop_dgram_request {
    void *data; /**< yours */

    /* private */
    struct evloop_packet packet_;
    evloop_dgram *dgram_;
    evloop_dgram_request_fn fn_;
};

/* ---- opening --------------------------------------------------------------------------------- */

/** Options of opening. Make one with evloop_dgram_options_default(). */
typedef struct evloop_dgram_options {
    size_t size;                 /**< sizeof(evloop_dgram_options) */
    const evloop_address *local; /**< of a connected socket: bind to this first; NULL: do not */
    unsigned batch;              /**< datagrams in one callback at most; default 32, at most 1024 */
    size_t receive_size;         /**< room for each of them: bytes, at most 1 MiB; what is longer is
                                      truncated; default 65536, enough for UDP. All datagram sockets
                                      of a loop share one piece of memory, from the first
                                      evloop_dgram_receive_start() on: batch times (this and about
                                      1.6 KiB), of the socket that wants most; 2.1 MiB by default.
                                      What no datagram has touched is not used of it. On io_uring
                                      a batch of at least 8, and a power of two instead of this:
                                      one piece for each, and all of it is used. */
    size_t queue_limit;          /**< evloop_dgram_send() refuses what would make the queue longer,
                                      64 bytes being added for each datagram; default 1 MiB */
    bool reuse_address;   /**< several sockets may be bound to one address and port: each gets
                                      what is sent to a group or broadcast. Not with port 0: the
                                      system may choose one that another such socket has */
    bool reuse_port;      /**< several sockets on one address share what comes (Linux,
                                      FreeBSD) */
    bool v6_only;         /**< "[::]:53" and ":53" take v4 as well unless this is set; never
                                      on OpenBSD */
    bool broadcast;       /**< may send to broadcast addresses */
    bool receive_local;   /**< tell local and interface_index of what comes */
    bool receive_ttl;     /**< tell ttl */
    bool receive_ecn;     /**< tell ecn */
    bool receive_errors;  /**< tell which datagram an error of the network is about, and tell
                                      such errors also if the socket is not connected, where the
                                      system can (Linux) */
    bool gro;             /**< let the system join datagrams of one sender and one size: see
                                      segment_size; where it cannot, they come one by one */
    unsigned permissions; /**< unix: the mode of the path, 0600 for instance; 0: as umask
                                      wants */
    evloop_configure_fn configure; /**< may be NULL */
    void *configure_arg;
} evloop_dgram_options;

/** Every default. Since 0.1.0. */
static inline evloop_dgram_options evloop_dgram_options_default(void)
{
    evloop_dgram_options options;
    memset(&options, 0, sizeof options);
    options.size = sizeof options;
    return options;
}

/**
 * Opens a socket that is bound to an address, IP or path. options may be NULL. A path where nobody
 * receives any more is taken over; a path that is made is removed by the closing.
 * Errors: -EINVAL (also: options of no known size, a batch above 1024), -E2BIG (options that this
 * library does not know), -EBUSY (it is open), -EADDRINUSE, -EACCES, -EADDRNOTAVAIL, -EAFNOSUPPORT,
 * -EMFILE, -ENFILE, -ENOBUFS, -ENOMEM, -ENOTSUP (an option that the system has not), what configure
 * says, EVLOOP_ECLOSED. Since 0.1.0.
 */
EVLOOP_API int evloop_dgram_bind(evloop *loop, evloop_dgram *d, const evloop_address *address,
                                 const evloop_dgram_options *options);

/**
 * evloop_dgram_bind() with an IP address as text: "127.0.0.1:53", or "[::]:53" and ":53" for v6 and
 * v4. Errors: also evloop_address_parse()'s. Since 0.1.0.
 */
EVLOOP_API int evloop_udp_bind(evloop *loop, evloop_dgram *d, const char *address,
                               const evloop_dgram_options *options);

/** evloop_dgram_bind() with a path, or "@name". Errors: also evloop_address_parse()'s. Since 0.1.0.
 */
EVLOOP_API int evloop_unix_dgram_bind(evloop *loop, evloop_dgram *d, const char *path,
                                      const evloop_dgram_options *options);

/**
 * Opens a socket that is connected to an address, IP or path: it sends there, and gets nothing from
 * elsewhere. There is nothing to wait for.
 * Errors: as evloop_dgram_bind(), and what the system says of the address: -ENETUNREACH,
 * -EHOSTUNREACH, -EACCES; unix: -ENOENT, -ECONNREFUSED, -EPROTOTYPE. Since 0.1.0.
 */
EVLOOP_API int evloop_dgram_connect(evloop *loop, evloop_dgram *d, const evloop_address *address,
                                    const evloop_dgram_options *options);

/**
 * evloop_dgram_connect() with an IP address as text. Errors: also evloop_address_parse()'s. Since
 * 0.1.0.
 */
EVLOOP_API int evloop_udp_connect(evloop *loop, evloop_dgram *d, const char *address,
                                  const evloop_dgram_options *options);

/**
 * evloop_dgram_connect() with a path, or "@name". Errors: also evloop_address_parse()'s. Since
 * 0.1.0.
 */
EVLOOP_API int evloop_unix_dgram_connect(evloop *loop, evloop_dgram *d, const char *path,
                                         const evloop_dgram_options *options);

/**
 * Opens a socket that is neither bound nor connected: the system binds it when it sends (a unix
 * socket stays without a name). family: AF_INET, AF_INET6 (v4 as well, unless v6_only), AF_UNIX.
 * Errors: as evloop_dgram_bind(). Since 0.1.0.
 */
EVLOOP_API int evloop_dgram_socket(evloop *loop, evloop_dgram *d, int family,
                                   const evloop_dgram_options *options);

/**
 * Takes a datagram socket that is open already; it becomes d's, and non-blocking. Of the options,
 * those that concern receiving and the queue are taken; reuse_address, reuse_port, v6_only, local,
 * permissions and configure are not looked at.
 * Errors: -EINVAL (not a datagram socket), -ENOTSOCK, -EBADF, -EEXIST (a watch or another object is
 * on this descriptor), and as evloop_dgram_bind(). The descriptor stays the caller's then. Since
 * 0.1.0.
 */
EVLOOP_API int evloop_dgram_open(evloop *loop, evloop_dgram *d, int fd,
                                 const evloop_dgram_options *options);

/* ---- receiving ------------------------------------------------------------------------------- */

/**
 * Has fn called with whatever comes, a batch a turn, until evloop_dgram_receive_stop().
 * Errors: -EBUSY (receiving already), -ENOMEM, -ENOSPC, -ENOBUFS. Since 0.1.0.
 */
EVLOOP_API int evloop_dgram_receive_start(evloop_dgram *d, evloop_dgram_fn fn);

/**
 * Receiving pauses at once: fn is not called again until it is started anew. What has come
 * meanwhile waits, and is told then: in the kernel, as long as there is room. Harmless if not
 * receiving. Since 0.1.0.
 */
EVLOOP_API int evloop_dgram_receive_stop(evloop_dgram *d);

/** Whether it is receiving. Since 0.1.0. */
EVLOOP_API bool evloop_dgram_receiving(const evloop_dgram *d);

/* ---- sending --------------------------------------------------------------------------------- */

/*
 * address: to whom; NULL: to the connected peer. What is sent in one turn of the loop leaves at the
 * end of it, in order, 64 datagrams a system call. A datagram that a unix socket sends to an
 * address whose owner does not read fails with -ENOBUFS; a connected one waits until there is room,
 * but on Darwin and the BSDs, where it fails as well.
 * If a unix socket's peer is gone, the first datagram fails with -ECONNREFUSED, the others with
 * -ENOTCONN.
 */

/**
 * Sends a copy: up to 4 KiB are put aside until the end of the turn; more is offered to the kernel
 * at once if nothing is queued before it, and copied only if that does not take it. If the kernel
 * refuses it later, the receive callback is told, with the datagram, if it is receiving.
 * Errors: -EAGAIN (the queue is full: nothing was queued), -EMSGSIZE (larger than a datagram can
 * be), -ENOMEM, what the kernel says. Since 0.1.0.
 */
EVLOOP_API int evloop_dgram_send(evloop_dgram *d, const void *data, size_t size,
                                 const evloop_address *address);

/**
 * evloop_dgram_send() of several datagrams in a row, of segment_size bytes each, the last one
 * perhaps of fewer: the kernel takes them apart where it can (UDP_SEGMENT of Linux), else the
 * library does.
 * Errors: -EINVAL (segment_size is 0), -ENOTSUP (not UDP), and as evloop_dgram_send(). Since 0.1.0.
 */
EVLOOP_API int evloop_dgram_send_segments(evloop_dgram *d, const void *data, size_t size,
                                          unsigned segment_size, const evloop_address *address);

/**
 * Sends one datagram without a copy: request, iovec and memory stay as they are until fn is called,
 * exactly once: with 0 when the kernel has taken it, with the error, or -ECANCELED. The address is
 * copied. fn may be NULL.
 * Errors: -EBUSY (the request is in use), -EINVAL (count above 1024), -EMSGSIZE. Since 0.1.0.
 */
EVLOOP_API int evloop_dgram_write(evloop_dgram *d, evloop_dgram_request *request,
                                  const struct iovec *iov, unsigned count,
                                  const evloop_address *address, evloop_dgram_request_fn fn);

/**
 * Takes a request back: its callback gets -ECANCELED.
 * Errors: -EINVAL (not in use), -EALREADY (the kernel has it, or its callback is due). Since 0.1.0.
 */
EVLOOP_API int evloop_dgram_cancel(evloop_dgram_request *request);

/**
 * Offers datagrams to the kernel now, after those that are queued. Returns how many it took, from
 * the first on; or, if none, why not the first: -EAGAIN if there is no room. An array that came to
 * the receive callback can be given as it is: each goes back to where it came from, from the
 * address that it was sent to, as several datagrams if it came so. Several in one piece count when
 * a part of them is gone: the rest follows.
 * Errors: -EAGAIN, -EINVAL (count is 0 or above INT_MAX), -ENOTSUP (segment_size, and not UDP),
 * what the kernel says of the first. Since 0.1.0.
 */
EVLOOP_API ssize_t evloop_dgram_try_send(evloop_dgram *d, const evloop_datagram *datagrams,
                                         size_t count);

/** Bytes that were sent, and that the kernel has not taken. Since 0.1.0. */
EVLOOP_API size_t evloop_dgram_queued(const evloop_dgram *d);

/**
 * Has fn called when the queue has grown to high bytes or more, and when it has shrunk again to low
 * or fewer: both, always, even if it has shrunk before the first could be told. high == 0: not any
 * more.
 * Errors: -EINVAL (low is not below high). Since 0.1.0.
 */
EVLOOP_API int evloop_dgram_set_watermarks(evloop_dgram *d, size_t low, size_t high,
                                           evloop_dgram_watermark_fn fn);

/* ---- what the network does with them --------------------------------------------------------- */

/*
 * Errors of all of these: -ENOTSUP (not UDP), what the system says. Settings of a v6 socket that
 * takes v4 as well hold for both.
 */

/** May send to broadcast addresses. Since 0.1.0. */
EVLOOP_API int evloop_dgram_set_broadcast(evloop_dgram *d, bool on);
/** Time to live, or hop limit, of what is not sent to a group: 1 to 255. Errors: -EINVAL. Since
 * 0.1.0. */
EVLOOP_API int evloop_dgram_set_ttl(evloop_dgram *d, unsigned ttl);
/** The two bits of explicit congestion notification of what is sent: 0 to 3. Errors: -EINVAL. Since
 * 0.1.0. */
EVLOOP_API int evloop_dgram_set_ecn(evloop_dgram *d, unsigned ecn);

/*
 * Groups. An interface is its name, "eth0", its index, "2", or one of its addresses, "192.0.2.7";
 * NULL: the system chooses. Groups and sources are addresses without a port: "239.0.0.1",
 * "ff02::1".
 */

/**
 * Receives what is sent to a group, from anywhere or, if source is not NULL, from that source alone
 * (further sources may be joined).
 * Errors: -EINVAL (no address, no group's address, group and source of two families), -ENODEV (no
 * such interface), -EADDRINUSE (joined already), -ENOBUFS (too many). Since 0.1.0.
 */
EVLOOP_API int evloop_dgram_join(evloop_dgram *d, const char *group, const char *source,
                                 const char *interface_name);
/** Undoes what evloop_dgram_join() did, with the same arguments. Errors: -EADDRNOTAVAIL (not
 * joined), and as that. Since 0.1.0. */
EVLOOP_API int evloop_dgram_leave(evloop_dgram *d, const char *group, const char *source,
                                  const char *interface_name);
/** By which interface it sends to groups. Errors: -ENODEV. Since 0.1.0. */
EVLOOP_API int evloop_dgram_set_multicast_interface(evloop_dgram *d, const char *interface_name);
/** How far it sends to groups: 0 to 255; 1, this network alone, at first. Errors: -EINVAL. Since
 * 0.1.0. */
EVLOOP_API int evloop_dgram_set_multicast_ttl(evloop_dgram *d, unsigned ttl);
/** Whether what it sends to groups comes to members on this machine too; it does at first. Since
 * 0.1.0. */
EVLOOP_API int evloop_dgram_set_multicast_loop(evloop_dgram *d, bool on);

/* ---- ending ---------------------------------------------------------------------------------- */

/**
 * Closes. What was sent in this turn, and the kernel can take, still goes out; requests that are
 * pending after that get -ECANCELED, in order, then fn is called (which may be NULL), all before
 * the turn ends; no other callback comes. Memory is yours in fn, not before.
 * Errors: -EALREADY (it is being closed). Harmless on a socket that was never opened: -ENOTCONN,
 * and fn is not called. Since 0.1.0.
 */
EVLOOP_API int evloop_dgram_close(evloop_dgram *d, evloop_dgram_close_fn fn);

/**
 * Gives the descriptor up: it is the caller's, non-blocking, and d is inactive at once, also inside
 * its own callback. A path that was made stays. Returns the descriptor.
 * Errors: -EBUSY (datagrams are queued, or callbacks are due; or datagrams have come to the loop,
 * ahead of their turn, of which nobody was told: receive them, and try again. On io_uring only, and
 * never in the callback of a receive that was started anew and had a batch large enough for them).
 * Since 0.1.0.
 */
EVLOOP_API int evloop_dgram_release(evloop_dgram *d);

/* ---- about it -------------------------------------------------------------------------------- */

/** The descriptor, which stays d's; -1 if it is not open. Since 0.1.0. */
EVLOOP_API int evloop_dgram_fd(const evloop_dgram *d);
/** Where it is: also which port, if the system chose. Since 0.1.0. */
EVLOOP_API int evloop_dgram_local(const evloop_dgram *d, evloop_address *address);
/** What it is connected to. Errors: -ENOTCONN (also: to nothing). Since 0.1.0. */
EVLOOP_API int evloop_dgram_peer(const evloop_dgram *d, evloop_address *address);
/** Lets it not keep the loop alive. Since 0.1.0. */
EVLOOP_API int evloop_dgram_unref(evloop_dgram *d);
/** Lets it keep the loop alive, as it does from the start. Since 0.1.0. */
EVLOOP_API int evloop_dgram_ref(evloop_dgram *d);
/** Whether it is open: from the start until the callback of its closing. Since 0.1.0. */
EVLOOP_API bool evloop_dgram_active(const evloop_dgram *d);
/** The loop that it was last opened on; NULL if none. Since 0.1.0. */
EVLOOP_API evloop *evloop_dgram_loop(const evloop_dgram *d);

EVLOOP_END_DECLS

#endif
