/*
 * http_response.c: the HTTP example's answers: conditions, ranges, dates, and the heads that say
 * so.
 */
#include "support.h"

#include "http/response.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define DATE "Sun, 06 Nov 1994 08:49:37 GMT"
#define MOMENT 784111777

static const struct file file = {
    .fd = -1, .size = 1000, .modified = MOMENT, .type = "text/plain", .tag = "\"1-2-3\""};

static struct http_text text_of(const char *text)
{
    return text ? (struct http_text){text, strlen(text)} : (struct http_text){NULL, 0};
}

/* ---- dates ----------------------------------------------------------------------------------- */

TEST(dates_are_written_as_http_wants_them)
{
    const struct {
        time_t moment;
        const char *text;
    } dates[] = {
        {0, "Thu, 01 Jan 1970 00:00:00 GMT"},
        {MOMENT, DATE},
        {951782400, "Tue, 29 Feb 2000 00:00:00 GMT"},
        {4102444799, "Thu, 31 Dec 2099 23:59:59 GMT"},
        {1709210096, "Thu, 29 Feb 2024 12:34:56 GMT"},
    };
    for (size_t i = 0; i < COUNT(dates); i++) {
        char text[HTTP_DATE_SIZE];
        http_date(dates[i].moment, text);
        assert_string_equal(text, dates[i].text);
    }
}

/* ---- conditions ------------------------------------------------------------------------------ */

static int status_if(const char *none_match, const char *modified_since)
{
    struct http_request request = {.if_none_match = text_of(none_match),
                                   .if_modified_since = text_of(modified_since)};
    return response_with_file(&request, &file).status;
}

TEST(a_file_is_not_sent_to_who_has_it)
{
    assert_int_equal(status_if(NULL, NULL), 200);
    assert_int_equal(status_if("\"1-2-3\"", NULL), 304);
    assert_int_equal(status_if("W/\"1-2-3\"", NULL), 304);
    assert_int_equal(status_if("\"x\", \"1-2-3\"", NULL), 304);
    assert_int_equal(status_if("\"x\",W/\"1-2-3\" , \"y\"", NULL), 304);
    assert_int_equal(status_if("*", NULL), 304);
    assert_int_equal(status_if("\"x\"", NULL), 200);
    assert_int_equal(status_if("1-2-3", NULL), 200);
    assert_int_equal(status_if("\"1-2-34\"", NULL), 200);
    assert_int_equal(status_if("W/", NULL), 200);
    assert_int_equal(status_if("", NULL), 200);
}

TEST(a_file_is_not_sent_if_it_was_not_modified_since)
{
    assert_int_equal(status_if(NULL, DATE), 304);
    assert_int_equal(status_if(NULL, "Sun, 06 Nov 1994 08:49:38 GMT"), 304);
    assert_int_equal(status_if(NULL, "Mon, 01 Jan 2024 00:00:00 GMT"), 304);
    assert_int_equal(status_if(NULL, "Sun, 06 Nov 1994 08:49:36 GMT"), 200);
    assert_int_equal(status_if(NULL, "Mon, 31 Oct 1994 23:59:59 GMT"), 200);
    assert_int_equal(status_if("\"x\"", DATE), 200); /* the tag is asked, and nothing else */
}

TEST(a_date_that_is_none_is_no_condition)
{
    const char *dates[] = {
        "",
        "now",
        "Sun, 06 Nov 2094 08:49:37 UTC",
        "Sun, 06 Nov 2094 08:49:37 GMT ",
        "Sun, 06 Nov 2094 08:49:3x GMT",
        "Sun, 06 Nov 2094 24:49:37 GMT",
        "Sun, 00 Nov 2094 08:49:37 GMT",
        "Sun, 06 Nah 2094 08:49:37 GMT",
        "Sun, -6 Nov 2094 08:49:37 GMT",
        "Sun, 06 Nov 2094 08-49-37 GMT",
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 2094",
    };
    for (size_t i = 0; i < COUNT(dates); i++)
        if (status_if(NULL, dates[i]) != 200)
            fail_msg("%s", dates[i]);
}

/* ---- ranges ---------------------------------------------------------------------------------- */

