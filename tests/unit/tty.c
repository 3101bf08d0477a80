/*
 * tty.c: streams on terminals: modes, what comes in them, the size; who puts a mode back, and when.
 * The terminals are pairs: what one types at the master comes in at the stream.
 */
#include "taker.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>

struct terminal {
    int master; /* the side of keyboard and screen */
    int slave;
};

static struct terminal terminal_new(void)
{
    struct terminal terminal;
    terminal.master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    check(terminal.master >= 0);
    check(grantpt(terminal.master) == 0 && unlockpt(terminal.master) == 0);
    terminal.slave = open(ptsname(terminal.master), O_RDWR | O_NOCTTY | O_CLOEXEC);
    check(terminal.slave >= 0);
    return terminal;
}

static void terminal_end(struct terminal *terminal)
{
    close(terminal->master);
    close(terminal->slave);
}

static void type(const struct terminal *terminal, const char *text)
{
    check(write(terminal->master, text, strlen(text)) == (ssize_t)strlen(text));
}

/* A stream on a duplicate, which goes with it. */
static void open_stream(evloop *loop, evloop_stream *stream, const struct terminal *terminal)
{
    int fd = fcntl(terminal->slave, F_DUPFD_CLOEXEC, 0);
    check(fd >= 0);
    assert_int_equal(evloop_stream_open(loop, stream, fd), 0);
    assert_int_equal(evloop_stream_fd(stream), fd);
    assert_true(evloop_tty_is(stream));
}

static struct termios mode_of(int fd)
{
    struct termios mode;
    memset(&mode, 0, sizeof mode);
    check(tcgetattr(fd, &mode) == 0);
    return mode;
}

static bool same_mode(const struct termios *one, const struct termios *other)
{
    return one->c_iflag == other->c_iflag && one->c_oflag == other->c_oflag &&
           one->c_cflag == other->c_cflag && one->c_lflag == other->c_lflag &&
           memcmp(one->c_cc, other->c_cc, sizeof one->c_cc) == 0;
}

static bool has_mode(const struct terminal *terminal, const struct termios *mode)
{
    struct termios now = mode_of(terminal->slave);
    return same_mode(&now, mode);
}

static bool is_raw(const struct terminal *terminal)
{
    return !(mode_of(terminal->slave).c_lflag & (ICANON | ISIG | ECHO));
}

/* ---- what comes, and goes -------------------------------------------------------------------- */

TEST(a_terminal_gives_every_line_that_was_typed)
{
    evloop *loop = loop_new();
    struct terminal terminal = terminal_new();
    struct taker taker = {0};
    open_stream(loop, &taker.stream, &terminal);
    taker_start(&taker);
    type(&terminal, "one\ntwo\nthree\n");
    taker_await(loop, &taker, 14);
    assert_string_equal(taker.text, "one\ntwo\nthree\n");
    assert_int_equal(taker.reads, 3);
    type(&terminal, "\4"); /* ^D */
    taker_await_end(loop, &taker);
    assert_int_equal(taker.ended, EVLOOP_EOF);
    stream_end(loop, &taker.stream);
    loop_end(loop);
    terminal_end(&terminal);
}

TEST(raw_bytes_come_as_they_are_and_are_not_echoed)
{
    evloop *loop = loop_new();
    struct terminal terminal = terminal_new();
    struct taker taker = {0};
    char byte;
    open_stream(loop, &taker.stream, &terminal);
    assert_int_equal(evloop_tty_set_mode(&taker.stream, EVLOOP_TTY_RAW), 0);
    taker_start(&taker);
    type(&terminal, "a\3\4\r\x11\x7f\xff");
    taker_await(loop, &taker, 7);
    assert_memory_equal(taker.text, "a\3\4\r\x11\x7f\xff", 7);
    fd_nonblocking(terminal.master);
    assert_int_equal(read(terminal.master, &byte, 1), -1);
    stream_end(loop, &taker.stream);
    loop_end(loop);
    terminal_end(&terminal);
}

