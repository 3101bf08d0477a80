/*
 * loop.h: the loop as the core sees it, and what its files ask of each other.
 */
#ifndef CORE_LOOP_H
#define CORE_LOOP_H

#include <errno.h>

#include "core/ingress.h"
#include "core/microtask.h"
#include "core/object.h"
#include "core/timer.h"
#include "evloop.h"
#include "poller/poller.h"
#include "util/atomic.h"
#include "util/blocks.h"
#include "util/list.h"
#include "util/thread.h"

enum { HOOK_KINDS = 3, BUSY_REASON_SIZE = 192 };

/* The gate: open, closed with work to be done, closed and done. It only goes forward. */
enum life { LIFE_OPEN, LIFE_DRAINING, LIFE_CLOSED };

/* What another thread wants the loop to look at. */
enum { ATTEND_STOP = 1, ATTEND_SHUTDOWN = 2 };

/* Nodes of evloop_post() at rest: post.c. */
struct post_cache {
    struct post_node *nodes; /* those that were made with the loop */
    uint64_t capacity;       /* how many these are */
    ATOMIC(struct post_ring *) ring;
    uint64_t given; /* the loop's thread only */
    uint64_t taken_seen;
};

/* Memory at rest that streams put small writes into. */
struct spare_blocks {
    list_link spare;
    unsigned count;
};

struct evloop {
    /* set at creation; read by every thread */
    evloop_allocator allocator;
    void *data;
    evloop_discard_fn discard;
    uint32_t task_budget;
    uint32_t microtask_budget;
    uint64_t spin_ns;
    unsigned fork_generation;

    /* seldom written */
    ATOMIC(int) life;
    ATOMIC(uintptr_t) runner; /* thread_self() of the thread inside evloop_run(), or 0 */
    ATOMIC(bool) waiting;     /* the runner is asleep in the poller; for a fork's child */
    ATOMIC(unsigned) attention;
    ATOMIC(uint64_t) shutdown_deadline;
    ATOMIC(uint64_t)
    wakes_sent; /* its increment is the last access of the thread that woke the loop */
    ATOMIC(unsigned)
    visitors; /* other threads inside a call that touches the loop after its effect */
    struct poller poller;

    CACHE_ALIGNED struct ingress ingress;
    struct microtasks microtasks;
    struct post_cache posts;

    /* the loop's thread only */
    CACHE_ALIGNED uint64_t now;
    bool now_stale;       /* the loop has slept since */
    uint64_t refs;        /* active objects that keep the loop alive; tasks apart */
    uint64_t notify_refs; /* ... of which notify objects */
    uint64_t task_refs;   /* tasks that keep the loop alive, of those taken from the ingress */
    uint64_t idle_refs;   /* idle hooks that do */
    uint64_t idle_runs;   /* callbacks of idle hooks */
    uint64_t wakes_owed;  /* how many times somebody took the loop's sleep away */
    bool executing;       /* the callback of accepted work; tasks and microtasks */
    bool notifies_closed;
    bool polled; /* in this run */

    list_link urgent; /* tasks taken from the ingress */
    list_link tasks;
    list_link urgent_phase; /* ... those of the phase that is being executed */
    list_link task_phase;
    list_link notifies;
    list_link hooks[HOOK_KINDS];
    list_link hook_cursor; /* marks in the list of the phase that is being executed */
    list_link hook_end;
    struct timers timers;
    list_link handles; /* of streams, listeners, datagram sockets: handle.h */
    list_link flush;
    list_link due;
    list_link closing;
    list_link starved;                   /* listeners that wait for descriptors to become free */
    const struct evloop_handle *calling; /* whose callback is being called, while it is there */
    const void *lent;                    /* to the read callback that is being called */
    struct spare_blocks blocks[2];       /* small and large ones */
    struct blocks copies;                /* of datagrams that wait to be sent */
    bool drained;                        /* they know that a shutdown has begun */
    bool ended;                          /* ... and that it is over */

    evloop_metrics count;
    char busy_reason[BUSY_REASON_SIZE];
};

/* state.c: who may do what now; sleeping and waking */
extern ATOMIC(unsigned) state_fork_generation;
int state_watch_forks(void);
void state_visit(evloop *loop);
void state_wake_and_leave(evloop *loop);
void state_send_wake(evloop *loop);
bool state_has_work(evloop *loop);
bool state_begin_sleep(evloop *loop);
void state_end_sleep(evloop *loop);
void state_settle(evloop *loop);
int state_enter_run(evloop *loop);
void state_leave_run(evloop *loop);
void state_leave_open(evloop *loop);
void state_close_gate(evloop *loop);

/* loop.c */
int loop_read_clock(evloop *loop);
void loop_drain_microtasks(evloop *loop);

/* task.c */
int task_offer(evloop *loop, evloop_task *task, evloop_task_fn fn, uintptr_t flags);
void tasks_take(evloop *loop);
void tasks_run(evloop *loop);
void tasks_discard_all(evloop *loop);
bool task_taken(const evloop_task *task);
void task_prepare(evloop *loop, evloop_task *task, uintptr_t flags);
void task_withdraw(evloop *loop, evloop_task *task);
void task_enqueue(evloop *loop, evloop_task *task);
bool tasks_left(const evloop *loop);

