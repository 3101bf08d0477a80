/*
 * calls.c: see calls.h.
 */
#include "calls.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <termios.h>

struct failing {
    unsigned count;
    unsigned from; /* the number of the first call that fails; 0: none does */
    unsigned to;   /* ... of the first that does not fail any more */
    int err;
    size_t most; /* bytes; 0: no limit */
};

static struct failing calls[CALLS];
static unsigned failed;

void calls_reset(void)
{
    memset(calls, 0, sizeof calls);
    failed = 0;
}

void calls_fail(enum call call, unsigned nth, unsigned times, int err)
{
    calls[call].from = calls[call].count + nth;
    calls[call].to = calls[call].from + times;
    calls[call].err = err;
}

void calls_shorten(enum call call, size_t most)
{
    calls[call].most = most;
}

unsigned calls_count(enum call call)
{
    return calls[call].count;
}

unsigned calls_failed(void)
{
    return failed;
}

bool calls_fails(enum call call)
{
    struct failing *failing = &calls[call];
    unsigned number = ++failing->count;
    if (!failing->from || number < failing->from || number >= failing->to)
        return false;
    failed++;
    errno = failing->err;
    return true;
}

static size_t shortened(enum call call, size_t size)
{
    return calls[call].most && calls[call].most < size ? calls[call].most : size;
}

/* ---- what is done or not --------------------------------------------------------------------- */

#define WRAP(call, result, name, parameters, arguments)                                            \
    result __real_##name parameters;                                                               \
    result __wrap_##name parameters;                                                               \
    result __wrap_##name parameters                                                                \
    {                                                                                              \
        return calls_fails(call) ? -1 : __real_##name arguments;                                   \
    }

WRAP(CALL_ACCEPT, int, accept, (int fd, struct sockaddr *name, socklen_t *size), (fd, name, size))
WRAP(CALL_ACCEPT, int, accept4, (int fd, struct sockaddr *name, socklen_t *size, int flags),
     (fd, name, size, flags))
WRAP(CALL_BIND, int, bind, (int fd, const struct sockaddr *name, socklen_t size), (fd, name, size))
WRAP(CALL_CHMOD, int, chmod, (const char *path, mode_t mode), (path, mode))
WRAP(CALL_DUP3, int, dup3, (int from, int to, int flags), (from, to, flags))
WRAP(CALL_FSTATFS, int, fstatfs, (int fd, struct statfs *system), (fd, system))
WRAP(CALL_PIPE, int, pipe, (int fds[2]), (fds))
WRAP(CALL_PIPE, int, pipe2, (int fds[2], int flags), (fds, flags))
WRAP(CALL_POLL, int, poll, (struct pollfd * fds, nfds_t count, int timeout_ms),
     (fds, count, timeout_ms))
WRAP(CALL_RECVMMSG, int, recvmmsg,
     (int fd, struct mmsghdr *messages, unsigned count, int flags, struct timespec *timeout),
     (fd, messages, count, flags, timeout))
WRAP(CALL_SENDMMSG, int, sendmmsg, (int fd, struct mmsghdr *messages, unsigned count, int flags),
     (fd, messages, count, flags))
WRAP(CALL_TCGETATTR, int, tcgetattr, (int fd, struct termios *mode), (fd, mode))
WRAP(CALL_TCGETPGRP, pid_t, tcgetpgrp, (int fd), (fd))
WRAP(CALL_TCSETATTR, int, tcsetattr, (int fd, int when, const struct termios *mode),
     (fd, when, mode))
WRAP(CALL_FSTAT, int, fstat, (int fd, struct stat *status), (fd, status))
WRAP(CALL_GETPEERNAME, int, getpeername, (int fd, struct sockaddr *name, socklen_t *size),
     (fd, name, size))
WRAP(CALL_GETSOCKNAME, int, getsockname, (int fd, struct sockaddr *name, socklen_t *size),
     (fd, name, size))
WRAP(CALL_GETSOCKOPT, int, getsockopt,
     (int fd, int level, int option, void *value, socklen_t *size),
     (fd, level, option, value, size))
WRAP(CALL_LISTEN, int, listen, (int fd, int backlog), (fd, backlog))
WRAP(CALL_LSTAT, int, lstat, (const char *path, struct stat *status), (path, status))
WRAP(CALL_SETSOCKOPT, int, setsockopt,
     (int fd, int level, int option, const void *value, socklen_t size),
     (fd, level, option, value, size))
WRAP(CALL_SOCKET, int, socket, (int family, int type, int protocol), (family, type, protocol))
WRAP(CALL_SOCKETPAIR, int, socketpair, (int family, int type, int protocol, int fds[2]),
     (family, type, protocol, fds))
