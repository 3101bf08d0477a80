/*
 * poller.h: THE contract between the loop and the kernel: waiting, waking, descriptors, the clock.
 *
 * Nothing outside this folder makes a system call that waits, reads a clock, or touches a watched
 * descriptor. The rules that every backend keeps:
 *
 * - A poller initialises exactly once, through pthread_once, in whichever thread needs it first;
 *   nobody returns from poller_init() before that is done, and its error is kept and returned to
 *   all.
 * - `closed` is atomic and one-way. After poller_close() every call gives EVLOOP_ECLOSED, on every
 *   system. Descriptors are closed once, when the last thread that may use them has left.
 * - Changes of interest are collected, and applied when the loop waits. The first watch on a
 *   descriptor is told to the kernel at once, so that its error is the caller's; so is, where
 *   changes go with the wait, EVLOOP_PRIORITY, which may be refused. Removal of the last one is
 *   immediate.
 * - The kernel's events are collected first; the loop takes them one by one afterwards. A watch
 *   that is removed in between is not told, and each registration carries a generation, so that an
 *   event of a closed descriptor cannot reach its successor under the same number.
 *
 * Operations, on an endpoint, which is a descriptor that the poller was given (poller_attach):
 *
 * - An endpoint has at most one operation in (accept, receive) and one out (connect, send) at a
 *   time.
 * - Starting one either ends it at once, with the result returned (a count, or a negative error),
 *   or returns OPERATION_STARTED. A started one ends exactly once: by done() with `more` false,
 *   which poller_next_completion() calls, never from inside another call; or by poller_cancel().
 *   Before that a multishot operation may complete with `more` true any number of times; it goes on
 *   until it fails, meets the end of the input, or is cancelled: where the kernel ends it earlier,
 *   the backend starts it anew.
 * - Every completion says how many bytes went through (or which descriptor came): result >= 0, or
 *   -errno. A result of 0 for a receive is the end of the input.
 * - poller_cancel() is the end of an operation when it returns: no completion comes, and its
 *   memory is free. A backend whose kernel is at work on it waits until the kernel has let go of it
 *   (io_uring: a synchronous cancel). What it had come to meanwhile is not lost: what a send had
 *   sent is returned; what had come waits in the backend for the endpoint's next operation in.
 * - Memory that an operation was given belongs to it until it is over.
 * - At most one completion of each direction comes from an endpoint in one wait, so that a busy one
 * cannot starve the others; or several, of bytes that lie apart and are not more than one could
 * have brought, or of connections that the kernel has accepted of its own accord.
 *
 * Any thread: poller_init, poller_close, poller_wake (signal-safe), poller_clock. The rest: the
 * loop's thread.
 */
#ifndef POLLER_POLLER_H
#define POLLER_POLLER_H

#include <sys/socket.h>
#include <sys/uio.h>

#include "evloop/dgram.h"
#include "evloop/loop.h"
#include "evloop/private.h"
#include "evloop/watch.h"
#include "util/atomic.h"
#include "util/list.h"

struct poller;
struct kqueue;
struct uring;

/* What an operation has come to. */
struct evloop_completion {
    ssize_t result;
    bool more;              /* a multishot operation goes on */
    void *data;             /* lent until done() returns, or kept with poller_keep_buffer() */
    struct received *extra; /* of a message: what came beside the bytes; NULL if nothing */
};

enum { OPERATION_STARTED = -20001 }; /* no errno, and no code of the library's */

/* What the next send is to take: filled by its gather(). Either iov, or a piece of a file. */
struct evloop_outgoing {
    struct iovec *iov;  /* room for IOV_AT_ONCE */
    unsigned iov_count; /* used */
    const int *fds;     /* go with the first byte */
    unsigned fd_count;
    int file; /* -1: none */
    uint64_t file_offset;
    size_t file_size;
    struct outgoing_message *messages; /* poller_send_messages(): instead of the above */
    unsigned message_count;
};

enum { IOV_AT_ONCE = 1024, BYTES_AT_ONCE = 1 << 20, FDS_AT_ONCE = 253 };

/* What came beside the bytes of a stream: descriptors, which are whoever's done() was called. */
struct received {
    int *fds;
    unsigned fd_count;
    bool lost; /* others came with them, and there was no number left for these */
};

