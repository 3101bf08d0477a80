/*
 * metrics.c: the counters. The loop's thread counts as it goes; what only other threads know is
 * worked out here.
 */
#include <string.h>

#include "core/loop.h"

int evloop_get_metrics(evloop *loop, evloop_metrics *metrics)
{
    int err = loop_check_thread(loop);
    if (err)
        return err;
    if (!metrics || metrics->size < sizeof metrics->size)
        return -EINVAL;
    tasks_take(loop);
    evloop_metrics now = loop->count;
    now.callbacks += now.tasks_run + now.microtasks_run + now.timers_fired + now.events;
    now.microtask_overflows = microtasks_overflows(&loop->microtasks);
    now.wakes_sent += atomic_get(&loop->wakes_sent, relaxed);
    uint64_t offers = now.tasks_accepted + now.microtasks_run;
    if (offers > now.wakes_sent + now.wakes_avoided) /* the wake of a stop does not make it less */
        now.wakes_avoided = loop->count.wakes_avoided = offers - now.wakes_sent;
    now.size = metrics->size;

    size_t known = metrics->size < sizeof now ? metrics->size : sizeof now;
    memset(metrics, 0, metrics->size);
    memcpy(metrics, &now, known);
    return 0;
}