WRAP(CALL_UNLINK, int, unlink, (const char *path), (path))

int __real_fcntl(int fd, int command, ...);
int __wrap_fcntl(int fd, int command, ...);

int __wrap_fcntl(int fd, int command, ...)
{
    va_list arguments;
    va_start(arguments, command);
    long argument = va_arg(arguments, long);
    va_end(arguments);
    return calls_fails(CALL_FCNTL) ? -1 : __real_fcntl(fd, command, argument);
}

int __real_ioctl(int fd, unsigned long request, ...);
int __wrap_ioctl(int fd, unsigned long request, ...);

int __wrap_ioctl(int fd, unsigned long request, ...)
{
    va_list arguments;
    va_start(arguments, request);
    void *argument = va_arg(arguments, void *);
    va_end(arguments);
    return calls_fails(CALL_IOCTL) ? -1 : __real_ioctl(fd, request, argument);
}

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);

int __wrap_open(const char *path, int flags, ...)
{
    va_list arguments;
    va_start(arguments, flags);
    mode_t mode = flags & O_CREAT ? va_arg(arguments, mode_t) : 0;
    va_end(arguments);
    return calls_fails(CALL_OPEN) ? -1 : __real_open(path, flags, mode);
}

/* It says 0 where others say -1. */
int __real_isatty(int fd);
int __wrap_isatty(int fd);

int __wrap_isatty(int fd)
{
    return calls_fails(CALL_ISATTY) ? 0 : __real_isatty(fd);
}

/* ---- what is done even when it fails --------------------------------------------------------- */

/* The descriptor is gone, whatever close says. */
int __real_close(int fd);
int __wrap_close(int fd);

int __wrap_close(int fd)
{
    bool told = calls_fails(CALL_CLOSE);
    int err = errno, result = __real_close(fd);
    if (!told)
        return result;
    errno = err;
    return -1;
}

/* Who is not connected any more has been shut down. */
int __real_shutdown(int fd, int how);
int __wrap_shutdown(int fd, int how);

int __wrap_shutdown(int fd, int how)
{
    if (!calls_fails(CALL_SHUTDOWN))
        return __real_shutdown(fd, how);
    int err = errno;
    if (err == ENOTCONN)
        (void)__real_shutdown(fd, how);
    errno = err;
    return -1;
}

/* A connection that was interrupted, or is in progress, goes on. */
int __real_connect(int fd, const struct sockaddr *name, socklen_t size);
int __wrap_connect(int fd, const struct sockaddr *name, socklen_t size);

int __wrap_connect(int fd, const struct sockaddr *name, socklen_t size)
{
    if (!calls_fails(CALL_CONNECT))
        return __real_connect(fd, name, size);
    int err = errno;
    if (err == EINTR || err == EINPROGRESS)
        (void)__real_connect(fd, name, size);
    errno = err;
    return -1;
}

/* ---- what transfers -------------------------------------------------------------------------- */

#define WRAP_TRANSFER(call, name, parameters, arguments)                                           \
    ssize_t __real_##name parameters;                                                              \
    ssize_t __wrap_##name parameters;                                                              \
    ssize_t __wrap_##name parameters                                                               \
    {                                                                                              \
        if (calls_fails(call))                                                                     \
            return -1;                                                                             \
        size = shortened(call, size);                                                              \
        return __real_##name arguments;                                                            \
    }

WRAP_TRANSFER(CALL_PREAD, pread, (int fd, void *memory, size_t size, off_t offset),
              (fd, memory, size, offset))
WRAP_TRANSFER(CALL_READ, read, (int fd, void *memory, size_t size), (fd, memory, size))
WRAP_TRANSFER(CALL_RECV, recv, (int fd, void *memory, size_t size, int flags),
              (fd, memory, size, flags))
WRAP_TRANSFER(CALL_SEND, send, (int fd, const void *data, size_t size, int flags),
              (fd, data, size, flags))
WRAP_TRANSFER(CALL_SENDFILE, sendfile, (int fd, int file, off_t *offset, size_t size),
              (fd, file, offset, size))

ssize_t __real_recvmsg(int fd, struct msghdr *message, int flags);
ssize_t __wrap_recvmsg(int fd, struct msghdr *message, int flags);

