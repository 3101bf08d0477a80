/*
 * buffer.c: buffers that a read callback keeps.
 */
#include "script.h"

enum { MOST_KEPT = 5000 };

static const void *kept[MOST_KEPT];
static unsigned kept_count;
static int refusal;

static void keep_it(struct actor *actor, enum event event)
{
    if (event != READ || actor->last < 0)
        return;
    assert_true(kept_count < MOST_KEPT);
    refusal = evloop_buffer_keep(&actor->stream);
    if (refusal == 0)
        kept[kept_count++] = actor->lent;
}

static void keeping_begins(struct scene *scene)
{
    kept_count = 0;
    refusal = 0;
    meet(scene);
    scene->b.then = keep_it;
    hear(&scene->b);
}

static void release(struct scene *scene, unsigned index)
{
    assert_int_equal(evloop_buffer_release(scene->loop, kept[index]), 0);
}

static void a_buffer_that_is_kept_stays_as_it_is(struct scene *scene)
{
    keeping_begins(scene);
    say(&scene->a, "one");
    expect(scene, "b", "read one");
    say(&scene->a, "two");
    expect(scene, "b", "read two");
    say(&scene->a, "three");
    expect(scene, "b", "read three");
    assert_int_equal(kept_count, 3);
    assert_memory_equal(kept[0], "one", 3);
    assert_memory_equal(kept[1], "two", 3);
    assert_memory_equal(kept[2], "three", 5);
    release(scene, 1);
    say(&scene->a, "four");
    expect(scene, "b", "read four");
    assert_memory_equal(kept[0], "one", 3);
    assert_memory_equal(kept[2], "three", 5);
    assert_memory_equal(kept[3], "four", 4);
    release(scene, 0);
    release(scene, 3);
    release(scene, 2);
}

static void a_buffer_that_is_kept_survives_its_stream(struct scene *scene)
{
    keeping_begins(scene);
    say(&scene->a, "testament");
    expect(scene, "b", "read testament");
    leave(&scene->b);
    expect(scene, "b", "closed");
    assert_memory_equal(kept[0], "testament", 9);
    release(scene, 0);
}

static void keep_at_the_end(struct actor *actor, enum event event)
{
    if (event == READ)
        refusal = evloop_buffer_keep(&actor->stream);
}

static void only_what_is_lent_can_be_kept(struct scene *scene)
{
    meet(scene);
    assert_int_equal(evloop_buffer_keep(&scene->b.stream), -EINVAL);
    scene->b.then = keep_at_the_end;
    hear_into(&scene->b, 4, 4);
    say(&scene->a, "mine");
    expect(scene, "b", "read mine");
    assert_int_equal(refusal, -EINVAL);
    assert_int_equal(evloop_buffer_keep(&scene->b.stream), -EINVAL);
    hear(&scene->b);
    refusal = 0;
    leave(&scene->a);
    expect(scene, "a", "closed");
    expect(scene, "b", "eof");
    assert_int_equal(refusal, -EINVAL);
}

static void only_what_was_kept_can_be_released(struct scene *scene)
{
    char memory[16];
    keeping_begins(scene);
    assert_int_equal(evloop_buffer_release(scene->loop, memory), -EINVAL);
    say(&scene->a, "once");
    expect(scene, "b", "read once");
    release(scene, 0);
    assert_int_equal(evloop_buffer_release(scene->loop, kept[0]), -EINVAL);
}

/* The loop has a bounded number of them; when all are out, reading goes on, and nothing is lost. */
static void too_many_cannot_be_kept_and_reading_goes_on(struct scene *scene)
{
    static struct request request;
    uint64_t total = 0;
    keeping_begins(scene);
    while (refusal == 0) {
        uint64_t before = scene->b.heard;
        put(&scene->a, &request, 100);
        total += 100;
        scene_until(scene, scene->b.heard > before && request.done);
    }
    assert_int_equal(refusal, -ENOBUFS);
    assert_true(kept_count >= 1);
    scene_until(scene, scene->b.heard == total);
    for (unsigned i = 0; i < kept_count; i++)
        assert_true(pattern_matches(kept[i], 1, 100 * (uint64_t)i));
    notes_forget(scene);
    release(scene, 0);
    const void *released = kept[0];
    refusal = -1;
    put(&scene->a, &request, 100);
    expect(scene, "b", "read 100 bytes");
    assert_int_equal(refusal, 0); /* there is room for one again */
    kept[0] = released;
    for (unsigned i = 1; i < kept_count; i++)
        release(scene, i);
    expect(scene, "a", "write 100 0");
}

const struct script buffer_scripts[] = {
    SCRIPT(a_buffer_that_is_kept_stays_as_it_is, ANY),
    SCRIPT(a_buffer_that_is_kept_survives_its_stream, ANY),
    SCRIPT(only_what_is_lent_can_be_kept, ANY),
    SCRIPT(only_what_was_kept_can_be_released, ANY),
    SCRIPT(too_many_cannot_be_kept_and_reading_goes_on, ANY),
    {NULL, NULL, 0},
};
