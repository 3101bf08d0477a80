/*
 * The demo's course: everything is started, runs for the time that was asked for, is shut down
 * (the clients' loop first, then the server's), and is judged.
 *
 * The main thread's loop directs it. A report sets out every second as a task that visits the
 * server's loop and the clients' loop, and comes home to be printed; the end begins when one
 * comes home after the time is up.
 */
#define _POSIX_C_SOURCE 200809L

#include "demo.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SHUTDOWN_TIMEOUT EVLOOP_SEC(10)
/* A loop that has not ended so long after the time is up never will. */
#define PATIENCE EVLOOP_SEC(30)

struct demo;

/* A loop with a thread of its own. */
struct runner {
    pthread_t thread;
    struct demo *demo;
    evloop *loop;
    evloop_task gone; /* tells the main loop that the run has returned */
    int result;       /* of the run */
    evloop_metrics metrics;
};

struct report {
    evloop_task task;
    bool travelling;
    struct figures now;
    struct figures last;
    struct histogram recent;
    struct histogram all;
};

struct demo {
    struct options options;
    struct memory memory;
    evloop *loop;
    evloop_timer tick;
    evloop_timer watchdog;
    evloop_notify interrupt;
    struct report report;
    struct runner serving;
    struct runner loading;
    struct server server;
    struct clients clients;
    struct timers timers;
    struct producers producers;
    uint64_t started_ns;
    int descriptors; /* that were open before */
    bool interrupted;
    bool ending;
};

static struct demo demo;

static void fail(const char *what, int err)
{
    fprintf(stderr, "evloop-demo: %s: %s\n", what, evloop_strerror(err));
    exit(2);
}

static void must(const char *what, int err)
{
    if (err)
        fail(what, err);
}

/* The options. */

static const struct {
    const char *name;
    size_t offset;
    unsigned preset, least, most;
    const char *help;
} parameters[] = {
    {"--seconds", offsetof(struct options, seconds), 10, 1, 86400, "how long it runs"},
    {"--connections", offsetof(struct options, connections), 1000, 1, 20000, "client connections"},
    {"--timers", offsetof(struct options, timers), 100000, 1, 10000000, "timers"},
    {"--producers", offsetof(struct options, producers), 4, 1, 64, "threads that post tasks"},
    {"--think-ms", offsetof(struct options, think_ms), 30, 0, 60000,
     "a client's mean pause between requests; 0: none"},
};

#define PARAMETER_COUNT (sizeof parameters / sizeof parameters[0])

static unsigned *parameter_value(size_t index)
{
    return (unsigned *)(void *)((char *)&demo.options + parameters[index].offset);
}

static void print_usage(FILE *out)
{
    fprintf(out, "usage: evloop-demo [option number]...\n");
    for (size_t i = 0; i < PARAMETER_COUNT; i++)
        fprintf(out, "  %-14s %s (%u to %u; %u)\n", parameters[i].name, parameters[i].help,
                parameters[i].least, parameters[i].most, parameters[i].preset);
}

static void parse_parameter(const char *name, const char *text)
{
    size_t i = 0;
    while (i < PARAMETER_COUNT && strcmp(name, parameters[i].name) != 0)
        i++;
    if (i == PARAMETER_COUNT) {
        fprintf(stderr, "evloop-demo: unknown option %s\n", name);
        print_usage(stderr);
        exit(2);
    }
    char *end = NULL;
    errno = 0;
    unsigned long value = text ? strtoul(text, &end, 10) : 0;
    if (!text || end == text || *end || errno || *text == '-' || value < parameters[i].least ||
        value > parameters[i].most) {
        fprintf(stderr, "evloop-demo: %s takes a number from %u to %u\n", name, parameters[i].least,
                parameters[i].most);
        exit(2);
    }
    *parameter_value(i) = (unsigned)value;
}

static void parse_options(int argc, char **argv)
{
    for (size_t i = 0; i < PARAMETER_COUNT; i++)
        *parameter_value(i) = parameters[i].preset;
    for (int i = 1; i < argc; i += 2) {
        if (strcmp(argv[i], "--help") == 0) {
            print_usage(stdout);
            exit(0);
        }
        parse_parameter(argv[i], argv[i + 1]);
    }
}

