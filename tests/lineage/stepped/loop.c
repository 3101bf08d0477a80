#include "../step.h"

#include "core/loop.c"
