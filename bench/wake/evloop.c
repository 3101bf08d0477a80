/*
 * evloop.c: evloop_notify_send().
 */
#include <evloop.h>

#include "wake.h"

struct player {
    evloop *loop;
    evloop_notify notify;
    struct player *other;
    int side;
    size_t woken;
    size_t count;
};

static void on_woken(evloop_notify *notify)
{
    struct player *player = notify->data;

    player->woken++;
    if (wake_answers(player->side, player->woken, player->count))
        bench_check(evloop_notify_send(&player->other->notify), "evloop_notify_send");
    if (player->woken == player->count)
        evloop_stop(player->loop);
}

static void *open_loops(void)
{
    struct player *players = bench_alloc(2, sizeof *players);

    for (int side = 0; side < 2; side++) {
        struct player *player = &players[side];

        player->side = side;
        player->other = &players[1 - side];
        player->notify.data = player;
        bench_check(evloop_create(&player->loop, NULL), "evloop_create");
        bench_check(evloop_notify_start(player->loop, &player->notify, on_woken),
                    "evloop_notify_start");
    }
    return players;
}

static void play(void *self, int side, size_t count)
{
    struct player *player = (struct player *)self + side;

    player->woken = 0;
    player->count = count;
    if (side == 0)
        bench_check(evloop_notify_send(&player->other->notify), "evloop_notify_send");
    bench_check(evloop_run(player->loop, EVLOOP_RUN_DEFAULT), "evloop_run");
}

const struct wake_ops wake_evloop = {open_loops, play};
