/*
 * deadline.c: what takes too long is ended: never early, and not because of what went well.
 */
#include "script.h"

#define SOON EVLOOP_MS(10)
#define NEVER EVLOOP_SEC(3600)

static void set(int (*which)(evloop_stream *stream, uint64_t timeout_ns), struct actor *actor,
                uint64_t timeout_ns)
{
    assert_int_equal(which(&actor->stream, timeout_ns), 0);
}

static void reading_ends_when_nothing_comes(struct scene *scene)
{
    meet(scene);
    set(evloop_stream_set_read_timeout, &scene->b, SOON);
    uint64_t begin = clock_ns();
    hear(&scene->b);
    expect(scene, "b", "read ETIMEDOUT");
    assert_true(clock_ns() - begin >= SOON);
    assert_false(evloop_stream_reading(&scene->b.stream));
    assert_int_equal(evloop_stream_error(&scene->b.stream), 0); /* it has not failed */
    expect_nothing(scene);
    say(&scene->a, "late");
    set(evloop_stream_set_read_timeout, &scene->b, 0);
    hear(&scene->b);
    expect(scene, "b", "read late");
}

static void reading_into_memory_ends_when_nothing_comes(struct scene *scene)
{
    meet(scene);
    set(evloop_stream_set_read_timeout, &scene->b, SOON);
    hear_into(&scene->b, 10, 10);
    say(&scene->a, "half");
    expect(scene, "b", "read ETIMEDOUT");
    assert_int_equal(evloop_stream_read_count(&scene->b.stream), 4);
    assert_memory_equal(scene->b.memory, "half\xa5", 5);
}

static void a_read_timeout_counts_while_it_reads(struct scene *scene)
{
    meet(scene);
    set(evloop_stream_set_read_timeout, &scene->b, SOON);
    assert_int_equal(evloop_run_for(scene->loop, 2 * SOON), 0);
    hear(&scene->b);
    hush(&scene->b);
    assert_int_equal(evloop_run_for(scene->loop, 2 * SOON), 0);
    expect_nothing(scene);
    uint64_t begin = clock_ns();
    hear(&scene->b);
    expect(scene, "b", "read ETIMEDOUT");
    assert_true(clock_ns() - begin >= SOON);
}

/* Each byte gives it the whole time again. */
static void a_read_timeout_counts_from_the_last_byte(struct scene *scene)
{
    uint64_t last = 0;
    meet(scene);
    set(evloop_stream_set_read_timeout, &scene->b, EVLOOP_SEC(5));
    hear(&scene->b);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(evloop_run_for(scene->loop, EVLOOP_MS(2)), 0);
        last = clock_ns();
        say(&scene->a, "x");
        expect(scene, "b", "read x");
    }
    set(evloop_stream_set_read_timeout, &scene->b, SOON);
    expect(scene, "b", "read ETIMEDOUT");
    assert_true(clock_ns() - last >= SOON);
}

static void a_stream_fails_when_the_kernel_takes_nothing(struct scene *scene)
{
    static struct request big, small;
    meet_narrowly(scene);
    set(evloop_stream_set_write_timeout, &scene->a, SOON);
    assert_int_equal(evloop_run_for(scene->loop, 2 * SOON), 0); /* nothing is queued */
    expect_nothing(scene);
    if (both_ways(scene))
        hear(&scene->a);
    uint64_t begin = clock_ns();
    put(&scene->a, &big, TOO_MUCH);
    put(&scene->a, &small, 10);
    scene_until(scene, small.done);
    assert_true(clock_ns() - begin >= SOON);
    size_t written = big.write.written;
    if (both_ways(scene))
        expect(scene, "a", "write %zu ETIMEDOUT; write 0 ETIMEDOUT; read ETIMEDOUT", written);
    else
        expect(scene, "a", "write %zu ETIMEDOUT; write 0 ETIMEDOUT", written);
    assert_true(written > 0 && written < TOO_MUCH);
    assert_int_equal(evloop_stream_error(&scene->a.stream), -ETIMEDOUT);
    assert_int_equal(evloop_stream_send(&scene->a.stream, "x", 1), -ETIMEDOUT);
    assert_int_equal(evloop_stream_queued(&scene->a.stream), 0);
    leave(&scene->a);
    expect(scene, "a", "closed");
    hear(&scene->b);
    expect(scene, "b", "read %zu bytes; eof", written);
}

