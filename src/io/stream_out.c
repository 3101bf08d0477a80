/*
 * stream_out.c: writing. What is written stands in one queue, in order: requests of the user's, and
 * blocks of the loop's, into which small writes are put together. The queue is offered to the
 * kernel at the end of the turn, and from then on whenever there is room.
 *
 * Invariant: queued_ is the sum of left_ over the queue. While the queue is not empty the stream is
 * connecting, a send is in flight, or it is down for a flush.
 */
#include <limits.h>

#include "io/stream.h"
#include "poller/socket.h"
#include "util/memory.h"

enum { COPIED_AT_MOST = 1024 };

/* A write of the loop's own. */
struct block {
    evloop_write write;
    struct iovec iov;
    size_t room; /* behind what is used */
    char bytes[];
};

static struct block *block_of(evloop_write *write)
{
    return evloop_container_of(write, struct block, write);
}

#define write_of(link) list_entry(link, evloop_write, link_)

static void give_block(evloop *loop, evloop_write *write)
{
    if (write->kind_ == WRITE_OWN_MEMORY)
        memory_free(&loop->allocator, block_of(write));
    else
        handle_block_give(loop, block_of(write), write->kind_ == WRITE_LARGE_BLOCK);
}

static bool is_block(const evloop_write *write)
{
    return write->kind_ >= WRITE_BLOCK;
}

/* ---- the queue ------------------------------------------------------------------------------- */

/* A write that is over: a block is given back, a request waits for its callback. */
static void finish(evloop_stream *stream, evloop_write *write, int status)
{
    list_remove(&write->link_);
    stream->queued_ -= write->left_;
    if (is_block(write)) {
        give_block(stream_loop(stream), write);
        return;
    }
    write->left_ = 0;
    write->status_ = status;
    list_append(&stream->finished_, &write->link_);
    if (!(stream->flags_ & STREAM_CLOSING))
        handle_want_call(&stream->handle_);
}

static bool is_above(const evloop_stream *stream)
{
    if (stream->flags_ & STREAM_FULL)
        return stream->queued_ > stream->low_;
    return stream->queued_ >= stream->high_;
}

static void note_size(evloop_stream *stream)
{
    if (!stream->high_)
        return;
    if (!is_above(stream))
        stream->flags_ &= ~(unsigned)STREAM_FULL;
    else if (!(stream->flags_ & STREAM_FULL))
        stream->flags_ |= STREAM_FULL | STREAM_FULL_DUE;
    if (stream->flags_ & STREAM_FULL_DUE ||
        (stream->flags_ & STREAM_FULL_TOLD && !(stream->flags_ & STREAM_FULL)))
        handle_want_call(&stream->handle_);
}

/* Who waits for room is told that there is some, and finds the error. */
void stream_fail_writes(evloop_stream *stream, int err)
{
    list_each(&stream->writes_, link, following)
        finish(stream, write_of(link), err);
    if (!(stream->flags_ & STREAM_CLOSING))
        note_size(stream);
}

static void append(evloop_stream *stream, evloop_write *write)
{
    if (stream->queued_ == 0)
        stream_await(stream, TIMEOUT_WRITE);
    write->stream_ = stream;
    list_append(&stream->writes_, &write->link_);
    stream->queued_ += write->left_;
    note_size(stream);
    if (!(stream->flags_ & (STREAM_CONNECTING | STREAM_SENDING)))
        handle_want_flush(&stream->handle_);
}

/* Of the first write, n bytes have gone; descriptors went with the first of them. */
static void advance(evloop_write *write, size_t n)
{
    write->written += n;
    write->left_ -= n;
    write->skip_ += n;
    write->file_offset_ += n;
    while (write->iov_count_ && write->skip_ >= write->iov_->iov_len) {
        write->skip_ -= write->iov_->iov_len;
        write->iov_++;
        write->iov_count_--;
    }
    unsigned fds = write->fd_count_ < FDS_AT_ONCE ? write->fd_count_ : FDS_AT_ONCE;
    write->fds_ = fds ? write->fds_ + fds : NULL;
    write->fd_count_ -= fds;
}

