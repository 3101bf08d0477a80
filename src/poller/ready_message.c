/*
 * ready_message.c: messages, carried out over readiness: see ready.c. All endpoints of a poller
 * receive into one room, one after the other; it is made for the first, made again if another wants
 * a larger one, and stays.
 *
 * A receive that fills less than a batch has found that there is no more, so that no call in vain
 * has to say so. If a message stopped it with an error, the kernel keeps that for the next call,
 * and has told of it by an event of its own; where it does not, the operation's result keeps it.
 */
#include <errno.h>
#include <poll.h>

#include "poller/message.h"
#include "poller/ready.h"
#include "util/memory.h"

/* ---- the room -------------------------------------------------------------------------------- */

static void free_rooms(struct poller *poller, struct message_room *room)
{
    while (room) {
        struct message_room *retired = room->retired;
        memory_free(poller->allocator, room);
        room = retired;
    }
}

void messages_free(struct poller *poller)
{
    free_rooms(poller, poller->messages.room);
    poller->messages.room = NULL;
}

/* Makes sure that the room is large enough; one that is lent stays until it comes back. */
static int make_room(struct poller *poller, const struct evloop_message_format *format)
{
    struct messages *messages = &poller->messages;
    size_t size = message_room_size(format);
    if (messages->room && messages->room->size >= size)
        return 0;
    struct message_room *room = (struct message_room *)memory_alloc(poller->allocator, size);
    if (!room)
        return -ENOMEM;
    room->size = size;
    room->retired = NULL;
    room->format.batch = 0; /* not laid out */
    if (messages->lent)
        room->retired = messages->room;
    else
        free_rooms(poller, messages->room);
    messages->room = room;
    return 0;
}

static struct message_room *room_for(struct poller *poller,
                                     const struct evloop_message_format *format)
{
    struct message_room *room = poller->messages.room;
    const struct evloop_message_format *laid_out = &room->format;
    if (laid_out->batch != format->batch || laid_out->size != format->size ||
        !laid_out->control != !format->control)
        message_room_lay_out(room, format);
    room->format = *format;
    return room;
}

/* ---- receiving ------------------------------------------------------------------------------- */

bool poller_is_network_error(ssize_t err)
{
    switch (-err) {
    case ECONNREFUSED:
    case ECONNRESET: /* a unix socket's peer went, and read not all */
    case EHOSTUNREACH:
    case EHOSTDOWN:
    case ENETUNREACH:
    case ENETDOWN:
    case ENOPROTOOPT:
    case EPROTO:
    case EACCES:
    case EOPNOTSUPP:
    case EMSGSIZE: /* a router wants smaller ones */
    case ETIMEDOUT:
        return true;
    default:
        return false;
    }
}

bool ready_messages_pass(ssize_t err)
{
    return poller_is_network_error(err) || err == -ENOMEM || err == -ENOBUFS;
}

int ready_receive_messages(struct poller *poller, struct evloop_operation *operation,
                           const struct evloop_message_format *format)
{
    int err = make_room(poller, format);
    if (err)
        return err;
    operation->memory = (void *)(uintptr_t)format;
    operation->result = 0;
    return ready_start_in(poller, operation, KIND_RECEIVE_MESSAGES);
}

/*
 * An error that waits is told, unless the last completion was one: what came has its turn as well.
 */
static ssize_t receive_error(struct evloop_endpoint *endpoint, struct message_room *room)
{
    if (!(endpoint->flags & READY_END))
        return -EAGAIN;
    int err = message_receive_error(endpoint->fd, room);
    if (err == -EAGAIN)
        endpoint->flags &= ~(unsigned)READY_END;
    else
        endpoint->flags |= TOLD_ERROR;
    return err;
}

/*
 * For receivers that have a queue of errors. The kernel tells each of them twice: by the next call,
 * whatever that is, and in the queue, from which it is taken here.
 */
static ssize_t receive_or_error(struct evloop_endpoint *endpoint, struct message_room *room)
{
    bool told = endpoint->flags & TOLD_ERROR;
    ssize_t err = told ? -EAGAIN : receive_error(endpoint, room);
    if (err != -EAGAIN)
        return err;
    endpoint->flags &= ~(unsigned)TOLD_ERROR;
    int n = message_receive(endpoint->fd, room);
    int first = n;
    if (poller_is_network_error(n)) {
        endpoint->flags |= READY_END;
        n = message_receive(endpoint->fd, room);
    }
    if (n != -EAGAIN)
        return n;
    err = receive_error(endpoint, room);
    return err == -EAGAIN ? first : err;
}

