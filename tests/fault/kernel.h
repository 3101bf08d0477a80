/*
 * kernel.h: the system calls of a poller, counted, and made to fail when told so: kernel.c has what
 * all pollers ask for, kernel_epoll.c and kernel_kqueue.c have what is one poller's.
 *
 * Needs WRAP of all the calls: KERNEL_CALLS and the poller's own in CMakeLists.txt.
 */
#ifndef EVLOOP_TESTS_KERNEL_H
#define EVLOOP_TESTS_KERNEL_H

#include "support.h"

enum call {
    CALL_CLOCK_GETTIME,
    CALL_DUP3,
    CALL_FCNTL,
    CALL_FSTAT,
    CALL_PIPE,
    CALL_READ,
    CALL_WRITE,
    CALL_EPOLL_CREATE1,
    CALL_EVENTFD,
    CALL_EPOLL_CTL,
    CALL_EPOLL_WAIT,
    CALL_EPOLL_PWAIT2,
    CALL_KQUEUE,
    CALL_KEVENT,         /* changes that are made at once */
    CALL_KEVENT_WAIT,    /* ... that go with a wait, and waits without any */
    CALL_KEVENT_TRIGGER, /* the wake */
    CALLS
};

/** What the kernel is asked to do with a registration. */
enum change { CHANGE_ADD, CHANGE_MODIFY, CHANGE_REMOVE };

/** Errors of a call, the nth of a loop that is created; a 0 ends them. */
struct kernel_errors {
    enum call call;
    unsigned nth;
    const int *errors;
};

/** The poller that is tested. */
struct kernel_poller {
    const char *name;
    struct kernel_errors wait;
    enum call wake;
    unsigned moves;                       /* descriptors that must not have a standard number */
    const struct kernel_errors *creating; /* in any order; one without errors ends them */
    const struct kernel_errors *forking;  /* ... that is made anew in a child, beside those */
    const int *start_errors;              /* that a watch's start returns as they are */
    const int *passing_errors;            /* that a run returns, and tries again */
    const int *refusals;                  /* that a change of a watch is told as EVLOOP_ERROR */
};
extern const struct kernel_poller kernel_poller;

/** Forgets all counts and all failures that were asked for. */
void kernel_reset(void);
/** Makes the nth call from now, and so many in all, fail with err. */
void kernel_fail(enum call call, unsigned nth, unsigned times, int err);
/** Makes the next changes of this kind fail, so many of them. */
void kernel_refuse(enum change change, unsigned times, int err);
/** How many calls were made since the reset. */
unsigned kernel_count(enum call call);
/** ... that wait, of the poller that is tested. */
unsigned kernel_waits(void);
/** The clock stands still until the reset. */
void kernel_stop_clock(void);

/* ---- for what is one poller's ---------------------------------------------------------------- */

/** A call that returns -1 when it fails. */
#define KERNEL_WRAP(call, result, name, parameters, arguments)                                     \
    result __real_##name parameters;                                                               \
    result __wrap_##name parameters;                                                               \
    result __wrap_##name parameters                                                                \
    {                                                                                              \
        return kernel_fails(call) ? -1 : __real_##name arguments;                                  \
    }

/** Counts a call; whether it is to fail, with errno. */
bool kernel_fails(enum call call);
void kernel_reset_poller(void);

/* ---- the scene ------------------------------------------------------------------------------- */

/** What was called, and with which events. */
extern unsigned kernel_ran;
extern unsigned kernel_events;
void kernel_on_timer(evloop_timer *timer);
void kernel_on_function(void *arg);
void kernel_on_watch(evloop_watch *watch, unsigned events);

/** ... but not before a time of clock_ns(). */
extern uint64_t kernel_not_before;
void kernel_on_timed(evloop_timer *timer);
/** Runs the loop until a timer of this delay is over. */
void kernel_run_timer(evloop *loop, uint64_t delay_ns);
/** Stops a watch whose descriptor was closed first, and which lives on under another number. */
void kernel_leave_registration(evloop *loop, int fds[2]);

/** A new loop; nothing fails, nothing ran. */
evloop *kernel_begin(void);
/** The loop is as good as new. */
void kernel_assert_works(evloop *loop);

#endif
