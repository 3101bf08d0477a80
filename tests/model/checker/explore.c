/*
 * explore.c: constructs every execution graph that is allowed, each one once.
 *
 * The algorithm is that of Kokologiannakis, Marmanis, Gladstein and Vafeiadis, Truly stateless,
 * optimal dynamic partial order reduction (POPL 2022). One execution is run to its end; each read
 * takes the newest write there is, each write becomes the newest. On the way, everything else that
 * could have been is put on a stack, as a graph to begin with: an older write to read from, another
 * place for a write; and, when a write is added, for each earlier read of that location, the graph
 * in which the read reads from it: without what was added after the read, unless the write depends
 * on that. Of the many graphs in which such a read could be met only one counts: the one where all
 * that is deleted was "added maximally", reading the newest and being the newest.
 *
 * A departure from what comes first is a deviation: a switch of threads at a bad moment, or a stale
 * value. The graphs that are at most k deviations away are what others explore by a context bound.
 */
#include "explore.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "run.h"

struct graph graph;

static struct {
    void **items;
    size_t count;
    size_t capacity;
} stack;

static struct graph scratch;
static struct counts counts;
static uint32_t deviations_at_most;
static bool at_random;
static uint64_t random_state;
uint64_t explore_seed;

bool exploring_at_random(void)
{
    return at_random;
}

uint32_t random_below(uint32_t n)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)((random_state * UINT64_C(0x2545f4914f6cdd1d)) >> 32) % n;
}

/* ---- the stack of graphs to begin with ------------------------------------------------------- */

static void push(struct graph *alternative)
{
    if (at_random)
        return;
    if (alternative->deviations >= deviations_at_most) {
        counts.left_out++;
        return;
    }
    if (stack.count == stack.capacity) {
        stack.capacity = stack.capacity ? 2 * stack.capacity : 1024;
        stack.items = realloc(stack.items, stack.capacity * sizeof *stack.items);
        if (!stack.items)
            abort();
    }
    alternative->deviations++;
    stack.items[stack.count++] = graph_save(alternative);
    alternative->deviations--;
}

/* ---- reads ----------------------------------------------------------------------------------- */

static const struct clock *clock_before(struct graph *of, const struct event *event)
{
    static const struct clock nothing;
    return event->index ? &of->events[of->at[event->thread][event->index - 1]].hb : &nothing;
}

static bool may_read(struct event *read, uint16_t place, const struct await *await)
{
    if (!awaited(await, graph_value_at(&graph, read->location, place)))
        return false;
    graph_read_place(&graph, read, place);
    return graph_sc(&graph, read);
}

/* One of the places, each as likely as any other. */
static struct event *read_at_random(struct event *read, uint16_t first, const struct await *await)
{
    uint16_t newest = graph.locations[read->location].count;
    uint16_t chosen = 0;
    uint32_t found = 0;
    for (uint16_t place = first; place <= newest; place++) {
        if (!may_read(read, place, await))
            continue;
        bool updates = read->update && !(read->claim && read->value != read->wanted);
        bool taken = updates && graph_place_taken(&graph, read->location, place);
        if (!taken && random_below(++found) == 0)
            chosen = place;
    }
    if (found == 0) {
        graph.count[read->thread]--;
        graph.event_count--;
        return NULL;
    }
    graph_read_place(&graph, read, chosen);
    return read;
}

struct event *explore_read(struct event event, const struct await *await)
{
    event.from = INITIAL;
    struct event *read = graph_append(&graph, &event);
    uint16_t first = graph_first_place(&graph, read->location, clock_before(&graph, read));
    if (at_random)
        return read_at_random(read, first, await);
    uint16_t newest = graph.locations[read->location].count;
    for (uint16_t place = first; place < newest; place++)
        if (may_read(read, place, await))
            push(&graph);
    graph_read_place(&graph, read, newest);
    return read;
}

/* ---- writes ---------------------------------------------------------------------------------- */

/* Whether the event was the newest, or read the newest, of what was there before, or comes before
 * `write`. */
