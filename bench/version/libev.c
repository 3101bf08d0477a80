/*
 * libev.c: the version of libev.
 */
#include <ev.h>
#include <stdio.h>

#include "version.h"

const char *version_libev(void)
{
    static char text[32];

    snprintf(text, sizeof text, "%d.%d", ev_version_major(), ev_version_minor());
    return text;
}
