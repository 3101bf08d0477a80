/* clang-format off */
#include <evloop.h>
#include <stdio.h>

static void on_tick(evloop_timer *tick)
{
    printf("%u ms\n", *(unsigned *)tick->data += 250);
    if (*(unsigned *)tick->data == 1000)
        evloop_timer_stop(tick);
}

int main(void)
{
    unsigned elapsed_ms = 0;
    evloop_timer tick = {.data = &elapsed_ms, .name = "tick"};
    evloop *loop;
    int err = evloop_create(&loop, NULL);
    if (!err) err = evloop_timer_start(loop, &tick, EVLOOP_MS(250), EVLOOP_MS(250), on_tick);
    if (!err) err = evloop_run(loop, EVLOOP_RUN_DEFAULT);
    if (!err) err = evloop_destroy(loop, 0);
    if (err) fprintf(stderr, "tick: %s\n", evloop_strerror(err));
    return err ? 1 : 0;
}
