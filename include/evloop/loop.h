/*
 * evloop/loop.h: the loop's life: create, run, stop, shut down, destroy; its clock; what is in it.
 */
#ifndef EVLOOP_LOOP_H
#define EVLOOP_LOOP_H

#include <string.h>

#include "evloop/base.h"

EVLOOP_BEGIN_DECLS

/**
 * Where the loop's memory comes from: one function that behaves as realloc does, and frees when
 * size is 0. It is called by any thread that posts, so it must be thread-safe.
 */
typedef struct evloop_allocator {
    void *(*resize)(void *context, void *memory, size_t size);
    void *context;
} evloop_allocator;

/**
 * What evloop_destroy() with EVLOOP_DESTROY_FORCE does with a posted function or a microtask that
 * will not run: hands it back, so that its argument can be freed. (An evloop_task has its own
 * discard callback.)
 */
typedef void (*evloop_discard_fn)(evloop *loop, evloop_fn fn, void *arg);

/**
 * Options of evloop_create(). Make one with evloop_options_default() or _small(); 0 means the
 * default.
 */
typedef struct evloop_options {
    size_t size;                 /**< sizeof(evloop_options): which version of this struct it is */
    uint32_t task_budget;        /**< tasks in one turn at most; default 1024 */
    uint32_t microtask_budget;   /**< microtasks after one callback at most; default 1024 */
    uint32_t microtask_capacity; /**< slots of the ring, a power of two; default 4096. What
                                      does not fit costs a lock and an allocation. */
    uint32_t post_cache;         /**< nodes for evloop_post() that are there from the
                                      start, a power of two; default 512 */
    uint64_t spin_ns;            /**< look at the queues for so long before sleeping; default
                                      not at all. Costs a core, saves producers the wakes;
                                      descriptors wait meanwhile. */
    const char *backend;         /**< "epoll" or "uring" (io_uring): this one or an error; NULL:
                                      the environment's EVLOOP_BACKEND, by the same names;
                                      without it the best that works here */
    const evloop_allocator *allocator; /**< NULL: realloc and free; must outlive the loop */
    evloop_discard_fn discard;         /**< may be NULL */
    void *data;                        /**< yours: evloop_data() */
    uint32_t read_buffer_size; /**< of the memory that reads lend, made when the first stream reads:
                                    bytes; default 256 KiB */
    uint32_t read_buffers;     /**< how many evloop_buffer_keep() may keep at a time; default 16 */
    uint32_t receive_memory;   /**< io_uring only: what the kernel receives into, made when the
                                    first stream reads: bytes; default 1 MiB, 16 KiB at least.
                                    Before Linux 6.12 it is four times as much, most of which is
                                    never touched. */
} evloop_options;

/** Every default, spelled as a value that can be changed. Since 0.1.0. */
static inline evloop_options evloop_options_default(void)
{
    evloop_options options;
    memset(&options, 0, sizeof options);
    options.size = sizeof options;
    return options;
}

/**
 * For programs with many loops: about 24 KiB a loop instead of about 170; a ring of io_uring's is
 * another 28. Since 0.1.0.
 */
static inline evloop_options evloop_options_small(void)
{
    evloop_options options = evloop_options_default();
    options.microtask_capacity = 64;
    options.post_cache = 32;
    options.read_buffer_size = 16384;
    options.receive_memory = 131072;
    return options;
}

/**
 * Makes a loop and stores it in *loop. Nothing runs yet. Its descriptors are close-on-exec, and
 * never take the numbers of the standard ones, 0 to 2, even if these are closed.
 * Unless a backend was chosen by hand, the first loop of the process tries out whether io_uring
 * works here: on a ring and sockets that are gone when that is done. Where it does not, or is
 * refused to this loop, the loop is on epoll; evloop_backend_reason() says why. With "epoll" chosen
 * by hand there is no io_uring call at all.
 * Thread: any; the loop belongs to no thread until it runs.
 * Errors: -EINVAL (loop is NULL; a capacity is no power of two; a backend's name is unknown; size
 * is not that of any version), -E2BIG (options of a newer library that ask for what this one does
 * not know), -ENOTSUP (the backend chosen by hand is not part of this build or this system, or the
 * system's lacks what we need of it), -ENOMEM, -EMFILE, -ENFILE, and what the kernel says when the
 * backend cannot start: of one chosen by hand also -ENOSYS or -EPERM, where a sandbox refuses it.
 * *loop is untouched then. Since 0.1.0.
 */
