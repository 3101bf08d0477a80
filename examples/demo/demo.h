/*
 * The demo: an echo server on one loop, its clients on another, threads that post tasks to both,
 * timers by the hundred thousand beside the server, and at the end a verdict.
 *
 * Three threads run a loop each: the main thread's holds the clock of the demo (a report a
 * second, the end), the second serves, the third is the load. They share nothing but the queues
 * of the loops: the report is a task that visits loop after loop and takes the figures with it.
 */
#ifndef DEMO_H
#define DEMO_H

#include <evloop.h>
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

struct options {
    unsigned seconds;
    unsigned connections;
    unsigned timers;
    unsigned producers;
    unsigned think_ms; /* a client waits up to twice as long between two requests */
};

/* The clock that the promises are held against: the kernel's own, not the loop's. */
#ifdef CLOCK_UPTIME_RAW
#define PROMISED_CLOCK CLOCK_UPTIME_RAW
#else
#define PROMISED_CLOCK CLOCK_MONOTONIC
#endif

static inline uint64_t clock_ns(void)
{
    struct timespec now;
    clock_gettime(PROMISED_CLOCK, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

/* A number that looks random and depends on `seed` alone (the finaliser of splitmix64). */
static inline uint64_t mix(uint64_t seed)
{
    seed = (seed ^ (seed >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    seed = (seed ^ (seed >> 27)) * UINT64_C(0x94d049bb133111eb);
    return seed ^ (seed >> 31);
}

static inline uint64_t next_random(uint64_t *state)
{
    return mix(*state += UINT64_C(0x9e3779b97f4a7c15));
}

/* leaks.c: what the process holds. Any thread. */

struct memory {
    evloop_allocator allocator; /* for evloop_options; its context is this struct */
    _Atomic(size_t) blocks;
    _Atomic(size_t) bytes;
    _Atomic(size_t) peak_bytes;
};

void memory_init(struct memory *memory);
/* How many descriptors are open; -1 if the system does not say. */
int count_descriptors(void);
/*
 * Sees to it that so many connections, both ends of each, can be open. Returns false after saying
 * why not.
 */
bool allow_descriptors(unsigned connections);

/* histogram.c: durations from 1 ns to hours, each kept to within 1/16. One thread at a time. */

#define HISTOGRAM_STEPS 16
#define HISTOGRAM_SIZE (44 * HISTOGRAM_STEPS)

struct histogram {
    uint64_t total;
    uint64_t counts[HISTOGRAM_SIZE];
};

void histogram_add(struct histogram *histogram, uint64_t duration_ns);
void histogram_merge(struct histogram *sum, const struct histogram *other);
/* The duration that `percent` of all do not exceed, in µs; 0 if there is none. */
double histogram_percentile_us(const struct histogram *histogram, double percent);

/* server.c: echoes on 127.0.0.1. All on the server's loop, or while nobody runs it. */

struct server {
    evloop_listener listener;
    evloop_notify finish; /* from any thread: accept no more; the clients close what there is */
    void (*on_finish)(struct server *server);
    evloop_address address;
    uint64_t accepted;
    uint64_t refused; /* accepting failed */
    uint64_t closed;
    uint64_t broken;    /* connections that ended otherwise than by the client's closing */
    uint64_t held_back; /* times that a client was not read because it did not read */
};

int server_start(struct server *server, evloop *loop);

/* clients.c: the load. All on the clients' loop, or while nobody runs it. */

struct client;

struct clients {
    evloop *loop;
    evloop_timer ramp;    /* opens the connections, a few at a time */
    evloop_notify finish; /* from any thread: finish the requests under way, close, be gone */
    struct client *all;
    unsigned count;
    unsigned opened;
    unsigned connected;
    unsigned completed; /* closed in order, with nothing missing and nothing left over */
    unsigned failed;
    char first_failure[96];
    bool finishing;
    evloop_address server;
    uint64_t think_ns;
    uint64_t random;
    uint64_t requests;
    uint64_t sent;
    uint64_t received; /* and compared */
    uint64_t largest;
    struct histogram recent; /* since the last report */
    char scratch[16 * 1024]; /* to make up what is sent, or should have come */
};

int clients_start(struct clients *clients, evloop *loop, const struct options *options,
                  const evloop_address *server);
/* After the run: what has not been closed is a failure; frees the memory. */
void clients_free(struct clients *clients);

/* producers.c: threads that post tasks, each to one loop, until its gate is closed. */

#define PRODUCER_WINDOW 1024

struct producer;

struct job {
    evloop_task task; /* for every other job; the rest are posted as (function, argument) */
    struct producer *producer;
    uint64_t sequence;
};

struct producer {
    pthread_t thread;
    evloop *loop;
    /* the producer's thread: */
    uint64_t accepted;
    int refusal; /* what the last offer returned: EVLOOP_ECLOSED if all went well */
    /* the loop's thread: */
    uint64_t expected;   /* the sequence number that must run next */
    uint64_t disordered; /* jobs that ran before or after their time, or again */
    _Atomic(uint64_t) executed;
    struct job jobs[PRODUCER_WINDOW];
};

struct producers {
    struct producer *all;
    unsigned count;
};

/* Producer n posts to loops[n % loop_count]. Returns 0, or a negative errno. */
int producers_start(struct producers *producers, unsigned count, evloop *const *loops,
                    unsigned loop_count);
/* Any thread: how many jobs have run. */
uint64_t producers_executed(const struct producers *producers);
/* Waits for the threads: call it when the gates of all loops are closed. */
void producers_join(struct producers *producers);

/*
 * timers.c: timers armed, cancelled, pushed back and fired. All on one loop, or while nobody runs
 * it.
 */

struct slot;

struct timers {
    evloop *loop;
    evloop_timer churn; /* goes round the slots: cancels, pushes back, arms */
    struct slot *slots;
    unsigned count;
    unsigned cursor;
    uint64_t random;
    uint64_t armed;
    uint64_t fired;
    uint64_t cancelled;
    uint64_t pushed_back;
    uint64_t early;
    uint64_t ghosts; /* fired though cancelled */
    uint64_t errors;
    struct histogram lateness;
};

int timers_start(struct timers *timers, evloop *loop, unsigned count);
/* Cancels all. */
void timers_finish(struct timers *timers);
void timers_free(struct timers *timers);

/* report.c: what is shown. */

struct figures {
    uint64_t at_ns;
    uint64_t connections;
    uint64_t requests;
    uint64_t posts;
    uint64_t timers;
    uint64_t wakes;
};

void report_header(const struct options *options, const evloop *loop);
/* One line: what happened between the two, in place on a terminal. */
void report_line(uint64_t started_ns, const struct figures *before, const struct figures *now,
                 const struct histogram *latency);
/* Ends the lines, and gives the whole run's. */
void report_total(uint64_t started_ns, const struct figures *last, const struct histogram *latency);
/* One line of the verdict; returns ok. */
bool report_check(bool ok, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
