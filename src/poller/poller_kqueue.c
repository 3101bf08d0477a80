/*
 * poller_kqueue.c: kqueue, of Darwin and the BSDs. A descriptor has a filter for each of what is
 * wanted of it, so that one registration of interest.c's is up to three of the kernel's: either all
 * of them are there, or none. They are level-triggered for watches and listeners, and cleared when
 * told for streams and datagrams; udata carries the generation.
 *
 * - The first registration and the removal are calls of their own, with a receipt for every change.
 *   What watches ask for instead later goes with the wait, in the same call.
 * - The kernel drops what is registered of a descriptor when it is closed, and drops the whole
 *   kqueue in a fork's child.
 * - Whether the peer has closed its side is told by EVFILT_READ. Whoever wants to know that alone
 *   must not be told of data for ever: the filter is then cleared when told, until the peer has
 *   closed.
 */
#include "poller/kqueue.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "evloop/error.h"
#include "poller/descriptor.h"
#include "util/memory.h"

enum { EVENTS_A_WAIT = 256, FILTERS = 3, CHANGES_AT_ONCE = 2 * FILTERS };

static const struct timespec at_once = {0, 0};

/* Urgent data: where there is no filter for it, nobody is told. */
#ifdef NOTE_OOB
enum { TOLD = EVLOOP_PRIORITY, EXCEPT_FILTER = EVFILT_EXCEPT, EXCEPT_NOTES = NOTE_OOB };
#else
enum { TOLD = 0, EXCEPT_FILTER = EVFILT_READ, EXCEPT_NOTES = 0 };
#endif

/* ---- open, closed ---------------------------------------------------------------------------- */

/* No fork hands it on, so that close-on-exec may come a moment later. */
static int open_kqueue(void)
{
    int fd = descriptor_above_standard(kqueue());
    if (fd < 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) == 0)
        return fd;
    int err = -errno;
    close(fd);
    return err;
}

static int open_objects(struct poller *poller)
{
    int fd = open_kqueue();
    if (fd < 0)
        return fd;
    poller->fd = fd;
    int err = kqueue_wake_open(poller);
    if (err) {
        close(fd);
        poller->fd = -1;
    }
    return err;
}

static int kqueue_open(struct poller *poller)
{
    poller->kqueue = (struct kqueue *)memory_zalloc(poller->allocator, sizeof *poller->kqueue);
    if (!poller->kqueue)
        return -ENOMEM;
    int err = open_objects(poller);
    if (err) {
        memory_free(poller->allocator, poller->kqueue);
        poller->kqueue = NULL;
        return err;
    }
    poller->kqueue->number = poller->fd;
    poller->kqueue->process = getpid();
    return 0;
}

static void kqueue_close(struct poller *poller)
{
    if (poller->fd >= 0) {
        kqueue_wake_close(poller);
        close(poller->fd);
    }
    poller->fd = -1;
    memory_free(poller->allocator, poller->kqueue);
    poller->kqueue = NULL;
}

/*
 * In a fork's child: the old kqueue is not there, and somebody else may have its number by now. If
 * nobody has, the new one takes it.
 */
static int kqueue_reopen(struct poller *poller)
{
    struct kqueue *kqueue = poller->kqueue;
    if (poller->fd >= 0)
        kqueue_wake_close(poller);
    if (poller->fd >= 0 && kqueue->process == getpid()) /* an attempt before this one */
        close(poller->fd);
    poller->fd = -1;
    kqueue->late_count = 0;
    kqueue->process = getpid();
    int err = open_objects(poller);
    if (err || poller->fd == kqueue->number)
        return err;
    int same = fcntl(poller->fd, F_DUPFD_CLOEXEC, kqueue->number);
    if (same == kqueue->number) {
        close(poller->fd);
        poller->fd = same;
    } else if (same >= 0) {
        close(same);
    }
    return 0;
}

/* ---- changes --------------------------------------------------------------------------------- */

enum trigger { NONE, LEVEL, CLEAR };

static enum trigger trigger_of(unsigned events, unsigned wanted)
{
    if (!(events & wanted))
        return NONE;
    return events & INTEREST_EDGE ? CLEAR : LEVEL;
}

static enum trigger read_trigger(unsigned events)
{
    if ((events & (EVLOOP_READABLE | EVLOOP_DISCONNECT)) == EVLOOP_DISCONNECT)
        return CLEAR;
    return trigger_of(events, EVLOOP_READABLE | EVLOOP_DISCONNECT);
}

