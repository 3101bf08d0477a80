/*
 * evloop-http [-l address] [folder]: serves the files of a folder.
 *
 * SIGINT or SIGTERM ends it in good order; a second one ends it at once.
 */
#define _POSIX_C_SOURCE 200809L

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "server.h"

#define END_TIMEOUT EVLOOP_SEC(10)

static struct server server;
static evloop_notify term;

static void on_term(evloop_notify *notify)
{
    evloop_notify_stop(notify);
    server_end(&server, END_TIMEOUT);
}

static void on_signal(int number)
{
    int error = errno;
    (void)number;
    evloop_notify_send(&term);
    errno = error;
}

static void catch_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

static int fail(const char *what, int err)
{
    fprintf(stderr, "evloop-http: %s: %s\n", what, evloop_strerror(err));
    return 1;
}

/* The port may have been left to the system. */
static void print_address(const char *path)
{
    evloop_address address;
    char text[EVLOOP_ADDRESS_TEXT] = "";
    if (evloop_listener_local(&server.listener, &address) == 0)
        evloop_address_format(&address, text, sizeof text);
    printf("http://%s/ serves %s\n", text, path);
    fflush(stdout);
}

static int run(evloop *loop, const char *address, const char *path)
{
    int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0)
        return fail(path, errno);
    int err = server_start(&server, loop, address, folder);
    if (err) {
        close(folder);
        return fail(address, err);
    }
    err = evloop_notify_start(loop, &term, on_term);
    if (!err) {
        catch_signals();
        print_address(path);
        err = evloop_run(loop, EVLOOP_RUN_DEFAULT);
    }
    close(folder);
    return err ? fail("run", err) : 0;
}

int main(int argc, char **argv)
{
    const char *address = "127.0.0.1:8080";
    int option;
    while ((option = getopt(argc, argv, "l:")) == 'l')
        address = optarg;
    if (option != -1 || argc - optind > 1) {
        fprintf(stderr, "usage: evloop-http [-l address] [folder]\n");
        return 2;
    }
    evloop *loop;
    int err = evloop_create(&loop, NULL);
    if (err)
        return fail("loop", err);
    int status = run(loop, address, argv[optind] ? argv[optind] : ".");
    err = evloop_destroy(loop, status ? EVLOOP_DESTROY_FORCE : 0);
    return err ? fail(evloop_busy_reason(loop), err) : status;
}
