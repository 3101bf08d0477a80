/*
 * http.c: the HTTP example as a program: driven by curl, by ab and wrk where they are installed,
 * and by requests made by hand.
 */
#include "programs.h"

#include <sys/stat.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define HOST "Host: h\r\n"

enum { BIG = 10000000, SMALL = 1000 };

static struct folder folder;
static struct program server;

/* "http://127.0.0.1:43210/path", in one of a few places. */
static const char *url(const char *path)
{
    static char texts[4][128];
    static unsigned next;
    char *text = texts[next++ % COUNT(texts)];
    snprintf(text, sizeof texts[0], "http://%s%s", server.text, path);
    return text;
}

static void serve_with(const char *threads)
{
    folder_make(&folder);
    folder_put(&folder, "big.bin", BIG);
    folder_put(&folder, "small.bin", SMALL);
    folder_put_text(&folder, "index.html", "<p>index</p>\n");
    folder_put_text(&folder, "a b.txt", "a b\n");
    folder_put_text(&folder, ".hidden", "hidden\n");
    folder_put_text(&folder, "empty", "");
    assert_int_equal(mkdir(folder_path(&folder, "sub"), 0700), 0);
    assert_int_equal(mkdir(folder_path(&folder, "bare"), 0700), 0);
    folder_put_text(&folder, "sub/index.html", "<p>sub</p>\n");
    assert_int_equal(symlink("/etc/passwd", folder_path(&folder, "link")), 0);
    assert_int_equal(symlink("/etc", folder_path(&folder, "links")), 0);
    assert_int_equal(mkfifo(folder_path(&folder, "pipe"), 0600), 0);
    program_start(&server, HTTP_PROGRAM, "-l", "127.0.0.1:0", "-t", threads, folder.path, NULL);
}

static void serve(void)
{
    serve_with("1");
}

static void serve_no_more(void)
{
    program_end(&server);
    folder_remove(&folder);
}

/* ---- curl ------------------------------------------------------------------------------------ */

#define CURL "curl", "-sS", "--max-time", "60"

static void need(const char *name)
{
    if (!command_exists(name))
        skip();
}

/* What is asked of curl is answered with these lines. */
#define assert_curl(expected, ...)                                                                 \
    do {                                                                                           \
        char *output_ = command(CURL, __VA_ARGS__, NULL);                                          \
        assert_string_equal(output_, expected);                                                    \
        free(output_);                                                                             \
    } while (0)

#define STATUS_ONLY "-o", "/dev/null", "-w", "%{http_code}\n"

TEST(curl_gets_two_urls_over_one_connection)
{
    need("curl");
    serve();
    assert_curl("<p>index</p>\n1 200 text/html; charset=utf-8\n"
                "a b\n0 200 text/plain; charset=utf-8\n",
                "-w", "%{num_connects} %{http_code} %{content_type}\n", url("/"),
                url("/a%20b.txt"));
    serve_no_more();
}

TEST(curl_gets_a_large_file_as_it_is)
{
    need("curl");
    serve();
    assert_curl("200 10000000\n", "-w", "%{http_code} %{size_download}\n", "-o",
                folder_path(&folder, "copy"), url("/big.bin"));
    assert_true(folder_has(&folder, "copy", BIG));
    serve_no_more();
}

TEST(curl_gets_heads_without_bodies)
{
    need("curl");
    serve();
    assert_curl("200 0 1\n404 0 0\n301 0 0\n", "-I", "-o", "/dev/null", "-w",
                "%{http_code} %{size_download} %{num_connects}\n", url("/big.bin"), "-o",
                "/dev/null", url("/nothing"), "-o", "/dev/null", url("/sub"));
    char *head = command(CURL, "-I", url("/big.bin"), NULL);
    assert_non_null(strstr(head, "\r\nContent-Length: 10000000\r\n"));
    free(head);
    serve_no_more();
}

TEST(curl_gets_folders_and_is_sent_to_their_slash)
{
    need("curl");
    serve();
    assert_curl("<p>sub</p>\n", url("/sub/"));
    assert_curl("<p>sub</p>\n200 1\n", "-L", "-w", "%{http_code} %{num_redirects}\n", url("/sub"));
    assert_curl("404\n", STATUS_ONLY, url("/bare/"));
    serve_no_more();
}

