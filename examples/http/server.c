/*
 * A connection is in one of three states:
 *
 *   reading    it waits for a request, or for the rest of one, which goes into its own buffer
 *   sending    much is to be sent: it goes on, with what it has read meanwhile, when that is out
 *   closing    its last answer goes out, and then it is gone
 *
 * So a client that sends many requests at once and reads slowly is answered slowly: its requests
 * wait in its own machine, since nobody reads them here. And it costs no more than its buffer, one
 * open file and QUEUE_HIGH bytes.
 */
#define _POSIX_C_SOURCE 200809L

#include "server.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define IDLE_TIMEOUT EVLOOP_SEC(15)  /* between requests */
#define HEAD_TIMEOUT EVLOOP_SEC(10)  /* from a request's first byte to the last one of its head */
#define WRITE_TIMEOUT EVLOOP_SEC(30) /* the client takes nothing */
#define CLOSE_TIMEOUT EVLOOP_SEC(2)

enum {
    QUEUE_HIGH = 64 * 1024, /* no more requests are answered while so much is to be sent */
    SMALL_FILE = 16 * 1024, /* goes with its head, in one system call */
};

struct connection {
    evloop_stream stream;
    evloop_write write; /* what is waited for while sending */
    struct server *server;
    struct http_parser parser;
    bool sending;
    bool closing;
    int file;          /* that is being sent, or -1 */
    uint64_t head_due; /* when the request that has begun must be there; 0: none has */
    size_t begin, end; /* of what has been read, and not been answered */
    char buffer[HTTP_HEAD_MAX];
};

static void serve(struct connection *c);

/* ---- ending ---------------------------------------------------------------------------------- */

static void on_closed(evloop_stream *stream)
{
    free(evloop_container_of(stream, struct connection, stream));
}

/* What is queued goes out first; the client is waited for, so that it gets it. */
static void finish(struct connection *c)
{
    c->closing = true;
    evloop_stream_close_gracefully(&c->stream, CLOSE_TIMEOUT, on_closed);
}

static void drop(struct connection *c)
{
    c->closing = true;
    evloop_stream_close(&c->stream, on_closed);
}

/* ---- answering ------------------------------------------------------------------------------- */

static const char *date_now(struct server *server)
{
    time_t now = time(NULL);
    if (now != server->now)
        http_date(now, server->date);
    server->now = now;
    return server->date;
}

static void close_file(struct connection *c)
{
    if (c->file >= 0)
        close(c->file);
    c->file = -1;
}

/* What was waited for is out: on to the next request. Or it will never be. */
static void on_sent(evloop_write *write, int status)
{
    struct connection *c = evloop_container_of(write, struct connection, write);
    close_file(c);
    c->sending = false;
    if (c->closing)
        return;
    if (status < 0)
        drop(c);
    else
        serve(c);
}

/*
 * A small file is read behind its head, and both go out together. A large one is left to the
 * kernel, and no byte of it passes through this program; it comes after the head in any case.
 */
static int send_response(struct connection *c, const struct response *response,
                         enum http_method method, bool keep_alive)
{
    char text[RESPONSE_HEAD_MAX + SMALL_FILE];
    size_t size = response_write(response, method, keep_alive, date_now(c->server), text);
    bool whole = !response->file || method == HTTP_HEAD || response->status >= 300;
    if (!whole && response->size <= SMALL_FILE) {
        ssize_t n = pread(c->file, text + size, (size_t)response->size, (off_t)response->offset);
        if (n < 0 || (uint64_t)n != response->size)
            return -EIO; /* it has become shorter since its size was asked for */
        size += (size_t)n;
        whole = true;
    }
    int err = evloop_stream_send(&c->stream, text, size);
    if (err || whole)
        return err;
    err = evloop_stream_sendfile(&c->stream, &c->write, c->file, response->offset,
                                 (size_t)response->size, on_sent);
    c->sending = !err;
    return err;
}

static int refuse(struct connection *c, const struct http_request *request, int status,
                  bool keep_alive)
{
    struct response response = response_without_file(status);
    response.folder = request->path;
    return send_response(c, &response, request->method, keep_alive);
}

static int answer_with_file(struct connection *c, const struct http_request *request,
                            bool keep_alive)
{
    struct file file;
    int status = file_open(c->server->folder, request->path, &file);
    if (status != 200)
        return refuse(c, request, status, keep_alive);
    c->file = file.fd;
    struct response response = response_with_file(request, &file);
    int err = send_response(c, &response, request->method, keep_alive);
    if (!c->sending)
        close_file(c);
    return err;
}

