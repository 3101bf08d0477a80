/*
 * dgram.c: datagrams: sent, received, cut, refused, cancelled; the life of their sockets.
 *
 * A box is a datagram socket with a name. Its notes:
 *     got hello                  a datagram, as text
 *     got 3000 bytes             ... that stands at its place in the pattern
 *     got hell, cut              ... that was longer
 *     error ECONNREFUSED         an error that is about no datagram that is known
 *     error ECONNREFUSED: hello  ... about this one
 *     sent 0                     status of a request
 *     full, drained              the watermarks
 *     closed
 */
#include "script.h"

#include <sys/socket.h>

struct box {
    evloop_dgram dgram;
    const char *name;
    struct scene *scene;
    void (*then)(struct box *box, enum event event);
    evloop_address where;
    size_t got;     /* datagrams */
    size_t largest; /* callback with datagrams: how many */
};

/* A request to send a text. */
struct letter {
    evloop_dgram_request request;
    struct box *box;
    struct iovec iov[2];
};

enum { LETTERS = 8, MANY = 300 };

static struct box a, b;
static struct letter letters[LETTERS];

/* ---- callbacks ------------------------------------------------------------------------------- */

static void then(struct box *box, enum event event)
{
    if (box->then)
        box->then(box, event);
}

static const char *shown(const evloop_datagram *datagram, char *text, size_t size)
{
    if (datagram->size < HEAD_SIZE)
        snprintf(text, size, "%.*s", (int)datagram->size, (const char *)datagram->data);
    else
        snprintf(text, size, "%zu bytes%s", datagram->size,
                 pattern_matches(datagram->data, datagram->size, 0) ? "" : ", not those sent");
    return text;
}

static void note_datagrams(struct box *box, const evloop_datagram *datagrams, size_t count)
{
    char text[NOTE_SIZE];
    for (size_t i = 0; i < count; i++)
        note(box->scene, box->name, READ, "got %s%s", shown(&datagrams[i], text, sizeof text),
             datagrams[i].truncated ? ", cut" : "");
}

static void note_error(struct box *box, ssize_t err, const evloop_datagram *about)
{
    char text[NOTE_SIZE];
    const char *name = evloop_err_name((int)err);
    if (about)
        note(box->scene, box->name, READ, "error %s: %s", name, shown(about, text, sizeof text));
    else
        note(box->scene, box->name, READ, "error %s", name);
}

static void on_datagrams(evloop_dgram *d, ssize_t n, const evloop_datagram *datagrams)
{
    struct box *box = evloop_container_of(d, struct box, dgram);
    assert_int_not_equal(n, 0);
    if (n > 0) {
        box->got += (size_t)n;
        box->largest = (size_t)n > box->largest ? (size_t)n : box->largest;
        note_datagrams(box, datagrams, (size_t)n);
    } else {
        note_error(box, n, datagrams);
    }
    then(box, READ);
}

static void on_sent(evloop_dgram_request *request, int status)
{
    struct box *box = evloop_container_of(request, struct letter, request)->box;
    note(box->scene, box->name, WRITE, "sent %s", status ? evloop_err_name(status) : "0");
    then(box, WRITE);
}

static void on_level(evloop_dgram *d, bool full)
{
    struct box *box = evloop_container_of(d, struct box, dgram);
    note(box->scene, box->name, full ? FULL : DRAINED, full ? "full" : "drained");
    then(box, full ? FULL : DRAINED);
}

static void box_init(struct box *box, struct scene *scene, const char *name)
{
    memset(&box->dgram, 0, sizeof box->dgram);
    box->dgram.name = name;
    box->name = name;
    box->scene = scene;
    box->got = box->largest = 0;
}

static void on_box_closed(evloop_dgram *d)
{
    struct box *box = evloop_container_of(d, struct box, dgram);
    assert_false(evloop_dgram_active(d));
    note(box->scene, box->name, CLOSED, "closed");
    box_init(box, box->scene, box->name);
    then(box, CLOSED);
}

/* ---- what boxes do: asserts that the call succeeds ------------------------------------------- */

static bool is_udp(const struct scene *scene)
{
    return scene->over != UDGRAM;
}

/* Where a box is before the system has chosen a port. */
static evloop_address place_of(const struct box *box)
{
    const struct scene *scene = box->scene;
    evloop_address address;
    char text[EVLOOP_ADDRESS_TEXT];
    if (is_udp(scene))
        snprintf(text, sizeof text, scene->over == UDP4 ? "127.0.0.1:0" : "[::1]:0");
    else
        snprintf(text, sizeof text, "%s/%s", scene->place, box->name);
    assert_int_equal(evloop_address_parse(&address, text), 0);
    return address;
}

