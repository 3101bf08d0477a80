/*
 * uring_operation.c: operations on sockets, carried out by the kernel: see uring.h. Here they end,
 * and what had come to them until then is put aside.
 */
#include <errno.h>
#include <unistd.h>

#include "poller/ready.h"
#include "poller/socket.h"
#include "poller/uring.h"
#include "util/memory.h"

struct uring_entry *uring_entry_of(const struct poller *poller,
                                   const struct evloop_endpoint *endpoint)
{
    return uring_find(poller->uring, endpoint->fd);
}

void uring_queue(struct uring *uring, struct uring_entry *entry, unsigned flag)
{
    entry->flags |= flag;
    if (!list_linked(&entry->queued))
        list_append(&uring->queued, &entry->queued);
}

void uring_unqueue(struct uring_entry *entry, unsigned flags)
{
    entry->flags &= ~flags;
    if (list_linked(&entry->queued) && !(entry->flags & (ENTRY_QUEUE_IN | ENTRY_QUEUE_OUT)))
        list_remove(&entry->queued);
    if (flags & ENTRY_QUEUE_IN && list_linked(&entry->starved))
        list_remove(&entry->starved);
}

/* ---- putting aside --------------------------------------------------------------------------- */

/* Behind what was lost nothing is kept: there would be a gap that nobody is told of. */
char *uring_room_aside(struct poller *poller, struct uring_entry *entry, size_t size)
{
    if (entry->error == -ENOMEM)
        return NULL;
    size_t end = entry->left ? entry->left->end : 0;
    struct uring_left *left = (struct uring_left *)poller->allocator->resize(
        poller->allocator->context, entry->left, sizeof *left + end + size);
    if (!left) {
        entry->error = -ENOMEM;
        return NULL;
    }
    if (!entry->left)
        left->begin = 0;
    left->end = end + size;
    entry->left = left;
    return left->bytes + end;
}

static void put_aside(struct poller *poller, struct uring_entry *entry, const void *bytes,
                      size_t size)
{
    char *room = uring_room_aside(poller, entry, size);
    if (room)
        memcpy(room, bytes, size);
}

static void close_connections(struct uring_left *left)
{
    for (int fd; left->begin < left->end; left->begin += sizeof fd) {
        memcpy(&fd, left->bytes + left->begin, sizeof fd);
        close(fd);
    }
}

static void free_left(struct poller *poller, struct uring_entry *entry, bool listens)
{
    if (entry->left && listens)
        close_connections(entry->left);
    memory_free(poller->allocator, entry->left);
    entry->left = NULL;
    entry->error = 0;
}

static void give_message(struct poller *poller, unsigned short number)
{
    pool_give(poller, uring_message_pool_of(poller->uring, number), number);
}

/* The one who would have been told is not there any more. */
void uring_give_back(struct poller *poller, const struct uring_event *event)
{
    switch (uring_tag_of(event->user_data)) {
    case TAG_ACCEPT:
        if (event->result >= 0)
            close(event->result);
        break;
    case TAG_RECEIVE:
        if (event->data)
            pool_give(poller, &poller->uring->streams, pool_number(event->flags));
        break;
    case TAG_MESSAGE:
        if (event->data)
            give_message(poller, pool_number(event->flags));
        break;
    default:
        break;
    }
}

bool uring_is_no_result(int result)
{
    return result == -ECANCELED || result == -EINTR || result == -EAGAIN || result == -ENOBUFS;
}

/* An end of the input need not be kept: it comes again. */
void uring_keep_result(struct poller *poller, struct uring_entry *entry,
                       const struct uring_event *event, const void *memory)
{
    enum uring_tag tag = uring_tag_of(event->user_data);
    if (tag == TAG_ACCEPT && event->result >= 0) {
        put_aside(poller, entry, &event->result, sizeof event->result);
        if (entry->error)
            close(event->result);
    } else if (tag == TAG_MESSAGE && event->data) {
        uring_put_message_aside(poller, entry, event);
    } else if (event->result > 0 && memory) {
        put_aside(poller, entry, memory, (size_t)event->result);
    } else if (event->result < 0 && !uring_is_no_result(event->result) && tag != TAG_ACCEPT) {
        entry->error = event->result;
    }
    if (tag == TAG_RECEIVE || tag == TAG_MESSAGE)
        uring_give_back(poller, event);
}

