/*
 * blocks.c: memory that is cut from blocks: pieces do not meet, blocks are used again, nothing is
 * kept that nobody needs.
 */
#include "support.h"

#include "util/blocks.h"

static struct blocks blocks;
static struct heap heap;

static void begin(void)
{
    heap_init(&heap);
    blocks_init(&blocks, &heap.allocator);
}

static void end(void)
{
    blocks_free(&blocks);
    assert_int_equal(heap_blocks(&heap), 0);
}

static void *take(size_t size, int fill)
{
    void *piece = blocks_take(&blocks, size);
    assert_non_null(piece);
    assert_int_equal((uintptr_t)piece % 16, 0);
    memset(piece, fill, size);
    return piece;
}

static void give(void *piece, size_t size, int fill)
{
    const unsigned char *bytes = piece;
    for (size_t i = 0; i < size; i++)
        assert_int_equal(bytes[i], fill);
    blocks_give(&blocks, piece);
}

TEST(pieces_keep_what_is_in_them)
{
    enum { COUNT = 300 };
    void *pieces[COUNT];
    uint64_t seed = 7;
    size_t sizes[COUNT];
    begin();
    for (int round = 0; round < 4; round++) {
        for (int i = 0; i < COUNT; i++) {
            sizes[i] = (size_t)(chance(&seed) % (i % 50 == 0 ? 200000 : 3000));
            pieces[i] = take(sizes[i], i % 251);
        }
        for (int i = 0; i < COUNT; i += 2) /* not in order either */
            give(pieces[i], sizes[i], i % 251);
        for (int i = 1; i < COUNT; i += 2)
            give(pieces[i], sizes[i], i % 251);
    }
    end();
}

TEST(pieces_that_come_and_go_in_order_allocate_nothing)
{
    enum { AT_ONCE = 500 };
    void *pieces[AT_ONCE] = {NULL};
    size_t calls = 0;
    begin();
    for (size_t i = 0; i < 20 * AT_ONCE; i++) {
        if (pieces[i % AT_ONCE])
            blocks_give(&blocks, pieces[i % AT_ONCE]);
        pieces[i % AT_ONCE] = take(200, 1);
        if (i == 5 * AT_ONCE)
            calls = heap_calls(&heap);
    }
    assert_int_equal(heap_calls(&heap), calls);
    for (size_t i = 0; i < AT_ONCE; i++)
        blocks_give(&blocks, pieces[i]);
    end();
}

TEST(after_a_burst_no_more_than_a_few_blocks_are_kept)
{
    enum { COUNT = 5000 };
    static void *pieces[COUNT];
    begin();
    for (size_t i = 0; i < COUNT; i++)
        pieces[i] = take(1000, 1);
    assert_true(heap_blocks(&heap) > 50);
    for (size_t i = 0; i < COUNT; i++)
        blocks_give(&blocks, pieces[i]);
    assert_true(heap_blocks(&heap) <= BLOCKS_SPARE + 1);
    end();
}

TEST(what_does_not_fit_into_a_block_is_freed_with_it)
{
    begin();
    void *small = take(1, 1);
    size_t before = heap_blocks(&heap);
    void *large = take(BLOCK_SIZE, 2);
    void *huge = take(10 * BLOCK_SIZE, 3);
    assert_int_equal(heap_blocks(&heap), before + 2);
    give(large, BLOCK_SIZE, 2);
    give(huge, 10 * BLOCK_SIZE, 3);
    assert_int_equal(heap_blocks(&heap), before);
    give(small, 1, 1);
    end();
}

TEST(without_memory_there_is_no_piece_and_no_harm)
{
    begin();
    heap_fail_in(&heap, HEAP_FAIL_ALL);
    assert_null(blocks_take(&blocks, 1));
    assert_null(blocks_take(&blocks, 10 * BLOCK_SIZE));
    heap_fail_in(&heap, 0);
    assert_null(blocks_take(&blocks, SIZE_MAX));
    assert_null(blocks_take(&blocks, SIZE_MAX - 8));
    void *piece = take(1, 1);
    heap_fail_in(&heap, HEAP_FAIL_ALL);
    assert_null(blocks_take(&blocks, BLOCK_SIZE - 64)); /* the current one has no room for it */
    heap_fail_in(&heap, 0);
    give(piece, 1, 1);
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_ENTRY(pieces_keep_what_is_in_them),
        TEST_ENTRY(pieces_that_come_and_go_in_order_allocate_nothing),
        TEST_ENTRY(after_a_burst_no_more_than_a_few_blocks_are_kept),
        TEST_ENTRY(what_does_not_fit_into_a_block_is_freed_with_it),
        TEST_ENTRY(without_memory_there_is_no_piece_and_no_harm),
    };
    return RUN_TESTS("blocks", tests);
}
