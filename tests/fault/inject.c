/*
 * inject.c: see inject.h.
 *
 * A request that is to fail is made a no-operation just before it is submitted; its completion is
 * given the result that was asked for. Completions go through a queue of our own (`held`).
 */
#include "inject.h"

enum { TAGS = TAG_LEFT + 1, DOOMED = 256, HELD = 65536 };

struct rule {
    unsigned count;
    unsigned from; /* the number of the first that is concerned; 0: none is */
    unsigned to;   /* ... of the first that is not any more */
    int err;
};

static struct rule fails[TAGS], ends[TAGS], calls[INJECT_CALLS];
static size_t most[TAGS];
static bool trickles, shuffles, small, no_copies, no_sends;
static unsigned zero_copies, held_back;
static uint64_t overflows;
static uint64_t seed;
static unsigned done, allowed;

static struct {
    uint64_t user_data;
    int err;
} doomed[DOOMED];
static unsigned doomed_count;

static struct ring_event held[HELD];
static size_t held_count;
static const struct ring *held_from;

/* The requests that were looked at. */
static struct {
    const struct ring *ring;
    unsigned tail;
} seen;

static bool applies(struct rule *rule)
{
    unsigned number = ++rule->count;
    if (!rule->from || number < rule->from || number >= rule->to)
        return false;
    done++;
    return true;
}

static void set(struct rule *rule, unsigned nth, unsigned times, int err)
{
    rule->from = rule->count + nth;
    rule->to = rule->from + times;
    rule->err = err;
}

void inject_reset(void)
{
    memset(fails, 0, sizeof fails);
    memset(ends, 0, sizeof ends);
    memset(calls, 0, sizeof calls);
    memset(most, 0, sizeof most);
    trickles = shuffles = small = no_copies = no_sends = false;
    zero_copies = held_back = 0;
    overflows = 0;
    done = 0;
}

void inject_fail(enum uring_tag tag, unsigned nth, unsigned times, int err)
{
    set(&fails[tag], nth, times, err);
}

void inject_end(enum uring_tag tag, unsigned nth, unsigned times, int err)
{
    set(&ends[tag], nth, times, err);
}

void inject_shorten(enum uring_tag tag, size_t bytes)
{
    most[tag] = bytes;
}

void inject_trickle(void)
{
    trickles = true;
}

void inject_shuffle(uint64_t first)
{
    shuffles = true;
    seed = first;
}

void inject_call_fail(enum inject_call call, unsigned nth, unsigned times, int err)
{
    set(&calls[call], nth, times, err);
}

void inject_small_rings(void)
{
    small = true;
}

void inject_no_copies(void)
{
    no_copies = true;
}

void inject_hold_notifications(unsigned enters)
{
    held_back = enters;
}

void inject_hold_sends(bool hold)
{
    no_sends = hold;
}

unsigned inject_zero_copies(void)
{
    return zero_copies;
}

uint64_t inject_overflows(void)
{
    return overflows;
}

unsigned inject_requests(enum uring_tag tag)
{
    return fails[tag].count;
}

unsigned inject_completions(enum uring_tag tag)
{
    return ends[tag].count;
}

unsigned inject_calls(enum inject_call call)
{
    return calls[call].count;
}

unsigned inject_done(void)
{
    return done;
}

const char *inject_tag_name(enum uring_tag tag)
{
    static const char *const names[TAGS] = {"nothing", "epoll",   "accept", "readable", "receive",
                                            "into",    "message", "send",   "room",     "left"};
    return names[tag];
}

/* ---- requests -------------------------------------------------------------------------------- */

struct io_uring_sqe *__real_ring_request(struct ring *ring);
ssize_t __wrap_ready_transmit(struct evloop_operation *operation);
struct io_uring_sqe *__wrap_ring_request(struct ring *ring);
int __real_ring_submit(struct ring *ring);
int __wrap_ring_submit(struct ring *ring);
int __real_ring_enter(struct ring *ring, uint64_t timeout_ns);
int __wrap_ring_enter(struct ring *ring, uint64_t timeout_ns);
int __real_ring_open(struct ring *ring);
int __wrap_ring_open(struct ring *ring);
bool __real_ring_next(struct ring *ring, struct ring_event *event);
bool __wrap_ring_next(struct ring *ring, struct ring_event *event);
int __real_io_uring_submit_and_wait_timeout(struct io_uring *ring, struct io_uring_cqe **cqe,
                                            unsigned wait_nr, struct __kernel_timespec *timeout,
                                            sigset_t *mask);