/* ---- ending ---------------------------------------------------------------------------------- */

/*
 * No cancellation reaches what is on its way out of the user's memory: with the connection it ends.
 * The notification of another thread's ring never comes to this one.
 */
static void give_up_notifications(struct poller *poller)
{
    struct uring *uring = poller->uring;
    for (size_t i = 0; i < uring->page_count; i++)
        for (size_t j = 0; uring->pages[i] && j < ENTRIES_A_PAGE; j++) {
            struct uring_entry *entry = &uring->pages[i]->of[j];
            if (!(entry->flags & ENTRY_NOTIFY_DUE))
                continue;
            socket_disconnect(entry->endpoint->fd);
            entry->flags &= ~(unsigned)ENTRY_NOTIFY_DUE;
        }
    uring->notifications = 0;
}

/* What has to end in this thread cannot wait for another's ring. */
static int own_to_cancel(struct poller *poller)
{
    int err = uring_own(poller);
    if (err != -EBUSY || poller->uring->notifications == 0)
        return err;
    give_up_notifications(poller);
    return uring_own(poller);
}

/* In a row: then the ring is beyond help. */
enum { MOST_FAILURES = 1000 };

/*
 * Returns when the kernel has let go of it, also if it is short of something for a while: memory
 * is the user's again. A cancellation that finds nothing means that the target is just coming to
 * its end. None reaches what is on its way out of the user's memory: with the connection it ends.
 */
int uring_settle(struct poller *poller, struct uring_entry *entry, unsigned flag)
{
    int fd = entry->endpoint->fd;
    int err = entry->flags & flag ? own_to_cancel(poller) : 0;
    for (unsigned failures = 0; !err && entry->flags & flag;) {
        enum uring_tag tag = flag == ENTRY_IN_FLIGHT ? entry->in_tag : entry->out_tag;
        if (flag == ENTRY_OUT_FLIGHT && entry->flags & ENTRY_NOTIFY_DUE)
            socket_disconnect(fd);
        int failure = uring_cancel(poller, uring_user_data(tag, entry, fd));
        failures = failure ? failures + 1 : 0;
        err = failures < MOST_FAILURES ? 0 : failure;
    }
    entry->flags &= ~flag;
    return err;
}

/* What comes later, though it was to come no more, is nobody's; nor is anything else waited for. */
static void disown(struct uring *uring, struct uring_entry *entry, int err)
{
    if (!err)
        return;
    entry->generation = (entry->generation + 1) & 0xffffff;
    uring->notifications -= (entry->flags & ENTRY_NOTIFY_DUE) != 0;
    entry->flags &= ~(unsigned)(ENTRY_IN_FLIGHT | ENTRY_OUT_FLIGHT | ENTRY_NOTIFY_DUE);
}

static void cancel_in(struct poller *poller, struct uring_entry *entry)
{
    struct evloop_endpoint *endpoint = entry->endpoint;
    struct evloop_operation *operation = endpoint->in;
    int err = uring_settle(poller, entry, ENTRY_IN_FLIGHT);
    struct uring_left *younger = entry->left;
    entry->left = NULL;
    uring_unqueue(entry, ENTRY_QUEUE_IN);
    endpoint->in = NULL;
    for (size_t i; uring_find_event(poller, entry, endpoint->fd, true, &i);) {
        struct uring_event event = uring_take_out(poller, i);
        uring_keep_result(poller, entry, &event,
                          uring_tag_of(event.user_data) == TAG_INTO ? operation->memory
                                                                    : event.data);
    }
    disown(poller->uring, entry, err);
    if (younger)
        put_aside(poller, entry, younger->bytes + younger->begin, younger->end - younger->begin);
    memory_free(poller->allocator, younger);
}

