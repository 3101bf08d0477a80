/*
 * uring_message.c: datagrams, received by the kernel: see uring.h.
 *
 * A message comes into a buffer of its own, as io_uring_recvmsg_out, name, control data (if the
 * format wants any), bytes. There is a pool for each size of buffers that was asked for, from 2 KiB
 * on, each twice the last; it has as many buffers as the largest batch of those who receive into
 * it, and stays. One whose buffers are larger and enough is as good. The numbers of the buffers tell
 * the pools apart.
 *
 * Messages that were collected are told a batch a turn, in arrays that all endpoints share.
 */
#include <errno.h>

#include "poller/message.h"
#include "poller/ready.h"
#include "poller/uring.h"
#include "util/memory.h"

enum {
    ALIGNMENT = 16, /* of what stands in a buffer */
    SMALLEST_ROOM = 2048,
    FEWEST_BUFFERS = 8 /* the kernel should not have to stop at every message */
};

/* What a completion lends; the arrays are one piece of memory. */
struct message_slots {
    struct msghdr headers[2]; /* what requests point to: without, and with, control data */
    unsigned count;
    evloop_datagram *datagrams;
    evloop_address *peers;
    evloop_address *locals;
    unsigned short *numbers; /* of the buffers */
};

/* Before a message that was put aside. */
struct left_message {
    _Alignas(ALIGNMENT) size_t size;
};

