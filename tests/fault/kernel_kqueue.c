/*
 * kernel_kqueue.c: see kernel_kqueue.h.
 *
 * A change that is refused is not handed on. It stands in the event list then, as the manual says,
 * and no event beside it.
 */
#include "kernel_kqueue.h"

#include <stdatomic.h>

enum { MOST_CHANGES = 256 };

static const int kqueue_errors[] = {ENOMEM, EMFILE, ENFILE, 0};
static const int kevent_errors[] = {EACCES, EFAULT, EBADF, EINVAL, ENOENT, ENOMEM, ESRCH, 0};
static const int flag_errors[] = {EBADF, EINVAL, 0};
/* The manual's, and what FreeBSD says of a pipe that nobody reads from. */
static const int start_errors[] = {EACCES, EBADF, EINVAL, ENOMEM, ESRCH, EPIPE, 0};
static const int refusals[] = {EACCES, EBADF, EINVAL, ESRCH, EPIPE, 0};
static const int passing_errors[] = {ENOMEM, ENOSPC, 0};
#ifndef EVFILT_USER
static const int pipe_errors[] = {EFAULT, EMFILE, ENFILE, ENOMEM, 0};
#endif

static const struct kernel_errors creating[] = {
    {CALL_KQUEUE, 1, kqueue_errors},
    {CALL_KEVENT, 1, kevent_errors},
    {CALL_FCNTL, 1, flag_errors},
#ifndef EVFILT_USER
    {CALL_PIPE, 1, pipe_errors},
    {CALL_FCNTL, 2, flag_errors},
    {CALL_FCNTL, 3, flag_errors},
    {CALL_FCNTL, 4, flag_errors},
#endif
    {CALLS, 0, NULL},
};

static const struct kernel_errors forking[] = {
    {CALL_KEVENT, 2, passing_errors}, /* the user's watch */
    {CALLS, 0, NULL},
};

const struct kernel_poller kernel_poller = {
    .name = "kqueue",
    .wait = {CALL_KEVENT_WAIT, 1, kevent_errors},
#ifdef EVFILT_USER
    .wake = CALL_KEVENT_TRIGGER,
    .moves = 1,
#else
    .wake = CALL_WRITE,
    .moves = 3,
#endif
    .creating = creating,
    .forking = forking,
    .start_errors = start_errors,
    .passing_errors = passing_errors,
    .refusals = refusals,
};

static struct {
    struct kernel_which which;
    unsigned count, from, to; /* as of a call */
    int err;
} refusing;

static unsigned changes_made;
static struct kevent telling;
static _Atomic(uint64_t) last_timeout_ns;

void kernel_reset_poller(void)
{
    memset(&refusing, 0, sizeof refusing);
    memset(&telling, 0, sizeof telling);
    changes_made = 0;
}

void kernel_refuse_changes(struct kernel_which which, unsigned nth, unsigned times, int err)
{
    refusing.which = which;
    refusing.count = 0;
    refusing.from = nth;
    refusing.to = nth + times;
    refusing.err = err;
}

void kernel_refuse(enum change change, unsigned times, int err)
{
    unsigned flag = change == CHANGE_REMOVE ? EV_DELETE : EV_ADD;
    kernel_refuse_changes((struct kernel_which){0, flag, change == CHANGE_MODIFY}, 1, times, err);
}

unsigned kernel_changes(void)
{
    return changes_made;
}

unsigned kernel_waits(void)
{
    return kernel_count(CALL_KEVENT_WAIT);
}

void kernel_tell(const struct kevent *event)
{
    telling = *event;
}

uint64_t kernel_last_timeout_ns(void)
{
    return atomic_load(&last_timeout_ns);
}

/* ---- calls ----------------------------------------------------------------------------------- */

KERNEL_WRAP(CALL_KQUEUE, int, kqueue, (void), ())
KERNEL_WRAP(CALL_PIPE, int, pipe, (int fds[2]), (fds))

int __real_kevent(int fd, const struct kevent *changes, kqueue_count change_count,
                  struct kevent *events, kqueue_count event_count, const struct timespec *timeout);
int __wrap_kevent(int fd, const struct kevent *changes, kqueue_count change_count,
                  struct kevent *events, kqueue_count event_count, const struct timespec *timeout);

static const struct timespec at_once = {0, 0};

static enum call call_of(const struct kevent *changes, kqueue_count change_count,
                         kqueue_count event_count)
{
    if (event_count == 0)
        return CALL_KEVENT_TRIGGER;
    return change_count > 0 && changes[0].flags & EV_RECEIPT ? CALL_KEVENT : CALL_KEVENT_WAIT;
}

static bool is_refused(const struct kevent *change, bool late)
{
    const struct kernel_which *which = &refusing.which;
    if (!refusing.from || (which->filter && which->filter != change->filter) ||
        !(change->flags & which->flag) || (which->late && !late))
        return false;
    unsigned number = ++refusing.count;
    return number >= refusing.from && number < refusing.to;
}

/* Those that are not refused are made, and their errors stand beside; receipts for who wants them. */
static int refuse_some(int fd, const struct kevent *changes, kqueue_count change_count,
                       const bool refused[], struct kevent *events)
{
    int n = 0;
    struct kevent given[MOST_CHANGES];
    memcpy(given, changes, (size_t)change_count * sizeof *changes);
    for (kqueue_count i = 0; i < change_count; i++) {
        struct kevent receipt = given[i];
        bool wanted = receipt.flags & EV_RECEIPT;
        if (refused[i]) {
            receipt.flags = EV_ERROR;
            receipt.data = refusing.err;
        } else {
            receipt.flags |= EV_RECEIPT;
            check(__real_kevent(fd, &receipt, 1, &receipt, 1, &at_once) == 1);
        }
        if (wanted || receipt.data != 0)
            events[n++] = receipt;
    }
    return n;
}

static void note_timeout(const struct timespec *timeout)
{
    uint64_t ns = EVLOOP_FOREVER;
    if (timeout)
        ns = (uint64_t)timeout->tv_sec * 1000000000 + (uint64_t)timeout->tv_nsec;
    atomic_store(&last_timeout_ns, ns);
}

int __wrap_kevent(int fd, const struct kevent *changes, kqueue_count change_count,
                  struct kevent *events, kqueue_count event_count, const struct timespec *timeout)
{
    bool refused[MOST_CHANGES] = {false};
    bool any = false;
    enum call call = call_of(changes, change_count, event_count);
    if (call == CALL_KEVENT_WAIT)
        note_timeout(timeout);
    if (kernel_fails(call))
        return -1;
    if (call == CALL_KEVENT_TRIGGER)
        return __real_kevent(fd, changes, change_count, events, event_count, timeout);
    check(change_count <= MOST_CHANGES && change_count <= event_count);
    for (kqueue_count i = 0; i < change_count; i++) {
        changes_made++;
        refused[i] = is_refused(&changes[i], events != changes);
        any = any || refused[i];
    }
    if (any)
        return refuse_some(fd, changes, change_count, refused, events);
    if (call == CALL_KEVENT_WAIT && telling.filter) {
        events[0] = telling;
        telling.filter = 0;
        return 1;
    }
    return __real_kevent(fd, changes, change_count, events, event_count, timeout);
}

/* To enable what is enabled changes nothing. */
bool kernel_registered(evloop *loop, int fd, kqueue_filter filter)
{
    struct kevent change;
    EV_SET(&change, (uintptr_t)fd, filter, EV_ENABLE | EV_RECEIPT, 0, 0, NULL);
    check(__real_kevent(evloop_backend_fd(loop), &change, 1, &change, 1, &at_once) == 1);
    return change.data == 0;
}
