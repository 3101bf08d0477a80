/*
 * run.c: one execution: the client's threads as coroutines, and the operations that they do.
 *
 * First what the graph has already happens again; a thread that comes to a read waits until its
 * write has happened. Then threads go on one at a time, always the first that can, and each
 * operation becomes an event.
 */
#define _XOPEN_SOURCE 700

#include "run.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#include "explore.h"
#include "memory.h"

enum { STACK_SIZE = 64 * 1024, PATIENCE_AT_RANDOM = 100 };

enum state { READY, WAITS_FOR_WRITE, STOPPED, FINISHED };

struct thread {
    ucontext_t context;
    void (*fn)(void);
    enum state state;
    bool halfway; /* between the halves of an update */
    uint16_t executed;
    uint16_t turns[2];   /* executed, when its last turn began, and the one before */
    uint16_t stopped_at; /* since then it has read nothing but what it would read again */
    uint16_t awaits;     /* at random: the location, and how many writes were not enough */
    uint16_t seen;
    uint32_t patience;
    struct clock clock;
    char stack[STACK_SIZE];
};

static struct {
    ucontext_t scheduler;
    struct thread threads[MODEL_THREADS];
    struct thread *running;
    uint32_t executed; /* events, by all threads */
    bool dropped;
    bool repeated;
} run;

static int number_of(const struct thread *thread)
{
    return (int)(thread - run.threads);
}

int run_thread(void)
{
    return run.running ? number_of(run.running) : -1;
}

uint16_t run_time(void)
{
    return run.running->executed;
}

const struct clock *run_clock(void)
{
    return &run.running->clock;
}

bool run_repeated(void)
{
    return run.repeated;
}

uintptr_t model_self(void)
{
    return run.running ? (uintptr_t)run.running : (uintptr_t)&run;
}

/* ---- who goes on ----------------------------------------------------------------------------- */

static const struct event *next_event(const struct thread *thread)
{
    int number = number_of(thread);
    return thread->executed < graph.count[number]
               ? &graph.events[graph.at[number][thread->executed]]
               : NULL;
}

static bool has_happened(event_id id)
{
    return id == INITIAL || id % EVENTS_AT_MOST < run.threads[id / EVENTS_AT_MOST].executed;
}

static bool may_happen(const struct event *event)
{
    return event->kind == EVENT_WRITE || has_happened(event->from);
}

static bool happens_again(void)
{
    return run.executed < graph.event_count;
}

static struct thread *next_to_replay(void)
{
    for (int i = 0; i < MODEL_THREADS; i++) {
        const struct event *event = next_event(&run.threads[i]);
        if (event && may_happen(event) && run.threads[i].state == READY)
            return &run.threads[i];
    }
    model_give_up("a thread does not do again what it did: the client is not deterministic");
}

static bool can_go_on(struct thread *thread)
{
    return thread->state == READY || (thread->state == WAITS_FOR_WRITE &&
                                      graph.locations[thread->awaits].count != thread->seen);
}

static struct thread *next_at_random(void)
{
    struct thread *chosen = NULL;
    uint32_t found = 0;
    for (int i = 0; i < MODEL_THREADS; i++)
        if (can_go_on(&run.threads[i]) && random_below(++found) == 0)
            chosen = &run.threads[i];
    return chosen;
}

/* Depends on nothing but the graph. */
static struct thread *next_thread(void)
{
    struct thread *first = NULL;
    for (int i = MODEL_THREADS - 1; i >= 0; i--) {
        struct thread *thread = &run.threads[i];
        if (thread->halfway)
            return thread;
        if (can_go_on(thread))
            first = thread;
    }
    return !first || !exploring_at_random() ? first : next_at_random();
}

static void leave(void)
{
    struct thread *thread = run.running;
    run.running = NULL;
    swapcontext(&thread->context, &run.scheduler);
}

static void begin(void)
{
    run.running->fn();
    run.running->state = FINISHED;
    leave();
}

static __attribute__((noreturn)) void drop(void)
{
    run.dropped = true;
    leave();
    abort();
}

/*
 * This thread does nothing more in this execution: it would do again what it has done since it had
 * executed so many events, until somebody writes. What it reads then it could have read the first
 * time, in another execution.
 */
static __attribute__((noreturn)) void stop_thread(uint16_t since)
{
    run.running->state = STOPPED;
    run.running->stopped_at = since;
    leave();
    abort();
}

/* The next event of this thread, if it happens again; NULL: it is this thread's turn to add one. */
static struct event *await_turn(void)
{
    struct thread *thread = run.running;
    bool moved = false;
    for (;;) {
        const struct event *event = next_event(thread);
        if (event && may_happen(event))
            return &graph.events[event - graph.events];
        if (!event && !happens_again()) {
            /* At random, every operation is a chance for the others. */
            if (exploring_at_random() ? moved || thread->halfway : next_thread() == thread)
                return NULL;
        }
        leave();
        moved = true;
    }
}

