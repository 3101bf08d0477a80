/*
 * libuv.c: the version of libuv.
 */
#include <uv.h>

#include "version.h"

const char *version_libuv(void)
{
    return uv_version_string();
}
