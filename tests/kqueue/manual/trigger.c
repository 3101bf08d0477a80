/*
 * trigger.c: events of the user, threads and signals: what kqueue(2) says of EVFILT_USER, and of a
 * wait that others end. Each test quotes what it checks, from FreeBSD's page.
 */
#include "queue.h"

#include <sched.h>
#include <stdatomic.h>

enum { IDENT = 7 };

static int trigger(int queue)
{
    struct kevent event;
    EV_SET(&event, IDENT, EVFILT_USER, 0, NOTE_TRIGGER, 0, NULL);
    return kevent(queue, &event, 1, NULL, 0, NULL);
}

/* "Cause the event to be triggered." "Multiple events which trigger the filter do not result in
 * multiple kevents." */
TEST(triggers_are_told_once_and_again_after_the_next_one)
{
    int queue = kqueue(), mark;
    assert_int_equal(change(queue, IDENT, EVFILT_USER, EV_ADD | EV_CLEAR, 0, &mark), 0);
    told_nothing(queue);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(trigger(queue), 0);
        assert_int_equal(trigger(queue), 0);
        assert_ptr_equal(told_one(queue, IDENT, EVFILT_USER).udata, &mark);
        told_nothing(queue);
    }
    close(queue);
}

TEST(a_trigger_that_is_not_cleared_lasts)
{
    int queue = kqueue();
    changed(queue, IDENT, EVFILT_USER, EV_ADD);
    assert_int_equal(trigger(queue), 0);
    told_one(queue, IDENT, EVFILT_USER);
    told_one(queue, IDENT, EVFILT_USER);
    changed(queue, IDENT, EVFILT_USER, EV_DELETE);
    told_nothing(queue);
    close(queue);
}

TEST(a_trigger_of_what_is_not_there_fails)
{
    int queue = kqueue();
    assert_int_equal(trigger(queue), -1);
    assert_int_equal(errno, ENOENT);
    changed(queue, IDENT, EVFILT_USER, EV_ADD | EV_CLEAR);
    changed(queue, IDENT, EVFILT_USER, EV_DELETE);
    assert_int_equal(change(queue, IDENT, EVFILT_USER, EV_DELETE, 0, NULL), ENOENT);
    assert_int_equal(trigger(queue), -1);
    close(queue);
}

TEST(a_trigger_while_it_is_disabled_is_told_when_it_is_enabled)
{
    int queue = kqueue();
    changed(queue, IDENT, EVFILT_USER, EV_ADD | EV_CLEAR);
    changed(queue, IDENT, EVFILT_USER, EV_DISABLE);
    assert_int_equal(trigger(queue), 0);
    told_nothing(queue);
    changed(queue, IDENT, EVFILT_USER, EV_ENABLE);
    told_one(queue, IDENT, EVFILT_USER);
    close(queue);
}

/* ---- other threads, signals ------------------------------------------------------------------ */

struct waiter {
    int queue;
    int plain; /* handed over: written before the trigger, read after the wait */
    struct gate woken;
};

static void *wait_often(void *arg)
{
    struct waiter *waiter = arg;
    for (int i = 1; i <= 100; i++) {
        check(wait_one(waiter->queue).filter == EVFILT_USER);
        check(waiter->plain == i);
        gate_add(&waiter->woken);
    }
    return NULL;
}

TEST(a_trigger_wakes_a_wait_of_another_thread_and_happens_before_its_return)
{
    struct waiter waiter = {.queue = kqueue(), .woken = GATE_INIT};
    pthread_t thread;
    changed(waiter.queue, IDENT, EVFILT_USER, EV_ADD | EV_CLEAR);
    thread_start(&thread, wait_often, &waiter);
    for (int i = 1; i <= 100; i++) {
        waiter.plain = i;
        assert_int_equal(trigger(waiter.queue), 0);
        gate_wait(&waiter.woken, (unsigned)i);
    }
    thread_join(thread);
    close(waiter.queue);
}

static void *trigger_often(void *arg)
{
    const struct waiter *waiter = arg;
    for (int i = 0; i < 100; i++)
        check(trigger(waiter->queue) == 0);
    return NULL;
}

TEST(a_trigger_does_not_meet_a_change_of_another_thread)
{
    struct waiter waiter = {.queue = kqueue()};
    pthread_t thread;
    changed(waiter.queue, IDENT, EVFILT_USER, EV_ADD | EV_CLEAR);
    thread_start(&thread, trigger_often, &waiter);
    for (int i = 0; i < 100; i++) {
        changed(waiter.queue, IDENT + 1, EVFILT_USER, EV_ADD | EV_CLEAR);
        changed(waiter.queue, IDENT + 1, EVFILT_USER, EV_DELETE);
    }
    thread_join(thread);
    told_one(waiter.queue, IDENT, EVFILT_USER);
    close(waiter.queue);
}

