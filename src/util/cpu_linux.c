/*
 * cpu_linux.c: the processors as Linux counts them; see cpu.h.
 */
#include <sched.h>
#include <unistd.h>

#include "util/cpu.h"

/* The kernel's mask may be larger than one cpu_set_t; it refuses a smaller one. */
enum { SETS = 16 };

unsigned cpu_count(void)
{
    cpu_set_t sets[SETS];
    if (sched_getaffinity(0, sizeof sets, sets) == 0)
        return (unsigned)CPU_COUNT_S(sizeof sets, sets);
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    return online > 0 ? (unsigned)online : 1;
}
