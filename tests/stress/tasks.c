/*
 * tasks.c: many tasks from many threads: none lost, none twice, in order for each thread.
 */
#include "support.h"

#include <stdatomic.h>

#define PRODUCERS 4

struct item {
    evloop_task task;
    unsigned producer;
    unsigned number;
    unsigned runs;
    unsigned cancels;
};

struct producer {
    pthread_t thread;
    evloop *loop;
    struct item *items;
    unsigned id;
    unsigned count;
    atomic_uint offered;
};

static struct producer producers[PRODUCERS];
static unsigned next_number[PRODUCERS];
static size_t left_to_run;

static void ran(evloop *loop, unsigned producer, unsigned number)
{
    assert_true(number >= next_number[producer]);
    next_number[producer] = number + 1;
    if (--left_to_run == 0)
        evloop_stop(loop);
}

static void on_item(evloop_task *task)
{
    struct item *item = evloop_container_of(task, struct item, task);
    assert_int_equal(item->number, next_number[item->producer]);
    assert_int_equal(++item->runs, 1);
    ran(evloop_task_loop(task), item->producer, item->number);
}

static void producers_make(evloop *loop, unsigned count)
{
    memset(next_number, 0, sizeof next_number);
    left_to_run = (size_t)PRODUCERS * count;
    for (unsigned p = 0; p < PRODUCERS; p++) {
        producers[p].loop = loop;
        producers[p].id = p;
        producers[p].count = count;
        producers[p].offered = 0;
        producers[p].items = calloc(count, sizeof *producers[p].items);
        assert_non_null(producers[p].items);
        for (unsigned i = 0; i < count; i++) {
            producers[p].items[i].producer = p;
            producers[p].items[i].number = i;
        }
    }
}

static void producers_start(void *(*main_fn)(void *))
{
    for (unsigned p = 0; p < PRODUCERS; p++)
        thread_start(&producers[p].thread, main_fn, &producers[p]);
}

static void producers_join(void)
{
    for (unsigned p = 0; p < PRODUCERS; p++) {
        thread_join(producers[p].thread);
        free(producers[p].items);
    }
}

static void on_never(evloop_timer *timer)
{
    (void)timer;
}

/* Runs until everything was run; nothing but the test's own count ends it. */
static void run_until_all_ran(evloop *loop)
{
    evloop_timer keeper = {0};
    evloop_timer_start(loop, &keeper, EVLOOP_SEC(36000), 0, on_never);
    loop_run(loop);
    assert_int_equal(left_to_run, 0);
    evloop_timer_stop(&keeper);
}

static void *submits_items(void *arg)
{
    struct producer *producer = arg;
    for (unsigned i = 0; i < producer->count; i++)
        check(evloop_submit(producer->loop, &producer->items[i].task, on_item) == 0);
    return NULL;
}

TEST(a_million_tasks_of_four_threads_each_run_once_and_in_order)
{
    evloop *loop = loop_new();
    producers_make(loop, (unsigned)scaled(250000));
    producers_start(submits_items);
    run_until_all_ran(loop);
    producers_join();
    evloop_metrics metrics = loop_metrics(loop);
    assert_int_equal(metrics.tasks_accepted, PRODUCERS * scaled(250000));
    assert_int_equal(metrics.tasks_run, metrics.tasks_accepted);
    loop_end(loop);
}

static evloop *post_loop;

static void on_post(void *arg)
{
    uintptr_t code = (uintptr_t)arg;
    unsigned producer = (unsigned)(code % PRODUCERS), number = (unsigned)(code / PRODUCERS);
    assert_int_equal(number, next_number[producer]);
    ran(post_loop, producer, number);
}

static void *posts(void *arg)
{
    struct producer *producer = arg;
    for (uintptr_t i = 0; i < producer->count; i++)
        check(evloop_post(producer->loop, on_post, (void *)(i * PRODUCERS + producer->id)) == 0);
    return NULL;
}

TEST(a_million_posts_of_four_threads_each_run_once_and_in_order)
{
    post_loop = loop_new_with(evloop_options_small());
    producers_make(post_loop, (unsigned)scaled(250000));
    producers_start(posts);
    run_until_all_ran(post_loop);
    producers_join();
    loop_end(post_loop);
}

