/*
 * pipes.c: the pipes, and what a reader does.
 */
#include "dispatch.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

void pipes_open(struct pipes *pipes, const struct bench *bench)
{
    pipes->count = bench->objects;
    pipes->active = bench->active;
    pipes->ends = bench_alloc(pipes->count, sizeof *pipes->ends);
    bench_allow_descriptors(2 * pipes->count + 64);
    for (size_t i = 0; i < pipes->count; i++) {
        int fds[2];

        bench_check(pipe(fds), "pipe");
        bench_check(fcntl(fds[0], F_SETFL, O_NONBLOCK), "fcntl");
        bench_check(fcntl(fds[1], F_SETFL, O_NONBLOCK), "fcntl");
        pipes->ends[i] = (struct pipe_end){pipes, i, fds[0], fds[1]};
    }
}

static void write_byte(struct pipes *pipes, size_t index)
{
    pipes->to_write--;
    bench_check((int)write(pipes->ends[index].writer, "e", 1), "write");
}

void pipes_begin(struct pipes *pipes, size_t count)
{
    size_t stride = pipes->count / pipes->active;

    pipes->to_write = pipes->to_read = count;
    for (size_t i = 0; i < pipes->active && pipes->to_write > 0; i++)
        write_byte(pipes, i * stride);
}

bool pipes_ready(struct pipe_end *end)
{
    struct pipes *pipes = end->pipes;
    char byte;
    ssize_t n = read(end->reader, &byte, 1);

    if (n < 0 && errno == EAGAIN)
        return false;
    bench_check(n == 1 ? 0 : -1, "read");
    if (pipes->to_write > 0)
        write_byte(pipes, (end->index + 1) % pipes->count);
    return --pipes->to_read == 0;
}
