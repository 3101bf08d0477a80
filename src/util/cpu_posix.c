/*
 * cpu_posix.c: the processors that are there, where a thread cannot be kept to some of them, or
 * where that cannot be asked in a common way; see cpu.h.
 */
#include <unistd.h>

#include "util/cpu.h"

unsigned cpu_count(void)
{
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    return online > 0 ? (unsigned)online : 1;
}
