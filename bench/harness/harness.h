/*
 * harness.h: what a benchmark is, and how one is run and reported.
 *
 * A benchmark gives several systems the same work. They take turns, A B C A B C ..., for a number
 * of rounds after one that does not count, and the medians are compared: machines are shared, and
 * absolute figures drift. A measurement is a child process: no system inherits another's heap, and
 * one that hangs or crashes costs its own row. It ends with the measurement, so that no benchmark
 * closes what it opened.
 */
#ifndef BENCH_HARNESS_H
#define BENCH_HARNESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** The most cases that one measurement yields. */
enum { BENCH_CASES_MAX = 4 };

/** One figure that a measurement yields. */
struct bench_case {
    const char *name;   /* "10k/start" */
    const char *metric; /* "cpu" */
    const char *unit;   /* "ns" */
    bool lower_is_better;
    double limit; /* evloop's median must not be above it when --gate is given; 0: none */
};

/** How much one measurement may do. */
struct bench_budget {
    size_t count;     /* operations at most */
    uint64_t time_ns; /* and no new batch after so long */
};

/**
 * One system's side of a benchmark; ops is whatever the benchmark's run function calls, NULL if it
 * is not there.
 */
struct bench_system {
    const char *name; /* "evloop" stands for evloop and its backend; "epoll" is evloop on that */
    const void *ops;
};

struct bench;

/** Makes one measurement of one system, in a process of its own: one value for each case. */
typedef void (*bench_run_fn)(const struct bench *bench, const void *ops,
                             const struct bench_budget *budget, double *values);

struct bench {
    const char *name; /* "timers" */
    const struct bench_case *cases;
    size_t case_count;
    const struct bench_system *systems;
    size_t system_count;
    bench_run_fn run;
    size_t objects; /* what these two count is the benchmark's affair */
    size_t active;
    bool exact; /* every round would say the same: there is one */
};

/** The benchmarks of one source file. */
struct bench_set {
    const struct bench *benches;
    size_t count;
};

#define BENCH_COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define BENCH_SET(array)                                                                           \
    {                                                                                              \
        (array), BENCH_COUNT(array)                                                                \
    }

/*
 * For tables of systems: what it says, or NULL for a peer that was not found when this was
 * configured.
 */
#ifdef BENCH_WITH_LIBUV
#define IF_LIBUV(ops) (ops)
#else
#define IF_LIBUV(ops) NULL
#endif
#ifdef BENCH_WITH_LIBEV
#define IF_LIBEV(ops) (ops)
#else
#define IF_LIBEV(ops) NULL
#endif
#ifdef BENCH_WITH_LIBEVENT
#define IF_LIBEVENT(ops) (ops)
#else
#define IF_LIBEVENT(ops) NULL
#endif
#ifdef __linux__
#define IF_LINUX(ops) (ops)
#else
#define IF_LINUX(ops) NULL
#endif

/** The figures of one case and one system. */
struct bench_result {
    const struct bench *bench;
    const struct bench_case *which;
    const char *system;
    bool is_evloop;
    double median;
    double min;
    double max;
    unsigned rounds;
};

/** All results so far, those of one case side by side. */
struct bench_results {
    struct bench_result *items;
    size_t count;
};

/** How to run: which cases, and how often. */
struct bench_options {
    const char *only; /* extended regular expression on "bench/case"; NULL for all */
    unsigned rounds;
    bool warm_up; /* a round before the first that does not count */
    struct bench_budget budget;
};

/** Whether the case is asked for. */
bool bench_wanted(const struct bench *bench, const struct bench_case *which, const char *only);

/** Runs one benchmark and appends its results; false if a measurement failed. */
bool bench_measure(const struct bench *bench, const struct bench_options *options,
                   const char *evloop_name, struct bench_results *results);

/**
 * Calls fn in a child process, for a minute at most, and copies back what it left in the answer.
 * Returns NULL, or in a word why there is no answer.
 */
const char *bench_child(void (*fn)(const void *arg, void *answer), const void *arg, void *answer,
                        size_t size);

/** In a measurement: ends it with a message. */
_Noreturn void bench_fail(int err, const char *what);

/**
 * In a measurement: ends it if err is negative. Inline: it stands beside calls of a few
 * nanoseconds.
 */
static inline void bench_check(int err, const char *what)
{
    if (err < 0)
        bench_fail(err, what);
}

/** In a measurement: ends it without a result, and without a failure. */
_Noreturn void bench_skip(const char *why);

/** Memory that is there: zeroed, and touched, so that no measurement pays for its pages. */
void *bench_alloc(size_t count, size_t size);

/** Allows this process so many descriptors; skips the measurement if it cannot. */
void bench_allow_descriptors(size_t count);

/** The median; sorts the values. */
double bench_median(double *values, size_t count);

/** The result of another system in the case of this one; NULL if there is none. */
const struct bench_result *bench_find(const struct bench_results *results,
                                      const struct bench_case *which, const char *system);

/** The result of evloop in this case; NULL if there is none. */
const struct bench_result *bench_find_evloop(const struct bench_results *results,
                                             const struct bench_case *which);

/* Reports; see table.c, json.c and svg.c. */
void report_table_head(void);
void report_table(const struct bench_results *results, size_t first);
int report_json(const struct bench_results *results, const char *path);
int report_svg(const struct bench_results *results, const char *title, const char *path);

/** A figure with three or four digits that say something, as tables show it. */
const char *report_figure(double value, char *text, size_t size);

#endif
