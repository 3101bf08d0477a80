/*
 * The load: many client connections on one loop. Each sends a request, reads the answer, compares
 * it byte by byte with what it sent, waits a little, and goes on with the next.
 *
 * What a client sends is one endless stream that is its own: byte n of client c follows from c
 * and n alone. So nothing has to be kept to be compared with, and a byte that is lost, doubled,
 * late or another client's shows at once.
 */
#define _POSIX_C_SOURCE 200809L

#include "demo.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The connections are opened so many at a time, so that the listener's queue does not overflow. */
#define RAMP_STEP 100
#define RAMP_INTERVAL EVLOOP_MS(10)

enum client_state {
    CLIENT_UNOPENED,
    CLIENT_CONNECTING,
    CLIENT_TALKING, /* a request is under way */
    CLIENT_THINKING,
    CLIENT_ENDING, /* has sent the end of its stream, and waits for the server's */
    CLIENT_CLOSING,
    CLIENT_CLOSED
};

struct client {
    evloop_stream stream;
    evloop_write write;
    struct iovec iov;
    char *request; /* of a large one: its memory, until it has gone out */
    evloop_timer think;
    struct clients *clients;
    enum client_state state;
    bool complete; /* all has come back, and nothing beside it */
    uint64_t id;
    uint64_t sent;     /* how far the stream has been sent, */
    uint64_t received; /* and has come back */
    uint64_t started_ns;
};

static void pattern_fill(uint64_t id, uint64_t offset, char *out, size_t size)
{
    while (size > 0) {
        uint64_t word = mix((id << 40) + offset / sizeof word);
        size_t skip = offset % sizeof word;
        size_t count = sizeof word - skip < size ? sizeof word - skip : size;
        memcpy(out, (const char *)&word + skip, count);
        out += count;
        offset += count;
        size -= count;
    }
}

/* Mostly small, some of a few KiB, now and then one that fits into no socket's buffer. */
static uint64_t request_size(struct clients *clients)
{
    uint64_t random = next_random(&clients->random);
    uint64_t kind = random % 1000;
    uint64_t spread = random >> 32;
    if (kind < 900)
        return 1 + spread % 1024;
    if (kind < 996)
        return 1024 + spread % (15 * 1024);
    return 64 * 1024 + spread % (192 * 1024);
}

static void on_closed(evloop_stream *stream)
{
    struct client *c = evloop_container_of(stream, struct client, stream);
    c->state = CLIENT_CLOSED;
    c->clients->completed += c->complete;
}

static void client_close(struct client *c)
{
    c->clients->sent += c->sent;
    c->clients->received += c->received;
    c->state = CLIENT_CLOSING;
    evloop_timer_stop(&c->think);
    evloop_stream_close(&c->stream, on_closed);
}

static void client_fail(struct client *c, const char *what, int error)
{
    struct clients *all = c->clients;
    if (c->state >= CLIENT_CLOSING)
        return;
    if (all->failed++ == 0)
        snprintf(all->first_failure, sizeof all->first_failure, "client %llu: %s: %s",
                 (unsigned long long)c->id, what, error ? evloop_strerror(error) : "wrong");
    client_close(c);
}

/* Sends the end of the stream; the server answers with its own when everything has come back. */
static void client_end(struct client *c)
{
    evloop_timer_stop(&c->think);
    c->state = CLIENT_ENDING;
    int err = evloop_stream_shutdown(&c->stream, NULL);
    if (err)
        client_fail(c, "shutdown", err);
}

static void on_written(evloop_write *write, int status)
{
    struct client *c = evloop_container_of(write, struct client, write);
    free(c->request);
    c->request = NULL;
    if (status < 0)
        client_fail(c, "write", status);
}

/* Without a copy: the memory stays until it has gone out. */
static int client_write(struct client *c, size_t size)
{
    c->request = malloc(size);
    if (!c->request)
        return -ENOMEM;
    pattern_fill(c->id, c->sent, c->request, size);
    c->iov.iov_base = c->request;
    c->iov.iov_len = size;
    int err = evloop_stream_write(&c->stream, &c->write, &c->iov, 1, on_written);
    if (err) {
        free(c->request);
        c->request = NULL;
    }
    return err;
}

static int client_send(struct client *c, size_t size)
{
    char *scratch = c->clients->scratch;
    if (size > sizeof c->clients->scratch)
        return client_write(c, size);
    pattern_fill(c->id, c->sent, scratch, size);
    return evloop_stream_send(&c->stream, scratch, size);
}

static void client_request(struct client *c)
{
    uint64_t size = request_size(c->clients);
    if (size > c->clients->largest)
        c->clients->largest = size;
    c->state = CLIENT_TALKING;
    c->started_ns = clock_ns();
    int err = client_send(c, (size_t)size);
    if (err)
        client_fail(c, "send", err);
    else
        c->sent += size;
}

