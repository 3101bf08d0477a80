/*
 * make_guarded.c: descriptors that are close-on-exec, where the system makes them first and marks
 * them then; see socket.h, descriptor.h and transfer.h.
 *
 * No fork comes between the two: a fork waits for those who are at it, and whoever begins waits
 * for the fork, so that many that make descriptors do not keep it out. They do not wait for each
 * other. That covers fork(). It does not cover posix_spawn() and vfork(), which run no handlers,
 * nor system() and popen() where they are made of these: what they start may inherit a descriptor
 * that is just being made, unless it is told to keep only its own (POSIX_SPAWN_CLOEXEC_DEFAULT of
 * Darwin). A signal handler that forks cannot wait for the thread that it interrupted.
 *
 * Nothing is waited for meanwhile: the descriptors do not block.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "poller/descriptor.h"
#include "poller/socket.h"
#include "poller/transfer.h"
#include "util/atomic.h"

/* ---- the guard ------------------------------------------------------------------------------- */

/* Whoever makes a descriptor counts as 1, a fork that waits or is under way as FORK. */
enum { FORK = 1 << 20, MAKERS = FORK - 1 };

static ATOMIC(unsigned) guard;
static _Thread_local volatile bool making; /* this thread is at it, or about to be */
static _Thread_local bool forking;         /* and other handlers of the fork may make something */
static int prepare_result;

static void before_fork(void)
{
    forking = true;
    atomic_add(&guard, FORK, relaxed); /* one variable: begin()'s atomic_try() is before or after */
    /* acquire: what they made is marked; partner: end() */
    while (!making && atomic_get(&guard, acquire) & MAKERS)
        thread_yield();
}

static void after_fork(void)
{
    atomic_sub(&guard, FORK, release); /* partner: begin() */
    forking = false;
}

/* The other threads are not there, whatever they were at. */
static void after_fork_in_child(void)
{
    atomic_set(&guard, 0, release); /* partner: begin() */
    forking = false;
}

static void prepare(void *argument)
{
    (void)argument;
    prepare_result = -pthread_atfork(before_fork, after_fork, after_fork_in_child);
}

static int begin(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    unsigned before = atomic_get(&guard, relaxed); /* a guess: atomic_try() below decides */
    once_call(&once, prepare, NULL);
    if (prepare_result)
        return prepare_result;
    making = true;
    do {
        while (before >= FORK && !forking) {
            thread_yield();
            before = atomic_get(&guard, relaxed); /* as above */
        }
        /* acquire: after the fork; partners: after_fork(), after_fork_in_child() */
    } while (!atomic_try(&guard, &before, before + 1, acquire, relaxed));
    return 0;
}

/* In the child of a handler that came between, nobody is counted. errno stays. */
static void end(void)
{
    unsigned before = atomic_get(&guard, relaxed); /* a guess: atomic_try() decides */
    while (before & MAKERS && !atomic_try(&guard, &before, before - 1, release, relaxed))
        ; /* release: what was made is marked; partner: before_fork() */
    making = false;
}

/* ---- making ---------------------------------------------------------------------------------- */

/* What a call has just returned, or its error. access: O_RDONLY, O_WRONLY, O_RDWR. */
static int mark(int fd, int access, bool nonblocking)
{
    int err = fd < 0 ? -errno : 0;
    if (!err && fcntl(fd, F_SETFD, FD_CLOEXEC) != 0)
        err = -errno;
    /* Said in either case: an accepted socket may have it from the listener. */
    if (!err && fcntl(fd, F_SETFL, access | (nonblocking ? O_NONBLOCK : 0)) != 0)
        err = -errno;
    if (err && fd >= 0)
        close(fd);
    return err ? err : fd;
}

int socket_open(int family, int type)
{
    int err = begin();
    if (err)
        return err;
    int fd = mark(socket(family, type, 0), O_RDWR, true);
    end();
    return fd;
}

int transfer_accept(int fd)
{
    int accepted;
    int err = begin();
    if (err)
        return err;
    do
        accepted = accept(fd, NULL, NULL);
    while (accepted < 0 && errno == EINTR);
    accepted = mark(accepted, O_RDWR, true);
    end();
    return accepted;
}

/* Both are closed if one of them cannot be marked. */
static int mark_both(const int fds[2], const int access[2], int nonblocking)
{
    int err = mark(fds[0], access[0], nonblocking == 0);
    if (err < 0) {
        close(fds[1]);
        return err;
    }
    err = mark(fds[1], access[1], nonblocking == 1);
    if (err < 0) {
        close(fds[0]);
        return err;
    }
    return 0;
}

static int make_pair(int fds[2])
{
    static const int both_ways[2] = {O_RDWR, O_RDWR};
    return socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0 ? mark_both(fds, both_ways, 0) : -errno;
}

int socket_pair(int fds[2])
{
    int pair[2];
    int err = begin();
    if (err)
        return err;
    err = make_pair(pair);
    end();
    if (err)
        return err;
    fds[0] = pair[0];
    fds[1] = pair[1];
    return 0;
}

static int make_pipe(int fds[2], int nonblocking)
{
    static const int one_way[2] = {O_RDONLY, O_WRONLY};
    return pipe(fds) == 0 ? mark_both(fds, one_way, nonblocking) : -errno;
}

int descriptor_pipe(int fds[2], int nonblocking)
{
    int ends[2];
    int err = begin();
    if (err)
        return err;
    err = make_pipe(ends, nonblocking);
    end();
    if (err)
        return err;
    fds[0] = ends[0];
    fds[1] = ends[1];
    return 0;
}

/* ---- receiving ------------------------------------------------------------------------------- */

static void mark_received(int fd)
{
    (void)fcntl(fd, F_SETFD, FD_CLOEXEC); /* cannot fail: it has just come */
}

static void drop_received(int fd)
{
    close(fd);
}

/* Whether any descriptor came. */
static bool each_received(struct msghdr *message, void (*fn)(int fd))
{
    bool any = false;
    if (message->msg_controllen == 0)
        return false;
    for (struct cmsghdr *part = CMSG_FIRSTHDR(message); part; part = CMSG_NXTHDR(message, part)) {
        if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS)
            continue;
        int fd;
        size_t bytes = part->cmsg_len - CMSG_LEN(0);
        for (size_t at = 0; at + sizeof fd <= bytes; at += sizeof fd) {
            memcpy(&fd, CMSG_DATA(part) + at, sizeof fd);
            fn(fd);
            any = true;
        }
    }
    return any;
}

static ssize_t receive_and_mark(int fd, struct msghdr *message)
{
    ssize_t n = recvmsg(fd, message, 0);
    if (n >= 0)
        (void)each_received(message, mark_received);
    return n;
}

/* Darwin gives the process the descriptors that come, also where nobody has room for them. */
static ssize_t receive_and_drop(int fd, struct msghdr *message)
{
    union {
        struct cmsghdr header; /* for its alignment */
        char bytes[4096];      /* more than a message can have */
    } control;
    message->msg_control = control.bytes;
    message->msg_controllen = sizeof control;
    ssize_t n = recvmsg(fd, message, 0);
    if (n >= 0 && each_received(message, drop_received))
        message->msg_flags |= MSG_CTRUNC;
    message->msg_control = NULL;
    message->msg_controllen = 0;
    return n;
}

ssize_t transfer_receive_message(int fd, struct msghdr *message)
{
    int err = begin();
    if (err) {
        errno = -err;
        return -1;
    }
    ssize_t n =
        message->msg_control ? receive_and_mark(fd, message) : receive_and_drop(fd, message);
    end();
    return n;
}
