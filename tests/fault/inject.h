/*
 * inject.h: what io_uring says, bent: requests that fail, multishots that end early, completions
 * that come late or in another order, and a ring that does not take what it is given.
 *
 * Needs WRAP of RING_CALLS in CMakeLists.txt. Nothing is made up that the kernel could not have
 * done: a request that is to fail never reaches it, one that is to transfer little is asked for
 * little, and a multishot that is to end is cancelled there before anybody hears of it. On the
 * loop's thread only.
 */
#ifndef EVLOOP_TESTS_INJECT_H
#define EVLOOP_TESTS_INJECT_H

#include "poller/uring.h"
#include "support.h"

/** What is asked of the ring as a whole. */
enum inject_call { INJECT_ENTER, INJECT_REQUEST, INJECT_OPEN, INJECT_CALLS };

/** Forgets all that was told, and all counts. What is held back comes with the next completions. */
void inject_reset(void);
/** The nth request with this tag from now on, and so many in all, fail: err is positive. */
void inject_fail(enum uring_tag tag, unsigned nth, unsigned times, int err);
/**
 * The multishot that brings the nth completion with more to come of this tag ends there, or a
 * little later; err: what its last completion says, 0: it brings data or a descriptor itself.
 */
void inject_end(enum uring_tag tag, unsigned nth, unsigned times, int err);
/** Requests with this tag are for no more than so many bytes; 0: as many as they like. */
void inject_shorten(enum uring_tag tag, size_t most);
/** One completion for each time that the ring is entered. */
void inject_trickle(void);
/** Completions that the kernel owes no order come in another one. */
void inject_shuffle(uint64_t seed);
/** What was sent without a copy was not copied, say the notifications. */
void inject_no_copies(void);
/** Notifications come when the ring has been entered so often. */
void inject_hold_notifications(unsigned enters);
/** What sends have come to is not said for a while. */
void inject_hold_sends(bool hold);
/** The nth call from now on, and so many in all, fail: err is positive; REQUEST: none is given. */
void inject_call_fail(enum inject_call call, unsigned nth, unsigned times, int err);

/** Rings that are made from now on have room for few completions. */
void inject_small_rings(void);
/** How often a completion queue was full. */
uint64_t inject_overflows(void);

/** What was seen since the reset: requests, completions with more to come, calls, injections. */
unsigned inject_requests(enum uring_tag tag);
unsigned inject_completions(enum uring_tag tag);
unsigned inject_calls(enum inject_call call);
unsigned inject_done(void);
/** Of the requests, those that send without a copy. */
unsigned inject_zero_copies(void);

const char *inject_tag_name(enum uring_tag tag);

#endif
