/*
 * system_linux.c: Linux; see system.h.
 */
#include "system.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/udp.h>
#include <sched.h>
#include <stddef.h>
#include <sys/socket.h>
#include <unistd.h>

const int system_full = EAGAIN;
const bool system_resets_unix = true;
const bool system_receives_some = true;
const bool system_queues_errors = true;

int system_send_flags(int fd)
{
    (void)fd;
    return MSG_NOSIGNAL;
}

bool system_has_abstract_names(void)
{
    return true;
}

unsigned system_processors(void)
{
    cpu_set_t set;
    return sched_getaffinity(0, sizeof set, &set) == 0 ? (unsigned)CPU_COUNT(&set) : 1;
}

bool system_packet_pipe(int fds[2])
{
    return pipe2(fds, O_CLOEXEC | O_DIRECT) == 0;
}

bool system_take_credentials(int fd)
{
    const int on = 1;
    return setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof on) == 0;
}

void system_send_room(int fd, int size)
{
    if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size) != 0)
        setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
}

/*
 * A listener tells its backlog where a connection tells what was acknowledged. What stands in the
 * kernel's place may not go so far.
 */
int system_backlog(int fd)
{
    struct tcp_info info;
    socklen_t size = sizeof info;
    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) != 0 ||
        size < offsetof(struct tcp_info, tcpi_sacked) + sizeof info.tcpi_sacked)
        return -1;
    return (int)info.tcpi_sacked;
}

static int option_of(int fd, int level, int option)
{
    int value = -1;
    socklen_t size = sizeof value;
    return getsockopt(fd, level, option, &value, &size) == 0 ? value : -1;
}

int system_fast_open_queue(int fd)
{
    return option_of(fd, IPPROTO_TCP, TCP_FASTOPEN);
}

int system_fast_open(int fd)
{
    return option_of(fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT);
}

bool system_joins(int fd)
{
    return option_of(fd, IPPROTO_UDP, UDP_GRO) > 0;
}
