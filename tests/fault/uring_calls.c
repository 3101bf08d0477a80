/*
 * uring_calls.c: see uring_calls.h.
 */
#include "uring_calls.h"

#include <liburing.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>

struct failing {
    atomic_uint count;
    unsigned from; /* the number of the first call that fails; 0: none does */
    unsigned to;   /* ... of the first that does not fail any more */
    int err;
};

static struct failing calls[CALLS];
static atomic_int mappings;

static const char *const names[CALLS] = {
    "io_uring_queue_init_params",
    "io_uring_register",
    "io_uring_register_probe",
    "io_uring_register_buf_ring",
    "io_uring_submit",
    "io_uring_submit_and_wait_timeout",
    "socketpair",
    "socket",
    "bind",
    "listen",
    "getsockname",
    "connect",
    "send",
    "recv",
    "fcntl",
    "mmap",
};

void uring_calls_reset(void)
{
    memset(calls, 0, sizeof calls);
}

void uring_calls_fail(enum call call, unsigned nth, unsigned times, int err)
{
    unsigned made = atomic_load(&calls[call].count);
    calls[call].from = made + nth;
    calls[call].to = made + nth + times;
    calls[call].err = err;
}

unsigned uring_calls_count(enum call call)
{
    return atomic_load(&calls[call].count);
}

int uring_calls_mappings(void)
{
    return atomic_load(&mappings);
}

const char *uring_call_name(enum call call)
{
    return names[call];
}

/* What liburing's functions return; others return -1, and errno is set. */
static int failure(enum call call)
{
    struct failing *failing = &calls[call];
    unsigned number = atomic_fetch_add(&failing->count, 1) + 1;
    if (!failing->from || number < failing->from || number >= failing->to)
        return 0;
    errno = failing->err;
    return -failing->err;
}

/* ---- liburing -------------------------------------------------------------------------------- */

int __real_io_uring_queue_init_params(unsigned entries, struct io_uring *ring,
                                      struct io_uring_params *params);
int __wrap_io_uring_queue_init_params(unsigned entries, struct io_uring *ring,
                                      struct io_uring_params *params);

int __wrap_io_uring_queue_init_params(unsigned entries, struct io_uring *ring,
                                      struct io_uring_params *params)
{
    int err = failure(CALL_QUEUE_INIT);
    return err ? err : __real_io_uring_queue_init_params(entries, ring, params);
}

int __real_io_uring_register(unsigned fd, unsigned opcode, const void *arg, unsigned count);
int __wrap_io_uring_register(unsigned fd, unsigned opcode, const void *arg, unsigned count);

int __wrap_io_uring_register(unsigned fd, unsigned opcode, const void *arg, unsigned count)
{
    int err = failure(CALL_REGISTER);
    return err ? err : __real_io_uring_register(fd, opcode, arg, count);
}

int __real_io_uring_register_probe(struct io_uring *ring, struct io_uring_probe *probe,
                                   unsigned count);
int __wrap_io_uring_register_probe(struct io_uring *ring, struct io_uring_probe *probe,
                                   unsigned count);

int __wrap_io_uring_register_probe(struct io_uring *ring, struct io_uring_probe *probe,
                                   unsigned count)
{
    int err = failure(CALL_REGISTER_PROBE);
    return err ? err : __real_io_uring_register_probe(ring, probe, count);
}

int __real_io_uring_register_buf_ring(struct io_uring *ring, struct io_uring_buf_reg *reg,
                                      unsigned flags);
int __wrap_io_uring_register_buf_ring(struct io_uring *ring, struct io_uring_buf_reg *reg,
                                      unsigned flags);

int __wrap_io_uring_register_buf_ring(struct io_uring *ring, struct io_uring_buf_reg *reg,
                                      unsigned flags)
{
    int err = failure(CALL_REGISTER_BUFFERS);
    return err ? err : __real_io_uring_register_buf_ring(ring, reg, flags);
}

int __real_io_uring_submit(struct io_uring *ring);
int __wrap_io_uring_submit(struct io_uring *ring);

int __wrap_io_uring_submit(struct io_uring *ring)
{
    int err = failure(CALL_SUBMIT);
    return err ? err : __real_io_uring_submit(ring);
}

int __real_io_uring_submit_and_wait_timeout(struct io_uring *ring, struct io_uring_cqe **cqe,
                                            unsigned count, struct __kernel_timespec *timeout,
                                            sigset_t *mask);
int __wrap_io_uring_submit_and_wait_timeout(struct io_uring *ring, struct io_uring_cqe **cqe,
                                            unsigned count, struct __kernel_timespec *timeout,
                                            sigset_t *mask);

