/*
 * poller.c: the life of a poller: initialised once, closed once, the same answer from every call
 * after that. The backend is made up, so that a thread can be kept inside any of its calls.
 */
#include "support.h"

#include <stdatomic.h>

#include "poller/poller.h"

enum { THREADS = 4 };

struct backend {
    int open_result;
    atomic_uint opens;
    atomic_uint closes;
    atomic_uint wakes;
    atomic_uint waits;
    unsigned changes;
    int wait_result;
    void (*on_open)(void);
    void (*on_wake)(void);
    void (*on_wait)(void);
};

static struct backend backend;
static struct poller poller;
static evloop_watch watch;

static int fake_open(struct poller *opened)
{
    (void)opened;
    atomic_fetch_add(&backend.opens, 1);
    if (backend.on_open)
        backend.on_open();
    return backend.open_result;
}

static void fake_close(struct poller *closed)
{
    (void)closed;
    atomic_fetch_add(&backend.closes, 1);
}

static int fake_reopen(struct poller *reopened)
{
    (void)reopened;
    return 0;
}

static int fake_change(struct poller *changed, int fd, uint32_t generation, unsigned from,
                       unsigned to)
{
    (void)changed, (void)fd, (void)generation, (void)from, (void)to;
    backend.changes++;
    return 0;
}

static int fake_wait(struct poller *waiting, uint64_t timeout_ns)
{
    (void)waiting, (void)timeout_ns;
    atomic_fetch_add(&backend.waits, 1);
    if (backend.on_wait)
        backend.on_wait();
    return backend.wait_result;
}

static void fake_wake(struct poller *woken)
{
    (void)woken;
    atomic_fetch_add(&backend.wakes, 1);
    if (backend.on_wake)
        backend.on_wake();
}

static const struct poller_backend fake = {
    .name = "fake",
    .open = fake_open,
    .close = fake_close,
    .reopen = fake_reopen,
    .change = fake_change,
    .wait = fake_wait,
    .wake = fake_wake,
};

/* The last is the one that works everywhere, and has no next best. */
static const char *last_backend(void)
{
    const struct poller_backend *const *known = poller_backends();
    while (known[1])
        known++;
    return known[0]->name;
}

static void poller_new(void)
{
    memset(&backend, 0, sizeof backend);
    memset(&watch, 0, sizeof watch);
    watch.fd_ = STDERR_FILENO;
    watch.interest_ = EVLOOP_READABLE;
    assert_int_equal(poller_choose(&poller, &test_heap.allocator, last_backend()), 0);
    poller.backend = &fake;
}

/* ---- who is where ---------------------------------------------------------------------------- */

static atomic_uint threads_in_once; /* that came to pthread_once, and may be blocked there */
static _Thread_local bool counts_once;
static atomic_bool closer_waits;
static _Thread_local bool is_closer;

int __real_pthread_once(pthread_once_t *once, void (*fn)(void));
int __wrap_pthread_once(pthread_once_t *once, void (*fn)(void));

int __wrap_pthread_once(pthread_once_t *once, void (*fn)(void))
{
    if (counts_once)
        atomic_fetch_add(&threads_in_once, 1);
    return __real_pthread_once(once, fn);
}

int __real_sched_yield(void);
int __wrap_sched_yield(void);

int __wrap_sched_yield(void)
{
    if (is_closer)
        atomic_store(&closer_waits, true);
    return __real_sched_yield();
}

static int close_result;

static void *close_thread(void *arg)
{
    (void)arg;
    is_closer = true;
    close_result = poller_close(&poller);
    return NULL;
}

/* ---- defect 1 -------------------------------------------------------------------------------- */

static pthread_t losers[THREADS];
static atomic_uint losers_returned;
static atomic_bool opened;
static atomic_bool returned_early;
static int loser_results[THREADS];

static void *lose(void *arg)
{
    counts_once = true;
    *(int *)arg = poller_init(&poller);
    if (!atomic_load(&opened))
        atomic_store(&returned_early, true);
    atomic_fetch_add(&losers_returned, 1);
    return NULL;
}

/* The winner goes on when each loser has either come to where it is to be blocked, or got past it.
 */
static void open_slowly(void)
{
    backend.on_open = NULL;
    for (int i = 0; i < THREADS; i++)
        thread_start(&losers[i], lose, &loser_results[i]);
    wait_until(atomic_load(&threads_in_once) + atomic_load(&losers_returned) >= THREADS);
    atomic_store(&opened, true);
}