/* The kernel has taken n bytes: of the first writes, in order. Those without bytes are done too. */
static void consume(evloop_stream *stream, size_t n)
{
    while (!list_empty(&stream->writes_)) {
        evloop_write *write = write_of(stream->writes_.next);
        size_t part = n < write->left_ ? n : write->left_;
        if (part) {
            stream->queued_ -= part;
            advance(write, part);
            n -= part;
        }
        if (write->left_)
            break;
        finish(stream, write, 0);
    }
    note_size(stream);
}

/* Without bytes there is nothing to wait for. */
static void finish_empty(evloop_stream *stream)
{
    if (!list_empty(&stream->writes_) && !write_of(stream->writes_.next)->left_)
        consume(stream, 0);
}

/* ---- sending --------------------------------------------------------------------------------- */

static void gather_file(const evloop_write *write, struct evloop_outgoing *outgoing)
{
    outgoing->file = write->file_;
    outgoing->file_offset = write->file_offset_;
    outgoing->file_size = write->left_ < BYTES_AT_ONCE ? write->left_ : BYTES_AT_ONCE;
}

/* Adds the memory of one write, up to `most` bytes in all; false if no more can be added. */
static bool gather_memory(const evloop_write *write, struct evloop_outgoing *outgoing, size_t *size,
                          size_t most)
{
    size_t skip = write->skip_;
    for (unsigned i = 0; i < write->iov_count_; i++) {
        struct iovec *iov = &outgoing->iov[outgoing->iov_count];
        if (outgoing->iov_count == IOV_AT_ONCE || *size >= most)
            return false;
        iov->iov_len = write->iov_[i].iov_len - skip;
        if (iov->iov_len) /* a piece of nothing may be nowhere */
            iov->iov_base = (char *)write->iov_[i].iov_base + skip;
        skip = 0;
        if (!iov->iov_len)
            continue;
        if (iov->iov_len > most - *size)
            iov->iov_len = most - *size;
        *size += iov->iov_len;
        outgoing->iov_count++;
    }
    return true;
}

/* If there are more descriptors than go with one message, a single byte goes with these. */
static bool gather_fds(const evloop_write *write, struct evloop_outgoing *outgoing)
{
    outgoing->fds = write->fds_;
    outgoing->fd_count = write->fd_count_ < FDS_AT_ONCE ? write->fd_count_ : FDS_AT_ONCE;
    if (write->fd_count_ <= FDS_AT_ONCE)
        return true;
    outgoing->iov_count = 1;
    outgoing->iov[0].iov_len = 1;
    return false;
}

void stream_gather(struct evloop_operation *operation, struct evloop_outgoing *outgoing)
{
    evloop_stream *stream = evloop_container_of(operation, evloop_stream, out_);
    size_t size = 0;
    size_t most = stream->flags_ & STREAM_MESSAGES ? SIZE_MAX : BYTES_AT_ONCE; /* it stays whole */
    list_each(&stream->writes_, link, following) {
        const evloop_write *write = write_of(link);
        bool first = outgoing->iov_count == 0;
        if (write->kind_ == WRITE_FILE) {
            if (first)
                gather_file(write, outgoing);
            return;
        }
        if (write->fd_count_ && !first)
            return;
        bool room = gather_memory(write, outgoing, &size, most);
        if (write->fd_count_ && !gather_fds(write, outgoing))
            return;
        if (!room || stream->flags_ & STREAM_MESSAGES)
            return;
    }
}

static void tell_peer(evloop_stream *stream)
{
    int err = socket_shutdown(stream->endpoint_.fd);
    if (err && err != -ENOTCONN) {
        stream_fail(stream, err);
        return;
    }
    stream->flags_ &= ~(unsigned)STREAM_SHUTTING;
    stream->flags_ |= STREAM_SHUT | STREAM_SHUT_DUE;
    handle_want_call(&stream->handle_);
}