TEST(curl_gets_parts)
{
    need("curl");
    serve();
    assert_curl("206 1000\n", "-r", "5000000-5000999", "-w", "%{http_code} %{size_download}\n",
                "-o", folder_path(&folder, "part"), url("/big.bin"));
    assert_curl("416\n", "-r", "10000000-", STATUS_ONLY, url("/big.bin"));
    struct received part = {NULL, 0, 0};
    FILE *file = fopen(folder_path(&folder, "part"), "r");
    assert_non_null(file);
    part.data = malloc(SMALL);
    assert_non_null(part.data);
    part.size = fread(part.data, 1, SMALL, file);
    assert_int_equal(fclose(file), 0);
    assert_true(part.size == SMALL && pattern_matches(part.data, SMALL, 5000000));
    free(part.data);
    serve_no_more();
}

/* curl asks for the rest of what it has. */
TEST(curl_continues_a_file)
{
    need("curl");
    serve();
    folder_put(&folder, "copy", BIG / 3);
    free(command(CURL, "-C", "-", "-o", folder_path(&folder, "copy"), url("/big.bin"), NULL));
    assert_true(folder_has(&folder, "copy", BIG));
    serve_no_more();
}

TEST(curl_is_told_that_it_has_the_file_already)
{
    need("curl");
    serve();
    char tags[PLACE_SIZE + 64];
    snprintf(tags, sizeof tags, "%s", folder_path(&folder, "tags"));
    assert_curl("200\n", "--etag-save", tags, STATUS_ONLY, url("/small.bin"));
    assert_curl("304\n", "--etag-compare", tags, STATUS_ONLY, url("/small.bin"));
    assert_curl("200\n", "--etag-compare", tags, STATUS_ONLY, url("/big.bin"));
    assert_curl("304\n", "-z", "Fri, 01 Jan 2100 00:00:00 GMT", STATUS_ONLY, url("/small.bin"));
    assert_curl("200\n", "-z", "Thu, 01 Jan 1970 00:00:01 GMT", STATUS_ONLY, url("/small.bin"));
    serve_no_more();
}

TEST(curl_does_not_get_out_of_the_folder)
{
    need("curl");
    serve();
    const char *const paths[] = {"/../../../../../../../../etc/passwd",
                                 "/%2e%2e/%2e%2e/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
                                 "/sub/../../../../../../../../etc/passwd",
                                 "/..%2f..%2f..%2f..%2f..%2fetc%2fpasswd",
                                 "//etc/passwd",
                                 "/./index.html",
                                 "/link",
                                 "/links/passwd",
                                 "/links/",
                                 "/.hidden",
                                 "/%2ehidden",
                                 "/pipe",
                                 "/index.html/",
                                 "/index.html/x"};
    for (size_t i = 0; i < COUNT(paths); i++)
        assert_curl("404\n", "--path-as-is", STATUS_ONLY, url(paths[i]));
    assert_curl("400\n", STATUS_ONLY, url("/index.html%00"));
    assert_curl("400\n", STATUS_ONLY, url("/%"));
    assert_curl("400\n", STATUS_ONLY, url("/%4"));
    assert_curl("400\n", STATUS_ONLY, url("/%4x"));
    serve_no_more();
}

TEST(curl_is_refused_what_is_not_offered)
{
    need("curl");
    serve();
    assert_curl("405\n", STATUS_ONLY, "-X", "DELETE", url("/"));
    assert_curl("405\n", STATUS_ONLY, "-d", "body", url("/"));
    assert_curl("413\n", STATUS_ONLY, "-d", "body", "-X", "GET", url("/"));
    assert_curl("501\n", STATUS_ONLY, "-H", "Transfer-Encoding: chunked", "-d", "x", url("/"));
    assert_curl("501\n", STATUS_ONLY, "-X", "FETCH", url("/"));
    serve_no_more();
}

/* ---- load ------------------------------------------------------------------------------------ */

TEST(ab_sees_no_request_fail)
{
    need("ab");
    serve();
    char *output = command("ab", "-q", "-k", "-c", "16", "-n", "2000", url("/small.bin"), NULL);
    assert_non_null(strstr(output, "Complete requests:      2000\n"));
    assert_non_null(strstr(output, "Failed requests:        0\n"));
    assert_non_null(strstr(output, "Keep-Alive requests:    2000\n"));
    assert_null(strstr(output, "Non-2xx"));
    free(output);
    output = command("ab", "-q", "-c", "16", "-n", "500", url("/"), NULL);
    assert_non_null(strstr(output, "Complete requests:      500\n"));
    assert_non_null(strstr(output, "Failed requests:        0\n"));
    free(output);
    serve_no_more();
}

