/*
 * accept.c: connections that do not live long: closed at once, or after one answer. The server
 * closes first; the load then resets, so that no port lingers.
 */
#include <string.h>
#include <unistd.h>

#include "net.h"

enum { CONNECTIONS_MAX = 16, MESSAGE = 64 };

struct load {
    const struct net_server *server;
    int fds[CONNECTIONS_MAX];
    char memory[MESSAGE];
};

static int begin(struct load *load)
{
    const struct linger reset = {.l_onoff = 1, .l_linger = 0};
    int fd = net_connect(load->server);

    bench_check(setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset), "SO_LINGER");
    if (load->server->plan.service == NET_ANSWER)
        net_send(fd, load->memory, MESSAGE);
    return fd;
}

static void end(struct load *load, int fd)
{
    if (load->server->plan.service == NET_ANSWER)
        net_receive(fd, load->memory, MESSAGE);
    bench_check(recv(fd, load->memory, MESSAGE, 0) == 0 ? 0 : -1, "the end");
    close(fd);
}

static void batch(void *arg, size_t count)
{
    struct load *load = arg;
    size_t connections = load->server->plan.connections;

    for (; count >= connections; count -= connections) {
        for (size_t i = 0; i < connections; i++)
            load->fds[i] = begin(load);
        for (size_t i = 0; i < connections; i++)
            end(load, load->fds[i]);
    }
}

/* What the benches' `objects` counts. */
static const struct net_plan plans[] = {
    {NET_CLOSE, false, 1, MESSAGE, 1, 0},
    {NET_CLOSE, false, CONNECTIONS_MAX, MESSAGE, 1, 0},
    {NET_ANSWER, false, 1, MESSAGE, 1, 0},
    {NET_ANSWER, false, CONNECTIONS_MAX, MESSAGE, 1, 0},
};

static void accept_run(const struct bench *bench, const void *ops,
                       const struct bench_budget *budget, double *values)
{
    struct load load = {.server = net_start(ops, &plans[bench->objects])};
    const struct batch_work work = {batch, &load, load.server->clock, CONNECTIONS_MAX};

    values[0] = batch_measure(&work, budget) / 1e3;
}

static const struct bench_system systems[] = {
    {"evloop", &net_evloop},         {"epoll", &net_evloop},
    {"libuv", IF_LIBUV(&net_libuv)}, {"libevent", IF_LIBEVENT(&net_libevent)},
    {"floor", IF_LINUX(&net_floor)},
};

/* So many at a time. */
static const struct bench_case cases[] = {
    {"close/1", "cpu", "us", true, 0},
    {"close/16", "cpu", "us", true, 0},
    {"answer-close/1", "cpu", "us", true, 0},
    {"answer-close/16", "cpu", "us", true, 0},
};

#define ACCEPT(i)                                                                                  \
    {                                                                                              \
        .name = "accept", .cases = &cases[i], .case_count = 1, .run = accept_run,                  \
        .systems = systems, .system_count = BENCH_COUNT(systems), .objects = (i)                   \
    }

static const struct bench benches[] = {ACCEPT(0), ACCEPT(1), ACCEPT(2), ACCEPT(3)};

const struct bench_set accept_set = BENCH_SET(benches);