static void a_stream_fails_when_nothing_comes_or_goes(struct scene *scene)
{
    meet(scene);
    set(evloop_stream_set_idle_timeout, &scene->a, SOON);
    uint64_t begin = clock_ns();
    hear(&scene->a);
    expect(scene, "a", "read ETIMEDOUT");
    assert_true(clock_ns() - begin >= SOON);
    assert_int_equal(evloop_stream_error(&scene->a.stream), -ETIMEDOUT);
    assert_int_equal(evloop_stream_read_start(&scene->a.stream, on_read), -ETIMEDOUT);
    leave(&scene->a);
    expect(scene, "a", "closed");
}

static void what_comes_and_goes_is_not_idle(struct scene *scene)
{
    uint64_t last = 0;
    meet(scene);
    set(evloop_stream_set_idle_timeout, &scene->a, EVLOOP_SEC(5));
    hear(&scene->a);
    hear(&scene->b);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(evloop_run_for(scene->loop, EVLOOP_MS(2)), 0);
        last = clock_ns();
        if (i % 2)
            say(&scene->b, "x");
        else
            say(&scene->a, "x");
        expect(scene, i % 2 ? "a" : "b", "read x");
    }
    set(evloop_stream_set_idle_timeout, &scene->a, SOON);
    expect(scene, "a", "read ETIMEDOUT");
    assert_true(clock_ns() - last >= SOON);
    leave(&scene->a);
    expect(scene, "a", "closed");
    expect(scene, "b", "eof");
}

static void no_deadline_is_the_default_and_can_be_had_again(struct scene *scene)
{
    meet(scene);
    set(evloop_stream_set_read_timeout, &scene->b, SOON);
    set(evloop_stream_set_idle_timeout, &scene->b, SOON);
    set(evloop_stream_set_write_timeout, &scene->b, SOON);
    set(evloop_stream_set_read_timeout, &scene->b, 0);
    set(evloop_stream_set_idle_timeout, &scene->b, 0);
    set(evloop_stream_set_write_timeout, &scene->b, 0);
    hear(&scene->b);
    assert_int_equal(evloop_run_for(scene->loop, 2 * SOON), 0);
    expect_nothing(scene);
}

static void deadlines_do_not_keep_the_loop_and_end_with_the_stream(struct scene *scene)
{
    meet(scene);
    set(evloop_stream_set_read_timeout, &scene->b, NEVER);
    set(evloop_stream_set_idle_timeout, &scene->b, NEVER);
    set(evloop_stream_set_write_timeout, &scene->b, NEVER);
    hear(&scene->b);
    scene_turn(scene);
    leave(&scene->b);
    expect(scene, "b", "closed");
    leave(&scene->a);
    expect(scene, "a", "closed");
    if (evloop_listener_active(&scene->door.listener))
        assert_int_equal(evloop_listener_unref(&scene->door.listener), 0);
    assert_false(evloop_alive(scene->loop));
}

static void leave_when_late(struct actor *actor, enum event event)
{
    if (event == READ && actor->last == -ETIMEDOUT)
        leave(actor);
}

static void a_stream_is_closed_in_the_callback_of_its_deadline(struct scene *scene)
{
    static struct request request;
    meet_narrowly(scene);
    scene->a.then = scene->b.then = leave_when_late;
    set(evloop_stream_set_read_timeout, &scene->b, SOON);
    hear(&scene->b);
    expect(scene, "b", "read ETIMEDOUT; closed");
    if (!both_ways(scene))
        return;
    leave(&scene->a);
    expect(scene, "a", "closed");
    meet_narrowly(scene);
    put(&scene->a, &request, 10);
    set(evloop_stream_set_idle_timeout, &scene->a, SOON);
    hear(&scene->a);
    expect(scene, "a", "write 10 0; read ETIMEDOUT; closed");
}

const struct script deadline_scripts[] = {
    SCRIPT(reading_ends_when_nothing_comes, ANY),
    SCRIPT(reading_into_memory_ends_when_nothing_comes, ANY),
    SCRIPT(a_read_timeout_counts_while_it_reads, ANY),
    SCRIPT(a_read_timeout_counts_from_the_last_byte, ANY),
    SCRIPT(a_stream_fails_when_the_kernel_takes_nothing, ANY),
    SCRIPT(a_stream_fails_when_nothing_comes_or_goes, DUPLEX),
    SCRIPT(what_comes_and_goes_is_not_idle, DUPLEX),
    SCRIPT(no_deadline_is_the_default_and_can_be_had_again, ANY),
    SCRIPT(deadlines_do_not_keep_the_loop_and_end_with_the_stream, ANY),
    SCRIPT(a_stream_is_closed_in_the_callback_of_its_deadline, ANY),
    {NULL, NULL, 0},
};
