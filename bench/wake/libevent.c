/*
 * libevent.c: event_active() on a base that was made for threads.
 */
#include <event2/event.h>
#include <event2/event_struct.h>
#include <event2/thread.h>

#include "wake.h"

struct player {
    struct event_base *base;
    struct event event;
    struct player *other;
    int side;
    size_t woken;
    size_t count;
};

static void on_woken(evutil_socket_t fd, short events, void *arg)
{
    struct player *player = arg;

    (void)fd;
    (void)events;
    player->woken++;
    if (wake_answers(player->side, player->woken, player->count))
        event_active(&player->other->event, EV_READ, 0);
    if (player->woken == player->count)
        event_base_loopbreak(player->base);
}

static void *open_loops(void)
{
    struct player *players = bench_alloc(2, sizeof *players);

    bench_check(evthread_use_pthreads(), "evthread_use_pthreads");
    for (int side = 0; side < 2; side++) {
        struct player *player = &players[side];

        player->side = side;
        player->other = &players[1 - side];
        player->base = event_base_new();
        bench_check(player->base ? 0 : -1, "event_base_new");
        bench_check(event_assign(&player->event, player->base, -1, EV_PERSIST, on_woken, player),
                    "event_assign");
    }
    return players;
}

static void play(void *self, int side, size_t count)
{
    struct player *player = (struct player *)self + side;

    player->woken = 0;
    player->count = count;
    if (side == 0)
        event_active(&player->other->event, EV_READ, 0);
    event_base_loop(player->base, EVLOOP_NO_EXIT_ON_EMPTY);
}

const struct wake_ops wake_libevent = {open_loops, play};
