/*
 * close.c: closing, from everywhere and in every way.
 */
#include "script.h"

#include <fcntl.h>
#include <sys/socket.h>

static void closing_is_told_once_and_not_inside_the_call(struct scene *scene)
{
    int fd;
    meet(scene);
    fd = evloop_stream_fd(&scene->a.stream);
    hear(&scene->b);
    leave(&scene->a);
    assert_int_equal(scene->note_count, 0);
    assert_true(evloop_stream_active(&scene->a.stream));
    assert_int_equal(evloop_stream_close(&scene->a.stream, on_closed), -EALREADY);
    assert_int_equal(evloop_stream_reset(&scene->a.stream, on_closed), -EALREADY);
    assert_int_equal(evloop_stream_close_gracefully(&scene->a.stream, EVLOOP_SEC(1), on_closed),
                     -EALREADY);
    scene_turn(scene); /* before the turn ends */
    assert_int_equal(scene->a.events[CLOSED], 1);
    assert_int_equal(fcntl(fd, F_GETFD), -1);
    expect(scene, "a", "closed");
    expect(scene, "b", "eof");
    expect_nothing(scene);
}

static void closing_needs_no_callback(struct scene *scene)
{
    meet(scene);
    hear(&scene->b);
    assert_int_equal(evloop_stream_close(&scene->a.stream, NULL), 0);
    expect(scene, "b", "eof");
    assert_false(evloop_stream_active(&scene->a.stream));
}

static void a_stream_that_is_being_closed_takes_nothing_more(struct scene *scene)
{
    static struct request request;
    struct iovec iov = {(void *)(uintptr_t) "x", 1};
    evloop_stream *stream = &scene->a.stream;
    memset(&request, 0, sizeof request);
    meet(scene);
    leave(&scene->a);
    assert_int_equal(evloop_stream_read_start(stream, on_read), -ENOTCONN);
    assert_int_equal(evloop_stream_send(stream, "x", 1), -ENOTCONN);
    assert_int_equal(evloop_stream_write(stream, &request.write, &iov, 1, on_write), -ENOTCONN);
    assert_int_equal(evloop_stream_try_write(stream, &iov, 1), -ENOTCONN);
    assert_int_equal(evloop_stream_shutdown(stream, on_shutdown), -ENOTCONN);
    assert_int_equal(evloop_stream_release(stream), -ENOTCONN);
    expect(scene, "a", "closed");
}

static void what_is_pending_is_cancelled_in_order_before_the_closing(struct scene *scene)
{
    static struct request requests[4];
    int file = file_make(0, 5000);
    meet_narrowly(scene);
    if (both_ways(scene))
        hear(&scene->a);
    put(&scene->a, &requests[0], TOO_MUCH);
    put(&scene->a, &requests[1], 100);
    memset(&requests[2], 0, sizeof requests[2]);
    requests[2].actor = &scene->a;
    assert_int_equal(
        evloop_stream_sendfile(&scene->a.stream, &requests[2].write, file, 0, 5000, on_write), 0);
    say(&scene->a, "never");
    put(&scene->a, &requests[3], 0);
    scene_turn(scene);
    scene_turn(scene);
    leave(&scene->a);
    assert_int_equal(scene->note_count, 0);
    scene_turn(scene);
    size_t written = requests[0].write.written;
    assert_true(written > 0 && written < TOO_MUCH);
    expect(scene, "a",
           "write %zu ECANCELED; write 0 ECANCELED; write 0 ECANCELED; write 0 ECANCELED; closed",
           written);
    hear(&scene->b); /* what the kernel had taken arrives, and nothing else */
    expect(scene, "b", "read %zu bytes; eof", written);
    assert_int_equal(close(file), 0);
}

static void what_was_written_in_this_turn_is_cancelled(struct scene *scene)
{
    static struct request one, two;
    meet(scene);
    hear(&scene->b);
    put_text(&scene->a, &one, "one");
    put_text(&scene->a, &two, "two");
    leave(&scene->a);
    expect(scene, "a", "write 0 ECANCELED; write 0 ECANCELED; closed");
    expect(scene, "b", "eof");
}

/* ---- in callbacks ---------------------------------------------------------------------------- */

static enum event leave_on;

static void leave_then(struct actor *actor, enum event event)
{
    if (event == leave_on && actor->events[event] == 1)
        leave(actor);
}

