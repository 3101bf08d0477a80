/*
 * dispatch.h: many pipes, few of them busy: the benchmark that came with libevent.
 *
 * As many bytes as there are active pipes are under way. Whoever is told that a pipe is readable
 * reads its byte and writes one to the next pipe. All systems call pipes_ready() for that.
 */
#ifndef BENCH_DISPATCH_H
#define BENCH_DISPATCH_H

#include "../harness/batch.h"

struct pipes;

struct pipe_end {
    struct pipes *pipes;
    size_t index;
    int reader;
    int writer;
};

struct pipes {
    struct pipe_end *ends;
    size_t count;
    size_t active;
    size_t to_write;
    size_t to_read;
};

/** The pipes that the benchmark wants, non-blocking. */
void pipes_open(struct pipes *pipes, const struct bench *bench);

/** Writes the first bytes; count bytes will be written in all. */
void pipes_begin(struct pipes *pipes, size_t count);

/** What a reader does. True when the last byte has been read. */
bool pipes_ready(struct pipe_end *end);

extern const struct batch_ops dispatch_evloop;
extern const struct batch_ops dispatch_libuv;
extern const struct batch_ops dispatch_libev;
extern const struct batch_ops dispatch_libevent;
extern const struct batch_ops dispatch_floor;

extern const struct bench_set dispatch_set;

#endif
