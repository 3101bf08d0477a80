/*
 * stream_model.c: streams are used at random, in their callbacks and outside, and compared with a
 * model: what was written arrives once and in order, or was cancelled; every request is told once;
 * nobody is told what was not asked for.
 *
 * What goes over a stream is records: a number, a size, and bytes that follow from both. The reader
 * sees records with growing numbers; a number that is left out was cancelled.
 */
#include "net.h"

#include <sys/socket.h>

enum { PAIRS = 5, REQUESTS = 12, LARGEST = 300000, NUMBERS = 1 << 16, HEADER = 8 };

struct node;

struct request {
    evloop_write write;
    struct iovec iov[3];
    struct node *node;
    uint32_t number;
    uint32_t size;
    uint32_t header[2];
    bool busy;
    bool taken_back;
};

struct node {
    evloop_stream stream;
    struct node *peer;
    bool open;
    bool closing, graceful, shut, shut_told, gone; /* gone: it ended in a way that a peer may see */
    bool timed;                                    /* has, or had, a deadline */
    bool reading, into, ended;                     /* ended: has read to the end */
    size_t into_size, least;
    unsigned char memory[5000];
    struct request requests[REQUESTS];
    uint32_t next_number;    /* of the next record */
    uint32_t told_number;    /* of the last request that was told, not counting cancelled ones */
    bool cancelled[NUMBERS]; /* by number */
    uint32_t expected;       /* the number of the record that the reader is in, or waits for */
    uint32_t record[2];      /* its header */
    size_t record_at;        /* how much of it was read */
    unsigned closed;
};

static struct node nodes[PAIRS * 2];
static evloop *loop;
static uint64_t sequence;
static int depth;

static uint64_t below(uint64_t n)
{
    return chance(&sequence) % n;
}

static void act(struct node *node);

/* A callback may do something to anybody. */
static void act_inside(void)
{
    if (depth > 2 || below(3))
        return;
    depth++;
    act(&nodes[below(PAIRS * 2)]);
    depth--;
}

/* ---- records --------------------------------------------------------------------------------- */

static const unsigned char *body_of(uint32_t number)
{
    return pattern_at((uint64_t)number * 1009);
}

static void read_header(struct node *node, const unsigned char **bytes, size_t *n)
{
    while (*n && node->record_at < HEADER) {
        ((unsigned char *)node->record)[node->record_at++] = *(*bytes)++;
        --*n;
    }
    if (node->record_at < HEADER)
        return;
    assert_true(node->record[0] < node->peer->next_number);
    assert_true(node->record[1] <= LARGEST);
    while (node->expected < node->record[0])
        assert_true(node->peer->cancelled[node->expected++]);
    assert_int_equal(node->expected, node->record[0]);
}

static void read_records(struct node *node, const unsigned char *bytes, size_t n)
{
    while (n) {
        if (node->record_at < HEADER)
            read_header(node, &bytes, &n);
        if (node->record_at < HEADER)
            return;
        size_t at = node->record_at - HEADER, left = node->record[1] - at;
        size_t part = n < left ? n : left;
        assert_memory_equal(bytes, body_of(node->record[0]) + at, part);
        bytes += part;
        n -= part;
        node->record_at += part;
        if (part == left) {
            node->expected++;
            node->record_at = 0;
        }
    }
}

static uint32_t next_size(void)
{
    uint64_t kind = below(10);
    return (uint32_t)below(kind < 5 ? 50 : kind < 9 ? 6000 : LARGEST);
}

/* ---- callbacks ------------------------------------------------------------------------------- */

/* An error needs a reason: a peer that is gone, or a deadline. */
static void assert_reason(const struct node *node, int err)
{
    if (err == -ETIMEDOUT) {
        assert_true(node->timed);
        return;
    }
    assert_true(err == -ECONNRESET || err == -EPIPE);
    assert_true(node->peer->gone);
}

static void on_read(evloop_stream *stream, ssize_t n, const void *data)
{
    struct node *node = stream->data;
    assert_true(node->open && !node->closing && !node->graceful && node->reading);
    if (n < 0) {
        if (node->into) /* what came before is in the memory */
            read_records(node, node->memory, evloop_stream_read_count(stream));
        node->reading = false;
        if (n == EVLOOP_EOF) {
            assert_true(node->peer->shut || node->peer->gone);
            node->ended = true;
        } else {
            assert_reason(node, (int)n);
            assert_true(evloop_stream_error(stream) == n || n == -ETIMEDOUT);
        }
    } else {
        assert_false(node->ended);
        if (node->into) {
            assert_true((size_t)n >= node->least && (size_t)n <= node->into_size);
            assert_ptr_equal(data, node->memory);
            node->reading = false;
        }
        read_records(node, data, (size_t)n);
    }
    assert_int_equal(evloop_stream_reading(stream), node->reading);
    act_inside();
}

