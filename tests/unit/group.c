/*
 * group.c: evloop_group: who gets the connections, on which thread; starting all or nothing; ending
 * without losing what was accepted.
 */
#include "net.h"
#include "kernel_calls.h"
#include "system.h"

#include <sys/resource.h>
#include <sys/socket.h>

enum { THREADS = 4 };

/* What belongs to one loop of a group; found through the listener's data. */
struct worker {
    pthread_t thread;
    EVLOOP_ATOMIC(unsigned) begun;
    EVLOOP_ATOMIC(unsigned) connections;
    EVLOOP_ATOMIC(unsigned) ended;
    evloop *loop;
};

static struct worker workers[THREADS];
static struct worker *those_who_begin = workers;
static int init_result; /* of the loop with the index: */
static unsigned init_fails_at;

static unsigned connections(void)
{
    unsigned sum = 0;
    for (unsigned i = 0; i < THREADS; i++)
        sum += workers[i].connections;
    return sum;
}

static int begin(evloop_group *group, unsigned index)
{
    struct worker *worker = &those_who_begin[index];
    check(index < evloop_group_size(group));
    worker->thread = pthread_self();
    worker->loop = evloop_group_loop(group, index);
    worker->begun++;
    evloop_group_listener(group, index)->data = worker;
    return index == init_fails_at ? init_result : 0;
}

static void end(evloop_group *group, unsigned index)
{
    check(pthread_equal(those_who_begin[index].thread, pthread_self()));
    check(evloop_group_loop(group, index) == those_who_begin[index].loop);
    those_who_begin[index].ended++;
}

/* ---- an echo --------------------------------------------------------------------------------- */

static void on_closed(evloop_stream *stream)
{
    free(stream);
}

static void on_read(evloop_stream *stream, ssize_t n, const void *data)
{
    if (n < 0 || evloop_stream_send(stream, data, (size_t)n) != 0)
        check(evloop_stream_close(stream, on_closed) == 0);
}

static void on_connection(evloop_listener *listener)
{
    struct worker *worker = listener->data;
    check(pthread_equal(worker->thread, pthread_self()));
    check(evloop_on_loop_thread(worker->loop));
    check(evloop_listener_loop(listener) == worker->loop);
    evloop_stream *stream = calloc(1, sizeof *stream);
    check(stream);
    check(evloop_accept(listener, stream) == 0);
    check(evloop_stream_loop(stream) == worker->loop);
    check(evloop_stream_read_start(stream, on_read) == 0);
    worker->connections++;
}

/* Whether a message comes back; false if the connection is gone. */
static bool echoed(int fd, const char *message)
{
    char answer[64] = "";
    size_t size = strlen(message);
    if (net_put(fd, message, size, 0) != (ssize_t)size)
        return false;
    size_t got = 0;
    while (got < size) {
        ssize_t n = recv(fd, answer + got, size - got, 0);
        if (n <= 0)
            return false;
        got += (size_t)n;
    }
    check(memcmp(answer, message, size) == 0);
    return true;
}

/* ---- groups ---------------------------------------------------------------------------------- */

static evloop_options loop_options(void)
{
    evloop_options options = evloop_options_small();
    options.allocator = &test_heap.allocator;
    return options;
}

static evloop_group_options group_options(const evloop_options *loop, bool hand_over)
{
    evloop_group_options options = evloop_group_options_default();
    memset(workers, 0, sizeof workers);
    init_result = 0;
    options.threads = THREADS;
    options.hand_over = hand_over;
    options.loop = loop;
    options.init = begin;
    options.end = end;
    return options;
}

static evloop_group *group_new(const char *address, bool hand_over)
{
    evloop_group *group = NULL;
    evloop_options loop = loop_options();
    evloop_group_options options = group_options(&loop, hand_over);
    assert_int_equal(evloop_group_start(&group, address, &options, on_connection), 0);
    assert_int_equal(evloop_group_size(group), THREADS);
    return group;
}

