/*
 * life.c: loops that are destroyed while a call whose effect was seen has not returned.
 */
#include "support.h"

#include <stdatomic.h>

enum kind { SUBMIT, URGENT, POST, MICROTASK, NOTIFY, STOP, SHUTDOWN, KINDS };

static struct {
    evloop *loop;
    enum kind kind;
    evloop_task task;
    evloop_notify notify;
    evloop_timer keeper;
    int effects;
    atomic_size_t round, returned;
    size_t rounds;
} life;

static void seen(evloop *loop)
{
    life.effects++;
    evloop_stop(loop);
}

static void on_task(evloop_task *task)
{
    seen(evloop_task_loop(task));
}

static void on_fn(void *loop)
{
    seen(loop);
}

static void on_notify(evloop_notify *notify)
{
    evloop *loop = evloop_notify_loop(notify);
    evloop_notify_stop(notify);
    seen(loop);
}

static void on_never(evloop_timer *timer)
{
    (void)timer;
}

static int act(evloop *loop, enum kind kind)
{
    switch (kind) {
    case SUBMIT:
        return evloop_submit(loop, &life.task, on_task);
    case URGENT:
        return evloop_submit_urgent(loop, &life.task, on_task);
    case POST:
        return evloop_post(loop, on_fn, loop);
    case MICROTASK:
        return evloop_microtask(loop, on_fn, loop);
    case NOTIFY:
        return evloop_notify_send(&life.notify);
    case STOP:
        return evloop_stop(loop);
    case SHUTDOWN:
        return evloop_shutdown(loop, 0);
    case KINDS:
        break;
    }
    return -EINVAL;
}

static void *acts(void *arg)
{
    uint64_t seed = 1;
    for (size_t i = 1; i <= life.rounds; i++) {
        wait_until(atomic_load(&life.round) == i);
        for (volatile uint64_t k = chance(&seed) % 3000; k; k--)
            continue;
        check(act(life.loop, life.kind) == 0);
        atomic_store(&life.returned, i);
    }
    return arg;
}

static void one_life(size_t round)
{
    life.kind = (enum kind)(round % KINDS);
    life.loop = loop_new_with(evloop_options_small());
    life.effects = 0;
    memset(&life.task, 0, sizeof life.task);
    memset(&life.notify, 0, sizeof life.notify);
    evloop_timer_start(life.loop, &life.keeper, EVLOOP_SEC(36000), 0, on_never);
    evloop_notify_start(life.loop, &life.notify, on_notify);
    atomic_store(&life.round, round);
    loop_run(life.loop);
    assert_int_equal(life.effects, life.kind < STOP);
    evloop_timer_stop(&life.keeper);
    evloop_notify_stop(&life.notify);
    loop_end(life.loop);
    wait_until(atomic_load(&life.returned) == round);
}

TEST(a_loop_can_be_destroyed_as_soon_as_the_effect_of_another_threads_call_was_seen)
{
    pthread_t thread;
    memset(&life, 0, sizeof life);
    life.rounds = scaled(5000);
    thread_start(&thread, acts, NULL);
    for (size_t round = 1; round <= life.rounds; round++)
        one_life(round);
    thread_join(thread);
}

static void *lives_alone(void *arg)
{
    uint64_t seed = (uintptr_t)arg;
    for (size_t i = 0; i < scaled(300); i++) {
        evloop *loop = NULL;
        evloop_options options = evloop_options_small();
        check(evloop_create(&loop, &options) == 0);
        for (uint64_t k = chance(&seed) % 50; k; k--)
            check(evloop_post(loop, free, NULL) == 0);
        if (i % 2)
            check(evloop_run(loop, EVLOOP_RUN_DEFAULT) == 0);
        check(evloop_destroy(loop, EVLOOP_DESTROY_FORCE) == 0);
    }
    return NULL;
}

TEST(threads_can_make_run_and_destroy_loops_beside_each_other)
{
    pthread_t threads[4];
    for (uintptr_t i = 0; i < 4; i++)
        thread_start(&threads[i], lives_alone, (void *)i);
    for (int i = 0; i < 4; i++)
        thread_join(threads[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_ENTRY(a_loop_can_be_destroyed_as_soon_as_the_effect_of_another_threads_call_was_seen),
        TEST_ENTRY(threads_can_make_run_and_destroy_loops_beside_each_other),
    };
    return RUN_TESTS("stress life", tests);
}