struct change_list {
    struct kevent *changes;
    unsigned count;
    int fd;
    uint32_t generation;
};

static void put(struct change_list *list, kqueue_filter filter, kqueue_flags flags, unsigned notes)
{
    EV_SET(&list->changes[list->count], (uintptr_t)list->fd, filter, flags, notes, 0,
           (void *)(uintptr_t)list->generation);
    list->count++;
}

/*
 * What is level-triggered is added in any case: the descriptor may have been closed, and its number
 * have come back. What is cleared when told would be told once more. Not every system changes the
 * trigger of what is there.
 */
static void change_filter(struct change_list *list, kqueue_filter filter, unsigned notes,
                          enum trigger from, enum trigger to)
{
    if (from != NONE && from != to)
        put(list, filter, EV_DELETE, 0);
    if (to != NONE && (to != from || to == LEVEL))
        put(list, filter, to == CLEAR ? EV_ADD | EV_CLEAR : EV_ADD, notes);
}

/* changes has room for CHANGES_AT_ONCE; returns how many there are. */
static unsigned changes_of(struct kevent *changes, int fd, uint32_t generation, unsigned from,
                           unsigned to)
{
    struct change_list list = {changes, 0, fd, generation};
    change_filter(&list, EVFILT_READ, 0, read_trigger(from), read_trigger(to));
    change_filter(&list, EVFILT_WRITE, 0, trigger_of(from, EVLOOP_WRITABLE),
                  trigger_of(to, EVLOOP_WRITABLE));
    change_filter(&list, EXCEPT_FILTER, EXCEPT_NOTES, trigger_of(from, TOLD), trigger_of(to, TOLD));
    return list.count;
}

static int first_error(const struct kevent *receipts, int count)
{
    for (int i = 0; i < count; i++)
        if (receipts[i].flags & EV_ERROR && receipts[i].data != 0 && receipts[i].data != ENOENT)
            return -(int)receipts[i].data;
    return 0;
}

int kqueue_submit(int fd, struct kevent *changes, unsigned count)
{
    int n;
    for (unsigned i = 0; i < count; i++)
        changes[i].flags |= EV_RECEIPT;
    do
        n = kevent(fd, changes, (kqueue_count)count, changes, (kqueue_count)count, &at_once);
    while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : first_error(changes, n);
}

/* All changes are there, or none: what was there before is put back. */
static int change_now(struct poller *poller, int fd, uint32_t generation, unsigned from,
                      unsigned to)
{
    struct kevent changes[CHANGES_AT_ONCE];
    unsigned count = changes_of(changes, fd, generation, from, to);
    int err = kqueue_submit(poller->fd, changes, count);
    if (err && to) {
        count = changes_of(changes, fd, generation, to, from);
        (void)kqueue_submit(poller->fd, changes, count);
    }
    return err;
}

/* What is always ready has nothing to tell. The kernel would take it, and count bytes instead. */
static bool is_file(const struct stat *status)
{
    return S_ISREG(status->st_mode) || S_ISDIR(status->st_mode) || S_ISBLK(status->st_mode);
}

/* What the systems say of what they cannot tell of a kind of descriptor. */
static bool cannot_tell(int err)
{
    static const int words[] = {EINVAL, ENODEV, EOPNOTSUPP, ENOTSUP};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (err == -words[i])
            return true;
    return false;
}

/* What the kernel's refusal means to the caller. */
static int translate(int err, int fd, unsigned events)
{
    struct stat status;
    if (fstat(fd, &status) != 0)
        return err;
    if (err == -EBADF && S_ISFIFO(status.st_mode) && events & EVLOOP_WRITABLE)
        return -EPIPE; /* NetBSD, of a pipe that nobody reads; FreeBSD says it itself */
    if (!cannot_tell(err))
        return err;
    if (S_ISCHR(status.st_mode) && !isatty(fd)) /* a device that is as a file */
        return -EPERM;
    return events & EVLOOP_PRIORITY && !(events & INTEREST_EDGE) ? -ENOTSUP : err;
}

static int add(struct poller *poller, int fd, uint32_t generation, unsigned events)
{
    struct stat status;
    if (fstat(fd, &status) != 0)
        return -errno;
    if (is_file(&status))
        return -EPERM;
    return change_now(poller, fd, generation, 0, events);
}

