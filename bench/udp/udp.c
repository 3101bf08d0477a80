/*
 * udp.c: the two threads, the clock between them, and the table of the systems.
 */
#include "udp.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <sys/socket.h>

#include "../harness/clock.h"
#include "../harness/pin.h"

enum { WARM_UP = 4000, BATCHES = 16, PACKET_NS = 4000 };

static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool there;
    struct sockaddr_in address;
} bound = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

void udp_bound(int fd)
{
    socklen_t size = sizeof bound.address;

    pthread_mutex_lock(&bound.lock);
    bench_check(getsockname(fd, (struct sockaddr *)&bound.address, &size), "getsockname");
    bound.there = true;
    pthread_cond_signal(&bound.changed);
    pthread_mutex_unlock(&bound.lock);
}

static void wait_until_bound(void)
{
    pthread_mutex_lock(&bound.lock);
    while (!bound.there)
        pthread_cond_wait(&bound.changed, &bound.lock);
    pthread_mutex_unlock(&bound.lock);
}

struct server {
    const struct udp_ops *ops;
    bool burst;
};

static void *serve(void *arg)
{
    const struct server *server = arg;
    struct sockaddr_in any_port = {.sin_family = AF_INET};

    any_port.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    server->ops->serve(&any_port, server->burst);
    bench_fail(-1, "the server has ended");
    return NULL;
}

static pthread_t start_server(struct server *server)
{
    pthread_t thread;
    int core = pin_here();

    if (core < 0)
        bench_skip("no way to keep threads on one core");
    bench_check(pin_to(pthread_self(), core), "pin"); /* the server's thread inherits it */
    bench_check(-pthread_create(&thread, NULL, serve, server), "pthread_create");
    wait_until_bound();
    return thread;
}

static void udp_run(const struct bench *bench, const void *ops, const struct bench_budget *budget,
                    double *values)
{
    struct server server = {ops, bench->active > 0};
    pthread_t thread = start_server(&server);
    struct udp_generator *generator =
        udp_generator_open(&bound.address, bench->objects, server.burst);
    size_t count = (size_t)(budget->time_ns / PACKET_NS / BATCHES);
    double each_ns[BATCHES];
    clockid_t clock;

    bench_check(-pthread_getcpuclockid(thread, &clock), "pthread_getcpuclockid");
    udp_generator_run(generator, WARM_UP);
    for (size_t i = 0; i < BATCHES; i++) {
        uint64_t begin_ns = clock_ns(clock);
        size_t done = udp_generator_run(generator, count);

        each_ns[i] = (double)(clock_ns(clock) - begin_ns) / (double)done;
    }
    values[0] = bench_median(each_ns, BATCHES);
}

static const struct bench_system systems[] = {
    {"evloop", &udp_evloop},
    {"epoll", &udp_evloop},
    {"evloop-send", &udp_evloop_send},
    {"libuv", IF_LIBUV(&udp_libuv)},
    {"usual", IF_LIBUV(&udp_libuv_usual)},
    {"floor", IF_LINUX(&udp_floor)},
};

static const struct bench_case cases[] = {
    {"echo/1", "cpu", "ns", true, 0},
    {"echo/8", "cpu", "ns", true, 0},
    {"echo/32", "cpu", "ns", true, 0},
    {"burst", "cpu", "ns", true, 0},
};

#define UDP(i, window, bursts)                                                                     \
    {                                                                                              \
        .name = "udp", .cases = &cases[i], .case_count = 1, .run = udp_run, .systems = systems,    \
        .system_count = BENCH_COUNT(systems), .objects = (window), .active = (bursts)              \
    }

static const struct bench benches[] = {
    UDP(0, 1, 0),
    UDP(1, 8, 0),
    UDP(2, 32, 0),
    UDP(3, 1, 1),
};

const struct bench_set udp_set = BENCH_SET(benches);
