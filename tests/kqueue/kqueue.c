/*
 * kqueue.c: the life of kqueues; see kqueue.h.
 */
#include "kqueue.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

/* By descriptor. Changed under the mutex. */
static _Atomic(struct kqueue_state *) queues[QUEUES];
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static atomic_uint queue_count;
static atomic_int end; /* there are none from here on */

struct kqueue_state *kqueue_find(int fd)
{
    return fd >= 0 && fd < QUEUES ? atomic_load(&queues[fd]) : NULL;
}

static void destroy(struct kqueue_state *queue)
{
    for (int i = 0; i < SLOTS; i++)
        descriptor_drop(queue->inner[i]);
    descriptor_drop(queue->event_fd);
    pthread_mutex_destroy(&queue->mutex);
    free(queue->knotes);
    free(queue);
}

/* ---- fork ------------------------------------------------------------------------------------ */

static void each_queue(void (*fn)(struct kqueue_state *queue))
{
    for (int fd = 0; fd < atomic_load(&end); fd++) {
        struct kqueue_state *queue = atomic_load(&queues[fd]);
        if (queue && queue->fd == fd)
            fn(queue);
    }
}

static void lock(struct kqueue_state *queue)
{
    pthread_mutex_lock(&queue->mutex);
}

static void unlock(struct kqueue_state *queue)
{
    pthread_mutex_unlock(&queue->mutex);
}

static void before_fork(void)
{
    pthread_mutex_lock(&mutex);
    each_queue(lock);
}

static void in_parent(void)
{
    each_queue(unlock);
    pthread_mutex_unlock(&mutex);
}

static void lose(void)
{
    for (int fd = 0; fd < atomic_load(&end); fd++) {
        struct kqueue_state *queue = atomic_exchange(&queues[fd], NULL);
        if (!queue)
            continue;
        descriptor_drop(fd);
        if (--queue->numbers == 0)
            destroy(queue);
    }
}

static void in_child(void)
{
    each_queue(unlock);
    lose();
    atomic_store(&queue_count, 0);
    pthread_mutex_unlock(&mutex);
}

/* Before there is anything that could fork, or that a test could count. */
__attribute__((constructor)) static void catch_forks(void)
{
    pthread_atfork(before_fork, in_parent, in_child);
}

/* ---- open ------------------------------------------------------------------------------------ */

static bool put_inside(const struct kqueue_state *queue, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data = {.fd = fd}};
    return fd >= 0 && syscall(SYS_epoll_ctl, queue->fd, EPOLL_CTL_ADD, fd, &event) == 0;
}

static bool open_all(struct kqueue_state *queue)
{
    bool opened = queue->fd >= 0 && queue->fd < QUEUES;
    for (int i = 0; i < SLOTS && opened; i++) {
        queue->inner[i] = descriptor_hide(syscall(SYS_epoll_create1, EPOLL_CLOEXEC));
        opened = put_inside(queue, queue->inner[i]);
    }
    if (opened)
        queue->event_fd = descriptor_hide(syscall(SYS_eventfd2, 0, EFD_CLOEXEC | EFD_NONBLOCK));
    return opened && put_inside(queue, queue->event_fd);
}

int kqueue(void)
{
    struct kqueue_state *queue = calloc(1, sizeof *queue);
    if (!queue) {
        errno = ENOMEM;
        return -1;
    }
    pthread_mutex_init(&queue->mutex, NULL);
    for (int i = 0; i < SLOTS; i++)
        queue->inner[i] = -1;
    queue->event_fd = -1;
    queue->fd = (int)syscall(SYS_epoll_create1, EPOLL_CLOEXEC);
    if (!open_all(queue)) {
        int err = queue->fd >= QUEUES ? EMFILE : errno;
        descriptor_drop(queue->fd);
        destroy(queue);
        errno = err;
        return -1;
    }
    return kqueue_number(queue, queue->fd);
}

/* ---- numbers --------------------------------------------------------------------------------- */

int kqueue_number(struct kqueue_state *queue, int fd)
{
    if (fd < 0)
        return fd;
    if (fd >= QUEUES) {
        descriptor_drop(fd);
        errno = EMFILE;
        return -1;
    }
    pthread_mutex_lock(&mutex);
    atomic_store(&queues[fd], queue);
    queue->numbers++;
    if (fd >= atomic_load(&end))
        atomic_store(&end, fd + 1);
    atomic_fetch_add(&queue_count, 1);
    pthread_mutex_unlock(&mutex);
    return fd;
}

static int other_number(const struct kqueue_state *queue)
{
    int fd = 0;
    while (atomic_load(&queues[fd]) != queue)
        fd++;
    return fd;
}

static void lose_number(struct kqueue_state *queue, int fd)
{
    atomic_store(&queues[fd], NULL);
    atomic_fetch_sub(&queue_count, 1);
    if (--queue->numbers == 0)
        destroy(queue);
    else if (queue->fd == fd)
        queue->fd = other_number(queue);
}

/* "Calling close() on a file descriptor will remove any kevents that reference the descriptor." */
void kqueue_forget(int fd)
{
    if (fd < 0 || atomic_load(&queue_count) == 0)
        return;
    pthread_mutex_lock(&mutex);
    if (kqueue_find(fd))
        lose_number(kqueue_find(fd), fd);
    for (int i = 0; i < atomic_load(&end) && atomic_load(&queue_count) > 0; i++)
        if (atomic_load(&queues[i]))
            filter_forget(atomic_load(&queues[i]), fd);
    pthread_mutex_unlock(&mutex);
}
