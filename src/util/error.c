/*
 * error.c: names and sentences for error codes: the same on every system and in every locale, in
 * static memory, since the C library's own are neither thread-safe nor signal-safe everywhere.
 */
#include <errno.h>

#include "evloop/error.h"

struct error_text {
    int code;
    const char *name;
    const char *sentence;
};

static const struct error_text own_errors[] = {
    {EVLOOP_ECLOSED, "EVLOOP_ECLOSED", "closed"},
    {EVLOOP_EOF, "EVLOOP_EOF", "end of input"},
    {EVLOOP_ETHREAD, "EVLOOP_ETHREAD", "called on another thread than the loop's"},
};

static const struct error_text system_errors[] = {
    {0, "OK", "success"},
    {EPERM, "EPERM", "operation not permitted"},
    {ENOENT, "ENOENT", "no such entry"},
    {ESRCH, "ESRCH", "no such process"},
    {EINTR, "EINTR", "interrupted by a signal"},
    {EIO, "EIO", "input/output error"},
    {ENXIO, "ENXIO", "no such device or address"},
    {E2BIG, "E2BIG", "argument list or options too big"},
    {ENOEXEC, "ENOEXEC", "not an executable format"},
    {EBADF, "EBADF", "bad file descriptor"},
    {ECHILD, "ECHILD", "in a fork's child, or no child process"},
    {EAGAIN, "EAGAIN", "try again"},
    {ENOMEM, "ENOMEM", "out of memory"},
    {EACCES, "EACCES", "permission denied"},
    {EFAULT, "EFAULT", "bad address"},
    {EBUSY, "EBUSY", "busy"},
    {EEXIST, "EEXIST", "exists already"},
    {EXDEV, "EXDEV", "link across file systems"},
    {ENODEV, "ENODEV", "no such device"},
    {ENOTDIR, "ENOTDIR", "not a directory"},
    {EISDIR, "EISDIR", "is a directory"},
    {EINVAL, "EINVAL", "invalid argument"},
    {ENFILE, "ENFILE", "too many open files in the system"},
    {EMFILE, "EMFILE", "too many open files in the process"},
    {ENOTTY, "ENOTTY", "not a terminal"},
    {ETXTBSY, "ETXTBSY", "program file is in use"},
    {EFBIG, "EFBIG", "file too large"},
    {ENOSPC, "ENOSPC", "no space left"},
    {ESPIPE, "ESPIPE", "cannot seek"},
    {EROFS, "EROFS", "read-only file system"},
    {EMLINK, "EMLINK", "too many links"},
    {EPIPE, "EPIPE", "broken pipe"},
    {EDOM, "EDOM", "outside the domain of the function"},
    {ERANGE, "ERANGE", "result out of range"},
    {EDEADLK, "EDEADLK", "would deadlock"},
    {ENAMETOOLONG, "ENAMETOOLONG", "name too long"},
    {ENOLCK, "ENOLCK", "no locks available"},
    {ENOSYS, "ENOSYS", "not supported by this kernel"},
    {ENOTEMPTY, "ENOTEMPTY", "directory not empty"},
    {ELOOP, "ELOOP", "too many symbolic links"},
    {ENOMSG, "ENOMSG", "no such message"},
    {EIDRM, "EIDRM", "identifier removed"},
    {EILSEQ, "EILSEQ", "illegal byte sequence"},
    {EUSERS, "EUSERS", "too many users"},
    {ENOTSOCK, "ENOTSOCK", "not a socket"},
    {EDESTADDRREQ, "EDESTADDRREQ", "destination address required"},
    {EMSGSIZE, "EMSGSIZE", "message too long"},
    {EPROTOTYPE, "EPROTOTYPE", "wrong protocol type for the socket"},
    {ENOPROTOOPT, "ENOPROTOOPT", "protocol option not available"},
    {EPROTONOSUPPORT, "EPROTONOSUPPORT", "protocol not supported"},
    {ESOCKTNOSUPPORT, "ESOCKTNOSUPPORT", "socket type not supported"},
    {EOPNOTSUPP, "EOPNOTSUPP", "operation not supported"},
    {ENOTSUP, "ENOTSUP", "not supported"}, /* Linux and FreeBSD: the same as EOPNOTSUPP */
    {EPFNOSUPPORT, "EPFNOSUPPORT", "protocol family not supported"},
    {EAFNOSUPPORT, "EAFNOSUPPORT", "address family not supported"},
    {EADDRINUSE, "EADDRINUSE", "address in use"},
    {EADDRNOTAVAIL, "EADDRNOTAVAIL", "address not available"},
    {ENETDOWN, "ENETDOWN", "network is down"},
    {ENETUNREACH, "ENETUNREACH", "network unreachable"},
    {ENETRESET, "ENETRESET", "connection reset by the network"},
    {ECONNABORTED, "ECONNABORTED", "connection aborted"},
    {ECONNRESET, "ECONNRESET", "connection reset by the peer"},
#ifdef ENODATA
    {ENODATA, "ENODATA", "no data: it ended too early"},
#endif
    {ENOBUFS, "ENOBUFS", "no buffer space"},
    {EISCONN, "EISCONN", "connected already"},
    {ENOTCONN, "ENOTCONN", "not connected"},
    {ESHUTDOWN, "ESHUTDOWN", "cannot send after shutdown"},
    {ETOOMANYREFS, "ETOOMANYREFS", "too many references"},
    {ETIMEDOUT, "ETIMEDOUT", "timed out"},
    {ECONNREFUSED, "ECONNREFUSED", "connection refused"},
    {EHOSTDOWN, "EHOSTDOWN", "host is down"},
    {EHOSTUNREACH, "EHOSTUNREACH", "host unreachable"},
    {EALREADY, "EALREADY", "under way already"},
    {EINPROGRESS, "EINPROGRESS", "in progress"},
    {ESTALE, "ESTALE", "stale file handle"},
    {EDQUOT, "EDQUOT", "quota exceeded"},
    {ECANCELED, "ECANCELED", "cancelled"},
    {EOVERFLOW, "EOVERFLOW", "value too large"},
    {EPROTO, "EPROTO", "protocol error"},
    {EBADMSG, "EBADMSG", "bad message"},
#ifdef EMULTIHOP
    {EMULTIHOP, "EMULTIHOP", "multihop attempted"},
#endif
#ifdef ENOLINK
    {ENOLINK, "ENOLINK", "link severed"},
#endif
    {EOWNERDEAD, "EOWNERDEAD", "owner of the lock died"},
    {ENOTRECOVERABLE, "ENOTRECOVERABLE", "state not recoverable"},
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct error_text *find(int err)
{
    for (size_t i = 0; i < COUNT(own_errors); i++)
        if (own_errors[i].code == err)
            return &own_errors[i];
    for (size_t i = 0; i < COUNT(system_errors); i++)
        if (system_errors[i].code == err || system_errors[i].code == -(long long)err)
            return &system_errors[i];
    return NULL;
}

const char *evloop_strerror(int err)
{
    const struct error_text *text = find(err);
    return text ? text->sentence : "unknown error";
}

const char *evloop_err_name(int err)
{
    const struct error_text *text = find(err);
    return text ? text->name : "EUNKNOWN";
}
