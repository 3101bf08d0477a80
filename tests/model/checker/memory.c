/*
 * memory.c: the heap of the clients, and the plain accesses, which the compiler reports: sources
 * that are compiled with -fsanitize=thread call the functions below, __tsan_*, instead of the
 * sanitizer's.
 *
 * Of every byte it is known who wrote it last, when each thread read it, and when each touched it
 * by an atomic operation; "when" is how many events the thread had behind it. An access that a
 * conflicting one does not happen before is a data race. Freeing is a write, and anything that
 * comes after it is an error.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "memory.h"

#include "run.h"

enum {
    ARENA_SIZE = 1 << 20,
    ARENAS = MODEL_THREADS + 1, /* one a thread: its nth allocation is where it always was */
    HEADER = 16
};

enum { WORD = 8 };

/* What is known of bytes of one word that have always been accessed together. */
struct grain {
    uint8_t bytes; /* of the word: a bit each */
    uint8_t writer;
    bool written;
    bool freed;
    uint16_t write;
    const void *written_at; /* in the program */
    const void *read_at;
    uint16_t reads[MODEL_THREADS]; /* 0: none */
    uint16_t atomics[MODEL_THREADS];
};

struct word {
    uint32_t run;  /* if it is another one's, nothing is known */
    uint8_t bytes; /* that belong to a grain */
    uint8_t count;
    struct grain grains[WORD];
};

extern char __executable_start[];
extern char __data_start[];
extern char _end[];

bool memory_explains = true;

static char *heap;
static uintptr_t data;
static size_t data_size;
static size_t used[ARENAS];
static size_t blocks;
static struct word *heap_words;
static struct word *data_words;
static uint32_t run_number;

static void *map(size_t size)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED)
        abort();
    return memory;
}

void memory_reset(void)
{
    if (!heap) {
        heap = map(ARENAS * ARENA_SIZE);
        data = (uintptr_t)__data_start & ~(uintptr_t)(WORD - 1);
        data_size = (uintptr_t)_end - data;
        heap_words = map(ARENAS * ARENA_SIZE / WORD * sizeof *heap_words);
        data_words = map((data_size / WORD + 1) * sizeof *data_words);
    }
    memset(used, 0, sizeof used);
    blocks = 0;
    run_number++;
}

static struct word *word_of(uintptr_t address)
{
    struct word *word;
    if (address - (uintptr_t)heap < ARENAS * ARENA_SIZE)
        word = &heap_words[(address - (uintptr_t)heap) / WORD];
    else if (address - data < data_size)
        word = &data_words[(address - data) / WORD];
    else
        return NULL;
    if (word->run != run_number) {
        word->run = run_number;
        word->bytes = 0;
        word->count = 0;
    }
    return word;
}

enum access { PLAIN_READ, PLAIN_WRITE, ATOMIC_READ, ATOMIC_WRITE };

/* One access, by the running thread. */
struct touch {
    uintptr_t address;
    enum access access;
    bool frees;
    const void *at; /* in the program; NULL: the operation that comes last in the trace */
};

static const char *const access_names[] = {"reads", "writes", "reads atomically",
                                           "writes atomically"};

static bool is_atomic(const struct touch *touch)
{
    return touch->access == ATOMIC_READ || touch->access == ATOMIC_WRITE;
}

static bool is_write(const struct touch *touch)
{
    return touch->access == PLAIN_WRITE || touch->access == ATOMIC_WRITE;
}

static void print_place(const char *what, const void *at)
{
    char program[256];
    char command[512];
    ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
    if (!memory_explains || !at || length < 0)
        return;
    program[length] = '\0';
    snprintf(command, sizeof command, "addr2line -e '%s' -f -s -p %#zx 2>/dev/null", program,
             (size_t)((const char *)at - __executable_start) - 1);
    FILE *pipe = popen(command, "r");
    char line[256];
    if (pipe && fgets(line, sizeof line, pipe))
        printf("\n%s in %s", what, line);
    if (pipe)
        pclose(pipe);
}

static __attribute__((noreturn)) void race(const struct grain *grain, const struct touch *touch,
                                           int other, const char *others)
{
    print_place("this access:", touch->at);
    print_place("the last plain write:", grain->written_at);
    print_place("the last plain read:", grain->read_at);
    model_fail("data race: thread %d %s %p, which thread %d %s, and neither happens before the "
               "other",
               run_thread() + 1, access_names[touch->access], (void *)touch->address, other + 1,
               others);
}

