/*
 * pipe.c: pipes to children; the standard descriptors as streams, whatever they are; what becomes
 * of a descriptor that others share.
 */
#include "net.h"
#include "system.h"
#include "taker.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

static bool blocks(int fd)
{
    return !(fcntl(fd, F_GETFL) & O_NONBLOCK);
}

/* Puts a descriptor, which is taken over, in the place of a standard one for a while. */
struct standard {
    int number;
    int saved;
};

static struct standard standard_put(int number, int fd)
{
    struct standard place = {number, fcntl(number, F_DUPFD_CLOEXEC, 3)};
    check(place.saved >= 0);
    check(dup2(fd, number) == number);
    close(fd);
    return place;
}

static void standard_restore(const struct standard *place)
{
    check(dup2(place->saved, place->number) == place->number);
    close(place->saved);
}

static int file_with(const char *text)
{
    FILE *file = tmpfile();
    check(file);
    int fd = fcntl(fileno(file), F_DUPFD_CLOEXEC, 0);
    check(fclose(file) == 0);
    check(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    check(lseek(fd, 0, SEEK_SET) == 0);
    return fd;
}

static void blocking_pipe(int fds[2])
{
    check(pipe(fds) == 0);
    for (int i = 0; i < 2; i++)
        check(fcntl(fds[i], F_SETFD, FD_CLOEXEC) == 0);
}

/* ---- pipes ----------------------------------------------------------------------------------- */

static void echo(void *arg)
{
    const int *ends = arg;
    char text[64];
    ssize_t n;
    check(dup2(ends[0], STDIN_FILENO) == STDIN_FILENO);
    check(dup2(ends[1], STDOUT_FILENO) == STDOUT_FILENO);
    for (int fd = 3; fd < 64; fd++) /* as exec would */
        if (fcntl(fd, F_GETFD) & FD_CLOEXEC)
            close(fd);
    while ((n = read(STDIN_FILENO, text, sizeof text)) > 0)
        check(write(STDOUT_FILENO, text, (size_t)n) == n);
    check(n == 0);
}

static pid_t start_child(void (*fn)(void *), void *arg)
{
    pid_t child = fork();
    check(child >= 0);
    if (child == 0) {
        fn(arg);
        _exit(0);
    }
    return child;
}

static void await_child(pid_t child)
{
    int status = -1;
    check(waitpid(child, &status, 0) == child);
    check(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

TEST(a_child_reads_what_is_written_and_writes_what_is_read)
{
    evloop *loop = loop_new();
    evloop_stream to = {0};
    struct taker from = {0};
    int ends[2] = {-1, -1};
    assert_int_equal(evloop_pipe_to(loop, &to, &ends[0]), 0);
    assert_int_equal(evloop_pipe_from(loop, &from.stream, &ends[1]), 0);
    pid_t child = start_child(echo, ends);
    fds_close(ends);
    taker_start(&from);
    assert_int_equal(evloop_stream_send(&to, "hello", 5), 0);
    taker_await(loop, &from, 5);
    assert_string_equal(from.text, "hello");
    stream_end(loop, &to);
    taker_await_end(loop, &from);
    assert_int_equal(from.ended, EVLOOP_EOF);
    await_child(child);
    stream_end(loop, &from.stream);
    loop_end(loop);
}

TEST(the_childs_end_blocks_and_is_inherited_by_no_other_child)
{
    evloop *loop = loop_new();
    evloop_stream to = {0}, from = {0};
    int ends[2] = {-1, -1};
    assert_int_equal(evloop_pipe_to(loop, &to, &ends[0]), 0);
    assert_int_equal(evloop_pipe_from(loop, &from, &ends[1]), 0);
    for (int i = 0; i < 2; i++) {
        assert_true(blocks(ends[i]));
        assert_true(fcntl(ends[i], F_GETFD) & FD_CLOEXEC);
    }
    assert_false(blocks(evloop_stream_fd(&to)));
    assert_false(blocks(evloop_stream_fd(&from)));
    assert_true(fcntl(evloop_stream_fd(&to), F_GETFD) & FD_CLOEXEC);
    assert_true(fcntl(evloop_stream_fd(&from), F_GETFD) & FD_CLOEXEC);
    stream_end(loop, &to);
    stream_end(loop, &from);
    loop_end(loop);
    fds_close(ends);
}

TEST(a_pipe_that_is_refused_leaves_nothing)
{
    evloop *loop = loop_new();
    evloop_stream stream = {0};
    int end = 7;
    assert_int_equal(evloop_pipe_to(loop, &stream, NULL), -EINVAL);
    assert_int_equal(evloop_pipe_to(loop, NULL, &end), -EINVAL);
    assert_int_equal(evloop_pipe_to(NULL, &stream, &end), -EINVAL);
    heap_fail_in(&test_heap, HEAP_FAIL_ALL);
    assert_int_equal(evloop_pipe_from(loop, &stream, &end), -ENOMEM);
    heap_fail_in(&test_heap, 0);
    assert_int_equal(end, 7);
    assert_false(evloop_stream_active(&stream));
    assert_int_equal(evloop_pipe_from(loop, &stream, &end), 0);
    int busy = 7;
    assert_int_equal(evloop_pipe_from(loop, &stream, &busy), -EBUSY);
    assert_int_equal(busy, 7);
    stream_end(loop, &stream);
    loop_end(loop);
    close(end);
}

TEST(a_writer_learns_that_the_reader_is_gone)
{
    evloop *loop = loop_new();
    evloop_stream to = {0};
    int end = -1;
    assert_int_equal(evloop_pipe_to(loop, &to, &end), 0);
    close(end);
    assert_int_equal(evloop_stream_send(&to, "x", 1), 0);
    loop_turn(loop);
    assert_int_equal(evloop_stream_error(&to), -EPIPE);
    stream_end(loop, &to);
    loop_end(loop);
}

static void on_watermark(evloop_stream *stream, bool full)
{
    trace(full ? 'f' : evloop_stream_error(stream) ? 'e' : 'r');
}

/* It has no other callback that could tell. */
TEST(a_writer_that_waits_for_room_learns_that_the_reader_is_gone)
{
    static const char text[200 * 1024];
    evloop *loop = loop_new();
    evloop_stream to = {0};
    int end = -1;
    assert_int_equal(evloop_pipe_to(loop, &to, &end), 0);
    assert_int_equal(evloop_stream_set_watermarks(&to, 1, 1000, on_watermark), 0);
    assert_int_equal(evloop_stream_send(&to, text, sizeof text), 0);
    loop_turn(loop);
    assert_trace("f");
    close(end);
    loop_turn(loop);
    assert_trace("e");
    assert_int_equal(evloop_stream_send(&to, "x", 1), -EPIPE);
    stream_end(loop, &to);
    loop_end(loop);
}

/* ---- the standard descriptors ---------------------------------------------------------------- */

static void read_standard_input(const char *expected, int fd)
{
    evloop *loop = loop_new();
    struct taker taker = {0};
    struct standard place = standard_put(STDIN_FILENO, fd);
    assert_int_equal(evloop_stdin_open(loop, &taker.stream), 0);
    taker_start(&taker);
    taker_await_end(loop, &taker);
    assert_string_equal(taker.text, expected);
    assert_int_equal(taker.ended, EVLOOP_EOF);
    stream_end(loop, &taker.stream);
    assert_true(fcntl(STDIN_FILENO, F_GETFD) >= 0);
    assert_true(blocks(STDIN_FILENO));
    standard_restore(&place);
    loop_end(loop);
}

TEST(standard_input_may_be_a_file)
{
    read_standard_input("a file's text", file_with("a file's text"));
}

TEST(standard_input_may_be_an_empty_file)
{
    read_standard_input("", file_with(""));
}

TEST(standard_input_may_be_nothing)
{
    read_standard_input("", open("/dev/null", O_RDONLY | O_CLOEXEC));
}

/* Whose writer has gone before: there is no event that could still come. */
TEST(standard_input_may_be_a_pipe)
{
    int fds[2];
    blocking_pipe(fds);
    assert_int_equal(write(fds[1], "piped", 5), 5);
    close(fds[1]);
    read_standard_input("piped", fds[0]);
}

TEST(standard_input_may_be_a_named_pipe)
{
    char place[PLACE_SIZE];
    char name[PLACE_SIZE + 8];
    place_make(place);
    snprintf(name, sizeof name, "%s/pipe", place);
    assert_int_equal(mkfifo(name, 0600), 0);
    int in = open(name, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    int out = open(name, O_WRONLY | O_CLOEXEC);
    check(in >= 0 && out >= 0 && fcntl(in, F_SETFL, 0) == 0);
    unlink(name);
    place_remove(place);
    assert_int_equal(write(out, "named", 5), 5);
    close(out);
    read_standard_input("named", in);
}

TEST(standard_input_may_be_a_socket)
{
    int fds[2];
    net_pair(AF_UNIX, fds);
    assert_int_equal(write(fds[1], "sent", 4), 4);
    close(fds[1]);
    read_standard_input("sent", fds[0]);
}

TEST(a_file_is_read_from_where_it_stands_and_written_to_where_it_stands)
{
    evloop *loop = loop_new();
    evloop_stream stream = {0};
    char text[16] = "";
    int fd = file_with("0123456789");
    struct standard place = standard_put(STDOUT_FILENO, fcntl(fd, F_DUPFD_CLOEXEC, 0));
    check(lseek(fd, 4, SEEK_SET) == 4);
    int err = evloop_stdout_open(loop, &stream);
    if (!err)
        err = evloop_stream_send(&stream, "xyz", 3);
    int closed = evloop_stream_close_gracefully(&stream, EVLOOP_FOREVER, NULL);
    int ran = evloop_run(loop, EVLOOP_RUN_DEFAULT);
    standard_restore(&place); /* nothing is asserted before, so that it can be seen */
    assert_int_equal(err, 0);
    assert_int_equal(closed, 0);
    assert_int_equal(ran, 0);
    assert_int_equal(pread(fd, text, sizeof text, 0), 10);
    assert_string_equal(text, "0123xyz789");
    assert_int_equal(lseek(fd, 0, SEEK_CUR), 7);
    close(fd);
    loop_end(loop);
}

TEST(standard_error_is_a_stream_too)
{
    int fds[2];
    char text[8] = "";
    evloop *loop = loop_new();
    evloop_stream stream = {0};
    blocking_pipe(fds);
    struct standard place = standard_put(STDERR_FILENO, fds[1]);
    int err = evloop_stderr_open(loop, &stream);
    if (!err)
        err = evloop_stream_send(&stream, "oops", 4);
    int closed = evloop_stream_close_gracefully(&stream, EVLOOP_FOREVER, NULL);
    int ran = evloop_run(loop, EVLOOP_RUN_DEFAULT);
    standard_restore(&place);
    assert_int_equal(err, 0);
    assert_int_equal(closed, 0);
    assert_int_equal(ran, 0);
    assert_int_equal(read(fds[0], text, sizeof text), 4);
    assert_string_equal(text, "oops");
    close(fds[0]);
    loop_end(loop);
}

static void without_standard_input(void *arg)
{
    evloop_stream stream = {0};
    check(evloop_after_fork(arg) == 0);
    close(STDIN_FILENO);
    check(evloop_stdin_open(arg, &stream) == -EBADF);
    check(!evloop_stream_active(&stream));
}

TEST(a_standard_descriptor_that_is_closed_is_refused)
{
    evloop *loop = loop_new();
    evloop_stream stream = {0};
    assert_int_equal(evloop_stdin_open(NULL, &stream), -EINVAL);
    assert_int_equal(evloop_stdin_open(loop, NULL), -EINVAL);
    assert_true(child_succeeds(without_standard_input, loop));
    loop_end(loop);
}

/* ---- descriptors that others share ----------------------------------------------------------- */

TEST(a_pipe_that_is_shared_stays_blocking_for_the_others)
{
    int fds[2];
    evloop *loop = loop_new();
    struct taker taker = {0};
    blocking_pipe(fds);
    struct standard place = standard_put(STDIN_FILENO, fcntl(fds[0], F_DUPFD_CLOEXEC, 0));
    assert_int_equal(evloop_stdin_open(loop, &taker.stream), 0);
    assert_true(blocks(STDIN_FILENO));
    assert_true(blocks(fds[0]));
    assert_false(blocks(evloop_stream_fd(&taker.stream)));
    taker_start(&taker);
    assert_int_equal(write(fds[1], "x", 1), 1);
    taker_await(loop, &taker, 1);
    assert_string_equal(taker.text, "x");
    stream_end(loop, &taker.stream);
    standard_restore(&place);
    loop_end(loop);
    fds_close(fds);
}

/* A socket has one description, whatever one does. */
TEST(a_socket_that_is_shared_blocks_again_when_the_stream_is_closed)
{
    int fds[2];
    evloop *loop = loop_new();
    evloop_stream stream = {0};
    net_pair(AF_UNIX, fds);
    int duplicate = fcntl(fds[0], F_DUPFD_CLOEXEC, 0);
    assert_int_equal(evloop_stream_open(loop, &stream, duplicate), 0);
    assert_false(blocks(fds[0]));
    stream_end(loop, &stream);
    assert_true(blocks(fds[0]));
    loop_end(loop);
    fds_close(fds);
}

TEST(a_descriptor_that_did_not_block_is_left_so)
{
    int fds[2];
    evloop *loop = loop_new();
    evloop_stream stream = {0};
    pair_open(fds);
    int duplicate = fcntl(fds[0], F_DUPFD_CLOEXEC, 0);
    assert_int_equal(evloop_stream_open(loop, &stream, duplicate), 0);
    stream_end(loop, &stream);
    assert_false(blocks(fds[0]));
    loop_end(loop);
    fds_close(fds);
}

TEST(a_descriptor_that_is_released_does_not_block)
{
    int fds[2];
    evloop *loop = loop_new();
    evloop_stream stream = {0};
    net_pair(AF_UNIX, fds);
    assert_int_equal(evloop_stream_open(loop, &stream, fds[0]), 0);
    assert_int_equal(evloop_stream_release(&stream), fds[0]);
    assert_false(blocks(fds[0]));
    evloop_tty_restore();
    assert_false(blocks(fds[0]));
    loop_end(loop);
    fds_close(fds);
}

/* Here, since what a process leaves behind at its end is no leak. */
static evloop *child_loop;
static evloop_stream child_stream;

static void leave_open(void *arg)
{
    int fd = fcntl(*(int *)arg, F_DUPFD_CLOEXEC, 0);
    check(evloop_create(&child_loop, NULL) == 0);
    check(evloop_stream_open(child_loop, &child_stream, fd) == 0);
    check(!blocks(*(int *)arg));
    exit(0);
}

TEST(a_process_that_exits_leaves_what_is_shared_blocking)
{
    int fds[2];
    net_pair(AF_UNIX, fds);
    assert_true(child_succeeds(leave_open, &fds[0]));
    assert_true(blocks(fds[0]));
    fds_close(fds);
}

static void reuse_the_number(void *arg)
{
    int *fds = arg;
    int fd = fcntl(fds[0], F_DUPFD_CLOEXEC, 0);
    check(evloop_create(&child_loop, NULL) == 0);
    check(evloop_stream_open(child_loop, &child_stream, fd) == 0);
    check(dup2(fds[1], fd) == fd); /* behind the stream's back */
    exit(0);
}

TEST(what_has_taken_the_number_over_is_left_alone_at_exit)
{
    int one[2], other[2];
    net_pair(AF_UNIX, one);
    pair_open(other);
    int fds[2] = {one[0], other[0]};
    assert_true(child_succeeds(reuse_the_number, fds));
    assert_false(blocks(other[0]));
    fds_close(one);
    fds_close(other);
}

static void watched(evloop_watch *watch, unsigned events)
{
    (void)watch;
    (void)events;
    trace('w');
}

TEST(a_descriptor_with_a_watch_is_refused_and_the_watch_goes_on)
{
    int fds[2];
    evloop *loop = loop_new();
    evloop_stream stream = {0};
    evloop_watch watch = {0};
    blocking_pipe(fds);
    assert_int_equal(evloop_watch_start(loop, &watch, fds[0], EVLOOP_READABLE, watched), 0);
    assert_int_equal(evloop_stream_open(loop, &stream, fds[0]), -EEXIST);
    assert_true(blocks(fds[0]));
    assert_int_equal(write(fds[1], "x", 1), 1);
    loop_turn(loop);
    assert_trace("w");
    assert_int_equal(evloop_watch_stop(&watch), 0);
    loop_end(loop);
    fds_close(fds);
}

TEST(without_memory_a_descriptor_stays_as_it_was)
{
    int fds[2];
    evloop *loop = loop_new();
    evloop_stream stream = {0};
    bool refused = true;
    net_pair(AF_UNIX, fds);
    for (size_t nth = 1; refused; nth++) {
        heap_fail_in(&test_heap, nth);
        refused = evloop_stream_open(loop, &stream, fds[0]) != 0;
        assert_int_equal(blocks(fds[0]), refused);
        assert_int_equal(evloop_stream_active(&stream), !refused);
    }
    heap_fail_in(&test_heap, 0);
    stream_end(loop, &stream);
    loop_end(loop);
    close(fds[1]);
}

/* A read of one packet is short, and there are others. */
TEST(a_pipe_of_packets_brings_them_all)
{
    int fds[2];
    struct taker taker = {0};
    if (!system_packet_pipe(fds))
        skip();
    evloop *loop = loop_new();
    for (int i = 0; i < 3; i++)
        check(write(fds[1], "packet", 6) == 6);
    assert_int_equal(evloop_stream_open(loop, &taker.stream, fds[0]), 0);
    taker_start(&taker);
    taker_await(loop, &taker, 3 * 6);
    assert_int_equal(taker.reads, 3);
    close(fds[1]);
    taker_await_end(loop, &taker);
    stream_end(loop, &taker.stream);
    loop_end(loop);
}

TEST(what_cannot_be_a_stream_is_refused)
{
    evloop *loop = loop_new();
    evloop_stream stream = {0};
    int datagrams = net_socket(AF_INET, SOCK_DGRAM);
    int directory = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int listener = net_socket(AF_INET, SOCK_STREAM);
    check(datagrams >= 0 && directory >= 0 && listener >= 0 && listen(listener, 1) == 0);
    assert_int_equal(evloop_stream_open(loop, &stream, datagrams), -EINVAL);
    assert_int_equal(evloop_stream_open(loop, &stream, listener), -EINVAL);
    assert_int_equal(evloop_stream_open(loop, &stream, directory), -EISDIR);
    assert_int_equal(evloop_stream_open(loop, &stream, -1), -EBADF);
    assert_false(evloop_stream_active(&stream));
    assert_true(blocks(datagrams) && blocks(listener));
    close(datagrams);
    close(directory);
    close(listener);
    loop_end(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_ENTRY(a_child_reads_what_is_written_and_writes_what_is_read),
        TEST_ENTRY(the_childs_end_blocks_and_is_inherited_by_no_other_child),
        TEST_ENTRY(a_pipe_that_is_refused_leaves_nothing),
        TEST_ENTRY(a_writer_learns_that_the_reader_is_gone),
        TEST_ENTRY(a_writer_that_waits_for_room_learns_that_the_reader_is_gone),
        TEST_ENTRY(standard_input_may_be_a_file),
        TEST_ENTRY(standard_input_may_be_an_empty_file),
        TEST_ENTRY(standard_input_may_be_nothing),
        TEST_ENTRY(standard_input_may_be_a_pipe),
        TEST_ENTRY(standard_input_may_be_a_named_pipe),
        TEST_ENTRY(standard_input_may_be_a_socket),
        TEST_ENTRY(a_file_is_read_from_where_it_stands_and_written_to_where_it_stands),
        TEST_ENTRY(standard_error_is_a_stream_too),
        TEST_ENTRY(a_standard_descriptor_that_is_closed_is_refused),
        TEST_ENTRY(a_pipe_that_is_shared_stays_blocking_for_the_others),
        TEST_ENTRY(a_socket_that_is_shared_blocks_again_when_the_stream_is_closed),
        TEST_ENTRY(a_descriptor_that_did_not_block_is_left_so),
        TEST_ENTRY(a_descriptor_that_is_released_does_not_block),
        TEST_ENTRY(a_process_that_exits_leaves_what_is_shared_blocking),
        TEST_ENTRY(what_has_taken_the_number_over_is_left_alone_at_exit),
        TEST_ENTRY(a_descriptor_with_a_watch_is_refused_and_the_watch_goes_on),
        TEST_ENTRY(without_memory_a_descriptor_stays_as_it_was),
        TEST_ENTRY(a_pipe_of_packets_brings_them_all),
        TEST_ENTRY(what_cannot_be_a_stream_is_refused),
    };
    return RUN_TESTS("pipe", tests);
}