/* All is sent, and it is being closed in good order: now the peer has the word. */
static void await_peer(evloop_stream *stream)
{
    if (!(stream->flags_ & STREAM_SOCKET)) {
        stream_finish_closing(stream);
        return;
    }
    if (!(stream->flags_ & STREAM_SHUT))
        tell_peer(stream);
    if (!stream->error_ && stream_receive(stream) != 0)
        stream_finish_closing(stream);
}

static void queue_is_empty(evloop_stream *stream)
{
    if (stream->flags_ & STREAM_SHUTTING)
        tell_peer(stream);
    if (stream->flags_ & STREAM_GRACEFUL && !(stream->flags_ & STREAM_CLOSING))
        await_peer(stream);
}

/* A message that is too long concerns nobody else, if there is somebody to be told. */
static bool is_request_too_long(const evloop_stream *stream)
{
    return stream->flags_ & STREAM_MESSAGES && !is_block(write_of(stream->writes_.next));
}

/* What a send has come to; whether another makes sense in this turn. */
static bool take_result(evloop_stream *stream, ssize_t n)
{
    if (n == OPERATION_STARTED) {
        stream->flags_ |= STREAM_SENDING;
        return false;
    }
    if (n == -EMSGSIZE && is_request_too_long(stream)) {
        finish(stream, write_of(stream->writes_.next), -EMSGSIZE);
        return true;
    }
    if (n < 0) {
        stream_fail(stream, (int)n);
        return false;
    }
    stream_note(stream, TIMEOUT_WRITE);
    consume(stream, (size_t)n);
    return true;
}

static void send_queue(evloop_stream *stream)
{
    size_t sent = 0;
    finish_empty(stream);
    while (!list_empty(&stream->writes_)) {
        if (sent >= BYTES_AT_ONCE) {
            handle_want_flush(&stream->handle_);
            return;
        }
        ssize_t n = poller_send(stream_poller(stream), &stream->out_);
        if (!take_result(stream, n))
            return;
        sent += n > 0 ? (size_t)n : 0;
    }
    queue_is_empty(stream);
}

void stream_flush(struct evloop_handle *handle)
{
    evloop_stream *stream = evloop_container_of(handle, evloop_stream, handle_);
    if (!stream->error_ && !(stream->flags_ & (STREAM_CONNECTING | STREAM_SENDING)))
        send_queue(stream);
}

void stream_stop_sending(evloop_stream *stream)
{
    if (!(stream->flags_ & STREAM_SENDING))
        return;
    size_t sent = poller_cancel(stream_poller(stream), &stream->out_);
    stream->flags_ &= ~(unsigned)STREAM_SENDING;
    if (sent)
        consume(stream, sent);
}

/* There was room at last; what is left goes out with what this turn writes. */
void stream_sent(struct evloop_operation *operation, const struct evloop_completion *completion)
{
    evloop_stream *stream = evloop_container_of(operation, evloop_stream, out_);
    stream->flags_ &= ~(unsigned)STREAM_SENDING;
    take_result(stream, completion->result);
    if (!stream->error_)
        handle_want_flush(&stream->handle_);
    stream_call(&stream->handle_);
}

/* ---- what users call ------------------------------------------------------------------------- */

static int check_write(const evloop_stream *stream)
{
    int err = stream_check(stream);
    if (err)
        return err;
    if (stream->error_)
        return stream->error_;
    return stream->flags_ & (STREAM_SHUTTING | STREAM_SHUT) ? -EPIPE : 0;
}