static void assert_range(const char *range, uint64_t size, int status, uint64_t offset,
                         uint64_t length)
{
    struct file of = file;
    struct http_request request = {.range = text_of(range)};
    of.size = size;
    struct response response = response_with_file(&request, &of);
    if (response.status != status)
        fail_msg("%s: %d", range, response.status);
    if (status != 416) {
        assert_int_equal(response.offset, offset);
        assert_int_equal(response.size, length);
    }
}

TEST(a_range_is_a_part_of_the_file)
{
    assert_range("bytes=0-0", 1000, 206, 0, 1);
    assert_range("bytes=0-999", 1000, 206, 0, 1000);
    assert_range("bytes=10-19", 1000, 206, 10, 10);
    assert_range("BYTES=990-", 1000, 206, 990, 10);
    assert_range("bytes=990-5000", 1000, 206, 990, 10);
    assert_range("bytes=0-99999999999999999999999", 1000, 206, 0, 1000);
    assert_range("bytes=-1", 1000, 206, 999, 1);
    assert_range("bytes=-1000", 1000, 206, 0, 1000);
    assert_range("bytes=-5000", 1000, 206, 0, 1000);
    assert_range("bytes=-99999999999999999999999", 1000, 206, 0, 1000);
}

TEST(a_range_without_a_byte_cannot_be_satisfied)
{
    assert_range("bytes=1000-", 1000, 416, 0, 0);
    assert_range("bytes=1000-2000", 1000, 416, 0, 0);
    assert_range("bytes=99999999999999999999999-", 1000, 416, 0, 0);
    assert_range("bytes=-0", 1000, 416, 0, 0);
    assert_range("bytes=0-", 0, 416, 0, 0);
    assert_range("bytes=0-0", 0, 416, 0, 0);
    assert_range("bytes=-1", 0, 416, 0, 0);
}

TEST(what_is_no_range_is_the_whole_file)
{
    const char *ranges[] = {"",           "bytes",       "bytes=",       "bytes=-",
                            "bytes=x",    "bytes=5",     "bytes=9-5",    "bytes=0-1,3-4",
                            "lines=0-1",  "bytes=0-1 ",  "bytes= 0-1",   "bytes=0x1-",
                            "bytes=0-1x", "bytes=--1",   "bytes=+0-1",   "bytes=0 -1",
                            "bytes 0-1",  "bytes=0-1-2", "items=0-1,3-4"};
    for (size_t i = 0; i < COUNT(ranges); i++)
        assert_range(ranges[i], 1000, 200, 0, 1000);
}

TEST(a_range_of_another_file_is_the_whole_file)
{
    const struct {
        const char *if_range;
        int status;
    } cases[] = {{NULL, 206},        {"\"1-2-3\"", 206},  {DATE, 206},
                 {"\"1-2-4\"", 200}, {"", 200},           {"Sun, 06 Nov 1994 08:49:38 GMT", 200},
                 {"1-2-3", 200},     {"W/\"1-2-3\"", 200}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct http_request request = {.range = text_of("bytes=0-1"),
                                       .if_range = text_of(cases[i].if_range)};
        assert_int_equal(response_with_file(&request, &file).status, cases[i].status);
    }
    struct http_request head = {.method = HTTP_HEAD, .range = text_of("bytes=0-1")};
    assert_int_equal(response_with_file(&head, &file).status, 200);
    struct http_request known = {.range = text_of("bytes=0-1"), .if_none_match = text_of("*")};
    assert_int_equal(response_with_file(&known, &file).status, 304);
}

/* ---- heads ----------------------------------------------------------------------------------- */

static void assert_written(const struct response *response, enum http_method method,
                           bool keep_alive, const char *expected)
{
    char text[RESPONSE_HEAD_MAX];
    size_t size = response_write(response, method, keep_alive, DATE, text);
    text[size] = '\0';
    assert_string_equal(text, expected);
}

#define BEGIN(status, connection)                                                                  \
    "HTTP/1.1 " status "\r\nDate: " DATE "\r\nConnection: " connection "\r\n"
#define FILE_FIELDS "ETag: \"1-2-3\"\r\nLast-Modified: " DATE "\r\nAccept-Ranges: bytes\r\n"
#define TEXT "Content-Type: text/plain; charset=utf-8\r\n"

