/*
 * watch_stop.c: watches that are changed and stopped inside callbacks, after their events were
 * collected; descriptors that are closed, and numbers that come back at once.
 */
#include "probe.h"

/*
 * ---- changes inside callbacks ------------------------------------------------------------------
 */

struct meddler {
    struct probe probe;
    struct probe *other;
    unsigned modify_to;
};

static void modifies_other(evloop_watch *watch, unsigned events)
{
    struct meddler *meddler = evloop_container_of(watch, struct meddler, probe.watch);
    on_probe(watch, events);
    assert_int_equal(evloop_watch_modify(&meddler->other->watch, meddler->modify_to), 0);
}

/* Two watches that are ready in the same poll; whichever is called first meddles with the other. */
static void meddlers_start(evloop *loop, struct meddler m[2], int fds[2][2], evloop_watch_fn fn)
{
    memset(m, 0, 2 * sizeof *m);
    for (int i = 0; i < 2; i++) {
        pair_open(fds[i]);
        fd_write_byte(fds[i][1]);
        m[i].other = &m[1 - i].probe;
        assert_int_equal(
            evloop_watch_start(loop, &m[i].probe.watch, fds[i][0], EVLOOP_READABLE, fn), 0);
    }
}

static void meddlers_end(evloop *loop, struct meddler m[2], int fds[2][2])
{
    evloop_watch_stop(&m[0].probe.watch);
    evloop_watch_stop(&m[1].probe.watch);
    loop_end(loop);
    fds_close(fds[0]);
    fds_close(fds[1]);
}

TEST(an_event_that_is_no_longer_asked_for_is_not_told_although_it_was_collected)
{
    const unsigned to[] = {0, EVLOOP_WRITABLE, EVLOOP_DISCONNECT};
    for (int i = 0; i < 3; i++) {
        int fds[2][2];
        struct meddler m[2];
        evloop *loop = loop_new();
        meddlers_start(loop, m, fds, modifies_other);
        m[0].modify_to = m[1].modify_to = to[i];
        loop_turn(loop);
        assert_int_equal((m[0].probe.ever | m[1].probe.ever) & EVLOOP_READABLE, EVLOOP_READABLE);
        assert_int_equal(m[0].probe.ever & m[1].probe.ever & EVLOOP_READABLE, 0);
        meddlers_end(loop, m, fds);
    }
}

/* ---- stop ------------------------------------------------------------------------------------ */

static void stops_other(evloop_watch *watch, unsigned events)
{
    struct meddler *meddler = evloop_container_of(watch, struct meddler, probe.watch);
    on_probe(watch, events);
    assert_int_equal(evloop_watch_stop(&meddler->other->watch), 0);
    assert_false(evloop_watch_active(&meddler->other->watch));
}

TEST(a_watch_that_was_stopped_is_not_told_what_was_collected)
{
    int fds[2][2];
    struct meddler m[2];
    evloop *loop = loop_new();
    meddlers_start(loop, m, fds, stops_other);
    loop_turn(loop);
    assert_int_equal(m[0].probe.calls + m[1].probe.calls, 1);
    loop_turn(loop);
    assert_int_equal(m[0].probe.calls + m[1].probe.calls, 2);
    assert_int_equal(m[0].probe.calls * m[1].probe.calls, 0);
    meddlers_end(loop, m, fds);
}

static void stops_and_frees_itself(evloop_watch *watch, unsigned events)
{
    (void)events;
    trace('f');
    assert_int_equal(evloop_watch_stop(watch), 0);
    free(watch);
}

TEST(a_watch_can_be_stopped_and_freed_in_its_own_callback)
{
    int fds[2];
    evloop *loop = loop_new();
    pair_open(fds);
    fd_write_byte(fds[1]);
    for (int i = 0; i < 3; i++) {
        evloop_watch *watch = calloc(1, sizeof *watch);
        evloop_watch_start(loop, watch, fds[0], i % 2 ? EVLOOP_READABLE : EVLOOP_WRITABLE,
                           stops_and_frees_itself);
    }
    loop_run(loop);
    assert_trace("fff");
    loop_end(loop);
    fds_close(fds);
}