/* What the watches on one descriptor add up to. */
struct descriptor {
    list_link watches;                /* through evloop_watch.same_fd_, in the order of starting */
    struct evloop_endpoint *endpoint; /* or NULL; never beside a watch */
    list_link changed;   /* in interest.changed while `registered` may differ from what is wanted */
    unsigned registered; /* the events that the kernel was asked for */
    uint32_t generation; /* grows whenever the descriptor gets its first watch */
};

#define DESCRIPTORS_A_PAGE 64

struct descriptor_page {
    struct descriptor of[DESCRIPTORS_A_PAGE];
};

/* All descriptors, by number; pages do not move. */
struct interest {
    struct descriptor_page **pages;
    size_t page_count;
    size_t watch_count; /* endpoints too */
    list_link changed;  /* descriptors */
    list_link ready;    /* collected watches, through evloop_watch.collected_ */
};

/* Endpoints whose operations can go on: ready.c. */
struct readiness {
    list_link ready;  /* in this turn, through evloop_endpoint.ready */
    list_link again;  /* in the next one */
    unsigned events;  /* collected in this turn, but for those of listeners */
    unsigned accepts; /* that this turn may make beyond one of each listener */
};

/* Memory that receives lend: buffer.c. */
struct buffers {
    size_t size;   /* of each: bytes */
    unsigned most; /* that may be kept at a time */
    unsigned kept_count;
    struct buffer *current;
    list_link kept;
};

/* Memory that messages are received into: ready_message.c. */
struct messages {
    struct message_room *room; /* NULL before the first receive */
    bool lent;                 /* done() has it */
};

/* Beside the events of a watch: the kernel tells of each change, not of what lasts. */
#define INTEREST_EDGE 32u

/*
 * What a backend carries out by itself, beyond telling when a descriptor is ready: as the poller_
 * functions of the same names, on endpoints that it took.
 */
struct poller_operations {
    /* Sets ENDPOINT_NATIVE_IN and _OUT on an endpoint, as far as it takes it. */
    void (*attach)(struct poller *poller, struct evloop_endpoint *endpoint);
    /* Nothing is in flight on it when this returns; what came is thrown away. */
    void (*detach)(struct poller *poller, struct evloop_endpoint *endpoint);
    /* Whether something has come that no operation has taken. */
    bool (*holds)(const struct poller *poller, const struct evloop_endpoint *endpoint);
    int (*accept)(struct poller *poller, struct evloop_operation *operation);
    void (*connect)(struct poller *poller, struct evloop_operation *operation,
                    const struct sockaddr *address, socklen_t size);
    int (*receive)(struct poller *poller, struct evloop_operation *operation, void *memory,
                   size_t size);
    ssize_t (*send)(struct poller *poller, struct evloop_operation *operation);
    int (*receive_messages)(struct poller *poller, struct evloop_operation *operation,
                            const struct evloop_message_format *format);
    size_t (*cancel)(struct poller *poller, struct evloop_operation *operation);
    void (*take_fds)(struct poller *poller, struct evloop_endpoint *endpoint);
    bool (*next_completion)(struct poller *poller);
    int (*keep_buffer)(struct poller *poller, const void *data);
    int (*release_buffer)(struct poller *poller, const void *data);
};

/* The kernel calls of one system; everything else is in poller.c and interest.c. */
struct poller_backend {
    const char *name;
    unsigned untold;                            /* of a watch's events, those that it cannot tell */
    const struct poller_operations *operations; /* NULL: all are carried out over readiness */
    /*
     * Whether it works in this process at all: 0, or an error. *words then is what does not work,
     * in static memory; who shows them puts the error's sentence behind them, -ENOTSUP has none.
     * NULL: it works everywhere. Any thread.
     */
    int (*probe)(const char **words);
    /* On an error everything is as before: the next best backend may be opened instead. */
    int (*open)(struct poller *poller);
    void (*close)(struct poller *poller);
    /*
     * Makes a new kernel object behind the same descriptor numbers, without a word to the old one;
     * see poller_after_fork().
     */
    int (*reopen)(struct poller *poller);
    /*
     * Changes the events of a descriptor in the kernel from `from` to `to`; 0 is "not registered".
     */
    int (*change)(struct poller *poller, int fd, uint32_t generation, unsigned from, unsigned to);
    /*
     * The same, but the kernel may learn of it with the wait that follows, and a refusal comes by
     * interest_refused(): an error is not this change's, which is to be asked for again. NULL: it
     * is told at once.
     */
    int (*change_later)(struct poller *poller, int fd, uint32_t generation, unsigned from,
                        unsigned to);
    /* Waits, and hands each event to interest_collect(). Interrupted by a signal: 0. */
    int (*wait)(struct poller *poller, uint64_t timeout_ns);
    /* May be NULL. The run ends; see poller_lend_fd(). */
    int (*pause)(struct poller *poller);
    /* May be NULL. Whether there is something that poller->fd does not tell, though it was lent. */
    bool (*silent)(const struct poller *poller);
    void (*wake)(struct poller *poller);
};