static evloop_address local_of(const evloop_group *group)
{
    evloop_address address;
    assert_int_equal(evloop_group_local(group, &address), 0);
    return address;
}

static void group_end(evloop_group *group)
{
    assert_int_equal(evloop_group_shutdown(group, EVLOOP_FOREVER), 0);
    assert_int_equal(evloop_group_join(group), 0);
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(workers[i].ended, workers[i].begun);
}

/* Connects, says something, and leaves; so many times. */
static void visit(const evloop_address *address, size_t times)
{
    for (size_t i = 0; i < times; i++) {
        int fd = net_connect(address);
        assert_true(echoed(fd, "hello"));
        close(fd);
    }
}

/* ---- who gets what --------------------------------------------------------------------------- */

TEST(every_connection_is_served_by_the_thread_of_its_loop)
{
    evloop_group *group = group_new("127.0.0.1:0", false);
    evloop_address address = local_of(group);
    assert_true(evloop_address_port(&address) != 0);
    visit(&address, 100);
    assert_int_equal(connections(), 100);
    group_end(group);
}

TEST(a_group_listens_at_an_address_of_version_6_as_well)
{
    if (!net_has_v6())
        skip();
    evloop_group *group = group_new("[::1]:0", false);
    evloop_address address = local_of(group);
    visit(&address, 20);
    assert_int_equal(connections(), 20);
    group_end(group);
}

TEST(connections_are_handed_over_in_rotation)
{
    evloop_group *group = group_new("127.0.0.1:0", true);
    evloop_address address = local_of(group);
    visit(&address, 10 * THREADS);
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(workers[i].connections, 10);
    group_end(group);
}

TEST(connections_of_a_unix_socket_are_always_handed_over)
{
    char place[PLACE_SIZE];
    char path[PLACE_SIZE + 8];
    place_make(place);
    snprintf(path, sizeof path, "%s/socket", place);
    evloop_group *group = group_new(path, false);
    evloop_address address = local_of(group);
    assert_string_equal(address.of.path.sun_path, path);
    visit(&address, 3 * THREADS);
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(workers[i].connections, 3);
    group_end(group);
    place_remove(place);
}

TEST(every_loop_of_a_group_listens_at_one_address)
{
    evloop_group *group = group_new("127.0.0.1:0", false);
    evloop_address address = local_of(group), local;
    for (unsigned i = 0; i < THREADS; i++) {
        socklen_t size = sizeof local.of;
        int fd = evloop_listener_fd(evloop_group_listener(group, i));
        assert_int_equal(getsockname(fd, &local.of.any, &size), 0);
        local.size = size;
        assert_true(evloop_address_equal(&address, &local));
    }
    group_end(group);
}

TEST(without_a_number_there_is_a_loop_for_each_processor_that_may_be_used)
{
    evloop_group *group;
    evloop_options loop = loop_options();
    evloop_group_options options = evloop_group_options_default();
    options.loop = &loop;
    assert_int_equal(evloop_group_start(&group, NULL, &options, NULL), 0);
    assert_int_equal(evloop_group_size(group), system_processors());
    assert_int_equal(evloop_group_shutdown(group, 0), 0);
    assert_int_equal(evloop_group_join(group), 0);
}

static EVLOOP_ATOMIC(unsigned) posted;

static void count_post(void *arg)
{
    check(evloop_on_loop_thread(arg));
    posted++;
}