TEST(in_cbreak_mode_every_key_comes_and_output_looks_as_usual)
{
    evloop *loop = loop_new();
    struct terminal terminal = terminal_new();
    struct taker taker = {0};
    char screen[8] = "";
    open_stream(loop, &taker.stream, &terminal);
    assert_int_equal(evloop_tty_set_mode(&taker.stream, EVLOOP_TTY_CBREAK), 0);
    assert_true(mode_of(terminal.slave).c_lflag & ISIG);
    taker_start(&taker);
    type(&terminal, "k");
    taker_await(loop, &taker, 1);
    assert_string_equal(taker.text, "k");
    assert_int_equal(evloop_stream_send(&taker.stream, "\n", 1), 0);
    loop_turn(loop);
    assert_int_equal(read(terminal.master, screen, sizeof screen), 2);
    assert_memory_equal(screen, "\r\n", 2);
    stream_end(loop, &taker.stream);
    loop_end(loop);
    terminal_end(&terminal);
}

TEST(output_waits_for_a_terminal_that_takes_no_more)
{
    enum { SIZE = 64 * 1024 };
    static char text[SIZE], screen[SIZE];
    evloop *loop = loop_new();
    struct terminal terminal = terminal_new();
    evloop_stream stream = {0};
    size_t seen = 0;
    open_stream(loop, &stream, &terminal);
    assert_int_equal(evloop_tty_set_mode(&stream, EVLOOP_TTY_RAW), 0);
    for (size_t i = 0; i < SIZE; i++)
        text[i] = (char)('a' + i % 23);
    assert_int_equal(evloop_stream_send(&stream, text, SIZE), 0);
    loop_turn(loop);
    assert_true(evloop_stream_queued(&stream) > 0);
    fd_nonblocking(terminal.master);
    while (seen < SIZE) {
        ssize_t n = read(terminal.master, screen + seen, SIZE - seen);
        seen += n > 0 ? (size_t)n : 0;
        loop_turn(loop);
    }
    assert_memory_equal(screen, text, SIZE);
    assert_int_equal(evloop_stream_queued(&stream), 0);
    stream_end(loop, &stream);
    loop_end(loop);
    terminal_end(&terminal);
}

TEST(the_size_is_that_of_the_window)
{
    evloop *loop = loop_new();
    struct terminal terminal = terminal_new();
    struct winsize size = {.ws_col = 132, .ws_row = 43};
    evloop_stream stream = {0};
    unsigned columns = 1, rows = 1;
    open_stream(loop, &stream, &terminal);
    assert_int_equal(evloop_tty_size(&stream, &columns, &rows), 0);
    assert_int_equal(columns, 0);
    assert_int_equal(rows, 0);
    assert_int_equal(ioctl(terminal.master, TIOCSWINSZ, &size), 0);
    assert_int_equal(evloop_tty_size(&stream, &columns, &rows), 0);
    assert_int_equal(columns, 132);
    assert_int_equal(rows, 43);
    stream_end(loop, &stream);
    loop_end(loop);
    terminal_end(&terminal);
}

TEST(the_terminal_of_others_stays_blocking)
{
    evloop *loop = loop_new();
    struct terminal terminal = terminal_new();
    evloop_stream stream = {0};
    open_stream(loop, &stream, &terminal);
    assert_false(fcntl(terminal.slave, F_GETFL) & O_NONBLOCK);
    assert_true(fcntl(evloop_stream_fd(&stream), F_GETFL) & O_NONBLOCK);
    assert_true(fcntl(evloop_stream_fd(&stream), F_GETFD) & FD_CLOEXEC);
    stream_end(loop, &stream);
    loop_end(loop);
    terminal_end(&terminal);
}

