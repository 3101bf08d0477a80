/*
 * socket.c: what POSIX has to say about sockets; the rest of socket.h is in the system's own file.
 */
#include "poller/socket.h"

#include <errno.h>
#include <limits.h>
#include <netinet/tcp.h>
#include <sys/stat.h>
#include <unistd.h>

static int result_of(int returned)
{
    return returned < 0 ? -errno : 0;
}

static int get_option(int fd, int option, int *value)
{
    socklen_t size = sizeof *value;
    return result_of(getsockopt(fd, SOL_SOCKET, option, value, &size));
}

static bool is_of_protocol(int fd, int level)
{
    int family = socket_family(fd);
    if (!socket_is_ip(family) || (level == IPPROTO_IPV6 && family != AF_INET6))
        return false;
    return (level != IPPROTO_TCP || socket_type(fd) == SOCK_STREAM) &&
           (level != IPPROTO_UDP || socket_type(fd) == SOCK_DGRAM);
}

/* The BSDs have no error of its own for a socket that is of another protocol. */
int socket_option_error(int fd, int level)
{
    int err = -errno;
    if (err == -ENOPROTOOPT || err == -EOPNOTSUPP)
        return -ENOTSUP;
    return err == -EINVAL && level != SOL_SOCKET && !is_of_protocol(fd, level) ? -ENOTSUP : err;
}

int socket_set_option(int fd, int level, int option, int value)
{
    if (setsockopt(fd, level, option, &value, sizeof value) == 0)
        return 0;
    return socket_option_error(fd, level);
}

int socket_bind(int fd, const evloop_address *address)
{
    return result_of(bind(fd, &address->of.any, address->size));
}

int socket_listen(int fd, unsigned backlog)
{
    /* Every system cuts it down to its limit. */
    return result_of(listen(fd, backlog == 0 || backlog > INT_MAX ? INT_MAX : (int)backlog));
}

int socket_close(int fd)
{
    if (close(fd) == 0 || errno == EINTR)
        return 0;
    return -errno;
}

int socket_shutdown(int fd)
{
    return result_of(shutdown(fd, SHUT_WR));
}

int socket_reset_on_close(int fd)
{
    const struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    return result_of(setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once));
}

typedef int name_call(int fd, struct sockaddr *name, socklen_t *size);

static int get_name(int fd, evloop_address *address, name_call *call)
{
    evloop_address name;
    socklen_t size = sizeof name.of;
    memset(&name, 0, sizeof name);
    if (call(fd, &name.of.any, &size) != 0)
        return -errno;
    name.size = size < sizeof name.of ? size : (socklen_t)sizeof name.of;
    *address = name;
    return 0;
}

int socket_local(int fd, evloop_address *address)
{
    return get_name(fd, address, getsockname);
}

/* Darwin has another error for a connection that is over. */
int socket_peer(int fd, evloop_address *address)
{
    int err = get_name(fd, address, getpeername);
    return err == -EINVAL ? -ENOTCONN : err;
}

int socket_error(int fd)
{
    int pending = 0;
    int err = get_option(fd, SO_ERROR, &pending);
    return err ? err : -pending;
}

int socket_type(int fd)
{
    int type = 0;
    int err = get_option(fd, SO_TYPE, &type);
    return err ? err : type;
}

bool socket_listens(int fd)
{
    int listens = 0;
    return get_option(fd, SO_ACCEPTCONN, &listens) == 0 && listens;
}

int socket_set_nagle(int fd, bool on)
{
    return socket_set_option(fd, IPPROTO_TCP, TCP_NODELAY, !on);
}

int socket_set_reuse_address(int fd)
{
    return socket_set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
}

int socket_path_set_mode(const char *path, unsigned mode)
{
    return result_of(chmod(path, (mode_t)mode));
}

/*
 * Whether a socket is bound to the path. A datagram socket asks: a listener is of another type and
 * says so, without a connection that it would have to accept, and also between its bind and listen.
 */
static int ask_path(const evloop_address *address)
{
    int fd = socket_open(AF_UNIX, SOCK_DGRAM);
    if (fd < 0)
        return fd;
    int err = result_of(connect(fd, &address->of.any, address->size));
    socket_close(fd);
    return err;
}

int socket_path_remove_stale(const evloop_address *address)
{
    const size_t head = offsetof(struct sockaddr_un, sun_path);
    char path[sizeof address->of.path.sun_path + 1] = "";
    struct stat before;
    struct stat now;

    if (address->size <= head || address->of.path.sun_path[0] == '\0')
        return -EADDRINUSE; /* a name in no directory goes with its owner */
    memcpy(path, address->of.path.sun_path, address->size - head);
    if (lstat(path, &before) != 0)
        return errno == ENOENT ? 0 : -errno;
    if (!S_ISSOCK(before.st_mode) || ask_path(address) != -ECONNREFUSED)
        return -EADDRINUSE;
    /* Another process may do the same just now, and be ahead of us. */
    if (lstat(path, &now) != 0)
        return errno == ENOENT ? 0 : -errno;
    if (now.st_dev != before.st_dev || now.st_ino != before.st_ino)
        return -EADDRINUSE;
    return unlink(path) == 0 || errno == ENOENT ? 0 : -errno;
}

int socket_path_remove(const char *path)
{
    evloop_address address;
    size_t length = strlen(path);
    memset(&address, 0, sizeof address);
    if (length >= sizeof address.of.path.sun_path)
        return -ENAMETOOLONG;
    address.of.path.sun_family = AF_UNIX;
    memcpy(address.of.path.sun_path, path, length);
    address.size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length + 1);
    return socket_path_remove_stale(&address);
}
