/*
 * timers.c: the plan that all systems get, and the clock around each batch.
 */
#include "timers.h"

#include "../harness/clock.h"
#include "../harness/random.h"

enum { SECOND_US = 1000000 };

struct plan {
    uint32_t *first_us;
    uint32_t *second_us;
    uint32_t *short_us;
    uint32_t *order;
    uint32_t longest_short_us;
};

static uint32_t *delays(struct random *random, size_t count, uint32_t low_us, uint32_t high_us)
{
    uint32_t *all = bench_alloc(count, sizeof *all);

    for (size_t i = 0; i < count; i++)
        all[i] = random_between(random, low_us, high_us);
    return all;
}

static uint32_t *permutation(struct random *random, size_t count)
{
    uint32_t *all = bench_alloc(count, sizeof *all);

    for (size_t i = 0; i < count; i++) {
        size_t j = random_between(random, 0, (uint32_t)i);

        all[i] = all[j];
        all[j] = (uint32_t)i;
    }
    return all;
}

static struct plan make_plan(size_t count)
{
    struct random random = random_seed();
    uint32_t window_us = count > 100000 ? 400000 : 20000;

    return (struct plan){
        .first_us = delays(&random, count, 10 * SECOND_US, 70 * SECOND_US),
        .second_us = delays(&random, count, 10 * SECOND_US, 70 * SECOND_US),
        .short_us = delays(&random, count, 1000, window_us),
        .order = permutation(&random, count),
        .longest_short_us = window_us,
    };
}

static double each_ns(uint64_t *begin_ns, size_t count)
{
    uint64_t now_ns = clock_cpu_ns();
    double each = (double)(now_ns - *begin_ns) / (double)count;

    *begin_ns = clock_cpu_ns();
    return each;
}

/* The first start and stop let every system have its memory before the clock is looked at. */
static void timers_run(const struct bench *bench, const void *ops_,
                       const struct bench_budget *budget, double *values)
{
    const struct timers_ops *ops = ops_;
    size_t count = bench->objects;
    struct plan plan = make_plan(count);
    void *self = ops->open(count);
    uint64_t begin_ns;

    (void)budget;
    ops->start(self, plan.first_us);
    ops->stop(self);

    begin_ns = clock_cpu_ns();
    ops->start(self, plan.first_us);
    values[0] = each_ns(&begin_ns, count);
    ops->restart(self, plan.order, plan.second_us);
    values[1] = each_ns(&begin_ns, count);
    ops->stop(self);
    values[2] = each_ns(&begin_ns, count);

    ops->start(self, plan.short_us);
    clock_spin_ns((uint64_t)(plan.longest_short_us + 5000) * 1000);
    begin_ns = clock_cpu_ns();
    ops->expire(self);
    values[3] = each_ns(&begin_ns, count);
}

static const struct bench_system systems[] = {
    {"evloop", &timers_evloop},
    {"libuv", IF_LIBUV(&timers_libuv)},
    {"libev", IF_LIBEV(&timers_libev)},
    {"libevent", IF_LIBEVENT(&timers_libevent)},
};

static const struct bench_case cases_10k[] = {
    {"10k/start", "cpu", "ns", true, 0},
    {"10k/restart", "cpu", "ns", true, 0},
    {"10k/stop", "cpu", "ns", true, 0},
    {"10k/expire", "cpu", "ns", true, 0},
};
static const struct bench_case cases_1M[] = {
    {"1M/start", "cpu", "ns", true, 0},
    {"1M/restart", "cpu", "ns", true, 0},
    {"1M/stop", "cpu", "ns", true, 0},
    {"1M/expire", "cpu", "ns", true, 0},
};

#define TIMERS(kind, count)                                                                        \
    {                                                                                              \
        .name = "timers", .cases = cases_##kind, .case_count = BENCH_COUNT(cases_##kind),          \
        .run = timers_run, .systems = systems, .system_count = BENCH_COUNT(systems),               \
        .objects = (count)                                                                         \
    }

static const struct bench benches[] = {TIMERS(10k, 10000), TIMERS(1M, 1000000)};

const struct bench_set timers_set = BENCH_SET(benches);
