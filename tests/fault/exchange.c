/*
 * exchange.c: see exchange.h.
 *
 * The client writes its request in every way, ends, reads the answer to the end, and closes. The
 * server reads, first into memory, then what is lent, to the end; answers; and closes gracefully.
 * Over a pipe there is no answer.
 */
#include "exchange.h"

#include <sys/socket.h>

enum { WRITES = 4, REQUEST = 300000, ANSWER = 100000, MESSAGE = 20000, INTO = 5000, FDS = 3 };

#define PATIENCE EVLOOP_SEC(20)

struct side {
    evloop_stream stream;
    evloop_write writes[WRITES];
    struct iovec iov[WRITES][8];
    bool pending[WRITES];
    unsigned used; /* writes */
    uint64_t sent, heard;
    bool open, closing, ended, connecting, shutting;
    unsigned char memory[INTO];
};

static struct side client, server;
static evloop_listener listener;
static evloop_timer patience;
static evloop *loop;
static enum exchange_over over;
static char place[PLACE_SIZE];
static int file, passed[FDS], ends[2];
static unsigned told; /* failures */
static int first_error;
static bool leaving;

static void tell(int err)
{
    if (err >= 0)
        return;
    if (!told++)
        first_error = err;
}

/* ---- ending ---------------------------------------------------------------------------------- */

static void all_is_over(void)
{
    if (client.open || server.open || leaving)
        return;
    leaving = true;
    assert_int_equal(evloop_timer_stop(&patience), 0);
    if (evloop_listener_active(&listener))
        assert_int_equal(evloop_listener_close(&listener, NULL), 0);
}

static void on_closed(evloop_stream *stream)
{
    struct side *side = evloop_container_of(stream, struct side, stream);
    assert_true(side->open && side->closing);
    assert_false(side->connecting || side->shutting);
    for (int i = 0; i < WRITES; i++)
        assert_false(side->pending[i]);
    side->open = false;
    all_is_over();
}

static void side_close(struct side *side, bool gracefully)
{
    if (!side->open || side->closing)
        return;
    side->closing = true;
    if (gracefully)
        assert_int_equal(evloop_stream_close_gracefully(&side->stream, EVLOOP_SEC(3600), on_closed),
                         0);
    else
        assert_int_equal(evloop_stream_close(&side->stream, on_closed), 0);
}

/* What a call said; a failure ends the side. */
static bool went_well(struct side *side, int err)
{
    if (err >= 0)
        return true;
    tell(err);
    side_close(side, false);
    return false;
}

/* ---- writing --------------------------------------------------------------------------------- */

static void on_write(evloop_write *write, int status)
{
    struct side *side = write->data;
    size_t index = (size_t)(write - side->writes);
    assert_true(side->open && side->pending[index]);
    for (size_t i = 0; i < index; i++)
        assert_false(side->pending[i]); /* in order */
    side->pending[index] = false;
    went_well(side, status);
}

static evloop_write *next_write(struct side *side, size_t size)
{
    assert_true(side->used < WRITES);
    evloop_write *write = &side->writes[side->used];
    write->data = side;
    pattern_pieces(side->iov[side->used], 8, side->sent, size);
    return write;
}

static bool written(struct side *side, int err, size_t size)
{
    if (!went_well(side, err))
        return false;
    side->pending[side->used++] = true;
    side->sent += size;
    return true;
}

static bool put(struct side *side, size_t size)
{
    evloop_write *write = next_write(side, size);
    int err = evloop_stream_write(&side->stream, write, side->iov[side->used], 1, on_write);
    return written(side, err, size);
}

static bool put_file(struct side *side, size_t size)
{
    evloop_write *write = next_write(side, size);
    int err = evloop_stream_sendfile(&side->stream, write, file, side->sent, size, on_write);
    return written(side, err, size);
}

static bool put_fds(struct side *side, size_t size)
{
    evloop_write *write = next_write(side, size);
    int err = evloop_stream_write_fds(&side->stream, write, side->iov[side->used], 1, passed, FDS,
                                      on_write);
    return written(side, err, size);
}

static bool send_copy(struct side *side, size_t size)
{
    if (!went_well(side, evloop_stream_send(&side->stream, pattern_at(side->sent), size)))
        return false;
    side->sent += size;
    return true;
}

static void on_shutdown(evloop_stream *stream, int status)
{
    struct side *side = evloop_container_of(stream, struct side, stream);
    assert_true(side->shutting);
    side->shutting = false;
    went_well(side, status);
}

static void end(struct side *side)
{
    if (over == OVER_PIPE) {
        side_close(side, true);
        return;
    }
    side->shutting = true;
    if (!went_well(side, evloop_stream_shutdown(&side->stream, on_shutdown)))
        side->shutting = false;
}

/* Messages are not longer than one may be, and not cut by a file. The last bytes go with a request,
 * since nobody is told of a copy that a graceful closing cannot send. */
static void write_request(struct side *side)
{
    const size_t size = over == OVER_SEQPACKET ? MESSAGE : REQUEST;
    bool fds = over == OVER_UNIX || over == OVER_SEQPACKET;
    bool well = put(side, size) && send_copy(side, 3000) &&
                (over == OVER_SEQPACKET || put_file(side, size / 2)) &&
                (!fds || put_fds(side, 1000)) && send_copy(side, size / 4) && put(side, 2000);
    if (well)
        end(side);
}

/* ---- reading --------------------------------------------------------------------------------- */

static void on_read(evloop_stream *stream, ssize_t n, const void *data);

static void hear(struct side *side)
{
    went_well(side, evloop_stream_read_start(&side->stream, on_read));
}

