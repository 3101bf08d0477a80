/*
 * listener.c: accepting. One accept operation is in flight as long as connections are wanted; the
 * connection that came is offered to the user for the length of one callback.
 *
 * When accepting fails, for want of descriptors for instance, the user is told once; the listener
 * tries again after a while, longer and longer, and when a stream of its loop has been closed.
 */
#include "io/listener.h"

#include "io/stream.h"
#include "poller/descriptor.h"
#include "poller/socket.h"
#include "util/options.h"

enum {
    LISTENER_ACCEPTING = 1 << 0, /* accept_ is in flight */
    LISTENER_PAUSED = 1 << 1,    /* by the user */
    LISTENER_CLOSING = 1 << 2,
    LISTENER_ENDED = 1 << 3,  /* has no socket any more: the loop shuts down */
    LISTENER_FED = 1 << 4,    /* never had one */
    LISTENER_FAILED = 1 << 5, /* and the user was told */
    LISTENER_PATH = 1 << 6,   /* a path was made, and is to be removed */
    LISTENER_UNIX = 1 << 7,
    LISTENER_MESSAGES = 1 << 8
};

enum { OPTIONS_SIZE_0_1 = sizeof(evloop_listen_options), NOTHING = -EAGAIN };

#define FIRST_BACK_OFF EVLOOP_MS(10)
#define LONGEST_BACK_OFF EVLOOP_SEC(1)

static void close_phase(struct evloop_handle *handle);
static void drain(struct evloop_handle *handle);
static void discard(struct evloop_handle *handle);
static void nothing(struct evloop_handle *handle);
static void call(struct evloop_handle *handle);

static const struct evloop_handle_kind listener_kind = {
    .type = EVLOOP_TYPE_LISTENER,
    .offset = offsetof(evloop_listener, handle_),
    .flush = nothing,
    .call = call,
    .close = close_phase,
    .drain = drain,
    .force = nothing,
    .discard = discard,
};

#define listener_of(handle) evloop_container_of(handle, evloop_listener, handle_)

static void nothing(struct evloop_handle *handle)
{
    (void)handle;
}

static evloop *loop_of(const evloop_listener *listener)
{
    return handle_loop(&listener->handle_);
}

static int check(const evloop_listener *listener)
{
    int err = listener ? handle_check(&listener->handle_) : -EINVAL;
    if (err)
        return err;
    return listener->flags_ & LISTENER_CLOSING ? -ENOTCONN : 0;
}

/* ---- accepting ------------------------------------------------------------------------------- */

static bool wants_more(const evloop_listener *listener)
{
    return !(listener->flags_ & (LISTENER_ACCEPTING | LISTENER_PAUSED | LISTENER_CLOSING |
                                 LISTENER_ENDED | LISTENER_FED)) &&
           (!listener->limit_ || listener->connections_ < listener->limit_);
}

static void starve(evloop_listener *listener, int err);

static void start_accepting(evloop_listener *listener)
{
    if (!wants_more(listener))
        return;
    int err = poller_accept(&loop_of(listener)->poller, &listener->accept_);
    if (err == OPERATION_STARTED)
        listener->flags_ |= LISTENER_ACCEPTING;
    else
        starve(listener, err);
}

static void stop_accepting(evloop_listener *listener)
{
    if (!(listener->flags_ & LISTENER_ACCEPTING))
        return;
    poller_cancel(&loop_of(listener)->poller, &listener->accept_);
    listener->flags_ &= ~(unsigned)LISTENER_ACCEPTING;
}

static void stop_waiting(evloop_listener *listener)
{
    evloop_timer_stop(&listener->timer_);
    if (list_linked(&listener->waiting_))
        list_remove(&listener->waiting_);
}

static void try_again(evloop_timer *timer)
{
    evloop_listener *listener = evloop_container_of(timer, evloop_listener, timer_);
    stop_waiting(listener);
    start_accepting(listener);
}

