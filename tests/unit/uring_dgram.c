/*
 * uring_dgram.c: datagrams that io_uring receives ahead of their turn, into buffers that all
 * sockets of a loop share: none is lost, told twice or out of order by that.
 */
#include "mail.h"

#include <sys/socket.h>

enum { SKIPPED = 77 };

/* A socket that is not the loop's, connected to the box. */
static int sender_open(const struct box *box)
{
    evloop_address to = box_address(box);
    int fd = socket(to.of.any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, &to.of.any, to.size), 0);
    return fd;
}

static void send_text(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), 0), strlen(text));
}

static void send_numbers(int fd, unsigned from, unsigned count)
{
    char text[16];
    for (unsigned i = from; i < from + count; i++) {
        snprintf(text, sizeof text, "%u", i);
        send_text(fd, text);
    }
}

static void assert_numbers(const struct box *box, unsigned count)
{
    char text[16];
    assert_int_equal(box->count, count);
    for (unsigned i = 0; i < count; i++) {
        snprintf(text, sizeof text, "%u", i);
        assert_string_equal(box->mails[i].text, text);
    }
}

static struct box *small_box(evloop *loop, unsigned batch, size_t receive_size)
{
    evloop_dgram_options options = evloop_dgram_options_default();
    options.batch = batch;
    options.receive_size = receive_size;
    struct box *box = box_bind(loop, "127.0.0.1:0", &options);
    loop_turn(loop); /* from here on the kernel receives */
    return box;
}

/* ---- buffers --------------------------------------------------------------------------------- */

TEST(a_burst_of_more_than_there_are_buffers_arrives_whole_and_in_order)
{
    evloop *loop = loop_new();
    struct box *box = small_box(loop, 4, 100);
    int fd = sender_open(box);
    send_numbers(fd, 0, 100);
    box_wait(loop, box, 100);
    send_numbers(fd, 100, 50);
    box_wait(loop, box, 150);
    assert_numbers(box, 150);
    assert_int_equal(box->largest, 4);
    assert_int_equal(box->errors, 0);
    close(fd);
    box_close(loop, box);
    loop_end(loop);
}

TEST(many_sockets_share_few_buffers_and_each_gets_all_that_is_its)
{
    enum { BOXES = 20, EACH = 30 };
    evloop *loop = loop_new();
    struct box *boxes[BOXES];
    int fds[BOXES];
    for (unsigned i = 0; i < BOXES; i++) {
        boxes[i] = small_box(loop, 2, 100);
        fds[i] = sender_open(boxes[i]);
    }
    for (unsigned n = 0; n < EACH; n++)
        for (unsigned i = 0; i < BOXES; i++)
            send_numbers(fds[i], n, 1);
    for (unsigned i = 0; i < BOXES; i++)
        while (boxes[i]->count < EACH)
            assert_int_equal(evloop_run(loop, EVLOOP_RUN_ONCE), 0);
    for (unsigned i = 0; i < BOXES; i++) {
        assert_numbers(boxes[i], EACH);
        close(fds[i]);
        box_close(loop, boxes[i]);
    }
    loop_end(loop);
}

static void send_bytes(int fd, size_t size)
{
    static char bytes[60000];
    memset(bytes, 'x', size);
    assert_int_equal(send(fd, bytes, size, 0), size);
}

static void assert_sizes_hold(size_t first_size, size_t second_size)
{
    evloop *loop = loop_new();
    struct box *boxes[2] = {small_box(loop, 4, first_size), small_box(loop, 40, second_size)};
    size_t sizes[2] = {first_size, second_size};
    for (unsigned i = 0; i < 2; i++) {
        int fd = sender_open(boxes[i]);
        send_bytes(fd, sizes[i]);
        send_bytes(fd, sizes[i] + 1);
        send_bytes(fd, 0);
        send_bytes(fd, 1);
        box_wait(loop, boxes[i], 4);
        assert_int_equal(boxes[i]->mails[0].size, sizes[i]);
        assert_false(boxes[i]->mails[0].truncated);
        assert_int_equal(boxes[i]->mails[1].size, sizes[i]);
        assert_true(boxes[i]->mails[1].truncated);
        assert_int_equal(boxes[i]->mails[2].size, 0);
        assert_false(boxes[i]->mails[2].truncated);
        assert_int_equal(boxes[i]->mails[3].size, 1);
        close(fd);
    }
    box_close(loop, boxes[0]);
    box_close(loop, boxes[1]);
    loop_end(loop);
}

