/*
 * loop.c: the loop's life, and its turn.
 */
#include "core/loop.h"

#include <string.h>

#include "util/memory.h"
#include "util/options.h"

enum {
    DEFAULT_TASK_BUDGET = 1024,
    DEFAULT_MICROTASK_BUDGET = 1024,
    DEFAULT_MICROTASK_CAPACITY = 4096,
    DEFAULT_POST_CACHE = 512,
    DEFAULT_READ_BUFFER_SIZE = 256 * 1024,
    DEFAULT_READ_BUFFERS = 16,
    DEFAULT_RECEIVE_MEMORY = 1024 * 1024,
    CAPACITY_AT_MOST = 1 << 24,
    OPTIONS_SIZE_0_1 = sizeof(evloop_options)
};

static const evloop_allocator default_allocator = {memory_resize_default, NULL};

static uint32_t or_default(uint32_t value, uint32_t fallback)
{
    return value ? value : fallback;
}

static bool is_capacity(uint32_t value)
{
    return (value & (value - 1)) == 0 && value <= CAPACITY_AT_MOST;
}

static int read_options(evloop_options *options, const evloop_options *given)
{
    *options = evloop_options_default();
    int err = options_read(options, sizeof *options, OPTIONS_SIZE_0_1, given);
    if (err)
        return err;
    if (!is_capacity(options->microtask_capacity) || !is_capacity(options->post_cache))
        return -EINVAL;
    if (options->allocator && !options->allocator->resize)
        return -EINVAL;
    return 0;
}

static void free_loop(evloop *loop)
{
    evloop_allocator allocator = loop->allocator;
    handles_free(loop);
    poller_free(&loop->poller);
    posts_free(loop);
    microtasks_free(&loop->microtasks);
    memory_free_aligned(&allocator, loop);
}

static int init_loop(evloop *loop, const evloop_options *options)
{
    loop->data = options->data;
    loop->discard = options->discard;
    loop->task_budget = or_default(options->task_budget, DEFAULT_TASK_BUDGET);
    loop->microtask_budget = or_default(options->microtask_budget, DEFAULT_MICROTASK_BUDGET);
    loop->spin_ns = options->spin_ns;
    loop->fork_generation = atomic_get(&state_fork_generation, relaxed);
    atomic_set(&loop->shutdown_deadline, UINT64_MAX, relaxed);
    list_init(&loop->urgent);
    list_init(&loop->tasks);
    list_init(&loop->urgent_phase);
    list_init(&loop->task_phase);
    list_init(&loop->notifies);
    hooks_init(loop);
    handles_init(loop);
    loop->poller.buffers.size = or_default(options->read_buffer_size, DEFAULT_READ_BUFFER_SIZE);
    loop->poller.receive_memory = or_default(options->receive_memory, DEFAULT_RECEIVE_MEMORY);
    loop->poller.buffers.most = or_default(options->read_buffers, DEFAULT_READ_BUFFERS);
    ingress_init(&loop->ingress);
    timers_init(&loop->timers, 0);

    uint32_t slots = or_default(options->microtask_capacity, DEFAULT_MICROTASK_CAPACITY);
    int err = microtasks_init(&loop->microtasks, &loop->allocator, slots, 0);
    if (!err)
        err = posts_init(loop, or_default(options->post_cache, DEFAULT_POST_CACHE));
    if (!err)
        err = loop_read_clock(loop);
    if (!err)
        err = poller_init(&loop->poller);
    return err;
}

int evloop_create(evloop **out, const evloop_options *given)
{
    evloop_options options;
    int err = out ? read_options(&options, given) : -EINVAL;
    if (!err)
        err = state_watch_forks();
    if (err)
        return err;
    const evloop_allocator *allocator = options.allocator ? options.allocator : &default_allocator;
    evloop *loop = (evloop *)memory_zalloc_aligned(allocator, sizeof *loop, CACHE_LINE);
    if (!loop)
        return -ENOMEM;
    loop->allocator = *allocator;
    err = poller_choose(&loop->poller, &loop->allocator, options.backend);
    if (!err)
        err = init_loop(loop, &options);
    if (err) {
        free_loop(loop);
        return err;
    }
    *out = loop;
    return 0;
}

