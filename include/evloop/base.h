/*
 * evloop/base.h: what every other header needs: durations, container_of, the words that objects
 * share.
 */
#ifndef EVLOOP_BASE_H
#define EVLOOP_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
#define EVLOOP_BEGIN_DECLS extern "C" {
#define EVLOOP_END_DECLS }
#else
#define EVLOOP_BEGIN_DECLS
#define EVLOOP_END_DECLS
#endif

#if defined(__GNUC__)
#define EVLOOP_API __attribute__((visibility("default")))
#else
#define EVLOOP_API
#endif

/*
 * A word that several threads touch. Only the library reads or writes such words; C++ has no
 * _Atomic, and sees a plain word of the same size and alignment.
 */
#ifndef EVLOOP_ATOMIC
#ifdef __cplusplus
#define EVLOOP_ATOMIC(type) type
#else
#define EVLOOP_ATOMIC(type) _Atomic(type)
#endif
#endif

/** Durations are nanoseconds in a uint64_t: EVLOOP_MS(250), EVLOOP_SEC(5). */
#define EVLOOP_US(n) ((uint64_t)(n)*UINT64_C(1000))
#define EVLOOP_MS(n) ((uint64_t)(n)*UINT64_C(1000000))
#define EVLOOP_SEC(n) ((uint64_t)(n)*UINT64_C(1000000000))

/** A duration that never ends, and the answer "not at all" to "in how long?". */
#define EVLOOP_FOREVER UINT64_MAX

/** The struct of the given type whose member `member` stands at `ptr`. */
#ifdef __cplusplus
#define evloop_container_of(ptr, type, member)                                                     \
    (reinterpret_cast<type *>(reinterpret_cast<char *>(ptr) - offsetof(type, member)))
#else
#define evloop_container_of(ptr, type, member)                                                     \
    ((type *)(void *)((char *)(ptr)-offsetof(type, member)))
#endif

EVLOOP_BEGIN_DECLS

/** A loop. Created by evloop_create(), freed by evloop_destroy(). */
typedef struct evloop evloop;

/** A function to be called once with the argument that was given beside it. */
typedef void (*evloop_fn)(void *arg);

/** Private: a place in one of the loop's lists. */
struct evloop_link {
    struct evloop_link *next;
    struct evloop_link *prev;
};

EVLOOP_END_DECLS

#endif
