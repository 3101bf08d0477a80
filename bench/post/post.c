/*
 * post.c: producers and their loop, from the moment that all are ready until the last item has run.
 */
#include "post.h"

#include <pthread.h>

#include "../harness/clock.h"

enum { PRODUCERS_MAX = 4, PASSES = 5 };

/* An item that is posted has memory of its own, so that there are fewer than a batch may repeat. */
enum { BATCHED_TO_POSTED = 32 };

struct crowd {
    const struct post_ops *ops;
    void *self;
    size_t share; /* of each producer */
    pthread_barrier_t ready;
};

struct producer {
    struct crowd *crowd;
    unsigned index;
    uint64_t begin_ns;
    pthread_t thread;
};

static void *produce(void *arg)
{
    struct producer *producer = arg;
    struct crowd *crowd = producer->crowd;

    pthread_barrier_wait(&crowd->ready);
    producer->begin_ns = clock_wall_ns();
    crowd->ops->produce(crowd->self, producer->index, crowd->share);
    return NULL;
}

/* From the first thread that is on its way: the one that runs the loop may be late itself. */
static uint64_t timed_pass(struct crowd *crowd, unsigned producers)
{
    struct producer all[PRODUCERS_MAX];
    uint64_t begin_ns;
    uint64_t end_ns;

    pthread_barrier_init(&crowd->ready, NULL, producers + 1);
    for (unsigned i = 0; i < producers; i++) {
        all[i] = (struct producer){.crowd = crowd, .index = i};
        bench_check(-pthread_create(&all[i].thread, NULL, produce, &all[i]), "pthread_create");
    }
    pthread_barrier_wait(&crowd->ready);
    begin_ns = clock_wall_ns();
    crowd->ops->consume(crowd->self, crowd->share * producers);
    end_ns = clock_wall_ns();
    for (unsigned i = 0; i < producers; i++) {
        pthread_join(all[i].thread, NULL);
        begin_ns = all[i].begin_ns < begin_ns ? all[i].begin_ns : begin_ns;
    }
    pthread_barrier_destroy(&crowd->ready);
    return end_ns - begin_ns;
}

/* The first pass touches memory and starts the loop; of the others the median counts. */
static void post_run(const struct bench *bench, const void *ops, const struct bench_budget *budget,
                     double *values)
{
    unsigned producers = (unsigned)bench->active;
    struct crowd crowd = {.ops = ops, .share = budget->count / BATCHED_TO_POSTED / producers};
    double passes[PASSES];

    crowd.self = crowd.ops->open(crowd.share * producers, producers);
    timed_pass(&crowd, producers);
    for (size_t i = 0; i < PASSES; i++)
        passes[i] = (double)(crowd.share * producers) / (double)timed_pass(&crowd, producers);
    values[0] = bench_median(passes, PASSES) * 1e3;
}

static const struct bench_system submit_systems[] = {
    {"evloop", &post_evloop_submit},
    {"libuv", IF_LIBUV(&post_libuv)},
    {"libuv-usual", IF_LIBUV(&post_libuv_usual)},
};

static const struct bench_system post_systems[] = {
    {"evloop", &post_evloop_post},
    {"libuv", IF_LIBUV(&post_libuv)},
    {"libuv-usual", IF_LIBUV(&post_libuv_usual)},
};

static const struct bench_system uncontended_submit_systems[] = {
    {"evloop", &uncontended_evloop_submit},
    {"libuv", IF_LIBUV(&uncontended_libuv)},
    {"libuv-usual", IF_LIBUV(&uncontended_libuv_usual)},
    {"floor", &uncontended_floor},
};

static const struct bench_system uncontended_post_systems[] = {
    {"evloop", &uncontended_evloop_post},
    {"libuv", IF_LIBUV(&uncontended_libuv)},
    {"libuv-usual", IF_LIBUV(&uncontended_libuv_usual)},
    {"floor", &uncontended_floor},
};

static const struct bench_case uncontended_submit = {"uncontended/submit", "cpu", "ns", true, 0};
static const struct bench_case uncontended_post = {"uncontended/post", "cpu", "ns", true, 0};
static const struct bench_case submit_cases[] = {
    {"submit/1", "throughput", "M/s", false, 0},
    {"submit/2", "throughput", "M/s", false, 0},
    {"submit/4", "throughput", "M/s", false, 0},
};
static const struct bench_case post_cases[] = {
    {"post/1", "throughput", "M/s", false, 0},
    {"post/2", "throughput", "M/s", false, 0},
    {"post/4", "throughput", "M/s", false, 0},
};

#define UNCONTENDED(kind)                                                                          \
    {                                                                                              \
        .name = "post", .cases = &uncontended_##kind, .case_count = 1, .run = batch_run,           \
        .systems = uncontended_##kind##_systems,                                                   \
        .system_count = BENCH_COUNT(uncontended_##kind##_systems)                                  \
    }
#define CONTENDED(kind, i, producers)                                                              \
    {                                                                                              \
        .name = "post", .cases = &kind##_cases[i], .case_count = 1, .run = post_run,               \
        .systems = kind##_systems, .system_count = BENCH_COUNT(kind##_systems),                    \
        .active = (producers)                                                                      \
    }

static const struct bench benches[] = {
    UNCONTENDED(submit),     UNCONTENDED(post),       CONTENDED(submit, 0, 1),
    CONTENDED(submit, 1, 2), CONTENDED(submit, 2, 4), CONTENDED(post, 0, 1),
    CONTENDED(post, 1, 2),   CONTENDED(post, 2, 4),
};

const struct bench_set post_set = BENCH_SET(benches);
