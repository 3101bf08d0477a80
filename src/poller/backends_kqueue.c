/*
 * backends_kqueue.c: the poller of Darwin and the BSDs.
 */
#include "poller/poller.h"

static const struct poller_backend *const backends[] = {&poller_kqueue, NULL};

const struct poller_backend *const *poller_backends(void)
{
    return backends;
}
