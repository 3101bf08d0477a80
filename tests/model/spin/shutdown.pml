/*
 * shutdown.pml: how the gate is shut, and how a shutdown ends.
 *
 * One thread shuts the loop down. A producer offers a task and a microtask, in either order. A rival
 * either stops the run, or signals a notify object, or shuts down too: the latter at once, while the
 * first one's deadline never comes and an object keeps the loop alive until then. The owner runs
 * the loop, again after a stop, until it is closed.
 *
 * Proves, for every order of the steps: what was accepted runs, once, before the loop is closed;
 * nothing is accepted afterwards, nor once any thread was told of a refusal; the shutdown ends.
 *
 * Does not prove that the memory orders of the C code suffice: a step is one atomic operation of the
 * C code, or a few, and all threads see the steps in one order. The wake, the look at the queues and
 * the time between two runs are not taken apart as in sleep.pml. Left out besides: a deadline that
 * comes while the loop sleeps, signals that become one callback, and destroying.
 *
 * A comment that begins with the name of a file quotes the line that the step stands for; run.cmake
 * demands that the file has it.
 */

/* The ingress word: a bit for each task in the chain, and the flags. */
byte chain;
bool gate_shut;                     /* src/core/ingress.h: INGRESS_CLOSED = 1 */
bool sleeping = true;               /* src/core/ingress.h: atomic_set(&ingress->head, INGRESS_SLEEPING, relaxed); */

mtype = { OPEN, DRAINING, CLOSED };
mtype life = OPEN;                  /* src/core/loop.h: enum life { LIFE_OPEN, LIFE_DRAINING, LIFE_CLOSED }; */
bool ring_shut;                     /* src/core/microtask.h: enum { MICROTASKS_CLOSED = 1 */
bool drawn, filled;                 /* src/core/microtask.h: ATOMIC(uintptr_t) turn; */
bool pending;                       /* src/core/notify.c: NOTIFY_PENDING = OBJECT_BIT_2 */
bool notify_shut;                   /* src/core/notify.c: NOTIFY_CLOSED = OBJECT_BIT_3 */
bool sender;                        /* src/core/notify.c: A sender counts in `senders_` */
bool stop, attend;                  /* src/core/loop.h: enum { ATTEND_STOP = 1, ATTEND_SHUTDOWN = 2 }; */
bool due;                           /* src/core/loop.h: ATOMIC(uint64_t) shutdown_deadline; */
bool edge;                          /* the eventfd was written to, and no wait has returned that yet */
bool object;                        /* there is one that keeps the loop alive until the deadline */

/* What the claims speak of. */
#define TASK 0
#define MICROTASK 1
#define SIGNAL 2
bool accepted[3], ran[3], refused, ended;

inline accept(item) { assert(life != CLOSED && !late); accepted[item] = true }
inline call(item) { assert(!ran[item]); ran[item] = true }

/* --- any thread -------------------------------------------------------------------------------- */

/* In one step; sleep.pml takes it apart. */
inline wake() {
    d_step { if :: sleeping -> sleeping = false; edge = true :: else fi } /* src/core/state.c: state_send_wake(loop); */
}

inline leave_open() {               /* src/core/state.c: atomic_claim(&loop->life, &open, LIFE_DRAINING, acq_rel, acquire); */
    d_step { if :: life == OPEN -> life = DRAINING :: else fi }
}

inline shut_gate() {
    ring_shut = true;               /* src/core/state.c: microtasks_close(&loop->microtasks); */
    leave_open();                   /* src/core/state.c: state_leave_open(loop); */
    gate_shut = true                /* src/core/state.c: ingress_close(&loop->ingress); */
}

inline shut_down() {
    shut_gate();                    /* src/core/state.c: state_close_gate(loop); */
    attend = true;                  /* src/core/state.c: atomic_or(&loop->attention, ATTEND_SHUTDOWN, seq_cst); */
    wake()                          /* src/core/state.c: state_wake_and_leave(loop); */
}

