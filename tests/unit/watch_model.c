/*
 * watch_model.c: a random walk over watches and descriptors beside a simple model.
 */
#include "probe.h"

#define WALK_FDS 8
#define WALK_WATCHES 24

static struct {
    evloop *loop;
    int fds[WALK_FDS][2];
    bool readable[WALK_FDS];
    struct probe probes[WALK_WATCHES];
    int fd_of[WALK_WATCHES];
    unsigned asked[WALK_WATCHES]; /* 0 and active: paused */
    bool active[WALK_WATCHES];
    uint64_t seed;
} walk;

static void walk_step_watch(int i)
{
    unsigned events = (unsigned)(chance(&walk.seed) % 4);
    struct probe *probe = &walk.probes[i];
    if (walk.active[i] && chance(&walk.seed) % 2) {
        assert_int_equal(evloop_watch_modify(&probe->watch, events), 0);
        walk.asked[i] = events;
    } else if (walk.active[i]) {
        assert_int_equal(evloop_watch_stop(&probe->watch), 0);
        walk.active[i] = false;
    } else if (events) {
        walk.fd_of[i] = (int)(chance(&walk.seed) % WALK_FDS);
        probe_start(walk.loop, probe, walk.fds[walk.fd_of[i]][0], events);
        walk.active[i] = true;
        walk.asked[i] = events;
    }
}

/*
 * Closes a pair after all its watches were stopped, and opens another one: the numbers come back.
 */
static void walk_step_reopen(int fd)
{
    for (int i = 0; i < WALK_WATCHES; i++) {
        if (walk.active[i] && walk.fd_of[i] == fd) {
            evloop_watch_stop(&walk.probes[i].watch);
            walk.active[i] = false;
        }
    }
    fds_close(walk.fds[fd]);
    pair_open(walk.fds[fd]);
    walk.readable[fd] = false;
}

static void walk_step_data(int fd)
{
    if (walk.readable[fd])
        fd_read_all(walk.fds[fd][0]);
    else
        fd_write_byte(walk.fds[fd][1]);
    walk.readable[fd] = !walk.readable[fd];
}

static void walk_turn(void)
{
    for (int i = 0; i < WALK_WATCHES; i++)
        walk.probes[i].calls = 0;
    loop_turn(walk.loop);
    for (int i = 0; i < WALK_WATCHES; i++) {
        unsigned there = EVLOOP_WRITABLE | (walk.readable[walk.fd_of[i]] ? EVLOOP_READABLE : 0);
        unsigned told = walk.active[i] ? walk.asked[i] & there : 0;
        assert_int_equal(walk.probes[i].calls, told != 0);
        if (told)
            assert_int_equal(walk.probes[i].events, told);
    }
}

TEST(random_starts_stops_changes_and_closes_do_what_a_simple_model_says)
{
    memset(&walk, 0, sizeof walk);
    walk.seed = 6;
    walk.loop = loop_new();
    for (int i = 0; i < WALK_FDS; i++)
        pair_open(walk.fds[i]);
    for (size_t round = 0; round < scaled(5000); round++) {
        for (uint64_t i = chance(&walk.seed) % 6; i; i--)
            walk_step_watch((int)(chance(&walk.seed) % WALK_WATCHES));
        walk_step_data((int)(chance(&walk.seed) % WALK_FDS));
        if (chance(&walk.seed) % 8 == 0)
            walk_step_reopen((int)(chance(&walk.seed) % WALK_FDS));
        walk_turn();
    }
    for (int i = 0; i < WALK_WATCHES; i++)
        evloop_watch_stop(&walk.probes[i].watch);
    for (int i = 0; i < WALK_FDS; i++)
        fds_close(walk.fds[i]);
    loop_end(walk.loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_ENTRY(random_starts_stops_changes_and_closes_do_what_a_simple_model_says),
    };
    return RUN_TESTS("watch_model", tests);
}
