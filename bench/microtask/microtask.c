/*
 * microtask.c: the table of the systems.
 */
#include "microtask.h"

static const struct bench_system burst_systems[] = {
    {"evloop", &microtask_burst_evloop},
    {"libuv", IF_LIBUV(&microtask_burst_libuv)},
    {"libuv-usual", IF_LIBUV(&microtask_burst_libuv_usual)},
    {"libev", IF_LIBEV(&microtask_burst_libev)},
    {"libevent", IF_LIBEVENT(&microtask_burst_libevent)},
};

static const struct bench_system chain_systems[] = {
    {"evloop", &microtask_chain_evloop},
    {"libuv", IF_LIBUV(&microtask_chain_libuv)},
    {"libuv-usual", IF_LIBUV(&microtask_chain_libuv_usual)},
    {"libev", IF_LIBEV(&microtask_chain_libev)},
    {"libevent", IF_LIBEVENT(&microtask_chain_libevent)},
};

static const struct bench_case burst = {"burst", "cpu", "ns", true, 0};
static const struct bench_case chain = {"chain", "cpu", "ns", true, 0};

#define MICROTASK(kind)                                                                            \
    {                                                                                              \
        .name = "microtask", .cases = &kind, .case_count = 1, .run = batch_run,                    \
        .systems = kind##_systems, .system_count = BENCH_COUNT(kind##_systems)                     \
    }

static const struct bench benches[] = {MICROTASK(burst), MICROTASK(chain)};

const struct bench_set microtask_set = BENCH_SET(benches);
