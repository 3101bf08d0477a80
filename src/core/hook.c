/*
 * hook.c: callbacks at fixed points of a turn. While a phase is under way two marks stand in its
 * list: the cursor, behind the hook that ran last, and the end, before those that were started
 * since. So every hook runs once a turn, in the order of starting, and any of them may be stopped
 * or started meanwhile.
 */
#include "core/loop.h"

enum { KIND_SHIFT = 2 };

void hooks_init(evloop *loop)
{
    for (int kind = 0; kind < HOOK_KINDS; kind++)
        list_init(&loop->hooks[kind]);
}

evloop_hook_kind hook_kind(const evloop_hook *hook)
{
    return (evloop_hook_kind)(object_get(&hook->state_) >> KIND_SHIFT & 3);
}

int evloop_hook_start(evloop *loop, evloop_hook *hook, evloop_hook_kind kind, evloop_hook_fn fn)
{
    int err = loop_check_start(loop);
    if (err)
        return err;
    if (!hook || !fn || (unsigned)kind >= HOOK_KINDS)
        return -EINVAL;
    if (object_get(&hook->state_) & OBJECT_ACTIVE)
        return -EBUSY;
    hook->fn_ = fn;
    object_activate(loop, &hook->state_, (uintptr_t)kind << KIND_SHIFT);
    loop->idle_refs += kind == EVLOOP_HOOK_IDLE && !(object_get(&hook->state_) & OBJECT_UNREF);
    list_append(&loop->hooks[kind], &hook->link_);
    return 0;
}

static void deactivate(evloop *loop, evloop_hook *hook)
{
    list_remove(&hook->link_);
    loop->idle_refs -=
        hook_kind(hook) == EVLOOP_HOOK_IDLE && !(object_get(&hook->state_) & OBJECT_UNREF);
    object_deactivate(loop, &hook->state_);
}

int evloop_hook_stop(evloop_hook *hook)
{
    if (!hook)
        return -EINVAL;
    int err = object_check(object_get(&hook->state_));
    if (!err && (object_get(&hook->state_) & OBJECT_ACTIVE))
        deactivate(object_loop(object_get(&hook->state_)), hook);
    return err;
}

static int set_ref(evloop_hook *hook, bool ref)
{
    if (!hook)
        return -EINVAL;
    int err = object_check(object_get(&hook->state_));
    if (err)
        return err;
    int change = object_set_ref(&hook->state_, ref);
    if (change && hook_kind(hook) == EVLOOP_HOOK_IDLE)
        object_loop(object_get(&hook->state_))->idle_refs += (uint64_t)(int64_t)change;
    return 0;
}

int evloop_hook_unref(evloop_hook *hook)
{
    return set_ref(hook, false);
}

int evloop_hook_ref(evloop_hook *hook)
{
    return set_ref(hook, true);
}

bool evloop_hook_active(const evloop_hook *hook)
{
    return hook && (object_get(&hook->state_) & OBJECT_ACTIVE);
}

evloop *evloop_hook_loop(const evloop_hook *hook)
{
    return hook ? object_loop(object_get(&hook->state_)) : NULL;
}

bool hook_is_mark(const evloop *loop, const list_link *link)
{
    return link == &loop->hook_cursor || link == &loop->hook_end;
}

void hooks_run(evloop *loop, evloop_hook_kind kind)
{
    list_link *cursor = &loop->hook_cursor;
    list_insert_after(&loop->hooks[kind], cursor);
    list_append(&loop->hooks[kind], &loop->hook_end);
    while (cursor->next != &loop->hook_end) {
        evloop_hook *hook = list_entry(cursor->next, evloop_hook, link_);
        list_remove(cursor);
        list_insert_after(&hook->link_, cursor);
        loop->count.callbacks++;
        loop->idle_runs += kind == EVLOOP_HOOK_IDLE;
        hook->fn_(hook);
        loop_run_microtasks(loop);
    }
    list_remove(cursor);
    list_remove(&loop->hook_end);
}

void hooks_stop_all(evloop *loop)
{
    for (int kind = 0; kind < HOOK_KINDS; kind++)
        list_each(&loop->hooks[kind], link, following) {
            evloop_hook *hook = list_entry(link, evloop_hook, link_);
            deactivate(loop, hook);
            object_clear(&hook->state_, ~(uintptr_t)OBJECT_UNREF);
        }
}