static void a_stream_is_closed_in_its_connect_callback(struct scene *scene)
{
    static struct request request;
    leave_on = CONNECT;
    scene->a.then = leave_then;
    door_open(&scene->door, NULL);
    scene->door.next = &scene->b;
    dial(&scene->a, NULL);
    hear(&scene->a);
    put_text(&scene->a, &request, "x");
    expect(scene, "a", "connect 0; write 0 ECANCELED; closed");
    expect(scene, "door", "accept 0");
    hear(&scene->b);
    expect(scene, "b", "eof");
}

/* What waited has failed with it, and is told so; but nobody reads any more. */
static void a_stream_is_closed_when_it_hears_that_it_was_refused(struct scene *scene)
{
    static struct request request;
    int family = scene->over == TCP4 ? AF_INET : AF_INET6;
    assert_int_equal(close(net_listen(family, 1, &scene->where)), 0);
    leave_on = CONNECT;
    scene->a.then = leave_then;
    dial(&scene->a, NULL);
    hear(&scene->a);
    put_text(&scene->a, &request, "x");
    end(&scene->a);
    expect(scene, "a", "connect ECONNREFUSED; write 0 ECONNREFUSED; shutdown ECONNREFUSED; closed");
    expect_nothing(scene);
}

static void a_stream_is_closed_in_its_read_callback(struct scene *scene)
{
    static struct request request;
    meet(scene);
    leave_on = READ;
    scene->b.then = leave_then;
    hear(&scene->b);
    if (both_ways(scene))
        put_text(&scene->b, &request, "x");
    expect(scene, "b", both_ways(scene) ? "write 1 0" : "");
    say(&scene->a, "go");
    expect(scene, "b", "read go; closed");
    expect_nothing(scene);
}

static void a_stream_is_closed_at_the_end_of_its_input(struct scene *scene)
{
    meet(scene);
    leave_on = READ;
    scene->b.then = leave_then;
    hear(&scene->b);
    leave(&scene->a);
    expect(scene, "a", "closed");
    expect(scene, "b", "eof; closed");
}

static void a_stream_is_closed_in_a_read_into_its_memory(struct scene *scene)
{
    meet(scene);
    leave_on = READ;
    scene->b.then = leave_then;
    hear_into(&scene->b, 2, 2);
    say(&scene->a, "go on");
    expect(scene, "b", "read go; closed");
}

static void a_stream_is_closed_in_a_write_callback(struct scene *scene)
{
    static struct request one, two, three;
    meet_narrowly(scene);
    leave_on = WRITE;
    scene->a.then = leave_then;
    if (both_ways(scene))
        hear(&scene->a);
    put_text(&scene->a, &one, "one");
    put(&scene->a, &two, TOO_MUCH);
    put(&scene->a, &three, 10);
    scene_until(scene, scene->a.events[CLOSED]);
    assert_true(two.write.written < TOO_MUCH);
    expect(scene, "a", "write 3 0; write %zu ECANCELED; write 0 ECANCELED; closed",
           two.write.written);
}

/* Several writes are done at once: the first one's callback closes; the others were written, and
 * are told so, or are cancelled: but each once, in order, before the closing. */
static void a_stream_is_closed_in_the_first_of_several_write_callbacks(struct scene *scene)
{
    static struct request requests[3];
    meet(scene);
    leave_on = WRITE;
    scene->a.then = leave_then;
    hear(&scene->b);
    for (size_t i = 0; i < 3; i++)
        put(&scene->a, &requests[i], i + 1);
    expect(scene, "a", "write 1 0; write 2 0; write 3 0; closed");
    expect(scene, "b", "read 6 bytes; eof");
}

static void a_stream_is_closed_in_a_cancelled_write_callback(struct scene *scene)
{
    static struct request big, small;
    meet_narrowly(scene);
    leave_on = WRITE;
    scene->a.then = leave_then;
    put(&scene->a, &big, TOO_MUCH);
    put(&scene->a, &small, 10);
    scene_turn(scene);
    assert_int_equal(evloop_write_cancel(&small.write), 0);
    scene_until(scene, scene->a.events[CLOSED]);
    expect(scene, "a", "write 0 ECANCELED; write %zu ECANCELED; closed", big.write.written);
}

static void a_stream_is_closed_in_its_shutdown_callback(struct scene *scene)
{
    meet(scene);
    leave_on = SHUTDOWN;
    scene->a.then = leave_then;
    hear(&scene->a);
    hear(&scene->b);
    say(&scene->a, "end");
    end(&scene->a);
    expect(scene, "a", "shutdown 0; closed");
    expect(scene, "b", "read end; eof");
}

