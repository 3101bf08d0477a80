/*
 * timer_repeat.c: timers that repeat or are started again; due_in; slack; delays beyond all clocks.
 */
#include "alarms.h"

/* ---- repeat ---------------------------------------------------------------------------------- */

struct metronome {
    evloop_timer timer;
    uint64_t period;
    uint64_t first_deadline;
    uint64_t burn_ns;
    unsigned beats;
};

/* The deadlines are first + k * period, and every k is either a call or counted as missed. */
static void on_beat(evloop_timer *timer)
{
    struct metronome *m = evloop_container_of(timer, struct metronome, timer);
    uint64_t due_in = evloop_timer_due_in(timer);
    assert_true(evloop_timer_active(timer));
    assert_true(due_in > 0 && due_in <= m->period);
    uint64_t deadline = evloop_now(evloop_timer_loop(timer)) + due_in - m->period;
    assert_true(deadline >= m->first_deadline);
    assert_int_equal((deadline - m->first_deadline) % m->period, 0);
    assert_int_equal((deadline - m->first_deadline) / m->period,
                     m->beats + evloop_timer_missed(timer));
    burn_ns(m->burn_ns);
    if (++m->beats == 10)
        evloop_timer_stop(timer);
}

static uint32_t metronome_run(uint64_t first, uint64_t period, uint64_t burn, uint64_t slack)
{
    evloop *loop = loop_new();
    struct metronome m = {.period = period, .burn_ns = burn};
    evloop_timer_set_slack(&m.timer, slack);
    evloop_timer_start(loop, &m.timer, first, period, on_beat);
    m.first_deadline = evloop_update(loop) + first;
    loop_run(loop);
    assert_int_equal(m.beats, 10);
    loop_end(loop);
    return evloop_timer_missed(&m.timer);
}

TEST(a_repeating_timer_does_not_drift)
{
    metronome_run(EVLOOP_MS(1), EVLOOP_MS(1), 0, 0);
    metronome_run(EVLOOP_MS(3), EVLOOP_US(500), 0, 0);
    metronome_run(0, EVLOOP_MS(2), EVLOOP_US(300), 0);
}

TEST(deadlines_that_have_passed_altogether_are_skipped_and_counted)
{
    uint32_t missed = metronome_run(EVLOOP_MS(1), EVLOOP_US(200), EVLOOP_MS(1), 0);
    assert_true(missed >= 9 * 4);
}

TEST(slack_does_not_make_a_repeating_timer_drift)
{
    metronome_run(EVLOOP_MS(1), EVLOOP_MS(2), 0, EVLOOP_US(1500));
}

TEST(missed_deadlines_are_counted_anew_after_a_start)
{
    int calls = 0;
    evloop *loop = loop_new();
    evloop_timer timer = {.data = &calls};
    evloop_timer_start(loop, &timer, EVLOOP_US(1), EVLOOP_US(1), on_count);
    while (evloop_timer_missed(&timer) == 0)
        loop_turn(loop);
    evloop_timer_stop(&timer);
    evloop_timer_start(loop, &timer, EVLOOP_SEC(60), EVLOOP_SEC(60), on_count);
    assert_int_equal(evloop_timer_missed(&timer), 0);
    evloop_timer_stop(&timer);
    loop_end(loop);
}

/* ---- again ----------------------------------------------------------------------------------- */

TEST(again_moves_a_timer_back_and_forth)
{
    struct alarm_clock alarms[3];
    evloop *loop = loop_new();
    alarms_init(alarms, 3);
    evloop_timer_start(loop, &alarms[0].timer, EVLOOP_US(10), 0, on_alarm);
    evloop_timer_start(loop, &alarms[1].timer, EVLOOP_SEC(60), 0, on_alarm);
    evloop_timer_start(loop, &alarms[2].timer, EVLOOP_US(20), 0, on_alarm);
    assert_int_equal(evloop_timer_again(&alarms[0].timer, EVLOOP_US(30)), 0);
    assert_int_equal(evloop_timer_again(&alarms[1].timer, EVLOOP_US(5)), 0);
    let_pass(loop, EVLOOP_MS(1));
    loop_turn(loop);
    assert_trace("BCA");
    loop_end(loop);
}

