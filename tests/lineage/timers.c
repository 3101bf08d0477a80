/*
 * timers.c: what the lineage's timers did wrong, on a clock that only moves when somebody sleeps,
 * or is made to.
 */
#include "sim.h"

enum { MANY = 200 };

struct timed {
    evloop_timer timer;
    uint64_t expected; /* not before */
    unsigned fired;
};

static unsigned fired_count;
static unsigned fired_order[MANY];

static void on_timed(evloop_timer *timer)
{
    struct timed *timed = evloop_container_of(timer, struct timed, timer);
    assert_true(sim.now >= timed->expected);
    timed->fired++;
}

/* ---- a second and more ----------------------------------------------------------------------- */

TEST(timer_with_a_second_or_more_left_fires_on_an_idle_loop)
{
    const uint64_t delays[] = {EVLOOP_MS(999), EVLOOP_SEC(1),    EVLOOP_MS(1001),  EVLOOP_MS(1500),
                               EVLOOP_SEC(2),  EVLOOP_SEC(4295), EVLOOP_SEC(86400)};
    for (size_t i = 0; i < sizeof delays / sizeof *delays; i++) {
        evloop *loop = sim_loop_new();
        struct timed timed = {.expected = sim.now + delays[i]};
        assert_int_equal(evloop_timer_start(loop, &timed.timer, delays[i], 0, on_timed), 0);
        loop_run(loop);
        assert_false(sim.hung);
        assert_int_equal(timed.fired, 1);
        assert_int_equal(sim.now, timed.expected);
        loop_end(loop);
    }
}

/* ---- early ----------------------------------------------------------------------------------- */

static struct timed started_late;

/* What takes 5 ms before it starts a timer must not have these 5 ms taken off it. */
static void work_and_start(evloop *loop)
{
    sim.now += EVLOOP_MS(5);
    started_late.expected = sim.now + EVLOOP_MS(3);
    assert_int_equal(evloop_timer_start(loop, &started_late.timer, EVLOOP_MS(3), 0, on_timed), 0);
}

static void work_in_task(evloop_task *task)
{
    work_and_start(evloop_task_loop(task));
}

static void work_in_timer(evloop_timer *timer)
{
    work_and_start(evloop_timer_loop(timer));
}

static void work_in_microtask(void *arg)
{
    work_and_start(arg);
}

static void assert_not_early(evloop *loop)
{
    loop_run(loop);
    assert_int_equal(started_late.fired, 1);
    loop_end(loop);
    memset(&started_late, 0, sizeof started_late);
}

TEST(timer_is_not_early_because_of_a_clock_that_was_read_before_it_was_started)
{
    evloop_task task = {0};
    evloop_timer timer = {0};
    evloop *loop = sim_loop_new();
    memset(&started_late, 0, sizeof started_late);
    work_and_start(loop);
    assert_not_early(loop);

    loop = sim_loop_new();
    assert_int_equal(evloop_submit(loop, &task, work_in_task), 0);
    assert_not_early(loop);

    loop = sim_loop_new();
    assert_int_equal(evloop_timer_start(loop, &timer, 1, 0, work_in_timer), 0);
    assert_not_early(loop);

    loop = sim_loop_new();
    assert_int_equal(evloop_microtask(loop, work_in_microtask, loop), 0);
    assert_not_early(loop);
}

static void push_back(evloop_timer *timer)
{
    struct timed *timed = evloop_container_of(timer, struct timed, timer);
    on_timed(timer);
    sim.now += EVLOOP_MS(5);
    timed->expected = sim.now + EVLOOP_MS(3);
    if (timed->fired < 3)
        assert_int_equal(evloop_timer_again(timer, EVLOOP_MS(3)), 0);
}

TEST(timer_that_is_started_again_is_not_early_because_of_a_stale_clock)
{
    evloop *loop = sim_loop_new();
    struct timed timed = {.expected = sim.now + EVLOOP_MS(1)};
    assert_int_equal(evloop_timer_start(loop, &timed.timer, EVLOOP_MS(1), 0, push_back), 0);
    loop_run(loop);
    assert_int_equal(timed.fired, 3);
    loop_end(loop);
}

/* ---- no delay -------------------------------------------------------------------------------- */

enum { RESTARTS = 50 };

static unsigned restarts;
static unsigned checks;
static unsigned restarts_at_other;

/* Reading the clock inside a callback gives a new timer its deadline at once; that must not make it
 * due. */
