/*
 * uring.h: for tests of what is io_uring's own.
 */
#ifndef EVLOOP_TESTS_URING_H
#define EVLOOP_TESTS_URING_H

#include "support.h"

/** What a test's program returns when there is nothing to test here: ctest says "skipped". */
enum { SKIPPED = 77 };

/** From here on loops are made over io_uring; false, with a message: there is none here. */
static inline bool uring_only(void)
{
    evloop_options options = evloop_options_default();
    evloop *loop = NULL;
    options.backend = "uring";
    int err = evloop_create(&loop, &options);
    if (err) {
        fprintf(stderr, "skipped: io_uring cannot be used here (%s)\n", evloop_err_name(err));
        return false;
    }
    check(evloop_destroy(loop, 0) == 0);
    check(setenv("EVLOOP_BACKEND", "uring", 1) == 0);
    return true;
}

#endif
