/*
 * write.c: what is written goes out once, in order, and its end is told.
 */
#include "script.h"

static void a_write_is_told_when_the_kernel_has_taken_it(struct scene *scene)
{
    static struct request request;
    meet(scene);
    hear(&scene->b);
    put_text(&scene->a, &request, "hello");
    assert_int_equal(evloop_stream_queued(&scene->a.stream), 5);
    assert_false(request.done);
    expect(scene, "a", "write 5 0");
    assert_int_equal(evloop_stream_queued(&scene->a.stream), 0);
    expect(scene, "b", "read hello");
    put_text(&scene->a, &request, "again"); /* the same request */
    expect(scene, "a", "write 5 0");
    expect(scene, "b", "read again");
}

/* Every way of writing, in one turn. */
static void what_is_written_in_several_ways_leaves_in_order(struct scene *scene)
{
    static struct request write, file_write, last;
    struct iovec iov = {(void *)(uintptr_t) "nothing", 7};
    int file = file_make(0, 0);
    assert_int_equal(pwrite(file, "..file..", 8, 0), 8);
    meet(scene);
    say(&scene->a, "send ");
    put_text(&scene->a, &write, "write ");
    memset(&file_write, 0, sizeof file_write);
    file_write.actor = &scene->a;
    assert_int_equal(
        evloop_stream_sendfile(&scene->a.stream, &file_write.write, file, 2, 4, on_write), 0);
    say(&scene->a, " again");
    assert_int_equal(evloop_stream_try_write(&scene->a.stream, &iov, 1), -EAGAIN);
    put_text(&scene->a, &last, " end");
    assert_int_equal(evloop_stream_queued(&scene->a.stream), strlen("send write file again end"));
    hear(&scene->b);
    expect(scene, "a", "write 6 0; write 4 0; write 4 0");
    expect(scene, "b", "read send write file again end");
    assert_int_equal(close(file), 0);
}

static size_t at_most(uint64_t *state, size_t most)
{
    return (size_t)(chance(state) % (most + 1));
}

/* One of the ways, at random; says how many bytes are on their way. */
static size_t write_somehow(struct actor *actor, struct request *request, int file, uint64_t *state)
{
    evloop_stream *stream = &actor->stream;
    size_t size = at_most(state, chance(state) % 8 ? 3000 : 100000);
    struct iovec iov;
    ssize_t taken;
    switch (request->write.data ? 0 : chance(state) % 4) {
    case 0:
        assert_int_equal(evloop_stream_send(stream, pattern_at(actor->sent), size), 0);
        actor->sent += size;
        return size;
    case 1:
        put(actor, request, size);
        break;
    case 2:
        memset(request, 0, sizeof *request);
        request->actor = actor;
        assert_int_equal(evloop_stream_sendfile(stream, &request->write, file,
                                                actor->sent % PATTERN_PERIOD, size, on_write),
                         0);
        actor->sent += size;
        break;
    default:
        iov.iov_base = (void *)(uintptr_t)pattern_at(actor->sent);
        iov.iov_len = size;
        taken = evloop_stream_try_write(stream, &iov, 1);
        assert_true(taken == -EAGAIN || (taken >= 0 && (size_t)taken <= size));
        taken = taken < 0 ? 0 : taken;
        actor->sent += (size_t)taken;
        return (size_t)taken;
    }
    request->write.data = request; /* in use */
    return size;
}

static void write_is_over(struct actor *actor, enum event event)
{
    if (event == WRITE)
        notes_forget(actor->scene);
}

