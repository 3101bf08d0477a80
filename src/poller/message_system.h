/*
 * message_system.h: between message.c, which all systems share, and the files that know what one of
 * them tells beside a message, and how many it takes at a time.
 */
#ifndef POLLER_MESSAGE_SYSTEM_H
#define POLLER_MESSAGE_SYSTEM_H

#include <netinet/in.h>
#include <sys/socket.h>

#include "poller/message.h"

/* Darwin has no call for many messages, and no struct for them. */
#ifdef __APPLE__
struct mmsghdr {
    struct msghdr msg_hdr;
    unsigned msg_len;
};
#endif

/* The most that v4 tells of where a message came in. */
#ifdef __linux__
enum { CONTROL_LOCAL = CMSG_SPACE(sizeof(struct in_pktinfo)) };
#else
enum { CONTROL_LOCAL = 128 }; /* an address, and an interface with its name */
#endif

/* All that can come beside one message, or go with it. */
enum {
    CONTROL_IN =
        CMSG_SPACE(sizeof(struct in6_pktinfo)) + CONTROL_LOCAL + 3 * CMSG_SPACE(sizeof(int)),
    CONTROL_OUT = CMSG_SPACE(sizeof(struct in6_pktinfo)) + CMSG_SPACE(sizeof(uint16_t))
};

/* ---- for the systems' files ------------------------------------------------------------------ */

static inline bool message_part_is(const struct cmsghdr *part, int level, int type)
{
    return part->cmsg_level == level && part->cmsg_type == type;
}

/* The address of v4 that a message came to. */
void message_set_local(evloop_datagram *datagram, evloop_address *local, struct in_addr host,
                       uint16_t port);
/* Appends to what goes with a message. */
void message_add_part(struct msghdr *header, int level, int type, const void *data, size_t size);

/* ---- for message.c --------------------------------------------------------------------------- */

/* A part that is not of v6. */
void message_take_part(struct cmsghdr *part, evloop_datagram *datagram, evloop_address *local,
                       uint16_t port);
/* From an address of v4. */
void message_add_from(struct msghdr *header, struct in_addr from);
/* Whether such an address may be said at all: of a socket that is bound to one, perhaps not. */
bool message_chooses_from(int fd);
/* The kernel cuts the message up. */
void message_add_segment_size(struct msghdr *header, unsigned segment_size);

/*
 * Once each. Receives until there is no more, into so many; *error is what ended it after the first
 * message, if the kernel does not keep that for the next call, else 0.
 */
int message_receive_many(int fd, struct mmsghdr *headers, unsigned count, int *error);
int message_send_many(int fd, struct mmsghdr *headers, unsigned count);

#endif
