/*
 * uring_choice.c: which backend a loop gets where io_uring is refused, or fails, or is short of
 * something; and that it is never touched where epoll was asked for.
 *
 * Whether io_uring works is found out once a process: so each test plays in a child process of its
 * own, and this one makes no loop.
 */
#include <fcntl.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "net.h"
#include "uring_calls.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

static const char best[] = "the best that works here";

static struct {
    atomic_bool works;   /* io_uring, here */
    atomic_bool reached; /* the call that was to fail was made */
} * shared;

#define NEEDS_URING()                                                                              \
    do {                                                                                           \
        if (!shared->works)                                                                        \
            skip();                                                                                \
    } while (0)

/* ---- in the child ---------------------------------------------------------------------------- */

static int create(evloop **loop, const char *backend)
{
    evloop_options options = evloop_options_default();
    options.allocator = &test_heap.allocator;
    options.backend = backend;
    *loop = NULL;
    int err = evloop_create(loop, &options);
    check(err == 0 || !*loop);
    return err;
}

static bool is_on(const evloop *loop, const char *backend)
{
    return strcmp(evloop_backend_name(loop), backend) == 0;
}

static bool because(const evloop *loop, const char *words)
{
    return strstr(evloop_backend_reason(loop), words) != NULL;
}

struct echo {
    evloop_stream stream;
    int peer;
};

static void on_read(evloop_stream *stream, ssize_t n, const void *data)
{
    if (n > 0)
        check(evloop_stream_send(stream, data, (size_t)n) == 0);
    else
        check(evloop_stream_close_gracefully(stream, 0, NULL) == 0);
}

static void echo_begin(struct echo *echo, evloop *loop)
{
    memset(echo, 0, sizeof *echo);
    check(evloop_stream_pair(loop, &echo->stream, &echo->peer) == 0);
    check(evloop_stream_read_start(&echo->stream, on_read) == 0);
    check(evloop_run(loop, EVLOOP_RUN_NOWAIT) == 0);
}

/* What is said comes back, whole. */
static void echo_end(struct echo *echo, evloop *loop)
{
    char answer[16];
    size_t size = 0;
    ssize_t n;
    check(write(echo->peer, "shout", 5) == 5);
    check(shutdown(echo->peer, SHUT_WR) == 0);
    check(evloop_run(loop, EVLOOP_RUN_DEFAULT) == 0);
    while ((n = read(echo->peer, answer + size, sizeof answer - size)) > 0)
        size += (size_t)n;
    check(n == 0 && size == 5 && memcmp(answer, "shout", 5) == 0);
    check(close(echo->peer) == 0);
}

static void serves_an_echo(evloop *loop)
{
    struct echo echo;
    echo_begin(&echo, loop);
    echo_end(&echo, loop);
}

/* What is open before, and must be again when the loops are gone. */
struct left {
    unsigned fds;
    int mappings;
};

static struct left look(void)
{
    return (struct left){fds_open(), uring_calls_mappings()};
}

static void end(evloop *loop)
{
    if (loop)
        check(evloop_destroy(loop, 0) == 0);
}

static void nothing_is_left(struct left before)
{
    check(fds_open() == before.fds);
    check(uring_calls_mappings() == before.mappings);
    check(heap_blocks(&test_heap) == 0);
}

static void try_uring(void *arg)
{
    evloop *loop;
    (void)arg;
    int err = create(&loop, "uring");
    if (err)
        check(create(&loop, NULL) == 0);
    shared->works = !err;
    if (err)
        print_message("io_uring does not work here: %s\n", evloop_backend_reason(loop));
    end(loop);
}

/* ---- epoll by hand --------------------------------------------------------------------------- */

static void is_on_epoll_by_hand(const char *backend, const char *words)
{
    evloop *loop;
    uring_refuse(CALLS_OF_ALL, 0);
    struct left before = look();
    check(create(&loop, backend) == 0);
    check(is_on(loop, "epoll") && because(loop, words));
    serves_an_echo(loop);
    end(loop);
    nothing_is_left(before);
}

