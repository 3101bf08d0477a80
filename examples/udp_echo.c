/*
 * A UDP echo server: evloop-udp-echo [address], then "nc -u 127.0.0.1 7000" talks to it. SIGINT or
 * SIGTERM ends it, and it says how large the batches were.
 *
 * All datagrams that have come are one array, and one call answers it as it is: each goes back to
 * where it came from, from the address that it was sent to, and what the system has joined goes
 * back joined. An answer for which there is no room in the kernel is lost, as the network loses
 * them: to keep it, for a while, is what evloop_dgram_send() is for.
 */
#include <evloop.h>
#include <signal.h>
#include <stdio.h>

static struct counters {
    size_t datagrams;
    size_t batches;
    size_t lost;
} counters;

static evloop_dgram server;
static evloop_notify end;

/* Several datagrams may have come in one piece. */
static size_t count_in(const evloop_datagram *datagram)
{
    size_t each = datagram->segment_size;
    return each ? (datagram->size + each - 1) / each : 1;
}

static void on_datagrams(evloop_dgram *d, ssize_t n, const evloop_datagram *datagrams)
{
    if (n < 0) /* the word of a router about an answer: somebody has gone */
        return;
    ssize_t sent = evloop_dgram_try_send(d, datagrams, (size_t)n);
    counters.batches++;
    for (ssize_t i = 0; i < n; i++) {
        counters.datagrams += count_in(&datagrams[i]);
        counters.lost += i >= sent ? count_in(&datagrams[i]) : 0;
    }
}

static void on_signal(int number)
{
    (void)number;
    evloop_notify_send(&end);
}

static void on_end(evloop_notify *notify)
{
    evloop_dgram_close(&server, NULL);
    evloop_notify_stop(notify);
}

static int run(evloop *loop, const char *address)
{
    char text[EVLOOP_ADDRESS_TEXT];
    evloop_address local;
    evloop_dgram_options options = evloop_dgram_options_default();
    options.receive_local = true;
    options.gro = true;
    int err = evloop_udp_bind(loop, &server, address, &options);
    if (!err)
        err = evloop_dgram_receive_start(&server, on_datagrams);
    if (!err)
        err = evloop_notify_start(loop, &end, on_end);
    if (!err)
        err = evloop_dgram_local(&server, &local);
    if (err)
        return err;
    signal(SIGINT, on_signal);
    signal(SIGTERM, on_signal);
    printf("listening on %s\n", evloop_address_format(&local, text, sizeof text));
    fflush(stdout);
    return evloop_run(loop, EVLOOP_RUN_DEFAULT);
}

int main(int argc, char **argv)
{
    evloop *loop;
    int err = evloop_create(&loop, NULL);
    if (!err)
        err = run(loop, argc > 1 ? argv[1] : ":7000");
    if (err) {
        fprintf(stderr, "udp-echo: %s\n", evloop_strerror(err));
        return 1;
    }
    printf("%zu datagrams in %zu batches; %zu answers were lost\n", counters.datagrams,
           counters.batches, counters.lost);
    return evloop_destroy(loop, 0) ? 1 : 0;
}
