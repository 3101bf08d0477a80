#include "orders.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "run.h"

enum { CLIENTS_AT_MOST = 160, SITES_AT_MOST = 400, JOBS_AT_MOST = 16, LINE = 512 };

/* One order in one place of the sources. */
struct weakening {
    const struct site *site;
    bool failure;     /* the second order of a compare and swap */
    unsigned char to; /* what it becomes */
    bool excused;
    const struct client *found_by;
};

static const char *const order_names[] = {"relaxed", "consume", "acquire",
                                          "release", "acq_rel", "seq_cst"};

static const struct client *all[CLIENTS_AT_MOST];
static bool uses[SITES_AT_MOST][CLIENTS_AT_MOST];
static uint32_t client_count;
static struct weakening weakenings[4 * SITES_AT_MOST];
static uint32_t weakening_count;

const char *order_name(unsigned order)
{
    return order_names[order];
}

const char *short_file(const char *file)
{
    const char *found = file;
    for (const char *at = file; *at; at++)
        if (strncmp(at, "src/", 4) == 0 || strncmp(at, "tests/", 6) == 0)
            found = at;
    return found;
}

static uint32_t number_of(const struct site *site)
{
    return (uint32_t)(site - __start_model_sites);
}

/* Headers are compiled many times. */
static bool same_place(const struct site *a, const struct site *b)
{
    return a->line == b->line && strcmp(a->operation, b->operation) == 0 &&
           strcmp(a->file, b->file) == 0;
}

static bool is_first(const struct site *site)
{
    for (const struct site *other = __start_model_sites; other < site; other++)
        if (same_place(other, site))
            return false;
    return true;
}

/* ---- who uses what --------------------------------------------------------------------------- */

static void collect_clients(void)
{
    for (const struct suite *suite = suites; suite->name; suite++)
        for (const struct client *client = suite->clients; client->name; client++)
            if (strcmp(suite->name, "litmus") != 0) {
                if (client_count == CLIENTS_AT_MOST)
                    abort();
                all[client_count++] = client;
            }
}

static void learn_uses(void)
{
    for (uint32_t i = 0; i < client_count; i++) {
        for (struct site *site = __start_model_sites; site < __stop_model_sites; site++)
            site->used = false;
        run_client(all[i]);
        for (struct site *site = __start_model_sites; site < __stop_model_sites; site++)
            uses[number_of(site)][i] = site->used;
    }
}

static bool uses_place(const struct site *place, uint32_t client)
{
    for (const struct site *site = __start_model_sites; site < __stop_model_sites; site++)
        if (uses[number_of(site)][client] && same_place(site, place))
            return true;
    return false;
}

/* ---- what is tried --------------------------------------------------------------------------- */

enum { NOT_EXCUSED = -1 };

/*
 * "stronger than the model needs (release)": that order; the second order of a compare and swap is
 * meant only by "both stronger than the model needs".
 */
static int comment_excuses(const char *line, bool failure, int before)
{
    static const char words[] = "stronger than the model needs (";
    const char *found = strstr(line, words);
    if (failure && (!found || found - line < 5 || strncmp(found - 5, "both ", 5) != 0))
        return before;
    for (int order = memory_order_relaxed; found && order <= memory_order_seq_cst; order++) {
        size_t length = strlen(order_names[order]);
        const char *name = found + sizeof words - 1;
        if (strncmp(name, order_names[order], length) == 0 && name[length] == ')')
            return order;
    }
    return before;
}

/* The order that is needed, as a comment on this line says, or one right above its statement. */
static int excuse_for(const struct site *site, bool failure)
{
    char line[LINE];
    int excused = NOT_EXCUSED;
    bool in_comment = false;
    FILE *file = fopen(site->file, "r");
    if (!file)
        abort();
    for (int number = 1; number <= site->line && fgets(line, LINE, file); number++) {
        bool begins = strstr(line, "/*") != NULL;
        bool comment = in_comment || begins;
        if (number < site->line && begins && strspn(line, " \t") == strcspn(line, "/"))
            excused = NOT_EXCUSED; /* another comment */
        if (comment)
            excused = comment_excuses(line, failure, excused);
        if (strchr(line, ';') && !comment && number < site->line)
            excused = NOT_EXCUSED; /* another statement */
        if (comment)
            in_comment = strstr(line, "*/") == NULL;
    }
    fclose(file);
    return excused;
}

static void add(const struct site *site, bool failure, unsigned char to, bool excused)
{
    weakenings[weakening_count++] =
        (struct weakening){.site = site, .failure = failure, .to = to, .excused = excused};
}

static bool is_update(const struct site *site)
{
    return strcmp(site->operation, "get") != 0 && strcmp(site->operation, "set") != 0;
}

