/*
 * calls_kqueue.c: of calls.h, the call that is kqueue's: when changes are made at once. The last one
 * is refused, by itself; an interruption is the whole call's.
 */
#include "calls.h"

#include <sys/types.h>

#include <sys/event.h>

const char *const calls_poller = "kqueue";

/* ENOENT is none of an addition's. */
const int calls_interest_errors[] = {EACCES, EBADF, EFAULT, EINTR, EINVAL, ENOMEM, ESRCH, 0};

int __real_kevent(int fd, const struct kevent *changes, int change_count, struct kevent *events,
                  int event_count, const struct timespec *timeout);
int __wrap_kevent(int fd, const struct kevent *changes, int change_count, struct kevent *events,
                  int event_count, const struct timespec *timeout);

static int refuse_last(int fd, const struct kevent *changes, int change_count,
                       struct kevent *events, const struct timespec *timeout)
{
    int last = change_count - 1;
    struct kevent receipt = changes[last];
    receipt.flags = EV_ERROR;
    receipt.data = errno;
    int n = last > 0 ? __real_kevent(fd, changes, last, events, last, timeout) : 0;
    if (n < 0)
        return n;
    events[n] = receipt;
    return n + 1;
}

int __wrap_kevent(int fd, const struct kevent *changes, int change_count, struct kevent *events,
                  int event_count, const struct timespec *timeout)
{
    bool at_once = change_count > 0 && changes[0].flags & EV_RECEIPT;
    if (!at_once || !calls_fails(CALL_INTEREST))
        return __real_kevent(fd, changes, change_count, events, event_count, timeout);
    if (errno == EINTR || errno == EFAULT)
        return -1;
    return refuse_last(fd, changes, change_count, events, timeout);
}
