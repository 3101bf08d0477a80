#include "graph.h"

#include <stdlib.h>
#include <string.h>

void graph_clear(struct graph *graph)
{
    graph->event_count = 0;
    graph->location_count = 0;
    graph->deviations = 0;
    memset(graph->count, 0, sizeof graph->count);
}

uint16_t graph_location(struct graph *graph, uintptr_t address, size_t size)
{
    for (uint16_t i = 0; i < graph->location_count; i++) {
        const struct location *location = &graph->locations[i];
        if (location->address == address && location->size == size)
            return i;
        if (!location->fresh && location->address < address + size &&
            address < location->address + location->size)
            model_give_up("two atomic objects of different sizes at %p", (void *)address);
    }
    if (graph->location_count == LOCATIONS_AT_MOST)
        model_give_up("more than %d locations", LOCATIONS_AT_MOST);
    struct location *location = &graph->locations[graph->location_count];
    location->address = address;
    location->size = size;
    location->count = 0;
    location->fresh = true;
    return (uint16_t)graph->location_count++;
}

static void join(struct clock *clock, const struct clock *other)
{
    for (int i = 0; i < MODEL_THREADS; i++)
        if (clock->of[i] < other->of[i])
            clock->of[i] = other->of[i];
}

static const struct event *before(struct graph *graph, const struct event *event)
{
    return &graph->events[graph->at[event->thread][event->index - 1]];
}

/* The clocks of an event that nothing comes after. */
static void set_clocks(struct graph *graph, struct event *event)
{
    memset(&event->hb, 0, sizeof event->hb);
    memset(&event->porf, 0, sizeof event->porf);
    memset(&event->message, 0, sizeof event->message);
    if (event->index > 0) {
        event->hb = before(graph, event)->hb;
        event->porf = before(graph, event)->porf;
    }
    event->hb.of[event->thread] = event->porf.of[event->thread] = (uint16_t)(event->index + 1);
    if (event->kind == EVENT_READ && event->from != INITIAL) {
        const struct event *write = graph_event(graph, event->from);
        join(&event->porf, &write->porf);
        if (acquires(event->order))
            join(&event->hb, &write->message);
    }
    if (event->kind != EVENT_WRITE)
        return;
    if (releases(event->order))
        event->message = event->hb;
    event_id from = event->update ? before(graph, event)->from : INITIAL;
    if (from != INITIAL)
        join(&event->message, &graph_event(graph, from)->message);
}

struct event *graph_append(struct graph *graph, const struct event *event)
{
    if (graph->event_count == EVENTS_AT_MOST)
        model_fail("a thread does not end: more than %d events", EVENTS_AT_MOST);
    struct event *added = &graph->events[graph->event_count];
    *added = *event;
    added->index = graph->count[added->thread]++;
    graph->at[added->thread][added->index] = (uint16_t)graph->event_count++;
    set_clocks(graph, added);
    return added;
}

static void set_read(struct graph *graph, struct event *read, event_id from, uint64_t value)
{
    read->from = from;
    read->value = value;
    if (read->claim)
        read->order = value == read->wanted ? read->site->order : read->site->failure;
    set_clocks(graph, read);
}

void graph_read_place(struct graph *graph, struct event *read, uint16_t place)
{
    set_read(graph, read, graph_id_at(graph, read->location, place),
             graph_value_at(graph, read->location, place));
}

void graph_read_write(struct graph *graph, struct event *read, const struct event *write)
{
    set_read(graph, read, id_of(write), write->value);
}

uint16_t graph_place_read(struct graph *graph, const struct event *read)
{
    return read->from == INITIAL ? 0 : graph_event(graph, read->from)->place;
}

event_id graph_id_at(struct graph *graph, uint16_t location, uint16_t place)
{
    return place == 0 ? INITIAL : graph->locations[location].writes[place - 1];
}

uint64_t graph_value_at(struct graph *graph, uint16_t location, uint16_t place)
{
    return place == 0 ? graph->locations[location].initial
                      : graph_event(graph, graph_id_at(graph, location, place))->value;
}

uint16_t graph_first_place(struct graph *graph, uint16_t location, const struct clock *hb)
{
    uint16_t first = 0;
    for (uint32_t i = 0; i < graph->event_count; i++) {
        const struct event *event = &graph->events[i];
        if (event->location != location || !knows(hb, event))
            continue;
        uint16_t place = event->kind == EVENT_WRITE ? event->place : graph_place_read(graph, event);
        if (first < place)
            first = place;
    }
    return first;
}

bool graph_place_taken(struct graph *graph, uint16_t location, uint16_t place)
{
    if (place == graph->locations[location].count)
        return false;
    const struct event *next = graph_event(graph, graph->locations[location].writes[place]);
    return next->update && before(graph, next)->from == graph_id_at(graph, location, place);
}

void graph_insert(struct graph *graph, struct event *write, uint16_t place)
{
    struct location *location = &graph->locations[write->location];
    if (location->count == WRITES_AT_MOST)
        model_fail("a thread does not end: more than %d writes to one object", WRITES_AT_MOST);
    for (uint16_t i = location->count++; i >= place; i--) {
        location->writes[i] = location->writes[i - 1];
        graph_event(graph, location->writes[i])->place++;
    }
    location->writes[place - 1] = id_of(write);
    write->place = place;
}