static void every_mixture_of_writes_leaves_in_order(struct scene *scene)
{
    enum { REQUESTS = 16 };
    static struct request requests[REQUESTS];
    uint64_t state = scene->over;
    int file = file_make(0, PATTERN_PERIOD + 100000);
    memset(requests, 0, sizeof requests);
    meet(scene);
    scene->b.strict = true;
    hear(&scene->b);
    scene->a.then = write_is_over;
    for (size_t round = 0; round < scaled(400); round++) {
        for (uint64_t n = chance(&state) % 6; n-- > 0;)
            write_somehow(&scene->a, &requests[chance(&state) % REQUESTS], file, &state);
        for (int i = 0; i < REQUESTS; i++)
            if (requests[i].done)
                requests[i].write.data = NULL;
        scene_turn(scene);
    }
    scene_until(scene, scene->b.heard == scene->a.sent);
    scene_until(scene, evloop_stream_queued(&scene->a.stream) == 0);
    for (int i = 0; i < REQUESTS; i++)
        scene_until(scene, !requests[i].write.data || requests[i].done);
    notes_forget(scene);
    leave(&scene->a);
    expect(scene, "a", "closed");
    expect(scene, "b", "eof");
    assert_int_equal(close(file), 0);
}

static void memory_that_is_sent_may_be_changed_at_once(struct scene *scene)
{
    static unsigned char memory[1000000];
    meet_narrowly(scene);
    scene->b.strict = true;
    for (uint64_t position = 0; position < 2 * sizeof memory; position += sizeof memory) {
        memcpy(memory, pattern_at(position), sizeof memory);
        assert_int_equal(evloop_stream_send(&scene->a.stream, memory, sizeof memory), 0);
        memset(memory, 0, sizeof memory);
    }
    memcpy(memory, pattern_at(2 * sizeof memory), 100);
    assert_int_equal(evloop_stream_send(&scene->a.stream, memory, 100), 0);
    memset(memory, 0, sizeof memory);
    hear(&scene->b);
    expect(scene, "b", "read %zu bytes", 2 * sizeof memory + 100);
}

static void little_is_put_aside_and_much_is_offered_at_once(struct scene *scene)
{
    meet(scene);
    assert_int_equal(evloop_stream_send(&scene->a.stream, pattern_at(0), 1024), 0);
    assert_int_equal(evloop_stream_queued(&scene->a.stream), 1024);
    assert_int_equal(evloop_stream_send(&scene->a.stream, pattern_at(1024), 10000), 0);
    assert_int_equal(evloop_stream_queued(&scene->a.stream), 11024); /* not past the first */
    hear(&scene->b);
    expect(scene, "b", "read 11024 bytes");
    assert_int_equal(evloop_stream_send(&scene->a.stream, pattern_at(11024), 10000), 0);
    assert_int_equal(evloop_stream_queued(&scene->a.stream), 0);
    expect(scene, "b", "read 10000 bytes");
}

static void what_is_tried_is_taken_now_or_not_at_all(struct scene *scene)
{
    struct iovec iov[2] = {{(void *)(uintptr_t) "now", 3}, {(void *)(uintptr_t) " or never", 9}};
    meet_narrowly(scene);
    assert_int_equal(evloop_stream_try_write(&scene->a.stream, iov, 2), 12);
    assert_int_equal(evloop_stream_queued(&scene->a.stream), 0);
    hear(&scene->b);
    expect(scene, "b", "read now or never");
    hush(&scene->b);
    uint64_t taken = 12;
    while (taken < TOO_MUCH) {
        iov[0].iov_base = (void *)(uintptr_t)pattern_at(taken);
        iov[0].iov_len = 100000;
        ssize_t n = evloop_stream_try_write(&scene->a.stream, iov, 1);
        if (n == -EAGAIN)
            break;
        assert_true(n > 0 && n <= 100000);
        taken += (size_t)n;
    }
    assert_true(taken < TOO_MUCH);
    hear(&scene->b);
    expect(scene, "b", "read %zu bytes", (size_t)taken - 12);
    assert_int_equal(evloop_stream_queued(&scene->a.stream), 0);
}

