/*
 * transfer_freebsd.c: sendfile() of FreeBSD; see transfer.h.
 */
#include <errno.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "poller/sigpipe.h"
#include "poller/transfer.h"

/* An error after a part was sent comes again, or was that it would have had to wait. */
static ssize_t send_file(int fd, const struct evloop_outgoing *outgoing)
{
    struct sigpipe held;
    off_t sent = 0;
    int result;
    sigpipe_hold(&held);
    do
        result = sendfile(outgoing->file, fd, (off_t)outgoing->file_offset, outgoing->file_size,
                          NULL, &sent, 0);
    while (result < 0 && errno == EINTR && sent == 0);
    sigpipe_release(&held, result < 0 && errno == EPIPE);
    if (result < 0 && sent == 0)
        return errno == EBUSY ? -EAGAIN : -errno;
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
