/*
 * half_close.c: an end that is told to the peer while the other direction goes on.
 */
#include "script.h"

static void the_end_is_told_when_all_has_gone_out(struct scene *scene)
{
    static struct request request, answer;
    meet_narrowly(scene);
    put(&scene->a, &request, TOO_MUCH);
    end(&scene->a);
    expect_nothing(scene);
    hear(&scene->b);
    expect(scene, "b", "read %d bytes; eof", TOO_MUCH);
    expect(scene, "a", "write %d 0; shutdown 0", TOO_MUCH);
    hear(&scene->a);
    put(&scene->b, &answer, 100000); /* the peer still sends */
    expect(scene, "b", "write 100000 0");
    expect(scene, "a", "read 100000 bytes");
    end(&scene->b);
    expect(scene, "b", "shutdown 0");
    expect(scene, "a", "eof");
    expect_nothing(scene);
    leave(&scene->a);
    leave(&scene->b);
    expect(scene, "a", "closed");
    expect(scene, "b", "closed");
}

static void the_end_is_never_told_inside_the_call(struct scene *scene)
{
    meet(scene);
    hear(&scene->b);
    end(&scene->a);
    assert_int_equal(scene->note_count, 0);
    expect(scene, "a", "shutdown 0");
    expect(scene, "b", "eof");
}

static void after_the_end_nothing_can_be_written(struct scene *scene)
{
    static struct request request;
    struct iovec iov = {(void *)(uintptr_t) "late", 4};
    evloop_stream *stream = &scene->a.stream;
    int file = file_make(0, 10);
    memset(&request, 0, sizeof request);
    meet(scene);
    hear(&scene->b);
    say(&scene->a, "last words");
    for (int i = 0; i < 2; i++) { /* before it has happened, and after */
        if (i == 0)
            end(&scene->a);
        assert_int_equal(evloop_stream_send(stream, "late", 4), -EPIPE);
        assert_int_equal(evloop_stream_write(stream, &request.write, &iov, 1, on_write), -EPIPE);
        assert_int_equal(evloop_stream_try_write(stream, &iov, 1), -EPIPE);
        assert_int_equal(evloop_stream_sendfile(stream, &request.write, file, 0, 4, on_write),
                         -EPIPE);
        assert_int_equal(evloop_stream_shutdown(stream, on_shutdown), -EALREADY);
        if (i == 0) {
            expect(scene, "a", "shutdown 0");
            expect(scene, "b", "read last words; eof");
        }
    }
    expect_nothing(scene);
    assert_int_equal(evloop_stream_error(stream), 0);
    assert_int_equal(close(file), 0);
}

static void both_ends_end(struct scene *scene)
{
    static struct request there, back;
    meet(scene);
    hear(&scene->a);
    hear(&scene->b);
    put(&scene->a, &there, 200000);
    put(&scene->b, &back, 300000);
    end(&scene->a);
    end(&scene->b);
    scene_until(scene, scene->a.last == EVLOOP_EOF && scene->b.last == EVLOOP_EOF);
    scene_until(scene, scene->a.events[SHUTDOWN] && scene->b.events[SHUTDOWN]);
    expect_all_of(scene, "a", "write 200000 0; shutdown 0; read 300000 bytes; eof");
    expect_all_of(scene, "b", "write 300000 0; shutdown 0; read 200000 bytes; eof");
}

static void the_end_needs_no_callback(struct scene *scene)
{
    meet(scene);
    hear(&scene->b);
    say(&scene->a, "bye");
    assert_int_equal(evloop_stream_shutdown(&scene->a.stream, NULL), 0);
    expect(scene, "b", "read bye; eof");
    expect_nothing(scene);
}

static void answer_the_end(struct actor *actor, enum event event)
{
    if (event == READ && actor->last == EVLOOP_EOF) {
        say(actor, "answer");
        end(actor);
    }
}

static void a_request_that_ends_gets_its_answer(struct scene *scene)
{
    meet(scene);
    scene->b.then = answer_the_end;
    hear(&scene->a);
    hear(&scene->b);
    say(&scene->a, "request");
    end(&scene->a);
    expect(scene, "b", "read request; eof; shutdown 0");
    expect(scene, "a", "shutdown 0; read answer; eof");
}

static void what_only_closing_can_end_says_so(struct scene *scene)
{
    meet(scene);
    hear(&scene->b);
    assert_int_equal(evloop_stream_shutdown(&scene->a.stream, on_shutdown), -ENOTSUP);
    say(&scene->a, "not hurt");
    expect(scene, "b", "read not hurt");
    leave(&scene->a);
    expect(scene, "a", "closed");
    expect(scene, "b", "eof");
}

static void an_end_that_the_closing_overtakes_is_cancelled(struct scene *scene)
{
    static struct request request;
    meet_narrowly(scene);
    put(&scene->a, &request, TOO_MUCH);
    end(&scene->a);
    scene_turn(scene);
    leave(&scene->a);
    scene_until(scene, scene->a.events[CLOSED]);
    expect(scene, "a", "write %zu ECANCELED; shutdown ECANCELED; closed", request.write.written);
}

const struct script half_close_scripts[] = {
    SCRIPT(the_end_is_told_when_all_has_gone_out, DUPLEX),
    SCRIPT(the_end_is_never_told_inside_the_call, DUPLEX),
    SCRIPT(after_the_end_nothing_can_be_written, DUPLEX),
    SCRIPT(both_ends_end, DUPLEX),
    SCRIPT(the_end_needs_no_callback, DUPLEX),
    SCRIPT(a_request_that_ends_gets_its_answer, DUPLEX),
    SCRIPT(what_only_closing_can_end_says_so, PIPE),
    SCRIPT(an_end_that_the_closing_overtakes_is_cancelled, DUPLEX),
    {NULL, NULL, 0},
};
