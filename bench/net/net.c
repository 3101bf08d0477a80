/*
 * net.c: the server's thread, and the sockets of the load.
 */
#include "net.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "../harness/pin.h"

enum { BACKLOG = 4096, SPARE_DESCRIPTORS = 64, FLOW_BUFFER = 512 * 1024 };

char net_block[NET_BLOCK];

static void check_call(int result, const char *what)
{
    bench_check(result < 0 ? -errno : 0, what);
}

static void set_option(int fd, int level, int option, int value)
{
    check_call(setsockopt(fd, level, option, &value, sizeof value), "setsockopt");
}

/* A flow's buffers have one size, so that every run is the same; the kernel's own choice varies. */
static void configure(int fd, const struct net_plan *plan)
{
    if (!plan->local)
        set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    if (plan->service == NET_SINK || plan->service == NET_SOURCE) {
        set_option(fd, SOL_SOCKET, SO_SNDBUF, FLOW_BUFFER);
        set_option(fd, SOL_SOCKET, SO_RCVBUF, FLOW_BUFFER);
    }
}

static void name_inet(struct net_server *server)
{
    server->address.inet = (struct sockaddr_in){
        .sin_family = AF_INET,
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    server->address_size = sizeof server->address.inet;
}

/* It is removed as soon as all are connected. */
static void name_local(struct net_server *server)
{
    server->address.local.sun_family = AF_UNIX;
    snprintf(server->address.local.sun_path, sizeof server->address.local.sun_path,
             P_tmpdir "/evloop-bench-%ld", (long)getpid());
    server->address_size = sizeof server->address.local;
    unlink(server->address.local.sun_path);
}

static void listen_on(struct net_server *server)
{
    int fd = socket(server->plan.local ? AF_UNIX : AF_INET, SOCK_STREAM, 0);

    check_call(fd, "socket");
    if (server->plan.local)
        name_local(server);
    else
        name_inet(server);
    configure(fd, &server->plan);
    check_call(bind(fd, &server->address.any, server->address_size), "bind");
    check_call(listen(fd, BACKLOG), "listen");
    check_call(fcntl(fd, F_SETFL, O_NONBLOCK), "fcntl");
    if (!server->plan.local)
        check_call(getsockname(fd, &server->address.any, &server->address_size), "getsockname");
    server->listener = fd;
}

struct start {
    const struct net_peer *peer;
    struct net_server *server;
};

static void *serve(void *arg)
{
    struct start *start = arg;

    start->peer->serve(start->server);
    return NULL;
}

static struct net_server *start_on(const struct net_peer *peer, const struct net_plan *plan,
                                   int core, int server_core)
{
    struct start *start = bench_alloc(1, sizeof *start);
    pthread_t thread;

    if (core < 0 || server_core < 0)
        bench_skip("too few cores, or no way to keep threads on them");
    bench_allow_descriptors((plan->service == NET_IDLE ? 1 : 2) * plan->connections +
                            SPARE_DESCRIPTORS);
    start->peer = peer;
    start->server = bench_alloc(1, sizeof *start->server);
    start->server->plan = *plan;
    listen_on(start->server);
    bench_check(pin_to(pthread_self(), server_core), "pin"); /* its thread is born there */
    if (core == server_core)
        pin_yielding(pthread_self());
    bench_check(-pthread_create(&thread, NULL, serve, start), "pthread_create");
    bench_check(-pthread_getcpuclockid(thread, &start->server->clock), "pthread_getcpuclockid");
    bench_check(pin_to(pthread_self(), core), "pin");
    return start->server;
}

struct net_server *net_start(const struct net_peer *peer, const struct net_plan *plan)
{
    int core = pin_here();

    return start_on(peer, plan, core, core);
}

struct net_server *net_start_apart(const struct net_peer *peer, const struct net_plan *plan)
{
    int core = pin_here();

    return start_on(peer, plan, core, core < 0 ? -1 : pin_elsewhere(core));
}

int net_connect(const struct net_server *server)
{
    int fd = socket(server->address.any.sa_family, SOCK_STREAM, 0);

    check_call(fd, "socket");
    configure(fd, &server->plan);
    check_call(connect(fd, &server->address.any, server->address_size), "connect");
    return fd;
}

int *net_connect_all(const struct net_server *server)
{
    int *fds = bench_alloc(server->plan.connections, sizeof *fds);

    for (size_t i = 0; i < server->plan.connections; i++)
        fds[i] = net_connect(server);
    if (server->plan.local)
        unlink(server->address.local.sun_path);
    return fds;
}

void net_send(int fd, const char *data, size_t size)
{
    while (size > 0) {
        ssize_t n = send(fd, data, size, MSG_NOSIGNAL);

        check_call((int)n, "send");
        data += n;
        size -= (size_t)n;
    }
}

void net_receive(int fd, char *memory, size_t size)
{
    while (size > 0) {
        ssize_t n = recv(fd, memory, size, 0);

        check_call((int)n, "recv");
        bench_check(n == 0 ? -EPIPE : 0, "recv");
        memory += n;
        size -= (size_t)n;
    }
}

void net_await_tally(struct net_server *server, size_t tally)
{
    const struct timespec while_it_works = {.tv_nsec = 20000};

    while (atomic_load_explicit(&server->tally, memory_order_acquire) < tally)
        nanosleep(&while_it_works, NULL);
}