static void restart_without_delay(evloop_timer *timer)
{
    evloop_update(evloop_timer_loop(timer));
    if (++restarts < RESTARTS)
        assert_int_equal(
            evloop_timer_start(evloop_timer_loop(timer), timer, 0, 0, restart_without_delay), 0);
    evloop_update(evloop_timer_loop(timer));
}

/* One turn, one call. */
static void count_turn(evloop_hook *hook)
{
    (void)hook;
    checks++;
    assert_true(restarts <= checks);
}

static void on_other(evloop_timer *timer)
{
    (void)timer;
    restarts_at_other = restarts;
}

TEST(timer_without_delay_that_starts_itself_again_does_not_starve_the_phase)
{
    evloop *loop = sim_loop_new();
    evloop_timer endless = {0}, other = {0};
    evloop_hook hook = {0};
    restarts = checks = 0;
    restarts_at_other = RESTARTS;
    assert_int_equal(evloop_timer_start(loop, &endless, 0, 0, restart_without_delay), 0);
    assert_int_equal(evloop_timer_start(loop, &other, 0, 0, on_other), 0);
    assert_int_equal(evloop_hook_start(loop, &hook, EVLOOP_HOOK_CHECK, count_turn), 0);
    assert_int_equal(evloop_hook_unref(&hook), 0);
    loop_run(loop);
    assert_int_equal(restarts, RESTARTS);
    assert_true(checks >= RESTARTS - 1);
    assert_int_equal(restarts_at_other, 1);
    assert_int_equal(evloop_hook_stop(&hook), 0);
    loop_end(loop);
}

/* ---- ties ------------------------------------------------------------------------------------ */

static struct timed tied[MANY];

static void note_order(evloop_timer *timer)
{
    struct timed *timed = evloop_container_of(timer, struct timed, timer);
    fired_order[fired_count++] = (unsigned)(timed - tied);
}

static void tie(unsigned count, uint64_t delay)
{
    evloop *loop = sim_loop_new();
    memset(tied, 0, sizeof tied);
    fired_count = 0;
    for (unsigned i = 0; i < count; i++)
        assert_int_equal(evloop_timer_start(loop, &tied[i].timer, delay, 0, note_order), 0);
    loop_run(loop);
    assert_int_equal(fired_count, count);
    for (unsigned i = 0; i < count; i++)
        assert_int_equal(fired_order[i], i);
    loop_end(loop);
}

TEST(timers_with_one_deadline_fire_in_the_order_of_starting)
{
    const unsigned counts[] = {2, 3, 9, 63, 64, 65, MANY};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        tie(counts[i], 0);
        tie(counts[i], 1);
        tie(counts[i], EVLOOP_MS(10));
        tie(counts[i], EVLOOP_SEC(100));
    }
}

static unsigned late_fired;

/* Their deadlines are in the opposite order of their places. */
static void on_late(evloop_timer *timer)
{
    struct timed *timed = evloop_container_of(timer, struct timed, timer);
    on_timed(timer);
    assert_ptr_equal(timed, &tied[MANY - 1 - late_fired]);
    late_fired++;
}

TEST(timers_past_their_deadlines_whose_slack_is_taken_away_fire_in_order)
{
    evloop *loop = sim_loop_new();
    evloop_timer other = {0};
    memset(tied, 0, sizeof tied);
    late_fired = 0;
    for (unsigned i = 0; i < MANY; i++) {
        uint64_t delay = EVLOOP_MS(1) + EVLOOP_US(MANY - i);
        tied[i].expected = sim.now + delay;
        assert_int_equal(evloop_timer_set_slack(&tied[i].timer, EVLOOP_SEC(1000)), 0);
        assert_int_equal(evloop_timer_start(loop, &tied[i].timer, delay, 0, on_late), 0);
    }
    assert_int_equal(evloop_timer_start(loop, &other, EVLOOP_MS(5), 0, on_other), 0);
    loop_turn(loop);
    sim.now += EVLOOP_MS(6);
    loop_turn(loop); /* the other fires: the clock has passed all the deadlines */
    assert_false(evloop_timer_active(&other));
    assert_int_equal(late_fired, 0);
    for (unsigned i = 0; i < MANY; i++)
        assert_int_equal(evloop_timer_set_slack(&tied[i].timer, 0), 0);
    loop_turn(loop);
    assert_int_equal(late_fired, MANY);
    loop_end(loop);
}

/* ---- stopping and starting inside a callback ------------------------------------------------- */

static bool stopped[MANY];

