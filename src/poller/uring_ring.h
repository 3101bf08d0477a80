/*
 * uring_ring.h: one ring of io_uring, through liburing: made, submitted to, waited for, emptied.
 *
 * The kernel works on requests only while the ring's thread is in ring_enter() (DEFER_TASKRUN): so
 * nothing is received, sent or accepted behind the back of a thread that is elsewhere. The ring
 * belongs to the thread that enabled it; another one may empty it, close it, and make a new one.
 * Whatever is submitted comes back as a completion, and every ring_enter() that finds completions
 * must be followed by taking them all.
 */
#ifndef POLLER_URING_RING_H
#define POLLER_URING_RING_H

#include <liburing.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct ring {
    struct io_uring uring;
    uint64_t owner;  /* the thread's number; 0: not enabled yet */
    pid_t process;   /* that opened it */
    unsigned enters; /* in this run */
    bool open;
    bool registered;    /* under a number that only the owner can use, and has to take back */
    uint64_t overflows; /* of the completion queue, which the kernel made up for */
};

/* A completion. */
struct ring_event {
    uint64_t user_data;
    int32_t result;
    uint32_t flags; /* IORING_CQE_F_* */
};

/* Makes a ring that is not enabled. On error nothing is left. */
int ring_open(struct ring *ring);
void ring_close(struct ring *ring);
/* From here on this thread's. */
int ring_enable(struct ring *ring);
bool ring_is_own(const struct ring *ring);
/* An empty request; NULL if the kernel does not take those that are queued. */
struct io_uring_sqe *ring_request(struct ring *ring);
/* Submits what is queued, without waiting. */
int ring_submit(struct ring *ring);
/*
 * Submits, lets the kernel work, and waits until there is a completion: 0 not at all,
 * EVLOOP_FOREVER without a limit. 0 also when the time is over, or a signal came, or the kernel
 * wants completions to be taken first.
 */
int ring_enter(struct ring *ring, uint64_t timeout_ns);
/* Takes the next completion; false: there is none. Any thread that has the loop. */
bool ring_next(struct ring *ring, struct ring_event *event);
/* Whether there is none to be taken, and whether all requests were submitted. */
bool ring_is_taken(const struct ring *ring);
bool ring_is_submitted(const struct ring *ring);
/* The thread goes elsewhere for a while. */
void ring_pause(struct ring *ring);

#endif
