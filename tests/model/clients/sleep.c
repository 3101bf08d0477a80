/*
 * sleep.c: no wakeup is lost, and none is sent twice.
 *
 * The loop's thread runs the loop, which has nothing to do and something that keeps it alive: it
 * goes to sleep. Another thread offers something that stops it. If the run does not end, whatever
 * the moment of the offer, the checker says deadlock.
 */
#include "world.h"

static evloop_notify notify;
static unsigned notified;

static void setup(void)
{
    make_loop_alive();
    items[0].stops = true;
}

static void submit_0(void)
{
    submit(0);
}

static void submit_urgent_0(void)
{
    submit_urgent(0);
}

static void post_0(void)
{
    post(0);
}

static void microtask_0(void)
{
    microtask(0);
}

static void stop(void)
{
    require(evloop_stop(loop) == 0);
}

static void shut_down(void)
{
    require(evloop_shutdown(loop, 0) == 0);
}

static void verify(void)
{
    verify_none_left();
    verify_wakes();
}

/* ---- notify ---------------------------------------------------------------------------------- */

static void stop_when_notified(evloop_notify *sent)
{
    require(sent == &notify);
    notified++;
    stop();
}

static void setup_notify(void)
{
    make_loop();
    memset(&notify, 0, sizeof notify);
    notified = 0;
    require(evloop_notify_start(loop, &notify, stop_when_notified) == 0);
}

static void send_signal(void)
{
    require(evloop_notify_send(&notify) == 0);
}

static void verify_notified(void)
{
    require(notified >= 1);
    verify_wakes();
}

/* ---- several offers: the last one that runs stops the loop ----------------------------------- */

static void setup_two(void)
{
    make_loop_alive();
    items[0].stops_as = 2;
    items[1].stops_as = 2;
    items[4].stops_as = 2;
}

static void submit_4(void)
{
    submit(4);
}

static void microtask_4(void)
{
    microtask(4);
}

static void submit_0_1(void)
{
    submit(0);
    submit(1);
}

static void microtasks_0_1(void)
{
    microtask(0);
    microtask(1);
}

/* Three microtasks, two slots. */
static void setup_overflow(void)
{
    make_loop_alive();
    items[2].stops = true;
}

static void microtasks_0_1_2(void)
{
    microtasks_0_1();
    microtask(2);
}

/* ---- what was taken and has not run keeps the loop awake ------------------------------------- */

static evloop_hook hook;

static void setup_budgets(void)
{
    make_loop_alive_with_small_budgets();
    items[0].stops_as = items[1].stops_as = 2;
}

static void setup_own_microtasks(void)
{
    make_loop_alive_with_small_budgets();
    items[0].offers = true;
    items[2].stops = true;
}

/* Asking moves what has come to the loop's own lists, right before it would sleep. */
static void ask(evloop_hook *asked)
{
    (void)asked;
    require(evloop_alive(loop));
}

static void setup_asked(void)
{
    setup();
    memset(&hook, 0, sizeof hook);
    require(evloop_hook_start(loop, &hook, EVLOOP_HOOK_PREPARE, ask) == 0);
}

/* ---- a wake is consumed in one mode, and the next post must wake in another ------------------ */

static void setup_modes(void)
{
    make_loop_alive();
    items[1].stops = true;
}

static void run_nowait_then_on(void)
{
    require(evloop_run(loop, EVLOOP_RUN_NOWAIT) == 0);
    if (!items[1].ran)
        run_loop();
}

static void run_once_then_on(void)
{
    require(evloop_run(loop, EVLOOP_RUN_ONCE) == 0);
    if (!items[1].ran)
        run_loop();
}

static void setup_two_runs(void)
{
    setup_modes();
    items[0].stops = true;
}

static void run_until_both_ran(void)
{
    while (!items[1].ran)
        run_loop();
}

/* ---- an outer loop waits for the descriptor -------------------------------------------------- */

