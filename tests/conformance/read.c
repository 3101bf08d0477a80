/*
 * read.c: what comes is read once, in order, when it is wanted and not otherwise.
 */
#include "script.h"

static void bytes_are_read_in_order(struct scene *scene)
{
    static struct request request;
    meet(scene);
    hear(&scene->b);
    say(&scene->a, "hello");
    expect(scene, "b", "read hello");
    assert_int_equal(evloop_stream_send(&scene->a.stream, ", ", 2), 0);
    scene->a.sent += 2;
    say(&scene->a, "world");
    expect(scene, "b", "read , world");
    put(&scene->a, &request, 500000);
    expect(scene, "a", "write 500000 0");
    expect(scene, "b", "read 500000 bytes");
    expect_nothing(scene);
}

static void both_ends_read_and_write_at_once(struct scene *scene)
{
    static struct request there, back;
    meet(scene);
    hear(&scene->a);
    hear(&scene->b);
    put(&scene->a, &there, 3000000);
    put(&scene->b, &back, 2000000);
    scene_until(scene,
                scene->b.heard == 3000000 && scene->a.heard == 2000000 && there.done && back.done);
    expect_all_of(
        scene, NULL,
        "a write 3000000 0; a read 2000000 bytes; b write 2000000 0; b read 3000000 bytes");
}

static void nothing_is_read_before_the_start(struct scene *scene)
{
    meet(scene);
    assert_false(evloop_stream_reading(&scene->b.stream));
    say(&scene->a, "early");
    expect_nothing(scene);
    hear(&scene->b);
    expect(scene, "b", "read early");
}

static void the_end_comes_after_the_bytes(struct scene *scene)
{
    static struct request request;
    meet(scene);
    put(&scene->a, &request, 300000);
    hear(&scene->b);
    scene_until(scene, request.done);
    leave(&scene->a);
    expect(scene, "a", "write 300000 0; closed");
    expect(scene, "b", "read 300000 bytes; eof");
    assert_false(evloop_stream_reading(&scene->b.stream));
    assert_int_equal(evloop_stream_error(&scene->b.stream), 0);
    expect_nothing(scene);
}

static void the_end_is_seen_by_who_reads_late(struct scene *scene)
{
    meet(scene);
    say(&scene->a, "gone");
    scene_turn(scene);
    leave(&scene->a);
    expect(scene, "a", "closed");
    expect_nothing(scene);
    hear(&scene->b);
    expect(scene, "b", "read gone; eof");
}

/* ---- stopping -------------------------------------------------------------------------------- */

static void a_stopped_stream_reads_nothing_and_loses_nothing(struct scene *scene)
{
    meet(scene);
    hear(&scene->b);
    say(&scene->a, "one");
    expect(scene, "b", "read one");
    hush(&scene->b);
    say(&scene->a, "two");
    expect_nothing(scene);
    say(&scene->a, "three");
    expect_nothing(scene);
    hear(&scene->b);
    expect(scene, "b", "read twothree");
    hush(&scene->b);
    hush(&scene->b);
    assert_int_equal(evloop_stream_read_stop(&scene->b.stream), 0);
}

static void stop_in_callback(struct actor *actor, enum event event)
{
    if (event == READ)
        hush(actor);
}

static void reading_stops_inside_its_callback(struct scene *scene)
{
    static struct request request;
    meet(scene);
    scene->b.then = stop_in_callback;
    hear(&scene->b);
    put(&scene->a, &request, 1000000);
    unsigned calls = 0;
    while (scene->b.heard < 1000000) {
        calls++;
        scene_until(scene, scene->b.reads == calls);
        for (int i = 0; i < 3; i++)
            scene_turn(scene);
        assert_int_equal(scene->b.reads, calls);
        hear(&scene->b);
    }
    hush(&scene->b);
    expect(scene, "a", "write 1000000 0");
    expect(scene, "b", "read 1000000 bytes");
}

static void restart_in_callback(struct actor *actor, enum event event)
{
    static uint64_t state = 5;
    if (event != READ || actor->last < 0)
        return;
    hush(actor);
    if (chance(&state) % 2)
        hear(actor);
    else
        actor->events[DRAINED] = 1; /* somebody else starts it */
}