static void settle(struct box *box, const evloop_dgram_options *options)
{
    evloop_address place = place_of(box);
    assert_int_equal(evloop_dgram_bind(box->scene->loop, &box->dgram, &place, options), 0);
    assert_true(evloop_dgram_active(&box->dgram));
    assert_int_equal(evloop_dgram_local(&box->dgram, &box->where), 0);
}

/* Connected to the other one, and bound as well, so that it can be answered. */
static void join(struct box *box, const struct box *other)
{
    evloop_dgram_options options = evloop_dgram_options_default();
    evloop_address place = place_of(box);
    options.local = &place;
    assert_int_equal(evloop_dgram_connect(box->scene->loop, &box->dgram, &other->where, &options),
                     0);
    assert_int_equal(evloop_dgram_local(&box->dgram, &box->where), 0);
}

static void listen_to(struct box *box)
{
    assert_int_equal(evloop_dgram_receive_start(&box->dgram, on_datagrams), 0);
    assert_true(evloop_dgram_receiving(&box->dgram));
}

static void mail(struct box *box, const char *text)
{
    assert_int_equal(evloop_dgram_send(&box->dgram, text, strlen(text), NULL), 0);
}

static void mail_letter(struct box *box, struct letter *letter, const char *text)
{
    unsigned notes = box->scene->note_count;
    size_t half = strlen(text) / 2;
    letter->box = box;
    letter->iov[0] = (struct iovec){(void *)(uintptr_t)text, half};
    letter->iov[1] = (struct iovec){(void *)(uintptr_t)(text + half), strlen(text) - half};
    assert_int_equal(
        evloop_dgram_write(&box->dgram, &letter->request, letter->iov, 2, NULL, on_sent), 0);
    assert_int_equal(box->scene->note_count, notes);
}

static void box_close(struct box *box)
{
    unsigned notes = box->scene->note_count;
    assert_int_equal(evloop_dgram_close(&box->dgram, on_box_closed), 0);
    assert_int_equal(box->scene->note_count, notes);
}

static void close_all(struct scene *scene)
{
    (void)scene;
    if (evloop_dgram_active(&a.dgram))
        evloop_dgram_close(&a.dgram, NULL);
    if (evloop_dgram_active(&b.dgram))
        evloop_dgram_close(&b.dgram, NULL);
}

static void introduce(struct scene *scene)
{
    memset(&a, 0, sizeof a);
    memset(&b, 0, sizeof b);
    memset(letters, 0, sizeof letters);
    box_init(&a, scene, "a");
    box_init(&b, scene, "b");
    scene->epilogue = close_all;
}

/* a sends to b, which has these options. */
static void correspond_with(struct scene *scene, const evloop_dgram_options *options)
{
    introduce(scene);
    settle(&b, options);
    join(&a, &b);
}

static void correspond(struct scene *scene)
{
    correspond_with(scene, NULL);
    listen_to(&b);
}

/* ---- sending and receiving ------------------------------------------------------------------- */

static void what_is_sent_in_several_ways_arrives_in_order(struct scene *scene)
{
    const evloop_datagram array[] = {{.data = "five", .size = 4}, {.data = "six", .size = 3}};
    correspond(scene);
    mail(&a, "one");
    mail_letter(&a, &letters[0], "two");
    mail(&a, "three");
    mail_letter(&a, &letters[1], "four");
    assert_int_equal(evloop_dgram_try_send(&a.dgram, array, 2), 2);
    mail(&a, "seven");
    expect(scene, "b", "got one; got two; got three; got four; got five; got six; got seven");
    expect(scene, "a", "sent 0; sent 0");
    assert_int_equal(evloop_dgram_queued(&a.dgram), 0);
}

static void a_large_datagram_comes_whole_and_memory_may_be_changed(struct scene *scene)
{
    static unsigned char large[20000];
    correspond(scene);
    memcpy(large, pattern_at(0), sizeof large);
    assert_int_equal(evloop_dgram_send(&a.dgram, large, sizeof large, NULL), 0);
    memset(large, 0, sizeof large);
    expect(scene, "b", "got 20000 bytes");
}

