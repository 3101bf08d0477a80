/*
 * kernel.c: see kernel.h.
 */
#include "kernel.h"

#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>

struct failing {
    atomic_uint count;
    unsigned from; /* the number of the first call that fails; 0: none does */
    unsigned to;   /* ... of the first that does not fail any more */
    int err;
};

static struct failing calls[CALLS];
static int only_operation;
static atomic_int last_timeout_ms;
static bool clock_stopped;
static struct timespec stopped_at;

void kernel_reset(void)
{
    memset(calls, 0, sizeof calls);
    only_operation = 0;
    clock_stopped = false;
}

void kernel_fail(enum call call, unsigned nth, unsigned times, int err)
{
    unsigned made = atomic_load(&calls[call].count);
    calls[call].from = made + nth;
    calls[call].to = made + nth + times;
    calls[call].err = err;
}

void kernel_only_operation(int operation)
{
    only_operation = operation;
}

unsigned kernel_count(enum call call)
{
    return atomic_load(&calls[call].count);
}

int kernel_last_timeout_ms(void)
{
    return atomic_load(&last_timeout_ms);
}

static bool fails(enum call call)
{
    struct failing *failing = &calls[call];
    unsigned number = atomic_fetch_add(&failing->count, 1) + 1;
    if (!failing->from || number < failing->from || number >= failing->to)
        return false;
    errno = failing->err;
    return true;
}

int __real_epoll_create1(int flags);
int __wrap_epoll_create1(int flags);

int __wrap_epoll_create1(int flags)
{
    return fails(CALL_EPOLL_CREATE1) ? -1 : __real_epoll_create1(flags);
}

int __real_eventfd(unsigned initial, int flags);
int __wrap_eventfd(unsigned initial, int flags);

int __wrap_eventfd(unsigned initial, int flags)
{
    return fails(CALL_EVENTFD) ? -1 : __real_eventfd(initial, flags);
}

int __real_epoll_ctl(int epoll_fd, int operation, int fd, struct epoll_event *event);
int __wrap_epoll_ctl(int epoll_fd, int operation, int fd, struct epoll_event *event);

int __wrap_epoll_ctl(int epoll_fd, int operation, int fd, struct epoll_event *event)
{
    bool counted = !only_operation || operation == only_operation;
    if (counted && fails(CALL_EPOLL_CTL))
        return -1;
    return __real_epoll_ctl(epoll_fd, operation, fd, event);
}

int __real_epoll_wait(int epoll_fd, struct epoll_event *events, int count, int timeout_ms);
int __wrap_epoll_wait(int epoll_fd, struct epoll_event *events, int count, int timeout_ms);

int __wrap_epoll_wait(int epoll_fd, struct epoll_event *events, int count, int timeout_ms)
{
    atomic_store(&last_timeout_ms, timeout_ms);
    if (fails(CALL_EPOLL_WAIT))
        return -1;
    return __real_epoll_wait(epoll_fd, events, count, timeout_ms);
}

#ifdef EVLOOP_HAVE_EPOLL_PWAIT2
int __real_epoll_pwait2(int epoll_fd, struct epoll_event *events, int count,
                        const struct timespec *timeout, const sigset_t *mask);
int __wrap_epoll_pwait2(int epoll_fd, struct epoll_event *events, int count,
                        const struct timespec *timeout, const sigset_t *mask);

int __wrap_epoll_pwait2(int epoll_fd, struct epoll_event *events, int count,
                        const struct timespec *timeout, const sigset_t *mask)
{
    if (fails(CALL_EPOLL_PWAIT2))
        return -1;
    return __real_epoll_pwait2(epoll_fd, events, count, timeout, mask);
}
#endif

int __real_clock_gettime(clockid_t clock, struct timespec *now);
int __wrap_clock_gettime(clockid_t clock, struct timespec *now);

int __wrap_clock_gettime(clockid_t clock, struct timespec *now)
{
    if (fails(CALL_CLOCK_GETTIME))
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

ssize_t __real_write(int fd, const void *data, size_t size);
ssize_t __wrap_write(int fd, const void *data, size_t size);

ssize_t __wrap_write(int fd, const void *data, size_t size)
{
    return fails(CALL_WRITE) ? -1 : __real_write(fd, data, size);
}

int __real_dup3(int from, int to, int flags);
int __wrap_dup3(int from, int to, int flags);

int __wrap_dup3(int from, int to, int flags)
{
    return fails(CALL_DUP3) ? -1 : __real_dup3(from, to, flags);
}

int __real_fcntl(int fd, int command, ...);
int __wrap_fcntl(int fd, int command, ...);

int __wrap_fcntl(int fd, int command, ...)
{
    va_list arguments;
    va_start(arguments, command);
    long argument = va_arg(arguments, long);
    va_end(arguments);
    return fails(CALL_FCNTL) ? -1 : __real_fcntl(fd, command, argument);
}
