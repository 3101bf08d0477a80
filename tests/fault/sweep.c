/*
 * sweep.c: see sweep.h.
 */
#include "sweep.h"

enum { MOST_IN_A_ROW = 12 };

/* What a test that fails was about. */
static char about[128];

int sweep_teardown(void **state)
{
    if (about[0])
        print_error("%s\n", about);
    about[0] = '\0';
    return support_teardown(state);
}

/* How often each call is made when nothing fails. */
static void count_calls(const struct sweep *sweep, unsigned counts[CALLS])
{
    sweep->open(sweep->over);
    calls_reset();
    assert_int_equal(sweep->play(), 0);
    for (int call = 0; call < CALLS; call++)
        counts[call] = calls_count((enum call)call);
    calls_reset();
    sweep->close();
}

unsigned sweep_play(const struct sweep *sweep, enum call call, unsigned nth, unsigned times,
                    int err)
{
    sweep->open(sweep->over);
    calls_reset();
    calls_fail(call, nth, times, err);
    unsigned told = sweep->play();
    calls_reset();
    sweep->close();
    return told;
}

/* The first calls of a kind, and then some: those in the middle of a long transfer are alike. */
static unsigned following(unsigned nth)
{
    return nth < MOST_IN_A_ROW ? nth + 1 : nth + nth / 2;
}

void sweep_calls(const struct sweep *sweep)
{
    unsigned counts[CALLS];
    count_calls(sweep, counts);
    for (int call = 0; call < CALLS; call++)
        for (const int *err = call_errors((enum call)call); *err; err++)
            for (unsigned nth = 1; nth <= counts[call]; nth = following(nth)) {
                if (sweep->leaves_out && sweep->leaves_out(*err))
                    continue;
                snprintf(about, sizeof about, "%s: %s %u: %s", sweep->name,
                         call_name((enum call)call), nth, evloop_err_name(*err));
                unsigned told = sweep_play(sweep, (enum call)call, nth, 1, *err);
                if (*err == EINTR)
                    assert_int_equal(told, 0);
            }
    about[0] = '\0';
}