static void initialise_in_many_threads(int result)
{
    poller_new();
    atomic_store(&threads_in_once, 0);
    atomic_store(&losers_returned, 0);
    atomic_store(&opened, false);
    atomic_store(&returned_early, false);
    backend.open_result = result;
    backend.on_open = open_slowly;
    assert_int_equal(poller_init(&poller), result);
    for (int i = 0; i < THREADS; i++) {
        thread_join(losers[i]);
        assert_int_equal(loser_results[i], result);
    }
    assert_int_equal(atomic_load(&backend.opens), 1);
}

TEST(defect_01_nobody_returns_before_the_initialisation_is_done)
{
    initialise_in_many_threads(0);
    assert_false(atomic_load(&returned_early));
    assert_int_equal(poller_close(&poller), 0);
    poller_free(&poller);
}

TEST(defect_01_the_error_of_the_initialisation_is_kept_and_returned_to_all)
{
    initialise_in_many_threads(-EMFILE);
    assert_false(atomic_load(&returned_early));
    backend.open_result = 0; /* it would work now: that is for a new poller */
    assert_int_equal(poller_init(&poller), -EMFILE);
    assert_int_equal(poller_add(&poller, &watch), -EMFILE);
    assert_int_equal(poller_wait(&poller, 0), -EMFILE);
    assert_int_equal(poller_wake(&poller), -EMFILE);
    assert_int_equal(atomic_load(&backend.opens), 1);
    assert_int_equal(poller_close(&poller), 0);
    assert_int_equal(atomic_load(&backend.closes), 0);
    poller_free(&poller);
}

/* ---- defect 2 -------------------------------------------------------------------------------- */

TEST(defect_02_closed_is_one_way_and_nothing_is_initialised_again)
{
    poller_new();
    assert_int_equal(poller_init(&poller), 0);
    assert_int_equal(poller_close(&poller), 0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(poller_init(&poller), EVLOOP_ECLOSED);
        assert_int_equal(poller_wait(&poller, 0), EVLOOP_ECLOSED);
        assert_int_equal(poller_close(&poller), EVLOOP_ECLOSED);
    }
    assert_int_equal(atomic_load(&backend.opens), 1);
    assert_int_equal(atomic_load(&backend.closes), 1);
    poller_free(&poller);
}

TEST(defect_02_a_poller_that_was_closed_first_is_never_opened)
{
    poller_new();
    assert_int_equal(poller_close(&poller), 0);
    assert_int_equal(poller_init(&poller), EVLOOP_ECLOSED);
    assert_int_equal(atomic_load(&backend.opens), 0);
    assert_int_equal(atomic_load(&backend.closes), 0);
    poller_free(&poller);
}

struct racer {
    pthread_t thread;
    int (*call)(struct poller *racing);
    int results[3];
};

static struct gate start;

static int wait_shortly(struct poller *racing)
{
    return poller_wait(racing, 0);
}

static void *race(void *arg)
{
    struct racer *racer = arg;
    gate_wait(&start, 1);
    for (int i = 0; i < 3; i++)
        racer->results[i] = racer->call(&poller);
    return NULL;
}

/* Once one call has said "closed", none of its thread's says anything else. */
static void check_one_way(const struct racer *racer)
{
    for (int i = 0; i < 3; i++) {
        assert_true(racer->results[i] == 0 || racer->results[i] == EVLOOP_ECLOSED);
        if (i > 0 && racer->results[i - 1] == EVLOOP_ECLOSED)
            assert_int_equal(racer->results[i], EVLOOP_ECLOSED);
    }
}

TEST(defect_02_close_may_race_with_every_other_call)
{
    for (size_t round = 0; round < scaled(200); round++) {
        struct racer racers[] = {{.call = poller_init},
                                 {.call = poller_wake},
                                 {.call = wait_shortly},
                                 {.call = poller_close},
                                 {.call = poller_close}};
        size_t count = sizeof racers / sizeof *racers;
        start = (struct gate)GATE_INIT;
        poller_new();
        for (size_t i = 0; i < count; i++)
            thread_start(&racers[i].thread, race, &racers[i]);
        gate_add(&start);
        for (size_t i = 0; i < count; i++)
            thread_join(racers[i].thread);
        for (size_t i = 0; i < count; i++)
            check_one_way(&racers[i]);
        assert_true((racers[3].results[0] == 0) != (racers[4].results[0] == 0));
        assert_true(atomic_load(&backend.opens) <= 1);
        assert_int_equal(atomic_load(&backend.closes), atomic_load(&backend.opens));
        poller_free(&poller);
    }
}

