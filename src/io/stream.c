/*
 * stream.c: the life of a stream: opened, failing, telling what is due, closed.
 */
#include "io/stream.h"

#include "poller/descriptor.h"
#include "poller/socket.h"

static void close_phase(struct evloop_handle *handle);
static void drain(struct evloop_handle *handle);
static void force(struct evloop_handle *handle);
static void discard(struct evloop_handle *handle);

static const struct evloop_handle_kind stream_kind = {
    .type = EVLOOP_TYPE_STREAM,
    .offset = offsetof(evloop_stream, handle_),
    .flush = stream_flush,
    .call = stream_call,
    .close = close_phase,
    .drain = drain,
    .force = force,
    .discard = discard,
};

#define stream_of(handle) evloop_container_of(handle, evloop_stream, handle_)

int stream_check_open(evloop *loop, const evloop_stream *stream)
{
    int err = handle_check_open(loop);
    if (err)
        return err;
    if (!stream)
        return -EINVAL;
    return handle_active(&stream->handle_) ? -EBUSY : 0;
}

static void init_operation(evloop_stream *stream, struct evloop_operation *operation)
{
    operation->endpoint = &stream->endpoint_;
    operation->gather = stream_gather;
}

/* All but what is the user's, and what the timer and the state remember of references. */
static void reset(evloop_stream *stream, unsigned flags)
{
    stream->flags_ = flags;
    stream->error_ = 0;
    stream->read_status_ = 0;
    stream->read_fn_ = NULL;
    stream->filled_ = 0;
    stream->queued_ = 0;
    stream->high_ = 0;
    stream->low_ = 0;
    stream->watermark_fn_ = NULL;
    stream->connect_fn_ = NULL;
    stream->shutdown_fn_ = NULL;
    stream->close_fn_ = NULL;
    stream->listener_ = NULL;
    stream->fds_ = NULL;
    stream->armed_ = 0;
    memset(stream->timeouts_, 0, sizeof stream->timeouts_);
    list_init(&stream->writes_);
    list_init(&stream->finished_);
    init_operation(stream, &stream->in_);
    init_operation(stream, &stream->out_);
    stream->in_.done = stream_received;
    stream->out_.done = stream_sent;
}

int stream_attach(evloop *loop, evloop_stream *stream, int fd, unsigned endpoint_flags,
                  unsigned flags)
{
    int err = poller_attach(&loop->poller, &stream->endpoint_, fd, endpoint_flags);
    if (err)
        return err;
    reset(stream, flags);
    handle_activate(loop, &stream->handle_, &stream_kind);
    return 0;
}

unsigned stream_endpoint_flags(int family, int type)
{
    unsigned flags = ENDPOINT_SOCKET;
    if (type == SOCK_STREAM)
        flags |= ENDPOINT_STREAM;
    if (family == AF_UNIX)
        flags |= ENDPOINT_UNIX;
    return flags;
}

/* ---- connecting ------------------------------------------------------------------------------ */

static void established(evloop_stream *stream)
{
    stream->flags_ &= ~(unsigned)STREAM_CONNECTING;
    stream->flags_ |= STREAM_CONNECT_DUE;
    if (stream->queued_)
        stream_await(stream, TIMEOUT_WRITE);
    if (!(stream->flags_ & STREAM_GRACEFUL))
        stream_set_end(stream, 0);
    stream->out_.done = stream_sent;
    if (stream->flags_ & STREAM_READING) {
        stream_await(stream, TIMEOUT_READ);
        int err = stream_receive(stream);
        if (err)
            stream_fail(stream, err);
    }
    if (!stream->error_)
        handle_want_flush(&stream->handle_);
}

static void connected(struct evloop_operation *operation,
                      const struct evloop_completion *completion)
{
    evloop_stream *stream = evloop_container_of(operation, evloop_stream, out_);
    stream->flags_ &= ~(unsigned)STREAM_SENDING;
    if (completion->result < 0)
        stream_fail(stream, (int)completion->result);
    else
        established(stream);
    stream_call(&stream->handle_);
}

