/*
 * queue.h: what the tests of kqueue() and kevent() share. Include it first.
 */
#ifndef EVLOOP_TEST_QUEUE_H
#define EVLOOP_TEST_QUEUE_H

#include <support.h>

#include <sys/event.h>

/* Applies one change, with a receipt; gives its errno. */
int change(int queue, int ident, short filter, unsigned flags, unsigned notes, void *udata);
/* change() that has to succeed, without data of the user. */
void changed(int queue, int ident, short filter, unsigned flags);
/* What there is, without waiting. */
int told(int queue, struct kevent *events, int count);
/* There is this one event; gives it. */
struct kevent told_one(int queue, int ident, short filter);
void told_nothing(int queue);
/* Waits for one event, as long as the test's limit lets it. */
struct kevent wait_one(int queue);

/* Two stream sockets that TCP connects; not blocking. */
void tcp_open(int fds[2]);
/* Writes until there is no room. */
void fill(int fd);

#endif