static size_t cancel_out(struct poller *poller, struct uring_entry *entry)
{
    struct evloop_endpoint *endpoint = entry->endpoint;
    int err = uring_settle(poller, entry, ENTRY_OUT_FLIGHT);
    uring_unqueue(entry, ENTRY_QUEUE_OUT | ENTRY_WANTS_ROOM | ENTRY_ZERO_COPY);
    endpoint->out = NULL;
    size_t i;
    bool found = uring_find_event(poller, entry, endpoint->fd, false, &i);
    disown(poller->uring, entry, err);
    if (!found)
        return 0;
    struct uring_event event = uring_take_out(poller, i);
    bool sent = uring_tag_of(event.user_data) == TAG_SEND && event.result > 0;
    return sent ? (size_t)event.result : 0;
}

static size_t cancel(struct poller *poller, struct evloop_operation *operation)
{
    struct evloop_endpoint *endpoint = operation->endpoint;
    if (endpoint->in == operation && endpoint->flags & ENDPOINT_NATIVE_IN)
        cancel_in(poller, uring_entry_of(poller, endpoint));
    else if (endpoint->out == operation && endpoint->flags & ENDPOINT_NATIVE_OUT)
        return cancel_out(poller, uring_entry_of(poller, endpoint));
    else
        return ready_cancel(poller, operation);
    return 0;
}

static bool holds(const struct poller *poller, const struct evloop_endpoint *endpoint)
{
    const struct uring_entry *entry = uring_entry_of(poller, endpoint);
    return entry->left || entry->error;
}

static void detach(struct poller *poller, struct evloop_endpoint *endpoint)
{
    struct uring_entry *entry = uring_entry_of(poller, endpoint);
    if (endpoint->out && endpoint->flags & ENDPOINT_NATIVE_OUT)
        cancel_out(poller, entry);
    if (endpoint->in && endpoint->flags & ENDPOINT_NATIVE_IN)
        cancel_in(poller, entry);
    uring_forget_promise(entry);
    free_left(poller, entry, endpoint->flags & ENDPOINT_LISTENER);
    entry->endpoint = NULL;
    entry->generation = (entry->generation + 1) & 0xffffff;
}

static void take_fds(struct poller *poller, struct evloop_endpoint *endpoint)
{
    struct evloop_operation *operation = endpoint->in;
    if (!operation)
        return;
    cancel_in(poller, uring_entry_of(poller, endpoint));
    uring_start_in(poller, operation, operation->kind);
}

static int keep_buffer(struct poller *poller, const void *data)
{
    struct uring *uring = poller->uring;
    uintptr_t place = (uintptr_t)data;
    uintptr_t first = (uintptr_t)uring->lent;
    if (!uring->lent || place < first || place >= first + uring->lent_size)
        return -EINVAL;
    int err = pool_keep(poller, &uring->streams, uring->lent_number);
    if (!err)
        uring->lent = NULL;
    return err;
}

static int release_buffer(struct poller *poller, const void *data)
{
    return pool_release(poller, &poller->uring->streams, (const char *)data);
}

const struct poller_operations uring_operations = {
    .attach = uring_attach,
    .detach = detach,
    .holds = holds,
    .accept = uring_start_accept,
    .connect = uring_start_connect,
    .receive = uring_start_receive,
    .send = uring_start_send,
    .receive_messages = uring_receive_messages,
    .cancel = cancel,
    .take_fds = take_fds,
    .next_completion = uring_next_completion,
    .keep_buffer = keep_buffer,
    .release_buffer = release_buffer,
};

/* ---- another ring ---------------------------------------------------------------------------- */