TEST(the_side_of_keyboard_and_screen_stays_the_same_terminal)
{
    evloop *loop = loop_new();
    struct terminal terminal = terminal_new();
    struct taker taker = {0};
    int master = fcntl(terminal.master, F_DUPFD_CLOEXEC, 0);
    assert_int_equal(evloop_stream_open(loop, &taker.stream, master), 0);
    taker_start(&taker);
    assert_int_equal(write(terminal.slave, "x", 1), 1);
    taker_await(loop, &taker, 1);
    assert_string_equal(taker.text, "x");
    stream_end(loop, &taker.stream);
    assert_false(fcntl(terminal.master, F_GETFL) & O_NONBLOCK);
    loop_end(loop);
    terminal_end(&terminal);
}

/* ---- the mode comes back --------------------------------------------------------------------- */

TEST(closing_puts_the_mode_back)
{
    evloop *loop = loop_new();
    struct terminal terminal = terminal_new();
    struct termios before = mode_of(terminal.slave);
    evloop_stream stream = {0};
    open_stream(loop, &stream, &terminal);
    assert_int_equal(evloop_tty_set_mode(&stream, EVLOOP_TTY_CBREAK), 0);
    assert_int_equal(evloop_tty_set_mode(&stream, EVLOOP_TTY_RAW), 0);
    assert_true(is_raw(&terminal));
    stream_end(loop, &stream);
    assert_true(has_mode(&terminal, &before));
    loop_end(loop);
    terminal_end(&terminal);
}

TEST(a_mode_does_not_depend_on_the_one_before)
{
    evloop *loop = loop_new();
    struct terminal terminal = terminal_new();
    evloop_stream stream = {0};
    open_stream(loop, &stream, &terminal);
    assert_int_equal(evloop_tty_set_mode(&stream, EVLOOP_TTY_CBREAK), 0);
    struct termios cbreak = mode_of(terminal.slave);
    assert_int_equal(evloop_tty_set_mode(&stream, EVLOOP_TTY_RAW), 0);
    assert_int_equal(evloop_tty_set_mode(&stream, EVLOOP_TTY_CBREAK), 0);
    assert_true(has_mode(&terminal, &cbreak));
    stream_end(loop, &stream);
    loop_end(loop);
    terminal_end(&terminal);
}

TEST(normal_is_what_it_was_before)
{
    evloop *loop = loop_new();
    struct terminal terminal = terminal_new();
    struct termios before = mode_of(terminal.slave);
    evloop_stream stream = {0};
    before.c_lflag &= ~(tcflag_t)ECHO;
    check(tcsetattr(terminal.slave, TCSANOW, &before) == 0);
    open_stream(loop, &stream, &terminal);
    assert_int_equal(evloop_tty_set_mode(&stream, EVLOOP_TTY_RAW), 0);
    assert_int_equal(evloop_tty_set_mode(&stream, EVLOOP_TTY_NORMAL), 0);
    assert_true(has_mode(&terminal, &before));
    stream_end(loop, &stream);
    assert_true(has_mode(&terminal, &before));
    loop_end(loop);
    terminal_end(&terminal);
}

TEST(the_last_of_several_streams_puts_the_mode_back)
{
    evloop *loop = loop_new();
    struct terminal terminal = terminal_new();
    struct termios before = mode_of(terminal.slave);
    evloop_stream in = {0}, out = {0}, untouched = {0};
    open_stream(loop, &in, &terminal);
    open_stream(loop, &out, &terminal);
    open_stream(loop, &untouched, &terminal);
    assert_int_equal(evloop_tty_set_mode(&in, EVLOOP_TTY_RAW), 0);
    assert_int_equal(evloop_tty_set_mode(&out, EVLOOP_TTY_RAW), 0);
    stream_end(loop, &untouched);
    stream_end(loop, &in);
    assert_true(is_raw(&terminal));
    stream_end(loop, &out);
    assert_true(has_mode(&terminal, &before));
    loop_end(loop);
    terminal_end(&terminal);
}

TEST(releasing_the_descriptor_puts_the_mode_back)
{
    evloop *loop = loop_new();
    struct terminal terminal = terminal_new();
    struct termios before = mode_of(terminal.slave);
    evloop_stream stream = {0};
    open_stream(loop, &stream, &terminal);
    assert_int_equal(evloop_tty_set_mode(&stream, EVLOOP_TTY_RAW), 0);
    int fd = evloop_stream_release(&stream);
    assert_true(fd >= 0);
    assert_true(has_mode(&terminal, &before));
    close(fd);
    loop_end(loop);
    terminal_end(&terminal);
}