int __wrap_io_uring_submit_and_wait_timeout(struct io_uring *ring, struct io_uring_cqe **cqe,
                                            unsigned wait_nr, struct __kernel_timespec *timeout,
                                            sigset_t *mask);
int __real_io_uring_submit_and_get_events(struct io_uring *ring);
int __wrap_io_uring_submit_and_get_events(struct io_uring *ring);
int __real_io_uring_queue_init_params(unsigned entries, struct io_uring *ring,
                                      struct io_uring_params *params);
int __wrap_io_uring_queue_init_params(unsigned entries, struct io_uring *ring,
                                      struct io_uring_params *params);

int __wrap_io_uring_queue_init_params(unsigned entries, struct io_uring *ring,
                                      struct io_uring_params *params)
{
    if (small)
        params->cq_entries = entries = 8;
    return __real_io_uring_queue_init_params(entries, ring, params);
}

static void doom(struct io_uring_sqe *request, int err)
{
    uint64_t user_data = request->user_data;
    check(doomed_count < DOOMED);
    io_uring_prep_nop(request);
    request->user_data = user_data;
    doomed[doomed_count].user_data = user_data;
    doomed[doomed_count++].err = err;
}

static bool is_zero_copy(const struct io_uring_sqe *request)
{
    return request->opcode == IORING_OP_SEND_ZC || request->opcode == IORING_OP_SENDMSG_ZC;
}

static void shorten(struct io_uring_sqe *request, enum uring_tag tag)
{
    bool plain = request->opcode == IORING_OP_SEND || request->opcode == IORING_OP_SEND_ZC ||
                 (request->opcode == IORING_OP_RECV && !(request->flags & IOSQE_BUFFER_SELECT));
    if (plain && most[tag] && request->len > most[tag])
        request->len = (unsigned)most[tag];
    bool gathered = request->opcode == IORING_OP_SENDMSG || request->opcode == IORING_OP_SENDMSG_ZC;
    if (gathered && most[tag]) {
        struct msghdr *header = (struct msghdr *)(uintptr_t)request->addr;
        header->msg_iovlen = 1;
        if (header->msg_iov->iov_len > most[tag])
            header->msg_iov->iov_len = most[tag];
    }
}

/* Those that were filled in since the last time. */
static void look_at_requests(struct ring *ring)
{
    struct io_uring_sq *sq = &ring->uring.sq;
    if (seen.ring != ring || (int)(sq->sqe_head - seen.tail) > 0)
        seen.tail = sq->sqe_head;
    seen.ring = ring;
    for (; seen.tail != sq->sqe_tail; seen.tail++) {
        struct io_uring_sqe *request = &sq->sqes[seen.tail & sq->ring_mask];
        enum uring_tag tag = uring_tag_of(request->user_data);
        if (tag == TAG_NOTHING)
            continue;
        zero_copies += is_zero_copy(request);
        if (applies(&fails[tag]))
            doom(request, fails[tag].err);
        else
            shorten(request, tag);
    }
}

/* A loop with few events sends without the ring: here everything is to go through it. */
ssize_t __wrap_ready_transmit(struct evloop_operation *operation)
{
    (void)operation;
    return -EAGAIN;
}

struct io_uring_sqe *__wrap_ring_request(struct ring *ring)
{
    look_at_requests(ring);
    return applies(&calls[INJECT_REQUEST]) ? NULL : __real_ring_request(ring);
}

int __wrap_ring_submit(struct ring *ring)
{
    look_at_requests(ring);
    return __real_ring_submit(ring);
}

int __wrap_ring_open(struct ring *ring)
{
    if (applies(&calls[INJECT_OPEN])) {
        memset(ring, 0, sizeof *ring);
        return -calls[INJECT_OPEN].err;
    }
    seen.ring = NULL;
    held_count = 0;
    doomed_count = 0;
    return __real_ring_open(ring);
}

int __wrap_ring_enter(struct ring *ring, uint64_t timeout_ns)
{
    look_at_requests(ring);
    allowed = 1;
    held_back -= held_back > 0;
    uint64_t before = ring->overflows;
    int result = __real_ring_enter(ring, held_count > 0 ? 0 : timeout_ns);
    overflows += ring->overflows - before;
    return result;
}

int __wrap_io_uring_submit_and_wait_timeout(struct io_uring *ring, struct io_uring_cqe **cqe,
                                            unsigned wait_nr, struct __kernel_timespec *timeout,
                                            sigset_t *mask)
{
    if (applies(&calls[INJECT_ENTER]))
        return -calls[INJECT_ENTER].err;
    return __real_io_uring_submit_and_wait_timeout(ring, cqe, wait_nr, timeout, mask);
}

