/*
 * tasks.c: the queue of tasks, with what is posted: conservation, order, reuse.
 *
 * The third thread is the loop's: it is awake, and runs what it finds, twice; what came later is
 * run when all threads have ended.
 */
#include "world.h"

static ATOMIC(int) passed_on;

static void setup(void)
{
    make_loop_awake();
    atomic_set(&passed_on, 0, relaxed);
}

static void setup_freeing(void)
{
    setup();
    items[0].frees = true;
    items[4].frees = true;
}

static void run_twice(void)
{
    run_tasks();
    run_tasks();
}

static void submit_first(void)
{
    submit(0);
    submit(1);
}

static void submit_second(void)
{
    submit(4);
    submit(5);
}

static void submit_mixed(void)
{
    post(0);
    submit(1);
}

static void submit_urgent_ones(void)
{
    submit_urgent(4);
    submit_urgent(5);
}

static void submit_0(void)
{
    submit(0);
}

static void submit_4(void)
{
    submit(4);
}

static void verify_orders(void)
{
    verify_all_ran();
    verify_order(0, 1);
    verify_order(4, 5);
}

/* ---- causal order ---------------------------------------------------------------------------- */

static void submit_and_pass_on(void)
{
    submit(0);
    atomic_set(&passed_on, 1, release);
}

static void post_and_pass_on(void)
{
    post(0);
    atomic_set(&passed_on, 1, release);
}

static void submit_if_passed_on(void)
{
    if (atomic_get(&passed_on, acquire))
        submit(4);
}

static void post_if_passed_on(void)
{
    if (atomic_get(&passed_on, acquire))
        post(4);
}

static void verify_causal(void)
{
    verify_all_ran();
    verify_order(0, 4);
}

/* ---- reuse ----------------------------------------------------------------------------------- */

/* The task is submitted again as soon as its callback has begun, by another thread. */
static evloop_task again;
static unsigned again_ran;

static void run_again(evloop_task *task)
{
    (void)task;
    again_ran++;
    atomic_set(&passed_on, 1, release);
}

static void setup_again(void)
{
    setup();
    memset(&again, 0, sizeof again);
    again_ran = 0;
}

static void submit_once(void)
{
    require(evloop_submit(loop, &again, run_again) == 0);
}

static void submit_once_more(void)
{
    if (atomic_get(&passed_on, acquire))
        require(evloop_submit(loop, &again, run_again) == 0);
    else
        items[7].frees = true;
}

static void verify_again(void)
{
    run_tasks();
    require(again_ran == (items[7].frees ? 1 : 2));
}

/* Whether it is still queued is said by the task itself. */
static void setup_queued(void)
{
    setup_again();
    submit_once();
}

static void submit_unless_busy(void)
{
    int err = evloop_submit(loop, &again, run_again);
    require(err == 0 || err == -EBUSY);
    items[7].frees = err != 0;
}

static void change_if_inactive(void)
{
    if (!evloop_task_active(&again))
        again.link_.next = NULL;
    items[7].frees = true;
}

/* A callback submits its own task. */
static void run_itself(evloop_task *task)
{
    if (again_ran++ == 0)
        require(evloop_submit(loop, task, run_itself) == 0);
}

static void submit_itself(void)
{
    require(evloop_submit(loop, &again, run_itself) == 0);
}

static void verify_itself(void)
{
    run_tasks();
    run_tasks();
    require(again_ran == 2);
    verify_none_left();
}

/* ---- cancelling ------------------------------------------------------------------------------ */

static bool cancelled;

static void setup_cancel(void)
{
    setup();
    cancelled = false;
}

static void cancel_0(void)
{
    if (!atomic_get(&passed_on, acquire))
        return;
    int err = evloop_task_cancel(&items[0].task);
    require(err == 0 || err == -ENOENT);
    cancelled = err == 0;
    run_tasks();
}

static void run_and_cancel(void)
{
    run_tasks();
    cancel_0();
}