#define CROWD 100

static evloop_watch *crowd[CROWD];
static int crowd_calls;

static void frees_the_rest(evloop_watch *watch, unsigned events)
{
    (void)watch;
    (void)events;
    crowd_calls++;
    for (int i = 0; i < CROWD; i++) {
        assert_int_equal(evloop_watch_stop(crowd[i]), 0);
        free(crowd[i]);
    }
}

TEST(one_callback_can_stop_and_free_all_watches_collected_with_it)
{
    int fds[CROWD][2];
    evloop *loop = loop_new();
    crowd_calls = 0;
    for (int i = 0; i < CROWD; i++) {
        pipe_open(fds[i]);
        fd_write_byte(fds[i][1]);
        crowd[i] = calloc(1, sizeof *crowd[i]);
        evloop_watch_start(loop, crowd[i], fds[i][0], EVLOOP_READABLE, frees_the_rest);
    }
    loop_run(loop);
    assert_int_equal(crowd_calls, 1);
    loop_end(loop);
    for (int i = 0; i < CROWD; i++)
        fds_close(fds[i]);
}

TEST(one_callback_can_stop_and_free_all_watches_of_its_own_descriptor)
{
    int fds[2];
    evloop *loop = loop_new();
    crowd_calls = 0;
    pipe_open(fds);
    fd_write_byte(fds[1]);
    for (int i = 0; i < CROWD; i++) {
        crowd[i] = calloc(1, sizeof *crowd[i]);
        evloop_watch_start(loop, crowd[i], fds[0], EVLOOP_READABLE, frees_the_rest);
    }
    loop_run(loop);
    assert_int_equal(crowd_calls, 1);
    loop_end(loop);
    fds_close(fds);
}

static void starts_another(evloop_watch *watch, unsigned events)
{
    evloop_watch *other = watch->data;
    on_probe(watch, events);
    if (!evloop_watch_active(other))
        assert_int_equal(evloop_watch_start(evloop_watch_loop(watch), other, evloop_watch_fd(watch),
                                            EVLOOP_READABLE, on_probe),
                         0);
}

TEST(a_watch_that_is_started_in_a_callback_is_told_from_the_next_poll_on)
{
    int fds[2];
    struct probe first, second;
    evloop *loop = loop_new();
    pipe_open(fds);
    fd_write_byte(fds[1]);
    memset(&first, 0, sizeof first);
    memset(&second, 0, sizeof second);
    first.watch.data = &second.watch;
    evloop_watch_start(loop, &first.watch, fds[0], EVLOOP_READABLE, starts_another);
    loop_turn(loop);
    assert_int_equal(second.calls, 0);
    loop_turn(loop);
    assert_int_equal(second.calls, 1);
    evloop_watch_stop(&first.watch);
    evloop_watch_stop(&second.watch);
    loop_end(loop);
    fds_close(fds);
}

/* ---- close, and the same number again -------------------------------------------------------- */

struct reuser {
    struct probe probe;
    struct reuser *other;
    int *fds;     /* this one's pipe or pair */
    int keep;     /* a duplicate that keeps the old description open, or -1 */
    int spare[2]; /* the pipe that takes over the number of the other's descriptor */
    struct probe successor;
    bool done;
};

/* Stops the other watch, closes its descriptor, and watches another pipe under the same number. */
static void reuses_number(evloop_watch *watch, unsigned events)
{
    struct reuser *self = evloop_container_of(watch, struct reuser, probe.watch);
    struct reuser *other = self->other;
    int number = other->fds[0];
    on_probe(watch, events);
    assert_false(self->done);
    self->done = true;
    assert_int_equal(evloop_watch_stop(&other->probe.watch), 0);
    assert_int_equal(close(number), 0);
    pipe_open(self->spare);
    assert_int_not_equal(self->spare[1], number);
    if (self->spare[0] != number) {
        assert_int_equal(dup2(self->spare[0], number), number);
        assert_int_equal(close(self->spare[0]), 0);
        self->spare[0] = number;
    }
    other->fds[0] = -1;
    probe_start(evloop_watch_loop(watch), &self->successor, number, EVLOOP_READABLE);
    assert_int_equal(evloop_watch_stop(watch), 0);
}

