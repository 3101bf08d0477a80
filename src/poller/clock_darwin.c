/*
 * clock_darwin.c: the clock that timers go by, as kevent()'s does: monotonic, ns, not set by
 * anybody; it stands still while the machine sleeps.
 */
#include <errno.h>
#include <time.h>

#include "poller/poller.h"

int poller_clock(uint64_t *now_ns)
{
    uint64_t now = clock_gettime_nsec_np(CLOCK_UPTIME_RAW);
    if (now == 0)
        return -errno;
    *now_ns = now;
    return 0;
}