/* Whether an error came out of the queue, and says what it is about. */
static bool is_queued_error(const struct evloop_endpoint *endpoint, ssize_t n)
{
    return n < 0 && endpoint->flags & TOLD_ERROR;
}

static bool complete(struct poller *poller, struct evloop_operation *operation,
                     const struct evloop_completion *completion)
{
    poller->messages.lent = true;
    operation->done(operation, completion);
    poller->messages.lent = false;
    free_rooms(poller, poller->messages.room->retired);
    poller->messages.room->retired = NULL;
    return true;
}

bool message_perform_receive(struct poller *poller, struct evloop_endpoint *endpoint)
{
    struct evloop_operation *operation = endpoint->in;
    const struct evloop_message_format *format =
        (const struct evloop_message_format *)operation->memory;
    struct message_room *room = room_for(poller, format);
    bool errors = format->control & MESSAGE_ERRORS;
    ssize_t n = operation->result;
    operation->result = 0;
    if (!n) {
        n = errors ? receive_or_error(endpoint, room) : message_receive(endpoint->fd, room);
        operation->result = n > 0 ? room->error : 0;
    }
    if (!errors)
        endpoint->flags &= ~(unsigned)READY_END;
    if (n == -EAGAIN) {
        ready_clear(endpoint, READY_IN);
        return false;
    }
    struct evloop_completion completion = {.result = n, .more = n > 0 || ready_messages_pass(n)};
    if (n > 0 || is_queued_error(endpoint, n))
        completion.data = room->datagrams;
    if (n > 0 && n < (ssize_t)format->batch && !(endpoint->flags & READY_END) && !operation->result)
        ready_clear(endpoint, READY_IN);
    if (completion.more)
        ready_schedule(&poller->readiness.again, endpoint);
    else
        endpoint->in = NULL;
    return complete(poller, operation, &completion);
}

/* ---- sending --------------------------------------------------------------------------------- */

/*
 * Whether a unix socket that is told to wait would wait for ever: a receiver that is not its peer
 * is full, of which the kernel tells it nothing. If that cannot be found out, it might.
 */
static bool waits_in_vain(const struct evloop_endpoint *endpoint,
                          const struct outgoing_message *message)
{
    if (!(endpoint->flags & ENDPOINT_UNIX) || !message->to || !message->to->size)
        return false;
    struct pollfd writable = {.fd = endpoint->fd, .events = POLLOUT};
    int n;
    do
        n = poll(&writable, 1, 0);
    while (n < 0 && errno == EINTR);
    return n < 0 || writable.revents & POLLOUT;
}

static ssize_t transmit(struct evloop_endpoint *endpoint, const struct evloop_outgoing *outgoing)
{
    int n = message_send(endpoint->fd, outgoing->messages, outgoing->message_count);
    if (n != -EAGAIN)
        return n;
    if (waits_in_vain(endpoint, &outgoing->messages[0]))
        return -ENOBUFS;
    ready_clear(endpoint, READY_OUT);
    return -EAGAIN;
}

static ssize_t gather_and_transmit(struct evloop_operation *operation)
{
    struct iovec iov[IOV_AT_ONCE];
    struct outgoing_message messages[MESSAGES_AT_ONCE];
    struct evloop_outgoing outgoing = {.iov = iov, .file = -1, .messages = messages};
    operation->gather(operation, &outgoing);
    return transmit(operation->endpoint, &outgoing);
}

ssize_t poller_send_messages(struct poller *poller, struct evloop_operation *operation)
{
    if (operation->endpoint->flags & READY_OUT) {
        ssize_t n = gather_and_transmit(operation);
        if (n != -EAGAIN)
            return n;
    }
    return ready_start_out(poller, operation, KIND_SEND_MESSAGES, ASKED_OUT);
}

ssize_t poller_try_send_messages(struct poller *poller, struct evloop_endpoint *endpoint,
                                 const struct evloop_outgoing *outgoing)
{
    (void)poller;
    return endpoint->flags & READY_OUT ? transmit(endpoint, outgoing) : -EAGAIN;
}

bool message_perform_send(struct evloop_endpoint *endpoint)
{
    struct evloop_operation *operation = endpoint->out;
    struct evloop_completion completion = {.result = gather_and_transmit(operation)};
    if (completion.result == -EAGAIN)
        return false;
    endpoint->out = NULL;
    operation->done(operation, &completion);
    return true;
}