TEST(a_head_says_what_follows_it)
{
    struct http_request request = {0};
    struct response response = response_with_file(&request, &file);
    assert_written(&response, HTTP_GET, true,
                   BEGIN("200 OK", "keep-alive") FILE_FIELDS
                   "Content-Type: text/plain\r\nContent-Length: 1000\r\n\r\n");
    request.range = text_of("bytes=10-19");
    response = response_with_file(&request, &file);
    assert_written(&response, HTTP_GET, false,
                   BEGIN("206 Partial Content", "close") FILE_FIELDS
                   "Content-Type: text/plain\r\n"
                   "Content-Range: bytes 10-19/1000\r\nContent-Length: 10\r\n\r\n");
    request.if_none_match = text_of("*");
    response = response_with_file(&request, &file);
    assert_written(&response, HTTP_GET, true,
                   BEGIN("304 Not Modified", "keep-alive") FILE_FIELDS "\r\n");
}

TEST(without_a_file_the_status_is_the_body)
{
    struct response response = response_without_file(404);
    assert_written(&response, HTTP_GET, true,
                   BEGIN("404 Not Found", "keep-alive") TEXT
                   "Content-Length: 14\r\n\r\n404 Not Found\n");
    assert_written(&response, HTTP_HEAD, true,
                   BEGIN("404 Not Found", "keep-alive") TEXT "Content-Length: 14\r\n\r\n");
    response = response_without_file(405);
    assert_written(&response, HTTP_OTHER, false,
                   BEGIN("405 Method Not Allowed", "close") TEXT
                   "Allow: GET, HEAD\r\nContent-Length: 23\r\n\r\n"
                   "405 Method Not Allowed\n");
    struct http_request request = {.range = text_of("bytes=1000-")};
    response = response_with_file(&request, &file);
    assert_written(&response, HTTP_GET, true,
                   BEGIN("416 Range Not Satisfiable", "keep-alive") TEXT
                   "Content-Range: bytes */1000\r\nContent-Length: 26\r\n\r\n"
                   "416 Range Not Satisfiable\n");
    response = response_without_file(301);
    response.folder = text_of("/a%20b");
    assert_written(&response, HTTP_GET, true,
                   BEGIN("301 Moved Permanently", "keep-alive") TEXT
                   "Location: /a%20b/\r\nContent-Length: 22\r\n\r\n"
                   "301 Moved Permanently\n");
}

TEST(every_status_has_its_words)
{
    const int statuses[] = {400, 403, 404, 405, 408, 413, 414, 431, 500, 501, 503, 505};
    for (size_t i = 0; i < COUNT(statuses); i++) {
        char text[RESPONSE_HEAD_MAX], first[64], last[64];
        struct response response = response_without_file(statuses[i]);
        size_t size = response_write(&response, HTTP_GET, false, DATE, text);
        text[size] = '\0';
        snprintf(first, sizeof first, "HTTP/1.1 %d ", statuses[i]);
        snprintf(last, sizeof last, "\r\nContent-Length: %d\r\n\r\n", (int)response.size);
        assert_memory_equal(text, first, strlen(first));
        const char *end = strstr(text, last);
        assert_non_null(end);
        assert_int_equal(strlen(end + strlen(last)), response.size);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_ENTRY(dates_are_written_as_http_wants_them),
        TEST_ENTRY(a_file_is_not_sent_to_who_has_it),
        TEST_ENTRY(a_file_is_not_sent_if_it_was_not_modified_since),
        TEST_ENTRY(a_date_that_is_none_is_no_condition),
        TEST_ENTRY(a_range_is_a_part_of_the_file),
        TEST_ENTRY(a_range_without_a_byte_cannot_be_satisfied),
        TEST_ENTRY(what_is_no_range_is_the_whole_file),
        TEST_ENTRY(a_range_of_another_file_is_the_whole_file),
        TEST_ENTRY(a_head_says_what_follows_it),
        TEST_ENTRY(without_a_file_the_status_is_the_body),
        TEST_ENTRY(every_status_has_its_words),
    };
    return RUN_TESTS("http-response", tests);
}