static void nothing_may_be_written(struct scene *scene)
{
    static struct request one, two, three;
    struct iovec iov[3] = {{NULL, 0}, {(void *)(uintptr_t) "x", 1}, {NULL, 0}};
    meet(scene);
    hear(&scene->b);
    put(&scene->a, &one, 0);
    assert_int_equal(evloop_stream_send(&scene->a.stream, "", 0), 0);
    expect(scene, "a", "write 0 0");
    put_text(&scene->a, &one, "abc");
    put(&scene->a, &two, 0);
    put_text(&scene->a, &three, "de");
    expect(scene, "a", "write 3 0; write 0 0; write 2 0");
    expect(scene, "b", "read abcde");
    memset(&one, 0, sizeof one);
    one.actor = &scene->a;
    assert_int_equal(evloop_stream_write(&scene->a.stream, &one.write, iov, 3, on_write), 0);
    expect(scene, "a", "write 1 0");
    expect(scene, "b", "read x");
    assert_int_equal(evloop_stream_try_write(&scene->a.stream, iov, 1), 0);
    expect_nothing(scene);
}

static void as_many_pieces_as_are_allowed(struct scene *scene)
{
    enum { PIECES = 1024, WRITES = 4 };
    static struct iovec iov[PIECES + 1];
    static struct request requests[WRITES];
    memset(requests, 0, sizeof requests);
    for (size_t i = 0; i <= PIECES; i++) {
        iov[i].iov_base = (void *)(uintptr_t)pattern_at(i * 7);
        iov[i].iov_len = 7;
    }
    meet(scene);
    assert_int_equal(
        evloop_stream_write(&scene->a.stream, &requests[0].write, iov, PIECES + 1, on_write),
        -EINVAL);
    assert_int_equal(evloop_stream_try_write(&scene->a.stream, iov, PIECES + 1), -EINVAL);
    assert_int_equal(evloop_stream_queued(&scene->a.stream), 0);
    hear(&scene->b);
    for (int i = 0; i < WRITES; i++) {
        requests[i].actor = &scene->a;
        assert_int_equal(
            evloop_stream_write(&scene->a.stream, &requests[i].write, iov, PIECES, on_write), 0);
    }
    expect(scene, "a", "write 7168 0; write 7168 0; write 7168 0; write 7168 0");
    scene_until(scene, scene->b.heard == WRITES * PIECES * 7);
    notes_forget(scene);
}

static void as_many_requests_as_you_like(struct scene *scene)
{
    enum { MANY = 5000 };
    static struct request requests[MANY];
    meet(scene);
    scene->b.strict = true;
    hear(&scene->b);
    scene->a.then = write_is_over;
    for (int i = 0; i < MANY; i++)
        put(&scene->a, &requests[i], (size_t)i % 50);
    scene_until(scene, scene->a.events[WRITE] == MANY && scene->b.heard == scene->a.sent);
    for (int i = 0; i < MANY; i++) {
        assert_true(requests[i].done);
        assert_int_equal(requests[i].write.written, i % 50);
    }
    notes_forget(scene);
}

static void a_write_without_a_callback_is_written(struct scene *scene)
{
    static struct request one, two;
    memset(&one, 0, sizeof one);
    pattern_pieces(one.iov, 1, 0, 1000);
    meet(scene);
    hear(&scene->b);
    assert_int_equal(evloop_stream_write(&scene->a.stream, &one.write, one.iov, 1, NULL), 0);
    scene->a.sent = 1000;
    put(&scene->a, &two, 10);
    expect(scene, "a", "write 10 0");
    assert_int_equal(one.write.written, 1000);
    expect(scene, "b", "read 1010 bytes");
}

static void a_request_in_use_is_refused(struct scene *scene)
{
    static struct request request;
    meet(scene);
    hear(&scene->b);
    put_text(&scene->a, &request, "once");
    assert_int_equal(
        evloop_stream_write(&scene->a.stream, &request.write, request.iov, 1, on_write), -EBUSY);
    assert_int_equal(
        evloop_stream_write(&scene->b.stream, &request.write, request.iov, 1, on_write), -EBUSY);
    expect(scene, "a", "write 4 0");
    expect(scene, "b", "read once");
}

