/*
 * calls_epoll.c: of calls.h, the call that is epoll's.
 */
#include "calls.h"

#include <sys/epoll.h>

const char *const calls_poller = "epoll";

const int calls_interest_errors[] = {EBADF, EEXIST, EINVAL, ELOOP, ENOENT, ENOMEM, ENOSPC, 0};

int __real_epoll_ctl(int epoll_fd, int operation, int fd, struct epoll_event *event);
int __wrap_epoll_ctl(int epoll_fd, int operation, int fd, struct epoll_event *event);

int __wrap_epoll_ctl(int epoll_fd, int operation, int fd, struct epoll_event *event)
{
    return calls_fails(CALL_INTEREST) ? -1 : __real_epoll_ctl(epoll_fd, operation, fd, event);
}
