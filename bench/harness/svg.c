/*
 * svg.c: the table as a picture that reads on light and on dark ground: a row for each case, a
 * column for each system, and in each cell the median, and below it what evloop's is of it.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "harness.h"

enum { ROW = 38, HEAD = 78, NAME_WIDTH = 196, UNIT_WIDTH = 90, CELL_WIDTH = 112, SYSTEMS_MAX = 8 };

struct columns {
    const char *names[SYSTEMS_MAX];
    size_t count;
};

static const char *const order[] = {"libuv", "libuv-usual", "libev", "libevent", "floor"};

static bool appears(const struct bench_results *results, const char *system)
{
    for (size_t i = 0; i < results->count; i++)
        if (strcmp(results->items[i].system, system) == 0)
            return true;
    return false;
}

static struct columns find_columns(const struct bench_results *results)
{
    struct columns columns = {.count = 0};

    for (size_t i = 0; i < results->count && columns.count == 0; i++)
        if (results->items[i].is_evloop)
            columns.names[columns.count++] = results->items[i].system;
    for (size_t i = 0; i < BENCH_COUNT(order); i++)
        if (appears(results, order[i]))
            columns.names[columns.count++] = order[i];
    return columns;
}

static size_t count_rows(const struct bench_results *results)
{
    const struct bench_case *last = NULL;
    size_t rows = 0;

    for (size_t i = 0; i < results->count; i++) {
        rows += results->items[i].which != last;
        last = results->items[i].which;
    }
    return rows;
}

static void draw_head(FILE *file, const struct columns *columns, const char *title, int width,
                      int height)
{
    fprintf(
        file,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" "
        "viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"benchmark results\">\n"
        "<style>\n"
        "text{font:13px ui-sans-serif,system-ui,sans-serif;fill:#57606a}\n"
        ".v{text-anchor:end;font-variant-numeric:tabular-nums}\n"
        ".r{text-anchor:end;font-size:11px}\n"
        ".h{text-anchor:end;font-weight:600}\n"
        ".n,.e{font-weight:600}\n"
        ".b{fill:#1a7f37}\n"
        ".w{fill:#9a6700}\n"
        ".s{font-size:11px}\n"
        "line{stroke:#8b949e;stroke-opacity:.35}\n"
        "rect{fill:#8b949e;fill-opacity:.12}\n"
        "@media(prefers-color-scheme:dark){text{fill:#9da7b3}.b{fill:#3fb950}.w{fill:#d29922}}\n"
        "</style>\n",
        width, height, width, height);
    fprintf(file, "<rect x=\"%d\" y=\"34\" width=\"%d\" height=\"%d\" rx=\"6\"/>\n",
            NAME_WIDTH + UNIT_WIDTH, CELL_WIDTH, height - 38);
    fprintf(file, "<text class=\"s\" x=\"8\" y=\"20\">%s</text>\n", title);
    fprintf(file, "<text class=\"s\" x=\"8\" y=\"58\">median; below: evloop / system</text>\n");
    for (size_t i = 0; i < columns->count; i++)
        fprintf(file, "<text class=\"h\" x=\"%d\" y=\"58\">%s</text>\n",
                NAME_WIDTH + UNIT_WIDTH + ((int)i + 1) * CELL_WIDTH - 10, columns->names[i]);
}

static void draw_cell(FILE *file, const struct bench_results *results,
                      const struct bench_result *result, int x, int y)
{
    const struct bench_result *evloop = bench_find_evloop(results, result->which);
    char text[32];
    double ratio;

    fprintf(file, "<text class=\"v%s\" x=\"%d\" y=\"%d\">%s</text>\n",
            result->is_evloop ? " e" : "", x, result->is_evloop ? y + 8 : y,
            report_figure(result->median, text, sizeof text));
    if (result->is_evloop || !evloop || result->median <= 0)
        return;
    ratio = evloop->median / result->median;
    fprintf(file, "<text class=\"r %s\" x=\"%d\" y=\"%d\">%s \xc3\x97</text>\n",
            (ratio < 1) == result->which->lower_is_better ? "b" : "w", x, y + 14,
            report_figure(ratio, text, sizeof text));
}

static void draw_row(FILE *file, const struct bench_results *results, const struct columns *columns,
                     const struct bench_result *first, int y)
{
    int x = NAME_WIDTH + UNIT_WIDTH - 10;

    fprintf(file, "<line x1=\"0\" x2=\"100%%\" y1=\"%d\" y2=\"%d\"/>\n", y, y);
    fprintf(file, "<text x=\"8\" y=\"%d\"><tspan class=\"n\">%s</tspan> %s</text>\n", y + 24,
            first->bench->name, first->which->name);
    fprintf(file, "<text class=\"s\" x=\"%d\" y=\"%d\">%s%s</text>\n", NAME_WIDTH, y + 24,
            first->which->unit, first->which->lower_is_better ? "" : " \xe2\x86\x91");
    for (size_t i = 0; i < columns->count; i++) {
        const struct bench_result *result = bench_find(results, first->which, columns->names[i]);

        if (result)
            draw_cell(file, results, result, x + ((int)i + 1) * CELL_WIDTH, y + 16);
    }
}

int report_svg(const struct bench_results *results, const char *title, const char *path)
{
    struct columns columns = find_columns(results);
    const struct bench_case *last = NULL;
    int width = NAME_WIDTH + UNIT_WIDTH + (int)columns.count * CELL_WIDTH;
    int height = HEAD + (int)count_rows(results) * ROW;
    FILE *file = fopen(path, "w");
    int y = HEAD - 8;

    if (!file)
        return -errno;
    draw_head(file, &columns, title, width, height);
    for (size_t i = 0; i < results->count; i++) {
        if (results->items[i].which == last)
            continue;
        last = results->items[i].which;
        draw_row(file, results, &columns, &results->items[i], y);
        y += ROW;
    }
    fputs("</svg>\n", file);
    return fclose(file) ? -errno : 0;
}