enum { REASON_SIZE = 160 };

struct poller {
    const struct poller_backend *backend;
    /* To be opened if this one cannot be; NULL: it, and no other, was asked for. */
    const struct poller_backend *const *next_best;
    char reason[REASON_SIZE]; /* why it was taken, or why a better one was not */
    const evloop_allocator *allocator;

    pthread_once_t once;
    ATOMIC(int) init_result; /* 1 until the initialisation is done */
    ATOMIC(unsigned) users;  /* POLLER_CLOSED | POLLER_USER times the threads inside wait or wake */

    int fd;                 /* polls readable when there is an event */
    int wake_fd;            /* private to the backend */
    bool waits_ms;          /* private to the backend: the kernel cannot wait for ns */
    bool reopen_wanted;     /* the kernel holds a registration that nobody can remove */
    size_t collected;       /* native completions that are still to be told */
    struct kqueue *kqueue;  /* private to the backend */
    struct uring *uring;    /* private to the backend */
    ATOMIC(unsigned) modes; /* POLLER_FD_LENT, POLLER_NATIVE */
    size_t receive_memory;  /* for receives of the kernel's: bytes */
    struct interest interest;
    struct readiness readiness;
    struct buffers buffers;
    struct messages messages;
};

enum { POLLER_CLOSED = 1, POLLER_USER = 2 };

/* Of poller.modes. */
enum {
    POLLER_FD_LENT = 1, /* somebody polls poller.fd */
    POLLER_NATIVE = 2   /* the backend has been given an operation of its own to carry out */
};

/*
 * relaxed: of two exchanges one comes first; who comes second acts. Partners: poller_lend_fd(),
 * poller_go_native().
 */
static inline bool poller_is(const struct poller *poller, unsigned mode)
{
    return atomic_get(&poller->modes, relaxed) & mode;
}

static inline void poller_go_native(struct poller *poller)
{
    if (!poller_is(poller, POLLER_NATIVE))
        atomic_or(&poller->modes, POLLER_NATIVE, relaxed);
}

/*
 * Chooses the backend; opens nothing yet. By name or by the environment: this one, and the error if
 * it does not work here; no other is even asked. Else the best that works here, and if opening it
 * fails, the next best.
 */
int poller_choose(struct poller *poller, const evloop_allocator *allocator, const char *name);
int poller_init(struct poller *poller);
/*
 * Wakes the thread that waits, lets all threads leave, closes. EVLOOP_ECLOSED if it was closed
 * already.
 */
int poller_close(struct poller *poller);
/* Frees what is left once it is closed, or was never opened. */
void poller_free(struct poller *poller);

/* Applies the changes of interest, then waits: 0 not at all, EVLOOP_FOREVER without a limit. */
int poller_wait(struct poller *poller, uint64_t timeout_ns);
/* At the end of a run. */
int poller_apply_changes(struct poller *poller);
/* The descriptor that polls readable when there is an event; any thread. */
int poller_lend_fd(struct poller *poller);
/* Whether there is a change to be applied, or something collected to be taken. */
bool poller_changed(const struct poller *poller);
/* Whether an operation can go on without a wait. */
static inline bool poller_ready(const struct poller *poller)
{
    return !list_empty(&poller->readiness.ready) || !list_empty(&poller->readiness.again) ||
           poller->collected > 0;
}
/* Makes the wait that is under way, or else the next one, return. */
int poller_wake(struct poller *poller);
/* The next collected watch and its events; NULL when all were taken. */
evloop_watch *poller_next_ready(struct poller *poller, unsigned *events);

