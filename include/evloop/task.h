/*
 * evloop/task.h: work for the loop's thread, from any thread.
 *
 *   evloop_submit     your struct, no allocation, can be cancelled
 *   evloop_post       a function and an argument; the loop keeps the node
 *   evloop_notify     "something happened", any number of times, from a signal handler too
 *   evloop_microtask  a function and an argument, before the loop goes on to its next callback
 *
 * Tasks, posts and notifications share one queue: they run in the order in which they were
 * accepted, first in first out for each thread, and if A was accepted before B was offered, A runs
 * first. Urgent tasks have the same order among themselves, and overtake the others. Microtasks
 * have a queue of their own, in the same order, and overtake everything: they run after the
 * callback that is being executed. All of them always go through a queue: nothing runs inside the
 * call that offers it.
 *
 * A task that was accepted runs exactly once, or is cancelled, or is handed to its discard callback
 * when the loop is destroyed by force. It keeps the loop alive until then (unless it was
 * unreferenced).
 */
#ifndef EVLOOP_TASK_H
#define EVLOOP_TASK_H

#include "evloop/base.h"

EVLOOP_BEGIN_DECLS

typedef struct evloop_task evloop_task;

/**
 * A task's callback; on the loop's thread. The task's memory is yours from the moment it begins.
 */
typedef void (*evloop_task_fn)(evloop_task *task);

/** What tasks of one kind have in common: make one, const, for each kind that needs it. */
typedef struct evloop_task_info {
    const char *name;       /**< for debugging; may be NULL */
    evloop_task_fn discard; /**< gets a task that will never run, or NULL: EVLOOP_DESTROY_FORCE */
} evloop_task_info;

/** A task. Zero-filled memory is a task at rest. */
struct evloop_task {
    void *data; /**< yours */
    const evloop_task_info
        *info; /**< yours; may be NULL; read until the task is out of the queue */

    /* private */
    evloop_task_fn fn_;
    EVLOOP_ATOMIC(uintptr_t) state_;
    struct evloop_link link_;
};

/**
 * Has fn called with the task on the loop's thread, once. Nothing is allocated; the task must stay
 * where it is until its callback begins, is cancelled or is discarded.
 * Thread: any (for one task: one at a time). No system call if the loop is awake.
 * Errors: -EINVAL (NULL), -EBUSY (the task is queued), EVLOOP_ECLOSED, -ECHILD. On an error the
 * task is as it was. Since 0.1.0.
 */
EVLOOP_API int evloop_submit(evloop *loop, evloop_task *task, evloop_task_fn fn);

/**
 * As evloop_submit(), ahead of all tasks that are not urgent; all urgent tasks that are there when
 * their phase of the turn begins run in it, without a budget.
 * Thread, errors: as evloop_submit(). Since 0.1.0.
 */
EVLOOP_API int evloop_submit_urgent(evloop *loop, evloop_task *task, evloop_task_fn fn);

/**
 * Takes back a task that has not begun; its memory is yours again.
 * Thread: loop. Errors: -EINVAL, -ENOENT (it is not queued: never was, has run, or is running),
 * EVLOOP_ETHREAD, -ECHILD. Since 0.1.0.
 */
EVLOOP_API int evloop_task_cancel(evloop_task *task);

/**
 * Lets the task not keep the loop alive. Thread: its owner's. Errors: -EINVAL, -EBUSY (it is
 * queued). Since 0.1.0.
 */
EVLOOP_API int evloop_task_unref(evloop_task *task);
/**
 * Lets the task keep the loop alive, as it does from the start. Thread, errors: as unref. Since
 * 0.1.0.
 */
EVLOOP_API int evloop_task_ref(evloop_task *task);
/** Whether the task is queued. Thread: any. Since 0.1.0. */
EVLOOP_API bool evloop_task_active(const evloop_task *task);
/** The loop that the task was last submitted to; NULL if none. Thread: any. Since 0.1.0. */
EVLOOP_API evloop *evloop_task_loop(const evloop_task *task);

