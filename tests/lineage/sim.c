#include "sim.h"

struct sim sim;

static int sim_open(struct poller *poller)
{
    (void)poller;
    sim.opens++;
    return 0;
}

static void sim_close(struct poller *poller)
{
    (void)poller;
    sim.closes++;
}

/* A wake that went to the old object is lost. */
static int sim_reopen(struct poller *poller)
{
    (void)poller;
    if (sim.on_reopen)
        sim.on_reopen(sim.loop);
    sim.woken = false;
    return 0;
}

static int sim_change(struct poller *poller, int fd, uint32_t generation, unsigned from,
                      unsigned to)
{
    (void)poller, (void)fd, (void)generation;
    sim.changes++;
    sim.change_from = from;
    sim.change_to = to;
    return sim.change_error;
}

static void end_a_sleep_without_end(void)
{
    sim.hung = true;
    evloop_stop(sim.loop);
}

static int sim_wait(struct poller *poller, uint64_t timeout_ns)
{
    (void)poller;
    sim.waits++;
    sim.sleeps += timeout_ns > 0;
    sim.timeout_ns = timeout_ns;
    if (sim.on_wait)
        sim.on_wait(sim.loop);
    if (!sim.woken && timeout_ns == EVLOOP_FOREVER)
        end_a_sleep_without_end();
    else if (!sim.woken)
        sim.now += timeout_ns;
    sim.woken = false;
    return sim.wait_error;
}

static void sim_wake(struct poller *poller)
{
    (void)poller;
    sim.wakes++;
    sim.woken = true;
}

static const struct poller_backend sim_backend = {
    .name = "sim",
    .open = sim_open,
    .close = sim_close,
    .reopen = sim_reopen,
    .change = sim_change,
    .wait = sim_wait,
    .wake = sim_wake,
};

const struct poller_backend *const *__real_poller_backends(void);
const struct poller_backend *const *__wrap_poller_backends(void);

const struct poller_backend *const *__wrap_poller_backends(void)
{
    static const struct poller_backend *backends[8];
    const struct poller_backend *const *real = __real_poller_backends();
    size_t count = 0;
    for (; real[count]; count++)
        backends[count] = real[count];
    backends[count] = &sim_backend;
    return backends;
}

int __real_poller_clock(uint64_t *now_ns);
int __wrap_poller_clock(uint64_t *now_ns);

int __wrap_poller_clock(uint64_t *now_ns)
{
    if (!sim.on)
        return __real_poller_clock(now_ns);
    *now_ns = sim.now;
    return 0;
}

evloop *sim_loop_new_with(evloop_options options)
{
    memset(&sim, 0, sizeof sim);
    sim.on = true;
    sim.now = EVLOOP_SEC(1000);
    options.backend = "sim";
    sim.loop = loop_new_with(options);
    return sim.loop;
}

evloop *sim_loop_new(void)
{
    return sim_loop_new_with(evloop_options_default());
}

void sim_off(void)
{
    memset(&sim, 0, sizeof sim);
}
