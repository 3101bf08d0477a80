/*
 * filter.c: the filters, which say whether there is something to be told; see kqueue.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "kqueue.h"

static const short filters[SLOTS] = {EVFILT_READ, EVFILT_WRITE, EVFILT_EXCEPT};
static const uint32_t asked[SLOTS] = {EPOLLIN | EPOLLRDHUP, EPOLLOUT, EPOLLPRI};

enum { AT_ONCE = 256, OF_THE_USER = EV_CLEAR | EV_ONESHOT | EV_DISPATCH | EV_DISABLE };

int filter_slot(short filter)
{
    for (int i = 0; i < SLOTS; i++)
        if (filters[i] == filter)
            return i;
    return -1;
}

struct knote *kqueue_knote(struct kqueue_state *queue, uintptr_t fd, enum slot slot)
{
    struct knote *knote = fd < queue->knote_count ? &queue->knotes[fd][slot] : NULL;
    return knote && knote->used ? knote : NULL;
}

/* ---- changes --------------------------------------------------------------------------------- */

static int control(const struct kqueue_state *queue, uintptr_t fd, enum slot slot, int operation,
                   const struct knote *knote)
{
    struct epoll_event event = {.events = asked[slot], .data = {.u64 = fd}};
    if (knote->flags & EV_CLEAR || slot == SLOT_EXCEPT)
        event.events |= EPOLLET;
    return syscall(SYS_epoll_ctl, queue->inner[slot], operation, (int)fd, &event) == 0 ? 0 : errno;
}

static bool disabled(const struct knote *knote)
{
    return knote->flags & EV_DISABLE;
}

static int reserve(struct kqueue_state *queue, size_t count)
{
    if (count <= queue->knote_count)
        return 0;
    size_t wanted = queue->knote_count ? queue->knote_count : 64;
    while (wanted < count)
        wanted *= 2;
    void *knotes = realloc(queue->knotes, wanted * sizeof *queue->knotes);
    if (!knotes)
        return ENOMEM;
    queue->knotes = knotes;
    memset(queue->knotes + queue->knote_count, 0,
           (wanted - queue->knote_count) * sizeof *queue->knotes);
    queue->knote_count = wanted;
    return 0;
}

/* Of those that the system has no event for, it says that they are invalid. */
static int add(struct kqueue_state *queue, const struct kevent *change, enum slot slot)
{
    struct stat status;
    int fd = (int)change->ident;
    if (change->ident > INT32_MAX || syscall(SYS_fstat, fd, &status) != 0)
        return EBADF;
    int err = reserve(queue, change->ident + 1);
    if (err)
        return err;
    struct knote *knote = &queue->knotes[change->ident][slot];
    if (slot == SLOT_EXCEPT && !S_ISSOCK(status.st_mode))
        return EINVAL;
    bool enabled = knote->used && !disabled(knote);
    struct knote wanted = {.used = true,
                           .flags = change->flags & OF_THE_USER,
                           .fflags = change->fflags,
                           .data = change->data,
                           .udata = change->udata};
    if (knote->used) /* what it is stays; whether it is enabled does not */
        wanted.flags =
            (unsigned short)((knote->flags & ~EV_DISABLE) | (change->flags & EV_DISABLE));
    if (!disabled(&wanted))
        err = control(queue, change->ident, slot, enabled ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, &wanted);
    else if (enabled)
        err = control(queue, change->ident, slot, EPOLL_CTL_DEL, &wanted);
    if (!err)
        *knote = wanted;
    return err == EPERM ? EINVAL : err;
}

static void drop(struct kqueue_state *queue, uintptr_t fd, enum slot slot)
{
    struct knote *knote = kqueue_knote(queue, fd, slot);
    if (!disabled(knote))
        (void)control(queue, fd, slot, EPOLL_CTL_DEL, knote);
    memset(knote, 0, sizeof *knote);
}

static int enable(struct kqueue_state *queue, const struct kevent *change, enum slot slot)
{
    struct knote *knote = kqueue_knote(queue, change->ident, slot);
    int err = 0;
    if (change->flags & EV_ENABLE && disabled(knote)) {
        knote->flags &= (unsigned short)~EV_DISABLE;
        err = control(queue, change->ident, slot, EPOLL_CTL_ADD, knote);
    }
    if (!err && change->flags & EV_DISABLE && !disabled(knote)) {
        err = control(queue, change->ident, slot, EPOLL_CTL_DEL, knote);
        knote->flags |= EV_DISABLE;
    }
    return err;
}