void stream_connect(evloop_stream *stream, const evloop_address *address, uint64_t timeout_ns,
                    evloop_status_fn fn)
{
    stream->connect_fn_ = fn;
    stream->flags_ |= STREAM_CONNECTING;
    stream->out_.done = connected;
    poller_connect(stream_poller(stream), &stream->out_, &address->of.any, address->size);
    stream->flags_ |= STREAM_SENDING;
    stream_set_end(stream, timeout_ns);
}

/* ---- failing, and telling -------------------------------------------------------------------- */

static void cancel_operations(evloop_stream *stream)
{
    stream_stop_receiving(stream);
    stream_stop_sending(stream);
}

/* The callbacks are due then: the caller makes them, or puts the stream down for them. */
void stream_fail(evloop_stream *stream, int err)
{
    if (stream->error_ || stream->flags_ & STREAM_CLOSING)
        return;
    stream->error_ = err;
    cancel_operations(stream);
    if (stream->flags_ & STREAM_CONNECTING) {
        stream->flags_ &= ~(unsigned)STREAM_CONNECTING;
        stream->flags_ |= STREAM_CONNECT_DUE;
    }
    stream_fail_writes(stream, err);
    if (stream->flags_ & STREAM_SHUTTING && !(stream->flags_ & STREAM_SHUT))
        stream->flags_ |= STREAM_SHUT_DUE;
    if (stream->flags_ & STREAM_READING) {
        stream->read_status_ = err;
        stream->flags_ |= STREAM_READ_DUE;
    }
    stream->flags_ &= ~(unsigned)(STREAM_READING | STREAM_SHUTTING);
    if (stream->flags_ & STREAM_GRACEFUL)
        stream_finish_closing(stream);
    else
        handle_want_call(&stream->handle_);
}

/* Whether the stream is still there, and open, after one of its callbacks. */
static bool called(evloop *loop, evloop_stream *stream)
{
    return handle_called(loop, &stream->handle_) && !(stream->flags_ & STREAM_CLOSING);
}

static bool tell_status(evloop_stream *stream, evloop_status_fn fn, int status)
{
    evloop *loop = stream_loop(stream);
    if (!fn)
        return true;
    handle_calling(&stream->handle_);
    fn(stream, status);
    return called(loop, stream);
}

static bool tell_connected(evloop_stream *stream)
{
    evloop_status_fn fn = stream->connect_fn_;
    if (!(stream->flags_ & STREAM_CONNECT_DUE))
        return true;
    stream->flags_ &= ~(unsigned)STREAM_CONNECT_DUE;
    stream->connect_fn_ = NULL;
    return tell_status(stream, fn, stream->error_);
}

static bool tell_shut(evloop_stream *stream)
{
    evloop_status_fn fn = stream->shutdown_fn_;
    if (!(stream->flags_ & STREAM_SHUT_DUE))
        return true;
    stream->flags_ &= ~(unsigned)STREAM_SHUT_DUE;
    stream->shutdown_fn_ = NULL;
    return tell_status(stream, fn, stream->flags_ & STREAM_SHUT ? 0 : stream->error_);
}

void stream_call(struct evloop_handle *handle)
{
    evloop_stream *stream = stream_of(handle);
    if (stream->flags_ & STREAM_CLOSING)
        return;
    (void)(tell_connected(stream) && stream_tell_writers(stream) && stream_tell_watermark(stream) &&
           tell_shut(stream) && stream_tell_reader(stream));
}

/* ---- ending ---------------------------------------------------------------------------------- */

int evloop_stream_shutdown(evloop_stream *stream, evloop_status_fn fn)
{
    int err = stream_check(stream);
    if (err)
        return err;
    if (stream->error_)
        return stream->error_;
    if (!(stream->flags_ & STREAM_SOCKET))
        return -ENOTSUP;
    if (stream->flags_ & (STREAM_SHUTTING | STREAM_SHUT))
        return -EALREADY;
    stream->shutdown_fn_ = fn;
    stream->flags_ |= STREAM_SHUTTING;
    handle_want_flush(&stream->handle_);
    return 0;
}

