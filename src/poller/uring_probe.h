/*
 * uring_probe.h: whether io_uring can be used here, and what it can do.
 *
 * The answer comes from trying it out, on a small ring and sockets of our own, and not from a
 * version: a sandbox, a backport or a defect makes no difference then.
 */
#ifndef POLLER_URING_PROBE_H
#define POLLER_URING_PROBE_H

#include <stdbool.h>

#include "poller/uring_abi.h"

/* Of every ring: one thread submits, and it alone runs what completes, when it asks for it. */
#define URING_SETUP_FLAGS                                                                          \
    (IORING_SETUP_R_DISABLED | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |           \
     IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CLAMP | IORING_SETUP_CQSIZE)

struct uring_features {
    bool incremental; /* buffer rings whose buffers are used up piece by piece */
    bool bundles;     /* receives that fill several buffers of a ring at a time, of either kind */
    bool zero_copy;   /* sends without a copy */
};

/*
 * 0: io_uring works here, and *features (may be NULL) says what is there beyond what we need.
 * Otherwise *reason is what does not work, in static memory, and the result is the kernel's -errno,
 * or -ENOTSUP when a call succeeded and did something else than it should.
 *
 * Tried once a process, for a few seconds at most, by whichever thread asks first; the answer
 * stays. Only where descriptors or memory were short it is tried again when asked again.
 * Any thread.
 */
int uring_probe(struct uring_features *features, const char **reason);

#endif
