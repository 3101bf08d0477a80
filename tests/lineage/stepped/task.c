#include "../step.h"

#include "core/task.c"
