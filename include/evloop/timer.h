/*
 * evloop/timer.h: callbacks after a time, once or again and again.
 *
 * Deadlines are kept to the nanosecond. A timer is never early: its delay counts from the loop's
 * first reading of the clock after the call, which is at the end of the callbacks of this turn at
 * the latest, and its callback runs when the clock, read again, has reached the deadline. Timers
 * that are due run in the order of (deadline, order of starting). A timer that is started inside a
 * timer's callback runs in the next turn at the earliest, even with a delay of 0.
 */
#ifndef EVLOOP_TIMER_H
#define EVLOOP_TIMER_H

#include "evloop/base.h"

EVLOOP_BEGIN_DECLS

typedef struct evloop_timer evloop_timer;

/**
 * A timer's callback; on the loop's thread. It may stop or restart the timer, or free a one-shot
 * one.
 */
typedef void (*evloop_timer_fn)(evloop_timer *timer);

/** A timer. Zero-filled memory is an inactive one. The loop allocates nothing for it. */
struct evloop_timer {
    void *data;       /**< yours */
    const char *name; /**< yours, for debugging; may be NULL */

    /* private */
    uint64_t order_;
    uint64_t repeat_;
    evloop_timer_fn fn_;
    EVLOOP_ATOMIC(uintptr_t) state_;
    uint64_t deadline_;
    evloop_timer *next_;
    evloop_timer **slot_;
    uint32_t slack_us_;
    uint32_t missed_;
};

/**
 * Starts a timer: fn is called once first_ns from now, and then, if repeat_ns is not 0, every
 * repeat_ns: each deadline is the last one plus repeat_ns, however late the callback was, so that
 * there is no drift. Deadlines that have passed altogether are skipped and counted
 * (evloop_timer_missed()). The timer must stay where it is until it is stopped or, for a one-shot
 * one, its callback begins. A delay beyond the clock's range means never.
 * Thread: loop. Errors: -EINVAL (NULL), -EBUSY (active: use evloop_timer_again()), EVLOOP_ECLOSED,
 * EVLOOP_ETHREAD, -ECHILD. Since 0.1.0.
 */
EVLOOP_API int evloop_timer_start(evloop *loop, evloop_timer *timer, uint64_t first_ns,
                                  uint64_t repeat_ns, evloop_timer_fn fn);

/**
 * Moves the next call to first_ns from now, whether the timer is active or has run; callback,
 * repeat and slack stay. The cheap way to push back a time-out. Its loop must still be there.
 * Thread: loop. Errors: -EINVAL (NULL, or never started), EVLOOP_ECLOSED, EVLOOP_ETHREAD, -ECHILD.
 * Since 0.1.0.
 */
EVLOOP_API int evloop_timer_again(evloop_timer *timer, uint64_t first_ns);

/**
 * Stops a timer, at once, also inside its own callback; its memory is yours. Harmless if inactive.
 * Thread: loop. Errors: -EINVAL (NULL), EVLOOP_ETHREAD, -ECHILD. Since 0.1.0.
 */
EVLOOP_API int evloop_timer_stop(evloop_timer *timer);

/**
 * Lets the timer be up to slack_ns late (kept in whole microseconds, 71 minutes at most), so that
 * the loop can wake once for several; never early, and no drift. Its deadline in the order of
 * timers is then the moment that was chosen. Takes effect at once; stays until changed.
 * Thread: loop. Errors: -EINVAL (NULL), EVLOOP_ETHREAD, -ECHILD. Since 0.1.0.
 */
EVLOOP_API int evloop_timer_set_slack(evloop_timer *timer, uint64_t slack_ns);

/**
 * In how many ns it is due, slack left aside, by the loop's clock: 0 if it is, EVLOOP_FOREVER if
 * inactive.
 * Thread: loop. Since 0.1.0.
 */
EVLOOP_API uint64_t evloop_timer_due_in(const evloop_timer *timer);

/**
 * How many deadlines of a repeating timer were skipped since it was started. Thread: loop. Since
 * 0.1.0.
 */
EVLOOP_API uint32_t evloop_timer_missed(const evloop_timer *timer);

/**
 * Lets it not keep the loop alive. Thread: loop. Errors: -EINVAL, EVLOOP_ETHREAD, -ECHILD. Since
 * 0.1.0.
 */
EVLOOP_API int evloop_timer_unref(evloop_timer *timer);
/**
 * Lets it keep the loop alive, as it does from the start. Thread, errors: as unref. Since 0.1.0.
 */
EVLOOP_API int evloop_timer_ref(evloop_timer *timer);
/** Whether it is started and has not run out. Thread: loop. Since 0.1.0. */
EVLOOP_API bool evloop_timer_active(const evloop_timer *timer);
/** The loop that it was last started on; NULL if none. Thread: loop. Since 0.1.0. */
EVLOOP_API evloop *evloop_timer_loop(const evloop_timer *timer);

EVLOOP_END_DECLS

#endif
