/*
 * notify.c: evloop_notify: many signals, at least one callback, from threads and signal handlers.
 */
#include "support.h"

static void on_count(evloop_notify *notify)
{
    check(evloop_on_loop_thread(evloop_notify_loop(notify)));
    ++*(int *)notify->data;
}

static void on_note(evloop_notify *notify)
{
    trace(*(const char *)notify->data);
}

static void note_task(evloop_task *task)
{
    trace(*(const char *)task->data);
}

static void on_never(evloop_timer *timer)
{
    (void)timer;
}

/* ---- life ------------------------------------------------------------------------------------ */

TEST(a_notification_that_is_not_started_is_inactive)
{
    evloop_notify notify = {0};
    assert_false(evloop_notify_active(&notify));
    assert_null(evloop_notify_loop(&notify));
    assert_int_equal(evloop_notify_send(&notify), -EINVAL);
    assert_int_equal(evloop_notify_stop(&notify), 0);
    assert_false(evloop_notify_active(&notify));
}

TEST(a_notification_is_started_once_and_refused_twice)
{
    int calls = 0;
    evloop *loop = loop_new(), *other = loop_new();
    evloop_notify notify = {.data = &calls};
    assert_int_equal(evloop_notify_start(loop, &notify, NULL), -EINVAL);
    assert_false(evloop_notify_active(&notify));
    assert_int_equal(evloop_notify_start(loop, &notify, on_count), 0);
    assert_true(evloop_notify_active(&notify));
    assert_ptr_equal(evloop_notify_loop(&notify), loop);
    assert_int_equal(evloop_notify_start(loop, &notify, on_note), -EBUSY);
    assert_int_equal(evloop_notify_start(other, &notify, on_note), -EBUSY);
    assert_ptr_equal(evloop_notify_loop(&notify), loop);
    assert_int_equal(evloop_notify_send(&notify), 0);
    loop_turn(loop);
    assert_int_equal(calls, 1);
    assert_int_equal(evloop_notify_stop(&notify), 0);
    assert_int_equal(evloop_notify_stop(&notify), 0);
    assert_int_equal(evloop_notify_send(&notify), -EINVAL);
    loop_end(other);
    loop_end(loop);
}

TEST(a_notification_without_a_signal_is_not_called)
{
    int calls = 0;
    evloop *loop = loop_new();
    evloop_notify notify = {.data = &calls};
    evloop_notify_start(loop, &notify, on_count);
    for (int i = 0; i < 5; i++)
        loop_turn(loop);
    assert_int_equal(calls, 0);
    evloop_notify_stop(&notify);
    loop_end(loop);
}

/* ---- coalescing ------------------------------------------------------------------------------ */

TEST(any_number_of_signals_before_the_callback_are_one_call)
{
    int calls = 0;
    evloop *loop = loop_new();
    evloop_notify notify = {.data = &calls};
    evloop_notify_start(loop, &notify, on_count);
    for (int round = 1; round <= 10; round++) {
        for (int i = 0; i < 100; i++)
            assert_int_equal(evloop_notify_send(&notify), 0);
        loop_turn(loop);
        loop_turn(loop);
        assert_int_equal(calls, round);
    }
    evloop_notify_stop(&notify);
    loop_end(loop);
}

static void signals_itself(evloop_notify *notify)
{
    if (++*(int *)notify->data < 10)
        assert_int_equal(evloop_notify_send(notify), 0);
    else
        evloop_notify_stop(notify);
}

TEST(a_signal_in_its_own_callback_is_another_call)
{
    int calls = 0;
    evloop *loop = loop_new();
    evloop_notify notify = {.data = &calls};
    evloop_notify_start(loop, &notify, signals_itself);
    evloop_notify_send(&notify);
    loop_run(loop);
    assert_int_equal(calls, 10);
    loop_end(loop);
}

