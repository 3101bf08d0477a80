/*
 * kernel.c: see kernel.h.
 */
#include "kernel.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <time.h>

struct failing {
    atomic_uint count;
    unsigned from; /* the number of the first call that fails; 0: none does */
    unsigned to;   /* ... of the first that does not fail any more */
    int err;
};

static struct failing calls[CALLS];
static bool clock_stopped;
static struct timespec stopped_at;

void kernel_reset(void)
{
    memset(calls, 0, sizeof calls);
    clock_stopped = false;
    kernel_reset_poller();
}

void kernel_fail(enum call call, unsigned nth, unsigned times, int err)
{
    unsigned made = atomic_load(&calls[call].count);
    calls[call].from = made + nth;
    calls[call].to = made + nth + times;
    calls[call].err = err;
}

unsigned kernel_count(enum call call)
{
    return atomic_load(&calls[call].count);
}

bool kernel_fails(enum call call)
{
    struct failing *failing = &calls[call];
    unsigned number = atomic_fetch_add(&failing->count, 1) + 1;
    if (!failing->from || number < failing->from || number >= failing->to)
        return false;
    errno = failing->err;
    return true;
}

/* ---- calls ----------------------------------------------------------------------------------- */

int __real_clock_gettime(clockid_t clock, struct timespec *now);
int __wrap_clock_gettime(clockid_t clock, struct timespec *now);

int __wrap_clock_gettime(clockid_t clock, struct timespec *now)
{
    if (kernel_fails(CALL_CLOCK_GETTIME))
        return -1;
    if (clock_stopped) {
        *now = stopped_at;
        return 0;
    }
    return __real_clock_gettime(clock, now);
}

void kernel_stop_clock(void)
{
    check(__real_clock_gettime(CLOCK_MONOTONIC, &stopped_at) == 0);
    clock_stopped = true;
}

KERNEL_WRAP(CALL_FSTAT, int, fstat, (int fd, struct stat *status), (fd, status))
KERNEL_WRAP(CALL_READ, ssize_t, read, (int fd, void *memory, size_t size), (fd, memory, size))
KERNEL_WRAP(CALL_WRITE, ssize_t, write, (int fd, const void *data, size_t size), (fd, data, size))

int __real_fcntl(int fd, int command, ...);
int __wrap_fcntl(int fd, int command, ...);

int __wrap_fcntl(int fd, int command, ...)
{
    va_list arguments;
    va_start(arguments, command);
    long argument = va_arg(arguments, long);
    va_end(arguments);
    return kernel_fails(CALL_FCNTL) ? -1 : __real_fcntl(fd, command, argument);
}

/* ---- the scene ------------------------------------------------------------------------------- */

unsigned kernel_ran;
unsigned kernel_events;

void kernel_on_timer(evloop_timer *timer)
{
    (void)timer;
    kernel_ran++;
}

void kernel_on_function(void *arg)
{
    (void)arg;
    kernel_ran++;
}

void kernel_on_watch(evloop_watch *watch, unsigned events)
{
    (void)watch;
    kernel_events = events;
    kernel_ran++;
}

evloop *kernel_begin(void)
{
    kernel_reset();
    kernel_ran = kernel_events = 0;
    return loop_new();
}

void kernel_assert_works(evloop *loop)
{
    evloop_timer timer = {0};
    evloop_watch watch = {0};
    int fds[2];
    kernel_reset();
    pipe_open(fds);
    kernel_ran = 0;
    assert_int_equal(evloop_timer_start(loop, &timer, EVLOOP_US(100), 0, kernel_on_timer), 0);
    assert_int_equal(evloop_post(loop, kernel_on_function, NULL), 0);
    assert_int_equal(evloop_watch_start(loop, &watch, fds[0], EVLOOP_READABLE, kernel_on_watch), 0);
    assert_int_equal(evloop_watch_unref(&watch), 0);
    loop_run(loop);
    assert_int_equal(kernel_ran, 2);
    fd_write_byte(fds[1]);
    loop_turn(loop);
    assert_int_equal(kernel_ran, 3);
    assert_int_equal(evloop_watch_stop(&watch), 0);
    fds_close(fds);
}

uint64_t kernel_not_before;

void kernel_on_timed(evloop_timer *timer)
{
    (void)timer;
    assert_true(clock_ns() >= kernel_not_before);
    kernel_ran++;
}

void kernel_run_timer(evloop *loop, uint64_t delay_ns)
{
    evloop_timer timer = {0};
    kernel_ran = 0;
    kernel_not_before = clock_ns() + delay_ns;
    assert_int_equal(evloop_timer_start(loop, &timer, delay_ns, 0, kernel_on_timed), 0);
    loop_run(loop);
    assert_int_equal(kernel_ran, 1);
}

void kernel_leave_registration(evloop *loop, int fds[2])
{
    evloop_watch watch = {0};
    pipe_open(fds);
    assert_int_equal(evloop_watch_start(loop, &watch, fds[0], EVLOOP_READABLE, kernel_on_watch), 0);
    int duplicate = fcntl(fds[0], F_DUPFD_CLOEXEC, 0);
    assert_true(duplicate >= 0);
    assert_int_equal(close(fds[0]), 0);
    fds[0] = duplicate;
    assert_int_equal(evloop_watch_stop(&watch), 0);
    fd_write_byte(fds[1]);
}
