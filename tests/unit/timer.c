/*
 * timer.c: when a timer runs (never early), in what order, and what starting and stopping inside
 * callbacks does.
 *
 * A few timers that are started between two readings of the clock count from the same moment, so
 * that the order in which they run is known exactly; where there are many, their deadlines are
 * asked for. Nothing here depends on how fast the machine is: lateness is never asserted.
 */
#include "alarms.h"

/* ---- life ------------------------------------------------------------------------------------ */

TEST(a_timer_that_was_never_started_is_inactive)
{
    evloop_timer timer = {0};
    assert_false(evloop_timer_active(&timer));
    assert_null(evloop_timer_loop(&timer));
    assert_true(evloop_timer_due_in(&timer) == EVLOOP_FOREVER);
    assert_int_equal(evloop_timer_missed(&timer), 0);
    assert_int_equal(evloop_timer_stop(&timer), 0);
    assert_int_equal(evloop_timer_again(&timer, 1), -EINVAL);
    assert_false(evloop_timer_active(&timer));
}

static bool active_inside;

static void see_active(evloop_timer *timer)
{
    active_inside = evloop_timer_active(timer);
    ++*(int *)timer->data;
}

TEST(a_one_shot_timer_runs_once_and_has_run_out_when_its_callback_begins)
{
    int calls = 0;
    evloop *loop = loop_new();
    evloop_timer timer = {.data = &calls};
    active_inside = true;
    assert_int_equal(evloop_timer_start(loop, &timer, EVLOOP_MS(1), 0, see_active), 0);
    assert_true(evloop_timer_active(&timer));
    assert_ptr_equal(evloop_timer_loop(&timer), loop);
    loop_run(loop);
    assert_int_equal(calls, 1);
    assert_false(active_inside);
    assert_false(evloop_timer_active(&timer));
    loop_end(loop);
}

TEST(an_active_timer_is_refused_and_left_as_it_was)
{
    struct alarm_clock alarms[1];
    evloop *loop = loop_new(), *other = loop_new();
    alarms_init(alarms, 1);
    evloop_timer_start(loop, &alarms[0].timer, EVLOOP_MS(1), 0, on_alarm);
    assert_int_equal(evloop_timer_start(loop, &alarms[0].timer, 0, 0, never), -EBUSY);
    assert_int_equal(evloop_timer_start(other, &alarms[0].timer, 0, 0, never), -EBUSY);
    assert_ptr_equal(evloop_timer_loop(&alarms[0].timer), loop);
    assert_false(evloop_alive(other));
    loop_run(loop);
    assert_trace("A");
    loop_end(other);
    loop_end(loop);
}

TEST(a_timer_needs_a_function)
{
    evloop *loop = loop_new();
    evloop_timer timer = {0};
    assert_int_equal(evloop_timer_start(loop, &timer, 0, 0, NULL), -EINVAL);
    assert_false(evloop_timer_active(&timer));
    assert_int_equal(evloop_timer_again(&timer, 0), -EINVAL);
    loop_end(loop);
}

static void frees_itself(evloop_timer *timer)
{
    trace('f');
    free(timer);
}

TEST(a_one_shot_timer_can_be_freed_in_its_own_callback)
{
    evloop *loop = loop_new();
    for (int i = 0; i < 3; i++) {
        evloop_timer *timer = calloc(1, sizeof *timer);
        evloop_timer_start(loop, timer, EVLOOP_US(1), 0, frees_itself);
    }
    loop_run(loop);
    assert_trace("fff");
    loop_end(loop);
}

static void stops_and_frees_itself(evloop_timer *timer)
{
    evloop_timer_stop(timer);
    frees_itself(timer);
}

TEST(a_repeating_timer_can_be_stopped_and_freed_in_its_own_callback)
{
    evloop *loop = loop_new();
    evloop_timer *timer = calloc(1, sizeof *timer);
    evloop_timer_start(loop, timer, EVLOOP_US(1), EVLOOP_US(1), stops_and_frees_itself);
    loop_run(loop);
    assert_trace("f");
    loop_end(loop);
}

/* ---- never early ----------------------------------------------------------------------------- */

