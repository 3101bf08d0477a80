/*
 * task.c: evloop_submit(), _submit_urgent(), _post(), _task_cancel(): order, once, budgets, whose
 * memory.
 */
#include "support.h"

/* A task that notes its name. */
struct errand {
    evloop_task task;
    char name;
    int runs;
};

static struct errand *errand_of(evloop_task *task)
{
    return evloop_container_of(task, struct errand, task);
}

static void on_errand(evloop_task *task)
{
    errand_of(task)->runs++;
    trace(errand_of(task)->name);
}

static void errands_init(struct errand *errands, int n)
{
    memset(errands, 0, sizeof *errands * (size_t)n);
    for (int i = 0; i < n; i++)
        errands[i].name = (char)('A' + i);
}

static void note_char(void *arg)
{
    trace(*(const char *)arg);
}

static void never(evloop_task *task)
{
    (void)task;
    fail_msg("a callback ran that nobody asked for");
}

/* ---- once, on the loop's thread, with the object --------------------------------------------- */

static void on_thread_check(evloop_task *task)
{
    assert_true(evloop_on_loop_thread(evloop_task_loop(task)));
    assert_false(evloop_task_active(task));
    ++*(int *)task->data;
}

TEST(a_task_runs_once_on_the_loops_thread)
{
    int runs = 0;
    evloop *loop = loop_new();
    evloop_task task = {.data = &runs};
    assert_null(evloop_task_loop(&task));
    assert_false(evloop_task_active(&task));
    assert_int_equal(evloop_submit(loop, &task, on_thread_check), 0);
    assert_int_equal(runs, 0);
    assert_true(evloop_task_active(&task));
    assert_ptr_equal(evloop_task_loop(&task), loop);
    loop_run(loop);
    loop_turn(loop);
    assert_int_equal(runs, 1);
    assert_false(evloop_task_active(&task));
    loop_end(loop);
}

TEST(a_posted_function_runs_once_with_its_argument)
{
    char name = 'x';
    evloop *loop = loop_new();
    assert_int_equal(evloop_post(loop, note_char, &name), 0);
    assert_trace("");
    loop_run(loop);
    loop_turn(loop);
    assert_trace("x");
    loop_end(loop);
}

/* ---- order ----------------------------------------------------------------------------------- */

TEST(tasks_run_in_the_order_in_which_they_were_accepted)
{
    struct errand errands[26];
    evloop *loop = loop_new();
    errands_init(errands, 26);
    for (int i = 0; i < 26; i++)
        evloop_submit(loop, &errands[i].task, on_errand);
    loop_run(loop);
    assert_trace("ABCDEFGHIJKLMNOPQRSTUVWXYZ");
    loop_end(loop);
}

static void note_notify(evloop_notify *notify)
{
    trace(*(const char *)notify->data);
}

TEST(tasks_posts_and_notifications_share_one_order)
{
    char names[] = "12nm";
    struct errand errands[3];
    evloop *loop = loop_new();
    evloop_notify n = {.data = &names[2]}, m = {.data = &names[3]};
    errands_init(errands, 3);
    evloop_notify_start(loop, &m, note_notify);
    evloop_notify_start(loop, &n, note_notify);
    evloop_submit(loop, &errands[0].task, on_errand);
    evloop_post(loop, note_char, &names[0]);
    evloop_notify_send(&n);
    evloop_submit(loop, &errands[1].task, on_errand);
    evloop_notify_send(&m);
    evloop_notify_send(&n);
    evloop_post(loop, note_char, &names[1]);
    evloop_submit(loop, &errands[2].task, on_errand);
    loop_turn(loop);
    assert_trace("A1nBm2C");
    evloop_notify_stop(&n);
    evloop_notify_stop(&m);
    loop_end(loop);
}

TEST(urgent_tasks_overtake_the_others_and_keep_their_own_order)
{
    struct errand errands[6];
    evloop *loop = loop_new();
    errands_init(errands, 6);
    evloop_submit(loop, &errands[0].task, on_errand);
    evloop_submit_urgent(loop, &errands[1].task, on_errand);
    evloop_submit(loop, &errands[2].task, on_errand);
    evloop_submit_urgent(loop, &errands[3].task, on_errand);
    evloop_submit_urgent(loop, &errands[4].task, on_errand);
    evloop_submit(loop, &errands[5].task, on_errand);
    loop_turn(loop);
    assert_trace("BDEACF");
    loop_end(loop);
}

