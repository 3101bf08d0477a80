/*
 * An evloop inside somebody else's loop: the program has a bare poll(2) loop and a descriptor of
 * its own, and gives the evloop a turn whenever it has something to do.
 */
#define _POSIX_C_SOURCE 200809L

#include <errno.h>
#include <evloop.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

/*
 * poll's milliseconds: rounded up, so that it does not come back too early and find nothing to do.
 */
static int to_poll_ms(uint64_t timeout_ns)
{
    if (timeout_ns == EVLOOP_FOREVER)
        return -1;
    uint64_t timeout_ms = timeout_ns / 1000000 + (timeout_ns % 1000000 != 0);
    return timeout_ms > INT_MAX ? INT_MAX : (int)timeout_ms;
}

/*
 * In the evloop: sends the host program five letters through its pipe, then the end of the input.
 */
static void on_tick(evloop_timer *tick)
{
    char *letter = tick->data;
    const int *pipe_end = evloop_data(evloop_timer_loop(tick));
    if (*letter <= 'e' && write(*pipe_end, letter, 1) == 1) {
        ++*letter;
        return;
    }
    evloop_timer_stop(tick);
    close(*pipe_end);
}

/*
 * In the host program: its own descriptor is ready. Returns how many bytes were read, or a
 * negative errno.
 */
static int host_reads(int fd)
{
    char letter;
    ssize_t count = read(fd, &letter, 1);
    if (count == 1)
        printf("host: \"%c\" from the evloop\n", letter);
    return count < 0 ? -errno : (int)count;
}

/*
 * The host's loop. Every evloop call is made by this one thread. Returns 0, or a negative number.
 */
static int host_run(evloop *loop, int fd)
{
    struct pollfd polled[2] = {{.fd = fd, .events = POLLIN},
                               {.fd = evloop_backend_fd(loop), .events = POLLIN}};
    int result = polled[1].fd < 0 ? polled[1].fd : 1;
    while (result > 0) {
        /* The timeout is asked for anew each time: a turn, and any offer, may have changed it. */
        int ready = poll(polled, 2, to_poll_ms(evloop_next_timeout_ns(loop)));
        if (ready < 0 && errno == EINTR)
            continue;
        if (ready < 0)
            return -errno;
        int err = evloop_run(loop, EVLOOP_RUN_NOWAIT);
        if (err)
            return err;
        if (polled[0].revents)
            result = host_reads(fd);
    }
    return result;
}

int main(void)
{
    int ends[2];
    char letter = 'a';
    evloop_timer tick = {.data = &letter, .name = "tick"};
    evloop_options options = evloop_options_small();
    evloop *loop;
    if (pipe(ends) < 0) {
        perror("embed");
        return 1;
    }
    options.data = &ends[1];
    int err = evloop_create(&loop, &options);
    if (!err)
        err = evloop_timer_start(loop, &tick, 0, EVLOOP_MS(50), on_tick);
    if (!err)
        err = host_run(loop, ends[0]);
    if (!err)
        err = evloop_destroy(loop, 0);
    if (err)
        fprintf(stderr, "embed: %s\n", evloop_strerror(err));
    close(ends[0]);
    return err ? 1 : 0;
}
