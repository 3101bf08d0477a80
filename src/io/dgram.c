/*
 * dgram.c: the life of a datagram socket: receiving, telling what is due, closing.
 */
#include "io/dgram.h"

#include "poller/socket.h"

static void close_phase(struct evloop_handle *handle);
static void drain(struct evloop_handle *handle);
static void force(struct evloop_handle *handle);
static void discard(struct evloop_handle *handle);

static const struct evloop_handle_kind dgram_kind = {
    .type = EVLOOP_TYPE_DGRAM,
    .offset = offsetof(evloop_dgram, handle_),
    .flush = dgram_flush,
    .call = dgram_call,
    .close = close_phase,
    .drain = drain,
    .force = force,
    .discard = discard,
};

#define dgram_of(handle) evloop_container_of(handle, evloop_dgram, handle_)

/* ---- receiving ------------------------------------------------------------------------------- */

static int receive(evloop_dgram *d)
{
    if (d->flags_ & DGRAM_ASKED)
        return 0;
    int err = poller_receive_messages(dgram_poller(d), &d->in_, &d->format_);
    if (err != OPERATION_STARTED)
        return err;
    d->flags_ |= DGRAM_ASKED;
    return 0;
}

static void stop_receiving(evloop_dgram *d)
{
    d->flags_ &= ~(unsigned)DGRAM_RECEIVING;
    if (!(d->flags_ & DGRAM_ASKED))
        return;
    poller_cancel(dgram_poller(d), &d->in_);
    d->flags_ &= ~(unsigned)DGRAM_ASKED;
}

/* Whether the socket is still there, and open. */
static bool tell(evloop_dgram *d, ssize_t n, const evloop_datagram *datagrams)
{
    evloop *loop = dgram_loop(d);
    handle_calling(&d->handle_);
    d->fn_(d, n, datagrams);
    return handle_called(loop, &d->handle_) && !(d->flags_ & DGRAM_CLOSING);
}

static void received(struct evloop_operation *operation, const struct evloop_completion *completion)
{
    evloop_dgram *d = evloop_container_of(operation, evloop_dgram, in_);
    if (!completion->more)
        d->flags_ &= ~(unsigned)(DGRAM_ASKED | DGRAM_RECEIVING);
    tell(d, completion->result, (const evloop_datagram *)completion->data);
}

/* The kernel tells local addresses without it. */
static int learn_port(evloop_dgram *d)
{
    evloop_address local;
    if (!(d->format_.control & MESSAGE_LOCAL))
        return 0;
    int err = socket_local(d->endpoint_.fd, &local);
    if (!err)
        d->format_.port = evloop_address_port(&local);
    return err;
}

int evloop_dgram_receive_start(evloop_dgram *d, evloop_dgram_fn fn)
{
    int err = fn ? dgram_check(d) : -EINVAL;
    if (!err && d->flags_ & DGRAM_RECEIVING)
        err = -EBUSY;
    if (!err)
        err = learn_port(d);
    if (!err)
        err = receive(d);
    if (err)
        return err;
    d->fn_ = fn;
    d->error_ = 0;
    d->flags_ |= DGRAM_RECEIVING;
    return 0;
}

int evloop_dgram_receive_stop(evloop_dgram *d)
{
    int err = dgram_check(d);
    if (!err)
        stop_receiving(d);
    return err;
}

bool evloop_dgram_receiving(const evloop_dgram *d)
{
    return evloop_dgram_active(d) && d->flags_ & DGRAM_RECEIVING;
}

/* ---- telling --------------------------------------------------------------------------------- */

static bool tell_error(evloop_dgram *d)
{
    int err = d->error_;
    d->error_ = 0;
    return !err || !(d->flags_ & DGRAM_RECEIVING) || tell(d, err, NULL);
}

void dgram_call(struct evloop_handle *handle)
{
    evloop_dgram *d = dgram_of(handle);
    if (d->flags_ & DGRAM_CLOSING)
        return;
    (void)(dgram_tell_sent(d) && tell_error(d) && dgram_tell_watermark(d));
}

/* ---- ending ---------------------------------------------------------------------------------- */

static void cancel_operations(evloop_dgram *d)
{
    stop_receiving(d);
    dgram_stop_sending(d);
}

int evloop_dgram_close(evloop_dgram *d, evloop_dgram_close_fn fn)
{
    int err = d ? handle_check(&d->handle_) : -EINVAL;
    if (err)
        return err;
    if (d->flags_ & DGRAM_CLOSING)
        return -EALREADY;
    d->close_fn_ = fn;
    d->flags_ |= DGRAM_CLOSING;
    cancel_operations(d);
    dgram_end_sending(d);
    handle_want_close(&d->handle_);
    return 0;
}

