/*
 * uring.h: what the files of the io_uring backend share.
 *
 *   poller_uring.c      the backend: epoll and a ring, who waits for which, whose thread it is
 *   uring_begin.c       operations on sockets are begun, and handed to the kernel
 *   uring_event.c       their completions, collected
 *   uring_tell.c        and told
 *   uring_flood.c       fairly
 *   uring_urgent.c      what stands still at urgent data goes on
 *   uring_operation.c   they end, or are cancelled
 *   uring_message.c     datagrams
 *   uring_buffer.c      memory that the kernel receives into
 *   uring_ring.c        the ring itself
 *   uring_probe.c       whether it works here
 *
 * An operation that was started is `queued` until the next wait, which hands all of them to the
 * kernel together; then it is in flight until its completion without F_MORE has been collected.
 * Completions are collected into `events`, in the kernel's order, and told one by one; of each
 * direction of an endpoint as much in a turn as one attempt over readiness could bring, and what
 * there is more of goes to `late`, for the next. user_data says which descriptor, which generation
 * of it, and what it is about: a completion leads to nothing that its user may have freed.
 *
 * Cancelling waits until the kernel has let go, and what had come by then is put aside (`left`) for
 * the next operation.
 *
 * Invariant: a direction of an entry that is in flight has exactly one terminal completion to come,
 * in the kernel or in the ring. Loop's thread only.
 */
#ifndef POLLER_URING_H
#define POLLER_URING_H

#include "poller/poller.h"
#include "poller/uring_probe.h"
#include "poller/uring_ring.h"

/* What a completion is about. */
enum uring_tag {
    TAG_NOTHING, /* of a cancellation: only the target's own completion counts */
    TAG_EPOLL,   /* the epoll instance has events */
    TAG_ACCEPT,
    TAG_READABLE, /* a listener that had no descriptor to spare */
    TAG_RECEIVE,
    TAG_INTO, /* received into the user's memory */
    TAG_MESSAGE,
    TAG_SEND,
    TAG_ROOM, /* for a send that was tried without the ring, or a connection */
    TAG_LEFT  /* no completion: what was left by a cancelled operation is to be told */
};

/* One that was collected. */
struct uring_event {
    uint64_t user_data;
    int32_t result;
    uint32_t flags;
    char *data; /* TAG_RECEIVE, TAG_MESSAGE: where in a buffer */
};

/* A queue of them, in a ring that grows. */
struct uring_events {
    struct uring_event *ring;
    size_t capacity; /* a power of two */
    size_t first;
    size_t count;
};

/* What came to an operation that had been cancelled. */
struct uring_left {
    size_t begin;
    size_t end;
    char bytes[];
};

enum {
    ENTRY_IN_FLIGHT = 1,
    ENTRY_OUT_FLIGHT = 2,
    ENTRY_QUEUE_IN = 4, /* to be handed to the kernel */
    ENTRY_QUEUE_OUT = 8,
    ENTRY_WANTS_ROOM = 16,    /* out: wait for room before the next attempt */
    ENTRY_AWAITS_CLIENT = 32, /* in: no descriptor to spare: wait before the next attempt */
    ENTRY_ZERO_COPY = 64,     /* out: what is in flight is without copy */
    ENTRY_NOTIFY_DUE = 128,   /* it was sent, and the kernel still uses the memory */
    ENTRY_COPIES = 256,       /* without copy is no use here */
    ENTRY_PUT_OFF = 512,      /* in: something of this turn waits for the next one */
    ENTRY_FLOODS = 1024,      /* in: received once a turn, since it would fill all buffers */
    ENTRY_RELIEVED = 2048,    /* what it has beyond its share is to be copied */
    ENTRY_HAS_RECEIVED = 4096,
    ENTRY_HAS_MORE = 8192, /* in: the last completion said so */
    ENTRY_PROMISED = 16384 /* in: a completion is to come at once */
};

