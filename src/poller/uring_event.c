/*
 * uring_event.c: completions, from the ring to their telling: two queues, of which the one of those
 * that were put off is the older: see uring.h.
 */
#include <errno.h>

#include "poller/uring.h"
#include "util/memory.h"

enum { EVENTS_AT_FIRST = 64 };

static struct uring_event *event_at(const struct uring_events *events, size_t i)
{
    return &events->ring[(events->first + i) & (events->capacity - 1)];
}

static void append(struct uring_events *events, const struct uring_event *event)
{
    events->count++;
    *event_at(events, events->count - 1) = *event;
}

static void prepend(struct uring_events *events, const struct uring_event *event)
{
    events->first--;
    events->count++;
    *event_at(events, 0) = *event;
}

static struct uring_event take(struct uring_events *events, size_t i)
{
    struct uring_event event = *event_at(events, i);
    for (; i > 0; i--)
        *event_at(events, i) = *event_at(events, i - 1);
    events->first++;
    events->count--;
    return event;
}

static bool resize(struct poller *poller, struct uring_events *events, size_t capacity)
{
    struct uring_event *ring =
        (struct uring_event *)memory_alloc(poller->allocator, capacity * sizeof *ring);
    if (!ring)
        return false;
    for (size_t i = 0; i < events->count; i++)
        ring[i] = *event_at(events, i);
    memory_free(poller->allocator, events->ring);
    events->ring = ring;
    events->capacity = capacity;
    events->first = 0;
    return true;
}

/* Either queue can take all. */
int uring_reserve(struct poller *poller, size_t count)
{
    struct uring *uring = poller->uring;
    size_t capacity = uring->late.capacity ? uring->late.capacity : EVENTS_AT_FIRST;
    while (capacity < poller->collected + count)
        capacity *= 2;
    if (uring->events.capacity < capacity && !resize(poller, &uring->events, capacity))
        return -ENOMEM;
    if (uring->late.capacity < capacity && !resize(poller, &uring->late, capacity))
        return -ENOMEM;
    return 0;
}

void uring_push(struct poller *poller, const struct uring_event *event)
{
    append(&poller->uring->events, event);
    poller->collected++;
}

/* Of those that are to be told in this turn. */
struct uring_event uring_take(struct poller *poller)
{
    poller->uring->to_tell--;
    poller->collected--;
    return take(&poller->uring->events, 0);
}

const struct uring_event *uring_next(const struct uring *uring)
{
    return uring->to_tell > 0 ? event_at(&uring->events, 0) : NULL;
}

void uring_pop(struct poller *poller)
{
    (void)uring_take(poller);
}

/* Into the place of one that was taken out just now. */
void uring_push_front(struct poller *poller, const struct uring_event *event)
{
    prepend(&poller->uring->events, event);
    poller->uring->to_tell++;
    poller->collected++;
}

/* One that was taken just now is to be told in the next turn. */
void uring_put_off(struct poller *poller, const struct uring_event *event)
{
    append(&poller->uring->late, event);
    poller->collected++;
}

void uring_begin_turn(struct uring *uring)
{
    while (uring->late.count > 0) {
        struct uring_event event = *event_at(&uring->late, --uring->late.count);
        prepend(&uring->events, &event);
    }
    uring->to_tell = uring->events.count;
    uring->turn_events = uring->to_tell;
    uring->turn++;
}

/* In the order in which they were collected, as far as one endpoint is concerned. */
struct uring_event *uring_collected_at(struct uring *uring, size_t i)
{
    return i < uring->late.count ? event_at(&uring->late, i)
                                 : event_at(&uring->events, i - uring->late.count);
}

struct uring_event uring_take_out(struct poller *poller, size_t i)
{
    struct uring *uring = poller->uring;
    poller->collected--;
    if (i < uring->late.count)
        return take(&uring->late, i);
    i -= uring->late.count;
    uring->to_tell -= i < uring->to_tell;
    return take(&uring->events, i);
}

bool uring_is_in(enum uring_tag tag)
{
    return tag != TAG_SEND && tag != TAG_ROOM;
}

