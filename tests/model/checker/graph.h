/*
 * graph.h: an execution as C11 sees it, and whether it is allowed.
 *
 * The model is RC11 (Lahav, Vafeiadis, Kang, Hur, Dreyer: Repairing sequential consistency in
 * C/C++11) without fences, which the library does not use:
 * - coherence: of a location's writes and reads, none contradicts happens-before;
 * - atomicity: nothing comes between the two halves of a read-modify-write;
 * - seq_cst: the relation `psc` between seq_cst events has no cycle;
 * - no value out of thin air: program order and reads-from have no cycle together. This leaves out
 *   load buffering, which C11 allows, and so do some processors between loads and later stores that
 *   nothing orders: where only an acquire guards against that, a comment there says so.
 * Release sequences are those of C++20: a release write, and read-modify-writes behind it.
 *
 * Events stand in the order in which they were added. A clock says for each thread how many of its
 * events are known: `hb`, those that happen before an event or are it; `porf`, those from which it
 * can be reached by program order and reads-from; `message`, what an acquiring reader of the write
 * gets to know.
 */
#ifndef GRAPH_H
#define GRAPH_H

#include "checker.h"

enum { EVENTS_AT_MOST = 2000, LOCATIONS_AT_MOST = 96, WRITES_AT_MOST = 160 };

typedef uint16_t event_id; /* thread * EVENTS_AT_MOST + index */
#define INITIAL UINT16_MAX /* reads-from: what stood there before the threads began */

struct clock {
    uint16_t of[MODEL_THREADS];
};

enum event_kind { EVENT_READ, EVENT_WRITE };

struct event {
    uint64_t value;  /* written, or read */
    uint64_t wanted; /* by a compare and swap's read */
    struct site *site;
    uint16_t index; /* in its thread */
    uint16_t location;
    event_id from;  /* a read's write */
    uint16_t place; /* a write's, in its location's order; the initial value's is 0 */
    uint8_t thread;
    uint8_t kind;
    uint8_t order;
    bool claim;  /* a compare and swap's read: the value decides about the order */
    bool update; /* half of a read-modify-write; of a read: unless its claim fails */
    struct clock hb;
    struct clock porf;
    struct clock message;
};

struct location {
    uintptr_t address;
    size_t size;
    uint64_t initial;
    bool fresh; /* `initial` is not this run's yet */
    uint16_t count;
    event_id writes[WRITES_AT_MOST];
};

struct graph {
    uint32_t event_count;
    uint32_t location_count;
    uint32_t deviations;
    uint16_t count[MODEL_THREADS];
    struct event events[EVENTS_AT_MOST];
    uint16_t at[MODEL_THREADS][EVENTS_AT_MOST]; /* where a thread's events stand in `events` */
    struct location locations[LOCATIONS_AT_MOST];
};

static inline event_id id_of(const struct event *event)
{
    return (event_id)(event->thread * EVENTS_AT_MOST + event->index);
}

static inline struct event *graph_event(struct graph *graph, event_id id)
{
    return &graph->events[graph->at[id / EVENTS_AT_MOST][id % EVENTS_AT_MOST]];
}

static inline bool knows(const struct clock *clock, const struct event *event)
{
    return event->index < clock->of[event->thread];
}

static inline bool acquires(unsigned order)
{
    return order == memory_order_acquire || order == memory_order_acq_rel ||
           order == memory_order_seq_cst;
}

static inline bool releases(unsigned order)
{
    return order == memory_order_release || order == memory_order_acq_rel ||
           order == memory_order_seq_cst;
}

void graph_clear(struct graph *graph);
uint16_t graph_location(struct graph *graph, uintptr_t address, size_t size);

/* Adds an event behind its thread's last one, with the clocks that follow; the caller places it. */
struct event *graph_append(struct graph *graph, const struct event *event);
/* Makes the read read from a place's write, or from a write that has no place yet. */
void graph_read_place(struct graph *graph, struct event *read, uint16_t place);
void graph_read_write(struct graph *graph, struct event *read, const struct event *write);
/* The place of the write that the read reads from. */
uint16_t graph_place_read(struct graph *graph, const struct event *read);
/* The value of the write at a place. */
uint64_t graph_value_at(struct graph *graph, uint16_t location, uint16_t place);
event_id graph_id_at(struct graph *graph, uint16_t location, uint16_t place);
/* The first place that an event with this clock may read from; it may write behind it. */
uint16_t graph_first_place(struct graph *graph, uint16_t location, const struct clock *hb);
/* Whether the write at this place is read by an update behind it, which must stay behind it. */
bool graph_place_taken(struct graph *graph, uint16_t location, uint16_t place);
/* Puts a write at a place; those from there on move up. */
void graph_insert(struct graph *graph, struct event *write, uint16_t place);
void graph_withdraw(struct graph *graph, struct event *write);
/* Whether no cycle of psc goes through the event. */
bool graph_sc(struct graph *graph, const struct event *event);
/* Leaves only the events that are told to stay, in their order. */
void graph_restrict(struct graph *to, const struct graph *from, const bool *stays);

void *graph_save(const struct graph *graph);
void graph_load(struct graph *graph, const void *saved);

#endif