TEST(urgent_tasks_have_no_budget)
{
    evloop_options options = evloop_options_default();
    struct errand errands[20];
    options.task_budget = 2;
    evloop *loop = loop_new_with(options);
    errands_init(errands, 20);
    for (int i = 0; i < 20; i++)
        evloop_submit_urgent(loop, &errands[i].task, on_errand);
    loop_turn(loop);
    assert_trace("ABCDEFGHIJKLMNOPQRST");
    loop_end(loop);
}

static struct errand *second;
static int (*offer)(evloop *, evloop_task *, evloop_task_fn);

static void offers_second(evloop_task *task)
{
    trace('(');
    assert_int_equal(offer(evloop_task_loop(task), &second->task, on_errand), 0);
    trace(')');
}

TEST(nothing_runs_inside_the_call_that_offers_it)
{
    struct errand errands[2];
    evloop *loop = loop_new();
    errands_init(errands, 2);
    second = &errands[1];
    offer = evloop_submit;
    evloop_submit(loop, &errands[0].task, offers_second);
    loop_run(loop);
    assert_trace("()B");
    offer = evloop_submit_urgent;
    evloop_submit(loop, &errands[0].task, offers_second);
    loop_run(loop);
    assert_trace("()B");
    evloop_submit_urgent(loop, &errands[0].task, offers_second);
    loop_run(loop);
    assert_trace("()B");
    loop_end(loop);
}

static int urgent_runs;
static bool plain_ran;

static void urgent_for_ever(evloop_task *task)
{
    if (plain_ran)
        return;
    assert_true(++urgent_runs < 100);
    assert_int_equal(evloop_submit_urgent(evloop_task_loop(task), task, urgent_for_ever), 0);
}

static void plain(evloop_task *task)
{
    (void)task;
    plain_ran = true;
}

TEST(an_urgent_task_that_submits_itself_for_ever_starves_nobody)
{
    evloop *loop = loop_new();
    evloop_task urgent = {0}, task = {0};
    urgent_runs = 0;
    plain_ran = false;
    evloop_submit_urgent(loop, &urgent, urgent_for_ever);
    evloop_submit(loop, &task, plain);
    loop_run(loop);
    assert_true(plain_ran);
    loop_end(loop);
}

/* ---- refused --------------------------------------------------------------------------------- */

TEST(a_task_refused_while_queued_is_left_as_it_was)
{
    struct errand errands[2];
    evloop *loop = loop_new(), *other = loop_new();
    errands_init(errands, 2);
    evloop_submit(loop, &errands[0].task, on_errand);
    evloop_submit(loop, &errands[1].task, on_errand);
    assert_int_equal(evloop_submit(loop, &errands[0].task, never), -EBUSY);
    assert_int_equal(evloop_submit_urgent(loop, &errands[1].task, never), -EBUSY);
    assert_int_equal(evloop_submit(other, &errands[0].task, never), -EBUSY);
    assert_ptr_equal(evloop_task_loop(&errands[0].task), loop);
    assert_false(evloop_alive(other));
    loop_run(loop);
    assert_trace("AB");
    assert_int_equal(loop_metrics(loop).tasks_accepted, 2);
    loop_end(other);
    loop_end(loop);
}

TEST(a_task_refused_for_a_null_is_at_rest)
{
    evloop *loop = loop_new();
    evloop_task task = {0};
    assert_int_equal(evloop_submit(loop, &task, NULL), -EINVAL);
    assert_int_equal(evloop_submit_urgent(loop, &task, NULL), -EINVAL);
    assert_int_equal(evloop_submit(NULL, &task, never), -EINVAL);
    assert_int_equal(evloop_submit(loop, NULL, never), -EINVAL);
    assert_int_equal(evloop_post(loop, NULL, &task), -EINVAL);
    assert_false(evloop_task_active(&task));
    assert_int_equal(evloop_task_cancel(&task), -ENOENT);
    assert_false(evloop_alive(loop));
    loop_turn(loop);
    loop_end(loop);
}

/* ---- cancel ---------------------------------------------------------------------------------- */