static void check(const struct grain *grain, const struct touch *touch)
{
    int self = run_thread();
    const struct clock *clock = run_clock();
    if (grain->written && grain->writer != self && clock->of[grain->writer] < grain->write)
        race(grain, touch, grain->writer, grain->freed ? "freed" : "wrote");
    if (grain->freed) {
        print_place("this access:", touch->at);
        model_fail("use after free: thread %d %s %p, which thread %d freed", self + 1,
                   access_names[touch->access], (void *)touch->address, grain->writer + 1);
    }
    for (int i = 0; i < MODEL_THREADS; i++) {
        if (i != self && is_write(touch) && clock->of[i] < grain->reads[i])
            race(grain, touch, i, "read");
        if (is_atomic(touch))
            continue;
        if (i != self && clock->of[i] < grain->atomics[i])
            race(grain, touch, i, "touched by an atomic operation");
        if (grain->atomics[i] && !touch->frees)
            model_fail("a plain access to an atomic object, at %p", (void *)touch->address);
    }
}

static void note(struct grain *grain, const struct touch *touch)
{
    int self = run_thread();
    uint16_t now = (uint16_t)(run_time() + !is_atomic(touch)); /* that event is counted */
    if (is_atomic(touch)) {
        grain->atomics[self] = now;
    } else if (touch->access == PLAIN_READ) {
        grain->reads[self] = now;
        grain->read_at = touch->at;
    } else {
        grain->written = true;
        grain->writer = (uint8_t)self;
        grain->write = now;
        grain->written_at = touch->at;
        grain->freed = touch->frees;
    }
}

static struct grain *add_grain(struct word *word)
{
    return &word->grains[word->count++];
}

/* Touches some bytes of a word; a grain that has others as well is divided first. */
static void touch_word(struct word *word, uint8_t bytes, const struct touch *touch)
{
    uint8_t fresh = bytes & (uint8_t)~word->bytes;
    if (fresh) {
        *add_grain(word) = (struct grain){.bytes = fresh};
        word->bytes |= fresh;
    }
    for (int i = 0, count = word->count; i < count; i++) {
        struct grain *grain = &word->grains[i];
        uint8_t touched = grain->bytes & bytes;
        if (!touched)
            continue;
        if (touched != grain->bytes) {
            struct grain *others = add_grain(word);
            *others = *grain;
            others->bytes = (uint8_t)(grain->bytes & ~touched);
            grain->bytes = touched;
        }
        check(grain, touch);
        note(grain, touch);
    }
}

static void touch_all(struct touch touch, size_t size)
{
    uintptr_t end = touch.address + size;
    while (touch.address < end) {
        struct word *word = word_of(touch.address);
        size_t first = touch.address % WORD;
        size_t length = WORD - first < end - touch.address ? WORD - first : end - touch.address;
        if (!word)
            return;
        touch_word(word, (uint8_t)(((1u << length) - 1) << first), &touch);
        touch.address += length;
    }
}

void memory_atomic(const volatile void *address, size_t size, bool writes)
{
    enum access access = writes ? ATOMIC_WRITE : ATOMIC_READ;
    touch_all((struct touch){(uintptr_t)address, access, false, NULL}, size);
}

static void plain(const volatile void *address, size_t size, enum access access, const void *at)
{
    if (run_thread() >= 0)
        touch_all((struct touch){(uintptr_t)address, access, false, at}, size);
}

/* ---- the heap -------------------------------------------------------------------------------- */

static size_t size_of(const void *memory)
{
    size_t size;
    memcpy(&size, (const char *)memory - HEADER, sizeof size);
    return size;
}

static void *allocate(size_t size)
{
    size_t arena = (size_t)(run_thread() + 1);
    size_t needed = HEADER + ((size + HEADER - 1) & ~(size_t)(HEADER - 1));
    if (used[arena] + needed > ARENA_SIZE)
        model_give_up("more than %d bytes", ARENA_SIZE);
    char *memory = heap + arena * ARENA_SIZE + used[arena] + HEADER;
    memcpy(memory - HEADER, &size, sizeof size);
    used[arena] += needed;
    blocks++;
    memset(memory, 0xa5, size); /* not what an execution before this one left there */
    return memory;
}

