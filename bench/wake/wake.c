/*
 * wake.c: two players on one core, timed from the first wake to the last.
 */
#include "wake.h"

#include <pthread.h>

#include "../harness/clock.h"
#include "../harness/pin.h"

enum { WARM_UP = 500, ROUND_TRIP_NS = 10000 };

struct game {
    const struct wake_ops *ops;
    void *self;
    size_t count;
    int core;
};

static void *play_second(void *arg)
{
    struct game *game = arg;

    game->ops->play(game->self, 1, game->count);
    return NULL;
}

static uint64_t play(struct game *game, size_t count)
{
    pthread_t second;
    uint64_t begin_ns;
    uint64_t end_ns;

    game->count = count;
    bench_check(-pthread_create(&second, NULL, play_second, game), "pthread_create");
    bench_check(pin_to(second, game->core), "pin");
    begin_ns = clock_wall_ns();
    game->ops->play(game->self, 0, count);
    end_ns = clock_wall_ns();
    pthread_join(second, NULL);
    return end_ns - begin_ns;
}

static void wake_run(const struct bench *bench, const void *ops, const struct bench_budget *budget,
                     double *values)
{
    struct game game = {.ops = ops, .core = pin_here()};
    size_t count = (size_t)(budget->time_ns / ROUND_TRIP_NS);

    (void)bench;
    if (game.core < 0)
        bench_skip("no way to keep threads on one core");
    bench_check(pin_to(pthread_self(), game.core), "pin");
    game.self = game.ops->open();
    play(&game, WARM_UP);
    values[0] = (double)play(&game, count) / (double)count / 2 / 1e3;
}

static const struct bench_system systems[] = {
    {"evloop", &wake_evloop},         {"libuv", IF_LIBUV(&wake_libuv)},
    {"libev", IF_LIBEV(&wake_libev)}, {"libevent", IF_LIBEVENT(&wake_libevent)},
    {"floor", IF_LINUX(&wake_floor)},
};

static const struct bench_case same_core = {"same-core", "latency", "us", true, 0};

static const struct bench benches[] = {
    {.name = "wake",
     .cases = &same_core,
     .case_count = 1,
     .run = wake_run,
     .systems = systems,
     .system_count = BENCH_COUNT(systems)},
};

const struct bench_set wake_set = BENCH_SET(benches);
