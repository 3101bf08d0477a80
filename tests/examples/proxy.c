/*
 * proxy.c: the proxy and the echo server as programs, and the HTTP server behind the proxy.
 */
#include "programs.h"

#include <poll.h>

enum { BIG = 10000000 };

static struct program echo, proxy;

static void serve(void)
{
    program_start(&echo, ECHO_PROGRAM, "127.0.0.1:0", NULL);
    program_start(&proxy, PROXY_PROGRAM, "127.0.0.1:0", echo.text, NULL);
}

static void serve_no_more(void)
{
    program_end(&proxy);
    program_end(&echo);
}

static void *send_big(void *arg)
{
    int fd = *(int *)arg;
    for (size_t done = 0; done < BIG;) {
        size_t part = BIG - done < PATTERN_SPAN ? BIG - done : PATTERN_SPAN;
        ssize_t n = net_put(fd, pattern_at(done), part, 0);
        check(n > 0);
        done += (size_t)n;
    }
    check(shutdown(fd, SHUT_WR) == 0);
    return NULL;
}

/* The end that the client sends goes the whole way, and comes back behind the last byte. */
static void assert_echoes(const struct program *program)
{
    pthread_t sender;
    int fd = net_connect(&program->address);
    thread_start(&sender, send_big, &fd);
    struct received all = receive(fd, EVERYTHING);
    thread_join(sender);
    assert_int_equal(all.error, 0);
    assert_true(all.size == BIG && pattern_matches(all.data, BIG, 0));
    free(all.data);
    assert_int_equal(close(fd), 0);
}

TEST(bytes_and_their_end_come_back)
{
    serve();
    assert_echoes(&echo);
    assert_echoes(&proxy);
    serve_no_more();
}

/*
 * Sends without reading until nobody on the way takes any more. How long to wait for that is a
 * guess, which can only make the test easier to pass.
 */
static size_t send_until_stuck(int fd)
{
    const size_t limit = (size_t)512 << 20; /* more than kernels hold on the way, by far */
    size_t sent = 0;
    struct pollfd room = {fd, POLLOUT, 0};
    while (sent < limit && poll(&room, 1, 250) > 0) {
        ssize_t n = net_put(fd, pattern_at(sent), PATTERN_SPAN, MSG_DONTWAIT);
        assert_true(n > 0 || errno == EAGAIN);
        sent += n > 0 ? (size_t)n : 0;
    }
    assert_true(sent < limit);
    return sent;
}

TEST(who_does_not_read_is_not_read_either)
{
    serve();
    int fd = net_connect(&proxy.address);
    size_t sent = send_until_stuck(fd);
    assert_int_equal(shutdown(fd, SHUT_WR), 0);
    struct received all = receive(fd, EVERYTHING);
    assert_int_equal(all.error, 0);
    assert_true(all.size == sent && pattern_matches(all.data, sent, 0));
    free(all.data);
    assert_int_equal(close(fd), 0);
    serve_no_more();
}

TEST(who_is_reset_while_much_is_queued_leaves_nothing_behind)
{
    serve();
    int fd = net_connect(&proxy.address), other = net_connect(&echo.address);
    send_until_stuck(fd);
    send_until_stuck(other);
    net_reset(fd);
    net_reset(other);
    assert_echoes(&proxy); /* and it ends with nothing open, or its exit says so */
    serve_no_more();
}

/* The address of a port where nobody listens: it was just left. */
static void nobody_listens(char text[EVLOOP_ADDRESS_TEXT])
{
    evloop_address address;
    int fd = net_listen(AF_INET, 1, &address);
    evloop_address_format(&address, text, EVLOOP_ADDRESS_TEXT);
    assert_int_equal(close(fd), 0);
}

TEST(a_target_that_is_not_there_resets_the_client)
{
    char text[EVLOOP_ADDRESS_TEXT];
    nobody_listens(text);
    program_start(&proxy, PROXY_PROGRAM, "127.0.0.1:0", text, NULL);
    for (int i = 0; i < 3; i++) {
        int fd = net_connect(&proxy.address);
        struct received nothing = receive(fd, EVERYTHING);
        assert_int_equal(nothing.size, 0);
        assert_int_equal(nothing.error, ECONNRESET);
        free(nothing.data);
        assert_int_equal(close(fd), 0);
    }
    program_end(&proxy);
}