static void reusers_start(evloop *loop, struct reuser r[2], int fds[2][2], bool keep)
{
    memset(r, 0, 2 * sizeof *r);
    for (int i = 0; i < 2; i++) {
        pair_open(fds[i]);
        fd_write_byte(fds[i][1]);
        r[i].other = &r[1 - i];
        r[i].fds = fds[i];
        r[i].keep = keep ? dup(fds[i][0]) : -1;
        r[i].spare[0] = r[i].spare[1] = -1;
        assert_int_equal(
            evloop_watch_start(loop, &r[i].probe.watch, fds[i][0], EVLOOP_READABLE, reuses_number),
            0);
    }
}

static void reusers_end(struct reuser r[2], int fds[2][2])
{
    for (int i = 0; i < 2; i++) {
        fds_close(fds[i]);
        fds_close(r[i].spare);
        fds_close((int[2]){r[i].keep, -1});
    }
}

static void number_reused(bool keep)
{
    int fds[2][2];
    struct reuser r[2];
    evloop *loop = loop_new();
    reusers_start(loop, r, fds, keep);
    loop_turn(loop);
    assert_int_equal(r[0].done + r[1].done, 1);
    struct reuser *first = r[0].done ? &r[0] : &r[1];
    assert_int_equal(first->successor.calls, 0);
    assert_true(turns_while_left_alone(loop) < FEW_TURNS);
    assert_int_equal(first->successor.calls, 0);
    fd_write_byte(first->spare[1]);
    expect(loop, &first->successor, 1, EVLOOP_READABLE);
    evloop_watch_stop(&first->successor.watch);
    assert_false(evloop_alive(loop));
    loop_end(loop);
    reusers_end(r, fds);
}

TEST(no_event_of_a_closed_descriptor_reaches_its_successor_under_the_same_number)
{
    number_reused(false);
}

TEST(no_event_of_a_descriptor_that_lives_on_as_a_duplicate_reaches_its_successor)
{
    number_reused(true);
}

TEST(a_number_can_be_closed_and_watched_again_between_turns)
{
    int fds[2];
    struct probe probe;
    evloop *loop = loop_new();
    for (int i = 0; i < 20; i++) {
        pair_open(fds);
        probe_start(loop, &probe, fds[0], EVLOOP_READABLE);
        if (i % 3)
            loop_turn(loop);
        assert_int_equal(probe.calls, 0);
        fd_write_byte(fds[1]);
        if (i % 2)
            expect(loop, &probe, 1, EVLOOP_READABLE);
        evloop_watch_stop(&probe.watch);
        fds_close(fds);
    }
    loop_end(loop);
}

static void on_never(evloop_timer *timer)
{
    (void)timer;
}

TEST(a_duplicate_of_a_descriptor_that_is_not_watched_any_more_lets_the_loop_sleep)
{
    int fds[2];
    struct probe probe;
    evloop_timer timer = {0};
    evloop *loop = loop_new();
    pair_open(fds);
    fd_write_byte(fds[1]);
    int duplicate = dup(fds[0]);
    probe_start(loop, &probe, fds[0], EVLOOP_READABLE);
    expect(loop, &probe, 1, EVLOOP_READABLE);
    evloop_watch_stop(&probe.watch);
    fds_close((int[2]){fds[0], -1});
    evloop_timer_start(loop, &timer, EVLOOP_SEC(3600), 0, on_never);
    assert_true(turns_while_left_alone(loop) < FEW_TURNS);
    evloop_timer_stop(&timer);
    loop_end(loop);
    fds_close((int[2]){duplicate, fds[1]});
}

