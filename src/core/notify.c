/*
 * notify.c: many signals, at least one callback, at a cost that does not depend on how many objects
 * there are.
 *
 * The first sender since the last callback sets PENDING and pushes the object's task; others find
 * PENDING set, and leave what they wrote behind an exchange of their own. Setting PENDING is the
 * acceptance. When the gate closes between the two steps the push is refused; the loop, which looks
 * at every object once while it drains, then delivers the signal itself.
 *
 * A sender counts in `senders_` for as long as it may touch the loop or the object's task, so that
 * the loop's thread can wait until no sender is between the two steps.
 */
#include "core/loop.h"

enum {
    NOTIFY_PENDING = OBJECT_BIT_2, /* signalled, not delivered */
    NOTIFY_CLOSED = OBJECT_BIT_3   /* the loop delivers no more */
};

#define notify_of_task(task) list_entry(task, evloop_notify, task_)

void notify_run(evloop_task *task)
{
    evloop_notify *notify = notify_of_task(task);
    /* acquire: what the senders wrote; partner: the exchange in evloop_notify_send() */
    atomic_and(&notify->state_, ~(uintptr_t)NOTIFY_PENDING, acq_rel);
    notify->fn_(notify);
}

int evloop_notify_start(evloop *loop, evloop_notify *notify, evloop_notify_fn fn)
{
    int err = loop_check_start(loop);
    if (err)
        return err;
    if (!notify || !fn)
        return -EINVAL;
    if (atomic_get(&loop->life, relaxed) != LIFE_OPEN)
        return EVLOOP_ECLOSED;
    uintptr_t state = atomic_get(&notify->state_, relaxed);
    if (state & OBJECT_ACTIVE)
        return -EBUSY;
    notify->fn_ = fn;
    list_append(&loop->notifies, &notify->link_);
    loop->refs += !(state & OBJECT_UNREF);
    loop->notify_refs += !(state & OBJECT_UNREF);
    /* release: the object; partner: the first load in evloop_notify_send() */
    atomic_set(&notify->state_, (uintptr_t)loop | (state & OBJECT_UNREF) | OBJECT_ACTIVE, release);
    return 0;
}

static void push(evloop *loop, evloop_notify *notify)
{
    evloop_task *task = &notify->task_;
    task->fn_ = notify_run;
    task_prepare(loop, task, 0);
    if (ingress_push(&loop->ingress, &task->link_) == INGRESS_ACCEPTED_WAKE)
        state_send_wake(loop);
}

static int signal_counted(evloop_notify *notify)
{
    /* seq_cst: after the count; partners: evloop_notify_start(), and settle() after a stop */
    uintptr_t state = atomic_get(&notify->state_, seq_cst);
    do {
        if (!(state & OBJECT_ACTIVE))
            return -EINVAL;
        int err = loop_check_offer(object_loop(state));
        if (err)
            return err;
        if (state & NOTIFY_CLOSED)
            return EVLOOP_ECLOSED;
        /*
         * release: what this thread wrote; partner: notify_run(). Even if PENDING is set already.
         * acquire: the task is at rest; partner: notify_run().
         */
    } while (!atomic_try(&notify->state_, &state, state | NOTIFY_PENDING, acq_rel, relaxed));
    if (!(state & NOTIFY_PENDING))
        push(object_loop(state), notify);
    return 0;
}

int evloop_notify_send(evloop_notify *notify)
{
    if (!notify)
        return -EINVAL;
    /* Not counted: whoever comes after a stop or the end of a drain does not keep it waiting. */
    /*
     * acquire: who is refused here is refused by all queues; partner: notifies_close().
     * stronger than the model needs (relaxed): see loop_check_offer().
     */
    uintptr_t state = atomic_get(&notify->state_, acquire);
    if (!(state & OBJECT_ACTIVE))
        return -EINVAL;
    if (state & NOTIFY_CLOSED)
        return EVLOOP_ECLOSED;
    /* seq_cst: stop sees the count, or this thread sees the stop; partner: settle() */
    atomic_add(&notify->senders_, 1, seq_cst);
    int err = signal_counted(notify);
    atomic_sub(&notify->senders_, 1, release); /* partner: settle() */
    return err;
}

