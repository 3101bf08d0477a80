/*
 * message_each.c: one message a system call, for Darwin, which has no other, and for FreeBSD, whose
 * C library does the same and forgets an error that came after a message; see message_system.h.
 */
#include <errno.h>

#include "poller/message_system.h"
#include "poller/sigpipe.h"
#include "poller/transfer.h"

int message_receive_many(int fd, struct mmsghdr *headers, unsigned count, int *error)
{
    unsigned n = 0;
    while (n < count) {
        ssize_t size = transfer_receive_message(fd, &headers[n].msg_hdr);
        if (size < 0 && errno == EINTR)
            continue; /* there may be more, of which nothing else would tell */
        if (size < 0)
            break;
        headers[n++].msg_len = (__typeof__(headers->msg_len))size;
    }
    if (n == 0)
        return -1;
    if (n < count && errno != EAGAIN)
        *error = -errno;
    return (int)n;
}

/* An error after the first message comes again, or is about an earlier one, and told already. */
int message_send_many(int fd, struct mmsghdr *headers, unsigned count)
{
    unsigned n = 0;
    while (n < count && sendmsg(fd, &headers[n].msg_hdr, SEND_FLAGS) >= 0)
        n++;
    return n == 0 ? -1 : (int)n;
}
