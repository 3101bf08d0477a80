/*
 * floor.c: an eventfd in an epoll set on each side: write and wait. Edge-triggered, so that none is
 * to be read.
 */
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "wake.h"

struct player {
    int epoll;
    int eventfd;
};

static void *open_epolls(void)
{
    struct player *players = bench_alloc(2, sizeof *players);

    for (int side = 0; side < 2; side++) {
        struct player *player = &players[side];
        struct epoll_event event = {.events = EPOLLIN | EPOLLET};

        player->epoll = epoll_create1(0);
        bench_check(player->epoll, "epoll_create1");
        player->eventfd = eventfd(0, EFD_NONBLOCK);
        bench_check(player->eventfd, "eventfd");
        bench_check(epoll_ctl(player->epoll, EPOLL_CTL_ADD, player->eventfd, &event), "epoll_ctl");
    }
    return players;
}

static void wake(const struct player *player)
{
    uint64_t one = 1;

    bench_check((int)write(player->eventfd, &one, sizeof one), "write");
}

static void wait_for_wake(const struct player *player)
{
    struct epoll_event event;

    bench_check(epoll_wait(player->epoll, &event, 1, -1), "epoll_wait");
}

static void play(void *self, int side, size_t count)
{
    const struct player *players = self;

    if (side == 0)
        wake(&players[1]);
    for (size_t woken = 1; woken <= count; woken++) {
        wait_for_wake(&players[side]);
        if (wake_answers(side, woken, count))
            wake(&players[1 - side]);
    }
}

const struct wake_ops wake_floor = {open_epolls, play};