static void hear_into(struct side *side)
{
    went_well(side, evloop_stream_read_into(&side->stream, side->memory, INTO, 1, on_read));
}

static void answer(void)
{
    if (over != OVER_PIPE && put(&server, over == OVER_SEQPACKET ? MESSAGE : ANSWER))
        side_close(&server, true);
    else
        side_close(&server, false);
}

static void on_read(evloop_stream *stream, ssize_t n, const void *data)
{
    struct side *side = evloop_container_of(stream, struct side, stream);
    assert_true(side->open && !side->closing && !side->ended);
    if (n == EVLOOP_EOF) {
        side->ended = true;
        if (side == &client)
            side_close(side, false);
        else
            answer();
        return;
    }
    if (!went_well(side, (int)n))
        return;
    assert_true(pattern_matches(data, (size_t)n, side->heard));
    bool into = !evloop_stream_reading(stream);
    side->heard += (size_t)n;
    if (into && side->heard < 4 * INTO)
        hear_into(side);
    else if (into)
        hear(side);
}

/* ---- meeting --------------------------------------------------------------------------------- */

static void on_connect(evloop_stream *stream, int status)
{
    assert_ptr_equal(stream, &client.stream);
    assert_true(client.connecting);
    client.connecting = false;
    went_well(&client, status);
}

static void serve(void)
{
    server.open = true;
    if (over == OVER_UNIX || over == OVER_SEQPACKET)
        if (!went_well(&server, evloop_unix_accept_fds(&server.stream)))
            return;
    if (over == OVER_SEQPACKET) /* a message is not read in parts */
        hear(&server);
    else
        hear_into(&server);
}

static void on_connection(evloop_listener *from)
{
    if (leaving || server.open)
        return;
    int err = evloop_accept(from, &server.stream);
    tell(err);
    if (err == 0)
        serve();
}

static void ask(void)
{
    client.open = true;
    if (over != OVER_PIPE)
        hear(&client);
    if (!client.closing)
        write_request(&client);
}

static void meet(void)
{
    evloop_connect_options options = evloop_connect_options_default();
    evloop_listen_options listen_options = evloop_listen_options_default();
    evloop_address address;
    char text[PLACE_SIZE + 8] = "127.0.0.1:0";
    options.seqpacket = listen_options.seqpacket = over == OVER_SEQPACKET;
    listen_options.permissions = over == OVER_TCP ? 0 : 0600;
    if (over != OVER_TCP)
        snprintf(text, sizeof text, "%s/door", place);
    assert_int_equal(evloop_address_parse(&address, text), 0);
    int err = evloop_listen(loop, &listener, &address, &listen_options, on_connection);
    assert_true(evloop_listener_active(&listener) == (err == 0));
    if (!err)
        err = evloop_listener_local(&listener, &address);
    if (!err) {
        err = evloop_connect(loop, &client.stream, &address, &options, on_connect);
        assert_true(evloop_stream_active(&client.stream) == (err == 0));
    }
    tell(err);
    if (err)
        return;
    client.connecting = true;
    ask();
}

static void meet_over_a_pipe(void)
{
    int err = evloop_stream_open(loop, &server.stream, ends[0]);
    tell(err);
    if (err)
        return;
    ends[0] = -1;
    serve();
    err = evloop_stream_open(loop, &client.stream, ends[1]);
    tell(err);
    if (err) {
        side_close(&server, false);
        return;
    }
    ends[1] = -1;
    ask();
}

/* ---- the whole ------------------------------------------------------------------------------- */

static void on_impatience(evloop_timer *timer)
{
    (void)timer;
    fail_msg("the exchange hangs: client %s, heard %zu; server %s, heard %zu",
             client.open ? "open" : "closed", (size_t)client.heard, server.open ? "open" : "closed",
             (size_t)server.heard);
}

void exchange_open(enum exchange_over chosen)
{
    over = chosen;
    loop = loop_new();
    memset(&client, 0, sizeof client);
    memset(&server, 0, sizeof server);
    memset(&listener, 0, sizeof listener);
    memset(&patience, 0, sizeof patience);
    told = 0;
    first_error = 0;
    leaving = false;
    place_make(place);
    file = file_make(0, 2 * REQUEST + 10000);
    for (int i = 0; i < FDS; i++)
        passed[i] = file;
    ends[0] = ends[1] = -1;
    if (over == OVER_PIPE)
        assert_int_equal(pipe(ends), 0);
    assert_int_equal(evloop_timer_start(loop, &patience, PATIENCE, 0, on_impatience), 0);
    loop_turn(loop);
}

unsigned exchange_play(void)
{
    if (over == OVER_PIPE)
        meet_over_a_pipe();
    else
        meet();
    all_is_over();
    for (int failures = 0;; failures++) {
        int err = evloop_run(loop, EVLOOP_RUN_DEFAULT);
        if (!err)
            return told;
        tell(err); /* nothing is lost: run again */
        assert_true(failures < 100);
    }
}

static void assert_outcome(void)
{
    assert_false(client.open || server.open || evloop_listener_active(&listener));
    assert_true(server.heard <= client.sent && client.heard <= server.sent);
    if (told)
        return;
    assert_true(client.sent > 0);
    assert_int_equal(server.heard, client.sent);
    assert_int_equal(client.heard, server.sent);
    assert_true(server.ended && (client.ended || over == OVER_PIPE));
}

void exchange_close(void)
{
    char text[PLACE_SIZE + 8];
    assert_outcome();
    loop_end(loop);
    fds_close(ends);
    assert_int_equal(close(file), 0);
    snprintf(text, sizeof text, "%s/door", place);
    (void)unlink(text); /* when its own removal failed */
    place_remove(place);
}

int exchange_error(void)
{
    return first_error;
}
