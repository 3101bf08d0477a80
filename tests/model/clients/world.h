/*
 * world.h: what clients have in common: a loop with the smallest queues there can be, over a kernel
 * that is made up, and a log of what ran.
 *
 * In the made-up kernel time stands still, so that a wait ends if somebody wakes it, and not
 * otherwise. What stands for its descriptors is a plain variable: using it while another thread
 * closes it is a data race.
 */
#ifndef WORLD_H
#define WORLD_H

#include "core/loop.h"

#include "checker/checker.h"

extern struct kernel {
    uint32_t woken; /* the wake's token */
    bool open;
    unsigned opens;
    unsigned closes;
    int open_error;
} kernel;

extern evloop *loop;
extern struct poller *poller; /* the loop's, or one that has no loop */

/* A loop that nobody runs yet; rings of 2 places. */
void make_loop(void);
/* A loop that is awake, as in a turn: a client calls what a turn consists of. */
void make_loop_awake(void);
/* A loop with something that keeps it alive. */
void make_loop_alive(void);
/* The same, with budgets of one task and one microtask. */
void make_loop_alive_with_small_budgets(void);
/* A poller, not initialised. */
void make_poller(void);

/* In verify(): destroys a loop that was made awake; no memory is left. */
void destroy_loop(void);

/* Runs the loop until it is stopped or shut down. */
void run_loop(void);
/* Runs it, then destroys it. */
void run_and_destroy_loop(void);

/* ---- items ----------------------------------------------------------------------------------- */

enum { ITEMS = 8, ITEMS_A_THREAD = 4 };

/* Something that can be offered: a task, or a function with an argument; on the loop's thread. */
struct item {
    evloop_task task;
    bool offered;
    bool accepted;
    bool stops;        /* stops the loop */
    unsigned stops_as; /* ... if it is the so-manieth item that runs */
    bool frees;        /* gives back the memory that the task is in */
    bool offers;       /* ... the two items behind it as microtasks */
    bool asks;         /* whether it is on the loop's thread */
    unsigned ran;      /* how many times */
    unsigned position;
};

extern struct item items[ITEMS];

/* Offers an item of the calling thread; the result is noted. */
int submit(int item);
int submit_urgent(int item);
int post(int item);
int microtask(int item);

/* One pass over the tasks of the loop, as a turn does it. */
void run_tasks(void);

/* Every accepted item ran once, in this many runs of the rest; no refused one did. */
void verify_all_ran(void);
/* The same without running what is left. */
void verify_none_left(void);
/* Both were accepted, so `first` ran first. */
void verify_order(int first, int second);
/* No sleep was ended by two wakes. */
void verify_wakes(void);

#endif
