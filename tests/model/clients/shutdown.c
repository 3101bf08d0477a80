/*
 * shutdown.c: the gate: what was accepted is executed, what comes later is refused, and every run
 * ends.
 */
#include "world.h"

static ATOMIC(int) shut;

static void setup(void)
{
    make_loop();
    atomic_set(&shut, 0, relaxed);
}

static void setup_alive(void)
{
    make_loop_alive();
    atomic_set(&shut, 0, relaxed);
}

static void shut_down(void)
{
    require(evloop_shutdown(loop, EVLOOP_FOREVER) == 0);
    atomic_set(&shut, 1, release);
}

static void shut_down_by_force(void)
{
    require(evloop_shutdown(loop, 0) == 0);
    atomic_set(&shut, 1, release);
}

static void stop(void)
{
    require(evloop_stop(loop) == 0);
}

static void submit_0(void)
{
    submit(0);
}

static void submit_0_1(void)
{
    submit(0);
    submit(1);
}

static void post_0(void)
{
    post(0);
}

static void microtask_0(void)
{
    microtask(0);
}

static void microtasks_0_1_2(void)
{
    microtask(0);
    microtask(1);
    microtask(2);
}

static void verify(void)
{
    verify_none_left();
    verify_wakes();
    require(evloop_get_state(loop) == EVLOOP_STATE_CLOSED);
    require(submit(7) == EVLOOP_ECLOSED);
    require(microtask(6) == EVLOOP_ECLOSED);
}

/* Refused by one queue, refused by all. */
static void microtask_then_submit(void)
{
    if (microtask(0) == EVLOOP_ECLOSED)
        require(submit(1) == EVLOOP_ECLOSED);
    else
        submit(1);
}

static void submit_then_microtask(void)
{
    if (submit(0) == EVLOOP_ECLOSED)
        require(microtask(1) == EVLOOP_ECLOSED);
    else
        microtask(1);
}

/* When a shutdown has returned, nothing is accepted any more, in any thread that knows of it. */
static void offer_after_shutdown(void)
{
    bool known = atomic_get(&shut, acquire);
    int submitted = submit(0);
    int microtasked = microtask(1);
    if (known) {
        require(submitted == EVLOOP_ECLOSED);
        require(microtasked == EVLOOP_ECLOSED);
    }
}

/* ---- a run that is stopped and a shutdown: the next run drains ------------------------------- */

static void run_until_closed(void)
{
    while (evloop_get_state(loop) != EVLOOP_STATE_CLOSED)
        run_loop();
}

static void stop_then_shut_down(void)
{
    stop();
    shut_down_by_force();
}

/* ---- a second shutdown brings the end nearer ------------------------------------------------- */

static void setup_without_end(void)
{
    setup_alive();
    shut_down();
}

/* ---- from inside a callback ------------------------------------------------------------------ */

static evloop_task closing;

static void shut_down_inside(evloop_task *task)
{
    (void)task;
    shut_down();
}

static void setup_inside(void)
{
    setup();
    memset(&closing, 0, sizeof closing);
    require(evloop_submit(loop, &closing, shut_down_inside) == 0);
}

/* ---- who runs or destroys the loop cannot destroy it ----------------------------------------- */

static void destroy_inside(evloop_task *task)
{
    (void)task;
    require(evloop_destroy(loop, EVLOOP_DESTROY_FORCE) == -EBUSY);
    require(evloop_stop(loop) == 0);
}

static void setup_destroyed_inside(void)
{
    setup_alive();
    memset(&closing, 0, sizeof closing);
    require(evloop_submit(loop, &closing, destroy_inside) == 0);
}

static void destroy_while_destroyed(evloop_task *task)
{
    (void)task;
    require(evloop_destroy(loop, EVLOOP_DESTROY_FORCE) == -EBUSY);
}

static void destroy(void)
{
    require(evloop_destroy(loop, EVLOOP_DESTROY_FORCE) == 0);
    require(model_blocks() == 0);
}

static const evloop_task_info discarded = {NULL, destroy_while_destroyed};

static void setup_destroyed_while_destroyed(void)
{
    setup_destroyed_inside();
    closing.info = &discarded;
}

