/*
 * uring_flood.c: one stream that sends without end does not keep the others from being heard: see
 * uring_relieve().
 */
#include <errno.h>

#include "poller/uring.h"

static struct uring_entry *receiver_of(struct uring *uring, const struct uring_event *event)
{
    if (uring_tag_of(event->user_data) != TAG_RECEIVE || !event->data)
        return NULL;
    return uring_find(uring, (int)(uint32_t)event->user_data);
}

/* Counts what was collected for each stream, and marks those that have more than their share. */
static bool find_floods(struct poller *poller)
{
    struct uring *uring = poller->uring;
    bool found = false;
    for (size_t i = 0; i < poller->collected; i++) {
        struct uring_entry *entry = receiver_of(uring, uring_collected_at(uring, i));
        if (entry)
            entry->told = 0;
    }
    for (size_t i = 0; i < poller->collected; i++) {
        const struct uring_event *event = uring_collected_at(uring, i);
        struct uring_entry *entry = receiver_of(uring, event);
        if (!entry)
            continue;
        entry->told += (size_t)event->result;
        if (entry->told <= poller->buffers.size)
            continue;
        entry->flags |= ENTRY_RELIEVED;
        found = true;
    }
    return found;
}

static bool found_no_buffer(const struct uring_event *event)
{
    return uring_tag_of(event->user_data) == TAG_RECEIVE && event->result == -ENOBUFS;
}

/* Those that have enough to be told need no buffer now. */
static bool somebody_starves(struct poller *poller)
{
    struct uring *uring = poller->uring;
    for (size_t i = 0; i < poller->collected; i++) {
        const struct uring_event *event = uring_collected_at(uring, i);
        if (found_no_buffer(event) &&
            !(uring_find(uring, (int)(uint32_t)event->user_data)->flags & ENTRY_RELIEVED))
            return true;
    }
    return !list_empty(&uring->starved);
}

/*
 * From its share on: what is beyond goes out of the kernel's buffers. It is begun anew here, and
 * not once more when the last piece of the share is told.
 */
static void keep_share(struct poller *poller, struct uring_entry *entry)
{
    int fd = entry->endpoint->fd;
    size_t share = 0;
    if (uring_settle(poller, entry, ENTRY_IN_FLIGHT) != 0) {
        entry->flags |= ENTRY_IN_FLIGHT;
        return;
    }
    for (size_t i = 0; i < poller->collected;) {
        struct uring_event *event = uring_collected_at(poller->uring, i);
        bool own = uring_concerns(event, entry, fd, true);
        bool brings = event->data && event->result > 0;
        if (!own || (brings && share + (size_t)event->result <= poller->buffers.size)) {
            share += own ? (size_t)event->result : 0;
            event->flags |= own ? IORING_CQE_F_MORE : 0;
            i++;
            continue;
        }
        struct uring_event beyond = uring_take_out(poller, i);
        share = poller->buffers.size;
        uring_keep_result(poller, entry, &beyond, beyond.data);
    }
    entry->flags |= ENTRY_FLOODS;
    uring_queue(poller->uring, entry, ENTRY_QUEUE_IN);
}

/* Those that found no buffer find one now. */
static void begin_starved(struct poller *poller)
{
    struct uring *uring = poller->uring;
    for (size_t i = 0; i < poller->collected;) {
        const struct uring_event *event = uring_collected_at(uring, i);
        if (!found_no_buffer(event)) {
            i++;
            continue;
        }
        uring_queue(uring, uring_find(uring, (int)(uint32_t)event->user_data), ENTRY_QUEUE_IN);
        uring_take_out(poller, i);
    }
}

/*
 * One that sends without end can fill all buffers before its share of a turn is told. If somebody
 * else would not be heard meanwhile, what is more than that share is copied, and from then on it
 * receives once a turn, until it calms down. Whether that was so.
 */
bool uring_relieve(struct poller *poller)
{
    struct uring *uring = poller->uring;
    if (!uring->streams.ring || uring->streams.available > 0 || !find_floods(poller))
        return false;
    bool relieves = somebody_starves(poller) && buffers_ready(poller) == 0;
    for (size_t i = 0; i < poller->collected;) {
        struct uring_entry *entry = receiver_of(uring, uring_collected_at(uring, i));
        if (!entry || !(entry->flags & ENTRY_RELIEVED)) {
            i++;
            continue;
        }
        entry->flags &= ~(unsigned)ENTRY_RELIEVED;
        if (relieves) /* this one may be gone then: the same place again */
            keep_share(poller, entry);
    }
    if (relieves)
        begin_starved(poller);
    return relieves;
}