TEST(a_notification_takes_its_turn_in_the_queue)
{
    char names[] = "AnBmC";
    evloop *loop = loop_new();
    evloop_task a = {.data = &names[0]}, b = {.data = &names[2]}, c = {.data = &names[4]};
    evloop_notify n = {.data = &names[1]}, m = {.data = &names[3]};
    evloop_notify_start(loop, &n, on_note);
    evloop_notify_start(loop, &m, on_note);
    evloop_submit(loop, &a, note_task);
    evloop_notify_send(&n);
    evloop_submit(loop, &b, note_task);
    evloop_notify_send(&m);
    evloop_submit(loop, &c, note_task);
    evloop_notify_send(&n);
    loop_turn(loop);
    assert_trace("AnBmC");
    evloop_notify_stop(&n);
    evloop_notify_stop(&m);
    loop_end(loop);
}

/* ---- stop ------------------------------------------------------------------------------------ */

TEST(a_signal_that_was_not_delivered_before_the_stop_never_is)
{
    int calls = 0;
    evloop *loop = loop_new();
    evloop_notify notify = {.data = &calls};
    evloop_notify_start(loop, &notify, on_count);
    evloop_notify_send(&notify);
    assert_int_equal(evloop_notify_stop(&notify), 0);
    assert_false(evloop_alive(loop));
    memset(&notify, 0xff, sizeof notify);
    loop_run(loop);
    loop_turn(loop);
    assert_int_equal(calls, 0);
    loop_end(loop);
}

TEST(a_restarted_notification_does_not_get_an_old_signal)
{
    int old_calls = 0, calls = 0;
    evloop *loop = loop_new();
    evloop_notify notify = {.data = &old_calls};
    evloop_notify_start(loop, &notify, on_count);
    evloop_notify_send(&notify);
    evloop_notify_stop(&notify);
    notify.data = &calls;
    assert_int_equal(evloop_notify_start(loop, &notify, on_count), 0);
    loop_turn(loop);
    assert_int_equal(calls, 0);
    evloop_notify_send(&notify);
    loop_turn(loop);
    assert_int_equal(calls, 1);
    assert_int_equal(old_calls, 0);
    evloop_notify_stop(&notify);
    loop_end(loop);
}

static evloop_notify *victim;

static void stops_victim(evloop_notify *notify)
{
    on_note(notify);
    assert_int_equal(evloop_notify_stop(victim), 0);
}

TEST(a_notification_can_be_stopped_by_one_before_it_in_the_same_turn)
{
    char names[] = "ABC";
    evloop *loop = loop_new();
    evloop_notify a = {.data = &names[0]}, b = {.data = &names[1]}, c = {.data = &names[2]};
    victim = &b;
    evloop_notify_start(loop, &a, stops_victim);
    evloop_notify_start(loop, &b, on_note);
    evloop_notify_start(loop, &c, on_note);
    evloop_notify_send(&a);
    evloop_notify_send(&b);
    evloop_notify_send(&c);
    loop_turn(loop);
    assert_trace("AC");
    evloop_notify_stop(&a);
    evloop_notify_stop(&c);
    loop_end(loop);
}

static void stops_and_frees_itself(evloop_notify *notify)
{
    assert_int_equal(evloop_notify_send(notify), 0);
    assert_int_equal(evloop_notify_stop(notify), 0);
    free(notify);
    trace('f');
}

TEST(a_notification_can_be_stopped_and_freed_in_its_own_callback)
{
    evloop *loop = loop_new();
    evloop_notify *notify = calloc(1, sizeof *notify);
    evloop_notify_start(loop, notify, stops_and_frees_itself);
    evloop_notify_send(notify);
    loop_run(loop);
    assert_trace("f");
    loop_end(loop);
}

static void restarts_itself(evloop_notify *notify)
{
    evloop *loop = evloop_notify_loop(notify);
    on_note(notify);
    assert_int_equal(evloop_notify_stop(notify), 0);
    assert_int_equal(evloop_notify_start(loop, notify, on_note), 0);
    assert_int_equal(evloop_notify_send(notify), 0);
}

