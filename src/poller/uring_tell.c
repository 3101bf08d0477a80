/*
 * uring_tell.c: what has come of an operation is told: see uring.h. done() may end everything that
 * it is told about: what is to go on is queued before.
 */
#include <errno.h>
#include <poll.h>

#include "poller/ready.h"
#include "poller/transfer.h"
#include "poller/uring.h"
#include "util/memory.h"

enum { CALM = 16 /* such a part of its share: no flood any more */ };

/* ---- in -------------------------------------------------------------------------------------- */

bool uring_end_in(struct uring_entry *entry, int result)
{
    struct evloop_operation *operation = entry->endpoint->in;
    struct evloop_completion completion = {.result = result};
    entry->endpoint->in = NULL;
    operation->done(operation, &completion);
    return true;
}

/* Of one connection, which the next has nothing to do with. */
static bool client_waits(int fd)
{
    struct pollfd readable = {.fd = fd, .events = POLLIN};
    return poll(&readable, 1, 0) != 0;
}

static bool accept_failed(struct poller *poller, struct uring_entry *entry, int err)
{
    bool short_of_descriptors = err == -EMFILE || err == -ENFILE;
    if (short_of_descriptors && !client_waits(entry->endpoint->fd)) {
        /* it wants a number before it looks for a client */
        entry->flags |= ENTRY_AWAITS_CLIENT;
        uring_queue(poller->uring, entry, ENTRY_QUEUE_IN);
        return false;
    }
    if ((uring_is_no_result(err) && err != -ENOBUFS) || ready_accept_passes(err)) {
        uring_queue(poller->uring, entry, ENTRY_QUEUE_IN);
        return false;
    }
    return uring_end_in(entry, err);
}

static bool tell_connection(struct uring_entry *entry, int fd)
{
    struct evloop_operation *operation = entry->endpoint->in;
    struct evloop_completion completion = {.result = fd, .more = true};
    operation->done(operation, &completion);
    return true;
}

static bool tell_accept(struct poller *poller, struct uring_entry *entry,
                        const struct uring_event *event)
{
    if (event->result < 0)
        return accept_failed(poller, entry, event->result);
    if (!(event->flags & IORING_CQE_F_MORE))
        uring_queue(poller->uring, entry, ENTRY_QUEUE_IN);
    return tell_connection(entry, event->result);
}

/* The next piece, if it lies behind this one in memory: they are told as one. */
static bool take_next_piece(struct uring *uring, struct uring_event *event)
{
    const struct uring_event *next = uring_next(uring);
    if (!next || next->user_data != event->user_data || next->data != event->data + event->result ||
        next->result <= 0 || pool_number(next->flags) != pool_number(event->flags))
        return false;
    event->result += next->result;
    event->flags = next->flags;
    return true;
}

/* What is more than one read may bring stays, in the place from which the piece was taken. */
static bool leave_rest(struct poller *poller, const struct uring_entry *entry,
                       struct uring_event *event)
{
    struct uring_event rest = *event;
    size_t share = poller->buffers.size - entry->told;
    if ((size_t)event->result <= share)
        return false;
    event->result = (int32_t)share;
    rest.result -= event->result;
    rest.data += event->result;
    uring_push_front(poller, &rest);
    return true;
}

static bool lend_piece(struct poller *poller, struct uring_entry *entry, struct uring_event event)
{
    struct uring *uring = poller->uring;
    struct evloop_operation *operation = entry->endpoint->in;
    unsigned short number = pool_number(event.flags);
    unsigned pieces = 1;
    while (take_next_piece(uring, &event)) {
        uring_take(poller);
        pieces++;
    }
    if (leave_rest(poller, entry, &event))
        pieces--; /* the rest is one */
    else if (!(event.flags & IORING_CQE_F_MORE))
        uring_queue(uring, entry, ENTRY_QUEUE_IN);
    entry->told += (size_t)event.result;
    struct evloop_completion completion = {
        .result = event.result, .more = true, .data = event.data};
    uring->lent = event.data;
    uring->lent_size = (size_t)event.result;
    uring->lent_number = number;
    operation->done(operation, &completion);
    uring->lent = NULL;
    while (pieces-- > 0)
        pool_give(poller, &uring->streams, number);
    return true;
}

