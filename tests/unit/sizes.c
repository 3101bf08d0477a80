/*
 * sizes.c: how much memory objects and loops take: part of the interface.
 */
#include "support.h"

#define KIB(n) ((size_t)(n)*1024)

static void on_timer(evloop_timer *timer)
{
    (void)timer;
}

static void on_task(evloop_task *task)
{
    (void)task;
}

static void on_watch(evloop_watch *watch, unsigned events)
{
    (void)watch;
    (void)events;
}

static void on_notify(evloop_notify *notify)
{
    (void)notify;
}

static void on_nothing(void *arg)
{
    (void)arg;
}

TEST(objects_are_as_small_as_promised)
{
    assert_true(sizeof(evloop_task) <= 48);
    assert_true(sizeof(evloop_timer) <= 80);
    assert_true(sizeof(evloop_watch) <= 96);
}

/* A little of everything, so that what is allocated late is counted too. */
static void use(evloop *loop)
{
    int fds[2];
    evloop_timer timer = {0};
    evloop_watch watch = {0};
    evloop_task task = {0};
    evloop_notify notify = {0};
    pipe_open(fds);
    fd_write_byte(fds[1]);
    evloop_timer_start(loop, &timer, EVLOOP_US(1), 0, on_timer);
    evloop_watch_start(loop, &watch, fds[0], EVLOOP_READABLE, on_watch);
    evloop_notify_start(loop, &notify, on_notify);
    evloop_notify_send(&notify);
    evloop_submit(loop, &task, on_task);
    evloop_post(loop, on_nothing, NULL);
    evloop_microtask(loop, on_nothing, NULL);
    loop_turn(loop);
    loop_turn(loop);
    evloop_timer_stop(&timer);
    evloop_watch_stop(&watch);
    evloop_notify_stop(&notify);
    evloop_task_cancel(&task);
    fds_close(fds);
}

TEST(a_loop_with_default_options_takes_192_kib_at_most)
{
    evloop *loop = loop_new();
    assert_true(heap_bytes(&test_heap) > 0);
    assert_true(heap_bytes(&test_heap) <= KIB(192));
    use(loop);
    assert_true(heap_bytes(&test_heap) <= KIB(192));
    loop_end(loop);
}

TEST(a_small_loop_takes_32_kib_at_most)
{
    evloop *loop = loop_new_with(evloop_options_small());
    assert_true(heap_bytes(&test_heap) > 0);
    assert_true(heap_bytes(&test_heap) <= KIB(32));
    use(loop);
    assert_true(heap_bytes(&test_heap) <= KIB(32));
    loop_end(loop);
}

TEST(the_loop_allocates_nothing_for_timers)
{
    size_t n = 10000;
    uint64_t seed = 7;
    evloop *loop = loop_new();
    evloop_timer *timers = calloc(n, sizeof *timers);
    size_t calls = heap_calls(&test_heap);
    for (size_t i = 0; i < n; i++)
        evloop_timer_start(loop, &timers[i], chance(&seed) >> (8 + i % 32), 0, on_timer);
    loop_turn(loop);
    assert_int_equal(heap_calls(&test_heap), calls);
    for (size_t i = 0; i < n; i++)
        evloop_timer_stop(&timers[i]);
    loop_end(loop);
    free(timers);
}

TEST(tasks_and_notifications_of_the_users_cost_the_loop_no_memory)
{
    size_t n = 10000;
    evloop *loop = loop_new();
    evloop_task *tasks = calloc(n, sizeof *tasks);
    evloop_notify *notifications = calloc(n, sizeof *notifications);
    size_t calls = heap_calls(&test_heap);
    for (size_t i = 0; i < n; i++) {
        evloop_submit(loop, &tasks[i], on_task);
        evloop_notify_start(loop, &notifications[i], on_notify);
        evloop_notify_send(&notifications[i]);
    }
    while (loop_metrics(loop).tasks_run < 2 * n)
        loop_turn(loop);
    assert_int_equal(heap_calls(&test_heap), calls);
    for (size_t i = 0; i < n; i++)
        evloop_notify_stop(&notifications[i]);
    loop_end(loop);
    free(tasks);
    free(notifications);
}

static void post_burst(evloop *loop)
{
    for (size_t i = 0; i < 20000; i++)
        assert_int_equal(evloop_post(loop, on_nothing, NULL), 0);
    loop_run(loop);
}

/* 16 times as many nodes as there were at first, and the rings that hold them: 64, 128, ... */
TEST(after_a_burst_of_posts_a_small_loop_keeps_what_it_promises_and_no_more)
{
    evloop_options options = evloop_options_small();
    const size_t nodes = 16 * options.post_cache, rings = 4;
    const size_t node_size = sizeof(evloop_task) + 2 * sizeof(void *);
    const size_t ring_sizes = 2 * nodes * sizeof(void *) + rings * KIB(1);
    evloop *loop = loop_new_with(options);
    size_t blocks = heap_blocks(&test_heap), bytes = heap_bytes(&test_heap);
    post_burst(loop);
    assert_true(heap_blocks(&test_heap) <= blocks + nodes + rings);
    assert_true(heap_bytes(&test_heap) <= bytes + nodes * node_size + ring_sizes);
    blocks = heap_blocks(&test_heap);
    bytes = heap_bytes(&test_heap);
    post_burst(loop);
    assert_int_equal(heap_blocks(&test_heap), blocks);
    assert_int_equal(heap_bytes(&test_heap), bytes);
    loop_end(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_ENTRY(objects_are_as_small_as_promised),
        TEST_ENTRY(a_loop_with_default_options_takes_192_kib_at_most),
        TEST_ENTRY(a_small_loop_takes_32_kib_at_most),
        TEST_ENTRY(the_loop_allocates_nothing_for_timers),
        TEST_ENTRY(tasks_and_notifications_of_the_users_cost_the_loop_no_memory),
        TEST_ENTRY(after_a_burst_of_posts_a_small_loop_keeps_what_it_promises_and_no_more),
    };
    return RUN_TESTS("sizes", tests);
}