int __wrap_io_uring_submit_and_get_events(struct io_uring *ring)
{
    if (applies(&calls[INJECT_ENTER]))
        return -calls[INJECT_ENTER].err;
    return __real_io_uring_submit_and_get_events(ring);
}

/* ---- completions ----------------------------------------------------------------------------- */

static void bend(struct ring_event *event)
{
    for (unsigned i = 0; i < doomed_count; i++)
        if (doomed[i].user_data == event->user_data) {
            event->result = -doomed[i].err;
            event->flags = 0;
            doomed[i] = doomed[--doomed_count];
            return;
        }
}

static void take_all(struct ring *ring)
{
    if (held_from != ring || !ring->open)
        held_count = 0;
    held_from = ring;
    while (held_count < HELD && __real_ring_next(ring, &held[held_count]))
        bend(&held[held_count++]);
}

static bool is_notification(const struct ring_event *event)
{
    return event->flags & IORING_CQE_F_NOTIF;
}

static bool is_held_back(const struct ring_event *event)
{
    return (held_back > 0 && is_notification(event)) ||
           (no_sends && uring_tag_of(event->user_data) == TAG_SEND);
}

static void remove_held(size_t i)
{
    memmove(held + i, held + i + 1, (--held_count - i) * sizeof *held);
}

static size_t terminal_of(uint64_t user_data)
{
    size_t i = 0;
    while (i < held_count && (held[i].user_data != user_data || held[i].flags & IORING_CQE_F_MORE))
        i++;
    return i;
}

static void cancel_in_kernel(struct ring *ring, uint64_t user_data)
{
    while (terminal_of(user_data) == held_count) {
        struct io_uring_sqe *request = __real_ring_request(ring);
        check(request != NULL);
        io_uring_prep_cancel64(request, user_data, 0);
        request->user_data = 0;
        look_at_requests(ring);
        check(__real_io_uring_submit_and_get_events(&ring->uring) >= 0);
        take_all(ring);
    }
}

/* The first of those that are held is not the last of its multishot: it ends now. */
static void end_multishot(struct ring *ring, int err)
{
    uint64_t user_data = held[0].user_data;
    cancel_in_kernel(ring, user_data);
    size_t last = terminal_of(user_data);
    if (held[last].result != -ECANCELED) /* it has ended by itself, with something to say */
        return;
    if (err) {
        held[last].result = -err;
        return;
    }
    remove_held(last);
    while (held[--last].user_data != user_data)
        ;
    held[last].flags &= ~(unsigned)IORING_CQE_F_MORE;
}

/* Those of one operation keep their order, and those that share buffers. */
static bool ordered(const struct ring_event *a, const struct ring_event *b)
{
    bool both_receive =
        uring_tag_of(a->user_data) == TAG_RECEIVE && uring_tag_of(b->user_data) == TAG_RECEIVE;
    return a->user_data == b->user_data || both_receive;
}

static void shuffle(void)
{
    for (size_t rounds = held_count; rounds > 1; rounds--)
        for (size_t i = 1; i < held_count; i++)
            if (!ordered(&held[i - 1], &held[i]) && chance(&seed) % 2) {
                struct ring_event event = held[i];
                held[i] = held[i - 1];
                held[i - 1] = event;
            }
}

/* The first that is not held back comes to the front; whether there is one. */
static bool find_due(void)
{
    for (size_t tries = held_count; tries > 0; tries--) {
        struct ring_event first = held[0];
        if (!is_held_back(&first))
            return true;
        remove_held(0);
        held[held_count++] = first;
    }
    return false;
}

bool __wrap_ring_next(struct ring *ring, struct ring_event *event)
{
    size_t before = held_count;
    take_all(ring);
    if (shuffles && held_count > before)
        shuffle();
    if (!find_due() || (trickles && allowed == 0 && ring_is_own(ring)))
        return false;
    enum uring_tag tag = uring_tag_of(held[0].user_data);
    if (held[0].flags & IORING_CQE_F_MORE && ring_is_own(ring) && applies(&ends[tag]))
        end_multishot(ring, ends[tag].err);
    *event = held[0];
    if (no_copies && is_notification(event))
        event->result &= (int32_t)~URING_NOTIFICATION_COPIED;
    remove_held(0);
    allowed -= allowed > 0;
    return true;
}