/* The callback is due if this is news. */
static void starve(evloop_listener *listener, int err)
{
    evloop *loop = loop_of(listener);
    uint64_t pause = listener->back_off_ ? listener->back_off_ : FIRST_BACK_OFF;
    listener->back_off_ = pause * 2 < LONGEST_BACK_OFF ? pause * 2 : LONGEST_BACK_OFF;
    timer_start_hidden(loop, &listener->timer_, pause, try_again);
    if (!list_linked(&listener->waiting_))
        list_append(&loop->starved, &listener->waiting_);
    if (listener->flags_ & LISTENER_FAILED)
        return;
    listener->flags_ |= LISTENER_FAILED;
    listener->failure_ = err;
    handle_want_call(&listener->handle_);
}

/* A descriptor has become free. */
static void feed_the_starved(evloop *loop)
{
    list_link starved;
    list_init(&starved);
    list_prepend_all(&starved, &loop->starved);
    while (!list_empty(&starved)) {
        evloop_listener *listener = list_entry(starved.next, evloop_listener, waiting_);
        stop_waiting(listener);
        start_accepting(listener);
    }
}

/* What there is to be taken stands in accepted_. */
static void tell(evloop_listener *listener)
{
    struct evloop_handle *handle = &listener->handle_;
    evloop *loop = loop_of(listener);
    handle_calling(handle);
    listener->fn_(listener);
    if (!handle_called(loop, handle))
        return;
    if (listener->accepted_ >= 0)
        socket_close(listener->accepted_);
    listener->accepted_ = NOTHING;
    if (listener->limit_ && listener->connections_ >= listener->limit_)
        stop_accepting(listener);
}

/* The news of a failure, unless that is over. */
static void call(struct evloop_handle *handle)
{
    evloop_listener *listener = listener_of(handle);
    if (!(listener->flags_ & LISTENER_FAILED))
        return;
    listener->accepted_ = listener->failure_;
    tell(listener);
}

static void offer(evloop_listener *listener, int fd)
{
    listener->accepted_ = fd;
    listener->flags_ &= ~(unsigned)LISTENER_FAILED;
    listener->back_off_ = 0;
    tell(listener);
}

static void accepted(struct evloop_operation *operation, const struct evloop_completion *completion)
{
    evloop_listener *listener = evloop_container_of(operation, evloop_listener, accept_);
    if (!completion->more)
        listener->flags_ &= ~(unsigned)LISTENER_ACCEPTING;
    if (completion->result >= 0)
        offer(listener, (int)completion->result);
    else
        starve(listener, (int)completion->result);
}

int evloop_accept(evloop_listener *listener, evloop_stream *stream)
{
    int err = check(listener);
    if (err)
        return err;
    if (listener->accepted_ < 0)
        return listener->accepted_;
    err = stream_check_open(loop_of(listener), stream);
    if (err)
        return err;
    bool messages = listener->flags_ & LISTENER_MESSAGES;
    unsigned endpoint_flags =
        stream_endpoint_flags(listener->flags_ & LISTENER_UNIX ? AF_UNIX : AF_INET,
                              messages ? SOCK_SEQPACKET : SOCK_STREAM);
    err = stream_attach(loop_of(listener), stream, listener->accepted_, endpoint_flags,
                        STREAM_SOCKET | (messages ? STREAM_MESSAGES : 0));
    if (err)
        return err;
    listener->accepted_ = NOTHING;
    listener_add_stream(listener, stream);
    return 0;
}

int evloop_accept_fd(evloop_listener *listener)
{
    int err = check(listener);
    if (err)
        return err;
    int fd = listener->accepted_;
    if (fd >= 0)
        listener->accepted_ = NOTHING;
    return fd;
}

void listener_add_stream(evloop_listener *listener, evloop_stream *stream)
{
    stream->listener_ = listener;
    list_append(&listener->streams_, &stream->siblings_);
    listener->connections_++;
}