int filter_apply(struct kqueue_state *queue, const struct kevent *change, enum slot slot)
{
    struct stat status;
    if (change->flags & EV_ADD)
        return add(queue, change, slot);
    if (change->ident > INT32_MAX || syscall(SYS_fstat, (int)change->ident, &status) != 0)
        return EBADF;
    if (!kqueue_knote(queue, change->ident, slot))
        return ENOENT;
    if (!(change->flags & EV_DELETE))
        return enable(queue, change, slot);
    drop(queue, change->ident, slot);
    return 0;
}

void filter_forget(struct kqueue_state *queue, int fd)
{
    pthread_mutex_lock(&queue->mutex);
    for (int i = 0; i < SLOTS; i++)
        if (kqueue_knote(queue, (uintptr_t)fd, (enum slot)i))
            drop(queue, (uintptr_t)fd, (enum slot)i);
    pthread_mutex_unlock(&queue->mutex);
}

/* ---- events of the user ---------------------------------------------------------------------- */

static void ring(const struct kqueue_state *queue)
{
    const uint64_t one = 1;
    (void)!syscall(SYS_write, queue->event_fd, &one, sizeof one);
}

static struct user *find_user(struct kqueue_state *queue, uintptr_t ident)
{
    for (int i = 0; i < USERS; i++)
        if (atomic_load(&queue->users[i].used) && atomic_load(&queue->users[i].ident) == ident)
            return &queue->users[i];
    return NULL;
}

static struct user *new_user(struct kqueue_state *queue)
{
    for (int i = 0; i < USERS; i++)
        if (!atomic_load(&queue->users[i].used))
            return &queue->users[i];
    return NULL;
}

int filter_trigger(struct kqueue_state *queue, const struct kevent *change)
{
    struct user *user = find_user(queue, change->ident);
    if (!user)
        return ENOENT;
    atomic_store(&user->triggered, true);
    ring(queue);
    return 0;
}

int filter_apply_user(struct kqueue_state *queue, const struct kevent *change)
{
    struct user *user = find_user(queue, change->ident);
    if (!user && !(change->flags & EV_ADD))
        return ENOENT;
    if (!user)
        user = new_user(queue);
    if (!user)
        return ENOMEM;
    if (change->flags & EV_DELETE) {
        atomic_store(&user->used, false);
        atomic_store(&user->triggered, false);
        return 0;
    }
    if (change->flags & EV_ADD) {
        if (!atomic_load(&user->used)) {
            user->knote.flags = change->flags & OF_THE_USER;
            atomic_store(&user->triggered, false);
        }
        user->knote.udata = change->udata;
        atomic_store(&user->ident, change->ident);
        atomic_store(&user->used, true);
    }
    if (change->flags & EV_DISABLE)
        user->knote.flags |= EV_DISABLE;
    if (change->flags & (EV_ENABLE | EV_ADD) && !(change->flags & EV_DISABLE))
        user->knote.flags &= (unsigned short)~EV_DISABLE;
    ring(queue); /* it may be triggered already */
    return change->fflags & NOTE_TRIGGER ? filter_trigger(queue, change) : 0;
}

static int collect_users(struct kqueue_state *queue, struct kevent *events, int count)
{
    uint64_t rung;
    int n = 0;
    if (count == 0 || syscall(SYS_read, queue->event_fd, &rung, sizeof rung) < 0)
        return 0;
    for (int i = 0; i < USERS; i++) {
        struct user *user = &queue->users[i];
        if (!atomic_load(&user->used) || disabled(&user->knote) || !atomic_load(&user->triggered))
            continue;
        if (n == count) {
            ring(queue);
            break;
        }
        EV_SET(&events[n++], user->ident, EVFILT_USER, user->knote.flags, 0, 0, user->knote.udata);
        if (user->knote.flags & (EV_CLEAR | EV_ONESHOT | EV_DISPATCH))
            atomic_store(&user->triggered, false);
        else
            ring(queue);
        if (user->knote.flags & EV_ONESHOT)
            atomic_store(&user->used, false);
        if (user->knote.flags & EV_DISPATCH)
            user->knote.flags |= EV_DISABLE;
    }
    return n;
}

/* ---- events of descriptors ------------------------------------------------------------------- */

static int option(int fd, int level, int name)
{
    int value = 0;
    socklen_t size = sizeof value;
    return syscall(SYS_getsockopt, fd, level, name, &value, &size) == 0 ? value : 0;
}

static bool tcp_info(int fd, struct tcp_info *info)
{
    socklen_t size = sizeof *info;
    return syscall(SYS_getsockopt, fd, IPPROTO_TCP, TCP_INFO, info, &size) == 0;
}

static bool is_socket(int fd)
{
    return option(fd, SOL_SOCKET, SO_TYPE) != 0;
}

static bool is_stream(int fd)
{
    return option(fd, SOL_SOCKET, SO_TYPE) == SOCK_STREAM;
}