/* ---- the loop is destroyed as soon as it may be ---------------------------------------------- */

static void setup_destroyed(void)
{
    make_loop_alive();
    items[0].stops = true;
    items[2].stops = true;
}

static void verify_destroyed(void)
{
    verify_none_left();
    require(kernel.closes == 1);
    require(model_blocks() == 0);
}

/* Whoever destroys a loop knows that the others have made their last call. */
static void stop_and_tell(void)
{
    stop();
    atomic_set(&shut, 2, release);
}

static void run_and_destroy_when_told(void)
{
    run_until_closed();
    while (atomic_get(&shut, acquire) != 2)
        thread_yield();
    loop->refs = 0;
    require(evloop_destroy(loop, EVLOOP_DESTROY_FORCE) == 0);
}

static void shut_down_last(void)
{
    require(evloop_shutdown(loop, 0) == 0);
}

static void submit_urgent_0(void)
{
    submit_urgent(0);
}

/* ---- what a loop's state says ---------------------------------------------------------------- */

/* Told that a run or the loop is over, one sees what led to it. */
static void look_at_state(void)
{
    evloop_state state = evloop_get_state(loop);
    if (state == EVLOOP_STATE_CLOSED)
        require(items[0].ran == 1);
}

static void setup_told(void)
{
    setup_alive();
    submit(0);
    shut_down_by_force();
}

static void look_twice_at_state(void)
{
    if (evloop_get_state(loop) == EVLOOP_STATE_RUNNING &&
        evloop_get_state(loop) == EVLOOP_STATE_IDLE)
        require(items[0].ran == 1);
}

static void setup_idle(void)
{
    setup_alive();
    items[0].stops = true;
    submit(0);
}

/* A destruction that is refused, and another one that has to say why in the same place. */
static void destroy_in_vain(void)
{
    require(evloop_destroy(loop, 0) == -EBUSY);
}

static void run_in_vain(void)
{
    int err = evloop_run(loop, EVLOOP_RUN_DEFAULT);
    require(err == 0 || err == -EBUSY || err == EVLOOP_ECLOSED);
}

static evloop_hook hook;

static void ignore(evloop_hook *ignored)
{
    (void)ignored;
}

static void setup_refused(void)
{
    setup();
    memset(&hook, 0, sizeof hook);
    require(evloop_hook_start(loop, &hook, EVLOOP_HOOK_PREPARE, ignore) == 0);
}

static void setup_refused_and_shut(void)
{
    setup_refused();
    shut_down_by_force();
}

/* ---- two runs -------------------------------------------------------------------------------- */

static unsigned ran[2];

static void run_and_note(unsigned thread)
{
    int err = evloop_run(loop, EVLOOP_RUN_DEFAULT);
    require(err == 0 || err == -EBUSY || err == EVLOOP_ECLOSED);
    ran[thread] = err == 0;
}

static void run_0(void)
{
    run_and_note(0);
}

static void run_1(void)
{
    run_and_note(1);
}

static void submit_and_shut_down(void)
{
    submit(0);
    shut_down_by_force();
}

static void setup_two_runs(void)
{
    setup_alive();
    items[0].asks = true;
    ran[0] = ran[1] = 0;
}

static void verify_two_runs(void)
{
    require(ran[0] + ran[1] >= 1);
    verify_none_left();
    require(evloop_get_state(loop) == EVLOOP_STATE_CLOSED);
    verify_wakes();
}