static void chosen_by_option(void *arg)
{
    (void)arg;
    is_on_epoll_by_hand("epoll", "chosen by option");
}

static void chosen_by_environment(void *arg)
{
    (void)arg;
    check(setenv("EVLOOP_BACKEND", "epoll", 1) == 0);
    is_on_epoll_by_hand(NULL, "chosen by the environment");
}

TEST(epoll_by_option_means_not_one_call_of_io_uring)
{
    assert_true(child_succeeds(chosen_by_option, NULL));
}

TEST(epoll_by_environment_means_not_one_call_of_io_uring)
{
    assert_true(child_succeeds(chosen_by_environment, NULL));
}

static void killed_by_the_filter(void *arg)
{
    evloop *loop;
    (void)arg;
    uring_refuse(CALLS_OF_ALL, 0);
    create(&loop, NULL);
}

/* So the two tests above can fail. */
TEST(without_a_choice_io_uring_is_called)
{
    assert_false(child_succeeds(killed_by_the_filter, NULL));
}

/* ---- refused --------------------------------------------------------------------------------- */

struct refusal {
    unsigned which;
    int err;
    const char *words;
};

static const struct refusal refusals[] = {
    {CALLS_OF_SETUP, EPERM, "io_uring_setup: "},
    {CALLS_OF_SETUP, ENOSYS, "io_uring_setup: "},
    {CALLS_OF_SETUP, ENOMEM, "io_uring_setup: "},
    {CALLS_OF_ENTER, EPERM, "io_uring_enter: "},
    {CALLS_OF_ENTER, ENOSYS, "io_uring_enter: "},
    {CALLS_OF_REGISTER, EPERM, "io_uring_register "},
    {CALLS_OF_REGISTER, ENOSYS, "io_uring_register "},
};

static void is_refused(const struct refusal *refusal)
{
    evloop *loop;
    struct left before = look();
    uring_refuse(refusal->which, refusal->err);
    check(create(&loop, NULL) == 0);
    check(is_on(loop, "epoll"));
    check(because(loop, refusal->words) && because(loop, evloop_strerror(-refusal->err)));
    serves_an_echo(loop);
    check(because(loop, refusal->words));
    end(loop);
    nothing_is_left(before);
    check(create(&loop, "uring") == -refusal->err);
    nothing_is_left(before);
}

static void refused_by_option_at_first(void *arg)
{
    const struct refusal *refusal = arg;
    evloop *loop;
    struct left before = look();
    uring_refuse(refusal->which, refusal->err);
    check(create(&loop, "uring") == -refusal->err);
    check(setenv("EVLOOP_BACKEND", "uring", 1) == 0);
    check(create(&loop, NULL) == -refusal->err);
    check(unsetenv("EVLOOP_BACKEND") == 0);
    nothing_is_left(before);
    is_refused(refusal);
}

static void refused_by_itself_at_first(void *arg)
{
    is_refused(arg);
}

TEST(where_io_uring_is_refused_the_loop_is_on_epoll_and_says_why)
{
    NEEDS_URING();
    for (size_t i = 0; i < COUNT(refusals); i++)
        assert_true(child_succeeds(refused_by_itself_at_first, (void *)&refusals[i]));
}

TEST(where_io_uring_is_refused_to_be_chosen_by_hand_is_the_kernels_error)
{
    NEEDS_URING();
    for (size_t i = 0; i < COUNT(refusals); i++)
        assert_true(child_succeeds(refused_by_option_at_first, (void *)&refusals[i]));
}

static void an_old_kernel(void *arg)
{
    evloop *loop;
    (void)arg;
    uring_refuse(CALLS_OF_SETUP, EINVAL);
    check(create(&loop, "uring") == -ENOTSUP);
    check(create(&loop, NULL) == 0);
    check(is_on(loop, "epoll") && because(loop, "older than Linux 6.1"));
    end(loop);
}