static void init_write(evloop_write *write, evloop_write_fn fn, unsigned kind, size_t size)
{
    write->written = 0;
    write->fn_ = fn;
    write->kind_ = kind;
    write->left_ = size;
    write->skip_ = 0;
    write->iov_ = NULL;
    write->iov_count_ = 0;
    write->fds_ = NULL;
    write->fd_count_ = 0;
    write->file_offset_ = 0;
}

static struct block *make_block(evloop_stream *stream, size_t size)
{
    evloop *loop = stream_loop(stream);
    const size_t header = sizeof(struct block);
    unsigned kind = WRITE_OWN_MEMORY;
    size_t room = size;
    struct block *block;
    if (header + size <= HANDLE_BLOCK) {
        kind = WRITE_BLOCK;
        room = HANDLE_BLOCK - header;
    } else if (header + size <= HANDLE_LARGE_BLOCK) {
        kind = WRITE_LARGE_BLOCK;
        room = HANDLE_LARGE_BLOCK - header;
    }
    if (kind == WRITE_OWN_MEMORY)
        block = (struct block *)memory_alloc(&loop->allocator, header + size);
    else
        block = (struct block *)handle_block_take(loop, kind == WRITE_LARGE_BLOCK);
    if (!block)
        return NULL;
    init_write(&block->write, NULL, kind, 0);
    block->write.iov_ = &block->iov;
    block->write.iov_count_ = 1;
    block->iov = (struct iovec){block->bytes, 0};
    block->room = room;
    return block;
}

/*
 * The last block, if there is room in it: behind what the kernel may have been given, so that a
 * peer who does not read costs no block for each byte.
 */
static struct block *last_block(const evloop_stream *stream, size_t size)
{
    if (list_empty(&stream->writes_) || stream->flags_ & STREAM_MESSAGES)
        return NULL;
    evloop_write *write = write_of(stream->writes_.prev);
    return is_block(write) && block_of(write)->room >= size ? block_of(write) : NULL;
}

static void put(struct block *block, const void *data, size_t size)
{
    memcpy(block->bytes + block->iov.iov_len, data, size);
    block->iov.iov_len += size;
    block->room -= size;
    block->write.left_ += size;
}

static int queue_copy(evloop_stream *stream, const void *data, size_t size)
{
    struct block *block = last_block(stream, size);
    if (block) {
        put(block, data, size);
        stream->queued_ += size;
        note_size(stream);
        return 0;
    }
    block = make_block(stream, size);
    if (!block)
        return -ENOMEM;
    put(block, data, size);
    append(stream, &block->write);
    return 0;
}

static bool is_idle(const evloop_stream *stream)
{
    return list_empty(&stream->writes_) && !(stream->flags_ & (STREAM_CONNECTING | STREAM_SENDING));
}

/* Some kernels refuse a call with more. */
enum { OFFERED_AT_ONCE = 1 << 30 };

static ssize_t try_part(evloop_stream *stream, const struct iovec *iov, unsigned count)
{
    struct iovec part[IOV_AT_ONCE];
    const evloop_write whole = {.iov_ = iov, .iov_count_ = count};
    struct evloop_outgoing outgoing = {.iov = part, .file = -1};
    size_t size = 0;
    (void)gather_memory(&whole, &outgoing, &size, OFFERED_AT_ONCE);
    return poller_try_send(stream_poller(stream), &stream->endpoint_, &outgoing);
}

static ssize_t try_all(evloop_stream *stream, const struct iovec *iov, unsigned count)
{
    const struct evloop_outgoing outgoing = {
        .iov = (struct iovec *)(uintptr_t)iov, .iov_count = count, .file = -1};
    return poller_try_send(stream_poller(stream), &stream->endpoint_, &outgoing);
}

/*
 * Of so many bytes: a count; an error has become the stream's, but for that of a message which is
 * too long.
 */
