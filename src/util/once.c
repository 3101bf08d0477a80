/*
 * once.c: pthread_once() with an argument. It is left in a variable of the calling thread, for
 * pthread_once() hands none over. Any thread; not in a signal handler.
 */
#include "util/atomic.h"

static _Thread_local struct {
    void (*fn)(void *argument);
    void *argument;
} call;

static void call_it(void)
{
    call.fn(call.argument);
}

void once_call(pthread_once_t *control, void (*fn)(void *argument), void *argument)
{
    call.fn = fn;
    call.argument = argument;
    pthread_once(control, call_it);
}
