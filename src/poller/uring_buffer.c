/*
 * uring_buffer.c: memory that the kernel receives into: see uring.h.
 *
 * A pool has `count` buffers under numbers, which are in the kernel's hands, or hold pieces that
 * are still to be read. A plain buffer takes one piece; an incremental one takes piece after piece
 * until it is full (`used` is where the next one begins). A buffer goes back to the kernel when it
 * is filled and all its pieces were read; if a user keeps a part of it, another goes in its place,
 * and it lives on without a number until it is released.
 */
#include <errno.h>
#include <unistd.h>

#include "poller/uring.h"
#include "poller/uring_abi.h"
#include "util/memory.h"

/* ---- the kernel's side ----------------------------------------------------------------------- */

static void hand_over(struct pool *pool, struct pool_buffer *buffer)
{
    int mask = io_uring_buf_ring_mask(pool->count);
    buffer->used = 0;
    buffer->filled = false;
    buffer->place = pool->tail;
    pool->order[pool->tail & (unsigned)mask] = buffer->number;
    io_uring_buf_ring_add(pool->ring, buffer->bytes, (unsigned)pool->size,
                          (unsigned short)(pool->base + buffer->number), mask, 0);
    io_uring_buf_ring_advance(pool->ring, 1);
    pool->tail++;
    pool->available++;
}

static int tell_ring(struct poller *poller, struct pool *pool)
{
    return uring_register_buffer_ring(&poller->uring->ring.uring, pool->ring, pool->count,
                                      pool->group,
                                      pool->incremental ? URING_BUFFERS_INCREMENTAL : 0);
}

/* ---- making and freeing ---------------------------------------------------------------------- */

static struct pool_buffer *make_buffer(struct poller *poller, size_t size, unsigned short number)
{
    struct pool_buffer *buffer = (struct pool_buffer *)memory_alloc_aligned(
        poller->allocator, sizeof(struct pool_buffer) + size, CACHE_LINE);
    if (!buffer)
        return NULL;
    memset(buffer, 0, sizeof *buffer);
    buffer->number = number;
    return buffer;
}

static void free_buffer(struct poller *poller, struct pool_buffer *buffer)
{
    if (buffer)
        memory_free_aligned(poller->allocator, buffer->replacement);
    memory_free_aligned(poller->allocator, buffer);
}

void pool_free(struct poller *poller, struct pool *pool)
{
    list_link *link;
    if (!pool->buffers)
        return;
    while ((link = list_pop(&pool->kept)))
        free_buffer(poller, list_entry(link, struct pool_buffer, link));
    for (unsigned i = 0; i < pool->made; i++)
        free_buffer(poller, pool->buffers[i]);
    memory_free(poller->allocator, pool->buffers);
    memory_free(poller->allocator, pool->order);
    memory_free_aligned(poller->allocator, pool->ring);
    memset(pool, 0, sizeof *pool);
}

