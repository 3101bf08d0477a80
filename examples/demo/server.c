/*
 * The echo server: raw non-blocking sockets under evloop_watch, all on one loop.
 *
 * What is read is written at once. If the kernel does not take all of it, the rest is kept and
 * the connection waits to be writable instead of readable: a connection holds READ_SIZE bytes at
 * most.
 */
#define _POSIX_C_SOURCE 200809L

#include "demo.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct connection {
    evloop_watch watch;
    struct server *server;
    char *pending; /* what was read and the kernel has not taken yet; NULL: nothing */
    size_t pending_size;
    size_t pending_sent;
};

static void connection_close(struct connection *c, bool in_order)
{
    int fd = evloop_watch_fd(&c->watch);
    c->server->closed++;
    c->server->broken += !in_order;
    evloop_watch_stop(&c->watch);
    close(fd);
    free(c->pending);
    free(c);
}

/*
 * Writes what the kernel takes now. Returns how much that was, perhaps 0, or -1 if the connection
 * is gone.
 */
static ssize_t write_some(int fd, const char *data, size_t size)
{
    ssize_t written;
    do {
        written = write(fd, data, size);
    } while (written < 0 && errno == EINTR);
    if (written < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return 0;
    return written;
}

/*
 * Keeps what the kernel did not take, and turns from reading to writing. Returns false without
 * memory.
 */
static bool connection_keep(struct connection *c, const char *data, size_t size)
{
    c->pending = malloc(size);
    if (!c->pending)
        return false;
    memcpy(c->pending, data, size);
    c->pending_size = size;
    c->pending_sent = 0;
    c->server->held_back++;
    return evloop_watch_modify(&c->watch, EVLOOP_WRITABLE) == 0;
}

static void connection_flush(struct connection *c)
{
    ssize_t written = write_some(evloop_watch_fd(&c->watch), c->pending + c->pending_sent,
                                 c->pending_size - c->pending_sent);
    if (written < 0) {
        connection_close(c, false);
        return;
    }
    c->pending_sent += (size_t)written;
    if (c->pending_sent == c->pending_size) {
        free(c->pending);
        c->pending = NULL;
        evloop_watch_modify(&c->watch, EVLOOP_READABLE);
    }
}

static void connection_echo(struct connection *c)
{
    int fd = evloop_watch_fd(&c->watch);
    char *buffer = c->server->buffer;
    ssize_t count = read(fd, buffer, READ_SIZE);
    if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
        return; /* the watch is level-triggered: it comes again */
    if (count <= 0) {
        connection_close(c, count == 0);
        return;
    }
    ssize_t written = write_some(fd, buffer, (size_t)count);
    if (written < 0)
        connection_close(c, false);
    else if (written < count && !connection_keep(c, buffer + written, (size_t)(count - written)))
        connection_close(c, false);
}

static void on_connection_ready(evloop_watch *watch, unsigned events)
{
    struct connection *c = evloop_container_of(watch, struct connection, watch);
    (void)events; /* one thing is asked for at a time */
    if (c->pending)
        connection_flush(c);
    else
        connection_echo(c);
}

/* Gives the descriptor a connection. Returns false if that is not possible. */
static bool connection_open(struct server *server, int fd)
{
    int yes = 1;
    if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0 ||
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes) < 0)
        return false;
    struct connection *c = calloc(1, sizeof *c);
    if (!c)
        return false;
    c->server = server;
    c->watch.name = "server's connection";
    if (evloop_watch_start(server->loop, &c->watch, fd, EVLOOP_READABLE, on_connection_ready) < 0) {
        free(c);
        return false;
    }
    return true;
}

static void on_resume(evloop_timer *timer)
{
    struct server *server = evloop_container_of(timer, struct server, resume);
    evloop_watch_modify(&server->listener, EVLOOP_READABLE);
}

/*
 * Out of descriptors or memory: the connections wait in the kernel's queue, and the loop does not
 * spin.
 */
static void accept_failed(struct server *server, int error)
{
    if (error != EMFILE && error != ENFILE && error != ENOBUFS && error != ENOMEM)
        return; /* that connection is gone (ECONNABORTED), or there is none: the watch says when */
    server->pauses++;
    if (evloop_timer_start(server->loop, &server->resume, EVLOOP_MS(50), 0, on_resume) == 0)
        evloop_watch_modify(&server->listener, 0);
}

/* One connection a turn: an accept that finds nothing costs more than the next turn does. */
static void on_listener_ready(evloop_watch *watch, unsigned events)
{
    struct server *server = evloop_container_of(watch, struct server, listener);
    int fd = accept(evloop_watch_fd(watch), NULL, NULL);
    (void)events;
    if (fd < 0) {
        accept_failed(server, errno);
        return;
    }
    server->accepted++;
    if (!connection_open(server, fd)) {
        server->closed++;
        server->broken++;
        close(fd);
    }
}

static void on_finish(evloop_notify *finish)
{
    struct server *server = evloop_container_of(finish, struct server, finish);
    int fd = evloop_watch_fd(&server->listener);
    evloop_timer_stop(&server->resume);
    evloop_watch_stop(&server->listener);
    close(fd);
    evloop_notify_stop(finish);
    server->on_finish(server);
}

/* A listening socket on 127.0.0.1, and its port. Returns the descriptor, or a negative errno. */
static int listen_on_loopback(uint16_t *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    /*
     * Small buffers for what is sent, which accepted sockets inherit, so that large answers do not
     * fit.
     */
    int send_size = 32 * 1024;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0)
        return -errno;
    if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &send_size, sizeof send_size) < 0 ||
        bind(fd, (struct sockaddr *)&address, size) < 0 || listen(fd, SOMAXCONN) < 0 ||
        getsockname(fd, (struct sockaddr *)&address, &size) < 0) {
        int error = errno;
        close(fd);
        return -error;
    }
    *port = ntohs(address.sin_port);
    return fd;
}

int server_start(struct server *server, evloop *loop)
{
    int fd = listen_on_loopback(&server->port);
    if (fd < 0)
        return fd;
    server->loop = loop;
    server->listener.name = "listener";
    server->resume.name = "resume";
    server->finish.name = "server's finish";
    int err = evloop_watch_start(loop, &server->listener, fd, EVLOOP_READABLE, on_listener_ready);
    if (!err)
        err = evloop_notify_start(loop, &server->finish, on_finish);
    if (err) {
        evloop_watch_stop(&server->listener);
        close(fd);
    }
    return err;
}