int poller_add(struct poller *poller, evloop_watch *watch);
int poller_modify(struct poller *poller, evloop_watch *watch, unsigned events);
int poller_remove(struct poller *poller, evloop_watch *watch);
size_t poller_watch_count(const struct poller *poller);
/* Any watch but those up to `after`, in the order of descriptors; NULL: there is none. */
evloop_watch *poller_next_watch(const struct poller *poller, const evloop_watch *after);

/*
 * Takes a descriptor, non-blocking from here on. Registers nothing with the kernel before an
 * operation has to wait. Flags: ENDPOINT_*. Errors: -EEXIST (a watch or an endpoint is on it).
 */
int poller_attach(struct poller *poller, struct evloop_endpoint *endpoint, int fd, unsigned flags);
/*
 * Gives the descriptor back, still open: nothing may be in flight. What poller_holds() is lost.
 */
int poller_detach(struct poller *poller, struct evloop_endpoint *endpoint);
/*
 * Whether something has come, while an operation was being cancelled, that waits for the next one.
 */
bool poller_holds(const struct poller *poller, const struct evloop_endpoint *endpoint);
enum {
    ENDPOINT_SOCKET = 1,     /* else it is read from and written to */
    ENDPOINT_STREAM = 2,     /* a short transfer means that there is no more, or no room */
    ENDPOINT_UNIX = 4,       /* descriptors may come, or end a read early */
    ENDPOINT_LISTENER = 8,   /* connections come one by one */
    ENDPOINT_MESSAGES = 16,  /* datagrams */
    ENDPOINT_TAKES_FDS = 32, /* descriptors that come are kept: poller_take_fds() */
    ENDPOINT_NATIVE_IN = 64, /* set by a backend: it carries these out itself */
    ENDPOINT_NATIVE_OUT = 128,
    ENDPOINT_NATIVE = ENDPOINT_NATIVE_IN | ENDPOINT_NATIVE_OUT
};

/* What the network says, at once or later, comes with the completion: 0, or an error. */
void poller_connect(struct poller *poller, struct evloop_operation *operation,
                    const struct sockaddr *address, socklen_t size);
/* Multishot: done() gets a descriptor each time, close-on-exec and non-blocking. */
int poller_accept(struct poller *poller, struct evloop_operation *operation);
/*
 * Receives what there is. memory == NULL: multishot, into a buffer of the poller's; else once, up
 * to size bytes. A message of a unix socket that is longer than its memory: -EMSGSIZE.
 */
int poller_receive(struct poller *poller, struct evloop_operation *operation, void *memory,
                   size_t size);
/*
 * Sends what gather() says, called when there may be room for it: the bytes that were taken, which
 * may be fewer.
 */
ssize_t poller_send(struct poller *poller, struct evloop_operation *operation);
/* From here on descriptors that come beside bytes are kept, and told with these. */
void poller_take_fds(struct poller *poller, struct evloop_endpoint *endpoint);
/* Sends at once what the kernel takes at once, while no send is in flight: a count, or -EAGAIN. */
ssize_t poller_try_send(struct poller *poller, struct evloop_endpoint *endpoint,
                        const struct evloop_outgoing *outgoing);

/* ---- messages -------------------------------------------------------------------------------- */

/*
 * On endpoints with ENDPOINT_MESSAGES. Messages stay whole; of several, those that went through are
 * the first ones, and result says how many. An error concerns one message: of those to be sent, the
 * first; it may also be an earlier one's, which the network has refused meanwhile
 * (poller_is_network_error()), and the message then is to be sent again.
 */

/* One message to be sent. */
struct outgoing_message {
    const struct iovec *iov;
    unsigned iov_count;
    unsigned segment_size;      /* 0: it is one; else the kernel cuts it up */
    const evloop_address *to;   /* NULL or none: the connected peer */
    const evloop_address *from; /* NULL or none: as the system chooses */
};

enum { MESSAGES_AT_ONCE = 64 };

/* Of evloop_message_format.control. */
enum {
    MESSAGE_LOCAL = 1,    /* local address and interface */
    MESSAGE_TTL = 2,      /* time to live, or hop limit */
    MESSAGE_ECN = 4,      /* congestion notification */
    MESSAGE_SEGMENTS = 8, /* messages may come joined, and then say of what size they are */
    MESSAGE_ERRORS = 16   /* errors of the network stand in a queue, with what they are about */
};