void listener_remove_stream(evloop_stream *stream)
{
    evloop_listener *listener = stream->listener_;
    if (listener) {
        stream->listener_ = NULL;
        list_remove(&stream->siblings_);
        listener->connections_--;
        if (!list_linked(&listener->waiting_))
            start_accepting(listener);
    }
    feed_the_starved(handle_loop(&stream->handle_));
}

/* ---- starting -------------------------------------------------------------------------------- */

/* Accepted sockets inherit what is set here. */
static int configure_tcp(int fd, int family, const evloop_listen_options *options)
{
    int err = socket_set_reuse_address(fd);
    if (!err && family == AF_INET6)
        err = socket_set_v6_only(fd, options->v6_only);
    if (!err)
        err = socket_set_nagle(fd, options->nagle);
    if (!err && options->keepalive.idle_s)
        err = socket_set_keepalive(fd, &options->keepalive);
    if (!err && options->fast_open)
        err = socket_set_fast_open_queue(fd, options->fast_open);
    if (!err && options->reuse_port)
        err = socket_set_reuse_port(fd);
    return err;
}

static bool is_in_a_directory(const evloop_address *address)
{
    return evloop_address_family(address) == AF_UNIX && address->of.path.sun_path[0];
}

/* A path at which nobody listens any more is taken over. */
static int bind_socket(int fd, const evloop_address *address)
{
    int err = socket_bind(fd, address);
    if (err != -EADDRINUSE || !is_in_a_directory(address))
        return err;
    return socket_path_remove_stale(address) == 0 ? socket_bind(fd, address) : err;
}

static int bind_and_listen(int fd, const evloop_address *address,
                           const evloop_listen_options *options)
{
    int err = bind_socket(fd, address);
    if (err)
        return err;
    if (is_in_a_directory(address) && options->permissions)
        err = socket_path_set_mode(address->of.path.sun_path, options->permissions);
    if (!err)
        err = socket_listen(fd, options->backlog);
    return err;
}

/* The path that was bound goes with the socket. */
static void close_bound(int fd, const evloop_address *address)
{
    evloop_address bound;
    bool made = socket_local(fd, &bound) == 0 && is_in_a_directory(&bound);
    socket_close(fd);
    if (made)
        socket_path_remove(address->of.path.sun_path);
}

static int open_socket(const evloop_address *address, int type,
                       const evloop_listen_options *options)
{
    int family = evloop_address_family(address);
    int fd = socket_open(family, type);
    if (fd < 0)
        return fd;
    int err = socket_is_ip(family) ? configure_tcp(fd, family, options) : 0;
    if (!err && options->configure)
        err = options->configure(fd, address, options->configure_arg);
    if (!err)
        err = bind_and_listen(fd, address, options);
    if (!err)
        return fd;
    close_bound(fd, address);
    return err;
}

static void init(evloop_listener *listener, const evloop_listen_options *options,
                 evloop_listener_fn fn, unsigned flags)
{
    listener->fn_ = fn;
    listener->close_fn_ = NULL;
    listener->flags_ = flags;
    listener->accepted_ = NOTHING;
    listener->limit_ = options->max_connections;
    listener->connections_ = 0;
    listener->back_off_ = 0;
    listener->waiting_.next = NULL;
    list_init(&listener->streams_);
    listener->accept_.endpoint = &listener->endpoint_;
    listener->accept_.done = accepted;
}

static int check_start(evloop *loop, const evloop_listener *listener, evloop_listener_fn fn)
{
    int err = loop_check_start(loop);
    if (!err)
        err = loop_check_offer(loop); /* listeners are the first to stop */
    if (err)
        return err;
    if (!listener || !fn)
        return -EINVAL;
    return handle_active(&listener->handle_) ? -EBUSY : 0;
}

