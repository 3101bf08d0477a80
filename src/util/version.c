/*
 * version.c: the version that this library was built as.
 */
#include "evloop/version.h"

unsigned evloop_version(void)
{
    return EVLOOP_VERSION;
}

const char *evloop_version_string(void)
{
    return EVLOOP_VERSION_STRING;
}
