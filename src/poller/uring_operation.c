/*
 * uring_operation.c: operations on sockets, carried out by the kernel: see uring.h.
 *
 * In: multishot, until it fails or is cancelled; where the kernel ends it earlier (no buffer, a
 * full completion queue), it is queued again. Out: one send at a time, gathered when it is handed
 * to the kernel; what cannot be a request (a piece of a file, descriptors) is tried at that moment,
 * and waits for room through the ring.
 */
#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include "poller/ready.h"
#include "poller/socket.h"
#include "poller/transfer.h"
#include "poller/uring.h"
#include "util/memory.h"

enum {
    INCREMENTAL_BUFFERS = 16,
    PLAIN_BUFFERS = 128,
    PLAIN_SHARES = 32, /* of the memory that was asked for */
    EVENTS_AT_FIRST = 64,
    CALM = 16,     /* such a part of its share: no flood any more */
    FEW_EVENTS = 2 /* in a turn: the next one's sends are better made at once */
};

static struct uring_entry *entry_of(const struct poller *poller,
                                    const struct evloop_endpoint *endpoint)
{
    return uring_find(poller->uring, endpoint->fd);
}

void uring_queue(struct uring *uring, struct uring_entry *entry, unsigned flag)
{
    entry->flags |= flag;
    if (!list_linked(&entry->queued))
        list_append(&uring->queued, &entry->queued);
}

static void unqueue(struct uring_entry *entry, unsigned flags)
{
    entry->flags &= ~flags;
    if (list_linked(&entry->queued) && !(entry->flags & (ENTRY_QUEUE_IN | ENTRY_QUEUE_OUT)))
        list_remove(&entry->queued);
    if (flags & ENTRY_QUEUE_IN && list_linked(&entry->starved))
        list_remove(&entry->starved);
}

/* ---- the queues of what was collected -------------------------------------------------------- */

static struct uring_event *event_at(const struct uring_events *events, size_t i)
{
    return &events->ring[(events->first + i) & (events->capacity - 1)];
}

static void append(struct uring_events *events, const struct uring_event *event)
{
    events->count++;
    *event_at(events, events->count - 1) = *event;
}

static void prepend(struct uring_events *events, const struct uring_event *event)
{
    events->first--;
    events->count++;
    *event_at(events, 0) = *event;
}

static struct uring_event take(struct uring_events *events, size_t i)
{
    struct uring_event event = *event_at(events, i);
    for (; i > 0; i--)
        *event_at(events, i) = *event_at(events, i - 1);
    events->first++;
    events->count--;
    return event;
}

static bool resize(struct poller *poller, struct uring_events *events, size_t capacity)
{
    struct uring_event *ring =
        (struct uring_event *)memory_alloc(poller->allocator, capacity * sizeof *ring);
    if (!ring)
        return false;
    for (size_t i = 0; i < events->count; i++)
        ring[i] = *event_at(events, i);
    memory_free(poller->allocator, events->ring);
    events->ring = ring;
    events->capacity = capacity;
    events->first = 0;
    return true;
}

/* Either queue can take all. */
int uring_reserve(struct poller *poller, size_t count)
{
    struct uring *uring = poller->uring;
    size_t capacity = uring->late.capacity ? uring->late.capacity : EVENTS_AT_FIRST;
    while (capacity < poller->collected + count)
        capacity *= 2;
    if (uring->events.capacity < capacity && !resize(poller, &uring->events, capacity))
        return -ENOMEM;
    if (uring->late.capacity < capacity && !resize(poller, &uring->late, capacity))
        return -ENOMEM;
    return 0;
}

void uring_push(struct poller *poller, const struct uring_event *event)
{
    append(&poller->uring->events, event);
    poller->collected++;
}

/* Of those that are to be told in this turn. */
static struct uring_event pop(struct poller *poller)
{
    poller->uring->to_tell--;
    poller->collected--;
    return take(&poller->uring->events, 0);
}

const struct uring_event *uring_next(const struct uring *uring)
{
    return uring->to_tell > 0 ? event_at(&uring->events, 0) : NULL;
}

void uring_pop(struct poller *poller)
{
    (void)pop(poller);
}

/* Into the place of one that was taken out just now. */
static void push_front(struct poller *poller, const struct uring_event *event)
{
    prepend(&poller->uring->events, event);
    poller->uring->to_tell++;
    poller->collected++;
}

/* One that was taken just now is to be told in the next turn. */
static void put_off(struct poller *poller, const struct uring_event *event)
{
    append(&poller->uring->late, event);
    poller->collected++;
}

void uring_begin_turn(struct uring *uring)
{
    while (uring->late.count > 0) {
        struct uring_event event = *event_at(&uring->late, --uring->late.count);
        prepend(&uring->events, &event);
    }
    uring->to_tell = uring->events.count;
    uring->turn_events = uring->to_tell;
    uring->turn++;
}

/* In the order in which they were collected, as far as one endpoint is concerned. */
static struct uring_event *collected_at(struct uring *uring, size_t i)
{
    return i < uring->late.count ? event_at(&uring->late, i)
                                 : event_at(&uring->events, i - uring->late.count);
}

static struct uring_event take_out(struct poller *poller, size_t i)
{
    struct uring *uring = poller->uring;
    poller->collected--;
    if (i < uring->late.count)
        return take(&uring->late, i);
    i -= uring->late.count;
    uring->to_tell -= i < uring->to_tell;
    return take(&uring->events, i);
}

static bool is_in(enum uring_tag tag)
{
    return tag != TAG_SEND && tag != TAG_ROOM;
}

static bool concerns(const struct uring_event *event, const struct uring_entry *entry, int fd,
                     bool in)
{
    enum uring_tag tag = uring_tag_of(event->user_data);
    return event->user_data == uring_user_data(tag, entry, fd) && is_in(tag) == in;
}

/* The first one of a direction: its place among the collected ones; false: there is none. */
static bool find_event(struct poller *poller, const struct uring_entry *entry, int fd, bool in,
                       size_t *place)
{
    for (*place = 0; *place < poller->collected; ++*place)
        if (concerns(collected_at(poller->uring, *place), entry, fd, in))
            return true;
    return false;
}

/* ---- putting aside --------------------------------------------------------------------------- */