TEST(no_timer_is_early)
{
    struct punctual many[500] = {{.delay = 0}};
    uint64_t seed = 1;
    evloop *loop = loop_new();
    punctual_runs = 0;
    for (int i = 0; i < 500; i++)
        punctual_start(loop, &many[i], chance(&seed) % EVLOOP_MS(20));
    loop_run(loop);
    assert_int_equal(punctual_runs, 500);
    loop_end(loop);
}

static struct punctual late;

static void arms_late(evloop_task *task)
{
    burn_ns(EVLOOP_MS(4));
    punctual_start(evloop_task_loop(task), &late, EVLOOP_MS(3));
}

TEST(a_timer_that_is_started_at_the_end_of_a_long_callback_is_not_early)
{
    evloop *loop = loop_new();
    evloop_task task = {0};
    memset(&late, 0, sizeof late);
    punctual_runs = 0;
    evloop_submit(loop, &task, arms_late);
    loop_run(loop);
    assert_int_equal(punctual_runs, 1);
    loop_end(loop);
}

static void arms_again_late(evloop_timer *timer)
{
    struct punctual *punctual = evloop_container_of(timer, struct punctual, timer);
    on_punctual(timer);
    if (punctual_runs == 5)
        return;
    burn_ns(EVLOOP_MS(2));
    punctual->armed_at = clock_ns();
    punctual->delay = EVLOOP_MS(1);
    assert_int_equal(evloop_timer_again(timer, EVLOOP_MS(1)), 0);
}

TEST(a_timer_that_is_started_again_at_the_end_of_its_own_long_callback_is_not_early)
{
    evloop *loop = loop_new();
    struct punctual punctual = {.delay = EVLOOP_MS(1)};
    punctual_runs = 0;
    punctual.armed_at = clock_ns();
    evloop_timer_start(loop, &punctual.timer, EVLOOP_MS(1), 0, arms_again_late);
    loop_run(loop);
    assert_int_equal(punctual_runs, 5);
    loop_end(loop);
}

TEST(a_timer_that_is_started_long_before_the_run_counts_from_the_run_at_the_latest)
{
    evloop *loop = loop_new();
    struct punctual punctual = {.delay = 0};
    punctual_runs = 0;
    burn_ns(EVLOOP_MS(3));
    punctual_start(loop, &punctual, EVLOOP_MS(2));
    loop_run(loop);
    assert_int_equal(punctual_runs, 1);
    loop_end(loop);
}

TEST(a_timer_more_than_a_second_away_fires_on_an_idle_loop)
{
    evloop *loop = loop_new();
    struct punctual punctual = {.delay = 0};
    punctual_runs = 0;
    punctual_start(loop, &punctual, EVLOOP_MS(1050));
    loop_run(loop);
    assert_int_equal(punctual_runs, 1);
    loop_end(loop);
}

/* ---- order ----------------------------------------------------------------------------------- */

TEST(timers_run_in_the_order_of_their_deadlines)
{
    struct alarm_clock alarms[5];
    const uint64_t delays[] = {50000, 10000, 40000, 10001, 0};
    evloop *loop = loop_new();
    alarms_init(alarms, 5);
    for (int i = 0; i < 5; i++)
        evloop_timer_start(loop, &alarms[i].timer, delays[i], 0, on_alarm);
    let_pass(loop, EVLOOP_MS(1));
    loop_turn(loop);
    assert_trace("EBDCA");
    loop_end(loop);
}

TEST(timers_with_one_deadline_run_in_the_order_of_starting)
{
    struct alarm_clock alarms[26];
    evloop *loop = loop_new();
    alarms_init(alarms, 26);
    for (int i = 0; i < 26; i++)
        evloop_timer_start(loop, &alarms[i].timer, EVLOOP_US(100), 0, on_alarm);
    let_pass(loop, EVLOOP_MS(1));
    loop_turn(loop);
    assert_trace("ABCDEFGHIJKLMNOPQRSTUVWXYZ");
    loop_end(loop);
}