static void verify_cancelled(void)
{
    run_tasks();
    require(items[0].ran == !cancelled);
    require(items[4].ran == 1);
}

/* ---- posts ----------------------------------------------------------------------------------- */

static void post_first(void)
{
    post(0);
    post(1);
}

static void post_second(void)
{
    post(4);
    post(5);
}

static void post_three(void)
{
    post(0);
    post(1);
    post(2);
}

static void post_4(void)
{
    post(4);
}

/* Nodes that were given back are taken again, in the ring's second and third lap. */
static void setup_recycled(void)
{
    setup();
    for (int i = 0; i < 3; i++) {
        post(7);
        run_tasks();
    }
    memset(items, 0, sizeof items);
}

/* Four nodes are on their way, two of which the ring has no room for. */
static void setup_growing(void)
{
    setup();
    for (int i = 0; i < 4; i++)
        post(i);
}

/* The second node that is taken was given back meanwhile. */
static void setup_lapped(void)
{
    setup();
    post(7);
}

static void verify_posts(void)
{
    verify_orders();
    verify_order(1, 2);
    destroy_loop();
}

const struct client tasks_clients[] = {
    EXPLORED("tasks-run-once-in-order", "every accepted task runs once, in its thread's order",
             setup, verify_orders, submit_first, submit_second, run_twice),
    EXPLORED("tasks-and-posts-in-order", "tasks and posted functions share one order", setup,
             verify_orders, submit_mixed, submit_second, run_twice),
    EXPLORED("urgent-tasks-in-order", "urgent tasks keep their order too", setup, verify_orders,
             submit_first, submit_urgent_ones, run_twice),
    EXPLORED("tasks-in-causal-order", "accepted before another is offered: runs before it", setup,
             verify_causal, submit_and_pass_on, submit_if_passed_on, run_twice),
    EXPLORED("posts-in-causal-order", "the same between posts and tasks", setup, verify_causal,
             post_and_pass_on, submit_if_passed_on, run_twice),
    EXPLORED("tasks-then-posts-in-causal-order", "the other way round", setup, verify_causal,
             submit_and_pass_on, post_if_passed_on, run_twice),
    EXPLORED("task-memory-freed-in-its-callback", "its memory is free when the callback begins",
             setup_freeing, verify_orders, submit_0, submit_4, run_twice),
    EXPLORED("task-submitted-again-elsewhere", "another thread may use it again at once",
             setup_again, verify_again, submit_once, submit_once_more, run_twice),
    EXPLORED("task-busy-until-it-runs", "it can be submitted again as soon as that is not refused",
             setup_queued, verify_again, submit_unless_busy, run_tasks),
    EXPLORED("task-inactive-is-its-owners", "and is its owner's once it is not active",
             setup_queued, verify_again, change_if_inactive, run_tasks),
    EXPLORED("task-submits-itself", "its callback may submit it again", setup_again, verify_itself,
             submit_itself, submit_4, run_twice),
    EXPLORED("task-cancelled-while-others-come", "cancelled, or run, and never both", setup_cancel,
             verify_cancelled, submit_and_pass_on, submit_4, run_and_cancel),
    BOUNDED("posts-run-once-in-order", "two nodes for four posts", 6, COMPLETE, 0, setup,
            verify_posts, post_first, post_second, run_twice),
    EXPLORED("posts-recycled-nodes", "a node that was taken again is not mistaken for itself",
             setup_recycled, verify_posts, post_first, post_4, run_twice),
    EXPLORED("posts-into-a-ring-that-grows", "what the ring was replaced by is whole",
             setup_growing, verify_posts, post_4, run_tasks),
    EXPLORED("posts-one-lap-on", "a position is not taken before its node is there", setup_lapped,
             verify_posts, post_first, post_4, run_tasks),
    BOUNDED("posts-beyond-the-cache", "nodes are made, come back, and the ring grows", 6, COMPLETE,
            0, setup, verify_posts, post_three, post_4, run_twice),
    {0},
};
