/*
 * message.h: one attempt each at receiving and sending messages, on a descriptor that does not
 * block: a count, or a negative errno; -EAGAIN if it would have to wait. Interruptions are tried
 * again.
 *
 * Messages are received into a room: one piece of memory for a batch of them, which is laid out
 * for the format that the receiver wants. Slots lie a little further apart than they are large, so
 * that the beginnings of all messages do not compete for the same lines of the cache.
 */
#ifndef POLLER_MESSAGE_H
#define POLLER_MESSAGE_H

#include "poller/poller.h"

struct mmsghdr;
struct msghdr;

struct message_room {
    struct message_room *retired; /* an older one, which is still lent */
    size_t size;                  /* of all of it */
    struct evloop_message_format format;
    unsigned used; /* slots that the last call has changed */
    int error;     /* what ended it after a message, if the kernel does not tell it again */
    evloop_datagram *datagrams;
    evloop_address *locals;
    struct mmsghdr *headers;
};

/* Room for all that can come beside one message: bytes. */
size_t message_control_size(void);
/*
 * Fills in what the header, and the control data behind it, tell of a message; data, size and peer
 * are the caller's. local is where a local address goes, the port of which the kernel does not say.
 */
void message_read_header(struct msghdr *header, uint16_t port, evloop_datagram *datagram,
                         evloop_address *local);

/* How large a room for this format is. */
size_t message_room_size(const struct evloop_message_format *format);
/* The room is large enough. */
void message_room_lay_out(struct message_room *room, const struct evloop_message_format *format);

/* Fills room->datagrams; fewer than format.batch: no more were there, or room->error came next. */
int message_receive(int fd, struct message_room *room);
/*
 * The next error of the network that waits: it is returned, and datagrams[0] is what it is about.
 * -EAGAIN: there is none.
 */
int message_receive_error(int fd, struct message_room *room);
/* How many were taken, from the first on; or the first one's error. */
int message_send(int fd, const struct outgoing_message *messages, unsigned count);

#endif