static void write_next(struct actor *actor, enum event event)
{
    static struct request request;
    if (event == WRITE && actor->events[WRITE] < 100)
        put(actor, &request, 100);
}

static void a_write_callback_may_write_the_same_request(struct scene *scene)
{
    static struct request first;
    meet(scene);
    hear(&scene->b);
    scene->a.then = write_next;
    put(&scene->a, &first, 100);
    scene_until(scene, scene->b.heard == 10000);
    notes_forget(scene);
    expect_nothing(scene);
}

/* ---- cancelling ------------------------------------------------------------------------------ */

static void a_write_that_has_not_begun_is_taken_back(struct scene *scene)
{
    static struct request big, small, last;
    meet_narrowly(scene);
    put(&scene->a, &big, TOO_MUCH);
    put(&scene->a, &small, 5);
    scene->a.sent -= 5;
    put(&scene->a, &last, 1000);
    scene_turn(scene);
    scene_turn(scene);
    size_t queued = evloop_stream_queued(&scene->a.stream);
    assert_int_equal(evloop_write_cancel(&small.write), 0);
    assert_false(small.done);
    assert_int_equal(evloop_stream_queued(&scene->a.stream), queued - 5);
    expect(scene, "a", "write 0 ECANCELED");
    assert_int_equal(evloop_write_cancel(&small.write), -EINVAL);
    expect_nothing(scene);
    hear(&scene->b);
    expect(scene, "b", "read %d bytes", TOO_MUCH + 1000);
    expect(scene, "a", "write %d 0; write 1000 0", TOO_MUCH);
}

static void a_write_that_is_partly_gone_goes_on(struct scene *scene)
{
    static struct request big;
    meet_narrowly(scene);
    put(&scene->a, &big, TOO_MUCH);
    while (big.write.written == 0)
        scene_turn(scene);
    assert_int_equal(evloop_write_cancel(&big.write), -EALREADY);
    assert_true(big.write.written > 0 && big.write.written < TOO_MUCH);
    assert_int_equal(evloop_stream_queued(&scene->a.stream), TOO_MUCH - big.write.written);
    expect_nothing(scene);
    hear(&scene->b);
    expect(scene, "b", "read %d bytes", TOO_MUCH);
    expect(scene, "a", "write %d 0", TOO_MUCH);
    assert_int_equal(evloop_write_cancel(&big.write), -EINVAL);
}

static void a_write_of_this_turn_is_taken_back(struct scene *scene)
{
    static struct request one, two;
    meet(scene);
    hear(&scene->b);
    put_text(&scene->a, &one, "no");
    put_text(&scene->a, &two, "yes");
    assert_int_equal(evloop_write_cancel(&one.write), 0);
    assert_int_equal(evloop_stream_queued(&scene->a.stream), 3);
    expect_all_of(scene, "a", "write 0 ECANCELED; write 3 0");
    expect(scene, "b", "read yes");
}

static void an_end_does_not_wait_for_what_was_taken_back(struct scene *scene)
{
    static struct request request;
    meet_narrowly(scene);
    while (evloop_stream_try_write(&scene->a.stream, &(struct iovec){scene->a.memory, 4096}, 1) > 0)
        continue;
    put(&scene->a, &request, 4096);
    scene_turn(scene);
    assert_int_equal(evloop_write_cancel(&request.write), 0);
    end(&scene->a);
    expect(scene, "a", "write 0 ECANCELED; shutdown 0");
}

/* ---- watermarks ------------------------------------------------------------------------------ */

