/*
 * evloop/hook.h: callbacks at fixed points of every turn.
 */
#ifndef EVLOOP_HOOK_H
#define EVLOOP_HOOK_H

#include "evloop/base.h"

EVLOOP_BEGIN_DECLS

/** The points of a turn. */
typedef enum evloop_hook_kind {
    EVLOOP_HOOK_IDLE,    /**< after the tasks; while one with a reference is active, no sleep */
    EVLOOP_HOOK_PREPARE, /**< before the loop looks at its descriptors, and perhaps sleeps */
    EVLOOP_HOOK_CHECK    /**< after the callbacks of the descriptors */
} evloop_hook_kind;

typedef struct evloop_hook evloop_hook;

/** A hook's callback; on the loop's thread. */
typedef void (*evloop_hook_fn)(evloop_hook *hook);

/** A hook. Zero-filled memory is an inactive one. */
struct evloop_hook {
    void *data;       /**< yours */
    const char *name; /**< yours, for debugging; may be NULL */

    /* private */
    evloop_hook_fn fn_;
    EVLOOP_ATOMIC(uintptr_t) state_;
    struct evloop_link link_;
};

/**
 * Has fn called once in every turn, at the point that kind says, in the order of starting. A hook
 * that is started inside a hook of the same kind runs in the next turn.
 * Thread: loop. Errors: -EINVAL, -EBUSY (active), EVLOOP_ECLOSED, EVLOOP_ETHREAD, -ECHILD. Since
 * 0.1.0.
 */
EVLOOP_API int evloop_hook_start(evloop *loop, evloop_hook *hook, evloop_hook_kind kind,
                                 evloop_hook_fn fn);

/**
 * Stops a hook, at once, also inside its own callback; its memory is yours. Harmless if inactive.
 * Thread: loop. Errors: -EINVAL, EVLOOP_ETHREAD, -ECHILD. Since 0.1.0.
 */
EVLOOP_API int evloop_hook_stop(evloop_hook *hook);

/**
 * Lets it not keep the loop alive (nor awake). Thread: loop. Errors: -EINVAL, EVLOOP_ETHREAD,
 * -ECHILD. Since 0.1.0.
 */
EVLOOP_API int evloop_hook_unref(evloop_hook *hook);
/**
 * Lets it keep the loop alive, as it does from the start. Thread, errors: as unref. Since 0.1.0.
 */
EVLOOP_API int evloop_hook_ref(evloop_hook *hook);
/** Whether it is started. Thread: loop. Since 0.1.0. */
EVLOOP_API bool evloop_hook_active(const evloop_hook *hook);
/** The loop that it was last started on; NULL if none. Thread: loop. Since 0.1.0. */
EVLOOP_API evloop *evloop_hook_loop(const evloop_hook *hook);

EVLOOP_END_DECLS

#endif
