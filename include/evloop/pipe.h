/*
 * evloop/pipe.h: pipes to children, and the standard descriptors, as streams.
 *
 * The end of a pipe that is meant for a child is yours. It is close-on-exec, so that no other child
 * keeps it open by accident: dup2() in the child makes the copy that survives exec. Close it here
 * when the child has it, else the end of the input never comes.
 *
 *     evloop_pipe_from(loop, &output, &child_end);
 *     posix_spawn_file_actions_adddup2(&actions, child_end, STDOUT_FILENO);
 *     posix_spawn(&pid, "/bin/date", &actions, NULL, argv, environ);
 *     close(child_end);
 *     evloop_stream_read_start(&output, on_output);
 */
#ifndef EVLOOP_PIPE_H
#define EVLOOP_PIPE_H

#include "evloop/stream.h"

EVLOOP_BEGIN_DECLS

/**
 * Makes a pipe: what the stream writes can be read at *child_end, which blocks.
 * Thread: loop. Errors: -EINVAL, -EBUSY (the stream is open), -EMFILE, -ENFILE, -ENOMEM,
 * EVLOOP_ECLOSED, EVLOOP_ETHREAD, -ECHILD. Since 0.1.0.
 */
EVLOOP_API int evloop_pipe_to(evloop *loop, evloop_stream *stream, int *child_end);

/**
 * Makes a pipe: the stream reads what is written at *child_end, which blocks.
 * Thread, errors: as evloop_pipe_to(). Since 0.1.0.
 */
EVLOOP_API int evloop_pipe_from(evloop *loop, evloop_stream *stream, int *child_end);

/**
 * A stream on the standard input, whatever that is: a terminal, a pipe, a socket, a file,
 * /dev/null. The stream has a descriptor of its own (evloop_stream_fd()): number 0 stays as it is,
 * open and blocking, for children and for the program's other code; closing the stream does not
 * close it. Where the two must share O_NONBLOCK (a socket, a named pipe), number 0 does not block
 * until the stream is closed, or the process exits, or evloop_tty_restore() is called.
 * Thread: loop. Errors: -EBADF (it is closed), and as evloop_stream_open(). Since 0.1.0.
 */
EVLOOP_API int evloop_stdin_open(evloop *loop, evloop_stream *stream);
/**
 * The same, on the standard output. What is to arrive before the process exits must be waited for.
 * Thread, errors: as evloop_stdin_open(). Since 0.1.0.
 */
EVLOOP_API int evloop_stdout_open(evloop *loop, evloop_stream *stream);
/**
 * The same, on the standard error output.
 * Thread, errors: as evloop_stdin_open(). Since 0.1.0.
 */
EVLOOP_API int evloop_stderr_open(evloop *loop, evloop_stream *stream);

EVLOOP_END_DECLS

#endif