TEST(starting_again_counts_as_starting_in_the_order_of_one_deadline)
{
    struct alarm_clock alarms[4];
    evloop *loop = loop_new();
    alarms_init(alarms, 4);
    for (int i = 0; i < 4; i++)
        evloop_timer_start(loop, &alarms[i].timer, EVLOOP_US(100), 0, on_alarm);
    evloop_timer_stop(&alarms[0].timer);
    evloop_timer_start(loop, &alarms[0].timer, EVLOOP_US(100), 0, on_alarm);
    assert_int_equal(evloop_timer_again(&alarms[1].timer, EVLOOP_US(100)), 0);
    let_pass(loop, EVLOOP_MS(1));
    loop_turn(loop);
    assert_trace("CDAB");
    loop_end(loop);
}

struct drawn {
    evloop_timer timer;
    uint64_t deadline;
    size_t number;
};

static struct drawn **drawn_order;
static size_t drawn_runs;

static void on_drawn(evloop_timer *timer)
{
    assert_ptr_equal(drawn_order[drawn_runs], evloop_container_of(timer, struct drawn, timer));
    drawn_runs++;
}

static int drawn_compare(const void *a, const void *b)
{
    const struct drawn *x = *(struct drawn *const *)a, *y = *(struct drawn *const *)b;
    if (x->deadline != y->deadline)
        return x->deadline < y->deadline ? -1 : 1;
    return x->number < y->number ? -1 : 1;
}

/* Eight timers with one of two delays, so that many deadlines are equal. */
static void drawn_start(evloop *loop, struct drawn *drawn, size_t first, uint64_t *seed)
{
    const uint64_t delays[2] = {chance(seed) % EVLOOP_MS(50), chance(seed) % EVLOOP_US(20)};
    for (size_t i = first; i < first + 8; i++) {
        drawn[i].number = i;
        evloop_timer_start(loop, &drawn[i].timer, delays[chance(seed) % 2], 0, on_drawn);
    }
    uint64_t now = evloop_update(loop);
    for (size_t i = first; i < first + 8; i++)
        drawn[i].deadline = now + evloop_timer_due_in(&drawn[i].timer);
}

TEST(a_hundred_thousand_random_timers_run_in_exact_order)
{
    size_t n = scaled(12500) * 8;
    uint64_t seed = 2;
    evloop *loop = loop_new();
    struct drawn *drawn = calloc(n, sizeof *drawn);
    drawn_order = calloc(n, sizeof *drawn_order);
    drawn_runs = 0;
    for (size_t i = 0; i < n; i += 8)
        drawn_start(loop, drawn, i, &seed);
    for (size_t i = 0; i < n; i++)
        drawn_order[i] = &drawn[i];
    qsort(drawn_order, n, sizeof *drawn_order, drawn_compare);
    loop_run(loop);
    assert_int_equal(drawn_runs, n);
    loop_end(loop);
    free(drawn_order);
    free(drawn);
}

/* ---- inside callbacks ------------------------------------------------------------------------ */

static void starts_itself(evloop_timer *timer)
{
    evloop *loop = evloop_timer_loop(timer);
    if (++*(int *)timer->data < 100)
        assert_int_equal(evloop_timer_start(loop, timer, 0, 0, starts_itself), 0);
}

TEST(a_timer_without_delay_that_starts_itself_runs_once_a_turn)
{
    int calls = 0;
    evloop *loop = loop_new();
    evloop_timer timer = {.data = &calls};
    evloop_timer_start(loop, &timer, 0, 0, starts_itself);
    int last = 0;
    for (int turn = 0; turn < 50; turn++) {
        loop_turn(loop);
        assert_true(calls - last <= 1);
        last = calls;
    }
    evloop_timer_stop(&timer);
    loop_end(loop);
}

static void on_task(evloop_task *task)
{
    ++*(int *)task->data;
}

TEST(a_timer_without_delay_that_starts_itself_starves_nobody)
{
    int calls = 0, ran = 0;
    evloop *loop = loop_new();
    evloop_timer timer = {.data = &calls};
    evloop_task task = {.data = &ran};
    evloop_timer_start(loop, &timer, 0, 0, starts_itself);
    loop_turn(loop);
    evloop_submit(loop, &task, on_task);
    while (ran == 0)
        loop_turn(loop);
    assert_true(calls < 10);
    loop_run(loop);
    assert_int_equal(calls, 100);
    loop_end(loop);
}

static void repeat_for_ever(evloop_timer *timer)
{
    ++*(int *)timer->data;
}