static bool has_leftovers(evloop *loop)
{
    return *evloop_busy_reason(loop) != '\0';
}

static void discard_microtasks(evloop *loop)
{
    struct microtask task;
    while (microtasks_pop(&loop->microtasks, &task) == MICROTASK_TAKEN)
        if (loop->discard)
            loop->discard(loop, task.fn, task.arg);
}

static void stop_all(evloop *loop)
{
    evloop_watch *watch = poller_next_watch(&loop->poller, NULL);
    handles_discard_all(loop);
    timers_stop_all(loop);
    hooks_stop_all(loop);
    notifies_stop_all(loop);
    while (watch) {
        evloop_watch *next = poller_next_watch(&loop->poller, watch);
        poller_remove(&loop->poller, watch);
        object_clear(&watch->state_, ~(uintptr_t)OBJECT_UNREF);
        watch = next;
    }
}

static void tear_down(evloop *loop)
{
    state_close_gate(loop);
    /* release: partner: loop_check_offer(); stronger than the model needs (relaxed), as there */
    atomic_set(&loop->life, LIFE_CLOSED, release);
    stop_all(loop);
    state_end_sleep(loop);
    state_settle(loop);
    tasks_discard_all(loop);
    discard_microtasks(loop);
}

/* Who destroys a loop counts as its runner, so that a discard callback cannot do it again. */
int evloop_destroy(evloop *loop, unsigned flags)
{
    int err = loop_check(loop);
    if (err)
        return err;
    if (flags & ~EVLOOP_DESTROY_FORCE)
        return -EINVAL;
    uintptr_t nobody = 0;
    /* acquire: what the last run left; partner: state_leave_run() */
    if (!atomic_claim(&loop->runner, &nobody, thread_self(), acquire, relaxed))
        return -EBUSY;
    if (!(flags & EVLOOP_DESTROY_FORCE) && has_leftovers(loop)) {
        atomic_set(&loop->runner, 0, release); /* partner: state_enter_run() */
        return -EBUSY;
    }
    tear_down(loop);
    poller_close(&loop->poller);
    free_loop(loop);
    return 0;
}

/* Every reading of the clock gives fresh timers their deadlines. */
int loop_read_clock(evloop *loop)
{
    uint64_t now;
    int err = poller_clock(&now);
    if (err)
        return err;
    loop->now_stale = false;
    if (now > loop->now)
        loop->now = now;
    timers_arm(&loop->timers, loop->now);
    return 0;
}

void loop_drain_microtasks(evloop *loop)
{
    struct microtask task;
    uint32_t left = loop->microtask_budget;
    bool executing = loop->executing;
    loop->executing = true;
    while (left > 0 && microtasks_pop(&loop->microtasks, &task) == MICROTASK_TAKEN) {
        left--;
        task.fn(task.arg);
    }
    loop->executing = executing;
    loop->count.microtasks_run += loop->microtask_budget - left;
    if (left == 0 && microtasks_pending(&loop->microtasks))
        loop->count.microtask_overruns++;
}

static bool draining(const evloop *loop)
{
    return atomic_get(&loop->life, relaxed) == LIFE_DRAINING;
}

static bool accepted_work_left(evloop *loop)
{
    return tasks_left(loop) || microtasks_pending(&loop->microtasks);
}

/* Notify objects can be signalled no more once the gate is closed. */
static bool has_refs(const evloop *loop, bool drains)
{
    return loop->refs > (drains ? loop->notify_refs : 0);
}

static bool is_alive(evloop *loop, bool drains)
{
    tasks_take(loop);
    return has_refs(loop, drains) || loop->task_refs > 0 || loop->executing ||
           handles_pending(loop) || microtasks_pending(&loop->microtasks);
}

