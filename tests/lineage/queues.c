/*
 * queues.c: what the lineage lost between its threads: tasks, wakes, signals, and offers during a
 * shutdown; each tried with the second thread coming at every step of the first.
 */
#include "sim.h"

#include "step.h"

#include "core/loop.h"
#include "interleave.h"

/* Everything that can be offered from another thread. */
enum kind {
    SUBMIT,
    URGENT,
    POST,
    MICROTASK,
    OVERFLOW,
    NOTIFY,
    STOP,
    SHUTDOWN,
    KINDS,
    WORK_KINDS = STOP
};

struct world {
    enum kind kind;
    evloop *loop;
    evloop_timer keeper; /* far away: it keeps the loop alive, and lets it sleep */
    evloop_task task;
    evloop_notify notify;
    int result;   /* of the offer */
    unsigned due; /* callbacks that the offer must lead to */
    unsigned ran;
    uint64_t asked; /* what an embedding loop was told last */
};

static struct world world;

static void on_task(evloop_task *task)
{
    (void)task;
    world.ran++;
}

static void on_function(void *arg)
{
    (void)arg;
    world.ran++;
}

static void on_notify(evloop_notify *notify)
{
    (void)notify;
    world.ran++;
}

static void on_keeper(evloop_timer *timer)
{
    (void)timer;
}

static void world_begin(void *arg)
{
    evloop_options options = evloop_options_small();
    memset(&world, 0, sizeof world);
    world.kind = *(const enum kind *)arg;
    options.microtask_capacity = 1;
    options.post_cache = 1;
    world.loop = sim_loop_new_with(options);
    assert_int_equal(evloop_timer_start(world.loop, &world.keeper, EVLOOP_SEC(3600), 0, on_keeper),
                     0);
    if (world.kind == NOTIFY)
        assert_int_equal(evloop_notify_start(world.loop, &world.notify, on_notify), 0);
    world.asked = evloop_next_timeout_ns(world.loop);
}

static int offer(void)
{
    switch (world.kind) {
    case SUBMIT:
        return evloop_submit(world.loop, &world.task, on_task);
    case URGENT:
        return evloop_submit_urgent(world.loop, &world.task, on_task);
    case POST:
        return evloop_post(world.loop, on_function, NULL);
    case NOTIFY:
        return evloop_notify_send(&world.notify);
    case STOP:
        return evloop_stop(world.loop);
    case SHUTDOWN:
        return evloop_shutdown(world.loop, 0);
    default:
        return evloop_microtask(world.loop, on_function, NULL);
    }
}

/* For OVERFLOW the first fills the ring, and the second finds it full. */
static void make_offer(void *arg)
{
    (void)arg;
    world.due = 0;
    if (world.kind == OVERFLOW)
        world.due += offer() == 0;
    world.result = offer();
    world.due += world.result == 0 && world.kind < WORK_KINDS;
}

static void *make_offer_thread(void *arg)
{
    make_offer(arg);
    return NULL;
}

/* Beside a run: the loop knows its own thread's offers from those of others. */
static void make_offer_elsewhere(void *arg)
{
    pthread_t thread;
    thread_start(&thread, make_offer_thread, arg);
    thread_join(thread);
}

static bool done(void)
{
    switch (world.kind) {
    case STOP:
        return false; /* the run ends */
    case SHUTDOWN:
        return evloop_get_state(world.loop) == EVLOOP_STATE_CLOSED;
    default:
        return world.ran == world.due;
    }
}

static void run_once_more(void)
{
    int result = evloop_run(world.loop, EVLOOP_RUN_NOWAIT);
    assert_true(result == 0 || result == EVLOOP_ECLOSED);
}

static void world_end(void)
{
    run_once_more();
    assert_int_equal(world.ran, world.due);
    assert_false(evloop_task_active(&world.task));
    assert_int_equal(evloop_notify_stop(&world.notify), 0);
    assert_int_equal(evloop_timer_stop(&world.keeper), 0);
    loop_end(world.loop);
}

static void for_all_kinds(enum kind kinds, struct interleaving interleaving)
{
    for (enum kind kind = 0; kind < kinds; kind++) {
        interleaving.arg = &kind;
        assert_true(interleave(&interleaving) > 0);
    }
}

