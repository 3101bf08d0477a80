/*
 * descriptor.c: see descriptor.h.
 */
#include "poller/descriptor.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "poller/poller.h"
#include "poller/socket.h"

int descriptor_set_nonblocking(int fd)
{
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0)
        return -errno;
    if (flags & O_NONBLOCK)
        return 0;
    return fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ? -errno : 0;
}

static int adopt_socket(int fd, unsigned *endpoint_flags)
{
    int type = socket_type(fd);
    if (type < 0)
        return type;
    if ((type != SOCK_STREAM && type != SOCK_SEQPACKET) || socket_listens(fd))
        return -EINVAL;
    *endpoint_flags = ENDPOINT_SOCKET;
    if (type == SOCK_STREAM)
        *endpoint_flags |= ENDPOINT_STREAM;
    if (socket_family(fd) == AF_UNIX)
        *endpoint_flags |= ENDPOINT_UNIX;
    return descriptor_set_nonblocking(fd);
}

int descriptor_adopt(int fd, unsigned *endpoint_flags, bool *restore)
{
    struct stat status;
    *endpoint_flags = 0;
    *restore = false;
    if (fstat(fd, &status) < 0)
        return -errno;
    if (S_ISSOCK(status.st_mode))
        return adopt_socket(fd, endpoint_flags);
    if (S_ISDIR(status.st_mode))
        return -EINVAL;
    if (S_ISFIFO(status.st_mode))
        *endpoint_flags = ENDPOINT_STREAM;
    return S_ISREG(status.st_mode) ? 0 : descriptor_set_nonblocking(fd);
}

void descriptor_restore(int fd)
{
    (void)fd;
}

void descriptor_give_back(int fd)
{
    descriptor_restore(fd);
    socket_close(fd);
}
