/*
 * flow.c: one stream in one direction: into a server that throws it away, as fast as it goes; out
 * of one that is asked for half a MiB at a time. More would fill the sockets, and then it is chance
 * which thread pays for the network.
 */
#include "net.h"

enum { PIECE = 256 * 1024, FIRST_BATCH = 16 };

struct load {
    struct net_server *server;
    int fd;
    size_t sent;
    char *memory;
};

static void send_pieces(void *arg, size_t count)
{
    struct load *load = arg;

    for (size_t i = 0; i < count; i++)
        net_send(load->fd, load->memory, PIECE);
    load->sent += count * PIECE;
    net_await_tally(load->server, load->sent);
}

static void receive_blocks(void *arg, size_t count)
{
    struct load *load = arg;

    for (size_t i = 0; i < count; i++) {
        net_send(load->fd, "s", 1);
        net_receive(load->fd, load->memory, NET_BLOCKS * NET_BLOCK);
    }
}

/* What the benches' `objects` counts. */
static const struct net_plan plans[] = {
    {NET_SINK, false, 1, 0, 0, 0},   {NET_SINK, false, 1, 0, 0, PIECE},
    {NET_SINK, true, 1, 0, 0, 0},    {NET_SINK, true, 1, 0, 0, PIECE},
    {NET_SOURCE, false, 1, 0, 0, 0}, {NET_SOURCE, true, 1, 0, 0, 0},
};

static void flow_run(const struct bench *bench, const void *ops, const struct bench_budget *budget,
                     double *values)
{
    const struct net_plan *plan = &plans[bench->objects];
    struct load load = {.server = net_start(ops, plan),
                        .memory = bench_alloc(NET_BLOCKS * NET_BLOCK, 1)};
    size_t size = plan->service == NET_SINK ? PIECE : NET_BLOCKS * NET_BLOCK;
    const struct batch_work work = {plan->service == NET_SINK ? send_pieces : receive_blocks, &load,
                                    load.server->clock, FIRST_BATCH};

    load.fd = net_connect_all(load.server)[0];
    values[0] = batch_measure(&work, budget) / (double)size * 1e3;
}

static const struct bench_system systems[] = {
    {"evloop", &net_evloop},
    {"epoll", &net_evloop},
    {"libuv", IF_LIBUV(&net_libuv)},
    {"libuv-usual", IF_LIBUV(&net_libuv_usual)},
    {"libevent", IF_LIBEVENT(&net_libevent)},
    {"floor", IF_LINUX(&net_floor)},
};

/* 256k: the server reads so much at a time. */
static const struct bench_case cases[] = {
    {"sink/tcp", "cpu", "ms/GB", true, 0},   {"sink/tcp-256k", "cpu", "ms/GB", true, 0},
    {"sink/unix", "cpu", "ms/GB", true, 0},  {"sink/unix-256k", "cpu", "ms/GB", true, 0},
    {"source/tcp", "cpu", "ms/GB", true, 0}, {"source/unix", "cpu", "ms/GB", true, 0},
};

#define FLOW(i)                                                                                    \
    {                                                                                              \
        .name = "flow", .cases = &cases[i], .case_count = 1, .run = flow_run, .systems = systems,  \
        .system_count = BENCH_COUNT(systems), .objects = (i)                                       \
    }

static const struct bench benches[] = {FLOW(0), FLOW(1), FLOW(2), FLOW(3), FLOW(4), FLOW(5)};

const struct bench_set flow_set = BENCH_SET(benches);
