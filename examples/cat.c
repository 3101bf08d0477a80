/*
 * cat, through a loop: what comes in at standard input goes out at standard output, whatever the
 * two are: "evloop-cat < file > copy", "cat file | evloop-cat | wc", or a terminal.
 *
 * It reads only while it has nothing to write, so that a slow reader slows the writer down, and it
 * copies nothing: the loop's buffer is kept until it has been written.
 */
#define _POSIX_C_SOURCE 200809L

#include <errno.h>
#include <evloop.h>
#include <signal.h>
#include <stdio.h>

static evloop_stream input;
static evloop_stream output;
static evloop_write request;
static struct iovec buffer;
static int result;

static void on_read(evloop_stream *stream, ssize_t n, const void *data);

static void finish(const char *what, int err)
{
    if (err) {
        fprintf(stderr, "cat: %s: %s\n", what, evloop_strerror(err));
        result = 1;
    }
    evloop_stream_close(&input, NULL);
    evloop_stream_close(&output, NULL);
}

static void on_written(evloop_write *write, int status)
{
    evloop_buffer_release(evloop_stream_loop(&output), buffer.iov_base);
    (void)write;
    int err = status ? status : evloop_stream_read_start(&input, on_read);
    if (err)
        finish("writing", err);
}

static void on_read(evloop_stream *stream, ssize_t n, const void *data)
{
    if (n < 0) {
        finish("reading", n == EVLOOP_EOF ? 0 : (int)n);
        return;
    }
    evloop_stream_read_stop(stream);
    int err = evloop_buffer_keep(stream);
    if (!err) {
        buffer.iov_base = (void *)(uintptr_t)data;
        buffer.iov_len = (size_t)n;
        err = evloop_stream_write(&output, &request, &buffer, 1, on_written);
        if (err)
            evloop_buffer_release(evloop_stream_loop(stream), data);
    }
    if (err)
        finish("writing", err);
}

/* Descriptors that are shared with other programs must not stay non-blocking. */
static void on_signal(int number)
{
    evloop_tty_restore();
    signal(number, SIG_DFL);
    raise(number);
}

int main(void)
{
    evloop *loop;
    int err = evloop_create(&loop, NULL);
    if (err) {
        fprintf(stderr, "cat: %s\n", evloop_strerror(err));
        return 1;
    }
    signal(SIGINT, on_signal);
    signal(SIGTERM, on_signal);
    signal(SIGHUP, on_signal);
    err = evloop_stdin_open(loop, &input);
    if (!err)
        err = evloop_stdout_open(loop, &output);
    if (!err)
        err = evloop_stream_read_start(&input, on_read);
    if (err)
        finish("opening", err);
    err = evloop_run(loop, EVLOOP_RUN_DEFAULT);
    int destroyed = evloop_destroy(loop, 0);
    return result || err || destroyed;
}
