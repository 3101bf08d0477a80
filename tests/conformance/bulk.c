/*
 * bulk.c: very many bytes, in pieces of random sizes, to a reader who is slow.
 */
#include "script.h"

enum { REQUESTS = 8, HIGH = 4 << 20, LOW = 1 << 20 };

static struct request requests[REQUESTS];
static uint64_t wanted;
static uint64_t sequence;

static size_t next_size(void)
{
    uint64_t kind = chance(&sequence) % 10;
    uint64_t most = kind < 4 ? 100 : kind < 8 ? 10000 : kind < 9 ? 200000 : 3000000;
    return (size_t)(1 + chance(&sequence) % most);
}

/* Writes with whatever request is free, or by copying, until the queue is full. */
static void produce(struct actor *actor)
{
    while (actor->sent < wanted && evloop_stream_queued(&actor->stream) < HIGH) {
        size_t size = next_size();
        if (size > wanted - actor->sent)
            size = (size_t)(wanted - actor->sent);
        struct request *request = &requests[chance(&sequence) % REQUESTS];
        if (!request->actor || request->done) {
            put(actor, request, size);
        } else {
            assert_int_equal(evloop_stream_send(&actor->stream, pattern_at(actor->sent),
                                                size < PATTERN_SPAN ? size : PATTERN_SPAN),
                             0);
            actor->sent += size < PATTERN_SPAN ? size : PATTERN_SPAN;
        }
    }
}

static void produce_more(struct actor *actor, enum event event)
{
    if (event == DRAINED)
        produce(actor);
    notes_forget(actor->scene);
}

/* Reads what is lent, or into its memory; and stops reading now and then. */
static void read_slowly(struct actor *actor, enum event event)
{
    if (event != READ || actor->last < 0)
        return;
    notes_forget(actor->scene);
    if (actor->reads_into || chance(&sequence) % 8 == 0) {
        if (!actor->reads_into)
            hush(actor);
        uint64_t kind = chance(&sequence) % 4;
        if (kind == 0)
            hear(actor);
        else if (kind == 1)
            hear_into(actor, 1 + chance(&sequence) % 4000, 1);
    }
}

static void very_many_bytes_arrive_in_order(struct scene *scene)
{
    struct actor *a = &scene->a, *b = &scene->b;
    memset(requests, 0, sizeof requests);
    wanted = scaled(100u << 20);
    sequence = (uint64_t)scene->over;
    meet(scene);
    a->then = produce_more;
    b->then = read_slowly;
    b->strict = true;
    assert_int_equal(evloop_stream_set_watermarks(&a->stream, LOW, HIGH, on_watermark), 0);
    hear(b);
    produce(a);
    while (b->heard < wanted) {
        if (a->sent < wanted && evloop_stream_queued(&a->stream) < LOW)
            produce(a);
        if (!evloop_stream_reading(&b->stream)) {
            scene_turn(scene);
            hear(b);
        }
        scene_wait(scene);
    }
    assert_int_equal(a->sent, wanted);
    assert_int_equal(b->heard, wanted);
    a->then = NULL;
    b->then = NULL;
    scene_turn(scene);
    notes_forget(scene);
    if (evloop_stream_reading(&b->stream))
        hush(b);
    hear(b);
    leave(a);
    expect(scene, "a", "closed");
    expect(scene, "b", "eof");
}

const struct script bulk_scripts[] = {
    SCRIPT(very_many_bytes_arrive_in_order, ANY),
    {NULL, NULL, 0},
};
