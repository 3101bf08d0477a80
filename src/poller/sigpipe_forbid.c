/*
 * sigpipe_forbid.c: SIGPIPE as a property of descriptions; see sigpipe.h.
 */
#include "poller/sigpipe.h"

#include <errno.h>
#include <fcntl.h>

/*
 * A socket that was shut down takes no options any more; one that was accepted has it from its
 * listener.
 */
int sigpipe_forbid(int fd)
{
    if (fcntl(fd, F_SETNOSIGPIPE, 1) == 0)
        return 0;
    int err = -errno;
    return fcntl(fd, F_GETNOSIGPIPE) > 0 ? 0 : err;
}
