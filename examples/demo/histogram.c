/*
 * A histogram with logarithmic buckets: each power of two is cut into HISTOGRAM_STEPS equal ones,
 * so that a bucket is never wider than 1/16 of what it counts.
 */
#define _POSIX_C_SOURCE 200809L

#include "demo.h"

static unsigned bucket_of(uint64_t duration_ns)
{
    if (duration_ns < HISTOGRAM_STEPS)
        return (unsigned)duration_ns;
    unsigned shift = 0;
    while (duration_ns >> shift >= 2 * (uint64_t)HISTOGRAM_STEPS)
        shift++;
    uint64_t bucket = shift * (uint64_t)HISTOGRAM_STEPS + (duration_ns >> shift);
    return bucket < HISTOGRAM_SIZE ? (unsigned)bucket : HISTOGRAM_SIZE - 1;
}

/* The largest duration that falls into the bucket. */
static uint64_t bucket_end(unsigned bucket)
{
    if (bucket < 2 * HISTOGRAM_STEPS)
        return bucket;
    unsigned shift = bucket / HISTOGRAM_STEPS - 1;
    uint64_t step = bucket % HISTOGRAM_STEPS + HISTOGRAM_STEPS;
    return ((step + 1) << shift) - 1;
}

void histogram_add(struct histogram *histogram, uint64_t duration_ns)
{
    histogram->counts[bucket_of(duration_ns)]++;
    histogram->total++;
}

void histogram_merge(struct histogram *sum, const struct histogram *other)
{
    for (unsigned i = 0; i < HISTOGRAM_SIZE; i++)
        sum->counts[i] += other->counts[i];
    sum->total += other->total;
}

double histogram_percentile_us(const struct histogram *histogram, double percent)
{
    double wanted = (double)histogram->total * percent / 100;
    uint64_t seen = 0;
    if (histogram->total == 0)
        return 0;
    for (unsigned i = 0; i < HISTOGRAM_SIZE; i++) {
        seen += histogram->counts[i];
        if ((double)seen >= wanted)
            return (double)bucket_end(i) / 1000;
    }
    return (double)bucket_end(HISTOGRAM_SIZE - 1) / 1000;
}