static void run_inside_another_loop(void)
{
    require(evloop_run(loop, EVLOOP_RUN_NOWAIT) == 0);
    while (!items[0].ran && evloop_get_state(loop) != EVLOOP_STATE_CLOSED) {
        if (evloop_next_timeout_ns(loop) == EVLOOP_FOREVER)
            model_wait(&kernel.woken);
        require(evloop_run(loop, EVLOOP_RUN_NOWAIT) == 0);
    }
}

const struct client sleep_clients[] = {
    EXPLORED("submit-wakes", "a task is run, whenever it comes", setup, verify, run_loop, submit_0),
    EXPLORED("urgent-wakes", "an urgent task is run, whenever it comes", setup, verify, run_loop,
             submit_urgent_0),
    EXPLORED("post-wakes", "a posted function is run, whenever it comes", setup, verify, run_loop,
             post_0),
    EXPLORED("microtask-wakes", "a microtask is run, whenever it comes", setup, verify, run_loop,
             microtask_0),
    EXPLORED("notify-wakes", "a signal is delivered, whenever it comes", setup_notify,
             verify_notified, run_loop, send_signal),
    EXPLORED("stop-wakes", "a run ends when it is stopped, whenever that is", setup, verify,
             run_loop, stop),
    EXPLORED("shutdown-wakes", "a run ends when the loop is shut down", setup, verify, run_loop,
             shut_down),
    EXPLORED("two-submits-wake", "of two tasks none is left asleep", setup_two, verify, run_loop,
             submit_0_1),
    BOUNDED("two-threads-wake", "tasks of two threads wake, and not twice", 6, 10, 30000, setup_two,
            verify, run_loop, submit_0, submit_4),
    BOUNDED("two-microtasks-wake", "of two microtasks none is left asleep", 6, COMPLETE, 0,
            setup_two, verify, run_loop, microtasks_0_1),
    BOUNDED("microtask-and-task-wake", "each queue is looked at", 6, 9, 30000, setup_two, verify,
            run_loop, submit_0, microtask_4),
    BOUNDED("two-threads-microtasks-wake", "microtasks of two threads", 6, 8, 30000, setup_two,
            verify, run_loop, microtask_0, microtask_4),
    BOUNDED("overflow-wakes", "also what went to the overflow", 6, 8, 30000, setup_overflow, verify,
            run_loop, microtasks_0_1_2),
    BOUNDED("wake-consumed-by-another-mode", "a post after a wake that NOWAIT took wakes again", 6,
            COMPLETE, 0, setup_modes, verify, run_nowait_then_on, submit_0_1),
    BOUNDED("wake-consumed-by-one-turn", "a post after a wake that ONCE took wakes again", 6,
            COMPLETE, 0, setup_modes, verify, run_once_then_on, submit_0_1),
    BOUNDED("wake-between-two-runs", "a post while nobody runs the loop", 6, COMPLETE, 0,
            setup_two_runs, verify, run_until_both_ran, submit_0_1),
    EXPLORED("tasks-left-by-the-budget-keep-awake", "a task beyond the budget is not slept on",
             setup_budgets, verify, run_loop, submit_0_1),
    EXPLORED("microtasks-left-by-the-budget-keep-awake", "nor a microtask of the loop's own",
             setup_own_microtasks, verify, run_loop, submit_0),
    EXPLORED("tasks-taken-meanwhile-keep-awake", "nor a task that was taken and not run",
             setup_asked, verify, run_loop, submit_0),
    EXPLORED("urgent-tasks-taken-meanwhile-keep-awake", "nor an urgent one", setup_asked, verify,
             run_loop, submit_urgent_0),
    EXPLORED("submit-wakes-an-outer-loop", "the descriptor says so while nobody runs the loop",
             setup, verify, run_inside_another_loop, submit_0),
    EXPLORED("post-wakes-an-outer-loop", "also of a posted function", setup, verify,
             run_inside_another_loop, post_0),
    EXPLORED("microtask-wakes-an-outer-loop", "also of a microtask", setup, verify,
             run_inside_another_loop, microtask_0),
    EXPLORED("shutdown-wakes-an-outer-loop", "also of a shutdown", setup, verify,
             run_inside_another_loop, shut_down),
    {0},
};
