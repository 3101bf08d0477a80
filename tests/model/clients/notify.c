/*
 * notify.c: the notify object: a signal that was accepted is followed by a callback, and a stop is
 * final.
 */
#include "world.h"

static evloop_notify notify;
static ATOMIC(unsigned) written[2]; /* by the senders, before they send */
static unsigned sent[2];            /* ... the signal with this number */
static unsigned seen[2];            /* by the last callback */
static unsigned called;
static bool stopped;

static void look(evloop_notify *signalled)
{
    require(signalled == &notify);
    require(!stopped);
    called++;
    for (int i = 0; i < 2; i++)
        seen[i] = atomic_get(&written[i], relaxed);
}

static void clear(void)
{
    memset(&notify, 0, sizeof notify);
    memset(sent, 0, sizeof sent);
    memset(seen, 0, sizeof seen);
    for (int i = 0; i < 2; i++)
        atomic_set(&written[i], 0, relaxed);
    called = 0;
    stopped = false;
}

static void setup(void)
{
    make_loop_awake();
    clear();
    require(evloop_notify_start(loop, &notify, look) == 0);
}

static void send_from(int thread, unsigned number)
{
    atomic_set(&written[thread], number, relaxed);
    int err = evloop_notify_send(&notify);
    if (err == 0)
        sent[thread] = number;
    else
        require(err == -EINVAL || err == EVLOOP_ECLOSED);
}

static void send_0(void)
{
    send_from(0, 1);
}

static void send_0_twice(void)
{
    send_from(0, 1);
    send_from(0, 2);
}

static void send_1(void)
{
    send_from(1, 1);
}

static void send_1_twice(void)
{
    send_from(1, 1);
    send_from(1, 2);
}

static void run_tasks_twice(void)
{
    run_tasks();
    run_tasks();
}

static void require_delivered(void)
{
    for (int i = 0; i < 2; i++)
        require(seen[i] >= sent[i]);
}

static void verify(void)
{
    run_tasks();
    require_delivered();
    require(called <= sent[0] + sent[1]);
    require(evloop_notify_stop(&notify) == 0);
    destroy_loop();
}

/* ---- stop ------------------------------------------------------------------------------------ */

/* Nobody touches the loop after the stop has returned: it may be destroyed. */
static void stop_and_destroy(void)
{
    run_tasks();
    require(evloop_notify_stop(&notify) == 0);
    stopped = true;
    run_tasks();
    destroy_loop();
}

static void stop_and_start_again(void)
{
    require(evloop_notify_stop(&notify) == 0);
    require(evloop_notify_start(loop, &notify, look) == 0);
    run_tasks();
}

static void verify_started_again(void)
{
    bool pending = atomic_get(&notify.state_, relaxed) & OBJECT_BIT_2;
    require(!pending || atomic_get(&notify.task_.state_, relaxed) & OBJECT_ACTIVE);
    run_tasks();
    require(evloop_notify_stop(&notify) == 0);
    destroy_loop();
}

/* ---- the gate -------------------------------------------------------------------------------- */

static void setup_run(void)
{
    make_loop();
    clear();
    require(evloop_notify_start(loop, &notify, look) == 0);
}

static void shut_down(void)
{
    require(evloop_shutdown(loop, EVLOOP_FOREVER) == 0);
}

static void verify_drained(void)
{
    require_delivered();
    require(evloop_get_state(loop) == EVLOOP_STATE_CLOSED);
    require(evloop_notify_stop(&notify) == 0);
    verify_wakes();
}

static evloop_task closing;

static void shut_down_inside(evloop_task *task)
{
    (void)task;
    shut_down();
}

static void setup_run_inside(void)
{
    setup_run();
    memset(&closing, 0, sizeof closing);
    require(evloop_submit(loop, &closing, shut_down_inside) == 0);
}

const struct client notify_clients[] = {
    EXPLORED("notify-delivers", "a callback comes after every signal, with what was written", setup,
             verify, send_0_twice, run_tasks_twice),
    EXPLORED("notify-delivers-to-two-senders", "also of two threads", setup, verify, send_0, send_1,
             run_tasks_twice),
    BOUNDED("notify-delivers-many", "two threads, two signals each", 6, 10, 30000, setup, verify,
            send_0_twice, send_1_twice, run_tasks_twice),
    EXPLORED("notify-stop-is-final", "after a stop no callback comes, and no sender", setup, NULL,
             send_0_twice, stop_and_destroy),
    EXPLORED("notify-stop-with-two-senders", "also with two senders", setup, NULL, send_0, send_1,
             stop_and_destroy),
    EXPLORED("notify-started-again", "a sender to the old life does not harm the new one", setup,
             verify_started_again, send_0_twice, stop_and_start_again),
    EXPLORED("notify-shutdown-at-any-moment", "a run that sees a shutdown half drains all the same",
             setup_run, verify_drained, run_loop, shut_down),
    EXPLORED("notify-at-the-gate-inside", "also if the loop itself closes the gate",
             setup_run_inside, verify_drained, run_loop, send_0),
    BOUNDED("notify-at-the-gate", "a signal that was accepted is delivered by the drain", 6, 9,
            30000, setup_run, verify_drained, run_loop, send_0, shut_down),
    {0},
};