static void a_stream_is_closed_when_it_is_full(struct scene *scene)
{
    static struct request big;
    meet_narrowly(scene);
    leave_on = FULL;
    scene->a.then = leave_then;
    assert_int_equal(evloop_stream_set_watermarks(&scene->a.stream, 0, 1000, on_watermark), 0);
    put(&scene->a, &big, TOO_MUCH);
    scene_until(scene, scene->a.events[CLOSED]);
    expect(scene, "a", "full; write %zu ECANCELED; closed", big.write.written);
}

static void a_stream_is_closed_when_it_has_drained(struct scene *scene)
{
    static struct request big;
    meet_narrowly(scene);
    leave_on = DRAINED;
    scene->a.then = leave_then;
    assert_int_equal(evloop_stream_set_watermarks(&scene->a.stream, 0, 1000, on_watermark), 0);
    put(&scene->a, &big, TOO_MUCH);
    hear(&scene->b);
    expect(scene, "b", "read %d bytes; eof", TOO_MUCH);
    scene_until(scene, scene->a.events[CLOSED]);
    assert_int_equal(scene->notes[scene->note_count - 1].event, CLOSED);
    char text[100];
    snprintf(text, sizeof text, "full; write %d 0; drained; closed", TOO_MUCH);
    expect_all_of(scene, "a", text);
}

static void leave_beside_the_door(struct door *door, enum event event)
{
    if (event == ACCEPT)
        leave(&door->scene->a);
}

static void a_stream_is_closed_in_the_callback_of_a_listener(struct scene *scene)
{
    door_open(&scene->door, NULL);
    scene->door.next = &scene->b;
    scene->door.then = leave_beside_the_door;
    dial(&scene->a, NULL);
    expect(scene, "door", "accept 0");
    scene_until(scene, scene->a.events[CLOSED]);
    notes_forget(scene); /* whether a was told of its connection before is chance */
    hear(&scene->b);
    expect(scene, "b", "eof");
}

static void leave_the_other(struct actor *actor, enum event event)
{
    struct actor *other = actor == &actor->scene->a ? &actor->scene->b : &actor->scene->a;
    if (event == READ)
        leave(other);
}

/* Both are readable in one turn; the first one's callback closes the second. */
static void a_stream_that_another_closes_hears_nothing_more(struct scene *scene)
{
    int of_a = meet_by_hand(&scene->a), of_b = meet_by_hand(&scene->b);
    scene->a.then = scene->b.then = leave_the_other;
    hear(&scene->a);
    hear(&scene->b);
    scene_turn(scene);
    assert_int_equal(write(of_a, "for a", 5), 5);
    assert_int_equal(write(of_b, "for b", 5), 5);
    scene_until(scene, scene->a.events[CLOSED] + scene->b.events[CLOSED] == 1);
    for (int i = 0; i < 5; i++)
        scene_turn(scene);
    if (scene->a.reads)
        expect_all_of(scene, NULL, "a read for a; b closed");
    else
        expect_all_of(scene, NULL, "b read for b; a closed");
    assert_int_equal(close(of_a), 0);
    assert_int_equal(close(of_b), 0);
}

/* ---- reset ----------------------------------------------------------------------------------- */

static void a_reset_is_seen_by_a_tcp_peer(struct scene *scene)
{
    static struct request request;
    meet_narrowly(scene);
    put(&scene->a, &request, TOO_MUCH);
    scene_turn(scene);
    assert_int_equal(evloop_stream_reset(&scene->a.stream, on_closed), 0);
    scene_until(scene, scene->a.events[CLOSED]);
    expect(scene, "a", "write %zu ECANCELED; closed", request.write.written);
    hear(&scene->b);
    while (scene->b.last >= 0)
        scene_wait_for(scene, "the reset");
    assert_int_equal(scene->b.last, -ECONNRESET);
    assert_true(scene->b.heard <= request.write.written);
    assert_int_equal(evloop_stream_error(&scene->b.stream), -ECONNRESET);
    assert_int_equal(evloop_stream_send(&scene->b.stream, "x", 1), -ECONNRESET);
    assert_int_equal(evloop_stream_read_start(&scene->b.stream, on_read), -ECONNRESET);
    notes_forget(scene);
}