/* One for each descriptor that has had an endpoint, by number; they do not move. */
struct uring_entry {
    list_link queued; /* in uring.queued while a QUEUE_ flag is set */
    list_link starved;
    struct evloop_endpoint *endpoint;
    struct uring_left *left;
    uint32_t generation; /* 24 bits */
    uint32_t turn;       /* in which the last completion in was told */
    size_t told;         /* bytes, in that turn */
    int error;           /* to be told after what is left */
    int32_t sent;        /* ENTRY_NOTIFY_DUE: what the send came to */
    unsigned flags;
    enum uring_tag in_tag; /* of what is in flight */
    enum uring_tag out_tag;
    list_link promised; /* in uring.promised while ENTRY_PROMISED is set */
};

enum { ENTRIES_A_PAGE = 64 };

struct uring_page {
    struct uring_entry of[ENTRIES_A_PAGE];
};

/* A buffer that the kernel fills, or the loop reads from. */
struct pool_buffer {
    list_link link;                  /* in pool.kept, without a number */
    struct pool_buffer *replacement; /* while a user keeps a part of it */
    size_t used;                     /* of incremental ones: how far the kernel has filled it */
    unsigned pieces;                 /* that are still to be read */
    unsigned kept;                   /* by users */
    bool filled;                     /* the kernel puts nothing more into it */
    unsigned short number;
    unsigned short place;       /* in the kernel's order */
    CACHE_ALIGNED char bytes[]; /* the kernel copies to odd places at half the speed */
};

/* Memory of one group, which the kernel picks from. */
struct pool {
    struct io_uring_buf_ring *ring; /* shared with the kernel; NULL: not open */
    struct pool_buffer **buffers;   /* by number */
    list_link kept;
    size_t size;        /* of each buffer */
    unsigned count;     /* places for them */
    unsigned made;      /* buffers */
    unsigned available; /* in the kernel's hands */
    unsigned short group;
    unsigned short base; /* the kernel's number of the first buffer */
    unsigned short tail;
    bool incremental;
    unsigned short *order; /* numbers in the order in which the kernel has got them: for bundles */
};

/*
 * Groups. Pools of messages are of so many sizes, each twice the last, and their numbers tell them
 * apart.
 */
enum { POOL_STREAMS, POOL_MESSAGES, MESSAGE_POOLS = 10, MESSAGE_PLACES = 256 };

enum { SEND_IOV = 2048, SEND_HEADERS = 64 };

/* What the requests of one submission point to; the kernel has copied it when that returns. */
struct uring_scratch {
    struct iovec iov[SEND_IOV];
    struct msghdr headers[SEND_HEADERS];
    unsigned iov_used;
    unsigned headers_used;
};

struct uring {
    struct ring ring;
    struct uring_features features;
    struct uring_page **pages;
    size_t page_count;
    list_link queued;
    list_link starved;  /* receives that wait for buffers */
    list_link promised; /* receives of which a completion is to come at once: nobody sleeps */
    struct uring_events events;
    struct uring_events late; /* those that were put off; each is older than its like in events */
    unsigned notifications;   /* due */
    size_t to_tell;           /* of events, in this turn */
    uint32_t turn;
    size_t turn_events; /* how many it had to tell */
    bool epoll_armed;   /* the ring polls the epoll instance */
    bool epoll_fired;
    bool ring_in_epoll; /* the other way round */
    struct pool streams;
    struct pool messages[MESSAGE_POOLS];
    struct message_slots *message_slots;
    struct uring_scratch *scratch;
    const char *lent; /* to a callback, which may keep it */
    size_t lent_size;
    unsigned short lent_number;
};

/* ---- poller_uring.c -------------------------------------------------------------------------- */

/* The entry of a descriptor that had one made; NULL. */
struct uring_entry *uring_find(const struct uring *uring, int fd);
struct uring_entry *uring_find_or_make(struct poller *poller, int fd);
/* Makes the ring this thread's. */
int uring_own(struct poller *poller);
/* Lets the kernel work without waiting, or until there is a completion, and collects all. */
int uring_turn(struct poller *poller, uint64_t timeout_ns);
/* Asks the kernel to let go of a request, and collects what comes; to be repeated until it has. */
int uring_cancel(struct poller *poller, uint64_t user_data);

