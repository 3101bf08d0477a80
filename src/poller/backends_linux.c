/*
 * backends_linux.c: the pollers of Linux, the best first.
 */
#include "poller/poller.h"

#ifdef EVLOOP_HAVE_LIBURING
static const struct poller_backend *const backends[] = {&poller_uring, &poller_epoll, NULL};
#else
static const struct poller_backend *const backends[] = {&poller_epoll, NULL};
#endif

const struct poller_backend *const *poller_backends(void)
{
    return backends;
}