static void remove_all(struct poller *poller, int fd)
{
    const unsigned all = EVLOOP_READABLE | EVLOOP_WRITABLE | EVLOOP_PRIORITY;
    (void)change_now(poller, fd, 0, all, 0);
}

/*
 * After a wait that failed, some may be left of a descriptor that is somebody else's now. What the
 * kernel has of it is then not known.
 */
static bool forget_late(struct kqueue *kqueue, int fd)
{
    unsigned kept = 0;
    for (unsigned i = 0; i < kqueue->late_count; i++)
        if (kqueue->late[i].ident != (uintptr_t)fd)
            kqueue->late[kept++] = kqueue->late[i];
    bool forgotten = kept < kqueue->late_count;
    kqueue->late_count = kept;
    return forgotten;
}

/* Where what the kernel has is not known, it is made anew; what cannot be changed stays. */
static int change_anew(struct poller *poller, int fd, uint32_t generation, unsigned from,
                       unsigned to)
{
    remove_all(poller, fd);
    int err = to ? add(poller, fd, generation, to) : 0;
    if (err && from)
        (void)change_now(poller, fd, generation, 0, from);
    return err;
}

static int kqueue_change(struct poller *poller, int fd, uint32_t generation, unsigned from,
                         unsigned to)
{
    int err;
    if (forget_late(poller->kqueue, fd))
        err = change_anew(poller, fd, generation, from, to);
    else if (from)
        err = change_now(poller, fd, generation, from, to);
    else
        err = add(poller, fd, generation, to);
    return err && to ? translate(err, fd, to) : err;
}

/* ---- refusals -------------------------------------------------------------------------------- */

/* Of one change; the others of its descriptor are taken back. */
static int refuse(struct poller *poller, const struct kevent *event, int err)
{
    int fd = (int)event->ident;
    remove_all(poller, fd);
    return interest_refused(poller, fd, (uint32_t)(uintptr_t)event->udata, err);
}

static int take_refusal(struct poller *poller, const struct kevent *event)
{
    if (event->data == 0 || event->data == ENOENT)
        return 0;
    return refuse(poller, event, -(int)event->data);
}

/* If the call fails, its changes are to be made again: that some were made already does no harm. */
static int submit_late(struct poller *poller)
{
    struct kqueue *kqueue = poller->kqueue;
    struct kevent receipts[CHANGES];
    int n;
    int err = 0;
    if (kqueue->late_count == 0)
        return 0;
    for (unsigned i = 0; i < kqueue->late_count; i++)
        kqueue->late[i].flags |= EV_RECEIPT; /* else events would come, and be lost */
    do
        n = kevent(poller->fd, kqueue->late, (kqueue_count)kqueue->late_count, receipts, CHANGES,
                   &at_once);
    while (n < 0 && errno == EINTR);
    for (unsigned i = 0; i < kqueue->late_count; i++)
        kqueue->late[i].flags &= (kqueue_flags)~EV_RECEIPT;
    if (n < 0)
        return -errno;
    kqueue->late_count = 0;
    for (int i = 0; i < n; i++) {
        int refusal = take_refusal(poller, &receipts[i]);
        err = err ? err : refusal;
    }
    return err;
}

static int kqueue_change_later(struct poller *poller, int fd, uint32_t generation, unsigned from,
                               unsigned to)
{
    struct kqueue *kqueue = poller->kqueue;
    int err = kqueue->late_count + CHANGES_AT_ONCE > CHANGES ? submit_late(poller) : 0;
    if (!err)
        kqueue->late_count +=
            changes_of(kqueue->late + kqueue->late_count, fd, generation, from, to);
    return err;
}

/* ---- waiting --------------------------------------------------------------------------------- */

static unsigned events_of(const struct kevent *event)
{
    if (event->filter != EVFILT_READ && event->filter != EVFILT_WRITE)
        return EVLOOP_PRIORITY;
    unsigned events = event->filter == EVFILT_READ ? EVLOOP_READABLE : EVLOOP_WRITABLE;
    if (!(event->flags & EV_EOF))
        return events;
    if (event->filter == EVFILT_READ)
        events |= EVLOOP_DISCONNECT;
    return event->fflags ? events | EVLOOP_ERROR : events; /* what has failed, as an errno */
}