TEST(again_starts_a_timer_that_has_run_or_was_stopped)
{
    struct alarm_clock alarms[1];
    evloop *loop = loop_new();
    alarms_init(alarms, 1);
    evloop_timer_start(loop, &alarms[0].timer, 0, 0, on_alarm);
    loop_run(loop);
    assert_trace("A");
    assert_int_equal(evloop_timer_again(&alarms[0].timer, EVLOOP_US(1)), 0);
    assert_true(evloop_timer_active(&alarms[0].timer));
    loop_run(loop);
    assert_trace("A");
    evloop_timer_again(&alarms[0].timer, EVLOOP_SEC(60));
    evloop_timer_stop(&alarms[0].timer);
    assert_int_equal(evloop_timer_again(&alarms[0].timer, EVLOOP_US(1)), 0);
    loop_run(loop);
    assert_trace("A");
    loop_end(loop);
}

TEST(again_keeps_the_repeat)
{
    int calls = 0;
    evloop *loop = loop_new();
    evloop_timer timer = {.data = &calls};
    evloop_timer_start(loop, &timer, EVLOOP_SEC(60), EVLOOP_US(100), on_count);
    evloop_timer_again(&timer, EVLOOP_US(50));
    while (calls < 5)
        assert_int_equal(evloop_run(loop, EVLOOP_RUN_ONCE), 0);
    assert_true(evloop_timer_active(&timer));
    evloop_timer_stop(&timer);
    loop_end(loop);
}

TEST(a_timer_that_is_pushed_back_all_the_time_runs_only_when_left_alone)
{
    int calls = 0;
    evloop *loop = loop_new();
    evloop_timer timer = {.data = &calls};
    evloop_timer_start(loop, &timer, EVLOOP_SEC(60), 0, on_count);
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(evloop_timer_again(&timer, EVLOOP_SEC(60)), 0);
        loop_turn(loop);
    }
    assert_int_equal(calls, 0);
    evloop_timer_again(&timer, EVLOOP_US(10));
    loop_run(loop);
    assert_int_equal(calls, 1);
    loop_end(loop);
}

/* ---- due_in, and how long the loop may wait -------------------------------------------------- */

TEST(due_in_counts_down_by_the_loops_clock)
{
    evloop *loop = loop_new();
    evloop_timer timer = {0};
    evloop_timer_start(loop, &timer, EVLOOP_SEC(10), 0, never);
    uint64_t begin = evloop_update(loop);
    assert_true(evloop_timer_due_in(&timer) == EVLOOP_SEC(10));
    for (int i = 0; i < 10; i++) {
        burn_ns(EVLOOP_US(10));
        uint64_t passed = evloop_update(loop) - begin;
        assert_true(evloop_timer_due_in(&timer) == EVLOOP_SEC(10) - passed);
    }
    evloop_timer_again(&timer, EVLOOP_US(1));
    evloop_update(loop);
    burn_ns(EVLOOP_US(10));
    evloop_update(loop);
    assert_true(evloop_timer_due_in(&timer) == 0);
    evloop_timer_stop(&timer);
    assert_true(evloop_timer_due_in(&timer) == EVLOOP_FOREVER);
    loop_end(loop);
}

TEST(the_loop_waits_for_the_earliest_timer)
{
    evloop *loop = loop_new();
    evloop_timer timers[3] = {{0}};
    assert_true(evloop_next_timeout_ns(loop) == EVLOOP_FOREVER);
    evloop_timer_start(loop, &timers[0], EVLOOP_SEC(3600), 0, never);
    evloop_timer_start(loop, &timers[1], EVLOOP_SEC(60), 0, never);
    evloop_timer_start(loop, &timers[2], EVLOOP_SEC(600), 0, never);
    loop_turn(loop);
    uint64_t timeout = evloop_next_timeout_ns(loop);
    assert_true(timeout <= EVLOOP_SEC(60) && timeout > 0);
    evloop_timer_stop(&timers[1]);
    timeout = evloop_next_timeout_ns(loop);
    assert_true(timeout <= EVLOOP_SEC(600) && timeout > EVLOOP_SEC(60));
    evloop_timer_stop(&timers[2]);
    timeout = evloop_next_timeout_ns(loop);
    assert_true(timeout <= EVLOOP_SEC(3600) && timeout > EVLOOP_SEC(600));
    evloop_timer_stop(&timers[0]);
    assert_true(evloop_next_timeout_ns(loop) == EVLOOP_FOREVER);
    loop_end(loop);
}

