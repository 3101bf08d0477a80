/*
 * uring_ring.c: see uring_ring.h.
 */
#include "poller/uring_ring.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "poller/descriptor.h"
#include "poller/uring_probe.h"
#include "util/atomic.h"

/*
 * The completion queue has room for what a busy turn brings; what is beyond it the kernel keeps by
 * itself, at a price. Memory: 64 bytes a request, 16 a completion.
 */
enum { REQUESTS = 128, COMPLETIONS = 1024 };

/* A run of so many waits is long enough to register the ring's descriptor for. */
enum { ENTERS_TO_REGISTER = 64 };

/* Threads have numbers that are never used again, unlike their addresses: the kernel knows. */
static uint64_t thread_number(void)
{
    static ATOMIC(uint64_t) last;
    static _Thread_local uint64_t own;
    if (!own)
        own = atomic_add(&last, 1, seq_cst) + 1;
    return own;
}

/* Where a standard descriptor is closed, the ring has taken its number: see descriptor.h. */
static int move_above_standard(struct io_uring *uring)
{
    if (uring->ring_fd > STDERR_FILENO)
        return 0;
    int moved = descriptor_duplicate(uring->ring_fd);
    if (moved < 0)
        return moved;
    close(uring->ring_fd);
    uring->ring_fd = moved;
    uring->enter_ring_fd = moved;
    return 0;
}

int ring_open(struct ring *ring)
{
    struct io_uring_params params;
    memset(ring, 0, sizeof *ring);
    memset(&params, 0, sizeof params);
    params.flags = URING_SETUP_FLAGS;
    params.cq_entries = COMPLETIONS;
    int err = io_uring_queue_init_params(REQUESTS, &ring->uring, &params);
    if (err)
        return err;
    err = move_above_standard(&ring->uring);
    if (err) {
        io_uring_queue_exit(&ring->uring);
        return err;
    }
    ring->open = true;
    ring->process = getpid();
    return 0;
}

void ring_close(struct ring *ring)
{
    if (!ring->open)
        return;
    ring_pause(ring);
    io_uring_queue_exit(&ring->uring);
    ring->open = false;
    ring->owner = 0;
}

int ring_enable(struct ring *ring)
{
    int err = uring_enable(&ring->uring);
    if (err < 0)
        return err;
    ring->owner = thread_number();
    return 0;
}

bool ring_is_own(const struct ring *ring)
{
    return ring->owner == thread_number();
}

int ring_submit(struct ring *ring)
{
    int n = io_uring_submit(&ring->uring);
    if (n >= 0 && io_uring_sq_ready(&ring->uring) > 0)
        return -EAGAIN;
    return n < 0 ? n : 0;
}

struct io_uring_sqe *ring_request(struct ring *ring)
{
    struct io_uring_sqe *request = io_uring_get_sqe(&ring->uring);
    if (!request && ring_submit(ring) == 0)
        request = io_uring_get_sqe(&ring->uring);
    return request;
}

/* The descriptor's number costs a look at the process's table in every call: less, registered. */
static void count_enter(struct ring *ring)
{
    if (++ring->enters == ENTERS_TO_REGISTER)
        ring->registered = io_uring_register_ring_fd(&ring->uring) == 1;
}

static int wait_for_one(struct ring *ring, uint64_t timeout_ns)
{
    struct io_uring_cqe *ignored;
    struct __kernel_timespec timeout = {.tv_sec = (long long)(timeout_ns / 1000000000),
                                        .tv_nsec = (long long)(timeout_ns % 1000000000)};
    bool for_ever = timeout_ns == EVLOOP_FOREVER;
    return io_uring_submit_and_wait_timeout(&ring->uring, &ignored, 1, for_ever ? NULL : &timeout,
                                            NULL);
}

int ring_enter(struct ring *ring, uint64_t timeout_ns)
{
    count_enter(ring);
    int n =
        timeout_ns ? wait_for_one(ring, timeout_ns) : io_uring_submit_and_get_events(&ring->uring);
    if (IO_URING_READ_ONCE(*ring->uring.sq.kflags) & IORING_SQ_CQ_OVERFLOW)
        ring->overflows++;
    switch (n) {
    case -ETIME:
    case -EINTR:
    case -EBUSY:
    case -EAGAIN:
        return 0;
    default:
        return n < 0 ? n : 0;
    }
}

bool ring_next(struct ring *ring, struct ring_event *event)
{
    struct io_uring_cqe *completion;
    unsigned head;
    io_uring_for_each_cqe(&ring->uring, head, completion)
    {
        event->user_data = completion->user_data;
        event->result = completion->res;
        event->flags = completion->flags;
        io_uring_cq_advance(&ring->uring, 1);
        return true;
    }
    return false;
}

bool ring_is_taken(const struct ring *ring)
{
    return io_uring_cq_ready(&ring->uring) == 0;
}

bool ring_is_submitted(const struct ring *ring)
{
    return io_uring_sq_ready(&ring->uring) == 0;
}

void ring_pause(struct ring *ring)
{
    ring->enters = 0;
    if (!ring->registered || !ring_is_own(ring))
        return;
    io_uring_unregister_ring_fd(&ring->uring);
    ring->registered = false;
}
