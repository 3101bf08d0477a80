/*
 * tty.c: streams that are on a terminal.
 */
#include "evloop/tty.h"

#include "io/stream.h"
#include "poller/restore.h"
#include "poller/terminal.h"

int evloop_tty_set_mode(evloop_stream *stream, evloop_tty_mode mode)
{
    int err = stream_check(stream);
    if (err)
        return err;
    if (mode != EVLOOP_TTY_NORMAL && mode != EVLOOP_TTY_CBREAK && mode != EVLOOP_TTY_RAW)
        return -EINVAL;
    err = terminal_set_mode(&stream_loop(stream)->allocator, stream->endpoint_.fd, mode);
    if (!err)
        stream->flags_ |= STREAM_RESTORE;
    return err;
}

int evloop_tty_size(const evloop_stream *stream, unsigned *columns, unsigned *rows)
{
    int err = columns && rows ? stream_check(stream) : -EINVAL;
    return err ? err : terminal_size(stream->endpoint_.fd, columns, rows);
}

bool evloop_tty_is(const evloop_stream *stream)
{
    return stream_check(stream) == 0 && terminal_is(stream->endpoint_.fd);
}

void evloop_tty_restore(void)
{
    restore_all();
}
