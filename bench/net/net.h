/*
 * net.h: servers of streams, and the load that is put on them.
 *
 * Each peer has one server, in a file of its own, which runs in a thread; the load comes from the
 * measurement's first thread, by plain blocking calls that are the same for all. Both threads are
 * kept on one core, and what counts is the CPU time of the server's thread alone, read by the other
 * one: that hardly depends on what else the machine does, and nothing of the load is in it.
 */
#ifndef BENCH_NET_H
#define BENCH_NET_H

#include <netinet/in.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "../harness/batch.h"

/** What a server does with a connection. */
enum net_service {
    NET_ECHO,         /* answers every request with the same bytes */
    NET_SINK,         /* throws away what comes */
    NET_SOURCE,       /* for each byte that comes: NET_BLOCKS requests to write NET_BLOCK bytes */
    NET_SMALL_WRITES, /* for each byte that comes: NET_PIECES requests to write NET_PIECE bytes */
    NET_SMALL_SENDS,  /* the same, as copies */
    NET_CLOSE,        /* closes it at once */
    NET_ANSWER,       /* answers what comes first, and closes */
    NET_IDLE          /* reads; its memory comes from counting_resize() */
};

enum { NET_BLOCK = 64 * 1024, NET_BLOCKS = 8, NET_PIECE = 13, NET_PIECES = 1000 };

/** What a peer reads into at a time, if it is not told otherwise, and chooses for itself. */
enum { NET_BUFFER = 64 * 1024 };

struct net_plan {
    enum net_service service;
    bool local;         /* a unix socket, not TCP */
    size_t connections; /* the load's, at a time */
    size_t message;     /* bytes of a request; what comes at once may be several */
    size_t depth;       /* requests in one piece */
    size_t buffer;      /* bytes that a sink reads at a time; 0: as the library has it */
};

struct net_server {
    struct net_plan plan;
    int listener;        /* listens, does not block; accepted sockets are TCP_NODELAY */
    atomic_size_t tally; /* bytes (sink) or connections (idle) so far */
    clockid_t clock;     /* CPU time of the server's thread */
    union {
        struct sockaddr any;
        struct sockaddr_in inet;
        struct sockaddr_un local;
    } address;
    socklen_t address_size;
};

/** One peer's server. Called in a thread of its own, and does not return. */
struct net_peer {
    void (*serve)(struct net_server *server);
};

/** For servers: so many bytes, or connections, more. */
static inline void net_count(struct net_server *server, size_t n)
{
    size_t tally = atomic_load_explicit(&server->tally, memory_order_relaxed);

    atomic_store_explicit(&server->tally, tally + n, memory_order_release);
}

/** The bytes of the next request among those that came at once. */
static inline size_t net_request_size(const struct net_server *server, size_t left)
{
    return left < server->plan.message ? left : server->plan.message;
}

/** What a source sends, and the pieces of small writes. */
extern char net_block[NET_BLOCK];

/* ---- for the load ---------------------------------------------------------------------------- */

/** Listens, and starts the peer's server; this thread and that one are kept on one core. */
struct net_server *net_start(const struct net_peer *peer, const struct net_plan *plan);

/** The same, on two cores; skips the measurement if there is only one. */
struct net_server *net_start_apart(const struct net_peer *peer, const struct net_plan *plan);

/** A connection, blocking. */
int net_connect(const struct net_server *server);

/** All of the plan's connections. */
int *net_connect_all(const struct net_server *server);

void net_send(int fd, const char *data, size_t size);
void net_receive(int fd, char *memory, size_t size);

/** Sleeps until the server has counted so many. */
void net_await_tally(struct net_server *server, size_t tally);

extern const struct net_peer net_evloop;
extern const struct net_peer net_libuv;
extern const struct net_peer net_libuv_usual;
extern const struct net_peer net_libevent;
extern const struct net_peer net_floor;

extern const struct bench_set echo_set;
extern const struct bench_set flow_set;
extern const struct bench_set small_writes_set;
extern const struct bench_set accept_set;
extern const struct bench_set connection_memory_set;

#endif