static void nothing_is_a_datagram_too(struct scene *scene)
{
    correspond(scene);
    mail(&a, "");
    mail_letter(&a, &letters[0], "");
    mail(&a, "end");
    expect(scene, "b", "got ; got ; got end");
    expect(scene, "a", "sent 0");
}

static const evloop_address *last_sender(const evloop_datagram *datagrams, ssize_t n)
{
    return datagrams[n - 1].peer;
}

static void echo(evloop_dgram *d, ssize_t n, const evloop_datagram *datagrams)
{
    assert_true(n > 0);
    assert_true(evloop_address_equal(last_sender(datagrams, n), &a.where));
    assert_int_equal(evloop_dgram_try_send(d, datagrams, (size_t)n), n);
}

static void an_array_that_came_goes_back_as_it_is(struct scene *scene)
{
    correspond_with(scene, NULL);
    assert_int_equal(evloop_dgram_receive_start(&b.dgram, echo), 0);
    listen_to(&a);
    mail(&a, "one");
    mail(&a, "two");
    mail(&a, "three");
    expect(scene, "a", "got one; got two; got three");
}

static void who_is_not_connected_sends_to_an_address(struct scene *scene)
{
    static const int families[] = {[UDP4] = AF_INET, [UDP6] = AF_INET6, [UDGRAM] = AF_UNIX};
    evloop_address nobody;
    introduce(scene);
    settle(&b, NULL);
    listen_to(&b);
    assert_int_equal(evloop_dgram_socket(scene->loop, &a.dgram, families[scene->over], NULL), 0);
    assert_int_equal(evloop_dgram_peer(&a.dgram, &nobody), -ENOTCONN);
    assert_int_equal(evloop_dgram_send(&a.dgram, "hello", 5, &b.where), 0);
    assert_int_equal(evloop_dgram_send(&a.dgram, "again", 5, &b.where), 0);
    expect(scene, "b", "got hello; got again");
}

static void each_end_knows_its_place(struct scene *scene)
{
    evloop_address address;
    correspond(scene);
    assert_int_equal(evloop_dgram_peer(&a.dgram, &address), 0);
    assert_true(evloop_address_equal(&address, &b.where));
    assert_int_equal(evloop_dgram_peer(&b.dgram, &address), -ENOTCONN);
    assert_ptr_equal(evloop_dgram_loop(&a.dgram), scene->loop);
}

static void what_is_longer_than_the_room_is_cut(struct scene *scene)
{
    evloop_dgram_options options = evloop_dgram_options_default();
    options.receive_size = 4;
    correspond_with(scene, &options);
    listen_to(&b);
    mail(&a, "long");
    mail(&a, "longer");
    mail(&a, "lon");
    expect(scene, "b", "got long; got long, cut; got lon");
}

static void a_batch_is_no_larger_than_was_asked_for(struct scene *scene)
{
    evloop_dgram_options options = evloop_dgram_options_default();
    options.batch = 3;
    correspond_with(scene, &options);
    for (int i = 0; i < 8; i++)
        mail(&a, "x");
    scene_turn(scene);
    listen_to(&b);
    expect(scene, "b", "got x; got x; got x; got x; got x; got x; got x; got x");
    assert_true(b.largest <= 3);
}

static void pieces_of_one_memory_arrive_one_by_one(struct scene *scene)
{
    correspond(scene);
    mail(&a, "before");
    assert_int_equal(evloop_dgram_send_segments(&a.dgram, "abcdefgh", 8, 3, NULL), 0);
    mail(&a, "after");
    expect(scene, "b", "got before; got abc; got def; got gh; got after");
}

/* ---- stopping and starting ------------------------------------------------------------------- */

static void who_stops_receiving_hears_nothing_and_loses_nothing(struct scene *scene)
{
    correspond(scene);
    mail(&a, "one");
    expect(scene, "b", "got one");
    assert_int_equal(evloop_dgram_receive_stop(&b.dgram), 0);
    assert_false(evloop_dgram_receiving(&b.dgram));
    mail(&a, "two");
    expect_nothing(scene);
    listen_to(&b);
    assert_int_equal(evloop_dgram_receive_start(&b.dgram, on_datagrams), -EBUSY);
    expect(scene, "b", "got two");
}

static void stop(struct box *box, enum event event)
{
    (void)event;
    assert_int_equal(evloop_dgram_receive_stop(&box->dgram), 0);
}