bool evloop_alive(evloop *loop)
{
    return loop_check_start(loop) == 0 && is_alive(loop, draining(loop));
}

/*
 * The end of a shutdown: all that was accepted is done, and nothing else may go on, or nothing is
 * left that could. The thread that called for it may still be on its way from one queue to the
 * next: this one makes sure that all are closed before it looks whether they are empty.
 */
static bool shutdown_finished(evloop *loop)
{
    if (!draining(loop))
        return false;
    if (!loop->drained) {
        loop->drained = true;
        handles_drain(loop);
    }
    state_close_gate(loop);
    if (accepted_work_left(loop))
        return false;
    if (!loop->notifies_closed) {
        notifies_close(loop);
        if (accepted_work_left(loop))
            return false;
    }
    if (has_refs(loop, true) && loop_read_clock(loop) == 0 &&
        loop->now < atomic_get(&loop->shutdown_deadline, relaxed))
        return false;
    handles_end(loop);
    atomic_set(&loop->life, LIFE_CLOSED, release); /* partner: state_enter_run() */
    return true;
}

/* What was called for is looked at now; calls that come from here on make the loop look again. */
static bool stop_requested(evloop *loop)
{
    /*
     * acquire: the deadline; partner: the exchange in evloop_shutdown(). acq_rel is
     * stronger than the model needs (acquire): it keeps the word's seq_cst exchanges in the order
     * of happens-before, on which C11's own text (7.17.3, 6) insists, and its repair does not.
     */
    atomic_and(&loop->attention, ~(unsigned)ATTEND_SHUTDOWN, acq_rel);
    return atomic_get(&loop->attention, relaxed) & ATTEND_STOP;
}

/* What one call of evloop_run() is about. */
struct run {
    evloop_run_mode mode;
    uint64_t until;
    uint64_t progress; /* at its beginning */
};

/*
 * How many callbacks have run, those apart that run in every turn whatever happens: prepare and
 * check hooks.
 */
static uint64_t progress(const evloop *loop)
{
    const evloop_metrics *count = &loop->count;
    return count->tasks_run + count->microtasks_run + count->timers_fired + count->events +
           loop->idle_runs;
}

static bool may_sleep(const evloop *loop, const struct run *run)
{
    return run->mode == EVLOOP_RUN_DEFAULT ||
           (run->mode == EVLOOP_RUN_ONCE && progress(loop) == run->progress);
}

static uint64_t time_until(const evloop *loop, uint64_t moment)
{
    if (moment == EVLOOP_FOREVER)
        return EVLOOP_FOREVER;
    return moment > loop->now ? moment - loop->now : 0;
}

/* When the loop must wake by itself, whatever else happens. */
static uint64_t next_moment(evloop *loop, uint64_t until)
{
    uint64_t moment = timers_earliest(&loop->timers);
    if (draining(loop)) {
        uint64_t deadline = atomic_get(&loop->shutdown_deadline, relaxed);
        moment = deadline < moment ? deadline : moment;
    }
    return moment < until ? moment : until;
}

/*
 * For programs that rather burn a core than wait for a wake: looks at the queues, in gaps, for a
 * bounded time.
 */
static int spin_for_work(evloop *loop, uint64_t end)
{
    int err = loop_read_clock(loop);
    if (end > loop->now && end - loop->now > loop->spin_ns)
        end = loop->now + loop->spin_ns;
    while (!err && loop->now < end && !state_has_work(loop)) {
        for (int gap = 0; gap < 64; gap++)
            cpu_relax();
        err = loop_read_clock(loop);
    }
    return err;
}