/* ---- lost wakeup ----------------------------------------------------------------------------- */

static void look_at_the_sleep(evloop *loop)
{
    if (sim.timeout_ns == 0)
        return;
    if (intruder_came() && !done())
        assert_true(sim.woken);
    evloop_stop(loop);
}

static void run_until_asleep(void *arg)
{
    (void)arg;
    sim.on_wait = look_at_the_sleep;
    assert_int_equal(evloop_run(world.loop, EVLOOP_RUN_DEFAULT), 0);
    sim.on_wait = NULL;
}

/* Either the run has done it, or an embedding loop learns that there is something to do. */
static void verify_nothing_sleeps(void *arg)
{
    (void)arg;
    if (intruder_came() && !done() && world.kind < WORK_KINDS)
        assert_true(sim.woken || evloop_next_timeout_ns(world.loop) == 0);
    world_end();
}

TEST(lost_wakeup_nothing_is_slept_on_that_was_offered_at_any_step_of_a_run)
{
    for_all_kinds(KINDS, (struct interleaving){world_begin, run_until_asleep, make_offer_elsewhere,
                                               verify_nothing_sleeps, NULL});
}

static void turn_and_ask(void *arg)
{
    (void)arg;
    run_once_more();
    world.asked = evloop_next_timeout_ns(world.loop);
}

static void verify_offer_is_known(void *arg)
{
    (void)arg;
    assert_int_equal(world.result, 0);
    assert_true(done() || world.asked == 0 || sim.woken);
    world_end();
}

/* An offer that looked at the state of the loop before it published what it brings would fail here.
 */
TEST(lost_wakeup_an_offer_that_is_overtaken_by_a_whole_turn_still_wakes)
{
    for_all_kinds(WORK_KINDS, (struct interleaving){world_begin, make_offer, turn_and_ask,
                                                    verify_offer_is_known, NULL});
}

/* ---- the gate -------------------------------------------------------------------------------- */

static void run_to_the_end(void)
{
    for (int i = 0; i < 4 && evloop_get_state(world.loop) != EVLOOP_STATE_CLOSED; i++)
        run_once_more();
    assert_int_equal(evloop_get_state(world.loop), EVLOOP_STATE_CLOSED);
}

static void shut_down(void *arg)
{
    (void)arg;
    assert_int_equal(evloop_shutdown(world.loop, 0), 0);
}

static void shut_down_and_run(void *arg)
{
    shut_down(arg);
    if (world.kind != NOTIFY) /* the drain would wait for the sender that is stopped here */
        run_once_more();
}

static void verify_accepted_is_executed(void *arg)
{
    (void)arg;
    assert_int_equal(evloop_shutdown(world.loop, 0), 0);
    assert_true(world.result == 0 || world.result == EVLOOP_ECLOSED || !intruder_came());
    run_to_the_end();
    world_end();
}

TEST(shutdown_what_is_offered_while_the_gate_closes_is_refused_or_runs)
{
    for_all_kinds(WORK_KINDS, (struct interleaving){world_begin, shut_down, make_offer_elsewhere,
                                                    verify_accepted_is_executed, NULL});
}

TEST(shutdown_an_offer_that_is_overtaken_by_a_whole_shutdown_is_refused_or_runs)
{
    for_all_kinds(WORK_KINDS, (struct interleaving){world_begin, make_offer, shut_down_and_run,
                                                    verify_accepted_is_executed, NULL});
}

static void begin_draining(void *arg)
{
    world_begin(arg);
    shut_down(NULL);
}

static void run_out(void *arg)
{
    (void)arg;
    assert_int_equal(evloop_run(world.loop, EVLOOP_RUN_DEFAULT), 0);
}

static void verify_all_were_refused(void *arg)
{
    if (intruder_came())
        assert_int_equal(world.result, EVLOOP_ECLOSED);
    verify_accepted_is_executed(arg);
}

TEST(shutdown_nothing_is_accepted_while_the_loop_drains)
{
    for_all_kinds(WORK_KINDS, (struct interleaving){begin_draining, run_out, make_offer_elsewhere,
                                                    verify_all_were_refused, NULL});
}

/* ---- defect 5: the queue of tasks ------------------------------------------------------------ */

