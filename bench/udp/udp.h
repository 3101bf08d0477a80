/*
 * udp.h: a server that sends every datagram back, and a generator on the same core: what the
 * server's thread spends on each datagram, in CPU time.
 *
 *   echo/n   n datagrams of 64 bytes are under way at a time
 *   burst    40 datagrams of 1200 bytes, which the generator sends in one piece; who can takes them
 *            in one piece, and sends them back so (GRO and GSO)
 */
#ifndef BENCH_UDP_H
#define BENCH_UDP_H

#include <netinet/in.h>

#include "../harness/harness.h"

enum { UDP_PLAIN_SIZE = 64, UDP_BURST = 40, UDP_BURST_SIZE = 1200 };

/** One system's side: binds a socket to the address, tells, and echoes for ever. */
struct udp_ops {
    void (*serve)(const struct sockaddr_in *address, bool burst);
};

/** What the server calls when its socket is bound, before it runs: with the socket. */
void udp_bound(int fd);

/** Sends and receives count datagrams, about, so many at a time; how many there were. */
struct udp_generator;
struct udp_generator *udp_generator_open(const struct sockaddr_in *server, size_t window,
                                         bool burst);
size_t udp_generator_run(struct udp_generator *generator, size_t count);

extern const struct udp_ops udp_evloop;
extern const struct udp_ops udp_evloop_send;
extern const struct udp_ops udp_libuv;
extern const struct udp_ops udp_libuv_usual;
extern const struct udp_ops udp_floor;

extern const struct bench_set udp_set;

#endif