static void close_socket(evloop_dgram *d)
{
    evloop_address address;
    bool path = d->flags_ & DGRAM_PATH && socket_local(d->endpoint_.fd, &address) == 0;
    poller_close_endpoint(dgram_poller(d), &d->endpoint_);
    if (path)
        socket_path_remove(address.of.path.sun_path);
}

static void close_phase(struct evloop_handle *handle)
{
    evloop_dgram *d = dgram_of(handle);
    evloop *loop = dgram_loop(d);
    evloop_dgram_close_fn fn = d->close_fn_;
    dgram_tell_sent(d);
    close_socket(d);
    handle_deactivate(handle);
    if (!fn)
        return;
    fn(d);
    handle_called(loop, NULL);
}

static void discard(struct evloop_handle *handle)
{
    evloop_dgram *d = dgram_of(handle);
    cancel_operations(d);
    dgram_forget_sent(d);
    close_socket(d);
    handle_deactivate(handle);
    object_clear(&handle->state, ~(uintptr_t)OBJECT_UNREF);
}

static void drain(struct evloop_handle *handle)
{
    (void)handle; /* it has until the deadline */
}

static void force(struct evloop_handle *handle)
{
    evloop_dgram *d = dgram_of(handle);
    bool receiving = d->flags_ & DGRAM_RECEIVING;
    if (d->flags_ & DGRAM_CLOSING)
        return;
    cancel_operations(d);
    dgram_end_sending(d);
    if (dgram_tell_sent(d) && receiving)
        tell(d, EVLOOP_ECLOSED, NULL);
}

int evloop_dgram_release(evloop_dgram *d)
{
    int err = dgram_check(d);
    if (err)
        return err;
    if (!list_empty(&d->queue_) || !list_empty(&d->finished_))
        return -EBUSY;
    unsigned receiving = d->flags_ & DGRAM_RECEIVING;
    cancel_operations(d);
    if (poller_holds(dgram_poller(d), &d->endpoint_)) {
        err = receiving ? receive(d) : 0;
        d->flags_ |= err ? 0 : receiving;
        return err ? err : -EBUSY;
    }
    int fd = poller_detach(dgram_poller(d), &d->endpoint_);
    handle_deactivate(&d->handle_);
    return fd;
}

/* ---- beginning ------------------------------------------------------------------------------- */

/* All but what is the user's, and what the state remembers of references. */
static void reset(evloop_dgram *d, const struct dgram_traits *traits)
{
    d->flags_ = traits->flags;
    d->family_ = traits->family;
    d->format_ = traits->format;
    d->queue_limit_ = traits->queue_limit;
    d->fn_ = NULL;
    d->close_fn_ = NULL;
    d->queued_ = 0;
    d->queued_count_ = 0;
    d->high_ = 0;
    d->low_ = 0;
    d->watermark_fn_ = NULL;
    d->error_ = 0;
    d->retried_ = 0;
    d->retries_ = 0;
    list_init(&d->queue_);
    list_init(&d->finished_);
    d->in_.endpoint = &d->endpoint_;
    d->in_.done = received;
    d->out_.endpoint = &d->endpoint_;
    d->out_.done = dgram_sent;
    d->out_.gather = dgram_gather;
}

int dgram_attach(evloop *loop, evloop_dgram *d, int fd, const struct dgram_traits *traits)
{
    unsigned flags = ENDPOINT_SOCKET | ENDPOINT_MESSAGES;
    if (traits->family == AF_UNIX)
        flags |= ENDPOINT_UNIX;
    int err = poller_attach(&loop->poller, &d->endpoint_, fd, flags);
    if (err)
        return err;
    reset(d, traits);
    handle_activate(loop, &d->handle_, &dgram_kind);
    return 0;
}

/* ---- about it -------------------------------------------------------------------------------- */

int evloop_dgram_fd(const evloop_dgram *d)
{
    return evloop_dgram_active(d) ? d->endpoint_.fd : -1;
}

int evloop_dgram_local(const evloop_dgram *d, evloop_address *address)
{
    int err = address ? dgram_check(d) : -EINVAL;
    return err ? err : socket_local(d->endpoint_.fd, address);
}

int evloop_dgram_peer(const evloop_dgram *d, evloop_address *address)
{
    int err = address ? dgram_check(d) : -EINVAL;
    return err ? err : socket_peer(d->endpoint_.fd, address);
}

int evloop_dgram_unref(evloop_dgram *d)
{
    return d ? handle_set_ref(&d->handle_, false) : -EINVAL;
}

int evloop_dgram_ref(evloop_dgram *d)
{
    return d ? handle_set_ref(&d->handle_, true) : -EINVAL;
}

bool evloop_dgram_active(const evloop_dgram *d)
{
    return d && handle_active(&d->handle_);
}

evloop *evloop_dgram_loop(const evloop_dgram *d)
{
    return d ? dgram_loop(d) : NULL;
}