static void reading_is_stopped_and_started_at_random(struct scene *scene)
{
    static struct request request;
    meet(scene);
    scene->b.then = restart_in_callback;
    hear(&scene->b);
    put(&scene->a, &request, 2000000);
    while (scene->b.heard < 2000000) {
        scene_until(scene, scene->b.heard == 2000000 || scene->b.events[DRAINED]);
        scene->b.events[DRAINED] = 0;
        if (!evloop_stream_reading(&scene->b.stream))
            hear(&scene->b);
    }
    expect(scene, "a", "write 2000000 0");
    expect(scene, "b", "read 2000000 bytes");
}

static struct actor *stops_the_other(struct actor *actor)
{
    return actor == &actor->scene->a ? &actor->scene->b : &actor->scene->a;
}

static void stop_the_other(struct actor *actor, enum event event)
{
    if (event == READ)
        hush(stops_the_other(actor));
}

/* Both are readable in one turn: whoever comes first stops the other, whose event may have been
 * collected already. */
static void a_stop_holds_also_for_what_the_kernel_has_told(struct scene *scene)
{
    int of_a = meet_by_hand(&scene->a), of_b = meet_by_hand(&scene->b);
    scene->a.then = scene->b.then = stop_the_other;
    hear(&scene->a);
    hear(&scene->b);
    scene_turn(scene);
    assert_int_equal(write(of_a, "for a", 5), 5);
    assert_int_equal(write(of_b, "for b", 5), 5);
    scene_until(scene, scene->note_count > 0);
    for (int i = 0; i < 5; i++)
        scene_turn(scene);
    assert_int_equal(scene->a.reads + scene->b.reads, 1);
    scene->a.then = scene->b.then = NULL;
    hear(scene->a.reads ? &scene->b : &scene->a);
    expect(scene, "a", "read for a");
    expect(scene, "b", "read for b");
    assert_int_equal(close(of_a), 0);
    assert_int_equal(close(of_b), 0);
}

static void a_stream_that_reads_is_not_started_again(struct scene *scene)
{
    evloop_stream *stream = &scene->b.stream;
    char memory[8];
    meet(scene);
    hear(&scene->b);
    assert_int_equal(evloop_stream_read_start(stream, on_read), -EBUSY);
    assert_int_equal(evloop_stream_read_into(stream, memory, 8, 1, on_read), -EBUSY);
    say(&scene->a, "as before");
    expect(scene, "b", "read as before");
    hush(&scene->b);
    hear_into(&scene->b, 8, 8);
    assert_int_equal(evloop_stream_read_start(stream, on_read), -EBUSY);
    assert_int_equal(evloop_stream_read_into(stream, memory, 8, 1, on_read), -EBUSY);
    say(&scene->a, "exactly8");
    expect(scene, "b", "read exactly8");
}

/* ---- into memory ----------------------------------------------------------------------------- */

static void exactly_so_many_bytes_are_read(struct scene *scene)
{
    meet(scene);
    hear_into(&scene->b, 10, 10);
    assert_true(evloop_stream_reading(&scene->b.stream));
    say(&scene->a, "1234");
    expect_nothing(scene);
    assert_int_equal(evloop_stream_read_count(&scene->b.stream), 4);
    say(&scene->a, "567890and more");
    expect(scene, "b", "read 1234567890");
    assert_false(evloop_stream_reading(&scene->b.stream));
    assert_int_equal(evloop_stream_read_count(&scene->b.stream), 10);
    assert_memory_equal(scene->b.memory, "1234567890\xa5", 11);
    expect_nothing(scene);
    hear(&scene->b);
    expect(scene, "b", "read and more");
}

static void at_least_so_many_bytes_are_read(struct scene *scene)
{
    meet(scene);
    hear_into(&scene->b, 100, 3);
    say(&scene->a, "ab");
    expect_nothing(scene);
    say(&scene->a, "cd");
    expect(scene, "b", "read abcd");
    assert_int_equal(evloop_stream_read_count(&scene->b.stream), 4);
    expect_nothing(scene);
    hear_into(&scene->b, 100, 1);
    say(&scene->a, "e");
    expect(scene, "b", "read e");
    say(&scene->a, "fghijk");
    expect_nothing(scene);
    hear_into(&scene->b, 4, 1);
    expect(scene, "b", "read fghi");
    hear_into(&scene->b, 4, 1);
    expect(scene, "b", "read jk");
}