char *uring_room_aside(struct poller *poller, struct uring_entry *entry, size_t size)
{
    size_t end = entry->left ? entry->left->end : 0;
    struct uring_left *left = (struct uring_left *)poller->allocator->resize(
        poller->allocator->context, entry->left, sizeof *left + end + size);
    if (!left) {
        entry->error = -ENOMEM;
        return NULL;
    }
    if (!entry->left)
        left->begin = 0;
    left->end = end + size;
    entry->left = left;
    return left->bytes + end;
}

static void put_aside(struct poller *poller, struct uring_entry *entry, const void *bytes,
                      size_t size)
{
    char *room = uring_room_aside(poller, entry, size);
    if (room)
        memcpy(room, bytes, size);
}

static void close_connections(struct uring_left *left)
{
    for (int fd; left->begin < left->end; left->begin += sizeof fd) {
        memcpy(&fd, left->bytes + left->begin, sizeof fd);
        close(fd);
    }
}

static void free_left(struct poller *poller, struct uring_entry *entry, bool listens)
{
    if (entry->left && listens)
        close_connections(entry->left);
    memory_free(poller->allocator, entry->left);
    entry->left = NULL;
    entry->error = 0;
}

static void give_message(struct poller *poller, unsigned short number)
{
    pool_give(poller, uring_message_pool_of(poller->uring, number), number);
}

/* The one who would have been told is not there any more. */
static void give_back(struct poller *poller, const struct uring_event *event)
{
    switch (uring_tag_of(event->user_data)) {
    case TAG_ACCEPT:
        if (event->result >= 0)
            close(event->result);
        break;
    case TAG_RECEIVE:
        if (event->data)
            pool_give(poller, &poller->uring->streams, pool_number(event->flags));
        break;
    case TAG_MESSAGE:
        if (event->data)
            give_message(poller, pool_number(event->flags));
        break;
    default:
        break;
    }
}

bool uring_is_no_result(int result)
{
    return result == -ECANCELED || result == -EINTR || result == -EAGAIN || result == -ENOBUFS;
}

/* An end of the input need not be kept: it comes again. */
static void keep_result(struct poller *poller, struct uring_entry *entry,
                        const struct uring_event *event, const void *memory)
{
    enum uring_tag tag = uring_tag_of(event->user_data);
    if (tag == TAG_ACCEPT && event->result >= 0) {
        put_aside(poller, entry, &event->result, sizeof event->result);
        if (entry->error)
            close(event->result);
    } else if (tag == TAG_MESSAGE && event->data) {
        uring_put_message_aside(poller, entry, event);
    } else if (event->result > 0 && memory) {
        put_aside(poller, entry, memory, (size_t)event->result);
    } else if (event->result < 0 && !uring_is_no_result(event->result) && tag != TAG_ACCEPT) {
        entry->error = event->result;
    }
    if (tag == TAG_RECEIVE || tag == TAG_MESSAGE)
        give_back(poller, event);
}

/* ---- beginning ------------------------------------------------------------------------------- */

int uring_make_scratch(struct poller *poller)
{
    struct uring *uring = poller->uring;
    if (!uring->scratch)
        uring->scratch =
            (struct uring_scratch *)memory_zalloc(poller->allocator, sizeof *uring->scratch);
    return uring->scratch ? 0 : -ENOMEM;
}

/* All the memory that writing takes: a write itself needs none. */
static int make_ready_to_send(struct poller *poller)
{
    int err = uring_make_scratch(poller);
    return err ? err : uring_reserve(poller, 1);
}

/* The right to take part is the descriptor's: what is odd about it, ready.c can do. */
static void attach(struct poller *poller, struct evloop_endpoint *endpoint)
{
    unsigned native = 0;
    if (endpoint->flags & (ENDPOINT_LISTENER | ENDPOINT_MESSAGES))
        native = ENDPOINT_NATIVE_IN;
    else if (endpoint->flags & ENDPOINT_SOCKET && endpoint->flags & ENDPOINT_STREAM)
        native = ENDPOINT_NATIVE_IN | ENDPOINT_NATIVE_OUT;
    if (native & ENDPOINT_NATIVE_OUT && make_ready_to_send(poller) != 0)
        return;
    struct uring_entry *entry = native ? uring_find_or_make(poller, endpoint->fd) : NULL;
    if (!entry)
        return;
    entry->generation = (entry->generation + 1) & 0xffffff;
    entry->endpoint = endpoint;
    entry->flags = 0;
    entry->turn = poller->uring->turn - 1;
    endpoint->flags |= native;
}

int uring_start_in(struct poller *poller, struct evloop_operation *operation, unsigned kind)
{
    struct evloop_endpoint *endpoint = operation->endpoint;
    operation->kind = kind;
    endpoint->in = operation;
    atomic_set(&poller->native, true, seq_cst);
    uring_queue(poller->uring, entry_of(poller, endpoint), ENTRY_QUEUE_IN);
    return OPERATION_STARTED;
}

static int start_accept(struct poller *poller, struct evloop_operation *operation)
{
    return uring_start_in(poller, operation, KIND_ACCEPT);
}

/*
 * Where every piece uses up a whole buffer, however small it is, there have to be many; most of
 * their memory is then never touched.
 */
static int open_streams(struct poller *poller)
{
    struct uring *uring = poller->uring;
    bool incremental = uring->features.incremental;
    unsigned count = incremental ? INCREMENTAL_BUFFERS : PLAIN_BUFFERS;
    size_t size = poller->receive_memory / (incremental ? INCREMENTAL_BUFFERS : PLAIN_SHARES);
    if (uring->streams.ring)
        return 0;
    int err = uring_own(poller);
    return err ? err : pool_open(poller, &uring->streams, POOL_STREAMS, count, size, incremental);
}

/* Where there is no memory for the kernel's buffers, one buffer of the loop's will do. */
static int start_receive(struct poller *poller, struct evloop_operation *operation, void *memory,
                         size_t size)
{
    struct evloop_endpoint *endpoint = operation->endpoint;
    const struct uring_entry *entry = entry_of(poller, endpoint);
    int err = 0;
    if (!memory && !(endpoint->flags & ENDPOINT_TAKES_FDS))
        err = open_streams(poller);
    if (err && !entry->left && !entry->error) {
        endpoint->flags &= ~(unsigned)ENDPOINT_NATIVE_IN;
        return ready_receive(poller, operation, memory, size);
    }
    if (!err && !memory && entry->left)
        err = buffers_ready(poller);
    if (err)
        return err;
    operation->memory = memory;
    operation->size = size;
    return uring_start_in(poller, operation, KIND_RECEIVE);
}

