/*
 * hook.c: callbacks at fixed points of a turn. A phase moves the hooks of its kind aside and puts
 * each back before its callback, so that every hook runs once, and any of them may be stopped or
 * started meanwhile.
 */
#include "core/loop.h"

enum { KIND_SHIFT = 2 };

void hooks_init(evloop *loop)
{
    for (int kind = 0; kind < HOOK_KINDS; kind++)
        list_init(&loop->hooks[kind]);
    list_init(&loop->hook_phase);
}

evloop_hook_kind hook_kind(const evloop_hook *hook)
{
    return (evloop_hook_kind)(hook->state_ >> KIND_SHIFT & 3);
}

int evloop_hook_start(evloop *loop, evloop_hook *hook, evloop_hook_kind kind, evloop_hook_fn fn)
{
    int err = loop_check_start(loop);
    if (err)
        return err;
    if (!hook || !fn || (unsigned)kind >= HOOK_KINDS)
        return -EINVAL;
    if (hook->state_ & OBJECT_ACTIVE)
        return -EBUSY;
    hook->fn_ = fn;
    object_activate(loop, &hook->state_, (uintptr_t)kind << KIND_SHIFT);
    loop->idle_refs += kind == EVLOOP_HOOK_IDLE && !(hook->state_ & OBJECT_UNREF);
    list_append(&loop->hooks[kind], &hook->link_);
    return 0;
}

static void deactivate(evloop *loop, evloop_hook *hook)
{
    list_remove(&hook->link_);
    loop->idle_refs -= hook_kind(hook) == EVLOOP_HOOK_IDLE && !(hook->state_ & OBJECT_UNREF);
    object_deactivate(loop, &hook->state_);
}

int evloop_hook_stop(evloop_hook *hook)
{
    if (!hook)
        return -EINVAL;
    int err = object_check(hook->state_);
    if (!err && (hook->state_ & OBJECT_ACTIVE))
        deactivate(object_loop(hook->state_), hook);
    return err;
}

static int set_ref(evloop_hook *hook, bool ref)
{
    if (!hook)
        return -EINVAL;
    int err = object_check(hook->state_);
    if (err)
        return err;
    int change = object_set_ref(&hook->state_, ref);
    if (change && hook_kind(hook) == EVLOOP_HOOK_IDLE)
        object_loop(hook->state_)->idle_refs += (uint64_t)(int64_t)change;
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
    return hook && (hook->state_ & OBJECT_ACTIVE);
}

evloop *evloop_hook_loop(const evloop_hook *hook)
{
    return hook ? object_loop(hook->state_) : NULL;
}

void hooks_run(evloop *loop, evloop_hook_kind kind)
{
    list_link *link;
    list_prepend_all(&loop->hook_phase, &loop->hooks[kind]);
    while ((link = list_pop(&loop->hook_phase))) {
        evloop_hook *hook = list_entry(link, evloop_hook, link_);
        list_append(&loop->hooks[kind], link);
        loop->count.callbacks++;
        hook->fn_(hook);
        loop_after_callback(loop);
    }
}

void hooks_stop_all(evloop *loop)
{
    for (int kind = 0; kind < HOOK_KINDS; kind++)
        list_each(&loop->hooks[kind], link, following) {
            evloop_hook *hook = list_entry(link, evloop_hook, link_);
            deactivate(loop, hook);
            hook->state_ &= OBJECT_UNREF;
        }
}