/* Announces the sleep if there is nothing to do; how long it may last. */
static int prepare_sleep(evloop *loop, const struct run *run, uint64_t *timeout_ns)
{
    *timeout_ns = 0;
    if (!has_refs(loop, draining(loop)) || loop->idle_refs > 0 || state_has_work(loop))
        return 0;
    if (handles_pending(loop) || poller_ready(&loop->poller))
        return 0;
    int err = 0;
    if (run->until != EVLOOP_FOREVER || draining(loop) || timers_any(&loop->timers))
        err = loop_read_clock(loop);
    if (err)
        return err;
    uint64_t moment = next_moment(loop, run->until);
    if (loop->spin_ns > 0)
        err = spin_for_work(loop, moment);
    uint64_t timeout = time_until(loop, moment);
    if (err || timeout == 0)
        return err;
    atomic_set(&loop->waiting, true, relaxed); /* before the sleep can be seen */
    if (state_begin_sleep(loop))
        *timeout_ns = timeout;
    else
        atomic_set(&loop->waiting, false, relaxed);
    return 0;
}

static void dispatch(evloop *loop)
{
    evloop_watch *watch;
    unsigned events;
    handles_call(loop);
    while ((watch = poller_next_ready(&loop->poller, &events))) {
        loop->count.events++;
        watch->fn_(watch, events);
        loop_run_microtasks(loop);
    }
    while (poller_ready(&loop->poller) && poller_next_completion(&loop->poller))
        ;
}

/*
 * The kernel is asked in every turn: not only if there is time to sleep. It is spared the question
 * if there is nothing to ask about: no watch, and no descriptor of an outer loop's to be made
 * quiet.
 */
static int poll_phase(evloop *loop, const struct run *run)
{
    uint64_t timeout_ns = 0;
    handles_flush(loop);
    int err = may_sleep(loop, run) ? prepare_sleep(loop, run, &timeout_ns) : 0;
    if (err)
        return err;
    if (!timeout_ns && loop->polled && poller_watch_count(&loop->poller) == 0) {
        handles_call(loop);
        return 0;
    }
    loop->polled = true;
    loop->count.polls++;
    err = poller_wait(&loop->poller, timeout_ns);
    if (timeout_ns) {
        loop->count.sleeps++;
        state_end_sleep(loop);
        atomic_set(&loop->waiting, false, relaxed);
        loop->now_stale = true;
        if (!err && (run->until != EVLOOP_FOREVER || draining(loop)))
            err = loop_read_clock(loop);
        loop_run_microtasks(loop);
    }
    dispatch(loop);
    return err;
}

static inline void run_hooks(evloop *loop, evloop_hook_kind kind)
{
    if (!list_empty(&loop->hooks[kind]))
        hooks_run(loop, kind);
}

/*
 * One turn; the order is a promise:
 *   the clock; timers that are due; urgent tasks; tasks, up to the budget; idle hooks; prepare
 *   hooks; what was written goes out; the kernel's events, collected and then dispatched; check
 *   hooks; closings.
 * Microtasks run after every callback, and what a budget left over is first in line.
 */
static int turn(evloop *loop, const struct run *run)
{
    loop->count.turns++;
    int err = loop_read_clock(loop);
    if (err)
        return err;
    loop_run_microtasks(loop);
    timers_run(loop);
    tasks_run(loop);
    run_hooks(loop, EVLOOP_HOOK_IDLE);
    run_hooks(loop, EVLOOP_HOOK_PREPARE);
    err = poll_phase(loop, run);
    run_hooks(loop, EVLOOP_HOOK_CHECK);
    handles_close(loop);
    return err;
}

static bool has_run_enough(const evloop *loop, const struct run *run)
{
    return run->mode == EVLOOP_RUN_NOWAIT || loop->now >= run->until ||
           (run->mode == EVLOOP_RUN_ONCE && progress(loop) != run->progress);
}

static int run_turns(evloop *loop, const struct run *run)
{
    for (;;) {
        if (stop_requested(loop) || shutdown_finished(loop))
            return 0;
        bool drains = draining(loop); /* asked once: a shutdown may come at any moment */
        if (run->mode != EVLOOP_RUN_NOWAIT && !drains && !is_alive(loop, drains))
            return 0;
        int err = turn(loop, run);
        if (err || has_run_enough(loop, run)) {
            shutdown_finished(loop);
            return err;
        }
    }
}

