/*
 * taker.h: a stream that keeps what it reads, for tests of streams of every kind.
 */
#ifndef EVLOOP_TESTS_TAKER_H
#define EVLOOP_TESTS_TAKER_H

#include "support.h"

struct taker {
    evloop_stream stream;
    char text[4096]; /* what came, with a final zero */
    size_t size;
    unsigned reads;
    int ended; /* EVLOOP_EOF or an error; 0: not yet */
};

static inline void taker_read(evloop_stream *stream, ssize_t n, const void *data)
{
    struct taker *taker = evloop_container_of(stream, struct taker, stream);
    if (n < 0) {
        taker->ended = (int)n;
        return;
    }
    check(taker->size + (size_t)n < sizeof taker->text);
    memcpy(taker->text + taker->size, data, (size_t)n);
    taker->size += (size_t)n;
    taker->text[taker->size] = '\0';
    taker->reads++;
}

static inline void taker_start(struct taker *taker)
{
    assert_int_equal(evloop_stream_read_start(&taker->stream, taker_read), 0);
}

/* Runs the loop until so many bytes have come, or the end. */
static inline void taker_await(evloop *loop, const struct taker *taker, size_t size)
{
    while (taker->size < size && !taker->ended)
        assert_int_equal(evloop_run(loop, EVLOOP_RUN_ONCE), 0);
}

static inline void taker_await_end(evloop *loop, const struct taker *taker)
{
    taker_await(loop, taker, SIZE_MAX);
}

/* Closes it, and runs the loop until that is done. */
static inline void stream_end(evloop *loop, evloop_stream *stream)
{
    assert_int_equal(evloop_stream_close(stream, NULL), 0);
    while (evloop_stream_active(stream))
        loop_turn(loop);
}

#endif
