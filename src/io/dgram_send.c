/*
 * dgram_send.c: sending. What is sent stands in one queue, in order: requests of the user's, and
 * copies. The queue is offered to the kernel at the end of the turn, and from then on whenever there
 * is room. A packet is a datagram, or several of one size in a row (segment_size); the kernel gets
 * as much of it in one message as it can cut up itself.
 *
 * Invariant: queued_ is the sum of size - sent over the queue. While the queue is not empty a send
 * is in flight, or the socket is down for a flush.
 *
 * An error of the network, of a datagram that went earlier, is told by the kernel to whichever call
 * comes next, which then has sent nothing. So such an error is noted, and the datagram sent again;
 * only what it meets twice running is its own.
 */
#include <limits.h>

#include "io/dgram.h"
#include "poller/socket.h"

enum {
    COPIED_AT_MOST = 4096, /* more is offered to the kernel before it is copied */
    OVERHEAD = 64,         /* that a datagram counts for in the queue's limit beside its bytes */
    V4_AT_MOST = 65507,    /* bytes in a datagram */
    V6_AT_MOST = 65527,
    SEGMENTS_AT_ONCE = 64, /* that the kernel cuts a message into, and all of them together may */
    SEGMENT_BYTES = 65507, /* be of so many bytes */
    CALLS_AT_ONCE = 16,    /* in one turn */
    REFUSED_AT_MOST = 8    /* each of many datagrams that went may have been refused */
};

/* Of packets. */
enum { PACKET_COPY = 1, PACKET_TO = 2, PACKET_CUT = 4 };

/* A packet of the loop's own. */
struct copy {
    struct evloop_packet packet;
    struct iovec iov;
    const evloop_address *from; /* behind the bytes; or NULL */
    char bytes[];
};

/* What messages are made of. */
struct source {
    const struct iovec *iov;
    unsigned iov_count;
    unsigned segment_size;
    bool cut; /* by us: one segment a message */
    size_t size;
    const evloop_address *to;
    const evloop_address *from;
};

static struct evloop_packet *packet_of(list_link *place)
{
    return list_entry(place, struct evloop_packet, link);
}

static struct copy *copy_of(const struct evloop_packet *packet)
{
    return evloop_container_of((uintptr_t)packet, struct copy, packet);
}

static evloop_dgram_request *request_of(struct evloop_packet *packet)
{
    return evloop_container_of(packet, evloop_dgram_request, packet_);
}

static struct source source_of(const evloop_dgram *d, const struct evloop_packet *packet)
{
    return (struct source){
        .iov = packet->iov,
        .iov_count = packet->iov_count,
        .segment_size = packet->segment_size,
        .cut = d->flags_ & DGRAM_CUTS || packet->flags & PACKET_CUT,
        .size = packet->size,
        .to = packet->flags & PACKET_TO ? &packet->to : NULL,
        .from = packet->flags & PACKET_COPY ? copy_of(packet)->from : NULL,
    };
}

/* ---- the queue ------------------------------------------------------------------------------- */

static bool is_above(const evloop_dgram *d)
{
    return d->flags_ & DGRAM_FULL ? d->queued_ > d->low_ : d->queued_ >= d->high_;
}

static void note_size(evloop_dgram *d)
{
    if (!d->high_)
        return;
    if (is_above(d))
        d->flags_ |= DGRAM_FULL;
    else
        d->flags_ &= ~(unsigned)DGRAM_FULL;
    if (!(d->flags_ & DGRAM_FULL) != !(d->flags_ & DGRAM_FULL_TOLD))
        handle_want_call(&d->handle_);
}

static void append(evloop_dgram *d, struct evloop_packet *packet)
{
    list_append(&d->queue_, &packet->link);
    d->queued_ += packet->size - packet->sent;
    d->queued_count_++;
    note_size(d);
    if (!(d->flags_ & DGRAM_SENDING))
        handle_want_flush(&d->handle_);
}

/* A packet that is over: if anybody is to be told, it waits for that. */
static void finish(evloop_dgram *d, struct evloop_packet *packet, int status)
{
    bool told = !(packet->flags & PACKET_COPY) || (status && d->flags_ & DGRAM_RECEIVING);
    list_remove(&packet->link);
    d->queued_ -= packet->size - packet->sent;
    d->queued_count_--;
    if (!told) {
        blocks_give(&dgram_loop(d)->copies, copy_of(packet));
        return;
    }
    packet->status = status;
    list_append(&d->finished_, &packet->link);
    if (!(d->flags_ & DGRAM_CLOSING))
        handle_want_call(&d->handle_);
}

