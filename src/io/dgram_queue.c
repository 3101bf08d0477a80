/*
 * dgram_queue.c: what waits to be sent stands in one queue, in order: requests of the user's, and
 * copies. The queue is offered to the kernel at the end of the turn, and from then on whenever
 * there is room. A packet is a datagram, or several of one size in a row (segment_size); the kernel
 * gets as much of it in one message as it can cut up itself.
 *
 * Invariant: queued_ is the sum of size - sent over the queue. While the queue is not empty a send
 * is in flight, or the socket is down for a flush.
 *
 * An error of the network, of a datagram that went earlier, is told by the kernel to whichever call
 * comes next, which then has sent nothing. So such an error is noted, and the datagram sent again;
 * only what it meets twice running is its own.
 */
#include "io/dgram.h"
#include "poller/socket.h"

enum {
    CALLS_AT_ONCE = 16, /* in one turn */
    REFUSED_AT_MOST = 8 /* each of many datagrams that went may have been refused */
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

static const evloop_address *to_of(const struct evloop_packet *packet)
{
    return packet->flags & PACKET_TO ? &packet->to : NULL;
}

static const evloop_address *from_of(const struct evloop_packet *packet)
{
    return packet->flags & PACKET_COPY ? copy_of(packet)->from : NULL;
}

static struct dgram_source source_of(const evloop_dgram *d, const struct evloop_packet *packet)
{
    return (struct dgram_source){
        .iov = packet->iov,
        .iov_count = packet->iov_count,
        .segment_size = packet->segment_size,
        .cut = d->flags_ & DGRAM_CUTS || packet->flags & PACKET_CUT,
        .size = packet->size,
        .to = to_of(packet),
        .from = from_of(packet),
    };
}

/* How many bytes of the packet go with its next message. */
static size_t next_bytes(const evloop_dgram *d, const struct evloop_packet *packet)
{
    if (!packet->segment_size)
        return packet->size;
    struct dgram_source source = source_of(d, packet);
    return dgram_bytes_of_message(&source, packet->size - packet->sent);
}

/* ---- the queue ------------------------------------------------------------------------------- */

static bool is_above(const evloop_dgram *d)
{
    return d->flags_ & DGRAM_FULL ? d->queued_ > d->low_ : d->queued_ >= d->high_;
}

void dgram_note_size(evloop_dgram *d)
{
    if (!d->high_)
        return;
    if (!is_above(d))
        d->flags_ &= ~(unsigned)DGRAM_FULL;
    else if (!(d->flags_ & DGRAM_FULL))
        d->flags_ |= DGRAM_FULL | DGRAM_FULL_DUE;
    if (d->flags_ & DGRAM_FULL_DUE || (d->flags_ & DGRAM_FULL_TOLD && !(d->flags_ & DGRAM_FULL)))
        handle_want_call(&d->handle_);
}

void dgram_append(evloop_dgram *d, struct evloop_packet *packet)
{
    list_append(&d->queue_, &packet->link);
    d->queued_ += packet->size - packet->sent;
    d->queued_count_++;
    dgram_note_size(d);
    if (!(d->flags_ & DGRAM_SENDING))
        handle_want_flush(&d->handle_);
}

/* A packet that is over: if anybody is to be told, it waits for that. */
void dgram_finish(evloop_dgram *d, struct evloop_packet *packet, int status)
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

/* Copies an address without the room that it does not need. */
static void copy_address(evloop_address *copy, const evloop_address *address)
{
    size_t size = address->size < sizeof address->of ? address->size : sizeof address->of;
    memcpy(copy, address, offsetof(evloop_address, of) + size);
}

void dgram_set_to(struct evloop_packet *packet, const evloop_address *to)
{
    if (!to || !to->size)
        return;
    packet->flags |= PACKET_TO;
    copy_address(&packet->to, to);
}

/* Puts aside what begins at this byte of a datagram, or of several. */
int dgram_queue_copy(evloop_dgram *d, const evloop_datagram *datagram, size_t at)
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
    dgram_set_to(&copy->packet, datagram->peer);
    copy->iov = (struct iovec){copy->bytes, size};
    if (size)
        memcpy(copy->bytes, (const char *)datagram->data + at, size);
    copy->from = NULL;
    if (from) {
        evloop_address *behind = (evloop_address *)(void *)((char *)copy + place);
        copy_address(behind, from);
        copy->from = behind;
    }
    dgram_append(d, &copy->packet);
    return 0;
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
    d->flags_ &= ~(unsigned)(DGRAM_FULL | DGRAM_FULL_DUE | DGRAM_FULL_TOLD);
    dgram_note_size(d);
    return 0;
}

/* ---- errors ---------------------------------------------------------------------------------- */

