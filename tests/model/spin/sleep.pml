/*
 * sleep.pml: how the loop sleeps, and how it is woken.
 *
 * One producer offers a task and then a microtask; another a task or a microtask, and stops the run,
 * in either order. The owner runs the loop until it is stopped, then whenever the descriptor tells
 * it to, as an outer loop would, and destroys the loop once all three have run.
 *
 * Proves, for every order of the steps: what was accepted runs, once; a stop ends the run; the owner
 * comes to its end; no sleep is ended by two wakes; the loop does not run while it seems to sleep;
 * no thread touches a loop that was destroyed.
 *
 * Does not prove that the memory orders of the C code suffice: a step is one atomic operation of the
 * C code, or a few if it is all the same whether another thread comes between them, and all threads
 * see the steps in one order. Left out: the own queue and the overflow of the microtasks, urgent
 * tasks, the order of tasks, timers, and the gate: shutdown.pml.
 *
 * A comment that begins with the name of a file quotes the line that the step stands for; run.cmake
 * demands that the file has it.
 */

/* The ingress word: a bit for each task in the chain, and the flag. */
byte chain;
bool sleeping = true;               /* src/core/ingress.h: atomic_set(&ingress->head, INGRESS_SLEEPING, relaxed); */

byte tail;                          /* src/core/microtask.h: ATOMIC(uintptr_t) tail; */
byte slot[2];                       /* src/core/microtask.h: struct microtask_slot *slots; */
bool stop;                          /* src/core/loop.h: enum { ATTEND_STOP = 1, ATTEND_SHUTDOWN = 2 }; */
byte visitors;                      /* src/core/loop.h: visitors; */
short wakes_due;                    /* src/core/loop.h: uint64_t wakes_owed; */
                                    /* ... less wakes_sent */
bool edge;                          /* the eventfd was written to, and no wait has returned that yet */

/* What the claims speak of. Items 0 and 1 are tasks, 2 and 3 microtasks. */
bool accepted[4], ran[4], destroyed;
bool woken;                         /* somebody has taken this sleep away */

inline call(item) { assert(!sleeping && !ran[item]); ran[item] = true; calls++ }

/* --- any thread -------------------------------------------------------------------------------- */

/* Part of an exchange on the ingress word: whoever finds the flag takes the sleep away. */
inline take_sleep() {
    took = sleeping;
    sleeping = false;
    assert(!took || !woken);
    woken = woken || took
}

inline send_wake() {
    edge = true;                    /* src/core/state.c: poller_wake(&loop->poller); */
    d_step { wakes_due--; assert(!destroyed) } /* src/core/state.c: atomic_add(&loop->wakes_sent, 1, release); */
}

inline wake_and_leave() {
    if
    :: !sleeping                    /* src/core/ingress.h: return ingress_sleeping(ingress) && ingress_end_sleep(ingress); */
    :: else ->
        d_step { take_sleep() }     /* src/core/ingress.h: return atomic_and(&ingress->head, ~(uintptr_t)INGRESS_SLEEPING, acq_rel) & INGRESS_SLEEPING; */
        if :: took -> send_wake() :: else fi /* src/core/state.c: if (ingress_interrupt(&loop->ingress)) */
    fi;
    d_step { visitors--; assert(!destroyed) } /* src/core/state.c: atomic_sub(&loop->visitors, 1, release); */
}

inline offer_task(item) {
    d_step {                        /* src/core/ingress.h: atomic_try(&ingress->head, &head, (uintptr_t)task, acq_rel, relaxed) */
        chain = chain | 1 << item;
        take_sleep();               /* src/core/ingress.h: return head & INGRESS_SLEEPING ? INGRESS_ACCEPTED_WAKE : INGRESS_ACCEPTED; */
        accepted[item] = true
    }
    if :: took -> send_wake() :: else fi /* src/core/task.c: if (result == INGRESS_ACCEPTED_WAKE) */
}

inline offer_microtask(item) {
    d_step {
        visitors++;                 /* src/core/task.c: state_visit(loop); */
        ticket = tail;
        tail++;                     /* src/core/microtask.h: atomic_try(&microtasks->tail, &ticket, ticket + MICROTASK_TICKET, seq_cst, relaxed) */
        accepted[item] = true
    }
    slot[ticket] = item;            /* src/core/microtask.h: atomic_set(&slot->turn, ticket + 1, release); */
    wake_and_leave()                /* src/core/task.c: state_wake_and_leave(loop); */
}

inline call_stop() {
    d_step {
        visitors++;                 /* src/core/state.c: state_visit(loop); */
        stop = true                 /* src/core/state.c: atomic_or(&loop->attention, ATTEND_STOP, seq_cst); */
    }
    wake_and_leave()                /* src/core/state.c: state_wake_and_leave(loop); */
}

proctype producer(byte id; bool task; bool microtask; bool stops) {
    bool took;
    byte ticket;
    do
    :: task -> task = false; offer_task(id)
    :: !task && microtask -> microtask = false; offer_microtask(2 + id)
    :: stops -> stops = false; call_stop()
    :: !task && !microtask && !stops -> break
    od
}

/* --- the loop's thread ------------------------------------------------------------------------- */

inline announce_sleep() { sleeping = true; woken = false }

