/*
 * report.c: an execution for people: its events in an order in which every read comes after its
 * write.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "explore.h"
#include "orders.h"
#include "run.h"

static void print_name(event_id id)
{
    if (id == INITIAL)
        printf("the beginning");
    else
        printf("%d.%d", id / EVENTS_AT_MOST + 1, id % EVENTS_AT_MOST + 1);
}

/* `newest`: of each location, the last place whose write was printed. */
static void print_event(const struct event *event, uint16_t *newest)
{
    const struct site *site = event->site;
    const struct location *location = &graph.locations[event->location];
    printf("  %d.%-4d %-7s %-36s %#" PRIx64, event->thread + 1, event->index + 1,
           event->kind == EVENT_READ ? "reads" : "writes", site->object, event->value);
    if (event->kind == EVENT_READ) {
        printf(" from ");
        print_name(event->from);
        if (graph_place_read(&graph, event) < newest[event->location])
            printf(" (stale)");
    } else if (newest[event->location] < event->place) {
        newest[event->location] = event->place;
    }
    printf("  [%s %s, %s:%d, %p]\n", site->operation, order_name(event->order),
           short_file(site->file), site->line, (void *)location->address);
}

void report_trace(void)
{
    bool printed[EVENTS_AT_MOST] = {false};
    uint16_t newest[LOCATIONS_AT_MOST] = {0};
    uint16_t done[MODEL_THREADS] = {0};
    bool moved = true;
    printf("The execution, thread.event (0x... values; the last event of a thread may be under "
           "way):\n");
    while (moved) {
        moved = false;
        for (uint32_t i = 0; i < graph.event_count; i++) {
            const struct event *event = &graph.events[i];
            bool ready = event->index == done[event->thread] &&
                         (event->kind == EVENT_WRITE || event->from == INITIAL ||
                          event->from % EVENTS_AT_MOST < done[event->from / EVENTS_AT_MOST]);
            if (printed[i] || !ready)
                continue;
            print_event(event, newest);
            printed[i] = true;
            done[event->thread]++;
            moved = true;
        }
    }
}
