/*
 * stream_time.c: deadlines. One timer a stream, the library's own: bytes that come and go only note
 * the time; the timer, when it fires, looks how long ago that was, and goes on for the rest. So it
 * is restarted once a deadline, not once a byte.
 *
 * Invariant: while the stream has a deadline the timer is active, and due no later than that;
 * armed_ is that moment, by the loop's clock.
 *
 * A loop that was kept busy has not asked the kernel for a while: a deadline has passed only if it
 * still has one turn later, when whatever came and whatever could go has been noted.
 */
#include "io/stream.h"

enum { SINCE_IN, SINCE_OUT, SINCE_ANY };

/* Outside a run the loop's clock stands still, for however long. */
static uint64_t clock_of(const evloop_stream *stream)
{
    evloop *loop = stream_loop(stream);
    return state_on_loop_thread(loop) ? evloop_now(loop) : evloop_update(loop);
}

static uint64_t earlier(uint64_t one, uint64_t other)
{
    return one < other ? one : other;
}

static uint64_t read_deadline(const evloop_stream *stream)
{
    if (!stream->timeouts_[TIMEOUT_READ] || !(stream->flags_ & STREAM_READING) ||
        stream->flags_ & STREAM_CONNECTING)
        return UINT64_MAX;
    return saturating_add(stream->since_[SINCE_IN], stream->timeouts_[TIMEOUT_READ]);
}

static uint64_t write_deadline(const evloop_stream *stream)
{
    if (!stream->timeouts_[TIMEOUT_WRITE] || !stream->queued_ || stream->flags_ & STREAM_CONNECTING)
        return UINT64_MAX;
    return saturating_add(stream->since_[SINCE_OUT], stream->timeouts_[TIMEOUT_WRITE]);
}

static uint64_t idle_deadline(const evloop_stream *stream)
{
    if (!stream->timeouts_[TIMEOUT_IDLE])
        return UINT64_MAX;
    return saturating_add(stream->since_[SINCE_ANY], stream->timeouts_[TIMEOUT_IDLE]);
}

static uint64_t end_deadline(const evloop_stream *stream)
{
    return stream->timeouts_[TIMEOUT_END] ? stream->timeouts_[TIMEOUT_END] : UINT64_MAX;
}

static uint64_t deadline(const evloop_stream *stream)
{
    uint64_t moment = earlier(read_deadline(stream), write_deadline(stream));
    return earlier(earlier(moment, idle_deadline(stream)), end_deadline(stream));
}

static void on_timer(evloop_timer *timer);

static void start(evloop_stream *stream, uint64_t moment)
{
    uint64_t now = clock_of(stream);
    stream->armed_ = moment;
    timer_start_hidden(stream_loop(stream), &stream->timer_, moment > now ? moment - now : 0,
                       on_timer);
}

/* Makes the timer due in time; one that is due too early finds out. */
static void arm(evloop_stream *stream)
{
    uint64_t moment = deadline(stream);
    bool active = evloop_timer_active(&stream->timer_);
    if (moment != UINT64_MAX && (!active || stream->armed_ > moment))
        start(stream, moment);
}

static void read_timed_out(evloop_stream *stream)
{
    stream_stop_receiving(stream);
    stream->flags_ &= ~(unsigned)STREAM_READING;
    stream->flags_ |= STREAM_READ_DUE;
    stream->read_status_ = -ETIMEDOUT;
    handle_want_call(&stream->handle_);
}

static void timed_out(evloop_stream *stream, uint64_t now)
{
    if (end_deadline(stream) <= now && stream->flags_ & STREAM_GRACEFUL)
        stream_finish_closing(stream);
    else if (end_deadline(stream) <= now || write_deadline(stream) <= now ||
             idle_deadline(stream) <= now)
        stream_fail(stream, -ETIMEDOUT);
    else if (read_deadline(stream) <= now)
        read_timed_out(stream);
}

static void on_timer(evloop_timer *timer)
{
    evloop_stream *stream = evloop_container_of(timer, evloop_stream, timer_);
    if (stream->flags_ & STREAM_CLOSING || stream->error_)
        return;
    uint64_t now = clock_of(stream);
    bool late = stream->flags_ & STREAM_LATE;
    stream->flags_ &= ~(unsigned)STREAM_LATE;
    if (!late && deadline(stream) <= now) {
        stream->flags_ |= STREAM_LATE;
        start(stream, now);
        return;
    }
    timed_out(stream, now);
    if (!(stream->flags_ & STREAM_CLOSING) && !stream->error_)
        arm(stream);
}

/* Bytes are waited for from now on: to come, or to go. */
void stream_await(evloop_stream *stream, enum stream_timeout what)
{
    if (!(stream->flags_ & STREAM_TIMED))
        return;
    stream->since_[what == TIMEOUT_READ ? SINCE_IN : SINCE_OUT] = clock_of(stream);
    arm(stream);
}

/* Bytes came, or went. */
void stream_note(evloop_stream *stream, enum stream_timeout what)
{
    if (!(stream->flags_ & STREAM_TIMED))
        return;
    stream->since_[SINCE_ANY] = clock_of(stream);
    stream_await(stream, what);
}

/* When connecting, or closing in good order, must be over; 0: never. */
void stream_set_end(evloop_stream *stream, uint64_t timeout_ns)
{
    stream->timeouts_[TIMEOUT_END] = timeout_ns ? saturating_add(clock_of(stream), timeout_ns) : 0;
    arm(stream);
}

static int set(evloop_stream *stream, enum stream_timeout what, uint64_t timeout_ns)
{
    int err = stream_check(stream);
    if (err)
        return err;
    uint64_t now = clock_of(stream);
    if (!(stream->flags_ & STREAM_TIMED)) {
        stream->since_[SINCE_IN] = now;
        stream->since_[SINCE_OUT] = now;
        stream->since_[SINCE_ANY] = now;
    }
    stream->timeouts_[what] = timeout_ns;
    if (timeout_ns)
        stream->flags_ |= STREAM_TIMED;
    arm(stream);
    return 0;
}

int evloop_stream_set_read_timeout(evloop_stream *stream, uint64_t timeout_ns)
{
    return set(stream, TIMEOUT_READ, timeout_ns);
}

int evloop_stream_set_write_timeout(evloop_stream *stream, uint64_t timeout_ns)
{
    return set(stream, TIMEOUT_WRITE, timeout_ns);
}

int evloop_stream_set_idle_timeout(evloop_stream *stream, uint64_t timeout_ns)
{
    return set(stream, TIMEOUT_IDLE, timeout_ns);
}