TEST(wrk_sees_no_error)
{
    need("wrk");
    serve();
    char *output = command("wrk", "-t", "1", "-c", "16", "-d", "1", url("/small.bin"), NULL);
    assert_non_null(strstr(output, "requests in"));
    assert_null(strstr(output, "Socket errors"));
    assert_null(strstr(output, "Non-2xx"));
    free(output);
    serve_no_more();
}

/* ---- by hand --------------------------------------------------------------------------------- */

/* Sends this, reads until the server ends, and gives what came. */
static struct received ask(const char *request)
{
    int fd = net_connect(&server.address);
    send_text(fd, request);
    struct received answer = receive(fd, EVERYTHING);
    assert_int_equal(answer.error, 0);
    assert_int_equal(close(fd), 0);
    return answer;
}

/* Takes one answer off the front: its status, and its body of `size` bytes. */
static int take_answer(struct received *answers, const char **body, size_t *size)
{
    int status = 0;
    unsigned long long length = 0;
    char *head_end = strstr(answers->data, "\r\n\r\n");
    assert_non_null(head_end);
    assert_int_equal(sscanf(answers->data, "HTTP/1.1 %d ", &status), 1);
    const char *field = strstr(answers->data, "\r\nContent-Length: ");
    if (field && field < head_end)
        assert_int_equal(sscanf(field, "\r\nContent-Length: %llu\r\n", &length), 1);
    *body = head_end + 4;
    *size = (size_t)length;
    size_t used = (size_t)(head_end + 4 - answers->data) + *size;
    assert_true(used <= answers->size);
    answers->data += used;
    answers->size -= used;
    return status;
}

static void assert_answers(const char *request, const int *statuses, size_t count)
{
    struct received all = ask(request);
    struct received rest = all;
    for (size_t i = 0; i < count; i++) {
        const char *body;
        size_t size;
        int status = take_answer(&rest, &body, &size);
        if (status != statuses[i])
            fail_msg("%d instead of %d for\n%s", status, statuses[i], request);
    }
    assert_int_equal(rest.size, 0);
    free(all.data);
}

/* This is answered with these statuses, and then the connection ends. */
#define assert_statuses(request, ...)                                                              \
    assert_answers(request, (const int[]){__VA_ARGS__},                                            \
                   sizeof((const int[]){__VA_ARGS__}) / sizeof(int))

TEST(what_could_smuggle_a_request_ends_the_connection)
{
    serve();
#define HIDDEN "GET /small.bin HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n"
    assert_statuses("GET / HTTP/1.1\r\n" HOST
                    "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" HIDDEN,
                    400);
    assert_statuses(
        "GET / HTTP/1.1\r\n" HOST "Content-Length: 0\r\nContent-Length: 4\r\n\r\n" HIDDEN, 400);
    assert_statuses("GET / HTTP/1.1\r\n" HOST "Transfer-Encoding: xchunked\r\n\r\n" HIDDEN, 501);
    assert_statuses("GET / HTTP/1.1\r\n" HOST "Content-Length: 4\r\n\r\nbody" HIDDEN, 413);
    assert_statuses("POST / HTTP/1.1\r\n" HOST "Content-Length: 4\r\n\r\nbody" HIDDEN, 405);
    assert_statuses("GET / HTTP/1.1\r\n" HOST "X: a\n\r\n\r\n" HIDDEN, 400);
    assert_statuses("GET / HTTP/1.1\r\n" HOST "X: a\r\n b\r\n\r\n" HIDDEN, 400);
    assert_statuses("GET / HTTP/1.1\r\n" HOST "Content-Length : 4\r\n\r\nbody" HIDDEN, 400);
    assert_statuses("GET / HTTP/1.1\r\n\r\n" HIDDEN, 400);
    assert_statuses("GET / HTTP/2.0\r\n" HOST "\r\n" HIDDEN, 505);
    serve_no_more();
}

