/*
 * over_backend.c: evloop-test-over-backend COMMAND ARGUMENT...: becomes the command, or ends as a
 * test that was not possible where the backend that EVLOOP_BACKEND asks for does not work.
 */
#include "support.h"

int main(int argc, char **argv)
{
    check(argc > 1);
    support_begin();
    execvp(argv[1], argv + 1);
    perror(argv[1]);
    return 1;
}
