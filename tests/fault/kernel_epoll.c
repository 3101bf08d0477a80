/*
 * kernel_epoll.c: see kernel_epoll.h.
 */
#include "kernel_epoll.h"

#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>

static const int create_errors[] = {EINVAL, EMFILE, ENFILE, ENOMEM, 0};
static const int eventfd_errors[] = {EINVAL, EMFILE, ENFILE, ENODEV, ENOMEM, 0};
static const int control_errors[] = {EBADF, EINVAL, ELOOP, ENOMEM, ENOSPC, EPERM, 0};
static const int wait_errors[] = {EBADF, EFAULT, EINVAL, 0};
static const int start_errors[] = {EBADF, EPERM, ENOMEM, ENOSPC, ELOOP, EINVAL, 0};
static const int passing_errors[] = {ENOMEM, ENOSPC, 0};
static const int refusals[] = {EBADF, EPERM, ELOOP, EINVAL, 0};

static const struct kernel_errors creating[] = {
    {CALL_EPOLL_CREATE1, 1, create_errors},
    {CALL_EVENTFD, 1, eventfd_errors},
    {CALL_EPOLL_CTL, 1, control_errors},
    {CALLS, 0, NULL},
};

static const int again_errors[] = {ENOMEM, ENOSPC, 0};
static const int dup_errors[] = {EMFILE, EBUSY, 0};

static const struct kernel_errors forking[] = {
    {CALL_EPOLL_CTL, 2, again_errors}, {CALL_EPOLL_CTL, 3, again_errors}, /* the user's watch */
    {CALL_DUP3, 1, dup_errors},        {CALL_DUP3, 2, dup_errors},        {CALLS, 0, NULL},
};

const struct kernel_poller kernel_poller = {
    .name = "epoll",
    .wait = {CALL_EPOLL_WAIT, 1, wait_errors},
    .wake = CALL_WRITE,
    .moves = 2,
    .creating = creating,
    .forking = forking,
    .start_errors = start_errors,
    .passing_errors = passing_errors,
    .refusals = refusals,
};

static int only_operation;
static atomic_int last_timeout_ms;

void kernel_reset_poller(void)
{
    only_operation = 0;
}

void kernel_only_operation(int operation)
{
    only_operation = operation;
}

void kernel_refuse(enum change change, unsigned times, int err)
{
    static const int operations[] = {
        [CHANGE_ADD] = EPOLL_CTL_ADD,
        [CHANGE_MODIFY] = EPOLL_CTL_MOD,
        [CHANGE_REMOVE] = EPOLL_CTL_DEL,
    };
    kernel_only_operation(operations[change]);
    kernel_fail(CALL_EPOLL_CTL, 1, times, err);
}

int kernel_last_timeout_ms(void)
{
    return atomic_load(&last_timeout_ms);
}

unsigned kernel_waits(void)
{
    return kernel_count(CALL_EPOLL_WAIT) + kernel_count(CALL_EPOLL_PWAIT2);
}

KERNEL_WRAP(CALL_DUP3, int, dup3, (int from, int to, int flags), (from, to, flags))
KERNEL_WRAP(CALL_EPOLL_CREATE1, int, epoll_create1, (int flags), (flags))
KERNEL_WRAP(CALL_EVENTFD, int, eventfd, (unsigned initial, int flags), (initial, flags))

int __real_epoll_ctl(int epoll_fd, int operation, int fd, struct epoll_event *event);
int __wrap_epoll_ctl(int epoll_fd, int operation, int fd, struct epoll_event *event);

int __wrap_epoll_ctl(int epoll_fd, int operation, int fd, struct epoll_event *event)
{
    bool counted = !only_operation || operation == only_operation;
    if (counted && kernel_fails(CALL_EPOLL_CTL))
        return -1;
    return __real_epoll_ctl(epoll_fd, operation, fd, event);
}

int __real_epoll_wait(int epoll_fd, struct epoll_event *events, int count, int timeout_ms);
int __wrap_epoll_wait(int epoll_fd, struct epoll_event *events, int count, int timeout_ms);

int __wrap_epoll_wait(int epoll_fd, struct epoll_event *events, int count, int timeout_ms)
{
    atomic_store(&last_timeout_ms, timeout_ms);
    if (kernel_fails(CALL_EPOLL_WAIT))
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
    if (kernel_fails(CALL_EPOLL_PWAIT2))
        return -1;
    return __real_epoll_pwait2(epoll_fd, events, count, timeout, mask);
}
#endif
