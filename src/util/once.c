#include "util/atomic.h"

/* pthread_once() hands over no argument. */
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
