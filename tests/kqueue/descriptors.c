/*
 * descriptors.c: the calls that end a descriptor, or give it one more number, instead of libc's:
 * what is registered of a number ends with it. See kqueue.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>

#include "kqueue.h"

enum { HIDDEN = 900 };

int close(int fd);
int dup(int fd);
int dup2(int from, int to);
int dup3(int from, int to, int flags);
#undef fcntl
#undef fcntl64
int fcntl(int fd, int command, ...);
int fcntl64(int fd, int command, ...);

void descriptor_drop(int fd)
{
    if (fd >= 0)
        syscall(SYS_close, fd);
}

int descriptor_hide(long fd)
{
    if (fd < 0)
        return -1;
    long moved = syscall(SYS_fcntl, fd, F_DUPFD_CLOEXEC, HIDDEN);
    if (moved < 0)
        return (int)fd;
    descriptor_drop((int)fd);
    return (int)moved;
}

/* Where a sanitizer follows descriptors, it has to see their end, or a number has two lives. */
int __interceptor_close(int fd) __attribute__((weak));

int close(int fd)
{
    kqueue_forget(fd);
    return __interceptor_close ? __interceptor_close(fd) : (int)syscall(SYS_close, fd);
}

static int duplicated(int from, long to)
{
    struct kqueue_state *queue = kqueue_find(from);
    return queue ? kqueue_number(queue, (int)to) : (int)to;
}

int dup(int fd)
{
    return duplicated(fd, syscall(SYS_dup, fd));
}

/* Where it fails, what has the number keeps it. */
static int replace(int from, int to, int flags)
{
    if (syscall(SYS_fcntl, from, F_GETFD) < 0)
        return -1;
    if (from == to)
        return to;
    kqueue_forget(to);
    return duplicated(from, syscall(SYS_dup3, from, to, flags));
}

int dup2(int from, int to)
{
    return replace(from, to, 0);
}

int dup3(int from, int to, int flags)
{
    if (from != to)
        return replace(from, to, flags);
    errno = EINVAL;
    return -1;
}

static int control(int fd, int command, void *argument)
{
    long result = syscall(SYS_fcntl, fd, command, argument);
    bool duplicates = command == F_DUPFD || command == F_DUPFD_CLOEXEC;
    return duplicates ? duplicated(fd, result) : (int)result;
}

int fcntl(int fd, int command, ...)
{
    va_list list;
    va_start(list, command);
    void *argument = va_arg(list, void *);
    va_end(list);
    return control(fd, command, argument);
}

int fcntl64(int fd, int command, ...)
{
    va_list list;
    va_start(list, command);
    void *argument = va_arg(list, void *);
    va_end(list);
    return control(fd, command, argument);
}
