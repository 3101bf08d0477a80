/*
 * streams.c: streams that do anything at any time: bytes are neither lost, nor repeated, nor out of
 * order; every request is told of once; every stream is closed.
 */
#include "support.h"

enum { PAIRS = 8, BYTES_A_WRITE = 40000, PIECES = 4 };

/* One end of a connection. Where byte n of what it sends has the value of pattern(n). */
struct end {
    evloop_stream stream;
    struct end *peer;
    struct pair *pair;
    uint64_t accepted; /* bytes that evloop took */
    uint64_t received; /* by the peer's pattern */
    unsigned requests; /* whose callback has not come */
    bool filling;      /* its own memory */
    bool ended;        /* its input has ended in good order */
    bool finished;     /* it has told the peer that no more comes */
    bool full;
    bool closing;
    bool closed;
    unsigned char into[5000];
};

struct pair {
    struct end ends[2];
    bool aborted; /* what was on its way may be lost */
};

struct request {
    evloop_write write;
    struct iovec iov[PIECES];
    struct end *end;
    size_t size;
    unsigned char bytes[];
};

static struct {
    evloop *loop;
    evloop_hook hook;
    uint64_t seed;
    size_t opened;
    size_t to_open;
    size_t whole; /* pairs of which neither end was cut off */
    struct pair pairs[PAIRS];
    unsigned char bytes[BYTES_A_WRITE];
} all;

static unsigned char pattern(uint64_t place)
{
    return (unsigned char)(place * 167 >> 4);
}

static size_t below(size_t n)
{
    return (size_t)(chance(&all.seed) % n);
}

static void fill(unsigned char *bytes, size_t size, uint64_t place)
{
    for (size_t i = 0; i < size; i++)
        bytes[i] = pattern(place + i);
}

static void receive(struct end *end, const unsigned char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        assert_int_equal(bytes[i], pattern(end->received + i));
    end->received += size;
    assert_true(end->received <= end->peer->accepted);
}

static void on_closed(evloop_stream *stream)
{
    struct end *end = evloop_container_of(stream, struct end, stream);
    assert_int_equal(end->requests, 0);
    assert_false(end->closed);
    end->closed = true;
}

/* Nothing can be lost if this end has been told of everything, and the other has all it sent. */
static void close_somehow(struct end *end)
{
    end->closing = true;
    if (end->ended && end->finished && evloop_stream_queued(&end->stream) == 0) {
        assert_int_equal(evloop_stream_close(&end->stream, on_closed), 0);
        return;
    }
    end->pair->aborted = true;
    int err = below(2) ? evloop_stream_close(&end->stream, on_closed)
                       : evloop_stream_reset(&end->stream, on_closed);
    assert_int_equal(err, 0);
}

static void start_reading(struct end *end);

/* What its memory was filled with before that ended early. */
static void receive_part(struct end *end)
{
    if (end->filling)
        receive(end, end->into, evloop_stream_read_count(&end->stream));
    end->filling = false;
}

static void on_read(evloop_stream *stream, ssize_t n, const void *data)
{
    struct end *end = evloop_container_of(stream, struct end, stream);
    if (n > 0) {
        if (end->filling)
            assert_ptr_equal(data, end->into);
        end->filling = false;
        receive(end, data, (size_t)n);
        if (!evloop_stream_reading(stream) && below(2))
            start_reading(end);
        return;
    }
    receive_part(end);
    end->ended = n == EVLOOP_EOF;
    if (!end->ended)
        assert_true(end->pair->aborted);
}

static void start_reading(struct end *end)
{
    size_t size = 1 + below(sizeof end->into);
    bool fills = below(2);
    int err = fills
                  ? evloop_stream_read_into(&end->stream, end->into, size, 1 + below(size), on_read)
                  : evloop_stream_read_start(&end->stream, on_read);
    assert_true(err == 0 || end->pair->aborted);
    end->filling = fills && err == 0;
}

static void on_written(evloop_write *write, int status)
{
    struct request *request = evloop_container_of(write, struct request, write);
    if (status == 0)
        assert_int_equal(write->written, request->size);
    else
        assert_true(request->end->pair->aborted);
    request->end->requests--;
    free(request);
}

static void write_request(struct end *end, size_t size)
{
    struct request *request = calloc(1, sizeof *request + size);
    size_t used = 0;
    fill(request->bytes, size, end->accepted);
    for (unsigned i = 0; i < PIECES; i++) {
        size_t part = i == PIECES - 1 ? size - used : below(size - used + 1);
        request->iov[i] = (struct iovec){request->bytes + used, part};
        used += part;
    }
    request->end = end;
    request->size = size;
    if (evloop_stream_write(&end->stream, &request->write, request->iov, PIECES, on_written)) {
        free(request);
        return;
    }
    end->requests++;
    end->accepted += size;
}

