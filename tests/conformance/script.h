/*
 * script.h: scripts: what streams and listeners do, told as text.
 *
 * A script is a function that plays a scene: actors (streams) and doors (listeners) on one loop,
 * over one kind of transport. Whatever a callback is told is noted, and expect() runs the loop
 * until the notes read as they should:
 *
 *     meet(scene);
 *     hear(b);
 *     put(a, &request, 5);
 *     expect(scene, "a", "write 5 0");
 *     expect(scene, "b", "read 5 bytes");
 *
 * The notes:
 *     connect 0              status of connecting
 *     accept 0               of a door: what evloop_accept() said
 *     read hello             bytes, as text
 *     read 70000 bytes       bytes that stand at their place in the pattern of net.h
 *     eof, read ECONNRESET   why reading has ended
 *     write 5 0              bytes that went out, status
 *     shutdown 0             status
 *     full, drained          the watermarks
 *     closed
 *
 * Reads of one actor that follow one another are one note, also when news of its writes come
 * between: where a stream of bytes is cut is nobody's promise (of messages it is: `whole`). Each
 * actor's notes are in order; so are the notes of a whole scene, but for what comes from different
 * descriptors: no backend promises which of those it sees first.
 *
 * After each note the actor's `then` is called, in the midst of the callback: there a script
 * closes, stops, writes.
 */
#ifndef EVLOOP_TESTS_SCRIPT_H
#define EVLOOP_TESTS_SCRIPT_H

#include "net.h"

enum transport {
    TCP4 = 1,
    TCP6 = 2,
    UNIX = 4,
    PAIR = 8,
    PIPE = 16,
    SEQPACKET = 32,
    UDP4 = 64,
    UDP6 = 128,
    UDGRAM = 256
};

/* What a script can be played over: where somebody listens; both ways; one way at least. */
enum {
    TCP = TCP4 | TCP6,
    LISTENING = TCP4 | TCP6 | UNIX,
    LOCAL = UNIX | PAIR,
    DUPLEX = LISTENING | PAIR,
    ANY = DUPLEX | PIPE
};

struct scene;

struct script {
    const char *name;
    void (*play)(struct scene *scene);
    unsigned over;
};

#define SCRIPT(name, over)                                                                         \
    {                                                                                              \
#name, name, over                                                                          \
    }

enum event { CONNECT, ACCEPT, READ, WRITE, SHUTDOWN, FULL, DRAINED, CLOSED };

/* A stream with a name. */
struct actor {
    evloop_stream stream;
    const char *name;
    struct scene *scene;
    void (*then)(struct actor *actor, enum event event);
    bool whole;       /* reads are not put together */
    bool reads_into;  /* what is read must lie in memory[] */
    bool strict;      /* what is read must stand in its place in the pattern */
    uint64_t sent;    /* bytes offered */
    uint64_t heard;   /* bytes read */
    unsigned reads;   /* read callbacks that had bytes */
    ssize_t last;     /* what the last read callback was told */
    const void *lent; /* and its data */
    int error;        /* of the stream when it was closed */
    unsigned events[CLOSED + 1];
    struct door *door; /* that it came through */
    char memory[4096];
};

/* A listener with a name. */
struct door {
    evloop_listener listener;
    const char *name;
    struct scene *scene;
    struct actor *next; /* who comes in next; NULL: nobody does */
    void (*instead)(struct door *door);
    void (*then)(struct door *door, enum event event);
};

/* A request to write, which lives until it is done. */
struct request {
    evloop_write write;
    struct actor *actor;
    struct iovec iov[64];
    bool done;
};

enum { NOTE_SIZE = 80, NOTES = 400, HEAD_SIZE = 40 };

struct note {
    const char *who;
    enum event event;
    bool bytes;    /* a read that may go on */
    bool in_place; /* its bytes stand in their places in the pattern */
    size_t size;
    char text[NOTE_SIZE];
};

struct scene {
    enum transport over;
    evloop *loop;
    evloop_timer patience; /* ends what waits in vain */
    bool in_vain;
    struct actor a, b; /* a connects to b */
    struct door door;
    void (*epilogue)(struct scene *scene); /* ends what a script has made beside these; or NULL */
    char place[PLACE_SIZE];
    evloop_address where; /* the door's */
    struct note notes[NOTES];
    unsigned note_count;
};