/* ---- uring_event.c --------------------------------------------------------------------------- */

static inline uint64_t uring_user_data(enum uring_tag tag, const struct uring_entry *entry, int fd)
{
    return (uint64_t)tag << 56 | (uint64_t)entry->generation << 32 | (uint32_t)fd;
}

static inline enum uring_tag uring_tag_of(uint64_t user_data)
{
    return (enum uring_tag)(user_data >> 56);
}

bool uring_is_in(enum uring_tag tag);
/* Whether an event is one of this direction of the endpoint. */
bool uring_concerns(const struct uring_event *event, const struct uring_entry *entry, int fd,
                    bool in);
/* Takes one completion of an operation: told later, or given back where it came from. */
void uring_collect(struct poller *poller, const struct ring_event *completion);
/* Makes room for so many more events: 0, or -ENOMEM. */
int uring_reserve(struct poller *poller, size_t count);
/* Appends; there is room. */
void uring_push(struct poller *poller, const struct uring_event *event);

/* What was collected is to be told from here on. */
void uring_begin_turn(struct uring *uring);
/* The next one that is to be told in this turn; NULL. */
const struct uring_event *uring_next(const struct uring *uring);
void uring_pop(struct poller *poller);
/* The same in one, if there is one. */
struct uring_event uring_take(struct poller *poller);
/* Into the place of one that was taken just now. */
void uring_push_front(struct poller *poller, const struct uring_event *event);
/* One that was taken just now is to be told in the next turn. */
void uring_put_off(struct poller *poller, const struct uring_event *event);

/*
 * All poller->collected of them, by their place: in the order in which they were collected, as far
 * as one endpoint is concerned.
 */
struct uring_event *uring_collected_at(struct uring *uring, size_t i);
struct uring_event uring_take_out(struct poller *poller, size_t i);
/* The first one of a direction: its place; false: there is none. */
bool uring_find_event(struct poller *poller, const struct uring_entry *entry, int fd, bool in,
                      size_t *place);

/* ---- uring_begin.c --------------------------------------------------------------------------- */

/* As the operations of the same names. */
void uring_attach(struct poller *poller, struct evloop_endpoint *endpoint);
int uring_start_accept(struct poller *poller, struct evloop_operation *operation);
int uring_start_receive(struct poller *poller, struct evloop_operation *operation, void *memory,
                        size_t size);
void uring_start_connect(struct poller *poller, struct evloop_operation *operation,
                         const struct sockaddr *address, socklen_t size);
ssize_t uring_start_send(struct poller *poller, struct evloop_operation *operation);
int uring_start_in(struct poller *poller, struct evloop_operation *operation, unsigned kind);
/* Hands what is queued to the kernel's queue. */
void uring_prepare(struct poller *poller);

/* ---- uring_tell.c ---------------------------------------------------------------------------- */

bool uring_next_completion(struct poller *poller);
/* Ends the operation in, with this result. */
bool uring_end_in(struct uring_entry *entry, int result);

/* ---- uring_flood.c --------------------------------------------------------------------------- */

/* Whether buffers were short, and somebody had more than his share: the others can be heard now. */
bool uring_relieve(struct poller *poller);

/* ---- uring_urgent.c -------------------------------------------------------------------------- */

/* A completion of a receive has come. */
void uring_note_received(struct uring *uring, struct uring_entry *entry,
                         const struct ring_event *event);
/* The entry's endpoint goes. */
void uring_forget_promise(struct uring_entry *entry);
/* A multishot receive is about to be handed to the kernel. */
void uring_note_begun(struct uring *uring, struct uring_entry *entry);
/* Before a wait: makes receives go on that stand still, though there is something. */
void uring_urge(struct uring *uring);

/* ---- uring_operation.c ----------------------------------------------------------------------- */

extern const struct poller_operations uring_operations;

struct uring_entry *uring_entry_of(const struct poller *poller,
                                   const struct evloop_endpoint *endpoint);
