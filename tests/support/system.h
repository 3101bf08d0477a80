/*
 * system.h: where the systems differ in what a test can do, or ask for. Each has a file of its own:
 * system_linux.c, system_bsd.c (Darwin and the BSDs).
 */
#ifndef EVLOOP_TESTS_SYSTEM_H
#define EVLOOP_TESTS_SYSTEM_H

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <sys/types.h>
#include <time.h>

#include <evloop/base.h>

EVLOOP_BEGIN_DECLS

/** The options that say when a TCP connection is looked after; none: it is as the system likes. */
#if defined(TCP_KEEPIDLE)
enum { KEEPALIVE_OPTIONS = 1, KEEPALIVE_IDLE = TCP_KEEPIDLE };
#elif defined(TCP_KEEPALIVE)
enum { KEEPALIVE_OPTIONS = 1, KEEPALIVE_IDLE = TCP_KEEPALIVE };
#else
enum { KEEPALIVE_OPTIONS = 0, KEEPALIVE_IDLE, TCP_KEEPINTVL, TCP_KEEPCNT };
#endif

/** The clock of loops, for clock_gettime(). */
#ifdef CLOCK_UPTIME_RAW
#define LOOP_CLOCK CLOCK_UPTIME_RAW
#else
#define LOOP_CLOCK CLOCK_MONOTONIC
#endif

/** What connecting says of a unix listener at which nobody more may wait. */
extern const int system_full;

/** Whether a unix peer that is closed before it was accepted is told that it was reset. */
extern const bool system_resets_unix;

/** Whether descriptors that find a number are received, though others of the message do not. */
extern const bool system_receives_some;

/** Whether errors are told of a datagram socket that is not connected. */
extern const bool system_queues_errors;

/** Keeps a socket from raising SIGPIPE in send(), where flags cannot say so; and those flags. */
int system_send_flags(int fd);

/** Whether there are names of unix sockets that are in no directory. */
bool system_has_abstract_names(void);

/** How many processors this process may use. */
unsigned system_processors(void);

/** Makes a pipe, not inherited, that keeps the boundaries of writes; false: the system has none. */
bool system_packet_pipe(int fds[2]);

/** Has the sender's credentials come with all that is received; false: not over these sockets. */
bool system_take_credentials(int fd);

/** Asks for so much room for what is sent, beyond the limit if that is possible. */
void system_send_room(int fd, int size);

/** How many may wait at a listener over TCP; -1: the system does not say. */
int system_backlog(int fd);

/** How many may wait there that have sent their first bytes, or whether a socket will: or -1. */
int system_fast_open_queue(int fd);
int system_fast_open(int fd);

/** Whether datagrams are joined in the kernel before they are received. */
bool system_joins(int fd);

EVLOOP_END_DECLS

#endif
