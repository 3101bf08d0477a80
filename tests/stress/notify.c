/*
 * notify.c: signals from many threads and from signal handlers: each is followed by a callback.
 */
#include "support.h"

#include <sched.h>
#include <stdatomic.h>

#define SENDERS 4
#define OBJECTS 16

struct mailbox {
    evloop_notify notify;
    atomic_uint sent; /* counted before each signal */
    unsigned seen;
    unsigned calls;
};

static struct mailbox boxes[OBJECTS];
static atomic_uint senders_left;

static void on_mail(evloop_notify *notify)
{
    struct mailbox *box = evloop_container_of(notify, struct mailbox, notify);
    box->seen = atomic_load(&box->sent);
    box->calls++;
}

static void stop_loop(void *loop)
{
    evloop_stop(loop);
}

static void sender_done(evloop *loop)
{
    if (atomic_fetch_sub(&senders_left, 1) == 1)
        check(evloop_post(loop, stop_loop, loop) == 0);
}

static void *sends(void *arg)
{
    uint64_t seed = (uintptr_t)arg;
    evloop *loop = evloop_notify_loop(&boxes[0].notify);
    for (size_t i = 0; i < scaled(200000); i++) {
        struct mailbox *box = &boxes[chance(&seed) % OBJECTS];
        atomic_fetch_add(&box->sent, 1);
        check(evloop_notify_send(&box->notify) == 0);
    }
    sender_done(loop);
    return NULL;
}

static void boxes_start(evloop *loop)
{
    memset(boxes, 0, sizeof boxes);
    for (int i = 0; i < OBJECTS; i++)
        assert_int_equal(evloop_notify_start(loop, &boxes[i].notify, on_mail), 0);
}

static void boxes_end(void)
{
    for (int i = 0; i < OBJECTS; i++) {
        assert_int_equal(boxes[i].seen, boxes[i].sent);
        assert_true(boxes[i].calls <= boxes[i].sent);
        assert_int_equal(evloop_notify_stop(&boxes[i].notify), 0);
    }
}

TEST(every_signal_of_many_threads_is_followed_by_a_callback)
{
    pthread_t threads[SENDERS];
    evloop *loop = loop_new();
    boxes_start(loop);
    senders_left = SENDERS;
    for (uintptr_t i = 0; i < SENDERS; i++)
        thread_start(&threads[i], sends, (void *)i);
    loop_run(loop);
    for (int i = 0; i < SENDERS; i++)
        thread_join(threads[i]);
    boxes_end();
    loop_end(loop);
}

/* ---- signal handlers ------------------------------------------------------------------------- */

static void on_signal(int sig)
{
    (void)sig;
    int saved = errno;
    for (int i = 0; i < 3; i++) {
        atomic_fetch_add(&boxes[i].sent, 1);
        if (evloop_notify_send(&boxes[i].notify))
            abort();
    }
    errno = saved;
}

static pthread_t bombed[3];

static void *bombs(void *arg)
{
    for (size_t i = 0; i < scaled(5000); i++) {
        check(pthread_kill(bombed[i % 3], SIGUSR1) == 0);
        sched_yield();
    }
    sender_done(evloop_notify_loop(&boxes[0].notify));
    return arg;
}

static void *sends_and_waits(void *arg)
{
    sends(arg);
    while (atomic_load(&senders_left) > 0)
        sched_yield();
    return NULL;
}

TEST(every_signal_of_handlers_that_interrupt_everybody_is_followed_by_a_callback)
{
    pthread_t bomber;
    evloop *loop = loop_new();
    boxes_start(loop);
    handle_signal(on_signal);
    senders_left = 3;
    bombed[0] = pthread_self();
    thread_start(&bombed[1], sends_and_waits, (void *)1);
    thread_start(&bombed[2], sends_and_waits, (void *)2);
    thread_start(&bomber, bombs, NULL);
    loop_run(loop);
    thread_join(bomber);
    thread_join(bombed[1]);
    thread_join(bombed[2]);
    while (evloop_next_timeout_ns(loop) == 0)
        loop_turn(loop);
    handle_signal(SIG_DFL);
    boxes_end();
    loop_end(loop);
}

