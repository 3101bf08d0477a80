/*
 * A proxy: evloop-proxy LISTEN TARGET takes connections at one address, makes one to the other for
 * each, and carries bytes both ways: evloop-proxy 127.0.0.1:7001 127.0.0.1:7000. Either may be a
 * path.
 *
 * Back-pressure from end to end: when much is queued for one end (HIGH), the other end is not read
 * any more, so that its peer has to wait, until most of that has gone out (LOW). Whatever the
 * speeds are, a connection costs no more than HIGH, and what one read brings, each way.
 *
 * An end that sends no more may still receive: this is passed on. What fails at one end fails at
 * the other, with a reset: nobody is to take half an answer for a whole one.
 */
#define _POSIX_C_SOURCE 200809L

#include <errno.h>
#include <evloop.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#define CONNECT_TIMEOUT EVLOOP_SEC(10)
#define END_TIMEOUT EVLOOP_SEC(10)
#define KEEPALIVE_IDLE_S 60 /* finds out about peers that are gone without a word */

enum { LOW = 64 * 1024, HIGH = 256 * 1024 };

struct link;

struct end {
    evloop_stream stream;
    struct link *link;
    struct end *other;
    bool ended; /* it sends no more */
};

/* A connection, and the one that was made for it. */
struct link {
    struct end client;
    struct end target;
    unsigned open; /* ends */
    unsigned shut; /* directions that are over and done with */
    bool closing;
};

static evloop_address target_address;
static evloop_notify term;

static struct end *end_of(evloop_stream *stream)
{
    return evloop_container_of(stream, struct end, stream);
}

static void on_closed(evloop_stream *stream)
{
    struct link *link = end_of(stream)->link;
    if (--link->open == 0)
        free(link);
}

static void link_close(struct link *link)
{
    link->closing = true;
    evloop_stream_close(&link->client.stream, on_closed);
    evloop_stream_close(&link->target.stream, on_closed);
}

static void link_fail(struct link *link)
{
    if (link->closing)
        return;
    link->closing = true;
    evloop_stream_reset(&link->client.stream, on_closed);
    evloop_stream_reset(&link->target.stream, on_closed);
}

/* All that one end had to say has been passed on, and that it was all. */
static void on_shut(evloop_stream *stream, int status)
{
    struct link *link = end_of(stream)->link;
    if (status < 0)
        link_fail(link);
    else if (++link->shut == 2)
        link_close(link);
}

/* Also called, with an error, when the stream has failed in writing. */
static void on_read(evloop_stream *stream, ssize_t n, const void *data)
{
    struct end *from = end_of(stream);
    evloop_stream *to = &from->other->stream;
    int err;
    if (n > 0) {
        err = evloop_stream_send(to, data, (size_t)n);
    } else if (n == EVLOOP_EOF) {
        from->ended = true;
        err = evloop_stream_shutdown(to, on_shut);
    } else {
        err = (int)n;
    }
    if (err)
        link_fail(from->link);
}

static void on_watermark(evloop_stream *stream, bool full)
{
    struct end *other = end_of(stream)->other;
    if (full)
        evloop_stream_read_stop(&other->stream);
    else if (!other->ended && evloop_stream_read_start(&other->stream, on_read) < 0)
        link_fail(other->link);
}

static void on_connected(evloop_stream *stream, int status)
{
    struct link *link = end_of(stream)->link;
    if (status == 0 || link->closing)
        return;
    fprintf(stderr, "proxy: connect: %s\n", evloop_strerror(status));
    link_fail(link);
}

/* The target's end may be read and written before it is connected: that waits. */
static int link_open(struct link *link, evloop_listener *listener)
{
    evloop_connect_options options = evloop_connect_options_default();
    options.timeout_ns = CONNECT_TIMEOUT;
    options.keepalive.idle_s = KEEPALIVE_IDLE_S;
    link->client = (struct end){.link = link, .other = &link->target};
    link->target = (struct end){.link = link, .other = &link->client};
    int err = evloop_accept(listener, &link->client.stream);
    if (err)
        return err;
    link->open++;
    err = evloop_connect(evloop_listener_loop(listener), &link->target.stream, &target_address,
                         &options, on_connected);
    if (err)
        return err;
    link->open++;
    err = evloop_stream_set_watermarks(&link->client.stream, LOW, HIGH, on_watermark);
    if (!err)
        err = evloop_stream_set_watermarks(&link->target.stream, LOW, HIGH, on_watermark);
    if (!err)
        err = evloop_stream_read_start(&link->client.stream, on_read);
    if (!err)
        err = evloop_stream_read_start(&link->target.stream, on_read);
    return err;
}

static void on_connection(evloop_listener *listener)
{
    struct link *link = calloc(1, sizeof *link);
    int err = link ? link_open(link, listener) : -ENOMEM;
    if (!err)
        return;
    fprintf(stderr, "proxy: %s\n", evloop_strerror(err));
    if (link && link->open)
        link_fail(link);
    else
        free(link);
}

/* Connections have until the deadline; on_read() is told when it has passed. */
static void on_term(evloop_notify *notify)
{
    evloop_notify_stop(notify);
    evloop_shutdown(evloop_notify_loop(notify), END_TIMEOUT);
}

static void on_signal(int number)
{
    int error = errno;
    (void)number;
    evloop_notify_send(&term);
    errno = error;
}

/* SA_RESETHAND: a second signal ends the process at once. */
static void catch_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

static int start(evloop *loop, evloop_listener *listener, const evloop_address *address)
{
    char text[EVLOOP_ADDRESS_TEXT];
    evloop_address bound;
    evloop_listen_options options = evloop_listen_options_default();
    options.keepalive.idle_s = KEEPALIVE_IDLE_S;
    int err = evloop_listen(loop, listener, address, &options, on_connection);
    if (!err)
        err = evloop_notify_start(loop, &term, on_term);
    if (!err)
        err = evloop_listener_local(listener, &bound);
    if (err)
        return err;
    catch_signals();
    printf("listening on %s\n", evloop_address_format(&bound, text, sizeof text));
    fflush(stdout);
    return 0;
}

int main(int argc, char **argv)
{
    evloop_address address;
    evloop_listener listener = {0};
    evloop *loop;
    if (argc != 3 || evloop_address_parse(&address, argv[1]) != 0 ||
        evloop_address_parse(&target_address, argv[2]) != 0) {
        fprintf(stderr, "usage: evloop-proxy LISTEN TARGET, as in 127.0.0.1:7001 127.0.0.1:7000\n");
        return 2;
    }
    int err = evloop_create(&loop, NULL);
    if (!err) {
        err = start(loop, &listener, &address);
        if (!err)
            err = evloop_run(loop, EVLOOP_RUN_DEFAULT);
        int destroyed = evloop_destroy(loop, err ? EVLOOP_DESTROY_FORCE : 0);
        err = err ? err : destroyed;
    }
    if (err)
        fprintf(stderr, "proxy: %s\n", evloop_strerror(err));
    return err ? 1 : 0;
}