/* ---- messages -------------------------------------------------------------------------------- */

/* How many of the bytes that are left go into one message. */
static size_t bytes_of_message(const struct source *source, size_t left)
{
    size_t segment_size = source->segment_size;
    if (!segment_size || left <= segment_size)
        return left;
    if (source->cut)
        return segment_size;
    size_t count = SEGMENT_BYTES / segment_size;
    size_t most = (count < SEGMENTS_AT_ONCE ? count : SEGMENTS_AT_ONCE) * segment_size;
    return left < most ? left : most;
}

/* Appends to outgoing->iov the pieces of bytes [at, at + size); false if they may not fit. */
static bool add_pieces(const struct source *source, size_t at, size_t size,
                       struct evloop_outgoing *outgoing)
{
    if (IOV_AT_ONCE - outgoing->iov_count < source->iov_count)
        return false;
    for (unsigned i = 0; size > 0 && i < source->iov_count; i++) {
        size_t length = source->iov[i].iov_len;
        size_t skip = at < length ? at : length;
        size_t piece = length - skip < size ? length - skip : size;
        at -= skip;
        if (!piece)
            continue;
        outgoing->iov[outgoing->iov_count].iov_base = (char *)source->iov[i].iov_base + skip;
        outgoing->iov[outgoing->iov_count++].iov_len = piece;
        size -= piece;
    }
    return true;
}

/* Adds the message that begins at this byte of the source; its size, or -1 if there is no room. */
static ssize_t add_message(const struct source *source, size_t at, struct evloop_outgoing *outgoing)
{
    size_t size = bytes_of_message(source, source->size - at);
    struct outgoing_message *message = &outgoing->messages[outgoing->message_count];
    if (outgoing->message_count == MESSAGES_AT_ONCE)
        return -1;
    message->iov = source->iov;
    message->iov_count = source->iov_count;
    if (size < source->size) {
        message->iov = outgoing->iov + outgoing->iov_count;
        if (!add_pieces(source, at, size, outgoing))
            return -1;
        message->iov_count = (unsigned)(outgoing->iov + outgoing->iov_count - message->iov);
    }
    message->segment_size = size > source->segment_size ? source->segment_size : 0;
    message->to = source->to;
    message->from = source->from;
    outgoing->message_count++;
    return (ssize_t)size;
}

/* Adds messages from this byte on; false if no more can be added. */
static bool add_source(const struct source *source, size_t at, struct evloop_outgoing *outgoing,
                       size_t *bytes)
{
    do {
        ssize_t size = *bytes < BYTES_AT_ONCE ? add_message(source, at, outgoing) : -1;
        if (size < 0)
            return false;
        *bytes += (size_t)size;
        at += (size_t)size;
    } while (at < source->size);
    return true;
}

void dgram_gather(struct evloop_operation *operation, struct evloop_outgoing *outgoing)
{
    evloop_dgram *d = evloop_container_of(operation, evloop_dgram, out_);
    size_t bytes = 0;
    list_each(&d->queue_, link, following) {
        const struct evloop_packet *packet = packet_of(link);
        struct source source = source_of(d, packet);
        if (!add_source(&source, packet->sent, outgoing, &bytes))
            return;
    }
}

/* ---- errors ---------------------------------------------------------------------------------- */

enum verdict { ITS_OWN, SEND_AGAIN, CUT_AND_SEND_AGAIN };

/* With a queue of errors, receiving finds it there. */
static void note_network_error(evloop_dgram *d)
{
    if (!d->retried_)
        return;
    if (!(d->format_.control & MESSAGE_ERRORS)) {
        d->error_ = d->retried_;
        handle_want_call(&d->handle_);
    }
    d->retried_ = 0;
}

/* A device that cannot do it, or segments that are too long for it. */
static bool cannot_cut(int err)
{
    return err == -EIO || err == -EINVAL || err == -EMSGSIZE || err == -EOPNOTSUPP;
}

/* What an error means for the message that met it. */
static enum verdict judge(evloop_dgram *d, int err, bool segments)
{
    if (segments && cannot_cut(err)) {
        if (err == -EIO || err == -EOPNOTSUPP)
            d->flags_ |= DGRAM_CUTS;
        return CUT_AND_SEND_AGAIN;
    }
    if (d->retried_ && d->retried_ != err)
        note_network_error(d);
    if (!dgram_is_udp(d) || !poller_is_network_error(err))
        return ITS_OWN;
    if (!d->retried_)
        d->retries_ = 0;
    d->retried_ = err;
    if (++d->retries_ <= (err == -ECONNREFUSED ? REFUSED_AT_MOST : 1))
        return SEND_AGAIN;
    d->retried_ = 0;
    return ITS_OWN;
}

