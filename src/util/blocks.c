/*
 * blocks.c: see blocks.h. Before each piece stands the block that it was cut from.
 *
 * Invariant: a block is the current one, or has pieces that are used, or is spare.
 */
#include "util/blocks.h"

#include <assert.h>

#include "util/memory.h"

enum { ALIGNMENT = 16 };

struct block {
    struct block *next;
    size_t size; /* of bytes */
    size_t used; /* ... from the beginning on */
    size_t pieces;
    _Alignas(ALIGNMENT) char bytes[];
};

struct head {
    _Alignas(ALIGNMENT) struct block *block;
};

enum { BYTES_A_BLOCK = BLOCK_SIZE - sizeof(struct block) };

void blocks_init(struct blocks *blocks, const evloop_allocator *allocator)
{
    blocks->allocator = allocator;
    blocks->current = NULL;
    blocks->spare = NULL;
    blocks->spare_count = 0;
}

void blocks_free(struct blocks *blocks)
{
    assert(!blocks->current || blocks->current->pieces == 0);
    memory_free(blocks->allocator, blocks->current);
    blocks->current = NULL;
    while (blocks->spare) {
        struct block *block = blocks->spare;
        blocks->spare = block->next;
        memory_free(blocks->allocator, block);
    }
    blocks->spare_count = 0;
}

static struct block *make(struct blocks *blocks, size_t size)
{
    struct block *block =
        (struct block *)memory_alloc(blocks->allocator, sizeof(struct block) + size);
    if (!block)
        return NULL;
    block->next = NULL;
    block->size = size;
    block->used = 0;
    block->pieces = 0;
    return block;
}

/* The current block, or another that becomes it, with room for size bytes; they fit into one. */
static struct block *find(struct blocks *blocks, size_t size)
{
    struct block *block = blocks->current;
    if (block && block->size - block->used >= size)
        return block;
    if (blocks->spare) {
        block = blocks->spare;
        blocks->spare = block->next;
        blocks->spare_count--;
    } else {
        block = make(blocks, BYTES_A_BLOCK);
        if (!block)
            return NULL;
    }
    blocks->current = block; /* the former one comes back with the last of its pieces */
    return block;
}

void *blocks_take(struct blocks *blocks, size_t size)
{
    if (size > SIZE_MAX / 2)
        return NULL;
    size = sizeof(struct head) + ((size + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1));
    struct block *block = size <= BYTES_A_BLOCK ? find(blocks, size) : make(blocks, size);
    if (!block)
        return NULL;
    struct head *head = (struct head *)(void *)(block->bytes + block->used);
    head->block = block;
    block->used += size;
    block->pieces++;
    return head + 1;
}

void blocks_give(struct blocks *blocks, void *piece)
{
    struct block *block = ((struct head *)piece - 1)->block;
    assert(block->pieces > 0);
    if (--block->pieces > 0)
        return;
    block->used = 0;
    if (block == blocks->current)
        return;
    if (block->size == BYTES_A_BLOCK && blocks->spare_count < BLOCKS_SPARE) {
        block->next = blocks->spare;
        blocks->spare = block;
        blocks->spare_count++;
    } else {
        memory_free(blocks->allocator, block);
    }
}