static void on_thought(evloop_timer *timer)
{
    client_request(evloop_container_of(timer, struct client, think));
}

/* The next request, after a while; or the end, if it has come. */
static void client_next(struct client *c)
{
    struct clients *all = c->clients;
    if (all->finishing) {
        client_end(c);
    } else if (all->think_ns == 0) {
        client_request(c);
    } else {
        uint64_t wait_ns = next_random(&all->random) % (2 * all->think_ns);
        c->state = CLIENT_THINKING;
        int err = evloop_timer_start(all->loop, &c->think, wait_ns, 0, on_thought);
        if (err == EVLOOP_ECLOSED)
            client_end(c); /* the gate closes a moment before the word to finish is heard */
        else if (err)
            client_fail(c, "think", err);
    }
}

/* Whether this is the next part of what was sent. */
static bool client_compare(struct client *c, const char *data, size_t size)
{
    char *scratch = c->clients->scratch;
    if (size > c->sent - c->received)
        return false;
    while (size > 0) {
        size_t part = size < sizeof c->clients->scratch ? size : sizeof c->clients->scratch;
        pattern_fill(c->id, c->received, scratch, part);
        if (memcmp(scratch, data, part) != 0)
            return false;
        c->received += part;
        data += part;
        size -= part;
    }
    return true;
}

static void client_ended(struct client *c)
{
    if (c->state != CLIENT_ENDING || c->received != c->sent) {
        client_fail(c, "read", EVLOOP_EOF);
        return;
    }
    c->complete = true;
    client_close(c);
}

static void on_read(evloop_stream *stream, ssize_t n, const void *data)
{
    struct client *c = evloop_container_of(stream, struct client, stream);
    if (n == EVLOOP_EOF) {
        client_ended(c);
    } else if (n < 0) {
        client_fail(c, "read", (int)n);
    } else if (!client_compare(c, data, (size_t)n)) {
        client_fail(c, "the bytes that came back", 0);
    } else if (c->received == c->sent) {
        c->clients->requests++;
        histogram_add(&c->clients->recent, clock_ns() - c->started_ns);
        client_next(c);
    }
}

static void on_connected(evloop_stream *stream, int status)
{
    struct client *c = evloop_container_of(stream, struct client, stream);
    if (status < 0) {
        client_fail(c, "connect", status);
        return;
    }
    c->clients->connected++;
    int err = evloop_stream_read_start(stream, on_read);
    if (err)
        client_fail(c, "read", err);
    else
        client_next(c);
}

static void client_open(struct clients *all, struct client *c, uint64_t id)
{
    c->clients = all;
    c->id = id;
    c->stream.name = "client's connection";
    c->think.name = "think";
    c->state = CLIENT_CONNECTING;
    int err = evloop_connect(all->loop, &c->stream, &all->server, NULL, on_connected);
    if (err)
        client_fail(c, "connect", err);
}

static void on_ramp(evloop_timer *timer)
{
    struct clients *all = evloop_container_of(timer, struct clients, ramp);
    for (unsigned i = 0; i < RAMP_STEP && all->opened < all->count; i++) {
        client_open(all, &all->all[all->opened], all->opened + 1);
        all->opened++;
    }
    if (all->opened == all->count)
        evloop_timer_stop(timer);
}

static void on_finish(evloop_notify *finish)
{
    struct clients *all = evloop_container_of(finish, struct clients, finish);
    all->finishing = true;
    evloop_timer_stop(&all->ramp);
    evloop_notify_stop(finish);
    for (unsigned i = 0; i < all->opened; i++) {
        if (all->all[i].state == CLIENT_THINKING)
            client_end(&all->all[i]);
    }
}

int clients_start(struct clients *clients, evloop *loop, const struct options *options,
                  const evloop_address *server)
{
    clients->loop = loop;
    clients->count = options->connections;
    clients->think_ns = EVLOOP_MS(options->think_ms);
    clients->server = *server;
    clients->ramp.name = "ramp";
    clients->finish.name = "clients' finish";
    clients->all = calloc(clients->count, sizeof *clients->all);
    if (!clients->all)
        return -ENOMEM;
    int err = evloop_timer_start(loop, &clients->ramp, 0, RAMP_INTERVAL, on_ramp);
    if (!err)
        err = evloop_notify_start(loop, &clients->finish, on_finish);
    return err;
}

void clients_free(struct clients *clients)
{
    for (unsigned i = 0; i < clients->opened; i++) {
        if (clients->all[i].state != CLIENT_CLOSED)
            client_fail(&clients->all[i], "the end", -ETIMEDOUT);
        free(clients->all[i].request);
    }
    free(clients->all);
    clients->all = NULL;
}
