/*
 * A TCP echo server that stands alone: evloop-echo [port [address]], then "nc 127.0.0.1 7000"
 * talks to it. SIGINT or SIGTERM ends it: it stops listening, what is still to be sent goes out,
 * and it is gone.
 *
 * It reads only while nothing is waiting to be written, so that a peer who sends and never reads
 * costs one buffer at most. When the process runs out of descriptors, it stops accepting for a
 * moment: the connections in the kernel's queue wait there, and the loop does not spin on them.
 */
#define _POSIX_C_SOURCE 200809L

#include <errno.h>
#include <evloop.h>
#include <fcntl.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define READ_SIZE (64 * 1024)
#define ACCEPT_PAUSE EVLOOP_MS(100)
#define END_TIMEOUT EVLOOP_SEC(5)

struct listener {
    evloop_watch watch;
    evloop_timer resume; /* ends a pause in accepting */
};

struct server {
    struct listener listeners[2];
    evloop_notify end;
    bool ending;
    char buffer[READ_SIZE]; /* shared: what has been read is written, or kept elsewhere, at once */
};

struct connection {
    evloop_watch watch;
    char *pending; /* what was read and the kernel has not taken yet; NULL: nothing */
    size_t pending_size;
    size_t pending_sent;
};

static const char connection_name[] = "connection";
static struct server server;

/* A connection. */

static void connection_close(struct connection *c)
{
    int fd = evloop_watch_fd(&c->watch);
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
    return evloop_watch_modify(&c->watch, EVLOOP_WRITABLE) == 0;
}

static void connection_flush(struct connection *c)
{
    ssize_t written = write_some(evloop_watch_fd(&c->watch), c->pending + c->pending_sent,
                                 c->pending_size - c->pending_sent);
    c->pending_sent += written > 0 ? (size_t)written : 0;
    bool flushed = c->pending_sent == c->pending_size;
    if (written < 0 || (flushed && server.ending)) {
        connection_close(c);
    } else if (flushed) {
        free(c->pending);
        c->pending = NULL;
        evloop_watch_modify(&c->watch, EVLOOP_READABLE);
    }
}

static void connection_echo(struct connection *c)
{
    int fd = evloop_watch_fd(&c->watch);
    ssize_t count = read(fd, server.buffer, READ_SIZE);
    if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
        return; /* the watch is level-triggered: it comes again */
    if (count <= 0) {
        connection_close(c);
        return;
    }
    ssize_t written = write_some(fd, server.buffer, (size_t)count);
    if (written < 0 || (written < count &&
                        !connection_keep(c, server.buffer + written, (size_t)(count - written))))
        connection_close(c);
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

/* Takes the descriptor over, whatever comes of it. */
static void connection_open(evloop *loop, int fd)
{
    struct connection *c = calloc(1, sizeof *c);
    if (!c || fcntl(fd, F_SETFL, O_NONBLOCK) < 0) {
        free(c);
        close(fd);
        return;
    }
    c->watch.name = connection_name;
    int err = evloop_watch_start(loop, &c->watch, fd, EVLOOP_READABLE, on_connection_ready);
    if (err) {
        fprintf(stderr, "echo: connection: %s\n", evloop_strerror(err));
        free(c);
        close(fd);
    }
}

/* Listening. */

static void on_resume(evloop_timer *timer)
{
    struct listener *l = evloop_container_of(timer, struct listener, resume);
    evloop_watch_modify(&l->watch, EVLOOP_READABLE);
}

static void listener_accept_failed(struct listener *l, evloop *loop, int error)
{
    if (error != EMFILE && error != ENFILE && error != ENOBUFS && error != ENOMEM)
        return; /* that connection is gone (ECONNABORTED), or there is none: the watch says when */
    fprintf(stderr, "echo: accept: %s; pausing\n", evloop_strerror(error));
    if (evloop_timer_start(loop, &l->resume, ACCEPT_PAUSE, 0, on_resume) == 0)
        evloop_watch_modify(&l->watch, 0);
}

/* One connection a turn: an accept that finds nothing costs more than the next turn does. */
static void on_listener_ready(evloop_watch *watch, unsigned events)
{
    struct listener *l = evloop_container_of(watch, struct listener, watch);
    evloop *loop = evloop_watch_loop(watch);
    int fd = accept(evloop_watch_fd(watch), NULL, NULL);
    (void)events;
    if (fd < 0)
        listener_accept_failed(l, loop, errno);
    else
        connection_open(loop, fd);
}

static void listener_close(struct listener *l)
{
    if (!evloop_watch_active(&l->watch))
        return;
    int fd = evloop_watch_fd(&l->watch);
    evloop_timer_stop(&l->resume);
    evloop_watch_stop(&l->watch);
    close(fd);
}

/* A listening socket on the address; or -1, with errno. */
static int listen_on(const struct addrinfo *address)
{
    int yes = 1;
    int fd = socket(address->ai_family, SOCK_STREAM, 0);
    if (fd < 0)
        return -1;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) < 0 ||
        fcntl(fd, F_SETFL, O_NONBLOCK) < 0 || bind(fd, address->ai_addr, address->ai_addrlen) < 0 ||
        listen(fd, SOMAXCONN) < 0) {
        int error = errno;
        close(fd);
        errno = error;
        return -1;
    }
    return fd;
}

