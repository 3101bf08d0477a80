/*
 * cplusplus.cpp: the headers compile as C++17, and every kind of object can be a member of a class.
 */
#include "support.h"

#include <cstddef>

namespace
{

struct session {
    evloop_timer timer{};
    evloop_watch watch{};
    evloop_hook hook{};
    evloop_notify notify{};
    evloop_task task{};
    std::size_t calls = 0;
};

evloop_allocator no_memory()
{
    evloop_allocator allocator{};
    allocator.resize = [](void *, void *, size_t) -> void * { return nullptr; };
    return allocator;
}

void count_call(void *arg)
{
    ++static_cast<session *>(arg)->calls;
}

TEST(every_object_works_in_a_class)
{
    int fds[2];
    session s;
    evloop *loop = loop_new();
    pipe_open(fds);
    fd_write_byte(fds[1]);
    assert_int_equal(evloop_timer_start(loop, &s.timer, EVLOOP_US(1), 0,
                                        [](evloop_timer *timer) {
                                            ++evloop_container_of(timer, session, timer)->calls;
                                        }),
                     0);
    assert_int_equal(evloop_watch_start(loop, &s.watch, fds[0], EVLOOP_READABLE,
                                        [](evloop_watch *watch, unsigned) {
                                            ++evloop_container_of(watch, session, watch)->calls;
                                            evloop_watch_stop(watch);
                                        }),
                     0);
    assert_int_equal(evloop_hook_start(loop, &s.hook, EVLOOP_HOOK_PREPARE,
                                       [](evloop_hook *hook) {
                                           ++evloop_container_of(hook, session, hook)->calls;
                                           evloop_hook_stop(hook);
                                       }),
                     0);
    assert_int_equal(evloop_notify_start(loop, &s.notify,
                                         [](evloop_notify *notify) {
                                             ++evloop_container_of(notify, session, notify)->calls;
                                             evloop_notify_stop(notify);
                                         }),
                     0);
    assert_int_equal(evloop_notify_send(&s.notify), 0);
    assert_int_equal(
        evloop_submit(loop, &s.task,
                      [](evloop_task *task) { ++evloop_container_of(task, session, task)->calls; }),
        0);
    assert_int_equal(evloop_post(loop, count_call, &s), 0);
    assert_int_equal(evloop_microtask(loop, count_call, &s), 0);
    loop_run(loop);
    assert_int_equal(s.calls, 7);
    loop_end(loop);
    fds_close(fds);
}

TEST(options_and_metrics_are_plain_values)
{
    evloop_options options = evloop_options_small();
    options.task_budget = 7;
    evloop *loop = loop_new_with(options);
    evloop_metrics metrics{};
    metrics.size = sizeof metrics;
    assert_int_equal(evloop_get_metrics(loop, &metrics), 0);
    assert_int_equal(metrics.turns, 0);
    loop_end(loop);
}

TEST(an_allocator_can_be_a_lambda)
{
    evloop_allocator allocator = no_memory();
    evloop_options options = evloop_options_default();
    options.allocator = &allocator;
    evloop *loop = nullptr;
    assert_int_equal(evloop_create(&loop, &options), -ENOMEM);
    assert_null(loop);
}

/*
 * The library and this file were compiled as two languages: they must agree on every object's
 * layout.
 */
TEST(an_object_has_the_size_that_the_library_thinks)
{
    static_assert(sizeof(evloop_task) <= 48, "task");
    static_assert(sizeof(evloop_timer) <= 80, "timer");
    static_assert(sizeof(evloop_watch) <= 96, "watch");
    assert_int_equal(sizeof(evloop_task), c_size_of(EVLOOP_TYPE_TASK));
    assert_int_equal(sizeof(evloop_notify), c_size_of(EVLOOP_TYPE_NOTIFY));
    assert_int_equal(sizeof(evloop_timer), c_size_of(EVLOOP_TYPE_TIMER));
    assert_int_equal(sizeof(evloop_hook), c_size_of(EVLOOP_TYPE_HOOK));
    assert_int_equal(sizeof(evloop_watch), c_size_of(EVLOOP_TYPE_WATCH));
}

} // namespace

int main()
{
    const struct CMUnitTest tests[] = {
        TEST_ENTRY(every_object_works_in_a_class),
        TEST_ENTRY(options_and_metrics_are_plain_values),
        TEST_ENTRY(an_allocator_can_be_a_lambda),
        TEST_ENTRY(an_object_has_the_size_that_the_library_thinks),
    };
    return RUN_TESTS("cplusplus", tests);
}
