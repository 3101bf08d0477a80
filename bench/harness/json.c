/*
 * json.c: results for programs. All strings are ours, and none needs an escape.
 */
#include "harness.h"

#include <errno.h>
#include <stdio.h>

static void print_result(FILE *file, const struct bench_result *result)
{
    const struct bench_case *which = result->which;

    fprintf(file, "  {\"bench\": \"%s\", \"case\": \"%s\", \"system\": \"%s\", ",
            result->bench->name, which->name, result->system);
    fprintf(file, "\"metric\": \"%s\", \"unit\": \"%s\", \"lower_is_better\": %s, ", which->metric,
            which->unit, which->lower_is_better ? "true" : "false");
    fprintf(file, "\"median\": %.6g, \"min\": %.6g, \"max\": %.6g, \"rounds\": %u}", result->median,
            result->min, result->max, result->rounds);
}

int report_json(const struct bench_results *results, const char *path)
{
    FILE *file = fopen(path, "w");

    if (!file)
        return -errno;
    fputs("[\n", file);
    for (size_t i = 0; i < results->count; i++) {
        print_result(file, &results->items[i]);
        fputs(i + 1 < results->count ? ",\n" : "\n", file);
    }
    fputs("]\n", file);
    return fclose(file) ? -errno : 0;
}
