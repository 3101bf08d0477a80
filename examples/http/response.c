/*
 * response.c: see response.h.
 */
#define _POSIX_C_SOURCE 200809L

#include "response.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* ---- dates ----------------------------------------------------------------------------------- */

static const char *const days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

void http_date(time_t moment, char text[HTTP_DATE_SIZE])
{
    struct tm tm = {0};
    gmtime_r(&moment, &tm);
    int year = tm.tm_year >= -1900 && tm.tm_year < 8100 ? tm.tm_year + 1900 : 1970;
    snprintf(text, HTTP_DATE_SIZE, "%s, %02u %s %04u %02u:%02u:%02u GMT", days[tm.tm_wday % 7],
             (unsigned)tm.tm_mday % 100, months[tm.tm_mon % 12], (unsigned)year,
             (unsigned)tm.tm_hour % 100, (unsigned)tm.tm_min % 100, (unsigned)tm.tm_sec % 100);
}

/* A number that is larger for a later moment. */
static int64_t rank(int year, int month, int day, int hour, int minute, int second)
{
    return ((((year * INT64_C(12) + month) * 31 + day) * 24 + hour) * 60 + minute) * 61 + second;
}

static int64_t rank_of(time_t moment)
{
    struct tm tm = {0};
    gmtime_r(&moment, &tm);
    return rank(tm.tm_year + 1900, tm.tm_mon, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

/* `count` digits; -1 if they are none. */
static int digits(const char *at, int count)
{
    int number = 0;
    for (; count > 0; at++, count--) {
        if (*at < '0' || *at > '9')
            return -1;
        number = number * 10 + (*at - '0');
    }
    return number;
}

/* Of "Sun, 06 Nov 1994 08:49:37 GMT"; -1 if it is not such a date. */
static int64_t rank_of_text(struct http_text text)
{
    const char *at = text.at;
    int month = 0;
    if (text.size != HTTP_DATE_SIZE - 1 || memcmp(at + 3, ", ", 2) != 0 || at[7] != ' ' ||
        at[11] != ' ' || at[16] != ' ' || at[19] != ':' || at[22] != ':' ||
        memcmp(at + 25, " GMT", 4) != 0)
        return -1;
    while (month < 12 && memcmp(at + 8, months[month], 3) != 0)
        month++;
    int day = digits(at + 5, 2), year = digits(at + 12, 4);
    int hour = digits(at + 17, 2), minute = digits(at + 20, 2), second = digits(at + 23, 2);
    if (month == 12 || day < 1 || day > 31 || year < 0 || hour < 0 || hour > 23 || minute < 0 ||
        minute > 59 || second < 0 || second > 60)
        return -1;
    return rank(year, month, day, hour, minute, second);
}

/* ---- conditions ------------------------------------------------------------------------------ */

static bool equals(struct http_text text, const char *other)
{
    return text.size == strlen(other) && memcmp(text.at, other, text.size) == 0;
}

/* Our tags have no comma in them, so that nothing is lost by taking the list apart at each. */
static bool is_tag_in(struct http_text list, const char *tag)
{
    struct http_text element;
    if (equals(list, "*"))
        return true;
    while (http_list_next(&list, &element)) {
        if (element.size > 2 && memcmp(element.at, "W/", 2) == 0) {
            element.at += 2;
            element.size -= 2;
        }
        if (equals(element, tag))
            return true;
    }
    return false;
}

static bool is_known_to(const struct http_request *request, const struct file *file)
{
    if (request->if_none_match.at) /* then the date is not asked about */
        return is_tag_in(request->if_none_match, file->tag);
    if (!request->if_modified_since.at)
        return false;
    return rank_of(file->modified) <= rank_of_text(request->if_modified_since);
}

/* A part is wanted only of the file that the client has the rest of. */
static bool wants_part(const struct http_request *request, const struct file *file)
{
    char modified[HTTP_DATE_SIZE];
    if (request->method != HTTP_GET || !request->range.at)
        return false;
    if (!request->if_range.at || equals(request->if_range, file->tag))
        return true;
    http_date(file->modified, modified);
    return equals(request->if_range, modified);
}

/* ---- ranges ---------------------------------------------------------------------------------- */

/* Takes a number out of the text; false if there is none. One beyond any file's size is cut. */
static bool take_number(struct http_text *text, uint64_t *number)
{
    size_t length = 0;
    *number = 0;
    while (length < text->size && text->at[length] >= '0' && text->at[length] <= '9')
        *number = *number * 10 + (uint64_t)(text->at[length++] - '0');
    if (length > 18)
        *number = INT64_MAX;
    text->at += length;
    text->size -= length;
    return length > 0;
}

/*
 * "bytes=0-99", "bytes=100-", "bytes=-100": 206; 416 if there is nothing there; 200 if it is none
 * of the three: several ranges, for instance, which a server need not serve.
 */
static int parse_range(struct http_text text, uint64_t size, uint64_t *first, uint64_t *last)
{
    uint64_t number;
    if (text.size < 6 || !http_text_is((struct http_text){text.at, 6}, "bytes="))
        return 200;
    text.at += 6;
    text.size -= 6;
    bool from = take_number(&text, first);
    if (!text.size || text.at[0] != '-')
        return 200;
    text.at++;
    text.size--;
    bool to = take_number(&text, &number);
    if (text.size || (!from && !to) || (from && to && number < *first))
        return 200;
    *last = from && to && number < size ? number : size - 1;
    if (!from)
        *first = number < size ? size - number : 0;
    return size > 0 && *first <= *last ? 206 : 416;
}

/* ---- choosing -------------------------------------------------------------------------------- */

static const char *reason(int status)
{
    switch (status) {
    case 200:
        return "OK";
    case 206:
        return "Partial Content";
    case 301:
        return "Moved Permanently";
    case 304:
        return "Not Modified";
    case 400:
        return "Bad Request";
    case 403:
        return "Forbidden";
    case 404:
        return "Not Found";
    case 405:
        return "Method Not Allowed";
    case 408:
        return "Request Timeout";
    case 413:
        return "Content Too Large";
    case 414:
        return "URI Too Long";
    case 416:
        return "Range Not Satisfiable";
    case 431:
        return "Request Header Fields Too Large";
    case 501:
        return "Not Implemented";
    case 503:
        return "Service Unavailable";
    case 505:
        return "HTTP Version Not Supported";
    default:
        return "Internal Server Error";
    }
}

/* "404 Not Found\n" */
static size_t text_size(int status)
{
    return strlen(reason(status)) + 5;
}

struct response response_without_file(int status)
{
    return (struct response){.status = status, .size = text_size(status)};
}

struct response response_with_file(const struct http_request *request, const struct file *file)
{
    struct response response = {.status = 200, .file = file, .size = file->size};
    uint64_t first, last;
    if (is_known_to(request, file)) {
        response.status = 304;
        response.size = 0;
    } else if (wants_part(request, file)) {
        response.status = parse_range(request->range, file->size, &first, &last);
        if (response.status == 206) {
            response.offset = first;
            response.size = last - first + 1;
        } else if (response.status == 416) {
            response.size = text_size(416);
        }
    }
    return response;
}

/* ---- writing --------------------------------------------------------------------------------- */

struct output {
    char *text;
    size_t size;
};

__attribute__((format(printf, 2, 3))) static void add(struct output *out, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int count = vsnprintf(out->text + out->size, RESPONSE_HEAD_MAX - out->size, format, arguments);
    va_end(arguments);
    size_t room = RESPONSE_HEAD_MAX - out->size - 1;
    out->size += count > 0 && (size_t)count < room ? (size_t)count : room;
}

static void add_file(struct output *out, const struct response *response)
{
    const struct file *file = response->file;
    char modified[HTTP_DATE_SIZE];
    http_date(file->modified, modified);
    add(out, "ETag: %s\r\nLast-Modified: %s\r\nAccept-Ranges: bytes\r\n", file->tag, modified);
    if (response->status != 304)
        add(out, "Content-Type: %s\r\n", file->type);
    if (response->status == 206)
        add(out, "Content-Range: bytes %llu-%llu/%llu\r\n", (unsigned long long)response->offset,
            (unsigned long long)(response->offset + response->size - 1),
            (unsigned long long)file->size);
}

static void add_text(struct output *out, const struct response *response)
{
    add(out, "Content-Type: text/plain; charset=utf-8\r\n");
    if (response->status == 301)
        add(out, "Location: %.*s/\r\n", (int)response->folder.size, response->folder.at);
    if (response->status == 405)
        add(out, "Allow: GET, HEAD\r\n");
    if (response->status == 416)
        add(out, "Content-Range: bytes */%llu\r\n", (unsigned long long)response->file->size);
}

size_t response_write(const struct response *response, enum http_method method, bool keep_alive,
                      const char *date, char text[RESPONSE_HEAD_MAX])
{
    struct output out = {text, 0};
    bool of_file = response->file && response->status != 416;
    add(&out, "HTTP/1.1 %d %s\r\nDate: %s\r\nConnection: %s\r\n", response->status,
        reason(response->status), date, keep_alive ? "keep-alive" : "close");
    if (of_file)
        add_file(&out, response);
    else
        add_text(&out, response);
    if (response->status != 304)
        add(&out, "Content-Length: %llu\r\n", (unsigned long long)response->size);
    add(&out, "\r\n");
    if (!of_file && method != HTTP_HEAD)
        add(&out, "%d %s\n", response->status, reason(response->status));
    return out.size;
}
