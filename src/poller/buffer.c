/*
 * buffer.c: the memory that receives lend. One buffer at a time is lent; a user may keep it, and
 * the next receive takes another. At most buffers.most are kept at a time; a buffer that comes back
 * is freed, unless it is the next to be lent. Loop's thread only.
 */
#include <errno.h>

#include "poller/poller.h"
#include "util/memory.h"

struct buffer {
    list_link link; /* in buffers.kept */
    char bytes[];
};

void buffers_init(struct buffers *buffers)
{
    list_init(&buffers->kept);
}

static struct buffer *make(struct poller *poller)
{
    return (struct buffer *)memory_alloc(poller->allocator,
                                         sizeof(struct buffer) + poller->buffers.size);
}

void buffers_free(struct poller *poller)
{
    list_link *link;
    while ((link = list_pop(&poller->buffers.kept)))
        memory_free(poller->allocator, list_entry(link, struct buffer, link));
    memory_free(poller->allocator, poller->buffers.current);
    poller->buffers.current = NULL;
}

/* Makes sure that there is one to be lent. */
int buffers_ready(struct poller *poller)
{
    if (!poller->buffers.current)
        poller->buffers.current = make(poller);
    return poller->buffers.current ? 0 : -ENOMEM;
}

void *buffers_current(const struct poller *poller)
{
    return poller->buffers.current->bytes;
}

static bool lies_in(const struct poller *poller, const struct buffer *buffer, const void *data)
{
    uintptr_t place = (uintptr_t)data;
    uintptr_t first = (uintptr_t)buffer->bytes;
    return place >= first && place < first + poller->buffers.size;
}

int buffers_keep(struct poller *poller, const void *data)
{
    struct buffers *buffers = &poller->buffers;
    if (!buffers->current || !lies_in(poller, buffers->current, data))
        return -EINVAL;
    if (buffers->kept_count >= buffers->most)
        return -ENOBUFS;
    struct buffer *next = make(poller);
    if (!next)
        return -ENOMEM;
    list_append(&buffers->kept, &buffers->current->link);
    buffers->kept_count++;
    buffers->current = next;
    return 0;
}

int buffers_release(struct poller *poller, const void *data)
{
    struct buffers *buffers = &poller->buffers;
    list_each(&buffers->kept, link, following) {
        struct buffer *buffer = list_entry(link, struct buffer, link);
        if (!lies_in(poller, buffer, data))
            continue;
        list_remove(link);
        buffers->kept_count--;
        memory_free(poller->allocator, buffer);
        return 0;
    }
    return -EINVAL;
}
