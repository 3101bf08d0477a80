/*
 * explore.h: which executions are looked at.
 */
#ifndef EXPLORE_H
#define EXPLORE_H

#include "graph.h"

struct counts {
    uint64_t complete; /* all threads ended */
    uint64_t blocked;  /* a thread waits for a write that it does not see here; it does elsewhere */
    uint64_t left_out; /* deviations beyond the limit */
    uint32_t longest;  /* events in one execution */
};

/* The execution that is being constructed. */
extern struct graph graph;

/* What an awaiting read is satisfied by: the one value, or any but that one. */
struct await {
    uint64_t value;
    bool any_but;
};

static inline bool awaited(const struct await *await, uint64_t value)
{
    return !await || (value == await->value) != await->any_but;
}

/*
 * Adds a read or a write to the graph, and notes what else it could have been. explore_read()
 * returns NULL, at random only, if nothing that is awaited can be read. explore_write() returns
 * NULL if the update comes to nothing.
 */
struct event *explore_read(struct event event, const struct await *await);
struct event *explore_write(struct event event);

struct counts explore_all(const struct client *client, uint32_t deviations);
struct counts explore_random(const struct client *client, uint64_t seed, uint64_t executions);
/* Explores completely; then checks that it found no execution twice, and all that chance finds. */
struct counts explore_and_check(const struct client *client, uint64_t seed, uint64_t executions);

/* A number below n, at random. */
uint32_t random_below(uint32_t n);
bool exploring_at_random(void);
/* The seed of the execution at random that is under way. */
extern uint64_t explore_seed;

#endif
