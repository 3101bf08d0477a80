/*
 * http_parser.c: the HTTP example's parser: what it takes, what it refuses, and that it does not
 * matter in which pieces a request comes.
 */
#include "support.h"

#include "http/parser.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define HOST "Host: h\r\n"
#define GET "GET / HTTP/1.1\r\n"

static int parse(const char *text, size_t size, struct http_request *request)
{
    struct http_parser parser = {0};
    return http_parse(&parser, text, size, request);
}

/* The status that the text is refused with. */
static int refusal(const char *text)
{
    struct http_request request;
    return -parse(text, strlen(text), &request);
}

static struct http_request parsed(const char *text)
{
    struct http_request request;
    int size = parse(text, strlen(text), &request);
    if (size != (int)strlen(text))
        fail_msg("%d for: %s", size, text);
    return request;
}

static void assert_text(struct http_text text, const char *expected)
{
    assert_int_equal(text.size, strlen(expected));
    assert_memory_equal(text.at, expected, text.size);
}

/* ---- what is taken --------------------------------------------------------------------------- */

TEST(a_request_is_read)
{
    struct http_request request = parsed("GET /a/b%20c?q=/x HTTP/1.1\r\n"
                                         "host: example.com:8080\r\n"
                                         "RANGE:bytes=0-9\r\n"
                                         "If-None-Match: \t \"x\", \"y\" \t\r\n"
                                         "If-Modified-Since: then\r\n"
                                         "If-Range: \"x\"\r\n"
                                         "X-Empty:\r\n"
                                         "X-Other: \x80\xff\r\n\r\n");
    assert_int_equal(request.method, HTTP_GET);
    assert_int_equal(request.minor, 1);
    assert_true(request.keep_alive);
    assert_int_equal(request.body_size, 0);
    assert_text(request.path, "/a/b%20c");
    assert_text(request.range, "bytes=0-9");
    assert_text(request.if_none_match, "\"x\", \"y\"");
    assert_text(request.if_modified_since, "then");
    assert_text(request.if_range, "\"x\"");
}

TEST(what_was_not_sent_is_null)
{
    struct http_request request = parsed("HEAD / HTTP/1.0\r\n\r\n");
    assert_int_equal(request.method, HTTP_HEAD);
    assert_int_equal(request.minor, 0);
    assert_null(request.range.at);
    assert_null(request.if_range.at);
    assert_null(request.if_none_match.at);
    assert_null(request.if_modified_since.at);
}

TEST(conditions_that_were_sent_twice_are_empty)
{
    struct http_request request =
        parsed(GET HOST "Range: bytes=0-1\r\nRange: bytes=2-3\r\nIf-None-Match: *\r\n"
                        "If-None-Match: \"x\"\r\nIf-None-Match: \"y\"\r\n\r\n");
    assert_non_null(request.range.at);
    assert_int_equal(request.range.size, 0);
    assert_non_null(request.if_none_match.at);
    assert_int_equal(request.if_none_match.size, 0);
}

