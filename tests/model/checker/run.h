/*
 * run.h: one execution.
 */
#ifndef RUN_H
#define RUN_H

#include "graph.h"

/*
 * All threads ended; one waits for what it sees in another execution; half an update came to
 * nothing, whose other half is in another execution.
 */
enum ending { ENDED, BLOCKED, DROPPED };

/*
 * Runs the client's threads: what is in the graph already happens again, in an order in which every
 * read comes after its write; from there on the graph grows.
 */
enum ending run_execution(const struct client *client);

/* Whether a thread waited in a loop, at random: the rounds in vain are in the graph as well. */
bool run_repeated(void);

/* The thread that is running: its number, and what it knows; -1 in setup and verify. */
int run_thread(void);
/* How many events of its own the running thread has behind it, and what it knows of the others. */
uint16_t run_time(void);
const struct clock *run_clock(void);

void report_trace(void);

#endif