/* post.c */
int posts_init(evloop *loop, uint32_t capacity);
void posts_free(evloop *loop);
void posts_publish(evloop *loop);
bool task_is_post(const evloop_task *task);
void post_discard(evloop *loop, evloop_task *task);

/* notify.c */
void notify_run(evloop_task *task);
void notifies_close(evloop *loop);
void notifies_stop_all(evloop *loop);
void notifies_after_fork(evloop *loop);

/* timer.c */
void timers_run(evloop *loop);
void timers_stop_all(evloop *loop);

int timer_start_hidden(evloop *loop, evloop_timer *timer, uint64_t first_ns, evloop_timer_fn fn);
bool timer_hidden(const evloop_timer *timer);

/* handle.c */
void handles_init(evloop *loop);
void handles_free(evloop *loop);
void handles_flush_all(evloop *loop);
void handles_call_all(evloop *loop);
void handles_close_all(evloop *loop);
void handles_drain(evloop *loop);
void handles_end(evloop *loop);
void handles_discard_all(evloop *loop);

/* hook.c */
void hooks_init(evloop *loop);
void hooks_run(evloop *loop, evloop_hook_kind kind);
void hooks_stop_all(evloop *loop);
bool hook_is_mark(const evloop *loop, const list_link *link);
evloop_hook_kind hook_kind(const evloop_hook *hook);

static inline bool state_on_loop_thread(const evloop *loop)
{
    return atomic_get(&loop->runner, relaxed) ==
           thread_self(); /* its own thread sees its own value */
}

/* The phases of handles, which most turns have no need of. */
static inline void handles_flush(evloop *loop)
{
    if (!list_empty(&loop->flush))
        handles_flush_all(loop);
}

static inline void handles_call(evloop *loop)
{
    if (!list_empty(&loop->due))
        handles_call_all(loop);
}

static inline void handles_close(evloop *loop)
{
    if (!list_empty(&loop->closing))
        handles_close_all(loop);
}

static inline bool handles_pending(const evloop *loop)
{
    return !list_empty(&loop->flush) || !list_empty(&loop->due) || !list_empty(&loop->closing);
}

/* Whether this process may use the loop. */
static inline int loop_check(const evloop *loop)
{
    if (!loop)
        return -EINVAL;
    if (loop->fork_generation != atomic_get(&state_fork_generation, relaxed))
        return -ECHILD;
    return 0;
}

/* Whether this thread may touch the loop's objects. */
static inline int loop_check_thread(const evloop *loop)
{
    int err = loop_check(loop);
    if (err)
        return err;
    uintptr_t runner = atomic_get(&loop->runner, relaxed); /* its own thread sees its own value */
    return runner == 0 || runner == thread_self() ? 0 : EVLOOP_ETHREAD;
}

/* Whether this thread may start an object. */
static inline int loop_check_start(const evloop *loop)
{
    int err = loop_check_thread(loop);
    if (err)
        return err;
    return atomic_get(&loop->life, relaxed) == LIFE_CLOSED ? EVLOOP_ECLOSED : 0;
}

/* Whether new work is welcome; the queues themselves have the last word. */
static inline int loop_check_offer(const evloop *loop)
{
    int err = loop_check(loop);
    if (err)
        return err;
    /*
     * acquire: whoever was refused once is refused ever after; partner: state_leave_open().
     * stronger than the model needs (relaxed): C11 would let an exchange that comes after this load
     * happen before it, which no model explores that excludes values out of thin air.
     */
    return atomic_get(&loop->life, acquire) == LIFE_OPEN ? 0 : EVLOOP_ECLOSED;
}

/* At the end of every callback, and where the loop begins anew. */
static inline void loop_run_microtasks(evloop *loop)
{
    if (microtasks_pending(&loop->microtasks))
        loop_drain_microtasks(loop);
}

static inline void object_activate(evloop *loop, object_state *state, uintptr_t flags)
{
    uintptr_t unref = object_get(state) & OBJECT_UNREF;
    atomic_set(state, (uintptr_t)loop | unref | OBJECT_ACTIVE | flags, relaxed);
    loop->refs += !unref;
}

static inline void object_deactivate(evloop *loop, object_state *state)
{
    object_clear(state, OBJECT_ACTIVE);
    loop->refs -= !(object_get(state) & OBJECT_UNREF);
}

/* For stop, ref and unref, which are harmless on an object that was never started. */
static inline int object_check(uintptr_t state)
{
    evloop *loop = object_loop(state);
    return loop && (state & OBJECT_ACTIVE) ? loop_check_thread(loop) : 0;
}

/* Sets or clears OBJECT_UNREF; says by how many references the loop has more now. */
static inline int object_set_ref(object_state *state, bool ref)
{
    uintptr_t before = object_get(state);
    if (ref)
        object_clear(state, OBJECT_UNREF);
    else
        object_set(state, OBJECT_UNREF);
    int change = before & OBJECT_ACTIVE ? ref - !(before & OBJECT_UNREF) : 0;
    if (change)
        object_loop(before)->refs += (uint64_t)(int64_t)change;
    return change;
}

#endif