static void receiving_stops_inside_its_callback(struct scene *scene)
{
    evloop_dgram_options options = evloop_dgram_options_default();
    options.batch = 1;
    correspond_with(scene, &options);
    b.then = stop;
    listen_to(&b);
    mail(&a, "one");
    mail(&a, "two");
    expect(scene, "b", "got one");
    expect_nothing(scene);
    listen_to(&b);
    expect(scene, "b", "got two");
}

/* ---- errors ---------------------------------------------------------------------------------- */

/* The one who was to receive is gone. */
static void lose_the_receiver(struct scene *scene)
{
    correspond(scene);
    listen_to(&a);
    box_close(&b);
    expect(scene, "b", "closed");
}

static void a_refusal_by_the_network_is_told_and_receiving_goes_on(struct scene *scene)
{
    lose_the_receiver(scene);
    mail(&a, "hello");
    expect(scene, "a", "error ECONNREFUSED");
    assert_true(evloop_dgram_receiving(&a.dgram));
    mail_letter(&a, &letters[0], "hello");
    expect_all_of(scene, "a", "sent 0; error ECONNREFUSED");
}

static void a_refusal_by_the_kernel_is_its_datagrams_own(struct scene *scene)
{
    lose_the_receiver(scene);
    mail(&a, "copied");
    expect(scene, "a", "error ECONNREFUSED: copied");
    assert_true(evloop_dgram_receiving(&a.dgram));
    mail_letter(&a, &letters[0], "asked for"); /* there is no peer any more */
    expect(scene, "a", "sent ENOTCONN");
    assert_true(evloop_dgram_receiving(&a.dgram));
}

static void what_is_too_long_is_refused_and_stops_nobody(struct scene *scene)
{
    static char large[8 << 20];
    correspond(scene);
    assert_int_equal(evloop_dgram_send(&a.dgram, large, sizeof large, NULL), -EMSGSIZE);
    assert_int_equal(evloop_dgram_queued(&a.dgram), 0);
    mail(&a, "short");
    expect(scene, "b", "got short");
}

static void a_queue_that_is_full_refuses(struct scene *scene)
{
    evloop_dgram_options options = evloop_dgram_options_default();
    options.queue_limit = 200;
    introduce(scene);
    settle(&b, NULL);
    listen_to(&b);
    assert_int_equal(evloop_dgram_connect(scene->loop, &a.dgram, &b.where, &options), 0);
    mail(&a, "one");
    mail(&a, "two");
    assert_int_equal(evloop_dgram_send(&a.dgram, pattern_at(0), 100, NULL), -EAGAIN);
    expect(scene, "b", "got one; got two");
    mail(&a, "three");
    expect(scene, "b", "got three");
}

/* ---- back-pressure --------------------------------------------------------------------------- */

static void the_watermarks_are_told_in_pairs(struct scene *scene)
{
    correspond(scene);
    assert_int_equal(evloop_dgram_set_watermarks(&a.dgram, 5, 5, on_level), -EINVAL);
    assert_int_equal(evloop_dgram_set_watermarks(&a.dgram, 3, 6, on_level), 0);
    mail(&a, "abc");
    expect(scene, "b", "got abc");
    mail(&a, "abc");
    mail(&a, "def");
    expect(scene, "b", "got abc; got def");
    expect(scene, "a", "full; drained");
    assert_int_equal(evloop_dgram_set_watermarks(&a.dgram, 0, 0, NULL), 0);
    mail(&a, "abcdefghi");
    expect(scene, "b", "got abcdefghi");
    expect_nothing(scene);
}

static void who_does_not_receive_is_waited_for(struct scene *scene)
{
    uint64_t seen = 0;
    correspond_with(scene, NULL);
    for (uint32_t i = 0; i < MANY; i++)
        assert_int_equal(evloop_dgram_send(&a.dgram, pattern_at(0), 100 + i, NULL), 0);
    expect_nothing(scene);
    assert_true(evloop_dgram_queued(&a.dgram) > 0);
    listen_to(&b);
    while (seen < MANY) {
        scene_until(scene, b.got > seen);
        for (unsigned i = 0; i < scene->note_count; i++, seen++) {
            char wanted[NOTE_SIZE];
            snprintf(wanted, sizeof wanted, "got %zu bytes", (size_t)(100 + seen));
            assert_string_equal(scene->notes[i].text, wanted);
        }
        notes_forget(scene);
    }
    assert_int_equal(evloop_dgram_queued(&a.dgram), 0);
}

/* ---- cancelling ------------------------------------------------------------------------------ */

