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

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* The connections are opened so many at a time, so that the listener's queue does not overflow. */
#define RAMP_STEP 100
#define RAMP_INTERVAL EVLOOP_MS(10)

enum client_state {
    CLIENT_CLOSED,
    CLIENT_CONNECTING,
    CLIENT_TALKING, /* a request is under way */
    CLIENT_THINKING,
    CLIENT_ENDING /* has sent the end of its stream, and waits for the server's */
};

struct client {
    evloop_watch watch;
    evloop_timer think;
    struct clients *clients;
    enum client_state state;
    uint64_t id;
    uint64_t sent;     /* how far the stream has been sent, */
    uint64_t received; /* and has come back, */
    uint64_t end;      /* and how far this request goes */
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

static void client_close(struct client *c)
{
    int fd = evloop_watch_fd(&c->watch);
    evloop_timer_stop(&c->think);
    evloop_watch_stop(&c->watch);
    close(fd);
    c->clients->sent += c->sent;
    c->clients->received += c->received;
    c->state = CLIENT_CLOSED;
}

static void client_fail(struct client *c, const char *what, int error)
{
    struct clients *all = c->clients;
    if (all->failed++ == 0)
        snprintf(all->first_failure, sizeof all->first_failure, "client %llu: %s: %s",
                 (unsigned long long)c->id, what, error ? evloop_strerror(error) : "wrong");
    if (c->state != CLIENT_CLOSED)
        client_close(c);
}

/* Sends the end of the stream; the server answers with its own when everything has come back. */
static void client_end(struct client *c)
{
    evloop_timer_stop(&c->think);
    c->state = CLIENT_ENDING;
    if (shutdown(evloop_watch_fd(&c->watch), SHUT_WR) < 0)
        client_fail(c, "shutdown", errno);
}

/* Sends what the kernel takes; asks to be told when it takes the rest. */
static void client_send(struct client *c)
{
    char *buffer = c->clients->sending;
    uint64_t left = c->end - c->sent;
    size_t size = left < READ_SIZE ? (size_t)left : READ_SIZE;
    pattern_fill(c->id, c->sent, buffer, size);
    ssize_t count = write(evloop_watch_fd(&c->watch), buffer, size);
    if (count < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) {
        client_fail(c, "write", errno);
        return;
    }
    c->sent += count > 0 ? (uint64_t)count : 0;
    unsigned more = c->sent < c->end ? EVLOOP_WRITABLE : 0;
    int err = evloop_watch_modify(&c->watch, EVLOOP_READABLE | more);
    if (err)
        client_fail(c, "watch", err);
}

static void client_request(struct client *c)
{
    uint64_t size = request_size(c->clients);
    if (size > c->clients->largest)
        c->clients->largest = size;
    c->state = CLIENT_TALKING;
    c->end += size;
    c->started_ns = clock_ns();
    client_send(c);
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

/* So much of the answer is in the buffer. Returns whether it is what was sent. */
static bool client_compare(struct client *c, size_t count)
{
    struct clients *all = c->clients;
    if (c->received + count > c->sent)
        return false;
    pattern_fill(c->id, c->received, all->expected, count);
    return memcmp(all->expected, all->receiving, count) == 0;
}

static void client_receive(struct client *c)
{
    ssize_t count = read(evloop_watch_fd(&c->watch), c->clients->receiving, READ_SIZE);
    if (count < 0) {
        if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)
            client_fail(c, "read", errno);
    } else if (count == 0) {
        if (c->state != CLIENT_ENDING || c->received != c->sent) {
            client_fail(c, "read", EVLOOP_EOF);
            return;
        }
        c->clients->completed++;
        client_close(c);
    } else if (!client_compare(c, (size_t)count)) {
        client_fail(c, "the bytes that came back", 0);
    } else {
        c->received += (uint64_t)count;
        if (c->received == c->end) {
            c->clients->requests++;
            histogram_add(&c->clients->recent, clock_ns() - c->started_ns);
            client_next(c);
        }
    }
}

static void client_connected(struct client *c)
{
    int error = 0;
    socklen_t size = sizeof error;
    if (getsockopt(evloop_watch_fd(&c->watch), SOL_SOCKET, SO_ERROR, &error, &size) < 0)
        error = errno;
    if (error) {
        client_fail(c, "connect", error);
        return;
    }
    c->clients->connected++;
    evloop_watch_modify(&c->watch, EVLOOP_READABLE);
    client_next(c);
}

static void on_client_ready(evloop_watch *watch, unsigned events)
{
    struct client *c = evloop_container_of(watch, struct client, watch);
    if (c->state == CLIENT_CONNECTING) {
        client_connected(c);
        return;
    }
    if ((events & EVLOOP_WRITABLE) && c->sent < c->end)
        client_send(c);
    if ((events & EVLOOP_READABLE) && c->state != CLIENT_CLOSED)
        client_receive(c);
}

/*
 * A socket that is connecting to the port on 127.0.0.1. Returns the descriptor, or a negative
 * errno.
 */
static int connect_to_loopback(uint16_t port)
{
    const struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int yes = 1;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0)
        return -errno;
    if (fcntl(fd, F_SETFL, O_NONBLOCK) == 0 &&
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes) == 0 &&
        (connect(fd, (const struct sockaddr *)&address, sizeof address) == 0 ||
         errno == EINPROGRESS || errno == EINTR))
        return fd;
    int error = errno;
    close(fd);
    return -error;
}

static void client_open(struct clients *all, struct client *c, uint64_t id)
{
    c->clients = all;
    c->id = id;
    c->watch.name = "client's connection";
    c->think.name = "think";
    int fd = connect_to_loopback(all->port);
    if (fd < 0) {
        client_fail(c, "connect", fd);
        return;
    }
    int err = evloop_watch_start(all->loop, &c->watch, fd, EVLOOP_WRITABLE, on_client_ready);
    if (err) {
        close(fd);
        client_fail(c, "watch", err);
        return;
    }
    c->state = CLIENT_CONNECTING;
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
                  uint16_t port)
{
    clients->loop = loop;
    clients->count = options->connections;
    clients->think_ns = EVLOOP_MS(options->think_ms);
    clients->port = port;
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
    }
    free(clients->all);
    clients->all = NULL;
}