static void restart(struct poller *poller, struct uring_entry *entry)
{
    struct uring *uring = poller->uring;
    if (entry->flags & ENTRY_OUT_FLIGHT && entry->out_tag == TAG_ROOM)
        entry->flags |= ENTRY_WANTS_ROOM;
    if (entry->flags & ENTRY_IN_FLIGHT)
        uring_queue(uring, entry, ENTRY_QUEUE_IN);
    if (entry->flags & ENTRY_OUT_FLIGHT)
        uring_queue(uring, entry, ENTRY_QUEUE_OUT);
    entry->flags &= ~(unsigned)(ENTRY_IN_FLIGHT | ENTRY_OUT_FLIGHT);
}

void uring_restart_all(struct poller *poller)
{
    struct uring *uring = poller->uring;
    for (size_t i = 0; i < uring->page_count; i++)
        for (size_t j = 0; uring->pages[i] && j < ENTRIES_A_PAGE; j++)
            restart(poller, &uring->pages[i]->of[j]);
}

/* It was sent in the parent, whose kernel alone has a use for the memory. */
static void end_sent(struct poller *poller, struct uring_entry *entry)
{
    struct uring_event event = {.user_data = uring_user_data(TAG_SEND, entry, entry->endpoint->fd),
                                .result = entry->sent};
    if (!(entry->flags & ENTRY_NOTIFY_DUE))
        return;
    entry->flags &= ~(unsigned)(ENTRY_NOTIFY_DUE | ENTRY_OUT_FLIGHT);
    if (uring_reserve(poller, 1) == 0)
        uring_push(poller, &event);
}

/* What would have gone on with a completion that was forgotten. */
static void begin_anew(struct poller *poller, struct uring_entry *entry)
{
    struct uring *uring = poller->uring;
    const struct evloop_endpoint *endpoint = entry->endpoint;
    bool in = endpoint->in && endpoint->flags & ENDPOINT_NATIVE_IN;
    bool out = endpoint->out && endpoint->flags & ENDPOINT_NATIVE_OUT;
    if (in && !(entry->flags & ENTRY_IN_FLIGHT))
        uring_queue(uring, entry, ENTRY_QUEUE_IN);
    end_sent(poller, entry);
    size_t place;
    if (!out || entry->flags & ENTRY_OUT_FLIGHT ||
        uring_find_event(poller, entry, endpoint->fd, false, &place))
        return;
    if (endpoint->out->kind == KIND_CONNECT)
        entry->flags |= ENTRY_WANTS_ROOM;
    uring_queue(uring, entry, ENTRY_QUEUE_OUT);
}

/* What came is the parent's to hear; but what it has sent is sent. */
static void forget_events(struct poller *poller)
{
    for (size_t i = 0; i < poller->collected;) {
        const struct uring_event *event = uring_collected_at(poller->uring, i);
        if (!uring_is_in(uring_tag_of(event->user_data))) {
            i++;
            continue;
        }
        struct uring_event forgotten = uring_take_out(poller, i);
        if (uring_tag_of(forgotten.user_data) == TAG_ACCEPT && forgotten.result >= 0)
            close(forgotten.result);
    }
}

void uring_forget_all(struct poller *poller)
{
    struct uring *uring = poller->uring;
    forget_events(poller);
    uring->notifications = 0;
    uring->lent = NULL; /* its buffer is free as well */
    pool_forget(&uring->streams);
    uring_messages_forget(uring);
    for (size_t i = 0; i < uring->page_count; i++)
        for (size_t j = 0; uring->pages[i] && j < ENTRIES_A_PAGE; j++) {
            struct uring_entry *entry = &uring->pages[i]->of[j];
            if (!entry->endpoint)
                continue;
            free_left(poller, entry, entry->endpoint->flags & ENDPOINT_LISTENER);
            if (list_linked(&entry->starved))
                list_remove(&entry->starved);
            entry->flags &= ~(unsigned)ENTRY_ZERO_COPY;
            begin_anew(poller, entry);
        }
}
