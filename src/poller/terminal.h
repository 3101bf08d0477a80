/*
 * terminal.h: the modes and the size of terminals. A mode belongs to the terminal, whichever
 * descriptor it was set through; what it was before the first change is put back when the last
 * descriptor that changed it is given up, and when the process exits (see restore.h). Any thread.
 */
#ifndef POLLER_TERMINAL_H
#define POLLER_TERMINAL_H

#include "evloop/loop.h"
#include "evloop/tty.h"

/* The allocator must outlive the descriptor. Errors: -ENOTTY, -ENOMEM, -EIO, -EINTR. */
int terminal_set_mode(const evloop_allocator *allocator, int fd, evloop_tty_mode mode);
/* The descriptor is given up; harmless if it changed nothing. Signals do not interrupt it. */
void terminal_restore(int fd);
int terminal_size(int fd, unsigned *columns, unsigned *rows);
bool terminal_is(int fd);

/* The system's own: a number that all descriptors of one terminal have in common. */
int terminal_identify(int fd, uint64_t *id);

#endif
