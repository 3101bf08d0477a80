/*
 * clock.c: the clock that timers go by: monotonic, ns, not set by anybody.
 */
#include <errno.h>
#include <time.h>

#include "poller/poller.h"

int poller_clock(uint64_t *now_ns)
{
    struct timespec now;
    if (clock_gettime(CLOCK_MONOTONIC, &now) != 0)
        return -errno;
    *now_ns = (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
    return 0;
}
