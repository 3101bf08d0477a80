/*
 * sleep.c: work that is offered just as the loop goes to sleep; how many wakes it costs.
 */
#include "support.h"

#include <sched.h>
#include <stdatomic.h>

static void on_never(evloop_timer *timer)
{
    (void)timer;
}

/* Nothing of it is a threshold: it only spreads the offers over the moments around the sleep. */
static void dawdle(uint64_t *seed)
{
    for (volatile uint64_t i = chance(seed) % 3000; i; i--)
        continue;
}

/* ---- the edge of sleep ----------------------------------------------------------------------- */

enum kind { SUBMIT, URGENT, POST, MICROTASK, NOTIFY };

static struct {
    evloop *loop;
    enum kind kind;
    unsigned rounds;
    evloop_task task;
    evloop_notify notify;
    atomic_uint done;
} edge;

static void edge_reached(void)
{
    unsigned done = atomic_load(&edge.done) + 1;
    if (done == edge.rounds)
        evloop_stop(edge.loop);
    atomic_store(&edge.done, done);
}

static void on_task(evloop_task *task)
{
    (void)task;
    edge_reached();
}

static void on_fn(void *arg)
{
    (void)arg;
    edge_reached();
}

static void on_notify(evloop_notify *notify)
{
    (void)notify;
    edge_reached();
}

static int offer(void)
{
    switch (edge.kind) {
    case SUBMIT:
        return evloop_submit(edge.loop, &edge.task, on_task);
    case URGENT:
        return evloop_submit_urgent(edge.loop, &edge.task, on_task);
    case POST:
        return evloop_post(edge.loop, on_fn, NULL);
    case MICROTASK:
        return evloop_microtask(edge.loop, on_fn, NULL);
    case NOTIFY:
        return evloop_notify_send(&edge.notify);
    }
    return -EINVAL;
}

static void *offers_one_at_a_time(void *arg)
{
    uint64_t seed = 1;
    for (unsigned i = 0; i < edge.rounds; i++) {
        check(offer() == 0);
        wait_until(atomic_load(&edge.done) == i + 1);
        dawdle(&seed);
    }
    return arg;
}

static void offer_at_the_edge_of_sleep(enum kind kind, uint64_t spin_ns)
{
    pthread_t thread;
    evloop_timer keeper = {0};
    evloop_options options = evloop_options_small();
    options.spin_ns = spin_ns;
    memset(&edge, 0, sizeof edge);
    edge.kind = kind;
    edge.rounds = (unsigned)scaled(15000);
    edge.loop = loop_new_with(options);
    evloop_timer_start(edge.loop, &keeper, EVLOOP_SEC(36000), 0, on_never);
    evloop_notify_start(edge.loop, &edge.notify, on_notify);
    thread_start(&thread, offers_one_at_a_time, NULL);
    loop_run(edge.loop);
    thread_join(thread);
    assert_int_equal(edge.done, edge.rounds);
    evloop_timer_stop(&keeper);
    evloop_notify_stop(&edge.notify);
    loop_end(edge.loop);
}

TEST(a_task_at_the_edge_of_sleep_is_not_missed)
{
    offer_at_the_edge_of_sleep(SUBMIT, 0);
}

TEST(an_urgent_task_at_the_edge_of_sleep_is_not_missed)
{
    offer_at_the_edge_of_sleep(URGENT, 0);
}

TEST(a_post_at_the_edge_of_sleep_is_not_missed)
{
    offer_at_the_edge_of_sleep(POST, 0);
}

TEST(a_microtask_at_the_edge_of_sleep_is_not_missed)
{
    offer_at_the_edge_of_sleep(MICROTASK, 0);
}

TEST(a_notification_at_the_edge_of_sleep_is_not_missed)
{
    offer_at_the_edge_of_sleep(NOTIFY, 0);
}

TEST(a_task_at_the_edge_of_the_sleep_of_a_loop_that_spins_is_not_missed)
{
    offer_at_the_edge_of_sleep(SUBMIT, EVLOOP_US(5));
}

static atomic_uint runs_ended;

static void *runs_again_and_again(void *arg)
{
    for (unsigned i = 0; i < edge.rounds; i++) {
        check(evloop_run(arg, EVLOOP_RUN_DEFAULT) == 0);
        atomic_store(&runs_ended, i + 1);
    }
    return NULL;
}

