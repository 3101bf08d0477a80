/*
 * main.c: every script, over every transport that it can be played over, is a test of its own:
 * <script>_over_<transport>.
 *
 * The backend is the loop's default: EVLOOP_BACKEND chooses it.
 */
#include "script.h"

#include <sys/socket.h>

enum { MOST_PLAYS = 1024, NAME_SIZE = 128 };

struct play {
    char name[NAME_SIZE]; /* first: support.h takes a test's state for its name */
    const struct script *script;
    enum transport over;
};

static struct play plays[MOST_PLAYS];
static struct CMUnitTest tests[MOST_PLAYS];
static size_t play_count;

static const struct {
    enum transport over;
    const char *name;
} transports[] = {
    {TCP4, "tcp4"}, {TCP6, "tcp6"}, {UNIX, "unix"}, {PAIR, "pair"},     {SEQPACKET, "seqpacket"},
    {PIPE, "pipe"}, {UDP4, "udp4"}, {UDP6, "udp6"}, {UDGRAM, "udgram"},
};

static void play(void **state)
{
    const struct play *this = *state;
    scene_play(this->script, this->over);
}

static int tear_down(void **state)
{
    scene_abandon();
    return support_teardown(state);
}

static void add(const struct script *script, size_t transport)
{
    struct play *made = &plays[play_count];
    struct CMUnitTest *test = &tests[play_count++];
    check(play_count < MOST_PLAYS);
    int length = snprintf(made->name, sizeof made->name, "%s_over_%s", script->name,
                          transports[transport].name);
    check(length > 0 && (size_t)length < sizeof made->name);
    made->script = script;
    made->over = transports[transport].over;
    test->name = made->name;
    test->test_func = play;
    test->setup_func = support_setup;
    test->teardown_func = tear_down;
    test->initial_state = made;
}

static unsigned played; /* of the transports, those that the system has */

static void add_suite(const struct script *scripts)
{
    for (const struct script *script = scripts; script->name; script++)
        for (size_t i = 0; i < sizeof transports / sizeof *transports; i++)
            if (script->over & transports[i].over & played)
                add(script, i);
}

int main(void)
{
    played = net_has_unix(SOCK_SEQPACKET) ? ~0U : ~(unsigned)SEQPACKET;
    add_suite(connect_scripts);
    add_suite(accept_scripts);
    add_suite(read_scripts);
    add_suite(buffer_scripts);
    add_suite(write_scripts);
    add_suite(half_close_scripts);
    add_suite(close_scripts);
    add_suite(deadline_scripts);
    add_suite(loop_shutdown_scripts);
    add_suite(open_scripts);
    add_suite(unix_scripts);
    add_suite(bulk_scripts);
    add_suite(dgram_scripts);
    support_limit(60);
    support_begin();
    return _cmocka_run_group_tests("conformance", tests, play_count, NULL, NULL);
}
