#include "../step.h"

#include "core/post.c"