static void the_watermarks_are_told_when_they_are_passed(struct scene *scene)
{
    static struct request big, more;
    meet_narrowly(scene);
    assert_int_equal(evloop_stream_set_watermarks(&scene->a.stream, 1000, 100000, on_watermark), 0);
    say(&scene->a, "little");
    hear(&scene->b);
    expect(scene, "b", "read little");
    hush(&scene->b);
    expect_nothing(scene);
    put(&scene->a, &big, TOO_MUCH);
    expect(scene, "a", "full");
    put(&scene->a, &more, 200000);
    expect_nothing(scene); /* it is full already */
    hear(&scene->b);
    scene_until(scene, scene->b.heard == scene->a.sent);
    scene_until(scene, scene->a.events[DRAINED] == 1);
    char text[100];
    snprintf(text, sizeof text, "write %d 0; write 200000 0; drained", TOO_MUCH);
    expect_all_of(scene, "a", text);
    expect(scene, "b", "read %d bytes", TOO_MUCH + 200000);
    expect_nothing(scene);
    hush(&scene->b);
    put(&scene->a, &big, TOO_MUCH);
    expect(scene, "a", "full"); /* and again */
    assert_int_equal(evloop_stream_set_watermarks(&scene->a.stream, 0, 0, NULL), 0);
    hear(&scene->b);
    expect(scene, "a", "write %d 0", TOO_MUCH);
    expect(scene, "b", "read %d bytes", TOO_MUCH);
}

/* More than the kernel takes at once. */
enum { REFILL = 1500000 };

static void a_queue_that_is_full_when_the_watermarks_are_set_is_told(struct scene *scene)
{
    static struct request big;
    meet_narrowly(scene);
    put(&scene->a, &big, TOO_MUCH);
    scene_turn(scene);
    assert_int_equal(evloop_stream_set_watermarks(&scene->a.stream, 0, 1, on_watermark), 0);
    assert_int_equal(scene->note_count, 0);
    expect(scene, "a", "full");
    hear(&scene->b);
    expect(scene, "b", "read %d bytes", TOO_MUCH);
    scene_until(scene, scene->a.events[DRAINED]);
    char text[100];
    snprintf(text, sizeof text, "write %d 0; drained", TOO_MUCH);
    expect_all_of(scene, "a", text);
}

/* Who waits for room is told, and finds out why there is none. */
static void who_waits_for_room_is_told_when_the_stream_fails(struct scene *scene)
{
    static struct request big;
    meet_narrowly(scene);
    assert_int_equal(evloop_stream_set_watermarks(&scene->a.stream, 0, 1, on_watermark), 0);
    put(&scene->a, &big, TOO_MUCH);
    expect(scene, "a", "full");
    assert_int_equal(evloop_stream_reset(&scene->b.stream, on_closed), 0);
    expect(scene, "b", "closed");
    scene_until(scene, scene->a.events[DRAINED]);
    assert_true(big.done);
    assert_int_not_equal(evloop_stream_error(&scene->a.stream), 0);
    notes_forget(scene);
    expect_nothing(scene);
}

static struct request refill;
static unsigned refills;

static void fill_until_full(struct actor *actor, enum event event)
{
    if (event == DRAINED && refills > 0) {
        refills--;
        put(actor, &refill, REFILL);
    }
}

static void a_producer_is_driven_by_watermarks(struct scene *scene)
{
    memset(&refill, 0, sizeof refill);
    refills = 10;
    meet_narrowly(scene);
    assert_int_equal(evloop_stream_set_watermarks(&scene->a.stream, 0, 1, on_watermark), 0);
    scene->a.then = fill_until_full;
    hear(&scene->b);
    put(&scene->a, &refill, REFILL);
    scene_until(scene, scene->b.heard == 11 * REFILL);
    scene_until(scene, scene->a.events[DRAINED] == 11);
    assert_int_equal(scene->a.events[FULL], 11);
    scene_until(scene, scene->a.events[WRITE] == 11);
    notes_forget(scene);
    expect_nothing(scene);
}