static void start_out(struct poller *poller, struct evloop_operation *operation, unsigned kind,
                      unsigned flags)
{
    struct uring_entry *entry = entry_of(poller, operation->endpoint);
    operation->kind = kind;
    operation->endpoint->out = operation;
    entry->flags |= flags;
    atomic_set(&poller->native, true, seq_cst);
    uring_queue(poller->uring, entry, ENTRY_QUEUE_OUT);
}

/* Tried at once, so that it is refused in the same way everywhere. */
static void start_connect(struct poller *poller, struct evloop_operation *operation,
                          const struct sockaddr *address, socklen_t size)
{
    operation->result = transfer_connect(operation->endpoint->fd, address, size);
    if (operation->result == -EINPROGRESS)
        start_out(poller, operation, KIND_CONNECT, ENTRY_WANTS_ROOM);
    else
        start_out(poller, operation, KIND_CONNECTED, 0);
}

/* One system call for all sends of a turn pays if there are several. */
static ssize_t start_send(struct poller *poller, struct evloop_operation *operation)
{
    if (poller->uring->turn_events <= FEW_EVENTS && !operation->endpoint->zero_copy) {
        ssize_t n = ready_transmit(operation);
        if (n != -EAGAIN)
            return n;
    }
    start_out(poller, operation, KIND_SEND, 0);
    return OPERATION_STARTED;
}

/* ---- handing over ---------------------------------------------------------------------------- */

static bool push(struct poller *poller, enum uring_tag tag, const struct uring_entry *entry,
                 ssize_t result)
{
    struct uring_event event = {.user_data = uring_user_data(tag, entry, entry->endpoint->fd),
                                .result = (int32_t)result};
    if (uring_reserve(poller, 1) != 0)
        return false;
    uring_push(poller, &event);
    return true;
}

/* Descriptors that come beside the bytes are ready.c's to receive. */
static bool leave_to_readiness(struct poller *poller, struct uring_entry *entry)
{
    struct evloop_endpoint *endpoint = entry->endpoint;
    struct evloop_operation *operation = endpoint->in;
    int err = ready_receive(poller, operation, operation->memory, operation->size);
    if (err != OPERATION_STARTED)
        return push(poller, TAG_INTO, entry, err);
    endpoint->flags &= ~(unsigned)ENDPOINT_NATIVE_IN;
    return true;
}

static bool picks_buffer(const struct evloop_operation *operation)
{
    return operation->kind == KIND_RECEIVE && !operation->memory;
}

