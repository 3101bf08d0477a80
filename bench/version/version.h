/*
 * version.h: which version of each peer this was run against.
 */
#ifndef BENCH_VERSION_H
#define BENCH_VERSION_H

const char *version_libuv(void);
const char *version_libev(void);
const char *version_libevent(void);

#endif
