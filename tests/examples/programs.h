/*
 * programs.h: the examples as programs: started with a port of the system's choice, talked to,
 * ended by a signal. Nothing here knows what is inside of them.
 */
#ifndef EXAMPLES_PROGRAMS_H
#define EXAMPLES_PROGRAMS_H

#include "net.h"

/* ---- programs -------------------------------------------------------------------------------- */

struct program {
    pid_t pid;
    int output;
    char text[64];          /* where it says it listens: "127.0.0.1:43210" */
    evloop_address address; /* the same */
};

/* Starts it, and waits for the line that says where it listens. The arguments end with NULL. */
void program_start(struct program *program, const char *path, ...);
/* Waits for its end, which must be an exit with 0. */
void program_wait(struct program *program);
/* SIGTERM, and that. */
void program_end(struct program *program);

/* Whether the system has a command of this name. */
bool command_exists(const char *name);
/*
 * Runs it to its end, which must be an exit with 0, and gives what it wrote to its standard output,
 * to be freed.
 */
char *command(const char *name, ...);

/* ---- a client -------------------------------------------------------------------------------- */

void send_all(int fd, const void *data, size_t size);
void send_text(int fd, const char *text);

/* What came, with a zero behind it; to be freed. */
struct received {
    char *data;
    size_t size;
    int error; /* ECONNRESET; 0 if the peer ended in good order, or enough has come */
};

/* Reads until so many bytes have come, or the peer ends. */
struct received receive(int fd, size_t size);
#define EVERYTHING SIZE_MAX

/* ---- files ----------------------------------------------------------------------------------- */

/* A folder that goes away with what is in it. */
struct folder {
    char path[PLACE_SIZE];
};

void folder_make(struct folder *folder);
void folder_remove(const struct folder *folder);
/* Makes a file in it: so many bytes of the pattern, from its beginning. */
void folder_put(const struct folder *folder, const char *name, size_t size);
/* Makes one of this text. */
void folder_put_text(const struct folder *folder, const char *name, const char *text);
/* Whether there is a file of so many bytes of the pattern. */
bool folder_has(const struct folder *folder, const char *name, size_t size);
/* Its path; in memory that the next call uses again. */
const char *folder_path(const struct folder *folder, const char *name);

#endif
