/*
 * net.c: the helpers of net.h.
 */
#include "net.h"
#include "system.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>

/* ---- bytes ----------------------------------------------------------------------------------- */

static unsigned char pattern[PATTERN_PERIOD + PATTERN_SPAN];
static pthread_once_t pattern_once = PTHREAD_ONCE_INIT;

static void pattern_make(void)
{
    uint64_t state = 1;
    for (size_t i = 0; i < sizeof pattern; i++)
        pattern[i] =
            i < PATTERN_PERIOD ? (unsigned char)chance(&state) : pattern[i - PATTERN_PERIOD];
}

const unsigned char *pattern_at(uint64_t position)
{
    pthread_once(&pattern_once, pattern_make);
    return pattern + position % PATTERN_PERIOD;
}

bool pattern_matches(const void *data, size_t size, uint64_t position)
{
    const unsigned char *bytes = data;
    while (size) {
        size_t part = size < PATTERN_SPAN ? size : PATTERN_SPAN;
        if (memcmp(bytes, pattern_at(position), part) != 0)
            return false;
        bytes += part;
        position += part;
        size -= part;
    }
    return true;
}

unsigned pattern_pieces(struct iovec *iov, unsigned most, uint64_t position, size_t size)
{
    unsigned used = 0;
    while (size) {
        size_t part = size < PATTERN_SPAN ? size : PATTERN_SPAN;
        check(used < most);
        iov[used].iov_base = (void *)(uintptr_t)pattern_at(position);
        iov[used].iov_len = part;
        used++;
        position += part;
        size -= part;
    }
    return used;
}

/* ---- sockets --------------------------------------------------------------------------------- */

int net_socket(int family, int type)
{
    int fd = socket(family, type, 0);
    check(fd >= 0);
    check(fcntl(fd, F_SETFD, FD_CLOEXEC) == 0);
    return fd;
}

static void loopback(int family, evloop_address *address)
{
    memset(address, 0, sizeof *address);
    if (family == AF_INET6) {
        address->size = sizeof address->of.v6;
        address->of.v6.sin6_family = AF_INET6;
        address->of.v6.sin6_addr = in6addr_loopback;
    } else {
        address->size = sizeof address->of.v4;
        address->of.v4.sin_family = AF_INET;
        address->of.v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    }
}

bool net_has_v6(void)
{
    evloop_address address;
    int fd = socket(AF_INET6, SOCK_STREAM, 0);
    if (fd < 0)
        return false;
    loopback(AF_INET6, &address);
    bool has = bind(fd, &address.of.any, address.size) == 0;
    close(fd);
    return has;
}

bool net_has_all_of_127(void)
{
    evloop_address address;
    check(evloop_address_parse(&address, "127.0.0.2:0") == 0);
    int fd = net_socket(AF_INET, SOCK_DGRAM);
    bool has = bind(fd, &address.of.any, address.size) == 0;
    close(fd);
    return has;
}

bool net_has_unix(int type)
{
    int fd = socket(AF_UNIX, type, 0);
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

int net_listen(int family, int backlog, evloop_address *address)
{
    int fd = net_socket(family, SOCK_STREAM);
    loopback(family, address);
    assert_int_equal(bind(fd, &address->of.any, address->size), 0);
    assert_int_equal(listen(fd, backlog), 0);
    socklen_t size = sizeof address->of;
    assert_int_equal(getsockname(fd, &address->of.any, &size), 0);
    address->size = size;
    return fd;
}

int net_connect(const evloop_address *address)
{
    int fd = net_socket(address->of.any.sa_family, SOCK_STREAM);
    assert_int_equal(connect(fd, &address->of.any, address->size), 0);
    return fd;
}

/* The first comes through; of the others, as many as the system lets wait beyond what it was told. */
int net_listen_full(int family, evloop_address *address, int crowd[CROWD])
{
    int listener = net_listen(family, 1, address);
    crowd[0] = net_connect(address);
    for (int i = 1; i < CROWD; i++) {
        crowd[i] = net_socket(family, SOCK_STREAM);
        fd_nonblocking(crowd[i]);
        int result = connect(crowd[i], &address->of.any, address->size);
        assert_true(result == 0 || errno == EINPROGRESS);
    }
    return listener;
}

void net_disperse(int listener, int crowd[CROWD])
{
    for (int i = 0; i < CROWD; i++)
        assert_int_equal(close(crowd[i]), 0);
    assert_int_equal(close(listener), 0);
}

void net_pair(int family, int fds[2])
{
    if (family == AF_UNIX) {
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    } else {
        evloop_address address;
        int listener = net_listen(family, 1, &address);
        fds[0] = net_connect(&address);
        fds[1] = accept(listener, NULL, NULL);
        assert_true(fds[1] >= 0);
        assert_int_equal(close(listener), 0);
    }
    assert_int_equal(fcntl(fds[0], F_SETFD, FD_CLOEXEC), 0);
    assert_int_equal(fcntl(fds[1], F_SETFD, FD_CLOEXEC), 0);
}

void net_narrow(int fd)
{
    const int size = 128 * 1024;
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size), 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size), 0);
}

