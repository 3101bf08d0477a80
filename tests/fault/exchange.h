/*
 * exchange.h: a client and a server say all they have to say to each other, as far as what fails
 * lets them. Whatever fails: nobody hangs, nobody is told twice, nothing is leaked, and what
 * arrived is what was sent, from its beginning on; if nobody was told of a failure, it is all of
 * it.
 */
#ifndef EVLOOP_TESTS_EXCHANGE_H
#define EVLOOP_TESTS_EXCHANGE_H

#include "net.h"

enum exchange_over { OVER_TCP, OVER_UNIX, OVER_SEQPACKET, OVER_PIPE, OVERS };

/** Makes what is needed: a loop, a file, a place. What is to fail is told after this. */
void exchange_open(enum exchange_over over);
/** Plays it, through the library's calls alone; returns how many failures somebody was told. */
unsigned exchange_play(void);
/** Cleans up, when nothing fails any more, and asserts what is said above. */
void exchange_close(void);
/** The first failure that somebody was told; 0: none. */
int exchange_error(void);

#endif
