/*
 * uring_zero_copy.c: sends that leave out of the user's memory. To this machine the kernel always
 * copies, and its notifications say so at once: what another one does is told in their place.
 */
#include "inject.h"
#include "net.h"
#include "uring.h"

#include <sys/socket.h>

enum { SIZE = 1 << 20, PIECES = 40, WRITES = 4, LONG = 1000000 };

/* Both ends; the other one reads, a piece at a time. */
struct path {
    evloop *loop;
    evloop_stream stream;
    int other;
    uint64_t heard;
    struct iovec iov[PIECES];
    unsigned count;
};

struct told {
    evloop_write write;
    unsigned times;
    int status;
};

static struct told tolds[WRITES];

static int reset_injections(void **state)
{
    inject_reset();
    return support_teardown(state);
}

#define ZERO_COPY_ENTRY(name)                                                                      \
    {                                                                                              \
#name, name, support_setup, reset_injections, (void *)#name                                \
    }

static void needs_zero_copy(void)
{
    struct uring_features features;
    const char *words;
    if (uring_probe(&features, &words) != 0 || !features.zero_copy)
        skip();
}

static void on_written(evloop_write *write, int status)
{
    struct told *told = evloop_container_of(write, struct told, write);
    told->times++;
    told->status = status;
}

static void path_open(struct path *path, int family, size_t least)
{
    int fds[2];
    memset(path, 0, sizeof *path);
    memset(tolds, 0, sizeof tolds);
    path->loop = loop_new();
    net_pair(family, fds);
    path->other = fds[1];
    assert_int_equal(evloop_stream_open(path->loop, &path->stream, fds[0]), 0);
    assert_int_equal(evloop_stream_set_zero_copy(&path->stream, least), 0);
    loop_turn(path->loop);
    inject_reset();
}

static void path_write(struct path *path, unsigned nth, size_t size)
{
    path->count = pattern_pieces(path->iov, PIECES, 0, size);
    assert_int_equal(
        evloop_stream_write(&path->stream, &tolds[nth].write, path->iov, path->count, on_written),
        0);
}

/* What is there for the other end; whether there was anything. */
static bool hear(struct path *path)
{
    static unsigned char memory[65536];
    ssize_t n = recv(path->other, memory, sizeof memory, MSG_DONTWAIT);
    if (n <= 0)
        return false;
    assert_true(pattern_matches(memory, (size_t)n, path->heard));
    path->heard += (size_t)n;
    return true;
}

static void hear_all(struct path *path, uint64_t size)
{
    while (path->heard < size)
        if (!hear(path))
            loop_turn(path->loop);
    assert_int_equal(path->heard, size);
    path->heard = 0;
}

static void await(struct path *path, unsigned nth)
{
    while (tolds[nth].times == 0)
        assert_int_equal(evloop_run(path->loop, EVLOOP_RUN_ONCE), 0);
    assert_int_equal(tolds[nth].times, 1);
}

static void path_close(struct path *path)
{
    assert_int_equal(evloop_stream_close(&path->stream, NULL), 0);
    loop_run(path->loop);
    loop_end(path->loop);
    assert_int_equal(close(path->other), 0);
}

static void write_and_hear(struct path *path, unsigned nth, size_t size)
{
    path_write(path, nth, size);
    hear_all(path, size);
    await(path, nth);
    assert_int_equal(tolds[nth].status, 0);
}

/* ---- what arrives ---------------------------------------------------------------------------- */

TEST(what_is_sent_without_a_copy_arrives_whole)
{
    static const size_t sizes[] = {0, 5000, 65521};
    needs_zero_copy();
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct path path;
        path_open(&path, AF_INET, 1);
        inject_no_copies();
        inject_shorten(TAG_SEND, sizes[i]);
        for (unsigned nth = 0; nth < WRITES; nth++)
            write_and_hear(&path, nth, SIZE);
        assert_true(inject_zero_copies() >= WRITES);
        assert_int_equal(inject_zero_copies(), inject_requests(TAG_SEND));
        path_close(&path);
    }
}