int __wrap_io_uring_submit_and_wait_timeout(struct io_uring *ring, struct io_uring_cqe **cqe,
                                            unsigned count, struct __kernel_timespec *timeout,
                                            sigset_t *mask)
{
    int err = failure(CALL_WAIT);
    return err ? err : __real_io_uring_submit_and_wait_timeout(ring, cqe, count, timeout, mask);
}

/* ---- sockets, memory ------------------------------------------------------------------------- */

int __real_socketpair(int family, int type, int protocol, int fds[2]);
int __wrap_socketpair(int family, int type, int protocol, int fds[2]);

int __wrap_socketpair(int family, int type, int protocol, int fds[2])
{
    return failure(CALL_SOCKETPAIR) ? -1 : __real_socketpair(family, type, protocol, fds);
}

int __real_socket(int family, int type, int protocol);
int __wrap_socket(int family, int type, int protocol);

int __wrap_socket(int family, int type, int protocol)
{
    return failure(CALL_SOCKET) ? -1 : __real_socket(family, type, protocol);
}

int __real_bind(int fd, const struct sockaddr *address, socklen_t size);
int __wrap_bind(int fd, const struct sockaddr *address, socklen_t size);

int __wrap_bind(int fd, const struct sockaddr *address, socklen_t size)
{
    return failure(CALL_BIND) ? -1 : __real_bind(fd, address, size);
}

int __real_listen(int fd, int backlog);
int __wrap_listen(int fd, int backlog);

int __wrap_listen(int fd, int backlog)
{
    return failure(CALL_LISTEN) ? -1 : __real_listen(fd, backlog);
}

int __real_getsockname(int fd, struct sockaddr *address, socklen_t *size);
int __wrap_getsockname(int fd, struct sockaddr *address, socklen_t *size);

int __wrap_getsockname(int fd, struct sockaddr *address, socklen_t *size)
{
    return failure(CALL_GETSOCKNAME) ? -1 : __real_getsockname(fd, address, size);
}

int __real_connect(int fd, const struct sockaddr *address, socklen_t size);
int __wrap_connect(int fd, const struct sockaddr *address, socklen_t size);

int __wrap_connect(int fd, const struct sockaddr *address, socklen_t size)
{
    return failure(CALL_CONNECT) ? -1 : __real_connect(fd, address, size);
}

ssize_t __real_send(int fd, const void *data, size_t size, int flags);
ssize_t __wrap_send(int fd, const void *data, size_t size, int flags);

ssize_t __wrap_send(int fd, const void *data, size_t size, int flags)
{
    return failure(CALL_SEND) ? -1 : __real_send(fd, data, size, flags);
}

ssize_t __real_recv(int fd, void *data, size_t size, int flags);
ssize_t __wrap_recv(int fd, void *data, size_t size, int flags);

ssize_t __wrap_recv(int fd, void *data, size_t size, int flags)
{
    return failure(CALL_RECV) ? -1 : __real_recv(fd, data, size, flags);
}

int __real_fcntl(int fd, int command, ...);
int __wrap_fcntl(int fd, int command, ...);

int __wrap_fcntl(int fd, int command, ...)
{
    va_list arguments;
    va_start(arguments, command);
    long argument = va_arg(arguments, long);
    va_end(arguments);
    return failure(CALL_FCNTL) ? -1 : __real_fcntl(fd, command, argument);
}

void *__real_mmap(void *address, size_t size, int protection, int flags, int fd, off_t offset);
void *__wrap_mmap(void *address, size_t size, int protection, int flags, int fd, off_t offset);

void *__wrap_mmap(void *address, size_t size, int protection, int flags, int fd, off_t offset)
{
    if (failure(CALL_MMAP))
        return MAP_FAILED;
    void *memory = __real_mmap(address, size, protection, flags, fd, offset);
    if (memory != MAP_FAILED)
        atomic_fetch_add(&mappings, 1);
    return memory;
}

int __real_munmap(void *memory, size_t size);
int __wrap_munmap(void *memory, size_t size);

int __wrap_munmap(void *memory, size_t size)
{
    atomic_fetch_sub(&mappings, 1);
    return __real_munmap(memory, size);
}

/* ---- a kernel that refuses ------------------------------------------------------------------- */

void uring_refuse(unsigned which, int err)
{
    const uint32_t action = err ? SECCOMP_RET_ERRNO | (uint32_t)err : SECCOMP_RET_KILL_PROCESS;
    const uint32_t numbers[] = {__NR_io_uring_setup, __NR_io_uring_enter, __NR_io_uring_register};
    struct sock_filter filter[2 + 2 * 3] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
    };
    unsigned short length = 1;
    for (unsigned i = 0; i < 3; i++) {
        if (!(which & (1u << i)))
            continue;
        filter[length++] =
            (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, numbers[i], 0, 1);
        filter[length++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, action);
    }
    filter[length++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    const struct sock_fprog program = {.len = length, .filter = filter};
    check(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
    check(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0);
}
