/*
 * evloop.c: each batch is answered by one call.
 */
#include <evloop.h>

#include "udp.h"

static void on_datagrams(evloop_dgram *d, ssize_t n, const evloop_datagram *datagrams)
{
    bench_check((int)n, "receive");
    bench_check(evloop_dgram_try_send(d, datagrams, (size_t)n) == n ? 0 : -1,
                "evloop_dgram_try_send");
}

static void serve(const struct sockaddr_in *address, bool burst)
{
    evloop *loop;
    evloop_dgram server = {0};
    evloop_dgram_options options = evloop_dgram_options_default();
    evloop_address local = evloop_address_from((const struct sockaddr *)address, sizeof *address);

    options.gro = burst;
    bench_check(evloop_create(&loop, NULL), "evloop_create");
    bench_check(evloop_dgram_bind(loop, &server, &local, &options), "evloop_dgram_bind");
    bench_check(evloop_dgram_receive_start(&server, on_datagrams), "evloop_dgram_receive_start");
    udp_bound(evloop_dgram_fd(&server));
    bench_check(evloop_run(loop, EVLOOP_RUN_DEFAULT), "evloop_run");
}

const struct udp_ops udp_evloop = {serve};