EVLOOP_API int evloop_create(evloop **loop, const evloop_options *options);

/**
 * Flag of evloop_destroy(): stop every object, discard all work that was accepted and has not run.
 */
#define EVLOOP_DESTROY_FORCE 1u

/**
 * Frees a loop. With flags 0, a loop that still has active objects or accepted work is left as it
 * is, with -EBUSY; evloop_busy_reason() then tells in words what is left, evloop_walk() tells it to
 * a program. With EVLOOP_DESTROY_FORCE every object is stopped (its memory is yours again, its
 * callback is not called) and every task, posted function and microtask that will not run is handed
 * to its discard callback, on this thread, before the loop is freed.
 * Thread: any, while no thread runs the loop, and no other thread begins a call on it. A call that
 * another thread has begun need not have returned if its effect was seen (its task ran, its stop or
 * shutdown ended the run): detached workers are safe.
 * Errors: -EINVAL (NULL or an unknown flag), -EBUSY (also: the loop is running), -ECHILD. Since
 * 0.1.0.
 */
EVLOOP_API int evloop_destroy(evloop *loop, unsigned flags);

/** How evloop_run() goes about it. */
typedef enum evloop_run_mode {
    EVLOOP_RUN_DEFAULT, /**< until nothing keeps the loop alive, a stop, or the end of a shutdown */
    EVLOOP_RUN_ONCE,    /**< until a callback, other than a prepare or check hook, has run */
    EVLOOP_RUN_NOWAIT   /**< one turn, without sleeping */
} evloop_run_mode;

/**
 * Runs the loop on this thread, which is "the loop's thread" until it returns. A turn is, in this
 * order: the clock is read; timers that are due; urgent tasks; tasks (up to the budget); idle
 * hooks, prepare hooks; what was written goes out; the wait for descriptors, and the callbacks of
 * watches, streams, listeners and datagram sockets; check hooks; the callbacks of closings.
 * Microtasks run after every single callback. A stop that came before is honoured at once; so is a
 * shutdown: it drains and returns.
 * Thread: any, one at a time.
 * Returns 0. Errors: -EINVAL, -EBUSY (it is running: from another thread, or from its own callback;
 * that run is not disturbed), EVLOOP_ECLOSED (its shutdown is done), -ECHILD, and what the kernel
 * says when waiting fails (nothing is lost: run again). Since 0.1.0.
 */
EVLOOP_API int evloop_run(evloop *loop, evloop_run_mode mode);

/**
 * EVLOOP_RUN_DEFAULT, but for timeout_ns at most. Callbacks are not interrupted.
 * Thread, errors: as evloop_run(). Since 0.1.0.
 */
EVLOOP_API int evloop_run_for(evloop *loop, uint64_t timeout_ns);

/**
 * Makes the run return when the turn under way is finished, without sleeping. The loop can run
 * again. If none is running, the next run returns at once.
 * Thread: any; signal-safe. Errors: -EINVAL, -ECHILD. Since 0.1.0.
 */
EVLOOP_API int evloop_stop(evloop *loop);

/**
 * Closes the gate for good: tasks, posts, microtasks and notifications get EVLOOP_ECLOSED from now
 * on, and all that were accepted before will run, each exactly once. The loop then goes on for as
 * long as other objects keep it alive, timeout_ns at most (0: not at all; notify objects do not
 * count, since nobody can signal them any more), and its run returns 0. Called again, it can only
 * bring the end nearer. Without a run under way, the next run does all this. Listeners stop
 * accepting at once, and keep nothing alive any more; a stream that is still open at the end fails
 * with EVLOOP_ECLOSED (what it has not written gets -ECANCELED), and is closed when its read
 * callback has been told so, with the callback of the closing if that asked for it; so it is with a
 * datagram socket. Other objects that are still active then are yours to stop; to start one gives
 * EVLOOP_ECLOSED.
 * Thread: any, also inside a callback; it never waits. Errors: -EINVAL, -ECHILD, the clock's. Since
 * 0.1.0.
 */
