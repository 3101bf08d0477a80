/*
 * Results from worker threads: each thread computes something slow, and hands its result to the
 * loop's thread as a task that is part of the result. Nothing is allocated to hand it over,
 * nothing is locked, and the loop goes on with its other work meanwhile: a timer that ticks until
 * the last result is there.
 */
#define _POSIX_C_SOURCE 200809L

#include <errno.h>
#include <evloop.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define WORKERS 4

struct batch {
    evloop_timer tick; /* keeps the loop alive: a task does so only once it has been submitted */
    unsigned left;
};

struct job {
    evloop_task done;
    evloop *loop;
    struct batch *batch;
    unsigned limit;
    unsigned primes;
};

static void on_tick(evloop_timer *tick)
{
    const struct batch *batch = evloop_container_of(tick, struct batch, tick);
    printf("waiting for %u results\n", batch->left);
}

static void batch_count_down(struct batch *batch)
{
    if (--batch->left == 0)
        evloop_timer_stop(&batch->tick);
}

/* On the loop's thread, once for each job, whose memory is ours from here on. */
static void on_done(evloop_task *task)
{
    struct job *job = evloop_container_of(task, struct job, done);
    printf("%u primes below %u\n", job->primes, job->limit);
    batch_count_down(job->batch);
    free(job);
}

static unsigned count_primes(unsigned limit)
{
    unsigned count = 0;
    for (unsigned n = 2; n < limit; n++) {
        unsigned divisor = 2;
        while (divisor * divisor <= n && n % divisor != 0)
            divisor++;
        count += divisor * divisor > n;
    }
    return count;
}

static void *work(void *arg)
{
    struct job *job = arg;
    job->primes = count_primes(job->limit);
    int err = evloop_submit(job->loop, &job->done, on_done);
    if (err) {
        /*
         * EVLOOP_ECLOSED, in a program that shuts its loop down: nobody will run it, the job is
         * still ours.
         */
        fprintf(stderr, "worker: %s\n", evloop_strerror(err));
        free(job);
    }
    return NULL;
}

/*
 * A job that the loop accepted and will not run any more, since it is destroyed by force after an
 * error.
 */
static void on_discard(evloop_task *task)
{
    free(evloop_container_of(task, struct job, done));
}

static const evloop_task_info job_info = {.name = "job", .discard = on_discard};

/* A thread of its own for one job. Returns 0, or a negative errno. */
static int job_start(evloop *loop, struct batch *batch, unsigned limit, pthread_t *thread)
{
    struct job *job = calloc(1, sizeof *job);
    if (!job)
        return -ENOMEM;
    job->done.info = &job_info;
    job->loop = loop;
    job->batch = batch;
    job->limit = limit;
    int err = pthread_create(thread, NULL, work, job);
    if (err)
        free(job);
    return -err;
}

int main(void)
{
    pthread_t threads[WORKERS];
    unsigned started = 0;
    struct batch batch = {.tick = {.name = "tick"}};
    evloop *loop;
    int err = evloop_create(&loop, NULL);
    if (err) {
        fprintf(stderr, "worker: %s\n", evloop_strerror(err));
        return 1;
    }
    while (!err && started < WORKERS) {
        err = job_start(loop, &batch, 1000000 * (started + 1), &threads[started]);
        started += !err;
    }
    batch.left = started;
    if (!err)
        err = evloop_timer_start(loop, &batch.tick, EVLOOP_MS(100), EVLOOP_MS(100), on_tick);
    if (!err)
        err = evloop_run(loop, EVLOOP_RUN_DEFAULT);
    for (unsigned i = 0; i < started; i++)
        pthread_join(threads[i], NULL);
    int destroyed = evloop_destroy(loop, err ? EVLOOP_DESTROY_FORCE : 0);
    if (!err)
        err = destroyed;
    if (err)
        fprintf(stderr, "worker: %s\n", evloop_strerror(err));
    return err ? 1 : 0;
}
