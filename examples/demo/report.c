/*
 * What is shown: a line a second, the whole run's, the verdict.
 */
#define _POSIX_C_SOURCE 200809L

#include "demo.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

/* A line fits into a terminal of 80 columns: one that wraps cannot be rewritten in place. */

void report_header(const struct options *options, const evloop *loop)
{
    printf("evloop %s on %s: %u connections, %u producers, %u timers, %u s\n\n",
           evloop_version_string(), evloop_backend_name(loop), options->connections,
           options->producers, options->timers, options->seconds);
    printf("%5s %11s %10s %8s %8s %8s %8s %8s\n", "s", "connections", "requests/s", "p50 us",
           "p99 us", "posts/s", "timers/s", "wakes/s");
    fflush(stdout);
}

static double rate(uint64_t before, uint64_t now, uint64_t elapsed_ns)
{
    return elapsed_ns ? (double)(now - before) * 1e9 / (double)elapsed_ns : 0;
}

static void print_figures(const struct figures *before, const struct figures *now,
                          const struct histogram *latency)
{
    uint64_t elapsed_ns = now->at_ns - before->at_ns;
    printf(" %11llu %10.0f %8.0f %8.0f %8.0f %8.0f %8.0f", (unsigned long long)now->connections,
           rate(before->requests, now->requests, elapsed_ns), histogram_percentile_us(latency, 50),
           histogram_percentile_us(latency, 99), rate(before->posts, now->posts, elapsed_ns),
           rate(before->timers, now->timers, elapsed_ns),
           rate(before->wakes, now->wakes, elapsed_ns));
}

void report_line(uint64_t started_ns, const struct figures *before, const struct figures *now,
                 const struct histogram *latency)
{
    bool in_place = isatty(STDOUT_FILENO);
    if (in_place)
        fputs("\r\033[K", stdout);
    printf("%5.1f", (double)(now->at_ns - started_ns) / 1e9);
    print_figures(before, now, latency);
    if (!in_place)
        putchar('\n');
    fflush(stdout);
}

void report_total(uint64_t started_ns, const struct figures *last, const struct histogram *latency)
{
    const struct figures zero = {.at_ns = started_ns};
    if (isatty(STDOUT_FILENO))
        fputs("\r\033[K", stdout);
    printf("%5s", "all");
    print_figures(&zero, last, latency);
    puts("\n");
}

bool report_check(bool ok, const char *name, const char *format, ...)
{
    va_list arguments;
    printf("%-7s %-13s ", ok ? "ok" : "FAILED", name);
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    putchar('\n');
    return ok;
}