static void *wait_for_read(void *arg)
{
    const struct waiter *waiter = arg;
    check(wait_one(waiter->queue).filter == EVFILT_READ);
    return NULL;
}

TEST(a_change_of_another_thread_is_told_to_a_wait_that_is_under_way)
{
    struct waiter waiter = {.queue = kqueue()};
    pthread_t thread;
    int fds[2];
    pipe_open(fds);
    fd_write_byte(fds[1]);
    thread_start(&thread, wait_for_read, &waiter);
    changed(waiter.queue, fds[0], EVFILT_READ, EV_ADD);
    thread_join(thread);
    fds_close(fds);
    close(waiter.queue);
}

static volatile sig_atomic_t signalled_queue;
static atomic_bool interrupted;

static void on_signal(int number)
{
    (void)number;
    int saved = errno;
    check(trigger(signalled_queue) == 0);
    errno = saved;
}

struct sender {
    pthread_t to;
    atomic_bool ended;
};

static void *send_signals(void *arg)
{
    struct sender *sender = arg;
    while (!atomic_load(&sender->ended)) {
        check(pthread_kill(sender->to, SIGUSR1) == 0);
        sched_yield();
    }
    return NULL;
}

/* A handler may interrupt the thread anywhere: also in kevent(), whether it waits or changes. */
TEST(a_signal_handler_triggers_whatever_its_thread_does)
{
    const struct sigaction action = {.sa_handler = on_signal};
    struct sigaction before;
    struct sender sender = {.to = pthread_self()};
    struct kevent event;
    pthread_t thread;
    int queue = kqueue(), fds[2];
    pipe_open(fds);
    changed(queue, IDENT, EVFILT_USER, EV_ADD | EV_CLEAR);
    signalled_queue = queue;
    sigaction(SIGUSR1, &action, &before);
    thread_start(&thread, send_signals, &sender);
    for (int i = 0; i < 200; i++) {
        for (int j = 0; j < 20; j++) {
            changed(queue, fds[0], EVFILT_READ, EV_ADD);
            changed(queue, fds[0], EVFILT_READ, EV_DELETE);
        }
        while (kevent(queue, NULL, 0, &event, 1, NULL) < 0)
            assert_int_equal(errno, EINTR);
        assert_int_equal(event.filter, EVFILT_USER);
    }
    atomic_store(&sender.ended, true);
    thread_join(thread);
    sigaction(SIGUSR1, &before, NULL);
    fds_close(fds);
    close(queue);
}

static void on_nothing(int number)
{
    (void)number;
}

static void *change_and_wait(void *arg)
{
    const struct waiter *waiter = arg;
    struct kevent change, event;
    EV_SET(&change, (uintptr_t)waiter->plain, EVFILT_READ, EV_ADD, 0, 0, NULL);
    check(kevent(waiter->queue, &change, 1, &event, 1, NULL) == -1 && errno == EINTR);
    atomic_store(&interrupted, true);
    return NULL;
}

/* A wait that a signal ends has made its changes. */
TEST(a_signal_interrupts_the_wait_after_the_changes)
{
    const struct sigaction action = {.sa_handler = on_nothing};
    struct sigaction before;
    struct waiter waiter = {.queue = kqueue()};
    pthread_t thread;
    int fds[2];
    pipe_open(fds);
    waiter.plain = fds[0];
    atomic_store(&interrupted, false);
    sigaction(SIGUSR1, &action, &before);
    thread_start(&thread, change_and_wait, &waiter);
    while (!atomic_load(&interrupted)) {
        pthread_kill(thread, SIGUSR1);
        sched_yield();
    }
    thread_join(thread);
    sigaction(SIGUSR1, &before, NULL);
    fd_write_byte(fds[1]);
    told_one(waiter.queue, fds[0], EVFILT_READ);
    fds_close(fds);
    close(waiter.queue);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_ENTRY(triggers_are_told_once_and_again_after_the_next_one),
        TEST_ENTRY(a_trigger_that_is_not_cleared_lasts),
        TEST_ENTRY(a_trigger_of_what_is_not_there_fails),
        TEST_ENTRY(a_trigger_while_it_is_disabled_is_told_when_it_is_enabled),
        TEST_ENTRY(a_trigger_wakes_a_wait_of_another_thread_and_happens_before_its_return),
        TEST_ENTRY(a_trigger_does_not_meet_a_change_of_another_thread),
        TEST_ENTRY(a_change_of_another_thread_is_told_to_a_wait_that_is_under_way),
        TEST_ENTRY(a_signal_handler_triggers_whatever_its_thread_does),
        TEST_ENTRY(a_signal_interrupts_the_wait_after_the_changes),
    };
    return RUN_TESTS("kqueue-trigger", tests);
}