static ssize_t try_send(evloop_stream *stream, const struct iovec *iov, unsigned count, size_t size)
{
    bool whole = size <= OFFERED_AT_ONCE || stream->flags_ & STREAM_MESSAGES;
    ssize_t n = whole ? try_all(stream, iov, count) : try_part(stream, iov, count);
    if (n > 0)
        stream_note(stream, TIMEOUT_WRITE);
    else if (n < 0 && n != -EAGAIN && !(n == -EMSGSIZE && stream->flags_ & STREAM_MESSAGES))
        stream_fail(stream, (int)n);
    return n;
}

int evloop_stream_send(evloop_stream *stream, const void *data, size_t size)
{
    int err = data || !size ? check_write(stream) : -EINVAL;
    if (err || !size)
        return err;
    if (size <= COPIED_AT_MOST || !is_idle(stream))
        return queue_copy(stream, data, size);
    const struct iovec iov = {(void *)(uintptr_t)data, size};
    ssize_t n = try_send(stream, &iov, 1, size);
    if (n < 0 && n != -EAGAIN)
        return (int)n;
    size_t taken = n < 0 ? 0 : (size_t)n;
    if (taken == size)
        return 0;
    err = queue_copy(stream, (const char *)data + taken, size - taken);
    if (err && taken)
        stream_fail(stream, err);
    return err;
}

/* The sum; false if it is more than can be told. */
static bool add_sizes(const struct iovec *iov, unsigned count, size_t *size)
{
    *size = 0;
    for (unsigned i = 0; i < count; i++) {
        if (iov[i].iov_len > (size_t)SSIZE_MAX - *size)
            return false;
        *size += iov[i].iov_len;
    }
    return true;
}

static int check_request(const evloop_stream *stream, const evloop_write *write)
{
    int err = check_write(stream);
    if (!err && !write)
        err = -EINVAL;
    return !err && write->stream_ ? -EBUSY : err;
}

int evloop_stream_write(evloop_stream *stream, evloop_write *write, const struct iovec *iov,
                        unsigned count, evloop_write_fn fn)
{
    return evloop_stream_write_fds(stream, write, iov, count, NULL, 0, fn);
}

int evloop_stream_write_fds(evloop_stream *stream, evloop_write *write, const struct iovec *iov,
                            unsigned count, const int *fds, unsigned fd_count, evloop_write_fn fn)
{
    size_t size;
    int err = check_request(stream, write);
    if (err)
        return err;
    if ((!iov && count) || count > IOV_AT_ONCE || !add_sizes(iov, count, &size) ||
        (!fds && fd_count) || ((size_t)fd_count + FDS_AT_ONCE - 1) / FDS_AT_ONCE > size)
        return -EINVAL;
    if (fd_count && !(stream->endpoint_.flags & ENDPOINT_UNIX))
        return -ENOTSUP;
    if (stream->flags_ & STREAM_MESSAGES && fd_count > FDS_AT_ONCE)
        return -EINVAL;
    init_write(write, fn, WRITE_MEMORY, size);
    write->iov_ = iov;
    write->iov_count_ = count;
    write->fds_ = fds;
    write->fd_count_ = fd_count;
    append(stream, write);
    return 0;
}

int evloop_stream_sendfile(evloop_stream *stream, evloop_write *write, int file, uint64_t offset,
                           size_t size, evloop_write_fn fn)
{
    int err = check_request(stream, write);
    if (err)
        return err;
    if (file < 0 || size > (size_t)SSIZE_MAX || offset > (uint64_t)INT64_MAX - size ||
        stream->flags_ & STREAM_MESSAGES)
        return -EINVAL;
    init_write(write, fn, WRITE_FILE, size);
    write->file_ = file;
    write->file_offset_ = offset;
    append(stream, write);
    return 0;
}

ssize_t evloop_stream_try_write(evloop_stream *stream, const struct iovec *iov, unsigned count)
{
    size_t size;
    int err = check_write(stream);
    if (err)
        return err;
    if ((!iov && count) || count > IOV_AT_ONCE || !add_sizes(iov, count, &size))
        return -EINVAL;
    if (!is_idle(stream))
        return -EAGAIN;
    return size ? try_send(stream, iov, count, size) : 0;
}