static bool added_maximally(const struct event *event, const struct event *write)
{
    ptrdiff_t stamp = event - graph.events;
    uint16_t place = event->place;
#define PREVIOUS(other) ((other)-graph.events <= stamp || knows(&write->porf, other))
    if (event->kind == EVENT_WRITE) {
        for (ptrdiff_t i = 0; i < stamp; i++)
            if (graph.events[i].kind == EVENT_READ && graph.events[i].from == id_of(event))
                return false;
    } else if (event->from == INITIAL) {
        place = 0;
    } else {
        const struct event *from = graph_event(&graph, event->from);
        if (!PREVIOUS(from))
            return false;
        place = from->place;
    }
    const struct location *location = &graph.locations[event->location];
    for (uint16_t i = place; i < location->count; i++)
        if (PREVIOUS(graph_event(&graph, location->writes[i])))
            return false;
    return true;
#undef PREVIOUS
}

/* Pushes the graph in `scratch` with the write at this place, if it is allowed. */
static void push_revisit(struct event *read, struct event *write, uint16_t place)
{
    graph_insert(&scratch, write, place);
    graph_read_write(&scratch, read, write);
    if (graph_first_place(&scratch, read->location, clock_before(&scratch, read)) <= place &&
        graph_sc(&scratch, read) && graph_sc(&scratch, write))
        push(&scratch);
    graph_withdraw(&scratch, write);
}

/* The graphs in which an earlier read reads from the write. */
static void revisit(const struct event *read, const struct event *write)
{
    bool stays[EVENTS_AT_MOST];
    for (uint32_t i = 0; i < graph.event_count; i++) {
        const struct event *event = &graph.events[i];
        stays[i] = event <= read || knows(&write->porf, event);
        if ((!stays[i] || event == read) && !added_maximally(event, write))
            return;
    }
    graph_restrict(&scratch, &graph, stays);
    struct event *again = graph_event(&scratch, id_of(read));
    struct event *placed = graph_event(&scratch, id_of(write));
    if (placed->update) {
        const struct event *half = &scratch.events[scratch.at[placed->thread][placed->index - 1]];
        uint16_t place = graph_place_read(&scratch, half);
        if (!graph_place_taken(&scratch, placed->location, place))
            push_revisit(again, placed, (uint16_t)(place + 1));
        return;
    }
    uint16_t first = graph_first_place(&scratch, placed->location, &placed->hb);
    for (uint16_t place = first; place <= scratch.locations[placed->location].count; place++)
        if (!graph_place_taken(&scratch, placed->location, place))
            push_revisit(again, placed, (uint16_t)(place + 1));
}

static bool place_update(struct event *write)
{
    const struct event *read = &graph.events[graph.at[write->thread][write->index - 1]];
    uint16_t place = graph_place_read(&graph, read);
    if (graph_place_taken(&graph, write->location, place))
        return false;
    graph_insert(&graph, write, (uint16_t)(place + 1));
    return graph_sc(&graph, write);
}

/* Where else it could stand; where it stands in this execution. */
static void place_write(struct event *write)
{
    uint16_t newest = graph.locations[write->location].count;
    uint16_t first = graph_first_place(&graph, write->location, &write->hb);
    uint16_t chosen = newest;
    uint32_t found = 1;
    for (uint16_t place = first; place < newest; place++) {
        if (graph_place_taken(&graph, write->location, place))
            continue;
        graph_insert(&graph, write, (uint16_t)(place + 1));
        if (graph_sc(&graph, write)) {
            push(&graph);
            if (at_random && random_below(++found) == 0)
                chosen = place;
        }
        graph_withdraw(&graph, write);
    }
    graph_insert(&graph, write, (uint16_t)(chosen + 1));
}

struct event *explore_write(struct event event)
{
    event.place = 0;
    struct event *write = graph_append(&graph, &event);
    for (uint32_t i = 0; i + 1 < graph.event_count && !at_random; i++) {
        const struct event *read = &graph.events[i];
        if (read->kind == EVENT_READ && read->location == write->location &&
            !knows(&write->porf, read))
            revisit(read, write);
    }
    if (write->update)
        return place_update(write) ? write : NULL;
    place_write(write);
    return write;
}

/* ---- all of them ----------------------------------------------------------------------------- */