/* An end lasts, and is told as long as it does; data is not what was asked for. */
static int tell_end_again(struct poller *poller, const struct kevent *event)
{
    int fd = (int)event->ident;
    bool end = event->flags & EV_EOF;
    if (event->filter != EVFILT_READ || (!end && event->flags & EV_CLEAR) ||
        read_trigger(interest_registered(poller, fd)) != CLEAR ||
        interest_registered(poller, fd) & INTEREST_EDGE)
        return 0;
    struct kevent changes[CHANGES_AT_ONCE];
    struct change_list list = {changes, 0, fd, (uint32_t)(uintptr_t)event->udata};
    change_filter(&list, EVFILT_READ, 0, end ? CLEAR : LEVEL, end ? LEVEL : CLEAR);
    int err = kqueue_submit(poller->fd, changes, list.count);
    return err ? refuse(poller, event, err) : 0;
}

/* Nobody's. The descriptor's other filters may be somebody's. */
static void remove_filter(const struct poller *poller, const struct kevent *event)
{
    struct kevent change = *event;
    change.flags = EV_DELETE;
    (void)kqueue_submit(poller->fd, &change, 1);
}

static int take(struct poller *poller, const struct kevent *event)
{
    if (event->flags & EV_ERROR)
        return take_refusal(poller, event);
    if (kqueue_take_wake(poller, event))
        return 0;
    int fd = (int)event->ident;
    uint32_t generation = (uint32_t)(uintptr_t)event->udata;
    bool reopen_wanted = poller->reopen_wanted; /* in a child, where all goes */
    interest_collect(poller, fd, generation, events_of(event));
    if (poller->reopen_wanted == reopen_wanted)
        return reopen_wanted ? 0 : tell_end_again(poller, event);
    poller->reopen_wanted = false;
    remove_filter(poller, event);
    return 0;
}

static int take_all(struct poller *poller, const struct kevent *events, int count)
{
    int err = 0;
    for (int i = 0; i < count; i++) {
        int refusal = take(poller, &events[i]);
        err = err ? err : refusal;
    }
    return err;
}

/* The kernel may refuse to wait for very long, and nobody needs to. */
static const struct timespec *timeout_of(uint64_t timeout_ns, struct timespec *timeout)
{
    if (timeout_ns == EVLOOP_FOREVER)
        return NULL;
    if (timeout_ns > EVLOOP_SEC(86400))
        timeout_ns = EVLOOP_SEC(86400);
    timeout->tv_sec = (time_t)(timeout_ns / 1000000000);
    timeout->tv_nsec = (long)(timeout_ns % 1000000000);
    return timeout;
}

static int kqueue_wait(struct poller *poller, uint64_t timeout_ns)
{
    struct kqueue *kqueue = poller->kqueue;
    struct kevent events[EVENTS_A_WAIT];
    struct timespec timeout;
    int n = kevent(poller->fd, kqueue->late, (kqueue_count)kqueue->late_count, events,
                   EVENTS_A_WAIT, timeout_of(timeout_ns, &timeout));
    if (n < 0 && errno != EINTR)
        return -errno;
    kqueue->late_count = 0; /* a signal comes after the changes */
    int err = take_all(poller, events, n);
    if (n <= 0 || !(events[0].flags & EV_ERROR))
        return err;
    /* Refusals come without events: whoever is ready does not wait for them to end. */
    n = kevent(poller->fd, NULL, 0, events, EVENTS_A_WAIT, &at_once);
    if (n < 0)
        return err || errno == EINTR ? err : -errno;
    int later_err = take_all(poller, events, n);
    return err ? err : later_err;
}

/* At the end of a run: what was to go with a wait goes alone. */
static int kqueue_pause(struct poller *poller)
{
    return submit_late(poller);
}

/* Changes that wait: the kqueue knows nothing of them. */
static bool kqueue_silent(const struct poller *poller)
{
    return poller->kqueue && poller->kqueue->late_count > 0;
}

const struct poller_backend poller_kqueue = {
    .name = "kqueue",
    .untold = EVLOOP_PRIORITY & ~(unsigned)TOLD,
    .open = kqueue_open,
    .close = kqueue_close,
    .reopen = kqueue_reopen,
    .change = kqueue_change,
    .change_later = kqueue_change_later,
    .wait = kqueue_wait,
    .pause = kqueue_pause,
    .silent = kqueue_silent,
    .wake = kqueue_wake,
};
