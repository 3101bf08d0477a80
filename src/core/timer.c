#include "core/timer.h"

#include <string.h>

#include "core/loop.h"

enum {
    TIMER_FRESH = OBJECT_BIT_2, /* deadline_ is a delay */
    TIMER_DUE = OBJECT_BIT_3,   /* collected; its callback comes in this phase */
    FRESH_AT_MOST = 64,         /* then the clock is read for them, while they are in the cache */
    SORT_AT_MOST = 8,           /* a slot with more timers is split before it is sorted */
    LOOK_AT_MOST = 64           /* a slot with more timers is not searched for its earliest */
};

static uint64_t saturating_add(uint64_t a, uint64_t b)
{
    return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

/*
 * When the timer is to be called: its deadline or, with slack, the roundest number between the deadline and
 * the end of the slack, so that timers that may meet do meet.
 */
static uint64_t moment_of(const evloop_timer *timer)
{
    uint64_t deadline = timer->deadline_;
    if (!timer->slack_us_)
        return deadline;
    uint64_t limit = saturating_add(deadline, EVLOOP_US(timer->slack_us_));
    uint64_t differ = deadline ^ limit;
    if (!differ)
        return deadline;
    unsigned top = 63 - (unsigned)__builtin_clzll(differ);
    return limit & ~((UINT64_C(1) << top) - 1);
}

static void link_at(evloop_timer **place, evloop_timer *timer)
{
    timer->next_ = *place;
    timer->slot_ = place;
    if (*place)
        (*place)->slot_ = &timer->next_;
    *place = timer;
}

static void unlink_timer(evloop_timer *timer)
{
    *timer->slot_ = timer->next_;
    if (timer->next_)
        timer->next_->slot_ = timer->slot_;
}

static void wheel_insert(struct timers *timers, evloop_timer *timer)
{
    uint64_t moment = moment_of(timer);
    if (moment < timers->base)
        moment = timers->base;
    unsigned top = 63 - (unsigned)__builtin_clzll((moment ^ timers->base) | 1);
    unsigned level = top / 8;
    unsigned slot = moment >> (level * 8) & (WHEEL_SLOTS - 1);
    link_at(&timers->slots[level][slot], timer);
    timers->used[level][slot / 64] |= UINT64_C(1) << slot % 64;
    timers->levels_used |= (uint8_t)(1u << level);
    if (moment < timers->earliest)
        timers->earliest = moment;
}

void timers_init(struct timers *timers, uint64_t now)
{
    memset(timers, 0, sizeof *timers);
    timers->base = now;
    timers->earliest = EVLOOP_FOREVER;
}

void timers_arm(struct timers *timers, uint64_t now)
{
    evloop_timer *timer;
    while ((timer = timers->fresh)) {
        unlink_timer(timer);
        timer->state_ &= ~(uintptr_t)TIMER_FRESH;
        timer->deadline_ = saturating_add(now, timer->deadline_);
        wheel_insert(timers, timer);
    }
    timers->fresh_count = 0;
}

/* The first slot of a level that has timers; -1 if none has. */
static int first_slot(struct timers *timers, unsigned level)
{
    for (unsigned word = 0; word < WHEEL_SLOTS / 64; word++) {
        while (timers->used[level][word]) {
            unsigned slot = word * 64 + (unsigned)__builtin_ctzll(timers->used[level][word]);
            if (timers->slots[level][slot])
                return (int)slot;
            timers->used[level][word] &= timers->used[level][word] - 1;
        }
    }
    return -1;
}

struct wheel_place {
    unsigned level;
    unsigned slot;
    uint64_t begin; /* the slot's first moment */
    uint64_t end;   /* its last */
};

/* The slot with the earliest timers. */
static bool find_earliest(struct timers *timers, struct wheel_place *place)
{
    while (timers->levels_used) {
        unsigned level = (unsigned)__builtin_ctz(timers->levels_used);
        int slot = first_slot(timers, level);
        if (slot < 0) {
            timers->levels_used &= (uint8_t)(timers->levels_used - 1);
            continue;
        }
        uint64_t width = UINT64_C(1) << level * 8;
        uint64_t above = level == WHEEL_LEVELS - 1 ? 0 : ~(width * WHEEL_SLOTS - 1);
        place->level = level;
        place->slot = (unsigned)slot;
        place->begin = (timers->base & above) | (uint64_t)slot * width;
        place->end = place->begin + (width - 1);
        return true;
    }
    return false;
}

static bool comes_before(const evloop_timer *a, const evloop_timer *b)
{
    uint64_t moment_a = moment_of(a);
    uint64_t moment_b = moment_of(b);
    return moment_a != moment_b ? moment_a < moment_b : a->order_ < b->order_;
}

static evloop_timer *merge(evloop_timer *a, evloop_timer *b)
{
    evloop_timer *merged = NULL;
    evloop_timer **end = &merged;
    while (a && b) {
        evloop_timer **first = comes_before(a, b) ? &a : &b;
        *end = *first;
        end = &(*first)->next_;
        *first = *end;
    }
    *end = a ? a : b;
    return merged;
}

/* Sorts a list that hangs together by next_ alone: runs[n] is sorted, and has 2^n timers or none. */
static evloop_timer *sort(evloop_timer *list)
{
    evloop_timer *runs[64] = {NULL};
    unsigned used = 0;
    while (list) {
        evloop_timer *run = list;
        list = list->next_;
        run->next_ = NULL;
        unsigned n = 0;
        for (; n < used && runs[n]; n++) {
            run = merge(runs[n], run);
            runs[n] = NULL;
        }
        if (n == used)
            used++;
        runs[n] = run;
    }
    evloop_timer *sorted = NULL;
    for (unsigned n = 0; n < used; n++)
        sorted = merge(runs[n], sorted);
    return sorted;
}

static bool longer_than(const evloop_timer *list, int limit)
{
    while (list && limit-- > 0)
        list = list->next_;
    return list != NULL;
}

/* Appends a sorted list to `due`; returns the new end of it. */
static evloop_timer **append_due(evloop_timer **end, evloop_timer *list)
{
    while (list) {
        *end = list;
        list->slot_ = end;
        list->state_ |= TIMER_DUE;
        end = &list->next_;
        list = list->next_;
    }
    return end;
}

void timers_collect(struct timers *timers, uint64_t now)
{
    evloop_timer **end = &timers->due;
    struct wheel_place place;
    if (timers->earliest > now)
        return;
    timers->earliest = EVLOOP_FOREVER;
    timers->earliest_vague = false;
    while (find_earliest(timers, &place) && place.begin <= now) {
        evloop_timer **slot = &timers->slots[place.level][place.slot];
        evloop_timer *list = *slot;
        *slot = NULL;
        if (place.begin > timers->base)
            timers->base = place.begin;
        if (place.end <= now && (place.level == 0 || !longer_than(list, SORT_AT_MOST))) {
            end = append_due(end, sort(list));
            continue;
        }
        while (list) {
            evloop_timer *timer = list;
            list = list->next_;
            wheel_insert(timers, timer);
        }
    }
    timers->base = now;
    timers->earliest = timers->levels_used ? place.begin : EVLOOP_FOREVER;
    timers->earliest_vague = timers->levels_used != 0;
}

evloop_timer *timers_next_due(struct timers *timers)
{
    evloop_timer *timer = timers->due;
    if (timer) {
        unlink_timer(timer);
        timer->state_ &= ~(uintptr_t)TIMER_DUE;
    }
    return timer;
}

uint64_t timers_earliest(struct timers *timers)
{
    struct wheel_place place;
    if (!timers->earliest_vague)
        return timers->earliest;
    timers->earliest = EVLOOP_FOREVER;
    timers->earliest_vague = false;
    if (!find_earliest(timers, &place))
        return EVLOOP_FOREVER;
    const evloop_timer *list = timers->slots[place.level][place.slot];
    if (longer_than(list, LOOK_AT_MOST))
        return timers->earliest = place.begin;
    for (; list; list = list->next_)
        if (moment_of(list) < timers->earliest)
            timers->earliest = moment_of(list);
    return timers->earliest;
}

evloop_timer *timers_list(const struct timers *timers, size_t *place)
{
    enum { WHEEL_ALL = WHEEL_LEVELS * WHEEL_SLOTS };
    while (*place < WHEEL_ALL + 2) {
        size_t index = (*place)++;
        evloop_timer *list = index == WHEEL_ALL       ? timers->fresh
                             : index == WHEEL_ALL + 1 ? timers->due
                                                      : timers->slots[index / WHEEL_SLOTS][index % WHEEL_SLOTS];
        if (list)
            return list;
    }
    return NULL;
}

/* Out of whichever list it is in. */
static void detach(struct timers *timers, evloop_timer *timer)
{
    unlink_timer(timer);
    if (timer->state_ & TIMER_FRESH)
        timers->fresh_count--;
    else if (timer->deadline_ <= timers->earliest)
        timers->earliest_vague = true;
    timer->state_ &= ~(uintptr_t)(TIMER_FRESH | TIMER_DUE);
}

static void link_fresh(evloop *loop, evloop_timer *timer, uint64_t first_ns)
{
    struct timers *timers = &loop->timers;
    uint64_t now;
    timer->deadline_ = first_ns;
    timer->order_ = ++timers->last_order;
    link_at(&timers->fresh, timer);
    if (++timers->fresh_count >= FRESH_AT_MOST && poller_clock(&now) == 0)
        timers_arm(timers, now);
}

int evloop_timer_start(evloop *loop, evloop_timer *timer, uint64_t first_ns, uint64_t repeat_ns,
                       evloop_timer_fn fn)
{
    int err = loop_check_start(loop);
    if (err)
        return err;
    if (!timer || !fn)
        return -EINVAL;
    if (timer->state_ & OBJECT_ACTIVE)
        return -EBUSY;
    timer->fn_ = fn;
    timer->repeat_ = repeat_ns;
    timer->missed_ = 0;
    object_activate(loop, &timer->state_, TIMER_FRESH);
    link_fresh(loop, timer, first_ns);
    return 0;
}

int evloop_timer_again(evloop_timer *timer, uint64_t first_ns)
{
    if (!timer || !timer->fn_)
        return -EINVAL;
    evloop *loop = object_loop(timer->state_);
    int err = loop_check_start(loop);
    if (err)
        return err;
    if (timer->state_ & OBJECT_ACTIVE) {
        detach(&loop->timers, timer);
        timer->state_ |= TIMER_FRESH;
    } else {
        object_activate(loop, &timer->state_, TIMER_FRESH);
    }
    link_fresh(loop, timer, first_ns);
    return 0;
}

static void deactivate(evloop *loop, evloop_timer *timer)
{
    detach(&loop->timers, timer);
    object_deactivate(loop, &timer->state_);
}

int evloop_timer_stop(evloop_timer *timer)
{
    if (!timer)
        return -EINVAL;
    int err = object_check(timer->state_);
    if (!err && (timer->state_ & OBJECT_ACTIVE))
        deactivate(object_loop(timer->state_), timer);
    return err;
}

static bool in_wheel(const evloop_timer *timer)
{
    return (timer->state_ & (OBJECT_ACTIVE | TIMER_FRESH | TIMER_DUE)) == OBJECT_ACTIVE;
}

int evloop_timer_set_slack(evloop_timer *timer, uint64_t slack_ns)
{
    if (!timer)
        return -EINVAL;
    int err = object_check(timer->state_);
    if (err)
        return err;
    uint64_t slack_us = slack_ns / EVLOOP_US(1);
    evloop *loop = object_loop(timer->state_);
    bool move = in_wheel(timer);
    if (move)
        detach(&loop->timers, timer);
    timer->slack_us_ = slack_us > UINT32_MAX ? UINT32_MAX : (uint32_t)slack_us;
    if (move)
        wheel_insert(&loop->timers, timer);
    return 0;
}

uint64_t evloop_timer_due_in(const evloop_timer *timer)
{
    if (!timer || !(timer->state_ & OBJECT_ACTIVE))
        return EVLOOP_FOREVER;
    uint64_t now = object_loop(timer->state_)->now;
    if (timer->deadline_ == UINT64_MAX || (timer->state_ & TIMER_FRESH))
        return timer->deadline_;
    return timer->deadline_ > now ? timer->deadline_ - now : 0;
}

uint32_t evloop_timer_missed(const evloop_timer *timer)
{
    return timer ? timer->missed_ : 0;
}

int evloop_timer_unref(evloop_timer *timer)
{
    int err = timer ? object_check(timer->state_) : -EINVAL;
    if (!err)
        object_set_ref(&timer->state_, false);
    return err;
}

int evloop_timer_ref(evloop_timer *timer)
{
    int err = timer ? object_check(timer->state_) : -EINVAL;
    if (!err)
        object_set_ref(&timer->state_, true);
    return err;
}

bool evloop_timer_active(const evloop_timer *timer)
{
    return timer && (timer->state_ & OBJECT_ACTIVE);
}

evloop *evloop_timer_loop(const evloop_timer *timer)
{
    return timer ? object_loop(timer->state_) : NULL;
}

/* The first deadline after now that is a whole number of repeats after the last one. */
static void set_next_deadline(evloop *loop, evloop_timer *timer)
{
    uint64_t next = saturating_add(timer->deadline_, timer->repeat_);
    if (next <= loop->now) {
        uint64_t missed = (loop->now - next) / timer->repeat_ + 1;
        next = saturating_add(next, missed * timer->repeat_);
        missed += timer->missed_;
        timer->missed_ = missed > UINT32_MAX ? UINT32_MAX : (uint32_t)missed;
    }
    timer->deadline_ = next;
    timer->order_ = ++loop->timers.last_order;
    wheel_insert(&loop->timers, timer);
}

/*
 * Due timers are collected before the first callback, so that what a callback starts waits for the next turn.
 * A repeating timer is in the wheel again when its callback begins, and can be stopped there for good.
 */
void timers_run(evloop *loop)
{
    evloop_timer *timer;
    timers_collect(&loop->timers, loop->now);
    while ((timer = timers_next_due(&loop->timers))) {
        if (timer->repeat_)
            set_next_deadline(loop, timer);
        else
            object_deactivate(loop, &timer->state_);
        loop->count.timers_fired++;
        timer->fn_(timer);
        loop_after_callback(loop);
    }
}

void timers_stop_all(evloop *loop)
{
    evloop_timer *timer;
    size_t place = 0;
    while ((timer = timers_list(&loop->timers, &place))) {
        while (timer) {
            evloop_timer *next = timer->next_;
            deactivate(loop, timer);
            timer->state_ &= OBJECT_UNREF;
            timer = next;
        }
    }
}
