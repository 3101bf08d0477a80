/*
 * net.h: what the tests of sockets share: bytes whose place is known, sockets made by hand, places
 * for files.
 */
#ifndef EVLOOP_TESTS_NET_H
#define EVLOOP_TESTS_NET_H

#include "support.h"

EVLOOP_BEGIN_DECLS

/* ---- bytes ----------------------------------------------------------------------------------- */

enum { PATTERN_PERIOD = 65521, PATTERN_SPAN = 32 * PATTERN_PERIOD };

/**
 * The bytes that every test sends, from so far into the stream on; PATTERN_SPAN of them. The period
 * is a prime, so that a block that is lost, repeated or swapped shows.
 */
const unsigned char *pattern_at(uint64_t position);
/** Whether these are the bytes that stand so far into the stream. */
bool pattern_matches(const void *data, size_t size, uint64_t position);
/** Describes size bytes of the pattern by at most `most` pieces; returns how many it used. */
unsigned pattern_pieces(struct iovec *iov, unsigned most, uint64_t position, size_t size);

/* ---- sockets made by hand; blocking, not inherited ------------------------------------------- */

/** Whether this machine has [::1]. */
bool net_has_v6(void);
/** Whether it has 127.0.0.2 and the like as well. */
bool net_has_all_of_127(void);
/** Whether the system has unix sockets of that type. */
bool net_has_unix(int type);
/** A name for a unix socket, which no other test has: not a path, if the system has such. */
enum { UNIX_NAME_SIZE = 100 };
const char *net_unix_name(char name[UNIX_NAME_SIZE], const char *kind);
/** A stream socket that listens on 127.0.0.1 or [::1], with so many places; tells its address. */
int net_listen(int family, int backlog, evloop_address *address);
/**
 * A stream socket that listens, and whose places are taken: who connects to it is not answered. The
 * crowd is closed with it, by net_disperse().
 */
enum { CROWD = 8 };
int net_listen_full(int family, evloop_address *address, int crowd[CROWD]);
void net_disperse(int listener, int crowd[CROWD]);
/** A socket of that kind. From any thread. */
int net_socket(int family, int type);
/** Connects to it, in blocking mode. */
int net_connect(const evloop_address *address);
/** Two ends that are connected: AF_INET, AF_INET6, AF_UNIX. */
void net_pair(int family, int fds[2]);
/** Whether the kernel tells of urgent data at this socket. */
bool net_tells_urgent_data(evloop *loop, int fd);
/** Has the kernel's buffers of a socket hold a few hundred KiB, and not grow. */
void net_narrow(int fd);
/** Closes it so that a TCP peer gets a reset. */
void net_reset(int fd);
/** send() that raises no signal. */
ssize_t net_put(int fd, const void *data, size_t size, int flags);
/** Sends size bytes of the pattern; asserts that they all went. */
void net_send(int fd, uint64_t position, size_t size);
/** How many bytes have come that nobody has received. */
int net_waiting(int fd);
/** Receives until there are so many, or the end; returns how many came. */
size_t net_receive(int fd, void *memory, size_t size);

/* ---- places ---------------------------------------------------------------------------------- */

enum { PLACE_SIZE = 80 };

/** Makes an empty directory. */
void place_make(char place[PLACE_SIZE]);
/** Removes it; asserts that nothing was left in it. */
void place_remove(const char *place);
/** A file without a name that holds size bytes of the pattern; read and written at its start. */
int file_make(uint64_t position, size_t size);

/* ---- descriptors ----------------------------------------------------------------------------- */

/** How many are open in this process. */
unsigned fds_open(void);
/** Lets this process have as many descriptors as the system permits; says how many. */
size_t fds_raise_limit(void);

EVLOOP_END_DECLS

#endif
