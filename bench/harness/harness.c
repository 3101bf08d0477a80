/*
 * harness.c: rounds, child processes, medians.
 */
#include "harness.h"

#include <math.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* Exit codes of a child that has no answer. */
enum { CHILD_FAILED = 1, CHILD_SKIPPED = 77 };

/* A measurement takes a second or two; one that is still there after this hangs. */
enum { CHILD_SECONDS = 60 };

bool bench_wanted(const struct bench *bench, const struct bench_case *which, const char *only)
{
    char name[128];
    regex_t pattern;
    bool match;

    if (!only)
        return true;
    snprintf(name, sizeof name, "%s/%s", bench->name, which->name);
    if (regcomp(&pattern, only, REG_EXTENDED | REG_NOSUB))
        return false;
    match = regexec(&pattern, name, 0, NULL, 0) == 0;
    regfree(&pattern);
    return match;
}

void bench_fail(int err, const char *what)
{
    fprintf(stderr, "  %s: error %d\n", what, err);
    _exit(CHILD_FAILED);
}

void bench_skip(const char *why)
{
    fprintf(stderr, "  skipped: %s\n", why);
    _exit(CHILD_SKIPPED);
}

void *bench_alloc(size_t count, size_t size)
{
    void *memory = malloc(count * size);

    bench_check(memory ? 0 : -1, "malloc");
    memset(memory, 0, count * size);
    return memory;
}

void bench_allow_descriptors(size_t count)
{
    struct rlimit limit;

    bench_check(getrlimit(RLIMIT_NOFILE, &limit), "getrlimit");
    if (limit.rlim_cur >= count)
        return;
    limit.rlim_cur = limit.rlim_max < count ? limit.rlim_max : (rlim_t)count;
    if (limit.rlim_cur < count || setrlimit(RLIMIT_NOFILE, &limit))
        bench_skip("too few descriptors allowed");
}

static bool read_all(int fd, void *answer, size_t size)
{
    size_t got = 0;

    while (got < size) {
        ssize_t n = read(fd, (char *)answer + got, size - got);

        if (n <= 0)
            return false;
        got += (size_t)n;
    }
    return true;
}

static const char *child_end(pid_t pid, bool answered)
{
    int status = 0;

    if (waitpid(pid, &status, 0) != pid)
        return "lost";
    if (WIFSIGNALED(status))
        return WTERMSIG(status) == SIGALRM ? "timed out" : "crashed";
    if (WEXITSTATUS(status) == CHILD_SKIPPED)
        return "skipped";
    return WEXITSTATUS(status) == 0 && answered ? NULL : "failed";
}

const char *bench_child(void (*fn)(const void *arg, void *answer), const void *arg, void *answer,
                        size_t size)
{
    int ends[2];
    pid_t pid;
    bool answered;

    fflush(NULL);
    if (pipe(ends))
        return "no pipe";
    pid = fork();
    if (pid == 0) {
        alarm(CHILD_SECONDS);
        close(ends[0]);
        fn(arg, answer);
        _exit(write(ends[1], answer, size) == (ssize_t)size ? 0 : CHILD_FAILED);
    }
    close(ends[1]);
    answered = pid > 0 && read_all(ends[0], answer, size);
    close(ends[0]);
    return pid > 0 ? child_end(pid, answered) : "no process";
}

struct measurement {
    const struct bench *bench;
    const struct bench_system *system;
    const struct bench_budget *budget;
};

static void measure_in_child(const void *arg, void *answer)
{
    const struct measurement *m = arg;

    if (strcmp(m->system->name, "epoll") == 0)
        setenv("EVLOOP_BACKEND", "epoll", 1);
    m->bench->run(m->bench, m->system->ops, m->budget, answer);
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;

    return (x > y) - (x < y);
}

double bench_median(double *values, size_t count)
{
    qsort(values, count, sizeof *values, compare_doubles);
    return count % 2 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
}