ssize_t __wrap_recvmsg(int fd, struct msghdr *message, int flags)
{
    if (calls_fails(CALL_RECVMSG))
        return -1;
    if (message->msg_iovlen != 1)
        return __real_recvmsg(fd, message, flags);
    struct iovec iov = *message->msg_iov, *before = message->msg_iov;
    iov.iov_len = shortened(CALL_RECVMSG, iov.iov_len);
    message->msg_iov = &iov;
    ssize_t result = __real_recvmsg(fd, message, flags);
    message->msg_iov = before;
    return result;
}

ssize_t __real_sendmsg(int fd, const struct msghdr *message, int flags);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *message, int flags);

ssize_t __wrap_sendmsg(int fd, const struct msghdr *message, int flags)
{
    return calls_fails(CALL_SENDMSG) ? -1 : __real_sendmsg(fd, message, flags);
}

ssize_t __real_writev(int fd, const struct iovec *iov, int count);
ssize_t __wrap_writev(int fd, const struct iovec *iov, int count);

ssize_t __wrap_writev(int fd, const struct iovec *iov, int count)
{
    if (calls_fails(CALL_WRITEV))
        return -1;
    if (!calls[CALL_WRITEV].most || !count)
        return __real_writev(fd, iov, count);
    struct iovec little = *iov;
    little.iov_len = shortened(CALL_WRITEV, little.iov_len);
    return __real_writev(fd, &little, 1);
}

/* ---- their errors ---------------------------------------------------------------------------- */

/*
 * But EAGAIN where the kernel says it only when there is an event to come: it would be a lie, and
 * wait for ever. And but epoll_ctl's EPERM, which says of a file that it is always ready.
 */