enum { TASKS = 8 };

struct line {
    evloop_task tasks[TASKS];
    unsigned offered;
    unsigned accepted; /* the one that is being pushed not counted */
    unsigned ran;
    unsigned order[TASKS]; /* in which they ran */
    unsigned pushing;      /* the number of the one that is being pushed; TASKS: none */
};

static struct line line;

static void line_on_task(evloop_task *task)
{
    line.order[line.ran++] = (unsigned)(task - line.tasks);
}

static void line_begin(void *arg)
{
    (void)arg;
    memset(&line, 0, sizeof line);
    line.pushing = TASKS;
    world.loop = sim_loop_new_with(evloop_options_small());
}

static void line_push(void)
{
    bool interruptible = !intruder_came();
    if (interruptible)
        line.pushing = line.offered;
    assert_int_equal(evloop_submit(world.loop, &line.tasks[line.offered++], line_on_task), 0);
    line.accepted++;
    if (interruptible && !intruder_came())
        line.pushing = TASKS;
}

/* A turn takes all that was accepted before it began. */
static void line_turn(void)
{
    unsigned accepted = line.accepted;
    loop_turn(world.loop);
    assert_true(line.ran >= accepted);
}

static void line_operation_push(void *arg)
{
    (void)arg;
    line_push();
    line_push();
}

static void line_operation_turn(void *arg)
{
    (void)arg;
    line_push();
    line_turn();
}

static void line_push_twice(void *arg)
{
    (void)arg;
    line_push();
    line_push();
}

static void line_push_and_turn(void *arg)
{
    line_push_twice(arg);
    line_turn();
    line_push();
}

/* Only the push that was interrupted may have been overtaken. */
static void line_verify(void *arg)
{
    (void)arg;
    line_turn();
    assert_int_equal(line.ran, line.offered);
    for (unsigned i = 0; i < line.ran; i++)
        for (unsigned j = i + 1; j < line.ran; j++)
            assert_true(line.order[i] < line.order[j] || line.order[j] == line.pushing);
    loop_end(world.loop);
}

TEST(defect_05_no_task_is_missed_while_another_is_being_pushed)
{
    struct interleaving alone = {line_begin, line_operation_push, line_push_and_turn, line_verify,
                                 NULL};
    struct interleaving behind = {line_begin, line_operation_push, line_push_twice, line_verify,
                                  NULL};
    assert_true(interleave(&alone) > 0);
    assert_true(interleave(&behind) > 0);
}

TEST(defect_05_no_task_is_missed_that_is_pushed_while_others_are_taken)
{
    struct interleaving interleaving = {line_begin, line_operation_turn, line_push_twice,
                                        line_verify, NULL};
    assert_true(interleave(&interleaving) > 0);
}

/* ---- the nodes of evloop_post() -------------------------------------------------------------- */

enum { POSTS_AT_MOST = 32 };

struct posting {
    unsigned before, meanwhile, turns, afterwards; /* how many of each */
    unsigned cache;
};

static unsigned posted;
static unsigned delivered[POSTS_AT_MOST];

static void on_post(void *arg)
{
    delivered[(uintptr_t)arg]++;
}

static void post_one(void)
{
    assert_true(posted < POSTS_AT_MOST);
    assert_int_equal(evloop_post(world.loop, on_post, (void *)(uintptr_t)posted++), 0);
}

static void posts_begin(void *arg)
{
    const struct posting *posting = arg;
    evloop_options options = evloop_options_small();
    options.post_cache = posting->cache;
    world.loop = sim_loop_new_with(options);
    posted = 0;
    memset(delivered, 0, sizeof delivered);
    for (unsigned i = 0; i < posting->before; i++)
        post_one();
}

static void posts_operation(void *arg)
{
    (void)arg;
    post_one();
}

static void posts_meanwhile(void *arg)
{
    const struct posting *posting = arg;
    for (unsigned turn = 0; turn < posting->turns; turn++) {
        for (unsigned i = 0; i < posting->meanwhile; i++)
            post_one();
        loop_turn(world.loop);
    }
    for (unsigned i = 0; i < posting->afterwards; i++)
        post_one();
}