/* Bytes, or connections that wait; where Linux does not say, one. */
static int64_t readable(int fd)
{
    struct tcp_info info;
    int bytes = 0;
    if (option(fd, SOL_SOCKET, SO_ACCEPTCONN))
        return tcp_info(fd, &info) && info.tcpi_unacked > 0 ? info.tcpi_unacked : 1;
    return syscall(SYS_ioctl, fd, FIONREAD, &bytes) == 0 ? bytes : 1;
}

static int64_t writable(int fd)
{
    int room = option(fd, SOL_SOCKET, SO_SNDBUF);
    int used = 0;
    if (room > 0)
        (void)syscall(SYS_ioctl, fd, SIOCOUTQ, &used);
    else if ((room = (int)syscall(SYS_fcntl, fd, F_GETPIPE_SZ)) > 0)
        (void)syscall(SYS_ioctl, fd, FIONREAD, &used);
    return used < room ? room - used : 1;
}

/* Sending nothing sends nothing through a unix stream, but fails when it has been shut down. */
static bool unix_has_shut_down(int fd)
{
    return option(fd, SOL_SOCKET, SO_DOMAIN) == AF_UNIX && is_stream(fd) &&
           syscall(SYS_sendto, fd, "", 0, MSG_NOSIGNAL | MSG_DONTWAIT, NULL, 0) < 0 &&
           errno == EPIPE;
}

static bool has_shut_down(int fd)
{
    struct tcp_info info;
    if (!tcp_info(fd, &info))
        return unix_has_shut_down(fd);
    switch (info.tcpi_state) {
    case TCP_FIN_WAIT1:
    case TCP_FIN_WAIT2:
    case TCP_CLOSING:
    case TCP_LAST_ACK:
    case TCP_TIME_WAIT:
        return true;
    default:
        return false;
    }
}

/*
 * "If the read direction of the socket has shutdown, then the filter also sets EV_EOF in flags, and
 * returns the socket error (if any) in fflags." An error of a datagram shuts nothing down. Which
 * error it is cannot be asked without taking it away from whoever reads next.
 */
static void fill(struct kevent *event, int fd, uint32_t told)
{
    bool read = event->filter == EVFILT_READ;
    if (event->filter != EVFILT_READ && event->filter != EVFILT_WRITE) {
        event->fflags = NOTE_OOB;
        return;
    }
    event->data = read ? readable(fd) : writable(fd);
    if (told & EPOLLERR && is_socket(fd) && !is_stream(fd))
        return;
    if (told & (EPOLLHUP | EPOLLERR) || (read && told & EPOLLRDHUP) || (!read && has_shut_down(fd)))
        event->flags |= EV_EOF;
    if (told & EPOLLERR && is_socket(fd))
        event->fflags = ECONNRESET;
}

/* Ends and errors are told with urgent data, asked for or not: what is told again is that alone. */
static void after_telling(struct kqueue_state *queue, uintptr_t fd, enum slot slot)
{
    struct knote *knote = kqueue_knote(queue, fd, slot);
    struct kevent disable = {.ident = fd, .flags = EV_DISABLE};
    if (knote->flags & EV_ONESHOT)
        drop(queue, fd, slot);
    else if (knote->flags & EV_DISPATCH)
        (void)enable(queue, &disable, slot);
    else if (slot == SLOT_EXCEPT && !(knote->flags & EV_CLEAR))
        (void)control(queue, fd, slot, EPOLL_CTL_MOD, knote);
}

/* What was asked for, or has failed: Linux tells the latter in any case. */
static bool concerns(enum slot slot, uint32_t told)
{
    return slot != SLOT_EXCEPT || told & EPOLLPRI;
}

static int collect_slot(struct kqueue_state *queue, enum slot slot, struct kevent *events,
                        int count)
{
    struct epoll_event told[AT_ONCE];
    int wanted = count < AT_ONCE ? count : AT_ONCE;
    int n = 0;
    if (count == 0)
        return 0;
    long got = syscall(SYS_epoll_pwait, queue->inner[slot], told, wanted, 0, NULL, 8);
    for (long i = 0; i < got; i++) {
        uintptr_t fd = told[i].data.u64;
        const struct knote *knote = kqueue_knote(queue, fd, slot);
        if (!knote || !concerns(slot, told[i].events))
            continue;
        EV_SET(&events[n], fd, filters[slot], knote->flags, 0, 0, knote->udata);
        fill(&events[n++], (int)fd, told[i].events);
        after_telling(queue, fd, slot);
    }
    return n;
}

int filter_collect(struct kqueue_state *queue, struct kevent *events, int count)
{
    int n = collect_users(queue, events, count);
    unsigned first = queue->first_slot++;
    for (unsigned i = 0; i < SLOTS; i++)
        n += collect_slot(queue, (enum slot)((first + i) % SLOTS), events + n, count - n);
    return n;
}
