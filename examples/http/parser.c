/*
 * The parser has two parts: find_end() looks for the end of the head as the bytes come, and
 * parse_head() reads it when it is there.
 */
#include "parser.h"

#include <string.h>

/* ---- text ------------------------------------------------------------------------------------ */

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

bool http_text_is(struct http_text text, const char *word)
{
    if (text.size != strlen(word))
        return false;
    for (size_t i = 0; i < text.size; i++)
        if (lower(text.at[i]) != lower(word[i]))
            return false;
    return true;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static struct http_text trim(struct http_text text)
{
    while (text.size && is_blank(text.at[0]))
        text.at++, text.size--;
    while (text.size && is_blank(text.at[text.size - 1]))
        text.size--;
    return text;
}

/* Takes what stands before the first `end` out of the text, and the end with it; or all of it. */
static struct http_text take_until(struct http_text *text, char end)
{
    const char *at = text->size ? memchr(text->at, end, text->size) : NULL;
    struct http_text taken = {text->at, at ? (size_t)(at - text->at) : text->size};
    size_t used = at ? taken.size + 1 : taken.size;
    text->at += used;
    text->size -= used;
    return taken;
}

bool http_list_next(struct http_text *list, struct http_text *element)
{
    while (list->size) {
        *element = trim(take_until(list, ','));
        if (element->size)
            return true;
    }
    return false;
}

static bool is_alphanumeric(char c)
{
    return (c >= '0' && c <= '9') || (lower(c) >= 'a' && lower(c) <= 'z');
}

/* Whether all are letters, digits, or among the others. */
static bool consists_of(struct http_text text, const char *others)
{
    for (size_t i = 0; i < text.size; i++)
        if (!is_alphanumeric(text.at[i]) && (!text.at[i] || !strchr(others, text.at[i])))
            return false;
    return true;
}

static bool is_token(struct http_text text)
{
    return text.size && consists_of(text, "!#$%&'*+-.^_`|~");
}

/* No control characters: no bare CR, no zero. */
static bool is_field_value(struct http_text text)
{
    for (size_t i = 0; i < text.size; i++) {
        unsigned char c = (unsigned char)text.at[i];
        if ((c < ' ' && c != '\t') || c == 0x7f)
            return false;
    }
    return true;
}

/* ---- the first line -------------------------------------------------------------------------- */

/* 0, or a status; as everything from here on. */
static int parse_version(struct http_text text, struct http_request *request)
{
    if (text.size != 8 || memcmp(text.at, "HTTP/", 5) != 0 || text.at[6] != '.')
        return 400;
    char major = text.at[5], minor = text.at[7];
    if (major < '0' || major > '9' || minor < '0' || minor > '9')
        return 400;
    request->minor = minor - '0';
    return major == '1' ? 0 : 505;
}

static int parse_method(struct http_text text, struct http_request *request)
{
    static const char *const methods[] = {"GET",     "HEAD",    "POST",  "PUT",  "DELETE",
                                          "CONNECT", "OPTIONS", "TRACE", "PATCH"};
    if (!is_token(text))
        return 400;
    for (int i = 0; i < (int)(sizeof methods / sizeof *methods); i++) {
        if (text.size == strlen(methods[i]) && memcmp(text.at, methods[i], text.size) == 0) {
            request->method = i < HTTP_OTHER ? (enum http_method)i : HTTP_OTHER;
            return 0;
        }
    }
    return 501;
}

static bool is_visible_ascii(struct http_text text)
{
    for (size_t i = 0; i < text.size; i++)
        if (text.at[i] <= ' ' || text.at[i] >= 0x7f)
            return false;
    return true;
}

/* From "http://host/path" to "/path". */
static int skip_authority(struct http_text *target)
{
    struct http_text scheme = take_until(target, ':');
    if (!http_text_is(scheme, "http") && !http_text_is(scheme, "https"))
        return 400;
    if (target->size < 3 || memcmp(target->at, "//", 2) != 0 || target->at[2] == '/')
        return 400;
    target->at += 2;
    target->size -= 2;
    const char *slash = memchr(target->at, '/', target->size);
    if (!slash)
        return 400;
    target->size -= (size_t)(slash - target->at);
    target->at = slash;
    return 0;
}

static int parse_target(struct http_text target, struct http_request *request)
{
    if (!target.size || !is_visible_ascii(target) || memchr(target.at, '#', target.size))
        return 400;
    if (request->method == HTTP_OTHER) /* "*" and "host:port" are theirs */
        return 0;
    if (target.at[0] != '/') {
        int status = skip_authority(&target);
        if (status)
            return status;
    }
    request->path = take_until(&target, '?');
    return 0;
}

static int parse_first_line(struct http_text line, struct http_request *request)
{
    struct http_text method = take_until(&line, ' ');
    struct http_text target = take_until(&line, ' ');
    int status = parse_version(line, request);
    if (!status)
        status = parse_method(method, request);
    return status ? status : parse_target(target, request);
}

/* ---- fields ---------------------------------------------------------------------------------- */

/* What the fields have said. */
struct fields {
    unsigned hosts;
    unsigned lengths;
    unsigned encodings;
    bool close;
    bool keep_alive;
};

static int parse_length(struct http_text value, uint64_t *size)
{
    if (!value.size || value.size > 18) /* more does not fit, and nobody means it */
        return 400;
    *size = 0;
    for (size_t i = 0; i < value.size; i++) {
        if (value.at[i] < '0' || value.at[i] > '9')
            return 400;
        *size = *size * 10 + (uint64_t)(value.at[i] - '0');
    }
    return 0;
}

static void parse_connection(struct http_text value, struct fields *fields)
{
    struct http_text option;
    while (http_list_next(&value, &option)) {
        fields->close |= http_text_is(option, "close");
        fields->keep_alive |= http_text_is(option, "keep-alive");
    }
}

static void keep(struct http_text *place, struct http_text value)
{
    if (place->at)
        value.size = 0;
    *place = value;
}

static int parse_field(struct http_text line, struct fields *fields, struct http_request *request)
{
    const char *colon = line.size ? memchr(line.at, ':', line.size) : NULL;
    if (!colon) /* also a folded line, mostly */
        return 400;
    struct http_text name = take_until(&line, ':');
    struct http_text value = trim(line);
    if (!is_token(name) || !is_field_value(value))
        return 400;
    if (http_text_is(name, "host"))
        return fields->hosts++ || !consists_of(value, "-._~:[]%!$&'()*+;=") ? 400 : 0;
    if (http_text_is(name, "content-length"))
        return fields->lengths++ ? 400 : parse_length(value, &request->body_size);
    if (http_text_is(name, "transfer-encoding"))
        fields->encodings++;
    else if (http_text_is(name, "connection"))
        parse_connection(value, fields);
    else if (http_text_is(name, "if-none-match"))
        keep(&request->if_none_match, value);
    else if (http_text_is(name, "if-modified-since"))
        keep(&request->if_modified_since, value);
    else if (http_text_is(name, "if-range"))
        keep(&request->if_range, value);
    else if (http_text_is(name, "range"))
        keep(&request->range, value);
    return 0;
}

/* Two who disagree about where a request ends see different requests in what follows. */
static int check_framing(const struct fields *fields, const struct http_request *request)
{
    if (fields->hosts == 0 && request->minor > 0)
        return 400;
    if (fields->encodings == 0)
        return 0;
    return fields->lengths || request->minor == 0 ? 400 : 501;
}

/* ---- the head -------------------------------------------------------------------------------- */

/* All lines end in CR LF: find_end() has seen to that. */
static struct http_text take_line(struct http_text *head)
{
    struct http_text line = take_until(head, '\n');
    line.size--;
    return line;
}

static int parse_head(struct http_text head, struct http_request *request)
{
    struct fields fields = {0};
    memset(request, 0, sizeof *request);
    struct http_text line = take_line(&head);
    if (!line.size) /* a client may send an empty line behind its last request */
        line = take_line(&head);
    int status = parse_first_line(line, request);
    while (!status && (line = take_line(&head)).size)
        status = parse_field(line, &fields, request);
    if (!status)
        status = check_framing(&fields, request);
    request->keep_alive = !fields.close && (request->minor > 0 || fields.keep_alive);
    return status;
}

static int too_large(const struct http_parser *parser)
{
    return parser->lines ? -431 : -414;
}

static int find_end(struct http_parser *parser, const char *data, size_t size)
{
    size_t limit = size < HTTP_HEAD_MAX ? size : HTTP_HEAD_MAX;
    const char *lf;
    while ((lf = memchr(data + parser->seen, '\n', limit - parser->seen))) {
        size_t end = (size_t)(lf - data);
        size_t length = end - parser->line;
        if (length == 0 || lf[-1] != '\r')
            return -400;
        if (parser->lines == 0 && length > HTTP_LINE_MAX)
            return -414;
        parser->line = parser->seen = end + 1;
        if (length == 1 && end > 1)
            return (int)parser->line;
        parser->lines += length > 1;
        if (parser->lines > HTTP_FIELDS_MAX + 1)
            return -431;
    }
    parser->seen = limit;
    if (limit == HTTP_HEAD_MAX || (parser->lines == 0 && limit - parser->line > HTTP_LINE_MAX))
        return too_large(parser);
    return 0;
}

int http_parse(struct http_parser *parser, const char *data, size_t size,
               struct http_request *request)
{
    int length = find_end(parser, data, size);
    if (length <= 0)
        return length;
    memset(parser, 0, sizeof *parser);
    int status = parse_head((struct http_text){data, (size_t)length}, request);
    return status ? -status : length;
}