TEST(a_group_that_does_not_listen_runs_until_its_shutdown)
{
    evloop_group *group = NULL;
    evloop_address address;
    evloop_options loop = loop_options();
    evloop_group_options options = group_options(&loop, false);
    posted = 0;
    options.data = &posted;
    assert_int_equal(evloop_group_start(&group, NULL, &options, NULL), 0);
    assert_ptr_equal(evloop_group_data(group), &posted);
    assert_int_equal(evloop_group_local(group, &address), -ENOTCONN);
    for (unsigned i = 0; i < THREADS; i++)
        wait_asleep(evloop_group_loop(group, i));
    for (unsigned i = 0; i < THREADS; i++) {
        evloop *each = evloop_group_loop(group, i);
        assert_int_equal(evloop_post(each, count_post, each), 0);
    }
    group_end(group);
    assert_int_equal(posted, THREADS);
}

static int look_at_signals(evloop_group *group, unsigned index)
{
    sigset_t blocked;
    (void)group;
    (void)index;
    check(pthread_sigmask(SIG_SETMASK, NULL, &blocked) == 0);
    check(sigismember(&blocked, SIGTERM) && sigismember(&blocked, SIGINT));
    check(sigismember(&blocked, SIGCHLD) && sigismember(&blocked, SIGPIPE));
    check(!sigismember(&blocked, SIGSEGV) && !sigismember(&blocked, SIGABRT));
    return 0;
}

TEST(signals_do_not_reach_the_threads_of_a_group)
{
    evloop_group *group;
    evloop_options loop = loop_options();
    evloop_group_options options = group_options(&loop, false);
    sigset_t before, after;
    options.init = look_at_signals;
    options.end = NULL;
    check(pthread_sigmask(SIG_SETMASK, NULL, &before) == 0);
    assert_int_equal(evloop_group_start(&group, NULL, &options, NULL), 0);
    check(pthread_sigmask(SIG_SETMASK, NULL, &after) == 0);
    assert_int_equal(sigismember(&after, SIGTERM), sigismember(&before, SIGTERM));
    assert_int_equal(evloop_group_shutdown(group, 0), 0);
    assert_int_equal(evloop_group_join(group), 0);
}

/* ---- all or nothing -------------------------------------------------------------------------- */

static void expect_refusal(const char *address, const evloop_group_options *options, int err)
{
    evloop_group *const untouched = (evloop_group *)workers;
    evloop_group *group = untouched;
    assert_int_equal(evloop_group_start(&group, address, options, on_connection), err);
    assert_ptr_equal(group, untouched);
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(those_who_begin[i].ended, those_who_begin[i].begun);
}

TEST(an_init_that_fails_undoes_everything)
{
    evloop_options loop = loop_options();
    for (int hand_over = 0; hand_over < 2; hand_over++) {
        for (unsigned i = 0; i < THREADS; i++) {
            evloop_group *group = NULL;
            evloop_group_options options = group_options(&loop, hand_over);
            init_fails_at = i;
            init_result = -EDOM;
            assert_int_equal(evloop_group_start(&group, "127.0.0.1:0", &options, on_connection),
                             -EDOM);
            assert_null(group);
            for (unsigned j = 0; j < THREADS; j++) {
                assert_int_equal(workers[j].begun, 1);
                assert_int_equal(workers[j].ended, j != i);
            }
        }
    }
}

TEST(an_address_that_is_in_use_is_refused_even_if_it_could_be_shared)
{
    evloop_options loop = loop_options();
    evloop_group_options options = group_options(&loop, false);
    evloop_group *group = group_new("127.0.0.1:0", false);
    evloop_address address = local_of(group);
    char text[EVLOOP_ADDRESS_TEXT];
    evloop_address_format(&address, text, sizeof text);
    static struct worker refused[THREADS];
    those_who_begin = refused;
    expect_refusal(text, &options, -EADDRINUSE);
    options.hand_over = true;
    expect_refusal(text, &options, -EADDRINUSE);
    those_who_begin = workers;
    visit(&address, 10);
    assert_int_equal(connections(), 10);
    group_end(group);
}

