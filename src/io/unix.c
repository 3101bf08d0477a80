/*
 * unix.c: what unix sockets have beyond bytes: who the peer is, and descriptors that it passes.
 */
#include "io/stream.h"
#include "evloop/socket.h"
#include "poller/socket.h"
#include "util/memory.h"

/* Descriptors that came and that nobody has taken, in order. */
struct evloop_stream_fds {
    size_t first;
    size_t end;
    size_t room;
    int *fds;
};

int evloop_unix_credentials(const evloop_stream *stream, evloop_credentials *peer)
{
    int err = peer ? stream_check(stream) : -EINVAL;
    if (err)
        return err;
    if (!(stream->endpoint_.flags & ENDPOINT_UNIX))
        return -ENOTSUP;
    return socket_credentials(stream->endpoint_.fd, peer);
}

int evloop_unix_accept_fds(evloop_stream *stream)
{
    int err = stream_check(stream);
    if (err)
        return err;
    if (!(stream->endpoint_.flags & ENDPOINT_UNIX))
        return -ENOTSUP;
    if (!stream->fds_)
        stream->fds_ = (struct evloop_stream_fds *)memory_zalloc(&stream_loop(stream)->allocator,
                                                                 sizeof *stream->fds_);
    if (!stream->fds_)
        return -ENOMEM;
    poller_take_fds(stream_poller(stream), &stream->endpoint_);
    return 0;
}

/* Makes room at the end: what was taken at the front is room as well. */
static bool make_room(evloop *loop, struct evloop_stream_fds *all, size_t count)
{
    size_t used = all->end - all->first;
    if (all->first) {
        memmove(all->fds, all->fds + all->first, used * sizeof *all->fds);
        all->first = 0;
        all->end = used;
    }
    if (all->room - used >= count)
        return true;
    size_t room = (used + count) * 2;
    int *fds = (int *)loop->allocator.resize(loop->allocator.context, all->fds, room * sizeof *fds);
    if (!fds)
        return false;
    all->fds = fds;
    all->room = room;
    return true;
}

static int keep(evloop_stream *stream, const struct received *received)
{
    struct evloop_stream_fds *all = stream->fds_;
    if (!all || !make_room(stream_loop(stream), all, received->fd_count))
        return -ENOMEM;
    memcpy(all->fds + all->end, received->fds, received->fd_count * sizeof *all->fds);
    all->end += received->fd_count;
    return 0;
}

/* If not all can be kept, the stream has failed: it is not whole any more. */
void stream_keep_fds(evloop_stream *stream, const struct received *received)
{
    int err = received->fd_count ? keep(stream, received) : 0;
    for (unsigned i = 0; err && i < received->fd_count; i++)
        socket_close(received->fds[i]);
    if (err || received->lost)
        stream_fail(stream, err ? err : -EMFILE);
}

int evloop_unix_take_fd(evloop_stream *stream)
{
    int err = stream_check(stream);
    if (err)
        return err;
    struct evloop_stream_fds *all = stream->fds_;
    return all && all->first < all->end ? all->fds[all->first++] : -EAGAIN;
}

void stream_drop_fds(evloop_stream *stream)
{
    evloop *loop = stream_loop(stream);
    struct evloop_stream_fds *all = stream->fds_;
    if (!all)
        return;
    for (size_t i = all->first; i < all->end; i++)
        socket_close(all->fds[i]);
    memory_free(&loop->allocator, all->fds);
    memory_free(&loop->allocator, all);
    stream->fds_ = NULL;
}
