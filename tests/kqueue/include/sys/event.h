/*
 * sys/event.h: kqueue() and kevent() for Linux, of use to the tests alone: what evloop uses of
 * them, and what their manual page says of that. kqueue.h says how.
 */
#ifndef EVLOOP_TEST_SYS_EVENT_H
#define EVLOOP_TEST_SYS_EVENT_H

#include <stddef.h>
#include <stdint.h>
#include <time.h>

struct kevent {
    uintptr_t ident;
    short filter;
    unsigned short flags;
    unsigned fflags;
    int64_t data;
    void *udata;
};

#define EV_SET(kevent_, ident_, filter_, flags_, fflags_, data_, udata_)                           \
    (*(kevent_) = (struct kevent){(ident_), (filter_), (flags_), (fflags_), (data_), (udata_)})

#define EVFILT_READ (-1)
#define EVFILT_WRITE (-2)

#define EV_ADD 0x0001
#define EV_DELETE 0x0002
#define EV_ENABLE 0x0004
#define EV_DISABLE 0x0008
#define EV_ONESHOT 0x0010
#define EV_CLEAR 0x0020
#define EV_RECEIPT 0x0040
#define EV_DISPATCH 0x0080
#define EV_ERROR 0x4000
#define EV_EOF 0x8000

/* What not every system has: see EVLOOP_TEST_KQUEUE. */
#ifndef KQUEUE_LEAST
#define EVFILT_USER (-10)
#define NOTE_TRIGGER 0x01000000
#define EVFILT_EXCEPT (-15)
#define NOTE_OOB 0x00000002
#endif

int kqueue(void);
int kevent(int fd, const struct kevent *changes, int change_count, struct kevent *events,
           int event_count, const struct timespec *timeout);

#endif