TEST(an_io_uring_that_is_too_old_is_not_supported)
{
    NEEDS_URING();
    assert_true(child_succeeds(an_old_kernel, NULL));
}

/* ---- short of something ---------------------------------------------------------------------- */

/* Lets the process open so many descriptors more; gives what the limit was. */
static struct rlimit leave_descriptors(unsigned count)
{
    struct rlimit old;
    int fd = 0;
    check(getrlimit(RLIMIT_NOFILE, &old) == 0);
    while (count > 0)
        count -= fcntl(fd++, F_GETFD) < 0;
    while (fcntl(fd, F_GETFD) >= 0)
        fd++;
    const struct rlimit low = {.rlim_cur = (rlim_t)fd, .rlim_max = old.rlim_max};
    check(setrlimit(RLIMIT_NOFILE, &low) == 0);
    return old;
}

static void create_with_few_descriptors(void *arg)
{
    unsigned count = *(unsigned *)arg;
    evloop *loop;
    struct left before = look();
    struct rlimit old = leave_descriptors(count);
    int err = create(&loop, NULL);
    check(err == (count < 2 ? -EMFILE : 0));
    if (loop && is_on(loop, "epoll"))
        check(because(loop, evloop_strerror(-EMFILE)));
    check(count != 2 || is_on(loop, "epoll"));
    check(count != 16 || is_on(loop, "uring"));
    end(loop);
    check(setrlimit(RLIMIT_NOFILE, &old) == 0);
    nothing_is_left(before);
    check(create(&loop, NULL) == 0);
    check(is_on(loop, "uring") && because(loop, best));
    serves_an_echo(loop);
    end(loop);
    nothing_is_left(before);
}

TEST(where_descriptors_are_short_the_loop_is_on_epoll_and_later_ones_are_not)
{
    NEEDS_URING();
    for (unsigned count = 0; count <= 16; count++)
        assert_true(child_succeeds(create_with_few_descriptors, &count));
}

/* Enough for epoll, and not for the ring. */
static void the_ring_cannot_be_had(void *arg)
{
    evloop *loop;
    struct left before = look();
    (void)arg;
    check(create(&loop, NULL) == 0);
    end(loop);
    struct rlimit old = leave_descriptors(2);
    check(create(&loop, "uring") == -EMFILE);
    check(create(&loop, NULL) == 0);
    check(is_on(loop, "epoll") && because(loop, "uring: ") &&
          because(loop, evloop_strerror(-EMFILE)));
    check(setrlimit(RLIMIT_NOFILE, &old) == 0);
    serves_an_echo(loop);
    end(loop);
    nothing_is_left(before);
    check(create(&loop, "uring") == 0);
    serves_an_echo(loop);
    end(loop);
    nothing_is_left(before);
}

TEST(a_loop_that_cannot_have_a_ring_of_its_own_is_on_epoll)
{
    NEEDS_URING();
    assert_true(child_succeeds(the_ring_cannot_be_had, NULL));
}

static void drop_privileges(void)
{
    check(setresuid(65534, 65534, 65534) == 0);
    check(prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) == 0); /* /proc/self stays readable */
}

static void nothing_can_be_locked(void *arg)
{
    const struct rlimit none = {0, 0};
    evloop *loop;
    struct left before = look();
    (void)arg;
    check(setrlimit(RLIMIT_MEMLOCK, &none) == 0);
    drop_privileges();
    check(create(&loop, NULL) == 0);
    print_message("with nothing to lock: %s (%s)\n", evloop_backend_name(loop),
                  evloop_backend_reason(loop));
    bool works = is_on(loop, "uring");
    check(works || because(loop, evloop_strerror(-ENOMEM)));
    serves_an_echo(loop);
    end(loop);
    check(create(&loop, "uring") == (works ? 0 : -ENOMEM));
    end(loop);
    nothing_is_left(before);
}

TEST(without_memory_that_may_be_locked_there_is_a_loop)
{
    NEEDS_URING();
    if (geteuid() != 0)
        skip();
    assert_true(child_succeeds(nothing_can_be_locked, NULL));
}

