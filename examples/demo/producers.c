/*
 * Threads that post tasks: a burst, a pause, a burst, until the loop's gate is closed. Every
 * other job is a task of our own, the rest are posted; both go through the same queue, so the
 * loop must run them in the order of their sequence numbers.
 *
 * A producer has PRODUCER_WINDOW jobs in flight at most. A job's memory is used again when
 * `executed` says that its callback has begun, at the earliest.
 */
#define _POSIX_C_SOURCE 200809L

#include "demo.h"

#include <errno.h>
#include <stdlib.h>

#define BURST 64
#define PAUSE_NS EVLOOP_MS(1)

static void job_run(const struct job *job)
{
    struct producer *p = job->producer;
    p->disordered += job->sequence != p->expected;
    p->expected = job->sequence + 1;
    /* Release: what this callback has read of the job is read before the producer overwrites it. */
    atomic_fetch_add_explicit(&p->executed, 1, memory_order_release);
}

static void on_task(evloop_task *task)
{
    job_run(evloop_container_of(task, struct job, task));
}

static void on_post(void *arg)
{
    job_run(arg);
}

/* Offers one job. Returns what the loop said. */
static int offer(struct producer *p)
{
    struct job *job = &p->jobs[p->accepted % PRODUCER_WINDOW];
    job->producer = p;
    job->sequence = p->accepted;
    int err = p->accepted % 2 == 0 ? evloop_submit(p->loop, &job->task, on_task)
                                   : evloop_post(p->loop, on_post, job);
    p->accepted += !err;
    return err;
}

static bool window_is_full(struct producer *p)
{
    uint64_t executed = atomic_load_explicit(&p->executed, memory_order_acquire);
    return p->accepted - executed >= PRODUCER_WINDOW;
}

static void *produce(void *arg)
{
    struct producer *p = arg;
    const struct timespec pause = {.tv_nsec = (long)PAUSE_NS};
    while (p->refusal == 0) {
        for (unsigned i = 0; i < BURST && p->refusal == 0 && !window_is_full(p); i++)
            p->refusal = offer(p);
        nanosleep(&pause, NULL);
    }
    return NULL;
}

int producers_start(struct producers *producers, unsigned count, evloop *const *loops,
                    unsigned loop_count)
{
    producers->all = calloc(count, sizeof *producers->all);
    if (!producers->all)
        return -ENOMEM;
    while (producers->count < count) {
        struct producer *p = &producers->all[producers->count];
        p->loop = loops[producers->count % loop_count];
        int err = pthread_create(&p->thread, NULL, produce, p);
        if (err)
            return -err;
        producers->count++;
    }
    return 0;
}

uint64_t producers_executed(const struct producers *producers)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < producers->count; i++)
        sum += atomic_load_explicit(&producers->all[i].executed, memory_order_relaxed);
    return sum;
}

void producers_join(struct producers *producers)
{
    for (unsigned i = 0; i < producers->count; i++)
        pthread_join(producers->all[i].thread, NULL);
}
