/*
 * timer.h: deadlines, exact to the ns, in a wheel of 8 levels with 256 slots each: level n's slots
 * are 256^n ns wide.
 *
 * A timer's moment is its deadline, moved by its slack. It hangs at the level of the highest byte
 * in which its moment differs from `base`, in the slot that this byte says. As `base` moves on to a
 * slot's beginning, the slot's timers go down to lower levels; so no deadline is rounded, starting
 * and stopping cost the same however many there are, and nothing is allocated.
 *
 * Invariants:
 * - base <= now, and every timer of the wheel has a moment >= base (or hangs in base's own slot).
 * - Slots are ordered: those of a lower level come before those of a higher one.
 * - `earliest` is never later than the earliest moment in the wheel; unless `earliest_vague`,
 *   looking again would not make it better.
 *
 * A timer that was just started is in `fresh`, and its deadline_ is a delay: it is counted from a
 * reading of the clock that comes after the call, so that the time which callbacks take never makes
 * a timer early.
 *
 * Due timers are collected slot by slot, each slot when the callbacks of the one before have run.
 * What those callbacks start is armed beyond `now`, and so never part of the phase that is under
 * way.
 *
 * Lists are singly linked; slot_ is where the pointer to the timer stands, so that any list can be
 * left without knowing which it is. Loop's thread only.
 */
#ifndef CORE_TIMER_H
#define CORE_TIMER_H

#include "evloop/timer.h"

enum { WHEEL_LEVELS = 8, WHEEL_SLOTS = 256, FRESH_AT_MOST = 64 };

struct timers {
    uint64_t base;
    uint64_t earliest;
    bool earliest_vague;
    uint8_t levels_used; /* bit n: level n may have timers */
    uint32_t fresh_count;
    uint64_t not_before; /* of deadlines that are set now: beyond the phase that is under way */
    uint64_t last_order;
    evloop_timer *due;                             /* collected, in order */
    evloop_timer *fresh[FRESH_AT_MOST];            /* NULL: stopped before it was armed */
    uint64_t used[WHEEL_LEVELS][WHEEL_SLOTS / 64]; /* a bit a slot: may have timers */
    evloop_timer *slots[WHEEL_LEVELS][WHEEL_SLOTS];
};

/* A moment beyond the clock's range is never. */
static inline uint64_t saturating_add(uint64_t moment, uint64_t delay)
{
    return moment > UINT64_MAX - delay ? UINT64_MAX : moment + delay;
}

void timers_init(struct timers *timers, uint64_t now);
/* The clock was read: fresh timers get their deadlines. */
void timers_arm(struct timers *timers, uint64_t now);
/* Moves the earliest timers whose moment has come to `due`; false if there are none. */
bool timers_collect(struct timers *timers, uint64_t now);
/*
 * When the earliest timer is due, or a moment before that; EVLOOP_FOREVER if there is none. None
 * may be fresh.
 */
uint64_t timers_earliest(struct timers *timers);
/* Whether there may be a timer. */
static inline bool timers_any(const struct timers *timers)
{
    return timers->levels_used || timers->fresh_count || timers->due;
}

/* Any timer but those before; for walking. *place begins as 0. */
evloop_timer *timers_list(const struct timers *timers, size_t *place);

#endif
