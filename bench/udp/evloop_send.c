/*
 * evloop_send.c: each datagram is answered by itself, with a copy; they leave together.
 */
#include <evloop.h>

#include "udp.h"

static void on_datagrams(evloop_dgram *d, ssize_t n, const evloop_datagram *datagrams)
{
    bench_check((int)n, "receive");
    for (ssize_t i = 0; i < n; i++) {
        const evloop_datagram *one = &datagrams[i];

        if (one->segment_size)
            bench_check(
                evloop_dgram_send_segments(d, one->data, one->size, one->segment_size, one->peer),
                "evloop_dgram_send_segments");
        else
            bench_check(evloop_dgram_send(d, one->data, one->size, one->peer), "evloop_dgram_send");
    }
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

const struct udp_ops udp_evloop_send = {serve};