static void add_steps(const struct site *site, bool failure, unsigned char order)
{
    bool update = is_update(site) && !failure;
    bool set = strcmp(site->operation, "set") == 0;
    if (order == memory_order_seq_cst) {
        add(site, failure,
            update ? memory_order_acq_rel
            : set  ? memory_order_release
                   : memory_order_acquire,
            false);
    } else if (order == memory_order_acq_rel) {
        add(site, failure, memory_order_acquire, false);
        add(site, failure, memory_order_release, false);
    } else if (order != memory_order_relaxed) {
        add(site, failure, memory_order_relaxed, false);
    }
}

/* What is stronger than needed is tried with what is needed, which must do, and with less. */
static void add_order(const struct site *site, bool failure, unsigned char order)
{
    int needed = excuse_for(site, failure);
    if (needed != NOT_EXCUSED && order != memory_order_relaxed) {
        add(site, failure, (unsigned char)needed, true);
        order = (unsigned char)needed;
    }
    add_steps(site, failure, order);
}

/* Mutexes and once-controls are the system's. */
static bool is_tried(const struct site *site)
{
    static const char *const others[] = {"lock", "unlock", "once", "wait", "poll", "wake"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (strcmp(site->operation, others[i]) == 0)
            return false;
    return strncmp(short_file(site->file), "src/", 4) == 0 && is_first(site);
}

static void collect_weakenings(void)
{
    for (const struct site *site = __start_model_sites; site < __stop_model_sites; site++) {
        if (!is_tried(site))
            continue;
        add_order(site, false, site->order);
        if (strcmp(site->operation, "try") == 0 || strcmp(site->operation, "claim") == 0)
            add_order(site, true, site->failure);
    }
}

/* ---- trying ---------------------------------------------------------------------------------- */

static void weaken(const struct weakening *weakening)
{
    for (struct site *site = __start_model_sites; site < __stop_model_sites; site++) {
        if (!same_place(site, weakening->site))
            continue;
        if (weakening->failure)
            site->failure = weakening->to;
        else
            site->order = weakening->to;
    }
}

/* In a process of its own: says on the pipe which client it is at; a failure ends the process. */
static __attribute__((noreturn)) void try_clients(const struct weakening *weakening, int pipe)
{
    if (!freopen("/dev/null", "w", stdout))
        abort();
    weaken(weakening);
    for (unsigned char i = 0; i < client_count; i++) {
        if (!uses_place(weakening->site, i))
            continue;
        if (write(pipe, &i, 1) != 1)
            abort();
        run_client(all[i]);
    }
    _exit(0);
}

static struct job {
    pid_t process;
    int pipe;
    struct weakening *weakening;
} jobs_under_way[JOBS_AT_MOST];

static void begin_job(struct job *job, struct weakening *weakening)
{
    int ends[2];
    if (pipe(ends) != 0)
        abort();
    fflush(stdout);
    job->weakening = weakening;
    job->pipe = ends[0];
    job->process = fork();
    if (job->process < 0)
        abort();
    if (job->process == 0)
        try_clients(weakening, ends[1]);
    close(ends[1]);
}

static void end_job(void)
{
    int status;
    unsigned char client = 0;
    pid_t process = wait(&status);
    struct job *job = jobs_under_way;
    while (job->process != process)
        job++;
    while (read(job->pipe, &client, 1) == 1)
        ;
    close(job->pipe);
    job->process = 0;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 1)
        job->weakening->found_by = all[client];
}

static void try_all(unsigned jobs, bool excused_too)
{
    unsigned under_way = 0;
    for (uint32_t i = 0; i < weakening_count; i++) {
        if (weakenings[i].excused && !excused_too)
            continue;
        if (under_way == jobs) {
            end_job();
            under_way--;
        }
        struct job *job = jobs_under_way;
        while (job->process)
            job++;
        begin_job(job, &weakenings[i]);
        under_way++;
    }
    for (; under_way > 0; under_way--)
        end_job();
}

static bool report(const struct weakening *weakening, bool excused_too)
{
    const struct site *site = weakening->site;
    bool tried = excused_too || !weakening->excused;
    printf("%s:%d: %s %s: %s -> %s: ", short_file(site->file), site->line, site->operation,
           site->object, order_name(weakening->failure ? site->failure : site->order),
           order_name(weakening->to));
    if (weakening->found_by)
        printf("%s%s\n", weakening->found_by->name,
               weakening->excused ? " (needed, and the comment says that it is not)" : "");
    else
        printf("%s\n", weakening->excused ? "stronger than the model needs" : "NOT FOUND");
    return tried ? (weakening->found_by != NULL) == !weakening->excused : true;
}

bool orders_matter(unsigned jobs, bool excused_too)
{
    bool good = true;
    collect_clients();
    collect_weakenings();
    learn_uses();
    try_all(jobs < JOBS_AT_MOST ? jobs : JOBS_AT_MOST, excused_too);
    for (uint32_t i = 0; i < weakening_count; i++)
        good = report(&weakenings[i], excused_too) && good;
    printf("%u weakenings%s\n", weakening_count, good ? "" : ": NOT ALL ARE FOUND OR EXCUSED");
    return good && weakening_count > 0;
}