TEST(a_timer_that_repeats_faster_than_it_runs_starves_nobody)
{
    int calls = 0, ran = 0;
    evloop *loop = loop_new();
    evloop_timer timer = {.data = &calls};
    evloop_task task = {.data = &ran};
    evloop_timer_start(loop, &timer, 0, 1, repeat_for_ever);
    evloop_submit(loop, &task, on_task);
    loop_turn(loop);
    assert_int_equal(ran, 1);
    for (int i = 0; i < 20; i++) {
        int before = calls;
        loop_turn(loop);
        assert_true(calls - before <= 1);
    }
    evloop_timer_stop(&timer);
    loop_end(loop);
}

static struct alarm_clock *target;

static void stops_target(evloop_timer *timer)
{
    on_alarm(timer);
    assert_int_equal(evloop_timer_stop(&target->timer), 0);
    assert_false(evloop_timer_active(&target->timer));
}

TEST(a_timer_can_be_stopped_by_one_that_is_due_before_it)
{
    struct alarm_clock alarms[4];
    for (int out = 0; out < 4; out++) {
        const char *expected[] = {"ABCD", "ACD", "ABD", "ABC"};
        evloop *loop = loop_new();
        alarms_init(alarms, 4);
        target = &alarms[out];
        for (int i = 0; i < 4; i++)
            evloop_timer_start(loop, &alarms[i].timer, EVLOOP_US(10), EVLOOP_SEC(60),
                               i ? on_alarm : stops_target);
        let_pass(loop, EVLOOP_MS(1));
        loop_turn(loop);
        assert_trace(expected[out]);
        assert_false(evloop_timer_active(&alarms[out].timer));
        evloop_destroy(loop, EVLOOP_DESTROY_FORCE);
    }
}

TEST(a_repeating_timer_that_was_stopped_in_its_own_callback_never_runs_again)
{
    struct alarm_clock alarms[1];
    evloop *loop = loop_new();
    alarms_init(alarms, 1);
    target = &alarms[0];
    evloop_timer_start(loop, &alarms[0].timer, EVLOOP_US(1), EVLOOP_US(1), stops_target);
    loop_run(loop);
    for (int i = 0; i < 5; i++) {
        burn_ns(EVLOOP_US(50));
        loop_turn(loop);
    }
    assert_trace("A");
    loop_end(loop);
}

static void restarts_target(evloop_timer *timer)
{
    on_alarm(timer);
    evloop_timer_stop(&target->timer);
    assert_int_equal(evloop_timer_start(evloop_timer_loop(timer), &target->timer, 0, 0, on_alarm),
                     0);
}

TEST(a_due_timer_that_is_restarted_inside_a_timers_callback_waits_for_the_next_turn)
{
    struct alarm_clock alarms[3];
    evloop *loop = loop_new();
    alarms_init(alarms, 3);
    target = &alarms[1];
    evloop_timer_start(loop, &alarms[0].timer, EVLOOP_US(10), 0, restarts_target);
    evloop_timer_start(loop, &alarms[1].timer, EVLOOP_US(10), 0, on_alarm);
    evloop_timer_start(loop, &alarms[2].timer, EVLOOP_US(10), 0, on_alarm);
    let_pass(loop, EVLOOP_MS(1));
    loop_turn(loop);
    assert_trace("AC");
    loop_run(loop);
    assert_trace("B");
    loop_end(loop);
}

static void postpones_target(evloop_timer *timer)
{
    on_alarm(timer);
    assert_int_equal(evloop_timer_again(&target->timer, EVLOOP_SEC(60)), 0);
}

TEST(a_due_timer_that_is_pushed_back_inside_a_timers_callback_does_not_run)
{
    struct alarm_clock alarms[3];
    evloop *loop = loop_new();
    alarms_init(alarms, 3);
    target = &alarms[1];
    evloop_timer_start(loop, &alarms[0].timer, EVLOOP_US(10), 0, postpones_target);
    evloop_timer_start(loop, &alarms[1].timer, EVLOOP_US(20), 0, on_alarm);
    evloop_timer_start(loop, &alarms[2].timer, EVLOOP_US(30), 0, on_alarm);
    let_pass(loop, EVLOOP_MS(1));
    loop_turn(loop);
    assert_trace("AC");
    assert_true(evloop_timer_active(&alarms[1].timer));
    evloop_timer_stop(&alarms[1].timer);
    loop_end(loop);
}

