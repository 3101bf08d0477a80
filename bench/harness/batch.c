/*
 * batch.c: finds a batch that is long enough for the clock, and repeats it within the budget. The
 * median of the batches counts: one that another program's interrupt fell into does not.
 */
#include "batch.h"

#include "clock.h"

enum { FIRST_BATCH = 16, BATCHES_A_BUDGET = 16, BATCHES_MAX = 4 * BATCHES_A_BUDGET };

static uint64_t timed(const struct batch_work *work, size_t count)
{
    uint64_t begin_ns = clock_ns(work->clock);

    work->batch(work->self, count);
    return clock_ns(work->clock) - begin_ns;
}

/* The batches on the way there warm caches and branches, and do not count. */
static size_t find_batch(const struct batch_work *work, const struct bench_budget *budget)
{
    size_t batch = work->first;

    while (batch < budget->count / BATCHES_A_BUDGET &&
           timed(work, batch) < budget->time_ns / BATCHES_A_BUDGET)
        batch *= 2;
    return batch;
}

double batch_measure(const struct batch_work *work, const struct bench_budget *budget)
{
    size_t batch = find_batch(work, budget);
    double each_ns[BATCHES_MAX];
    uint64_t all_ns = 0;
    size_t batches = 0;

    while (batches == 0 ||
           (batches < BATCHES_MAX && all_ns < budget->time_ns && batches * batch < budget->count)) {
        uint64_t spent_ns = timed(work, batch);

        each_ns[batches++] = (double)spent_ns / (double)batch;
        all_ns += spent_ns;
    }
    return bench_median(each_ns, batches);
}

void batch_run(const struct bench *bench, const void *ops, const struct bench_budget *budget,
               double *values)
{
    const struct batch_ops *system = ops;
    const struct batch_work work = {system->batch, system->open(bench), CLOCK_THREAD_CPUTIME_ID,
                                    FIRST_BATCH};

    values[0] = batch_measure(&work, budget);
}

void batch_run_rate(const struct bench *bench, const void *ops, const struct bench_budget *budget,
                    double *values)
{
    batch_run(bench, ops, budget, values);
    values[0] = 1e3 / values[0];
}
