/*
 * ready.c: operations, carried out over readiness; for every backend that tells when a descriptor
 * is ready, and does nothing itself.
 *
 * The kernel tells of changes (edges), and only this file's calls can use a readiness up: so
 * READY_IN and READY_OUT say what is known of the descriptor, and an operation that finds its bit
 * set is tried without asking. A bit is cleared when a call would have had to wait, or when a
 * transfer was short and the descriptor is of a kind where that means as much. What comes after is
 * an edge again.
 *
 * An endpoint is in `ready` while one of its operations can go on in this turn, in `again` if it
 * has had its share of this one. Listeners are told of as long as they are ready, since they are
 * not drained: an accept in vain costs more than an event.
 *
 * Invariant: an operation that waits (endpoint.in, endpoint.out) either has its bit clear, with its
 * event registered, or its endpoint is in one of the two lists.
 */
#include <errno.h>

#include "poller/ready.h"
#include "poller/sigpipe.h"
#include "poller/transfer.h"

/* So many events make a turn a busy one: the next may accept a connection for each of them. */
enum { BUSY_TURN = 4 };

void ready_init(struct readiness *readiness)
{
    list_init(&readiness->ready);
    list_init(&readiness->again);
    readiness->events = 0;
    readiness->accepts = 0;
}

bool ready_begin(struct poller *poller)
{
    struct readiness *readiness = &poller->readiness;
    if (!list_empty(&readiness->again))
        list_prepend_all(&readiness->ready, &readiness->again);
    readiness->accepts = readiness->events > BUSY_TURN ? readiness->events : 0;
    readiness->events = 0;
    return !list_empty(&readiness->ready);
}

/* What a backend carries out itself is none of ours, whatever else is ready. */
static bool in_can_go_on(const struct evloop_endpoint *endpoint)
{
    return endpoint->in && (endpoint->flags & (READY_IN | ENDPOINT_NATIVE_IN)) == READY_IN;
}

static bool out_can_go_on(const struct evloop_endpoint *endpoint)
{
    return endpoint->out && (endpoint->flags & (READY_OUT | ENDPOINT_NATIVE_OUT)) == READY_OUT;
}

static bool can_go_on(const struct evloop_endpoint *endpoint)
{
    return in_can_go_on(endpoint) || out_can_go_on(endpoint);
}

void ready_schedule(list_link *list, struct evloop_endpoint *endpoint)
{
    if (!list_linked(&endpoint->ready) && can_go_on(endpoint))
        list_append(list, &endpoint->ready);
}

static unsigned events_of(const struct evloop_endpoint *endpoint, unsigned asked)
{
    if (endpoint->flags & ENDPOINT_LISTENER)
        return asked & ASKED_IN ? EVLOOP_READABLE : 0;
    const unsigned urgent_data = ENDPOINT_SOCKET | ENDPOINT_STREAM; /* what both are can have it */
    unsigned events = asked ? INTEREST_EDGE : 0;
    if (asked & ASKED_IN)
        events |= EVLOOP_READABLE | EVLOOP_DISCONNECT;
    if (asked & ASKED_IN && (endpoint->flags & urgent_data) == urgent_data)
        events |= EVLOOP_PRIORITY;
    if (asked & ASKED_OUT)
        events |= EVLOOP_WRITABLE;
    return events;
}

/*
 * Room was told of that nobody waits for, and that was known: whoever was full once would be woken
 * by each read of its peer.
 */
static void stop_asking_for_room(struct poller *poller, struct evloop_endpoint *endpoint)
{
    unsigned left = endpoint->flags & ASKED_IN;
    if (endpoint->flags & ASKED_OUT &&
        interest_set(poller, endpoint, events_of(endpoint, left)) == 0)
        endpoint->flags &= ~(unsigned)ASKED_OUT;
}

void ready_collect(struct poller *poller, struct evloop_endpoint *endpoint, unsigned events)
{
    if (events == EVLOOP_WRITABLE && endpoint->flags & READY_OUT && !endpoint->out)
        stop_asking_for_room(poller, endpoint);
    if (events & (EVLOOP_READABLE | EVLOOP_DISCONNECT | EVLOOP_PRIORITY | EVLOOP_ERROR))
        endpoint->flags |= READY_IN;
    if (events & (EVLOOP_DISCONNECT | EVLOOP_ERROR))
        endpoint->flags |= READY_END;
    if (events & EVLOOP_PRIORITY)
        endpoint->flags |= READY_URGENT;
    if (events & (EVLOOP_WRITABLE | EVLOOP_ERROR))
        endpoint->flags |= READY_OUT;
    ready_schedule(&poller->readiness.ready, endpoint);
    poller->readiness.events += !(endpoint->flags & ENDPOINT_LISTENER);
}