static int check_close(const evloop_stream *stream)
{
    int err = stream ? handle_check(&stream->handle_) : -EINVAL;
    if (err)
        return err;
    return stream->flags_ & STREAM_CLOSING ? -EALREADY : 0;
}

static void begin_closing(evloop_stream *stream)
{
    cancel_operations(stream);
    stream->flags_ &= ~(unsigned)STREAM_READING;
    stream->flags_ |= STREAM_CLOSING;
    handle_want_close(&stream->handle_);
}

int evloop_stream_close(evloop_stream *stream, evloop_stream_fn fn)
{
    int err = check_close(stream);
    if (err)
        return err;
    stream->close_fn_ = fn;
    begin_closing(stream);
    return 0;
}

int evloop_stream_reset(evloop_stream *stream, evloop_stream_fn fn)
{
    int err = check_close(stream);
    if (err)
        return err;
    if (stream->flags_ & STREAM_SOCKET)
        socket_reset_on_close(stream->endpoint_.fd);
    return evloop_stream_close(stream, fn);
}

void stream_finish_closing(evloop_stream *stream)
{
    if (!(stream->flags_ & STREAM_CLOSING))
        begin_closing(stream);
}

int evloop_stream_close_gracefully(evloop_stream *stream, uint64_t timeout_ns, evloop_stream_fn fn)
{
    int err = check_close(stream);
    if (err)
        return err;
    if (stream->flags_ & STREAM_GRACEFUL)
        return -EALREADY;
    stream->close_fn_ = fn;
    if (stream->error_ || timeout_ns == 0) {
        begin_closing(stream);
        return 0;
    }
    stream->flags_ |= STREAM_GRACEFUL;
    stream->flags_ &= ~(unsigned)(STREAM_READING | STREAM_INTO | STREAM_READ_DUE);
    stream->watermark_fn_ = NULL;
    stream_stop_receiving(stream);
    stream_set_end(stream, timeout_ns);
    handle_want_flush(&stream->handle_);
    return 0;
}

/* What nobody was told yet is told now. */
static void cancel_requests(evloop_stream *stream)
{
    evloop_status_fn connect_fn = stream->connect_fn_;
    evloop_status_fn shutdown_fn = stream->shutdown_fn_;
    int status = stream->error_ ? stream->error_ : -ECANCELED;
    stream->connect_fn_ = NULL;
    stream->shutdown_fn_ = NULL;
    tell_status(stream, connect_fn,
                stream->flags_ & STREAM_CONNECTING ? -ECANCELED : stream->error_);
    stream_fail_writes(stream, -ECANCELED);
    stream_tell_writers(stream);
    tell_status(stream, shutdown_fn, stream->flags_ & STREAM_SHUT ? 0 : status);
}

/* Everything but the descriptor, and the callbacks. */
static void let_go(evloop_stream *stream)
{
    evloop_timer_stop(&stream->timer_);
    stream_drop_fds(stream);
    listener_remove_stream(stream);
    stream_forget_writes(stream);
    handle_deactivate(&stream->handle_);
}

static void close_descriptor(evloop_stream *stream)
{
    struct poller *poller = stream_poller(stream);
    if (stream->flags_ & STREAM_RESTORE)
        descriptor_give_back(poller_detach(poller, &stream->endpoint_));
    else
        poller_close_endpoint(poller, &stream->endpoint_);
}

static void close_phase(struct evloop_handle *handle)
{
    evloop_stream *stream = stream_of(handle);
    evloop *loop = stream_loop(stream);
    evloop_stream_fn fn = stream->close_fn_;
    cancel_requests(stream);
    close_descriptor(stream);
    let_go(stream);
    if (!fn)
        return;
    fn(stream);
    handle_called(loop, NULL);
}

static void discard(struct evloop_handle *handle)
{
    evloop_stream *stream = stream_of(handle);
    cancel_operations(stream);
    close_descriptor(stream);
    let_go(stream);
    object_clear(&handle->state, ~(uintptr_t)OBJECT_UNREF);
}

static void drain(struct evloop_handle *handle)
{
    (void)handle; /* it has until the deadline */
}

