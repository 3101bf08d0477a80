/*
 * evloop/group.h: a server on all of the machine's processors: N loops on N threads, one address.
 *
 * The callback of the listener is the one of a program with a single loop: it runs on the thread of
 * the loop that got the connection, and the stream that evloop_accept() opens there belongs to that
 * loop. No two threads touch one connection.
 *
 *     static void on_connection(evloop_listener *l)
 *     {
 *         struct client *c = calloc(1, sizeof *c);
 *         if (!c || evloop_accept(l, &c->stream) < 0) { free(c); return; }
 *         evloop_stream_read_start(&c->stream, on_read);
 *     }
 *
 *     int main(void)
 *     {
 *         evloop_group *group;
 *         sigset_t sigterm;
 *         int sig;
 *         sigemptyset(&sigterm);
 *         sigaddset(&sigterm, SIGTERM);
 *         pthread_sigmask(SIG_BLOCK, &sigterm, NULL);
 *         int err = evloop_group_start(&group, ":7000", NULL, on_connection);
 *         if (!err) {
 *             sigwait(&sigterm, &sig);
 *             evloop_group_shutdown(group, EVLOOP_SEC(10));
 *             err = evloop_group_join(group);
 *         }
 *         return err ? 1 : 0;
 *     }
 *
 * How connections are spread. By default each loop listens for itself, and the system gives each
 * connection to one of them (SO_REUSEPORT), by its addresses: evenly if there are many. Or the
 * first loop accepts for all, and hands them over in rotation: exactly even, at the price of a task
 * for each; so it is always for unix sockets, which the system does not spread, and on Darwin,
 * NetBSD and OpenBSD, which spread none.
 */
#ifndef EVLOOP_GROUP_H
#define EVLOOP_GROUP_H

#include "evloop/loop.h"
#include "evloop/socket.h"

EVLOOP_BEGIN_DECLS

/** A group of loops. Made by evloop_group_start(), freed by evloop_group_join(). */
typedef struct evloop_group evloop_group;

/** Called on the thread of the loop with this index, 0 to evloop_group_size() - 1. */
typedef int (*evloop_group_init_fn)(evloop_group *group, unsigned index);
typedef void (*evloop_group_end_fn)(evloop_group *group, unsigned index);

/** Options of a group. Make one with evloop_group_options_default(). */
typedef struct evloop_group_options {
    size_t size;                /**< sizeof(evloop_group_options) */
    unsigned threads;           /**< 0: as many as processors that the calling thread may use */
    bool hand_over;             /**< the first loop accepts, and hands over in rotation */
    const evloop_options *loop; /**< of each loop; NULL: the defaults */
    const evloop_listen_options *listen; /**< NULL: the defaults. max_connections: of each loop, and
                                              not for a group that hands over. reuse_port: other
                                              programs may listen there as well */
    evloop_group_init_fn init; /**< before the loop listens and runs: to start timers, to make what
                                    belongs to one thread, and put it in the listener's data. What
                                    it returns, if not 0, is the error of the start; may be NULL */
    evloop_group_end_fn end;   /**< after the loop has run for the last time, if its init returned
                                    0: the streams are closed by then; may be NULL */
    void *data; /**< yours: evloop_group_data(), and the data of each listener until init changes
                     that */
} evloop_group_options;

/** Every default. Since 0.1.0. */
static inline evloop_group_options evloop_group_options_default(void)
{
    evloop_group_options options;
    memset(&options, 0, sizeof options);
    options.size = sizeof options;
    return options;
}

/**
 * Makes the loops, starts a thread for each, and listens: at an address as evloop_address_parse()
 * reads it. If the system is to choose the port (":0"), all loops share the one that it chose:
 * evloop_group_local(). With NULL instead of an address and a callback the loops listen nowhere,
 * and run until the shutdown. The threads have all signals blocked but those that a fault of their
 * own raises. options may be NULL.
 *
 * All or nothing: when this returns 0 every loop runs and listens; on an error, whatever there was
 * is undone, threads included, and no callback of a connection has been made. *group is stored
 * before the first of them is.
 * Thread: any. Errors: -EINVAL, -E2BIG, -ENOTSUP (max_connections where connections are handed
 * over; an option that the system has not), -EAGAIN (no more threads), -ENOMEM, what init said, and
 * those of evloop_address_parse(), evloop_create(), evloop_listen(). Since 0.1.0.
 */
EVLOOP_API int evloop_group_start(evloop_group **group, const char *address,
                                  const evloop_group_options *options,
                                  evloop_listener_fn on_connection);

/**
 * Asks every loop to end as evloop_shutdown() does: it stops listening, what was accepted is still
 * served, and what is not done after timeout_ns is closed by force. Returns at once.
 * Thread: any, as long as evloop_group_join() cannot have returned: also inside a callback of the
 * group. Errors: -EINVAL, -ECHILD, the clock's. Since 0.1.0.
 */
EVLOOP_API int evloop_group_shutdown(evloop_group *group, uint64_t timeout_ns);

/**
 * Waits until every loop has ended, and frees them and the group. A loop ends by
 * evloop_group_shutdown(); or by itself, as any run does (evloop_stop(), or its listener was closed
 * and nothing else keeps it alive), while the others go on; but if that one accepts for all, the
 * others end when nothing keeps them alive. If the system refuses a loop to go on, the group ends
 * at once.
 * Thread: any but the group's own. Returns 0, or that error. Errors: -EINVAL, -EDEADLK (one of the
 * group's threads), -ECHILD: nothing is freed then. Since 0.1.0.
 */
EVLOOP_API int evloop_group_join(evloop_group *group);

/** How many loops it has; 0 for NULL. Thread: any. Since 0.1.0. */
EVLOOP_API unsigned evloop_group_size(const evloop_group *group);
/** A loop of the group; NULL if there is none. Thread: any. Since 0.1.0. */
EVLOOP_API evloop *evloop_group_loop(const evloop_group *group, unsigned index);
/**
 * The listener of a loop of the group; NULL if there is none. It is the group's: do not close it in
 * init. Thread: any; what is done with it: the loop's. Since 0.1.0.
 */
EVLOOP_API evloop_listener *evloop_group_listener(evloop_group *group, unsigned index);
/** The pointer from the options; NULL for NULL. Thread: any. Since 0.1.0. */
EVLOOP_API void *evloop_group_data(const evloop_group *group);
/**
 * Where the group listens: also which port, if the system chose.
 * Thread: any. Errors: -EINVAL, -ENOTCONN (nowhere). Since 0.1.0.
 */
EVLOOP_API int evloop_group_local(const evloop_group *group, evloop_address *address);

EVLOOP_END_DECLS

#endif