/* Nothing is used again within an execution: whatever is accessed after it was freed is found. */
static void release(void *memory)
{
    blocks--;
    if (run_thread() >= 0)
        touch_all((struct touch){(uintptr_t)memory, PLAIN_WRITE, true, NULL}, size_of(memory));
}

static void *resize(void *context, void *memory, size_t size)
{
    (void)context;
    void *larger = size ? allocate(size) : NULL;
    if (!memory)
        return larger;
    if (larger) {
        size_t length = size_of(memory) < size ? size_of(memory) : size;
        plain(memory, length, PLAIN_READ, NULL);
        plain(larger, length, PLAIN_WRITE, NULL);
        memcpy(larger, memory, length);
    }
    release(memory);
    return larger;
}

const evloop_allocator model_allocator = {resize, NULL};

size_t model_blocks(void)
{
    return blocks;
}

/* ---- what the compiler calls ----------------------------------------------------------------- */

#define HERE __builtin_return_address(0)

#define PLAIN(size)                                                                                \
    void __tsan_read##size(void *address);                                                         \
    void __tsan_write##size(void *address);                                                        \
    void __tsan_unaligned_read##size(void *address);                                               \
    void __tsan_unaligned_write##size(void *address);                                              \
    void __tsan_read_write##size(void *address);                                                   \
    void __tsan_unaligned_read_write##size(void *address);                                         \
    void __tsan_read##size(void *address)                                                          \
    {                                                                                              \
        plain(address, size, PLAIN_READ, HERE);                                                    \
    }                                                                                              \
    void __tsan_write##size(void *address)                                                         \
    {                                                                                              \
        plain(address, size, PLAIN_WRITE, HERE);                                                   \
    }                                                                                              \
    void __tsan_unaligned_read##size(void *address)                                                \
    {                                                                                              \
        plain(address, size, PLAIN_READ, HERE);                                                    \
    }                                                                                              \
    void __tsan_unaligned_write##size(void *address)                                               \
    {                                                                                              \
        plain(address, size, PLAIN_WRITE, HERE);                                                   \
    }                                                                                              \
    void __tsan_read_write##size(void *address)                                                    \
    {                                                                                              \
        plain(address, size, PLAIN_WRITE, HERE);                                                   \
    }                                                                                              \
    void __tsan_unaligned_read_write##size(void *address)                                          \
    {                                                                                              \
        plain(address, size, PLAIN_WRITE, HERE);                                                   \
    }

PLAIN(1)
PLAIN(2)
PLAIN(4)
PLAIN(8)
PLAIN(16)

void __tsan_init(void);
void __tsan_func_entry(void *caller);
void __tsan_func_exit(void);
void __tsan_atomic_signal_fence(int order);
void __tsan_read_range(void *address, size_t size);
void __tsan_write_range(void *address, size_t size);
void *__tsan_memcpy(void *to, const void *from, size_t size);
void *__tsan_memmove(void *to, const void *from, size_t size);
void *__tsan_memset(void *to, int value, size_t size);

void __tsan_init(void)
{
}

void __tsan_func_entry(void *caller)
{
    (void)caller;
}

void __tsan_func_exit(void)
{
}

/* The only __tsan_atomic_* there is: an operation that goes round atomic.h does not link. */
void __tsan_atomic_signal_fence(int order)
{
    (void)order;
}

void __tsan_read_range(void *address, size_t size)
{
    plain(address, size, PLAIN_READ, HERE);
}

void __tsan_write_range(void *address, size_t size)
{
    plain(address, size, PLAIN_WRITE, HERE);
}

void *__tsan_memcpy(void *to, const void *from, size_t size)
{
    plain(from, size, PLAIN_READ, HERE);
    plain(to, size, PLAIN_WRITE, HERE);
    return memcpy(to, from, size);
}

void *__tsan_memmove(void *to, const void *from, size_t size)
{
    plain(from, size, PLAIN_READ, HERE);
    plain(to, size, PLAIN_WRITE, HERE);
    return memmove(to, from, size);
}

void *__tsan_memset(void *to, int value, size_t size)
{
    plain(to, size, PLAIN_WRITE, HERE);
    return memset(to, value, size);
}