static void add_result(struct bench_results *results, struct bench_result result, double *values)
{
    unsigned n = result.rounds;

    result.median = bench_median(values, n);
    result.min = values[0];
    result.max = values[n - 1];
    results->items = realloc(results->items, (results->count + 1) * sizeof *results->items);
    if (!results->items)
        exit(2);
    results->items[results->count++] = result;
}

/* One system in one round. */
static bool measure_once(const struct bench *bench, const struct bench_budget *budget, size_t s,
                         double *values)
{
    struct measurement m = {bench, &bench->systems[s], budget};
    const char *why = bench_child(measure_in_child, &m, values, bench->case_count * sizeof *values);

    if (why)
        fprintf(stderr, "  %s/%s: %s %s\n", bench->name, bench->cases[0].name, m.system->name, why);
    return !why;
}

static bool is_evloop(const struct bench_system *system)
{
    return strcmp(system->name, "evloop") == 0;
}

static void collect(const struct bench *bench, const struct bench_options *options,
                    const char *evloop_name, const double *all, const unsigned *done,
                    unsigned rounds, struct bench_results *results)
{
    double *column = malloc(rounds * sizeof *column);

    if (!column)
        exit(2);
    for (size_t c = 0; c < bench->case_count; c++) {
        if (!bench_wanted(bench, &bench->cases[c], options->only))
            continue;
        for (size_t s = 0; s < bench->system_count; s++) {
            const struct bench_system *system = &bench->systems[s];
            struct bench_result result = {.bench = bench, .which = &bench->cases[c]};

            if (done[s] < rounds)
                continue;
            result.is_evloop = is_evloop(system);
            result.system = result.is_evloop ? evloop_name : system->name;
            result.rounds = rounds;
            for (unsigned r = 0; r < rounds; r++)
                column[r] = all[(s * rounds + r) * BENCH_CASES_MAX + c];
            add_result(results, result, column);
        }
    }
    free(column);
}

/* Every round asks every system once; the one before the first, turn 0, is thrown away. */
bool bench_measure(const struct bench *bench, const struct bench_options *options,
                   const char *evloop_name, struct bench_results *results)
{
    unsigned rounds = bench->exact ? 1 : options->rounds;
    double *all = calloc(bench->system_count * rounds * BENCH_CASES_MAX, sizeof *all);
    unsigned *done = calloc(bench->system_count, sizeof *done);
    bool *failed = calloc(bench->system_count, sizeof *failed);
    bool good = true;

    if (!all || !done || !failed)
        exit(2);
    for (unsigned turn = bench->exact || !options->warm_up ? 1 : 0; turn <= rounds; turn++)
        for (size_t s = 0; s < bench->system_count; s++) {
            double values[BENCH_CASES_MAX];

            if (failed[s] || !bench->systems[s].ops)
                continue;
            failed[s] = !measure_once(bench, &options->budget, s, values);
            if (failed[s] || turn == 0)
                continue;
            memcpy(&all[(s * rounds + done[s]++) * BENCH_CASES_MAX], values, sizeof values);
        }
    for (size_t s = 0; s < bench->system_count; s++)
        good = good && !(failed[s] && is_evloop(&bench->systems[s]));
    collect(bench, options, evloop_name, all, done, rounds, results);
    free(all);
    free(done);
    free(failed);
    return good;
}

const struct bench_result *bench_find(const struct bench_results *results,
                                      const struct bench_case *which, const char *system)
{
    for (size_t i = 0; i < results->count; i++)
        if (results->items[i].which == which && strcmp(results->items[i].system, system) == 0)
            return &results->items[i];
    return NULL;
}

const struct bench_result *bench_find_evloop(const struct bench_results *results,
                                             const struct bench_case *which)
{
    for (size_t i = 0; i < results->count; i++)
        if (results->items[i].which == which && results->items[i].is_evloop)
            return &results->items[i];
    return NULL;
}

const char *report_figure(double value, char *text, size_t size)
{
    int digits = value < 10 ? 2 : value < 100 ? 1 : 0;

    snprintf(text, size, "%.*f", digits, value);
    return text;
}
