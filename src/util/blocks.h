/*
 * blocks.h: memory for pieces of any size that come and go more or less in the order in which they
 * came: they are cut from blocks of one size, and a block is used again when the last of its pieces
 * has been given back. Nothing is allocated in steady state. One thread.
 *
 * A piece that does not fit into a block gets one of its own, which is freed with it.
 */
#ifndef UTIL_BLOCKS_H
#define UTIL_BLOCKS_H

#include "evloop/loop.h"

struct block;

struct blocks {
    const evloop_allocator *allocator;
    struct block *current; /* that pieces are cut from; or NULL */
    struct block *spare;   /* through block.next: nothing in them is used */
    unsigned spare_count;
};

enum {
    BLOCK_SIZE = 68 * 1024, /* a datagram of the largest size, and what is noted of it */
    BLOCKS_SPARE = 4        /* so many are kept at most */
};

void blocks_init(struct blocks *blocks, const evloop_allocator *allocator);
/* When all pieces have been given back. */
void blocks_free(struct blocks *blocks);
/* Aligned to 16; NULL without memory. */
void *blocks_take(struct blocks *blocks, size_t size);
void blocks_give(struct blocks *blocks, void *piece);

#endif
