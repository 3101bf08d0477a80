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

#include "evloop/loop.h"
#include "evloop/private.h"

typedef struct evloop_handle handle;

struct evloop_handle_kind {
    evloop_type type;
    size_t offset; /* of the handle in the object, whose first members are data and name */
    /* Sends what the turn has written. */
    void (*flush)(handle *handle);
    /* Makes the callbacks that are due: after each one, handle_called(). */
    void (*call)(handle *handle);
    /* The close phase: cancels what is pending, closes, deactivates, calls back. */
    void (*close)(handle *handle);
    /* A shutdown has begun. */
    void (*drain)(handle *handle);
    /* A shutdown's deadline has passed: the user is told, and may close it. */
    void (*force)(handle *handle);
    /* The loop is being destroyed, or its shutdown is over: closes, without a callback. */
    void (*discard)(handle *handle);
};

void handle_activate(evloop *loop, handle *handle, const struct evloop_handle_kind *kind);
void handle_deactivate(handle *handle);
/* Puts it down for the flush, for its callbacks, for the close phase; again: harmless. */
void handle_want_flush(handle *handle);
void handle_want_call(handle *handle);
void handle_want_close(handle *handle);
/* After every callback of a user's: counts it and runs the microtasks. */
void handle_called(evloop *loop);
void *handle_object(const handle *handle);

static inline bool handle_active(const handle *handle)
{
    return handle->kind && atomic_get(&handle->state, relaxed) & 1;
}

#endif