TEST(each_socket_has_the_room_it_asked_for_whatever_the_others_ask_for)
{
    assert_sizes_hold(100, 50000);
    assert_sizes_hold(50000, 100);
    assert_sizes_hold(2048, 2049);
    assert_sizes_hold(5000, 6000);
}

static struct box *opened_within;

static void open_a_larger_one(struct box *box)
{
    evloop_dgram_options options = evloop_dgram_options_default();
    options.batch = 64;
    opened_within = box_bind(evloop_dgram_loop(&box->dgram), "127.0.0.1:0", &options);
    box->then = NULL;
}

TEST(what_is_lent_stays_while_another_socket_asks_for_more)
{
    evloop *loop = loop_new();
    struct box *box = small_box(loop, 2, 100);
    int fd = sender_open(box);
    box->then = open_a_larger_one;
    send_numbers(fd, 0, 10);
    box_wait(loop, box, 10);
    assert_numbers(box, 10);
    int second = sender_open(opened_within);
    send_numbers(second, 0, 60);
    box_wait(loop, opened_within, 60);
    assert_numbers(opened_within, 60);
    assert_true(opened_within->largest > 2);
    close(fd);
    close(second);
    box_close(loop, box);
    box_close(loop, opened_within);
    loop_end(loop);
}

TEST(joined_datagrams_come_in_one_piece_and_say_of_what_size_they_are)
{
    static char bytes[10000];
    evloop *loop = loop_new();
    evloop_dgram_options options = evloop_dgram_options_default();
    options.gro = true;
    struct box *box = box_bind(loop, "127.0.0.1:0", &options);
    struct box *sender = box_connect(loop, box, NULL);
    size_t size = 0;
    loop_turn(loop);
    assert_int_equal(evloop_dgram_send_segments(&sender->dgram, bytes, 9500, 1000, NULL), 0);
    while (size < 9500) {
        assert_int_equal(evloop_run(loop, EVLOOP_RUN_ONCE), 0);
        size = 0;
        for (size_t i = 0; i < box->count; i++)
            size += box->mails[i].size;
    }
    assert_int_equal(size, 9500);
    for (size_t i = 0; i < box->count; i++)
        assert_int_equal(box->mails[i].segment_size, box->mails[i].size > 1000 ? 1000 : 0);
    box_close(loop, box);
    box_close(loop, sender);
    loop_end(loop);
}

/* ---- what came ahead of its turn ------------------------------------------------------------- */

static void stop_it(struct box *box)
{
    assert_int_equal(evloop_dgram_receive_stop(&box->dgram), 0);
    box->then = NULL;
}

static void stop_it_without_memory(struct box *box)
{
    heap_fail_in(&test_heap, HEAP_FAIL_ALL);
    stop_it(box);
    heap_fail_in(&test_heap, 0);
}

TEST(what_came_ahead_of_a_stop_is_told_as_it_came_and_before_what_comes_later)
{
    evloop *loop = loop_new();
    evloop_dgram_options options = evloop_dgram_options_default();
    options.batch = 1;
    options.receive_size = 4;
    options.receive_local = true;
    options.receive_ttl = true;
    struct box *box = box_bind(loop, "127.0.0.1:0", &options);
    loop_turn(loop);
    int fd = sender_open(box);
    box->then = stop_it;
    send_text(fd, "0");
    send_text(fd, "");
    send_text(fd, "longer");
    send_text(fd, "3");
    box_wait(loop, box, 1);
    send_text(fd, "4");
    loop_turn(loop);
    assert_int_equal(box->count, 1);
    assert_int_equal(evloop_dgram_receive_start(&box->dgram, box_on_datagrams), 0);
    box_wait(loop, box, 2);
    box_wait(loop, box, 3);
    box_wait(loop, box, 4);
    box_wait(loop, box, 5);
    static const char *const texts[] = {"0", "", "long", "3", "4"};
    evloop_address local = box_address(box);
    for (unsigned i = 0; i < 5; i++) {
        assert_string_equal(box->mails[i].text, texts[i]);
        assert_int_equal(box->mails[i].truncated, i == 2);
        assert_int_equal(box->mails[i].ttl, 64);
        assert_true(evloop_address_equal(&box->mails[i].local, &local));
        assert_true(evloop_address_equal(&box->mails[i].peer, &box->mails[0].peer));
    }
    close(fd);
    box_close(loop, box);
    loop_end(loop);
}

