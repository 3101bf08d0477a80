/*
 * poller.c: the poller's life: initialised once, closed once, and never under somebody who uses it.
 *
 * What stands for the kernel's objects is a plain variable: using them half made, or while they are
 * closed, is a data race, or an access that require()s them open and finds them closed.
 */
#include "poller/restore.h"
#include "world.h"

static int results[3];

static void setup(void)
{
    make_poller();
    memset(results, 0, sizeof results);
}

static void setup_failing(void)
{
    setup();
    kernel.open_error = -EMFILE;
}

static void setup_open(void)
{
    setup();
    require(poller_init(poller) == 0);
}

/* Whoever is told that it is initialised finds it so. */
static void init(int thread)
{
    results[thread] = poller_init(poller);
    if (results[thread] == 0)
        require(kernel.open);
}

static void init_0(void)
{
    init(0);
}

static void init_1(void)
{
    init(1);
}

static void init_2(void)
{
    init(2);
}

static void init_and_see_an_error(void)
{
    require(poller_init(poller) == -EMFILE);
}

/* While others may be closing it, what is open is looked at by the poller's own calls only. */
static void init_against_close(void)
{
    results[0] = poller_init(poller);
    require(results[0] == 0 || results[0] == EVLOOP_ECLOSED);
}

static void close_1(void)
{
    results[1] = poller_close(poller);
    require(results[1] == 0 || results[1] == EVLOOP_ECLOSED);
    require(poller_init(poller) == EVLOOP_ECLOSED);
    require(poller_wake(poller) == EVLOOP_ECLOSED);
    require(poller_wait(poller, 0) == EVLOOP_ECLOSED);
}

static void close_2(void)
{
    results[2] = poller_close(poller);
    require(results[2] == 0 || results[2] == EVLOOP_ECLOSED);
}

static void wake(void)
{
    int err = poller_wake(poller);
    require(err == 0 || err == EVLOOP_ECLOSED);
}

static void wait_for_wake(void)
{
    results[0] = poller_wait(poller, EVLOOP_FOREVER);
    require(results[0] == 0 || results[0] == EVLOOP_ECLOSED);
}

static int changes;

static void note_change(void)
{
    sigset_t signals;
    restore_lock(&signals);
    changes++;
    restore_unlock(&signals);
}

static void setup_changes(void)
{
    changes = 0;
}

static void verify_changes(void)
{
    require(changes == 2);
}

static void verify_initialised(void)
{
    require(results[0] == 0 && results[1] == 0 && results[2] == 0);
    require(kernel.opens == 1 && kernel.open);
}

static void verify_failed(void)
{
    require(kernel.opens == 1 && !kernel.open);
}

static void verify_closed(void)
{
    require(kernel.opens <= 1 && kernel.closes == kernel.opens && !kernel.open);
}

static void verify_closed_once(void)
{
    verify_closed();
    require((results[1] == 0) + (results[2] == 0) == 1);
}

const struct client poller_clients[] = {
    EXPLORED("poller-init-once", "one initialises it, and nobody returns before that is done",
             setup, verify_initialised, init_0, init_1, init_2),
    EXPLORED("poller-init-error-is-kept", "its error is returned to all", setup_failing,
             verify_failed, init_and_see_an_error, init_and_see_an_error, init_and_see_an_error),
    EXPLORED("poller-init-against-close", "closed for good, whichever comes first", setup,
             verify_closed, init_against_close, close_1),
    EXPLORED("poller-init-close-wake", "and nobody wakes what is half made", setup, verify_closed,
             init_against_close, close_1, wake),
    EXPLORED("poller-close-twice", "one of two closes it", setup_open, verify_closed_once, close_2,
             close_1),
    EXPLORED("poller-close-against-wake", "not closed under who wakes", setup_open, verify_closed,
             close_2, wake, wake),
    EXPLORED("poller-close-wakes-the-waiting", "a wait ends when it is closed", setup_open,
             verify_closed, wait_for_wake, close_2),
    EXPLORED("poller-close-wait-wake", "all three at once", setup_open, verify_closed,
             wait_for_wake, close_2, wake),
    EXPLORED("poller-first-wait-against-close", "the wait that initialises it", setup,
             verify_closed, wait_for_wake, close_2),
    EXPLORED("restore-lock-excludes", "one at a time changes what is to be put back", setup_changes,
             verify_changes, note_change, note_change),
    {0},
};
