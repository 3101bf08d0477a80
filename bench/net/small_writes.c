/*
 * small_writes.c: a thousand writes of thirteen bytes on one stream, in one turn of the loop.
 */
#include "net.h"

enum { ALL = NET_PIECES * NET_PIECE };

struct load {
    int fd;
    char *memory;
};

/* count writes: so many thousands of them are asked for one after the other. */
static void batch(void *arg, size_t count)
{
    struct load *load = arg;

    for (size_t i = 0; i < count / NET_PIECES; i++) {
        net_send(load->fd, "w", 1);
        net_receive(load->fd, load->memory, ALL);
    }
}

/* What the benches' `objects` counts. */
static const struct net_plan plans[] = {
    {NET_SMALL_WRITES, false, 1, 0, 0, 0},
    {NET_SMALL_SENDS, false, 1, 0, 0, 0},
};

static void small_writes_run(const struct bench *bench, const void *ops,
                             const struct bench_budget *budget, double *values)
{
    struct net_server *server = net_start(ops, &plans[bench->objects]);
    struct load load = {.fd = net_connect_all(server)[0], .memory = bench_alloc(ALL, 1)};
    const struct batch_work work = {batch, &load, server->clock, NET_PIECES};

    values[0] = batch_measure(&work, budget);
}

static const struct bench_system systems[] = {
    {"evloop", &net_evloop},
    {"epoll", &net_evloop},
    {"libuv", IF_LIBUV(&net_libuv)},
    {"libuv-usual", IF_LIBUV(&net_libuv_usual)},
    {"libevent", IF_LIBEVENT(&net_libevent)},
    {"floor", IF_LINUX(&net_floor)},
};

static const struct bench_case cases[] = {
    {"write", "cpu", "ns", true, 0},
    {"send", "cpu", "ns", true, 0},
};

#define SMALL_WRITES(i)                                                                            \
    {                                                                                              \
        .name = "small-writes", .cases = &cases[i], .case_count = 1, .run = small_writes_run,      \
        .systems = systems, .system_count = BENCH_COUNT(systems), .objects = (i)                   \
    }

static const struct bench benches[] = {SMALL_WRITES(0), SMALL_WRITES(1)};

const struct bench_set small_writes_set = BENCH_SET(benches);
