/*
 * main.c: what is explored, and what is said about it.
 *
 *   <program> [--full | --deep] [--check] [--deviations N] [--random N] [--seed S]
 *             [--weaken SITE ORDER] [--sites] [--list] [--orders | --all-orders]
 *             [SUITE | CLIENT]...
 *
 * Without names, all suites. A failure ends the program with the trace of the execution.
 */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "explore.h"
#include "orders.h"
#include "run.h"

enum { CHECKED_AT_RANDOM = 20000, DEEP_DEVIATIONS = 4, DEEP_RANDOM = 50 };

static struct {
    bool full;
    bool deep;  /* more than the full set, and other seeds each time: for a night */
    bool check; /* the checker, by itself */
    bool random_given;
    uint64_t random;
    uint64_t seed;
    uint32_t deviations; /* 0: as the client says */
} options = {.seed = 1};

static const struct client *current;

/* ---- observations ---------------------------------------------------------------------------- */

enum { OBSERVATIONS_AT_MOST = 64 };

static char observations[OBSERVATIONS_AT_MOST][64];
static uint32_t observation_count;

void model_observe(const char *format, ...)
{
    char text[sizeof *observations];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    for (uint32_t i = 0; i < observation_count; i++)
        if (strcmp(observations[i], text) == 0)
            return;
    for (const char **allowed = current->expected; !*allowed || strcmp(*allowed, text) != 0;
         allowed++)
        if (!*allowed)
            model_fail("\"%s\" came out, which C11 forbids", text);
    if (observation_count == OBSERVATIONS_AT_MOST)
        model_fail("more than %d observations", OBSERVATIONS_AT_MOST);
    strcpy(observations[observation_count++], text);
}

static void demand_all_observations(void)
{
    for (const char **allowed = current->expected; *allowed; allowed++) {
        bool seen = false;
        for (uint32_t i = 0; i < observation_count; i++)
            seen = seen || strcmp(observations[i], *allowed) == 0;
        if (!seen)
            model_fail("\"%s\" never came out, which C11 allows", *allowed);
    }
}

/* ---- failures -------------------------------------------------------------------------------- */

static jmp_buf found; /* where a failure leads that had to come */

void model_fail(const char *format, ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (current->fails && strstr(text, current->fails)) {
        printf("%s: found: %s\n", current->name, text);
        longjmp(found, 1);
    }
    printf("\nFAILED %s (%s)\n%s\n", current->name, current->promise, text);
    if (exploring_at_random())
        printf("again: --random 1 --seed %" PRIu64 " %s\n", explore_seed, current->name);
    report_trace();
    fflush(stdout);
    _Exit(1);
}

void model_give_up(const char *format, ...)
{
    va_list arguments;
    printf("\nGAVE UP %s (%s)\n", current->name, current->promise);
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    putchar('\n');
    fflush(stdout);
    _Exit(2);
}

void __wrap___assert_fail(const char *condition, const char *file, unsigned line,
                          const char *function);
__attribute__((noreturn)) void __wrap___assert_fail(const char *condition, const char *file,
                                                    unsigned line, const char *function)
{
    model_fail("assert(%s) in %s at %s:%u", condition, function, file, line);
}

/* ---- sites ----------------------------------------------------------------------------------- */

static void list_sites(void)
{
    for (struct site *site = __start_model_sites; site < __stop_model_sites; site++)
        printf("%s:%d %s %s %s %s\n", short_file(site->file), site->line, site->operation,
               order_name(site->order), order_name(site->failure), site->object);
}

static unsigned char order_named(const char *name)
{
    for (unsigned char i = memory_order_relaxed; i <= memory_order_seq_cst; i++)
        if (strcmp(order_name(i), name) == 0)
            return i;
    fprintf(stderr, "%s is no memory order\n", name);
    exit(2);
}

/* src/core/state.c:62:or, or with :failure behind it. */
static void weaken(const char *where, const char *order)
{
    bool known = false;
    for (struct site *site = __start_model_sites; site < __stop_model_sites; site++) {
        char name[256];
        int length = snprintf(name, sizeof name, "%s:%d:%s", short_file(site->file), site->line,
                              site->operation);
        if (strncmp(name, where, (size_t)length) != 0)
            continue;
        if (where[length] == '\0')
            site->order = order_named(order);
        else if (strcmp(where + length, ":failure") == 0)
            site->failure = order_named(order);
        else
            continue;
        known = true;
    }
    if (!known) {
        fprintf(stderr, "there is no %s\n", where);
        exit(2);
    }
}