TEST(a_notification_can_be_started_again_in_its_own_callback)
{
    char name = 'n';
    evloop *loop = loop_new();
    evloop_notify notify = {.data = &name};
    evloop_notify_start(loop, &notify, restarts_itself);
    evloop_notify_send(&notify);
    loop_turn(loop);
    loop_turn(loop);
    assert_trace("nn");
    evloop_notify_stop(&notify);
    loop_end(loop);
}

TEST(a_notification_without_a_reference_does_not_keep_the_loop_alive)
{
    int calls = 0;
    evloop *loop = loop_new();
    evloop_notify notify = {.data = &calls};
    evloop_notify_start(loop, &notify, on_count);
    evloop_notify_unref(&notify);
    loop_run(loop);
    evloop_notify_send(&notify);
    loop_turn(loop);
    assert_int_equal(calls, 1);
    evloop_notify_stop(&notify);
    loop_end(loop);
}

/* ---- many ------------------------------------------------------------------------------------ */

struct numbered {
    evloop_notify notify;
    size_t number;
};

static size_t many_calls, many_step, many_next;

static void on_numbered(evloop_notify *notify)
{
    struct numbered *numbered = evloop_container_of(notify, struct numbered, notify);
    assert_int_equal(numbered->number, many_next);
    many_next += many_step;
    many_calls++;
}

TEST(ten_thousand_notifications_are_called_in_the_order_of_their_signals)
{
    size_t n = 10000;
    evloop *loop = loop_new();
    struct numbered *many = calloc(n, sizeof *many);
    for (size_t i = 0; i < n; i++) {
        many[i].number = i;
        assert_int_equal(evloop_notify_start(loop, &many[i].notify, on_numbered), 0);
    }
    many_calls = many_next = 0;
    many_step = 1;
    for (size_t i = 0; i < n; i++)
        assert_int_equal(evloop_notify_send(&many[i].notify), 0);
    while (many_calls < n)
        loop_turn(loop);
    many_next = 7777;
    evloop_notify_send(&many[7777].notify);
    loop_turn(loop);
    assert_int_equal(many_calls, n + 1);
    for (size_t i = 0; i < n; i++)
        evloop_notify_stop(&many[i].notify);
    loop_end(loop);
    free(many);
}

/* ---- threads and signals --------------------------------------------------------------------- */

struct sender {
    evloop_notify notify;
    struct gate gate;
    unsigned written; /* by the sender, not atomic: the notification makes it visible */
    unsigned seen;
};

static void on_sent(evloop_notify *notify)
{
    struct sender *sender = evloop_container_of(notify, struct sender, notify);
    sender->seen = sender->written;
    if (sender->seen == 200)
        evloop_notify_stop(notify);
    gate_add(&sender->gate);
}

static void *send_two_hundred(void *arg)
{
    struct sender *sender = arg;
    evloop *loop = evloop_notify_loop(&sender->notify);
    for (unsigned i = 1; i <= 200; i++) {
        wait_asleep(loop);
        sender->written = i;
        check(evloop_notify_send(&sender->notify) == 0);
        gate_wait(&sender->gate, i);
        check(sender->seen == i);
    }
    return NULL;
}

TEST(what_the_sender_wrote_before_a_signal_is_visible_in_its_callback)
{
    struct sender sender = {.gate = GATE_INIT};
    pthread_t thread;
    evloop *loop = loop_new();
    evloop_notify_start(loop, &sender.notify, on_sent);
    thread_start(&thread, send_two_hundred, &sender);
    loop_run(loop);
    thread_join(thread);
    assert_int_equal(sender.seen, 200);
    loop_end(loop);
}

static evloop_notify signalled;
static volatile sig_atomic_t handler_result;

static void on_signal(int sig)
{
    (void)sig;
    int saved = errno;
    handler_result = evloop_notify_send(&signalled);
    errno = saved;
}

