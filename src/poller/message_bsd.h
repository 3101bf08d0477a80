/*
 * message_bsd.h: what Darwin and the BSDs tell beside messages of v4 in the same way.
 */
#ifndef POLLER_MESSAGE_BSD_H
#define POLLER_MESSAGE_BSD_H

#include "poller/message_system.h"

#ifdef IP_RECVTOS
enum { PART_TOS = IP_RECVTOS };
#else
enum { PART_TOS = -1 }; /* NetBSD and OpenBSD do not tell it */
#endif

/* The time to live, and the type of service. */
void message_take_byte(struct cmsghdr *part, evloop_datagram *datagram);

#endif
