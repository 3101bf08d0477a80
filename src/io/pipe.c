/*
 * pipe.c: pipes to children, and the standard descriptors, as streams.
 */
#include "evloop/pipe.h"

#include "evloop/socket.h"
#include "io/stream.h"
#include "poller/descriptor.h"
#include "poller/socket.h"

enum { PIPE_READ, PIPE_WRITE };

enum { STANDARD_INPUT, STANDARD_OUTPUT, STANDARD_ERROR };

static int open_pipe(evloop *loop, evloop_stream *stream, int *child_end, int ours)
{
    int fds[2];
    int err = child_end ? stream_check_open(loop, stream) : -EINVAL;
    if (!err)
        err = descriptor_pipe(fds, ours);
    if (err)
        return err;
    err = stream_attach(loop, stream, fds[ours], ENDPOINT_STREAM, 0);
    if (err) {
        socket_close(fds[PIPE_READ]);
        socket_close(fds[PIPE_WRITE]);
        return err;
    }
    *child_end = fds[!ours];
    return 0;
}

int evloop_pipe_to(evloop *loop, evloop_stream *stream, int *child_end)
{
    return open_pipe(loop, stream, child_end, PIPE_WRITE);
}

int evloop_pipe_from(evloop *loop, evloop_stream *stream, int *child_end)
{
    return open_pipe(loop, stream, child_end, PIPE_READ);
}

/* On another number, so that this one is neither closed nor, where it can be avoided, changed. */
static int open_standard(evloop *loop, evloop_stream *stream, int number)
{
    int err = stream_check_open(loop, stream);
    int fd = err ? err : descriptor_duplicate(number);
    if (fd < 0)
        return fd;
    err = evloop_stream_open(loop, stream, fd);
    if (err)
        socket_close(fd);
    return err;
}

int evloop_stdin_open(evloop *loop, evloop_stream *stream)
{
    return open_standard(loop, stream, STANDARD_INPUT);
}

int evloop_stdout_open(evloop *loop, evloop_stream *stream)
{
    return open_standard(loop, stream, STANDARD_OUTPUT);
}

int evloop_stderr_open(evloop *loop, evloop_stream *stream)
{
    return open_standard(loop, stream, STANDARD_ERROR);
}
