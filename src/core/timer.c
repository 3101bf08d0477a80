/*
 * timer.c: the wheel, and the phase that calls what is due; see timer.h.
 */
#include "core/timer.h"

#include <string.h>

#include "core/loop.h"

enum {
    TIMER_FRESH = OBJECT_BIT_2,  /* deadline_ is a delay */
    TIMER_DUE = OBJECT_BIT_3,    /* collected; its callback comes in this phase */
    TIMER_HIDDEN = OBJECT_BIT_4, /* the library's own */
    SORT_AT_MOST = 64,           /* a slot with more timers is split before it is sorted */
    FEW = 8,                     /* so many are sorted as they come */
    SORT_BITS = 6,               /* others are distributed to 2^6 buckets first */
    LOOK_AT_MOST = 64            /* a slot with more timers is not searched for its earliest */
};

/*
 * When the timer is to be called: its deadline or, with slack, the roundest number between the
 * deadline and the end of the slack, so that timers that may meet do meet.
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
    evloop_timer **place = &timers->slots[level][slot];
    if (!*place) {
        timers->used[level][slot / 64] |= UINT64_C(1) << slot % 64;
        timers->levels_used |= (uint8_t)(1u << level);
    }
    link_at(place, timer);
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
    for (uint32_t i = 0; i < timers->fresh_count; i++) {
        evloop_timer *timer = timers->fresh[i];
        if (!timer)
            continue;
        object_clear(&timer->state_, TIMER_FRESH);
        timer->deadline_ = saturating_add(now, timer->deadline_);
        if (timer->deadline_ < timers->not_before)
            timer->deadline_ = timers->not_before;
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

struct sort_entry {
    uint64_t moment;
    evloop_timer *timer;
};

static bool comes_before(const struct sort_entry *a, const struct sort_entry *b)
{
    return a->moment != b->moment ? a->moment < b->moment : a->timer->order_ < b->timer->order_;
}

static evloop_timer *merge(evloop_timer *a, evloop_timer *b)
{
    evloop_timer *merged = NULL;
    evloop_timer **end = &merged;
    while (a && b) {
        struct sort_entry entry_a = {moment_of(a), a};
        struct sort_entry entry_b = {moment_of(b), b};
        evloop_timer **first = comes_before(&entry_a, &entry_b) ? &a : &b;
        *end = *first;
        end = &(*first)->next_;
        *first = *end;
    }
    *end = a ? a : b;
    return merged;
}

/* Sorts however many timers: runs[n] is sorted, and has 2^n timers or none. */
static evloop_timer *sort_list(evloop_timer *list)
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

/* Quick if hardly anything is out of place. */
static void insertion_sort(struct sort_entry *entries, unsigned count)
{
    for (unsigned i = 1; i < count; i++) {
        struct sort_entry entry = entries[i];
        unsigned place = i;
        for (; place > 0 && comes_before(&entry, &entries[place - 1]); place--)
            entries[place] = entries[place - 1];
        entries[place] = entry;
    }
}

static unsigned bucket_of(const struct wheel_place *place, uint64_t moment)
{
    unsigned bits = place->level * 8;
    uint64_t offset = moment > place->begin ? moment - place->begin : 0;
    return (unsigned)(bits > SORT_BITS ? offset >> (bits - SORT_BITS) : offset);
}

/* Brings the entries of one slot roughly into order. */
static void distribute(const struct wheel_place *place, const struct sort_entry *from,
                       struct sort_entry *to, unsigned count)
{
    uint8_t next[1 << SORT_BITS] = {0};
    unsigned before = 0;
    for (unsigned i = 0; i < count; i++)
        next[bucket_of(place, from[i].moment)]++;
    for (unsigned bucket = 0; bucket < 1 << SORT_BITS; bucket++) {
        unsigned here = next[bucket];
        next[bucket] = (uint8_t)before;
        before += here;
    }
    for (unsigned i = 0; i < count; i++)
        to[next[bucket_of(place, from[i].moment)]++] = from[i];
}

/* How many timers the list has; more than SORT_AT_MOST are too many. */
static unsigned gather(evloop_timer *list, struct sort_entry *entries)
{
    unsigned count = 0;
    for (; list && count < SORT_AT_MOST; list = list->next_) {
        entries[count].moment = moment_of(list);
        entries[count++].timer = list;
    }
    return list ? SORT_AT_MOST + 1 : count;
}

static void append_due(evloop_timer ***end, evloop_timer *timer)
{
    timer->slot_ = *end;
    object_set(&timer->state_, TIMER_DUE);
    **end = timer;
    *end = &timer->next_;
}