/* ---- events ---------------------------------------------------------------------------------- */

static uint64_t load(uintptr_t address, size_t size)
{
    uint64_t value = 0;
    memcpy(&value, (const void *)address, size);
    return value;
}

static void store(uintptr_t address, size_t size, uint64_t value)
{
    memcpy((void *)address, &value, size);
}

/* A location's first access in this run finds what plain code left there. */
static uint16_t locate(const volatile void *object, size_t size)
{
    uint16_t number = graph_location(&graph, (uintptr_t)object, size);
    struct location *location = &graph.locations[number];
    if (location->fresh)
        location->initial = load(location->address, size);
    location->fresh = false;
    return number;
}

static void check_again(const struct event *event, enum event_kind kind, uintptr_t address,
                        struct site *site)
{
    if (event->kind != kind || event->site != site ||
        graph.locations[event->location].address != address)
        model_give_up("at %s:%d: a thread does something else than before: not deterministic",
                      site->file, site->line);
}

static void happened(const struct event *event)
{
    struct thread *thread = run.running;
    event->site->used = true;
    thread->executed++;
    run.executed++;
    thread->clock = event->hb;
    const struct location *location = &graph.locations[event->location];
    memory_atomic((const void *)location->address, location->size, event->kind == EVENT_WRITE);
}

static struct event new_event(enum event_kind kind, uint16_t location, unsigned order,
                              struct site *site)
{
    return (struct event){.kind = (uint8_t)kind,
                          .thread = (uint8_t)number_of(run.running),
                          .location = location,
                          .order = (uint8_t)order,
                          .site = site};
}

/* At random: until somebody writes there. */
static void wait_for_write(uint16_t location)
{
    run.running->state = WAITS_FOR_WRITE;
    run.running->awaits = location;
    run.running->seen = graph.locations[location].count;
    leave();
    run.running->state = READY;
}

/* `wanted`: of a compare and swap. */
static const struct event *do_read(const volatile void *object, size_t size, unsigned order,
                                   bool update, const uint64_t *wanted, const struct await *await,
                                   struct site *site)
{
    struct event *event;
    do {
        event = await_turn();
        uint16_t location = locate(object, size);
        if (event) {
            check_again(event, EVENT_READ, (uintptr_t)object, site);
            event->value = event->from == INITIAL ? graph.locations[location].initial
                                                  : graph_event(&graph, event->from)->value;
        } else {
            struct event read = new_event(EVENT_READ, location, order, site);
            read.update = update;
            read.claim = wanted != NULL;
            read.wanted = wanted ? *wanted : 0;
            event = explore_read(read, await);
            if (!event)
                wait_for_write(location);
        }
    } while (!event);
    happened(event);
    if (!awaited(await, event->value))
        stop_thread((uint16_t)(run.running->executed - 1));
    return event;
}

static void do_write(volatile void *object, size_t size, uint64_t value, unsigned order,
                     bool update, struct site *site)
{
    run.running->halfway = update;
    struct event *event = await_turn();
    uint16_t location = locate(object, size);
    value &= size < 8 ? (UINT64_C(1) << 8 * size) - 1 : UINT64_MAX;
    if (event) {
        check_again(event, EVENT_WRITE, (uintptr_t)object, site);
        if (event->value != value)
            model_give_up("at %s:%d: another value than before: not deterministic", site->file,
                          site->line);
    } else {
        struct event write = new_event(EVENT_WRITE, location, order, site);
        write.value = value;
        write.update = update;
        event = explore_write(write);
        if (!event)
            drop();
    }
    run.running->halfway = false;
    happened(event);
}

/* ---- operations ------------------------------------------------------------------------------ */

uint64_t model_get(const volatile void *object, size_t size, struct site *site)
{
    if (!run.running)
        return load((uintptr_t)object, size);
    return do_read(object, size, site->order, false, NULL, NULL, site)->value;
}

void model_set(volatile void *object, size_t size, uint64_t value, struct site *site)
{
    if (run.running)
        do_write(object, size, value, site->order, false, site);
    else
        store((uintptr_t)object, size, value);
}

static uint64_t changed(uint64_t value, enum model_rmw how, uint64_t operand)
{
    switch (how) {
    case MODEL_ADD:
        return value + operand;
    case MODEL_SUB:
        return value - operand;
    case MODEL_OR:
        return value | operand;
    case MODEL_AND:
        return value & operand;
    default:
        return operand;
    }
}