/* ---- stop and start -------------------------------------------------------------------------- */

static struct {
    evloop_notify notify;
    bool started;
    atomic_bool done;
    unsigned changes;
    unsigned calls;
} flicker;

static void on_flicker(evloop_notify *notify)
{
    (void)notify;
    assert_true(flicker.started);
    flicker.calls++;
}

static void changes_flicker(evloop_timer *timer)
{
    evloop *loop = evloop_timer_loop(timer);
    int err = flicker.started ? evloop_notify_stop(&flicker.notify)
                              : evloop_notify_start(loop, &flicker.notify, on_flicker);
    assert_int_equal(err, 0);
    flicker.started = !flicker.started;
    if (++flicker.changes >= scaled(2000) && flicker.calls >= 100)
        evloop_stop(loop);
}

static void *sends_to_flicker(void *arg)
{
    while (!atomic_load(&flicker.done)) {
        int err = evloop_notify_send(&flicker.notify);
        check(err == 0 || err == -EINVAL);
    }
    return arg;
}

TEST(a_notification_that_is_restarted_under_fire_is_called_only_while_started)
{
    pthread_t threads[SENDERS];
    evloop_timer timer = {0};
    evloop *loop = loop_new();
    memset(&flicker, 0, sizeof flicker);
    evloop_timer_start(loop, &timer, 0, 1, changes_flicker);
    for (int i = 0; i < SENDERS; i++)
        thread_start(&threads[i], sends_to_flicker, NULL);
    loop_run(loop);
    flicker.done = true;
    for (int i = 0; i < SENDERS; i++)
        thread_join(threads[i]);
    evloop_timer_stop(&timer);
    evloop_notify_stop(&flicker.notify);
    loop_end(loop);
}

/* ---- shutdown -------------------------------------------------------------------------------- */

static void *sends_whatever_comes(void *arg)
{
    while (!atomic_load(&flicker.done))
        evloop_notify_send(&flicker.notify);
    return arg;
}

static void on_counted(evloop_notify *notify)
{
    (void)notify;
    flicker.calls++;
}

static void shuts_down(evloop_timer *timer)
{
    if (flicker.calls > 0)
        evloop_shutdown(evloop_timer_loop(timer), 0);
}

TEST(a_shutdown_ends_although_other_threads_go_on_signalling)
{
    pthread_t threads[2 * SENDERS];
    evloop_timer timer = {0};
    evloop *loop = loop_new();
    memset(&flicker, 0, sizeof flicker);
    assert_int_equal(evloop_notify_start(loop, &flicker.notify, on_counted), 0);
    evloop_timer_start(loop, &timer, 0, EVLOOP_MS(1), shuts_down);
    for (int i = 0; i < 2 * SENDERS; i++)
        thread_start(&threads[i], sends_whatever_comes, NULL);
    loop_run(loop);
    assert_int_equal(evloop_get_state(loop), EVLOOP_STATE_CLOSED);
    flicker.done = true;
    for (int i = 0; i < 2 * SENDERS; i++)
        thread_join(threads[i]);
    evloop_timer_stop(&timer);
    evloop_notify_stop(&flicker.notify);
    loop_end(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_ENTRY(every_signal_of_many_threads_is_followed_by_a_callback),
        TEST_ENTRY(every_signal_of_handlers_that_interrupt_everybody_is_followed_by_a_callback),
        TEST_ENTRY(a_notification_that_is_restarted_under_fire_is_called_only_while_started),
        TEST_ENTRY(a_shutdown_ends_although_other_threads_go_on_signalling),
    };
    return RUN_TESTS("stress notify", tests);
}
