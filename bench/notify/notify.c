/*
 * notify.c: the table of the systems. libevent has no such object.
 */
#include "notify.h"

static const struct bench_system systems[] = {
    {"evloop", &notify_evloop},
    {"libuv", IF_LIBUV(&notify_libuv)},
    {"libev", IF_LIBEV(&notify_libev)},
};

static const struct bench_case cases[] = {
    {"1", "cpu", "ns", true, 0},
    {"1000", "cpu", "ns", true, 0},
    {"100000", "cpu", "ns", true, 0},
};

#define NOTIFY(i, count)                                                                           \
    {                                                                                              \
        .name = "notify", .cases = &cases[i], .case_count = 1, .run = batch_run,                   \
        .systems = systems, .system_count = BENCH_COUNT(systems), .objects = (count)               \
    }

static const struct bench benches[] = {NOTIFY(0, 1), NOTIFY(1, 1000), NOTIFY(2, 100000)};

const struct bench_set notify_set = BENCH_SET(benches);
