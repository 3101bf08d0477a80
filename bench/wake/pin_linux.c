/*
 * pin_linux.c: by the affinity calls of Linux.
 */
#include "pin.h"

#include <sched.h>

int pin_here(void)
{
    return sched_getcpu();
}

int pin_to(pthread_t thread, int core)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET((size_t)core, &set);
    return -pthread_setaffinity_np(thread, sizeof set, &set);
}
