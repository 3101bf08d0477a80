/*
 * uring_urgent.c: a receive that the kernel has left standing at TCP's urgent byte goes on: see
 * uring_urge().
 *
 * While a signal is pending (also one of the kernel's own, as after a ring was closed), a receive
 * that begins at the urgent byte finds nothing, whatever lies behind. A multishot one then waits
 * for the peer to send more. What tells is its last completion: that there is more in the socket,
 * and then nothing came. (Where the urgent byte is the first that comes after a pause, nothing
 * tells.)
 */
#include <sys/socket.h>

#include "poller/transfer.h"
#include "poller/uring.h"

void uring_note_promise(struct uring *uring, struct uring_entry *entry, uint32_t flags)
{
    const uint32_t promise = IORING_CQE_F_MORE | IORING_CQE_F_SOCK_NONEMPTY;
    bool promised = (flags & promise) == promise;
    if (promised == list_linked(&entry->promised))
        return;
    if (promised)
        list_append(&uring->promised, &entry->promised);
    else
        list_remove(&entry->promised);
}

/* The low-water mark is what it was; but the kernel looks whether it has been reached. */
static void make_look(int fd)
{
    int mark;
    socklen_t size = sizeof mark;
    if (getsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &mark, &size) == 0)
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &mark, size); /* no other value, no error */
}

static bool stands_still(const struct uring_entry *entry)
{
    return entry->endpoint && entry->flags & ENTRY_IN_FLIGHT && entry->in_tag == TAG_RECEIVE &&
           transfer_readable(entry->endpoint->fd);
}

bool uring_urge(struct uring *uring)
{
    list_each(&uring->promised, link, following) {
        struct uring_entry *entry = list_entry(link, struct uring_entry, promised);
        if (stands_still(entry))
            make_look(entry->endpoint->fd);
        else
            list_remove(link);
    }
    return !list_empty(&uring->promised);
}
