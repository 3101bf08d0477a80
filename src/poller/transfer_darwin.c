/*
 * transfer_darwin.c: sendfile() of Darwin; see transfer.h.
 */
#include <errno.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "poller/transfer.h"

/* An error after a part was sent comes again, or was that it would have had to wait. */
static ssize_t send_file(int fd, const struct evloop_outgoing *outgoing)
{
    off_t sent;
    int result;
    do {
        sent = (off_t)outgoing->file_size;
        result = sendfile(outgoing->file, fd, (off_t)outgoing->file_offset, &sent, NULL, 0);
    } while (result < 0 && errno == EINTR && sent == 0);
    /* Where it was refused at once, nothing has been written to the size. */
    bool partial = errno == EAGAIN || errno == EINTR || errno == EPIPE || errno == TORN_DOWN;
    if (result < 0 && !(partial && sent > 0 && sent < (off_t)outgoing->file_size))
        return errno == TORN_DOWN ? -EPIPE : -errno;
    return (ssize_t)sent;
}

/* To something else than a socket, or from something else than a file: through memory. */
ssize_t transfer_file(int fd, const struct evloop_outgoing *outgoing)
{
    ssize_t n = send_file(fd, outgoing);
    if (n == -ENOTSOCK || n == -EINVAL || n == -EOPNOTSUPP || n == -ENOTSUP || n == -ENOSYS)
        return transfer_copy_file(fd, outgoing);
    return n == 0 ? FILE_ENDED : n;
}