TEST(a_cancelled_task_does_not_run_and_is_at_rest)
{
    struct errand errands[5];
    for (int out = 0; out < 5; out++) {
        const char *expected[] = {"BCDE", "ACDE", "ABDE", "ABCE", "ABCD"};
        evloop *loop = loop_new();
        errands_init(errands, 5);
        for (int i = 0; i < 5; i++)
            evloop_submit(loop, &errands[i].task, on_errand);
        assert_int_equal(evloop_task_cancel(&errands[out].task), 0);
        assert_false(evloop_task_active(&errands[out].task));
        assert_int_equal(evloop_task_cancel(&errands[out].task), -ENOENT);
        memset(&errands[out], 0xff, sizeof errands[out]);
        loop_run(loop);
        assert_trace(expected[out]);
        loop_end(loop);
    }
}

TEST(a_cancelled_urgent_task_does_not_run)
{
    struct errand errands[3];
    evloop *loop = loop_new();
    errands_init(errands, 3);
    for (int i = 0; i < 3; i++)
        evloop_submit_urgent(loop, &errands[i].task, on_errand);
    assert_int_equal(evloop_task_cancel(&errands[1].task), 0);
    loop_run(loop);
    assert_trace("AC");
    loop_end(loop);
}

TEST(a_cancelled_task_can_be_submitted_again_and_stands_at_the_end)
{
    struct errand errands[3];
    evloop *loop = loop_new();
    errands_init(errands, 3);
    for (int i = 0; i < 3; i++)
        evloop_submit(loop, &errands[i].task, on_errand);
    assert_int_equal(evloop_task_cancel(&errands[0].task), 0);
    assert_int_equal(evloop_submit(loop, &errands[0].task, on_errand), 0);
    loop_run(loop);
    assert_trace("BCA");
    loop_end(loop);
}

static void cancels_itself(evloop_task *task)
{
    assert_int_equal(evloop_task_cancel(task), -ENOENT);
    trace('x');
}

TEST(what_is_not_queued_cannot_be_cancelled)
{
    evloop *loop = loop_new();
    evloop_task task = {0};
    assert_int_equal(evloop_task_cancel(&task), -ENOENT);
    evloop_submit(loop, &task, cancels_itself);
    loop_run(loop);
    assert_trace("x");
    assert_int_equal(evloop_task_cancel(&task), -ENOENT);
    loop_end(loop);
}

static struct errand *victim;

static void cancels_victim(evloop_task *task)
{
    on_errand(task);
    assert_int_equal(evloop_task_cancel(&victim->task), 0);
}

TEST(a_task_can_be_cancelled_by_one_that_runs_before_it_in_the_same_turn)
{
    struct errand errands[4];
    for (int out = 1; out < 4; out++) {
        const char *expected[] = {"", "ACD", "ABD", "ABC"};
        evloop *loop = loop_new();
        errands_init(errands, 4);
        victim = &errands[out];
        evloop_submit(loop, &errands[0].task, cancels_victim);
        for (int i = 1; i < 4; i++)
            evloop_submit(loop, &errands[i].task, on_errand);
        loop_run(loop);
        assert_trace(expected[out]);
        loop_end(loop);
    }
}

TEST(an_urgent_task_can_cancel_a_task_and_another_urgent_one)
{
    struct errand errands[3];
    for (int out = 1; out < 3; out++) {
        evloop *loop = loop_new();
        errands_init(errands, 3);
        victim = &errands[out];
        evloop_submit_urgent(loop, &errands[0].task, cancels_victim);
        evloop_submit_urgent(loop, &errands[1].task, on_errand);
        evloop_submit(loop, &errands[2].task, on_errand);
        loop_run(loop);
        assert_trace(out == 1 ? "AC" : "AB");
        loop_end(loop);
    }
}

static void frees_victim(evloop_task *task)
{
    on_errand(task);
    assert_int_equal(evloop_task_cancel(&victim->task), 0);
    free(victim);
}

TEST(a_task_that_was_cancelled_in_the_same_turn_can_be_freed)
{
    struct errand errands[2];
    evloop *loop = loop_new();
    errands_init(errands, 2);
    victim = malloc(sizeof *victim);
    errands_init(victim, 1);
    evloop_submit(loop, &errands[0].task, frees_victim);
    evloop_submit(loop, &victim->task, never);
    evloop_submit(loop, &errands[1].task, on_errand);
    loop_run(loop);
    assert_trace("AB");
    loop_end(loop);
}