/**
 * Has fn called with arg on the loop's thread, once. Nodes come from a cache of the loop's and go
 * back to it; some are allocated when more are waiting than before. (Up to 16 times the option
 * post_cache are kept.) Where every ns counts, evloop_submit() is twice as fast.
 * Thread: any. Errors: -EINVAL (NULL), -ENOMEM, EVLOOP_ECLOSED, -ECHILD. Since 0.1.0.
 */
EVLOOP_API int evloop_post(evloop *loop, evloop_fn fn, void *arg);

/**
 * Has fn called with arg on the loop's thread after the callback that is being executed, before any
 * callback of another kind. Microtasks are drained after every callback, up to a budget. What a
 * drain leaves over stays first in line for the next one, which comes after the next callback or at
 * the beginning of the next turn, whichever is sooner; the loop does not sleep before that.
 * Thread: any. Errors: -EINVAL (NULL), -ENOMEM (more waiting than the ring holds, and no memory),
 * EVLOOP_ECLOSED, -ECHILD. Since 0.1.0.
 */
EVLOOP_API int evloop_microtask(evloop *loop, evloop_fn fn, void *arg);

typedef struct evloop_notify evloop_notify;

/** A notification's callback; on the loop's thread. */
typedef void (*evloop_notify_fn)(evloop_notify *notify);

/** Tells the loop's thread that something happened. Zero-filled memory is an inactive one. */
struct evloop_notify {
    void *data;       /**< yours */
    const char *name; /**< yours, for debugging; may be NULL */

    /* private */
    evloop_notify_fn fn_;
    EVLOOP_ATOMIC(uintptr_t) state_;
    EVLOOP_ATOMIC(uintptr_t) senders_;
    struct evloop_link link_;
    evloop_task task_;
};

/**
 * Makes the object ready to be signalled. It keeps the loop alive until it is stopped or
 * unreferenced.
 * Thread: loop. Errors: -EINVAL, -EBUSY (started already), EVLOOP_ECLOSED, EVLOOP_ETHREAD, -ECHILD.
 * Since 0.1.0.
 */
EVLOOP_API int evloop_notify_start(evloop *loop, evloop_notify *notify, evloop_notify_fn fn);

/**
 * Signals: the callback runs at least once after this call, and once for any number of signals that
 * come before it begins. What the sender wrote before is visible in it. It takes its turn in the
 * queue as a task does; the cost does not depend on how many objects there are.
 * Thread: any; signal-safe. Errors: -EINVAL (NULL, or not started), EVLOOP_ECLOSED, -ECHILD. Since
 * 0.1.0.
 */
EVLOOP_API int evloop_notify_send(evloop_notify *notify);

/**
 * Makes it inactive, at once: a signal that has not been delivered never will be. When this
 * returns, no send that was under way in another thread touches the loop any more; but the object's
 * memory must stay for as long as one may still be made, and gets -EINVAL. Waits for a sender that
 * was preempted in the midst of a send. Harmless if inactive.
 * Thread: loop. Errors: -EINVAL, EVLOOP_ETHREAD, -ECHILD. Since 0.1.0.
 */
EVLOOP_API int evloop_notify_stop(evloop_notify *notify);

/**
 * Lets it not keep the loop alive. Thread: loop. Errors: -EINVAL, EVLOOP_ETHREAD, -ECHILD. Since
 * 0.1.0.
 */
EVLOOP_API int evloop_notify_unref(evloop_notify *notify);
/**
 * Lets it keep the loop alive, as it does from the start. Thread, errors: as unref. Since 0.1.0.
 */
EVLOOP_API int evloop_notify_ref(evloop_notify *notify);
/** Whether it is started. Thread: any. Since 0.1.0. */
EVLOOP_API bool evloop_notify_active(const evloop_notify *notify);
/** The loop that it was last started on; NULL if none. Thread: any. Since 0.1.0. */
EVLOOP_API evloop *evloop_notify_loop(const evloop_notify *notify);

EVLOOP_END_DECLS

#endif