/*
 * Multishot; the format stays until it is over. Each completion has up to format->batch messages:
 * result says how many, data is an evloop_datagram of each, lent until done() returns. After an
 * error of the network, or for want of memory, there is more; data then is NULL, or one
 * evloop_datagram, about which the error is.
 */
int poller_receive_messages(struct poller *poller, struct evloop_operation *operation,
                            const struct evloop_message_format *format);
/*
 * Sends the messages that gather() puts into outgoing->messages (room for MESSAGES_AT_ONCE; iov has
 * its room too, for what is to be put together), called when there may be room for them.
 */
ssize_t poller_send_messages(struct poller *poller, struct evloop_operation *operation);
/* Sends at once what the kernel takes at once, while no send is in flight: a count, or an error. */
ssize_t poller_try_send_messages(struct poller *poller, struct evloop_endpoint *endpoint,
                                 const struct evloop_outgoing *outgoing);
/* Whether it is the network's word on a message that was sent some time. */
bool poller_is_network_error(ssize_t err);

/* ---- ending ---------------------------------------------------------------------------------- */

/*
 * Ends an operation at once. Returns what a send had sent, and nobody was told of: bytes, or
 * messages.
 */
size_t poller_cancel(struct poller *poller, struct evloop_operation *operation);

/* Closes the descriptor, and what is in flight on it is cancelled. */
void poller_close_endpoint(struct poller *poller, struct evloop_endpoint *endpoint);

/* Runs done() of the next completion that was collected; false when there is none left. */
bool poller_next_completion(struct poller *poller);

/* The buffers that receives lend: see evloop_buffer_keep(). */
int poller_keep_buffer(struct poller *poller, const void *data);
int poller_release_buffer(struct poller *poller, const void *data);

/*
 * In a fork's child: new kernel objects, all watches registered again. Under the same numbers, but
 * where the kernel has dropped them and somebody else has one.
 */
int poller_after_fork(struct poller *poller);

/* Monotonic ns. */
int poller_clock(uint64_t *now_ns);

/* For the backends. */
extern const struct poller_backend poller_epoll;
extern const struct poller_backend poller_kqueue;
extern const struct poller_backend poller_uring;
const struct poller_backend *const *poller_backends(void); /* best first, NULL at the end */
/*
 * What is nobody's makes a new kernel object wanted (reopen_wanted), unless the backend removes the
 * registration itself.
 */
void interest_collect(struct poller *poller, int fd, uint32_t generation, unsigned events);
/* What the kernel was asked for of a descriptor that has something collected. */
unsigned interest_registered(const struct poller *poller, int fd);
/*
 * The kernel refused a change, and the backend has removed the whole registration. An error that
 * may pass is returned, and the next wait asks again; after any other its watches are told: 0.
 */
int interest_refused(struct poller *poller, int fd, uint32_t generation, int err);

/* For ready.c. */
int interest_attach(struct poller *poller, struct evloop_endpoint *endpoint);
void interest_detach(struct poller *poller, struct evloop_endpoint *endpoint);
/* Tells the kernel at once which events of an endpoint are wanted. */
int interest_set(struct poller *poller, struct evloop_endpoint *endpoint, unsigned events);
int buffers_ready(struct poller *poller);
void *buffers_current(const struct poller *poller);

/* For operation.c. */
int buffers_keep(struct poller *poller, const void *data);
int buffers_release(struct poller *poller, const void *data);

/* For interest.c. */
void ready_collect(struct poller *poller, struct evloop_endpoint *endpoint, unsigned events);

/* For poller.c. */
void ready_init(struct readiness *readiness);
/* Before a wait: those that had more than a turn's share; whether there are any. */
bool ready_begin(struct poller *poller);
void buffers_init(struct buffers *buffers);
void buffers_free(struct poller *poller);
void messages_free(struct poller *poller);
void interest_init(struct interest *interest);
void interest_free(struct poller *poller);
int interest_apply(struct poller *poller);
void interest_after_fork(struct poller *poller);
int interest_register_again(struct poller *poller);

#endif
