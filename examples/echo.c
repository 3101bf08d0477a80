/* clang-format off */
#include <evloop.h>
#include <stdio.h>
#include <stdlib.h>

struct client { evloop_stream stream; };

static void on_closed(evloop_stream *s) { free(evloop_container_of(s, struct client, stream)); }

static void on_read(evloop_stream *s, ssize_t n, const void *data)
{
    if (n < 0 || evloop_stream_send(s, data, (size_t)n) < 0)   /* n < 0: EVLOOP_EOF, or an error */
        evloop_stream_close(s, on_closed);
}

static void on_connection(evloop_listener *l)
{
    struct client *c = calloc(1, sizeof *c);
    if (!c || evloop_accept(l, &c->stream) < 0) { free(c); return; }
    evloop_stream_set_idle_timeout(&c->stream, EVLOOP_SEC(60));
    evloop_stream_read_start(&c->stream, on_read);
}

int main(void)
{
    evloop *loop;
    evloop_listener listener = {0};
    int err = evloop_create(&loop, NULL);
    if (!err) err = evloop_tcp_listen(loop, &listener, "127.0.0.1:7000", NULL, on_connection);
    if (!err) err = evloop_run(loop, EVLOOP_RUN_DEFAULT);
    if (err) return fprintf(stderr, "echo: %s\n", evloop_strerror(err)), 1;
    return evloop_destroy(loop, 0) ? 1 : 0;
}