inline end_sleep() {
    d_step { if :: sleeping -> sleeping = false :: else -> wakes_due++ fi } /* src/core/state.c: if (!ingress_end_sleep(&loop->ingress)) */
}

/* One queue after the other: something may be offered between two looks. */
inline look() {
    work = list != 0 || chain != 0; /* src/core/state.c: return tasks_left(loop) */
    if :: !work -> work = tail != head :: else fi; /* src/core/state.c: microtasks_pending(&loop->microtasks) */
    if :: !work -> work = stop :: else fi /* src/core/state.c: atomic_get(&loop->attention, seq_cst) != 0; */
}

/* At most one, as if that were the budget. A ticket that was drawn, and whose slot is not filled yet,
 * holds back what is behind it. */
inline run_microtasks() {
    d_step {
        if                          /* src/core/microtask.h: if (atomic_get(&slot->turn, acquire) != ticket + 1) */
        :: slot[head % 2] ->
            call(slot[head % 2]);   /* src/core/loop.c: task.fn(task.arg); */
            slot[head % 2] = 0;     /* src/core/microtask.h: slot->task.fn = NULL; */
            head++                  /* src/core/microtask.h: microtasks->head = ticket + MICROTASK_TICKET; */
        :: else
        fi
    }
}

inline run_tasks() {
    d_step {
        list = list | chain;        /* src/core/ingress.h: return ingress_newest(atomic_and(&ingress->head, INGRESS_FLAGS, acquire)); */
        chain = 0;
        if                          /* src/core/task.c: while (budget-- > 0 && (link = list_pop(phase))) { */
        :: list & 1 -> list = list & ~1; call(0)
        :: list == 2 -> list = 0; call(1)
        :: else
        fi
    }
}

inline poll_phase() {
    work = true;
    if :: !nowait -> look() :: else fi; /* src/core/loop.c: if (!has_refs(loop, draining(loop)) || loop->idle_refs > 0 || state_has_work(loop)) */
    if
    :: !work ->
        d_step { announce_sleep(); work = chain != 0 } /* src/core/ingress.h: return !ingress_newest(atomic_or(&ingress->head, INGRESS_SLEEPING, seq_cst)); */
        if :: !work -> look() :: else fi; /* src/core/state.c: if (ingress_announce_sleep(&loop->ingress) && !state_has_work(loop)) */
        if :: work -> end_sleep() :: else fi /* src/core/state.c: state_end_sleep(loop); */
    :: else
    fi;
    if
    :: !work ->
        d_step { edge -> edge = false } /* src/core/loop.c: err = poller_wait(&loop->poller, timeout_ns); */
        end_sleep()                 /* src/core/loop.c: state_end_sleep(loop); */
    :: work && polled               /* src/core/loop.c: if (!timeout_ns && loop->polled && poller_watch_count(&loop->poller) == 0) */
    :: work -> edge = false         /* src/core/loop.c: err = poller_wait(&loop->poller, timeout_ns); */
    fi;
    polled = true                   /* src/core/loop.c: loop->polled = true; */
}

active proctype owner() {
    bool work, polled, nowait;
    byte calls, head;               /* src/core/microtask.h: uintptr_t head; */
    byte list;                      /* src/core/loop.h: list_link tasks; */
    atomic {
        run producer(0, true, true, false);
        if :: run producer(1, true, false, true) :: run producer(1, false, true, true) fi
    }
    do
    :: end_sleep();                 /* src/core/state.c: state_end_sleep(loop); */
        polled = false;             /* src/core/loop.c: loop->polled = false; */
        do
        :: stop -> break            /* src/core/loop.c: if (stop_requested(loop) || shutdown_finished(loop)) */
        :: else ->
            run_microtasks();       /* src/core/loop.c: loop_run_microtasks(loop); */
            run_tasks();            /* src/core/loop.c: tasks_run(loop); */
            poll_phase();           /* src/core/loop.c: err = poll_phase(loop, run); */
            if :: nowait -> break :: else fi /* src/core/loop.c: return run->mode == EVLOOP_RUN_NOWAIT */
        od;
        stop = false;               /* src/core/state.c: atomic_and(&loop->attention, ~(unsigned)ATTEND_STOP, acq_rel); */
        d_step { announce_sleep() } /* src/core/state.c: ingress_announce_sleep(&loop->ingress); */
        if :: calls == 3 -> break :: else fi;
        nowait = true;
        look();                     /* src/core/loop.c: if (loop_check_thread(loop) != 0 || loop->idle_refs > 0 || state_has_work(loop) || */
        if :: !work -> edge :: else fi /* the outer loop waits until the descriptor is readable */
    od;
    end_sleep();                    /* src/core/loop.c: state_end_sleep(loop); */
    visitors == 0;                  /* src/core/state.c: while (atomic_get(&loop->visitors, acquire) != 0 || */
    wakes_due == 0;                 /* src/core/state.c: atomic_get(&loop->wakes_sent, acquire) != loop->wakes_owed) */
    destroyed = true
}

ltl every_task_runs { [] (accepted[0] -> <> ran[0]) && [] (accepted[1] -> <> ran[1]) }
ltl every_microtask_runs { [] (accepted[2] -> <> ran[2]) && [] (accepted[3] -> <> ran[3]) }
ltl a_stop_ends_the_run { [] (stop -> <> !stop) }
ltl the_owner_comes_to_its_end { <> destroyed }
