/*
 * terminal_calls.c: every system call of terminals and pipes fails in turn, with every error that
 * its manual page lists: calls say so, nothing is leaked, bytes are not lost; and the terminal is
 * as it was in the end, unless what failed was the putting back.
 */
#include "sweep.h"

#include <fcntl.h>
#include <termios.h>

#define PATIENCE EVLOOP_SEC(20)

static struct {
    evloop *loop;
    evloop_timer patience;
    int master, slave, own; /* a terminal; own is to become the stream's */
    struct termios before;
    evloop_stream terminal, to, from;
    int read_end, write_end; /* of the pipes, which are not the library's */
    bool heard;              /* what was written to the pipe */
    unsigned told;
} all;

static bool tell(int err)
{
    if (err < 0)
        all.told++;
    return err >= 0;
}

static void on_impatience(evloop_timer *timer)
{
    (void)timer;
    fail_msg("the scene hangs");
}

static void open_scene(int over)
{
    (void)over;
    memset(&all, 0, sizeof all);
    all.read_end = all.write_end = -1;
    all.loop = loop_new();
    all.master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    assert_true(all.master >= 0);
    assert_int_equal(grantpt(all.master), 0);
    assert_int_equal(unlockpt(all.master), 0);
    all.slave = open(ptsname(all.master), O_RDWR | O_NOCTTY | O_CLOEXEC);
    assert_true(all.slave >= 0);
    all.own = fcntl(all.slave, F_DUPFD_CLOEXEC, 0);
    assert_true(all.own >= 0);
    assert_int_equal(tcgetattr(all.slave, &all.before), 0);
    assert_int_equal(evloop_timer_start(all.loop, &all.patience, PATIENCE, 0, on_impatience), 0);
    assert_int_equal(evloop_timer_unref(&all.patience), 0);
    loop_turn(all.loop);
}

/* ---- what is played -------------------------------------------------------------------------- */

static void use_terminal(void)
{
    static const evloop_tty_mode modes[] = {EVLOOP_TTY_RAW, EVLOOP_TTY_CBREAK, EVLOOP_TTY_NORMAL,
                                            EVLOOP_TTY_RAW};
    unsigned columns, rows;
    if (!tell(evloop_stream_open(all.loop, &all.terminal, all.own)))
        return;
    all.own = -1;
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++)
        tell(evloop_tty_set_mode(&all.terminal, modes[i]));
    tell(evloop_tty_size(&all.terminal, &columns, &rows));
}

static void on_read(evloop_stream *stream, ssize_t n, const void *data)
{
    tell((int)n);
    if (n > 0) {
        assert_int_equal(n, 5);
        assert_memory_equal(data, "hello", 5);
    }
    all.heard = true;
    assert_int_equal(evloop_stream_read_stop(stream), 0);
}

/* What is written to the one pipe is what the other one reads. */
static void use_pipes(void)
{
    bool opened = tell(evloop_pipe_to(all.loop, &all.to, &all.read_end)) &&
                  tell(evloop_pipe_from(all.loop, &all.from, &all.write_end));
    if (!opened || !tell(evloop_stream_read_start(&all.from, on_read)))
        return;
    assert_int_equal(write(all.write_end, "hello", 5), 5);
    tell(evloop_stream_send(&all.to, "there", 5));
    for (int failures = 0; !all.heard; assert_true(failures < 100)) {
        int err = evloop_run(all.loop, EVLOOP_RUN_ONCE);
        tell(err);
        failures += err < 0;
    }
    while (evloop_stream_queued(&all.to) > 0)
        tell(evloop_run(all.loop, EVLOOP_RUN_ONCE));
}

static void close_if_open(evloop_stream *stream)
{
    tell(evloop_stream_error(stream));
    if (evloop_stream_active(stream))
        assert_int_equal(evloop_stream_close(stream, NULL), 0);
}

static unsigned play_scene(void)
{
    use_terminal();
    use_pipes();
    close_if_open(&all.terminal);
    close_if_open(&all.to);
    close_if_open(&all.from);
    for (int turns = 0; evloop_alive(all.loop); turns++) {
        assert_true(turns < 100);
        tell(evloop_run(all.loop, EVLOOP_RUN_NOWAIT));
    }
    return all.told;
}

/* ---- what is true in the end ----------------------------------------------------------------- */

static bool was_put_back(void)
{
    struct termios now;
    assert_int_equal(tcgetattr(all.slave, &now), 0);
    return now.c_lflag == all.before.c_lflag && now.c_iflag == all.before.c_iflag &&
           now.c_oflag == all.before.c_oflag && !(fcntl(all.slave, F_GETFL) & O_NONBLOCK);
}

static void close_fd(int fd)
{
    if (fd >= 0)
        assert_int_equal(close(fd), 0);
}

static void close_scene(void)
{
    char bytes[8];
    if (!all.told) {
        assert_int_equal(read(all.read_end, bytes, sizeof bytes), 5);
        assert_memory_equal(bytes, "there", 5);
    }
    assert_int_equal(evloop_timer_stop(&all.patience), 0);
    loop_end(all.loop);
    close_fd(all.own);
    close_fd(all.read_end);
    close_fd(all.write_end);
    close_fd(all.slave);
    close_fd(all.master);
}

static void close_quiet_scene(void)
{
    assert_true(was_put_back());
    close_scene();
}

static const struct sweep any = {"terminal", 0, open_scene, play_scene, close_scene, NULL};
static const struct sweep quiet = {"terminal", 0, open_scene, play_scene, close_quiet_scene, NULL};

TEST(whatever_call_fails_on_a_terminal_nothing_is_lost_or_leaked)
{
    sweep_calls(&any);
}

/* Nothing here is needed to put back what was changed. */
TEST(a_terminal_is_put_back_whatever_failed_before)
{
    static const enum call calls[] = {CALL_OPEN, CALL_FSTATFS,   CALL_ISATTY,
                                      CALL_PIPE, CALL_TCGETATTR, CALL_DUP3};
    sweep_play(&quiet, CALL_OPEN, 1, 0, 0);
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
        for (const int *err = call_errors(calls[i]); *err; err++)
            for (unsigned nth = 1; nth <= 6; nth++)
                sweep_play(&quiet, calls[i], nth, 1, *err);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SWEEP_ENTRY(whatever_call_fails_on_a_terminal_nothing_is_lost_or_leaked),
        SWEEP_ENTRY(a_terminal_is_put_back_whatever_failed_before),
    };
    support_limit(120);
    return RUN_TESTS("fault: calls of terminals", tests);
}