static bool tell_receive(struct poller *poller, struct uring_entry *entry,
                         const struct uring_event *event)
{
    if (event->result > 0 && event->data)
        return lend_piece(poller, entry, *event);
    uring_give_back(poller, event);
    if (uring_is_no_result(event->result)) {
        uring_queue(poller->uring, entry, ENTRY_QUEUE_IN);
        return false;
    }
    return uring_end_in(entry, event->result);
}

static bool tell_into(struct poller *poller, struct uring_entry *entry,
                      const struct uring_event *event)
{
    if (!uring_is_no_result(event->result))
        return uring_end_in(entry, event->result);
    uring_queue(poller->uring, entry, ENTRY_QUEUE_IN);
    return false;
}

/* The error is told when nothing else is left. */
static bool end_with_error(struct uring_entry *entry)
{
    int err = entry->error;
    entry->error = 0;
    return uring_end_in(entry, err);
}

/* Takes up to size bytes of what is left. */
static size_t take_left(struct poller *poller, struct uring_entry *entry, void *memory, size_t size)
{
    struct uring_left *left = entry->left;
    size_t rest = left->end - left->begin;
    size_t n = size < rest ? size : rest;
    memcpy(memory, left->bytes + left->begin, n);
    left->begin += n;
    if (n == rest) {
        memory_free(poller->allocator, left);
        entry->left = NULL;
    }
    return n;
}

/* Then it goes on with what is left, or with the kernel. */
static bool tell_left(struct poller *poller, struct uring_entry *entry)
{
    struct evloop_operation *operation = entry->endpoint->in;
    if (operation->kind == KIND_RECEIVE_MESSAGES)
        return uring_tell_left_messages(poller, entry);
    if (!entry->left)
        return entry->error ? end_with_error(entry) : false;
    if (operation->kind == KIND_RECEIVE && operation->memory)
        return uring_end_in(entry,
                            (int)take_left(poller, entry, operation->memory, operation->size));
    int err = operation->kind == KIND_RECEIVE ? buffers_ready(poller) : 0;
    if (err)
        return uring_end_in(entry, err);
    uring_queue(poller->uring, entry, ENTRY_QUEUE_IN);
    if (operation->kind == KIND_ACCEPT) {
        int fd;
        take_left(poller, entry, &fd, sizeof fd);
        return tell_connection(entry, fd);
    }
    struct evloop_completion completion = {.more = true, .data = buffers_current(poller)};
    entry->told = take_left(poller, entry, completion.data, poller->buffers.size);
    completion.result = (ssize_t)entry->told;
    operation->done(operation, &completion);
    return true;
}

static bool tell_in(struct poller *poller, struct uring_entry *entry,
                    const struct uring_event *event)
{
    if (entry->turn != poller->uring->turn) {
        entry->flags &= ~(unsigned)ENTRY_PUT_OFF;
        if (entry->told < poller->buffers.size / CALM)
            entry->flags &= ~(unsigned)ENTRY_FLOODS;
        entry->told = 0;
    }
    entry->turn = poller->uring->turn;
    switch (uring_tag_of(event->user_data)) {
    case TAG_ACCEPT:
        return tell_accept(poller, entry, event);
    case TAG_RECEIVE:
        return tell_receive(poller, entry, event);
    case TAG_INTO:
        return tell_into(poller, entry, event);
    case TAG_MESSAGE:
        return uring_tell_messages(poller, entry, event);
    case TAG_LEFT:
        return tell_left(poller, entry);
    default:
        uring_queue(poller->uring, entry, ENTRY_QUEUE_IN);
        return false;
    }
}

/* ---- out ------------------------------------------------------------------------------------- */

static bool end_out(struct uring_entry *entry, ssize_t result)
{
    struct evloop_operation *operation = entry->endpoint->out;
    struct evloop_completion completion = {.result = result};
    entry->endpoint->out = NULL;
    operation->done(operation, &completion);
    return true;
}