static void send_copy(struct end *end, size_t size)
{
    fill(all.bytes, size, end->accepted);
    if (evloop_stream_send(&end->stream, all.bytes, size) == 0)
        end->accepted += size;
}

static void try_write(struct end *end, size_t size)
{
    const struct iovec iov = {all.bytes, size};
    fill(all.bytes, size, end->accepted);
    ssize_t n = evloop_stream_try_write(&end->stream, &iov, 1);
    end->accepted += n > 0 ? (size_t)n : 0;
}

static void on_shutdown(evloop_stream *stream, int status)
{
    struct end *end = evloop_container_of(stream, struct end, stream);
    assert_true(status == 0 || end->pair->aborted);
    end->finished = status == 0;
}

static void on_full(evloop_stream *stream, bool full)
{
    struct end *end = evloop_container_of(stream, struct end, stream);
    assert_true(full || end->full); /* in pairs, unless the watermarks were set anew */
    end->full = full;
}

static bool write_something(struct end *end, size_t kind)
{
    size_t size = 1 + below(below(4) ? 200 : BYTES_A_WRITE);
    if (end->accepted > end->peer->received + 2000000)
        return true;
    switch (kind) {
    case 0:
        write_request(end, size);
        return true;
    case 1:
    case 2:
        send_copy(end, size);
        return true;
    case 3:
        try_write(end, size);
        return true;
    default:
        return false;
    }
}

static void do_something(struct end *end)
{
    size_t kind = below(40);
    if (write_something(end, kind))
        return;
    if (kind < 10) {
        if (evloop_stream_reading(&end->stream))
            receive_part(end);
        evloop_stream_read_stop(&end->stream);
    } else if (kind < 30 && !evloop_stream_reading(&end->stream) && !end->ended)
        start_reading(end);
    else if (kind == 30)
        evloop_stream_set_watermarks(&end->stream, below(30000), 30001 + below(30000), on_full);
    else if (kind == 31)
        evloop_stream_set_idle_timeout(&end->stream, EVLOOP_SEC(100 + below(100)));
    else if (kind == 32 && below(8) == 0)
        evloop_stream_shutdown(&end->stream, on_shutdown);
    else if (kind == 33 && (end->ended || below(20) == 0))
        close_somehow(end);
}

static void open_pair(struct pair *pair)
{
    int fds[2];
    memset(pair, 0, sizeof *pair);
    pair_open(fds);
    for (int i = 0; i < 2; i++) {
        pair->ends[i].peer = &pair->ends[1 - i];
        pair->ends[i].pair = pair;
        assert_int_equal(evloop_stream_open(all.loop, &pair->ends[i].stream, fds[i]), 0);
    }
    all.opened++;
}

/* What both ends accepted has arrived, unless one of them was cut off. */
static void check_pair(const struct pair *pair)
{
    if (pair->aborted)
        return;
    for (int i = 0; i < 2; i++)
        assert_int_equal(pair->ends[i].received, pair->ends[1 - i].accepted);
    all.whole++;
}

static void on_turn(evloop_hook *hook)
{
    bool any = false;
    for (size_t i = 0; i < PAIRS; i++) {
        struct pair *pair = &all.pairs[i];
        if (pair->ends[0].closed && pair->ends[1].closed) {
            check_pair(pair);
            memset(pair, 0, sizeof *pair);
        }
        if (!pair->ends[0].peer && all.opened < all.to_open)
            open_pair(pair);
        any = any || pair->ends[0].peer;
    }
    if (!any) {
        evloop_hook_stop(hook);
        return;
    }
    for (size_t i = 0; i < 4; i++) {
        struct end *end = &all.pairs[below(PAIRS)].ends[below(2)];
        if (end->peer && !end->closing)
            do_something(end);
    }
}

TEST(streams_that_do_anything_lose_and_repeat_and_reorder_nothing)
{
    memset(&all, 0, sizeof all);
    all.seed = 7;
    all.to_open = 40 + scaled(1000);
    all.loop = loop_new();
    evloop_hook_start(all.loop, &all.hook, EVLOOP_HOOK_IDLE, on_turn);
    loop_run(all.loop);
    assert_int_equal(all.opened, all.to_open);
    assert_true(all.whole > 0);
    loop_end(all.loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_ENTRY(streams_that_do_anything_lose_and_repeat_and_reorder_nothing),
    };
    return RUN_TESTS("stress-streams", tests);
}