/* The loops' threads. */

static void on_runner_gone(evloop_task *task);

static void *runner_main(void *arg)
{
    struct runner *runner = arg;
    runner->result = evloop_run(runner->loop, EVLOOP_RUN_DEFAULT);
    must("telling the end", evloop_submit(runner->demo->loop, &runner->gone, on_runner_gone));
    return NULL;
}

static void runner_start(struct runner *runner)
{
    runner->demo = &demo;
    must("thread", -pthread_create(&runner->thread, NULL, runner_main, runner));
}

/* The report. */

static uint64_t wakes_sent(evloop *loop)
{
    evloop_metrics metrics = {.size = sizeof metrics};
    return evloop_get_metrics(loop, &metrics) == 0 ? metrics.wakes_sent : 0;
}

static void begin_end(void);

/* On the main loop: home again. */
static void on_report_home(evloop_task *task)
{
    struct report *report = evloop_container_of(task, struct report, task);
    report->travelling = false;
    report->now.at_ns = clock_ns();
    report->now.posts = producers_executed(&demo.producers);
    report_line(demo.started_ns, &report->last, &report->now, &report->recent);
    histogram_merge(&report->all, &report->recent);
    report->last = report->now;
    if (demo.interrupted || report->now.at_ns - demo.started_ns >= EVLOOP_SEC(demo.options.seconds))
        begin_end();
}

/* On the clients' loop. */
static void on_report_at_clients(evloop_task *task)
{
    struct report *report = evloop_container_of(task, struct report, task);
    report->now.requests = demo.clients.requests;
    report->now.wakes += wakes_sent(demo.loading.loop);
    report->recent = demo.clients.recent;
    memset(&demo.clients.recent, 0, sizeof demo.clients.recent);
    must("report", evloop_submit(demo.loop, task, on_report_home));
}

/* On the server's loop. */
static void on_report_at_server(evloop_task *task)
{
    struct report *report = evloop_container_of(task, struct report, task);
    report->now.connections = demo.server.accepted - demo.server.closed;
    report->now.timers = demo.timers.fired;
    report->now.wakes = wakes_sent(demo.serving.loop);
    must("report", evloop_submit(demo.loading.loop, task, on_report_at_clients));
}

static void report_send(void)
{
    if (demo.report.travelling)
        return; /* the loops are busy; one that waits is enough */
    demo.report.travelling = true;
    must("report", evloop_submit(demo.serving.loop, &demo.report.task, on_report_at_server));
}

static void on_tick(evloop_timer *tick)
{
    (void)tick;
    report_send();
}

/* The end. */

static void on_interrupt(evloop_notify *interrupt)
{
    (void)interrupt;
    demo.interrupted = true;
    if (!demo.ending)
        report_send();
}

static void on_signal(int number)
{
    int error = errno;
    (void)number;
    evloop_notify_send(&demo.interrupt);
    errno = error;
}

static void on_watchdog(evloop_timer *watchdog)
{
    (void)watchdog;
    printf("\n");
    report_check(false, "the end", "a loop hangs: server's loop in state %d, clients' in state %d",
                 (int)evloop_get_state(demo.serving.loop),
                 (int)evloop_get_state(demo.loading.loop));
    fflush(stdout);
    _exit(1);
}

/*
 * Closes the gate of the clients' loop, in the midst of the producers' posts. What was accepted
 * before runs yet, the word to finish among it; the clients have SHUTDOWN_TIMEOUT to get their
 * last answers.
 */
static void begin_end(void)
{
    demo.ending = true;
    evloop_timer_stop(&demo.tick);
    must("finish", evloop_notify_send(&demo.clients.finish));
    must("shutdown", evloop_shutdown(demo.loading.loop, SHUTDOWN_TIMEOUT));
}

/* On the main loop. The clients have gone: the server's turn. The server has gone: that was all. */
static void on_runner_gone(evloop_task *task)
{
    struct runner *runner = evloop_container_of(task, struct runner, gone);
    pthread_join(runner->thread, NULL);
    if (!demo.ending)
        fail("a loop ended too early", runner->result);
    if (runner == &demo.loading) {
        must("finish", evloop_notify_send(&demo.server.finish));
        must("shutdown", evloop_shutdown(demo.serving.loop, SHUTDOWN_TIMEOUT));
        return;
    }
    producers_join(&demo.producers); /* their offers are refused by now */
    evloop_timer_stop(&demo.watchdog);
    evloop_notify_stop(&demo.interrupt);
}

