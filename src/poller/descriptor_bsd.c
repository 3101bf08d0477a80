/*
 * descriptor_bsd.c: descriptors and terminals of Darwin and the BSDs; see descriptor.h and
 * terminal.h.
 */
#include <errno.h>
#include <sys/stat.h>

#include "poller/descriptor.h"
#include "poller/terminal.h"

/* To open a descriptor's file in /dev/fd again gives the same description. */
int descriptor_separate(int fd, int flags, const struct stat *status)
{
    (void)fd;
    (void)flags;
    (void)status;
    return -ENOTSUP;
}

int terminal_identify(int fd, uint64_t *id)
{
    struct stat status;
    if (fstat(fd, &status) != 0)
        return -errno;
    *id = (uint64_t)status.st_rdev;
    return 0;
}
