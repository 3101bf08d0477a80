/*
 * connection_memory.c: what a server asks the allocator for, for each connection that is open and
 * silent; the object that stands for it is included, wherever it lies. The other ends are in a
 * process of their own, so that both have descriptors enough.
 */
#include <unistd.h>

#include "../memory/memory.h"
#include "net.h"

/* Stays as long as the pipe is open: until this process ends. */
static void connect_in_child(const struct net_server *server)
{
    int ends[2];
    char byte;
    pid_t pid;

    bench_check(pipe(ends), "pipe");
    pid = fork();
    bench_check(pid, "fork");
    if (pid == 0) {
        close(ends[1]);
        net_connect_all(server);
        _exit(read(ends[0], &byte, 1) < 0);
    }
    close(ends[0]);
}

static void connection_memory_run(const struct bench *bench, const void *ops,
                                  const struct bench_budget *budget, double *values)
{
    const struct net_plan plan = {NET_IDLE, false, bench->objects, 1, 1, 0};
    struct net_server *server = net_start(ops, &plan);
    size_t before;
    int first = net_connect(server);

    (void)budget;
    (void)first;
    net_await_tally(server, 1);
    before = counting_bytes();
    connect_in_child(server);
    net_await_tally(server, 1 + bench->objects);
    values[0] = (double)(counting_bytes() - before) / (double)bench->objects;
}

static const struct bench_system systems[] = {
    {"evloop", &net_evloop},
    {"epoll", &net_evloop},
    {"libuv", IF_LIBUV(&net_libuv)},
    {"libevent", IF_LIBEVENT(&net_libevent)},
};

static const struct bench_case cases[] = {
    {"connection/1000", "memory", "bytes", true, 0},
    {"connection/10000", "memory", "bytes", true, 0},
};

#define CONNECTION_MEMORY(i, count)                                                                \
    {                                                                                              \
        .name = "memory", .cases = &cases[i], .case_count = 1, .run = connection_memory_run,       \
        .exact = true, .systems = systems, .system_count = BENCH_COUNT(systems),                   \
        .objects = (count)                                                                         \
    }

static const struct bench benches[] = {CONNECTION_MEMORY(0, 1000), CONNECTION_MEMORY(1, 10000)};

const struct bench_set connection_memory_set = BENCH_SET(benches);