static size_t rounded(size_t size)
{
    return (size + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
}

/* ---- what stands in a buffer ----------------------------------------------------------------- */

static size_t name_size(void)
{
    return rounded(sizeof((evloop_address *)NULL)->of);
}

static size_t control_size(void)
{
    return rounded(message_control_size());
}

static size_t head_size(const struct evloop_message_format *format)
{
    return sizeof(struct io_uring_recvmsg_out) + name_size() +
           (format->control ? control_size() : 0);
}

static void read_message(struct message_slots *slots, unsigned i,
                         const struct evloop_message_format *format, char *bytes, size_t size)
{
    struct io_uring_recvmsg_out out;
    evloop_datagram *datagram = &slots->datagrams[i];
    evloop_address *peer = &slots->peers[i];
    char *name = bytes + sizeof out;
    memcpy(&out, bytes, sizeof out);
    peer->size = out.namelen < sizeof peer->of ? out.namelen : sizeof peer->of;
    memcpy(&peer->of, name, peer->size);
    size -= head_size(format);
    datagram->data = bytes + head_size(format);
    datagram->size = size < format->size ? size : format->size;
    datagram->peer = peer;
    struct msghdr header = {.msg_control = name + name_size(),
                            .msg_controllen = out.controllen,
                            .msg_flags = (int)out.flags};
    message_read_header(&header, format->port, datagram, &slots->locals[i]);
    datagram->truncated |= size > format->size;
}

/* ---- pools ----------------------------------------------------------------------------------- */

struct pool *uring_message_pool(struct uring *uring, const struct evloop_operation *operation)
{
    return &uring->messages[operation->size];
}

struct pool *uring_message_pool_of(struct uring *uring, unsigned short number)
{
    return &uring->messages[number / MESSAGE_PLACES];
}

static size_t room_of(unsigned i)
{
    return (size_t)SMALLEST_ROOM << i;
}

/* The one to be made, if none is as good. */
static unsigned choose(const struct uring *uring, size_t size, unsigned count)
{
    unsigned best = 0;
    while (best + 1 < MESSAGE_POOLS && room_of(best) < size)
        best++;
    if (uring->messages[best].ring)
        return best;
    for (unsigned i = best + 1; i < MESSAGE_POOLS; i++)
        if (uring->messages[i].ring && uring->messages[i].made >= count)
            return i;
    return best;
}

static int make_pool(struct poller *poller, unsigned i)
{
    struct pool *pool = &poller->uring->messages[i];
    size_t size = sizeof(struct io_uring_recvmsg_out) + name_size() + control_size() + room_of(i);
    int err = uring_own(poller);
    if (!err)
        err = pool_make(poller, pool, (unsigned short)(POOL_MESSAGES + i), MESSAGE_PLACES, size,
                        false);
    if (!err)
        pool->base = (unsigned short)(i * MESSAGE_PLACES);
    return err;
}

/* Which pool it is; fewer buffers than were wanted will do. */
static int ready_pool(struct poller *poller, const struct evloop_message_format *format)
{
    struct uring *uring = poller->uring;
    unsigned count = format->batch < FEWEST_BUFFERS ? FEWEST_BUFFERS : format->batch;
    if (count > MESSAGE_PLACES)
        count = MESSAGE_PLACES;
    unsigned i = choose(uring, format->size, count);
    int err = uring->messages[i].ring ? 0 : make_pool(poller, i);
    if (!err)
        err = pool_grow(poller, &uring->messages[i], count);
    return err && uring->messages[i].made == 0 ? err : (int)i;
}

int uring_messages_reopen(struct poller *poller)
{
    int err = 0;
    for (unsigned i = 0; !err && i < MESSAGE_POOLS; i++)
        err = pool_reopen(poller, &poller->uring->messages[i]);
    return err;
}

void uring_messages_forget(struct uring *uring)
{
    for (unsigned i = 0; i < MESSAGE_POOLS; i++)
        pool_forget(&uring->messages[i]);
}

/* ---- slots ----------------------------------------------------------------------------------- */

static int grow_slots(struct poller *poller, unsigned count)
{
    struct message_slots *slots = poller->uring->message_slots;
    size_t size = sizeof(evloop_datagram) + 2 * sizeof(evloop_address) + sizeof(unsigned short);
    char *memory = (char *)memory_alloc(poller->allocator, count * size);
    if (!memory)
        return -ENOMEM;
    memory_free(poller->allocator, slots->datagrams);
    slots->datagrams = (evloop_datagram *)(void *)memory;
    slots->peers = (evloop_address *)(void *)(slots->datagrams + count);
    slots->locals = slots->peers + count;
    slots->numbers = (unsigned short *)(void *)(slots->locals + count);
    slots->count = count;
    return 0;
}

static int ready_slots(struct poller *poller, unsigned count)
{
    struct uring *uring = poller->uring;
    struct message_slots *slots = uring->message_slots;
    if (!slots) {
        slots = (struct message_slots *)memory_zalloc(poller->allocator, sizeof *slots);
        if (!slots)
            return -ENOMEM;
        slots->headers[0].msg_namelen = (socklen_t)name_size();
        slots->headers[1].msg_namelen = (socklen_t)name_size();
        slots->headers[1].msg_controllen = control_size();
        uring->message_slots = slots;
    }
    return slots->count ? 0 : grow_slots(poller, count);
}

/* So many, or as many as there is memory for. They are not lent now. */
static unsigned slots_for(struct poller *poller, const struct evloop_message_format *format)
{
    const struct message_slots *slots = poller->uring->message_slots;
    if (slots->count < format->batch)
        (void)grow_slots(poller, format->batch);
    return slots->count < format->batch ? slots->count : format->batch;
}

void uring_messages_free(struct poller *poller)
{
    struct uring *uring = poller->uring;
    for (unsigned i = 0; i < MESSAGE_POOLS; i++)
        pool_free(poller, &uring->messages[i]);
    if (uring->message_slots)
        memory_free(poller->allocator, uring->message_slots->datagrams);
    memory_free(poller->allocator, uring->message_slots);
}

/* ---- beginning ------------------------------------------------------------------------------- */

static int leave_to_readiness(struct poller *poller, struct evloop_operation *operation,
                              const struct evloop_message_format *format)
{
    struct evloop_endpoint *endpoint = operation->endpoint;
    uring_find(poller->uring, endpoint->fd)->endpoint = NULL;
    endpoint->flags &= ~(unsigned)ENDPOINT_NATIVE_IN;
    return ready_receive_messages(poller, operation, format);
}

/*
 * The queue of errors is ready.c's to read. Where there is no memory for the kernel's buffers, what
 * is left of the last operation has to wait.
 */
int uring_receive_messages(struct poller *poller, struct evloop_operation *operation,
                           const struct evloop_message_format *format)
{
    const struct uring_entry *entry = uring_find(poller->uring, operation->endpoint->fd);
    if (format->control & MESSAGE_ERRORS)
        return leave_to_readiness(poller, operation, format);
    int err = ready_slots(poller, format->batch);
    int pool = err ? err : ready_pool(poller, format);
    if (pool < 0)
        return entry->left || entry->error ? pool : leave_to_readiness(poller, operation, format);
    operation->memory = (void *)(uintptr_t)format;
    operation->size = (size_t)pool;
    return uring_start_in(poller, operation, KIND_RECEIVE_MESSAGES);
}

static const struct evloop_message_format *format_of(const struct evloop_operation *operation)
{
    return (const struct evloop_message_format *)operation->memory;
}

/* The kernel copies the header when it takes the request. */
void uring_fill_messages(struct poller *poller, const struct evloop_operation *operation,
                         struct io_uring_sqe *request)
{
    struct uring *uring = poller->uring;
    struct msghdr *header = &uring->message_slots->headers[format_of(operation)->control != 0];
    io_uring_prep_recvmsg_multishot(request, operation->endpoint->fd, header, 0);
    request->flags |= IOSQE_BUFFER_SELECT;
    request->buf_group = uring_message_pool(uring, operation)->group;
}

/* ---- telling --------------------------------------------------------------------------------- */

static bool complete(struct poller *poller, struct evloop_operation *operation, unsigned count)
{
    struct evloop_completion completion = {
        .result = (ssize_t)count, .more = true, .data = poller->uring->message_slots->datagrams};
    operation->done(operation, &completion);
    return true;
}

static bool tell_error(struct poller *poller, struct uring_entry *entry, int err)
{
    struct evloop_operation *operation = entry->endpoint->in;
    if (!ready_messages_pass(err))
        return uring_end_in(entry, err);
    uring_queue(poller->uring, entry, ENTRY_QUEUE_IN);
    struct evloop_completion completion = {.result = err, .more = true};
    operation->done(operation, &completion);
    return true;
}

/* Takes those that are next in line; whether the kernel goes on after the last of them. */
static bool take_batch(struct poller *poller, const struct evloop_message_format *format,
                       struct uring_event event, unsigned *count)
{
    struct uring *uring = poller->uring;
    struct message_slots *slots = uring->message_slots;
    unsigned most = slots_for(poller, format);
    const struct uring_event *next;
    *count = 0;
    for (;;) {
        slots->numbers[*count] = pool_number(event.flags);
        read_message(slots, (*count)++, format, event.data, (size_t)event.result);
        next = uring_next(uring);
        if (!next || next->user_data != event.user_data || !next->data || *count == most)
            break;
        event = *next;
        uring_pop(poller);
    }
    if (next && next->user_data == event.user_data && uring_is_no_result(next->result)) {
        event = *next;
        uring_pop(poller);
    }
    return event.flags & IORING_CQE_F_MORE;
}

/* The callback may end the endpoint's life. */
bool uring_tell_messages(struct poller *poller, struct uring_entry *entry,
                         const struct uring_event *event)
{
    struct uring *uring = poller->uring;
    struct evloop_operation *operation = entry->endpoint->in;
    unsigned count;
    if (event->result < 0)
        uring_give_back(poller, event);
    if (event->result < 0 && !uring_is_no_result(event->result))
        return tell_error(poller, entry, event->result);
    if (event->result < 0) {
        uring_queue(uring, entry, ENTRY_QUEUE_IN);
        return false;
    }
    if (!take_batch(poller, format_of(operation), *event, &count))
        uring_queue(uring, entry, ENTRY_QUEUE_IN);
    complete(poller, operation, count);
    for (unsigned i = 0; i < count; i++) {
        unsigned short number = uring->message_slots->numbers[i];
        pool_give(poller, uring_message_pool_of(uring, number), number);
    }
    return true;
}

/* ---- what was left --------------------------------------------------------------------------- */

void uring_put_message_aside(struct poller *poller, struct uring_entry *entry,
                             const struct uring_event *event)
{
    struct left_message message = {.size = (size_t)event->result};
    char *room = uring_room_aside(poller, entry, sizeof message + rounded(message.size));
    if (!room)
        return;
    memcpy(room, &message, sizeof message);
    memcpy(room + sizeof message, event->data, message.size);
}

static unsigned take_left(struct poller *poller, const struct evloop_message_format *format,
                          struct uring_left *left)
{
    struct message_slots *slots = poller->uring->message_slots;
    unsigned most = slots_for(poller, format);
    unsigned count = 0;
    while (left->begin < left->end && count < most) {
        struct left_message message;
        char *bytes = left->bytes + left->begin + sizeof message;
        memcpy(&message, bytes - sizeof message, sizeof message);
        read_message(slots, count++, format, bytes, message.size);
        left->begin += sizeof message + rounded(message.size);
    }
    return count;
}

/* While a part is lent, more may be put aside: the rest has memory of its own. */
static void keep_rest(struct poller *poller, struct uring_entry *entry,
                      const struct uring_left *left)
{
    size_t size = left->end - left->begin;
    char *room = size > 0 ? uring_room_aside(poller, entry, size) : NULL;
    if (room)
        memcpy(room, left->bytes + left->begin, size);
}

bool uring_tell_left_messages(struct poller *poller, struct uring_entry *entry)
{
    struct evloop_operation *operation = entry->endpoint->in;
    struct uring_left *left = entry->left;
    int err = entry->error;
    if (!left) {
        entry->error = 0;
        return tell_error(poller, entry, err);
    }
    entry->left = NULL;
    unsigned count = take_left(poller, format_of(operation), left);
    keep_rest(poller, entry, left);
    uring_queue(poller->uring, entry, ENTRY_QUEUE_IN);
    complete(poller, operation, count);
    memory_free(poller->allocator, left);
    return true;
}
