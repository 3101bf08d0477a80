/*
 * generator_none.c: for systems without batches of messages.
 */
#include "udp.h"

struct udp_generator *udp_generator_open(const struct sockaddr_in *server, size_t window,
                                         bool burst)
{
    (void)server;
    (void)window;
    (void)burst;
    bench_skip("no batches of messages here");
}

size_t udp_generator_run(struct udp_generator *generator, size_t count)
{
    (void)generator;
    return count;
}
