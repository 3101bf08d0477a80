/*
 * evloop/watch.h: to be told when a descriptor is ready.
 *
 * For foreign libraries that do their own reading and writing. A watch is level-triggered: as long
 * as the descriptor is ready, every turn says so. Several watches can be on one descriptor. The
 * descriptor stays yours: stop all its watches first, then close it; its number may come back at
 * once, in the same callback, for another descriptor with a watch of its own, and no event of the
 * old one will reach it.
 */
#ifndef EVLOOP_WATCH_H
#define EVLOOP_WATCH_H

#include "evloop/base.h"

EVLOOP_BEGIN_DECLS

/** Events: what a watch asks for, and what its callback is told. */
#define EVLOOP_READABLE 1u /**< a read will not block: data, end of input, or an error to be had */
#define EVLOOP_WRITABLE 2u /**< a write will not block */
#define EVLOOP_DISCONNECT 4u /**< the peer has closed its side, or the connection is gone */
/**
 * There is out-of-band data, or what the descriptor's kind calls so. Not every system tells it: on
 * FreeBSD and NetBSD, asking for it gives -ENOTSUP.
 */
#define EVLOOP_PRIORITY 8u
/**
 * Only told, never asked for: the loop found out, while changing what is asked for, that the kernel
 * does not know this descriptor any more (it was closed before its watch was stopped). It comes
 * once; stop the watch. Over kqueue, if the number has come back by then, the watch is its new
 * owner's instead.
 */
#define EVLOOP_ERROR 16u

typedef struct evloop_watch evloop_watch;

/**
 * A watch's callback; on the loop's thread; with the events that are there, of those that were
 * asked for. A descriptor that failed or hung up is readable, writable and disconnected, or
 * whatever else was asked for: the call that follows says why.
 */
typedef void (*evloop_watch_fn)(evloop_watch *watch, unsigned events);

/** A watch. Zero-filled memory is an inactive one. */
struct evloop_watch {
    void *data;       /**< yours */
    const char *name; /**< yours, for debugging; may be NULL */

    /* private */
    evloop_watch_fn fn_;
    EVLOOP_ATOMIC(uintptr_t) state_;
    int fd_;
    unsigned interest_;
    unsigned ready_;
    struct evloop_link same_fd_;
    struct evloop_link collected_;
};

/**
 * Has fn called whenever the descriptor is ready for one of the events. The watch must stay where
 * it is until it is stopped.
 * Thread: loop. Errors: -EINVAL (NULL, no event, an unknown event), -EBADF, -EPERM (a regular file
 * or directory: those are always ready), -ENOTSUP (EVLOOP_PRIORITY),
 * -EPIPE (a pipe that nobody reads, on FreeBSD and NetBSD), -EBUSY (active), -ENOMEM,
 * -ENOSPC, EVLOOP_ECLOSED, EVLOOP_ETHREAD, -ECHILD. Since 0.1.0.
 */
EVLOOP_API int evloop_watch_start(evloop *loop, evloop_watch *watch, int fd, unsigned events,
                                  evloop_watch_fn fn);

/**
 * Changes what is asked for; 0 pauses. In force at once: an event that is no longer asked for is
 * not told any more. No system call until the loop waits, and none then if nothing has changed in
 * the end. (Over kqueue EVLOOP_PRIORITY, where it was not asked for before, is one call: the system
 * may refuse it of this descriptor.)
 * Thread: loop. Errors: -EINVAL (NULL, inactive, an unknown event), -ENOTSUP (EVLOOP_PRIORITY),
 * EVLOOP_ECLOSED, EVLOOP_ETHREAD, -ECHILD. Since 0.1.0.
 */
EVLOOP_API int evloop_watch_modify(evloop_watch *watch, unsigned events);

/**
 * Stops a watch, at once, also inside its own callback or another's; its memory and the descriptor
 * are yours. Harmless if inactive.
 * Thread: loop. Errors: -EINVAL, EVLOOP_ETHREAD, -ECHILD. Since 0.1.0.
 */
EVLOOP_API int evloop_watch_stop(evloop_watch *watch);

/** The descriptor; -1 if it was never started. Thread: loop. Since 0.1.0. */
EVLOOP_API int evloop_watch_fd(const evloop_watch *watch);
/** What is asked for; 0 if inactive. Thread: loop. Since 0.1.0. */
EVLOOP_API unsigned evloop_watch_events(const evloop_watch *watch);
/**
 * Lets it not keep the loop alive. Thread: loop. Errors: -EINVAL, EVLOOP_ETHREAD, -ECHILD. Since
 * 0.1.0.
 */
EVLOOP_API int evloop_watch_unref(evloop_watch *watch);
/**
 * Lets it keep the loop alive, as it does from the start. Thread, errors: as unref. Since 0.1.0.
 */
EVLOOP_API int evloop_watch_ref(evloop_watch *watch);
/** Whether it is started. Thread: loop. Since 0.1.0. */
EVLOOP_API bool evloop_watch_active(const evloop_watch *watch);
/** The loop that it was last started on; NULL if none. Thread: loop. Since 0.1.0. */
EVLOOP_API evloop *evloop_watch_loop(const evloop_watch *watch);

EVLOOP_END_DECLS

#endif