/* ---- clients --------------------------------------------------------------------------------- */

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void report(const char *how, const struct counts *counts, double begin)
{
    printf("%s: %" PRIu64 " executions", current->name, counts->complete);
    if (counts->blocked)
        printf(", %" PRIu64 " waiting", counts->blocked);
    printf(", %" PRIu32 " events at most; %s (%.1f s)\n", counts->longest, how, seconds() - begin);
    fflush(stdout);
}

static uint32_t deviations_at_most(void)
{
    if (options.deviations)
        return options.deviations;
    if (!options.deep)
        return options.full ? current->full : current->quick;
    return current->full == COMPLETE ? COMPLETE : current->full + DEEP_DEVIATIONS;
}

static uint64_t executions_at_random(void)
{
    if (options.random_given)
        return options.random;
    if (options.deep)
        return (uint64_t)current->random * DEEP_RANDOM;
    return options.full ? current->random : 0;
}

static void explore_client(void)
{
    char how[64] = "complete";
    double begin = seconds();
    uint32_t deviations = deviations_at_most();
    struct counts counts = options.check
                               ? explore_and_check(current, options.seed, CHECKED_AT_RANDOM)
                               : explore_all(current, deviations);
    if (counts.left_out)
        snprintf(how, sizeof how, "all within %" PRIu32 " deviations", deviations);
    if (current->fails)
        model_fail("the defect is not found");
    if (counts.complete == 0)
        model_fail("no execution came to its end");
    if (current->expected)
        demand_all_observations();
    report(how, &counts, begin);
}

static void explore_client_at_random(uint64_t executions)
{
    char how[64];
    double begin = seconds();
    struct counts counts = explore_random(current, options.seed, executions);
    snprintf(how, sizeof how, "at random, seeds from %" PRIu64, options.seed);
    report(how, &counts, begin);
}

void run_client(const struct client *client)
{
    current = client;
    observation_count = 0;
    if (setjmp(found))
        return;
    if (!options.random_given)
        explore_client();
    if (executions_at_random() > 0)
        explore_client_at_random(executions_at_random());
}

static void run_suite(const struct suite *suite)
{
    for (const struct client *client = suite->clients; client->name; client++)
        run_client(client);
}

static void run_named(const char *name)
{
    for (const struct suite *suite = suites; suite->name; suite++) {
        if (strcmp(suite->name, name) == 0) {
            run_suite(suite);
            return;
        }
        for (const struct client *client = suite->clients; client->name; client++)
            if (strcmp(client->name, name) == 0) {
                run_client(client);
                return;
            }
    }
    fprintf(stderr, "there is no %s\n", name);
    exit(2);
}

static void list_clients(void)
{
    for (const struct suite *suite = suites; suite->name; suite++)
        for (const struct client *client = suite->clients; client->name; client++)
            printf("%s/%s: %s\n", suite->name, client->name, client->promise);
}

static uint64_t number_in(const char *text)
{
    char *end;
    uint64_t number = text ? strtoull(text, &end, 0) : 0;
    if (!text || *end) {
        fprintf(stderr, "a number is missing\n");
        exit(2);
    }
    return number;
}

/* Reads one option; how many words it had. */
static int read_option(char **words)
{
    const char *name = words[0];
    if (strcmp(name, "--full") == 0)
        return options.full = true, 1;
    if (strcmp(name, "--deep") == 0)
        return options.deep = true, options.seed = (uint64_t)time(NULL), 1;
    if (strcmp(name, "--check") == 0)
        return options.check = true, 1;
    if (strcmp(name, "--sites") == 0)
        return list_sites(), exit(0), 1;
    if (strcmp(name, "--list") == 0)
        return list_clients(), exit(0), 1;
    if (strcmp(name, "--orders") == 0 || strcmp(name, "--all-orders") == 0)
        exit(orders_matter((unsigned)sysconf(_SC_NPROCESSORS_ONLN), name[2] == 'a') ? 0 : 1);
    if (strcmp(name, "--deviations") == 0)
        return options.deviations = (uint32_t)number_in(words[1]), 2;
    if (strcmp(name, "--seed") == 0)
        return options.seed = number_in(words[1]), 2;
    if (strcmp(name, "--random") == 0)
        return options.random_given = true, options.random = number_in(words[1]), 2;
    if (strcmp(name, "--weaken") == 0 && words[1] && words[2])
        return weaken(words[1], words[2]), 3;
    fprintf(stderr, "%s is no option\n", name);
    exit(2);
}

int main(int argc, char **argv)
{
    int i = 1;
    while (i < argc && strncmp(argv[i], "--", 2) == 0)
        i += read_option(&argv[i]);
    if (i == argc)
        for (const struct suite *suite = suites; suite->name; suite++)
            run_suite(suite);
    for (; i < argc; i++)
        run_named(argv[i]);
    return 0;
}
