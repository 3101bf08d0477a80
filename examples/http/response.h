/*
 * What a request is answered with: which status, which part of which file; and the head that says
 * so. No I/O here.
 */
#ifndef HTTP_RESPONSE_H
#define HTTP_RESPONSE_H

#include "files.h"

enum { RESPONSE_HEAD_MAX = HTTP_LINE_MAX + 1024 };

struct response {
    int status;
    const struct file *file; /* NULL: the status in words is the body */
    uint64_t offset, size;   /* of the body; in the file, if there is one */
    struct http_text folder; /* of a 301: the path that lacks its slash */
};

/* Without a file: its status, and a line of text. */
struct response response_without_file(int status);
/* With one: the whole (200), a part of it (206, 416), or the news that it is as it was (304). */
struct response response_with_file(const struct http_request *request, const struct file *file);

/*
 * Writes the head, and the body of one without a file; a HEAD's has none. Returns how many bytes.
 */
size_t response_write(const struct response *response, enum http_method method, bool keep_alive,
                      const char *date, char text[RESPONSE_HEAD_MAX]);

enum { HTTP_DATE_SIZE = sizeof "Sun, 06 Nov 1994 08:49:37 GMT" };
void http_date(time_t moment, char text[HTTP_DATE_SIZE]);

#endif