/* ---- sending the queue ----------------------------------------------------------------------- */

/* The system has bound it by now. */
static void note_port(evloop_dgram *d)
{
    evloop_address local;
    if (d->format_.port || !(d->format_.control & MESSAGE_LOCAL))
        return;
    if (socket_local(d->endpoint_.fd, &local) == 0)
        d->format_.port = evloop_address_port(&local);
}

/* So many messages are gone, of the first packets. */
static void advance(evloop_dgram *d, size_t count)
{
    note_network_error(d);
    note_port(d);
    for (; count > 0; count--) {
        struct evloop_packet *packet = packet_of(d->queue_.next);
        struct source source = source_of(d, packet);
        size_t bytes = bytes_of_message(&source, packet->size - packet->sent);
        packet->sent += bytes;
        d->queued_ -= bytes;
        if (packet->sent == packet->size)
            finish(d, packet, 0);
    }
}

/* The first message met an error. */
static void refused(evloop_dgram *d, int err)
{
    struct evloop_packet *packet = packet_of(d->queue_.next);
    struct source source = source_of(d, packet);
    size_t left = packet->size - packet->sent;
    bool segments = bytes_of_message(&source, left) > source.segment_size && source.segment_size;
    switch (judge(d, err, segments)) {
    case CUT_AND_SEND_AGAIN:
        packet->flags |= PACKET_CUT;
        break;
    case ITS_OWN:
        finish(d, packet, err);
        break;
    case SEND_AGAIN:
        break;
    }
}

static void take_result(evloop_dgram *d, ssize_t n)
{
    if (n > 0)
        advance(d, (size_t)n);
    else if (n < 0)
        refused(d, (int)n);
}

void dgram_flush(struct evloop_handle *handle)
{
    evloop_dgram *d = evloop_container_of(handle, evloop_dgram, handle_);
    if (d->flags_ & DGRAM_SENDING)
        return;
    for (unsigned calls = 0; !list_empty(&d->queue_); calls++) {
        if (calls == CALLS_AT_ONCE) {
            handle_want_flush(handle);
            break;
        }
        ssize_t n = poller_send_messages(dgram_poller(d), &d->out_);
        if (n == OPERATION_STARTED) {
            d->flags_ |= DGRAM_SENDING;
            break;
        }
        take_result(d, n);
    }
    note_size(d);
}

/* There was room at last; what is left goes out with what this turn sends. */
void dgram_sent(struct evloop_operation *operation, const struct evloop_completion *completion)
{
    evloop_dgram *d = evloop_container_of(operation, evloop_dgram, out_);
    d->flags_ &= ~(unsigned)DGRAM_SENDING;
    take_result(d, completion->result);
    note_size(d);
    if (!list_empty(&d->queue_))
        handle_want_flush(&d->handle_);
    dgram_call(&d->handle_);
}

/* Offers the queue to the kernel as it is; it does not wait. */
static void offer_queue(evloop_dgram *d)
{
    struct iovec iov[IOV_AT_ONCE];
    struct outgoing_message messages[MESSAGES_AT_ONCE];
    for (unsigned calls = 0; !list_empty(&d->queue_) && calls < CALLS_AT_ONCE; calls++) {
        struct evloop_outgoing outgoing = {.iov = iov, .file = -1, .messages = messages};
        dgram_gather(&d->out_, &outgoing);
        ssize_t n = poller_try_send_messages(dgram_poller(d), &d->endpoint_, &outgoing);
        if (n == -EAGAIN)
            return;
        take_result(d, n);
    }
}

/* ---- sending at once ------------------------------------------------------------------------- */

/* How far an array of datagrams has been sent. */
struct cursor {
    const evloop_datagram *datagrams;
    size_t count;
    size_t index;
    size_t at; /* bytes of this one that have gone */
    bool cut;  /* this one */
};

static struct source source_at(const evloop_dgram *d, const struct cursor *cursor, size_t index,
                               const struct iovec *iov)
{
    const evloop_datagram *datagram = &cursor->datagrams[index];
    return (struct source){
        .iov = iov,
        .iov_count = 1,
        .segment_size = datagram->segment_size,
        .cut = d->flags_ & DGRAM_CUTS || (cursor->cut && index == cursor->index),
        .size = datagram->size,
        .to = datagram->peer,
        .from = datagram->local,
    };
}