static int start(evloop *loop, evloop_listener *listener, int fd,
                 const evloop_listen_options *options, evloop_listener_fn fn, unsigned flags)
{
    int err =
        poller_attach(&loop->poller, &listener->endpoint_, fd, ENDPOINT_SOCKET | ENDPOINT_LISTENER);
    if (err)
        return err;
    init(listener, options, fn, flags);
    err = poller_accept(&loop->poller, &listener->accept_);
    if (err != OPERATION_STARTED) {
        poller_detach(&loop->poller, &listener->endpoint_);
        return err;
    }
    listener->flags_ |= LISTENER_ACCEPTING;
    handle_activate(loop, &listener->handle_, &listener_kind);
    return 0;
}

static unsigned kind_flags(int family, int type)
{
    return (family == AF_UNIX ? LISTENER_UNIX : 0) |
           (type == SOCK_SEQPACKET ? LISTENER_MESSAGES : 0);
}

int evloop_listen(evloop *loop, evloop_listener *listener, const evloop_address *address,
                  const evloop_listen_options *given, evloop_listener_fn fn)
{
    evloop_listen_options options = evloop_listen_options_default();
    int family = evloop_address_family(address);
    int err = check_start(loop, listener, fn);
    if (!err)
        err = options_read(&options, sizeof options, OPTIONS_SIZE_0_1, given);
    if (!err && (family == AF_UNSPEC || (options.seqpacket && family != AF_UNIX)))
        err = -EINVAL;
    if (err)
        return err;
    int type = options.seqpacket ? (int)SOCKET_SEQPACKET : SOCK_STREAM;
    int fd = type < 0 ? type : open_socket(address, type, &options);
    if (fd < 0)
        return fd;
    unsigned flags = kind_flags(family, type) | (is_in_a_directory(address) ? LISTENER_PATH : 0);
    err = start(loop, listener, fd, &options, fn, flags);
    if (err)
        close_bound(fd, address);
    return err;
}

static int listen_text(evloop *loop, evloop_listener *listener, const char *text, bool path,
                       const evloop_listen_options *options, evloop_listener_fn fn)
{
    evloop_address address;
    int err = evloop_address_parse(&address, text);
    if (!err && path != (evloop_address_family(&address) == AF_UNIX))
        err = -EINVAL;
    return err ? err : evloop_listen(loop, listener, &address, options, fn);
}

int evloop_tcp_listen(evloop *loop, evloop_listener *listener, const char *address,
                      const evloop_listen_options *options, evloop_listener_fn fn)
{
    return listen_text(loop, listener, address, false, options, fn);
}

int evloop_unix_listen(evloop *loop, evloop_listener *listener, const char *path,
                       const evloop_listen_options *options, evloop_listener_fn fn)
{
    return listen_text(loop, listener, path, true, options, fn);
}

int evloop_listen_fd(evloop *loop, evloop_listener *listener, int fd,
                     const evloop_listen_options *given, evloop_listener_fn fn)
{
    evloop_listen_options options = evloop_listen_options_default();
    int err = check_start(loop, listener, fn);
    if (!err)
        err = options_read(&options, sizeof options, OPTIONS_SIZE_0_1, given);
    int type = err ? err : socket_type(fd);
    if (type < 0)
        return type;
    if (!socket_listens(fd))
        return -EINVAL;
    err = descriptor_set_nonblocking(fd);
    return err ? err : start(loop, listener, fd, &options, fn, kind_flags(socket_family(fd), type));
}

int listener_start_fed(evloop *loop, evloop_listener *listener, const evloop_listener *like,
                       evloop_listener_fn fn)
{
    const evloop_listen_options options = evloop_listen_options_default();
    int err = check_start(loop, listener, fn);
    if (err)
        return err;
    init(listener, &options, fn,
         LISTENER_FED | (like->flags_ & (LISTENER_UNIX | LISTENER_MESSAGES)));
    listener->endpoint_.fd = -1;
    handle_activate(loop, &listener->handle_, &listener_kind);
    return 0;
}

/* Also while the loop drains: the connection was accepted before. */
void listener_feed(evloop_listener *listener, int fd)
{
    if (check(listener) != 0)
        socket_close(fd);
    else
        offer(listener, fd);
}