TEST(who_wants_the_connection_to_stay_says_so)
{
    const struct {
        const char *text;
        bool keep_alive;
    } cases[] = {
        {GET HOST "\r\n", true},
        {GET HOST "Connection: close\r\n\r\n", false},
        {GET HOST "Connection: a , ,CLOSE, b\r\n\r\n", false},
        {GET HOST "Connection: a\r\nConnection: close\r\n\r\n", false},
        {GET HOST "Connection: keep-alive, close\r\n\r\n", false},
        {GET HOST "Connection: closed\r\n\r\n", true},
        {"GET / HTTP/1.0\r\n\r\n", false},
        {"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", true},
        {"GET / HTTP/1.0\r\nConnection: close, keep-alive\r\n\r\n", false},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_int_equal(parsed(cases[i].text).keep_alive, cases[i].keep_alive);
}

TEST(a_target_may_be_a_whole_url)
{
    assert_text(parsed("GET http://h:80/a?b HTTP/1.1\r\n" HOST "\r\n").path, "/a");
    assert_text(parsed("GET HTTPS://h/ HTTP/1.1\r\n" HOST "\r\n").path, "/");
}

TEST(methods_that_exist_are_told_from_words)
{
    const char *known[] = {"POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"};
    for (size_t i = 0; i < COUNT(known); i++) {
        char text[64];
        snprintf(text, sizeof text, "%s * HTTP/1.1\r\n" HOST "\r\n", known[i]);
        assert_int_equal(parsed(text).method, HTTP_OTHER);
    }
    assert_int_equal(refusal("get / HTTP/1.1\r\n" HOST "\r\n"), 501);
    assert_int_equal(refusal("FETCH / HTTP/1.1\r\n" HOST "\r\n"), 501);
    assert_int_equal(refusal("GETS / HTTP/1.1\r\n" HOST "\r\n"), 501);
}

TEST(a_body_is_measured)
{
    assert_int_equal(parsed(GET HOST "Content-Length: 0\r\n\r\n").body_size, 0);
    assert_int_equal(parsed(GET HOST "Content-Length: 0017\r\n\r\n").body_size, 17);
    assert_int_equal(parsed(GET HOST "Content-Length: 999999999999999999\r\n\r\n").body_size,
                     UINT64_C(999999999999999999));
}

TEST(one_empty_line_may_come_first)
{
    assert_text(parsed("\r\nGET /x HTTP/1.1\r\n" HOST "\r\n").path, "/x");
    assert_int_equal(refusal("\r\n\r\n" GET HOST "\r\n"), 400);
}

TEST(what_follows_a_request_is_left_alone)
{
    const char *text = GET HOST "\r\nGET /next HTTP/1.1\r\n" HOST "\r\n";
    struct http_parser parser = {0};
    struct http_request request;
    int size = http_parse(&parser, text, strlen(text), &request);
    assert_int_equal(size, strlen(GET HOST "\r\n"));
    int next = http_parse(&parser, text + size, strlen(text + size), &request);
    assert_int_equal(next, strlen(text) - (size_t)size);
    assert_text(request.path, "/next");
}

/* Each prefix comes in a place of its own, of exactly its size: a sanitizer sees a look beyond. */
TEST(a_request_may_come_in_any_pieces)
{
    const char *text = GET HOST "Range: bytes=1-2\r\nX: y\r\n\r\n";
    size_t whole = strlen(text);
    for (size_t step = 1; step <= whole; step++) {
        struct http_parser parser = {0};
        struct http_request request;
        int size = 0;
        for (size_t come = step; size == 0; come += step) {
            size_t some = come < whole ? come : whole;
            char *memory = malloc(some);
            assert_non_null(memory);
            memcpy(memory, text, some);
            size = http_parse(&parser, memory, some, &request);
            if (size) {
                assert_int_equal(size, whole);
                assert_text(request.range, "bytes=1-2");
            }
            free(memory);
        }
    }
}

/* ---- what is refused ------------------------------------------------------------------------- */

TEST(malformed_first_lines_are_refused)
{
    const char *lines[] = {
        "",
        " ",
        "GET",
        "GET ",
        "GET /",
        "GET / ",
        "GET  / HTTP/1.1",
        "GET /  HTTP/1.1",
        "GET / HTTP/1.1 ",
        " GET / HTTP/1.1",
        "GET\t/ HTTP/1.1",
        "G@T / HTTP/1.1",
        "GET / HTTP/1",
        "GET / HTTP/1.",
        "GET / HTTP/1.10",
        "GET / HTTP/+1.1",
        "GET / http/1.1",
        "GET / HTTQ/1.1",
        "GET / HTTP/1,1",
        "GET x HTTP/1.1",
        "GET * HTTP/1.1",
        "GET h:80 HTTP/1.1",
        "GET /a#b HTTP/1.1",
        "GET /\x7f HTTP/1.1",
        "GET /\xc3\xa4 HTTP/1.1",
        "GET /\x01 HTTP/1.1",
        "GET http:///a HTTP/1.1",
        "GET http://h HTTP/1.1",
        "GET http:/h/a HTTP/1.1",
        "GET ftp://h/a HTTP/1.1",
        "GET /a\rb HTTP/1.1",
        "POST  HTTP/1.1",
    };
    for (size_t i = 0; i < COUNT(lines); i++) {
        char text[128];
        snprintf(text, sizeof text, "%s\r\n" HOST "\r\n", lines[i]);
        if (refusal(text) != 400)
            fail_msg("%d for: %s", refusal(text), lines[i]);
    }
}

TEST(versions_of_another_kind_are_told)
{
    assert_int_equal(refusal("GET / HTTP/2.0\r\n" HOST "\r\n"), 505);
    assert_int_equal(refusal("GET / HTTP/0.9\r\n" HOST "\r\n"), 505);
    assert_int_equal(parsed("GET / HTTP/1.9\r\n" HOST "\r\n").minor, 9);
}

TEST(malformed_fields_are_refused)
{
    const char *fields[] = {
        "X",               /* no colon */
        ": x",             /* no name */
        "X : y",           /* a blank before the colon */
        "X\t: y",          /* and another */
        "X Y: z",          /* a blank in the name */
        "X\r\n y: z",      /* a folded line */
        "X: y\r\n z",      /* the same */
        "X: y\r\n\tz: a",  /* and with a tab */
        " X: y",           /* before the first one */
        "X: \x01",         /* control characters */
        "X: a\rb",         /* a bare CR */
        "X: a\r\rb",       /* two */
        "X: \x7f",         /* DEL */
        "X(): y",          /* no token */
        "\xc3\xa4: y",     /* nor this */
        "Host: h",         /* a second host */
        "Content-Length:", /* lengths that are none */
        "Content-Length: -1",
        "Content-Length: +1",
        "Content-Length: 0x10",
        "Content-Length: 1 1",
        "Content-Length: 1, 1",
        "Content-Length: 1,2",
        "Content-Length: 1.0",
        "Content-Length: 1000000000000000000",
        "Content-Length: 99999999999999999999999999",
    };
    for (size_t i = 0; i < COUNT(fields); i++) {
        char text[256];
        snprintf(text, sizeof text, GET HOST "%s\r\n\r\n", fields[i]);
        if (refusal(text) != 400)
            fail_msg("%d for: %s", refusal(text), fields[i]);
    }
}

TEST(a_zero_byte_is_refused_wherever_it_is)
{
    const char text[] = GET HOST "X: y\r\n\r\n";
    struct http_request request;
    for (size_t i = 0; i + 5 < sizeof text; i++) {
        char copy[sizeof text];
        memcpy(copy, text, sizeof text);
        copy[i] = '\0';
        int size = parse(copy, sizeof copy - 1, &request);
        if (size != -400 && size != -501)
            fail_msg("%d with a zero at %zu", size, i);
    }
}

TEST(a_bare_lf_is_refused_as_soon_as_it_comes)
{
    assert_int_equal(refusal("GET / HTTP/1.1\n"), 400);
    assert_int_equal(refusal("\n"), 400);
    assert_int_equal(refusal(GET "Host: h\n"), 400);
    assert_int_equal(refusal(GET HOST "\n"), 400);
    assert_int_equal(refusal(GET "X: a\nY: b\r\n"), 400);
}

TEST(a_host_is_said_once)
{
    assert_int_equal(refusal(GET "\r\n"), 400);
    assert_int_equal(refusal(GET "Host: a\r\nhost: a\r\n\r\n"), 400);
    assert_int_equal(refusal(GET "Host: a b\r\n\r\n"), 400);
    assert_int_equal(refusal(GET "Host: a/b\r\n\r\n"), 400);
    assert_int_equal(refusal(GET "Host: a,b\r\n\r\n"), 400);
    assert_int_equal(refusal("GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n"), 400);
    parsed(GET "Host:\r\n\r\n");
    parsed(GET "Host: [::1]:80\r\n\r\n");
}

/* Two servers that read these in two ways see two requests where there is one, or the reverse. */
TEST(contradicting_lengths_are_refused)
{
    assert_int_equal(refusal(GET HOST "Content-Length: 5\r\nContent-Length: 6\r\n\r\n"), 400);
    assert_int_equal(refusal(GET HOST "Content-Length: 5\r\ncontent-length: 5\r\n\r\n"), 400);
    assert_int_equal(refusal(GET HOST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"),
                     400);
    assert_int_equal(refusal(GET HOST "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n"),
                     400);
    assert_int_equal(refusal("GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"), 400);
    assert_int_equal(refusal(GET HOST "Transfer-Encoding : chunked\r\n\r\n"), 400);
}

TEST(transfer_encodings_are_not_implemented)
{
    assert_int_equal(refusal(GET HOST "Transfer-Encoding: chunked\r\n\r\n"), 501);
    assert_int_equal(refusal(GET HOST "Transfer-Encoding: identity\r\n\r\n"), 501);
    assert_int_equal(refusal(GET HOST "transfer-encoding:\r\n\r\n"), 501);
}

/* ---- limits ---------------------------------------------------------------------------------- */

/* A request whose head is so long: by its target, or by a field. */
static char *long_request(size_t line, size_t head)
{
    const char *front = "GET /", *back = " HTTP/1.1\r\n" HOST "X: ";
    char *text = malloc(head + 1);
    assert_non_null(text);
    memset(text, 'x', head);
    memcpy(text, front, strlen(front));
    memcpy(text + line - strlen(" HTTP/1.1\r\n") + 1, back, strlen(back));
    memcpy(text + head - 4, "\r\n\r\n", 5);
    return text;
}

static void assert_long(size_t line, size_t head, int expected)
{
    char *text = long_request(line, head);
    struct http_request request;
    int size = parse(text, head, &request);
    if (expected)
        assert_int_equal(size, -expected);
    else
        assert_int_equal(size, head);
    free(text);
}

TEST(a_first_line_has_a_limit)
{
    assert_long(HTTP_LINE_MAX, HTTP_LINE_MAX + 100, 0);
    assert_long(HTTP_LINE_MAX + 1, HTTP_LINE_MAX + 100, 414);
    char text[HTTP_LINE_MAX + 1];
    struct http_request request;
    memset(text, 'x', sizeof text);
    assert_int_equal(parse(text, HTTP_LINE_MAX, &request), 0);
    assert_int_equal(parse(text, HTTP_LINE_MAX + 1, &request), -414);
}

TEST(a_head_has_a_limit)
{
    assert_long(100, HTTP_HEAD_MAX, 0);
    assert_long(100, HTTP_HEAD_MAX + 1, 431);
    assert_long(100, HTTP_HEAD_MAX * 2, 431);
}

TEST(fields_have_a_limit)
{
    char text[HTTP_HEAD_MAX] = GET HOST;
    struct http_request request;
    for (int i = 1; i < HTTP_FIELDS_MAX; i++)
        strcat(text, "X: y\r\n");
    size_t size = strlen(text);
    strcat(text, "\r\n");
    assert_int_equal(parse(text, strlen(text), &request), size + 2);
    strcpy(text + size, "X: y\r\n\r\n");
    assert_int_equal(parse(text, strlen(text), &request), -431);
}

/* ---- anything at all ------------------------------------------------------------------------- */

/* Requests with bytes changed, and cut into pieces: whole or in pieces, the answer is the same. */
TEST(rubbish_is_judged_the_same_in_one_piece_and_in_many)
{
    const char base[] = "GET /a%20b?c HTTP/1.1\r\n" HOST "Connection: close\r\n"
                        "Content-Length: 0\r\nIf-None-Match: \"a\", W/\"b\"\r\n\r\n";
    const char bytes[] = "\r\n :/\t,0G%\x80\x01";
    uint64_t seed = 1;
    for (size_t round = 0; round < scaled(100000); round++) {
        char text[sizeof base];
        struct http_request request;
        memcpy(text, base, sizeof base);
        for (uint64_t changes = chance(&seed) % 4; changes > 0; changes--)
            text[chance(&seed) % (sizeof base - 1)] = bytes[chance(&seed) % sizeof bytes];
        int whole = parse(text, sizeof base - 1, &request);
        struct http_parser parser = {0};
        int pieces = 0;
        for (size_t come = 0; pieces == 0 && come < sizeof base - 1;) {
            come += 1 + chance(&seed) % 20;
            come = come < sizeof base ? come : sizeof base - 1;
            pieces = http_parse(&parser, text, come, &request);
        }
        assert_int_equal(whole, pieces);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_ENTRY(a_request_is_read),
        TEST_ENTRY(what_was_not_sent_is_null),
        TEST_ENTRY(conditions_that_were_sent_twice_are_empty),
        TEST_ENTRY(who_wants_the_connection_to_stay_says_so),
        TEST_ENTRY(a_target_may_be_a_whole_url),
        TEST_ENTRY(methods_that_exist_are_told_from_words),
        TEST_ENTRY(a_body_is_measured),
        TEST_ENTRY(one_empty_line_may_come_first),
        TEST_ENTRY(what_follows_a_request_is_left_alone),
        TEST_ENTRY(a_request_may_come_in_any_pieces),
        TEST_ENTRY(malformed_first_lines_are_refused),
        TEST_ENTRY(versions_of_another_kind_are_told),
        TEST_ENTRY(malformed_fields_are_refused),
        TEST_ENTRY(a_zero_byte_is_refused_wherever_it_is),
        TEST_ENTRY(a_bare_lf_is_refused_as_soon_as_it_comes),
        TEST_ENTRY(a_host_is_said_once),
        TEST_ENTRY(contradicting_lengths_are_refused),
        TEST_ENTRY(transfer_encodings_are_not_implemented),
        TEST_ENTRY(a_first_line_has_a_limit),
        TEST_ENTRY(a_head_has_a_limit),
        TEST_ENTRY(fields_have_a_limit),
        TEST_ENTRY(rubbish_is_judged_the_same_in_one_piece_and_in_many),
    };
    return RUN_TESTS("http-parser", tests);
}
