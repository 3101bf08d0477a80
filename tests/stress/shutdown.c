/*
 * shutdown.c: offers, runs, stops and shutdowns that meet: what was accepted is run, once, whoever
 * wins.
 */
#include "support.h"

#include <sched.h>
#include <stdatomic.h>

#define OFFERERS 4
#define TASKS 500

enum kind { SUBMIT, URGENT, POST, MICROTASK, KINDS };

struct offerer {
    pthread_t thread;
    evloop *loop;
    evloop_notify *notify;
    evloop_task tasks[TASKS];
    uint64_t seed;
    unsigned accepted[KINDS];
};

static struct offerer offerers[OFFERERS];
static struct gate start_gate = GATE_INIT;
static atomic_uint executed[KINDS];
static atomic_uint signals_sent, signals_seen;
static atomic_int inside;

/* Callbacks run one at a time, whoever runs the loop. */
static void enter(enum kind kind)
{
    check(atomic_exchange(&inside, 1) == 0);
    atomic_fetch_add(&executed[kind], 1);
    atomic_store(&inside, 0);
}

static void on_submitted(evloop_task *task)
{
    (void)task;
    enter(SUBMIT);
}

static void on_urgent(evloop_task *task)
{
    (void)task;
    enter(URGENT);
}

static void on_posted(void *arg)
{
    (void)arg;
    enter(POST);
}

static void on_microtask(void *arg)
{
    (void)arg;
    enter(MICROTASK);
}

static void on_notify(evloop_notify *notify)
{
    (void)notify;
    atomic_store(&signals_seen, atomic_load(&signals_sent));
}

static int offer_one(struct offerer *offerer, enum kind kind, unsigned i)
{
    switch (kind) {
    case SUBMIT:
        return evloop_submit(offerer->loop, &offerer->tasks[i], on_submitted);
    case URGENT:
        return evloop_submit_urgent(offerer->loop, &offerer->tasks[i], on_urgent);
    case POST:
        return evloop_post(offerer->loop, on_posted, NULL);
    case MICROTASK:
        return evloop_microtask(offerer->loop, on_microtask, NULL);
    case KINDS:
        break;
    }
    return -EINVAL;
}

static int send_one(struct offerer *offerer)
{
    atomic_fetch_add(&signals_sent, 1);
    int err = evloop_notify_send(offerer->notify);
    if (err)
        atomic_fetch_sub(&signals_sent, 1);
    return err;
}

/* Once one offer was refused, all are. */
static void check_all_refused(struct offerer *offerer, unsigned i)
{
    for (unsigned k = 0; k < 2 * KINDS; k++)
        check(offer_one(offerer, (enum kind)(k % KINDS), i) == EVLOOP_ECLOSED);
    check(evloop_notify_send(offerer->notify) == EVLOOP_ECLOSED);
}

static void *offers_until_closed(void *arg)
{
    struct offerer *offerer = arg;
    gate_wait(&start_gate, 1);
    for (unsigned i = 0; i < TASKS; i++) {
        enum kind kind = (enum kind)(chance(&offerer->seed) % KINDS);
        int err = offer_one(offerer, kind, i);
        if (err) {
            check(err == EVLOOP_ECLOSED);
            check_all_refused(offerer, i);
            break;
        }
        offerer->accepted[kind]++;
    }
    return NULL;
}

static void offerers_start(evloop *loop, evloop_notify *notify, uint64_t seed)
{
    start_gate.count = 0;
    signals_sent = signals_seen = 0;
    for (int kind = 0; kind < KINDS; kind++)
        executed[kind] = 0;
    memset(offerers, 0, sizeof offerers);
    for (unsigned i = 0; i < OFFERERS; i++) {
        offerers[i].loop = loop;
        offerers[i].notify = notify;
        offerers[i].seed = seed * OFFERERS + i;
        thread_start(&offerers[i].thread, offers_until_closed, &offerers[i]);
    }
}

/* Asserts that what was accepted, kind by kind, was executed, and nothing else. */
static void offerers_end(void)
{
    for (unsigned i = 0; i < OFFERERS; i++)
        thread_join(offerers[i].thread);
    for (int kind = 0; kind < KINDS; kind++) {
        unsigned accepted = 0;
        for (unsigned i = 0; i < OFFERERS; i++)
            accepted += offerers[i].accepted[kind];
        if (accepted != executed[kind])
            fail_msg("of kind %d, %u were accepted, and %u executed", kind, accepted,
                     atomic_load(&executed[kind]));
    }
}

static void dawdle(uint64_t *seed)
{
    for (volatile uint64_t i = chance(seed) % 20000; i; i--)
        continue;
}

static evloop *loop_for_offers(evloop_notify *notify)
{
    evloop_options options = evloop_options_small();
    options.task_budget = 16;
    options.microtask_budget = 16;
    evloop *loop = loop_new_with(options);
    memset(notify, 0, sizeof *notify);
    assert_int_equal(evloop_notify_start(loop, notify, on_notify), 0);
    return loop;
}