static void privileges_are_dropped(void *arg)
{
    evloop *loop;
    struct echo echo;
    struct left before = look();
    (void)arg;
    check(create(&loop, NULL) == 0);
    check(is_on(loop, "uring"));
    serves_an_echo(loop);
    echo_begin(&echo, loop);
    drop_privileges();
    echo_end(&echo, loop);
    serves_an_echo(loop);
    end(loop);
    nothing_is_left(before);
}

TEST(a_loop_goes_on_when_its_process_drops_its_privileges)
{
    NEEDS_URING();
    if (geteuid() != 0)
        skip();
    assert_true(child_succeeds(privileges_are_dropped, NULL));
}

/* ---- each call fails ------------------------------------------------------------------------- */

struct failure {
    enum call call;
    unsigned nth;
    int err;
};

static void create_while_a_call_fails(void *arg)
{
    const struct failure *failure = arg;
    evloop *loop;
    struct left before = look();
    uring_calls_reset();
    uring_calls_fail(failure->call, failure->nth, 1, failure->err);
    check(create(&loop, NULL) == 0);
    shared->reached = uring_calls_count(failure->call) >= failure->nth;
    check(is_on(loop, "uring") == (strcmp(evloop_backend_reason(loop), best) == 0));
    check(is_on(loop, "uring") || is_on(loop, "epoll"));
    check(failure->err != EINTR || is_on(loop, "uring"));
    uring_calls_reset();
    serves_an_echo(loop);
    end(loop);
    nothing_is_left(before);
}

static void create_by_hand_while_a_call_fails(void *arg)
{
    const struct failure *failure = arg;
    evloop *loop;
    struct left before = look();
    uring_calls_reset();
    uring_calls_fail(failure->call, failure->nth, 1, failure->err);
    int err = create(&loop, "uring");
    shared->reached = uring_calls_count(failure->call) >= failure->nth;
    uring_calls_reset();
    if (err)
        check(err == -failure->err || err == -ENOTSUP);
    else
        serves_an_echo(loop);
    end(loop);
    nothing_is_left(before);
}

/* Returns how often the call is made. */
static unsigned each_time(enum call call, int err, void (*fn)(void *arg))
{
    struct failure failure = {.call = call, .err = err};
    do {
        failure.nth++;
        shared->reached = false;
        if (!child_succeeds(fn, &failure))
            fail_msg("call %u of %s: %s", failure.nth, uring_call_name(call),
                     evloop_strerror(-err));
    } while (shared->reached);
    return failure.nth - 1;
}

TEST(each_call_of_the_probe_may_fail_and_the_loop_is_made_all_the_same)
{
    NEEDS_URING();
    for (unsigned call = 0; call < CALLS; call++) {
        assert_true(each_time((enum call)call, EPERM, create_while_a_call_fails) > 0);
        assert_true(each_time((enum call)call, ENOMEM, create_while_a_call_fails) > 0);
    }
}

TEST(each_call_of_the_probe_may_fail_and_nothing_is_left_of_a_loop_chosen_by_hand)
{
    NEEDS_URING();
    for (unsigned call = 0; call < CALLS; call++)
        assert_true(each_time((enum call)call, EPERM, create_by_hand_while_a_call_fails) > 0);
}

TEST(an_interruption_of_the_probe_changes_nothing)
{
    NEEDS_URING();
    assert_true(each_time(CALL_SUBMIT, EINTR, create_while_a_call_fails) > 0);
    assert_true(each_time(CALL_WAIT, EINTR, create_while_a_call_fails) > 0);
    assert_true(each_time(CALL_SEND, EINTR, create_while_a_call_fails) > 0);
}

