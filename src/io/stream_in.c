/*
 * stream_in.c: reading: into a buffer that is lent, or into the user's memory.
 */
#include "io/stream.h"

/* 0 if it is under way. */
int stream_receive(evloop_stream *stream)
{
    void *memory = NULL;
    size_t size = 0;
    if (stream->flags_ & STREAM_RECEIVING)
        return 0;
    if (stream->flags_ & STREAM_INTO) {
        memory = (char *)stream->into_ + stream->filled_;
        size = stream->into_size_ - stream->filled_;
    }
    int err = poller_receive(stream_poller(stream), &stream->in_, memory, size);
    if (err != OPERATION_STARTED)
        return err;
    stream->flags_ |= STREAM_RECEIVING;
    return 0;
}

void stream_stop_receiving(evloop_stream *stream)
{
    if (!(stream->flags_ & STREAM_RECEIVING))
        return;
    poller_cancel(stream_poller(stream), &stream->in_);
    stream->flags_ &= ~(unsigned)STREAM_RECEIVING;
}

static int start(evloop_stream *stream, evloop_read_fn fn, unsigned how)
{
    stream->read_fn_ = fn;
    stream->flags_ &= ~(unsigned)(STREAM_INTO | STREAM_READ_DUE);
    stream->flags_ |= STREAM_READING | how;
    if (!(stream->flags_ & STREAM_CONNECTING)) {
        int err = stream_receive(stream);
        if (err) {
            stream->flags_ &= ~(unsigned)STREAM_READING;
            return err;
        }
    }
    stream_await(stream, TIMEOUT_READ);
    return 0;
}

static int check_start(const evloop_stream *stream, evloop_read_fn fn)
{
    int err = fn ? stream_check(stream) : -EINVAL;
    if (!err && stream->flags_ & STREAM_READING)
        err = -EBUSY;
    return err ? err : stream->error_;
}

int evloop_stream_read_start(evloop_stream *stream, evloop_read_fn fn)
{
    int err = check_start(stream, fn);
    return err ? err : start(stream, fn, 0);
}

int evloop_stream_read_into(evloop_stream *stream, void *memory, size_t size, size_t least,
                            evloop_read_fn fn)
{
    if (!memory || least == 0 || least > size)
        return -EINVAL;
    int err = check_start(stream, fn);
    if (err)
        return err;
    stream->into_ = memory;
    stream->into_size_ = size;
    stream->least_ = least;
    stream->filled_ = 0;
    return start(stream, fn, STREAM_INTO);
}

size_t evloop_stream_read_count(const evloop_stream *stream)
{
    return stream ? stream->filled_ : 0;
}

int evloop_stream_read_stop(evloop_stream *stream)
{
    int err = stream_check(stream);
    if (err)
        return err;
    stream_stop_receiving(stream);
    stream->flags_ &= ~(unsigned)(STREAM_READING | STREAM_READ_DUE);
    return 0;
}

bool evloop_stream_reading(const evloop_stream *stream)
{
    return stream && handle_active(&stream->handle_) && stream->flags_ & STREAM_READING;
}

static bool call(evloop_stream *stream, ssize_t n, const void *data)
{
    evloop *loop = stream_loop(stream);
    handle_calling(&stream->handle_);
    stream->read_fn_(stream, n, data);
    return handle_called(loop, &stream->handle_);
}

/* The end of reading: tells what it has come to. */
bool stream_tell_reader(evloop_stream *stream)
{
    if (!(stream->flags_ & STREAM_READ_DUE))
        return true;
    stream->flags_ &= ~(unsigned)(STREAM_READ_DUE | STREAM_READING);
    return call(stream, stream->read_status_, NULL);
}

static void lend(evloop_stream *stream, size_t n, void *data)
{
    stream_loop(stream)->lent = data;
    stream->flags_ |= STREAM_LENT;
    if (call(stream, (ssize_t)n, data))
        stream->flags_ &= ~(unsigned)STREAM_LENT;
}

static void fill(evloop_stream *stream, size_t n)
{
    stream->filled_ += n;
    if (stream->error_) /* descriptors that came with them are lost, which is to be told already */
        return;
    if (stream->filled_ >= stream->least_) {
        stream->flags_ &= ~(unsigned)STREAM_READING;
        call(stream, (ssize_t)stream->filled_, stream->into_);
        return;
    }
    int err = stream_receive(stream);
    if (err) {
        stream_fail(stream, err);
        stream_call(&stream->handle_);
    }
}

static void end(evloop_stream *stream, int status)
{
    if (status == EVLOOP_EOF) {
        stream->read_status_ = status;
        stream->flags_ |= STREAM_READ_DUE;
        stream_tell_reader(stream);
        return;
    }
    stream_fail(stream, status);
    stream_call(&stream->handle_);
}

/* While it is being closed in good order: what comes is thrown away, until it ends. */
static void discard(evloop_stream *stream, ssize_t n)
{
    if (n <= 0)
        stream_finish_closing(stream);
}

void stream_received(struct evloop_operation *operation, const struct evloop_completion *completion)
{
    evloop_stream *stream = evloop_container_of(operation, evloop_stream, in_);
    ssize_t n = completion->result;
    if (!completion->more)
        stream->flags_ &= ~(unsigned)STREAM_RECEIVING;
    if (completion->extra)
        stream_keep_fds(stream, completion->extra);
    if (n > 0)
        stream_note(stream, TIMEOUT_READ);
    if (stream->flags_ & STREAM_GRACEFUL)
        discard(stream, n);
    else if (n <= 0)
        end(stream, n == 0 ? EVLOOP_EOF : (int)n);
    else if (stream->flags_ & STREAM_INTO)
        fill(stream, (size_t)n);
    else
        lend(stream, (size_t)n, completion->data);
}

int evloop_buffer_keep(evloop_stream *stream)
{
    int err = stream ? object_check(object_get(&stream->handle_.state)) : -EINVAL;
    if (err)
        return err;
    if (!handle_active(&stream->handle_) || !(stream->flags_ & STREAM_LENT))
        return -EINVAL;
    err = poller_keep_buffer(stream_poller(stream), stream_loop(stream)->lent);
    if (!err)
        stream->flags_ &= ~(unsigned)STREAM_LENT;
    return err;
}

int evloop_buffer_release(evloop *loop, const void *data)
{
    int err = loop_check_thread(loop);
    return err ? err : poller_release_buffer(&loop->poller, data);
}
