/*
 * What the process holds: the loops' memory, through an allocator that counts, and descriptors.
 */
#define _POSIX_C_SOURCE 200809L

#include "demo.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

/* Stands before each block, and keeps what follows aligned for every type. */
union header {
    size_t size;
    max_align_t alignment;
};

static void count_block(struct memory *memory, size_t size)
{
    size_t bytes = atomic_fetch_add(&memory->bytes, size) + size;
    size_t peak = atomic_load(&memory->peak_bytes);
    while (bytes > peak && !atomic_compare_exchange_weak(&memory->peak_bytes, &peak, bytes))
        ;
    atomic_fetch_add(&memory->blocks, 1);
}

static void uncount_block(struct memory *memory, size_t size)
{
    atomic_fetch_sub(&memory->bytes, size);
    atomic_fetch_sub(&memory->blocks, 1);
}

/* As realloc, and free when size is 0; called by any thread that posts. */
static void *resize(void *context, void *block, size_t size)
{
    union header *old = block ? (union header *)block - 1 : NULL;
    size_t old_size = old ? old->size : 0;
    if (size == 0) {
        if (old)
            uncount_block(context, old_size);
        free(old);
        return NULL;
    }
    if (size > SIZE_MAX - sizeof *old)
        return NULL;
    union header *new = realloc(old, sizeof *new + size);
    if (!new)
        return NULL;
    if (block)
        uncount_block(context, old_size);
    count_block(context, size);
    new->size = size;
    return new + 1;
}

void memory_init(struct memory *memory)
{
    memset(memory, 0, sizeof *memory);
    memory->allocator.resize = resize;
    memory->allocator.context = memory;
}

int count_descriptors(void)
{
    DIR *directory = opendir("/proc/self/fd");
    if (!directory)
        directory = opendir("/dev/fd");
    if (!directory)
        return -1;
    int count = 0;
    for (const struct dirent *entry = readdir(directory); entry; entry = readdir(directory))
        count += entry->d_name[0] != '.';
    closedir(directory);
    return count - 1; /* without the directory's own */
}

bool allow_descriptors(unsigned connections)
{
    /* Both ends are in this process; beside them the loops' descriptors and the standard ones. */
    rlim_t needed = 2 * (rlim_t)connections + 64;
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0) {
        perror("evloop-demo: getrlimit");
        return false;
    }
    if (limit.rlim_cur != RLIM_INFINITY && limit.rlim_cur < needed) {
        bool possible = limit.rlim_max == RLIM_INFINITY || limit.rlim_max >= needed;
        limit.rlim_cur = needed;
        if (!possible || setrlimit(RLIMIT_NOFILE, &limit) < 0) {
            fprintf(
                stderr,
                "evloop-demo: %u connections need %llu descriptors, this process may open %llu: "
                "raise the limit (ulimit -Hn), or ask for fewer (--connections)\n",
                connections, (unsigned long long)needed, (unsigned long long)limit.rlim_max);
            return false;
        }
    }
    return true;
}