static void a_queue_that_is_full_for_a_moment_is_told_twice(struct scene *scene)
{
    meet(scene);
    assert_int_equal(evloop_stream_set_watermarks(&scene->a.stream, 0, 5, on_watermark), 0);
    say(&scene->a, "hello"); /* it is gone at the end of this turn */
    assert_int_equal(evloop_stream_queued(&scene->a.stream), 5);
    expect(scene, "a", "full; drained");
    hear(&scene->b);
    expect(scene, "b", "read hello");
}

static void a_queue_that_is_lost_is_told_to_have_drained(struct scene *scene)
{
    evloop_stream *stream = &scene->a.stream;
    meet_narrowly(scene);
    assert_int_equal(evloop_stream_set_watermarks(stream, 0, 1, on_watermark), 0);
    while (scene->a.events[FULL] == scene->a.events[DRAINED]) {
        assert_int_equal(evloop_stream_send(stream, pattern_at(0), PATTERN_SPAN), 0);
        scene_turn(scene);
    }
    notes_forget(scene);
    leave(&scene->b);
    expect(scene, "b", "closed");
    expect(scene, "a", "drained");
    assert_int_not_equal(evloop_stream_error(stream), 0);
    assert_int_equal(evloop_stream_queued(stream), 0);
}

static void watermarks_that_are_none_are_refused(struct scene *scene)
{
    evloop_stream *stream = &scene->a.stream;
    meet(scene);
    assert_int_equal(evloop_stream_set_watermarks(stream, 5, 5, on_watermark), -EINVAL);
    assert_int_equal(evloop_stream_set_watermarks(stream, 6, 5, on_watermark), -EINVAL);
    assert_int_equal(evloop_stream_set_watermarks(stream, 4, 5, NULL), -EINVAL);
    assert_int_equal(evloop_stream_set_watermarks(stream, 4, 5, on_watermark), 0);
    assert_int_equal(evloop_stream_set_watermarks(stream, 0, 0, NULL), 0);
}

/* ---- files ----------------------------------------------------------------------------------- */

static void a_file_is_written_to_a_slow_reader(struct scene *scene)
{
    static struct request whole, part;
    enum { SIZE = TOO_MUCH / 2 };
    int file = file_make(0, SIZE);
    meet_narrowly(scene);
    memset(&whole, 0, sizeof whole);
    memset(&part, 0, sizeof part);
    whole.actor = part.actor = &scene->a;
    assert_int_equal(
        evloop_stream_sendfile(&scene->a.stream, &whole.write, file, 0, SIZE, on_write), 0);
    assert_int_equal(evloop_stream_sendfile(&scene->a.stream, &part.write, file,
                                            SIZE % PATTERN_PERIOD, 100000, on_write),
                     0);
    assert_int_equal(evloop_stream_queued(&scene->a.stream), SIZE + 100000);
    expect_nothing(scene);
    hear(&scene->b);
    expect(scene, "b", "read %d bytes", SIZE + 100000);
    expect(scene, "a", "write %d 0; write 100000 0", SIZE);
    assert_int_equal(lseek(file, 0, SEEK_CUR), 0); /* its own position is not touched */
    assert_int_equal(close(file), 0);
}

static void a_file_that_ends_too_early_fails_the_stream(struct scene *scene)
{
    static struct request request, next;
    int file = file_make(0, 1000);
    meet(scene);
    if (both_ways(scene))
        hear(&scene->a);
    hear(&scene->b);
    memset(&request, 0, sizeof request);
    request.actor = &scene->a;
    assert_int_equal(
        evloop_stream_sendfile(&scene->a.stream, &request.write, file, 0, 2000, on_write), 0);
    put_text(&scene->a, &next, "next");
    expect(scene, "a",
           both_ways(scene) ? "write 1000 ENODATA; write 0 ENODATA; read ENODATA"
                            : "write 1000 ENODATA; write 0 ENODATA");
    expect(scene, "b", "read 1000 bytes");
    assert_int_equal(evloop_stream_error(&scene->a.stream), -ENODATA);
    assert_int_equal(evloop_stream_send(&scene->a.stream, "x", 1), -ENODATA);
    leave(&scene->a);
    expect(scene, "a", "closed");
    expect(scene, "b", "eof");
    assert_int_equal(close(file), 0);
}