static void count(enum ending ending)
{
    counts.complete += ending == ENDED;
    counts.blocked += ending == BLOCKED;
    if (counts.longest < graph.event_count)
        counts.longest = graph.event_count;
}

typedef void (*each_fn)(enum ending ending);

static struct counts explore_each(const struct client *client, uint32_t deviations, each_fn each)
{
    memset(&counts, 0, sizeof counts);
    deviations_at_most = deviations;
    at_random = false;
    graph_clear(&graph);
    while (stack.count > 0)
        free(stack.items[--stack.count]);
    for (;;) {
        enum ending ending = run_execution(client);
        count(ending);
        each(ending);
        if (stack.count == 0)
            return counts;
        void *saved = stack.items[--stack.count];
        graph_load(&graph, saved);
        free(saved);
    }
}

static void nothing(enum ending ending)
{
    (void)ending;
}

struct counts explore_all(const struct client *client, uint32_t deviations)
{
    return explore_each(client, deviations, nothing);
}

static void seed_random(uint64_t seed)
{
    random_state = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
    for (int i = 0; i < 8; i++)
        random_below(2);
}

static struct counts random_each(const struct client *client, uint64_t seed, uint64_t executions,
                                 each_fn each)
{
    memset(&counts, 0, sizeof counts);
    at_random = true;
    for (uint64_t i = 0; i < executions; i++) {
        explore_seed = seed + i;
        seed_random(explore_seed);
        graph_clear(&graph);
        enum ending ending = run_execution(client);
        count(ending);
        each(ending);
    }
    return counts;
}

struct counts explore_random(const struct client *client, uint64_t seed, uint64_t executions)
{
    return random_each(client, seed, executions, nothing);
}

/* ---- the checker checks itself --------------------------------------------------------------- */

static struct {
    uint64_t *hashes; /* 0: free */
    size_t mask;
    size_t count;
} found;

static uint64_t mix(uint64_t hash, uint64_t value)
{
    hash = (hash ^ value) * UINT64_C(0xff51afd7ed558ccd);
    return hash ^ hash >> 32;
}

/* Of all that makes one execution differ from another. */
static uint64_t hash_of_graph(void)
{
    uint64_t hash = 1;
    for (int thread = 0; thread < MODEL_THREADS; thread++)
        for (uint16_t i = 0; i < graph.count[thread]; i++) {
            const struct event *event = &graph.events[graph.at[thread][i]];
            hash = mix(hash, (uint64_t)(thread << 16 | i));
            hash = mix(hash, event->value);
            hash = mix(hash, event->kind == EVENT_READ ? event->from : event->place);
        }
    return hash ? hash : 1;
}

static uint64_t *slot_of(uint64_t hash)
{
    size_t i = hash & found.mask;
    while (found.hashes[i] && found.hashes[i] != hash)
        i = (i + 1) & found.mask;
    return &found.hashes[i];
}

static void make_room(void)
{
    uint64_t *old = found.hashes;
    size_t size = old ? found.mask + 1 : 0;
    if (old && 2 * found.count < size)
        return;
    found.mask = old ? 2 * size - 1 : 4095;
    found.hashes = calloc(found.mask + 1, sizeof *found.hashes);
    if (!found.hashes)
        abort();
    for (size_t i = 0; i < size; i++)
        if (old[i])
            *slot_of(old[i]) = old[i];
    free(old);
}

static void note_once(enum ending ending)
{
    if (ending != ENDED)
        return;
    make_room();
    uint64_t hash = hash_of_graph();
    uint64_t *slot = slot_of(hash);
    if (*slot)
        model_fail("an execution was explored twice");
    *slot = hash;
    found.count++;
}

static void look_up(enum ending ending)
{
    if (ending == ENDED && !run_repeated() && *slot_of(hash_of_graph()) == 0)
        model_fail("an execution was overlooked");
}

struct counts explore_and_check(const struct client *client, uint64_t seed, uint64_t executions)
{
    free(found.hashes);
    memset(&found, 0, sizeof found);
    make_room();
    struct counts all = explore_each(client, COMPLETE, note_once);
    random_each(client, seed, executions, look_up);
    return all;
}
