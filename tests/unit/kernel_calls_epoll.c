/*
 * kernel_calls_epoll.c: the poller of Linux: changes are calls of epoll_ctl(), waits of
 * epoll_wait().
 */
#include "kernel_calls.h"

#include <sys/epoll.h>

EVLOOP_ATOMIC(unsigned) kernel_changes;
EVLOOP_ATOMIC(const pthread_t *) kernel_refuses;

const bool kernel_tells_urgent_data = true;

bool kernel_counts(evloop *loop)
{
    return strcmp(evloop_backend_name(loop), "epoll") == 0;
}

int __real_epoll_ctl(int epoll_fd, int operation, int fd, struct epoll_event *event);
int __wrap_epoll_ctl(int epoll_fd, int operation, int fd, struct epoll_event *event);

int __wrap_epoll_ctl(int epoll_fd, int operation, int fd, struct epoll_event *event)
{
    kernel_changes++;
    return __real_epoll_ctl(epoll_fd, operation, fd, event);
}

int __real_epoll_wait(int fd, struct epoll_event *events, int count, int timeout_ms);
int __wrap_epoll_wait(int fd, struct epoll_event *events, int count, int timeout_ms);

int __wrap_epoll_wait(int fd, struct epoll_event *events, int count, int timeout_ms)
{
    const pthread_t *refused = kernel_refuses;
    if (refused && pthread_equal(pthread_self(), *refused)) {
        errno = EDOM;
        return -1;
    }
    return __real_epoll_wait(fd, events, count, timeout_ms);
}
