/*
 * support.c: the checks around every test, and the helpers of support.h.
 */
#include "support.h"
#include "system.h"

#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>

#if defined(__has_feature)
#define HAS_FEATURE(x) __has_feature(x)
#else
#define HAS_FEATURE(x) 0
#endif

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) ||                               \
    HAS_FEATURE(address_sanitizer) || HAS_FEATURE(thread_sanitizer) ||                             \
    HAS_FEATURE(memory_sanitizer)
#define BUILD_SCALE 4
#else
#define BUILD_SCALE 1
#endif

#ifdef __APPLE__
#define FD_DIRECTORY "/dev/fd"
#else
#define FD_DIRECTORY "/proc/self/fd"
#endif

#define SLOW_LIMIT_FACTOR 3
#define FILL_BYTE 0xa5

/* ---- the time limit -------------------------------------------------------------------------- */

static unsigned limit_s = 15;
static char limit_message[256];
static volatile size_t limit_message_length;

void support_limit(unsigned seconds)
{
    limit_s = seconds;
}

static size_t scale(void)
{
    const char *text = getenv("EVLOOP_TEST_SCALE");
    unsigned long value = text ? strtoul(text, NULL, 10) : 0;
    return value ? value : BUILD_SCALE;
}

bool under_valgrind(void)
{
    const char *preloaded = getenv("LD_PRELOAD");
    return preloaded && strstr(preloaded, "vgpreload");
}

size_t scaled(size_t n)
{
    size_t divided = n / scale();
    return divided ? divided : 1;
}

static void limit_passed(int sig)
{
    (void)sig;
    ssize_t ignored = write(STDERR_FILENO, limit_message, limit_message_length);
    (void)ignored;
    abort();
}

static void limit_start(const char *name)
{
    unsigned seconds = limit_s * (scale() > 1 ? SLOW_LIMIT_FACTOR : 1);
    int length = snprintf(limit_message, sizeof limit_message,
                          "TIME LIMIT: %s is not done after %u s\n", name, seconds);
    limit_message_length = (size_t)length;
    alarm(seconds);
}

void wait_a_little(void)
{
    sched_yield();
}

void check_failed(const char *condition, const char *file, int line)
{
    fprintf(stderr, "%s:%d: check failed: %s\n", file, line, condition);
    abort();
}

/* ---- leaked descriptors ---------------------------------------------------------------------- */

struct fd_list {
    int fds[1024];
    size_t count;
};

static struct fd_list fds_before;

static void fds_list(struct fd_list *list)
{
    DIR *directory = opendir(FD_DIRECTORY);
    check(directory);
    list->count = 0;
    for (struct dirent *entry; (entry = readdir(directory));) {
        if (entry->d_name[0] < '0' || entry->d_name[0] > '9')
            continue;
        int fd = (int)strtol(entry->d_name, NULL, 10);
        check(list->count < sizeof list->fds / sizeof *list->fds);
        if (fd != dirfd(directory))
            list->fds[list->count++] = fd;
    }
    closedir(directory);
}

static bool fds_contain(const struct fd_list *list, int fd)
{
    for (size_t i = 0; i < list->count; i++)
        if (list->fds[i] == fd)
            return true;
    return false;
}

static int fds_report_missing(const struct fd_list *in, const struct fd_list *from,
                              const char *name, const char *what)
{
    int missing = 0;
    for (size_t i = 0; i < in->count; i++) {
        if (fds_contain(from, in->fds[i]))
            continue;
        char path[64], target[256] = "?";
        snprintf(path, sizeof path, FD_DIRECTORY "/%d", in->fds[i]);
        ssize_t length = readlink(path, target, sizeof target - 1);
        target[length > 0 ? length : 1] = '\0';
        print_error("%s: descriptor %d (%s) was %s\n", name, in->fds[i], target, what);
        missing = -1;
    }
    return missing;
}

static int fds_check(const char *name)
{
    struct fd_list now;
    fds_list(&now);
    int leaked = fds_report_missing(&now, &fds_before, name, "leaked");
    int lost = fds_report_missing(&fds_before, &now, name, "closed by mistake");
    return leaked || lost ? -1 : 0;
}

/* ---- set-up and tear-down -------------------------------------------------------------------- */

struct heap test_heap;

/* A backend that was chosen by hand fails where the kernel or a sandbox does not let it work. */
static void end_without_backend(void)
{
    evloop *loop;
    int err = evloop_create(&loop, NULL);
    if (err == -ENOSYS || err == -EPERM || err == -ENOTSUP) {
        printf("not tested here: %s: %s\n", getenv("EVLOOP_BACKEND"), evloop_strerror(err));
        exit(EVLOOP_TEST_SKIPPED);
    }
    check(err == 0 && evloop_destroy(loop, 0) == 0);
}

