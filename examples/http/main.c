/*
 * evloop-http [-l address] [-t threads] [folder]: serves the files of a folder. SIGINT or SIGTERM
 * ends it in good order; a second one ends it at once.
 *
 * Threads that serve have signals blocked; this one does nothing but wait for one.
 */
#define _POSIX_C_SOURCE 200809L

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "server.h"

#define END_TIMEOUT EVLOOP_SEC(10)

static int folder = -1;

/* On the thread of each loop: before it listens, when it is told to end, and after its end. */

static int on_init(evloop_group *group, unsigned index)
{
    struct server *server = calloc(1, sizeof *server);
    if (!server)
        return -ENOMEM;
    server->folder = folder;
    evloop_group_listener(group, index)->data = server;
    return 0;
}

static void on_term(void *listener)
{
    server_end(((evloop_listener *)listener)->data, evloop_listener_loop(listener));
}

static void on_end(evloop_group *group, unsigned index)
{
    free(evloop_group_listener(group, index)->data);
}

/* On the main thread. */

static int fail(const char *what, int err)
{
    fprintf(stderr, "evloop-http: %s: %s\n", what, evloop_strerror(err));
    return 1;
}

static void print_address(const evloop_group *group, const char *path)
{
    evloop_address address; /* the port may have been left to the system */
    char text[EVLOOP_ADDRESS_TEXT] = "";
    if (evloop_group_local(group, &address) == 0)
        evloop_address_format(&address, text, sizeof text);
    printf("http://%s/ serves %s\n", text, path);
    fflush(stdout);
}

static void block_signals(sigset_t *signals)
{
    sigemptyset(signals);
    sigaddset(signals, SIGINT);
    sigaddset(signals, SIGTERM);
    pthread_sigmask(SIG_BLOCK, signals, NULL);
}

static void wait_for_signal(const sigset_t *signals)
{
    int signal;
    sigwait(signals, &signal);
    pthread_sigmask(SIG_UNBLOCK, signals, NULL); /* the next one ends the process */
}

static int serve(const char *address, const char *path, unsigned threads)
{
    evloop_group *group;
    sigset_t signals;
    evloop_group_options options = evloop_group_options_default();
    options.threads = threads;
    options.init = on_init;
    options.end = on_end;
    block_signals(&signals);
    int err = evloop_group_start(&group, address, &options, server_on_connection);
    if (err)
        return fail(address, err);
    print_address(group, path);
    wait_for_signal(&signals);
    for (unsigned i = 0; i < evloop_group_size(group); i++)
        evloop_post(evloop_group_loop(group, i), on_term, evloop_group_listener(group, i));
    evloop_group_shutdown(group, END_TIMEOUT);
    err = evloop_group_join(group);
    return err ? fail("run", err) : 0;
}

static int usage(void)
{
    fprintf(stderr, "usage: evloop-http [-l address] [-t threads] [folder]\n"
                    "  -l  where to listen: 127.0.0.1:8080 unless said otherwise; port 0 is any\n"
                    "  -t  how many threads serve: 1 unless said otherwise; 0: one a processor\n"
                    "  folder  whose files are served: . unless said otherwise\n");
    return 2;
}

int main(int argc, char **argv)
{
    const char *address = "127.0.0.1:8080", *path = ".";
    char *end = "";
    unsigned long threads = 1;
    int option;
    while ((option = getopt(argc, argv, "l:t:")) != -1) {
        if (option == 'l')
            address = optarg;
        else if (option == 't')
            threads = strtoul(optarg, &end, 10);
        else
            return usage();
    }
    if (*end || threads > 1024 || argc - optind > 1)
        return usage();
    if (optind < argc)
        path = argv[optind];
    folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0)
        return fail(path, errno);
    int status = serve(address, path, (unsigned)threads);
    close(folder);
    return status;
}
