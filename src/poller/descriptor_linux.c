/*
 * descriptor_linux.c: what only Linux has of descriptors and terminals; see descriptor.h and
 * terminal.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/vfs.h>
#include <termios.h>
#include <unistd.h>

#include "poller/descriptor.h"
#include "poller/terminal.h"

/*
 * A pipe without a name: with a name, opening has effects of its own on whoever waits at the other
 * end. Packets are a flag of the description's that an open does not take.
 */
static bool is_plain_pipe(int fd, int flags)
{
    struct statfs system;
    return !(flags & O_DIRECT) && fstatfs(fd, &system) == 0 && system.f_type == PIPEFS_MAGIC;
}

/* To open the other side, the one that a terminal's emulator holds, makes a new terminal. */
static bool is_terminal(int fd)
{
    int number;
    return isatty(fd) && ioctl(fd, TIOCGPTN, &number) != 0;
}

static bool can_be_opened_again(int fd, int flags, const struct stat *status)
{
    if (S_ISFIFO(status->st_mode))
        return is_plain_pipe(fd, flags);
    return S_ISCHR(status->st_mode) && is_terminal(fd);
}

static int open_again(int fd, int flags, const struct stat *status)
{
    char path[32];
    struct stat opened;
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int own = open(path, (flags & (O_ACCMODE | O_APPEND)) | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (own < 0)
        return -errno;
    if (fstat(own, &opened) == 0 && opened.st_dev == status->st_dev &&
        opened.st_ino == status->st_ino && opened.st_rdev == status->st_rdev)
        return own;
    close(own); /* not this process's table of descriptors, or not this system's /proc */
    return -ENOTSUP;
}

int descriptor_separate(int fd, int flags, const struct stat *status)
{
    int inherited = fcntl(fd, F_GETFD);
    if (inherited < 0 || !can_be_opened_again(fd, flags, status))
        return -ENOTSUP;
    int own = open_again(fd, flags, status);
    if (own < 0)
        return own;
    int err = dup3(own, fd, inherited & FD_CLOEXEC ? O_CLOEXEC : 0) < 0 ? -errno : 0;
    close(own);
    return err;
}

int terminal_identify(int fd, uint64_t *id)
{
    unsigned device = 0;
    if (ioctl(fd, TIOCGDEV, &device) != 0)
        return -errno;
    *id = device;
    return 0;
}