TEST(groups_share_an_address_if_they_are_told_to)
{
    evloop_options loop = loop_options();
    evloop_group_options options = group_options(&loop, false);
    evloop_listen_options listen = evloop_listen_options_default();
    evloop_group *one = NULL, *other = NULL;
    char text[EVLOOP_ADDRESS_TEXT];
    listen.reuse_port = true;
    options.listen = &listen;
    options.init = NULL;
    options.end = NULL;
    assert_int_equal(evloop_group_start(&one, "127.0.0.1:0", &options, on_connection), 0);
    evloop_address address = local_of(one);
    evloop_address_format(&address, text, sizeof text);
    assert_int_equal(evloop_group_start(&other, text, &options, on_connection), 0);
    assert_int_equal(evloop_group_shutdown(one, 0), 0);
    assert_int_equal(evloop_group_shutdown(other, 0), 0);
    assert_int_equal(evloop_group_join(one), 0);
    assert_int_equal(evloop_group_join(other), 0);
}

TEST(a_group_that_gets_no_memory_leaves_nothing)
{
    evloop_options loop = loop_options();
    for (int hand_over = 0; hand_over < 2; hand_over++) {
        evloop_group *group = NULL;
        int err = -ENOMEM;
        for (size_t nth = 1; err; nth++) {
            evloop_group_options options = group_options(&loop, hand_over);
            heap_fail_in(&test_heap, nth);
            err = evloop_group_start(&group, "127.0.0.1:0", &options, on_connection);
            heap_fail_in(&test_heap, 0);
            assert_true(err == 0 || err == -ENOMEM);
            assert_int_equal(!group, err != 0);
        }
        group_end(group);
    }
}

static void start_with_few_descriptors(void *arg)
{
    bool hand_over = *(bool *)arg;
    int err = -EMFILE;
    unsigned open = fds_open();
    for (unsigned more = 0; err; more++) {
        const struct rlimit limit = {open + more, open + more};
        evloop_group *group = NULL;
        evloop_options loop = evloop_options_small();
        evloop_group_options options = group_options(&loop, hand_over);
        struct rlimit before;
        check(getrlimit(RLIMIT_NOFILE, &before) == 0);
        check(setrlimit(RLIMIT_NOFILE, &(struct rlimit){limit.rlim_cur, before.rlim_max}) == 0);
        err = evloop_group_start(&group, "127.0.0.1:0", &options, on_connection);
        check(err == 0 || err == -EMFILE);
        check(setrlimit(RLIMIT_NOFILE, &before) == 0);
        if (!err) {
            check(evloop_group_shutdown(group, 0) == 0);
            check(evloop_group_join(group) == 0);
        }
        check(fds_open() == open);
    }
}

TEST(a_group_that_gets_no_descriptors_leaves_nothing)
{
    bool hand_over = false;
    assert_true(child_succeeds(start_with_few_descriptors, &hand_over));
    hand_over = true;
    assert_true(child_succeeds(start_with_few_descriptors, &hand_over));
}

TEST(arguments_that_make_no_sense_are_refused)
{
    evloop_group *group = NULL;
    evloop_options loop = loop_options();
    evloop_listen_options listen = evloop_listen_options_default();
    evloop_group_options options = group_options(&loop, true);
    assert_int_equal(evloop_group_start(NULL, NULL, NULL, NULL), -EINVAL);
    assert_int_equal(evloop_group_start(&group, "127.0.0.1:0", &options, NULL), -EINVAL);
    assert_int_equal(evloop_group_start(&group, NULL, &options, on_connection), -EINVAL);
    expect_refusal("no address", &options, -EINVAL);
    listen.max_connections = 1;
    options.listen = &listen;
    expect_refusal("127.0.0.1:0", &options, -ENOTSUP);
    options.listen = NULL;
    options.size = sizeof options.size;
    expect_refusal("127.0.0.1:0", &options, -EINVAL);
    options.size = sizeof options;
    options.threads = UINT32_MAX;
    expect_refusal("127.0.0.1:0", &options, -EINVAL);
    assert_int_equal(evloop_group_shutdown(NULL, 0), -EINVAL);
    assert_int_equal(evloop_group_join(NULL), -EINVAL);
    assert_int_equal(evloop_group_size(NULL), 0);
    assert_null(evloop_group_loop(NULL, 0));
    assert_null(evloop_group_listener(NULL, 0));
    assert_null(evloop_group_data(NULL));
    group = group_new("127.0.0.1:0", false);
    evloop_address address;
    assert_int_equal(evloop_group_local(group, NULL), -EINVAL);
    assert_int_equal(evloop_group_local(NULL, &address), -EINVAL);
    assert_null(evloop_group_loop(group, THREADS));
    assert_null(evloop_group_listener(group, THREADS));
    group_end(group);
}