TEST(a_stop_at_the_edge_of_sleep_is_not_missed)
{
    pthread_t thread;
    uint64_t seed = 2;
    evloop_timer keeper = {0};
    evloop *loop = loop_new();
    edge.rounds = (unsigned)scaled(15000);
    runs_ended = 0;
    evloop_timer_start(loop, &keeper, EVLOOP_SEC(36000), 0, on_never);
    thread_start(&thread, runs_again_and_again, loop);
    for (unsigned i = 0; i < edge.rounds; i++) {
        dawdle(&seed);
        assert_int_equal(evloop_stop(loop), 0);
        wait_until(atomic_load(&runs_ended) == i + 1);
    }
    thread_join(thread);
    evloop_timer_stop(&keeper);
    loop_end(loop);
}

static void *runs_until_closed(void *arg)
{
    check(evloop_run(arg, EVLOOP_RUN_DEFAULT) == 0);
    return NULL;
}

TEST(a_shutdown_at_the_edge_of_sleep_is_not_missed)
{
    uint64_t seed = 3;
    for (size_t i = 0; i < scaled(2000); i++) {
        pthread_t thread;
        evloop_timer keeper = {0};
        evloop *loop = loop_new_with(evloop_options_small());
        evloop_timer_start(loop, &keeper, EVLOOP_SEC(36000), 0, on_never);
        thread_start(&thread, runs_until_closed, loop);
        wait_until(evloop_get_state(loop) != EVLOOP_STATE_IDLE);
        dawdle(&seed);
        assert_int_equal(evloop_shutdown(loop, 0), 0);
        thread_join(thread);
        evloop_timer_stop(&keeper);
        loop_end(loop);
    }
}

/* ---- wakes ----------------------------------------------------------------------------------- */

#define BURST 1000

static struct {
    evloop *loop;
    evloop_task holder;
    evloop_task tasks[BURST];
    struct gate holding, release;
    atomic_uint runs;
} burst = {.holding = GATE_INIT, .release = GATE_INIT};

static void holds_the_loop(evloop_task *task)
{
    gate_add(&burst.holding);
    gate_wait(&burst.release, *(unsigned *)task->data);
}

static void on_burst(evloop_task *task)
{
    (void)task;
    atomic_fetch_add(&burst.runs, 1);
}

/* The first task of the burst finds the loop asleep, and keeps it awake until the burst is over. */
static void send_burst(unsigned number)
{
    wait_asleep(burst.loop);
    burst.holder.data = &number;
    assert_int_equal(evloop_submit(burst.loop, &burst.holder, holds_the_loop), 0);
    gate_wait(&burst.holding, number);
    for (int i = 0; i < BURST; i++)
        assert_int_equal(evloop_submit(burst.loop, &burst.tasks[i], on_burst), 0);
    gate_add(&burst.release);
    wait_until(atomic_load(&burst.runs) == number * BURST);
}

static void stops_from_inside(void *loop)
{
    evloop_stop(loop);
}

TEST(a_burst_for_a_sleeping_loop_costs_one_wake)
{
    struct runner runner;
    evloop_timer keeper = {0};
    unsigned bursts = (unsigned)scaled(100);
    burst.loop = loop_new();
    evloop_timer_start(burst.loop, &keeper, EVLOOP_SEC(36000), 0, on_never);
    loop_turn(burst.loop);
    evloop_metrics before = loop_metrics(burst.loop);
    runner_start(&runner, burst.loop);
    for (unsigned i = 1; i <= bursts; i++)
        send_burst(i);
    wait_asleep(burst.loop);
    assert_int_equal(evloop_post(burst.loop, stops_from_inside, burst.loop), 0);
    assert_int_equal(runner_join(&runner), 0);
    evloop_metrics after = loop_metrics(burst.loop);
    assert_int_equal(after.tasks_accepted - before.tasks_accepted, bursts * (BURST + 1) + 1);
    assert_int_equal(after.wakes_sent - before.wakes_sent, bursts + 1);
    assert_int_equal(after.wakes_avoided - before.wakes_avoided, bursts * BURST);
    evloop_timer_stop(&keeper);
    loop_end(burst.loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_ENTRY(a_task_at_the_edge_of_sleep_is_not_missed),
        TEST_ENTRY(an_urgent_task_at_the_edge_of_sleep_is_not_missed),
        TEST_ENTRY(a_post_at_the_edge_of_sleep_is_not_missed),
        TEST_ENTRY(a_microtask_at_the_edge_of_sleep_is_not_missed),
        TEST_ENTRY(a_notification_at_the_edge_of_sleep_is_not_missed),
        TEST_ENTRY(a_task_at_the_edge_of_the_sleep_of_a_loop_that_spins_is_not_missed),
        TEST_ENTRY(a_stop_at_the_edge_of_sleep_is_not_missed),
        TEST_ENTRY(a_shutdown_at_the_edge_of_sleep_is_not_missed),
        TEST_ENTRY(a_burst_for_a_sleeping_loop_costs_one_wake),
    };
    return RUN_TESTS("stress sleep", tests);
}