static void on_write(evloop_write *write, int status)
{
    struct request *request = evloop_container_of(write, struct request, write);
    struct node *node = request->node;
    assert_true(request->busy && node->open);
    request->busy = false;
    assert_true(status == 0 || write->written < request->size + HEADER || status == -ECANCELED);
    if (request->taken_back) {
        assert_int_equal(status, -ECANCELED);
        assert_int_equal(write->written, 0);
    } else {
        assert_true(request->number > node->told_number || node->told_number == 0);
        node->told_number = request->number;
        if (status == 0)
            assert_int_equal(write->written, request->size + HEADER);
        else if (status == -ECANCELED)
            assert_true(node->closing || node->graceful);
        else
            assert_reason(node, status);
    }
    act_inside();
}

static void on_shutdown(evloop_stream *stream, int status)
{
    struct node *node = stream->data;
    assert_true(node->open && node->shut && !node->shut_told);
    node->shut_told = true;
    if (status == -ECANCELED)
        assert_true(node->closing || node->graceful);
    else if (status)
        assert_reason(node, status);
    act_inside();
}

static void on_watermark(evloop_stream *stream, bool full)
{
    struct node *node = stream->data;
    (void)full;
    assert_true(node->open && !node->closing && !node->graceful);
    act_inside();
}

static void on_closed(evloop_stream *stream)
{
    struct node *node = stream->data;
    assert_true(node->open && (node->closing || node->graceful));
    assert_false(evloop_stream_active(stream));
    for (int i = 0; i < REQUESTS; i++)
        assert_false(node->requests[i].busy);
    node->open = false;
    node->gone = true;
    node->closed++;
    act_inside();
}

/* ---- what is done to a node ------------------------------------------------------------------ */

static struct request *free_request(struct node *node)
{
    struct request *request = &node->requests[below(REQUESTS)];
    return request->busy || node->next_number + 1 >= NUMBERS ? NULL : request;
}

static void request_init(struct node *node, struct request *request)
{
    memset(request, 0, sizeof *request);
    request->node = node;
    request->size = next_size();
    request->number = node->next_number;
    request->header[0] = request->number;
    request->header[1] = request->size;
    request->iov[0] = (struct iovec){request->header, 4};
    request->iov[1] = (struct iovec){&request->header[1], 4};
    request->iov[2] = (struct iovec){(void *)(uintptr_t)body_of(request->number), request->size};
}

/* Whether a call was accepted; if not, there must be a reason. */
static bool accepted(const struct node *node, int err)
{
    if (err >= 0) {
        assert_true(node->open && !node->closing && !node->graceful && !node->shut);
        return true;
    }
    if (!node->open || node->closing || node->graceful)
        assert_int_equal(err, -ENOTCONN);
    else if (evloop_stream_error(&node->stream))
        assert_int_equal(err, evloop_stream_error(&node->stream));
    else if (node->shut)
        assert_int_equal(err, -EPIPE);
    else
        assert_reason(node, err);
    return false;
}

static void do_write(struct node *node)
{
    struct request *request = free_request(node);
    if (!request)
        return;
    request_init(node, request);
    if (!accepted(node,
                  evloop_stream_write(&node->stream, &request->write, request->iov, 3, on_write)))
        return;
    request->busy = true;
    node->next_number++;
}

static unsigned char copy[LARGEST + HEADER];

/* A record in memory that changes once the call is over. */
static size_t make_copy(struct node *node)
{
    uint32_t header[2] = {node->next_number, next_size()};
    memcpy(copy, header, HEADER);
    memcpy(copy + HEADER, body_of(header[0]), header[1]);
    return header[1] + HEADER;
}

static void do_send(struct node *node)
{
    if (node->next_number + 1 >= NUMBERS)
        return;
    size_t size = make_copy(node);
    if (accepted(node, evloop_stream_send(&node->stream, copy, size)))
        node->next_number++;
    memset(copy, 0xee, size);
}