/* ---- defect 7 -------------------------------------------------------------------------------- */

static int second_close;

/* The first close is under way when it wakes whoever waits. */
static void close_again(void)
{
    backend.on_wake = NULL;
    second_close = poller_close(&poller);
}

TEST(defect_07_two_closes_close_the_descriptors_once)
{
    poller_new();
    assert_int_equal(poller_init(&poller), 0);
    second_close = 1;
    backend.on_wake = close_again;
    assert_int_equal(poller_close(&poller), 0);
    assert_int_equal(second_close, EVLOOP_ECLOSED);
    assert_int_equal(atomic_load(&backend.closes), 1);
    poller_free(&poller);
}

TEST(defect_07_a_failed_wait_closes_nothing)
{
    poller_new();
    assert_int_equal(poller_init(&poller), 0);
    backend.wait_result = -EIO;
    assert_int_equal(poller_wait(&poller, 0), -EIO);
    assert_int_equal(atomic_load(&backend.closes), 0);
    backend.wait_result = 0;
    assert_int_equal(poller_wait(&poller, 0), 0);
    assert_int_equal(poller_close(&poller), 0);
    assert_int_equal(poller_close(&poller), EVLOOP_ECLOSED);
    assert_int_equal(atomic_load(&backend.closes), 1);
    poller_free(&poller);
}

static pthread_t closer;
static bool closed_under_the_writer;

/* Inside the wake, as if inside its write: somebody closes the poller. */
static void close_elsewhere(void)
{
    backend.on_wake = NULL;
    thread_start(&closer, close_thread, NULL);
    wait_until(atomic_load(&closer_waits) || atomic_load(&backend.closes) > 0);
    closed_under_the_writer = atomic_load(&backend.closes) > 0;
}

TEST(defect_07_no_descriptor_is_closed_while_a_wake_writes_to_it)
{
    poller_new();
    assert_int_equal(poller_init(&poller), 0);
    atomic_store(&closer_waits, false);
    backend.on_wake = close_elsewhere;
    assert_int_equal(poller_wake(&poller), 0);
    thread_join(closer);
    assert_false(closed_under_the_writer);
    assert_int_equal(close_result, 0);
    assert_int_equal(atomic_load(&backend.closes), 1);
    poller_free(&poller);
}

/* ---- close wakes nobody ---------------------------------------------------------------------- */

static bool closed_under_the_waiter;
static bool woken_by_close;

/* Waits for a wake, and no longer than until the closer does nothing but wait for us. */
static void wait_for_the_close(void)
{
    atomic_store(&closer_waits, false);
    thread_start(&closer, close_thread, NULL);
    wait_until(atomic_load(&closer_waits) || atomic_load(&backend.closes) > 0);
    woken_by_close = atomic_load(&backend.wakes) > 0;
    closed_under_the_waiter = atomic_load(&backend.closes) > 0;
}

TEST(close_wakes_whoever_waits_and_lets_it_leave_before_it_closes)
{
    poller_new();
    assert_int_equal(poller_init(&poller), 0);
    backend.on_wait = wait_for_the_close;
    assert_int_equal(poller_wait(&poller, EVLOOP_FOREVER), 0);
    thread_join(closer);
    assert_true(woken_by_close);
    assert_false(closed_under_the_waiter);
    assert_int_equal(close_result, 0);
    assert_int_equal(atomic_load(&backend.closes), 1);
    assert_int_equal(poller_wait(&poller, EVLOOP_FOREVER), EVLOOP_ECLOSED);
    poller_free(&poller);
}

static int wait_result;

static void *wait_thread(void *arg)
{
    (void)arg;
    wait_result = poller_wait(&poller, EVLOOP_FOREVER);
    return NULL;
}

/* With the real kernel: the waiter returns because of the close, having been asked to wait for
 * ever. */