void graph_withdraw(struct graph *graph, struct event *write)
{
    struct location *location = &graph->locations[write->location];
    location->count--;
    for (uint16_t i = (uint16_t)(write->place - 1); i < location->count; i++) {
        location->writes[i] = location->writes[i + 1];
        graph_event(graph, location->writes[i])->place--;
    }
}

/* The thread's first event behind this one, or last one before it, at another location. */
static const struct event *elsewhere(struct graph *graph, const struct event *event, int step)
{
    for (int i = event->index + step; i >= 0 && i < graph->count[event->thread]; i += step) {
        const struct event *other = &graph->events[graph->at[event->thread][i]];
        if (other->location != event->location)
            return other;
    }
    return NULL;
}

/* scb, RC11: from a to b in one step; `behind` is elsewhere(a, 1). */
static bool scb(struct graph *graph, const struct event *a, const struct event *behind,
                const struct event *b)
{
    if (a->thread == b->thread && a->index < b->index)
        return true;
    if (a->location == b->location) {
        if (a != b && knows(&b->hb, a))
            return true;
        uint16_t from = a->kind == EVENT_WRITE ? a->place : graph_place_read(graph, a);
        return b->kind == EVENT_WRITE && from < b->place;
    }
    if (!behind || !knows(&b->hb, behind))
        return false;
    const struct event *ahead = elsewhere(graph, b, -1);
    return ahead && knows(&ahead->hb, behind);
}

static bool reaches(struct graph *graph, const struct event *from, const struct event *to,
                    bool *seen)
{
    const struct event *behind = elsewhere(graph, from, 1);
    for (uint32_t i = 0; i < graph->event_count; i++) {
        const struct event *next = &graph->events[i];
        if (next->order != memory_order_seq_cst || (seen[i] && next != to) ||
            !scb(graph, from, behind, next))
            continue;
        if (next == to)
            return true;
        seen[i] = true;
        if (reaches(graph, next, to, seen))
            return true;
    }
    return false;
}

bool graph_sc(struct graph *graph, const struct event *event)
{
    bool seen[EVENTS_AT_MOST];
    if (event->order != memory_order_seq_cst)
        return true;
    memset(seen, 0, graph->event_count * sizeof *seen);
    return !reaches(graph, event, event, seen);
}

void graph_restrict(struct graph *to, const struct graph *from, const bool *stays)
{
    graph_clear(to);
    to->deviations = from->deviations;
    for (uint32_t i = 0; i < from->event_count; i++) {
        const struct event *event = &from->events[i];
        if (!stays[i])
            continue;
        to->events[to->event_count] = *event;
        to->at[event->thread][event->index] = (uint16_t)to->event_count++;
        to->count[event->thread]++;
    }
    to->location_count = from->location_count;
    for (uint32_t i = 0; i < from->location_count; i++) {
        const struct location *location = &from->locations[i];
        struct location *copy = &to->locations[i];
        copy->address = location->address;
        copy->size = location->size;
        copy->initial = location->initial;
        copy->fresh = location->fresh;
        copy->count = 0;
        for (uint16_t k = 0; k < location->count; k++) {
            event_id id = location->writes[k];
            if (id % EVENTS_AT_MOST < to->count[id / EVENTS_AT_MOST]) {
                copy->writes[copy->count++] = id;
                graph_event(to, id)->place = copy->count;
            }
        }
    }
}

/* The used part of everything, one behind the other. */
void *graph_save(const struct graph *graph)
{
    size_t head = offsetof(struct graph, events);
    size_t events = graph->event_count * sizeof *graph->events;
    size_t size = head + events;
    for (uint32_t i = 0; i < graph->location_count; i++)
        size += offsetof(struct location, writes) +
                graph->locations[i].count * sizeof *graph->locations->writes;
    char *saved = malloc(size);
    if (!saved)
        abort();
    memcpy(saved, graph, head);
    memcpy(saved + head, graph->events, events);
    char *end = saved + head + events;
    for (uint32_t i = 0; i < graph->location_count; i++) {
        const struct location *location = &graph->locations[i];
        size_t length =
            offsetof(struct location, writes) + location->count * sizeof *location->writes;
        memcpy(end, location, length);
        end += length;
    }
    return saved;
}

void graph_load(struct graph *graph, const void *from)
{
    const char *saved = from;
    size_t head = offsetof(struct graph, events);
    memcpy(graph, saved, head);
    saved += head;
    memcpy(graph->events, saved, graph->event_count * sizeof *graph->events);
    saved += graph->event_count * sizeof *graph->events;
    for (uint32_t i = 0; i < graph->event_count; i++)
        graph->at[graph->events[i].thread][graph->events[i].index] = (uint16_t)i;
    for (uint32_t i = 0; i < graph->location_count; i++) {
        struct location *location = &graph->locations[i];
        memcpy(location, saved, offsetof(struct location, writes));
        saved += offsetof(struct location, writes);
        memcpy(location->writes, saved, location->count * sizeof *location->writes);
        saved += location->count * sizeof *location->writes;
    }
}