/* ---- huge delays ----------------------------------------------------------------------------- */

TEST(a_delay_beyond_the_clock_means_never)
{
    const uint64_t delays[] = {EVLOOP_FOREVER, EVLOOP_FOREVER - 1, EVLOOP_FOREVER - EVLOOP_SEC(1),
                               UINT64_C(1) << 63, (UINT64_C(1) << 63) - 1};
    evloop *loop = loop_new();
    evloop_timer timers[5] = {{0}};
    for (int i = 0; i < 5; i++) {
        assert_int_equal(evloop_timer_start(loop, &timers[i], delays[i], delays[i], never), 0);
        assert_true(evloop_timer_active(&timers[i]));
    }
    assert_true(evloop_alive(loop));
    assert_int_equal(evloop_run_for(loop, EVLOOP_MS(2)), 0);
    assert_true(evloop_next_timeout_ns(loop) > EVLOOP_SEC(1000000));
    for (int i = 0; i < 5; i++)
        assert_int_equal(evloop_timer_again(&timers[i], delays[4 - i]), 0);
    assert_int_equal(evloop_run_for(loop, EVLOOP_MS(2)), 0);
    for (int i = 0; i < 5; i++) {
        assert_true(evloop_timer_due_in(&timers[i]) > EVLOOP_SEC(1000000));
        assert_int_equal(evloop_timer_stop(&timers[i]), 0);
    }
    loop_end(loop);
}

TEST(far_and_near_timers_do_not_disturb_each_other)
{
    uint64_t seed = 3;
    evloop *loop = loop_new();
    struct alarm_clock near[3];
    evloop_timer *far_away = calloc(2000, sizeof *far_away);
    alarms_init(near, 3);
    for (int i = 0; i < 2000; i++) {
        uint64_t delay = EVLOOP_SEC(5) + (chance(&seed) >> (1 + i % 24));
        evloop_timer_start(loop, &far_away[i], delay, 0, never);
    }
    for (int i = 0; i < 3; i++)
        evloop_timer_start(loop, &near[i].timer, EVLOOP_US(100 * (3U - (unsigned)i)), 0, on_alarm);
    while (strlen(trace_text()) < 3)
        assert_int_equal(evloop_run(loop, EVLOOP_RUN_ONCE), 0);
    assert_trace("CBA");
    for (int i = 0; i < 2000; i++)
        assert_int_equal(evloop_timer_stop(&far_away[i]), 0);
    assert_false(evloop_alive(loop));
    loop_end(loop);
    free(far_away);
}

/* ---- slack ----------------------------------------------------------------------------------- */

TEST(slack_lets_the_loop_wait_longer_but_not_longer_than_the_slack)
{
    const uint64_t slacks[] = {0, EVLOOP_US(1), EVLOOP_MS(1), EVLOOP_MS(700), EVLOOP_SEC(100)};
    for (int i = 0; i < 5; i++) {
        evloop *loop = loop_new();
        evloop_timer timer = {0};
        evloop_timer_start(loop, &timer, EVLOOP_SEC(10), 0, never);
        assert_int_equal(evloop_timer_set_slack(&timer, slacks[i]), 0);
        uint64_t before = evloop_update(loop);
        uint64_t timeout = evloop_next_timeout_ns(loop);
        uint64_t after = evloop_update(loop);
        assert_true(timeout <= EVLOOP_SEC(10) + slacks[i]);
        assert_true(timeout + (after - before) >= EVLOOP_SEC(10));
        evloop_timer_stop(&timer);
        loop_end(loop);
    }
}

