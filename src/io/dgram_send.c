/*
 * dgram_send.c: what users call to send. What is offered to the kernel at once, and of which it
 * takes nothing, or a part, goes to the queue.
 */
#include <limits.h>

#include "io/dgram.h"
#include "poller/socket.h"

enum {
    COPIED_AT_MOST = 4096, /* more is offered to the kernel before it is copied */
    OVERHEAD = 64,         /* that a datagram counts for in the queue's limit beside its bytes */
    V4_AT_MOST = 65507,    /* bytes in a datagram */
    V6_AT_MOST = 65527
};

/* ---- at once --------------------------------------------------------------------------------- */

/* How far an array of datagrams has been sent. */
struct cursor {
    const evloop_datagram *datagrams;
    size_t count;
    size_t index;
    size_t at; /* bytes of this one that have gone */
    bool cut;  /* this one */
};

static struct dgram_source source_at(const evloop_dgram *d, const struct cursor *cursor,
                                     size_t index, const struct iovec *iov)
{
    const evloop_datagram *datagram = &cursor->datagrams[index];
    return (struct dgram_source){
        .iov = iov,
        .iov_count = 1,
        .segment_size = datagram->segment_size,
        .cut = d->flags_ & DGRAM_CUTS || (cursor->cut && index == cursor->index),
        .size = datagram->size,
        .to = datagram->peer,
        .from = datagram->local,
    };
}

/* Adds a datagram, from this byte on; false if no more can be added. */
static bool add_datagram(const evloop_dgram *d, const struct cursor *cursor, size_t index,
                         struct iovec *iov, struct evloop_outgoing *outgoing)
{
    const evloop_datagram *datagram = &cursor->datagrams[index];
    *iov = (struct iovec){(void *)(uintptr_t)datagram->data, datagram->size};
    if (datagram->segment_size) {
        struct dgram_source source = source_at(d, cursor, index, iov);
        return dgram_add_messages(&source, index == cursor->index ? cursor->at : 0, outgoing);
    }
    if (outgoing->message_count == MESSAGES_AT_ONCE)
        return false;
    dgram_add_message(iov, 1, datagram->peer, datagram->local, outgoing);
    return true;
}

static ssize_t offer_batch(evloop_dgram *d, const struct cursor *cursor)
{
    struct iovec iov[2 * MESSAGES_AT_ONCE];
    struct outgoing_message messages[MESSAGES_AT_ONCE];
    struct evloop_outgoing outgoing = {
        .iov = iov + MESSAGES_AT_ONCE, .file = -1, .messages = messages};
    size_t left = cursor->count - cursor->index;
    for (size_t i = 0; i < MESSAGES_AT_ONCE && i < left; i++)
        if (!add_datagram(d, cursor, cursor->index + i, &iov[i], &outgoing))
            break;
    return poller_try_send_messages(dgram_poller(d), &d->endpoint_, &outgoing);
}

/* How many bytes of the datagram under the cursor go with its next message. */
static size_t next_bytes(const evloop_dgram *d, const struct cursor *cursor)
{
    const evloop_datagram *datagram = &cursor->datagrams[cursor->index];
    if (!datagram->segment_size)
        return datagram->size;
    struct dgram_source source = source_at(d, cursor, cursor->index, NULL);
    return dgram_bytes_of_message(&source, source.size - cursor->at);
}

static void move(const evloop_dgram *d, struct cursor *cursor, size_t messages)
{
    for (; messages > 0; messages--) {
        cursor->at += next_bytes(d, cursor);
        if (cursor->at < cursor->datagrams[cursor->index].size)
            continue;
        cursor->index++;
        cursor->at = 0;
        cursor->cut = false;
    }
}

/* 0 if the message that met an error is to be sent again; else the error. */
static int go_on(evloop_dgram *d, struct cursor *cursor, int err)
{
    unsigned segment_size = cursor->datagrams[cursor->index].segment_size;
    switch (dgram_judge(d, err, segment_size && next_bytes(d, cursor) > segment_size)) {
    case CUT_AND_SEND_AGAIN:
        cursor->cut = true;
        return 0;
    case SEND_AGAIN:
        return 0;
    default:
        return err;
    }
}

/* What is left of a datagram that counts as taken; its loss is told like the network's errors. */
static void queue_rest(evloop_dgram *d, const evloop_datagram *datagram, size_t at)
{
    int err = dgram_queue_copy(d, datagram, at);
    if (!err)
        return;
    d->error_ = err;
    handle_want_call(&d->handle_);
}

/* How many the kernel took, or the error of the first. What it took a part of is queued. */
static ssize_t offer(evloop_dgram *d, const evloop_datagram *datagrams, size_t count)
{
    struct cursor cursor = {.datagrams = datagrams, .count = count};
    int err = 0;
    while (!err && cursor.index < count) {
        ssize_t n = offer_batch(d, &cursor);
        if (n > 0) {
            dgram_note_network_error(d);
            move(d, &cursor, (size_t)n);
        } else {
            err = n == -EAGAIN ? -EAGAIN : go_on(d, &cursor, (int)n);
        }
    }
    dgram_note_port(d);
    if (cursor.at > 0) {
        queue_rest(d, &datagrams[cursor.index], cursor.at);
        cursor.index++;
    }
    return cursor.index ? (ssize_t)cursor.index : err;
}