static void force(struct evloop_handle *handle)
{
    evloop_stream *stream = stream_of(handle);
    if (stream->flags_ & STREAM_CLOSING)
        return;
    if (stream->flags_ & STREAM_GRACEFUL) {
        begin_closing(stream);
        return;
    }
    cancel_operations(stream);
    stream_fail_writes(stream, -ECANCELED);
    stream_fail(stream, EVLOOP_ECLOSED);
    stream_call(handle);
}

int evloop_stream_release(evloop_stream *stream)
{
    int err = stream_check(stream);
    if (err)
        return err;
    if (!list_empty(&stream->writes_) || !list_empty(&stream->finished_) ||
        stream->flags_ & (STREAM_CONNECTING | STREAM_SHUTTING | STREAM_ANY_DUE))
        return -EBUSY;
    cancel_operations(stream);
    if (poller_holds(stream_poller(stream), &stream->endpoint_)) {
        err = stream->flags_ & STREAM_READING ? stream_receive(stream) : 0;
        if (err)
            stream->flags_ &= ~(unsigned)STREAM_READING;
        return err ? err : -EBUSY;
    }
    int fd = poller_detach(stream_poller(stream), &stream->endpoint_);
    if (stream->flags_ & STREAM_RESTORE)
        descriptor_release(fd);
    let_go(stream);
    return fd;
}

/* ---- opening --------------------------------------------------------------------------------- */

int evloop_stream_open(evloop *loop, evloop_stream *stream, int fd)
{
    unsigned endpoint_flags = 0;
    bool restore = false;
    int err = stream_check_open(loop, stream);
    if (!err)
        err = descriptor_classify(fd, &endpoint_flags);
    if (err)
        return err;
    unsigned flags = 0;
    if (endpoint_flags & ENDPOINT_SOCKET)
        flags |= STREAM_SOCKET | (endpoint_flags & ENDPOINT_STREAM ? 0 : STREAM_MESSAGES);
    err = stream_attach(loop, stream, fd, endpoint_flags, flags);
    if (err)
        return err;
    err = descriptor_adopt(&loop->allocator, fd, &restore); /* nobody else is on it */
    if (restore)
        stream->flags_ |= STREAM_RESTORE;
    if (err) {
        poller_detach(&loop->poller, &stream->endpoint_);
        let_go(stream);
    }
    return err;
}

int evloop_stream_pair(evloop *loop, evloop_stream *stream, int *other_end)
{
    int fds[2];
    int err = other_end ? stream_check_open(loop, stream) : -EINVAL;
    if (!err)
        err = socket_pair(fds);
    if (err)
        return err;
    err = stream_attach(loop, stream, fds[0], stream_endpoint_flags(AF_UNIX, SOCK_STREAM),
                        STREAM_SOCKET);
    if (err) {
        socket_close(fds[0]);
        socket_close(fds[1]);
        return err;
    }
    *other_end = fds[1];
    return 0;
}

/* ---- about it -------------------------------------------------------------------------------- */

int evloop_stream_error(const evloop_stream *stream)
{
    return stream ? stream->error_ : 0;
}

int evloop_stream_fd(const evloop_stream *stream)
{
    return stream && handle_active(&stream->handle_) ? stream->endpoint_.fd : -1;
}

int evloop_stream_local(const evloop_stream *stream, evloop_address *address)
{
    int err = address ? stream_check(stream) : -EINVAL;
    return err ? err : socket_local(stream->endpoint_.fd, address);
}

int evloop_stream_peer(const evloop_stream *stream, evloop_address *address)
{
    int err = address ? stream_check(stream) : -EINVAL;
    return err ? err : socket_peer(stream->endpoint_.fd, address);
}

int evloop_stream_unref(evloop_stream *stream)
{
    return stream ? handle_set_ref(&stream->handle_, false) : -EINVAL;
}

int evloop_stream_ref(evloop_stream *stream)
{
    return stream ? handle_set_ref(&stream->handle_, true) : -EINVAL;
}

bool evloop_stream_active(const evloop_stream *stream)
{
    return stream && handle_active(&stream->handle_);
}

evloop *evloop_stream_loop(const evloop_stream *stream)
{
    return stream ? stream_loop(stream) : NULL;
}
