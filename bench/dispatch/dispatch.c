/*
 * dispatch.c: the table of the systems.
 */
#include "dispatch.h"

static const struct bench_system systems[] = {
    {"evloop", &dispatch_evloop},         {"libuv", IF_LIBUV(&dispatch_libuv)},
    {"libev", IF_LIBEV(&dispatch_libev)}, {"libevent", IF_LIBEVENT(&dispatch_libevent)},
    {"floor", IF_LINUX(&dispatch_floor)},
};

static const struct bench_case cases[] = {
    {"100/1", "cpu", "ns", true, 0},
    {"1000/10", "cpu", "ns", true, 0},
    {"1000/100", "cpu", "ns", true, 0},
};

#define DISPATCH(i, count, busy)                                                                   \
    {                                                                                              \
        .name = "dispatch", .cases = &cases[i], .case_count = 1, .run = batch_run,                 \
        .systems = systems, .system_count = BENCH_COUNT(systems), .objects = (count),              \
        .active = (busy)                                                                           \
    }

static const struct bench benches[] = {
    DISPATCH(0, 100, 1),
    DISPATCH(1, 1000, 10),
    DISPATCH(2, 1000, 100),
};

const struct bench_set dispatch_set = BENCH_SET(benches);
