/*
 * program.c: evloop-instructions CASE COUNT: does one thing COUNT times, with the code that the
 * timed benchmarks use. Valgrind counts what happens inside measured() and nothing else.
 */
#include <evloop.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../dispatch/dispatch.h"
#include "../harness/clock.h"
#include "../harness/random.h"
#include "../microtask/microtask.h"
#include "../post/post.h"
#include "../timers/timers.h"
#include "measured.h"

/* One round before, so that all memory is there and every symbol bound. */
static void measure_batch(const struct batch_ops *ops, size_t count)
{
    void *self = ops->open(NULL);

    ops->batch(self, UNCONTENDED_BURST);
    measured(ops->batch, self, count);
}

static void submit(size_t count)
{
    measure_batch(&uncontended_evloop_submit, count);
}

static void post(size_t count)
{
    measure_batch(&uncontended_evloop_post, count);
}

static void microtask(size_t count)
{
    measure_batch(&microtask_burst_evloop, count);
}

/* Ten of a thousand watched pipes stay readable: ten events in each turn. */
struct ready {
    struct pipes pipes;
    evloop *loop;
    evloop_watch *watches;
    size_t left;
};

static void on_ready(evloop_watch *watch, unsigned events)
{
    struct ready *self = watch->data;

    (void)events;
    if (--self->left == 0)
        evloop_stop(self->loop);
}

static void run_events(void *arg, size_t count)
{
    struct ready *self = arg;

    self->left = count;
    bench_check(evloop_run(self->loop, EVLOOP_RUN_DEFAULT), "evloop_run");
}

static void dispatch(size_t count)
{
    const struct bench shape = {.objects = 1000, .active = 10};
    struct ready self = {.left = 0};

    pipes_open(&self.pipes, &shape);
    pipes_begin(&self.pipes, shape.active);
    bench_check(evloop_create(&self.loop, NULL), "evloop_create");
    self.watches = bench_alloc(shape.objects, sizeof *self.watches);
    for (size_t i = 0; i < shape.objects; i++) {
        self.watches[i].data = &self;
        bench_check(evloop_watch_start(self.loop, &self.watches[i], self.pipes.ends[i].reader,
                                       EVLOOP_READABLE, on_ready),
                    "evloop_watch_start");
    }
    run_events(&self, 1000);
    measured(run_events, &self, count);
}

/* A request of 64 bytes on each of ten streams, and its answer, in each turn. */
enum { ECHO_STREAMS = 10, ECHO_SIZE = 64 };

struct echoes {
    evloop *loop;
    evloop_stream streams[ECHO_STREAMS];
    int clients[ECHO_STREAMS];
};

static void on_request(evloop_stream *stream, ssize_t n, const void *data)
{
    bench_check((int)n, "reading");
    bench_check(evloop_stream_send(stream, data, (size_t)n), "evloop_stream_send");
}

static void run_turn(void *arg, size_t count)
{
    struct echoes *self = arg;

    (void)count;
    bench_check(evloop_run(self->loop, EVLOOP_RUN_NOWAIT), "evloop_run");
}

static void transfer_all(struct echoes *self, bool in)
{
    char bytes[ECHO_SIZE] = {0};

    for (size_t i = 0; i < ECHO_STREAMS; i++) {
        ssize_t n = in ? recv(self->clients[i], bytes, ECHO_SIZE, MSG_DONTWAIT)
                       : send(self->clients[i], bytes, ECHO_SIZE, MSG_DONTWAIT);

        bench_check(n == ECHO_SIZE ? 0 : -1, "the client");
    }
}

/*
 * A turn sends the answers to the requests of the turn before. Nothing waits: if an answer is not
 * there, it fails.
 */