static bool is_refusal_of_zero_copy(int result)
{
    return result == -EINVAL || result == -EOPNOTSUPP || result == -ENOMEM || result == -ENOBUFS;
}

static bool tell_out(struct poller *poller, struct uring_entry *entry,
                     const struct uring_event *event)
{
    struct evloop_operation *operation = entry->endpoint->out;
    bool room = uring_tag_of(event->user_data) == TAG_ROOM;
    bool zero_copy = entry->flags & ENTRY_ZERO_COPY;
    entry->flags &= ~(unsigned)ENTRY_ZERO_COPY;
    if (operation->kind == KIND_CONNECTED)
        return end_out(entry, event->result);
    if (zero_copy && is_refusal_of_zero_copy(event->result)) {
        entry->flags |= ENTRY_COPIES;
        uring_queue(poller->uring, entry, ENTRY_QUEUE_OUT);
        return false;
    }
    if (room && operation->kind == KIND_CONNECT && event->result >= 0)
        return end_out(entry, transfer_connected(entry->endpoint->fd));
    if (!room && !uring_is_no_result(event->result) && event->result != -EINPROGRESS)
        return end_out(entry, event->result);
    if (event->result == -EAGAIN || event->result == -EINPROGRESS ||
        operation->kind == KIND_CONNECT)
        entry->flags |= ENTRY_WANTS_ROOM;
    uring_queue(poller->uring, entry, ENTRY_QUEUE_OUT);
    return false;
}

/*
 * What came before a connection was lost is told before a send finds out that it is. An error is
 * told once by the kernel: a send that took it leaves an end to a receive, which was none.
 */
static bool tell_failed_send(struct poller *poller, struct uring_entry *entry,
                             const struct uring_event *event)
{
    struct uring *uring = poller->uring;
    size_t i;
    if (entry->turn == uring->turn ||
        !uring_find_event(poller, entry, entry->endpoint->fd, true, &i) ||
        i >= uring->late.count + uring->to_tell)
        return tell_out(poller, entry, event);
    struct uring_event in = uring_take_out(poller, i);
    uring_push_front(poller, event);
    if (in.result == 0 && event->result == -ECONNRESET)
        in.result = -ECONNRESET;
    return tell_in(poller, entry, &in);
}

/*
 * After its share of a turn: connections, which are here in any case; and bytes, up to what one
 * read would have brought.
 */
static bool may_tell_more(const struct poller *poller, const struct uring_entry *entry,
                          const struct uring_event *event)
{
    enum uring_tag tag = uring_tag_of(event->user_data);
    if (tag != TAG_RECEIVE || event->result <= 0)
        return tag == TAG_ACCEPT;
    return !(entry->flags & ENTRY_PUT_OFF) &&
           entry->told + (size_t)event->result <= poller->buffers.size;
}

static bool tell(struct poller *poller, const struct uring_event *event)
{
    struct uring *uring = poller->uring;
    struct uring_entry *entry = uring_find(uring, (int)(uint32_t)event->user_data);
    enum uring_tag tag = uring_tag_of(event->user_data);
    if (event->user_data != uring_user_data(tag, entry, (int)(uint32_t)event->user_data)) {
        uring_give_back(poller, event); /* disowned since */
        return false;
    }
    if (!uring_is_in(tag))
        return event->result < 0 ? tell_failed_send(poller, entry, event)
                                 : tell_out(poller, entry, event);
    if (entry->turn == uring->turn && !may_tell_more(poller, entry, event)) {
        entry->flags |= ENTRY_PUT_OFF;
        uring_put_off(poller, event);
        return false;
    }
    return tell_in(poller, entry, event);
}

bool uring_next_completion(struct poller *poller)
{
    struct uring *uring = poller->uring;
    while (uring->to_tell > 0) {
        struct uring_event event = uring_take(poller);
        if (tell(poller, &event))
            return true;
    }
    return false;
}
