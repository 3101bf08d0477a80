/*
 * options.h: structs of options that know their size, so that programs and libraries of different
 * versions understand each other.
 */
#ifndef UTIL_OPTIONS_H
#define UTIL_OPTIONS_H

#include <errno.h>
#include <string.h>

/*
 * Fills `options` (of which this library knows `known` bytes, all zero but its size) from what was
 * given, which begins with its size: what an older struct lacks stays, what a newer one adds must
 * be 0. -EINVAL: smaller than any version; -E2BIG: asks for what this library does not know.
 */
static inline int options_read(void *options, size_t known, size_t oldest, const void *given)
{
    size_t size;
    if (!given)
        return 0;
    memcpy(&size, given, sizeof size);
    if (size < oldest)
        return -EINVAL;
    const unsigned char *bytes = (const unsigned char *)given;
    for (size_t i = known; i < size; i++)
        if (bytes[i])
            return -E2BIG;
    memcpy(options, given, size < known ? size : known);
    return 0;
}

#endif
