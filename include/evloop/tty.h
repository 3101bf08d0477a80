/*
 * evloop/tty.h: terminals as streams: a stream that was opened on a terminal (evloop_stdin_open(),
 * evloop_stream_open()) can do more.
 *
 * A mode belongs to the terminal, not to the stream or the descriptor. What it was before this
 * process changed it comes back when the stream through which it was changed is closed (the last
 * one, if there were several), and when the process exits; a program that ends by a signal calls
 * evloop_tty_restore() in its handler. In the background the terminal is left alone, since the
 * foreground has it.
 *
 * Job control. A process in the background that sets a mode, reads, or (if the terminal is set so)
 * writes is stopped by the system, as any program is. The shell gives the terminal modes of its own
 * while a program is stopped: catch SIGCONT, and set the mode again.
 *
 * The window's size. The system sends SIGWINCH when it changes, and the handler is yours:
 *
 *     static evloop_notify resized;
 *     static void on_resized(evloop_notify *n) { evloop_tty_size(&out, &columns, &rows); draw(); }
 *     static void on_sigwinch(int sig)         { (void)sig; evloop_notify_send(&resized); }
 *
 *     evloop_notify_start(loop, &resized, on_resized);
 *     evloop_notify_unref(&resized);
 *     sigaction(SIGWINCH, &(struct sigaction){.sa_handler = on_sigwinch, .sa_flags = SA_RESTART},
 *               NULL);
 */
#ifndef EVLOOP_TTY_H
#define EVLOOP_TTY_H

#include "evloop/stream.h"

EVLOOP_BEGIN_DECLS

/** What a terminal does with what is typed and what is written. */
typedef enum evloop_tty_mode {
    EVLOOP_TTY_NORMAL, /**< as it was before this process changed it: as a rule, whole lines come,
                            which can be edited, and are echoed */
    EVLOOP_TTY_CBREAK, /**< every key comes at once, without an echo; ^C, ^Z and ^S still work, and
                            what is written looks as usual */
    EVLOOP_TTY_RAW     /**< every byte comes as it is, and goes out as it is: "\r\n" ends a line,
                            and ^C is a byte */
} evloop_tty_mode;

/**
 * Sets the mode, at once, whatever it is now. Bytes that are queued on the stream go out in the new
 * mode.
 * Thread: loop. Errors: -EINVAL, -ENOTCONN, -ENOTTY (not a terminal), -ENOMEM, -EIO (the terminal
 * is gone), -EINTR (in the background, and SIGTTOU is caught), EVLOOP_ETHREAD, -ECHILD. Since
 * 0.1.0.
 */
EVLOOP_API int evloop_tty_set_mode(evloop_stream *stream, evloop_tty_mode mode);

/**
 * The size of the terminal's window in characters; 0 where it is not known.
 * Thread: loop. Errors: -EINVAL, -ENOTCONN, -ENOTTY, EVLOOP_ETHREAD, -ECHILD; *columns and *rows
 * are untouched then. Since 0.1.0.
 */
EVLOOP_API int evloop_tty_size(const evloop_stream *stream, unsigned *columns, unsigned *rows);

/** Whether the stream is open, and on a terminal. Thread: loop. Since 0.1.0. */
EVLOOP_API bool evloop_tty_is(const evloop_stream *stream);

/**
 * Gives every terminal that any loop of this process has changed, and every shared descriptor that
 * one has made non-blocking, its former state back, now: for handlers of signals that end or stop
 * the process. (exit() does it by itself.) Streams stay as they are; after a stop, set the mode
 * again.
 * Thread: any; signal-safe. Since 0.1.0.
 */
EVLOOP_API void evloop_tty_restore(void);

EVLOOP_END_DECLS

#endif
