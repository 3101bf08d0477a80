/*
 * evloop/version.h: which evloop a program was compiled with, and which one it runs with.
 */
#ifndef EVLOOP_VERSION_H
#define EVLOOP_VERSION_H

#include "evloop/base.h"

#define EVLOOP_VERSION_MAJOR 0
#define EVLOOP_VERSION_MINOR 1
#define EVLOOP_VERSION_PATCH 0
#define EVLOOP_VERSION_STRING "0.1.0"

/** The version as one number that grows: 0x00MMmmpp. */
#define EVLOOP_VERSION                                                                             \
    ((EVLOOP_VERSION_MAJOR << 16) | (EVLOOP_VERSION_MINOR << 8) | EVLOOP_VERSION_PATCH)

EVLOOP_BEGIN_DECLS

/**
 * The version of the library that runs, as EVLOOP_VERSION counts; compare it with the macro to find
 * a program that was compiled against another one.
 * Thread: any; signal-safe. Since 0.1.0.
 */
EVLOOP_API unsigned evloop_version(void);

/**
 * The version of the library that runs, as text ("0.1.0"); static memory.
 * Thread: any; signal-safe. Since 0.1.0.
 */
EVLOOP_API const char *evloop_version_string(void);

EVLOOP_END_DECLS

#endif
