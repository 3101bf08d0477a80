/*
 * terminal.c: the modes and the size of terminals; see terminal.h.
 */
#include "poller/terminal.h"

#include <errno.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "poller/restore.h"
#include "util/memory.h"

/* A descriptor through which a terminal's mode was changed. */
struct change {
    struct restore restore;
    uint64_t terminal;
    struct termios before; /* the first change */
};

#define change_of(entry) evloop_container_of(entry, struct change, restore)

/* The foreground's mode is none of ours. (Not our controlling terminal: it has no foreground.) */
static bool in_background(int fd)
{
    pid_t foreground = tcgetpgrp(fd);
    return foreground >= 0 && foreground != getpgrp();
}

/* Signal-safe. */
static void put_back(struct restore *restore)
{
    const struct change *change = change_of(restore);
    uint64_t terminal;
    if (terminal_identify(restore->fd, &terminal) == 0 && terminal == change->terminal &&
        !in_background(restore->fd))
        tcsetattr(restore->fd, TCSANOW, &change->before);
}

/* Any change of this terminal but one; with the lock held. */
static struct change *find_other(uint64_t terminal, const struct change *but, pid_t owner)
{
    struct restore *restore = restore_next(NULL);
    for (; restore; restore = restore_next(restore)) {
        if (restore->undo != put_back || (owner && restore->owner != owner))
            continue;
        struct change *change = change_of(restore);
        if (change != but && change->terminal == terminal)
            return change;
    }
    return NULL;
}

static struct termios cbreak_from(struct termios mode)
{
    mode.c_lflag &= ~(tcflag_t)(ECHO | ECHOE | ECHOK | ECHONL | ICANON);
    mode.c_cc[VMIN] = 1;
    mode.c_cc[VTIME] = 0;
    return mode;
}

static struct termios raw_from(struct termios mode)
{
    mode = cbreak_from(mode);
    mode.c_iflag &=
        ~(tcflag_t)(IGNBRK | BRKINT | PARMRK | INPCK | ISTRIP | INLCR | IGNCR | ICRNL | IXON);
    mode.c_oflag &= ~(tcflag_t)OPOST;
    mode.c_lflag &= ~(tcflag_t)(ISIG | IEXTEN);
    mode.c_cflag &= ~(tcflag_t)(CSIZE | PARENB);
    mode.c_cflag |= CS8;
    return mode;
}

static struct change *new_change(const evloop_allocator *allocator, int fd, uint64_t terminal)
{
    struct change *change = memory_zalloc(allocator, sizeof *change);
    if (!change)
        return NULL;
    change->restore.fd = fd;
    change->restore.allocator = allocator;
    change->restore.undo = put_back;
    change->terminal = terminal;
    return change;
}

/*
 * Notes the change before it is made. Gives the mode that the terminal had before all of them, and
 * returns `spare` if the descriptor has made one already, else NULL.
 */
static struct change *note(struct change *spare, struct termios *before)
{
    sigset_t signals;
    restore_lock(&signals);
    struct restore *restore = restore_find(spare->restore.fd, put_back);
    if (restore) {
        *before = change_of(restore)->before;
        restore->owner = getpid();
    } else {
        const struct change *other = find_other(spare->terminal, spare, 0);
        if (other)
            *before = other->before;
        spare->before = *before;
        restore_add(&spare->restore);
        spare = NULL;
    }
    restore_unlock(&signals);
    return spare;
}

/* Takes the descriptor's change out of the list. */
static void forget(int fd, bool undo)
{
    sigset_t signals;
    restore_lock(&signals);
    struct restore *restore = restore_find(fd, put_back);
    if (restore) {
        struct change *change = change_of(restore);
        list_remove(&restore->link);
        if (undo && !find_other(change->terminal, change, restore->owner))
            restore_undo(restore);
    }
    restore_unlock(&signals);
    if (restore)
        memory_free(restore->allocator, change_of(restore));
}

static int set_normal(int fd, uint64_t terminal)
{
    sigset_t signals;
    struct termios before;
    restore_lock(&signals);
    const struct change *change = find_other(terminal, NULL, 0);
    if (change)
        before = change->before;
    restore_unlock(&signals);
    if (change && tcsetattr(fd, TCSANOW, &before) != 0)
        return -errno;
    forget(fd, false);
    return 0;
}

/*
 * Not under the lock: in the background the signal that it gives is to stop the process, as for
 * any program that takes hold of a terminal. Not tried again: who catches that signal would get it
 * for ever.
 */
static int change_mode(int fd, evloop_tty_mode mode, const struct termios *before)
{
    struct termios wanted = mode == EVLOOP_TTY_RAW ? raw_from(*before) : cbreak_from(*before);
    return tcsetattr(fd, TCSANOW, &wanted) == 0 ? 0 : -errno;
}

int terminal_set_mode(const evloop_allocator *allocator, int fd, evloop_tty_mode mode)
{
    uint64_t terminal = 0;
    struct termios before;
    int err = tcgetattr(fd, &before) == 0 ? terminal_identify(fd, &terminal) : -errno;
    if (!err)
        err = restore_prepare();
    if (err)
        return err;
    if (mode == EVLOOP_TTY_NORMAL)
        return set_normal(fd, terminal);
    struct change *change = new_change(allocator, fd, terminal);
    if (!change)
        return -ENOMEM;
    struct change *spare = note(change, &before);
    memory_free(allocator, spare);
    err = change_mode(fd, mode, &before);
    if (err && !spare)
        forget(fd, false);
    return err;
}

void terminal_restore(int fd)
{
    forget(fd, true);
}

int terminal_size(int fd, unsigned *columns, unsigned *rows)
{
    struct winsize size;
    if (ioctl(fd, TIOCGWINSZ, &size) != 0)
        return -errno;
    *columns = size.ws_col;
    *rows = size.ws_row;
    return 0;
}

bool terminal_is(int fd)
{
    return isatty(fd) != 0;
}