static void *submits_and_posts(void *arg)
{
    struct producer *producer = arg;
    for (unsigned i = 0; i < producer->count; i++) {
        uintptr_t code = (uintptr_t)i * PRODUCERS + producer->id;
        int err = i % 3 ? evloop_submit(producer->loop, &producer->items[i].task, on_item)
                        : evloop_post(producer->loop, on_post, (void *)code);
        check(err == 0);
    }
    return NULL;
}

TEST(leftovers_beyond_a_budget_lose_nothing_and_keep_their_order)
{
    evloop_options options = evloop_options_default();
    options.task_budget = 7;
    post_loop = loop_new_with(options);
    producers_make(post_loop, (unsigned)scaled(50000));
    producers_start(submits_and_posts);
    wait_until(evloop_alive(post_loop));
    run_until_all_ran(post_loop);
    producers_join();
    assert_true(loop_metrics(post_loop).task_overruns > 0);
    loop_end(post_loop);
}

/* ---- order across threads -------------------------------------------------------------------- */

static atomic_uint token;
static unsigned token_rounds, token_next;

static void on_token(void *arg)
{
    assert_int_equal((uintptr_t)arg, token_next);
    if (++token_next == token_rounds)
        evloop_stop(post_loop);
}

/* Whoever has the token posts, and hands it on: what was accepted before was accepted first. */
static void *passes_token(void *arg)
{
    struct producer *producer = arg;
    for (unsigned i = producer->id; i < token_rounds; i += PRODUCERS) {
        wait_until(atomic_load(&token) == i);
        check(evloop_post(producer->loop, on_token, (void *)(uintptr_t)i) == 0);
        atomic_store(&token, i + 1);
    }
    return NULL;
}

TEST(what_was_accepted_before_another_thread_offered_runs_first)
{
    evloop_timer keeper = {0};
    post_loop = loop_new();
    token = token_next = 0;
    token_rounds = (unsigned)scaled(20000);
    producers_make(post_loop, 1);
    evloop_timer_start(post_loop, &keeper, EVLOOP_SEC(36000), 0, on_never);
    producers_start(passes_token);
    loop_run(post_loop);
    producers_join();
    assert_int_equal(token_next, token_rounds);
    evloop_timer_stop(&keeper);
    loop_end(post_loop);
}

/* ---- cancel ---------------------------------------------------------------------------------- */

static void on_cancellable(evloop_task *task)
{
    struct item *item = evloop_container_of(task, struct item, task);
    assert_int_equal(++item->runs + item->cancels, 1);
    ran(evloop_task_loop(task), item->producer, item->number);
}

static void *submits_cancellable(void *arg)
{
    struct producer *producer = arg;
    for (unsigned i = 0; i < producer->count; i++) {
        check(evloop_submit(producer->loop, &producer->items[i].task, on_cancellable) == 0);
        atomic_store(&producer->offered, i + 1);
    }
    return NULL;
}

static uint64_t cancel_seed;

static void cancel_one(evloop *loop)
{
    struct producer *producer = &producers[chance(&cancel_seed) % PRODUCERS];
    unsigned offered = atomic_load(&producer->offered), done = next_number[producer->id];
    if (done >= offered)
        return;
    struct item *item = &producer->items[done + chance(&cancel_seed) % (offered - done)];
    int err = evloop_task_cancel(&item->task);
    if (err) {
        assert_int_equal(err, -ENOENT);
        assert_int_equal(item->runs + item->cancels, 1);
        return;
    }
    assert_int_equal(++item->cancels + item->runs, 1);
    if (--left_to_run == 0)
        evloop_stop(loop);
}

static void cancels_some(evloop_hook *hook)
{
    for (int i = 0; i < 20; i++)
        cancel_one(evloop_hook_loop(hook));
}

static void cancels_after_task(evloop_task *task)
{
    evloop *loop = evloop_task_loop(task);
    on_cancellable(task);
    cancel_one(loop);
}