TEST(a_connection_ends_when_it_should)
{
    serve();
    assert_statuses("GET / HTTP/1.0\r\n\r\n" HIDDEN, 200);
    assert_statuses("GET / HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n" HIDDEN, 200);
    assert_statuses("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" HIDDEN, 200, 200);
    assert_statuses("GET /nothing HTTP/1.1\r\n" HOST "\r\n" HIDDEN, 404, 200);
    assert_statuses("OPTIONS * HTTP/1.1\r\n" HOST "\r\n" HIDDEN, 405, 200);
    struct received head = ask("HEAD /nothing HTTP/1.0\r\n\r\n");
    const char *end = strstr(head.data, "\r\n\r\n");
    assert_non_null(end);
    assert_string_equal(end, "\r\n\r\n"); /* its length is that of a body which is not there */
    free(head.data);
    serve_no_more();
}

TEST(heads_beyond_the_limits_are_refused)
{
    serve();
    char *text = calloc(1, 20000);
    assert_non_null(text);
    strcpy(text, "GET /");
    memset(text + 5, 'x', 10000);
    assert_statuses(text, 414);
    strcpy(text, "GET / HTTP/1.1\r\n" HOST "X: ");
    memset(text + strlen(text), 'x', 10000);
    assert_statuses(text, 431);
    strcpy(text, "GET / HTTP/1.1\r\n" HOST);
    for (int i = 0; i < 200; i++)
        strcat(text, "X: y\r\n");
    assert_statuses(text, 431);
    free(text);
    serve_no_more();
}

TEST(a_request_may_come_byte_by_byte)
{
    serve();
    const char *request = "GET /a%20b.txt HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n";
    int fd = net_connect(&server.address);
    for (size_t i = 0; i < strlen(request); i++)
        send_all(fd, request + i, 1);
    struct received answer = receive(fd, EVERYTHING);
    assert_non_null(strstr(answer.data, "\r\n\r\na b\n"));
    free(answer.data);
    assert_int_equal(close(fd), 0);
    serve_no_more();
}

TEST(who_sends_no_more_still_gets_the_answers)
{
    serve();
    int fd = net_connect(&server.address);
    send_text(fd, "GET /big.bin HTTP/1.1\r\n" HOST "\r\nGET / HTTP/1.1\r\n" HOST "\r\n"
                  "GET / HTTP/1.1\r\nand then it is gone");
    assert_int_equal(shutdown(fd, SHUT_WR), 0);
    struct received all = receive(fd, EVERYTHING), rest = all;
    const char *body;
    size_t size;
    assert_int_equal(all.error, 0);
    assert_int_equal(take_answer(&rest, &body, &size), 200);
    assert_true(size == BIG && pattern_matches(body, size, 0));
    assert_int_equal(take_answer(&rest, &body, &size), 200);
    assert_memory_equal(body, "<p>index</p>\n", size);
    assert_int_equal(rest.size, 0);
    free(all.data);
    assert_int_equal(close(fd), 0);
    serve_no_more();
}

/* ---- pipelining ------------------------------------------------------------------------------ */

enum { PIPELINED = 500 };

/* Request n of the pipeline: most are small, some are large, some are for nothing. */
static const char *pipelined_path(int n)
{
    return n % 100 == 50 ? "/big.bin" : n % 7 == 3 ? "/nothing" : n % 3 == 0 ? "/" : "/small.bin";
}

static void *send_pipeline(void *arg)
{
    int fd = *(int *)arg;
    for (int n = 0; n < PIPELINED; n++) {
        char request[128];
        int size = snprintf(request, sizeof request, "GET %s HTTP/1.1\r\n" HOST "%s\r\n",
                            pipelined_path(n), n == PIPELINED - 1 ? "Connection: close\r\n" : "");
        check(net_put(fd, request, (size_t)size, 0) == size);
    }
    return NULL;
}

static void check_answer(struct received *rest, int n)
{
    const char *path = pipelined_path(n), *body;
    size_t size;
    int status = take_answer(rest, &body, &size);
    if (strcmp(path, "/nothing") == 0) {
        assert_int_equal(status, 404);
    } else if (strcmp(path, "/") == 0) {
        assert_int_equal(size, strlen("<p>index</p>\n"));
        assert_memory_equal(body, "<p>index</p>\n", size);
    } else {
        assert_int_equal(size, strcmp(path, "/big.bin") == 0 ? BIG : SMALL);
        assert_true(pattern_matches(body, size, 0));
    }
}