/* One exchange finds the gate open, puts the task in front, and takes the sleep away. */
inline push(item) {
    d_step {                        /* src/core/ingress.h: atomic_try(&ingress->head, &head, (uintptr_t)task, acq_rel, relaxed) */
        no = gate_shut;             /* src/core/ingress.h: if (head & INGRESS_CLOSED) */
        if :: !no -> chain = chain | 1 << item; wake() :: else fi; /* src/core/task.c: if (result == INGRESS_ACCEPTED_WAKE) */
        if :: !no && item == TASK -> accept(TASK) :: else fi
    }
}

inline look_whether_open() { late = refused; no = life != OPEN }
inline tell() { if :: no -> refused = true :: else fi }

inline offer_task() {
    d_step { look_whether_open() }  /* src/core/task.c: int err = loop_check_offer(loop); */
    if
    :: !no ->
        push(TASK);                 /* src/core/task.c: ingress_push(&loop->ingress, &task->link_); */
        if :: no -> leave_open() :: else fi /* src/core/task.c: state_leave_open(loop); */
    :: else
    fi;
    tell()
}

inline offer_microtask() {
    d_step {                        /* src/core/microtask.h: atomic_try(&microtasks->tail, &ticket, ticket + MICROTASK_TICKET, seq_cst, relaxed) */
        late = refused;
        no = ring_shut;             /* src/core/microtask.c: if (atomic_get(&microtasks->tail, relaxed) & MICROTASKS_CLOSED) */
        if :: !no -> drawn = true; accept(MICROTASK) :: else fi
    }
    if
    :: no -> leave_open()           /* src/core/task.c: state_leave_open(loop); */
    :: else -> filled = true        /* src/core/microtask.h: atomic_set(&slot->turn, ticket + 1, release); */
    fi;
    wake();                         /* src/core/task.c: state_wake_and_leave(loop); */
    tell()
}

/* The exchange that sets PENDING is the acceptance, whatever becomes of the push. */
inline send_signal() {
    d_step {
        sender = true;              /* src/core/notify.c: atomic_add(&notify->senders_, 1, seq_cst); */
        look_whether_open()         /* src/core/notify.c: int err = loop_check_offer(object_loop(state)); */
    }
    d_step {                        /* src/core/notify.c: atomic_try(&notify->state_, &state, state | NOTIFY_PENDING, acq_rel, relaxed) */
        no = no || notify_shut;     /* src/core/notify.c: if (state & NOTIFY_CLOSED) */
        if :: !no -> pending = true; accept(SIGNAL) :: else fi
    }
    if :: !no -> push(SIGNAL); no = false :: else fi; /* src/core/notify.c: push(object_loop(state), notify); */
    sender = false;                 /* src/core/notify.c: atomic_sub(&notify->senders_, 1, release); */
    tell()
}

proctype closer() { shut_down() }

proctype producer() {
    bool no, late;
    if
    :: offer_task(); offer_microtask()
    :: offer_microtask(); offer_task()
    fi
}

proctype rival() {
    bool no, late;
    if
    :: object ->
        due = true;                 /* src/core/state.c: bring_deadline_forward(loop, timeout_ns > UINT64_MAX - now ? */
        shut_down()
    :: !object -> send_signal()
    :: !object ->
        stop = true;                /* src/core/state.c: atomic_or(&loop->attention, ATTEND_STOP, seq_cst); */
        wake()                      /* src/core/state.c: state_wake_and_leave(loop); */
    fi
}

/* --- the loop's thread ------------------------------------------------------------------------- */

/* In one step; sleep.pml takes it apart. */
#define accepted_left (list || chain || drawn) /* src/core/loop.c: return tasks_left(loop) || microtasks_pending(&loop->microtasks); */