/* With a queue of errors, receiving finds it there. */
void dgram_note_network_error(evloop_dgram *d)
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
enum dgram_verdict dgram_judge(evloop_dgram *d, int err, bool segments)
{
    if (segments && cannot_cut(err)) {
        if (err == -EIO || err == -EOPNOTSUPP)
            d->flags_ |= DGRAM_CUTS;
        return CUT_AND_SEND_AGAIN;
    }
    if (d->retried_ && d->retried_ != err)
        dgram_note_network_error(d);
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

/* ---- sending it ------------------------------------------------------------------------------ */

static bool add_packet(const evloop_dgram *d, const struct evloop_packet *packet,
                       struct evloop_outgoing *outgoing)
{
    if (packet->segment_size) {
        struct dgram_source source = source_of(d, packet);
        return dgram_add_messages(&source, packet->sent, outgoing);
    }
    if (outgoing->message_count == MESSAGES_AT_ONCE)
        return false;
    dgram_add_message(packet->iov, packet->iov_count, to_of(packet), from_of(packet), outgoing);
    return true;
}

void dgram_gather(struct evloop_operation *operation, struct evloop_outgoing *outgoing)
{
    evloop_dgram *d = evloop_container_of(operation, evloop_dgram, out_);
    list_each(&d->queue_, link, following) {
        if (!add_packet(d, packet_of(link), outgoing))
            return;
    }
}

/* The system has bound it by now. */
void dgram_note_port(evloop_dgram *d)
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
    dgram_note_network_error(d);
    dgram_note_port(d);
    for (; count > 0; count--) {
        struct evloop_packet *packet = packet_of(d->queue_.next);
        size_t bytes = next_bytes(d, packet);
        packet->sent += bytes;
        d->queued_ -= bytes;
        if (packet->sent == packet->size)
            dgram_finish(d, packet, 0);
    }
}

/* The first message met an error. */
static void refused(evloop_dgram *d, int err)
{
    struct evloop_packet *packet = packet_of(d->queue_.next);
    bool segments = packet->segment_size && next_bytes(d, packet) > packet->segment_size;
    switch (dgram_judge(d, err, segments)) {
    case CUT_AND_SEND_AGAIN:
        packet->flags |= PACKET_CUT;
        break;
    case ITS_OWN:
        dgram_finish(d, packet, err);
        break;
    case SEND_AGAIN:
        break;
    }
}

void dgram_stop_sending(evloop_dgram *d)
{
    if (!(d->flags_ & DGRAM_SENDING))
        return;
    size_t sent = poller_cancel(dgram_poller(d), &d->out_);
    d->flags_ &= ~(unsigned)DGRAM_SENDING;
    if (sent)
        advance(d, sent);
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
    dgram_note_size(d);
}

/* There was room at last; what is left goes out with what this turn sends. */
void dgram_sent(struct evloop_operation *operation, const struct evloop_completion *completion)
{
    evloop_dgram *d = evloop_container_of(operation, evloop_dgram, out_);
    d->flags_ &= ~(unsigned)DGRAM_SENDING;
    take_result(d, completion->result);
    dgram_note_size(d);
    if (!list_empty(&d->queue_))
        handle_want_flush(&d->handle_);
    dgram_call(&d->handle_);
}

/* Offers the queue to the kernel as it is; it does not wait. */
void dgram_offer_queue(evloop_dgram *d)
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

/* ---- callbacks ------------------------------------------------------------------------------- */

/* A copy that was refused; its memory is given back after that. */
static bool tell_refused(evloop_dgram *d, struct evloop_packet *packet)
{
    evloop *loop = dgram_loop(d);
    struct copy *copy = copy_of(packet);
    const evloop_datagram datagram = {.data = copy->bytes,
                                      .size = packet->size,
                                      .peer = to_of(packet),
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

static bool tell_watermark(evloop_dgram *d, bool full)
{
    evloop *loop = dgram_loop(d);
    if (!d->watermark_fn_)
        return true;
    d->flags_ &= ~(unsigned)(DGRAM_FULL_DUE | DGRAM_FULL_TOLD);
    d->flags_ |= full ? DGRAM_FULL_TOLD : 0;
    handle_calling(&d->handle_);
    d->watermark_fn_(d, full);
    return handle_called(loop, &d->handle_) && !(d->flags_ & DGRAM_CLOSING);
}

/* A queue that was full is told to have been, even if it has shrunk meanwhile. */
bool dgram_tell_watermark(evloop_dgram *d)
{
    if (d->flags_ & DGRAM_FULL_DUE && !(d->flags_ & DGRAM_FULL_TOLD) && !tell_watermark(d, true))
        return false;
    if (d->flags_ & DGRAM_FULL || !(d->flags_ & DGRAM_FULL_TOLD))
        return true;
    return tell_watermark(d, false);
}

/* ---- ending ---------------------------------------------------------------------------------- */

void dgram_end_sending(evloop_dgram *d)
{
    list_each(&d->queue_, link, following) {
        if (!(packet_of(link)->flags & PACKET_COPY))
            dgram_finish(d, packet_of(link), -ECANCELED);
    }
    dgram_offer_queue(d);
    list_each(&d->queue_, rest, following_rest)
        dgram_finish(d, packet_of(rest), -ECANCELED);
}

void dgram_forget_sent(evloop_dgram *d)
{
    list_link *link;
    list_each(&d->queue_, queued, following)
        dgram_finish(d, packet_of(queued), -ECANCELED);
    while ((link = list_pop(&d->finished_))) {
        struct evloop_packet *packet = packet_of(link);
        if (packet->flags & PACKET_COPY)
            blocks_give(&dgram_loop(d)->copies, copy_of(packet));
        else
            request_of(packet)->dgram_ = NULL;
    }
}