TEST(after_a_send_that_was_copied_the_others_are_copied_at_once)
{
    struct path path;
    needs_zero_copy();
    path_open(&path, AF_INET, 1);
    for (unsigned nth = 0; nth < WRITES; nth++)
        write_and_hear(&path, nth, SIZE);
    assert_int_equal(inject_zero_copies(), 1);
    path_close(&path);
}

TEST(where_it_is_refused_it_is_copied)
{
    static const int errors[] = {EINVAL, EOPNOTSUPP, ENOMEM, ENOBUFS};
    needs_zero_copy();
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        struct path path;
        path_open(&path, AF_INET, 1);
        inject_no_copies();
        inject_fail(TAG_SEND, 1, 1, errors[i]);
        for (unsigned nth = 0; nth < WRITES; nth++)
            write_and_hear(&path, nth, SIZE);
        assert_int_equal(inject_done(), 1);
        assert_int_equal(inject_zero_copies(), 1);
        path_close(&path);
    }
}

TEST(only_what_is_long_enough_is_sent_without_a_copy_and_nothing_to_a_unix_socket)
{
    static const int families[] = {AF_INET, AF_UNIX};
    needs_zero_copy();
    for (int f = 0; f < 2; f++) {
        struct path path;
        path_open(&path, families[f], 10000);
        inject_no_copies();
        write_and_hear(&path, 0, 9999);
        assert_int_equal(inject_zero_copies(), 0);
        write_and_hear(&path, 1, 10000);
        assert_int_equal(inject_zero_copies(), f == 0 ? 1 : 0);
        assert_int_equal(evloop_stream_set_zero_copy(&path.stream, 0), 0);
        write_and_hear(&path, 2, 10000);
        assert_int_equal(inject_zero_copies(), f == 0 ? 1 : 0);
        path_close(&path);
    }
}

/* ---- notifications --------------------------------------------------------------------------- */

TEST(a_write_is_over_only_when_the_kernel_has_no_more_use_for_its_memory)
{
    struct path path;
    needs_zero_copy();
    path_open(&path, AF_INET, 1);
    inject_no_copies();
    inject_hold_notifications(LONG);
    path_write(&path, 0, 10000);
    hear_all(&path, 10000);
    path_write(&path, 1, 10000);
    for (int i = 0; i < 5; i++)
        loop_turn(path.loop);
    assert_int_equal(tolds[0].times + tolds[1].times, 0);
    assert_int_equal(evloop_stream_queued(&path.stream), 20000);
    assert_false(hear(&path)); /* one is in flight, and no more */
    inject_hold_notifications(0);
    await(&path, 0);
    assert_int_equal(tolds[0].status, 0);
    hear_all(&path, 10000);
    await(&path, 1);
    path_close(&path);
}

static void is_reset(int fd)
{
    static unsigned char memory[65536];
    ssize_t n;
    do
        n = recv(fd, memory, sizeof memory, 0);
    while (n > 0);
    assert_int_equal(n, -1);
    assert_int_equal(errno, ECONNRESET);
}

TEST(closing_while_a_notification_is_due_waits_for_it_and_resets_the_connection)
{
    enum { ENTERS = 10 };
    struct path path;
    needs_zero_copy();
    path_open(&path, AF_INET, 1);
    inject_hold_notifications(LONG);
    path_write(&path, 0, 10000);
    loop_turn(path.loop);
    assert_true(inject_zero_copies() == 1 && tolds[0].times == 0);
    unsigned before = inject_calls(INJECT_ENTER);
    inject_hold_notifications(ENTERS);
    assert_int_equal(evloop_stream_close(&path.stream, NULL), 0);
    assert_true(inject_calls(INJECT_ENTER) >= before + ENTERS);
    loop_run(path.loop);
    assert_int_equal(tolds[0].times, 1);
    is_reset(path.other);
    loop_end(path.loop);
    assert_int_equal(close(path.other), 0);
}

/* ---- another thread -------------------------------------------------------------------------- */

static void *runs(void *loop)
{
    for (int i = 0; i < 3; i++)
        check(evloop_run(loop, EVLOOP_RUN_NOWAIT) == -EBUSY);
    return NULL;
}