int ready_attach(struct poller *poller, struct evloop_endpoint *endpoint, int fd, unsigned flags)
{
    endpoint->fd = fd;
    endpoint->flags = flags | READY_OUT;
    endpoint->in = NULL;
    endpoint->out = NULL;
    endpoint->zero_copy = 0;
    endpoint->ready.next = NULL;
    int err = interest_attach(poller, endpoint);
    if (err)
        return err;
    err = sigpipe_forbid(fd);
    if (err)
        interest_detach(poller, endpoint);
    return err;
}

int ready_detach(struct poller *poller, struct evloop_endpoint *endpoint)
{
    int fd = endpoint->fd;
    if (list_linked(&endpoint->ready))
        list_remove(&endpoint->ready);
    interest_detach(poller, endpoint);
    endpoint->in = NULL;
    endpoint->out = NULL;
    endpoint->fd = -1;
    return fd;
}

/* Makes sure that the kernel tells of these changes; it may say at once that there will be none. */
static int ask(struct poller *poller, struct evloop_endpoint *endpoint, unsigned asked)
{
    unsigned all = (endpoint->flags & (ASKED_IN | ASKED_OUT)) | asked;
    if ((endpoint->flags & all) == all || endpoint->flags & ALWAYS_READY)
        return 0;
    int err = interest_set(poller, endpoint, events_of(endpoint, all));
    if (err == -EPERM) {
        endpoint->flags |= ALWAYS_READY | READY_IN | READY_OUT;
        return 0;
    }
    if (!err)
        endpoint->flags |= all;
    return err;
}

/* A descriptor that is always ready has nothing to wait for. */
void ready_clear(struct evloop_endpoint *endpoint, unsigned bit)
{
    if (!(endpoint->flags & ALWAYS_READY))
        endpoint->flags &= ~bit;
}

/* ---- in -------------------------------------------------------------------------------------- */

int ready_start_in(struct poller *poller, struct evloop_operation *operation, enum kind kind)
{
    struct evloop_endpoint *endpoint = operation->endpoint;
    int err = ask(poller, endpoint, ASKED_IN);
    if (err)
        return err;
    operation->kind = kind;
    endpoint->in = operation;
    ready_schedule(&poller->readiness.again, endpoint);
    return OPERATION_STARTED;
}

int ready_accept(struct poller *poller, struct evloop_operation *operation)
{
    return ready_start_in(poller, operation, KIND_ACCEPT);
}

int ready_receive(struct poller *poller, struct evloop_operation *operation, void *memory,
                  size_t size)
{
    int err = memory ? 0 : buffers_ready(poller);
    if (err)
        return err;
    operation->memory = memory;
    operation->size = size;
    return ready_start_in(poller, operation, KIND_RECEIVE);
}

static bool complete(struct evloop_operation *operation, const struct evloop_completion *completion)
{
    operation->done(operation, completion);
    return true;
}

/* Those of one connection, which the next has nothing to do with. */
bool ready_accept_passes(int err)
{
    switch (-err) {
    case EAGAIN:
    case ECONNABORTED:
    case EPROTO:
    case EPERM: /* a firewall's word */
    case ENOPROTOOPT:
    case ENETDOWN:
    case ENETUNREACH:
    case EHOSTDOWN:
    case EHOSTUNREACH:
    case EOPNOTSUPP:
    case ETIMEDOUT:
        return true;
    default:
        return false;
    }
}

/*
 * One connection a turn, since there may be no other; more after a turn with many events, of which
 * the call in vain that ends it is then a small part.
 */
static bool may_accept_more(struct readiness *readiness)
{
    if (readiness->accepts == 0)
        return false;
    readiness->accepts--;
    return true;
}

static bool perform_accept(struct poller *poller, struct evloop_endpoint *endpoint)
{
    struct evloop_operation *operation = endpoint->in;
    int fd = transfer_accept(endpoint->fd);
    if (fd < 0 && ready_accept_passes(fd)) {
        endpoint->flags &= ~(unsigned)READY_IN;
        return false;
    }
    struct evloop_completion completion = {.result = fd, .more = fd >= 0};
    if (fd < 0) {
        ready_cancel(poller, operation);
    } else if (may_accept_more(&poller->readiness)) {
        ready_schedule(&poller->readiness.ready, endpoint);
    } else {
        endpoint->flags &= ~(unsigned)READY_IN;
    }
    return complete(operation, &completion);
}

