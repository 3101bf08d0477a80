/*
 * support.h: what every test stands on. Include it first.
 *
 * A test is written TEST(the_promise_it_keeps) and listed as TEST_ENTRY(the_promise_it_keeps).
 * Around each one stand checks that no descriptor was leaked or closed by mistake, that loops made
 * by loop_new() gave back all their memory, and that the test kept its time limit: a test that
 * hangs aborts, with its name.
 *
 * cmocka's assertions leave the test by longjmp, so they are for the test's own thread (callbacks
 * on it included). Other threads and child processes use check(), which aborts.
 *
 * EVLOOP_BACKEND is the backend of all loops that do not choose. Where it does not work, a program
 * ends with EVLOOP_TEST_SKIPPED.
 * EVLOOP_TEST_ONLY (a name, or a pattern with * and ?) leaves the other tests out.
 * EVLOOP_TEST_SCALE (a whole number) divides the counts that go through scaled(), for slow machines
 * and valgrind; sanitizers have a scale of their own.
 */
#ifndef EVLOOP_TESTS_SUPPORT_H
#define EVLOOP_TESTS_SUPPORT_H

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <evloop.h>

EVLOOP_BEGIN_DECLS

#include <cmocka.h>

/* ---- tests ----------------------------------------------------------------------------------- */

#define TEST(name) static void name(__attribute__((unused)) void **state)
#define TEST_ENTRY(name)                                                                           \
    {                                                                                              \
#name, name, support_setup, support_teardown, (void *)#name                                \
    }
#define RUN_TESTS(suite, tests)                                                                    \
    (support_begin(), cmocka_run_group_tests_name(suite, tests, NULL, NULL))

/** The exit status of a program whose backend does not work here; tests/CMakeLists.txt knows it. */
#define EVLOOP_TEST_SKIPPED 77

void support_begin(void);
int support_setup(void **state);
int support_teardown(void **state);

/** How long each test of this program may take, in seconds at scale 1. Called before RUN_TESTS. */
void support_limit(unsigned seconds);

/** Whether this process runs inside valgrind, which does some things in the kernel's place. */
bool under_valgrind(void);

/** n divided by the scale, and 1 at least. */
size_t scaled(size_t n);

/**
 * Ends the process with a message if the condition does not hold; from any thread, from any
 * process.
 */
#define check(condition) ((condition) ? (void)0 : check_failed(#condition, __FILE__, __LINE__))
__attribute__((noreturn)) void check_failed(const char *condition, const char *file, int line);

/** Waits until the condition holds, for as long as the test's limit lets it. */
#define wait_until(condition)                                                                      \
    do {                                                                                           \
        while (!(condition))                                                                       \
            wait_a_little();                                                                       \
    } while (0)
void wait_a_little(void);

/* ---- the order of what happened -------------------------------------------------------------- */

/** Notes that something happened; on one thread at a time. Every test begins with nothing noted. */
void trace(char what);
/** What has been noted so far. */
const char *trace_text(void);
/** Asserts what has been noted, in order, since the test began or since the last assert_trace(). */
#define assert_trace(expected)                                                                     \
    do {                                                                                           \
        assert_string_equal(trace_text(), expected);                                               \
        trace_reset();                                                                             \
    } while (0)
void trace_reset(void);

/* ---- memory ---------------------------------------------------------------------------------- */

/** Memory for loops: filled with rubbish, counted, and refused when told so. Thread-safe. */
struct heap {
    evloop_allocator allocator;
    pthread_mutex_t lock;
    size_t calls;   /* allocations that were asked for, also those that failed */
    size_t blocks;  /* outstanding */
    size_t bytes;   /* outstanding */
    size_t fail_in; /* the so-manieth allocation from now fails; 0: none does */
};

void heap_init(struct heap *heap);
/** Makes the nth allocation from now fail, that one only; 0: none. */
void heap_fail_in(struct heap *heap, size_t nth);
/** Makes every allocation from now on fail. */
#define HEAP_FAIL_ALL SIZE_MAX
size_t heap_calls(struct heap *heap);
size_t heap_blocks(struct heap *heap);
size_t heap_bytes(struct heap *heap);

/** The heap behind loop_new(); empty again when the test ends, or the test has failed. */
extern struct heap test_heap;

/* ---- loops ----------------------------------------------------------------------------------- */

/** A loop with default options, or with these, on test_heap. */
evloop *loop_new(void);
evloop *loop_new_with(evloop_options options);
/** Destroys a loop that has nothing left; asserts that. */
void loop_end(evloop *loop);
/** One turn that does not sleep; asserts that it succeeds. */
void loop_turn(evloop *loop);
/** A default run; asserts that it succeeds. */
void loop_run(evloop *loop);
evloop_metrics loop_metrics(evloop *loop);

/** A thread that runs a loop. */
struct runner {
    pthread_t thread;
    evloop *loop;
    int result;
};

/** Starts it, and returns when the loop runs. Something must keep the loop alive. */
void runner_start(struct runner *runner, evloop *loop);
/** Waits for the end of the run; gives what evloop_run() returned. */
int runner_join(struct runner *runner);
/** Waits until the loop sleeps. */
void wait_asleep(evloop *loop);

/** sizeof of an object as C sees it, for the test that is C++. */
size_t c_size_of(evloop_type type);

/* ---- threads and processes ------------------------------------------------------------------- */

void thread_start(pthread_t *thread, void *(*fn)(void *), void *arg);
/** The process's answer to SIGUSR1. */
void handle_signal(void (*handler)(int));
void thread_join(pthread_t thread);

/** A counter that threads wait for. */
struct gate {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned count;
};
#define GATE_INIT                                                                                  \
    {                                                                                              \
        PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0                                     \
    }
void gate_add(struct gate *gate);
/** Waits until count things were added. */
void gate_wait(struct gate *gate, unsigned count);

/**
 * Runs fn in a child process, with a time limit; gives whether it came to its end: all its check()s
 * held.
 */
bool child_succeeds(void (*fn)(void *arg), void *arg);

/* ---- time and chance ------------------------------------------------------------------------- */

/** The clock of loops, asked of the kernel. */
uint64_t clock_ns(void);
/** Keeps the processor busy until so much time has passed. */
void burn_ns(uint64_t duration_ns);
/** The next number of a repeatable sequence; the state is any number to begin with. */
uint64_t chance(uint64_t *state);

/* ---- descriptors ----------------------------------------------------------------------------- */

/** A pipe, or a pair of connected stream sockets; not blocking, not inherited. */
void pipe_open(int fds[2]);
void pair_open(int fds[2]);
/** Closes the two that are not -1. */
void fds_close(int fds[2]);
void fd_nonblocking(int fd);
/** Writes one byte, or reads all that is there; asserts that there was something. */
void fd_write_byte(int fd);
void fd_read_all(int fd);

EVLOOP_END_DECLS

#endif
