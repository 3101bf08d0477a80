/*
 * kqueue.h: how kqueue() and kevent() are made of what Linux has.
 *
 * The descriptor of a kqueue is that of an epoll instance, which holds one more for each filter of
 * descriptors and an eventfd for EVFILT_USER: so it polls readable when there is an event, and the
 * filters of one descriptor are told apart, level-triggered or not (EPOLLET). Whether something is
 * still so when it is retrieved, the kernel looks itself.
 *
 * close() and the dup() family are caught (descriptors.c), to drop what is registered of a number,
 * and to know the kqueue by all its numbers. In a fork's child there is none of them.
 *
 * All calls to the kernel go through syscall(): tests count those of the library, and let them
 * fail.
 */
#ifndef EVLOOP_TEST_KQUEUE_H
#define EVLOOP_TEST_KQUEUE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/event.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Of descriptors. */
enum slot { SLOT_READ, SLOT_WRITE, SLOT_EXCEPT, SLOTS };

enum { USERS = 8, QUEUES = 4096 };

/* What is registered by (ident, filter). */
struct knote {
    bool used;
    unsigned short flags; /* EV_CLEAR, EV_ONESHOT, EV_DISPATCH, EV_DISABLE */
    unsigned fflags;
    int64_t data;
    void *udata;
};

/* What is atomic is looked at without the mutex. */
struct user {
    struct knote knote;
    atomic_bool used;
    atomic_uintptr_t ident;
    atomic_bool triggered;
};

struct kqueue_state {
    int fd;           /* one of its numbers */
    unsigned numbers; /* how many it has */
    int inner[SLOTS];
    int event_fd;
    unsigned first_slot; /* that is looked at; each in turn */
    pthread_mutex_t mutex;
    struct knote (*knotes)[SLOTS]; /* by descriptor */
    size_t knote_count;
    struct user users[USERS];
};

/* NULL: no kqueue has this descriptor. Signal-safe. */
struct kqueue_state *kqueue_find(int fd);

/* What is registered of this number is dropped; and the kqueue, if it was its last one. */
void kqueue_forget(int fd);
/* The number is one more of this kqueue. */
int kqueue_number(struct kqueue_state *queue, int fd);

/* Behind the back of what is caught. */
void descriptor_drop(int fd);
/* Moved beyond the numbers that tests look at. */
int descriptor_hide(long fd);

/* The knote of a descriptor; NULL: there is none. With the mutex. */
struct knote *kqueue_knote(struct kqueue_state *queue, uintptr_t fd, enum slot slot);

/* The filters. Each returns 0 or an errno, with the mutex. */
int filter_slot(short filter); /* -1: not one of descriptors */
int filter_apply(struct kqueue_state *queue, const struct kevent *change, enum slot slot);
int filter_apply_user(struct kqueue_state *queue, const struct kevent *change);
/* Any thread, signal-safe: without the mutex. */
int filter_trigger(struct kqueue_state *queue, const struct kevent *change);
void filter_forget(struct kqueue_state *queue, int fd);

/* What there is to be told; returns how many. */
int filter_collect(struct kqueue_state *queue, struct kevent *events, int count);

#endif