static void do_try(struct node *node)
{
    if (node->next_number + 1 >= NUMBERS)
        return;
    size_t size = make_copy(node);
    const struct iovec iov[2] = {{copy, 5}, {copy + 5, size - 5}};
    ssize_t taken = evloop_stream_try_write(&node->stream, iov, 2);
    if (taken == -EAGAIN || !accepted(node, taken < 0 ? (int)taken : 0))
        return;
    assert_true(taken > 0 && (size_t)taken <= size);
    node->next_number++;
    if ((size_t)taken < size)
        accepted(node, evloop_stream_send(&node->stream, copy + taken, size - (size_t)taken));
    memset(copy, 0xee, size);
}

static void do_cancel(struct node *node)
{
    struct request *request = &node->requests[below(REQUESTS)];
    int err = evloop_write_cancel(&request->write);
    if (!request->busy) {
        assert_int_equal(err, -EINVAL);
    } else if (err == 0) {
        request->taken_back = true;
        node->cancelled[request->number] = true;
    } else {
        assert_true(err == -EALREADY || err == -EINVAL || err == -ENOTCONN);
        assert_true(err == -EALREADY || request->taken_back || node->closing || node->graceful ||
                    evloop_stream_error(&node->stream) ||
                    request->write.written == request->size + HEADER);
    }
}

static void do_read_start(struct node *node)
{
    bool reading = evloop_stream_reading(&node->stream) && !node->closing;
    int err = evloop_stream_read_start(&node->stream, on_read);
    if (reading) {
        assert_int_equal(err, -EBUSY);
    } else if (err == 0) {
        node->reading = true;
        node->into = false;
    } else {
        assert_true(err == -ENOTCONN || err == evloop_stream_error(&node->stream));
    }
}

static void do_read_into(struct node *node)
{
    size_t size = 1 + below(sizeof node->memory), least = below(2) ? size : 1 + below(size);
    if (node->reading && evloop_stream_reading(&node->stream))
        return; /* the memory is in use */
    int err = evloop_stream_read_into(&node->stream, node->memory, size, least, on_read);
    if (err == 0) {
        node->reading = true;
        node->into = true;
        node->into_size = size;
        node->least = least;
    } else {
        assert_true(err == -ENOTCONN || err == evloop_stream_error(&node->stream));
    }
}

/* What an interrupted reading into memory has read is not lost: it is in the memory. */
static void do_read_stop(struct node *node)
{
    if (evloop_stream_read_stop(&node->stream) != 0)
        return;
    if (node->reading && node->into)
        read_records(node, node->memory, evloop_stream_read_count(&node->stream));
    node->reading = false;
}

static void do_shutdown(struct node *node)
{
    int err = evloop_stream_shutdown(&node->stream, on_shutdown);
    if (err == 0)
        node->shut = true;
    else
        assert_true(err == -EALREADY || err == -ENOTCONN ||
                    err == evloop_stream_error(&node->stream));
}

static void do_close(struct node *node)
{
    bool graceful = below(2);
    int err;
    if (graceful)
        err = evloop_stream_close_gracefully(&node->stream, EVLOOP_SEC(3600), on_closed);
    else if (below(2))
        err = evloop_stream_close(&node->stream, on_closed);
    else
        err = evloop_stream_reset(&node->stream, on_closed);
    if (err) {
        assert_true(err == (node->open ? -EALREADY : -ENOTCONN));
        return;
    }
    node->graceful = node->graceful || graceful;
    node->closing = node->closing || !graceful;
    node->gone = true;
    node->reading = false;
}

static void do_release(struct node *node)
{
    bool reading = node->reading && node->into;
    if (node->shut || reading || evloop_stream_error(&node->stream))
        return; /* what the new stream would not know */
    int fd = evloop_stream_release(&node->stream);
    if (fd < 0) {
        assert_true(fd == -EBUSY || fd == -ENOTCONN);
        return;
    }
    for (int i = 0; i < REQUESTS; i++)
        assert_false(node->requests[i].busy);
    assert_false(evloop_stream_active(&node->stream));
    assert_int_equal(evloop_stream_open(loop, &node->stream, fd), 0);
    node->reading = false;
}

static void do_watermarks(struct node *node)
{
    size_t high = below(100000);
    evloop_stream_set_watermarks(&node->stream, high / 2, high, on_watermark);
}

/* Deadlines that pass at once, or some time, or never. */
static void do_timeouts(struct node *node)
{
    static int (*const which[])(evloop_stream *, uint64_t) = {evloop_stream_set_read_timeout,
                                                              evloop_stream_set_write_timeout,
                                                              evloop_stream_set_idle_timeout};
    uint64_t kind = below(40), timeout = kind < 20 ? 0 : kind < 39 ? EVLOOP_MS(100) : EVLOOP_US(1);
    if (which[below(3)](&node->stream, timeout) == 0 && timeout)
        node->timed = true;
}

