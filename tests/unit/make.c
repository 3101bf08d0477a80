/*
 * make.c: descriptors that the library makes are close-on-exec for every child of a fork, whenever
 * that comes.
 */
#include "support.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "poller/descriptor.h"
#include "poller/socket.h"
#include "poller/transfer.h"

enum { MAKERS = 3, FORKS = 300, FDS = 256 };

static atomic_bool ended;
static atomic_uint rounds[MAKERS];
static bool open_before[FDS];

static void close_two(const int fds[2])
{
    check(close(fds[0]) == 0);
    check(close(fds[1]) == 0);
}

static void make_connection(int listener, const evloop_address *address)
{
    int fds[2] = {socket_open(AF_INET, SOCK_STREAM), -1};
    check(fds[0] >= 0);
    int err = transfer_connect(fds[0], &address->of.any, address->size);
    check(err == 0 || err == -EINPROGRESS);
    while ((fds[1] = transfer_accept(listener)) == -EAGAIN)
        sched_yield();
    check(fds[1] >= 0);
    close_two(fds);
}

static void pass_descriptor(const int pair[2])
{
    char byte = 'x';
    int received[FDS_AT_ONCE];
    int fd = pair[0];
    bool cut;
    struct iovec iov = {&byte, 1};
    struct received extra = {received, 0, false};
    struct evloop_outgoing outgoing = {
        .iov = &iov, .iov_count = 1, .file = -1, .fds = &fd, .fd_count = 1};
    check(transfer_send(pair[0], &outgoing) == 1);
    check(transfer_receive_fds(pair[1], &byte, 1, &extra, &cut) == 1);
    check(extra.fd_count == 1);
    check(fcntl(received[0], F_GETFD) == FD_CLOEXEC);
    check(close(received[0]) == 0);
}

static void *make(void *argument)
{
    atomic_uint *round = (atomic_uint *)argument;
    evloop_address address;
    check(evloop_address_parse(&address, "127.0.0.1:0") == 0);
    int listener = socket_open(AF_INET, SOCK_STREAM);
    check(socket_bind(listener, &address) == 0 && socket_listen(listener, 0) == 0);
    check(socket_local(listener, &address) == 0);
    while (!ended) {
        int fds[2];
        check(descriptor_pipe(fds, 1) == 0);
        close_two(fds);
        check(socket_pair(fds) == 0);
        pass_descriptor(fds);
        close_two(fds);
        make_connection(listener, &address);
        ++*round;
    }
    check(close(listener) == 0);
    return NULL;
}

/* In the child: how many descriptors would go on to another program. */
static int count_inherited(void)
{
    int count = 0;
    for (int fd = 0; fd < FDS; fd++) {
        int flags = fcntl(fd, F_GETFD);
        count += !open_before[fd] && flags >= 0 && !(flags & FD_CLOEXEC);
    }
    return count;
}

static int status_of(pid_t child)
{
    int status;
    if (child < 0 || waitpid(child, &status, 0) != child || !WIFEXITED(status))
        return -1;
    return WEXITSTATUS(status);
}

static void fork_once(void)
{
    pid_t child = fork();
    if (child == 0)
        _exit(count_inherited());
    assert_int_equal(status_of(child), 0);
}

TEST(no_fork_comes_between_the_making_of_a_descriptor_and_its_mark)
{
    pthread_t threads[MAKERS];
    ended = false;
    for (int fd = 0; fd < FDS; fd++)
        open_before[fd] = fcntl(fd, F_GETFD) >= 0;
    for (int i = 0; i < MAKERS; i++) {
        rounds[i] = 0;
        assert_int_equal(pthread_create(&threads[i], NULL, make, &rounds[i]), 0);
    }
    for (unsigned i = 0; i < scaled(FORKS); i++)
        fork_once();
    /* Nor does a fork keep them from their work for good. */
    for (int i = 0; i < MAKERS; i++) {
        unsigned before = rounds[i];
        while (rounds[i] == before)
            sched_yield();
    }
    ended = true;
    for (int i = 0; i < MAKERS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
}

static bool fork_makes;
static unsigned made_in_forks;

static void make_in_fork(void)
{
    int fds[2];
    if (!fork_makes)
        return;
    check(descriptor_pipe(fds, 0) == 0);
    close_two(fds);
    made_in_forks++;
}

/* They were there before the library's, and so come while that is at it. */
TEST(other_handlers_of_a_fork_may_make_descriptors)
{
    int fds[2];
    assert_int_equal(descriptor_pipe(fds, 0), 0);
    close_two(fds);
    fork_makes = true;
    made_in_forks = 0;
    pid_t child = fork();
    if (child == 0)
        _exit(0);
    fork_makes = false;
    assert_int_equal(status_of(child), 0);
    assert_int_equal(made_in_forks, 2);
}

/* It makes descriptors, and so does a child of its own. */
static int make_in_child(void)
{
    int fds[2];
    pid_t child = socket_pair(fds) == 0 ? fork() : -1;
    if (child == 0)
        _exit(descriptor_pipe(fds, 0) == 0 ? 0 : 1);
    return status_of(child) == 0 && descriptor_pipe(fds, 0) == 0 ? 0 : 1;
}

TEST(a_child_makes_descriptors_of_its_own)
{
    int fds[2];
    assert_int_equal(descriptor_pipe(fds, 0), 0);
    pid_t child = fork();
    if (child == 0)
        _exit(make_in_child());
    assert_int_equal(status_of(child), 0);
    close(fds[0]);
    close(fds[1]);
}

TEST(each_end_blocks_or_does_not_as_asked)
{
    for (int i = 0; i < 2; i++) {
        int fds[2];
        assert_int_equal(descriptor_pipe(fds, i), 0);
        assert_true(fcntl(fds[i], F_GETFL) & O_NONBLOCK);
        assert_false(fcntl(fds[1 - i], F_GETFL) & O_NONBLOCK);
        close(fds[0]);
        close(fds[1]);
    }
    int pair[2];
    assert_int_equal(socket_pair(pair), 0);
    assert_true(fcntl(pair[0], F_GETFL) & O_NONBLOCK);
    assert_false(fcntl(pair[1], F_GETFL) & O_NONBLOCK);
    close(pair[0]);
    close(pair[1]);
}

int main(void)
{
    check(pthread_atfork(make_in_fork, make_in_fork, make_in_fork) == 0);
    const struct CMUnitTest tests[] = {
        TEST_ENTRY(no_fork_comes_between_the_making_of_a_descriptor_and_its_mark),
        TEST_ENTRY(other_handlers_of_a_fork_may_make_descriptors),
        TEST_ENTRY(a_child_makes_descriptors_of_its_own),
        TEST_ENTRY(each_end_blocks_or_does_not_as_asked),
    };
    return RUN_TESTS("make", tests);
}