static ssize_t receive_into(struct evloop_endpoint *endpoint, void *memory, size_t size,
                            struct received *extra, bool *cut)
{
    *cut = false;
    if (!(endpoint->flags & ENDPOINT_SOCKET))
        return transfer_read(endpoint->fd, memory, size);
    if (!(endpoint->flags & ENDPOINT_UNIX))
        return transfer_receive(endpoint->fd, memory, size);
    return transfer_receive_fds(endpoint->fd, memory, size, extra, cut);
}

/* Of TCP's there may be some that nobody tells. */
static bool urgent_data_possible(const struct poller *poller,
                                 const struct evloop_endpoint *endpoint)
{
    return endpoint->flags & READY_URGENT ||
           (poller->backend->untold & EVLOOP_PRIORITY && !(endpoint->flags & ENDPOINT_UNIX));
}

/* Whether there is no more to be had, after n of size bytes. */
static bool is_drained(const struct poller *poller, const struct evloop_endpoint *endpoint,
                       ssize_t n, size_t size, bool cut)
{
    return (endpoint->flags & ENDPOINT_STREAM) && (size_t)n < size && !cut &&
           !(endpoint->flags & READY_END) && !urgent_data_possible(poller, endpoint);
}

/*
 * Nothing could be received: until the next edge. But at the urgent byte Linux says so while a
 * signal is pending, too, whatever lies behind that byte, and of that there is no other edge.
 */
static bool wait_for_input(struct poller *poller, struct evloop_endpoint *endpoint)
{
    if (endpoint->flags & READY_URGENT && transfer_readable(endpoint->fd))
        ready_schedule(&poller->readiness.again, endpoint);
    else
        ready_clear(endpoint, READY_IN | READY_END | READY_URGENT);
    return false;
}

static bool perform_receive(struct poller *poller, struct evloop_endpoint *endpoint)
{
    struct evloop_operation *operation = endpoint->in;
    bool lent = !operation->memory;
    void *memory = lent ? buffers_current(poller) : operation->memory;
    size_t size = lent ? poller->buffers.size : operation->size;
    int fds[FDS_AT_ONCE + 1];
    struct received extra = {endpoint->flags & ENDPOINT_TAKES_FDS ? fds : NULL, 0, false};
    bool cut;
    ssize_t n = receive_into(endpoint, memory, size, &extra, &cut);
    if (n == -EAGAIN)
        return wait_for_input(poller, endpoint);
    struct evloop_completion completion = {.result = n,
                                           .more = lent && n > 0,
                                           .data = lent ? memory : NULL,
                                           .extra = extra.fd_count || extra.lost ? &extra : NULL};
    if (n > 0 && is_drained(poller, endpoint, n, size, cut))
        ready_clear(endpoint, READY_IN);
    if (completion.more)
        ready_schedule(&poller->readiness.again, endpoint);
    else
        endpoint->in = NULL;
    return complete(operation, &completion);
}

/* ---- out ------------------------------------------------------------------------------------- */

int ready_start_out(struct poller *poller, struct evloop_operation *operation, enum kind kind,
                    unsigned asked)
{
    struct evloop_endpoint *endpoint = operation->endpoint;
    int err = ask(poller, endpoint, asked);
    if (err)
        return err;
    operation->kind = kind;
    endpoint->out = operation;
    ready_schedule(&poller->readiness.again, endpoint);
    return OPERATION_STARTED;
}

/* A result that is there at once waits for the next look at what is ready. */
void ready_connect(struct poller *poller, struct evloop_operation *operation,
                   const struct sockaddr *address, socklen_t size)
{
    int err = transfer_connect(operation->endpoint->fd, address, size);
    if (err == -EINPROGRESS) {
        operation->endpoint->flags &= ~(unsigned)READY_OUT;
        err = ready_start_out(poller, operation, KIND_CONNECT, ASKED_IN | ASKED_OUT);
        if (err == OPERATION_STARTED)
            return;
        operation->endpoint->flags |= READY_OUT;
    }
    operation->result = err;
    operation->kind = KIND_CONNECTED;
    operation->endpoint->out = operation;
    ready_schedule(&poller->readiness.again, operation->endpoint);
}

static size_t size_of(const struct evloop_outgoing *outgoing)
{
    size_t size = outgoing->file_size;
    for (unsigned i = 0; i < outgoing->iov_count; i++)
        size += outgoing->iov[i].iov_len;
    return size;
}