/* ---- the end --------------------------------------------------------------------------------- */

TEST(what_was_accepted_is_served_to_its_end)
{
    for (int hand_over = 0; hand_over < 2; hand_over++) {
        evloop_group *group = group_new("127.0.0.1:0", hand_over);
        evloop_address address = local_of(group);
        int fds[2 * THREADS];
        for (unsigned i = 0; i < 2 * THREADS; i++) {
            fds[i] = net_connect(&address);
            assert_true(echoed(fds[i], "before"));
        }
        assert_int_equal(evloop_group_shutdown(group, EVLOOP_FOREVER), 0);
        for (unsigned i = 0; i < 2 * THREADS; i++) {
            assert_true(echoed(fds[i], "after"));
            close(fds[i]);
        }
        assert_int_equal(evloop_group_join(group), 0);
        assert_int_equal(connections(), 2 * THREADS);
    }
}

TEST(who_stays_beyond_the_deadline_is_closed)
{
    evloop_group *group = group_new("127.0.0.1:0", true);
    evloop_address address = local_of(group);
    int fds[THREADS];
    for (unsigned i = 0; i < THREADS; i++) {
        fds[i] = net_connect(&address);
        assert_true(echoed(fds[i], "hello"));
    }
    assert_int_equal(evloop_group_shutdown(group, 0), 0);
    assert_int_equal(evloop_group_join(group), 0);
    for (unsigned i = 0; i < THREADS; i++) {
        assert_false(echoed(fds[i], "still there?"));
        close(fds[i]);
    }
}

static evloop_group *ended_inside;

static void end_the_group(evloop_listener *listener)
{
    on_connection(listener);
    check(evloop_group_join(ended_inside) == -EDEADLK);
    check(evloop_group_shutdown(ended_inside, EVLOOP_FOREVER) == 0);
}

TEST(a_callback_can_end_its_group_and_cannot_wait_for_it)
{
    for (int hand_over = 0; hand_over < 2; hand_over++) {
        evloop_options loop = loop_options();
        evloop_group_options options = group_options(&loop, hand_over);
        assert_int_equal(evloop_group_start(&ended_inside, "127.0.0.1:0", &options, end_the_group),
                         0);
        evloop_address address = local_of(ended_inside);
        int fd = net_connect(&address);
        assert_true(echoed(fd, "hello"));
        close(fd);
        assert_int_equal(evloop_group_join(ended_inside), 0);
    }
}

TEST(a_loop_that_is_stopped_gets_no_more_connections)
{
    evloop_group *group = group_new("127.0.0.1:0", true);
    evloop_address address = local_of(group);
    assert_int_equal(evloop_stop(evloop_group_loop(group, 1)), 0);
    wait_until(workers[1].ended == 1);
    visit(&address, 30);
    assert_int_equal(workers[1].connections, 0);
    assert_int_equal(connections(), 30);
    group_end(group);
}

static struct gate stuck = GATE_INIT;

static void be_stuck(void *arg)
{
    (void)arg;
    gate_wait(&stuck, 1);
}