TEST(leftovers_beyond_the_budget_can_be_cancelled)
{
    evloop_options options = evloop_options_default();
    struct errand errands[6];
    options.task_budget = 2;
    evloop *loop = loop_new_with(options);
    errands_init(errands, 6);
    for (int i = 0; i < 6; i++)
        evloop_submit(loop, &errands[i].task, on_errand);
    loop_turn(loop);
    assert_trace("AB");
    assert_int_equal(evloop_task_cancel(&errands[1].task), -ENOENT);
    assert_int_equal(evloop_task_cancel(&errands[2].task), 0);
    assert_int_equal(evloop_task_cancel(&errands[4].task), 0);
    loop_turn(loop);
    assert_trace("DF");
    assert_false(evloop_alive(loop));
    loop_end(loop);
}

TEST(the_discard_callback_of_a_cancelled_task_is_not_called)
{
    static const evloop_task_info info = {.discard = never};
    evloop *loop = loop_new();
    evloop_task task = {.info = &info};
    evloop_submit(loop, &task, never);
    evloop_task_cancel(&task);
    loop_end(loop);
}

/* ---- whose memory ---------------------------------------------------------------------------- */

static void submits_itself(evloop_task *task)
{
    struct errand *errand = errand_of(task);
    trace(errand->name);
    if (++errand->runs < 5)
        assert_int_equal(evloop_submit(evloop_task_loop(task), task, submits_itself), 0);
}

TEST(a_task_can_be_submitted_again_in_its_own_callback)
{
    struct errand errands[2];
    evloop *loop = loop_new();
    errands_init(errands, 2);
    evloop_submit(loop, &errands[0].task, submits_itself);
    evloop_submit(loop, &errands[1].task, submits_itself);
    loop_run(loop);
    assert_trace("ABABABABAB");
    loop_end(loop);
}

static void frees_itself(evloop_task *task)
{
    trace('f');
    free(errand_of(task));
}

static void spoils_itself(evloop_task *task)
{
    trace('s');
    memset(task, 0xff, sizeof *task);
}

TEST(a_tasks_memory_is_the_users_from_the_moment_its_callback_begins)
{
    evloop *loop = loop_new();
    for (int i = 0; i < 3; i++) {
        struct errand *errand = calloc(1, sizeof *errand);
        assert_int_equal(evloop_submit(loop, &errand->task, frees_itself), 0);
        errand = calloc(1, sizeof *errand);
        assert_int_equal(evloop_submit_urgent(loop, &errand->task, frees_itself), 0);
    }
    evloop_task spoilt[2] = {{0}};
    evloop_submit(loop, &spoilt[0], spoils_itself);
    evloop_submit(loop, &spoilt[1], spoils_itself);
    loop_run(loop);
    assert_trace("ffffffss");
    loop_end(loop);
}

static void becomes_another(evloop_task *task)
{
    struct errand *errand = errand_of(task);
    evloop *loop = evloop_task_loop(task);
    trace('1');
    memset(task, 0, sizeof *task);
    assert_int_equal(evloop_submit_urgent(loop, &errand->task, on_errand), 0);
}

TEST(a_tasks_memory_can_be_another_task_in_its_own_callback)
{
    struct errand errand;
    evloop *loop = loop_new();
    errands_init(&errand, 1);
    evloop_submit(loop, &errand.task, becomes_another);
    loop_run(loop);
    assert_trace("1A");
    loop_end(loop);
}

/* ---- posts ----------------------------------------------------------------------------------- */

static size_t post_next;

static void post_in_order(void *arg)
{
    assert_true((uintptr_t)arg == post_next);
    post_next++;
}

TEST(posts_beyond_the_cache_run_in_order)
{
    evloop *loop = loop_new_with(evloop_options_small());
    post_next = 0;
    for (int round = 0; round < 3; round++) {
        size_t begin = post_next;
        for (size_t i = 0; i < 3000; i++)
            assert_int_equal(evloop_post(loop, post_in_order, (void *)(begin + i)), 0);
        loop_run(loop);
        assert_int_equal(post_next, begin + 3000);
    }
    loop_end(loop);
}

