/*
 * echo.c: requests and answers. All connections have a request under way at any time; the load
 * takes the answers in turn, and asks again.
 */
#include <string.h>

#include "net.h"

enum { FIRST_BATCH = 16 };

struct load {
    struct net_server *server;
    int *fds;
    size_t size; /* of what is sent in one piece */
    char *request;
    char *answer;
};

/* count requests; those of one piece are not divided. */
static void batch(void *arg, size_t count)
{
    struct load *load = arg;
    size_t connections = load->server->plan.connections;
    size_t pieces = count / load->server->plan.depth;
    size_t first = pieces < connections ? pieces : connections;

    for (size_t i = 0; i < first; i++)
        net_send(load->fds[i], load->request, load->size);
    for (size_t i = 0; i < pieces; i++) {
        int fd = load->fds[i % connections];

        net_receive(fd, load->answer, load->size);
        if (i + connections < pieces)
            net_send(fd, load->request, load->size);
    }
}

/* Each connection has been accepted, and answers what it was asked. */
static void check_all(struct load *load)
{
    for (size_t i = 0; i < load->server->plan.connections; i++) {
        memset(load->answer, 0, load->size);
        net_send(load->fds[i], load->request, load->size);
        net_receive(load->fds[i], load->answer, load->size);
        bench_check(memcmp(load->request, load->answer, load->size) ? -1 : 0, "the answer");
    }
}

static struct load open_load(struct net_server *server)
{
    struct load load = {.server = server, .size = server->plan.message * server->plan.depth};

    load.request = bench_alloc(load.size, 1);
    load.answer = bench_alloc(load.size, 1);
    for (size_t i = 0; i < load.size; i++)
        load.request[i] = (char)(i * 31 + 7);
    load.fds = net_connect_all(server);
    check_all(&load);
    return load;
}

static double measure(struct load *load, clockid_t clock, const struct bench_budget *budget)
{
    size_t all = load->server->plan.connections * load->server->plan.depth;
    const struct batch_work work = {batch, load, clock, all < FIRST_BATCH ? FIRST_BATCH : all};

    return batch_measure(&work, budget);
}

/* What the benches' `objects` counts. */
static const struct net_plan plans[] = {
    {NET_ECHO, false, 1, 64, 1, 0},     {NET_ECHO, false, 8, 64, 1, 0},
    {NET_ECHO, false, 64, 64, 1, 0},    {NET_ECHO, false, 1000, 64, 1, 0},
    {NET_ECHO, false, 1, 4096, 1, 0},   {NET_ECHO, false, 8, 4096, 1, 0},
    {NET_ECHO, false, 64, 4096, 1, 0},  {NET_ECHO, false, 1000, 4096, 1, 0},
    {NET_ECHO, false, 64, 64, 16, 0},   {NET_ECHO, true, 1, 64, 1, 0},
    {NET_ECHO, true, 8, 64, 1, 0},      {NET_ECHO, true, 64, 64, 1, 0},
    {NET_ECHO, true, 1000, 64, 1, 0},   {NET_ECHO, true, 1, 4096, 1, 0},
    {NET_ECHO, true, 8, 4096, 1, 0},    {NET_ECHO, true, 64, 4096, 1, 0},
    {NET_ECHO, true, 1000, 4096, 1, 0}, {NET_ECHO, true, 64, 64, 16, 0},
};

enum { TCP_64_BY_64 = 2, UNIX_64_BY_64 = 11 };

static void echo_run(const struct bench *bench, const void *ops, const struct bench_budget *budget,
                     double *values)
{
    struct load load = open_load(net_start(ops, &plans[bench->objects]));

    values[0] = measure(&load, load.server->clock, budget);
}

static void apart_run(const struct bench *bench, const void *ops, const struct bench_budget *budget,
                      double *values)
{
    struct load load = open_load(net_start_apart(ops, &plans[bench->objects]));

    values[0] = 1e6 / measure(&load, CLOCK_MONOTONIC, budget);
}

static const struct bench_system systems[] = {
    {"evloop", &net_evloop},
    {"epoll", &net_evloop},
    {"libuv", IF_LIBUV(&net_libuv)},
    {"libuv-usual", IF_LIBUV(&net_libuv_usual)},
    {"libevent", IF_LIBEVENT(&net_libevent)},
    {"floor", IF_LINUX(&net_floor)},
};

/* Connections x bytes. */
static const struct bench_case cases[] = {
    {"tcp/1x64", "cpu", "ns", true, 0},        {"tcp/8x64", "cpu", "ns", true, 0},
    {"tcp/64x64", "cpu", "ns", true, 0},       {"tcp/1000x64", "cpu", "ns", true, 0},
    {"tcp/1x4096", "cpu", "ns", true, 0},      {"tcp/8x4096", "cpu", "ns", true, 0},
    {"tcp/64x4096", "cpu", "ns", true, 0},     {"tcp/1000x4096", "cpu", "ns", true, 0},
    {"tcp/64x64-by-16", "cpu", "ns", true, 0}, {"unix/1x64", "cpu", "ns", true, 0},
    {"unix/8x64", "cpu", "ns", true, 0},       {"unix/64x64", "cpu", "ns", true, 0},
    {"unix/1000x64", "cpu", "ns", true, 0},    {"unix/1x4096", "cpu", "ns", true, 0},
    {"unix/8x4096", "cpu", "ns", true, 0},     {"unix/64x4096", "cpu", "ns", true, 0},
    {"unix/1000x4096", "cpu", "ns", true, 0},  {"unix/64x64-by-16", "cpu", "ns", true, 0},
};

static const struct bench_case apart_cases[] = {
    {"tcp/64x64-two-cores", "throughput", "k/s", false, 0},
    {"unix/64x64-two-cores", "throughput", "k/s", false, 0},
};

#define ECHO(i)                                                                                    \
    {                                                                                              \
        .name = "echo", .cases = &cases[i], .case_count = 1, .run = echo_run, .systems = systems,  \
        .system_count = BENCH_COUNT(systems), .objects = (i)                                       \
    }

#define APART(i, plan)                                                                             \
    {                                                                                              \
        .name = "echo", .cases = &apart_cases[i], .case_count = 1, .run = apart_run,               \
        .systems = systems, .system_count = BENCH_COUNT(systems), .objects = (plan)                \
    }

static const struct bench benches[] = {
    ECHO(0),
    ECHO(1),
    ECHO(2),
    ECHO(3),
    ECHO(4),
    ECHO(5),
    ECHO(6),
    ECHO(7),
    ECHO(8),
    ECHO(9),
    ECHO(10),
    ECHO(11),
    ECHO(12),
    ECHO(13),
    ECHO(14),
    ECHO(15),
    ECHO(16),
    ECHO(17),
    APART(0, TCP_64_BY_64),
    APART(1, UNIX_64_BY_64),
};

const struct bench_set echo_set = BENCH_SET(benches);
