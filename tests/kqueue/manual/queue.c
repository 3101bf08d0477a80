/*
 * queue.c: what the tests of kqueue() and kevent() share; see queue.h.
 */
#include "queue.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

static const struct timespec at_once = {0, 0};

int change(int queue, int ident, short filter, unsigned flags, unsigned notes, void *udata)
{
    struct kevent event;
    EV_SET(&event, (uintptr_t)ident, filter, (unsigned short)(flags | EV_RECEIPT), notes, 0, udata);
    assert_int_equal(kevent(queue, &event, 1, &event, 1, NULL), 1);
    assert_true(event.flags & EV_ERROR);
    assert_int_equal(event.ident, ident);
    assert_int_equal(event.filter, filter);
    assert_ptr_equal(event.udata, udata);
    return (int)event.data;
}

void changed(int queue, int ident, short filter, unsigned flags)
{
    assert_int_equal(change(queue, ident, filter, flags, 0, NULL), 0);
}

int told(int queue, struct kevent *events, int count)
{
    return kevent(queue, NULL, 0, events, count, &at_once);
}

struct kevent told_one(int queue, int ident, short filter)
{
    struct kevent events[2];
    assert_int_equal(told(queue, events, 2), 1);
    assert_int_equal(events[0].ident, ident);
    assert_int_equal(events[0].filter, filter);
    assert_false(events[0].flags & EV_ERROR);
    return events[0];
}

void told_nothing(int queue)
{
    struct kevent event;
    assert_int_equal(told(queue, &event, 1), 0);
}

struct kevent wait_one(int queue)
{
    struct kevent event = {0};
    assert_int_equal(kevent(queue, NULL, 0, &event, 1, NULL), 1);
    return event;
}

void tcp_open(int fds[2])
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &size), 0);
    fds[0] = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(fds[0], (struct sockaddr *)&address, sizeof address), 0);
    fds[1] = accept(listener, NULL, NULL);
    assert_true(fds[1] >= 0);
    fd_nonblocking(fds[0]);
    fd_nonblocking(fds[1]);
    close(listener);
}

void fill(int fd)
{
    static const char bytes[4096];
    while (write(fd, bytes, sizeof bytes) > 0 || write(fd, bytes, 1) > 0)
        ;
    assert_int_equal(errno, EAGAIN);
}