TEST(posts_within_the_cache_allocate_nothing)
{
    evloop_options options = evloop_options_default();
    options.post_cache = 64;
    evloop *loop = loop_new_with(options);
    size_t calls = heap_calls(&test_heap);
    post_next = 0;
    for (size_t round = 0; round < 100; round++) {
        for (size_t i = 0; i < 32; i++)
            assert_int_equal(evloop_post(loop, post_in_order, (void *)(round * 32 + i)), 0);
        loop_run(loop);
    }
    assert_int_equal(post_next, 3200);
    assert_int_equal(heap_calls(&test_heap), calls);
    loop_end(loop);
}

TEST(a_post_without_memory_is_refused_and_the_accepted_ones_run)
{
    evloop *loop = loop_new_with(evloop_options_small());
    size_t accepted = 0;
    int err;
    post_next = 0;
    heap_fail_in(&test_heap, HEAP_FAIL_ALL);
    while ((err = evloop_post(loop, post_in_order, (void *)accepted)) == 0)
        accepted++;
    assert_int_equal(err, -ENOMEM);
    assert_int_equal(evloop_post(loop, post_in_order, NULL), -ENOMEM);
    assert_int_equal(loop_metrics(loop).tasks_accepted, accepted);
    loop_run(loop);
    assert_int_equal(post_next, accepted);
    assert_int_equal(evloop_post(loop, post_in_order, (void *)accepted), 0);
    heap_fail_in(&test_heap, 0);
    loop_run(loop);
    assert_int_equal(post_next, accepted + 1);
    loop_end(loop);
}

/* ---- references ------------------------------------------------------------------------------ */

TEST(a_task_without_a_reference_does_not_keep_the_loop_alive_and_still_runs)
{
    struct errand errands[2];
    evloop *loop = loop_new();
    errands_init(errands, 2);
    assert_int_equal(evloop_task_unref(&errands[0].task), 0);
    evloop_submit(loop, &errands[0].task, on_errand);
    assert_false(evloop_alive(loop));
    assert_int_equal(evloop_destroy(loop, 0), -EBUSY);
    evloop_submit(loop, &errands[1].task, on_errand);
    assert_true(evloop_alive(loop));
    loop_run(loop);
    assert_trace("AB");
    evloop_submit(loop, &errands[0].task, on_errand);
    assert_false(evloop_alive(loop));
    loop_turn(loop);
    assert_trace("A");
    assert_int_equal(evloop_task_ref(&errands[0].task), 0);
    evloop_submit(loop, &errands[0].task, on_errand);
    assert_true(evloop_alive(loop));
    loop_run(loop);
    assert_trace("A");
    loop_end(loop);
}

TEST(a_queued_tasks_reference_is_not_changed)
{
    struct errand errand;
    evloop *loop = loop_new();
    errands_init(&errand, 1);
    evloop_submit(loop, &errand.task, on_errand);
    assert_int_equal(evloop_task_unref(&errand.task), -EBUSY);
    assert_int_equal(evloop_task_ref(&errand.task), -EBUSY);
    assert_true(evloop_alive(loop));
    loop_run(loop);
    assert_trace("A");
    loop_end(loop);
}

TEST(cancelling_a_task_without_a_reference_does_not_take_one)
{
    struct errand errands[2];
    evloop *loop = loop_new();
    errands_init(errands, 2);
    evloop_task_unref(&errands[0].task);
    evloop_submit(loop, &errands[0].task, on_errand);
    evloop_submit(loop, &errands[1].task, on_errand);
    evloop_task_cancel(&errands[0].task);
    assert_true(evloop_alive(loop));
    evloop_task_cancel(&errands[1].task);
    assert_false(evloop_alive(loop));
    loop_end(loop);
}

/* ---- budget ---------------------------------------------------------------------------------- */

