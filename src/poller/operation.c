/*
 * operation.c: who carries an operation out: the backend, on endpoints that it took, or ready.c.
 * Each direction of an endpoint is the one's or the other's.
 */
#include <errno.h>

#include "poller/ready.h"
#include "poller/socket.h"

static const struct poller_operations *
native(const struct poller *poller, const struct evloop_endpoint *endpoint, unsigned direction)
{
    return endpoint->flags & direction ? poller->backend->operations : NULL;
}

int poller_attach(struct poller *poller, struct evloop_endpoint *endpoint, int fd, unsigned flags)
{
    int err = ready_attach(poller, endpoint, fd, flags);
    if (!err && poller->backend->operations)
        poller->backend->operations->attach(poller, endpoint);
    return err;
}

int poller_detach(struct poller *poller, struct evloop_endpoint *endpoint)
{
    if (endpoint->flags & ENDPOINT_NATIVE)
        poller->backend->operations->detach(poller, endpoint);
    return ready_detach(poller, endpoint);
}

void poller_close_endpoint(struct poller *poller, struct evloop_endpoint *endpoint)
{
    socket_close(poller_detach(poller, endpoint));
}

bool poller_holds(const struct poller *poller, const struct evloop_endpoint *endpoint)
{
    return endpoint->flags & ENDPOINT_NATIVE &&
           poller->backend->operations->holds(poller, endpoint);
}

int poller_accept(struct poller *poller, struct evloop_operation *operation)
{
    const struct poller_operations *own = native(poller, operation->endpoint, ENDPOINT_NATIVE_IN);
    return own ? own->accept(poller, operation) : ready_accept(poller, operation);
}

void poller_connect(struct poller *poller, struct evloop_operation *operation,
                    const struct sockaddr *address, socklen_t size)
{
    const struct poller_operations *own = native(poller, operation->endpoint, ENDPOINT_NATIVE_OUT);
    if (own)
        own->connect(poller, operation, address, size);
    else
        ready_connect(poller, operation, address, size);
}

int poller_receive(struct poller *poller, struct evloop_operation *operation, void *memory,
                   size_t size)
{
    const struct poller_operations *own = native(poller, operation->endpoint, ENDPOINT_NATIVE_IN);
    return own ? own->receive(poller, operation, memory, size)
               : ready_receive(poller, operation, memory, size);
}

ssize_t poller_send(struct poller *poller, struct evloop_operation *operation)
{
    const struct poller_operations *own = native(poller, operation->endpoint, ENDPOINT_NATIVE_OUT);
    return own ? own->send(poller, operation) : ready_send(poller, operation);
}

int poller_receive_messages(struct poller *poller, struct evloop_operation *operation,
                            const struct evloop_message_format *format)
{
    const struct poller_operations *own = native(poller, operation->endpoint, ENDPOINT_NATIVE_IN);
    return own ? own->receive_messages(poller, operation, format)
               : ready_receive_messages(poller, operation, format);
}

size_t poller_cancel(struct poller *poller, struct evloop_operation *operation)
{
    if (operation->endpoint->flags & ENDPOINT_NATIVE)
        return poller->backend->operations->cancel(poller, operation);
    return ready_cancel(poller, operation);
}

void poller_take_fds(struct poller *poller, struct evloop_endpoint *endpoint)
{
    endpoint->flags |= ENDPOINT_TAKES_FDS;
    if (endpoint->flags & ENDPOINT_NATIVE_IN)
        poller->backend->operations->take_fds(poller, endpoint);
}

bool poller_next_completion(struct poller *poller)
{
    const struct poller_operations *own = poller->backend->operations;
    return (own && own->next_completion(poller)) || ready_next_completion(poller);
}

int poller_keep_buffer(struct poller *poller, const void *data)
{
    const struct poller_operations *own = poller->backend->operations;
    int err = own ? own->keep_buffer(poller, data) : -EINVAL;
    return err == -EINVAL ? buffers_keep(poller, data) : err;
}

int poller_release_buffer(struct poller *poller, const void *data)
{
    const struct poller_operations *own = poller->backend->operations;
    int err = own ? own->release_buffer(poller, data) : -EINVAL;
    return err == -EINVAL ? buffers_release(poller, data) : err;
}