/* ---- a peer that does not read any more ------------------------------------------------------ */

static void writing_to_a_peer_that_is_gone_fails_once_and_for_all(struct scene *scene)
{
    static struct request request;
    evloop_stream *stream = &scene->a.stream;
    int err;
    meet(scene);
    leave(&scene->b);
    expect(scene, "b", "closed");
    do {
        memset(&request, 0, sizeof request);
        request.actor = &scene->a;
        request.iov[0].iov_base = (void *)(uintptr_t) "x";
        request.iov[0].iov_len = 1;
        err = evloop_stream_write(stream, &request.write, request.iov, 1, on_write);
        if (!err)
            scene_until(scene, request.done);
        notes_forget(scene);
    } while (evloop_stream_error(stream) == 0);
    int failure = evloop_stream_error(stream);
    assert_true(failure == -EPIPE || failure == -ECONNRESET);
    assert_true(err == 0 || err == failure);
    assert_int_equal(evloop_stream_send(stream, "x", 1), failure);
    assert_int_equal(evloop_stream_try_write(stream, request.iov, 1), failure);
    assert_int_equal(evloop_stream_queued(stream), 0);
    expect_nothing(scene);
    leave(&scene->a);
    expect(scene, "a", "closed");
}

const struct script write_scripts[] = {
    SCRIPT(a_write_is_told_when_the_kernel_has_taken_it, ANY),
    SCRIPT(what_is_written_in_several_ways_leaves_in_order, ANY),
    SCRIPT(every_mixture_of_writes_leaves_in_order, ANY),
    SCRIPT(memory_that_is_sent_may_be_changed_at_once, ANY),
    SCRIPT(little_is_put_aside_and_much_is_offered_at_once, ANY),
    SCRIPT(what_is_tried_is_taken_now_or_not_at_all, ANY),
    SCRIPT(nothing_may_be_written, ANY),
    SCRIPT(as_many_pieces_as_are_allowed, ANY),
    SCRIPT(as_many_requests_as_you_like, ANY),
    SCRIPT(a_write_without_a_callback_is_written, ANY),
    SCRIPT(a_request_in_use_is_refused, DUPLEX),
    SCRIPT(a_write_callback_may_write_the_same_request, ANY),
    SCRIPT(a_write_that_has_not_begun_is_taken_back, ANY),
    SCRIPT(a_write_that_is_partly_gone_goes_on, ANY),
    SCRIPT(a_write_of_this_turn_is_taken_back, ANY),
    SCRIPT(an_end_does_not_wait_for_what_was_taken_back, DUPLEX),
    SCRIPT(the_watermarks_are_told_when_they_are_passed, ANY),
    SCRIPT(a_queue_that_is_full_when_the_watermarks_are_set_is_told, ANY),
    SCRIPT(who_waits_for_room_is_told_when_the_stream_fails, ANY),
    SCRIPT(a_producer_is_driven_by_watermarks, ANY),
    SCRIPT(a_queue_that_is_full_for_a_moment_is_told_twice, ANY),
    SCRIPT(a_queue_that_is_lost_is_told_to_have_drained, ANY),
    SCRIPT(watermarks_that_are_none_are_refused, ANY),
    SCRIPT(a_file_is_written_to_a_slow_reader, ANY),
    SCRIPT(a_file_that_ends_too_early_fails_the_stream, ANY),
    SCRIPT(writing_to_a_peer_that_is_gone_fails_once_and_for_all, ANY),
    {NULL, NULL, 0},
};
