/*
 * fork.c: a fork while the loop's thread is at work between the announcement of its sleep and the
 * kernel's wait: what it has in hand is not lost in the child.
 */
#include <evloop.h>
#include <pthread.h>
#include <unistd.h>

#include "fork.h"
#include "support.h"

static struct {
    evloop *loop;
    evloop_watch watch[2];
    int fds[2][2];
    int told;
    bool armed;
    struct gate arrived;
    struct gate go_on;
} world = {.arrived = GATE_INIT, .go_on = GATE_INIT};

/* Holds the loop's thread in its first change of two. */
void fork_changing(void)
{
    if (!world.armed)
        return;
    world.armed = false;
    gate_add(&world.arrived);
    gate_wait(&world.go_on, 1);
}

static void on_ready(evloop_watch *watch, unsigned events)
{
    (void)events;
    evloop_watch_stop(watch);
    if (++world.told == 2)
        evloop_stop(evloop_watch_loop(watch));
}

static void modifies_both(evloop_timer *timer)
{
    (void)timer;
    for (int i = 0; i < 2; i++)
        evloop_watch_modify(&world.watch[i], EVLOOP_READABLE | EVLOOP_DISCONNECT);
    world.armed = true;
}

static void *runs_loop(void *loop)
{
    check(evloop_run(loop, EVLOOP_RUN_DEFAULT) == 0);
    return NULL;
}

static void child_is_told_of_both(void *loop)
{
    check(evloop_after_fork(loop) == 0);
    fd_write_byte(world.fds[0][1]);
    fd_write_byte(world.fds[1][1]);
    check(evloop_run_for(loop, EVLOOP_SEC(5)) == 0); /* ends as soon as both are told */
    check(world.told == 2);
    check(evloop_destroy(loop, EVLOOP_DESTROY_FORCE) == 0);
}

TEST(a_change_that_another_thread_was_applying_at_the_fork_is_not_lost_in_the_child)
{
    pthread_t thread;
    evloop_timer timer = {0};
    world.loop = loop_new();
    for (int i = 0; i < 2; i++) {
        pipe_open(world.fds[i]);
        assert_int_equal(evloop_watch_start(world.loop, &world.watch[i], world.fds[i][0],
                                            EVLOOP_READABLE, on_ready),
                         0);
    }
    evloop_timer_start(world.loop, &timer, 0, 0, modifies_both);
    thread_start(&thread, runs_loop, world.loop);
    gate_wait(&world.arrived, 1);
    assert_true(child_succeeds(child_is_told_of_both, world.loop));
    gate_add(&world.go_on);
    evloop_stop(world.loop);
    thread_join(thread);
    for (int i = 0; i < 2; i++) {
        evloop_watch_stop(&world.watch[i]);
        fds_close(world.fds[i]);
    }
    loop_end(world.loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_ENTRY(a_change_that_another_thread_was_applying_at_the_fork_is_not_lost_in_the_child),
    };
    return RUN_TESTS("fork", tests);
}
