/*
 * transfer_linux.c: what Linux has calls of its own for; see transfer.h.
 */
#include <errno.h>
#include <sys/sendfile.h>

#include "poller/sigpipe.h"
#include "poller/transfer.h"

static ssize_t send_file(int fd, const struct evloop_outgoing *outgoing)
{
    struct sigpipe held;
    off_t offset = (off_t)outgoing->file_offset;
    ssize_t n;
    sigpipe_hold(&held);
    do
        n = sendfile(fd, outgoing->file, &offset, outgoing->file_size);
    while (n < 0 && errno == EINTR);
    sigpipe_release(&held, n < 0 && errno == EPIPE);
    return n < 0 ? -errno : n;
}

ssize_t transfer_file(int fd, const struct evloop_outgoing *outgoing)
{
    ssize_t n = send_file(fd, outgoing);
    if (n == -EINVAL || n == -ENOSYS || n == -EOVERFLOW)
        return transfer_copy_file(fd, outgoing);
    return n == 0 ? FILE_ENDED : n;
}