TEST(a_loop_that_is_destroyed_puts_the_mode_back)
{
    evloop *loop = loop_new();
    struct terminal terminal = terminal_new();
    struct termios before = mode_of(terminal.slave);
    evloop_stream stream = {0};
    open_stream(loop, &stream, &terminal);
    assert_int_equal(evloop_tty_set_mode(&stream, EVLOOP_TTY_RAW), 0);
    assert_int_equal(evloop_destroy(loop, EVLOOP_DESTROY_FORCE), 0);
    assert_true(has_mode(&terminal, &before));
    terminal_end(&terminal);
}

static evloop *child_loop; /* here, since what a process leaves behind at its end is no leak */
static evloop_stream child_stream;

static void set_raw(const struct terminal *terminal)
{
    int fd = fcntl(terminal->slave, F_DUPFD_CLOEXEC, 0);
    check(evloop_create(&child_loop, NULL) == 0);
    check(evloop_stream_open(child_loop, &child_stream, fd) == 0);
    check(evloop_tty_set_mode(&child_stream, EVLOOP_TTY_RAW) == 0);
    check(is_raw(terminal));
}

static void leave_raw(void *arg)
{
    set_raw(arg);
    exit(0);
}

TEST(a_process_that_exits_puts_the_mode_back)
{
    struct terminal terminal = terminal_new();
    struct termios before = mode_of(terminal.slave);
    assert_true(child_succeeds(leave_raw, &terminal));
    assert_true(has_mode(&terminal, &before));
    terminal_end(&terminal);
}

static void restore_and_die(int sig)
{
    (void)sig;
    evloop_tty_restore();
    _exit(0);
}

static void die_by_a_signal(void *arg)
{
    set_raw(arg);
    signal(SIGTERM, restore_and_die);
    raise(SIGTERM);
    check(false);
}

TEST(a_signal_handler_can_put_the_mode_back)
{
    struct terminal terminal = terminal_new();
    struct termios before = mode_of(terminal.slave);
    assert_true(child_succeeds(die_by_a_signal, &terminal));
    assert_true(has_mode(&terminal, &before));
    terminal_end(&terminal);
}

TEST(after_a_restore_the_mode_can_be_set_again)
{
    evloop *loop = loop_new();
    struct terminal terminal = terminal_new();
    struct termios before = mode_of(terminal.slave);
    evloop_stream stream = {0};
    open_stream(loop, &stream, &terminal);
    assert_int_equal(evloop_tty_set_mode(&stream, EVLOOP_TTY_RAW), 0);
    evloop_tty_restore();
    assert_true(has_mode(&terminal, &before));
    assert_int_equal(evloop_tty_set_mode(&stream, EVLOOP_TTY_RAW), 0);
    assert_true(is_raw(&terminal));
    stream_end(loop, &stream);
    assert_true(has_mode(&terminal, &before));
    loop_end(loop);
    terminal_end(&terminal);
}

static void just_exit(void *arg)
{
    evloop *loop = arg;
    check(evloop_after_fork(loop) == 0);
    check(evloop_destroy(loop, EVLOOP_DESTROY_FORCE) == 0);
    exit(0);
}

TEST(a_forked_child_leaves_the_parents_mode_alone)
{
    evloop *loop = loop_new();
    struct terminal terminal = terminal_new();
    struct termios before = mode_of(terminal.slave);
    evloop_stream stream = {0};
    open_stream(loop, &stream, &terminal);
    assert_int_equal(evloop_tty_set_mode(&stream, EVLOOP_TTY_RAW), 0);
    assert_true(child_succeeds(just_exit, loop));
    assert_true(is_raw(&terminal));
    stream_end(loop, &stream);
    assert_true(has_mode(&terminal, &before));
    loop_end(loop);
    terminal_end(&terminal);
}