inline close_notifies() {
    notify_shut = true;             /* src/core/notify.c: atomic_or(&notify->state_, NOTIFY_CLOSED, acq_rel); */
    !sender;                        /* src/core/notify.c: while (atomic_get(&notify->senders_, seq_cst) != 0) */
    d_step {
        list = list | chain;        /* src/core/notify.c: tasks_take(loop); */
        chain = 0;
        if                          /* src/core/notify.c: if (!settle(loop, notify) && (atomic_get(&notify->state_, relaxed) & NOTIFY_PENDING)) */
        :: pending && !(list & 1 << SIGNAL) ->
            list = list | 1 << SIGNAL /* src/core/notify.c: task_enqueue(loop, &notify->task_); */
        :: else
        fi;
        notifies_closed = true      /* src/core/notify.c: loop->notifies_closed = true; */
    }
}

inline finish_shutdown() {
    if
    :: life == DRAINING ->          /* src/core/loop.c: if (!draining(loop)) */
        shut_gate();                /* src/core/loop.c: state_close_gate(loop); */
        if                          /* src/core/loop.c: if (!loop->notifies_closed) { */
        :: !accepted_left && !notifies_closed -> close_notifies() /* src/core/loop.c: notifies_close(loop); */
        :: else
        fi;
        if
        :: accepted_left            /* src/core/loop.c: if (accepted_work_left(loop)) */
        :: !accepted_left && object && !due /* src/core/loop.c: if (has_refs(loop, true) && loop_read_clock(loop) == 0 && */
        :: !accepted_left && (!object || due) ->
            life = CLOSED;          /* src/core/loop.c: atomic_set(&loop->life, LIFE_CLOSED, release); */
            break
        fi
    :: else
    fi
}

inline run_accepted() {
    d_step {
        list = list | chain;        /* src/core/ingress.h: atomic_and(&ingress->head, INGRESS_FLAGS, acquire) */
        chain = 0;
        if :: filled -> filled = false; drawn = false; call(MICROTASK) :: else fi; /* src/core/loop.c: task.fn(task.arg); */
        if :: list & 1 << TASK -> call(TASK) :: else fi; /* src/core/task.c: fn(task); */
        if :: list & 1 << SIGNAL -> pending = false; call(SIGNAL) :: else fi; /* src/core/notify.c: notify->fn_(notify); */
        list = 0
    }
}

inline fall_asleep() {
    if
    :: life == DRAINING && (!object || due) /* src/core/loop.c: if (!has_refs(loop, draining(loop)) || loop->idle_refs > 0 || state_has_work(loop)) */
    :: else ->
        sleeping = true;            /* src/core/state.c: if (ingress_announce_sleep(&loop->ingress) && !state_has_work(loop)) */
        if
        :: accepted_left || stop || attend /* src/core/state.c: atomic_get(&loop->attention, seq_cst) != 0; */
        :: else -> edge             /* src/core/loop.c: err = poller_wait(&loop->poller, timeout_ns); */
        fi
    fi;
    d_step {
        edge = false;               /* src/poller/poller_epoll.c: .events = EPOLLIN | EPOLLET */
        sleeping = false            /* src/core/loop.c: state_end_sleep(loop); */
    }
}

active proctype owner() {
    bool notifies_closed;
    byte list;                      /* src/core/loop.h: list_link tasks; */
    atomic {
        if :: object = true :: skip fi;
        run closer(); run producer(); run rival()
    }
    sleeping = false;               /* src/core/state.c: state_end_sleep(loop); */
    do
    :: attend = false;              /* src/core/loop.c: atomic_and(&loop->attention, ~(unsigned)ATTEND_SHUTDOWN, acq_rel); */
        if
        :: stop -> stop = false     /* src/core/state.c: atomic_and(&loop->attention, ~(unsigned)ATTEND_STOP, acq_rel); */
        :: else ->
            finish_shutdown();      /* src/core/loop.c: if (stop_requested(loop) || shutdown_finished(loop)) */
            run_accepted();
            fall_asleep()           /* src/core/loop.c: err = poll_phase(loop, run); */
        fi
    od;
    ended = true
}

ltl every_task_runs { [] (accepted[TASK] -> <> ran[TASK]) }
ltl every_microtask_runs { [] (accepted[MICROTASK] -> <> ran[MICROTASK]) }
ltl every_signal_runs { [] (accepted[SIGNAL] -> <> ran[SIGNAL]) }
ltl the_shutdown_ends { <> ended }