uint64_t model_change(volatile void *object, size_t size, enum model_rmw how, uint64_t operand,
                      struct site *site)
{
    uint64_t old;
    if (!run.running) {
        old = load((uintptr_t)object, size);
        store((uintptr_t)object, size, changed(old, how, operand));
        return old;
    }
    old = do_read(object, size, site->order, true, NULL, NULL, site)->value;
    do_write(object, size, changed(old, how, operand), site->order, true, site);
    return old;
}

/*
 * One that fails has the order of failure: it is known when the value is. A weak one does not fail
 * for no reason here: those of the library are in loops that would do the same again.
 */
bool model_claim(volatile void *object, size_t size, uint64_t *expected, uint64_t desired,
                 struct site *site)
{
    uint64_t mask = size < 8 ? (UINT64_C(1) << 8 * size) - 1 : UINT64_MAX;
    uint64_t wanted = *expected & mask;
    if (!run.running) {
        *expected = load((uintptr_t)object, size);
        if (*expected == wanted)
            store((uintptr_t)object, size, desired);
        return *expected == wanted;
    }
    *expected = do_read(object, size, site->order, true, &wanted, NULL, site)->value;
    if (*expected != wanted)
        return false;
    do_write(object, size, desired, site->order, true, site);
    return true;
}

/* A mutex is free or held: 0 or 1 in its first byte; the library's own is never looked into. */
void model_lock(void *mutex, struct site *site)
{
    static const struct await free_one = {0, false};
    if (!run.running)
        return;
    do_read(mutex, 1, memory_order_acquire, true, NULL, &free_one, site);
    do_write(mutex, 1, 1, memory_order_relaxed, true, site);
}

void model_unlock(void *mutex, struct site *site)
{
    if (run.running)
        do_write(mutex, 1, 0, memory_order_release, false, site);
}

/* A once-control is 0, 1 while the function runs, and 2. */
void model_once(void *once, void (*fn)(void *), void *argument, struct site *site)
{
    static const struct await any_but_running = {1, true};
    enum { SIZE = 4 };
    uint64_t state =
        run.running
            ? do_read(once, SIZE, memory_order_acquire, true, NULL, &any_but_running, site)->value
            : load((uintptr_t)once, SIZE);
    if (state == 2)
        return;
    if (run.running)
        do_write(once, SIZE, 1, memory_order_relaxed, true, site);
    fn(argument);
    if (run.running)
        do_write(once, SIZE, 2, memory_order_release, false, site);
    else
        store((uintptr_t)once, SIZE, 2);
}

/* At random there is no other execution: the others get their chance, many times. */
static void stop_unless_patient(uint16_t since)
{
    if (!exploring_at_random() || run.running->patience-- == 0)
        stop_thread(since);
    run.repeated = true;
}

/* In a loop that only reads. */
void model_yield(void)
{
    if (!run.running)
        model_give_up("setup and verify must not wait");
    stop_unless_patient((uint16_t)(run.running->executed - 1));
}

static bool same_event(const struct event *a, const struct event *b)
{
    return a->site == b->site && a->kind == b->kind && a->location == b->location &&
           a->value == b->value &&
           (a->kind == EVENT_WRITE || a->from == b->from ||
            (a->from != INITIAL && a->from / EVENTS_AT_MOST == a->thread &&
             b->from / EVENTS_AT_MOST == a->thread));
}

static bool same_turn(const struct thread *thread)
{
    const uint16_t *at = graph.at[number_of(thread)];
    uint16_t length = (uint16_t)(thread->turns[0] - thread->turns[1]);
    if (length == 0 || thread->executed - thread->turns[0] != length)
        return false;
    for (uint16_t i = 0; i < length; i++)
        if (!same_event(&graph.events[at[thread->turns[1] + i]],
                        &graph.events[at[thread->turns[0] + i]]))
            return false;
    return true;
}

void model_turn(void)
{
    struct thread *thread = run.running;
    if (!thread)
        return;
    if (same_turn(thread))
        stop_unless_patient(thread->turns[0]);
    thread->turns[1] = thread->turns[0];
    thread->turns[0] = thread->executed;
}

/* ---- the modelled kernel --------------------------------------------------------------------- */

/*
 * relaxed, all of it: the library must not rely on the kernel for the order of memory. For a mutex
 * and a once-control the order is the system's promise.
 */
SITE wait_site = {__FILE__, "wait", "the wake", __LINE__, memory_order_relaxed, 0, false};
SITE poll_site = {__FILE__, "poll", "the wake", __LINE__, memory_order_relaxed, 0, false};
SITE wake_site = {__FILE__, "wake", "the wake", __LINE__, memory_order_relaxed, 0, false};