static void posts_verify(void *arg)
{
    const struct posting *posting = arg;
    for (unsigned i = 0; i < posting->cache; i++)
        post_one();
    loop_turn(world.loop);
    for (unsigned i = 0; i < posted; i++)
        assert_int_equal(delivered[i], 1);
    loop_end(world.loop);
}

static void play_posts(struct posting posting)
{
    for (posting.before = 0; posting.before < 3; posting.before++)
        for (posting.meanwhile = 0; posting.meanwhile < 4; posting.meanwhile++)
            for (posting.turns = 0; posting.turns < 3; posting.turns++)
                for (posting.afterwards = 0; posting.afterwards < 3; posting.afterwards++)
                    interleave(&(struct interleaving){posts_begin, posts_operation, posts_meanwhile,
                                                      posts_verify, &posting});
}

TEST(a_cached_node_never_serves_two_posts)
{
    for (unsigned cache = 1; cache <= 2; cache++)
        play_posts((struct posting){.cache = cache});
}

/* ---- signals --------------------------------------------------------------------------------- */

static unsigned written; /* by senders, before they signal */
static unsigned seen;    /* by the last callback */

static void on_signal(evloop_notify *notify)
{
    (void)notify;
    seen = written;
}

static void signal_begin(void *arg)
{
    (void)arg;
    memset(&world, 0, sizeof world);
    written = seen = 0;
    world.loop = sim_loop_new_with(evloop_options_small());
    assert_int_equal(evloop_notify_start(world.loop, &world.notify, on_signal), 0);
}

static void signal_once(void *arg)
{
    (void)arg;
    written++;
    assert_int_equal(evloop_notify_send(&world.notify), 0);
}

static void begin_with_a_signal(void *arg)
{
    signal_begin(arg);
    signal_once(arg);
}

static void one_turn(void *arg)
{
    (void)arg;
    loop_turn(world.loop);
}

static void signal_and_turn(void *arg)
{
    signal_once(arg);
    one_turn(arg);
}

static void signal_verify(void *arg)
{
    loop_turn(world.loop);
    assert_int_equal(seen, written);
    signal_once(arg); /* whatever happened before, the next one comes through as well */
    loop_turn(world.loop);
    assert_int_equal(seen, written);
    assert_int_equal(evloop_notify_stop(&world.notify), 0);
    loop_end(world.loop);
}

TEST(a_signal_at_any_step_of_a_delivery_leads_to_another)
{
    struct interleaving interleaving = {begin_with_a_signal, one_turn, signal_once, signal_verify,
                                        NULL};
    assert_true(interleave(&interleaving) > 0);
}

TEST(a_signal_that_is_overtaken_by_others_and_their_delivery_is_delivered)
{
    struct interleaving alone = {signal_begin, signal_once, one_turn, signal_verify, NULL};
    struct interleaving others = {signal_begin, signal_once, signal_and_turn, signal_verify, NULL};
    struct interleaving second = {begin_with_a_signal, signal_once, one_turn, signal_verify, NULL};
    assert_true(interleave(&alone) > 0);
    assert_true(interleave(&others) > 0);
    assert_true(interleave(&second) > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_ENTRY(lost_wakeup_nothing_is_slept_on_that_was_offered_at_any_step_of_a_run),
        TEST_ENTRY(lost_wakeup_an_offer_that_is_overtaken_by_a_whole_turn_still_wakes),
        TEST_ENTRY(shutdown_what_is_offered_while_the_gate_closes_is_refused_or_runs),
        TEST_ENTRY(shutdown_an_offer_that_is_overtaken_by_a_whole_shutdown_is_refused_or_runs),
        TEST_ENTRY(shutdown_nothing_is_accepted_while_the_loop_drains),
        TEST_ENTRY(defect_05_no_task_is_missed_while_another_is_being_pushed),
        TEST_ENTRY(defect_05_no_task_is_missed_that_is_pushed_while_others_are_taken),
        TEST_ENTRY(a_cached_node_never_serves_two_posts),
        TEST_ENTRY(a_signal_at_any_step_of_a_delivery_leads_to_another),
        TEST_ENTRY(a_signal_that_is_overtaken_by_others_and_their_delivery_is_delivered),
    };
    return RUN_TESTS("lineage: queues", tests);
}