/* ---- job control ----------------------------------------------------------------------------- */

/* In a session of its own, whose terminal this is: starts a job in a process group of its own. */
static pid_t start_job(const struct terminal *terminal, void (*job)(const struct terminal *))
{
    check(setsid() >= 0);
    check(ioctl(terminal->slave, TIOCSCTTY, 0) == 0);
    pid_t child = fork();
    check(child >= 0);
    if (child == 0) {
        check(setpgid(0, 0) == 0);
        job(terminal);
        _exit(0);
    }
    setpgid(child, child); /* whoever of the two comes first */
    signal(SIGTTOU, SIG_IGN);
    return child;
}

static void to_foreground(const struct terminal *terminal, pid_t group)
{
    check(tcsetpgrp(terminal->slave, group) == 0);
}

static void await_stop(pid_t child, int sig)
{
    int status;
    check(waitpid(child, &status, WUNTRACED) == child);
    check(WIFSTOPPED(status) && WSTOPSIG(status) == sig);
}

static void await_success(pid_t child)
{
    int status;
    check(waitpid(child, &status, 0) == child);
    check(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void stopped_when_it_sets_a_mode(void *arg)
{
    const struct terminal *terminal = arg;
    struct termios before = mode_of(terminal->slave);
    pid_t job = start_job(terminal, set_raw);
    await_stop(job, SIGTTOU);
    check(has_mode(terminal, &before));
    to_foreground(terminal, job);
    check(kill(job, SIGCONT) == 0);
    await_success(job);
}

TEST(who_sets_a_mode_in_the_background_is_stopped_until_it_has_the_foreground)
{
    if (under_valgrind()) /* which has signals pass through its own hands: nobody is stopped */
        skip();
    struct terminal terminal = terminal_new();
    assert_true(child_succeeds(stopped_when_it_sets_a_mode, &terminal));
    terminal_end(&terminal);
}

static void set_raw_stop_and_exit(const struct terminal *terminal)
{
    set_raw(terminal);
    raise(SIGSTOP);
    check(evloop_stream_close(&child_stream, NULL) == 0);
    check(evloop_run(child_loop, EVLOOP_RUN_DEFAULT) == 0);
    exit(0);
}

static void ends_in_the_background(void *arg)
{
    const struct terminal *terminal = arg;
    pid_t job = start_job(terminal, set_raw_stop_and_exit);
    await_stop(job, SIGTTOU);
    to_foreground(terminal, job);
    check(kill(job, SIGCONT) == 0);
    await_stop(job, SIGSTOP);
    to_foreground(terminal, getpgrp());
    struct termios mine = mode_of(terminal->slave);
    mine.c_lflag |= ICANON;
    check(tcsetattr(terminal->slave, TCSANOW, &mine) == 0);
    check(kill(job, SIGCONT) == 0);
    await_success(job);
    check(has_mode(terminal, &mine));
}

TEST(who_ends_in_the_background_leaves_the_terminal_to_the_foreground)
{
    if (under_valgrind()) /* which has signals pass through its own hands: nobody is stopped */
        skip();
    struct terminal terminal = terminal_new();
    assert_true(child_succeeds(ends_in_the_background, &terminal));
    terminal_end(&terminal);
}

/* ---- what is refused ------------------------------------------------------------------------- */

TEST(what_is_no_terminal_has_no_mode_and_no_size)
{
    evloop *loop = loop_new();
    evloop_stream stream = {0};
    int other_end = -1;
    unsigned columns = 7, rows = 7;
    assert_int_equal(evloop_tty_set_mode(&stream, EVLOOP_TTY_RAW), -ENOTCONN);
    assert_int_equal(evloop_tty_size(&stream, &columns, &rows), -ENOTCONN);
    assert_false(evloop_tty_is(&stream));
    assert_int_equal(evloop_pipe_from(loop, &stream, &other_end), 0);
    assert_int_equal(evloop_tty_set_mode(&stream, EVLOOP_TTY_RAW), -ENOTTY);
    assert_int_equal(evloop_tty_size(&stream, &columns, &rows), -ENOTTY);
    assert_false(evloop_tty_is(&stream));
    assert_int_equal(columns, 7);
    assert_int_equal(rows, 7);
    stream_end(loop, &stream);
    loop_end(loop);
    close(other_end);
}

TEST(arguments_that_make_no_sense_are_refused)
{
    evloop *loop = loop_new();
    struct terminal terminal = terminal_new();
    struct termios before = mode_of(terminal.slave);
    evloop_stream stream = {0};
    unsigned columns, rows;
    open_stream(loop, &stream, &terminal);
    assert_int_equal(evloop_tty_set_mode(NULL, EVLOOP_TTY_RAW), -EINVAL);
    assert_int_equal(evloop_tty_set_mode(&stream, (evloop_tty_mode)3), -EINVAL);
    assert_int_equal(evloop_tty_size(NULL, &columns, &rows), -EINVAL);
    assert_int_equal(evloop_tty_size(&stream, NULL, &rows), -EINVAL);
    assert_int_equal(evloop_tty_size(&stream, &columns, NULL), -EINVAL);
    assert_false(evloop_tty_is(NULL));
    assert_true(has_mode(&terminal, &before));
    stream_end(loop, &stream);
    loop_end(loop);
    terminal_end(&terminal);
}

TEST(without_memory_the_mode_stays_as_it_was)
{
    evloop *loop = loop_new();
    struct terminal terminal = terminal_new();
    struct termios before = mode_of(terminal.slave);
    evloop_stream stream = {0};
    open_stream(loop, &stream, &terminal);
    heap_fail_in(&test_heap, 1);
    assert_int_equal(evloop_tty_set_mode(&stream, EVLOOP_TTY_RAW), -ENOMEM);
    assert_true(has_mode(&terminal, &before));
    assert_int_equal(evloop_tty_set_mode(&stream, EVLOOP_TTY_RAW), 0);
    stream_end(loop, &stream);
    loop_end(loop);
    terminal_end(&terminal);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_ENTRY(a_terminal_gives_every_line_that_was_typed),
        TEST_ENTRY(raw_bytes_come_as_they_are_and_are_not_echoed),
        TEST_ENTRY(in_cbreak_mode_every_key_comes_and_output_looks_as_usual),
        TEST_ENTRY(output_waits_for_a_terminal_that_takes_no_more),
        TEST_ENTRY(the_size_is_that_of_the_window),
        TEST_ENTRY(the_terminal_of_others_stays_blocking),
        TEST_ENTRY(the_side_of_keyboard_and_screen_stays_the_same_terminal),
        TEST_ENTRY(closing_puts_the_mode_back),
        TEST_ENTRY(a_mode_does_not_depend_on_the_one_before),
        TEST_ENTRY(normal_is_what_it_was_before),
        TEST_ENTRY(the_last_of_several_streams_puts_the_mode_back),
        TEST_ENTRY(releasing_the_descriptor_puts_the_mode_back),
        TEST_ENTRY(a_loop_that_is_destroyed_puts_the_mode_back),
        TEST_ENTRY(a_process_that_exits_puts_the_mode_back),
        TEST_ENTRY(a_signal_handler_can_put_the_mode_back),
        TEST_ENTRY(after_a_restore_the_mode_can_be_set_again),
        TEST_ENTRY(a_forked_child_leaves_the_parents_mode_alone),
        TEST_ENTRY(who_sets_a_mode_in_the_background_is_stopped_until_it_has_the_foreground),
        TEST_ENTRY(who_ends_in_the_background_leaves_the_terminal_to_the_foreground),
        TEST_ENTRY(what_is_no_terminal_has_no_mode_and_no_size),
        TEST_ENTRY(arguments_that_make_no_sense_are_refused),
        TEST_ENTRY(without_memory_the_mode_stays_as_it_was),
    };
    return RUN_TESTS("tty", tests);
}
