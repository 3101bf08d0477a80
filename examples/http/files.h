/*
 * Files below a folder, by the path of a request. Nothing outside of the folder is reached: each
 * name is looked up in the folder before it, symbolic links are not followed, and a name that
 * begins with a dot does not exist.
 */
#ifndef HTTP_FILES_H
#define HTTP_FILES_H

#include <time.h>

#include "parser.h"

struct file {
    int fd;
    uint64_t size;
    time_t modified;
    const char *type;
    char tag[56]; /* changes when the file does; with its quotes */
};

/*
 * Opens what a path means, as it was sent: "/a%20b". Returns 200, and the file is the caller's to
 * close; 301 for a folder whose path does not end with a slash; or why there is no file: 400, 403,
 * 404, 503 (out of descriptors), 500.
 */
int file_open(int folder, struct http_text path, struct file *file);

#endif