static void answer(int sig, void (*handler)(int))
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = handler;
    sigaction(sig, &action, NULL);
}

void handle_signal(void (*handler)(int))
{
    answer(SIGUSR1, handler);
}

void support_begin(void)
{
    answer(SIGALRM, limit_passed);
    setvbuf(stdout, NULL, _IOLBF, 0);
    const char *only = getenv("EVLOOP_TEST_ONLY");
    if (only)
        cmocka_set_test_filter(only);
    if (getenv("EVLOOP_BACKEND"))
        end_without_backend();
}

int support_setup(void **state)
{
    trace_reset();
    heap_init(&test_heap);
    fds_list(&fds_before);
    limit_start(*state);
    return 0;
}

int support_teardown(void **state)
{
    const char *name = *state;
    alarm(0);
    int result = fds_check(name);
    if (heap_blocks(&test_heap)) {
        print_error("%s: %zu blocks (%zu bytes) of the loop's memory were leaked\n", name,
                    heap_blocks(&test_heap), heap_bytes(&test_heap));
        result = -1;
    }
    return result;
}

/* ---- the order of what happened -------------------------------------------------------------- */

static char traced[4096];
static size_t traced_length;

void trace(char what)
{
    check(traced_length + 1 < sizeof traced);
    traced[traced_length++] = what;
    traced[traced_length] = '\0';
}

const char *trace_text(void)
{
    return traced;
}

void trace_reset(void)
{
    traced_length = 0;
    traced[0] = '\0';
}

/* ---- memory ---------------------------------------------------------------------------------- */

/* Stands before each block, and keeps its alignment. */
union block {
    size_t size;
    max_align_t align;
};

static bool heap_refuses(struct heap *heap)
{
    heap->calls++;
    if (heap->fail_in == HEAP_FAIL_ALL)
        return true;
    return heap->fail_in && --heap->fail_in == 0;
}

static void *heap_place(struct heap *heap, union block *old, size_t size)
{
    union block *block = malloc(sizeof *block + size);
    check(block);
    size_t kept = old ? (old->size < size ? old->size : size) : 0;
    block->size = size;
    memset(block + 1, FILL_BYTE, size);
    if (kept)
        memcpy(block + 1, old + 1, kept);
    heap->blocks++;
    heap->bytes += size;
    return block + 1;
}

static void heap_release(struct heap *heap, union block *block)
{
    check(heap->blocks > 0 && heap->bytes >= block->size);
    heap->blocks--;
    heap->bytes -= block->size;
    memset(block + 1, FILL_BYTE, block->size);
    free(block);
}

static void *heap_resize(void *context, void *memory, size_t size)
{
    struct heap *heap = context;
    union block *old = memory ? (union block *)memory - 1 : NULL;
    void *result = NULL;
    pthread_mutex_lock(&heap->lock);
    bool done = size == 0 || !heap_refuses(heap);
    if (done && size)
        result = heap_place(heap, old, size);
    if (done && old)
        heap_release(heap, old);
    pthread_mutex_unlock(&heap->lock);
    return result;
}

void heap_init(struct heap *heap)
{
    memset(heap, 0, sizeof *heap);
    pthread_mutex_init(&heap->lock, NULL);
    heap->allocator.resize = heap_resize;
    heap->allocator.context = heap;
}

void heap_fail_in(struct heap *heap, size_t nth)
{
    pthread_mutex_lock(&heap->lock);
    heap->fail_in = nth;
    pthread_mutex_unlock(&heap->lock);
}

static size_t heap_read(struct heap *heap, const size_t *counter)
{
    pthread_mutex_lock(&heap->lock);
    size_t value = *counter;
    pthread_mutex_unlock(&heap->lock);
    return value;
}

size_t heap_calls(struct heap *heap)
{
    return heap_read(heap, &heap->calls);
}

size_t heap_blocks(struct heap *heap)
{
    return heap_read(heap, &heap->blocks);
}

size_t heap_bytes(struct heap *heap)
{
    return heap_read(heap, &heap->bytes);
}

/* ---- loops ----------------------------------------------------------------------------------- */

evloop *loop_new_with(evloop_options options)
{
    evloop *loop = NULL;
    options.allocator = &test_heap.allocator;
    assert_int_equal(evloop_create(&loop, &options), 0);
    assert_non_null(loop);
    return loop;
}

evloop *loop_new(void)
{
    return loop_new_with(evloop_options_default());
}

void loop_end(evloop *loop)
{
    const char *left = evloop_busy_reason(loop);
    if (*left)
        fail_msg("the loop still has %s", left);
    assert_int_equal(evloop_destroy(loop, 0), 0);
}

