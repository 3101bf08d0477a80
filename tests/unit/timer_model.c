/*
 * timer_model.c: a random walk over timers beside a simple model, which knows every deadline
 * exactly.
 */
#include "support.h"

#define FUZZ_TIMERS 200

struct fuzzed {
    evloop_timer timer;
    bool armed;
    uint64_t deadline; /* exact: every change is followed by a reading of the clock */
    uint64_t order;
    uint64_t turn; /* the turn in which it was armed by a callback; 0: between turns */
};

static struct {
    struct fuzzed timers[FUZZ_TIMERS];
    evloop *loop;
    uint64_t seed;
    uint64_t order;
    uint64_t turn;
    bool inside;
    uint64_t last_deadline, last_order; /* of the last timer that ran in this turn */
    size_t runs;
} fuzz;

static void fuzz_armed(struct fuzzed *f, uint64_t delay)
{
    f->armed = true;
    f->deadline = evloop_update(fuzz.loop) + delay;
    f->order = ++fuzz.order;
    f->turn = fuzz.inside ? fuzz.turn : 0;
    assert_true(evloop_timer_due_in(&f->timer) == delay);
}

static void fuzz_change(void);

static void on_fuzzed(evloop_timer *timer)
{
    struct fuzzed *f = evloop_container_of(timer, struct fuzzed, timer);
    assert_true(f->armed);
    assert_true(f->deadline <= clock_ns());
    assert_true(f->turn != fuzz.turn);
    bool in_order = f->deadline > fuzz.last_deadline ||
                    (f->deadline == fuzz.last_deadline && f->order > fuzz.last_order);
    assert_true(in_order);
    fuzz.last_deadline = f->deadline;
    fuzz.last_order = f->order;
    f->armed = false;
    fuzz.runs++;
    for (uint64_t i = chance(&fuzz.seed) % 3; i; i--)
        fuzz_change();
}

static uint64_t fuzz_delay(void)
{
    uint64_t kind = chance(&fuzz.seed) % 8, n = chance(&fuzz.seed);
    if (kind < 5)
        return n % EVLOOP_US(200);
    return kind < 7 ? n % EVLOOP_MS(5) : n;
}

static void fuzz_change(void)
{
    struct fuzzed *f = &fuzz.timers[chance(&fuzz.seed) % FUZZ_TIMERS];
    uint64_t delay = fuzz_delay();
    if (delay > UINT64_C(1) << 62)
        delay = EVLOOP_SEC(3600);
    switch (chance(&fuzz.seed) % 4) {
    case 0:
        assert_int_equal(evloop_timer_stop(&f->timer), 0);
        f->armed = false;
        break;
    case 1:
        if (f->order == 0) {
            assert_int_equal(evloop_timer_again(&f->timer, delay), -EINVAL);
            break;
        }
        assert_int_equal(evloop_timer_again(&f->timer, delay), 0);
        fuzz_armed(f, delay);
        break;
    default:
        assert_int_equal(evloop_timer_start(fuzz.loop, &f->timer, delay, 0, on_fuzzed),
                         f->armed ? -EBUSY : 0);
        if (!f->armed)
            fuzz_armed(f, delay);
    }
    assert_int_equal(evloop_timer_active(&f->timer), f->armed);
}

static void fuzz_turn(void)
{
    fuzz.turn++;
    fuzz.last_deadline = fuzz.last_order = 0;
    uint64_t now = evloop_update(fuzz.loop);
    fuzz.inside = true;
    loop_turn(fuzz.loop);
    fuzz.inside = false;
    for (int i = 0; i < FUZZ_TIMERS; i++) {
        struct fuzzed *f = &fuzz.timers[i];
        assert_int_equal(evloop_timer_active(&f->timer), f->armed);
        assert_true(!f->armed || f->turn == fuzz.turn || f->deadline > now);
    }
}

TEST(random_starts_stops_and_restarts_do_what_a_simple_model_says)
{
    size_t rounds = scaled(20000);
    memset(&fuzz, 0, sizeof fuzz);
    fuzz.seed = 4;
    fuzz.loop = loop_new();
    for (size_t round = 0; round < rounds; round++) {
        for (uint64_t i = chance(&fuzz.seed) % 5; i; i--)
            fuzz_change();
        fuzz_turn();
    }
    assert_true(fuzz.runs > rounds / 10);
    assert_int_equal(loop_metrics(fuzz.loop).timers_fired, fuzz.runs);
    for (int i = 0; i < FUZZ_TIMERS; i++)
        evloop_timer_stop(&fuzz.timers[i].timer);
    loop_end(fuzz.loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_ENTRY(random_starts_stops_and_restarts_do_what_a_simple_model_says),
    };
    return RUN_TESTS("timer_model", tests);
}
