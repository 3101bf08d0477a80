/*
 * watch_calls.c: how often a watch costs a system call, over readiness.
 */
#include "support.h"
#include "kernel_calls.h"

static void on_watch(evloop_watch *watch, unsigned events)
{
    ++*(int *)watch->data;
    (void)events;
}

TEST(a_change_of_interest_costs_no_system_call_until_the_loop_waits)
{
    int told = 0, fds[2];
    evloop *loop = loop_new();
    evloop_watch watch = {.data = &told};
    pair_open(fds);
    evloop_watch_start(loop, &watch, fds[0], EVLOOP_READABLE, on_watch);
    loop_turn(loop);
    kernel_changes = 0;
    for (int i = 0; i < 100; i++)
        evloop_watch_modify(&watch, i % 2 ? EVLOOP_READABLE : EVLOOP_WRITABLE);
    assert_int_equal(kernel_changes, 0);
    evloop_watch_modify(&watch, EVLOOP_WRITABLE);
    assert_int_equal(kernel_changes, 0);
    loop_turn(loop);
    assert_int_equal(kernel_changes, 1);
    assert_int_equal(told, 1);
    evloop_watch_stop(&watch);
    loop_end(loop);
    fds_close(fds);
}

TEST(a_change_that_is_taken_back_before_the_loop_waits_costs_no_system_call)
{
    int told = 0, fds[2];
    evloop *loop = loop_new();
    evloop_watch watch = {.data = &told};
    pair_open(fds);
    evloop_watch_start(loop, &watch, fds[0], EVLOOP_READABLE, on_watch);
    loop_turn(loop);
    kernel_changes = 0;
    evloop_watch_modify(&watch, EVLOOP_READABLE | EVLOOP_WRITABLE);
    evloop_watch_modify(&watch, 0);
    evloop_watch_modify(&watch, EVLOOP_READABLE);
    loop_turn(loop);
    assert_int_equal(kernel_changes, 0);
    evloop_watch_stop(&watch);
    loop_end(loop);
    fds_close(fds);
}

TEST(turns_without_changes_cost_no_change)
{
    int told = 0, fds[2];
    evloop *loop = loop_new();
    evloop_watch reader = {.data = &told}, writer = {.data = &told};
    pair_open(fds);
    evloop_watch_start(loop, &reader, fds[0], EVLOOP_READABLE, on_watch);
    evloop_watch_start(loop, &writer, fds[0], EVLOOP_WRITABLE, on_watch);
    loop_turn(loop);
    kernel_changes = 0;
    for (int i = 0; i < 20; i++)
        loop_turn(loop);
    assert_int_equal(kernel_changes, 0);
    assert_int_equal(told, 21);
    evloop_watch_stop(&reader);
    evloop_watch_stop(&writer);
    loop_end(loop);
    fds_close(fds);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_ENTRY(a_change_of_interest_costs_no_system_call_until_the_loop_waits),
        TEST_ENTRY(a_change_that_is_taken_back_before_the_loop_waits_costs_no_system_call),
        TEST_ENTRY(turns_without_changes_cost_no_change),
    };
    return RUN_TESTS("watch_calls", tests);
}