/* More than it has places for are on their way to it: the others serve the rest. */
TEST(a_loop_that_is_stuck_holds_up_its_own_connections_only)
{
    enum { CLIENTS = 64 * THREADS + 200 };
    static int fds[CLIENTS];
    evloop_group *group = group_new("127.0.0.1:0", true);
    evloop_address address = local_of(group);
    unsigned served = 0;
    assert_int_equal(evloop_post(evloop_group_loop(group, 1), be_stuck, NULL), 0);
    for (unsigned i = 0; i < CLIENTS; i++) {
        fds[i] = net_connect(&address);
        if (i % THREADS == 1 && i < 64 * THREADS)
            continue;
        assert_true(echoed(fds[i], "at once"));
        served++;
    }
    assert_int_equal(workers[1].connections, 0);
    assert_int_equal(connections(), served);
    gate_add(&stuck);
    for (unsigned i = 0; i < CLIENTS; i++) {
        assert_true(echoed(fds[i], "at last"));
        close(fds[i]);
    }
    assert_int_equal(workers[1].connections, 64);
    group_end(group);
}

static void do_nothing(void *arg)
{
    (void)arg;
}

TEST(a_loop_that_cannot_go_on_ends_the_group_and_says_why)
{
    evloop_group *group = group_new("127.0.0.1:0", true);
    evloop *loop = evloop_group_loop(group, 2);
    wait_asleep(loop);
    kernel_refuses = &workers[2].thread;
    assert_int_equal(evloop_post(loop, do_nothing, NULL), 0);
    assert_int_equal(evloop_group_join(group), -EDOM);
    kernel_refuses = NULL;
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(workers[i].ended, 1);
}

static void close_listener(void *arg)
{
    check(evloop_listener_close(arg, NULL) == 0);
}

TEST(a_group_whose_accepting_loop_has_ended_ends_when_all_is_served)
{
    evloop_group *group = group_new("127.0.0.1:0", true);
    evloop_address address = local_of(group);
    int fds[THREADS];
    for (unsigned i = 0; i < THREADS; i++) {
        fds[i] = net_connect(&address);
        assert_true(echoed(fds[i], "before"));
    }
    evloop *first = evloop_group_loop(group, 0);
    assert_int_equal(evloop_post(first, close_listener, evloop_group_listener(group, 0)), 0);
    close(fds[0]);
    wait_until(workers[0].ended == 1);
    for (unsigned i = 1; i < THREADS; i++) {
        assert_true(echoed(fds[i], "after"));
        close(fds[i]);
    }
    assert_int_equal(evloop_group_join(group), 0);
}

static void in_a_child(void *arg)
{
    check(evloop_group_shutdown(arg, 0) == -ECHILD);
    check(evloop_group_join(arg) == -ECHILD);
}

TEST(a_forked_child_cannot_touch_the_group)
{
    evloop_group *group = group_new("127.0.0.1:0", true);
    assert_true(child_succeeds(in_a_child, group));
    group_end(group);
}

/* ---- load ------------------------------------------------------------------------------------ */

struct client {
    pthread_t thread;
    evloop_address address;
    size_t visits;
    unsigned served; /* the connection was there until the client left */
};

static void *client_main(void *arg)
{
    struct client *client = arg;
    for (size_t i = 0; i < client->visits; i++) {
        int fd = net_socket(client->address.of.any.sa_family, SOCK_STREAM);
        bool served = connect(fd, &client->address.of.any, client->address.size) == 0;
        for (int j = 0; served && j < 3; j++)
            served = echoed(fd, "a message");
        client->served += served;
        close(fd);
    }
    return NULL;
}

static void clients_start(struct client *clients, const evloop_address *address, size_t visits)
{
    for (unsigned i = 0; i < THREADS; i++) {
        clients[i] = (struct client){.address = *address, .visits = visits};
        thread_start(&clients[i].thread, client_main, &clients[i]);
    }
}

