/*
 * main.c: evloop-bench: which benchmarks there are, and what the user wants of them.
 */
#include <evloop.h>
#include <getopt.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "dispatch/dispatch.h"
#include "harness/harness.h"
#include "instructions/instructions.h"
#include "loop_count/loop_count.h"
#include "memory/memory.h"
#include "microtask/microtask.h"
#include "net/net.h"
#include "notify/notify.h"
#include "post/post.h"
#include "timers/timers.h"
#include "udp/udp.h"
#include "version/version.h"
#include "wake/wake.h"

static const struct bench_set *const sets[] = {
    &post_set,   &microtask_set,         &timers_set,       &dispatch_set,
    &wake_set,   &loop_count_set,        &notify_set,       &echo_set,
    &flow_set,   &small_writes_set,      &accept_set,       &udp_set,
    &memory_set, &connection_memory_set, &instructions_set,
};

struct peer {
    const char *name;
    const char *(*version)(void);
};

static const struct peer peers[] = {
    {"evloop", evloop_version_string},
    {"libuv", IF_LIBUV(version_libuv)},
    {"libev", IF_LIBEV(version_libev)},
    {"libevent", IF_LIBEVENT(version_libevent)},
};

static const struct bench_budget full = {.count = 32000000, .time_ns = 150000000};
static const struct bench_budget quick = {.count = 1600000, .time_ns = 20000000};

enum { ROUNDS = 7, ROUNDS_MAX = 1000 };

struct command {
    struct bench_options bench;
    const char *json;
    const char *svg;
    bool list;
    bool gate;
};

static void usage(FILE *file)
{
    fputs("usage: evloop-bench [--only REGEX] [--rounds N] [--quick] [--json FILE] [--svg FILE]\n"
          "                    [--gate] [--list]\n"
          "  --only REGEX  only the cases whose bench/case matches\n"
          "  --rounds N    counted rounds; default 7\n"
          "  --quick       one short round: to see that everything works\n"
          "  --json FILE   write the results as JSON\n"
          "  --svg FILE    draw them as a table\n"
          "  --gate        exit with 1 if evloop is above a limit (instructions, memory)\n"
          "  --list        only list bench/case and the systems\n"
          "EVLOOP_BACKEND in the environment chooses evloop's backend.\n",
          file);
}

static void bad_usage(void)
{
    usage(stderr);
    exit(2);
}

static unsigned rounds_from(const char *text)
{
    char *end;
    unsigned long rounds = strtoul(text, &end, 10);

    if (*end || rounds == 0 || rounds > ROUNDS_MAX)
        bad_usage();
    return (unsigned)rounds;
}

static const char *pattern_from(const char *text)
{
    regex_t pattern;

    if (regcomp(&pattern, text, REG_EXTENDED | REG_NOSUB))
        bad_usage();
    regfree(&pattern);
    return text;
}

static void be_quick(struct bench_options *bench)
{
    bench->budget = quick;
    bench->rounds = 1;
    bench->warm_up = false;
}

