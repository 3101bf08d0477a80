#include "interleave.h"

#include "step.h"

static const struct interleaving *current;
static unsigned steps_until_intruder;
static int locks_held;
static bool came;

void step_locked(int change)
{
    locks_held += change;
}

void step(void)
{
    if (steps_until_intruder && !locks_held && --steps_until_intruder == 0) {
        came = true;
        current->intruder(current->arg);
    }
}

bool intruder_came(void)
{
    return came;
}

void intruder_stays_out(void)
{
    steps_until_intruder = 0;
}

unsigned interleave(const struct interleaving *interleaving)
{
    unsigned steps = 0;
    do {
        steps++;
        interleaving->prepare(interleaving->arg);
        current = interleaving;
        came = false;
        steps_until_intruder = steps;
        interleaving->operation(interleaving->arg);
        intruder_stays_out();
        interleaving->verify(interleaving->arg);
    } while (came);
    return steps - 1;
}