/* ---- what users call ------------------------------------------------------------------------- */

static bool has_room(const evloop_dgram *d, size_t size)
{
    size_t used = d->queued_ + d->queued_count_ * OVERHEAD;
    return used <= d->queue_limit_ && d->queue_limit_ - used >= size + OVERHEAD;
}

/* Whether a datagram of that size can be. */
static bool is_possible(const evloop_dgram *d, size_t size)
{
    if (!dgram_is_udp(d))
        return size <= INT_MAX;
    return size <= (d->family_ == AF_INET ? V4_AT_MOST : V6_AT_MOST);
}

static int send_or_queue(evloop_dgram *d, const evloop_datagram *datagram)
{
    if (datagram->size > COPIED_AT_MOST && list_empty(&d->queue_)) {
        ssize_t n = offer(d, datagram, 1);
        if (n != -EAGAIN)
            return n < 0 ? (int)n : 0;
    }
    return has_room(d, datagram->size) ? dgram_queue_copy(d, datagram, 0) : -EAGAIN;
}

int evloop_dgram_send(evloop_dgram *d, const void *data, size_t size, const evloop_address *address)
{
    const evloop_datagram datagram = {.data = data, .size = size, .peer = address};
    int err = data || !size ? dgram_check(d) : -EINVAL;
    if (!err && !is_possible(d, size))
        err = -EMSGSIZE;
    return err ? err : send_or_queue(d, &datagram);
}

int evloop_dgram_send_segments(evloop_dgram *d, const void *data, size_t size,
                               unsigned segment_size, const evloop_address *address)
{
    const evloop_datagram datagram = {
        .data = data, .size = size, .peer = address, .segment_size = segment_size};
    int err = segment_size && (data || !size) ? dgram_check(d) : -EINVAL;
    if (!err && !dgram_is_udp(d))
        err = -ENOTSUP;
    if (!err && (!is_possible(d, segment_size) || size > INT_MAX))
        err = -EMSGSIZE;
    return err ? err : send_or_queue(d, &datagram);
}

/* The sum; false if it is more than a datagram can be. */
static bool add_sizes(const evloop_dgram *d, const struct iovec *iov, unsigned count, size_t *size)
{
    *size = 0;
    for (unsigned i = 0; i < count; i++) {
        if (iov[i].iov_len > (size_t)INT_MAX)
            return false;
        *size += iov[i].iov_len;
    }
    return is_possible(d, *size);
}

int evloop_dgram_write(evloop_dgram *d, evloop_dgram_request *request, const struct iovec *iov,
                       unsigned count, const evloop_address *address, evloop_dgram_request_fn fn)
{
    size_t size;
    int err = request && (iov || !count) && count <= IOV_AT_ONCE ? dgram_check(d) : -EINVAL;
    if (err)
        return err;
    if (request->dgram_)
        return -EBUSY;
    if (!add_sizes(d, iov, count, &size))
        return -EMSGSIZE;
    request->dgram_ = d;
    request->fn_ = fn;
    request->packet_.iov = iov;
    request->packet_.iov_count = count;
    request->packet_.size = size;
    request->packet_.sent = 0;
    request->packet_.segment_size = 0;
    request->packet_.flags = 0;
    request->packet_.status = OPERATION_STARTED;
    dgram_set_to(&request->packet_, address);
    dgram_append(d, &request->packet_);
    return 0;
}

int evloop_dgram_cancel(evloop_dgram_request *request)
{
    if (!request || !request->dgram_)
        return -EINVAL;
    evloop_dgram *d = request->dgram_;
    int err = loop_check_thread(dgram_loop(d));
    if (err)
        return err;
    if (request->packet_.status != OPERATION_STARTED)
        return -EALREADY;
    dgram_stop_sending(d); /* the kernel may be at work on this one */
    handle_want_flush(&d->handle_);
    if (request->packet_.status != OPERATION_STARTED)
        return -EALREADY;
    dgram_finish(d, &request->packet_, -ECANCELED);
    dgram_note_size(d);
    return 0;
}

static int check_array(const evloop_dgram *d, const evloop_datagram *datagrams, size_t count)
{
    if (!datagrams || count == 0 || count > INT_MAX)
        return -EINVAL;
    int err = dgram_check(d);
    for (size_t i = 0; !err && i < count; i++) {
        if (!datagrams[i].data && datagrams[i].size)
            err = -EINVAL;
        if (datagrams[i].segment_size && !dgram_is_udp(d))
            err = -ENOTSUP;
    }
    return err;
}

ssize_t evloop_dgram_try_send(evloop_dgram *d, const evloop_datagram *datagrams, size_t count)
{
    int err = check_array(d, datagrams, count);
    if (err)
        return err;
    if (d->flags_ & DGRAM_SENDING)
        return -EAGAIN;
    if (!list_empty(&d->queue_)) {
        dgram_offer_queue(d);
        dgram_note_size(d);
        if (!list_empty(&d->queue_))
            return -EAGAIN;
    }
    return offer(d, datagrams, count);
}