static enum uring_tag fill_in(struct poller *poller, const struct uring_entry *entry,
                              struct io_uring_sqe *request)
{
    const struct evloop_operation *operation = entry->endpoint->in;
    int fd = entry->endpoint->fd;
    if (entry->flags & ENTRY_AWAITS_CLIENT) {
        io_uring_prep_poll_add(request, fd, POLLIN);
        return TAG_READABLE;
    }
    if (operation->kind == KIND_ACCEPT) {
        io_uring_prep_multishot_accept(request, fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        return TAG_ACCEPT;
    }
    if (operation->kind == KIND_RECEIVE_MESSAGES) {
        uring_fill_messages(poller, operation, request);
        return TAG_MESSAGE;
    }
    if (!picks_buffer(operation)) {
        io_uring_prep_recv(request, fd, operation->memory, operation->size, 0);
        return TAG_INTO;
    }
    if (entry->flags & ENTRY_FLOODS)
        io_uring_prep_recv(request, fd, NULL, poller->buffers.size, 0);
    else
        io_uring_prep_recv_multishot(request, fd, NULL, 0, 0);
    request->flags |= IOSQE_BUFFER_SELECT;
    request->buf_group = POOL_STREAMS;
    if (poller->uring->features.bundles)
        request->ioprio |= URING_RECEIVE_BUNDLE;
    return TAG_RECEIVE;
}

/* Where its buffers come from; NULL: it needs none. */
static const struct pool *pool_for(struct uring *uring, const struct evloop_operation *operation)
{
    if (operation->kind == KIND_RECEIVE_MESSAGES)
        return uring_message_pool(uring, operation);
    return picks_buffer(operation) ? &uring->streams : NULL;
}

/* What is left of the last operation is told first. */
static bool prepare_in(struct poller *poller, struct uring_entry *entry)
{
    struct uring *uring = poller->uring;
    const struct evloop_operation *operation = entry->endpoint->in;
    if (entry->flags & ENTRY_IN_FLIGHT)
        return true;
    if (entry->left || entry->error)
        return push(poller, TAG_LEFT, entry, 0);
    if (entry->endpoint->flags & ENDPOINT_TAKES_FDS)
        return leave_to_readiness(poller, entry);
    const struct pool *pool = pool_for(uring, operation);
    if (pool && pool->available == 0) {
        if (!list_linked(&entry->starved))
            list_append(&uring->starved, &entry->starved);
        return true;
    }
    struct io_uring_sqe *request = ring_request(&uring->ring);
    if (!request)
        return false;
    entry->in_tag = fill_in(poller, entry, request);
    entry->flags &= ~(unsigned)ENTRY_AWAITS_CLIENT;
    entry->flags |= ENTRY_IN_FLIGHT;
    request->user_data = uring_user_data(entry->in_tag, entry, entry->endpoint->fd);
    return true;
}

static bool prepare_poll(struct uring *uring, struct uring_entry *entry)
{
    int fd = entry->endpoint->fd;
    struct io_uring_sqe *request = ring_request(&uring->ring);
    if (!request)
        return false;
    io_uring_prep_poll_add(request, fd, POLLOUT);
    request->user_data = uring_user_data(TAG_ROOM, entry, fd);
    entry->out_tag = TAG_ROOM;
    entry->flags &= ~(unsigned)ENTRY_WANTS_ROOM;
    entry->flags |= ENTRY_OUT_FLIGHT;
    return true;
}

static bool is_worth_no_copy(const struct uring *uring, const struct uring_entry *entry,
                             const struct evloop_outgoing *outgoing)
{
    const struct evloop_endpoint *endpoint = entry->endpoint;
    size_t size = 0;
    if (!endpoint->zero_copy || !uring->features.zero_copy || entry->flags & ENTRY_COPIES ||
        endpoint->flags & ENDPOINT_UNIX)
        return false;
    for (unsigned i = 0; i < outgoing->iov_count; i++)
        size += outgoing->iov[i].iov_len;
    return size >= endpoint->zero_copy;
}

static bool prepare_send(struct uring *uring, struct uring_entry *entry,
                         const struct evloop_outgoing *outgoing)
{
    struct uring_scratch *scratch = uring->scratch;
    int fd = entry->endpoint->fd;
    struct io_uring_sqe *request = ring_request(&uring->ring);
    if (!request)
        return false;
    bool zero_copy = is_worth_no_copy(uring, entry, outgoing);
    if (outgoing->iov_count == 1) {
        io_uring_prep_send(request, fd, outgoing->iov->iov_base, outgoing->iov->iov_len,
                           MSG_NOSIGNAL);
    } else {
        struct msghdr *header = &scratch->headers[scratch->headers_used++];
        memset(header, 0, sizeof *header);
        header->msg_iov = outgoing->iov;
        header->msg_iovlen = outgoing->iov_count;
        scratch->iov_used += outgoing->iov_count;
        io_uring_prep_sendmsg(request, fd, header, MSG_NOSIGNAL);
    }
    if (zero_copy) {
        request->opcode = outgoing->iov_count == 1 ? IORING_OP_SEND_ZC : IORING_OP_SENDMSG_ZC;
        request->ioprio |= URING_SEND_REPORT_USAGE;
        entry->flags |= ENTRY_ZERO_COPY;
    }
    request->user_data = uring_user_data(TAG_SEND, entry, fd);
    entry->out_tag = TAG_SEND;
    entry->flags |= ENTRY_OUT_FLIGHT;
    return true;
}

/* Whether there is room for one more in what the queued requests point to. */
static bool has_scratch(struct uring *uring)
{
    struct uring_scratch *scratch = uring->scratch;
    if (scratch->iov_used + IOV_AT_ONCE <= SEND_IOV && scratch->headers_used < SEND_HEADERS)
        return true;
    if (ring_submit(&uring->ring) != 0)
        return false;
    scratch->iov_used = 0;
    scratch->headers_used = 0;
    return true;
}

/* What cannot be a request. There is room for its result. */
static ssize_t try_now(const struct evloop_endpoint *endpoint,
                       const struct evloop_outgoing *outgoing)
{
    return outgoing->file >= 0 ? transfer_file(endpoint->fd, outgoing)
                               : transfer_send(endpoint->fd, outgoing);
}

static bool prepare_out(struct poller *poller, struct uring_entry *entry)
{
    struct uring *uring = poller->uring;
    struct evloop_operation *operation = entry->endpoint->out;
    if (entry->flags & ENTRY_WANTS_ROOM)
        return prepare_poll(uring, entry);
    if (operation->kind == KIND_CONNECTED)
        return push(poller, TAG_SEND, entry, operation->result);
    if (uring_reserve(poller, 1) != 0 || !has_scratch(uring))
        return false;
    struct evloop_outgoing outgoing = {.iov = uring->scratch->iov + uring->scratch->iov_used,
                                       .file = -1};
    operation->gather(operation, &outgoing);
    if (outgoing.file >= 0 || outgoing.fd_count > 0)
        return push(poller, TAG_SEND, entry, try_now(entry->endpoint, &outgoing));
    return prepare_send(uring, entry, &outgoing);
}

/* What the kernel's queue does not take now stays in ours. */
void uring_prepare(struct poller *poller)
{
    struct uring *uring = poller->uring;
    list_link *link;
    bool goes_on = true;
    while (goes_on && (link = list_pop(&uring->queued))) {
        struct uring_entry *entry = list_entry(link, struct uring_entry, queued);
        if (entry->flags & ENTRY_QUEUE_IN) {
            entry->flags &= ~(unsigned)ENTRY_QUEUE_IN;
            goes_on = prepare_in(poller, entry);
            if (!goes_on)
                uring_queue(uring, entry, ENTRY_QUEUE_IN);
        }
        if (goes_on && entry->flags & ENTRY_QUEUE_OUT) {
            entry->flags &= ~(unsigned)ENTRY_QUEUE_OUT;
            goes_on = prepare_out(poller, entry);
            if (!goes_on)
                uring_queue(uring, entry, ENTRY_QUEUE_OUT);
        }
    }
}

/* ---- collecting ------------------------------------------------------------------------------ */

/* The pieces of a bundle, but for the last: each fills its buffer, or what was free of it. */
static void split_bundle(struct poller *poller, struct ring_event *whole)
{
    struct uring *uring = poller->uring;
    struct pool *pool = &uring->streams;
    for (int32_t room; whole->result > (room = pool_room(pool, pool_number(whole->flags)));) {
        struct ring_event piece = *whole;
        piece.result = room;
        piece.flags |= IORING_CQE_F_MORE;
        piece.flags &= ~URING_COMPLETION_BUFFER_MORE;
        uring_collect(poller, &piece);
        unsigned short next = pool_after(pool, pool_number(whole->flags));
        whole->flags &= (1u << IORING_CQE_BUFFER_SHIFT) - 1;
        whole->flags |= (uint32_t)next << IORING_CQE_BUFFER_SHIFT;
        whole->result -= piece.result;
    }
}

static char *data_of(struct uring *uring, enum uring_tag tag, const struct ring_event *event)
{
    if (!(event->flags & IORING_CQE_F_BUFFER))
        return NULL;
    unsigned short number = pool_number(event->flags);
    return pool_take(tag == TAG_MESSAGE ? uring_message_pool_of(uring, number) : &uring->streams,
                     event);
}

/*
 * Sent without a copy: the result is kept until the notification says that the memory is free, and
 * whether it came to a copy all the same.
 */
static bool keep_until_notified(struct uring *uring, struct uring_entry *entry,
                                struct ring_event *event)
{
    if (event->flags & IORING_CQE_F_MORE) {
        entry->sent = event->result;
        entry->flags |= ENTRY_NOTIFY_DUE;
        uring->notifications++;
        return true;
    }
    if (event->flags & IORING_CQE_F_NOTIF) {
        if ((uint32_t)event->result & URING_NOTIFICATION_COPIED)
            entry->flags |= ENTRY_COPIES;
        event->result = entry->sent;
        entry->flags &= ~(unsigned)ENTRY_NOTIFY_DUE;
        uring->notifications--;
    }
    return false;
}

/* There is room for it. */
void uring_collect(struct poller *poller, const struct ring_event *completion)
{
    struct uring *uring = poller->uring;
    struct ring_event event = *completion;
    enum uring_tag tag = uring_tag_of(event.user_data);
    if (tag == TAG_NOTHING)
        return;
    if (tag == TAG_EPOLL) {
        uring->epoll_armed = false;
        uring->epoll_fired = true;
        return;
    }
    struct uring_entry *entry = uring_find(uring, (int)(uint32_t)event.user_data);
    bool ours =
        entry && event.user_data == uring_user_data(tag, entry, (int)(uint32_t)event.user_data);
    if (tag == TAG_RECEIVE && event.flags & IORING_CQE_F_BUFFER)
        split_bundle(poller, &event);
    if (ours && tag == TAG_SEND && keep_until_notified(uring, entry, &event))
        return;
    if (ours && !(event.flags & IORING_CQE_F_MORE))
        entry->flags &= ~(unsigned)(is_in(tag) ? ENTRY_IN_FLIGHT : ENTRY_OUT_FLIGHT);
    struct uring_event collected = {.user_data = event.user_data,
                                    .result = event.result,
                                    .flags = event.flags,
                                    .data = data_of(uring, tag, &event)};
    if (ours)
        uring_push(poller, &collected);
    else
        give_back(poller, &collected);
}

/* ---- telling: in ----------------------------------------------------------------------------- */

bool uring_end_in(struct uring_entry *entry, int result)
{
    struct evloop_operation *operation = entry->endpoint->in;
    struct evloop_completion completion = {.result = result};
    entry->endpoint->in = NULL;
    operation->done(operation, &completion);
    return true;
}

/* Of one connection, which the next has nothing to do with. */
static bool client_waits(int fd)
{
    struct pollfd readable = {.fd = fd, .events = POLLIN};
    return poll(&readable, 1, 0) != 0;
}

static bool accept_failed(struct poller *poller, struct uring_entry *entry, int err)
{
    bool short_of_descriptors = err == -EMFILE || err == -ENFILE;
    if (short_of_descriptors && !client_waits(entry->endpoint->fd)) {
        /* it wants a number before it looks for a client */
        entry->flags |= ENTRY_AWAITS_CLIENT;
        uring_queue(poller->uring, entry, ENTRY_QUEUE_IN);
        return false;
    }
    if ((uring_is_no_result(err) && err != -ENOBUFS) || ready_accept_passes(err)) {
        uring_queue(poller->uring, entry, ENTRY_QUEUE_IN);
        return false;
    }
    return uring_end_in(entry, err);
}

static bool tell_connection(struct uring_entry *entry, int fd)
{
    struct evloop_operation *operation = entry->endpoint->in;
    struct evloop_completion completion = {.result = fd, .more = true};
    operation->done(operation, &completion);
    return true;
}

static bool tell_accept(struct poller *poller, struct uring_entry *entry,
                        const struct uring_event *event)
{
    if (event->result < 0)
        return accept_failed(poller, entry, event->result);
    if (!(event->flags & IORING_CQE_F_MORE))
        uring_queue(poller->uring, entry, ENTRY_QUEUE_IN);
    return tell_connection(entry, event->result);
}

/* The next piece, if it lies behind this one in memory: they are told as one. */
static bool take_next_piece(struct uring *uring, struct uring_event *event)
{
    if (uring->to_tell == 0)
        return false;
    const struct uring_event *next = event_at(&uring->events, 0);
    if (next->user_data != event->user_data || next->data != event->data + event->result ||
        next->result <= 0 || pool_number(next->flags) != pool_number(event->flags))
        return false;
    event->result += next->result;
    event->flags = next->flags;
    return true;
}

/* What is more than one read may bring stays, in the place from which the piece was taken. */
static bool leave_rest(struct poller *poller, const struct uring_entry *entry,
                       struct uring_event *event)
{
    struct uring_event rest = *event;
    size_t share = poller->buffers.size - entry->told;
    if ((size_t)event->result <= share)
        return false;
    event->result = (int32_t)share;
    rest.result -= event->result;
    rest.data += event->result;
    push_front(poller, &rest);
    return true;
}

static bool lend_piece(struct poller *poller, struct uring_entry *entry, struct uring_event event)
{
    struct uring *uring = poller->uring;
    struct evloop_operation *operation = entry->endpoint->in;
    unsigned short number = pool_number(event.flags);
    unsigned pieces = 1;
    while (take_next_piece(uring, &event)) {
        pop(poller);
        pieces++;
    }
    if (leave_rest(poller, entry, &event))
        pieces--; /* the rest is one */
    else if (!(event.flags & IORING_CQE_F_MORE))
        uring_queue(uring, entry, ENTRY_QUEUE_IN);
    entry->told += (size_t)event.result;
    struct evloop_completion completion = {
        .result = event.result, .more = true, .data = event.data};
    uring->lent = event.data;
    uring->lent_size = (size_t)event.result;
    uring->lent_number = number;
    operation->done(operation, &completion);
    uring->lent = NULL;
    while (pieces-- > 0)
        pool_give(poller, &uring->streams, number);
    return true;
}

static bool tell_receive(struct poller *poller, struct uring_entry *entry,
                         const struct uring_event *event)
{
    if (event->result > 0 && event->data)
        return lend_piece(poller, entry, *event);
    give_back(poller, event);
    if (uring_is_no_result(event->result)) {
        uring_queue(poller->uring, entry, ENTRY_QUEUE_IN);
        return false;
    }
    return uring_end_in(entry, event->result);
}

static bool tell_into(struct poller *poller, struct uring_entry *entry,
                      const struct uring_event *event)
{
    if (!uring_is_no_result(event->result))
        return uring_end_in(entry, event->result);
    uring_queue(poller->uring, entry, ENTRY_QUEUE_IN);
    return false;
}

/* The error is told when nothing else is left. */
static bool end_with_error(struct uring_entry *entry)
{
    int err = entry->error;
    entry->error = 0;
    return uring_end_in(entry, err);
}

/* Takes up to size bytes of what is left. */
static size_t take_left(struct poller *poller, struct uring_entry *entry, void *memory, size_t size)
{
    struct uring_left *left = entry->left;
    size_t rest = left->end - left->begin;
    size_t n = size < rest ? size : rest;
    memcpy(memory, left->bytes + left->begin, n);
    left->begin += n;
    if (n == rest) {
        memory_free(poller->allocator, left);
        entry->left = NULL;
    }
    return n;
}

/* Then it goes on with what is left, or with the kernel. */
static bool tell_left(struct poller *poller, struct uring_entry *entry)
{
    struct evloop_operation *operation = entry->endpoint->in;
    if (operation->kind == KIND_RECEIVE_MESSAGES)
        return uring_tell_left_messages(poller, entry);
    if (!entry->left)
        return entry->error ? end_with_error(entry) : false;
    if (operation->kind == KIND_RECEIVE && operation->memory)
        return uring_end_in(entry,
                            (int)take_left(poller, entry, operation->memory, operation->size));
    uring_queue(poller->uring, entry, ENTRY_QUEUE_IN);
    if (operation->kind == KIND_ACCEPT) {
        int fd;
        take_left(poller, entry, &fd, sizeof fd);
        return tell_connection(entry, fd);
    }
    struct evloop_completion completion = {.more = true, .data = buffers_current(poller)};
    entry->told = take_left(poller, entry, completion.data, poller->buffers.size);
    completion.result = (ssize_t)entry->told;
    operation->done(operation, &completion);
    return true;
}

static bool tell_in(struct poller *poller, struct uring_entry *entry,
                    const struct uring_event *event)
{
    if (entry->turn != poller->uring->turn) {
        entry->flags &= ~(unsigned)ENTRY_PUT_OFF;
        if (entry->told < poller->buffers.size / CALM)
            entry->flags &= ~(unsigned)ENTRY_FLOODS;
        entry->told = 0;
    }
    entry->turn = poller->uring->turn;
    switch (uring_tag_of(event->user_data)) {
    case TAG_ACCEPT:
        return tell_accept(poller, entry, event);
    case TAG_RECEIVE:
        return tell_receive(poller, entry, event);
    case TAG_INTO:
        return tell_into(poller, entry, event);
    case TAG_MESSAGE:
        return uring_tell_messages(poller, entry, event);
    case TAG_LEFT:
        return tell_left(poller, entry);
    default:
        uring_queue(poller->uring, entry, ENTRY_QUEUE_IN);
        return false;
    }
}

/* ---- telling: out ---------------------------------------------------------------------------- */

static bool end_out(struct uring_entry *entry, ssize_t result)
{
    struct evloop_operation *operation = entry->endpoint->out;
    struct evloop_completion completion = {.result = result};
    entry->endpoint->out = NULL;
    operation->done(operation, &completion);
    return true;
}

static bool is_refusal_of_zero_copy(int result)
{
    return result == -EINVAL || result == -EOPNOTSUPP || result == -ENOMEM || result == -ENOBUFS;
}

static bool tell_out(struct poller *poller, struct uring_entry *entry,
                     const struct uring_event *event)
{
    struct evloop_operation *operation = entry->endpoint->out;
    bool room = uring_tag_of(event->user_data) == TAG_ROOM;
    bool zero_copy = entry->flags & ENTRY_ZERO_COPY;
    entry->flags &= ~(unsigned)ENTRY_ZERO_COPY;
    if (operation->kind == KIND_CONNECTED)
        return end_out(entry, event->result);
    if (zero_copy && is_refusal_of_zero_copy(event->result)) {
        entry->flags |= ENTRY_COPIES;
        uring_queue(poller->uring, entry, ENTRY_QUEUE_OUT);
        return false;
    }
    if (room && operation->kind == KIND_CONNECT && event->result >= 0)
        return end_out(entry, transfer_connected(entry->endpoint->fd));
    if (!room && !uring_is_no_result(event->result) && event->result != -EINPROGRESS)
        return end_out(entry, event->result);
    if (event->result == -EAGAIN || event->result == -EINPROGRESS ||
        operation->kind == KIND_CONNECT)
        entry->flags |= ENTRY_WANTS_ROOM;
    uring_queue(poller->uring, entry, ENTRY_QUEUE_OUT);
    return false;
}

/*
 * What came before a connection was lost is told before a send finds out that it is. An error is
 * told once by the kernel: a send that took it leaves an end to a receive, which was none.
 */
static bool tell_failed_send(struct poller *poller, struct uring_entry *entry,
                             const struct uring_event *event)
{
    struct uring *uring = poller->uring;
    size_t i;
    if (entry->turn == uring->turn || !find_event(poller, entry, entry->endpoint->fd, true, &i) ||
        i >= uring->late.count + uring->to_tell)
        return tell_out(poller, entry, event);
    struct uring_event in = take_out(poller, i);
    push_front(poller, event);
    if (in.result == 0 && event->result == -ECONNRESET)
        in.result = -ECONNRESET;
    return tell_in(poller, entry, &in);
}

/*
 * After its share of a turn: connections, which are here in any case; and bytes, up to what one
 * read would have brought.
 */
static bool may_tell_more(const struct poller *poller, const struct uring_entry *entry,
                          const struct uring_event *event)
{
    enum uring_tag tag = uring_tag_of(event->user_data);
    if (tag != TAG_RECEIVE || event->result <= 0)
        return tag == TAG_ACCEPT;
    return !(entry->flags & ENTRY_PUT_OFF) &&
           entry->told + (size_t)event->result <= poller->buffers.size;
}

static bool tell(struct poller *poller, const struct uring_event *event)
{
    struct uring *uring = poller->uring;
    struct uring_entry *entry = uring_find(uring, (int)(uint32_t)event->user_data);
    enum uring_tag tag = uring_tag_of(event->user_data);
    if (!is_in(tag))
        return event->result < 0 ? tell_failed_send(poller, entry, event)
                                 : tell_out(poller, entry, event);
    if (entry->turn == uring->turn && !may_tell_more(poller, entry, event)) {
        entry->flags |= ENTRY_PUT_OFF;
        put_off(poller, event);
        return false;
    }
    return tell_in(poller, entry, event);
}

static bool next_completion(struct poller *poller)
{
    struct uring *uring = poller->uring;
    while (uring->to_tell > 0) {
        struct uring_event event = pop(poller);
        if (tell(poller, &event))
            return true;
    }
    return false;
}

/* ---- ending ---------------------------------------------------------------------------------- */

/* In a row: then the ring is beyond help. */
enum { MOST_FAILURES = 1000 };

/*
 * Returns when the kernel has let go of it, also if it is short of something for a while: memory
 * is the user's again. A cancellation that finds nothing means that the target is just coming to
 * its end.
 */
static int settle(struct poller *poller, struct uring_entry *entry, unsigned flag)
{
    int fd = entry->endpoint->fd;
    int err = entry->flags & flag ? uring_own(poller) : 0;
    for (unsigned failures = 0; !err && entry->flags & flag;) {
        enum uring_tag tag = flag == ENTRY_IN_FLIGHT ? entry->in_tag : entry->out_tag;
        int failure = uring_cancel(poller, uring_user_data(tag, entry, fd));
        failures = failure ? failures + 1 : 0;
        err = failures < MOST_FAILURES ? 0 : failure;
    }
    entry->flags &= ~flag;
    return err;
}

/* What comes later, though it was to come no more, is nobody's. */
static void disown(struct uring_entry *entry, int err)
{
    if (err)
        entry->generation = (entry->generation + 1) & 0xffffff;
}

static void cancel_in(struct poller *poller, struct uring_entry *entry)
{
    struct evloop_endpoint *endpoint = entry->endpoint;
    struct evloop_operation *operation = endpoint->in;
    int err = settle(poller, entry, ENTRY_IN_FLIGHT);
    struct uring_left *younger = entry->left;
    entry->left = NULL;
    unqueue(entry, ENTRY_QUEUE_IN);
    endpoint->in = NULL;
    for (size_t i; find_event(poller, entry, endpoint->fd, true, &i);) {
        struct uring_event event = take_out(poller, i);
        keep_result(poller, entry, &event,
                    uring_tag_of(event.user_data) == TAG_INTO ? operation->memory : event.data);
    }
    disown(entry, err);
    if (younger)
        put_aside(poller, entry, younger->bytes + younger->begin, younger->end - younger->begin);
    memory_free(poller->allocator, younger);
}

/*
 * No cancellation reaches what is on its way out of the user's memory: with the connection it ends.
 * The notification of another thread's ring never comes here.
 */
static void take_memory_back(struct uring *uring, struct uring_entry *entry)
{
    socket_disconnect(entry->endpoint->fd);
    if (ring_is_own(&uring->ring))
        return;
    entry->flags &= ~(unsigned)(ENTRY_NOTIFY_DUE | ENTRY_OUT_FLIGHT);
    uring->notifications--;
}

static size_t cancel_out(struct poller *poller, struct uring_entry *entry)
{
    struct evloop_endpoint *endpoint = entry->endpoint;
    if (entry->flags & ENTRY_NOTIFY_DUE)
        take_memory_back(poller->uring, entry);
    int err = settle(poller, entry, ENTRY_OUT_FLIGHT);
    unqueue(entry, ENTRY_QUEUE_OUT | ENTRY_WANTS_ROOM);
    endpoint->out = NULL;
    size_t i;
    bool found = find_event(poller, entry, endpoint->fd, false, &i);
    disown(entry, err);
    if (!found)
        return 0;
    struct uring_event event = take_out(poller, i);
    bool sent = uring_tag_of(event.user_data) == TAG_SEND && event.result > 0;
    return sent ? (size_t)event.result : 0;
}

static size_t cancel(struct poller *poller, struct evloop_operation *operation)
{
    struct evloop_endpoint *endpoint = operation->endpoint;
    if (endpoint->in == operation && endpoint->flags & ENDPOINT_NATIVE_IN)
        cancel_in(poller, entry_of(poller, endpoint));
    else if (endpoint->out == operation && endpoint->flags & ENDPOINT_NATIVE_OUT)
        return cancel_out(poller, entry_of(poller, endpoint));
    else
        return ready_cancel(poller, operation);
    return 0;
}

static bool holds(const struct poller *poller, const struct evloop_endpoint *endpoint)
{
    const struct uring_entry *entry = entry_of(poller, endpoint);
    return entry->left || entry->error;
}

static void detach(struct poller *poller, struct evloop_endpoint *endpoint)
{
    struct uring_entry *entry = entry_of(poller, endpoint);
    if (endpoint->in && endpoint->flags & ENDPOINT_NATIVE_IN)
        cancel_in(poller, entry);
    if (endpoint->out && endpoint->flags & ENDPOINT_NATIVE_OUT)
        cancel_out(poller, entry);
    free_left(poller, entry, endpoint->flags & ENDPOINT_LISTENER);
    entry->endpoint = NULL;
    entry->generation = (entry->generation + 1) & 0xffffff;
}

static void take_fds(struct poller *poller, struct evloop_endpoint *endpoint)
{
    struct evloop_operation *operation = endpoint->in;
    if (!operation)
        return;
    cancel_in(poller, entry_of(poller, endpoint));
    uring_start_in(poller, operation, operation->kind);
}

static int keep_buffer(struct poller *poller, const void *data)
{
    struct uring *uring = poller->uring;
    uintptr_t place = (uintptr_t)data;
    uintptr_t first = (uintptr_t)uring->lent;
    if (!uring->lent || place < first || place >= first + uring->lent_size)
        return -EINVAL;
    int err = pool_keep(poller, &uring->streams, uring->lent_number);
    if (!err)
        uring->lent = NULL;
    return err;
}

static int release_buffer(struct poller *poller, const void *data)
{
    return pool_release(poller, &poller->uring->streams, (const char *)data);
}

const struct poller_operations uring_operations = {
    .attach = attach,
    .detach = detach,
    .holds = holds,
    .accept = start_accept,
    .connect = start_connect,
    .receive = start_receive,
    .send = start_send,
    .receive_messages = uring_receive_messages,
    .cancel = cancel,
    .take_fds = take_fds,
    .next_completion = next_completion,
    .keep_buffer = keep_buffer,
    .release_buffer = release_buffer,
};

/* ---- floods ---------------------------------------------------------------------------------- */

static struct uring_entry *receiver_of(struct uring *uring, const struct uring_event *event)
{
    if (uring_tag_of(event->user_data) != TAG_RECEIVE || !event->data)
        return NULL;
    return uring_find(uring, (int)(uint32_t)event->user_data);
}

/* Counts what was collected for each stream, and marks those that have more than their share. */
static bool find_floods(struct poller *poller)
{
    struct uring *uring = poller->uring;
    bool found = false;
    for (size_t i = 0; i < poller->collected; i++) {
        struct uring_entry *entry = receiver_of(uring, collected_at(uring, i));
        if (entry)
            entry->told = 0;
    }
    for (size_t i = 0; i < poller->collected; i++) {
        const struct uring_event *event = collected_at(uring, i);
        struct uring_entry *entry = receiver_of(uring, event);
        if (!entry)
            continue;
        entry->told += (size_t)event->result;
        if (entry->told <= poller->buffers.size)
            continue;
        entry->flags |= ENTRY_RELIEVED;
        found = true;
    }
    return found;
}

static bool found_no_buffer(const struct uring_event *event)
{
    return uring_tag_of(event->user_data) == TAG_RECEIVE && event->result == -ENOBUFS;
}

/* Those that have enough to be told need no buffer now. */
static bool somebody_starves(struct poller *poller)
{
    struct uring *uring = poller->uring;
    for (size_t i = 0; i < poller->collected; i++) {
        const struct uring_event *event = collected_at(uring, i);
        if (found_no_buffer(event) &&
            !(uring_find(uring, (int)(uint32_t)event->user_data)->flags & ENTRY_RELIEVED))
            return true;
    }
    return !list_empty(&uring->starved);
}

/* From its share on: what is beyond goes out of the kernel's buffers. */
static void keep_share(struct poller *poller, struct uring_entry *entry)
{
    int fd = entry->endpoint->fd;
    size_t share = 0;
    if (settle(poller, entry, ENTRY_IN_FLIGHT) != 0) {
        entry->flags |= ENTRY_IN_FLIGHT;
        return;
    }
    for (size_t i = 0; i < poller->collected;) {
        const struct uring_event *event = collected_at(poller->uring, i);
        bool own = concerns(event, entry, fd, true);
        if (!own || (event->data && share + (size_t)event->result <= poller->buffers.size)) {
            share += own ? (size_t)event->result : 0;
            i++;
            continue;
        }
        struct uring_event beyond = take_out(poller, i);
        share = poller->buffers.size;
        keep_result(poller, entry, &beyond, beyond.data);
    }
    entry->flags |= ENTRY_FLOODS;
    uring_queue(poller->uring, entry, ENTRY_QUEUE_IN);
}

/* Those that found no buffer find one now. */
static void begin_starved(struct poller *poller)
{
    struct uring *uring = poller->uring;
    for (size_t i = 0; i < poller->collected;) {
        const struct uring_event *event = collected_at(uring, i);
        if (!found_no_buffer(event)) {
            i++;
            continue;
        }
        uring_queue(uring, uring_find(uring, (int)(uint32_t)event->user_data), ENTRY_QUEUE_IN);
        take_out(poller, i);
    }
}

/*
 * One that sends without end can fill all buffers before its share of a turn is told. If somebody
 * else would not be heard meanwhile, what is more than that share is copied, and from then on it
 * receives once a turn, until it calms down. Whether that was so.
 */
bool uring_relieve(struct poller *poller)
{
    struct uring *uring = poller->uring;
    if (!uring->streams.ring || uring->streams.available > 0 || !find_floods(poller))
        return false;
    bool relieves = somebody_starves(poller) && buffers_ready(poller) == 0;
    for (size_t i = 0; i < poller->collected; i++) {
        struct uring_entry *entry = receiver_of(uring, collected_at(uring, i));
        if (!entry || !(entry->flags & ENTRY_RELIEVED))
            continue;
        entry->flags &= ~(unsigned)ENTRY_RELIEVED;
        if (relieves)
            keep_share(poller, entry);
    }
    if (relieves)
        begin_starved(poller);
    return relieves;
}

/* ---- another ring ---------------------------------------------------------------------------- */

static void restart(struct poller *poller, struct uring_entry *entry)
{
    struct uring *uring = poller->uring;
    if (entry->flags & ENTRY_OUT_FLIGHT && entry->out_tag == TAG_ROOM)
        entry->flags |= ENTRY_WANTS_ROOM;
    if (entry->flags & ENTRY_IN_FLIGHT)
        uring_queue(uring, entry, ENTRY_QUEUE_IN);
    if (entry->flags & ENTRY_OUT_FLIGHT)
        uring_queue(uring, entry, ENTRY_QUEUE_OUT);
    entry->flags &= ~(unsigned)(ENTRY_IN_FLIGHT | ENTRY_OUT_FLIGHT);
}

void uring_restart_all(struct poller *poller)
{
    struct uring *uring = poller->uring;
    for (size_t i = 0; i < uring->page_count; i++)
        for (size_t j = 0; uring->pages[i] && j < ENTRIES_A_PAGE; j++)
            restart(poller, &uring->pages[i]->of[j]);
}

/* What would have gone on with a completion that was forgotten. */
static void begin_anew(struct uring *uring, struct uring_entry *entry)
{
    const struct evloop_endpoint *endpoint = entry->endpoint;
    bool in = endpoint->in && endpoint->flags & ENDPOINT_NATIVE_IN;
    bool out = endpoint->out && endpoint->flags & ENDPOINT_NATIVE_OUT;
    if (in && !(entry->flags & ENTRY_IN_FLIGHT))
        uring_queue(uring, entry, ENTRY_QUEUE_IN);
    if (!out || entry->flags & ENTRY_OUT_FLIGHT)
        return;
    if (endpoint->out->kind == KIND_CONNECT)
        entry->flags |= ENTRY_WANTS_ROOM;
    uring_queue(uring, entry, ENTRY_QUEUE_OUT);
}

void uring_forget_all(struct poller *poller)
{
    struct uring *uring = poller->uring;
    for (size_t i = 0; i < poller->collected; i++) {
        const struct uring_event *event = collected_at(uring, i);
        if (uring_tag_of(event->user_data) == TAG_ACCEPT && event->result >= 0)
            close(event->result);
    }
    uring->events.count = 0;
    uring->late.count = 0;
    uring->to_tell = 0;
    poller->collected = 0;
    pool_forget(&uring->streams);
    uring_messages_forget(uring);
    for (size_t i = 0; i < uring->page_count; i++)
        for (size_t j = 0; uring->pages[i] && j < ENTRIES_A_PAGE; j++) {
            struct uring_entry *entry = &uring->pages[i]->of[j];
            if (!entry->endpoint)
                continue;
            free_left(poller, entry, entry->endpoint->flags & ENDPOINT_LISTENER);
            if (list_linked(&entry->starved))
                list_remove(&entry->starved);
            begin_anew(uring, entry);
        }
}