static void act(struct node *node)
{
    static void (*const what[])(struct node *) = {
        do_write,     do_write,     do_write,      do_send,       do_send,
        do_try,       do_cancel,    do_read_start, do_read_start, do_read_into,
        do_read_stop, do_read_into, do_watermarks, do_release,    do_timeouts,
    };
    uint64_t kind = below(200);
    if (kind < 2)
        do_close(node);
    else if (kind < 4)
        do_shutdown(node);
    else
        what[below(sizeof what / sizeof *what)](node);
}

/* ---- the world ------------------------------------------------------------------------------- */

static void node_open(struct node *node, struct node *peer, int fd)
{
    unsigned closed = node->closed;
    memset(node, 0, sizeof *node);
    node->closed = closed;
    node->peer = peer;
    node->stream.data = node;
    node->next_number = 1;
    node->expected = 1;
    assert_int_equal(evloop_stream_open(loop, &node->stream, fd), 0);
    node->open = true;
}

static void pair_renew(struct node *pair)
{
    static const int families[] = {AF_INET, AF_UNIX};
    int fds[2];
    if (pair[0].open || pair[1].open)
        return;
    net_pair(families[below(2)], fds);
    if (below(2)) {
        net_narrow(fds[0]);
        net_narrow(fds[1]);
    }
    node_open(&pair[0], &pair[1], fds[0]);
    node_open(&pair[1], &pair[0], fds[1]);
}

static void everybody_leaves(void)
{
    for (int i = 0; i < PAIRS * 2; i++)
        if (nodes[i].open && !nodes[i].closing) {
            int err = evloop_stream_close(&nodes[i].stream, on_closed);
            assert_true(err == 0 || err == -EALREADY);
            nodes[i].closing = nodes[i].gone = true;
            nodes[i].reading = false;
        }
    depth = 10; /* and nobody does anything more */
    loop_run(loop);
    depth = 0;
    for (int i = 0; i < PAIRS * 2; i++)
        assert_false(nodes[i].open);
}

static void play(uint64_t seed, size_t rounds)
{
    sequence = seed;
    loop = loop_new();
    memset(nodes, 0, sizeof nodes);
    for (size_t round = 0; round < rounds; round++) {
        for (int i = 0; i < PAIRS; i++)
            pair_renew(&nodes[2 * i]);
        for (uint64_t n = below(8); n > 0; n--)
            act(&nodes[below(PAIRS * 2)]);
        loop_turn(loop);
    }
    everybody_leaves();
    loop_end(loop);
}

TEST(streams_agree_with_their_model)
{
    for (uint64_t seed = 1; seed <= 20; seed++)
        play(seed, scaled(2000));
}

/* Without cancelling and resets everything arrives. */
static void finish_reading(struct node *node)
{
    if (!evloop_stream_reading(&node->stream) && !node->ended)
        do_read_start(node);
}

TEST(what_is_written_before_an_orderly_end_arrives_whole)
{
    for (uint64_t seed = 100; seed < scaled(120) + 1; seed++) {
        sequence = seed;
        loop = loop_new();
        memset(nodes, 0, sizeof nodes);
        depth = 10;
        pair_renew(&nodes[0]);
        for (int round = 0; round < 300; round++) {
            static void (*const what[])(struct node *) = {
                do_write, do_send, do_try, do_read_start, do_read_into, do_cancel, do_read_stop};
            for (int i = 0; i < 4; i++)
                what[below(7)](&nodes[below(2)]);
            loop_turn(loop);
        }
        do_shutdown(&nodes[0]);
        do_shutdown(&nodes[1]);
        while (!nodes[0].ended || !nodes[1].ended) {
            finish_reading(&nodes[0]);
            finish_reading(&nodes[1]);
            assert_int_equal(evloop_run(loop, EVLOOP_RUN_ONCE), 0);
        }
        for (int i = 0; i < 2; i++) {
            while (nodes[i].expected < nodes[!i].next_number)
                assert_true(nodes[!i].cancelled[nodes[i].expected++]);
            assert_int_equal(nodes[i].record_at, 0);
            assert_true(nodes[i].shut_told);
        }
        memset(&nodes[2], 0, sizeof nodes - 2 * sizeof *nodes);
        everybody_leaves();
        loop_end(loop);
    }
    depth = 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_ENTRY(streams_agree_with_their_model),
        TEST_ENTRY(what_is_written_before_an_orderly_end_arrives_whole),
    };
    support_limit(60);
    return RUN_TESTS("stream model", tests);
}