EVLOOP_API int evloop_shutdown(evloop *loop, uint64_t timeout_ns);

/** What a loop is doing. */
typedef enum evloop_state {
    EVLOOP_STATE_IDLE,     /**< nobody runs it */
    EVLOOP_STATE_RUNNING,  /**< a thread runs it, awake */
    EVLOOP_STATE_SLEEPING, /**< a thread runs it, and waits for something to do */
    EVLOOP_STATE_DRAINING, /**< evloop_shutdown() was called; accepted work is still to be done */
    EVLOOP_STATE_CLOSED    /**< the shutdown is done */
} evloop_state;

/**
 * What the loop is doing at this moment; CLOSED for NULL. Thread: any; signal-safe. Since 0.1.0.
 */
EVLOOP_API evloop_state evloop_get_state(const evloop *loop);

/**
 * Whether a run would go on: an active object with a reference, work that was accepted and has not
 * run, or a callback of such work that is being executed. False for NULL.
 * Thread: loop. Since 0.1.0.
 */
EVLOOP_API bool evloop_alive(evloop *loop);

/** Whether the calling thread is running this loop. Thread: any; signal-safe. Since 0.1.0. */
EVLOOP_API bool evloop_on_loop_thread(const evloop *loop);

/**
 * The loop's clock, ns, monotonic: it stands still during a turn, and is read again at the start of
 * the next one, and after a sleep.
 * Thread: loop. Since 0.1.0.
 */
EVLOOP_API uint64_t evloop_now(evloop *loop);

/**
 * Reads the clock, and returns it (0 for NULL). Timers do not need it: they are never early.
 * Thread: loop. Since 0.1.0.
 */
EVLOOP_API uint64_t evloop_update(evloop *loop);

/**
 * For embedding: a descriptor that polls readable when the loop has something to do. Poll it for at
 * most evloop_next_timeout_ns(), then call evloop_run(loop, EVLOOP_RUN_NOWAIT). It stays the
 * loop's. Its number never changes, but for a fork's child over kqueue, which drops the descriptor:
 * ask there after evloop_after_fork(). On Linux, when a descriptor was closed before its watch was
 * stopped, and a duplicate of it lives on, the loop rids itself of it by a new kernel object under
 * that number, which an outer epoll (not poll) has to be given again.
 * Thread: any. Errors: -EINVAL, -ECHILD, -ENOTSUP (a backend without one). Since 0.1.0.
 */
EVLOOP_API int evloop_backend_fd(const evloop *loop);

/**
 * For embedding: in how many ns the loop has something to do that its descriptor does not tell: 0
 * at once, EVLOOP_FOREVER for none. Ask it each time before polling the descriptor: work that is
 * offered after the answer makes the descriptor readable. EVLOOP_FOREVER once a shutdown is done; 0
 * for NULL.
 * Thread: loop. Since 0.1.0.
 */
EVLOOP_API uint64_t evloop_next_timeout_ns(evloop *loop);

/** The backend's name: "epoll", "uring". Static memory; "" for NULL. Thread: any. Since 0.1.0. */
EVLOOP_API const char *evloop_backend_name(const evloop *loop);

/**
 * Why this backend was taken, in words: "chosen by option", "chosen by the environment", "the best
 * that works here"; or what was in the way of a better one: "io_uring_setup: operation not
 * permitted". Lives as long as the loop; "" for NULL. Thread: any. Since 0.1.0.
 */
EVLOOP_API const char *evloop_backend_reason(const evloop *loop);

/** The pointer from the options. Thread: any. Since 0.1.0. */
EVLOOP_API void *evloop_data(const evloop *loop);

