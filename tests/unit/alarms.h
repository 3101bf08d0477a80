/*
 * alarms.h: what the tests of timers share: timers that note their names, and timers that know when
 * they may run at the earliest.
 */
#ifndef EVLOOP_TESTS_ALARMS_H
#define EVLOOP_TESTS_ALARMS_H

#include "support.h"

/* A timer that notes its name. */
struct alarm_clock {
    evloop_timer timer;
    char name;
};

static inline void on_alarm(evloop_timer *timer)
{
    trace(evloop_container_of(timer, struct alarm_clock, timer)->name);
}

static inline void alarms_init(struct alarm_clock *alarms, int n)
{
    memset(alarms, 0, sizeof *alarms * (size_t)n);
    for (int i = 0; i < n; i++)
        alarms[i].name = (char)('A' + i);
}

static inline void on_count(evloop_timer *timer)
{
    ++*(int *)timer->data;
}

static inline void never(evloop_timer *timer)
{
    (void)timer;
    fail_msg("a timer ran that should not have");
}

/* Lets so much time pass that everything that is at most that far away is due in the next turn. */
static inline void let_pass(evloop *loop, uint64_t duration_ns)
{
    evloop_update(loop);
    burn_ns(duration_ns);
}

/* A timer that asserts, by the kernel's clock, that it is not early. */
struct punctual {
    evloop_timer timer;
    uint64_t armed_at;
    uint64_t delay;
};

static int punctual_runs;

static inline void on_punctual(evloop_timer *timer)
{
    struct punctual *punctual = evloop_container_of(timer, struct punctual, timer);
    assert_true(clock_ns() - punctual->armed_at >= punctual->delay);
    punctual_runs++;
}

static inline void punctual_start(evloop *loop, struct punctual *punctual, uint64_t delay)
{
    punctual->delay = delay;
    punctual->armed_at = clock_ns();
    assert_int_equal(evloop_timer_start(loop, &punctual->timer, delay, 0, on_punctual), 0);
}

#endif
