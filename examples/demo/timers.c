/*
 * Timers by the hundred thousand: every slot's timer is armed with a random delay, and armed anew
 * when it fires. A timer goes round the slots meanwhile, cancels some and pushes some back. A
 * cancelled one is left alone until after the moment at which it would have fired, so that it
 * would be seen if it did.
 *
 * Early or not is judged by the kernel's clock, which is read just before the arming call and in
 * the callback.
 */
#define _POSIX_C_SOURCE 200809L

#include "demo.h"

#include <errno.h>
#include <stdlib.h>

#define LONGEST_DELAY EVLOOP_SEC(2)
#define CHURN_INTERVAL EVLOOP_MS(10)
#define CHURN_ROUNDS 100 /* intervals in which every slot is visited once */

struct slot {
    evloop_timer timer;
    uint64_t due_ns; /* by the kernel's clock: no earlier than this */
    bool armed;
};

static void on_slot(evloop_timer *timer);

static void slot_arm(struct timers *timers, struct slot *slot)
{
    uint64_t delay_ns = next_random(&timers->random) % LONGEST_DELAY;
    slot->due_ns = clock_ns() + delay_ns;
    int err = evloop_timer_start(timers->loop, &slot->timer, delay_ns, 0, on_slot);
    slot->armed = err == 0;
    timers->armed += !err;
    timers->errors += err && err != EVLOOP_ECLOSED; /* closed: the end has come */
}

static void slot_push_back(struct timers *timers, struct slot *slot)
{
    uint64_t delay_ns = next_random(&timers->random) % LONGEST_DELAY;
    uint64_t due_ns = clock_ns() + delay_ns;
    int err = evloop_timer_again(&slot->timer, delay_ns);
    if (!err) {
        slot->due_ns = due_ns;
        timers->pushed_back++;
    }
    timers->errors += err && err != EVLOOP_ECLOSED;
}

static void slot_cancel(struct timers *timers, struct slot *slot)
{
    timers->errors += evloop_timer_stop(&slot->timer) != 0;
    slot->armed = false;
    timers->cancelled++;
}

static void on_slot(evloop_timer *timer)
{
    struct slot *slot = evloop_container_of(timer, struct slot, timer);
    struct timers *timers = timer->data;
    uint64_t now_ns = clock_ns();
    if (!slot->armed) {
        timers->ghosts++;
        return;
    }
    slot->armed = false;
    timers->fired++;
    if (now_ns < slot->due_ns)
        timers->early++;
    else
        histogram_add(&timers->lateness, now_ns - slot->due_ns);
    slot_arm(timers, slot);
}

static void slot_visit(struct timers *timers, struct slot *slot)
{
    if (!slot->armed) {
        if (clock_ns() > slot->due_ns)
            slot_arm(timers, slot);
        return;
    }
    switch (next_random(&timers->random) % 4) {
    case 0:
        slot_cancel(timers, slot);
        break;
    case 1:
        slot_push_back(timers, slot);
        break;
    default:
        break;
    }
}

static void on_churn(evloop_timer *churn)
{
    struct timers *timers = evloop_container_of(churn, struct timers, churn);
    for (unsigned i = 0; i < timers->count / CHURN_ROUNDS + 1; i++) {
        slot_visit(timers, &timers->slots[timers->cursor]);
        timers->cursor = (timers->cursor + 1) % timers->count;
    }
}

int timers_start(struct timers *timers, evloop *loop, unsigned count)
{
    timers->loop = loop;
    timers->count = count;
    timers->churn.name = "churn";
    timers->slots = calloc(count, sizeof *timers->slots);
    if (!timers->slots)
        return -ENOMEM;
    for (unsigned i = 0; i < count; i++) {
        timers->slots[i].timer.data = timers;
        timers->slots[i].timer.name = "slot";
        slot_arm(timers, &timers->slots[i]);
    }
    return evloop_timer_start(loop, &timers->churn, CHURN_INTERVAL, CHURN_INTERVAL, on_churn);
}

void timers_finish(struct timers *timers)
{
    timers->errors += evloop_timer_stop(&timers->churn) != 0;
    for (unsigned i = 0; i < timers->count; i++) {
        if (timers->slots[i].armed)
            slot_cancel(timers, &timers->slots[i]);
    }
}

void timers_free(struct timers *timers)
{
    free(timers->slots);
    timers->slots = NULL;
}