static void a_request_of_this_turn_is_taken_back(struct scene *scene)
{
    correspond(scene);
    mail_letter(&a, &letters[0], "one");
    mail_letter(&a, &letters[1], "two");
    mail(&a, "three");
    assert_int_equal(evloop_dgram_cancel(&letters[0].request), 0);
    assert_int_equal(evloop_dgram_cancel(&letters[0].request), -EALREADY);
    assert_int_equal(
        evloop_dgram_write(&a.dgram, &letters[1].request, letters[1].iov, 2, NULL, on_sent),
        -EBUSY);
    expect(scene, "a", "sent ECANCELED; sent 0");
    expect(scene, "b", "got two; got three");
    assert_int_equal(evloop_dgram_cancel(&letters[0].request), -EINVAL);
}

static void send_once_more(struct box *box, enum event event)
{
    box->then = NULL;
    assert_int_equal(event, WRITE);
    mail_letter(box, &letters[0], "again");
}

static void a_request_is_used_again_in_its_callback(struct scene *scene)
{
    correspond(scene);
    a.then = send_once_more;
    mail_letter(&a, &letters[0], "once");
    expect(scene, "b", "got once; got again");
    expect(scene, "a", "sent 0; sent 0");
}

/* ---- closing --------------------------------------------------------------------------------- */

static void a_closing_cancels_requests_in_order_and_lets_copies_go(struct scene *scene)
{
    correspond(scene);
    mail_letter(&a, &letters[0], "one");
    mail(&a, "two");
    mail_letter(&a, &letters[1], "three");
    box_close(&a);
    assert_int_equal(evloop_dgram_close(&a.dgram, on_box_closed), -EALREADY);
    assert_int_equal(evloop_dgram_send(&a.dgram, "x", 1, NULL), -ENOTCONN);
    assert_int_equal(evloop_dgram_receive_start(&a.dgram, on_datagrams), -ENOTCONN);
    expect(scene, "a", "sent ECANCELED; sent ECANCELED; closed");
    expect(scene, "b", "got two");
    expect_nothing(scene);
}

static void a_receiver_that_closes_hears_nothing_more(struct scene *scene)
{
    correspond(scene);
    mail(&a, "one");
    scene_turn(scene);
    notes_forget(scene);
    mail(&a, "two");
    box_close(&b);
    expect(scene, "b", "closed");
    expect_nothing(scene);
}

static void leave_box(struct box *box, enum event event)
{
    if (event != CLOSED)
        box_close(box);
}

static void a_socket_is_closed_in_its_receive_callback(struct scene *scene)
{
    evloop_dgram_options options = evloop_dgram_options_default();
    options.batch = 1;
    correspond_with(scene, &options);
    b.then = leave_box;
    mail(&a, "one");
    mail(&a, "two");
    scene_turn(scene);
    listen_to(&b);
    expect(scene, "b", "got one; closed");
    expect_nothing(scene);
}

static void a_socket_is_closed_in_the_callback_of_a_request(struct scene *scene)
{
    correspond(scene);
    a.then = leave_box;
    mail_letter(&a, &letters[0], "one");
    expect(scene, "b", "got one");
    expect(scene, "a", "sent 0; closed");
}

static void a_socket_is_closed_when_it_is_full(struct scene *scene)
{
    correspond(scene);
    a.then = leave_box;
    assert_int_equal(evloop_dgram_set_watermarks(&a.dgram, 0, 1, on_level), 0);
    mail(&a, "one");
    expect(scene, "b", "got one");
    expect(scene, "a", "full; closed");
}

static void settle_again(struct box *box, enum event event)
{
    if (event != CLOSED)
        return;
    settle(box, NULL);
    listen_to(box);
}

static void a_socket_opens_again_in_the_callback_of_its_closing(struct scene *scene)
{
    correspond(scene);
    b.then = settle_again;
    box_close(&b);
    expect(scene, "b", "closed");
    b.then = NULL;
    box_close(&a);
    expect(scene, "a", "closed");
    join(&a, &b);
    mail(&a, "hello");
    expect(scene, "b", "got hello");
}

