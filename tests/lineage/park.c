#include "park.h"

#include "step.h"

static _Thread_local struct parked *self;

void step_locked(int change)
{
    if (self)
        self->locks_held += change;
}

void step(void)
{
    if (!self || !self->steps_left || self->locks_held || --self->steps_left > 0)
        return;
    self->stands = true;
    gate_add(&self->arrived);
    gate_wait(&self->go, 1);
}

static void *call(void *arg)
{
    struct parked *parked = arg;
    self = parked;
    parked->fn(parked->arg);
    self = NULL;
    if (!parked->stands)
        gate_add(&parked->arrived);
    return NULL;
}

bool park(struct parked *parked, unsigned step_number, void (*fn)(void *arg), void *arg)
{
    *parked = (struct parked){
        .fn = fn, .arg = arg, .steps_left = step_number, .arrived = GATE_INIT, .go = GATE_INIT};
    thread_start(&parked->thread, call, parked);
    gate_wait(&parked->arrived, 1);
    return parked->stands;
}

void unpark(struct parked *parked)
{
    if (parked->joined)
        return;
    parked->joined = true;
    gate_add(&parked->go);
    thread_join(parked->thread);
}
