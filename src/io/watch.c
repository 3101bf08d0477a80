/*
 * watch.c: the descriptors of others, watched. The poller knows descriptors; this file knows what
 * users may do.
 */
#include "core/loop.h"

enum { ALL_EVENTS = EVLOOP_READABLE | EVLOOP_WRITABLE | EVLOOP_DISCONNECT | EVLOOP_PRIORITY };

int evloop_watch_start(evloop *loop, evloop_watch *watch, int fd, unsigned events,
                       evloop_watch_fn fn)
{
    int err = loop_check_start(loop);
    if (err)
        return err;
    if (!watch || !fn || events == 0 || (events & ~(unsigned)ALL_EVENTS))
        return -EINVAL;
    if (object_get(&watch->state_) & OBJECT_ACTIVE)
        return -EBUSY;
    if (fd < 0)
        return -EBADF;
    int fd_before = watch->fd_;
    unsigned interest_before = watch->interest_;
    watch->fd_ = fd;
    watch->interest_ = events;
    err = poller_add(&loop->poller, watch);
    if (err) {
        watch->fd_ = fd_before;
        watch->interest_ = interest_before;
        return err;
    }
    watch->fn_ = fn;
    object_activate(loop, &watch->state_, 0);
    return 0;
}

int evloop_watch_modify(evloop_watch *watch, unsigned events)
{
    if (!watch || !(object_get(&watch->state_) & OBJECT_ACTIVE) || (events & ~(unsigned)ALL_EVENTS))
        return -EINVAL;
    evloop *loop = object_loop(object_get(&watch->state_));
    int err = loop_check_thread(loop);
    return err ? err : poller_modify(&loop->poller, watch, events);
}

int evloop_watch_stop(evloop_watch *watch)
{
    if (!watch)
        return -EINVAL;
    int err = object_check(object_get(&watch->state_));
    if (!err && (object_get(&watch->state_) & OBJECT_ACTIVE)) {
        evloop *loop = object_loop(object_get(&watch->state_));
        poller_remove(&loop->poller, watch);
        object_deactivate(loop, &watch->state_);
    }
    return err;
}

int evloop_watch_fd(const evloop_watch *watch)
{
    return watch && object_loop(object_get(&watch->state_)) ? watch->fd_ : -1;
}

unsigned evloop_watch_events(const evloop_watch *watch)
{
    return evloop_watch_active(watch) ? watch->interest_ : 0;
}

int evloop_watch_unref(evloop_watch *watch)
{
    int err = watch ? object_check(object_get(&watch->state_)) : -EINVAL;
    if (!err)
        object_set_ref(&watch->state_, false);
    return err;
}

int evloop_watch_ref(evloop_watch *watch)
{
    int err = watch ? object_check(object_get(&watch->state_)) : -EINVAL;
    if (!err)
        object_set_ref(&watch->state_, true);
    return err;
}

bool evloop_watch_active(const evloop_watch *watch)
{
    return watch && (object_get(&watch->state_) & OBJECT_ACTIVE);
}

evloop *evloop_watch_loop(const evloop_watch *watch)
{
    return watch ? object_loop(object_get(&watch->state_)) : NULL;
}