static void restart_it(struct box *box)
{
    assert_int_equal(evloop_dgram_receive_stop(&box->dgram), 0);
    assert_int_equal(evloop_dgram_receive_start(&box->dgram, box_on_datagrams), 0);
}

TEST(a_stop_and_a_start_in_each_callback_lose_nothing)
{
    evloop *loop = loop_new();
    struct box *box = small_box(loop, 3, 100);
    int fd = sender_open(box);
    box->then = restart_it;
    for (unsigned round = 0; round < 5; round++) {
        send_numbers(fd, 20 * round, 20);
        loop_turn(loop);
    }
    while (box->count < 100)
        assert_int_equal(evloop_run(loop, EVLOOP_RUN_ONCE), 0);
    assert_numbers(box, 100);
    close(fd);
    box_close(loop, box);
    loop_end(loop);
}

TEST(what_cannot_be_put_aside_for_want_of_memory_is_told_as_an_error)
{
    evloop *loop = loop_new();
    struct box *box = small_box(loop, 1, 100);
    int fd = sender_open(box);
    box->then = stop_it_without_memory;
    send_numbers(fd, 0, 3);
    box_wait(loop, box, 1);
    assert_int_equal(evloop_dgram_receive_start(&box->dgram, box_on_datagrams), 0);
    send_text(fd, "later");
    box_wait_error(loop, box, 1);
    assert_int_equal(box->error, -ENOMEM);
    assert_true(evloop_dgram_receiving(&box->dgram));
    box_wait(loop, box, 2);
    assert_string_equal(box->mails[1].text, "later");
    close(fd);
    box_close(loop, box);
    loop_end(loop);
}

static void close_it(struct box *box)
{
    assert_int_equal(evloop_dgram_close(&box->dgram, box_on_closed), 0);
}

TEST(a_socket_can_be_closed_while_more_is_to_be_told)
{
    evloop *loop = loop_new();
    struct box *box = small_box(loop, 1, 100);
    struct box *other = small_box(loop, 1, 100);
    int fd = sender_open(box);
    int second = sender_open(other);
    box->then = close_it;
    other->then = stop_it;
    send_numbers(fd, 0, 30);
    send_numbers(second, 0, 30);
    while (!box->closed || other->count == 0)
        assert_int_equal(evloop_run(loop, EVLOOP_RUN_ONCE), 0);
    assert_int_equal(box->count, 1);
    box_close(loop, other);
    close(fd);
    close(second);
    loop_end(loop);
    free(box);
}

/* ---- giving the descriptor up ---------------------------------------------------------------- */

static void release_it(struct box *box)
{
    box->error = evloop_dgram_release(&box->dgram);
}

TEST(a_socket_of_which_something_waits_is_not_given_up_and_goes_on)
{
    evloop *loop = loop_new();
    struct box *box = small_box(loop, 1, 100);
    int fd = sender_open(box);
    box->then = release_it;
    send_numbers(fd, 0, 3);
    box_wait(loop, box, 1);
    assert_int_equal(box->error, -EBUSY);
    assert_true(evloop_dgram_receiving(&box->dgram));
    while (evloop_dgram_active(&box->dgram))
        assert_int_equal(evloop_run(loop, EVLOOP_RUN_ONCE), 0);
    assert_numbers(box, 3);
    assert_true(box->error >= 0);
    close(box->error);
    close(fd);
    free(box);
    loop_end(loop);
}

TEST(a_socket_that_was_stopped_is_given_up_once_what_waits_was_read)
{
    evloop *loop = loop_new();
    struct box *box = small_box(loop, 4, 100);
    int fd = sender_open(box);
    box->then = stop_it;
    send_numbers(fd, 0, 7);
    box_wait(loop, box, 4);
    assert_int_equal(evloop_dgram_release(&box->dgram), -EBUSY);
    assert_false(evloop_dgram_receiving(&box->dgram));
    assert_int_equal(evloop_dgram_receive_start(&box->dgram, box_on_datagrams), 0);
    box->then = release_it;
    box_wait(loop, box, 7);
    assert_true(box->error >= 0);
    assert_numbers(box, 7);
    close(box->error);
    close(fd);
    free(box);
    loop_end(loop);
}

/* ---- other threads and processes ------------------------------------------------------------- */

struct in_child {
    evloop *loop;
    struct box *boxes[2];
    int fds[2];
};

