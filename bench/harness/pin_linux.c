/*
 * pin_linux.c: by the affinity calls of Linux.
 */
#include "pin.h"

#include <sched.h>
#include <stdbool.h>

int pin_here(void)
{
    return sched_getcpu();
}

int pin_elsewhere(int core)
{
    cpu_set_t set;

    if (sched_getaffinity(0, sizeof set, &set))
        return -1;
    for (int other = 0; other < CPU_SETSIZE; other++)
        if (other != core && CPU_ISSET((size_t)other, &set))
            return other;
    return -1;
}

int pin_to(pthread_t thread, int core)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET((size_t)core, &set);
    return -pthread_setaffinity_np(thread, sizeof set, &set);
}

void pin_yielding(pthread_t thread)
{
    const struct sched_param param = {.sched_priority = 0};

    pthread_setschedparam(thread, SCHED_BATCH, &param);
}