static ssize_t offer_batch(evloop_dgram *d, const struct cursor *cursor)
{
    struct iovec iov[2 * MESSAGES_AT_ONCE];
    struct outgoing_message messages[MESSAGES_AT_ONCE];
    struct evloop_outgoing outgoing = {
        .iov = iov + MESSAGES_AT_ONCE, .file = -1, .messages = messages};
    size_t bytes = 0;
    size_t at = cursor->at;
    for (size_t i = 0; i < MESSAGES_AT_ONCE && cursor->index + i < cursor->count; i++) {
        const evloop_datagram *datagram = &cursor->datagrams[cursor->index + i];
        iov[i] = (struct iovec){(void *)(uintptr_t)datagram->data, datagram->size};
        struct source source = source_at(d, cursor, cursor->index + i, &iov[i]);
        if (!add_source(&source, at, &outgoing, &bytes))
            break;
        at = 0;
    }
    return poller_try_send_messages(dgram_poller(d), &d->endpoint_, &outgoing);
}

static size_t bytes_at(const evloop_dgram *d, const struct cursor *cursor)
{
    struct source source = source_at(d, cursor, cursor->index, NULL);
    return bytes_of_message(&source, source.size - cursor->at);
}

static void move(const evloop_dgram *d, struct cursor *cursor, size_t messages)
{
    for (; messages > 0; messages--) {
        cursor->at += bytes_at(d, cursor);
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
    switch (judge(d, err, segment_size && bytes_at(d, cursor) > segment_size)) {
    case CUT_AND_SEND_AGAIN:
        cursor->cut = true;
        return 0;
    case SEND_AGAIN:
        return 0;
    default:
        return err;
    }
}

static int queue_copy(evloop_dgram *d, const evloop_datagram *datagram, size_t at);

/* How many the kernel took, or the error of the first. What it took a part of is queued. */
static ssize_t offer(evloop_dgram *d, const evloop_datagram *datagrams, size_t count)
{
    struct cursor cursor = {.datagrams = datagrams, .count = count};
    int err = 0;
    while (!err && cursor.index < count) {
        ssize_t n = offer_batch(d, &cursor);
        if (n > 0) {
            note_network_error(d);
            move(d, &cursor, (size_t)n);
        } else {
            err = n == -EAGAIN ? -EAGAIN : go_on(d, &cursor, (int)n);
        }
    }
    note_port(d);
    if (cursor.at > 0) {
        queue_copy(d, &datagrams[cursor.index], cursor.at);
        cursor.index++;
    }
    return cursor.index ? (ssize_t)cursor.index : err;
}

/* ---- what users call ------------------------------------------------------------------------- */

/* Copies an address without the room that it does not need. */
static void copy_address(evloop_address *copy, const evloop_address *address)
{
    size_t size = address->size < sizeof address->of ? address->size : sizeof address->of;
    memcpy(copy, address, offsetof(evloop_address, of) + size);
}

static void set_to(struct evloop_packet *packet, const evloop_address *to)
{
    if (!to || !to->size)
        return;
    packet->flags |= PACKET_TO;
    copy_address(&packet->to, to);
}

/* Puts aside what begins at this byte of a datagram, or of several. */
static int queue_copy(evloop_dgram *d, const evloop_datagram *datagram, size_t at)
{
    const size_t alignment = _Alignof(evloop_address);
    const evloop_address *from = datagram->local;
    size_t size = datagram->size - at;
    size_t place = (sizeof(struct copy) + size + alignment - 1) & ~(alignment - 1);
    struct copy *copy =
        (struct copy *)blocks_take(&dgram_loop(d)->copies, place + (from ? sizeof *from : 0));
    if (!copy)
        return -ENOMEM;
    copy->packet.iov = &copy->iov;
    copy->packet.iov_count = 1;
    copy->packet.size = size;
    copy->packet.sent = 0;
    copy->packet.segment_size = datagram->segment_size;
    copy->packet.flags = PACKET_COPY;
    set_to(&copy->packet, datagram->peer);
    copy->iov = (struct iovec){copy->bytes, size};
    if (size)
        memcpy(copy->bytes, (const char *)datagram->data + at, size);
    copy->from = NULL;
    if (from) {
        evloop_address *behind = (evloop_address *)(void *)((char *)copy + place);
        copy_address(behind, from);
        copy->from = behind;
    }
    append(d, &copy->packet);
    return 0;
}

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
    return has_room(d, datagram->size) ? queue_copy(d, datagram, 0) : -EAGAIN;
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
    set_to(&request->packet_, address);
    append(d, &request->packet_);
    return 0;
}