static void a_reset_of_what_has_none_is_a_close(struct scene *scene)
{
    meet(scene);
    hear(&scene->b);
    assert_int_equal(evloop_stream_reset(&scene->a.stream, on_closed), 0);
    expect(scene, "a", "closed");
    expect(scene, "b", "eof");
}

static void a_reset_fails_everything_that_is_pending_at_the_peer(struct scene *scene)
{
    static struct request one, two;
    meet_narrowly(scene);
    hear(&scene->b);
    put(&scene->b, &one, TOO_MUCH);
    put(&scene->b, &two, 10);
    end(&scene->b);
    scene_turn(scene);
    assert_int_equal(evloop_stream_reset(&scene->a.stream, on_closed), 0);
    expect(scene, "a", "closed");
    scene_until(scene, scene->b.events[READ]);
    expect(scene, "b",
           "write %zu ECONNRESET; write 0 ECONNRESET; shutdown ECONNRESET; read ECONNRESET",
           one.write.written);
    assert_int_equal(evloop_stream_queued(&scene->b.stream), 0);
    leave(&scene->b);
    expect(scene, "b", "closed");
}

static void who_has_stopped_reading_is_not_told_by_its_reader(struct scene *scene)
{
    static struct request request;
    meet_narrowly(scene);
    hear(&scene->b);
    scene_turn(scene);
    hush(&scene->b);
    put(&scene->b, &request, TOO_MUCH);
    scene_turn(scene);
    assert_int_equal(evloop_stream_reset(&scene->a.stream, on_closed), 0);
    expect(scene, "a", "closed");
    scene_until(scene, request.done);
    notes_forget(scene);
    assert_int_not_equal(evloop_stream_error(&scene->b.stream), 0);
    assert_int_equal(scene->b.events[READ], 0);
    expect_nothing(scene);
}

static void who_has_read_to_the_end_is_not_told_by_its_reader(struct scene *scene)
{
    static struct request request;
    meet_narrowly(scene);
    hear(&scene->b);
    end(&scene->a);
    expect(scene, "a", "shutdown 0");
    expect(scene, "b", "eof");
    put(&scene->b, &request, TOO_MUCH);
    scene_turn(scene);
    assert_int_equal(evloop_stream_reset(&scene->a.stream, on_closed), 0);
    expect(scene, "a", "closed");
    scene_until(scene, request.done);
    notes_forget(scene);
    assert_int_not_equal(evloop_stream_error(&scene->b.stream), 0);
    assert_int_equal(scene->b.events[READ], 1);
    expect_nothing(scene);
}

/* ---- in good order --------------------------------------------------------------------------- */

static void leave_gracefully(struct actor *actor, uint64_t timeout_ns)
{
    assert_int_equal(evloop_stream_close_gracefully(&actor->stream, timeout_ns, on_closed), 0);
}

static void a_graceful_close_flushes_and_waits_for_the_peer(struct scene *scene)
{
    static struct request request, rest;
    meet_narrowly(scene);
    hear(&scene->a);
    put(&scene->a, &request, TOO_MUCH);
    leave_gracefully(&scene->a, EVLOOP_SEC(3600));
    assert_true(evloop_stream_active(&scene->a.stream));
    assert_int_equal(evloop_stream_send(&scene->a.stream, "x", 1), -ENOTCONN);
    expect_nothing(scene);
    hear(&scene->b);
    expect(scene, "b", "read %d bytes; eof", TOO_MUCH);
    expect(scene, "a", "write %d 0", TOO_MUCH);
    put(&scene->b, &rest, TOO_MUCH); /* which is thrown away */
    expect(scene, "b", "write %d 0", TOO_MUCH);
    expect_nothing(scene);
    leave(&scene->b);
    expect(scene, "b", "closed");
    expect(scene, "a", "closed");
}

static void a_graceful_close_ends_at_once_if_the_peer_has_ended(struct scene *scene)
{
    meet(scene);
    hear(&scene->b);
    end(&scene->b);
    expect(scene, "b", "shutdown 0");
    say(&scene->a, "bye");
    leave_gracefully(&scene->a, EVLOOP_SEC(3600));
    expect(scene, "a", "closed");
    expect(scene, "b", "read bye; eof");
}