static size_t page_size(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

/* Whole pages, since the kernel keeps them in place. */
static size_t ring_size(unsigned count)
{
    size_t size = count * sizeof(struct io_uring_buf);
    return (size + page_size() - 1) & ~(page_size() - 1);
}

static int make_memory(struct poller *poller, struct pool *pool)
{
    const evloop_allocator *allocator = poller->allocator;
    pool->buffers =
        (struct pool_buffer **)memory_zalloc(allocator, pool->count * sizeof *pool->buffers);
    if (!pool->buffers)
        return -ENOMEM;
    pool->order = (unsigned short *)memory_zalloc(allocator, pool->count * sizeof *pool->order);
    pool->ring = (struct io_uring_buf_ring *)memory_zalloc_aligned(
        allocator, ring_size(pool->count), page_size());
    return pool->order && pool->ring ? 0 : -ENOMEM;
}

int pool_grow(struct poller *poller, struct pool *pool, unsigned made)
{
    while (pool->made < made) {
        struct pool_buffer *buffer = make_buffer(poller, pool->size, (unsigned short)pool->made);
        if (!buffer)
            return -ENOMEM;
        pool->buffers[pool->made++] = buffer;
        hand_over(pool, buffer);
    }
    return 0;
}

int pool_make(struct poller *poller, struct pool *pool, unsigned short group, unsigned count,
              size_t size, bool incremental)
{
    memset(pool, 0, sizeof *pool);
    list_init(&pool->kept);
    pool->group = group;
    pool->count = count;
    pool->size = size;
    pool->incremental = incremental;
    int err = make_memory(poller, pool);
    if (!err)
        err = tell_ring(poller, pool);
    if (err)
        pool_free(poller, pool);
    return err;
}

/* The kernel must not find the memory of a pool that was given up. */
int pool_open(struct poller *poller, struct pool *pool, unsigned short group, unsigned count,
              size_t size, bool incremental)
{
    int err = pool_make(poller, pool, group, count, size, incremental);
    if (err)
        return err;
    err = pool_grow(poller, pool, count);
    if (err) {
        io_uring_unregister_buf_ring(&poller->uring->ring.uring, group);
        pool_free(poller, pool);
    }
    return err;
}

/* It lives on without a number; its replacement gets it. */
static struct pool_buffer *replace(struct pool *pool, struct pool_buffer *buffer)
{
    struct pool_buffer *replacement = buffer->replacement;
    buffer->replacement = NULL;
    list_append(&pool->kept, &buffer->link);
    pool->buffers[buffer->number] = replacement;
    return replacement;
}

/*
 * A buffer of which something is still to be read comes back with that; the kernel gets another for
 * one of which a user keeps something.
 */
int pool_reopen(struct poller *poller, struct pool *pool)
{
    if (!pool->ring)
        return 0;
    memset(pool->ring, 0, pool->count * sizeof(struct io_uring_buf));
    pool->tail = 0;
    pool->available = 0;
    int err = tell_ring(poller, pool);
    for (unsigned i = 0; !err && i < pool->made; i++) {
        struct pool_buffer *buffer = pool->buffers[i];
        buffer->filled = true;
        if (buffer->pieces == 0)
            hand_over(pool, buffer->kept ? replace(pool, buffer) : buffer);
    }
    return err;
}

void pool_forget(struct pool *pool)
{
    for (unsigned i = 0; i < pool->made; i++)
        pool->buffers[i]->pieces = 0;
}

/* ---- pieces ---------------------------------------------------------------------------------- */

/* As the kernel numbers them. */
static unsigned place_of(const struct pool *pool, unsigned short number)
{
    return (unsigned)number - pool->base;
}

char *pool_take(struct pool *pool, const struct ring_event *event)
{
    struct pool_buffer *buffer = pool->buffers[place_of(pool, pool_number(event->flags))];
    char *piece = buffer->bytes + buffer->used;
    buffer->used += event->result > 0 ? (size_t)event->result : 0;
    buffer->pieces++;
    if (pool->incremental && event->flags & URING_COMPLETION_BUFFER_MORE)
        return piece;
    buffer->filled = true;
    pool->available--;
    return piece;
}

int32_t pool_room(const struct pool *pool, unsigned short number)
{
    return (int32_t)(pool->size - pool->buffers[place_of(pool, number)]->used);
}

unsigned short pool_after(const struct pool *pool, unsigned short number)
{
    unsigned place = pool->buffers[number]->place + 1u;
    return pool->order[place & (pool->count - 1)];
}

void uring_feed(struct uring *uring)
{
    list_link *link;
    while ((link = list_pop(&uring->starved)))
        uring_queue(uring, list_entry(link, struct uring_entry, starved), ENTRY_QUEUE_IN);
}

void pool_give(struct poller *poller, struct pool *pool, unsigned short number)
{
    struct pool_buffer *buffer = pool->buffers[place_of(pool, number)];
    if (buffer->pieces == 0) /* forgotten */
        return;
    if (--buffer->pieces > 0 || !buffer->filled)
        return;
    if (buffer->kept)
        buffer = replace(pool, buffer);
    hand_over(pool, buffer);
    uring_feed(poller->uring);
}

int pool_keep(struct poller *poller, struct pool *pool, unsigned short number)
{
    struct buffers *buffers = &poller->buffers;
    struct pool_buffer *buffer = pool->buffers[place_of(pool, number)];
    if (buffers->kept_count >= buffers->most)
        return -ENOBUFS;
    if (!buffer->replacement) {
        buffer->replacement = make_buffer(poller, pool->size, number);
        if (!buffer->replacement)
            return -ENOMEM;
    }
    buffer->kept++;
    buffers->kept_count++;
    return 0;
}

static bool lies_in(const struct pool *pool, const struct pool_buffer *buffer, const char *data)
{
    uintptr_t place = (uintptr_t)data;
    uintptr_t first = (uintptr_t)buffer->bytes;
    return buffer->kept && place >= first && place < first + pool->size;
}

/* What still has a number goes on as if nobody had kept it. */
static void let_go(struct poller *poller, struct pool_buffer *buffer, bool has_number)
{
    poller->buffers.kept_count--;
    if (--buffer->kept > 0)
        return;
    if (has_number) {
        memory_free_aligned(poller->allocator, buffer->replacement);
        buffer->replacement = NULL;
    } else {
        list_remove(&buffer->link);
        free_buffer(poller, buffer);
    }
}

int pool_release(struct poller *poller, struct pool *pool, const char *data)
{
    if (!pool->buffers)
        return -EINVAL;
    list_each(&pool->kept, link, following) {
        struct pool_buffer *buffer = list_entry(link, struct pool_buffer, link);
        if (lies_in(pool, buffer, data)) {
            let_go(poller, buffer, false);
            return 0;
        }
    }
    for (unsigned i = 0; i < pool->made; i++)
        if (lies_in(pool, pool->buffers[i], data)) {
            let_go(poller, pool->buffers[i], true);
            return 0;
        }
    return -EINVAL;
}