/* A body would have to be read to find the request behind it: we want none. */
static void answer(struct connection *c, const struct http_request *request)
{
    bool keep_alive = request->keep_alive && request->body_size == 0 && !c->server->ending;
    int err;
    if (request->method == HTTP_OTHER)
        err = refuse(c, request, 405, keep_alive);
    else if (request->body_size > 0)
        err = refuse(c, request, 413, keep_alive);
    else
        err = answer_with_file(c, request, keep_alive);
    if (err)
        drop(c);
    else if (!keep_alive)
        finish(c);
}

/* Answers what could not be understood; nobody knows where the next request would begin. */
static void refuse_and_finish(struct connection *c, int status)
{
    const struct http_request unknown = {.method = HTTP_GET};
    if (refuse(c, &unknown, status, false) == 0)
        finish(c);
    else
        drop(c);
}

/* ---- reading --------------------------------------------------------------------------------- */

static void on_read(evloop_stream *stream, ssize_t n, const void *data)
{
    struct connection *c = evloop_container_of(stream, struct connection, stream);
    (void)data; /* it is in the buffer */
    if (n > 0) {
        c->end += (size_t)n;
        serve(c);
    } else if (n == -ETIMEDOUT && c->head_due) {
        refuse_and_finish(c, 408);
    } else if (n == EVLOOP_EOF) {
        finish(c);
    } else {
        drop(c); /* lost, silent for too long, or the server ends */
    }
}

/* For how long to wait: a client that sends a byte now and then must still be done in time. */
static uint64_t read_timeout(struct connection *c)
{
    uint64_t now = evloop_now(evloop_stream_loop(&c->stream));
    if (c->end == 0)
        return IDLE_TIMEOUT;
    if (!c->head_due)
        c->head_due = now + HEAD_TIMEOUT;
    return c->head_due > now ? c->head_due - now : 1;
}

static void read_more(struct connection *c)
{
    memmove(c->buffer, c->buffer + c->begin, c->end - c->begin);
    c->end -= c->begin;
    c->begin = 0;
    if (c->end == 0 && c->server->ending) {
        finish(c);
        return;
    }
    int err = evloop_stream_set_read_timeout(&c->stream, read_timeout(c));
    if (!err) /* a head that fills the buffer has been refused: there is room */
        err = evloop_stream_read_into(&c->stream, c->buffer + c->end, sizeof c->buffer - c->end, 1,
                                      on_read);
    if (err)
        drop(c);
}

/* Goes on when all that is queued has gone out. */
static void wait_until_sent(struct connection *c)
{
    c->sending = evloop_stream_write(&c->stream, &c->write, NULL, 0, on_sent) == 0;
    if (!c->sending)
        drop(c);
}

/* Answers what has been read, in order. */
static void serve(struct connection *c)
{
    struct http_request request;
    while (!c->sending && !c->closing) {
        int size = http_parse(&c->parser, c->buffer + c->begin, c->end - c->begin, &request);
        if (size < 0) {
            refuse_and_finish(c, -size);
        } else if (size == 0) {
            read_more(c);
            return;
        } else {
            c->begin += (size_t)size;
            c->head_due = 0;
            answer(c, &request);
            if (!c->sending && !c->closing && evloop_stream_queued(&c->stream) >= QUEUE_HIGH)
                wait_until_sent(c);
        }
    }
}

/* ---- the server ------------------------------------------------------------------------------ */

void server_on_connection(evloop_listener *listener)
{
    struct connection *c = calloc(1, sizeof *c);
    int err = c ? evloop_accept(listener, &c->stream) : -ENOMEM;
    if (err) { /* out of descriptors, for instance: the listener tries again by itself */
        fprintf(stderr, "accept: %s\n", evloop_strerror(err));
        free(c);
        return;
    }
    c->stream.name = "connection";
    c->server = listener->data;
    c->file = -1;
    evloop_stream_set_write_timeout(&c->stream, WRITE_TIMEOUT);
    read_more(c);
}

static int end_connection(const evloop_object *object, void *arg)
{
    (void)arg;
    if (object->type != EVLOOP_TYPE_STREAM)
        return 0;
    struct connection *c = evloop_container_of(object->object, struct connection, stream);
    if (!c->sending && !c->closing && c->end == 0)
        finish(c);
    return 0;
}

void server_end(struct server *server, evloop *loop)
{
    server->ending = true;
    evloop_walk(loop, end_connection, NULL);
}
