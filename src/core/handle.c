/*
 * handle.c: the lists of handles, and the phases that go through them. A phase takes what its list
 * holds when it begins: what callbacks add has its turn in the next one.
 */
#include "core/handle.h"

#include "core/loop.h"
#include "util/memory.h"

enum { BLOCKS_AT_MOST = 256 };

#define due_of(link) list_entry(link, struct evloop_handle, due)

void handles_init(evloop *loop)
{
    list_init(&loop->handles);
    list_init(&loop->flush);
    list_init(&loop->due);
    list_init(&loop->closing);
    list_init(&loop->starved);
    list_init(&loop->blocks[0].spare);
    list_init(&loop->blocks[1].spare);
    blocks_init(&loop->copies, &loop->allocator);
}

void *handle_object(const struct evloop_handle *handle)
{
    return (char *)(uintptr_t)handle - handle->kind->offset;
}

int handle_check_open(const evloop *loop)
{
    int err = loop_check_start(loop);
    return !err && loop->ended ? EVLOOP_ECLOSED : err;
}

void handle_activate(evloop *loop, struct evloop_handle *handle,
                     const struct evloop_handle_kind *kind)
{
    handle->kind = kind;
    handle->flush.next = NULL;
    handle->due.next = NULL;
    object_activate(loop, &handle->state, 0);
    list_append(&loop->handles, &handle->all);
}

void handle_deactivate(struct evloop_handle *handle)
{
    if (list_linked(&handle->flush))
        list_remove(&handle->flush);
    if (list_linked(&handle->due))
        list_remove(&handle->due);
    list_remove(&handle->all);
    if (handle_loop(handle)->calling == handle)
        handle_loop(handle)->calling = NULL;
    object_deactivate(handle_loop(handle), &handle->state);
}

void handle_want_flush(struct evloop_handle *handle)
{
    if (!list_linked(&handle->flush))
        list_append(&handle_loop(handle)->flush, &handle->flush);
}

void handle_want_call(struct evloop_handle *handle)
{
    if (!list_linked(&handle->due))
        list_append(&handle_loop(handle)->due, &handle->due);
}

/* From here on nothing else is due. */
void handle_want_close(struct evloop_handle *handle)
{
    evloop *loop = handle_loop(handle);
    if (list_linked(&handle->due))
        list_remove(&handle->due);
    if (list_linked(&handle->flush))
        list_remove(&handle->flush);
    list_append(&loop->closing, &handle->due);
}

void handle_calling(struct evloop_handle *handle)
{
    handle_loop(handle)->calling = handle;
}

bool handle_called(evloop *loop, const struct evloop_handle *handle)
{
    loop->count.events++;
    loop_run_microtasks(loop);
    return loop->calling == handle;
}

void *handle_block_take(evloop *loop, bool large)
{
    list_link *spare = list_pop(&loop->blocks[large].spare);
    if (spare) {
        loop->blocks[large].count--;
        return spare;
    }
    return memory_alloc(&loop->allocator, large ? HANDLE_LARGE_BLOCK : HANDLE_BLOCK);
}

void handle_block_give(evloop *loop, void *block, bool large)
{
    struct spare_blocks *blocks = &loop->blocks[large];
    if (blocks->count == BLOCKS_AT_MOST) {
        memory_free(&loop->allocator, block);
        return;
    }
    list_insert_after(&blocks->spare, (list_link *)block);
    blocks->count++;
}

void handles_free(evloop *loop)
{
    for (int large = 0; large < 2; large++) {
        list_link *link;
        while (loop->blocks[large].spare.next && (link = list_pop(&loop->blocks[large].spare)))
            memory_free(&loop->allocator, link);
    }
    blocks_free(&loop->copies);
}

int handle_set_ref(struct evloop_handle *handle, bool ref)
{
    int err = object_check(object_get(&handle->state));
    if (!err)
        object_set_ref(&handle->state, ref);
    return err;
}

void handles_flush_all(evloop *loop)
{
    list_link flush;
    list_link *link;
    list_init(&flush);
    list_prepend_all(&flush, &loop->flush);
    while ((link = list_pop(&flush))) {
        struct evloop_handle *of = list_entry(link, struct evloop_handle, flush);
        of->kind->flush(of);
    }
}

void handles_call_all(evloop *loop)
{
    list_link due;
    list_link *link;
    list_init(&due);
    list_prepend_all(&due, &loop->due);
    while ((link = list_pop(&due)))
        due_of(link)->kind->call(due_of(link));
}

void handles_close_all(evloop *loop)
{
    list_link closing;
    list_link *link;
    list_init(&closing);
    list_prepend_all(&closing, &loop->closing);
    while ((link = list_pop(&closing)))
        due_of(link)->kind->close(due_of(link));
}

/* Each goes to the end of the list as it is visited: a visit may add others, or take some out. */
static void for_each(evloop *loop, void (*visit)(struct evloop_handle *handle))
{
    size_t count = 0;
    list_each(&loop->handles, link, following)
        count++;
    for (; count > 0 && !list_empty(&loop->handles); count--) {
        list_link *first = list_pop(&loop->handles);
        list_append(&loop->handles, first);
        visit(list_entry(first, struct evloop_handle, all));
    }
}

static void drain(struct evloop_handle *handle)
{
    handle->kind->drain(handle);
}

static void force(struct evloop_handle *handle)
{
    handle->kind->force(handle);
}

void handles_drain(evloop *loop)
{
    for_each(loop, drain);
}

void handles_discard_all(evloop *loop)
{
    while (!list_empty(&loop->handles)) {
        struct evloop_handle *first = list_entry(loop->handles.next, struct evloop_handle, all);
        first->kind->discard(first);
    }
}

/*
 * The end of a shutdown. Who is told may close, and is called back as at any other time; so may who
 * is called back.
 */
void handles_end(evloop *loop)
{
    loop->ended = true;
    for_each(loop, force);
    while (!list_empty(&loop->closing))
        handles_close(loop);
    handles_discard_all(loop);
}