TEST(close_wakes_a_thread_that_waits_for_ever)
{
    pthread_t waiter;
    assert_int_equal(poller_choose(&poller, &test_heap.allocator, NULL), 0);
    assert_int_equal(poller_init(&poller), 0);
    wait_result = 1;
    thread_start(&waiter, wait_thread, NULL);
    wait_until(atomic_load(&poller.users) != 0);
    assert_int_equal(poller_close(&poller), 0);
    thread_join(waiter);
    assert_true(wait_result == 0 || wait_result == EVLOOP_ECLOSED);
    assert_int_equal(poller_wait(&poller, EVLOOP_FOREVER), EVLOOP_ECLOSED);
    poller_free(&poller);
}

/* ---- defect 8 -------------------------------------------------------------------------------- */

static void assert_closed(evloop_watch *active)
{
    assert_int_equal(poller_init(&poller), EVLOOP_ECLOSED);
    assert_int_equal(poller_wait(&poller, 0), EVLOOP_ECLOSED);
    assert_int_equal(poller_wait(&poller, EVLOOP_FOREVER), EVLOOP_ECLOSED);
    assert_int_equal(poller_wake(&poller), EVLOOP_ECLOSED);
    assert_int_equal(poller_add(&poller, &watch), EVLOOP_ECLOSED);
    assert_int_equal(poller_modify(&poller, active, EVLOOP_WRITABLE), EVLOOP_ECLOSED);
    assert_int_equal(poller_close(&poller), EVLOOP_ECLOSED);
    assert_int_equal(poller_remove(&poller, active), EVLOOP_ECLOSED);
}

TEST(defect_08_every_call_of_a_closed_poller_gives_the_same_error)
{
    const struct poller_backend *const *known = poller_backends();
    for (int i = -1; i < 0 || known[i]; i++) {
        int fds[2];
        evloop_watch active;
        pipe_open(fds);
        poller_new();
        int err = i < 0 ? 0 : poller_choose(&poller, &test_heap.allocator, known[i]->name);
        if (err == -ENOSYS) { /* of the build, but not of this kernel */
            fds_close(fds);
            continue;
        }
        assert_int_equal(err, 0);
        active = watch;
        active.fd_ = fds[0];
        assert_int_equal(poller_add(&poller, &active), 0);
        assert_int_equal(poller_close(&poller), 0);
        assert_closed(&active);
        poller_free(&poller);
        fds_close(fds);
    }
}

TEST(defect_08_a_closed_poller_has_nothing_to_apply)
{
    poller_new();
    assert_int_equal(poller_init(&poller), 0);
    assert_int_equal(poller_close(&poller), 0);
    assert_int_equal(poller_apply_changes(&poller), EVLOOP_ECLOSED);
    poller_free(&poller);
}

TEST(defect_02_a_closed_poller_stays_closed_in_a_forks_child)
{
    poller_new();
    assert_int_equal(poller_init(&poller), 0);
    assert_int_equal(poller_close(&poller), 0);
    assert_int_equal(poller_after_fork(&poller), EVLOOP_ECLOSED);
    assert_int_equal(poller_init(&poller), EVLOOP_ECLOSED);
    poller_free(&poller);
}

static void never_called(void)
{
    check_failed("never called", __FILE__, __LINE__);
}

static void on_task(evloop_task *task)
{
    (void)task;
    never_called();
}

static void on_function(void *arg)
{
    (void)arg;
    never_called();
}

static void on_timer(evloop_timer *timer)
{
    (void)timer;
    never_called();
}

static void on_hook(evloop_hook *hook)
{
    (void)hook;
    never_called();
}

static void on_notify(evloop_notify *notify)
{
    (void)notify;
    never_called();
}

static void on_watch(evloop_watch *told, unsigned events)
{
    (void)told, (void)events;
    never_called();
}