/* On the server's loop. */
static void on_server_finish(struct server *server)
{
    (void)server;
    timers_finish(&demo.timers);
}

/* The beginning. */

static evloop *create_loop(void)
{
    evloop_options options = evloop_options_default();
    evloop *loop = NULL;
    options.allocator = &demo.memory.allocator;
    must("loop", evloop_create(&loop, &options));
    return loop;
}

/* SA_RESETHAND: a second signal ends the process at once. */
static void catch_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

static void start(void)
{
    const struct options *options = &demo.options;
    demo.descriptors = count_descriptors();
    memory_init(&demo.memory);
    demo.loop = create_loop();
    demo.serving.loop = create_loop();
    demo.loading.loop = create_loop();

    must("server", server_start(&demo.server, demo.serving.loop));
    demo.server.on_finish = on_server_finish;
    must("timers", timers_start(&demo.timers, demo.serving.loop, options->timers));
    must("clients", clients_start(&demo.clients, demo.loading.loop, options, &demo.server.address));

    demo.tick.name = "tick";
    demo.watchdog.name = "watchdog";
    demo.interrupt.name = "interrupt";
    uint64_t patience_ns = EVLOOP_SEC(options->seconds) + PATIENCE;
    must("tick", evloop_timer_start(demo.loop, &demo.tick, EVLOOP_SEC(1), EVLOOP_SEC(1), on_tick));
    must("watchdog", evloop_timer_start(demo.loop, &demo.watchdog, patience_ns, 0, on_watchdog));
    must("interrupt", evloop_notify_start(demo.loop, &demo.interrupt, on_interrupt));
    catch_signals();

    report_header(options, demo.serving.loop);
    demo.started_ns = demo.report.last.at_ns = clock_ns();
    runner_start(&demo.serving);
    runner_start(&demo.loading);
    evloop *const posted_to[] = {demo.serving.loop, demo.loading.loop};
    must("producers", producers_start(&demo.producers, options->producers, posted_to, 2));
}

/* The verdict. */

static bool check_bytes(void)
{
    const struct clients *c = &demo.clients;
    return report_check(c->failed == 0 && c->sent == c->received, "bytes",
                        "%llu sent, %llu back in order; %llu requests of up to %llu bytes",
                        (unsigned long long)c->sent, (unsigned long long)c->received,
                        (unsigned long long)c->requests, (unsigned long long)c->largest);
}

static bool check_connections(void)
{
    const struct clients *c = &demo.clients;
    const struct server *s = &demo.server;
    bool all = c->opened == c->count || demo.interrupted;
    bool served = s->accepted == c->connected && s->closed == s->accepted && s->broken == 0;
    report_check(c->failed == 0 && all && c->completed == c->opened, "clients",
                 "%u connected, %u ended in order, %u failed%s%s", c->connected, c->completed,
                 c->failed, c->failed ? ": " : "", c->first_failure);
    report_check(
        served, "server",
        "%llu accepted (%llu times in vain), %llu closed, %llu broken; %llu times a client "
        "was not read since it did not read",
        (unsigned long long)s->accepted, (unsigned long long)s->refused,
        (unsigned long long)s->closed, (unsigned long long)s->broken,
        (unsigned long long)s->held_back);
    return c->failed == 0 && all && c->completed == c->opened && served;
}

static bool check_tasks(void)
{
    uint64_t accepted = 0, executed = 0, disordered = 0;
    unsigned refused = 0;
    for (unsigned i = 0; i < demo.producers.count; i++) {
        const struct producer *p = &demo.producers.all[i];
        accepted += p->accepted;
        executed += p->executed;
        disordered += p->disordered + (p->expected != p->accepted);
        refused += p->refusal == EVLOOP_ECLOSED;
    }
    bool ok = accepted == executed && disordered == 0 && refused == demo.producers.count;
    return report_check(ok, "tasks",
                        "%llu accepted, %llu run, %llu out of order; %u of %u producers were "
                        "refused at the end",
                        (unsigned long long)accepted, (unsigned long long)executed,
                        (unsigned long long)disordered, refused, demo.producers.count);
}