static void ring_refused_to_one_loop(void *arg)
{
    evloop *loop;
    struct left before = look();
    (void)arg;
    check(create(&loop, NULL) == 0);
    end(loop);
    uring_calls_fail(CALL_QUEUE_INIT, 1, 1, EPERM);
    check(create(&loop, NULL) == 0);
    check(is_on(loop, "epoll") && because(loop, "uring: ") &&
          because(loop, evloop_strerror(-EPERM)));
    serves_an_echo(loop);
    end(loop);
    uring_calls_fail(CALL_QUEUE_INIT, 1, 1, EPERM);
    check(create(&loop, "uring") == -EPERM);
    check(create(&loop, NULL) == 0);
    check(is_on(loop, "uring") && because(loop, best));
    end(loop);
    nothing_is_left(before);
}

TEST(a_ring_that_is_refused_to_one_loop_is_there_for_the_next)
{
    NEEDS_URING();
    assert_true(child_succeeds(ring_refused_to_one_loop, NULL));
}

/* ---- once ------------------------------------------------------------------------------------ */

enum { THREADS = 8, LOOPS = 10 };

static void *makes_loops(void *gate)
{
    gate_wait(gate, 1);
    for (int i = 0; i < LOOPS; i++) {
        evloop *loop;
        check(create(&loop, NULL) == 0);
        check(evloop_run(loop, EVLOOP_RUN_NOWAIT) == 0);
        end(loop);
    }
    return NULL;
}

static void make_loops_on_threads(void)
{
    struct gate gate = GATE_INIT;
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        thread_start(&threads[i], makes_loops, &gate);
    gate_add(&gate);
    for (int i = 0; i < THREADS; i++)
        thread_join(threads[i]);
}

static void asks_once(void *arg)
{
    struct left before = look();
    (void)arg;
    uring_calls_reset();
    make_loops_on_threads();
    check(uring_calls_count(CALL_REGISTER_PROBE) == 1);
    nothing_is_left(before);
}

static void is_refused_once(void *arg)
{
    struct left before = look();
    (void)arg;
    uring_refuse(CALLS_OF_SETUP, EPERM);
    uring_calls_reset();
    make_loops_on_threads();
    check(uring_calls_count(CALL_QUEUE_INIT) == 1);
    nothing_is_left(before);
}

TEST(whether_io_uring_works_is_found_out_once_for_all_threads_and_loops)
{
    NEEDS_URING();
    assert_true(child_succeeds(asks_once, NULL));
    assert_true(child_succeeds(is_refused_once, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_ENTRY(epoll_by_option_means_not_one_call_of_io_uring),
        TEST_ENTRY(epoll_by_environment_means_not_one_call_of_io_uring),
        TEST_ENTRY(without_a_choice_io_uring_is_called),
        TEST_ENTRY(where_io_uring_is_refused_the_loop_is_on_epoll_and_says_why),
        TEST_ENTRY(where_io_uring_is_refused_to_be_chosen_by_hand_is_the_kernels_error),
        TEST_ENTRY(an_io_uring_that_is_too_old_is_not_supported),
        TEST_ENTRY(where_descriptors_are_short_the_loop_is_on_epoll_and_later_ones_are_not),
        TEST_ENTRY(a_loop_that_cannot_have_a_ring_of_its_own_is_on_epoll),
        TEST_ENTRY(without_memory_that_may_be_locked_there_is_a_loop),
        TEST_ENTRY(a_loop_goes_on_when_its_process_drops_its_privileges),
        TEST_ENTRY(each_call_of_the_probe_may_fail_and_the_loop_is_made_all_the_same),
        TEST_ENTRY(each_call_of_the_probe_may_fail_and_nothing_is_left_of_a_loop_chosen_by_hand),
        TEST_ENTRY(an_interruption_of_the_probe_changes_nothing),
        TEST_ENTRY(a_ring_that_is_refused_to_one_loop_is_there_for_the_next),
        TEST_ENTRY(whether_io_uring_works_is_found_out_once_for_all_threads_and_loops),
    };
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    check(shared != MAP_FAILED);
    check(unsetenv("EVLOOP_BACKEND") == 0);
    heap_init(&test_heap);
    support_limit(60);
    check(child_succeeds(try_uring, NULL));
    return RUN_TESTS("uring_choice", tests);
}
