/*
 * libuv.c: uv_async_send().
 */
#include <uv.h>

#include "wake.h"

struct player {
    uv_loop_t loop;
    uv_async_t async;
    struct player *other;
    int side;
    size_t woken;
    size_t count;
};

static void on_woken(uv_async_t *async)
{
    struct player *player = async->data;

    player->woken++;
    if (wake_answers(player->side, player->woken, player->count))
        bench_check(uv_async_send(&player->other->async), "uv_async_send");
    if (player->woken == player->count)
        uv_stop(&player->loop);
}

static void *open_loops(void)
{
    struct player *players = bench_alloc(2, sizeof *players);

    for (int side = 0; side < 2; side++) {
        struct player *player = &players[side];

        player->side = side;
        player->other = &players[1 - side];
        bench_check(uv_loop_init(&player->loop), "uv_loop_init");
        bench_check(uv_async_init(&player->loop, &player->async, on_woken), "uv_async_init");
        player->async.data = player;
    }
    return players;
}

static void play(void *self, int side, size_t count)
{
    struct player *player = (struct player *)self + side;

    player->woken = 0;
    player->count = count;
    if (side == 0)
        bench_check(uv_async_send(&player->other->async), "uv_async_send");
    uv_run(&player->loop, UV_RUN_DEFAULT);
}

const struct wake_ops wake_libuv = {open_loops, play};
