/*
 * older_buffers.c: linked with -Wl,--wrap=uring_probe, so that loops use the ring's buffers as on a
 * kernel that is older than this one: each for one piece only, and, WITHOUT_BUNDLES, one at a time.
 */
#include "poller/uring_probe.h"

int __real_uring_probe(struct uring_features *features, const char **reason);
int __wrap_uring_probe(struct uring_features *features, const char **reason);

#ifdef WITHOUT_BUNDLES
enum { BUNDLES = false };
#else
enum { BUNDLES = true };
#endif

int __wrap_uring_probe(struct uring_features *features, const char **reason)
{
    int err = __real_uring_probe(features, reason);
    if (features) {
        features->incremental = false;
        features->bundles = features->bundles && BUNDLES;
    }
    return err;
}
