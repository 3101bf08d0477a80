/*
 * orders.h: the memory orders of the library, weakened one at a time.
 */
#ifndef ORDERS_H
#define ORDERS_H

#include "checker.h"

extern struct site __start_model_sites[];
extern struct site __stop_model_sites[];

/* From src/ or tests/ on. */
const char *short_file(const char *file);
const char *order_name(unsigned order);

/*
 * Replaces each order of the library by each one that is a step weaker, and demands that a client
 * fails then, or that a comment at that place says "stronger than the model needs". Whether that is
 * so; `jobs` processes at once. With `all`, also those that a comment excuses are tried.
 */
bool orders_matter(unsigned jobs, bool all);

/* main.c: explores a client as the options say. */
void run_client(const struct client *client);

#endif
