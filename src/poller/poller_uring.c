/*
 * poller_uring.c: Linux, with io_uring for the operations of sockets. Watches, and whatever is no
 * socket, go on over epoll, whose instance is poller->fd.
 *
 * Who waits for whom:
 * - Before the first native operation there is nothing in the ring: the loop waits in epoll_wait().
 * - From then on it waits in the ring, which polls the epoll instance, once at a time; after it
 *   fired it is armed again, and thereby looks again whether anything is (still) ready.
 * - Once poller->fd was lent to an outer loop, it is the other way round: the ring wakes
 *   the epoll instance, and the loop looks at both in every turn.
 *
 * The ring is the thread's that runs the loop. Another thread that comes later (to run it, or to
 * end what is in flight) takes over with a new ring: since the kernel works only inside
 * ring_enter(), nothing has happened since the last one whose completion is not in the old ring,
 * and what was in flight is begun anew.
 */
#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "poller/uring.h"
#include "util/memory.h"

/* Whether an operation was started: from then on the ring is waited for. */
static bool was_used(const struct poller *poller)
{
    return poller_is(poller, POLLER_NATIVE);
}

/* ---- entries --------------------------------------------------------------------------------- */

struct uring_entry *uring_find(const struct uring *uring, int fd)
{
    size_t page = (size_t)fd / ENTRIES_A_PAGE;
    if (page >= uring->page_count || !uring->pages[page])
        return NULL;
    return &uring->pages[page]->of[(size_t)fd % ENTRIES_A_PAGE];
}

static bool grow(struct poller *poller, size_t wanted)
{
    struct uring *uring = poller->uring;
    size_t count = uring->page_count ? uring->page_count : 1;
    while (count < wanted)
        count *= 2;
    struct uring_page **pages = (struct uring_page **)poller->allocator->resize(
        poller->allocator->context, uring->pages, count * sizeof(struct uring_page *));
    if (!pages)
        return false;
    memset(pages + uring->page_count, 0, (count - uring->page_count) * sizeof *pages);
    uring->pages = pages;
    uring->page_count = count;
    return true;
}

struct uring_entry *uring_find_or_make(struct poller *poller, int fd)
{
    struct uring *uring = poller->uring;
    size_t page = (size_t)fd / ENTRIES_A_PAGE;
    if (page >= uring->page_count && !grow(poller, page + 1))
        return NULL;
    if (!uring->pages[page])
        uring->pages[page] =
            (struct uring_page *)memory_zalloc(poller->allocator, sizeof(struct uring_page));
    return uring_find(uring, fd);
}

/* ---- the life of the backend ----------------------------------------------------------------- */

static int uring_works(const char **words)
{
    return uring_probe(NULL, words);
}

static int uring_open(struct poller *poller)
{
    struct uring *uring = (struct uring *)memory_zalloc(poller->allocator, sizeof *uring);
    if (!uring)
        return -ENOMEM;
    list_init(&uring->queued);
    list_init(&uring->starved);
    list_init(&uring->promised);
    int err = uring_probe(&uring->features, &(const char *){NULL});
    if (!err)
        err = poller_epoll.open(poller);
    if (err)
        goto free_uring;
    err = ring_open(&uring->ring);
    if (err)
        goto close_epoll;
    poller->uring = uring;
    return 0;

close_epoll:
    poller_epoll.close(poller);
free_uring:
    memory_free(poller->allocator, uring);
    return err;
}

/* No endpoint is left. What the ring had in flight is the epoll instance's poll. */
static void uring_close(struct poller *poller)
{
    struct uring *uring = poller->uring;
    ring_close(&uring->ring);
    pool_free(poller, &uring->streams);
    uring_messages_free(poller);
    for (size_t i = 0; i < uring->page_count; i++)
        memory_free(poller->allocator, uring->pages[i]);
    memory_free(poller->allocator, uring->pages);
    memory_free(poller->allocator, uring->events.ring);
    memory_free(poller->allocator, uring->late.ring);
    memory_free(poller->allocator, uring->scratch);
    memory_free(poller->allocator, uring);
    poller->uring = NULL;
    poller->collected = 0;
    poller_epoll.close(poller);
}

/* ---- whose ring it is ------------------------------------------------------------------------ */

