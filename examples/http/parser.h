/*
 * The head of an HTTP/1.x request: its first line and its fields. Strict where leniency has let
 * requests be smuggled past others: lines end in CR LF and nothing else, no line is folded, lengths
 * are plain numbers and contradict nothing. No memory is allocated and none is written but the two
 * structs: what is found points into the bytes that were given.
 */
#ifndef HTTP_PARSER_H
#define HTTP_PARSER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    HTTP_HEAD_MAX = 8192,  /* bytes; 431 beyond it */
    HTTP_LINE_MAX = 4096,  /* bytes of the first line; 414 beyond it */
    HTTP_FIELDS_MAX = 100, /* 431 beyond it */
};

/* Bytes, without a zero at their end; at is NULL if there are none to speak of. */
struct http_text {
    const char *at;
    size_t size;
};

enum http_method { HTTP_GET, HTTP_HEAD, HTTP_OTHER };

struct http_request {
    enum http_method method;
    struct http_text path; /* begins with '/'; as it was sent, without the query */
    int minor;             /* HTTP/1.minor */
    bool keep_alive;       /* the client would send more on this connection */
    uint64_t body_size;    /* how much follows the head */
    /* As they were sent; those that were sent twice are empty, which no condition matches. */
    struct http_text if_none_match;
    struct http_text if_modified_since;
    struct http_text if_range;
    struct http_text range;
};

/* How far the head that is being received has been looked at. Zero-filled: not at all. */
struct http_parser {
    size_t seen;
    size_t line; /* where the line under way begins */
    unsigned lines;
};

/*
 * Looks at the `size` bytes that have come of a request so far, from its first one on. Returns the
 * size of the head if it is complete, and fills *request; 0 if more must come; or the status to
 * refuse it with, negated: -400. When more has come call it again with all of it, which may have
 * moved; each byte is looked at once while it is waited for.
 */
int http_parse(struct http_parser *parser, const char *data, size_t size,
               struct http_request *request);

/* Whether the text is this word, whatever the case of its letters. */
bool http_text_is(struct http_text text, const char *word);
/* Takes the next element out of a list with commas, without the blanks around it; false: none. */
bool http_list_next(struct http_text *list, struct http_text *element);

#endif