static ssize_t transmit(struct evloop_endpoint *endpoint, const struct evloop_outgoing *outgoing)
{
    ssize_t n;
    if (outgoing->file >= 0)
        n = transfer_file(endpoint->fd, outgoing);
    else if (endpoint->flags & ENDPOINT_SOCKET)
        n = transfer_send(endpoint->fd, outgoing);
    else
        n = transfer_write(endpoint->fd, outgoing);
    if (n == -EINPROGRESS) /* the connection is being made with the first bytes */
        n = -EAGAIN;
    bool full = n >= 0 && endpoint->flags & ENDPOINT_STREAM && outgoing->file < 0 &&
                (size_t)n < size_of(outgoing);
    if (n == -EAGAIN || full)
        ready_clear(endpoint, READY_OUT);
    return n;
}

ssize_t ready_transmit(struct evloop_operation *operation)
{
    struct iovec iov[IOV_AT_ONCE];
    struct evloop_outgoing outgoing = {.iov = iov, .file = -1};
    operation->gather(operation, &outgoing);
    return transmit(operation->endpoint, &outgoing);
}

ssize_t ready_send(struct poller *poller, struct evloop_operation *operation)
{
    if (operation->endpoint->flags & READY_OUT) {
        ssize_t n = ready_transmit(operation);
        if (n != -EAGAIN)
            return n;
    }
    return ready_start_out(poller, operation, KIND_SEND, ASKED_OUT);
}

ssize_t poller_try_send(struct poller *poller, struct evloop_endpoint *endpoint,
                        const struct evloop_outgoing *outgoing)
{
    (void)poller;
    bool may_try = endpoint->flags & (READY_OUT | ENDPOINT_NATIVE_OUT);
    return may_try ? transmit(endpoint, outgoing) : -EAGAIN;
}

static ssize_t try_out(struct evloop_operation *operation)
{
    switch (operation->kind) {
    case KIND_CONNECT:
        return transfer_connected(operation->endpoint->fd);
    case KIND_CONNECTED:
        return operation->result;
    default:
        return ready_transmit(operation);
    }
}

static bool perform_out(struct evloop_endpoint *endpoint)
{
    struct evloop_operation *operation = endpoint->out;
    struct evloop_completion completion = {.result = try_out(operation)};
    if (completion.result == -EAGAIN && operation->kind == KIND_SEND)
        return false;
    endpoint->out = NULL;
    return complete(operation, &completion);
}

/* ---- both ------------------------------------------------------------------------------------ */

/* Nothing is in the kernel between two attempts. */
size_t ready_cancel(struct poller *poller, struct evloop_operation *operation)
{
    struct evloop_endpoint *endpoint = operation->endpoint;
    if (endpoint->in == operation)
        endpoint->in = NULL;
    if (endpoint->out == operation)
        endpoint->out = NULL;
    if (list_linked(&endpoint->ready) && !can_go_on(endpoint))
        list_remove(&endpoint->ready);
    if (endpoint->flags & ENDPOINT_LISTENER && endpoint->flags & ASKED_IN) {
        interest_set(poller, endpoint, 0);
        endpoint->flags &= ~(unsigned)(ASKED_IN | READY_IN);
    }
    return 0;
}

static bool perform_in(struct poller *poller, struct evloop_endpoint *endpoint)
{
    switch (endpoint->in->kind) {
    case KIND_ACCEPT:
        return perform_accept(poller, endpoint);
    case KIND_RECEIVE_MESSAGES:
        return message_perform_receive(poller, endpoint);
    default:
        return perform_receive(poller, endpoint);
    }
}

static bool perform_what_goes_out(struct evloop_endpoint *endpoint)
{
    if (endpoint->out->kind == KIND_SEND_MESSAGES)
        return message_perform_send(endpoint);
    return perform_out(endpoint);
}

/*
 * What came before a connection was lost is told before a send finds out that it is. done() may end
 * the endpoint's life: what else is ready of it is put in line before.
 */
static bool perform(struct poller *poller, struct evloop_endpoint *endpoint)
{
    bool had_in = endpoint->flags & HAD_IN;
    bool in = in_can_go_on(endpoint);
    bool out = out_can_go_on(endpoint);
    endpoint->flags &= ~(unsigned)HAD_IN;
    if (in && had_in) {
        list_append(&poller->readiness.again, &endpoint->ready);
    } else if (in && out) {
        endpoint->flags |= HAD_IN;
        list_insert_after(&poller->readiness.ready, &endpoint->ready);
    }
    if (in && !had_in)
        return perform_in(poller, endpoint);
    return out && perform_what_goes_out(endpoint);
}

bool ready_next_completion(struct poller *poller)
{
    list_link *link;
    while ((link = list_pop(&poller->readiness.ready)))
        if (perform(poller, list_entry(link, struct evloop_endpoint, ready)))
            return true;
    return false;
}