TEST(due_in_leaves_slack_aside)
{
    evloop *loop = loop_new();
    evloop_timer timer = {0};
    assert_int_equal(evloop_timer_set_slack(&timer, EVLOOP_SEC(5)), 0);
    evloop_timer_start(loop, &timer, EVLOOP_SEC(10), 0, never);
    evloop_update(loop);
    assert_true(evloop_timer_due_in(&timer) == EVLOOP_SEC(10));
    assert_int_equal(evloop_timer_set_slack(&timer, EVLOOP_SEC(50)), 0);
    assert_true(evloop_timer_due_in(&timer) == EVLOOP_SEC(10));
    evloop_timer_stop(&timer);
    loop_end(loop);
}

TEST(slack_takes_effect_at_once)
{
    evloop *loop = loop_new();
    evloop_timer timer = {0};
    evloop_timer_set_slack(&timer, EVLOOP_FOREVER);
    evloop_timer_start(loop, &timer, EVLOOP_SEC(1), 0, never);
    evloop_update(loop);
    assert_true(evloop_next_timeout_ns(loop) <= EVLOOP_SEC(1) + EVLOOP_SEC(72 * 60));
    evloop_timer_set_slack(&timer, 0);
    assert_true(evloop_next_timeout_ns(loop) <= EVLOOP_SEC(1));
    assert_true(evloop_timer_active(&timer));
    evloop_timer_stop(&timer);
    loop_end(loop);
}

struct lax {
    struct punctual punctual;
    uint64_t turn;
};

static void on_lax(evloop_timer *timer)
{
    struct lax *lax = evloop_container_of(timer, struct lax, punctual.timer);
    on_punctual(timer);
    lax->turn = loop_metrics(evloop_timer_loop(timer)).turns;
}

static int lax_turns(const struct lax *lax, int n)
{
    int turns = 0;
    for (int i = 0; i < n; i++) {
        bool seen = false;
        for (int k = 0; k < i; k++)
            seen = seen || lax[k].turn == lax[i].turn;
        turns += !seen;
    }
    return turns;
}

TEST(timers_with_slack_are_merged_and_none_is_early)
{
    struct lax lax[100] = {{.turn = 0}};
    evloop *loop = loop_new();
    punctual_runs = 0;
    for (unsigned i = 0; i < 100; i++) {
        struct punctual *punctual = &lax[i].punctual;
        punctual->delay = EVLOOP_US(100) * (i + 1);
        punctual->armed_at = clock_ns();
        evloop_timer_set_slack(&punctual->timer, EVLOOP_MS(20));
        evloop_timer_start(loop, &punctual->timer, punctual->delay, 0, on_lax);
    }
    loop_run(loop);
    assert_int_equal(punctual_runs, 100);
    assert_true(lax_turns(lax, 100) <= 10);
    loop_end(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_ENTRY(a_repeating_timer_does_not_drift),
        TEST_ENTRY(deadlines_that_have_passed_altogether_are_skipped_and_counted),
        TEST_ENTRY(slack_does_not_make_a_repeating_timer_drift),
        TEST_ENTRY(missed_deadlines_are_counted_anew_after_a_start),
        TEST_ENTRY(again_moves_a_timer_back_and_forth),
        TEST_ENTRY(again_starts_a_timer_that_has_run_or_was_stopped),
        TEST_ENTRY(again_keeps_the_repeat),
        TEST_ENTRY(a_timer_that_is_pushed_back_all_the_time_runs_only_when_left_alone),
        TEST_ENTRY(due_in_counts_down_by_the_loops_clock),
        TEST_ENTRY(the_loop_waits_for_the_earliest_timer),
        TEST_ENTRY(a_delay_beyond_the_clock_means_never),
        TEST_ENTRY(far_and_near_timers_do_not_disturb_each_other),
        TEST_ENTRY(slack_lets_the_loop_wait_longer_but_not_longer_than_the_slack),
        TEST_ENTRY(due_in_leaves_slack_aside),
        TEST_ENTRY(slack_takes_effect_at_once),
        TEST_ENTRY(timers_with_slack_are_merged_and_none_is_early),
    };
    return RUN_TESTS("timer_repeat", tests);
}