static void a_graceful_close_after_a_shutdown_waits_for_the_peer(struct scene *scene)
{
    meet(scene);
    hear(&scene->b);
    say(&scene->a, "bye");
    end(&scene->a);
    leave_gracefully(&scene->a, EVLOOP_SEC(3600));
    expect(scene, "a", "shutdown 0");
    expect(scene, "b", "read bye; eof");
    expect_nothing(scene);
    leave(&scene->b);
    expect(scene, "b", "closed");
    expect(scene, "a", "closed");
}

/* A pipe has nobody to wait for. */
static void a_graceful_close_of_one_way_ends_when_all_has_gone_out(struct scene *scene)
{
    static struct request request;
    meet_narrowly(scene);
    put(&scene->a, &request, TOO_MUCH);
    leave_gracefully(&scene->a, EVLOOP_SEC(3600));
    expect_nothing(scene);
    hear(&scene->b);
    expect(scene, "a", "write %d 0; closed", TOO_MUCH);
    expect(scene, "b", "read %d bytes; eof", TOO_MUCH);
}

static void a_graceful_close_gives_up_what_cannot_be_sent(struct scene *scene)
{
    static struct request big, small;
    meet_narrowly(scene);
    put(&scene->a, &big, TOO_MUCH);
    put(&scene->a, &small, 10);
    uint64_t begin = clock_ns();
    leave_gracefully(&scene->a, EVLOOP_MS(20));
    scene_until(scene, scene->a.events[CLOSED]);
    assert_true(clock_ns() - begin >= EVLOOP_MS(20));
    expect(scene, "a", "write %zu ECANCELED; write 0 ECANCELED; closed", big.write.written);
    assert_true(big.write.written < TOO_MUCH);
}

static void a_graceful_close_gives_up_a_peer_that_does_not_end(struct scene *scene)
{
    static struct request request;
    meet(scene);
    hear(&scene->b);
    put(&scene->a, &request, 5000);
    uint64_t begin = clock_ns();
    leave_gracefully(&scene->a, EVLOOP_MS(20));
    expect(scene, "a", "write 5000 0; closed");
    assert_true(clock_ns() - begin >= EVLOOP_MS(20));
    expect(scene, "b", "read 5000 bytes; eof");
}

static void a_graceful_close_ends_when_the_peer_is_gone(struct scene *scene)
{
    static struct request request;
    meet_narrowly(scene);
    put(&scene->a, &request, TOO_MUCH);
    scene_turn(scene);
    leave_gracefully(&scene->a, EVLOOP_SEC(3600));
    expect_nothing(scene);
    assert_int_equal(evloop_stream_reset(&scene->b.stream, on_closed), 0);
    expect(scene, "b", "closed");
    scene_until(scene, scene->a.events[CLOSED]);
    assert_int_equal(scene->a.events[WRITE], 1);
    assert_true(request.write.written < TOO_MUCH);
    notes_forget(scene);
}

static void a_graceful_close_waits_for_the_connection(struct scene *scene)
{
    static struct request request;
    door_open(&scene->door, NULL);
    scene->door.next = &scene->b;
    dial(&scene->a, NULL);
    put_text(&scene->a, &request, "and gone");
    leave_gracefully(&scene->a, EVLOOP_SEC(3600));
    expect(scene, "door", "accept 0");
    hear(&scene->b);
    expect(scene, "b", "read and gone; eof");
    leave(&scene->b);
    expect(scene, "b", "closed");
    expect(scene, "a", "connect 0; write 8 0; closed");
}

/* The kernel connects, but nobody ever accepts. */
static void a_graceful_close_of_what_connects_has_its_deadline(struct scene *scene)
{
    static struct request request;
    evloop_connect_options options = evloop_connect_options_default();
    options.timeout_ns = EVLOOP_SEC(3600);
    door_open(&scene->door, NULL);
    assert_int_equal(evloop_listener_pause(&scene->door.listener), 0);
    dial(&scene->a, &options);
    put_text(&scene->a, &request, "anybody");
    uint64_t begin = clock_ns();
    leave_gracefully(&scene->a, EVLOOP_MS(20));
    expect(scene, "a", "connect 0; write 7 0; closed");
    assert_true(clock_ns() - begin >= EVLOOP_MS(20));
}

