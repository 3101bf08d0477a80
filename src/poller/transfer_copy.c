/*
 * transfer_copy.c: pieces of files, where the kernel does not send them by itself; see transfer.h.
 */
#include "poller/transfer.h"

ssize_t transfer_file(int fd, const struct evloop_outgoing *outgoing)
{
    return transfer_copy_file(fd, outgoing);
}