TEST(a_turn_runs_what_the_budget_allows_and_the_rest_comes_first_in_the_next)
{
    evloop_options options = evloop_options_default();
    struct errand errands[10];
    options.task_budget = 4;
    evloop *loop = loop_new_with(options);
    errands_init(errands, 10);
    for (int i = 0; i < 9; i++)
        evloop_submit(loop, &errands[i].task, on_errand);
    loop_turn(loop);
    assert_trace("ABCD");
    assert_int_equal(loop_metrics(loop).task_overruns, 1);
    evloop_submit(loop, &errands[9].task, on_errand);
    loop_turn(loop);
    assert_trace("EFGH");
    assert_int_equal(loop_metrics(loop).task_overruns, 2);
    loop_turn(loop);
    assert_trace("IJ");
    assert_int_equal(loop_metrics(loop).task_overruns, 2);
    loop_end(loop);
}

static int backlog_runs;
static bool io_seen;

static void backlog(evloop_task *task)
{
    if (io_seen)
        return;
    assert_true(++backlog_runs < 100);
    assert_int_equal(evloop_submit(evloop_task_loop(task), task, backlog), 0);
}

static void see_io(evloop_watch *watch, unsigned events)
{
    (void)events;
    io_seen = true;
    evloop_watch_stop(watch);
}

TEST(a_backlog_of_tasks_does_not_starve_io)
{
    evloop_options options = evloop_options_default();
    int fds[2];
    options.task_budget = 3;
    evloop *loop = loop_new_with(options);
    evloop_watch watch = {0};
    evloop_task tasks[10] = {{0}};
    backlog_runs = 0;
    io_seen = false;
    pipe_open(fds);
    fd_write_byte(fds[1]);
    evloop_watch_start(loop, &watch, fds[0], EVLOOP_READABLE, see_io);
    for (int i = 0; i < 10; i++)
        evloop_submit(loop, &tasks[i], backlog);
    loop_run(loop);
    assert_true(io_seen);
    loop_end(loop);
    fds_close(fds);
}

static void see_timer(evloop_timer *timer)
{
    (void)timer;
    io_seen = true;
}

TEST(a_task_that_submits_itself_for_ever_does_not_starve_timers)
{
    evloop *loop = loop_new();
    evloop_timer timer = {0};
    evloop_task task = {0};
    backlog_runs = 0;
    io_seen = false;
    evloop_timer_start(loop, &timer, 0, 0, see_timer);
    evloop_submit(loop, &task, backlog);
    loop_run(loop);
    assert_true(io_seen);
    loop_end(loop);
}

/* ---- discard --------------------------------------------------------------------------------- */

static pthread_t destroyer;
static evloop *discard_loop;

static void discard_errand(evloop_task *task)
{
    assert_true(pthread_equal(destroyer, pthread_self()));
    assert_false(evloop_task_active(task));
    trace(errand_of(task)->name);
    free(errand_of(task));
}

static const evloop_task_info discardable = {.name = "errand", .discard = discard_errand};

static struct errand *errand_new(char name)
{
    struct errand *errand = calloc(1, sizeof *errand);
    assert_non_null(errand);
    errand->task.info = &discardable;
    errand->name = name;
    return errand;
}

static void run_errand_and_free(evloop_task *task)
{
    trace((char)(errand_of(task)->name - 'A' + 'a'));
    free(errand_of(task));
}

TEST(a_forced_destroy_hands_every_task_to_its_discard_callback_once)
{
    evloop *loop = loop_new();
    destroyer = pthread_self();
    evloop_submit(loop, &errand_new('A')->task, run_errand_and_free);
    evloop_submit(loop, &errand_new('B')->task, run_errand_and_free);
    evloop_task plain_task = {0};
    evloop_submit(loop, &plain_task, never);
    assert_int_equal(evloop_destroy(loop, EVLOOP_DESTROY_FORCE), 0);
    assert_trace("AB");
    loop = loop_new();
    evloop_submit_urgent(loop, &errand_new('U')->task, run_errand_and_free);
    assert_int_equal(evloop_destroy(loop, EVLOOP_DESTROY_FORCE), 0);
    assert_trace("U");
}

TEST(what_ran_is_not_discarded_and_what_is_left_over_is)
{
    evloop_options options = evloop_options_default();
    options.task_budget = 2;
    evloop *loop = loop_new_with(options);
    destroyer = pthread_self();
    for (char name = 'A'; name < 'G'; name++)
        evloop_submit(loop, &errand_new(name)->task, run_errand_and_free);
    loop_turn(loop);
    assert_trace("ab");
    assert_int_equal(evloop_destroy(loop, EVLOOP_DESTROY_FORCE), 0);
    assert_trace("CDEF");
}