/* Says where it listens; the kernel has chosen the port if 0 was asked for. */
static void print_address(int fd)
{
    struct sockaddr_storage address;
    socklen_t size = sizeof address;
    char host[64], port[8]; /* numeric: long enough for IPv6 with a zone */
    if (getsockname(fd, (struct sockaddr *)&address, &size) == 0 &&
        getnameinfo((struct sockaddr *)&address, size, host, sizeof host, port, sizeof port,
                    NI_NUMERICHOST | NI_NUMERICSERV) == 0)
        printf("listening on %s port %s\n", host, port);
    fflush(stdout);
}

static bool listener_open(evloop *loop, struct listener *l, const char *host, const char *port)
{
    struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
                             .ai_socktype = SOCK_STREAM};
    struct addrinfo *address;
    int failed = getaddrinfo(host, port, &hints, &address);
    if (failed) {
        fprintf(stderr, "echo: %s port %s: %s\n", host, port, gai_strerror(failed));
        return false;
    }
    int fd = listen_on(address);
    int err = fd < 0 ? -errno : 0;
    freeaddrinfo(address);
    l->watch.name = "listener";
    if (!err)
        err = evloop_watch_start(loop, &l->watch, fd, EVLOOP_READABLE, on_listener_ready);
    if (err) {
        fprintf(stderr, "echo: %s port %s: %s\n", host, port, evloop_strerror(err));
        if (fd >= 0)
            close(fd);
        return false;
    }
    print_address(fd);
    return true;
}

/* The end. */

/* Closes a connection with nothing to write; one that has something closes when that is written. */
static int end_connection(const evloop_object *object, void *force)
{
    if (object->type == EVLOOP_TYPE_WATCH && strcmp(object->name, connection_name) == 0) {
        struct connection *c = evloop_container_of(object->object, struct connection, watch);
        if (force || !c->pending)
            connection_close(c);
    }
    return 0;
}

static void on_end(evloop_notify *end)
{
    evloop *loop = evloop_notify_loop(end);
    puts("ending");
    server.ending = true;
    listener_close(&server.listeners[0]);
    listener_close(&server.listeners[1]);
    evloop_walk(loop, end_connection, NULL);
    evloop_notify_stop(end);
    evloop_shutdown(loop, END_TIMEOUT);
}

static void on_signal(int number)
{
    int error = errno;
    (void)number;
    evloop_notify_send(&server.end);
    errno = error;
}

/* SA_RESETHAND: a second signal ends the process at once. */
static void catch_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    signal(SIGPIPE, SIG_IGN); /* write() says EPIPE instead */
}

static bool open_listeners(evloop *loop, const char *port, const char *address)
{
    if (address)
        return listener_open(loop, &server.listeners[0], address, port);
    bool v4 = listener_open(loop, &server.listeners[0], "127.0.0.1", port);
    bool v6 = listener_open(loop, &server.listeners[1], "::1", port);
    return v4 || v6; /* a machine may have only one of them */
}

/* A number up to 65535; getaddrinfo() would take a larger one for what is left of it in 16 bits. */
static bool is_port(const char *text)
{
    size_t digits = strspn(text, "0123456789");
    return digits > 0 && digits <= 5 && !text[digits] && strtoul(text, NULL, 10) <= 65535;
}

int main(int argc, char **argv)
{
    evloop *loop;
    if (argc > 3 || (argc > 1 && !is_port(argv[1]))) {
        fprintf(stderr, "usage: %s [port [address]]\n", argv[0]);
        return 2;
    }
    int err = evloop_create(&loop, NULL);
    if (err) {
        fprintf(stderr, "echo: %s\n", evloop_strerror(err));
        return 1;
    }
    bool listening = open_listeners(loop, argc > 1 ? argv[1] : "7000", argc > 2 ? argv[2] : NULL);
    if (listening) {
        err = evloop_notify_start(loop, &server.end, on_end);
        if (!err)
            catch_signals();
        if (!err)
            err = evloop_run(loop, EVLOOP_RUN_DEFAULT);
        evloop_walk(loop, end_connection, &server); /* who would not read within END_TIMEOUT */
    }
    int destroyed = evloop_destroy(loop, err ? EVLOOP_DESTROY_FORCE : 0);
    if (!err)
        err = destroyed;
    if (err)
        fprintf(stderr, "echo: %s\n", evloop_strerror(err));
    return listening && !err ? 0 : 1;
}
