/*
 * table.c: results for people, one line for each case and system.
 */
#include "harness.h"

#include <stdio.h>

void report_table_head(void)
{
    printf("%-26s %-13s %9s %9s %9s  %-13s %s\n", "benchmark", "system", "median", "min", "max",
           "unit", "evloop / system");
}

static void print_ratio(const struct bench_results *results, const struct bench_result *result)
{
    const struct bench_result *evloop = bench_find_evloop(results, result->which);
    double ratio;
    bool better;

    if (result->is_evloop || !evloop || result->median <= 0)
        return;
    ratio = evloop->median / result->median;
    better = result->which->lower_is_better ? ratio < 1 : ratio > 1;
    printf("%9.3f %s", ratio, better ? "better" : "worse");
}

void report_table(const struct bench_results *results, size_t first)
{
    const struct bench_case *last = NULL;

    for (size_t i = first; i < results->count; i++) {
        const struct bench_result *result = &results->items[i];
        char name[64] = "";
        char text[3][32];

        if (result->which != last)
            snprintf(name, sizeof name, "%s/%s", result->bench->name, result->which->name);
        last = result->which;
        printf("%-26s %-13s %9s %9s %9s  %-13s ", name, result->system,
               report_figure(result->median, text[0], sizeof text[0]),
               report_figure(result->min, text[1], sizeof text[1]),
               report_figure(result->max, text[2], sizeof text[2]), result->which->unit);
        print_ratio(results, result);
        putchar('\n');
    }
    fflush(stdout);
}
