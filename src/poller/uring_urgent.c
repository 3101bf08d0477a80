/*
 * uring_urgent.c: a receive that the kernel has left standing at TCP's urgent byte goes on: see
 * uring_urge().
 *
 * While a signal is pending (also one of the kernel's own, as after a ring was closed), a receive
 * that begins at the urgent byte finds nothing, whatever lies behind. A multishot one then waits
 * for the peer to send more. Two things tell of that: its last completion said that there is more
 * in the socket, and nothing came; or there was something when it was begun anew, and nothing came.
 * (Nothing tells if the urgent byte is the first to come to a receive that waits already.)
 */
#include <errno.h>
#include <sys/socket.h>

#include "poller/transfer.h"
#include "poller/uring.h"

static void promise(struct uring *uring, struct uring_entry *entry)
{
    if (!(entry->flags & ENTRY_PROMISED))
        list_append(&uring->promised, &entry->promised);
    entry->flags |= ENTRY_PROMISED;
}

void uring_forget_promise(struct uring_entry *entry)
{
    if (entry->flags & ENTRY_PROMISED)
        list_remove(&entry->promised);
    entry->flags &= ~(unsigned)ENTRY_PROMISED;
}

void uring_note_received(struct uring *uring, struct uring_entry *entry,
                         const struct ring_event *event)
{
    bool more = event->flags & IORING_CQE_F_SOCK_NONEMPTY || event->result == -ENOBUFS;
    entry->flags &= ~(unsigned)ENTRY_HAS_MORE;
    entry->flags |= ENTRY_HAS_RECEIVED | (more ? ENTRY_HAS_MORE : 0);
    if (more && event->flags & IORING_CQE_F_MORE)
        promise(uring, entry);
    else
        uring_forget_promise(entry);
}

void uring_note_begun(struct uring *uring, struct uring_entry *entry)
{
    bool has_received = entry->flags & ENTRY_HAS_RECEIVED;
    if (entry->flags & ENTRY_HAS_MORE || (has_received && transfer_readable(entry->endpoint->fd)))
        promise(uring, entry);
}

/* The low-water mark is what it was; but the kernel looks whether it has been reached. */
static bool make_look(int fd)
{
    int mark;
    socklen_t size = sizeof mark;
    return getsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &mark, &size) == 0 &&
           setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &mark, size) == 0;
}

static bool stands_still(const struct uring_entry *entry)
{
    return entry->flags & ENTRY_IN_FLIGHT && entry->in_tag == TAG_RECEIVE &&
           transfer_readable(entry->endpoint->fd);
}

void uring_urge(struct uring *uring)
{
    list_each(&uring->promised, link, following) {
        struct uring_entry *entry = list_entry(link, struct uring_entry, promised);
        if (!stands_still(entry) || !make_look(entry->endpoint->fd))
            uring_forget_promise(entry);
    }
}
