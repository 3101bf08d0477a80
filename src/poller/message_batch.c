/*
 * message_batch.c: many messages a system call; see message_system.h. What ends a receive after its
 * first message is kept by the kernel.
 */
#include "poller/message_system.h"
#include "poller/sigpipe.h"

int message_receive_many(int fd, struct mmsghdr *headers, unsigned count, int *error)
{
    *error = 0;
    return recvmmsg(fd, headers, count, 0, NULL);
}

int message_send_many(int fd, struct mmsghdr *headers, unsigned count)
{
    return sendmmsg(fd, headers, count, SEND_FLAGS);
}
