/*
 * evloop: an event loop to build daemons, proxies, clients and language runtimes on.
 *
 * THE MODEL IN ONE PAGE
 *
 * A loop runs your callbacks, one at a time, on one thread: the thread that calls evloop_run(). It
 * goes round in turns. A turn reads the clock, runs the timers that are due, then urgent tasks,
 * then tasks, then the idle and prepare hooks; what was written to streams goes out; the kernel is
 * asked which descriptors are ready (sleeping if there is nothing else to do), the answer is
 * collected, and only then the callbacks of watches, streams, listeners and datagram sockets run;
 * check hooks and closings end it. After every single callback the microtasks are run. Tasks and
 * microtasks have budgets, and the kernel is asked in every turn in which there is a descriptor to
 * ask about, so that neither can starve the descriptors; nor can a busy stream starve the others.
 *
 * Objects (evloop_timer, evloop_watch, evloop_task, ...) are structs of yours: put them inside your
 * own, and get from the one to the other with evloop_container_of(), or by their `data`.
 * Zero-filled memory is a valid, inactive object. The start function takes all that the start
 * needs, and the callback gets the object back. After a stop returns, memory and descriptor are
 * yours again, also inside the object's own callback. An object must not be moved or freed while it
 * is active. What the kernel may be at work on (streams, listeners, datagram sockets) is not
 * stopped but closed: one call, and one callback in which its memory is yours again. The loop
 * allocates nothing in steady state.
 *
 * Threads: each function says which thread may call it.
 *   any          every thread, at any time
 *   loop         the thread that runs the loop; while nobody runs it, any one thread at a time.
 *                Another thread gets EVLOOP_ETHREAD, and nothing has happened.
 *   signal-safe  also a signal handler
 *
 * Errors: what can fail returns 0 or a negative number, see evloop/error.h. Nothing is printed,
 * nothing exits, and what failed changed nothing.
 *
 * An active object keeps a run going, unless it was unreferenced: the run ends when nothing keeps
 * it alive, when evloop_stop() is called, or after evloop_shutdown(), which refuses new work, and
 * has done all that was accepted. What was accepted runs exactly once, in the order in which it was
 * accepted.
 *
 * A COMPLETE PROGRAM
 *
 *     #include <evloop.h>
 *     #include <stdio.h>
 *
 *     static void on_tick(evloop_timer *tick)
 *     {
 *         printf("%u ms\n", *(unsigned *)tick->data += 250);
 *         if (*(unsigned *)tick->data == 1000)
 *             evloop_timer_stop(tick);
 *     }
 *
 *     int main(void)
 *     {
 *         unsigned elapsed_ms = 0;
 *         evloop_timer tick = {.data = &elapsed_ms, .name = "tick"};
 *         evloop *loop;
 *         int err = evloop_create(&loop, NULL);
 *         if (!err) err = evloop_timer_start(loop, &tick, EVLOOP_MS(250), EVLOOP_MS(250), on_tick);
 *         if (!err) err = evloop_run(loop, EVLOOP_RUN_DEFAULT);
 *         if (!err) err = evloop_destroy(loop, 0);
 *         if (err) fprintf(stderr, "tick: %s\n", evloop_strerror(err));
 *         return err ? 1 : 0;
 *     }
 */
#ifndef EVLOOP_H
#define EVLOOP_H

#include "evloop/base.h"
#include "evloop/version.h"
#include "evloop/error.h"
#include "evloop/loop.h"
#include "evloop/task.h"
#include "evloop/timer.h"
#include "evloop/hook.h"
#include "evloop/watch.h"
#include "evloop/address.h"
#include "evloop/stream.h"
#include "evloop/socket.h"
#include "evloop/dgram.h"
#include "evloop/pipe.h"
#include "evloop/tty.h"
#include "evloop/group.h"

#endif
