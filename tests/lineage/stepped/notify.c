#include "../step.h"

#include "core/notify.c"
