/*
 * watches.c: watches that change and end while the loop waits for them.
 */
#include "support.h"

#include <stdatomic.h>

static void dawdle(uint64_t *seed)
{
    for (volatile uint64_t i = chance(seed) % 3000; i; i--)
        continue;
}

/* ---- the last watch -------------------------------------------------------------------------- */

static struct {
    evloop *loop;
    evloop_watch watch;
    atomic_uint round;
    unsigned rounds;
    bool by_event;
    int fds[2];
} last;

static void stop_last(void *arg)
{
    (void)arg;
    assert_int_equal(evloop_watch_stop(&last.watch), 0);
}

static void on_last(evloop_watch *watch, unsigned events)
{
    (void)events;
    fd_read_all(last.fds[0]);
    assert_int_equal(evloop_watch_stop(watch), 0);
}

static void *ends_the_last_watch(void *arg)
{
    uint64_t seed = 1;
    for (unsigned i = 1; i <= last.rounds; i++) {
        wait_until(atomic_load(&last.round) == i);
        if (i % 4 == 0)
            wait_asleep(last.loop);
        dawdle(&seed);
        if (last.by_event)
            check(write(last.fds[1], "x", 1) == 1);
        else
            check(evloop_post(last.loop, stop_last, NULL) == 0);
    }
    return arg;
}

static void last_watch_ends(bool by_event)
{
    pthread_t thread;
    memset(&last, 0, sizeof last);
    last.by_event = by_event;
    last.rounds = (unsigned)scaled(8000);
    last.loop = loop_new();
    pair_open(last.fds);
    thread_start(&thread, ends_the_last_watch, NULL);
    for (unsigned i = 1; i <= last.rounds; i++) {
        assert_int_equal(
            evloop_watch_start(last.loop, &last.watch, last.fds[0], EVLOOP_READABLE, on_last), 0);
        atomic_store(&last.round, i);
        loop_run(last.loop);
        assert_false(evloop_watch_active(&last.watch));
    }
    thread_join(thread);
    loop_end(last.loop);
    fds_close(last.fds);
}

TEST(a_run_ends_when_a_task_stops_the_last_watch_while_it_is_waited_for)
{
    last_watch_ends(false);
}

TEST(a_run_ends_when_the_last_watch_stops_itself)
{
    last_watch_ends(true);
}

/* ---- a watch that changes all the time ------------------------------------------------------- */

static struct {
    evloop *loop;
    evloop_watch watch;
    int fds[2];
    size_t to_write, received;
    uint64_t seed;
    pthread_t writer, meddler;
    atomic_bool done;
} busy;

static void on_bytes(evloop_watch *watch, unsigned events)
{
    char buffer[64];
    if (!(events & EVLOOP_READABLE))
        return;
    ssize_t n = read(evloop_watch_fd(watch), buffer, sizeof buffer);
    assert_true(n > 0);
    busy.received += (size_t)n;
    if (busy.received == busy.to_write)
        evloop_stop(busy.loop);
}

/* Whatever it does, a later change brings the reading back. */
static void meddle(void *arg)
{
    evloop *loop = arg;
    switch (chance(&busy.seed) % 4) {
    case 0:
        assert_int_equal(evloop_watch_modify(&busy.watch, 0), 0);
        break;
    case 1:
        assert_int_equal(evloop_watch_modify(&busy.watch, EVLOOP_READABLE | EVLOOP_WRITABLE), 0);
        break;
    case 2:
        assert_int_equal(evloop_watch_modify(&busy.watch, EVLOOP_READABLE), 0);
        break;
    default:
        assert_int_equal(evloop_watch_stop(&busy.watch), 0);
        assert_int_equal(
            evloop_watch_start(loop, &busy.watch, busy.fds[0], EVLOOP_READABLE, on_bytes), 0);
    }
}

static void *meddles(void *arg)
{
    while (!atomic_load(&busy.done)) {
        check(evloop_post(busy.loop, meddle, busy.loop) == 0);
        dawdle(arg);
    }
    return NULL;
}

static void *writes_bytes(void *arg)
{
    for (size_t written = 0; written < busy.to_write;) {
        ssize_t n = write(busy.fds[1], "x", 1);
        check(n == 1 || errno == EAGAIN);
        written += n == 1;
    }
    return arg;
}

TEST(no_byte_is_missed_by_a_watch_that_is_changed_all_the_time)
{
    uint64_t seed = 2;
    memset(&busy, 0, sizeof busy);
    busy.seed = 3;
    busy.to_write = scaled(50000);
    busy.loop = loop_new();
    pair_open(busy.fds);
    evloop_watch_start(busy.loop, &busy.watch, busy.fds[0], EVLOOP_READABLE, on_bytes);
    thread_start(&busy.writer, writes_bytes, NULL);
    thread_start(&busy.meddler, meddles, &seed);
    loop_run(busy.loop);
    atomic_store(&busy.done, true);
    thread_join(busy.writer);
    thread_join(busy.meddler);
    assert_int_equal(busy.received, busy.to_write);
    evloop_watch_unref(&busy.watch);
    while (evloop_alive(busy.loop))
        loop_turn(busy.loop);
    evloop_watch_stop(&busy.watch);
    loop_end(busy.loop);
    fds_close(busy.fds);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_ENTRY(a_run_ends_when_a_task_stops_the_last_watch_while_it_is_waited_for),
        TEST_ENTRY(a_run_ends_when_the_last_watch_stops_itself),
        TEST_ENTRY(no_byte_is_missed_by_a_watch_that_is_changed_all_the_time),
    };
    return RUN_TESTS("stress watches", tests);
}
