/*
 * libevent.c: the version of libevent.
 */
#include <event2/event.h>

#include "version.h"

const char *version_libevent(void)
{
    return event_get_version();
}