void net_reset(int fd)
{
    const struct linger linger = {1, 0};
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger), 0);
    assert_int_equal(close(fd), 0);
}

static void on_never(evloop_watch *watch, unsigned events)
{
    (void)watch;
    (void)events;
    fail();
}

bool net_tells_urgent_data(evloop *loop, int fd)
{
    evloop_watch watch = {0};
    int err = evloop_watch_start(loop, &watch, fd, EVLOOP_PRIORITY, on_never);
    assert_true(err == 0 || err == -ENOTSUP);
    assert_int_equal(evloop_watch_active(&watch), err == 0);
    evloop_watch_stop(&watch);
    return !err;
}

ssize_t net_put(int fd, const void *data, size_t size, int flags)
{
    return send(fd, data, size, flags | system_send_flags(fd));
}

void net_send(int fd, uint64_t position, size_t size)
{
    while (size) {
        size_t part = size < PATTERN_SPAN ? size : PATTERN_SPAN;
        ssize_t sent = net_put(fd, pattern_at(position), part, 0);
        assert_true(sent > 0);
        position += (size_t)sent;
        size -= (size_t)sent;
    }
}

int net_waiting(int fd)
{
    int count = 0;
    check(ioctl(fd, FIONREAD, &count) == 0);
    return count;
}

size_t net_receive(int fd, void *memory, size_t size)
{
    size_t got = 0;
    while (got < size) {
        ssize_t n = recv(fd, (char *)memory + got, size - got, 0);
        assert_true(n >= 0);
        if (n == 0)
            break;
        got += (size_t)n;
    }
    return got;
}

/* ---- places ---------------------------------------------------------------------------------- */

static void place_name(char place[PLACE_SIZE], const char *kind)
{
    const char *base = getenv("TMPDIR");
    size_t length = base ? strlen(base) : 0;
    if (length == 0 || length > PLACE_SIZE / 2)
        base = P_tmpdir;
    int used = snprintf(place, PLACE_SIZE, "%s/evloop-%s-", base, kind);
    assert_true(used > 0 && used < PLACE_SIZE - 6);
    memset(place + used, 'X', 6); /* which mkdtemp() and mkstemp() replace */
    place[used + 6] = '\0';
}

const char *net_unix_name(char name[UNIX_NAME_SIZE], const char *kind)
{
    char path[PLACE_SIZE] = "@";
    if (!system_has_abstract_names())
        place_name(path, kind);
    int used = snprintf(name, UNIX_NAME_SIZE, "%sevloop-%s-%ld", path, kind, (long)getpid());
    check(used > 0 && used < UNIX_NAME_SIZE);
    return name;
}

void place_make(char place[PLACE_SIZE])
{
    place_name(place, "test");
    assert_non_null(mkdtemp(place));
}

void place_remove(const char *place)
{
    assert_int_equal(rmdir(place), 0);
}

int file_make(uint64_t position, size_t size)
{
    char name[PLACE_SIZE];
    place_name(name, "file");
    int fd = mkstemp(name);
    assert_true(fd >= 0);
    assert_int_equal(fcntl(fd, F_SETFD, FD_CLOEXEC), 0);
    assert_int_equal(unlink(name), 0);
    while (size) {
        size_t part = size < PATTERN_SPAN ? size : PATTERN_SPAN;
        ssize_t n = write(fd, pattern_at(position), part);
        assert_true(n > 0);
        position += (size_t)n;
        size -= (size_t)n;
    }
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    return fd;
}

/* ---- descriptors ----------------------------------------------------------------------------- */

#ifdef __APPLE__
#define FD_DIRECTORY "/dev/fd"
#else
#define FD_DIRECTORY "/proc/self/fd"
#endif

unsigned fds_open(void)
{
    DIR *directory = opendir(FD_DIRECTORY);
    unsigned count = 0;
    check(directory);
    for (struct dirent *entry; (entry = readdir(directory));)
        count += entry->d_name[0] >= '0' && entry->d_name[0] <= '9';
    closedir(directory);
    return count - 1;
}

size_t fds_raise_limit(void)
{
    struct rlimit limit;
    check(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    limit.rlim_cur = limit.rlim_max;
    check(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    return (uintmax_t)limit.rlim_cur > SIZE_MAX ? SIZE_MAX : (size_t)limit.rlim_cur;
}