static void closed_before_stop(bool modify, bool keep)
{
    int fds[2];
    struct probe probe;
    evloop *loop = loop_new();
    pair_open(fds);
    int duplicate = keep ? dup(fds[0]) : -1;
    probe_start(loop, &probe, fds[0], EVLOOP_READABLE);
    loop_turn(loop);
    fds_close((int[2]){fds[0], -1});
    if (modify)
        evloop_watch_modify(&probe.watch, EVLOOP_READABLE | EVLOOP_WRITABLE);
    assert_int_equal(evloop_run_for(loop, EVLOOP_MS(5)), 0);
    assert_true(probe.calls <= 1);
    assert_int_equal(probe.ever & ~EVLOOP_ERROR, 0);
    assert_int_equal(evloop_watch_stop(&probe.watch), 0);
    assert_false(evloop_watch_active(&probe.watch));
    loop_end(loop);
    fds_close((int[2]){duplicate, fds[1]});
}

TEST(a_descriptor_that_was_closed_before_its_watch_was_stopped_does_no_harm)
{
    closed_before_stop(false, false);
    closed_before_stop(true, false);
    closed_before_stop(false, true);
    closed_before_stop(true, true);
}

TEST(a_change_for_a_descriptor_that_was_closed_is_told_once_as_an_error)
{
    int fds[2];
    struct probe probe;
    evloop *loop = loop_new();
    pair_open(fds);
    probe_start(loop, &probe, fds[0], EVLOOP_READABLE);
    loop_turn(loop);
    fds_close((int[2]){fds[0], -1});
    evloop_watch_modify(&probe.watch, EVLOOP_WRITABLE);
    for (int i = 0; i < 5; i++)
        loop_turn(loop);
    assert_int_equal(probe.calls, 1);
    assert_int_equal(probe.events, EVLOOP_ERROR);
    evloop_watch_stop(&probe.watch);
    loop_end(loop);
    fds_close((int[2]){fds[1], -1});
}

/* ---- many ------------------------------------------------------------------------------------ */

TEST(each_of_many_watches_is_told_exactly_what_its_descriptor_has)
{
    enum { N = 200 };
    static struct probe probes[N];
    static int fds[N][2];
    uint64_t seed = 5;
    evloop *loop = loop_new();
    for (int i = 0; i < N; i++) {
        pipe_open(fds[i]);
        probe_start(loop, &probes[i], fds[i][0], EVLOOP_READABLE);
    }
    for (int round = 0; round < 30; round++) {
        bool written[N];
        for (int i = 0; i < N; i++) {
            probes[i].calls = 0;
            written[i] = chance(&seed) % 2;
            if (written[i])
                fd_write_byte(fds[i][1]);
        }
        loop_turn(loop);
        for (int i = 0; i < N; i++) {
            assert_int_equal(probes[i].calls, written[i]);
            if (written[i])
                fd_read_all(fds[i][0]);
        }
    }
    for (int i = 0; i < N; i++) {
        evloop_watch_stop(&probes[i].watch);
        fds_close(fds[i]);
    }
    loop_end(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_ENTRY(an_event_that_is_no_longer_asked_for_is_not_told_although_it_was_collected),
        TEST_ENTRY(a_watch_that_was_stopped_is_not_told_what_was_collected),
        TEST_ENTRY(a_watch_can_be_stopped_and_freed_in_its_own_callback),
        TEST_ENTRY(one_callback_can_stop_and_free_all_watches_collected_with_it),
        TEST_ENTRY(one_callback_can_stop_and_free_all_watches_of_its_own_descriptor),
        TEST_ENTRY(a_watch_that_is_started_in_a_callback_is_told_from_the_next_poll_on),
        TEST_ENTRY(no_event_of_a_closed_descriptor_reaches_its_successor_under_the_same_number),
        TEST_ENTRY(no_event_of_a_descriptor_that_lives_on_as_a_duplicate_reaches_its_successor),
        TEST_ENTRY(a_number_can_be_closed_and_watched_again_between_turns),
        TEST_ENTRY(a_duplicate_of_a_descriptor_that_is_not_watched_any_more_lets_the_loop_sleep),
        TEST_ENTRY(a_descriptor_that_was_closed_before_its_watch_was_stopped_does_no_harm),
        TEST_ENTRY(a_change_for_a_descriptor_that_was_closed_is_told_once_as_an_error),
        TEST_ENTRY(each_of_many_watches_is_told_exactly_what_its_descriptor_has),
    };
    return RUN_TESTS("watch_stop", tests);
}