static void *shuts_down(void *arg)
{
    struct offerer *offerer = arg;
    gate_wait(&start_gate, 1);
    dawdle(&offerer->seed);
    check(evloop_shutdown(offerer->loop, 0) == 0);
    return NULL;
}

TEST(everything_accepted_while_the_loop_is_shut_down_runs_exactly_once)
{
    for (size_t round = 0; round < scaled(500); round++) {
        evloop_notify notify;
        evloop *loop = loop_for_offers(&notify);
        struct offerer closer = {.loop = loop, .seed = round};
        offerers_start(loop, &notify, round);
        thread_start(&closer.thread, shuts_down, &closer);
        gate_add(&start_gate);
        if (round % 3 == 0)
            wait_until(evloop_get_state(loop) == EVLOOP_STATE_DRAINING);
        loop_run(loop);
        assert_int_equal(evloop_get_state(loop), EVLOOP_STATE_CLOSED);
        thread_join(closer.thread);
        offerers_end();
        evloop_notify_stop(&notify);
        loop_end(loop);
    }
}

static void *sends_until_closed(void *arg)
{
    struct offerer *offerer = arg;
    gate_wait(&start_gate, 1);
    while (send_one(offerer) == 0)
        continue;
    return NULL;
}

TEST(no_signal_that_was_accepted_is_lost_while_the_loop_is_shut_down)
{
    for (size_t round = 0; round < scaled(500); round++) {
        evloop_notify notify;
        evloop *loop = loop_for_offers(&notify);
        struct offerer closer = {.loop = loop, .seed = round}, sender = {.notify = &notify};
        start_gate.count = 0;
        signals_sent = signals_seen = 0;
        thread_start(&closer.thread, shuts_down, &closer);
        thread_start(&sender.thread, sends_until_closed, &sender);
        gate_add(&start_gate);
        loop_run(loop);
        thread_join(closer.thread);
        thread_join(sender.thread);
        assert_true(signals_seen >= signals_sent);
        evloop_notify_stop(&notify);
        loop_end(loop);
    }
}

/* ---- many that run, stop and shut down ------------------------------------------------------- */

struct rival {
    pthread_t thread;
    evloop *loop;
    uint64_t seed;
};

static void *runs_until_closed(void *arg)
{
    struct rival *rival = arg;
    gate_wait(&start_gate, 1);
    for (;;) {
        int err = chance(&rival->seed) % 2 ? evloop_run(rival->loop, EVLOOP_RUN_DEFAULT)
                                           : evloop_run_for(rival->loop, EVLOOP_US(50));
        if (err == EVLOOP_ECLOSED)
            return NULL;
        check(err == 0 || err == -EBUSY);
        sched_yield();
    }
}

static void *stops_until_closed(void *arg)
{
    struct rival *rival = arg;
    gate_wait(&start_gate, 1);
    while (evloop_get_state(rival->loop) != EVLOOP_STATE_CLOSED) {
        check(evloop_stop(rival->loop) == 0);
        dawdle(&rival->seed);
    }
    return NULL;
}

static void rivals_meet(evloop *loop, evloop_notify *notify, size_t round)
{
    struct rival rivals[4];
    uint64_t seed = round;
    offerers_start(loop, notify, round);
    for (unsigned i = 0; i < 4; i++) {
        rivals[i].loop = loop;
        rivals[i].seed = round * 4 + i;
        thread_start(&rivals[i].thread, i < 3 ? runs_until_closed : stops_until_closed, &rivals[i]);
    }
    gate_add(&start_gate);
    dawdle(&seed);
    assert_int_equal(evloop_shutdown(loop, 0), 0);
    assert_int_equal(evloop_shutdown(loop, EVLOOP_SEC(1)), 0);
    for (unsigned i = 0; i < 4; i++)
        thread_join(rivals[i].thread);
}

TEST(runs_stops_and_shutdowns_that_meet_lose_nothing_and_run_nothing_twice)
{
    for (size_t round = 0; round < scaled(300); round++) {
        evloop_notify notify;
        evloop *loop = loop_for_offers(&notify);
        rivals_meet(loop, &notify, round);
        assert_int_equal(evloop_get_state(loop), EVLOOP_STATE_CLOSED);
        offerers_end();
        evloop_metrics metrics = loop_metrics(loop);
        assert_int_equal(metrics.tasks_accepted, metrics.tasks_run);
        evloop_notify_stop(&notify);
        loop_end(loop);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_ENTRY(everything_accepted_while_the_loop_is_shut_down_runs_exactly_once),
        TEST_ENTRY(no_signal_that_was_accepted_is_lost_while_the_loop_is_shut_down),
        TEST_ENTRY(runs_stops_and_shutdowns_that_meet_lose_nothing_and_run_nothing_twice),
    };
    return RUN_TESTS("stress shutdown", tests);
}