static void a_descriptor_is_given_up_and_taken_over(struct scene *scene)
{
    correspond(scene);
    mail(&a, "one");
    assert_int_equal(evloop_dgram_release(&a.dgram), -EBUSY);
    expect(scene, "b", "got one");
    int fd = evloop_dgram_release(&a.dgram);
    assert_true(fd >= 0);
    assert_false(evloop_dgram_active(&a.dgram));
    box_init(&a, scene, "a");
    assert_int_equal(evloop_dgram_open(scene->loop, &a.dgram, fd, NULL), 0);
    assert_int_equal(evloop_dgram_fd(&a.dgram), fd);
    mail(&a, "two");
    expect(scene, "b", "got two");
    if (!is_udp(scene)) /* a path that was released is its new owner's to remove */
        assert_int_equal(unlink(a.where.of.path.sun_path), 0);
}

/* ---- the end of the loop --------------------------------------------------------------------- */

static void a_shutdown_lets_sockets_go_on_until_its_deadline(struct scene *scene)
{
    correspond(scene);
    b.then = NULL;
    assert_int_equal(evloop_shutdown(scene->loop, EVLOOP_MS(20)), 0);
    mail(&a, "still");
    loop_run(scene->loop);
    expect(scene, "b", "got still; error EVLOOP_ECLOSED");
    assert_false(evloop_dgram_active(&a.dgram) || evloop_dgram_active(&b.dgram));
}

static void a_socket_that_is_forced_may_be_closed_by_its_owner(struct scene *scene)
{
    correspond(scene);
    b.then = leave_box;
    mail_letter(&a, &letters[0], "never");
    assert_int_equal(evloop_shutdown(scene->loop, 0), 0);
    loop_run(scene->loop);
    expect(scene, "b", "error EVLOOP_ECLOSED; closed");
    notes_forget(scene); /* whether a could still send */
    assert_false(evloop_dgram_active(&a.dgram));
}

#define UDP (UDP4 | UDP6)
#define DATAGRAMS (UDP | UDGRAM)

const struct script dgram_scripts[] = {
    SCRIPT(what_is_sent_in_several_ways_arrives_in_order, DATAGRAMS),
    SCRIPT(a_large_datagram_comes_whole_and_memory_may_be_changed, DATAGRAMS),
    SCRIPT(nothing_is_a_datagram_too, DATAGRAMS),
    SCRIPT(an_array_that_came_goes_back_as_it_is, DATAGRAMS),
    SCRIPT(who_is_not_connected_sends_to_an_address, DATAGRAMS),
    SCRIPT(each_end_knows_its_place, DATAGRAMS),
    SCRIPT(what_is_longer_than_the_room_is_cut, DATAGRAMS),
    SCRIPT(a_batch_is_no_larger_than_was_asked_for, DATAGRAMS),
    SCRIPT(pieces_of_one_memory_arrive_one_by_one, UDP),
    SCRIPT(who_stops_receiving_hears_nothing_and_loses_nothing, DATAGRAMS),
    SCRIPT(receiving_stops_inside_its_callback, DATAGRAMS),
    SCRIPT(a_refusal_by_the_network_is_told_and_receiving_goes_on, UDP),
    SCRIPT(a_refusal_by_the_kernel_is_its_datagrams_own, UDGRAM),
    SCRIPT(what_is_too_long_is_refused_and_stops_nobody, DATAGRAMS),
    SCRIPT(a_queue_that_is_full_refuses, DATAGRAMS),
    SCRIPT(the_watermarks_are_told_in_pairs, DATAGRAMS),
    SCRIPT(who_does_not_receive_is_waited_for, UDGRAM),
    SCRIPT(a_request_of_this_turn_is_taken_back, DATAGRAMS),
    SCRIPT(a_request_is_used_again_in_its_callback, DATAGRAMS),
    SCRIPT(a_closing_cancels_requests_in_order_and_lets_copies_go, DATAGRAMS),
    SCRIPT(a_receiver_that_closes_hears_nothing_more, DATAGRAMS),
    SCRIPT(a_socket_is_closed_in_its_receive_callback, DATAGRAMS),
    SCRIPT(a_socket_is_closed_in_the_callback_of_a_request, DATAGRAMS),
    SCRIPT(a_socket_is_closed_when_it_is_full, DATAGRAMS),
    SCRIPT(a_socket_opens_again_in_the_callback_of_its_closing, DATAGRAMS),
    SCRIPT(a_descriptor_is_given_up_and_taken_over, DATAGRAMS),
    SCRIPT(a_shutdown_lets_sockets_go_on_until_its_deadline, DATAGRAMS),
    SCRIPT(a_socket_that_is_forced_may_be_closed_by_its_owner, DATAGRAMS),
    {NULL, NULL, 0},
};
