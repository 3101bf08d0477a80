/*
 * post.c: posted functions: tasks whose nodes are the loop's own.
 *
 * Nodes at rest stand in a ring: any thread takes the next one, the loop's thread gives back.
 * Positions are 64 bits wide and never wrap, so that an exchange on them means what it says. If
 * nodes come back that the ring has no room for, it is replaced by one twice as large; a thread
 * that still looks at the old one finds it empty, and old ones are kept until the loop is
 * destroyed. There is an end to this: what a great burst needed beyond it is freed.
 */
#include "core/loop.h"
#include "util/memory.h"

enum { GROWTH_AT_MOST = 16, PUBLISH_EVERY = 64 };

struct post_node {
    evloop_task task; /* its data is the argument */
    evloop_fn fn;
    bool in_block; /* of the nodes that were made with the loop */
};

struct post_ring {
    struct post_ring *older;
    uint64_t mask;
    ATOMIC(struct post_node *) *places;
    CACHE_ALIGNED ATOMIC(uint64_t) taken;
    CACHE_ALIGNED ATOMIC(uint64_t) given;
};

static struct post_ring *make_ring(evloop *loop, uint64_t capacity)
{
    struct post_ring *ring = (struct post_ring *)memory_zalloc_aligned(
        &loop->allocator, sizeof *ring + capacity * sizeof *ring->places, CACHE_LINE);
    if (!ring)
        return NULL;
    ring->mask = capacity - 1;
    ring->places = (ATOMIC(struct post_node *) *)(void *)(ring + 1);
    return ring;
}

/*
 * A position is taken by one exchange. Its place in the ring is written again only for a position
 * one lap further on, which is given only after this one was taken: what was read is right if the
 * exchange succeeds. acquire on `taken`: whoever moved it there had seen as many given, and so does
 * this thread.
 */
static struct post_node *take_node(struct post_ring *ring)
{
    uint64_t taken = atomic_get(&ring->taken, acquire); /* partner: the exchange below */
    struct post_node *node;
    do {
        if (taken == atomic_get(&ring->given, acquire)) /* partner: posts_publish() */
            return NULL;
        node = atomic_get(&ring->places[taken & ring->mask], relaxed);
        /* stronger than the model needs (release): C11 wants no failure order beyond this one */
    } while (!atomic_try(&ring->taken, &taken, taken + 1, acq_rel, acquire));
    return node;
}

void posts_publish(evloop *loop)
{
    struct post_ring *ring = atomic_get(&loop->posts.ring, relaxed);
    if (atomic_get(&ring->given, relaxed) != loop->posts.given)
        atomic_set(&ring->given, loop->posts.given, release); /* partner: take_node() */
}

static void put(evloop *loop, struct post_ring *ring, struct post_node *node)
{
    uint64_t place = loop->posts.given++ & ring->mask;
    atomic_set(&ring->places[place], node, relaxed);
}

static bool has_room(struct post_cache *posts, struct post_ring *ring)
{
    if (posts->given - posts->taken_seen <= ring->mask)
        return true;
    /*
     * acquire: the place was read; partner: take_node(). stronger than the model needs (relaxed):
     * what is put there depends on what was read here, and no model lets the reader see it first.
     */
    posts->taken_seen = atomic_get(&ring->taken, acquire);
    return posts->given - posts->taken_seen <= ring->mask;
}

/* Moves what is at rest to a ring twice as large; the same ring if there is no memory for that. */
static struct post_ring *grow(evloop *loop, struct post_ring *ring)
{
    struct post_ring *larger = NULL;
    if (ring->mask + 1 < loop->posts.capacity * GROWTH_AT_MOST)
        larger = make_ring(loop, 2 * (ring->mask + 1));
    if (!larger)
        return ring;
    struct post_node *node;
    posts_publish(loop);
    loop->posts.given = 0;
    loop->posts.taken_seen = 0;
    while ((node = take_node(ring)))
        put(loop, larger, node);
    larger->older = ring;
    atomic_set(&loop->posts.ring, larger, release); /* partner: evloop_post() */
    posts_publish(loop);
    return larger;
}

static void give_node(evloop *loop, struct post_node *node)
{
    struct post_ring *ring = atomic_get(&loop->posts.ring, relaxed);
    if (!has_room(&loop->posts, ring))
        ring = grow(loop, ring);
    if (has_room(&loop->posts, ring)) {
        put(loop, ring, node);
        if (loop->posts.given % PUBLISH_EVERY == 0)
            posts_publish(loop);
    } else if (!node->in_block) { /* such a one stays out, and is freed with its block */
        memory_free(&loop->allocator, node);
    }
}

int posts_init(evloop *loop, uint32_t capacity)
{
    struct post_cache *posts = &loop->posts;
    struct post_ring *ring = make_ring(loop, capacity);
    atomic_set(&posts->ring, ring, relaxed);
    posts->capacity = capacity;
    posts->nodes =
        (struct post_node *)memory_zalloc(&loop->allocator, capacity * sizeof *posts->nodes);
    if (!ring || !posts->nodes)
        return -ENOMEM;
    for (uint32_t i = 0; i < capacity; i++) {
        posts->nodes[i].in_block = true;
        put(loop, ring, &posts->nodes[i]);
    }
    posts_publish(loop);
    return 0;
}

void posts_free(evloop *loop)
{
    struct post_ring *ring = atomic_get(&loop->posts.ring, relaxed);
    struct post_node *node;
    if (ring)
        posts_publish(loop);
    while (ring) {
        struct post_ring *older = ring->older;
        while ((node = take_node(ring)))
            if (!node->in_block)
                memory_free(&loop->allocator, node);
        memory_free_aligned(&loop->allocator, ring);
        ring = older;
    }
    memory_free(&loop->allocator, loop->posts.nodes);
}

/* The node is given back first: its memory is free again when the callback begins. */
static void run_post(evloop_task *task)
{
    struct post_node *node = list_entry(task, struct post_node, task);
    evloop_fn fn = node->fn;
    void *arg = task->data;
    give_node(evloop_task_loop(task), node);
    fn(arg);
}

bool task_is_post(const evloop_task *task)
{
    return task->fn_ == run_post;
}

void post_discard(evloop *loop, evloop_task *task)
{
    struct post_node *node = list_entry(task, struct post_node, task);
    evloop_fn fn = node->fn;
    void *arg = task->data;
    give_node(loop, node);
    if (loop->discard)
        loop->discard(loop, fn, arg);
}

int evloop_post(evloop *loop, evloop_fn fn, void *arg)
{
    if (!loop || !fn)
        return -EINVAL;
    int err = loop_check_offer(loop);
    if (err)
        return err;
    struct post_node *node = take_node(atomic_get(&loop->posts.ring, acquire));
    if (!node)
        node = (struct post_node *)memory_zalloc(&loop->allocator, sizeof *node);
    if (!node)
        return -ENOMEM;
    node->fn = fn;
    node->task.data = arg;
    err = task_offer(loop, &node->task, run_post, 0);
    if (err && !node->in_block) /* others stay out of the ring: the gate is closed for good */
        memory_free(&loop->allocator, node);
    return err;
}
