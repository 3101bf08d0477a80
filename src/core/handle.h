/*
 * handle.h: what the loop knows of objects that close asynchronously: streams, listeners, datagram
 * sockets. Their kinds live in src/io; the loop knows them by this table.
 *
 * A handle is in `all` while it is active. In `flush` while it has something to send at the end of
 * the turn; in `due` while callbacks of its own are due; in `closing` from the call that closes it
 * until the close phase. Loop's thread only.
 */
#ifndef CORE_HANDLE_H
#define CORE_HANDLE_H

#include "core/loop.h"
#include "core/object.h"
#include "evloop/loop.h"
#include "evloop/private.h"

struct evloop_handle_kind {
    evloop_type type;
    size_t offset; /* of the handle in the object, whose first members are data and name */
    /* Sends what the turn has written. */
    void (*flush)(struct evloop_handle *handle);
    /* Makes the callbacks that are due: after each one, handle_called(). */
    void (*call)(struct evloop_handle *handle);
    /* The close phase: cancels what is pending, closes, deactivates, calls back. */
    void (*close)(struct evloop_handle *handle);
    /* A shutdown has begun. */
    void (*drain)(struct evloop_handle *handle);
    /* A shutdown's deadline has passed: the user is told, and may close it. */
    void (*force)(struct evloop_handle *handle);
    /* The loop is being destroyed, or its shutdown is over: closes, without a callback. */
    void (*discard)(struct evloop_handle *handle);
};

/* Not any more once a shutdown is over: it would be closed without a word. */
int handle_check_open(const evloop *loop);
void handle_activate(evloop *loop, struct evloop_handle *handle,
                     const struct evloop_handle_kind *kind);
void handle_deactivate(struct evloop_handle *handle);
/* Puts it down for the flush, for its callbacks, for the close phase; again: harmless. */
void handle_want_flush(struct evloop_handle *handle);
void handle_want_call(struct evloop_handle *handle);
void handle_want_close(struct evloop_handle *handle);
/*
 * Around every callback of a user's: the microtasks are run after it; false if the handle's memory
 * may be gone.
 */
void handle_calling(struct evloop_handle *handle);
bool handle_called(evloop *loop, const struct evloop_handle *handle);
/* Memory for what is put aside: of HANDLE_BLOCK or HANDLE_LARGE_BLOCK bytes, recycled. */
enum { HANDLE_BLOCK = 1024 + 256, HANDLE_LARGE_BLOCK = 4096 + 256 };
void *handle_block_take(evloop *loop, bool large);
void handle_block_give(evloop *loop, void *block, bool large);
int handle_set_ref(struct evloop_handle *handle, bool ref);
void *handle_object(const struct evloop_handle *handle);

static inline bool handle_active(const struct evloop_handle *handle)
{
    return object_get(&handle->state) & OBJECT_ACTIVE;
}

static inline evloop *handle_loop(const struct evloop_handle *handle)
{
    return object_loop(object_get(&handle->state));
}

/* Active, and on this thread; nothing of the object is looked at before. */
static inline int handle_check(const struct evloop_handle *handle)
{
    return handle_active(handle) ? loop_check_thread(handle_loop(handle)) : -ENOTCONN;
}

#endif
