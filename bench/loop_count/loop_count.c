/*
 * loop_count.c: the pipe, and the table of the systems.
 */
#include "loop_count.h"

#include <unistd.h>

int quiet_pipe(const struct bench *bench)
{
    int fds[2];

    if (bench->objects == 0)
        return -1;
    bench_check(pipe(fds), "pipe");
    return fds[0];
}

static const struct bench_system systems[] = {
    {"evloop", &loop_count_evloop},         {"libuv", IF_LIBUV(&loop_count_libuv)},
    {"libev", IF_LIBEV(&loop_count_libev)}, {"libevent", IF_LIBEVENT(&loop_count_libevent)},
    {"floor", IF_LINUX(&loop_count_floor)},
};

static const struct bench_case cases[] = {
    {"empty", "throughput", "M/s", false, 0},
    {"one-watch", "throughput", "M/s", false, 0},
};

#define LOOP_COUNT(i)                                                                              \
    {                                                                                              \
        .name = "loop_count", .cases = &cases[i], .case_count = 1, .run = batch_run_rate,          \
        .systems = systems, .system_count = BENCH_COUNT(systems), .objects = (i)                   \
    }

static const struct bench benches[] = {LOOP_COUNT(0), LOOP_COUNT(1)};

const struct bench_set loop_count_set = BENCH_SET(benches);