static void *submits_cancelling(void *arg)
{
    struct producer *producer = arg;
    for (unsigned i = 0; i < producer->count; i++) {
        check(evloop_submit(producer->loop, &producer->items[i].task,
                            i % 4 ? on_cancellable : cancels_after_task) == 0);
        atomic_store(&producer->offered, i + 1);
    }
    return NULL;
}

static void cancel_while_they_come(void *(*producer_main)(void *), bool hooked)
{
    evloop_options options = evloop_options_default();
    options.task_budget = 50;
    evloop *loop = loop_new_with(options);
    evloop_hook hook = {0};
    cancel_seed = 1;
    producers_make(loop, (unsigned)scaled(50000));
    if (hooked)
        evloop_hook_start(loop, &hook, EVLOOP_HOOK_PREPARE, cancels_some);
    producers_start(producer_main);
    run_until_all_ran(loop);
    evloop_metrics metrics = loop_metrics(loop);
    assert_int_equal(metrics.tasks_accepted, PRODUCERS * scaled(50000));
    assert_int_equal(metrics.tasks_accepted, metrics.tasks_run + metrics.tasks_cancelled);
    assert_true(metrics.tasks_cancelled > 0);
    evloop_hook_stop(&hook);
    producers_join();
    loop_end(loop);
}

TEST(tasks_that_are_cancelled_between_turns_and_those_that_run_are_all_there_are)
{
    cancel_while_they_come(submits_cancellable, true);
}

TEST(tasks_that_are_cancelled_in_the_drain_and_those_that_run_are_all_there_are)
{
    cancel_while_they_come(submits_cancelling, false);
}

struct twice {
    evloop_task task;
    evloop *loop;
    size_t count;
    size_t accepted[2];
    size_t ran[2];
};

static void on_even(evloop_task *task)
{
    evloop_container_of(task, struct twice, task)->ran[0]++;
}

static void on_odd(evloop_task *task)
{
    evloop_container_of(task, struct twice, task)->ran[1]++;
}

static void *submits_again_and_again(void *arg)
{
    struct twice *twice = arg;
    while (twice->accepted[0] + twice->accepted[1] < twice->count) {
        bool odd = chance(&cancel_seed) & 1;
        int result = evloop_submit(twice->loop, &twice->task, odd ? on_odd : on_even);
        check(result == 0 || result == -EBUSY);
        twice->accepted[odd] += result == 0;
    }
    check(evloop_shutdown(twice->loop, 0) == 0);
    return NULL;
}

/* The callbacks count without atomics: the hand-over of the task orders them. */
TEST(a_task_that_is_submitted_again_at_once_runs_as_often_as_it_was_accepted)
{
    pthread_t thread;
    struct twice twice = {.loop = loop_new(), .count = scaled(100000)};
    evloop_timer keeper = {0};
    cancel_seed = 1;
    evloop_timer_start(twice.loop, &keeper, EVLOOP_SEC(36000), 0, on_never);
    thread_start(&thread, submits_again_and_again, &twice);
    loop_run(twice.loop);
    thread_join(thread);
    assert_int_equal(twice.ran[0], twice.accepted[0]);
    assert_int_equal(twice.ran[1], twice.accepted[1]);
    evloop_timer_stop(&keeper);
    loop_end(twice.loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_ENTRY(a_million_tasks_of_four_threads_each_run_once_and_in_order),
        TEST_ENTRY(a_million_posts_of_four_threads_each_run_once_and_in_order),
        TEST_ENTRY(leftovers_beyond_a_budget_lose_nothing_and_keep_their_order),
        TEST_ENTRY(what_was_accepted_before_another_thread_offered_runs_first),
        TEST_ENTRY(tasks_that_are_cancelled_between_turns_and_those_that_run_are_all_there_are),
        TEST_ENTRY(tasks_that_are_cancelled_in_the_drain_and_those_that_run_are_all_there_are),
        TEST_ENTRY(a_task_that_is_submitted_again_at_once_runs_as_often_as_it_was_accepted),
    };
    return RUN_TESTS("stress tasks", tests);
}