static void an_end_before_enough_has_come_is_told_with_what_there_is(struct scene *scene)
{
    meet(scene);
    hear_into(&scene->b, 100, 50);
    say(&scene->a, "too little");
    scene_turn(scene);
    leave(&scene->a);
    expect(scene, "a", "closed");
    expect(scene, "b", "eof");
    assert_int_equal(evloop_stream_read_count(&scene->b.stream), 10);
    assert_memory_equal(scene->b.memory, "too little\xa5", 11);
}

/* A protocol of a length, and so many bytes. */
static void next_part(struct actor *actor, enum event event)
{
    if (event != READ || actor->last < 0)
        return;
    size_t size = actor->last == 1 && actor->reads % 2 ? (size_t)(actor->memory[0] - '0') : 1;
    hear_into(actor, size, size);
}

static void records_are_read_part_by_part(struct scene *scene)
{
    meet(scene);
    scene->b.then = next_part;
    hear_into(&scene->b, 1, 1);
    say(&scene->a, "3abc");
    scene_turn(scene);
    say(&scene->a, "5def");
    scene_turn(scene);
    say(&scene->a, "gh");
    scene_turn(scene);
    say(&scene->a, "2ij");
    expect(scene, "b", "read 3abc5defgh2ij");
    assert_int_equal(scene->b.reads, 6);
    leave(&scene->a);
    expect(scene, "b", "eof");
    expect(scene, "a", "closed");
}

static void then_lend_me_the_rest(struct actor *actor, enum event event)
{
    if (event == READ && actor->reads == 1)
        hear(actor);
}

static void reading_into_memory_changes_to_reading_what_is_lent(struct scene *scene)
{
    meet(scene);
    scene->b.then = then_lend_me_the_rest;
    hear_into(&scene->b, 4, 4);
    say(&scene->a, "headbody");
    expect(scene, "b", "read headbody");
    assert_true(scene->b.reads >= 2);
}

static void reading_into_memory_is_stopped_and_begun_anew(struct scene *scene)
{
    meet(scene);
    hear_into(&scene->b, 8, 8);
    say(&scene->a, "abc");
    expect_nothing(scene);
    hush(&scene->b);
    assert_int_equal(evloop_stream_read_count(&scene->b.stream), 3);
    assert_memory_equal(scene->b.memory, "abc\xa5", 4);
    say(&scene->a, "defgh");
    expect_nothing(scene);
    scene->b.heard = 3;
    hear_into(&scene->b, 5, 5);
    expect(scene, "b", "read defgh");
}

static void much_is_read_into_memory(struct scene *scene)
{
    static unsigned char memory[1 << 20];
    static struct request request;
    meet(scene);
    memset(memory, 0, sizeof memory);
    assert_int_equal(
        evloop_stream_read_into(&scene->b.stream, memory, sizeof memory, sizeof memory, on_read),
        0);
    put(&scene->a, &request, sizeof memory + 1000);
    expect(scene, "b", "read %zu bytes", sizeof memory);
    assert_int_equal(scene->b.reads, 1);
    assert_true(pattern_matches(memory, sizeof memory, 0));
    hear(&scene->b);
    expect(scene, "b", "read 1000 bytes");
    expect(scene, "a", "write %zu 0", sizeof memory + 1000);
}

const struct script read_scripts[] = {
    SCRIPT(bytes_are_read_in_order, ANY),
    SCRIPT(both_ends_read_and_write_at_once, DUPLEX),
    SCRIPT(nothing_is_read_before_the_start, ANY),
    SCRIPT(the_end_comes_after_the_bytes, ANY),
    SCRIPT(the_end_is_seen_by_who_reads_late, ANY),
    SCRIPT(a_stopped_stream_reads_nothing_and_loses_nothing, ANY),
    SCRIPT(reading_stops_inside_its_callback, ANY),
    SCRIPT(reading_is_stopped_and_started_at_random, ANY),
    SCRIPT(a_stop_holds_also_for_what_the_kernel_has_told, DUPLEX),
    SCRIPT(a_stream_that_reads_is_not_started_again, ANY),
    SCRIPT(exactly_so_many_bytes_are_read, ANY),
    SCRIPT(at_least_so_many_bytes_are_read, ANY),
    SCRIPT(an_end_before_enough_has_come_is_told_with_what_there_is, ANY),
    SCRIPT(records_are_read_part_by_part, ANY),
    SCRIPT(reading_into_memory_changes_to_reading_what_is_lent, ANY),
    SCRIPT(reading_into_memory_is_stopped_and_begun_anew, ANY),
    SCRIPT(much_is_read_into_memory, ANY),
    {NULL, NULL, 0},
};
