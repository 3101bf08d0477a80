/*
 * sigpipe_timed.c: a pending SIGPIPE is taken by a wait that may be of no length; see sigpipe.h.
 */
#include "poller/sigpipe.h"

#include <time.h>

void sigpipe_take(const sigset_t *set)
{
    const struct timespec at_once = {0, 0};
    while (sigtimedwait(set, NULL, &at_once) < 0 && errno == EINTR)
        ;
}