/* Each one stops some that are due, some that have run, and starts one again that will be due. */
static void meddle(evloop_timer *timer)
{
    struct timed *timed = evloop_container_of(timer, struct timed, timer);
    unsigned self = (unsigned)(timed - tied);
    on_timed(timer);
    assert_false(stopped[self]);
    for (unsigned step = 3; step < 50; step += 11) {
        unsigned other = (self * 7 + step) % MANY;
        if (!evloop_timer_active(&tied[other].timer))
            continue;
        assert_int_equal(evloop_timer_stop(&tied[other].timer), 0);
        stopped[other] = true;
    }
    unsigned again = (self * 5 + 1) % MANY;
    if (stopped[again] && timed->fired == 1) {
        stopped[again] = false;
        tied[again].expected = sim.now + EVLOOP_US(self);
        assert_int_equal(evloop_timer_start(evloop_timer_loop(timer), &tied[again].timer,
                                            EVLOOP_US(self), 0, meddle),
                         0);
    }
}

TEST(timers_that_are_stopped_and_started_inside_a_callback_leave_the_others_in_order)
{
    evloop *loop = sim_loop_new();
    memset(tied, 0, sizeof tied);
    memset(stopped, 0, sizeof stopped);
    for (unsigned i = 0; i < MANY; i++) {
        tied[i].expected = sim.now + EVLOOP_US(1 + i % 4);
        assert_int_equal(evloop_timer_start(loop, &tied[i].timer, EVLOOP_US(1 + i % 4), 0, meddle),
                         0);
    }
    sim.now += EVLOOP_US(10);
    loop_run(loop);
    assert_false(sim.hung);
    for (unsigned i = 0; i < MANY; i++) {
        assert_true(stopped[i] || tied[i].fired > 0);
        assert_false(evloop_timer_active(&tied[i].timer));
    }
    loop_end(loop);
}

static struct timed victim;

static void stop_victim(evloop_timer *timer)
{
    (void)timer;
    assert_int_equal(evloop_timer_stop(&victim.timer), 0);
    memset(&victim, 0xff, sizeof victim); /* its memory is its owner's */
}

TEST(timer_that_is_stopped_by_another_in_the_same_phase_does_not_fire)
{
    evloop *loop = sim_loop_new();
    evloop_timer before = {0}, after = {0};
    memset(&victim, 0, sizeof victim);
    assert_int_equal(evloop_timer_start(loop, &before, 1, 0, stop_victim), 0);
    assert_int_equal(evloop_timer_start(loop, &victim.timer, 1, 0, on_timed), 0);
    assert_int_equal(evloop_timer_start(loop, &after, 1, 0, on_other), 0);
    restarts = 7;
    loop_run(loop);
    assert_int_equal(victim.fired, UINT32_MAX);
    assert_int_equal(restarts_at_other, 7);
    loop_end(loop);
}

/* ---- intervals ------------------------------------------------------------------------------- */

static void stop_at_the_third(evloop_timer *timer)
{
    struct timed *timed = evloop_container_of(timer, struct timed, timer);
    if (++timed->fired == 3)
        assert_int_equal(evloop_timer_stop(timer), 0);
}

TEST(interval_that_is_cleared_in_its_own_callback_never_fires_again)
{
    evloop *loop = sim_loop_new();
    struct timed timed = {0};
    evloop_timer later = {0};
    assert_int_equal(
        evloop_timer_start(loop, &timed.timer, EVLOOP_MS(1), EVLOOP_MS(1), stop_at_the_third), 0);
    assert_int_equal(evloop_timer_start(loop, &later, EVLOOP_SEC(1), 0, on_other), 0);
    loop_run(loop);
    assert_int_equal(timed.fired, 3);
    assert_false(evloop_timer_active(&timed.timer));
    loop_end(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_ENTRY(timer_with_a_second_or_more_left_fires_on_an_idle_loop),
        TEST_ENTRY(timer_is_not_early_because_of_a_clock_that_was_read_before_it_was_started),
        TEST_ENTRY(timer_that_is_started_again_is_not_early_because_of_a_stale_clock),
        TEST_ENTRY(timer_without_delay_that_starts_itself_again_does_not_starve_the_phase),
        TEST_ENTRY(timers_with_one_deadline_fire_in_the_order_of_starting),
        TEST_ENTRY(timers_past_their_deadlines_whose_slack_is_taken_away_fire_in_order),
        TEST_ENTRY(timers_that_are_stopped_and_started_inside_a_callback_leave_the_others_in_order),
        TEST_ENTRY(timer_that_is_stopped_by_another_in_the_same_phase_does_not_fire),
        TEST_ENTRY(interval_that_is_cleared_in_its_own_callback_never_fires_again),
    };
    return RUN_TESTS("lineage: timers", tests);
}