/* Makes all timers of one slot due, in order; false if they are too many to be sorted here. */
static bool set_due(struct timers *timers, const struct wheel_place *place, evloop_timer *list)
{
    struct sort_entry gathered[SORT_AT_MOST];
    struct sort_entry sorted[SORT_AT_MOST];
    evloop_timer **end = &timers->due;
    unsigned count = gather(list, gathered);
    if (count > SORT_AT_MOST && place->level > 0)
        return false;
    if (count > SORT_AT_MOST) { /* too many of one moment */
        for (list = sort_list(list); list; list = list->next_)
            append_due(&end, list);
        return true;
    }
    struct sort_entry *entries = gathered;
    if (count > FEW) {
        distribute(place, gathered, sorted, count);
        entries = sorted;
    }
    insertion_sort(entries, count);
    for (unsigned i = 0; i < count; i++)
        append_due(&end, entries[i].timer);
    *end = NULL;
    return true;
}

bool timers_collect(struct timers *timers, uint64_t now)
{
    struct wheel_place place;
    if (timers->earliest > now)
        return false;
    timers->earliest_vague = true;
    while (find_earliest(timers, &place) && place.begin <= now) {
        evloop_timer **slot = &timers->slots[place.level][place.slot];
        evloop_timer *list = *slot;
        *slot = NULL;
        if (place.begin > timers->base)
            timers->base = place.begin;
        if (place.end <= now && set_due(timers, &place, list))
            return true;
        while (list) {
            evloop_timer *timer = list;
            list = list->next_;
            wheel_insert(timers, timer);
        }
    }
    timers->base = now;
    timers->earliest = timers->levels_used ? place.begin : EVLOOP_FOREVER;
    return false;
}

static bool longer_than(const evloop_timer *list, int limit)
{
    while (list && limit-- > 0)
        list = list->next_;
    return list != NULL;
}

uint64_t timers_earliest(struct timers *timers)
{
    struct wheel_place place;
    if (timers->due)
        return timers->base;
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
    evloop_timer *list = NULL;
    while (!list && *place <= WHEEL_ALL + timers->fresh_count) {
        size_t index = (*place)++;
        if (index < WHEEL_ALL)
            list = timers->slots[index / WHEEL_SLOTS][index % WHEEL_SLOTS];
        else if (index == WHEEL_ALL)
            list = timers->due;
        else
            list = timers->fresh[index - WHEEL_ALL - 1];
    }
    return list;
}

/* Out of whichever list it is in. */
static void detach(struct timers *timers, evloop_timer *timer)
{
    unlink_timer(timer);
    if (timer->deadline_ <= timers->earliest) /* may be a fresh one's delay: vague does no harm */
        timers->earliest_vague = true;
    object_clear(&timer->state_, TIMER_FRESH | TIMER_DUE);
}

static bool has_room(const struct timers *timers)
{
    return timers->fresh_count < FRESH_AT_MOST;
}

/* Makes room for fresh timers, while those that are there are in the cache. */
static int make_room(evloop *loop)
{
    uint64_t now;
    int err = poller_clock(&now);
    if (!err)
        timers_arm(&loop->timers, now);
    return err;
}

static void add_fresh(struct timers *timers, evloop_timer *timer, uint64_t first_ns)
{
    evloop_timer **place = &timers->fresh[timers->fresh_count++];
    timer->deadline_ = first_ns;
    timer->order_ = ++timers->last_order;
    timer->next_ = NULL;
    timer->slot_ = place;
    *place = timer;
}

static NOINLINE int start_after_others(evloop *loop, evloop_timer *timer, uint64_t first_ns,
                                       uint64_t repeat_ns, evloop_timer_fn fn)
{
    int err = make_room(loop);
    return err ? err : evloop_timer_start(loop, timer, first_ns, repeat_ns, fn);
}

int evloop_timer_start(evloop *loop, evloop_timer *timer, uint64_t first_ns, uint64_t repeat_ns,
                       evloop_timer_fn fn)
{
    int err = loop_check_start(loop);
    if (err)
        return err;
    if (!timer || !fn)
        return -EINVAL;
    if (object_get(&timer->state_) & OBJECT_ACTIVE)
        return -EBUSY;
    if (!has_room(&loop->timers))
        return start_after_others(loop, timer, first_ns, repeat_ns, fn);
    timer->fn_ = fn;
    timer->repeat_ = repeat_ns;
    timer->missed_ = 0;
    object_activate(loop, &timer->state_, TIMER_FRESH);
    add_fresh(&loop->timers, timer, first_ns);
    return 0;
}

static NOINLINE int again_after_others(evloop *loop, evloop_timer *timer, uint64_t first_ns)
{
    int err = make_room(loop);
    return err ? err : evloop_timer_again(timer, first_ns);
}

