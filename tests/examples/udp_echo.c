/*
 * udp_echo.c: the UDP echo as a program: what is sent in one burst comes back, in order, and it
 * tells of batches.
 */
#include "programs.h"

#include <sys/socket.h>
#include <sys/wait.h>

enum { BURST = 40, NUMBER = 8 };

static void read_rest(const struct program *program, char *text, size_t size)
{
    size_t length = 0;
    ssize_t n;
    while ((n = read(program->output, text + length, size - 1 - length)) > 0)
        length += (size_t)n;
    text[length] = '\0';
}

static void stop(const struct program *program)
{
    int status;
    assert_int_equal(kill(program->pid, SIGSTOP), 0);
    assert_int_equal(waitpid(program->pid, &status, WUNTRACED), program->pid);
    assert_true(WIFSTOPPED(status));
}

TEST(a_burst_comes_back_whole_and_in_batches)
{
    struct program program;
    char text[NUMBER], wanted[NUMBER], told[256];
    unsigned datagrams, batches, lost;
    program_start(&program, UDP_ECHO_PROGRAM, "127.0.0.1:0", NULL);
    int fd = net_socket(AF_INET, SOCK_DGRAM);
    assert_int_equal(connect(fd, &program.address.of.any, program.address.size), 0);
    stop(&program); /* so that they come together */
    for (unsigned i = 0; i < BURST; i++) {
        snprintf(text, sizeof text, "%07u", i);
        assert_int_equal(send(fd, text, sizeof text, 0), sizeof text);
    }
    assert_int_equal(kill(program.pid, SIGCONT), 0);
    for (unsigned i = 0; i < BURST; i++) {
        snprintf(wanted, sizeof wanted, "%07u", i);
        assert_int_equal(recv(fd, text, sizeof text, 0), sizeof text);
        assert_memory_equal(text, wanted, sizeof text);
    }
    assert_int_equal(kill(program.pid, SIGTERM), 0);
    read_rest(&program, told, sizeof told);
    program_wait(&program);
    assert_int_equal(sscanf(told, "%u datagrams in %u batches; %u answers were lost", &datagrams,
                            &batches, &lost),
                     3);
    assert_int_equal(datagrams, BURST);
    assert_int_equal(lost, 0);
    assert_true(batches < BURST);
    assert_int_equal(close(fd), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_ENTRY(a_burst_comes_back_whole_and_in_batches),
    };
    return RUN_TESTS("examples: UDP echo", tests);
}