/* ---- the scene ------------------------------------------------------------------------------- */

/** Plays a script over a transport. */
void scene_play(const struct script *script, enum transport over);
/** After a script that failed: ends its loop, so that the next one does not suffer. */
void scene_abandon(void);
/** One turn, or a run until something was called back. */
void scene_turn(struct scene *scene);
void scene_wait(struct scene *scene);
/** Runs until the condition holds; fails when that takes too long. */
#define scene_until(scene, condition)                                                              \
    do {                                                                                           \
        while (!(condition))                                                                       \
            scene_wait_for(scene, #condition);                                                     \
    } while (0)
void scene_wait_for(struct scene *scene, const char *what);

/* ---- notes ----------------------------------------------------------------------------------- */

/** Notes what a callback of somebody's was told. */
__attribute__((format(printf, 4, 5))) void note(struct scene *scene, const char *who,
                                                enum event event, const char *format, ...);
/** Runs until the notes of one (NULL: of all, with their names) are these, and takes them. */
__attribute__((format(printf, 3, 4))) void expect(struct scene *scene, const char *who,
                                                  const char *format, ...);
/** The same, in any order. */
void expect_all_of(struct scene *scene, const char *who, const char *notes);
/** Throws away what was noted. */
void notes_forget(struct scene *scene);
/** Asserts that nothing more is noted in the next few turns. */
void expect_nothing(struct scene *scene);

/* ---- who plays ------------------------------------------------------------------------------- */

void actor_init(struct actor *actor, struct scene *scene, const char *name);
void door_init(struct door *door, struct scene *scene, const char *name);
/** Opens the door, where the transport's listeners are. */
void door_open(struct door *door, const evloop_listen_options *options);
/** Starts to connect to scene->where; options may be NULL. */
void dial(struct actor *actor, const evloop_connect_options *options);
/** Connects actors; what was noted on the way is taken. Over a pipe: from a to b. */
void meet_as(struct actor *a, struct actor *b);
void meet(struct scene *scene);
/** Connects an actor to a plain descriptor, which is returned. */
int meet_by_hand(struct actor *actor);
/** Connects actors, over kernel buffers that hold less than TOO_MUCH. */
void meet_narrowly(struct scene *scene);
/** Whether the transport has a direction from b to a. */
bool both_ways(const struct scene *scene);

/* ---- what they do: asserts that the call succeeds -------------------------------------------- */

void hear(struct actor *actor);
void hear_into(struct actor *actor, size_t size, size_t least);
void hush(struct actor *actor);
void say(struct actor *actor, const char *text);
/** Writes size bytes of the pattern. */
void put(struct actor *actor, struct request *request, size_t size);
void put_text(struct actor *actor, struct request *request, const char *text);
/** After meet_narrowly(): more than the kernel will ever take while nobody reads. */
enum { TOO_MUCH = 4 * PATTERN_SPAN };
void end(struct actor *actor);
void leave(struct actor *actor);
void door_close(struct door *door);

/* ---- the callbacks, for scripts that start things themselves --------------------------------- */

void on_connect(evloop_stream *stream, int status);
void on_read(evloop_stream *stream, ssize_t n, const void *data);
void on_write(evloop_write *write, int status);
void on_shutdown(evloop_stream *stream, int status);
void on_watermark(evloop_stream *stream, bool full);
void on_closed(evloop_stream *stream);
void on_connection(evloop_listener *listener);
void on_door_closed(evloop_listener *listener);

/* ---- the suites ------------------------------------------------------------------------------ */

extern const struct script accept_scripts[];
extern const struct script buffer_scripts[];
extern const struct script bulk_scripts[];
extern const struct script close_scripts[];
extern const struct script connect_scripts[];
extern const struct script deadline_scripts[];
extern const struct script dgram_scripts[];
extern const struct script half_close_scripts[];
extern const struct script loop_shutdown_scripts[];
extern const struct script open_scripts[];
extern const struct script read_scripts[];
extern const struct script unix_scripts[];
extern const struct script write_scripts[];

#endif