static void starts_target(evloop_timer *timer)
{
    on_alarm(timer);
    assert_int_equal(evloop_timer_start(evloop_timer_loop(timer), &target->timer, 0, 0, on_alarm),
                     0);
    evloop_update(evloop_timer_loop(timer));
}

TEST(a_timer_that_is_started_inside_a_timers_callback_waits_for_the_next_turn)
{
    struct alarm_clock alarms[3];
    evloop *loop = loop_new();
    alarms_init(alarms, 3);
    target = &alarms[2];
    evloop_timer_start(loop, &alarms[0].timer, EVLOOP_US(10), 0, starts_target);
    evloop_timer_start(loop, &alarms[1].timer, EVLOOP_US(20), 0, on_alarm);
    let_pass(loop, EVLOOP_MS(1));
    loop_turn(loop);
    assert_trace("AB");
    loop_run(loop);
    assert_trace("C");
    loop_end(loop);
}

static void stops_all(evloop_timer *timer)
{
    evloop_timer *all = timer->data;
    trace('S');
    for (int i = 0; i < 1000; i++)
        evloop_timer_stop(&all[i]);
}

TEST(one_callback_can_stop_a_thousand_timers_that_are_due)
{
    evloop *loop = loop_new();
    evloop_timer *all = calloc(1000, sizeof *all), first = {.data = all};
    evloop_timer_start(loop, &first, 0, 0, stops_all);
    for (unsigned i = 0; i < 1000; i++)
        evloop_timer_start(loop, &all[i], 1 + i * 100, 0, never);
    let_pass(loop, EVLOOP_MS(1));
    loop_run(loop);
    assert_trace("S");
    free(all);
    loop_end(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_ENTRY(a_timer_that_was_never_started_is_inactive),
        TEST_ENTRY(a_one_shot_timer_runs_once_and_has_run_out_when_its_callback_begins),
        TEST_ENTRY(an_active_timer_is_refused_and_left_as_it_was),
        TEST_ENTRY(a_timer_needs_a_function),
        TEST_ENTRY(a_one_shot_timer_can_be_freed_in_its_own_callback),
        TEST_ENTRY(a_repeating_timer_can_be_stopped_and_freed_in_its_own_callback),
        TEST_ENTRY(no_timer_is_early),
        TEST_ENTRY(a_timer_that_is_started_at_the_end_of_a_long_callback_is_not_early),
        TEST_ENTRY(a_timer_that_is_started_again_at_the_end_of_its_own_long_callback_is_not_early),
        TEST_ENTRY(a_timer_that_is_started_long_before_the_run_counts_from_the_run_at_the_latest),
        TEST_ENTRY(a_timer_more_than_a_second_away_fires_on_an_idle_loop),
        TEST_ENTRY(timers_run_in_the_order_of_their_deadlines),
        TEST_ENTRY(timers_with_one_deadline_run_in_the_order_of_starting),
        TEST_ENTRY(starting_again_counts_as_starting_in_the_order_of_one_deadline),
        TEST_ENTRY(a_hundred_thousand_random_timers_run_in_exact_order),
        TEST_ENTRY(a_timer_without_delay_that_starts_itself_runs_once_a_turn),
        TEST_ENTRY(a_timer_without_delay_that_starts_itself_starves_nobody),
        TEST_ENTRY(a_timer_that_repeats_faster_than_it_runs_starves_nobody),
        TEST_ENTRY(a_timer_can_be_stopped_by_one_that_is_due_before_it),
        TEST_ENTRY(a_repeating_timer_that_was_stopped_in_its_own_callback_never_runs_again),
        TEST_ENTRY(a_due_timer_that_is_restarted_inside_a_timers_callback_waits_for_the_next_turn),
        TEST_ENTRY(a_due_timer_that_is_pushed_back_inside_a_timers_callback_does_not_run),
        TEST_ENTRY(a_timer_that_is_started_inside_a_timers_callback_waits_for_the_next_turn),
        TEST_ENTRY(one_callback_can_stop_a_thousand_timers_that_are_due),
    };
    return RUN_TESTS("timer", tests);
}
