/*
 * probe.h: what the tests of watches share.
 */
#ifndef EVLOOP_TESTS_PROBE_H
#define EVLOOP_TESTS_PROBE_H

#include "support.h"

/* A watch that counts its calls and remembers what it was told. */
struct probe {
    evloop_watch watch;
    int calls;
    unsigned events; /* of the last call */
    unsigned ever;   /* of all calls */
};

static inline void on_probe(evloop_watch *watch, unsigned events)
{
    struct probe *probe = evloop_container_of(watch, struct probe, watch);
    assert_true(events != 0);
    assert_int_equal(events & ~(evloop_watch_events(watch) | EVLOOP_ERROR), 0);
    probe->calls++;
    probe->events = events;
    probe->ever |= events;
}

static inline void probe_start(evloop *loop, struct probe *probe, int fd, unsigned events)
{
    memset(probe, 0, sizeof *probe);
    assert_int_equal(evloop_watch_start(loop, &probe->watch, fd, events, on_probe), 0);
}

/* One turn; asserts how often the probe was called in it, and with what. */
static inline void expect(evloop *loop, struct probe *probe, int calls, unsigned events)
{
    probe->calls = 0;
    probe->events = 0;
    loop_turn(loop);
    assert_int_equal(probe->calls, calls);
    assert_int_equal(probe->events, events);
}

/* Turns of a loop that is left alone for a while: few if it sleeps, thousands if it spins. */
static inline uint64_t turns_while_left_alone(evloop *loop)
{
    uint64_t before = loop_metrics(loop).turns;
    assert_int_equal(evloop_run_for(loop, EVLOOP_MS(20)), 0);
    return loop_metrics(loop).turns - before;
}

#define FEW_TURNS 20

#endif
