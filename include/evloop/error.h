/*
 * evloop/error.h: what a negative return value says.
 *
 * Calls that can fail return 0, or a count, or a negative number: -errno, or one of the codes
 * below, which lie outside errno's range. Nothing prints, exits or aborts on what a user or the
 * kernel can cause, and a call that fails leaves its object as it was.
 *
 * The same few codes mean the same everywhere:
 *   -EINVAL         an argument is NULL or out of range
 *   -EBUSY          the object is in use, or the loop is (a run inside a run, an early destroy)
 *   -ENOMEM         an allocation failed
 *   -ECHILD         this process is a fork's child: call evloop_after_fork() first
 *   EVLOOP_ECLOSED  the loop's gate is closed (evloop_shutdown), or what was asked of it has ended
 *   EVLOOP_ETHREAD  the call belongs on the loop's thread, and another thread is running the loop
 */
#ifndef EVLOOP_ERROR_H
#define EVLOOP_ERROR_H

#include "evloop/base.h"

/** The loop, or what was asked of it, is closed: nobody will do this work. */
#define EVLOOP_ECLOSED (-10001)
/** The end of the input. */
#define EVLOOP_EOF (-10002)
/** Called on another thread than the loop's while the loop runs. */
#define EVLOOP_ETHREAD (-10003)

EVLOOP_BEGIN_DECLS

/**
 * One sentence about an error code, for people; static memory, never NULL, in English whatever the
 * locale. Takes -errno or errno; a code it does not know gives "unknown error".
 * Thread: any; signal-safe. Since 0.1.0.
 */
EVLOOP_API const char *evloop_strerror(int err);

/**
 * The name of an error code, "EBUSY" or "EVLOOP_ECLOSED"; static memory, never NULL ("EUNKNOWN").
 * Thread: any; signal-safe. Since 0.1.0.
 */
EVLOOP_API const char *evloop_err_name(int err);

EVLOOP_END_DECLS

#endif