static void echo(size_t count)
{
    static struct echoes self;

    bench_check(evloop_create(&self.loop, NULL), "evloop_create");
    for (size_t i = 0; i < ECHO_STREAMS; i++) {
        bench_check(evloop_stream_pair(self.loop, &self.streams[i], &self.clients[i]),
                    "evloop_stream_pair");
        bench_check(evloop_stream_read_start(&self.streams[i], on_request),
                    "evloop_stream_read_start");
    }
    transfer_all(&self, false);
    run_turn(&self, 1);
    for (size_t i = 0; i < count / ECHO_STREAMS; i++) {
        transfer_all(&self, false);
        measured(run_turn, &self, 1);
        transfer_all(&self, true);
    }
}

/* Timers as in the timed benchmark, in batches. */
struct timer_plan {
    void *timers;
    uint32_t *far_us;
    uint32_t *near_us;
    uint32_t *order;
};

enum { FAR_US = 10000000, NEAR_US = 20000 };

static struct timer_plan plan_timers(size_t count)
{
    struct random random = random_seed();
    struct timer_plan plan = {
        .timers = timers_evloop.open(count),
        .far_us = bench_alloc(count, sizeof(uint32_t)),
        .near_us = bench_alloc(count, sizeof(uint32_t)),
        .order = bench_alloc(count, sizeof(uint32_t)),
    };

    for (size_t i = 0; i < count; i++) {
        size_t j = random_between(&random, 0, (uint32_t)i);

        plan.far_us[i] = random_between(&random, FAR_US, 7 * FAR_US);
        plan.near_us[i] = random_between(&random, 1, NEAR_US);
        plan.order[i] = plan.order[j];
        plan.order[j] = (uint32_t)i;
    }
    timers_evloop.start(plan.timers, plan.far_us);
    timers_evloop.stop(plan.timers);
    return plan;
}

static void start_timers(void *self, size_t count)
{
    struct timer_plan *plan = self;

    (void)count;
    timers_evloop.start(plan->timers, plan->far_us);
}

static void restart_timers(void *self, size_t count)
{
    struct timer_plan *plan = self;

    (void)count;
    timers_evloop.restart(plan->timers, plan->order, plan->far_us);
}

static void stop_timers(void *self, size_t count)
{
    struct timer_plan *plan = self;

    (void)count;
    timers_evloop.stop(plan->timers);
}

static void expire_timers(void *self, size_t count)
{
    struct timer_plan *plan = self;

    (void)count;
    timers_evloop.expire(plan->timers);
}

static void timer_start(size_t count)
{
    struct timer_plan plan = plan_timers(count);

    measured(start_timers, &plan, count);
}

static void timer_restart(size_t count)
{
    struct timer_plan plan = plan_timers(count);

    start_timers(&plan, count);
    measured(restart_timers, &plan, count);
}

static void timer_stop(size_t count)
{
    struct timer_plan plan = plan_timers(count);

    start_timers(&plan, count);
    measured(stop_timers, &plan, count);
}

static void timer_expire(size_t count)
{
    struct timer_plan plan = plan_timers(count);

    timers_evloop.start(plan.timers, plan.near_us);
    clock_spin_ns(2 * EVLOOP_US(NEAR_US));
    measured(expire_timers, &plan, count);
}

struct operation {
    const char *name;
    void (*run)(size_t count);
};

static const struct operation operations[] = {
    {"submit", submit},
    {"post", post},
    {"microtask", microtask},
    {"dispatch", dispatch},
    {"echo", echo},
    {"timer-start", timer_start},
    {"timer-restart", timer_restart},
    {"timer-stop", timer_stop},
    {"timer-expire", timer_expire},
};

int main(int argc, char **argv)
{
    size_t count = argc == 3 ? strtoul(argv[2], NULL, 10) : 0;

    for (size_t i = 0; count > 0 && i < BENCH_COUNT(operations); i++)
        if (strcmp(argv[1], operations[i].name) == 0) {
            operations[i].run(count);
            return 0;
        }
    fputs("usage: evloop-instructions CASE COUNT, with CASE one of", stderr);
    for (size_t i = 0; i < BENCH_COUNT(operations); i++)
        fprintf(stderr, " %s", operations[i].name);
    fputs("\n", stderr);
    return 2;
}
