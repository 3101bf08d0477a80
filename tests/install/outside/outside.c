/*
 * A program that knows evloop only by what is installed: a timer fires, a posted function runs, the
 * version of the library is that of the headers.
 */
#include <evloop.h>

#include <stdio.h>

static void on_post(void *arg)
{
    ++*(int *)arg;
}

static void on_timer(evloop_timer *timer)
{
    ++*(int *)timer->data;
}

int main(void)
{
    int calls = 0;
    evloop_timer timer = {0};
    evloop *loop;

    timer.data = &calls;
    int err = evloop_create(&loop, NULL);
    if (!err)
        err = evloop_timer_start(loop, &timer, EVLOOP_MS(1), 0, on_timer);
    if (!err)
        err = evloop_post(loop, on_post, &calls);
    if (!err)
        err = evloop_run(loop, EVLOOP_RUN_DEFAULT);
    if (!err)
        err = evloop_destroy(loop, 0);
    if (err) {
        fprintf(stderr, "outside: %s\n", evloop_strerror(err));
        return 1;
    }
    if (evloop_version() != EVLOOP_VERSION || calls != 2) {
        fprintf(stderr, "outside: version %s, %d calls\n", evloop_version_string(), calls);
        return 1;
    }
    return 0;
}
