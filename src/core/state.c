/*
 * state.c: who may run the loop, whether its gate is open, and how it sleeps without missing
 * anything.
 *
 * Sleep and wake. The loop announces its sleep in the ingress word (seq_cst), then looks at every
 * queue once more through state_has_work(), the one predicate that covers them all, and only then
 * waits. Whoever offers something publishes it first (a seq_cst exchange or store), and looks at
 * the ingress word afterwards (seq_cst). In the single order of seq_cst operations one of the two
 * comes first: either the loop sees the work, or the other thread sees the sleep. A task is
 * published by an exchange on that very word, which sees the sleep itself. Taking the sleep away is
 * one exchange, so that one thread, and no other, wakes the loop for each sleep.
 *
 * The sleep is announced whenever nobody looks at the queues: while the loop waits, and while
 * nobody runs it, when an outer loop may be polling its descriptor.
 *
 * The gate. Each queue's own word decides, for every offer, whether it came before the closing or
 * after; what was accepted is in a queue when the closing returns. Whoever was refused by one queue
 * must be refused by all from then on: offers of tasks look at `life` as well, which is moved on
 * before a refusal is told.
 */
#include <pthread.h>

#include "core/loop.h"

ATOMIC(unsigned) state_fork_generation;

static void count_fork(void)
{
    atomic_add(&state_fork_generation, 1, relaxed);
}

static int watch_result;

static void watch(void *argument)
{
    (void)argument;
    watch_result = -pthread_atfork(NULL, NULL, count_fork);
}

int state_watch_forks(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    once_call(&once, watch, NULL);
    return watch_result;
}

bool evloop_on_loop_thread(const evloop *loop)
{
    return loop && state_on_loop_thread(loop);
}

/* For the thread that took the sleep away. */
void state_send_wake(evloop *loop)
{
    poller_wake(&loop->poller);
    /* release: this thread's last access; partner: state_settle() */
    atomic_add(&loop->wakes_sent, 1, release);
}

/*
 * Around publishing anything that the ingress queue does not hold: the loop may see it, end, and be
 * destroyed before this thread has looked whether it sleeps. Signal-safe.
 */
void state_visit(evloop *loop)
{
    atomic_add(&loop->visitors, 1, relaxed); /* published with the effect that follows */
}

void state_wake_and_leave(evloop *loop)
{
    if (ingress_interrupt(&loop->ingress))
        state_send_wake(loop);
    atomic_sub(&loop->visitors, 1, release); /* partner: state_settle() */
}

bool state_has_work(evloop *loop)
{
    return tasks_left(loop) || microtasks_pending(&loop->microtasks) ||
           atomic_get(&loop->attention, seq_cst) != 0;
}

bool state_begin_sleep(evloop *loop)
{
    if (ingress_announce_sleep(&loop->ingress) && !state_has_work(loop))
        return true;
    state_end_sleep(loop);
    return false;
}

/* From here on nobody sends a wake; it comes before the queues are looked at. */
void state_end_sleep(evloop *loop)
{
    if (!ingress_end_sleep(&loop->ingress))
        loop->wakes_owed++;
}

/* Returns when no thread is on its way to wake the loop, or about to look whether it must. */
void state_settle(evloop *loop)
{
    /* acquire: partners: state_wake_and_leave(), state_send_wake() */
    while (atomic_get(&loop->visitors, acquire) != 0 ||
           atomic_get(&loop->wakes_sent, acquire) != loop->wakes_owed)
        thread_yield();
}

int state_enter_run(evloop *loop)
{
    int err = loop_check(loop);
    if (err)
        return err;
    uintptr_t nobody = 0;
    /* acquire: what the last run left; partner: state_leave_run() */
    if (!atomic_claim(&loop->runner, &nobody, thread_self(), acquire, relaxed))
        return -EBUSY;
    if (atomic_get(&loop->life, relaxed) == LIFE_CLOSED) { /* what closed it, a run did before */
        atomic_set(&loop->runner, 0, release);
        return EVLOOP_ECLOSED;
    }
    state_end_sleep(loop);
    return 0;
}

void state_leave_run(evloop *loop)
{
    /*
     * acquire: who stopped the run counts as a visitor; partner: evloop_stop(). acq_rel is
     * stronger than the model needs (acquire), as in stop_requested().
     */
    atomic_and(&loop->attention, ~(unsigned)ATTEND_STOP, acq_rel);
    ingress_announce_sleep(&loop->ingress);
    atomic_set(&loop->runner, 0, release); /* partner: state_enter_run() in the next thread */
}

int evloop_stop(evloop *loop)
{
    int err = loop_check(loop);
    if (err)
        return err;
    state_visit(loop);
    atomic_or(&loop->attention, ATTEND_STOP, seq_cst);
    state_wake_and_leave(loop);
    return 0;
}

/* For the thread that closes the gate, and for one that was refused by a queue. */
void state_leave_open(evloop *loop)
{
    int open = LIFE_OPEN;
    /*
     * release, acquire: who shuts the loop down counts as a visitor, and the microtasks are closed;
     * partner: the claim of the loop's own state_close_gate(), which comes before state_settle().
     * both stronger than the model needs (relaxed): the exchanges on the queues' words do it too.
     */
    atomic_claim(&loop->life, &open, LIFE_DRAINING, acq_rel, acquire);
}

void state_close_gate(evloop *loop)
{
    microtasks_close(&loop->microtasks);
    state_leave_open(loop);
    ingress_close(&loop->ingress);
}

/*
 * relaxed: the loop reads it again after the exchange on `attention` that evloop_shutdown() ends
 * with.
 */
static void bring_deadline_forward(evloop *loop, uint64_t deadline)
{
    uint64_t old = atomic_get(&loop->shutdown_deadline, relaxed);
    while (deadline < old &&
           !atomic_try(&loop->shutdown_deadline, &old, deadline, relaxed, relaxed))
        ;
}

int evloop_shutdown(evloop *loop, uint64_t timeout_ns)
{
    uint64_t now;
    int err = loop_check(loop);
    if (!err)
        err = poller_clock(&now);
    if (err)
        return err;
    if (atomic_get(&loop->life, relaxed) == LIFE_CLOSED)
        return 0;
    state_visit(loop);
    bring_deadline_forward(loop, timeout_ns > UINT64_MAX - now ? UINT64_MAX : now + timeout_ns);
    state_close_gate(loop);
    atomic_or(&loop->attention, ATTEND_SHUTDOWN, seq_cst);
    state_wake_and_leave(loop);
    return 0;
}

/* acquire: who is told IDLE, DRAINING or CLOSED sees what led to it; partners: the stores. */
evloop_state evloop_get_state(const evloop *loop)
{
    int life = loop ? atomic_get(&loop->life, acquire) : LIFE_CLOSED;
    if (life == LIFE_CLOSED)
        return EVLOOP_STATE_CLOSED;
    if (life == LIFE_DRAINING)
        return EVLOOP_STATE_DRAINING;
    if (atomic_get(&loop->runner, acquire) == 0)
        return EVLOOP_STATE_IDLE;
    bool asleep = atomic_get(&loop->waiting, relaxed) && ingress_sleeping(&loop->ingress);
    return asleep ? EVLOOP_STATE_SLEEPING : EVLOOP_STATE_RUNNING;
}