int evloop_write_cancel(evloop_write *write)
{
    if (!write || !write->stream_)
        return -EINVAL;
    evloop_stream *stream = write->stream_;
    int err = loop_check_thread(stream_loop(stream));
    if (err)
        return err;
    if (write->left_ == 0 || stream->error_ || stream->flags_ & STREAM_CLOSING)
        return -EALREADY;
    if (!(stream->flags_ & STREAM_CONNECTING)) {
        stream_stop_sending(stream); /* the kernel may be at work on this one */
        handle_want_flush(&stream->handle_);
    }
    if (write->written)
        return -EALREADY;
    finish(stream, write, -ECANCELED);
    note_size(stream);
    return 0;
}

size_t evloop_stream_queued(const evloop_stream *stream)
{
    return stream ? stream->queued_ : 0;
}

int evloop_stream_set_watermarks(evloop_stream *stream, size_t low, size_t high,
                                 evloop_watermark_fn fn)
{
    int err = stream_check(stream);
    if (err)
        return err;
    if (high && (low >= high || !fn))
        return -EINVAL;
    stream->low_ = low;
    stream->high_ = high;
    stream->watermark_fn_ = high ? fn : NULL;
    stream->flags_ &= ~(unsigned)(STREAM_FULL | STREAM_FULL_DUE | STREAM_FULL_TOLD);
    note_size(stream);
    return 0;
}

int evloop_stream_set_zero_copy(evloop_stream *stream, size_t least)
{
    int err = stream_check(stream);
    if (!err)
        stream->endpoint_.zero_copy = least;
    return err;
}

/* ---- callbacks ------------------------------------------------------------------------------- */

/* Whether the stream is still there; all are told, even if one of them closes it. */
bool stream_tell_writers(evloop_stream *stream)
{
    evloop *loop = stream_loop(stream);
    bool closing = stream->flags_ & STREAM_CLOSING;
    list_link *link;
    while ((link = list_pop(&stream->finished_))) {
        evloop_write *write = write_of(link);
        write->stream_ = NULL;
        if (!write->fn_)
            continue;
        handle_calling(&stream->handle_);
        write->fn_(write, write->status_);
        if (!handle_called(loop, &stream->handle_))
            return false;
        if (!closing && stream->flags_ & STREAM_CLOSING)
            return false;
    }
    return true;
}

static bool tell_watermark(evloop_stream *stream, bool full)
{
    evloop *loop = stream_loop(stream);
    if (!stream->watermark_fn_)
        return true;
    stream->flags_ &= ~(unsigned)(STREAM_FULL_DUE | STREAM_FULL_TOLD);
    stream->flags_ |= full ? STREAM_FULL_TOLD : 0;
    handle_calling(&stream->handle_);
    stream->watermark_fn_(stream, full);
    return handle_called(loop, &stream->handle_) && !(stream->flags_ & STREAM_CLOSING);
}

/*
 * A queue that was full is told to have been, even if it has shrunk before anybody could be told:
 * who has stopped writing because of what evloop_stream_queued() said waits to hear the other.
 */
bool stream_tell_watermark(evloop_stream *stream)
{
    if (stream->flags_ & STREAM_FULL_DUE && !(stream->flags_ & STREAM_FULL_TOLD) &&
        !tell_watermark(stream, true))
        return false;
    if (stream->flags_ & STREAM_FULL || !(stream->flags_ & STREAM_FULL_TOLD))
        return true;
    return tell_watermark(stream, false);
}

/* The loop is torn down: requests are their owners' again. */
void stream_forget_writes(evloop_stream *stream)
{
    list_link *link;
    stream_fail_writes(stream, -ECANCELED);
    while ((link = list_pop(&stream->finished_)))
        write_of(link)->stream_ = NULL;
}