void loop_turn(evloop *loop)
{
    assert_int_equal(evloop_run(loop, EVLOOP_RUN_NOWAIT), 0);
}

void loop_run(evloop *loop)
{
    assert_int_equal(evloop_run(loop, EVLOOP_RUN_DEFAULT), 0);
}

evloop_metrics loop_metrics(evloop *loop)
{
    evloop_metrics metrics;
    memset(&metrics, 0, sizeof metrics);
    metrics.size = sizeof metrics;
    assert_int_equal(evloop_get_metrics(loop, &metrics), 0);
    return metrics;
}

static void *runner_main(void *arg)
{
    struct runner *runner = arg;
    runner->result = evloop_run(runner->loop, EVLOOP_RUN_DEFAULT);
    return NULL;
}

void runner_start(struct runner *runner, evloop *loop)
{
    runner->loop = loop;
    runner->result = 1;
    thread_start(&runner->thread, runner_main, runner);
    wait_until(evloop_get_state(loop) != EVLOOP_STATE_IDLE);
}

int runner_join(struct runner *runner)
{
    thread_join(runner->thread);
    return runner->result;
}

void wait_asleep(evloop *loop)
{
    wait_until(evloop_get_state(loop) == EVLOOP_STATE_SLEEPING);
}

size_t c_size_of(evloop_type type)
{
    switch (type) {
    case EVLOOP_TYPE_TASK:
        return sizeof(evloop_task);
    case EVLOOP_TYPE_NOTIFY:
        return sizeof(evloop_notify);
    case EVLOOP_TYPE_TIMER:
        return sizeof(evloop_timer);
    case EVLOOP_TYPE_HOOK:
        return sizeof(evloop_hook);
    case EVLOOP_TYPE_WATCH:
        return sizeof(evloop_watch);
    case EVLOOP_TYPE_STREAM:
        return sizeof(evloop_stream);
    case EVLOOP_TYPE_LISTENER:
        return sizeof(evloop_listener);
    case EVLOOP_TYPE_DGRAM:
        return 0;
    }
    return 0;
}

/* ---- threads and processes ------------------------------------------------------------------- */

void thread_start(pthread_t *thread, void *(*fn)(void *), void *arg)
{
    check(pthread_create(thread, NULL, fn, arg) == 0);
}

void thread_join(pthread_t thread)
{
    check(pthread_join(thread, NULL) == 0);
}

void gate_add(struct gate *gate)
{
    pthread_mutex_lock(&gate->lock);
    gate->count++;
    pthread_cond_broadcast(&gate->changed);
    pthread_mutex_unlock(&gate->lock);
}

void gate_wait(struct gate *gate, unsigned count)
{
    pthread_mutex_lock(&gate->lock);
    while (gate->count < count)
        pthread_cond_wait(&gate->changed, &gate->lock);
    pthread_mutex_unlock(&gate->lock);
}

bool child_succeeds(void (*fn)(void *arg), void *arg)
{
    pid_t child = fork();
    check(child >= 0);
    if (child == 0) {
        alarm(limit_s * SLOW_LIMIT_FACTOR);
        fn(arg);
        _exit(0);
    }
    int status = -1;
    while (waitpid(child, &status, 0) < 0)
        check(errno == EINTR);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* ---- time and chance ------------------------------------------------------------------------- */

uint64_t clock_ns(void)
{
    struct timespec now;
    check(clock_gettime(LOOP_CLOCK, &now) == 0);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

void burn_ns(uint64_t duration_ns)
{
    uint64_t begin = clock_ns();
    while (clock_ns() - begin < duration_ns)
        continue;
}

/* splitmix64 */
uint64_t chance(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* ---- descriptors ----------------------------------------------------------------------------- */

void fd_nonblocking(int fd)
{
    assert_int_equal(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK), 0);
    assert_int_equal(fcntl(fd, F_SETFD, FD_CLOEXEC), 0);
}

void pipe_open(int fds[2])
{
    assert_int_equal(pipe(fds), 0);
    fd_nonblocking(fds[0]);
    fd_nonblocking(fds[1]);
}

void pair_open(int fds[2])
{
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    fd_nonblocking(fds[0]);
    fd_nonblocking(fds[1]);
}

void fds_close(int fds[2])
{
    for (int i = 0; i < 2; i++) {
        if (fds[i] >= 0)
            assert_int_equal(close(fds[i]), 0);
        fds[i] = -1;
    }
}

void fd_write_byte(int fd)
{
    assert_int_equal(write(fd, "x", 1), 1);
}

void fd_read_all(int fd)
{
    char buffer[256];
    ssize_t total = 0, n;
    while ((n = read(fd, buffer, sizeof buffer)) > 0)
        total += n;
    assert_true(total > 0);
}
