/*
 * uring_message.c: datagrams, received by the kernel: see uring.h.
 */
#include <errno.h>

#include "poller/uring.h"

int uring_receive_messages(struct poller *poller, struct evloop_operation *operation,
                           const struct evloop_message_format *format)
{
    (void)poller, (void)operation, (void)format;
    return -ENOTSUP;
}

void uring_fill_messages(struct poller *poller, const struct evloop_operation *operation,
                         struct io_uring_sqe *request)
{
    (void)poller, (void)operation, (void)request;
}

bool uring_tell_messages(struct poller *poller, struct uring_entry *entry,
                         const struct uring_event *event)
{
    (void)poller, (void)entry, (void)event;
    return false;
}

void uring_put_message_aside(struct poller *poller, struct uring_entry *entry,
                             const struct uring_event *event)
{
    (void)poller, (void)entry, (void)event;
}

bool uring_tell_left_messages(struct poller *poller, struct uring_entry *entry)
{
    (void)poller, (void)entry;
    return false;
}

void uring_messages_free(struct poller *poller)
{
    pool_free(poller, &poller->uring->messages);
}