static const int errors[CALLS][32] = {
    [CALL_ACCEPT] = {EAGAIN,      EBADF,           ECONNABORTED,    EFAULT,       EINTR,
                     EINVAL,      EMFILE,          ENFILE,          ENOBUFS,      ENOMEM,
                     ENOTSOCK,    EOPNOTSUPP,      EPERM,           EPROTO,       ENETDOWN,
                     ENOPROTOOPT, EHOSTDOWN,       ENONET,          EHOSTUNREACH, ENETUNREACH,
                     ENOSR,       ESOCKTNOSUPPORT, EPROTONOSUPPORT, ETIMEDOUT},
    [CALL_BIND] = {EACCES, EADDRINUSE, EBADF, EINVAL, ENOTSOCK, EADDRNOTAVAIL, EFAULT, ELOOP,
                   ENAMETOOLONG, ENOENT, ENOMEM, ENOTDIR, EROFS},
    [CALL_CHMOD] = {EACCES, EFAULT, EIO, ELOOP, ENAMETOOLONG, ENOENT, ENOMEM, ENOTDIR, EPERM,
                    EROFS},
    [CALL_CLOSE] = {EBADF, EINTR, EIO, ENOSPC, EDQUOT},
    [CALL_CONNECT] = {EACCES, EPERM, EADDRINUSE, EADDRNOTAVAIL, EAFNOSUPPORT, EAGAIN, EALREADY,
                      EBADF, ECONNREFUSED, EFAULT, EINPROGRESS, EINTR, EISCONN, ENETUNREACH,
                      ENOTSOCK, EPROTOTYPE, ETIMEDOUT},
    [CALL_DUP3] = {EBADF, EBUSY, EINTR, EINVAL, EMFILE, ENOMEM},
    [CALL_FSTATFS] = {EBADF, EFAULT, EINTR, EIO, ENOMEM, ENOSYS, EOVERFLOW},
    [CALL_IOCTL] = {EBADF, EFAULT, EINVAL, ENOTTY},
    [CALL_ISATTY] = {EBADF, ENOTTY},
    [CALL_OPEN] = {EACCES, EINVAL, EISDIR, ELOOP, EMFILE, ENFILE, ENODEV, ENOENT, ENOMEM, ENOTDIR,
                   ENXIO, EPERM, EROFS, ETXTBSY},
    [CALL_PIPE] = {EFAULT, EINVAL, EMFILE, ENFILE, ENOPKG},
    [CALL_POLL] = {EFAULT, EINTR, EINVAL, ENOMEM},
    [CALL_RECVMMSG] = {EBADF, ECONNREFUSED, EFAULT, EINTR, EINVAL, ENOMEM, ENOTCONN, ENOTSOCK},
    [CALL_SENDMMSG] = {EACCES, EALREADY, EBADF, ECONNRESET, EDESTADDRREQ, EFAULT, EINTR, EINVAL,
                       EISCONN, EMSGSIZE, ENOBUFS, ENOMEM, ENOTCONN, ENOTSOCK, EOPNOTSUPP, EPIPE},
    [CALL_TCGETATTR] = {EBADF, EIO, ENOTTY},
    [CALL_TCGETPGRP] = {EBADF, EINVAL, ENOTTY},
    [CALL_TCSETATTR] = {EBADF, EINVAL, EIO, ENOTTY},
    [CALL_FCNTL] = {EACCES, EAGAIN, EBADF, EINVAL, EPERM},
    [CALL_FSTAT] = {EBADF, EFAULT, ENOMEM, EOVERFLOW},
    [CALL_GETPEERNAME] = {EBADF, EFAULT, EINVAL, ENOBUFS, ENOTCONN, ENOTSOCK},
    [CALL_GETSOCKNAME] = {EBADF, EFAULT, EINVAL, ENOBUFS, ENOTSOCK},
    [CALL_GETSOCKOPT] = {EBADF, EFAULT, EINVAL, ENOPROTOOPT, ENOTSOCK},
    [CALL_LISTEN] = {EADDRINUSE, EBADF, ENOTSOCK, EOPNOTSUPP},
    [CALL_LSTAT] = {EACCES, EFAULT, ELOOP, ENAMETOOLONG, ENOENT, ENOMEM, ENOTDIR, EOVERFLOW},
    [CALL_PREAD] = {EBADF, EFAULT, EINTR, EINVAL, EIO, EISDIR, ENXIO, EOVERFLOW, ESPIPE},
    [CALL_READ] = {EBADF, EFAULT, EINTR, EINVAL, EIO, EISDIR},
    [CALL_RECV] = {EBADF, ECONNREFUSED, EFAULT, EINTR, EINVAL, ENOMEM, ENOTCONN, ENOTSOCK},
    [CALL_RECVMSG] = {EBADF, ECONNREFUSED, EFAULT, EINTR, EINVAL, ENOMEM, ENOTCONN, ENOTSOCK},
    [CALL_SEND] = {EACCES, EALREADY, EBADF, ECONNRESET, EDESTADDRREQ, EFAULT, EINTR, EINVAL,
                   EISCONN, EMSGSIZE, ENOBUFS, ENOMEM, ENOTCONN, ENOTSOCK, EOPNOTSUPP, EPIPE},
    [CALL_SENDFILE] = {EBADF, EFAULT, EINTR, EINVAL, EIO, ENOMEM, EOVERFLOW, ESPIPE},
    [CALL_SENDMSG] = {EACCES, EALREADY, EBADF, ECONNRESET, EDESTADDRREQ, EFAULT, EINTR, EINVAL,
                      EISCONN, EMSGSIZE, ENOBUFS, ENOMEM, ENOTCONN, ENOTSOCK, EOPNOTSUPP, EPIPE},
    [CALL_SETSOCKOPT] = {EBADF, EFAULT, EINVAL, ENOPROTOOPT, ENOTSOCK, EDOM, EISCONN, ENOMEM,
                         ENOBUFS},
    [CALL_SHUTDOWN] = {EBADF, EINVAL, ENOTCONN, ENOTSOCK},
    [CALL_SOCKET] = {EACCES, EAFNOSUPPORT, EINVAL, EMFILE, ENFILE, ENOBUFS, ENOMEM,
                     EPROTONOSUPPORT},
    [CALL_SOCKETPAIR] = {EAFNOSUPPORT, EFAULT, EMFILE, ENFILE, EOPNOTSUPP, EPROTONOSUPPORT},
    [CALL_UNLINK] = {EACCES, EBUSY, EFAULT, EIO, EISDIR, ELOOP, ENAMETOOLONG, ENOENT, ENOMEM,
                     ENOTDIR, EPERM, EROFS},
    [CALL_WRITEV] = {EBADF, EDQUOT, EFAULT, EFBIG, EINTR, EINVAL, EIO, ENOSPC, EPERM, EPIPE},
};

const int *call_errors(enum call call)
{
    return call == CALL_INTEREST ? calls_interest_errors : errors[call];
}

const char *call_name(enum call call)
{
    static const char *const names[CALLS] = {
        "accept",   "bind",   "chmod",      "close",       "connect",     "dup3",
        "fcntl",    "fstat",  "fstatfs",    "getpeername", "getsockname", "getsockopt",
        "interest", "ioctl",  "isatty",     "listen",      "lstat",       "open",
        "pipe",     "poll",   "pread",      "read",        "recv",        "recvmmsg",
        "recvmsg",  "send",   "sendfile",   "sendmmsg",    "sendmsg",     "setsockopt",
        "shutdown", "socket", "socketpair", "tcgetattr",   "tcgetpgrp",   "tcsetattr",
        "unlink",   "writev",
    };
    return names[call];
}