static bool check_loop(const struct runner *runner, const char *name)
{
    const evloop_metrics *m = &runner->metrics;
    bool ok = runner->result == 0 && m->tasks_accepted == m->tasks_run + m->tasks_cancelled;
    return report_check(ok, name,
                        "%s%s%llu tasks accepted, %llu run; %llu turns, %llu sleeps, %llu wakes",
                        runner->result ? evloop_strerror(runner->result) : "",
                        runner->result ? ": " : "", (unsigned long long)m->tasks_accepted,
                        (unsigned long long)m->tasks_run, (unsigned long long)m->turns,
                        (unsigned long long)m->sleeps, (unsigned long long)m->wakes_sent);
}

static bool check_timers(void)
{
    const struct timers *t = &demo.timers;
    bool never_early =
        report_check(t->early == 0 && t->errors == 0, "timers",
                     "%llu fired, %llu early; late by %.0f us (p50), %.0f us (p99); %llu errors",
                     (unsigned long long)t->fired, (unsigned long long)t->early,
                     histogram_percentile_us(&t->lateness, 50),
                     histogram_percentile_us(&t->lateness, 99), (unsigned long long)t->errors);
    bool conserved = report_check(
        t->ghosts == 0 && t->armed == t->fired + t->cancelled, "cancelled",
        "%llu armed, %llu fired, %llu cancelled; %llu pushed back; %llu fired though cancelled",
        (unsigned long long)t->armed, (unsigned long long)t->fired,
        (unsigned long long)t->cancelled, (unsigned long long)t->pushed_back,
        (unsigned long long)t->ghosts);
    return never_early && conserved;
}

/* A loop from which nothing is missing can be destroyed without force. */
static bool destroy_loop(evloop *loop, const char *name)
{
    int err = evloop_destroy(loop, 0);
    if (!err)
        return true;
    report_check(false, "destroy", "the %s loop: %s: %s", name, evloop_strerror(err),
                 evloop_busy_reason(loop));
    evloop_destroy(loop, EVLOOP_DESTROY_FORCE);
    return false;
}

static bool check_leaks(void)
{
    bool ok = destroy_loop(demo.loading.loop, "clients'");
    ok &= destroy_loop(demo.serving.loop, "server's");
    ok &= destroy_loop(demo.loop, "main");
    size_t bytes = demo.memory.bytes, blocks = demo.memory.blocks;
    ok &= report_check(bytes == 0 && blocks == 0, "memory",
                       "%zu bytes in %zu blocks of the loops' are left; there were %zu at most",
                       bytes, blocks, (size_t)demo.memory.peak_bytes);
    int descriptors = count_descriptors();
    ok &= report_check(descriptors == demo.descriptors, "descriptors",
                       "%d open now, %d at the beginning", descriptors, demo.descriptors);
    return ok;
}

static bool verdict(void)
{
    struct runner *runners[] = {&demo.serving, &demo.loading};
    for (unsigned i = 0; i < 2; i++) {
        runners[i]->metrics.size = sizeof runners[i]->metrics;
        must("metrics", evloop_get_metrics(runners[i]->loop, &runners[i]->metrics));
    }
    clients_free(&demo.clients);
    bool ok = check_bytes();
    ok &= check_connections();
    ok &= check_tasks();
    ok &= check_loop(&demo.serving, "server's loop");
    ok &= check_loop(&demo.loading, "clients' loop");
    ok &= check_timers();
    ok &= check_leaks();
    timers_free(&demo.timers);
    free(demo.producers.all);
    return ok;
}

int main(int argc, char **argv)
{
    parse_options(argc, argv);
    if (!allow_descriptors(demo.options.connections))
        return 2;
    start();
    must("run", evloop_run(demo.loop, EVLOOP_RUN_DEFAULT));
    report_total(demo.started_ns, &demo.report.last, &demo.report.all);
    bool ok = verdict();
    printf("\n%s\n", ok ? "everything is as promised" : "FAILED");
    return ok ? 0 : 1;
}
