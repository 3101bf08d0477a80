/*
 * Every name on the way is opened by itself, in the folder before it: so there is no path for the
 * kernel to follow to somewhere else.
 */
#define _POSIX_C_SOURCE 200809L
#ifdef __APPLE__ /* which has no st_mtim */
#define _DARWIN_C_SOURCE
#define MODIFIED st_mtimespec
#else
#define MODIFIED st_mtim
#endif

#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define INDEX "index.html"

static const char *type_of(const char *name)
{
    static const struct {
        const char *suffix, *type;
    } types[] = {
        {"html", "text/html; charset=utf-8"},
        {"htm", "text/html; charset=utf-8"},
        {"css", "text/css; charset=utf-8"},
        {"js", "text/javascript; charset=utf-8"},
        {"mjs", "text/javascript; charset=utf-8"},
        {"txt", "text/plain; charset=utf-8"},
        {"md", "text/markdown; charset=utf-8"},
        {"csv", "text/csv; charset=utf-8"},
        {"json", "application/json"},
        {"xml", "application/xml"},
        {"svg", "image/svg+xml"},
        {"png", "image/png"},
        {"jpg", "image/jpeg"},
        {"jpeg", "image/jpeg"},
        {"gif", "image/gif"},
        {"webp", "image/webp"},
        {"ico", "image/x-icon"},
        {"mp3", "audio/mpeg"},
        {"mp4", "video/mp4"},
        {"webm", "video/webm"},
        {"woff2", "font/woff2"},
        {"wasm", "application/wasm"},
        {"pdf", "application/pdf"},
        {"zip", "application/zip"},
        {"gz", "application/gzip"},
    };
    const char *dot = strrchr(name, '.');
    for (size_t i = 0; dot && i < sizeof types / sizeof *types; i++)
        if (http_text_is((struct http_text){dot + 1, strlen(dot + 1)}, types[i].suffix))
            return types[i].type;
    return "application/octet-stream";
}

static int status_of(int error)
{
    switch (error) {
    case ENOENT:
    case ENOTDIR:
    case ELOOP:  /* a symbolic link */
    case EMLINK: /* the same, on some systems */
    case ENAMETOOLONG:
    case ENXIO: /* a socket, or a device that is not there */
        return 404;
    case EACCES:
    case EPERM:
        return 403;
    case EMFILE:
    case ENFILE:
    case ENOMEM:
        return 503;
    default:
        return 500;
    }
}

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* One name of the path, without its escapes: 200, or a status. */
static int decode(struct http_text text, char name[NAME_MAX + 1])
{
    size_t size = 0;
    for (size_t i = 0; i < text.size; i++) {
        int c = (unsigned char)text.at[i];
        if (c == '%') {
            int high = i + 2 < text.size ? hex(text.at[i + 1]) : -1;
            int low = high < 0 ? -1 : hex(text.at[i + 2]);
            if (low < 0)
                return 400;
            c = high * 16 + low;
            i += 2;
        }
        if (c == '\0')
            return 400;
        if (c == '/' || size == NAME_MAX) /* no file is called so */
            return 404;
        name[size++] = (char)c;
    }
    name[size] = '\0';
    return name[0] == '.' ? 404 : 200;
}

/* Takes the next name out of the path, and the slash behind it; false if there is no slash. */
static bool take_name(struct http_text *path, struct http_text *name)
{
    const char *slash = path->size ? memchr(path->at, '/', path->size) : NULL;
    name->at = path->at;
    name->size = slash ? (size_t)(slash - path->at) : path->size;
    path->at += name->size + (slash ? 1 : 0);
    path->size -= name->size + (slash ? 1 : 0);
    return slash;
}

static int describe(int fd, const char *name, struct file *file)
{
    struct stat status;
    if (fstat(fd, &status) < 0)
        return 500;
    if (S_ISDIR(status.st_mode))
        return 301;
    if (!S_ISREG(status.st_mode))
        return 404;
    file->fd = fd;
    file->size = (uint64_t)status.st_size;
    file->modified = status.MODIFIED.tv_sec;
    file->type = type_of(name);
    snprintf(file->tag, sizeof file->tag, "\"%llx-%llx-%lx\"", (unsigned long long)file->size,
             (unsigned long long)file->modified, (unsigned long)status.MODIFIED.tv_nsec);
    return 200;
}

/* O_NONBLOCK: to open a pipe must not keep us until somebody writes to it. */
static int open_file(int folder, const char *name, struct file *file)
{
    int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return status_of(errno);
    int status = describe(fd, name, file);
    if (status != 200)
        close(fd);
    return status;
}

/* Goes no deeper than there are folders. */
static int open_below(int folder, struct http_text path, struct file *file)
{
    char name[NAME_MAX + 1];
    struct http_text text;
    bool is_folder = take_name(&path, &text);
    int status = decode(text, name);
    if (status != 200)
        return status;
    if (!is_folder)
        return open_file(folder, *name ? name : INDEX, file);
    if (!*name)
        return 404;
    int next = openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (next < 0)
        return status_of(errno);
    status = open_below(next, path, file);
    close(next);
    return status;
}

int file_open(int folder, struct http_text path, struct file *file)
{
    path.at++; /* the slash that it begins with */
    path.size--;
    return open_below(folder, path, file);
}