void model_wait(uint32_t *token)
{
    static const struct await woken = {1, false};
    if (!run.running)
        model_give_up("setup and verify must not wait");
    do_read(token, sizeof *token, memory_order_relaxed, true, NULL, &woken, &wait_site);
    do_write(token, sizeof *token, 0, memory_order_relaxed, true, &wait_site);
}

void model_poll(uint32_t *token)
{
    if (!run.running) {
        *token = 0;
        return;
    }
    uint64_t woken =
        do_read(token, sizeof *token, memory_order_relaxed, true, NULL, NULL, &poll_site)->value;
    if (woken)
        do_write(token, sizeof *token, 0, memory_order_relaxed, true, &poll_site);
}

void model_wake(uint32_t *token)
{
    if (run.running)
        do_write(token, sizeof *token, 1, memory_order_relaxed, false, &wake_site);
    else
        *token = 1;
}

size_t model_history(const volatile void *object, uint64_t *values, size_t most)
{
    for (uint32_t i = 0; i < graph.location_count; i++) {
        const struct location *location = &graph.locations[i];
        if (location->address != (uintptr_t)object || location->fresh)
            continue;
        for (uint16_t place = 0; place <= location->count && place < most; place++)
            values[place] = graph_value_at(&graph, (uint16_t)i, place);
        return (size_t)location->count + 1;
    }
    return 0;
}

/* ---- one execution --------------------------------------------------------------------------- */

static void start(const struct client *client)
{
    memory_reset();
    run.running = NULL;
    run.executed = 0;
    run.dropped = false;
    run.repeated = false;
    for (uint32_t i = 0; i < graph.location_count; i++)
        graph.locations[i].fresh = true;
    if (client->setup)
        client->setup();
    for (int i = 0; i < MODEL_THREADS; i++) {
        struct thread *thread = &run.threads[i];
        thread->fn = client->threads[i];
        thread->state = thread->fn ? READY : FINISHED;
        thread->halfway = false;
        thread->executed = 0;
        thread->turns[0] = thread->turns[1] = 0;
        thread->patience = PATIENCE_AT_RANDOM;
        memset(&thread->clock, 0, sizeof thread->clock);
        if (!thread->fn)
            continue;
        getcontext(&thread->context);
        thread->context.uc_stack.ss_sp = thread->stack;
        thread->context.uc_stack.ss_size = sizeof thread->stack;
        thread->context.uc_link = NULL;
        makecontext(&thread->context, begin, 0);
    }
}

/*
 * Whether it reads, or is, the newest write: but for those of the thread itself since it would do
 * again what it has done.
 */
static bool is_newest(const struct thread *thread, uint16_t index)
{
    const struct event *event = &graph.events[graph.at[number_of(thread)][index]];
    const struct location *location = &graph.locations[event->location];
    uint16_t place = event->kind == EVENT_WRITE ? event->place : graph_place_read(&graph, event);
    for (; place < location->count; place++) {
        event_id id = location->writes[place];
        if (id / EVENTS_AT_MOST != number_of(thread) || id % EVENTS_AT_MOST < thread->stopped_at)
            return false;
    }
    return true;
}

/* Whether what stopped the thread will not change any more. */
static bool stopped_for_good(const struct thread *thread)
{
    if (thread->state == WAITS_FOR_WRITE)
        return true;
    for (uint16_t index = thread->stopped_at; index < thread->executed; index++)
        if (!is_newest(thread, index))
            return false;
    return true;
}

static enum ending ending(void)
{
    bool ended = true;
    bool for_good = true;
    for (int i = 0; i < MODEL_THREADS; i++) {
        const struct thread *thread = &run.threads[i];
        if (thread->state == FINISHED)
            continue;
        ended = false;
        for_good = for_good && stopped_for_good(thread);
    }
    if (ended)
        return ENDED;
    if (for_good)
        model_fail("deadlock: every thread that has not ended waits, and nobody will end that");
    return BLOCKED;
}

/* From here on the words of the library are what the last writes left there. */
static void settle_memory(void)
{
    for (uint32_t i = 0; i < graph.location_count; i++) {
        const struct location *location = &graph.locations[i];
        if (!location->fresh)
            store(location->address, location->size,
                  graph_value_at(&graph, (uint16_t)i, location->count));
    }
}

enum ending run_execution(const struct client *client)
{
    start(client);
    while (!run.dropped) {
        struct thread *thread = happens_again() ? next_to_replay() : next_thread();
        if (!thread)
            break;
        run.running = thread;
        swapcontext(&run.scheduler, &thread->context);
    }
    if (run.dropped)
        return DROPPED;
    enum ending end = ending();
    if (end == ENDED) {
        settle_memory();
        if (client->verify)
            client->verify();
    }
    return end;
}