/*
 * Returns when no sender is between its two steps; whether the object's task is in one of the
 * loop's lists.
 */
static bool settle(evloop *loop, evloop_notify *notify)
{
    while (atomic_get(&notify->senders_, seq_cst) != 0) /* partner: evloop_notify_send() */
        thread_yield();
    tasks_take(loop);
    return task_taken(&notify->task_);
}

static void deactivate(evloop *loop, evloop_notify *notify)
{
    uintptr_t state = atomic_and(&notify->state_, ~(uintptr_t)OBJECT_ACTIVE, seq_cst);
    if (settle(loop, notify))
        task_withdraw(loop, &notify->task_);
    list_remove(&notify->link_);
    loop->refs -= !(state & OBJECT_UNREF);
    loop->notify_refs -= !(state & OBJECT_UNREF);
    atomic_set(&notify->state_, (uintptr_t)loop | (state & OBJECT_UNREF), relaxed);
}

int evloop_notify_stop(evloop_notify *notify)
{
    if (!notify)
        return -EINVAL;
    uintptr_t state = atomic_get(&notify->state_, relaxed);
    int err = object_check(state);
    if (!err && (state & OBJECT_ACTIVE))
        deactivate(object_loop(state), notify);
    return err;
}

static int set_ref(evloop_notify *notify, bool ref)
{
    if (!notify)
        return -EINVAL;
    uintptr_t state = atomic_get(&notify->state_, relaxed);
    int err = object_check(state);
    if (err)
        return err;
    uintptr_t before = ref ? atomic_and(&notify->state_, ~(uintptr_t)OBJECT_UNREF, relaxed)
                           : atomic_or(&notify->state_, OBJECT_UNREF, relaxed);
    if (before & OBJECT_ACTIVE) {
        uint64_t change = (uint64_t)ref - !(before & OBJECT_UNREF);
        object_loop(before)->refs += change;
        object_loop(before)->notify_refs += change;
    }
    return 0;
}

int evloop_notify_unref(evloop_notify *notify)
{
    return set_ref(notify, false);
}

int evloop_notify_ref(evloop_notify *notify)
{
    return set_ref(notify, true);
}

bool evloop_notify_active(const evloop_notify *notify)
{
    return notify && (atomic_get(&notify->state_, relaxed) & OBJECT_ACTIVE);
}

evloop *evloop_notify_loop(const evloop_notify *notify)
{
    return notify ? object_loop(atomic_get(&notify->state_, relaxed)) : NULL;
}

/*
 * The queue is closed and empty. No object takes any more, and signals that were accepted and could
 * not be pushed are queued here.
 */
void notifies_close(evloop *loop)
{
    list_each(&loop->notifies, link, following) {
        evloop_notify *notify = list_entry(link, evloop_notify, link_);
        /*
         * acquire: what a sender did; partner: its exchange. release: the queues are closed;
         * partner: evloop_notify_send(). stronger than the model needs (acquire), as there.
         */
        atomic_or(&notify->state_, NOTIFY_CLOSED, acq_rel);
        if (!settle(loop, notify) && (atomic_get(&notify->state_, relaxed) & NOTIFY_PENDING))
            task_enqueue(loop, &notify->task_);
    }
    loop->notifies_closed = true;
}

void notifies_stop_all(evloop *loop)
{
    list_each(&loop->notifies, link, following) {
        evloop_notify *notify = list_entry(link, evloop_notify, link_);
        deactivate(loop, notify);
        atomic_and(&notify->state_, OBJECT_UNREF, relaxed);
    }
}

/*
 * A sender that was between its two steps is not in this process: its signal is delivered all the
 * same.
 */
void notifies_after_fork(evloop *loop)
{
    tasks_take(loop);
    list_each(&loop->notifies, link, following) {
        evloop_notify *notify = list_entry(link, evloop_notify, link_);
        atomic_set(&notify->senders_, 0, relaxed); /* the only thread of this process */
        if ((atomic_get(&notify->state_, relaxed) & NOTIFY_PENDING) && !task_taken(&notify->task_))
            task_enqueue(loop, &notify->task_);
    }
}