static size_t collect_all(struct poller *poller)
{
    struct uring *uring = poller->uring;
    struct ring_event event;
    size_t most = uring->features.bundles && uring->streams.ring ? uring->streams.count : 1;
    size_t count = 0;
    for (; uring_reserve(poller, most) == 0 && ring_next(&uring->ring, &event); count++)
        uring_collect(poller, &event);
    return count;
}

/*
 * By the wake's eventfd, since a ring whose work waits for its thread (DEFER_TASKRUN) does not wake
 * who polls it. This thread's ring.
 */
static int watch_ring(struct poller *poller)
{
    struct io_uring *ring = &poller->uring->ring.uring;
    if (poller->uring->ring_in_epoll)
        io_uring_unregister_eventfd(ring); /* of the instance that was there before */
    int err = io_uring_register_eventfd(ring, poller->wake_fd);
    poller->uring->ring_in_epoll = !err;
    return err;
}

/* A new ring, with the pools and what was in flight. */
static int renew(struct poller *poller)
{
    struct uring *uring = poller->uring;
    ring_close(&uring->ring);
    uring->epoll_armed = false;
    int err = ring_open(&uring->ring);
    if (!err && was_used(poller))
        err = ring_enable(&uring->ring);
    if (!err)
        err = pool_reopen(poller, &uring->streams);
    if (!err)
        err = uring_messages_reopen(poller);
    if (!err && uring->ring_in_epoll)
        err = watch_ring(poller);
    if (err)
        ring_close(&uring->ring);
    uring_restart_all(poller);
    return err;
}

int uring_own(struct poller *poller)
{
    struct uring *uring = poller->uring;
    struct ring *ring = &uring->ring;
    if (ring_is_own(ring))
        return 0;
    if (ring->open && ring->owner == 0)
        return ring_enable(ring);
    if (ring->open)
        collect_all(poller);
    if (ring->open && !ring_is_taken(ring)) /* for want of memory: they would be lost */
        return -ENOMEM;
    if (uring->notifications > 0) /* they come to the other thread only */
        return -EBUSY;
    return renew(poller);
}

/* ---- waiting --------------------------------------------------------------------------------- */

static int arm_epoll(struct poller *poller)
{
    struct uring *uring = poller->uring;
    struct io_uring_sqe *request = uring->epoll_armed ? NULL : ring_request(&uring->ring);
    if (uring->epoll_armed)
        return 0;
    if (!request)
        return -EAGAIN;
    io_uring_prep_poll_add(request, poller->fd, EPOLLIN);
    request->user_data = (uint64_t)TAG_EPOLL << 56;
    uring->epoll_armed = true;
    return 0;
}

/* The kernel (6.14 and later) works off so much in one call, though there may be more. */
enum { BATCH = 20, BATCHES_AT_MOST = 64 };

int uring_turn(struct poller *poller, uint64_t timeout_ns)
{
    struct uring *uring = poller->uring;
    int err = ring_enter(&uring->ring, timeout_ns);
    if (uring->scratch && ring_is_submitted(&uring->ring)) {
        uring->scratch->iov_used = 0;
        uring->scratch->headers_used = 0;
    }
    for (unsigned i = 0; collect_all(poller) >= BATCH && !err && i < BATCHES_AT_MOST; i++)
        err = ring_enter(&uring->ring, 0);
    if (!err && poller->collected == 0 && !ring_is_taken(&uring->ring)) /* nor will it get better */
        err = -ENOMEM;
    return err;
}

/* A cancellation is repeated after this time, should the first one have met nothing. */
#define CANCEL_NS EVLOOP_MS(1)

int uring_cancel(struct poller *poller, uint64_t user_data)
{
    struct io_uring_sqe *request = ring_request(&poller->uring->ring);
    if (request) {
        io_uring_prep_cancel64(request, user_data, 0);
        request->user_data = (uint64_t)TAG_NOTHING << 56;
    }
    int err = uring_turn(poller, CANCEL_NS);
    if (!err && !ring_is_taken(&poller->uring->ring)) /* it may be among those */
        err = -ENOMEM;
    return err;
}

/* The ring polls the epoll instance. If it cannot be told to now, nobody sleeps. */
static int wait_in_ring(struct poller *poller, uint64_t timeout_ns)
{
    struct uring *uring = poller->uring;
    if (arm_epoll(poller) != 0 || uring->epoll_fired || poller->collected > 0)
        timeout_ns = 0;
    int err = uring_turn(poller, timeout_ns);
    if (!uring->epoll_fired)
        return err;
    uring->epoll_fired = false;
    int epoll_err = poller_epoll.wait(poller, 0);
    return err ? err : epoll_err;
}

