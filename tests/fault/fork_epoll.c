/*
 * fork_epoll.c: see fork.h.
 */
#include "fork.h"

#include <sys/epoll.h>

int __real_epoll_ctl(int epoll_fd, int operation, int fd, struct epoll_event *event);
int __wrap_epoll_ctl(int epoll_fd, int operation, int fd, struct epoll_event *event);

int __wrap_epoll_ctl(int epoll_fd, int operation, int fd, struct epoll_event *event)
{
    int result = __real_epoll_ctl(epoll_fd, operation, fd, event);
    if (operation == EPOLL_CTL_MOD)
        fork_changing();
    return result;
}
