/*
 * libev.c: ev_async_send().
 */
#include <ev.h>

#include "wake.h"

struct player {
    struct ev_loop *loop;
    ev_async async;
    struct player *other;
    int side;
    size_t woken;
    size_t count;
};

static void on_woken(struct ev_loop *loop, ev_async *async, int events)
{
    struct player *player = async->data;

    (void)events;
    player->woken++;
    if (wake_answers(player->side, player->woken, player->count))
        ev_async_send(player->other->loop, &player->other->async);
    if (player->woken == player->count)
        ev_break(loop, EVBREAK_ONE);
}

static void *open_loops(void)
{
    struct player *players = bench_alloc(2, sizeof *players);

    for (int side = 0; side < 2; side++) {
        struct player *player = &players[side];

        player->side = side;
        player->other = &players[1 - side];
        player->loop = ev_loop_new(EVFLAG_AUTO);
        bench_check(player->loop ? 0 : -1, "ev_loop_new");
        ev_async_init(&player->async, on_woken);
        player->async.data = player;
        ev_async_start(player->loop, &player->async);
    }
    return players;
}

static void play(void *self, int side, size_t count)
{
    struct player *player = (struct player *)self + side;

    player->woken = 0;
    player->count = count;
    if (side == 0)
        ev_async_send(player->other->loop, &player->other->async);
    ev_run(player->loop, 0);
}

const struct wake_ops wake_libev = {open_loops, play};