static int run_until(evloop *loop, evloop_run_mode mode, uint64_t until)
{
    struct run run = {mode, until, progress(loop)};
    loop->polled = false;
    int err = run_turns(loop, &run);
    int apply_err = poller_apply_changes(&loop->poller);
    state_leave_run(loop);
    return err ? err : apply_err;
}

int evloop_run(evloop *loop, evloop_run_mode mode)
{
    if ((unsigned)mode > EVLOOP_RUN_NOWAIT)
        return -EINVAL;
    int err = state_enter_run(loop);
    return err ? err : run_until(loop, mode, EVLOOP_FOREVER);
}

int evloop_run_for(evloop *loop, uint64_t timeout_ns)
{
    int err = state_enter_run(loop);
    if (err)
        return err;
    err = loop_read_clock(loop);
    if (err) {
        state_leave_run(loop);
        return err;
    }
    uint64_t end = timeout_ns > UINT64_MAX - loop->now ? UINT64_MAX : loop->now + timeout_ns;
    return run_until(loop, EVLOOP_RUN_DEFAULT, end);
}

/* After a sleep the clock is read by whoever asks first: most callbacks do not. */
uint64_t evloop_now(evloop *loop)
{
    if (!loop)
        return 0;
    if (loop->now_stale)
        loop_read_clock(loop);
    return loop->now;
}

uint64_t evloop_update(evloop *loop)
{
    if (loop_check_thread(loop) == 0)
        loop_read_clock(loop);
    return loop ? loop->now : 0;
}

int evloop_backend_fd(const evloop *loop)
{
    int err = loop_check(loop);
    return err ? err : poller_lend_fd((struct poller *)(uintptr_t)&loop->poller);
}

uint64_t evloop_next_timeout_ns(evloop *loop)
{
    if (loop && atomic_get(&loop->life, relaxed) == LIFE_CLOSED) /* its own thread closed it */
        return EVLOOP_FOREVER;
    if (loop_check_thread(loop) != 0 || loop->idle_refs > 0 || state_has_work(loop) ||
        poller_changed(&loop->poller) || handles_pending(loop) ||
        (draining(loop) && !has_refs(loop, true)) || loop_read_clock(loop) != 0)
        return 0;
    return time_until(loop, next_moment(loop, EVLOOP_FOREVER));
}

const char *evloop_backend_name(const evloop *loop)
{
    return loop ? loop->poller.backend->name : "";
}

const char *evloop_backend_reason(const evloop *loop)
{
    return loop ? loop->poller.reason : "";
}

void *evloop_data(const evloop *loop)
{
    return loop ? loop->data : NULL;
}

/* What another thread was in the midst of cannot be finished here; a sleep can. */
static bool left_in_a_turn(const evloop *loop)
{
    return atomic_get(&loop->runner, relaxed) != 0 && !state_on_loop_thread(loop) &&
           !atomic_get(&loop->waiting, relaxed);
}

int evloop_after_fork(evloop *loop)
{
    if (!loop)
        return -EINVAL;
    if (loop_check(loop) == 0)
        return 0;
    if (left_in_a_turn(loop))
        return -EBUSY;
    int err = poller_after_fork(&loop->poller);
    if (err)
        return err;
    microtasks_after_fork(&loop->microtasks);
    notifies_after_fork(loop);
    loop->count.wakes_sent += atomic_get(&loop->wakes_sent, relaxed);
    loop->wakes_owed = 0;
    atomic_set(&loop->wakes_sent, 0, relaxed); /* from here on: the only thread of this process */
    atomic_set(&loop->visitors, 0, relaxed);
    if (!state_on_loop_thread(loop)) {
        atomic_set(&loop->runner, 0, relaxed);
        atomic_set(&loop->waiting, false, relaxed);
        ingress_announce_sleep(&loop->ingress);
    }
    loop->fork_generation = atomic_get(&state_fork_generation, relaxed);
    return 0;
}
