/*
 * uring_answers.c: what io_uring answers to each request of an exchange is, in turn, every error that
 * there is; requests transfer little; multishots end early; completions come late and in another
 * order; the ring takes nothing for a while.
 */
#include "exchange.h"
#include "inject.h"
#include "uring.h"

enum { MOST_IN_A_ROW = 8, ENOUGH_ENTERS = 100000 };

static const enum exchange_over overs[] = {OVER_TCP, OVER_UNIX, OVER_SEQPACKET};
enum { ALL_OVERS = sizeof overs / sizeof *overs };

/* What a test that fails was about. */
static char about[128];

static int tell_about(void **state)
{
    if (about[0])
        print_error("%s\n", about);
    about[0] = '\0';
    inject_reset();
    return support_teardown(state);
}

#define INJECT_ENTRY(name)                                                                         \
    {                                                                                              \
#name, name, support_setup, tell_about, (void *)#name                                      \
    }

/* Plays it; what the kernel is asked for in the meantime has a bound. */
static unsigned play(void)
{
    unsigned told = exchange_play();
    assert_true(inject_calls(INJECT_ENTER) < ENOUGH_ENTERS);
    return told;
}

static unsigned finish(unsigned told)
{
    inject_reset();
    exchange_close();
    return told;
}

/* How many requests with each tag there are when nothing fails; or completions. */
static void count(enum exchange_over over, unsigned (*of)(enum uring_tag), unsigned *counts)
{
    exchange_open(over);
    inject_reset();
    assert_int_equal(play(), 0);
    for (enum uring_tag tag = 0; tag < TAG_LEFT; tag++)
        counts[tag] = of(tag);
    finish(0);
}

static unsigned following(unsigned nth)
{
    return nth < MOST_IN_A_ROW ? nth + 1 : nth * 2;
}

static void describe(enum exchange_over over, enum uring_tag tag, unsigned nth, int err)
{
    snprintf(about, sizeof about, "over %d: %s %u: %s", (int)over, inject_tag_name(tag), nth,
             evloop_err_name(err));
}

/* ---- requests that fail ---------------------------------------------------------------------- */

static const enum uring_tag operations[] = {TAG_ACCEPT, TAG_RECEIVE, TAG_INTO, TAG_SEND, TAG_ROOM};
enum { OPERATIONS = sizeof operations / sizeof *operations };

static unsigned play_failing(enum exchange_over over, enum uring_tag tag, unsigned nth, int err)
{
    describe(over, tag, nth, err);
    exchange_open(over);
    inject_reset();
    inject_fail(tag, nth, 1, err);
    unsigned told = play();
    assert_true(inject_done() > 0 || nth > 1 || over != OVER_TCP);
    return finish(told);
}

static void sweep(const int *errors, bool real)
{
    for (int o = 0; o < ALL_OVERS; o++) {
        unsigned counts[TAG_LEFT];
        count(overs[o], inject_requests, counts);
        for (int i = 0; i < OPERATIONS; i++)
            for (unsigned nth = 1; nth <= counts[operations[i]]; nth = following(nth))
                for (const int *err = errors; *err; err++) {
                    unsigned told = play_failing(overs[o], operations[i], nth, *err);
                    if (!real)
                        assert_int_equal(told, 0);
                }
    }
    about[0] = '\0';
}

TEST(what_is_no_result_is_told_to_nobody)
{
    static const int transient[] = {EINTR, EAGAIN, ECANCELED, 0};
    sweep(transient, false);
}

TEST(whatever_a_request_ends_with_nobody_is_lied_to)
{
    static const int errors[] = {ECONNRESET, EPIPE,  ETIMEDOUT, ENOBUFS,  ENOMEM, EIO,
                                 EINVAL,     EMFILE, ENFILE,    ENOTCONN, 0};
    sweep(errors, true);
}

TEST(no_buffer_to_receive_into_is_told_to_nobody)
{
    for (int o = 0; o < ALL_OVERS; o++)
        for (unsigned nth = 1; nth <= 3; nth++)
            assert_int_equal(play_failing(overs[o], TAG_RECEIVE, nth, ENOBUFS), 0);
    about[0] = '\0';
}

TEST(a_connection_that_was_lost_is_told)
{
    static const int lost[] = {ECONNRESET, ETIMEDOUT, EIO, ENOMEM};
    for (size_t i = 0; i < sizeof lost / sizeof *lost; i++) {
        static const enum uring_tag tags[] = {TAG_RECEIVE, TAG_INTO, TAG_SEND};
        for (int t = 0; t < 3; t++) {
            assert_true(play_failing(OVER_TCP, tags[t], 1, lost[i]) > 0);
            assert_int_equal(exchange_error(), -lost[i]);
        }
    }
    about[0] = '\0';
}

/* ---- multishots that end early --------------------------------------------------------------- */

static unsigned play_ending(enum exchange_over over, enum uring_tag tag, unsigned nth,
                            unsigned times, int err)
{
    describe(over, tag, nth, err);
    exchange_open(over);
    inject_reset();
    inject_end(tag, nth, times, err);
    unsigned told = play();
    assert_true(inject_done() > 0 || nth > 1 || over != OVER_TCP);
    return finish(told);
}