TEST(pipelined_requests_are_answered_in_order)
{
    pthread_t sender;
    serve();
    int fd = net_connect(&server.address);
    thread_start(&sender, send_pipeline,
                 &fd); /* the server does not read while it has much to send */
    struct received all = receive(fd, EVERYTHING), rest = all;
    thread_join(sender);
    assert_int_equal(all.error, 0);
    for (int n = 0; n < PIPELINED; n++)
        check_answer(&rest, n);
    assert_int_equal(rest.size, 0);
    free(all.data);
    assert_int_equal(close(fd), 0);
    serve_no_more();
}

/* ---- threads --------------------------------------------------------------------------------- */

enum { CLIENTS = 60 };

TEST(several_threads_serve_one_address)
{
    int fds[CLIENTS];
    serve_with("3");
    for (int i = 0; i < CLIENTS; i++)
        fds[i] = net_connect(&server.address);
    for (int i = 0; i < CLIENTS; i++)
        send_text(fds[i], HIDDEN);
    for (int i = 0; i < CLIENTS; i++) {
        const char *body;
        size_t size;
        struct received all = receive(fds[i], EVERYTHING), rest = all;
        assert_int_equal(take_answer(&rest, &body, &size), 200);
        assert_true(size == SMALL && pattern_matches(body, size, 0));
        free(all.data);
        assert_int_equal(close(fds[i]), 0);
    }
    serve_no_more();
}

/* ---- the end --------------------------------------------------------------------------------- */

TEST(the_end_closes_who_is_idle_and_finishes_what_was_begun)
{
    serve();
    int idle = net_connect(&server.address), busy = net_connect(&server.address);
    send_text(idle, "GET / HTTP/1.1\r\n" HOST "\r\n");
    struct received first = receive(idle, strlen("HTTP/1.1 200 OK"));
    send_text(busy, "GET /big.bin HTTP/1.1\r\n" HOST "\r\n");
    struct received begun = receive(busy, strlen("HTTP/1.1 200 OK"));
    assert_int_equal(kill(server.pid, SIGTERM), 0);
    struct received last = receive(idle, EVERYTHING);
    assert_int_equal(last.error, 0);
    assert_int_equal(close(idle), 0);
    struct received rest = receive(busy, EVERYTHING);
    assert_int_equal(rest.error, 0);
    assert_int_equal(close(busy), 0);
    const char *body = strstr(rest.data, "\r\n\r\n") + 4;
    assert_true(rest.size - (size_t)(body - rest.data) == BIG && pattern_matches(body, BIG, 0));
    free(first.data);
    free(begun.data);
    free(last.data);
    free(rest.data);
    program_wait(&server);
    folder_remove(&folder);
}

TEST(who_goes_away_in_the_middle_does_no_harm)
{
    serve();
    for (int i = 0; i < 20; i++) {
        int fd = net_connect(&server.address);
        send_text(fd, "GET /big.bin HTTP/1.1\r\n" HOST "\r\n");
        free(receive(fd, (size_t)i * 1000 + 1).data);
        net_reset(fd);
    }
    assert_statuses(HIDDEN, 200);
    serve_no_more();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_ENTRY(curl_gets_two_urls_over_one_connection),
        TEST_ENTRY(curl_gets_a_large_file_as_it_is),
        TEST_ENTRY(curl_gets_heads_without_bodies),
        TEST_ENTRY(curl_gets_folders_and_is_sent_to_their_slash),
        TEST_ENTRY(curl_gets_parts),
        TEST_ENTRY(curl_continues_a_file),
        TEST_ENTRY(curl_is_told_that_it_has_the_file_already),
        TEST_ENTRY(curl_does_not_get_out_of_the_folder),
        TEST_ENTRY(curl_is_refused_what_is_not_offered),
        TEST_ENTRY(ab_sees_no_request_fail),
        TEST_ENTRY(wrk_sees_no_error),
        TEST_ENTRY(what_could_smuggle_a_request_ends_the_connection),
        TEST_ENTRY(a_connection_ends_when_it_should),
        TEST_ENTRY(heads_beyond_the_limits_are_refused),
        TEST_ENTRY(a_request_may_come_byte_by_byte),
        TEST_ENTRY(who_sends_no_more_still_gets_the_answers),
        TEST_ENTRY(pipelined_requests_are_answered_in_order),
        TEST_ENTRY(several_threads_serve_one_address),
        TEST_ENTRY(the_end_closes_who_is_idle_and_finishes_what_was_begun),
        TEST_ENTRY(who_goes_away_in_the_middle_does_no_harm),
    };
    support_limit(60);
    return RUN_TESTS("examples-http", tests);
}