void listener_put_back(evloop_listener *listener, int fd)
{
    listener->accepted_ = fd;
}

/* ---- ending ---------------------------------------------------------------------------------- */

static void close_socket(evloop_listener *listener)
{
    evloop_address address;
    stop_accepting(listener);
    stop_waiting(listener);
    if (listener->flags_ & (LISTENER_FED | LISTENER_ENDED))
        return;
    bool path =
        listener->flags_ & LISTENER_PATH && socket_local(listener->endpoint_.fd, &address) == 0;
    poller_close_endpoint(&loop_of(listener)->poller, &listener->endpoint_);
    if (path)
        socket_path_remove(address.of.path.sun_path);
}

/* It keeps nothing alive any more, and stays its user's to close. */
static void drain(struct evloop_handle *handle)
{
    evloop_listener *listener = listener_of(handle);
    if (listener->flags_ & LISTENER_CLOSING)
        return;
    close_socket(listener);
    listener->flags_ |= LISTENER_ENDED;
    handle_set_ref(handle, false);
}

static void let_go(evloop_listener *listener)
{
    list_link *link;
    close_socket(listener);
    while ((link = list_pop(&listener->streams_)))
        list_entry(link, evloop_stream, siblings_)->listener_ = NULL;
    handle_deactivate(&listener->handle_);
}

static void close_phase(struct evloop_handle *handle)
{
    evloop_listener *listener = listener_of(handle);
    evloop *loop = loop_of(listener);
    let_go(listener);
    if (!listener->close_fn_)
        return;
    listener->close_fn_(listener);
    handle_called(loop, NULL);
}

static void discard(struct evloop_handle *handle)
{
    let_go(listener_of(handle));
    object_clear(&handle->state, ~(uintptr_t)OBJECT_UNREF);
}

int evloop_listener_close(evloop_listener *listener, evloop_listener_fn fn)
{
    int err = listener ? handle_check(&listener->handle_) : -EINVAL;
    if (err)
        return err;
    if (listener->flags_ & LISTENER_CLOSING)
        return -EALREADY;
    listener->close_fn_ = fn;
    listener->flags_ |= LISTENER_CLOSING;
    stop_accepting(listener);
    stop_waiting(listener);
    handle_want_close(&listener->handle_);
    return 0;
}

int evloop_listener_pause(evloop_listener *listener)
{
    int err = check(listener);
    if (err)
        return err;
    listener->flags_ |= LISTENER_PAUSED;
    stop_accepting(listener);
    stop_waiting(listener);
    return 0;
}

int evloop_listener_resume(evloop_listener *listener)
{
    int err = check(listener);
    if (err)
        return err;
    listener->flags_ &= ~(unsigned)LISTENER_PAUSED;
    start_accepting(listener);
    return 0;
}

/* ---- about it -------------------------------------------------------------------------------- */

unsigned evloop_listener_connections(const evloop_listener *listener)
{
    return evloop_listener_active(listener) ? listener->connections_ : 0;
}

int evloop_listener_local(const evloop_listener *listener, evloop_address *address)
{
    int err = address ? check(listener) : -EINVAL;
    if (err)
        return err;
    return listener->endpoint_.fd < 0 ? -ENOTCONN : socket_local(listener->endpoint_.fd, address);
}

int evloop_listener_fd(const evloop_listener *listener)
{
    return evloop_listener_active(listener) ? listener->endpoint_.fd : -1;
}

int evloop_listener_unref(evloop_listener *listener)
{
    return listener ? handle_set_ref(&listener->handle_, false) : -EINVAL;
}

int evloop_listener_ref(evloop_listener *listener)
{
    return listener ? handle_set_ref(&listener->handle_, true) : -EINVAL;
}

bool evloop_listener_active(const evloop_listener *listener)
{
    return listener && handle_active(&listener->handle_);
}

evloop *evloop_listener_loop(const evloop_listener *listener)
{
    return listener ? loop_of(listener) : NULL;
}