/** The kinds of object that a loop holds. */
typedef enum evloop_type {
    EVLOOP_TYPE_TASK,
    EVLOOP_TYPE_NOTIFY,
    EVLOOP_TYPE_TIMER,
    EVLOOP_TYPE_HOOK,
    EVLOOP_TYPE_WATCH,
    EVLOOP_TYPE_STREAM,
    EVLOOP_TYPE_LISTENER,
    EVLOOP_TYPE_DGRAM
} evloop_type;

/** The kind in words: "timer". Static memory. Thread: any. Since 0.1.0. */
EVLOOP_API const char *evloop_type_name(evloop_type type);

/** One active object, as evloop_walk() shows it. */
typedef struct evloop_object {
    evloop_type type;
    const char *name; /**< as its owner named it; "" if not at all */
    void *object;     /**< the evloop_timer *, evloop_watch *, ... by type; NULL for a post */
    void *data;       /**< the object's data; a post's argument */
    bool ref;         /**< whether it keeps the loop alive */
} evloop_object;

/** Called by evloop_walk() for each object; anything but 0 ends the walk. */
typedef int (*evloop_walk_fn)(const evloop_object *object, void *arg);

/**
 * Shows every active object and every accepted task that has not run, in no order. The function may
 * stop or cancel the object that it is shown, and must not touch others.
 * Thread: loop. Returns what the function returned last, or 0. Errors: -EINVAL, -ECHILD,
 * EVLOOP_ETHREAD. Since 0.1.0.
 */
EVLOOP_API int evloop_walk(evloop *loop, evloop_walk_fn fn, void *arg);

/**
 * Why evloop_destroy() said -EBUSY, in words: "2 timers (\"tick\"), 1 watch, 3 tasks"; "" if
 * nothing is left. The memory is the loop's; the next call changes it.
 * Thread: loop. Since 0.1.0.
 */
EVLOOP_API const char *evloop_busy_reason(evloop *loop);

/**
 * Makes the loop usable in a fork's child. Until then every call on it gives -ECHILD there, and the
 * parent's loop is not disturbed. The child's loop is as the parent's was: active objects stay
 * active, and what had been accepted will run in both; an offer that another thread was in the
 * midst of is not there. In the parent it does nothing.
 * Thread: the one that forked. Errors: -EINVAL; -EBUSY (at the fork another thread was running the
 * loop, and was not asleep: what it was in the midst of cannot be finished here); and as
 * evloop_create(), after which it can be called again. Since 0.1.0.
 */
EVLOOP_API int evloop_after_fork(evloop *loop);

/** Counters since the loop was made. They only grow. */
typedef struct evloop_metrics {
    size_t size;                  /**< sizeof(evloop_metrics): set it before the call */
    uint64_t turns;               /**< turns of the loop */
    uint64_t callbacks;           /**< callbacks run, of every kind */
    uint64_t tasks_accepted;      /**< tasks, posts and notifications taken in */
    uint64_t tasks_run;           /**< ... of which ran */
    uint64_t tasks_cancelled;     /**< ... of which were taken back */
    uint64_t microtasks_run;      /**< microtasks that ran */
    uint64_t timers_fired;        /**< timer callbacks */
    uint64_t events;              /**< callbacks of watches, streams, listeners, datagrams */
    uint64_t polls;               /**< times that the kernel was asked for events */
    uint64_t sleeps;              /**< ... of which could sleep */
    uint64_t wakes_sent;          /**< system calls that woke the loop */
    uint64_t wakes_avoided;       /**< tasks and microtasks accepted without one */
    uint64_t task_overruns;       /**< turns that left tasks over for the next one */
    uint64_t microtask_overruns;  /**< drains that left microtasks over */
    uint64_t microtask_overflows; /**< microtasks that found the ring full */
} evloop_metrics;

/**
 * Fills *metrics; a struct of an older or newer version gets as many counters as both know.
 * Thread: loop. Errors: -EINVAL, -ECHILD, EVLOOP_ETHREAD. Since 0.1.0.
 */
EVLOOP_API int evloop_get_metrics(evloop *loop, evloop_metrics *metrics);

EVLOOP_END_DECLS

#endif
