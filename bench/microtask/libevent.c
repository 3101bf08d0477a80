/*
 * libevent.c: event_active(), which puts an event behind those that are to run in this turn.
 */
#include <event2/event.h>
#include <event2/event_struct.h>

#include "microtask.h"

struct microtasks {
    struct event_base *base;
    struct event source;
    struct event activated[MICROTASK_BURST]; /* never added, only activated */
    size_t left;                             /* to be asked for */
    size_t ran;
};

static const struct timeval at_once = {0, 0};

static void on_source(evutil_socket_t fd, short events, void *arg);

static struct microtasks *open_loop(event_callback_fn fn)
{
    struct microtasks *self = bench_alloc(1, sizeof *self);

    self->base = event_base_new();
    bench_check(self->base ? 0 : -1, "event_base_new");
    bench_check(event_assign(&self->source, self->base, -1, 0, on_source, self), "event_assign");
    for (size_t i = 0; i < MICROTASK_BURST; i++)
        bench_check(event_assign(&self->activated[i], self->base, -1, 0, fn, self), "event_assign");
    return self;
}

static void on_burst(evutil_socket_t fd, short events, void *arg)
{
    struct microtasks *self = arg;

    (void)fd;
    (void)events;
    self->ran++;
}

static void on_source(evutil_socket_t fd, short events, void *arg)
{
    struct microtasks *self = arg;
    size_t burst = self->left < MICROTASK_BURST ? self->left : MICROTASK_BURST;

    (void)fd;
    (void)events;
    for (size_t i = 0; i < burst; i++)
        event_active(&self->activated[i], EV_TIMEOUT, 0);
    self->left -= burst;
    if (self->left > 0)
        event_add(&self->source, &at_once);
}

static void *open_burst(const struct bench *bench)
{
    (void)bench;
    return open_loop(on_burst);
}

static void run_burst(void *arg, size_t count)
{
    struct microtasks *self = arg;

    self->left = count;
    self->ran = 0;
    bench_check(event_add(&self->source, &at_once), "event_add");
    event_base_loop(self->base, 0);
    bench_check(self->ran == count ? 0 : -1, "all callbacks run");
}

static void on_chain(evutil_socket_t fd, short events, void *arg)
{
    struct microtasks *self = arg;

    (void)fd;
    (void)events;
    self->ran++;
    if (--self->left > 0)
        event_active(&self->activated[0], EV_TIMEOUT, 0);
}

static void *open_chain(const struct bench *bench)
{
    (void)bench;
    return open_loop(on_chain);
}

static void run_chain(void *arg, size_t count)
{
    struct microtasks *self = arg;

    self->left = count;
    self->ran = 0;
    event_active(&self->activated[0], EV_TIMEOUT, 0);
    event_base_loop(self->base, 0);
    bench_check(self->ran == count ? 0 : -1, "all callbacks run");
}

const struct batch_ops microtask_burst_libevent = {open_burst, run_burst};
const struct batch_ops microtask_chain_libevent = {open_chain, run_chain};