TEST(a_multishot_that_ends_early_is_begun_anew)
{
    static const int silent[] = {0, ECANCELED, ENOBUFS, EAGAIN, EINTR};
    static const enum uring_tag tags[] = {TAG_RECEIVE, TAG_ACCEPT};
    for (int o = 0; o < ALL_OVERS; o++) {
        unsigned counts[TAG_LEFT];
        count(overs[o], inject_completions, counts);
        for (int t = 0; t < 2; t++)
            for (unsigned nth = 1; nth <= counts[tags[t]]; nth = following(nth))
                for (size_t i = 0; i < sizeof silent / sizeof *silent; i++)
                    assert_int_equal(play_ending(overs[o], tags[t], nth, 1, silent[i]), 0);
    }
    about[0] = '\0';
}

TEST(multishots_of_one_shot_each_do_it_too)
{
    for (int o = 0; o < ALL_OVERS; o++)
        assert_int_equal(play_ending(overs[o], TAG_RECEIVE, 1, 1000000, 0), 0);
    about[0] = '\0';
}

TEST(what_came_before_a_failure_is_told_before_it)
{
    static const int lost[] = {ECONNRESET, ETIMEDOUT, ENOMEM};
    for (size_t i = 0; i < sizeof lost / sizeof *lost; i++)
        for (unsigned nth = 1; nth <= 4; nth++)
            play_ending(OVER_TCP, TAG_RECEIVE, nth, 1, lost[i]);
    about[0] = '\0';
}

/* ---- little at a time, late, in another order ------------------------------------------------ */

TEST(short_transfers_go_on_where_they_ended)
{
    static const size_t sizes[] = {1500, 4096, 65521};
    for (int o = 0; o < 2; o++) /* messages are not cut */
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            exchange_open(overs[o]);
            inject_reset();
            inject_shorten(TAG_SEND, sizes[i]);
            inject_shorten(TAG_INTO, sizes[i] / 3);
            assert_int_equal(play(), 0);
            finish(0);
        }
}

TEST(completions_that_come_one_at_a_time_are_all_told)
{
    for (int o = 0; o < ALL_OVERS; o++) {
        exchange_open(overs[o]);
        inject_reset();
        inject_trickle();
        assert_int_equal(play(), 0);
        finish(0);
    }
}

TEST(completions_in_another_order_mean_the_same)
{
    for (uint64_t seed = 1; seed <= scaled(40); seed++)
        for (int o = 0; o < ALL_OVERS; o++) {
            snprintf(about, sizeof about, "over %d: seed %u", o, (unsigned)seed);
            exchange_open(overs[o]);
            inject_reset();
            inject_shuffle(seed);
            if (seed % 2)
                inject_trickle();
            assert_int_equal(play(), 0);
            finish(0);
        }
    about[0] = '\0';
}

/* ---- the ring itself ------------------------------------------------------------------------- */

static unsigned play_refusing(enum inject_call call, unsigned nth, unsigned times, int err)
{
    snprintf(about, sizeof about, "call %d %u: %s", (int)call, nth, evloop_err_name(err));
    exchange_open(OVER_TCP);
    inject_reset();
    inject_call_fail(call, nth, times, err);
    return finish(play());
}

TEST(a_ring_that_takes_nothing_for_a_while_is_asked_again)
{
    static const int busy[] = {EBUSY, EAGAIN, EINTR};
    for (size_t i = 0; i < sizeof busy / sizeof *busy; i++)
        for (unsigned nth = 1; nth <= 30; nth++)
            assert_int_equal(play_refusing(INJECT_ENTER, nth, 1 + nth % 5, busy[i]), 0);
    about[0] = '\0';
}

TEST(a_ring_without_room_for_requests_is_asked_again)
{
    for (unsigned nth = 1; nth <= 40; nth++)
        assert_int_equal(play_refusing(INJECT_REQUEST, nth, 1 + nth % 7, 0), 0);
    about[0] = '\0';
}

/* A run that fails can be begun again, as if nothing had been: it is told, and nobody else is. */
TEST(a_ring_that_fails_loses_nothing)
{
    static const int errors[] = {ENOMEM, EBADR, EINVAL};
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
        for (unsigned nth = 1; nth <= 30; nth++) {
            unsigned told = play_refusing(INJECT_ENTER, nth, 1, errors[i]);
            assert_true(told <= 1);
            if (told)
                assert_int_equal(exchange_error(), -errors[i]);
        }
    about[0] = '\0';
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        INJECT_ENTRY(what_is_no_result_is_told_to_nobody),
        INJECT_ENTRY(whatever_a_request_ends_with_nobody_is_lied_to),
        INJECT_ENTRY(no_buffer_to_receive_into_is_told_to_nobody),
        INJECT_ENTRY(a_connection_that_was_lost_is_told),
        INJECT_ENTRY(a_multishot_that_ends_early_is_begun_anew),
        INJECT_ENTRY(multishots_of_one_shot_each_do_it_too),
        INJECT_ENTRY(what_came_before_a_failure_is_told_before_it),
        INJECT_ENTRY(short_transfers_go_on_where_they_ended),
        INJECT_ENTRY(completions_that_come_one_at_a_time_are_all_told),
        INJECT_ENTRY(completions_in_another_order_mean_the_same),
        INJECT_ENTRY(a_ring_that_takes_nothing_for_a_while_is_asked_again),
        INJECT_ENTRY(a_ring_without_room_for_requests_is_asked_again),
        INJECT_ENTRY(a_ring_that_fails_loses_nothing),
    };
    if (!uring_only())
        return SKIPPED;
    support_limit(120);
    return RUN_TESTS("uring answers", tests);
}