static struct command command_from(int argc, char **argv)
{
    static const struct option options[] = {
        {"only", required_argument, NULL, 'o'},
        {"rounds", required_argument, NULL, 'r'},
        {"json", required_argument, NULL, 'j'},
        {"svg", required_argument, NULL, 's'},
        {"quick", no_argument, NULL, 'q'},
        {"gate", no_argument, NULL, 'g'},
        {"list", no_argument, NULL, 'l'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    struct command command = {.bench = {.rounds = ROUNDS, .warm_up = true, .budget = full}};

    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;)
        switch (c) {
        case 'o':
            command.bench.only = pattern_from(optarg);
            break;
        case 'r':
            command.bench.rounds = rounds_from(optarg);
            break;
        case 'j':
            command.json = optarg;
            break;
        case 's':
            command.svg = optarg;
            break;
        case 'q':
            be_quick(&command.bench);
            break;
        case 'g':
            command.gate = true;
            break;
        case 'l':
            command.list = true;
            break;
        case 'h':
            usage(stdout);
            exit(0);
        default:
            bad_usage();
        }
    if (optind < argc)
        bad_usage();
    return command;
}

static bool any_wanted(const struct bench *bench, const char *only)
{
    for (size_t c = 0; c < bench->case_count; c++)
        if (bench_wanted(bench, &bench->cases[c], only))
            return true;
    return false;
}

static void list(const struct bench *bench, const char *only)
{
    for (size_t c = 0; c < bench->case_count; c++) {
        if (!bench_wanted(bench, &bench->cases[c], only))
            continue;
        printf("%s/%s:", bench->name, bench->cases[c].name);
        for (size_t s = 0; s < bench->system_count; s++)
            if (bench->systems[s].ops)
                printf(" %s", bench->systems[s].name);
        putchar('\n');
    }
}

struct loop_name {
    char text[32];
};

/* In a child: no measurement is to find traces of a loop in its process. */
static void name_in_child(const void *arg, void *answer)
{
    struct loop_name *name = answer;
    evloop *loop;

    (void)arg;
    bench_check(evloop_create(&loop, NULL), "evloop_create");
    snprintf(name->text, sizeof name->text, "evloop-%s", evloop_backend_name(loop));
}

/* What was measured, where: the head of every report. */
static void describe(char *text, size_t size)
{
    struct utsname system;
    size_t used = 0;

    for (size_t i = 0; i < BENCH_COUNT(peers) && used < size; i++)
        if (peers[i].version)
            used += (size_t)snprintf(text + used, size - used, "%s %s, ", peers[i].name,
                                     peers[i].version());
    if (uname(&system) == 0 && used < size)
        snprintf(text + used, size - used, "%s %s, %s, %ld CPUs", system.sysname, system.release,
                 system.machine, sysconf(_SC_NPROCESSORS_ONLN));
}

static bool within_limits(const struct bench_results *results)
{
    bool good = true;

    for (size_t i = 0; i < results->count; i++) {
        const struct bench_result *result = &results->items[i];
        double limit = result->which->limit;

        if (!result->is_evloop || limit <= 0 || result->median <= limit)
            continue;
        good = false;
        printf("above its limit: %s/%s: %.1f %s, limit %.0f\n", result->bench->name,
               result->which->name, result->median, result->which->unit, limit);
    }
    return good;
}

static bool write_reports(const struct command *command, const struct bench_results *results,
                          const char *title)
{
    bool good = true;

    if (command->json && report_json(results, command->json)) {
        perror(command->json);
        good = false;
    }
    if (command->svg && report_svg(results, title, command->svg)) {
        perror(command->svg);
        good = false;
    }
    return good;
}

static bool run(const struct command *command, struct bench_results *results)
{
    struct loop_name name = {""};
    const char *why = bench_child(name_in_child, NULL, &name, sizeof name);
    char title[256] = "";
    bool good = true;

    if (why) {
        fprintf(stderr, "evloop-bench: no loop can be made here: %s\n", why);
        return false;
    }
    describe(title, sizeof title);
    printf("%s\n\n", title);
    report_table_head();
    for (size_t i = 0; i < BENCH_COUNT(sets); i++)
        for (size_t b = 0; b < sets[i]->count; b++) {
            const struct bench *bench = &sets[i]->benches[b];
            size_t first = results->count;

            if (!any_wanted(bench, command->bench.only))
                continue;
            good = bench_measure(bench, &command->bench, name.text, results) && good;
            report_table(results, first);
        }
    good = write_reports(command, results, title) && good;
    return command->gate ? within_limits(results) && good : good;
}

int main(int argc, char **argv)
{
    struct command command = command_from(argc, argv);
    struct bench_results results = {NULL, 0};
    bool good = true;

    if (command.list)
        for (size_t i = 0; i < BENCH_COUNT(sets); i++)
            for (size_t b = 0; b < sets[i]->count; b++)
                list(&sets[i]->benches[b], command.bench.only);
    else
        good = run(&command, &results);
    free(results.items);
    return good ? 0 : 1;
}