const struct client shutdown_clients[] = {
    BOUNDED("shutdown-runs-tasks", "accepted == executed, for tasks", 5, 7, 30000, setup_alive,
            verify, run_loop, submit_0_1, shut_down_by_force),
    BOUNDED("shutdown-runs-posts", "... for posted functions", 6, 8, 30000, setup_alive, verify,
            run_loop, post_0, shut_down_by_force),
    BOUNDED("shutdown-runs-microtasks", "... for microtasks", 5, 7, 30000, setup_alive, verify,
            run_loop, microtask_0, shut_down_by_force),
    BOUNDED("shutdown-runs-the-overflow", "... for those in the overflow", 5, 6, 30000, setup_alive,
            verify, run_loop, microtasks_0_1_2, shut_down_by_force),
    BOUNDED("shutdown-refuses-once-for-all", "refused as a microtask, refused as a task", 5, 6,
            30000, setup_alive, verify, run_loop, microtask_then_submit, shut_down_by_force),
    BOUNDED("shutdown-refuses-all-for-once", "refused as a task, refused as a microtask", 6, 8,
            30000, setup_alive, verify, run_loop, submit_then_microtask, shut_down_by_force),
    BOUNDED("shutdown-refuses-what-comes-later", "nothing is accepted once it has returned", 6, 8,
            30000, setup_alive, verify, run_loop, offer_after_shutdown, shut_down_by_force),
    BOUNDED("shutdown-and-stop", "a stop and a shutdown at once: both end", 6, 8, 30000,
            setup_alive, verify, run_until_closed, stop, shut_down_by_force),
    BOUNDED("shutdown-twice", "two shutdowns at once", 6, 10, 30000, setup_alive, verify, run_loop,
            shut_down_by_force, shut_down_by_force),
    BOUNDED("shutdown-behind-a-stop", "a run that was stopped, a run that drains", 6, 9, 30000,
            setup_alive, verify, run_until_closed, stop_then_shut_down),
    EXPLORED("shutdown-deadline-brought-forward", "a later shutdown can end an earlier one",
             setup_without_end, verify, run_loop, shut_down_by_force),
    EXPLORED("shutdown-inside-a-callback", "from a callback, while another thread submits",
             setup_inside, verify, run_loop, submit_0),
    BOUNDED("two-runs", "of two runs at once one is told so, and changes nothing", 8, 10, 30000,
            setup_two_runs, verify_two_runs, run_0, run_1, submit_and_shut_down),
    EXPLORED("destroyed-after-a-submit", "the loop is not touched after the task began",
             setup_destroyed, verify_destroyed, run_and_destroy_loop, submit_0),
    EXPLORED("destroyed-after-an-urgent-submit", "nor after an urgent one", setup_destroyed,
             verify_destroyed, run_and_destroy_loop, submit_urgent_0),
    EXPLORED("destroyed-after-a-post", "nor after a posted function", setup_destroyed,
             verify_destroyed, run_and_destroy_loop, post_0),
    EXPLORED("destroyed-after-a-microtask", "nor after a microtask", setup_destroyed,
             verify_destroyed, run_and_destroy_loop, microtask_0),
    EXPLORED("destroyed-after-a-stop", "nor after a stop was heard", setup_destroyed,
             verify_destroyed, run_and_destroy_loop, stop),
    BOUNDED("destroyed-after-a-shutdown", "nor after a shutdown was", 6, COMPLETE, 0,
            setup_destroyed, verify_destroyed, run_and_destroy_loop, shut_down_by_force),
    BOUNDED("destroyed-behind-stop-and-shutdown", "a stop, a shutdown and the destruction all end",
            5, 7, 30000, setup_alive, verify_destroyed, run_and_destroy_when_told, stop_and_tell,
            shut_down_last),
    EXPLORED("destroy-inside-a-callback", "a loop that runs cannot be destroyed",
             setup_destroyed_inside, NULL, run_loop),
    EXPLORED("destroy-while-destroyed", "nor one that is being destroyed",
             setup_destroyed_while_destroyed, NULL, destroy),
    EXPLORED("closed-state-is-told", "who is told CLOSED sees what led to it", setup_told, verify,
             run_loop, look_at_state),
    EXPLORED("idle-state-is-told", "who is told IDLE sees what the run did", setup_idle, NULL,
             run_loop, look_twice_at_state),
    EXPLORED("destroy-refused-twice", "two destructions in vain do not disturb each other",
             setup_refused, NULL, destroy_in_vain, destroy_in_vain, destroy_in_vain),
    EXPLORED("destroy-refused-behind-runs", "nor do runs that end at once", setup_refused_and_shut,
             NULL, run_in_vain, run_in_vain, destroy_in_vain),
    {0},
};