static int disarm_epoll(struct poller *poller)
{
    int err = 0;
    while (!err && poller->uring->epoll_armed)
        err = uring_cancel(poller, (uint64_t)TAG_EPOLL << 56);
    return err;
}

/* The poll that is in the ring would wake the epoll instance, and that the ring. */
static int turn_round(struct poller *poller)
{
    int err = disarm_epoll(poller);
    return err || poller->uring->ring_in_epoll ? err : watch_ring(poller);
}

/* The ring wakes the epoll instance. */
static int wait_in_epoll(struct poller *poller, uint64_t timeout_ns)
{
    int err = turn_round(poller);
    if (!err)
        err = uring_turn(poller, 0);
    if (err || poller->collected > 0)
        timeout_ns = 0;
    int epoll_err = poller_epoll.wait(poller, timeout_ns);
    if (timeout_ns && !err)
        err = uring_turn(poller, 0);
    return err ? err : epoll_err;
}

static int uring_wait(struct poller *poller, uint64_t timeout_ns)
{
    struct uring *uring = poller->uring;
    if (!was_used(poller))
        return poller_epoll.wait(poller, timeout_ns);
    int err = uring_own(poller);
    if (err)
        return err;
    uring_urge(uring);
    uring_prepare(poller);
    bool lent = poller_is(poller, POLLER_FD_LENT);
    bool put_off = !list_empty(&uring->queued); /* there was no memory, or no room */
    if (put_off || !list_empty(&uring->promised))
        timeout_ns = 0;
    err = lent ? wait_in_epoll(poller, timeout_ns) : wait_in_ring(poller, timeout_ns);
    if (!err && uring_relieve(poller)) {
        uring_prepare(poller);
        err = uring_turn(poller, 0);
    }
    uring_begin_turn(uring);
    return err;
}

/*
 * The run ends. An outer loop that polls poller->fd has to be told of everything by it; else there
 * is time until the next run.
 */
static int uring_pause(struct poller *poller)
{
    struct uring *uring = poller->uring;
    int err = 0;
    if (was_used(poller) && poller_is(poller, POLLER_FD_LENT)) {
        err = uring_own(poller);
        if (!err) {
            uring_prepare(poller);
            err = turn_round(poller);
        }
        if (!err)
            err = uring_turn(poller, 0);
        uring_urge(uring);
    }
    ring_pause(&uring->ring);
    return err;
}

/* Whether poller->fd, which was lent, does not tell everything. */
static bool uring_silent(const struct poller *poller)
{
    const struct uring *uring = poller->uring;
    return was_used(poller) && (!uring->ring_in_epoll || !list_empty(&uring->queued));
}

/* ---- the rest is epoll's --------------------------------------------------------------------- */

/* Under the same number there is another instance. */
static int poll_anew(struct poller *poller)
{
    struct uring *uring = poller->uring;
    int err = uring->epoll_armed || uring->ring_in_epoll ? uring_own(poller) : 0;
    if (!err)
        err = disarm_epoll(poller);
    return err || !uring->ring_in_epoll ? err : watch_ring(poller);
}

/* In a fork's child the ring is the parent's, with the memory that it shares with the kernel. */
static int uring_reopen(struct poller *poller)
{
    struct uring *uring = poller->uring;
    int err = poller_epoll.reopen(poller);
    if (err)
        return err;
    if (uring->ring.process == getpid())
        return poll_anew(poller);
    uring_forget_all(poller);
    return renew(poller);
}

static int uring_change(struct poller *poller, int fd, uint32_t generation, unsigned from,
                        unsigned to)
{
    return poller_epoll.change(poller, fd, generation, from, to);
}

static void uring_wake(struct poller *poller)
{
    poller_epoll.wake(poller);
}

const struct poller_backend poller_uring = {
    .name = "uring",
    .operations = &uring_operations,
    .probe = uring_works,
    .open = uring_open,
    .close = uring_close,
    .reopen = uring_reopen,
    .change = uring_change,
    .wait = uring_wait,
    .pause = uring_pause,
    .silent = uring_silent,
    .wake = uring_wake,
};
