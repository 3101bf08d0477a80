/*
 * measured.c: a file of its own, so that no compiler makes a special version for one of its
 * callers.
 */
#include "measured.h"

void measured(void (*work)(void *self, size_t count), void *self, size_t count)
{
    work(self, count);
}