TEST(defect_08_every_offer_to_a_closed_loop_gives_the_same_error)
{
    evloop *loop = loop_new();
    evloop_task task = {0};
    evloop_timer timer = {0};
    evloop_hook hook = {0};
    evloop_notify notify = {0}, signalled = {0};
    evloop_watch refused = {0};
    assert_int_equal(evloop_notify_start(loop, &signalled, on_notify), 0);
    assert_int_equal(evloop_shutdown(loop, 0), 0);
    loop_run(loop);
    assert_int_equal(evloop_submit(loop, &task, on_task), EVLOOP_ECLOSED);
    assert_int_equal(evloop_submit_urgent(loop, &task, on_task), EVLOOP_ECLOSED);
    assert_int_equal(evloop_post(loop, on_function, NULL), EVLOOP_ECLOSED);
    assert_int_equal(evloop_microtask(loop, on_function, NULL), EVLOOP_ECLOSED);
    assert_int_equal(evloop_timer_start(loop, &timer, 0, 0, on_timer), EVLOOP_ECLOSED);
    assert_int_equal(evloop_hook_start(loop, &hook, EVLOOP_HOOK_IDLE, on_hook), EVLOOP_ECLOSED);
    assert_int_equal(evloop_notify_start(loop, &notify, on_notify), EVLOOP_ECLOSED);
    assert_int_equal(evloop_notify_send(&signalled), EVLOOP_ECLOSED);
    assert_int_equal(evloop_watch_start(loop, &refused, STDIN_FILENO, EVLOOP_READABLE, on_watch),
                     EVLOOP_ECLOSED);
    assert_int_equal(evloop_run(loop, EVLOOP_RUN_DEFAULT), EVLOOP_ECLOSED);
    assert_int_equal(evloop_run(loop, EVLOOP_RUN_ONCE), EVLOOP_ECLOSED);
    assert_int_equal(evloop_run(loop, EVLOOP_RUN_NOWAIT), EVLOOP_ECLOSED);
    assert_int_equal(evloop_run_for(loop, 0), EVLOOP_ECLOSED);
    assert_int_equal(evloop_notify_stop(&signalled), 0);
    loop_end(loop);
}

/* ---- defect 9 -------------------------------------------------------------------------------- */

/* A poller that knows no backend but this one: whatever it does goes through the interface. */
TEST(defect_09_a_poller_asks_its_backend_and_nobody_else)
{
    int (*wait_through)(struct poller *, uint64_t) = poller_wait;
    int (*wake_through)(struct poller *) = poller_wake;
    poller_new();
    assert_int_equal(poller_init(&poller), 0);
    assert_int_equal(poller_add(&poller, &watch), 0);
    assert_int_equal(backend.changes, 1);
    assert_int_equal(wait_through(&poller, EVLOOP_FOREVER), 0);
    assert_int_equal(atomic_load(&backend.waits), 1);
    assert_int_equal(wake_through(&poller), 0);
    assert_int_equal(atomic_load(&backend.wakes), 1);
    assert_int_equal(poller_remove(&poller, &watch), 0);
    assert_int_equal(backend.changes, 2);
    assert_int_equal(poller_close(&poller), 0);
    assert_int_equal(atomic_load(&backend.closes), 1);
    assert_int_equal(poller.fd, -1);
    poller_free(&poller);
}

TEST(defect_09_every_backend_fills_the_whole_interface)
{
    for (const struct poller_backend *const *known = poller_backends(); *known; known++) {
        const struct poller_backend *one = *known;
        assert_true(one->name && one->open && one->close && one->reopen);
        assert_true(one->change && one->wait && one->wake);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_ENTRY(defect_01_nobody_returns_before_the_initialisation_is_done),
        TEST_ENTRY(defect_01_the_error_of_the_initialisation_is_kept_and_returned_to_all),
        TEST_ENTRY(defect_02_closed_is_one_way_and_nothing_is_initialised_again),
        TEST_ENTRY(defect_02_a_poller_that_was_closed_first_is_never_opened),
        TEST_ENTRY(defect_02_close_may_race_with_every_other_call),
        TEST_ENTRY(defect_07_two_closes_close_the_descriptors_once),
        TEST_ENTRY(defect_07_a_failed_wait_closes_nothing),
        TEST_ENTRY(defect_07_no_descriptor_is_closed_while_a_wake_writes_to_it),
        TEST_ENTRY(close_wakes_whoever_waits_and_lets_it_leave_before_it_closes),
        TEST_ENTRY(close_wakes_a_thread_that_waits_for_ever),
        TEST_ENTRY(defect_08_every_call_of_a_closed_poller_gives_the_same_error),
        TEST_ENTRY(defect_08_a_closed_poller_has_nothing_to_apply),
        TEST_ENTRY(defect_02_a_closed_poller_stays_closed_in_a_forks_child),
        TEST_ENTRY(defect_08_every_offer_to_a_closed_loop_gives_the_same_error),
        TEST_ENTRY(defect_09_a_poller_asks_its_backend_and_nobody_else),
        TEST_ENTRY(defect_09_every_backend_fills_the_whole_interface),
    };
    return RUN_TESTS("lineage: poller", tests);
}