static unsigned clients_join(struct client *clients)
{
    unsigned served = 0;
    for (unsigned i = 0; i < THREADS; i++) {
        thread_join(clients[i].thread);
        served += clients[i].served;
    }
    return served;
}

static void serve_under_load(bool hand_over)
{
    struct client clients[THREADS];
    evloop_group *group = group_new("127.0.0.1:0", hand_over);
    evloop_address address = local_of(group);
    size_t visits = scaled(400);
    clients_start(clients, &address, visits);
    assert_int_equal(clients_join(clients), THREADS * visits);
    assert_int_equal(connections(), THREADS * visits);
    group_end(group);
}

TEST(every_loop_listening_serves_all_of_many_clients)
{
    serve_under_load(false);
}

TEST(handing_over_serves_all_of_many_clients)
{
    serve_under_load(true);
}

/* Connections that the kernel still held are reset; those are not counted. What a ring accepted is
 * counted by who got it. */
TEST(a_shutdown_loses_no_connection_that_was_accepted)
{
    for (int round = 0; round < 20; round++) {
        struct client clients[THREADS];
        kernel_accepted = 0;
        evloop_group *group = group_new("127.0.0.1:0", round % 4 != 0);
        bool counted = kernel_counts(evloop_group_loop(group, 0));
        evloop_address address = local_of(group);
        clients_start(clients, &address, 40);
        wait_until(connections() >= (unsigned)round * 5);
        assert_int_equal(evloop_group_shutdown(group, EVLOOP_FOREVER), 0);
        assert_int_equal(evloop_group_join(group), 0);
        unsigned served = clients_join(clients);
        if (counted)
            assert_int_equal(connections(), kernel_accepted);
        assert_int_equal(served, connections());
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_ENTRY(every_connection_is_served_by_the_thread_of_its_loop),
        TEST_ENTRY(a_group_listens_at_an_address_of_version_6_as_well),
        TEST_ENTRY(connections_are_handed_over_in_rotation),
        TEST_ENTRY(connections_of_a_unix_socket_are_always_handed_over),
        TEST_ENTRY(every_loop_of_a_group_listens_at_one_address),
        TEST_ENTRY(without_a_number_there_is_a_loop_for_each_processor_that_may_be_used),
        TEST_ENTRY(a_group_that_does_not_listen_runs_until_its_shutdown),
        TEST_ENTRY(signals_do_not_reach_the_threads_of_a_group),
        TEST_ENTRY(an_init_that_fails_undoes_everything),
        TEST_ENTRY(an_address_that_is_in_use_is_refused_even_if_it_could_be_shared),
        TEST_ENTRY(groups_share_an_address_if_they_are_told_to),
        TEST_ENTRY(a_group_that_gets_no_memory_leaves_nothing),
        TEST_ENTRY(a_group_that_gets_no_descriptors_leaves_nothing),
        TEST_ENTRY(arguments_that_make_no_sense_are_refused),
        TEST_ENTRY(what_was_accepted_is_served_to_its_end),
        TEST_ENTRY(who_stays_beyond_the_deadline_is_closed),
        TEST_ENTRY(a_callback_can_end_its_group_and_cannot_wait_for_it),
        TEST_ENTRY(a_loop_that_is_stopped_gets_no_more_connections),
        TEST_ENTRY(a_loop_that_is_stuck_holds_up_its_own_connections_only),
        TEST_ENTRY(a_loop_that_cannot_go_on_ends_the_group_and_says_why),
        TEST_ENTRY(a_group_whose_accepting_loop_has_ended_ends_when_all_is_served),
        TEST_ENTRY(a_forked_child_cannot_touch_the_group),
        TEST_ENTRY(every_loop_listening_serves_all_of_many_clients),
        TEST_ENTRY(handing_over_serves_all_of_many_clients),
        TEST_ENTRY(a_shutdown_loses_no_connection_that_was_accepted),
    };
    return RUN_TESTS("group", tests);
}
