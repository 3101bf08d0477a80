/*
 * pin_none.c: for systems on which a thread cannot be kept on a core.
 */
#include "pin.h"

int pin_here(void)
{
    return -1;
}

int pin_elsewhere(int core)
{
    (void)core;
    return -1;
}

int pin_to(pthread_t thread, int core)
{
    (void)thread;
    (void)core;
    return -1;
}

void pin_yielding(pthread_t thread)
{
    (void)thread;
}
