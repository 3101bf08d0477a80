/*
 * instructions.c: runs evloop-instructions under callgrind with two counts; the difference of what
 * was counted, divided by the difference of the counts, leaves out everything that is done once.
 */
#include "instructions.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LOW_COUNT = 10000, HIGH_COUNT = 30000 };

/* For one run of valgrind; with a ring of the kernel's it has been seen to hang. */
enum { VALGRIND_SECONDS = 25 };

enum { NO_VALGRIND = 127 };

/* The program stands beside this executable. */
static void find_program(const char *name, char *path, size_t size)
{
    ssize_t n = readlink("/proc/self/exe", path, size - strlen(name) - 1);

    if (n <= 0)
        bench_skip("no way to find evloop-instructions");
    path[n] = '\0';
    strcpy(strrchr(path, '/') + 1, name);
    if (access(path, X_OK))
        bench_skip("evloop-instructions was not built");
}

static void exec_valgrind(const char *program, const char *which, int count, int out)
{
    char count_text[16];

    snprintf(count_text, sizeof count_text, "%d", count);
    dup2(out, STDOUT_FILENO);
    dup2(out, STDERR_FILENO);
    alarm(VALGRIND_SECONDS);
    execlp("valgrind", "valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null",
           "--toggle-collect=measured", program, which, count_text, (char *)NULL);
    _exit(NO_VALGRIND);
}

/* Valgrind ends with a line "==pid== Collected : 12345". */
static double collected(FILE *log)
{
    char line[512];
    double count = -1;

    while (fgets(line, sizeof line, log)) {
        const char *found = strstr(line, "Collected : ");

        if (found)
            sscanf(found, "Collected : %lf", &count);
    }
    return count;
}

static double count_instructions(const char *program, const char *which, int count)
{
    int ends[2];
    FILE *log;
    pid_t pid;
    int status = 0;
    double counted;

    bench_check(pipe(ends), "pipe");
    pid = fork();
    bench_check(pid, "fork");
    if (pid == 0)
        exec_valgrind(program, which, count, ends[1]);
    close(ends[1]);
    log = fdopen(ends[0], "r");
    bench_check(log ? 0 : -1, "fdopen");
    counted = collected(log);
    fclose(log);
    waitpid(pid, &status, 0);
    if (WIFEXITED(status) && WEXITSTATUS(status) == NO_VALGRIND)
        bench_skip("valgrind is not installed");
    bench_check(status == 0 && counted > 0 ? 0 : -1, "evloop-instructions under valgrind");
    return counted;
}

static void instructions_run(const struct bench *bench, const void *ops,
                             const struct bench_budget *budget, double *values)
{
    const char *which = bench->cases[0].name;
    char program[4096];
    double low;
    double high;

    (void)budget;
    find_program(ops, program, sizeof program);
    low = count_instructions(program, which, LOW_COUNT);
    high = count_instructions(program, which, HIGH_COUNT);
    values[0] = (high - low) / (HIGH_COUNT - LOW_COUNT);
}

static const struct bench_system systems[] = {{"evloop", "evloop-instructions"}};

#define INSTRUCTIONS(name, limit)                                                                  \
    {                                                                                              \
        name, "instructions", "instructions", true, limit                                          \
    }

/*
 * The limits keep what was reached, the caller's own few instructions included; without one the
 * figure is only shown.
 */
static const struct bench_case cases[] = {
    INSTRUCTIONS("submit", 115),      INSTRUCTIONS("post", 0),
    INSTRUCTIONS("microtask", 60),    INSTRUCTIONS("dispatch", 160),
    INSTRUCTIONS("echo", 0),          INSTRUCTIONS("timer-start", 0),
    INSTRUCTIONS("timer-restart", 0), INSTRUCTIONS("timer-stop", 0),
    INSTRUCTIONS("timer-expire", 0),
};

#define BENCH(i)                                                                                   \
    {                                                                                              \
        .name = "instructions", .cases = &cases[i], .case_count = 1, .run = instructions_run,      \
        .systems = systems, .system_count = BENCH_COUNT(systems), .exact = true                    \
    }

static const struct bench benches[] = {
    BENCH(0), BENCH(1), BENCH(2), BENCH(3), BENCH(4), BENCH(5), BENCH(6), BENCH(7), BENCH(8),
};

const struct bench_set instructions_set = BENCH_SET(benches);