TEST(a_signal_handler_can_send)
{
    int calls = 0;
    evloop *loop = loop_new();
    memset(&signalled, 0, sizeof signalled);
    signalled.data = &calls;
    evloop_notify_start(loop, &signalled, on_count);
    handler_result = 1;
    handle_signal(on_signal);
    for (int i = 1; i <= 5; i++) {
        raise(SIGUSR1);
        raise(SIGUSR1);
        assert_int_equal(handler_result, 0);
        loop_turn(loop);
        assert_int_equal(calls, i);
    }
    handle_signal(SIG_DFL);
    evloop_notify_stop(&signalled);
    loop_end(loop);
}

static struct gate signal_gate = GATE_INIT;
static int signal_calls;

static void on_signalled(evloop_notify *notify)
{
    if (++signal_calls == 100)
        evloop_notify_stop(notify);
    gate_add(&signal_gate);
}

static void *signal_a_hundred_times(void *arg)
{
    evloop *loop = evloop_notify_loop(&signalled);
    for (unsigned i = 1; i <= 100; i++) {
        wait_asleep(loop);
        check(pthread_kill(*(pthread_t *)arg, SIGUSR1) == 0);
        gate_wait(&signal_gate, i);
    }
    return NULL;
}

TEST(a_signal_handler_on_the_sleeping_loops_own_thread_wakes_it)
{
    pthread_t self = pthread_self(), thread;
    evloop *loop = loop_new();
    memset(&signalled, 0, sizeof signalled);
    signal_calls = 0;
    signal_gate.count = 0;
    evloop_notify_start(loop, &signalled, on_signalled);
    handler_result = 1;
    handle_signal(on_signal);
    thread_start(&thread, signal_a_hundred_times, &self);
    loop_run(loop);
    thread_join(thread);
    handle_signal(SIG_DFL);
    assert_int_equal(signal_calls, 100);
    loop_end(loop);
}

TEST(a_signal_before_the_first_run_is_delivered_by_it)
{
    int calls = 0;
    struct runner runner;
    evloop *loop = loop_new();
    evloop_timer timer = {0};
    evloop_notify notify = {.data = &calls};
    evloop_timer_start(loop, &timer, EVLOOP_SEC(3600), 0, on_never);
    evloop_notify_start(loop, &notify, on_count);
    evloop_notify_send(&notify);
    runner_start(&runner, loop);
    wait_asleep(loop);
    evloop_stop(loop);
    assert_int_equal(runner_join(&runner), 0);
    assert_int_equal(calls, 1);
    evloop_notify_stop(&notify);
    evloop_timer_stop(&timer);
    loop_end(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_ENTRY(a_notification_that_is_not_started_is_inactive),
        TEST_ENTRY(a_notification_is_started_once_and_refused_twice),
        TEST_ENTRY(a_notification_without_a_signal_is_not_called),
        TEST_ENTRY(any_number_of_signals_before_the_callback_are_one_call),
        TEST_ENTRY(a_signal_in_its_own_callback_is_another_call),
        TEST_ENTRY(a_notification_takes_its_turn_in_the_queue),
        TEST_ENTRY(a_signal_that_was_not_delivered_before_the_stop_never_is),
        TEST_ENTRY(a_restarted_notification_does_not_get_an_old_signal),
        TEST_ENTRY(a_notification_can_be_stopped_by_one_before_it_in_the_same_turn),
        TEST_ENTRY(a_notification_can_be_stopped_and_freed_in_its_own_callback),
        TEST_ENTRY(a_notification_can_be_started_again_in_its_own_callback),
        TEST_ENTRY(a_notification_without_a_reference_does_not_keep_the_loop_alive),
        TEST_ENTRY(ten_thousand_notifications_are_called_in_the_order_of_their_signals),
        TEST_ENTRY(what_the_sender_wrote_before_a_signal_is_visible_in_its_callback),
        TEST_ENTRY(a_signal_handler_can_send),
        TEST_ENTRY(a_signal_handler_on_the_sleeping_loops_own_thread_wakes_it),
        TEST_ENTRY(a_signal_before_the_first_run_is_delivered_by_it),
    };
    return RUN_TESTS("notify", tests);
}