int evloop_timer_again(evloop_timer *timer, uint64_t first_ns)
{
    evloop *loop = evloop_timer_loop(timer);
    if (!loop) /* never started, or torn down with its loop */
        return -EINVAL;
    int err = loop_check_start(loop);
    if (err)
        return err;
    if (!has_room(&loop->timers))
        return again_after_others(loop, timer, first_ns);
    if (object_get(&timer->state_) & OBJECT_ACTIVE) {
        detach(&loop->timers, timer);
        object_set(&timer->state_, TIMER_FRESH);
    } else {
        object_activate(loop, &timer->state_, TIMER_FRESH);
    }
    add_fresh(&loop->timers, timer, first_ns);
    return 0;
}

/* A deadline of the library's own objects: starts it, or moves it. Keeps nothing alive. */
int timer_start_hidden(evloop *loop, evloop_timer *timer, uint64_t first_ns, evloop_timer_fn fn)
{
    if (object_get(&timer->state_) & OBJECT_ACTIVE)
        return evloop_timer_again(timer, first_ns);
    object_set(&timer->state_, OBJECT_UNREF);
    int err = evloop_timer_start(loop, timer, first_ns, 0, fn);
    if (!err)
        object_set(&timer->state_, TIMER_HIDDEN);
    return err;
}

bool timer_hidden(const evloop_timer *timer)
{
    return object_get(&timer->state_) & TIMER_HIDDEN;
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
    int err = object_check(object_get(&timer->state_));
    if (!err && (object_get(&timer->state_) & OBJECT_ACTIVE))
        deactivate(object_loop(object_get(&timer->state_)), timer);
    return err;
}

static bool in_wheel(const evloop_timer *timer)
{
    return (object_get(&timer->state_) & (OBJECT_ACTIVE | TIMER_FRESH | TIMER_DUE)) ==
           OBJECT_ACTIVE;
}

int evloop_timer_set_slack(evloop_timer *timer, uint64_t slack_ns)
{
    if (!timer)
        return -EINVAL;
    int err = object_check(object_get(&timer->state_));
    if (err)
        return err;
    uint64_t slack_us = slack_ns / EVLOOP_US(1);
    evloop *loop = object_loop(object_get(&timer->state_));
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
    if (!timer || !(object_get(&timer->state_) & OBJECT_ACTIVE))
        return EVLOOP_FOREVER;
    uint64_t now = evloop_now(object_loop(object_get(&timer->state_)));
    if (timer->deadline_ == UINT64_MAX || (object_get(&timer->state_) & TIMER_FRESH))
        return timer->deadline_;
    return timer->deadline_ > now ? timer->deadline_ - now : 0;
}

uint32_t evloop_timer_missed(const evloop_timer *timer)
{
    return timer ? timer->missed_ : 0;
}

int evloop_timer_unref(evloop_timer *timer)
{
    int err = timer ? object_check(object_get(&timer->state_)) : -EINVAL;
    if (!err)
        object_set_ref(&timer->state_, false);
    return err;
}

int evloop_timer_ref(evloop_timer *timer)
{
    int err = timer ? object_check(object_get(&timer->state_)) : -EINVAL;
    if (!err)
        object_set_ref(&timer->state_, true);
    return err;
}

bool evloop_timer_active(const evloop_timer *timer)
{
    return timer && (object_get(&timer->state_) & OBJECT_ACTIVE);
}

evloop *evloop_timer_loop(const evloop_timer *timer)
{
    return timer ? object_loop(object_get(&timer->state_)) : NULL;
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

static void fire(evloop *loop, evloop_timer *timer)
{
    unlink_timer(timer);
    object_clear(&timer->state_, TIMER_DUE);
    if (timer->repeat_)
        set_next_deadline(loop, timer);
    else
        object_deactivate(loop, &timer->state_);
    loop->count.timers_fired += !timer_hidden(timer);
    timer->fn_(timer);
    loop_run_microtasks(loop);
}

/*
 * A repeating timer is in the wheel again when its callback begins, and can be stopped there for
 * good.
 */
void timers_run(evloop *loop)
{
    struct timers *timers = &loop->timers;
    uint64_t now = loop->now; /* a callback may read the clock */
    timers->not_before = now + 1;
    while (timers_collect(timers, now))
        while (timers->due)
            fire(loop, timers->due);
    timers->not_before = 0;
}

void timers_stop_all(evloop *loop)
{
    evloop_timer *timer;
    size_t place = 0;
    while ((timer = timers_list(&loop->timers, &place))) {
        while (timer) {
            evloop_timer *next = timer->next_;
            deactivate(loop, timer);
            object_clear(&timer->state_, ~(uintptr_t)OBJECT_UNREF);
            timer = next;
        }
    }
}