/* What the target does, the client sees. */
TEST(a_reset_is_passed_on)
{
    evloop_address address;
    char text[EVLOOP_ADDRESS_TEXT];
    int listener = net_listen(AF_INET, 8, &address);
    evloop_address_format(&address, text, sizeof text);
    program_start(&proxy, PROXY_PROGRAM, "127.0.0.1:0", text, NULL);
    int client = net_connect(&proxy.address);
    int target = accept(listener, NULL, NULL);
    assert_true(target >= 0);
    send_text(target, "half an ans");
    struct received begun = receive(client, strlen("half an ans"));
    assert_string_equal(begun.data, "half an ans");
    net_reset(target);
    struct received rest = receive(client, EVERYTHING);
    assert_int_equal(rest.error, ECONNRESET);
    free(begun.data);
    free(rest.data);
    assert_int_equal(close(client), 0);
    assert_int_equal(close(listener), 0);
    program_end(&proxy);
}

TEST(an_end_is_passed_on_and_the_other_direction_goes_on)
{
    evloop_address address;
    char text[EVLOOP_ADDRESS_TEXT];
    int listener = net_listen(AF_INET, 8, &address);
    evloop_address_format(&address, text, sizeof text);
    program_start(&proxy, PROXY_PROGRAM, "127.0.0.1:0", text, NULL);
    int client = net_connect(&proxy.address);
    int target = accept(listener, NULL, NULL);
    send_text(target, "that is all");
    assert_int_equal(shutdown(target, SHUT_WR), 0);
    struct received all = receive(client, EVERYTHING);
    assert_string_equal(all.data, "that is all");
    assert_int_equal(all.error, 0);
    send_text(client, "thanks");
    assert_int_equal(shutdown(client, SHUT_WR), 0);
    struct received thanks = receive(target, EVERYTHING);
    assert_string_equal(thanks.data, "thanks");
    assert_int_equal(thanks.error, 0);
    free(all.data);
    free(thanks.data);
    assert_int_equal(close(client), 0);
    assert_int_equal(close(target), 0);
    assert_int_equal(close(listener), 0);
    program_end(&proxy);
}

TEST(curl_gets_files_through_the_proxy)
{
    struct folder folder;
    struct program http;
    char first[128], second[128];
    if (!command_exists("curl"))
        skip();
    folder_make(&folder);
    folder_put(&folder, "big.bin", BIG);
    folder_put_text(&folder, "index.html", "<p>index</p>\n");
    program_start(&http, HTTP_PROGRAM, "-l", "127.0.0.1:0", folder.path, NULL);
    program_start(&proxy, PROXY_PROGRAM, "127.0.0.1:0", http.text, NULL);
    snprintf(first, sizeof first, "http://%s/big.bin", proxy.text);
    snprintf(second, sizeof second, "http://%s/", proxy.text);
    char *output =
        command("curl", "-sS", "--max-time", "60", "-w", "%{http_code} %{num_connects}\n", "-o",
                folder_path(&folder, "copy"), first, second, NULL);
    assert_string_equal(output, "200 1\n<p>index</p>\n200 0\n");
    assert_true(folder_has(&folder, "copy", BIG));
    free(output);
    program_end(&proxy);
    program_end(&http);
    folder_remove(&folder);
}

TEST(the_end_of_the_echo_server_is_told_to_its_clients)
{
    program_start(&echo, ECHO_PROGRAM, "127.0.0.1:0", NULL);
    int fd = net_connect(&echo.address);
    send_text(fd, "hello");
    struct received hello = receive(fd, strlen("hello"));
    assert_string_equal(hello.data, "hello");
    assert_int_equal(kill(echo.pid, SIGTERM), 0);
    struct received end = receive(fd, EVERYTHING);
    assert_int_equal(end.size, 0);
    assert_int_equal(end.error, 0);
    assert_int_equal(close(fd), 0);
    program_wait(&echo);
    free(hello.data);
    free(end.data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_ENTRY(bytes_and_their_end_come_back),
        TEST_ENTRY(who_does_not_read_is_not_read_either),
        TEST_ENTRY(who_is_reset_while_much_is_queued_leaves_nothing_behind),
        TEST_ENTRY(a_target_that_is_not_there_resets_the_client),
        TEST_ENTRY(a_reset_is_passed_on),
        TEST_ENTRY(an_end_is_passed_on_and_the_other_direction_goes_on),
        TEST_ENTRY(curl_gets_files_through_the_proxy),
        TEST_ENTRY(the_end_of_the_echo_server_is_told_to_its_clients),
    };
    support_limit(60);
    return RUN_TESTS("examples-proxy", tests);
}