static void discard_fn(evloop *loop, evloop_fn fn, void *arg)
{
    assert_true(pthread_equal(destroyer, pthread_self()));
    assert_ptr_equal(loop, discard_loop);
    assert_true(fn == note_char);
    trace(*(char *)arg);
    free(arg);
}

static char *letter(char name)
{
    char *text = malloc(1);
    assert_non_null(text);
    *text = name;
    return text;
}

TEST(a_forced_destroy_hands_back_every_post_and_microtask_once)
{
    evloop_options options = evloop_options_default();
    options.discard = discard_fn;
    options.microtask_capacity = 4;
    options.post_cache = 4;
    discard_loop = loop_new_with(options);
    destroyer = pthread_self();
    for (char name = 'a'; name < 'm'; name++)
        assert_int_equal(evloop_post(discard_loop, note_char, letter(name)), 0);
    assert_int_equal(evloop_destroy(discard_loop, EVLOOP_DESTROY_FORCE), 0);
    assert_trace("abcdefghijkl");
    discard_loop = loop_new_with(options);
    for (char name = 'a'; name < 'm'; name++)
        assert_int_equal(evloop_microtask(discard_loop, note_char, letter(name)), 0);
    assert_int_equal(evloop_destroy(discard_loop, EVLOOP_DESTROY_FORCE), 0);
    assert_trace("abcdefghijkl");
}

static void assert_is_being_destroyed(evloop *loop)
{
    for (int mode = EVLOOP_RUN_DEFAULT; mode <= EVLOOP_RUN_NOWAIT; mode++)
        assert_int_equal(evloop_run(loop, (evloop_run_mode)mode), -EBUSY);
    assert_int_equal(evloop_run_for(loop, 0), -EBUSY);
    assert_int_equal(evloop_destroy(loop, 0), -EBUSY);
    assert_int_equal(evloop_destroy(loop, EVLOOP_DESTROY_FORCE), -EBUSY);
}

static void discard_fn_again(evloop *loop, evloop_fn fn, void *arg)
{
    assert_is_being_destroyed(loop);
    assert_true(fn == note_char);
    trace(*(char *)arg);
}

static void discard_task_again(evloop_task *task)
{
    assert_is_being_destroyed(evloop_task_loop(task));
    trace('t');
}

TEST(a_discard_callback_can_neither_destroy_nor_run_the_loop)
{
    static const evloop_task_info info = {.name = "again", .discard = discard_task_again};
    evloop_options options = evloop_options_default();
    char post = 'p', microtask = 'm';
    evloop_task task = {.info = &info};
    options.discard = discard_fn_again;
    evloop *loop = loop_new_with(options);
    assert_int_equal(evloop_submit(loop, &task, never), 0);
    assert_int_equal(evloop_post(loop, note_char, &post), 0);
    assert_int_equal(evloop_microtask(loop, note_char, &microtask), 0);
    assert_int_equal(evloop_destroy(loop, EVLOOP_DESTROY_FORCE), 0);
    assert_trace("tpm");
}

TEST(work_without_a_discard_callback_can_be_dropped)
{
    char name = 'x';
    evloop *loop = loop_new();
    evloop_task task = {0};
    evloop_post(loop, note_char, &name);
    evloop_microtask(loop, note_char, &name);
    evloop_submit(loop, &task, never);
    assert_int_equal(evloop_destroy(loop, EVLOOP_DESTROY_FORCE), 0);
    assert_trace("");
}

/* ---- other threads --------------------------------------------------------------------------- */

struct sender {
    evloop *loop;
    struct gate gate;
    evloop_task task;
    int runs;
};

static void on_sent(evloop_task *task)
{
    struct sender *sender = evloop_container_of(task, struct sender, task);
    assert_true(evloop_on_loop_thread(sender->loop));
    if (++sender->runs == 200)
        evloop_stop(sender->loop);
    gate_add(&sender->gate);
}

static void *send_two_hundred(void *arg)
{
    struct sender *sender = arg;
    for (unsigned i = 0; i < 200; i++) {
        int err = i % 2 ? evloop_submit(sender->loop, &sender->task, on_sent)
                        : evloop_submit_urgent(sender->loop, &sender->task, on_sent);
        check(err == 0);
        gate_wait(&sender->gate, i + 1);
        if (i < 199)
            wait_asleep(sender->loop);
    }
    return NULL;
}