/* Nobody is told of the copies that it could not send; but it can be asked. */
static void a_graceful_close_that_has_failed_says_so_when_it_is_asked(struct scene *scene)
{
    meet_narrowly(scene);
    assert_int_equal(evloop_stream_send(&scene->a.stream, pattern_at(0), PATTERN_SPAN), 0);
    scene_turn(scene);
    leave_gracefully(&scene->a, EVLOOP_SEC(3600));
    expect_nothing(scene);
    assert_int_equal(evloop_stream_reset(&scene->b.stream, on_closed), 0);
    expect(scene, "b", "closed");
    expect(scene, "a", "closed");
    assert_true(scene->a.error == -ECONNRESET || scene->a.error == -EPIPE);
    assert_int_equal(scene->b.error, 0);
    meet(scene);
    hear(&scene->b);
    say(&scene->a, "well");
    expect(scene, "b", "read well");
    assert_int_equal(evloop_stream_error(&scene->a.stream), 0);
}

static void a_close_hastens_a_graceful_one(struct scene *scene)
{
    static struct request request;
    meet_narrowly(scene);
    put(&scene->a, &request, TOO_MUCH);
    leave_gracefully(&scene->a, EVLOOP_SEC(3600));
    expect_nothing(scene);
    assert_int_equal(evloop_stream_close_gracefully(&scene->a.stream, EVLOOP_SEC(1), on_closed),
                     -EALREADY);
    leave(&scene->a);
    scene_until(scene, scene->a.events[CLOSED]);
    expect(scene, "a", "write %zu ECANCELED; closed", request.write.written);
}

const struct script close_scripts[] = {
    SCRIPT(closing_is_told_once_and_not_inside_the_call, ANY),
    SCRIPT(closing_needs_no_callback, ANY),
    SCRIPT(a_stream_that_is_being_closed_takes_nothing_more, ANY),
    SCRIPT(what_is_pending_is_cancelled_in_order_before_the_closing, ANY),
    SCRIPT(what_was_written_in_this_turn_is_cancelled, ANY),
    SCRIPT(a_stream_is_closed_in_its_connect_callback, LISTENING),
    SCRIPT(a_stream_is_closed_when_it_hears_that_it_was_refused, TCP),
    SCRIPT(a_stream_is_closed_in_its_read_callback, ANY),
    SCRIPT(a_stream_is_closed_at_the_end_of_its_input, ANY),
    SCRIPT(a_stream_is_closed_in_a_read_into_its_memory, ANY),
    SCRIPT(a_stream_is_closed_in_a_write_callback, ANY),
    SCRIPT(a_stream_is_closed_in_the_first_of_several_write_callbacks, ANY),
    SCRIPT(a_stream_is_closed_in_a_cancelled_write_callback, ANY),
    SCRIPT(a_stream_is_closed_in_its_shutdown_callback, DUPLEX),
    SCRIPT(a_stream_is_closed_when_it_is_full, ANY),
    SCRIPT(a_stream_is_closed_when_it_has_drained, ANY),
    SCRIPT(a_stream_is_closed_in_the_callback_of_a_listener, LISTENING),
    SCRIPT(a_stream_that_another_closes_hears_nothing_more, DUPLEX),
    SCRIPT(a_reset_is_seen_by_a_tcp_peer, TCP),
    SCRIPT(a_reset_of_what_has_none_is_a_close, LOCAL | PIPE),
    SCRIPT(a_reset_fails_everything_that_is_pending_at_the_peer, TCP),
    SCRIPT(who_has_stopped_reading_is_not_told_by_its_reader, DUPLEX),
    SCRIPT(who_has_read_to_the_end_is_not_told_by_its_reader, DUPLEX),
    SCRIPT(a_graceful_close_flushes_and_waits_for_the_peer, DUPLEX),
    SCRIPT(a_graceful_close_ends_at_once_if_the_peer_has_ended, DUPLEX),
    SCRIPT(a_graceful_close_after_a_shutdown_waits_for_the_peer, DUPLEX),
    SCRIPT(a_graceful_close_of_one_way_ends_when_all_has_gone_out, PIPE),
    SCRIPT(a_graceful_close_gives_up_what_cannot_be_sent, ANY),
    SCRIPT(a_graceful_close_gives_up_a_peer_that_does_not_end, DUPLEX),
    SCRIPT(a_graceful_close_ends_when_the_peer_is_gone, ANY),
    SCRIPT(a_graceful_close_waits_for_the_connection, LISTENING),
    SCRIPT(a_graceful_close_of_what_connects_has_its_deadline, LISTENING),
    SCRIPT(a_graceful_close_that_has_failed_says_so_when_it_is_asked, ANY),
    SCRIPT(a_close_hastens_a_graceful_one, ANY),
    {NULL, NULL, 0},
};
