/*
 * threads.c: what goes wrong between threads only if two of them are stopped at once, or one of
 * them for as long as a third does a whole series of things; tried at all their steps.
 */
#include "park.h"
#include "sim.h"

#include <stdatomic.h>

/* All that can be accepted. */
enum kind { SUBMIT, URGENT, POST, MICROTASK, OVERFLOW, NOTIFY, KINDS };

struct world {
    enum kind kind; /* what the producer offers */
    evloop *loop;
    evloop_task tasks[KINDS];
    evloop_notify notify;
    struct parked producer;
    struct parked closer;
    unsigned accepted;
    unsigned ran;
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

/* ---- whoever waits for a thread that is parked ----------------------------------------------- */

static struct parked *waited_for; /* goes on when somebody waits */
static unsigned waits;

int __real_sched_yield(void);
int __wrap_sched_yield(void);

int __wrap_sched_yield(void)
{
    if (waited_for) {
        waits++;
        unpark(waited_for);
    }
    return __real_sched_yield();
}

/* ---- the gate -------------------------------------------------------------------------------- */

static void world_begin(enum kind kind)
{
    evloop_options options = evloop_options_small();
    memset(&world, 0, sizeof world);
    world.kind = kind;
    options.microtask_capacity = 1;
    options.post_cache = 1;
    world.loop = sim_loop_new_with(options);
    assert_int_equal(evloop_notify_start(world.loop, &world.notify, on_notify), 0);
}

static int offer(enum kind kind)
{
    switch (kind) {
    case SUBMIT:
        return evloop_submit(world.loop, &world.tasks[kind], on_task);
    case URGENT:
        return evloop_submit_urgent(world.loop, &world.tasks[kind], on_task);
    case POST:
        return evloop_post(world.loop, on_function, NULL);
    case NOTIFY:
        return evloop_notify_send(&world.notify);
    default:
        return evloop_microtask(world.loop, on_function, NULL);
    }
}

static void offer_and_count(enum kind kind)
{
    int result = offer(kind);
    check(result == 0 || result == EVLOOP_ECLOSED);
    world.accepted += result == 0;
}

/* For OVERFLOW the first fills the ring, and the second finds it full. */
static void produce(void *arg)
{
    (void)arg;
    offer_and_count(world.kind);
    if (world.kind == OVERFLOW)
        offer_and_count(world.kind);
}

static void shut_down(void *arg)
{
    (void)arg;
    check(evloop_shutdown(world.loop, 0) == 0);
}

/* As far as it goes by itself. */
static void run_out(void)
{
    for (int i = 0; i < 4; i++) {
        int result = evloop_run(world.loop, EVLOOP_RUN_NOWAIT);
        assert_true(result == 0 || result == EVLOOP_ECLOSED);
    }
}

static void world_end(void)
{
    run_out();
    assert_int_equal(evloop_get_state(world.loop), EVLOOP_STATE_CLOSED);
    assert_int_equal(world.ran, world.accepted);
    for (int kind = 0; kind < KINDS; kind++)
        assert_false(evloop_task_active(&world.tasks[kind]));
    assert_int_equal(evloop_notify_stop(&world.notify), 0);
    loop_end(world.loop);
}

/* Whether the closer stood, and whether the producer did. */
struct stood {
    bool producer, closer;
};

static struct stood close_over_a_producer(enum kind kind, unsigned producer_step,
                                          unsigned closer_step)
{
    struct stood stood;
    world_begin(kind);
    stood.producer = park(&world.producer, producer_step, produce, NULL);
    stood.closer = park(&world.closer, closer_step, shut_down, NULL);
    waited_for = &world.producer;
    run_out();
    waited_for = NULL;
    unpark(&world.producer);
    unpark(&world.closer);
    world_end();
    return stood;
}

TEST(shutdown_that_the_loop_overtakes_accepts_nothing_that_does_not_run)
{
    for (enum kind kind = 0; kind < KINDS; kind++) {
        struct stood stood = {true, true};
        for (unsigned producer_step = 1; stood.producer; producer_step++) {
            stood.closer = true;
            for (unsigned closer_step = 1; stood.closer; closer_step++)
                stood = close_over_a_producer(kind, producer_step, closer_step);
        }
    }
}

static bool refuse_once(enum kind first, unsigned closer_step)
{
    world_begin(first);
    bool stood = park(&world.closer, closer_step, shut_down, NULL);
    unsigned accepted = world.accepted;
    offer_and_count(first);
    if (world.accepted == accepted)
        for (enum kind then = 0; then < KINDS; then++)
            assert_int_equal(offer(then), EVLOOP_ECLOSED);
    unpark(&world.closer);
    world_end();
    return stood;
}

TEST(shutdown_whoever_was_refused_by_one_queue_is_refused_by_all)
{
    for (enum kind first = 0; first < KINDS; first++)
        for (unsigned closer_step = 1; refuse_once(first, closer_step);)
            closer_step++;
}

/* ---- a task that is submitted again ---------------------------------------------------------- */

static unsigned first_ran, second_ran;

static void on_first(evloop_task *task)
{
    (void)task;
    first_ran++;
}

static void on_second(evloop_task *task)
{
    (void)task;
    second_ran++;
}

static void turn(void *loop)
{
    check(evloop_run(loop, EVLOOP_RUN_NOWAIT) == 0);
}

static bool submit_again_once(unsigned loop_step)
{
    struct parked runner;
    evloop_task task = {0};
    evloop *loop = sim_loop_new_with(evloop_options_small());
    first_ran = second_ran = 0;
    assert_int_equal(evloop_submit(loop, &task, on_first), 0);
    bool stood = park(&runner, loop_step, turn, loop);
    bool active = evloop_task_active(&task);
    assert_int_equal(evloop_submit(loop, &task, on_second), active ? -EBUSY : 0);
    unpark(&runner);
    loop_turn(loop);
    assert_int_equal(first_ran, 1);
    assert_int_equal(second_ran, !active);
    assert_false(evloop_task_active(&task));
    loop_end(loop);
    return stood;
}

TEST(resubmitting_a_task_as_soon_as_it_is_inactive_loses_and_repeats_nothing)
{
    for (unsigned loop_step = 1; submit_again_once(loop_step);)
        loop_step++;
}

/* ---- a notification that moves from one loop to another -------------------------------------- */

static evloop *new_home;
static unsigned told;
static int send_result;

static void on_moved(evloop_notify *notify)
{
    assert_ptr_equal(evloop_notify_loop(notify), new_home);
    assert_true(evloop_on_loop_thread(new_home));
    told++;
}

static void send_signal(void *notify)
{
    send_result = evloop_notify_send(notify);
}

/* Whoever is still in the midst of a send has not touched the loop, and does not count. */
static uint64_t stop_beside_a_sender(evloop *loop, evloop_notify *notify, struct parked *sender)
{
    waited_for = sender;
    assert_int_equal(evloop_notify_stop(notify), 0);
    waited_for = NULL;
    assert_int_equal(atomic_load(&notify->senders_), 0);
    uint64_t withdrawn = loop_metrics(loop).tasks_cancelled;
    loop_end(loop);
    return withdrawn;
}

static bool move_once(unsigned sender_step)
{
    struct parked sender;
    evloop_notify notify = {0};
    evloop *old_home = sim_loop_new_with(evloop_options_small());
    new_home = sim_loop_new_with(evloop_options_small());
    told = 0;
    assert_int_equal(evloop_notify_start(old_home, &notify, on_moved), 0);
    bool stood = park(&sender, sender_step, send_signal, &notify);
    uint64_t withdrawn = stop_beside_a_sender(old_home, &notify, &sender);
    assert_int_equal(evloop_notify_start(new_home, &notify, on_moved), 0);
    unpark(&sender);
    assert_true(send_result == 0 || send_result == -EINVAL);
    loop_turn(new_home);
    assert_int_equal(told + withdrawn, send_result == 0);
    assert_int_equal(evloop_notify_send(&notify), 0);
    loop_turn(new_home);
    assert_int_equal(told + withdrawn, 1 + (send_result == 0));
    assert_int_equal(evloop_notify_stop(&notify), 0);
    loop_end(new_home);
    return stood;
}

TEST(a_signal_beside_a_stop_and_a_start_elsewhere_comes_to_the_right_loop_or_to_none)
{
    waits = 0;
    for (unsigned sender_step = 1; move_once(sender_step);)
        sender_step++;
    assert_true(waits > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_ENTRY(shutdown_that_the_loop_overtakes_accepts_nothing_that_does_not_run),
        TEST_ENTRY(shutdown_whoever_was_refused_by_one_queue_is_refused_by_all),
        TEST_ENTRY(resubmitting_a_task_as_soon_as_it_is_inactive_loses_and_repeats_nothing),
        TEST_ENTRY(a_signal_beside_a_stop_and_a_start_elsewhere_comes_to_the_right_loop_or_to_none),
    };
    return RUN_TESTS("lineage: threads", tests);
}