static void on_never(evloop_timer *timer)
{
    (void)timer;
}

TEST(a_task_from_another_thread_wakes_the_loop)
{
    struct sender sender = {.loop = loop_new(), .gate = GATE_INIT};
    evloop_timer timer = {0};
    pthread_t thread;
    evloop_timer_start(sender.loop, &timer, EVLOOP_SEC(3600), 0, on_never);
    thread_start(&thread, send_two_hundred, &sender);
    loop_run(sender.loop);
    thread_join(thread);
    assert_int_equal(sender.runs, 200);
    evloop_timer_stop(&timer);
    loop_end(sender.loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_ENTRY(a_task_runs_once_on_the_loops_thread),
        TEST_ENTRY(a_posted_function_runs_once_with_its_argument),
        TEST_ENTRY(tasks_run_in_the_order_in_which_they_were_accepted),
        TEST_ENTRY(tasks_posts_and_notifications_share_one_order),
        TEST_ENTRY(urgent_tasks_overtake_the_others_and_keep_their_own_order),
        TEST_ENTRY(urgent_tasks_have_no_budget),
        TEST_ENTRY(nothing_runs_inside_the_call_that_offers_it),
        TEST_ENTRY(an_urgent_task_that_submits_itself_for_ever_starves_nobody),
        TEST_ENTRY(a_task_refused_while_queued_is_left_as_it_was),
        TEST_ENTRY(a_task_refused_for_a_null_is_at_rest),
        TEST_ENTRY(a_cancelled_task_does_not_run_and_is_at_rest),
        TEST_ENTRY(a_cancelled_urgent_task_does_not_run),
        TEST_ENTRY(a_cancelled_task_can_be_submitted_again_and_stands_at_the_end),
        TEST_ENTRY(what_is_not_queued_cannot_be_cancelled),
        TEST_ENTRY(a_task_can_be_cancelled_by_one_that_runs_before_it_in_the_same_turn),
        TEST_ENTRY(an_urgent_task_can_cancel_a_task_and_another_urgent_one),
        TEST_ENTRY(a_task_that_was_cancelled_in_the_same_turn_can_be_freed),
        TEST_ENTRY(leftovers_beyond_the_budget_can_be_cancelled),
        TEST_ENTRY(the_discard_callback_of_a_cancelled_task_is_not_called),
        TEST_ENTRY(a_task_can_be_submitted_again_in_its_own_callback),
        TEST_ENTRY(a_tasks_memory_is_the_users_from_the_moment_its_callback_begins),
        TEST_ENTRY(a_tasks_memory_can_be_another_task_in_its_own_callback),
        TEST_ENTRY(posts_beyond_the_cache_run_in_order),
        TEST_ENTRY(posts_within_the_cache_allocate_nothing),
        TEST_ENTRY(a_post_without_memory_is_refused_and_the_accepted_ones_run),
        TEST_ENTRY(a_task_without_a_reference_does_not_keep_the_loop_alive_and_still_runs),
        TEST_ENTRY(a_queued_tasks_reference_is_not_changed),
        TEST_ENTRY(cancelling_a_task_without_a_reference_does_not_take_one),
        TEST_ENTRY(a_turn_runs_what_the_budget_allows_and_the_rest_comes_first_in_the_next),
        TEST_ENTRY(a_backlog_of_tasks_does_not_starve_io),
        TEST_ENTRY(a_task_that_submits_itself_for_ever_does_not_starve_timers),
        TEST_ENTRY(a_forced_destroy_hands_every_task_to_its_discard_callback_once),
        TEST_ENTRY(what_ran_is_not_discarded_and_what_is_left_over_is),
        TEST_ENTRY(a_forced_destroy_hands_back_every_post_and_microtask_once),
        TEST_ENTRY(a_discard_callback_can_neither_destroy_nor_run_the_loop),
        TEST_ENTRY(work_without_a_discard_callback_can_be_dropped),
        TEST_ENTRY(a_task_from_another_thread_wakes_the_loop),
    };
    return RUN_TESTS("task", tests);
}
