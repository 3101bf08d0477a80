/*
 * thread.c: the marker that thread.h tells threads apart by.
 */
#include "util/thread.h"

_Thread_local char thread_marker THREAD_MARKER_MODEL;
