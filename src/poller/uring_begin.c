/*
 * uring_begin.c: operations are begun, and handed to the kernel in the next wait: see uring.h.
 *
 * In: multishot, until it fails or is cancelled (of unix sockets: one at a time); where the kernel
 * ends it earlier (no buffer, a full completion queue), it is queued again. Out: one send at a time, gathered when it is handed
 * to the kernel; what cannot be a request (a piece of a file, descriptors) is tried at that moment,
 * and waits for room through the ring.
 */
#include <errno.h>
#include <poll.h>

#include "poller/ready.h"
#include "poller/transfer.h"
#include "poller/uring.h"
#include "util/memory.h"

enum {
    INCREMENTAL_BUFFERS = 16,
    PLAIN_BUFFERS = 128,
    PLAIN_SHARES = 32,      /* of the memory that was asked for */
    SMALLEST_BUFFER = 1024, /* one of no bytes would look like the end of the input */
    INTO_AT_ONCE = 1 << 30, /* a request has 32 bits for the size */
    FEW_EVENTS = 2          /* in a turn: the next one's sends are better made at once */
};

static int make_scratch(struct poller *poller)
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
    int err = make_scratch(poller);
    return err ? err : uring_reserve(poller, 1);
}

/* The right to take part is the descriptor's: what is odd about it, ready.c can do. */
void uring_attach(struct poller *poller, struct evloop_endpoint *endpoint)
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
    poller_go_native(poller);
    uring_queue(poller->uring, uring_entry_of(poller, endpoint), ENTRY_QUEUE_IN);
    return OPERATION_STARTED;
}

int uring_start_accept(struct poller *poller, struct evloop_operation *operation)
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
    if (size < SMALLEST_BUFFER)
        size = SMALLEST_BUFFER;
    int err = uring_own(poller);
    return err ? err : pool_open(poller, &uring->streams, POOL_STREAMS, count, size, incremental);
}

/* Where there is no memory for the kernel's buffers, one buffer of the loop's will do. */
int uring_start_receive(struct poller *poller, struct evloop_operation *operation, void *memory,
                        size_t size)
{
    struct evloop_endpoint *endpoint = operation->endpoint;
    const struct uring_entry *entry = uring_entry_of(poller, endpoint);
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
    struct uring_entry *entry = uring_entry_of(poller, operation->endpoint);
    operation->kind = kind;
    operation->endpoint->out = operation;
    entry->flags |= flags;
    poller_go_native(poller);
    uring_queue(poller->uring, entry, ENTRY_QUEUE_OUT);
}

/* Tried at once, so that it is refused in the same way everywhere. */
void uring_start_connect(struct poller *poller, struct evloop_operation *operation,
                         const struct sockaddr *address, socklen_t size)
{
    operation->result = transfer_connect(operation->endpoint->fd, address, size);
    if (operation->result == -EINPROGRESS)
        start_out(poller, operation, KIND_CONNECT, ENTRY_WANTS_ROOM);
    else
        start_out(poller, operation, KIND_CONNECTED, 0);
}

/* One system call for all sends of a turn pays if there are several. */
ssize_t uring_start_send(struct poller *poller, struct evloop_operation *operation)
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

/*
 * Of a unix socket, newer kernels (6.18 was seen to) can overlook an end of the input that came
 * together with the last bytes, when they go on receiving: a receive that is begun anew finds it.
 */
static bool is_one_shot(const struct uring_entry *entry)
{
    return entry->flags & ENTRY_FLOODS || entry->endpoint->flags & ENDPOINT_UNIX;
}

static enum uring_tag fill_in(struct poller *poller, const struct uring *uring,
                              const struct uring_entry *entry, struct io_uring_sqe *request)
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
        io_uring_prep_recv(request, fd, operation->memory,
                           operation->size < INTO_AT_ONCE ? operation->size : INTO_AT_ONCE, 0);
        return TAG_INTO;
    }
    if (is_one_shot(entry))
        io_uring_prep_recv(request, fd, NULL, poller->buffers.size, 0);
    else
        io_uring_prep_recv_multishot(request, fd, NULL, 0, 0);
    if (entry->endpoint->flags & ENDPOINT_UNIX) /* most are begun when there is nothing */
        request->ioprio |= IORING_RECVSEND_POLL_FIRST;
    request->flags |= IOSQE_BUFFER_SELECT;
    request->buf_group = POOL_STREAMS;
    if (uring->features.bundles)
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
static bool prepare_in(struct poller *poller, struct uring *uring, struct uring_entry *entry)
{
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
    entry->in_tag = fill_in(poller, uring, entry, request);
    if (entry->in_tag == TAG_RECEIVE && !is_one_shot(entry))
        uring_note_begun(uring, entry);
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
            goes_on = prepare_in(poller, uring, entry);
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
