/*
 * descriptor.c: descriptors that others made; see descriptor.h.
 */
#include "poller/descriptor.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "poller/poller.h"
#include "poller/restore.h"
#include "poller/socket.h"
#include "poller/terminal.h"
#include "util/memory.h"

/* O_NONBLOCK was set on a description that others may share. */
struct shared {
    struct restore restore;
    dev_t device; /* with the number of the file: so that no successor of the descriptor is meant */
    ino_t file;
};

static int classify_socket(int fd, unsigned *endpoint_flags)
{
    int type = socket_type(fd);
    int family = socket_family(fd);
    if (type < 0 || family < 0)
        return type < 0 ? type : family;
    if ((type != SOCK_STREAM && type != SOCK_SEQPACKET) || socket_listens(fd))
        return -EINVAL;
    *endpoint_flags = ENDPOINT_SOCKET;
    if (type == SOCK_STREAM)
        *endpoint_flags |= ENDPOINT_STREAM;
    if (family == AF_UNIX)
        *endpoint_flags |= ENDPOINT_UNIX;
    return 0;
}

int descriptor_classify(int fd, unsigned *endpoint_flags)
{
    struct stat status;
    if (fstat(fd, &status) != 0)
        return -errno;
    /*
     * A short read of anything else says nothing: a terminal gives a line at a time, and a pipe a
     * packet, if whoever writes wants that, which cannot be seen from here.
     */
    *endpoint_flags = 0;
    if (S_ISDIR(status.st_mode))
        return -EISDIR;
    return S_ISSOCK(status.st_mode) ? classify_socket(fd, endpoint_flags) : 0;
}

static bool never_blocks(const struct stat *status)
{
    return S_ISREG(status->st_mode) || S_ISBLK(status->st_mode);
}

/* Signal-safe. */
static void clear_nonblocking(struct restore *restore)
{
    const struct shared *shared = evloop_container_of(restore, struct shared, restore);
    struct stat status;
    if (fstat(restore->fd, &status) != 0 || status.st_dev != shared->device ||
        status.st_ino != shared->file)
        return;
    int flags = fcntl(restore->fd, F_GETFL);
    if (flags >= 0)
        fcntl(restore->fd, F_SETFL, flags & ~O_NONBLOCK);
}

static int set_nonblocking(const evloop_allocator *allocator, int fd, int flags,
                           const struct stat *status)
{
    sigset_t signals;
    int err = restore_prepare();
    if (err)
        return err;
    struct shared *shared = memory_zalloc(allocator, sizeof *shared);
    if (!shared)
        return -ENOMEM;
    shared->restore.fd = fd;
    shared->restore.allocator = allocator;
    shared->restore.undo = clear_nonblocking;
    shared->device = status->st_dev;
    shared->file = status->st_ino;
    restore_lock(&signals);
    if (fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0)
        restore_add(&shared->restore);
    else
        err = -errno;
    restore_unlock(&signals);
    if (err)
        memory_free(allocator, shared);
    return err;
}

int descriptor_adopt(const evloop_allocator *allocator, int fd, bool *restore)
{
    struct stat status;
    int flags = fcntl(fd, F_GETFL);
    *restore = false;
    if (flags < 0 || fstat(fd, &status) != 0)
        return -errno;
    /* Also if the flag is set already: whoever set it may clear it. */
    if (never_blocks(&status) || descriptor_separate(fd, flags, &status) == 0)
        return 0;
    if (flags & O_NONBLOCK)
        return 0;
    int err = set_nonblocking(allocator, fd, flags, &status);
    *restore = !err;
    return err;
}

/* Takes the change out of the list; undoes it if told so. */
static void forget_flags(int fd, bool undo)
{
    sigset_t signals;
    restore_lock(&signals);
    struct restore *restore = restore_find(fd, clear_nonblocking);
    if (restore) {
        list_remove(&restore->link);
        if (undo)
            restore_undo(restore);
    }
    restore_unlock(&signals);
    if (restore)
        memory_free(restore->allocator, evloop_container_of(restore, struct shared, restore));
}

void descriptor_restore(int fd)
{
    terminal_restore(fd);
    forget_flags(fd, true);
}

void descriptor_give_back(int fd)
{
    descriptor_restore(fd);
    socket_close(fd);
}

void descriptor_release(int fd)
{
    terminal_restore(fd);
    forget_flags(fd, false);
}

int descriptor_set_nonblocking(int fd)
{
    int flags = fcntl(fd, F_GETFL);
    if (flags >= 0 && (flags & O_NONBLOCK || fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0))
        return 0;
    return -errno;
}

int descriptor_duplicate(int fd)
{
    int duplicate = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    return duplicate < 0 ? -errno : duplicate;
}

int descriptor_above_standard(int fd)
{
    if (fd < 0)
        return -errno;
    if (fd > STDERR_FILENO)
        return fd;
    int moved = descriptor_duplicate(fd);
    close(fd);
    return moved;
}