/* QUEUE_ flags, and what is to be forgotten with them. */
void uring_queue(struct uring *uring, struct uring_entry *entry, unsigned flag);
void uring_unqueue(struct uring_entry *entry, unsigned flags);
/* Returns when the kernel has let go of it: 0, or an error if it could not be told to. */
int uring_settle(struct poller *poller, struct uring_entry *entry, unsigned flag);
/* Whether an error says that the operation is to be tried again, and not what became of it. */
bool uring_is_no_result(int result);
/*
 * Room for what came to nobody, behind what was kept before; NULL: there is none, and that is told
 * as the entry's error.
 */
char *uring_room_aside(struct poller *poller, struct uring_entry *entry, size_t size);
/* Puts aside what an event has brought; memory: where its bytes are. */
void uring_keep_result(struct poller *poller, struct uring_entry *entry,
                       const struct uring_event *event, const void *memory);
/* The one who would have been told of it is not there any more. */
void uring_give_back(struct poller *poller, const struct uring_event *event);
/* For a new ring: nothing is in flight any more; what was is queued again. */
void uring_restart_all(struct poller *poller);
/* In a fork's child: what was collected is the parent's. */
void uring_forget_all(struct poller *poller);

/* ---- uring_message.c ------------------------------------------------------------------------- */

int uring_receive_messages(struct poller *poller, struct evloop_operation *operation,
                           const struct evloop_message_format *format);
/* Where the operation's messages go to, and where a buffer of this number is. */
struct pool *uring_message_pool(struct uring *uring, const struct evloop_operation *operation);
struct pool *uring_message_pool_of(struct uring *uring, unsigned short number);
void uring_fill_messages(struct poller *poller, const struct evloop_operation *operation,
                         struct io_uring_sqe *request);
/* Tells a TAG_MESSAGE; whether there was a completion. */
bool uring_tell_messages(struct poller *poller, struct uring_entry *entry,
                         const struct uring_event *event);
/* A message that came to nobody, and those that did, or the error that was met. */
void uring_put_message_aside(struct poller *poller, struct uring_entry *entry,
                             const struct uring_event *event);
bool uring_tell_left_messages(struct poller *poller, struct uring_entry *entry);
int uring_messages_reopen(struct poller *poller);
void uring_messages_forget(struct uring *uring);
void uring_messages_free(struct poller *poller);

/* ---- uring_buffer.c -------------------------------------------------------------------------- */

/* Makes a pool and tells the ring; on error nothing is left. count: a power of two. */
int pool_open(struct poller *poller, struct pool *pool, unsigned short group, unsigned count,
              size_t size, bool incremental);
/* Makes it without a buffer. */
int pool_make(struct poller *poller, struct pool *pool, unsigned short group, unsigned count,
              size_t size, bool incremental);
/* Makes buffers until there are so many, count at most: 0, or -ENOMEM. */
int pool_grow(struct poller *poller, struct pool *pool, unsigned made);
/* Tells a new ring of it; whatever the old one's kernel had is free. */
int pool_reopen(struct poller *poller, struct pool *pool);
/* Nobody reads any piece any more. */
void pool_forget(struct pool *pool);
/* The ring is gone. */
void pool_free(struct poller *poller, struct pool *pool);
/* Where the bytes of a completion with F_BUFFER lie. A piece that is to be given back once read. */
char *pool_take(struct pool *pool, const struct ring_event *event);
/* How many bytes the kernel can still put into this one. */
int32_t pool_room(const struct pool *pool, unsigned short number);
/* The number of the buffer that follows `number` in the kernel's order: the next of a bundle. */
unsigned short pool_after(const struct pool *pool, unsigned short number);
/* A piece was read. */
void pool_give(struct poller *poller, struct pool *pool, unsigned short number);
/* What pool_take() gave for these flags. */
static inline unsigned short pool_number(uint32_t flags)
{
    return (unsigned short)(flags >> IORING_CQE_BUFFER_SHIFT);
}
int pool_keep(struct poller *poller, struct pool *pool, unsigned short number);
/* -EINVAL: no part of it is kept. */
int pool_release(struct poller *poller, struct pool *pool, const char *data);
/* Receives that had found no buffer can be started again. */
void uring_feed(struct uring *uring);

#endif
