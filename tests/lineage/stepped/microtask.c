#include "../step.h"

#include "core/microtask.c"
