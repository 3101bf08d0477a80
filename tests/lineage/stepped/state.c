#include "../step.h"

#include "core/state.c"