/* Whether the kernel has nothing of the queue any more. */
static bool take_back(evloop_dgram *d)
{
    if (!(d->flags_ & DGRAM_SENDING))
        return true;
    if (!poller_cancel(dgram_poller(d), &d->out_))
        return false;
    d->flags_ &= ~(unsigned)DGRAM_SENDING;
    handle_want_flush(&d->handle_);
    return true;
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
    if (!take_back(d))
        return -EALREADY;
    finish(d, &request->packet_, -ECANCELED);
    note_size(d);
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
        offer_queue(d);
        note_size(d);
        if (!list_empty(&d->queue_))
            return -EAGAIN;
    }
    return offer(d, datagrams, count);
}

size_t evloop_dgram_queued(const evloop_dgram *d)
{
    return evloop_dgram_active(d) ? d->queued_ : 0;
}

int evloop_dgram_set_watermarks(evloop_dgram *d, size_t low, size_t high,
                                evloop_dgram_watermark_fn fn)
{
    int err = dgram_check(d);
    if (err)
        return err;
    if (high && (low >= high || !fn))
        return -EINVAL;
    d->low_ = low;
    d->high_ = high;
    d->watermark_fn_ = high ? fn : NULL;
    d->flags_ &= ~(unsigned)(DGRAM_FULL | DGRAM_FULL_TOLD);
    note_size(d);
    return 0;
}

/* ---- callbacks ------------------------------------------------------------------------------- */

/* A copy that was refused; its memory is given back after that. */
static bool tell_refused(evloop_dgram *d, struct evloop_packet *packet)
{
    evloop *loop = dgram_loop(d);
    struct copy *copy = copy_of(packet);
    const evloop_datagram datagram = {.data = copy->bytes,
                                      .size = packet->size,
                                      .peer = packet->flags & PACKET_TO ? &packet->to : NULL,
                                      .local = copy->from,
                                      .segment_size = packet->segment_size,
                                      .ttl = -1,
                                      .ecn = -1};
    bool still_there = true;
    if (d->flags_ & DGRAM_RECEIVING) {
        handle_calling(&d->handle_);
        d->fn_(d, packet->status, &datagram);
        still_there = handle_called(loop, &d->handle_);
    }
    blocks_give(&loop->copies, copy);
    return still_there;
}

static bool tell_request(evloop_dgram *d, evloop_dgram_request *request)
{
    evloop *loop = dgram_loop(d);
    request->dgram_ = NULL;
    if (!request->fn_)
        return true;
    handle_calling(&d->handle_);
    request->fn_(request, request->packet_.status);
    return handle_called(loop, &d->handle_);
}

bool dgram_tell_sent(evloop_dgram *d)
{
    bool closing = d->flags_ & DGRAM_CLOSING;
    list_link *link;
    while ((link = list_pop(&d->finished_))) {
        struct evloop_packet *packet = packet_of(link);
        if (!(packet->flags & PACKET_COPY ? tell_refused(d, packet)
                                          : tell_request(d, request_of(packet))))
            return false;
        if (!closing && d->flags_ & DGRAM_CLOSING)
            return false;
    }
    return true;
}

bool dgram_tell_watermark(evloop_dgram *d)
{
    evloop *loop = dgram_loop(d);
    bool full = d->flags_ & DGRAM_FULL;
    if (!d->watermark_fn_ || full == !!(d->flags_ & DGRAM_FULL_TOLD))
        return true;
    d->flags_ ^= DGRAM_FULL_TOLD;
    handle_calling(&d->handle_);
    d->watermark_fn_(d, full);
    return handle_called(loop, &d->handle_) && !(d->flags_ & DGRAM_CLOSING);
}

/* ---- ending ---------------------------------------------------------------------------------- */

void dgram_end_sending(evloop_dgram *d)
{
    list_each(&d->queue_, link, following) {
        if (!(packet_of(link)->flags & PACKET_COPY))
            finish(d, packet_of(link), -ECANCELED);
    }
    offer_queue(d);
    list_each(&d->queue_, rest, following_rest)
        finish(d, packet_of(rest), -ECANCELED);
}

void dgram_forget_sent(evloop_dgram *d)
{
    list_link *link;
    list_each(&d->queue_, queued, following)
        finish(d, packet_of(queued), -ECANCELED);
    while ((link = list_pop(&d->finished_))) {
        struct evloop_packet *packet = packet_of(link);
        if (packet->flags & PACKET_COPY)
            blocks_give(&dgram_loop(d)->copies, copy_of(packet));
        else
            request_of(packet)->dgram_ = NULL;
    }
}
