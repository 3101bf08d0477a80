/*
 * A TCP echo server: evloop-echo [address], then "nc 127.0.0.1 7000" talks to it. SIGINT or SIGTERM
 * ends it: what is still to be sent goes out, and it is gone.
 */
#define _POSIX_C_SOURCE 200809L

#include <errno.h>
#include <evloop.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#define IDLE_TIMEOUT EVLOOP_SEC(60)
#define END_TIMEOUT EVLOOP_SEC(5)

enum { LOW = 16 * 1024, HIGH = 64 * 1024 };

struct client {
    evloop_stream stream;
};

static evloop_notify term;

static void on_closed(evloop_stream *stream)
{
    free(evloop_container_of(stream, struct client, stream));
}

static void on_read(evloop_stream *stream, ssize_t n, const void *data)
{
    if (n == EVLOOP_EOF)
        evloop_stream_close_gracefully(stream, END_TIMEOUT, on_closed);
    else if (n < 0 || evloop_stream_send(stream, data, (size_t)n) < 0)
        evloop_stream_close(stream, on_closed);
}

/* Who sends and does not read is not read either. */
static void on_watermark(evloop_stream *stream, bool full)
{
    if (full)
        evloop_stream_read_stop(stream);
    else if (evloop_stream_read_start(stream, on_read) < 0)
        evloop_stream_close(stream, on_closed);
}

static void on_connection(evloop_listener *listener)
{
    struct client *c = calloc(1, sizeof *c);
    if (!c || evloop_accept(listener, &c->stream) < 0) {
        free(c);
        return;
    }
    evloop_stream_set_idle_timeout(&c->stream, IDLE_TIMEOUT);
    evloop_stream_set_watermarks(&c->stream, LOW, HIGH, on_watermark);
    if (evloop_stream_read_start(&c->stream, on_read) < 0)
        evloop_stream_close(&c->stream, on_closed);
}

static int end_client(const evloop_object *object, void *arg)
{
    (void)arg;
    if (object->type == EVLOOP_TYPE_STREAM)
        evloop_stream_close_gracefully(object->object, END_TIMEOUT, on_closed);
    return 0;
}

static void on_term(evloop_notify *notify)
{
    evloop *loop = evloop_notify_loop(notify);
    evloop_notify_stop(notify);
    evloop_walk(loop, end_client, NULL);
    evloop_shutdown(loop, END_TIMEOUT);
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

/* The system has chosen the port if 0 was asked for. */
static void print_address(const evloop_listener *listener)
{
    evloop_address address;
    char text[EVLOOP_ADDRESS_TEXT] = "";
    if (evloop_listener_local(listener, &address) == 0)
        evloop_address_format(&address, text, sizeof text);
    printf("listening on %s\n", text);
    fflush(stdout);
}

static int serve(evloop *loop, const char *address)
{
    evloop_listener listener = {0};
    int err = evloop_tcp_listen(loop, &listener, address, NULL, on_connection);
    if (!err)
        err = evloop_notify_start(loop, &term, on_term);
    if (!err) {
        catch_signals();
        print_address(&listener);
        err = evloop_run(loop, EVLOOP_RUN_DEFAULT);
    }
    int destroyed = evloop_destroy(loop, err ? EVLOOP_DESTROY_FORCE : 0);
    return err ? err : destroyed;
}

int main(int argc, char **argv)
{
    evloop *loop;
    int err = evloop_create(&loop, NULL);
    if (!err)
        err = serve(loop, argc > 1 ? argv[1] : "127.0.0.1:7000");
    if (err)
        fprintf(stderr, "echo: %s\n", evloop_strerror(err));
    return err ? 1 : 0;
}