TEST(another_thread_cannot_run_the_loop_while_a_notification_is_due)
{
    struct path path;
    pthread_t thread;
    needs_zero_copy();
    path_open(&path, AF_INET, 1);
    inject_hold_notifications(LONG);
    path_write(&path, 0, 10000);
    loop_turn(path.loop);
    thread_start(&thread, runs, path.loop);
    thread_join(thread);
    inject_hold_notifications(0);
    await(&path, 0);
    assert_int_equal(tolds[0].status, 0);
    hear_all(&path, 10000);
    path_close(&path);
}

static void *closes_and_runs(void *arg)
{
    struct path *path = arg;
    check(evloop_stream_close(&path->stream, NULL) == 0);
    check(evloop_run(path->loop, EVLOOP_RUN_DEFAULT) == 0);
    return NULL;
}

static void on_nothing(evloop_stream *stream, ssize_t n, const void *data)
{
    (void)stream, (void)data;
    fail_msg("nobody has sent anything: %d", (int)n);
}

/* late: it has not even been collected that a notification is to come. */
static void close_by_another_thread(bool late)
{
    struct path path;
    pthread_t thread;
    path_open(&path, AF_INET, 1);
    inject_hold_notifications(LONG);
    inject_hold_sends(late);
    assert_int_equal(evloop_stream_read_start(&path.stream, on_nothing), 0);
    path_write(&path, 0, 10000);
    loop_turn(path.loop);
    assert_int_equal(tolds[0].times, 0);
    inject_hold_sends(false);
    thread_start(&thread, closes_and_runs, &path);
    thread_join(thread);
    assert_int_equal(tolds[0].times, 1);
    is_reset(path.other);
    loop_end(path.loop);
    assert_int_equal(close(path.other), 0);
}

TEST(another_thread_closes_what_a_notification_is_due_for)
{
    needs_zero_copy();
    close_by_another_thread(false);
    close_by_another_thread(true);
}

/* ---- fork ------------------------------------------------------------------------------------ */

static void child_does_not_send_it_again(void *arg)
{
    struct path *path = arg;
    check(evloop_after_fork(path->loop) == 0);
    hear_all(path, 10000);
    await(path, 0);
    check(tolds[0].status == 0);
    write_and_hear(path, 1, 10000);
    check(!hear(path));
    check(evloop_stream_close(&path->stream, NULL) == 0);
    check(evloop_run(path->loop, EVLOOP_RUN_DEFAULT) == 0);
    check(evloop_destroy(path->loop, 0) == 0);
}

TEST(what_a_notification_is_due_for_is_sent_once_though_there_is_a_fork)
{
    struct path path;
    needs_zero_copy();
    path_open(&path, AF_INET, 1);
    inject_hold_notifications(LONG);
    path_write(&path, 0, 10000);
    loop_turn(path.loop);
    assert_true(child_succeeds(child_does_not_send_it_again, &path));
    assert_int_equal(tolds[0].times, 0);
    inject_hold_notifications(0);
    await(&path, 0);
    assert_int_equal(tolds[0].status, 0);
    write_and_hear(&path, 1, 10000);
    path_close(&path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ZERO_COPY_ENTRY(what_is_sent_without_a_copy_arrives_whole),
        ZERO_COPY_ENTRY(after_a_send_that_was_copied_the_others_are_copied_at_once),
        ZERO_COPY_ENTRY(where_it_is_refused_it_is_copied),
        ZERO_COPY_ENTRY(
            only_what_is_long_enough_is_sent_without_a_copy_and_nothing_to_a_unix_socket),
        ZERO_COPY_ENTRY(a_write_is_over_only_when_the_kernel_has_no_more_use_for_its_memory),
        ZERO_COPY_ENTRY(closing_while_a_notification_is_due_waits_for_it_and_resets_the_connection),
        ZERO_COPY_ENTRY(another_thread_cannot_run_the_loop_while_a_notification_is_due),
        ZERO_COPY_ENTRY(another_thread_closes_what_a_notification_is_due_for),
        ZERO_COPY_ENTRY(what_a_notification_is_due_for_is_sent_once_though_there_is_a_fork),
    };
    if (!uring_only())
        return SKIPPED;
    return RUN_TESTS("uring zero copy", tests);
}
