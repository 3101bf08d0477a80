/*
 * system_bsd.c: Darwin and the BSDs; see system.h.
 */
#include "system.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

const int system_full = ECONNREFUSED;
const bool system_receives_some = false;
const bool system_queues_errors = false;

#ifdef __APPLE__ /* they see an end */
const bool system_resets_unix = false;
#else
const bool system_resets_unix = true;
#endif

/* Not every system has both, and not every version of one. */
#ifdef SO_NOSIGPIPE
static void raise_no_sigpipe(int fd)
{
    const int on = 1;
    setsockopt(fd, SOL_SOCKET, SO_NOSIGPIPE, &on, sizeof on);
}
enum { SEND_FLAGS = 0 };
#else
static void raise_no_sigpipe(int fd)
{
    (void)fd;
}
enum { SEND_FLAGS = MSG_NOSIGNAL };
#endif

int system_send_flags(int fd)
{
    raise_no_sigpipe(fd);
    return SEND_FLAGS;
}

bool system_has_abstract_names(void)
{
    return false;
}

unsigned system_processors(void)
{
    long count = sysconf(_SC_NPROCESSORS_ONLN);
    return count > 0 ? (unsigned)count : 1;
}

bool system_packet_pipe(int fds[2])
{
    (void)fds;
    return false;
}

bool system_take_credentials(int fd)
{
    (void)fd;
    return false;
}

void system_send_room(int fd, int size)
{
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
}

int system_backlog(int fd)
{
    (void)fd;
    return -1;
}

int system_fast_open_queue(int fd)
{
    (void)fd;
    return -1;
}

int system_fast_open(int fd)
{
    (void)fd;
    return -1;
}

bool system_joins(int fd)
{
    (void)fd;
    return false;
}