static void receive_in_child(void *arg)
{
    struct in_child *in = arg;
    check(evloop_after_fork(in->loop) == 0);
    check(send(in->fds[0], "child", 5, 0) == 5);
    while (in->boxes[0]->count == 1)
        check(evloop_run(in->loop, EVLOOP_RUN_ONCE) == 0);
    check(strcmp(in->boxes[0]->mails[1].text, "child") == 0);
    for (int i = 0; i < 8; i++)
        check(send(in->fds[1], "child", 5, 0) == 5);
    while (in->boxes[1]->count < 8)
        check(evloop_run(in->loop, EVLOOP_RUN_ONCE) == 0);
    check(in->boxes[1]->largest > 1); /* the buffers are all there */
}

TEST(after_a_fork_the_child_receives_what_comes_and_not_what_came_before)
{
    evloop *loop = loop_new();
    struct in_child in = {.loop = loop,
                          .boxes = {small_box(loop, 1, 100), small_box(loop, 8, 100)}};
    in.fds[0] = sender_open(in.boxes[0]);
    in.fds[1] = sender_open(in.boxes[1]);
    send_numbers(in.fds[0], 0, 8);
    box_wait(loop, in.boxes[0], 1); /* the others were collected */
    assert_true(child_succeeds(receive_in_child, &in));
    while (in.boxes[0]->count < 8)
        assert_int_equal(evloop_run(loop, EVLOOP_RUN_ONCE), 0);
    assert_numbers(in.boxes[0], 8);
    for (unsigned i = 0; i < 2; i++) {
        close(in.fds[i]);
        box_close(loop, in.boxes[i]);
    }
    loop_end(loop);
}

static void stop_loop(struct box *box)
{
    if (box->count >= 2)
        evloop_stop(evloop_dgram_loop(&box->dgram));
}

static void *run_loop(void *arg)
{
    check(evloop_run((evloop *)arg, EVLOOP_RUN_DEFAULT) == 0);
    return NULL;
}

TEST(a_loop_that_goes_on_in_another_thread_takes_what_came_along)
{
    evloop *loop = loop_new();
    struct box *box = small_box(loop, 1, 100);
    int fd = sender_open(box);
    pthread_t thread;
    box->then = stop_loop;
    send_numbers(fd, 0, 6);
    box_wait(loop, box, 1);
    thread_start(&thread, run_loop, loop);
    thread_join(thread);
    box->then = NULL;
    while (box->count < 6)
        assert_int_equal(evloop_run(loop, EVLOOP_RUN_ONCE), 0);
    send_numbers(fd, 6, 4);
    while (box->count < 10)
        assert_int_equal(evloop_run(loop, EVLOOP_RUN_ONCE), 0);
    assert_numbers(box, 10);
    close(fd);
    box_close(loop, box);
    loop_end(loop);
}

/* Whether there is io_uring here; every loop then is on it. */
static bool choose_uring(void)
{
    evloop_options options = evloop_options_default();
    evloop *loop = NULL;
    options.backend = "uring";
    if (evloop_create(&loop, &options) != 0)
        return false;
    check(evloop_destroy(loop, 0) == 0);
    return setenv("EVLOOP_BACKEND", "uring", 1) == 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_ENTRY(a_burst_of_more_than_there_are_buffers_arrives_whole_and_in_order),
        TEST_ENTRY(many_sockets_share_few_buffers_and_each_gets_all_that_is_its),
        TEST_ENTRY(each_socket_has_the_room_it_asked_for_whatever_the_others_ask_for),
        TEST_ENTRY(what_is_lent_stays_while_another_socket_asks_for_more),
        TEST_ENTRY(joined_datagrams_come_in_one_piece_and_say_of_what_size_they_are),
        TEST_ENTRY(what_came_ahead_of_a_stop_is_told_as_it_came_and_before_what_comes_later),
        TEST_ENTRY(a_stop_and_a_start_in_each_callback_lose_nothing),
        TEST_ENTRY(what_cannot_be_put_aside_for_want_of_memory_is_told_as_an_error),
        TEST_ENTRY(a_socket_can_be_closed_while_more_is_to_be_told),
        TEST_ENTRY(a_socket_of_which_something_waits_is_not_given_up_and_goes_on),
        TEST_ENTRY(a_socket_that_was_stopped_is_given_up_once_what_waits_was_read),
        TEST_ENTRY(after_a_fork_the_child_receives_what_comes_and_not_what_came_before),
        TEST_ENTRY(a_loop_that_goes_on_in_another_thread_takes_what_came_along),
    };
    if (!choose_uring()) {
        fprintf(stderr, "skipped: io_uring cannot be used here\n");
        return SKIPPED;
    }
    return RUN_TESTS("uring_dgram", tests);
}