bool uring_concerns(const struct uring_event *event, const struct uring_entry *entry, int fd,
                    bool in)
{
    enum uring_tag tag = uring_tag_of(event->user_data);
    return event->user_data == uring_user_data(tag, entry, fd) && uring_is_in(tag) == in;
}

/* The first one of a direction: its place among the collected ones; false: there is none. */
bool uring_find_event(struct poller *poller, const struct uring_entry *entry, int fd, bool in,
                      size_t *place)
{
    for (*place = 0; *place < poller->collected; ++*place)
        if (uring_concerns(uring_collected_at(poller->uring, *place), entry, fd, in))
            return true;
    return false;
}

/* ---- collecting ------------------------------------------------------------------------------ */

/* The pieces of a bundle, but for the last: each fills its buffer, or what was free of it. */
static void split_bundle(struct poller *poller, struct ring_event *whole)
{
    struct uring *uring = poller->uring;
    struct pool *pool = &uring->streams;
    for (int32_t room; whole->result > (room = pool_room(pool, pool_number(whole->flags)));) {
        struct ring_event piece = *whole;
        piece.result = room;
        piece.flags |= IORING_CQE_F_MORE;
        piece.flags &= ~URING_COMPLETION_BUFFER_MORE;
        uring_collect(poller, &piece);
        unsigned short next = pool_after(pool, pool_number(whole->flags));
        whole->flags &= (1u << IORING_CQE_BUFFER_SHIFT) - 1;
        whole->flags |= (uint32_t)next << IORING_CQE_BUFFER_SHIFT;
        whole->result -= piece.result;
    }
}

static char *data_of(struct uring *uring, enum uring_tag tag, const struct ring_event *event)
{
    if (!(event->flags & IORING_CQE_F_BUFFER))
        return NULL;
    unsigned short number = pool_number(event->flags);
    return pool_take(tag == TAG_MESSAGE ? uring_message_pool_of(uring, number) : &uring->streams,
                     event);
}

/*
 * Sent without a copy: the result is kept until the notification says that the memory is free, and
 * whether it came to a copy all the same.
 */
static bool keep_until_notified(struct uring *uring, struct uring_entry *entry,
                                struct ring_event *event)
{
    if (event->flags & IORING_CQE_F_MORE) {
        entry->sent = event->result;
        entry->flags |= ENTRY_NOTIFY_DUE;
        uring->notifications++;
        return true;
    }
    if (event->flags & IORING_CQE_F_NOTIF) {
        if ((uint32_t)event->result & URING_NOTIFICATION_COPIED)
            entry->flags |= ENTRY_COPIES;
        event->result = entry->sent;
        entry->flags &= ~(unsigned)ENTRY_NOTIFY_DUE;
        uring->notifications--;
    }
    return false;
}

/* There is room for it. */
void uring_collect(struct poller *poller, const struct ring_event *completion)
{
    struct uring *uring = poller->uring;
    struct ring_event event = *completion;
    enum uring_tag tag = uring_tag_of(event.user_data);
    if (tag == TAG_NOTHING)
        return;
    if (tag == TAG_EPOLL) {
        uring->epoll_armed = false;
        uring->epoll_fired = true;
        return;
    }
    struct uring_entry *entry = uring_find(uring, (int)(uint32_t)event.user_data);
    bool ours =
        entry && event.user_data == uring_user_data(tag, entry, (int)(uint32_t)event.user_data);
    if (tag == TAG_RECEIVE && event.flags & IORING_CQE_F_BUFFER)
        split_bundle(poller, &event);
    if (ours && tag == TAG_SEND && keep_until_notified(uring, entry, &event))
        return;
    if (ours && !(event.flags & IORING_CQE_F_MORE))
        entry->flags &= ~(unsigned)(uring_is_in(tag) ? ENTRY_IN_FLIGHT : ENTRY_OUT_FLIGHT);
    if (ours && tag == TAG_RECEIVE)
        uring_note_received(uring, entry, &event);
    struct uring_event collected = {.user_data = event.user_data,
                                    .result = event.result,
                                    .flags = event.flags,
                                    .data = data_of(uring, tag, &event)};
    if (ours)
        uring_push(poller, &collected);
    else
        uring_give_back(poller, &collected);
}
