/*
 * checker.h: explores what small programs do under the C11 memory model: every execution, once.
 *
 * A client is a few threads of a few operations each, over the library's own sources. Its threads
 * are coroutines of one real thread. Every atomic operation, mutex and once-control goes through
 * the functions below (shim/util/atomic.h leads there); every plain access is seen through the
 * calls that the compiler inserts for its race detector, and is checked for data races.
 *
 * An execution is a graph: events in program order, for each read the write that it reads from,
 * for each location an order of its writes. Whether C11 allows it is decided on the graph
 * (graph.h). explore.c constructs every graph that is allowed, each one once; where that would be
 * too many, those that are at most so many deviations away from the plain one, and others at
 * random.
 *
 * What an execution must satisfy: no data race, no access to freed memory, every require() and
 * assert(), and an end: threads that all wait for something that nobody will do any more are a
 * deadlock, a wakeup that was lost among them; and no client needs as many events as there is room
 * for.
 */
#ifndef CHECKER_H
#define CHECKER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "evloop/loop.h"

enum { MODEL_THREADS = 4 };

/* No limit to the deviations: complete. */
#define COMPLETE UINT32_MAX

struct client {
    const char *name;    /* the property, in lower case with hyphens */
    const char *promise; /* the same as a sentence */
    void (*setup)(void);
    void (*threads[MODEL_THREADS])(void);
    void (*verify)(void);  /* after all threads have ended */
    const char **expected; /* litmus tests: exactly these are observed, and no others */
    uint32_t quick;        /* how many deviations the quick set explores, or COMPLETE */
    uint32_t full;         /* ... and the full set */
    uint32_t random;       /* executions at random in the full set */
    const char *fails;     /* what the checker must say: for a client that is wrong */
};

/* A client that is explored completely, always. */
#define EXPLORED(name, promise, setup, verify, ...)                                                \
    {                                                                                              \
        name, promise, setup, {__VA_ARGS__}, verify, NULL, COMPLETE, COMPLETE, 0, NULL             \
    }
/* One that is too large for the quick set, or for both, where chance helps. */
#define BOUNDED(name, promise, quick, full, random, setup, verify, ...)                            \
    {                                                                                              \
        name, promise, setup, {__VA_ARGS__}, verify, NULL, quick, full, random, NULL               \
    }

/* Clients that belong together; a NULL name ends them. */
struct suite {
    const char *name;
    const struct client *clients;
};

/* The suites of this program; a NULL name ends them. */
extern const struct suite suites[];

/* ---- for clients ----------------------------------------------------------------------------- */

#define require(condition)                                                                         \
    ((condition) ? (void)0 : model_fail("require(%s) at %s:%d", #condition, __FILE__, __LINE__))
/* Ends the exploration with this execution's trace. */
__attribute__((noreturn, format(printf, 1, 2))) void model_fail(const char *format, ...);
/* The same for what is no verdict: a client that is too large, or does not do the same again. */
__attribute__((noreturn, format(printf, 1, 2))) void model_give_up(const char *format, ...);

/* Litmus tests, in verify(): what came out. */
__attribute__((format(printf, 1, 2))) void model_observe(const char *format, ...);

/* Memory that is checked: for races, and for use after it was freed. */
extern const evloop_allocator model_allocator;
/* Blocks that were allocated and not freed. */
size_t model_blocks(void);

/* The values that a location had, oldest first, in verify(); how many. */
size_t model_history(const volatile void *object, uint64_t *values, size_t most);

/* Waits until *token is 1, and makes it 0: a wait that nobody ends is a lost wakeup. */
void model_wait(uint32_t *token);
/* Makes *token 0 if it is 1. */
void model_poll(uint32_t *token);
/* Makes *token 1. */
void model_wake(uint32_t *token);
/*
 * A turn of a loop begins. A thread whose turn reads just what the one before it read waits as
 * well: its turns depend on nothing but what they read.
 */
void model_turn(void);

/* ---- for shim/util --------------------------------------------------------------------------- */

/* A place in the sources at which an atomic operation stands. */
struct site {
    const char *file;
    const char *operation;
    const char *object;
    int line;
    unsigned char order;
    unsigned char failure; /* the second order of a compare and swap */
    bool used;             /* in any execution so far */
};

#define SITE __attribute__((section("model_sites"), used)) static struct site

enum model_rmw { MODEL_ADD, MODEL_SUB, MODEL_OR, MODEL_AND, MODEL_EXCHANGE };

uint64_t model_get(const volatile void *object, size_t size, struct site *site);
void model_set(volatile void *object, size_t size, uint64_t value, struct site *site);
uint64_t model_change(volatile void *object, size_t size, enum model_rmw how, uint64_t operand,
                      struct site *site);
bool model_claim(volatile void *object, size_t size, uint64_t *expected, uint64_t desired,
                 struct site *site);
void model_lock(void *mutex, struct site *site);
void model_unlock(void *mutex, struct site *site);
void model_once(void *once, void (*fn)(void *), void *argument, struct site *site);
/* In a loop that does nothing but read, and whose last read alone keeps it going. */
void model_yield(void);
uintptr_t model_self(void);

#endif
