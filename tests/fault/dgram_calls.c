/*
 * dgram_calls.c: every system call of datagram sockets fails in turn, with every error that its
 * manual page lists, while numbered datagrams are sent in every way: each arrives once and in
 * order, or its sender was told that it did not go.
 */
#include "sweep.h"

#include <sys/socket.h>

enum over { OVER_UDP4, OVER_UDP6, OVER_UNIX, OVERS };

enum { NUMBER = 4, NUMBERS = 16, LARGE = 6000, SEGMENTS = 4, REQUESTS = 3 };

#define PATIENCE EVLOOP_SEC(20)

enum fate { NOT_SENT, ON_ITS_WAY, ARRIVED, FAILED };

struct request {
    evloop_dgram_request request;
    unsigned number;
    struct iovec iov[2];
    char text[NUMBER + 1];
    bool pending;
};

static struct {
    enum over over;
    evloop *loop;
    evloop_timer patience;
    char place[PLACE_SIZE];
    evloop_address nowhere; /* nobody is there, and nobody comes: the port is taken */
    int nowhere_fd;
    evloop_dgram sender, receiver, lonely;
    struct request requests[REQUESTS];
    enum fate fates[NUMBERS];
    unsigned next; /* number to be sent */
    unsigned last; /* number that arrived, + 1 */
    unsigned told; /* failures */
    bool deaf;     /* the receiver cannot receive any more */
    bool waiting;  /* for the refusal of what the lonely one has sent */
} all;

static void tell(ssize_t err)
{
    if (err < 0)
        all.told++;
}

/* ---- numbers --------------------------------------------------------------------------------- */

static unsigned number_of(const void *data)
{
    char text[NUMBER + 1] = "";
    memcpy(text, data, NUMBER);
    return (unsigned)strtoul(text, NULL, 10);
}

static void write_number(char *text, unsigned number)
{
    char digits[NUMBER + 8];
    snprintf(digits, sizeof digits, "%04u", number);
    memcpy(text, digits, NUMBER);
}

/* What became of so many numbers from this one on. */
static void decide(unsigned number, unsigned count, enum fate fate)
{
    for (; count > 0; count--, number++) {
        assert_true(number < NUMBERS);
        assert_int_equal(all.fates[number], fate == ON_ITS_WAY ? NOT_SENT : ON_ITS_WAY);
        all.fates[number] = fate;
    }
}

static bool is_resolved(void)
{
    for (unsigned i = 0; i < all.next; i++)
        if (all.fates[i] == ON_ITS_WAY && !all.deaf)
            return false;
    for (int i = 0; i < REQUESTS; i++)
        if (all.requests[i].pending)
            return false;
    return !all.waiting;
}

/* Pieces of datagrams that came or went together. */
static void decide_all(const evloop_datagram *datagram, enum fate fate)
{
    size_t step = datagram->segment_size ? datagram->segment_size : datagram->size;
    for (size_t at = 0; at < datagram->size; at += step)
        decide(number_of((const char *)datagram->data + at), 1, fate);
}

/* ---- receiving ------------------------------------------------------------------------------- */

static void on_received(evloop_dgram *d, ssize_t n, const evloop_datagram *datagrams)
{
    for (ssize_t i = 0; i < n; i++) {
        assert_false(datagrams[i].truncated);
        unsigned number = number_of(datagrams[i].data);
        assert_true(number >= all.last); /* in order */
        all.last = number + 1;
        decide_all(&datagrams[i], ARRIVED);
    }
    tell(n);
    if (evloop_dgram_receiving(d))
        return;
    int err = evloop_dgram_receive_start(d, on_received);
    tell(err);
    all.deaf = err < 0;
}

/* The sender gets errors alone. */
static void on_error(evloop_dgram *d, ssize_t n, const evloop_datagram *about)
{
    assert_true(n < 0);
    tell(n);
    if (about)
        decide_all(about, FAILED);
    if (!evloop_dgram_receiving(d))
        tell(evloop_dgram_receive_start(d, on_error));
}

static void on_refusal(evloop_dgram *d, ssize_t n, const evloop_datagram *about)
{
    (void)d;
    assert_true(n < 0);
    if (n != -ECONNREFUSED || !about)
        tell(n);
    all.waiting = false;
}

/* ---- sending --------------------------------------------------------------------------------- */

static void send_copy(size_t size)
{
    static char text[LARGE];
    unsigned number = all.next++;
    write_number(text, number);
    decide(number, 1, ON_ITS_WAY);
    int err = evloop_dgram_send(&all.sender, text, size, NULL);
    tell(err);
    if (err)
        decide(number, 1, FAILED);
}

static void send_segments(void)
{
    char text[SEGMENTS * NUMBER];
    unsigned first = all.next;
    if (all.over == OVER_UNIX)
        return;
    for (unsigned i = 0; i < SEGMENTS; i++)
        write_number(text + i * NUMBER, all.next++);
    decide(first, SEGMENTS, ON_ITS_WAY);
    int err = evloop_dgram_send_segments(&all.sender, text, sizeof text, NUMBER, NULL);
    tell(err);
    if (err)
        decide(first, SEGMENTS, FAILED);
}

static void send_array(void)
{
    char text[2][NUMBER];
    evloop_datagram array[2];
    unsigned first = all.next;
    for (int i = 0; i < 2; i++) {
        write_number(text[i], all.next++);
        array[i] = (evloop_datagram){.data = text[i], .size = NUMBER};
    }
    decide(first, 2, ON_ITS_WAY);
    ssize_t n = evloop_dgram_try_send(&all.sender, array, 2);
    tell(n);
    unsigned went = n < 0 ? 0 : (unsigned)n;
    if (went < 2 && n >= 0)
        all.told++; /* by the count */
    decide(first + went, 2 - went, FAILED);
}

static void on_sent(evloop_dgram_request *done, int status)
{
    struct request *request = evloop_container_of(done, struct request, request);
    assert_true(request->pending);
    request->pending = false;
    tell(status);
    if (status)
        decide(request->number, 1, FAILED);
}

static void send_request(struct request *request)
{
    request->number = all.next++;
    write_number(request->text, request->number);
    request->iov[0] = (struct iovec){request->text, 1};
    request->iov[1] = (struct iovec){request->text + 1, NUMBER - 1};
    decide(request->number, 1, ON_ITS_WAY);
    int err = evloop_dgram_write(&all.sender, &request->request, request->iov, 2, NULL, on_sent);
    request->pending = !err;
    tell(err);
    if (err)
        decide(request->number, 1, FAILED);
}

static void turn(void)
{
    tell(evloop_run(all.loop, EVLOOP_RUN_NOWAIT));
}

static void send_in_every_way(void)
{
    send_copy(NUMBER);
    send_request(&all.requests[0]);
    send_copy(NUMBER);
    turn();
    send_array();
    send_copy(LARGE);
    send_segments();
    send_request(&all.requests[1]);
    turn();
    send_request(&all.requests[2]);
}

/* ---- opening --------------------------------------------------------------------------------- */

static evloop_address place_of(const char *name)
{
    evloop_address address;
    char text[PLACE_SIZE + 16];
    if (all.over == OVER_UNIX)
        snprintf(text, sizeof text, "%s/%s", all.place, name);
    else
        snprintf(text, sizeof text, all.over == OVER_UDP4 ? "127.0.0.1:0" : "[::1]:0");
    assert_int_equal(evloop_address_parse(&address, text), 0);
    return address;
}

static evloop_dgram_options options_of(void)
{
    evloop_dgram_options options = evloop_dgram_options_default();
    options.batch = 4;
    if (all.over == OVER_UNIX) {
        options.permissions = 0600;
        return options;
    }
    options.receive_local = options.receive_ttl = options.receive_ecn = true;
    options.gro = options.broadcast = true;
    return options;
}

/* ... and gives the descriptor up, and takes it over again. */
static int open_receiver(evloop_address *where)
{
    evloop_dgram_options options = options_of();
    evloop_address place = place_of("receiver");
    /* Not the sender as well: the system could give it the same port. */
    options.reuse_address = options.reuse_port = all.over != OVER_UNIX;
    int err = evloop_dgram_bind(all.loop, &all.receiver, &place, &options);
    if (err)
        return err;
    int fd = evloop_dgram_release(&all.receiver);
    assert_true(fd >= 0);
    memset(&all.receiver, 0, sizeof all.receiver);
    err = evloop_dgram_open(all.loop, &all.receiver, fd, &options);
    if (err) {
        close(fd);
        return err;
    }
    err = evloop_dgram_local(&all.receiver, where);
    return err ? err : evloop_dgram_receive_start(&all.receiver, on_received);
}

static int open_sender(const evloop_address *to)
{
    evloop_dgram_options options = options_of();
    evloop_address place = place_of("sender");
    options.local = &place;
    int err = evloop_dgram_connect(all.loop, &all.sender, to, &options);
    if (!err && all.over != OVER_UNIX) {
        tell(evloop_dgram_set_ttl(&all.sender, 20));
        tell(evloop_dgram_set_ecn(&all.sender, 1));
        tell(evloop_dgram_set_multicast_ttl(&all.sender, 2));
        tell(evloop_dgram_set_multicast_loop(&all.sender, false));
    }
    return err ? err : evloop_dgram_receive_start(&all.sender, on_error);
}

/* Sends to where nobody is, and is told so. */
static int open_lonely(void)
{
    evloop_dgram_options options = evloop_dgram_options_default();
    options.receive_errors = true;
    if (all.over == OVER_UNIX)
        return 0;
    int err = evloop_dgram_connect(all.loop, &all.lonely, &all.nowhere, &options);
    if (!err)
        err = evloop_dgram_receive_start(&all.lonely, on_refusal);
    if (!err)
        err = evloop_dgram_send(&all.lonely, "hello", 5, NULL);
    all.waiting = !err;
    return err;
}

/* ---- the whole ------------------------------------------------------------------------------- */

static void on_impatience(evloop_timer *timer)
{
    (void)timer;
    fail_msg("the exchange hangs: %u sent, %u arrived last", all.next, all.last);
}

/* Who is connected to itself refuses what comes from others. */
static void make_nowhere(void)
{
    all.nowhere = place_of("nobody");
    all.nowhere_fd = -1;
    if (all.over == OVER_UNIX)
        return;
    struct sockaddr *name = &all.nowhere.of.any;
    all.nowhere_fd = socket(name->sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_true(all.nowhere_fd >= 0);
    assert_int_equal(bind(all.nowhere_fd, name, all.nowhere.size), 0);
    assert_int_equal(getsockname(all.nowhere_fd, name, &all.nowhere.size), 0);
    assert_int_equal(connect(all.nowhere_fd, name, all.nowhere.size), 0);
}

static void open_scene(int over)
{
    memset(&all, 0, sizeof all);
    all.over = (enum over)over;
    all.loop = loop_new();
    place_make(all.place);
    make_nowhere();
    assert_int_equal(evloop_timer_start(all.loop, &all.patience, PATIENCE, 0, on_impatience), 0);
    assert_int_equal(evloop_timer_unref(&all.patience), 0);
    loop_turn(all.loop);
}

static void run_until_resolved(void)
{
    for (int failures = 0; !is_resolved(); assert_true(failures < 100)) {
        int err = evloop_run(all.loop, EVLOOP_RUN_ONCE);
        tell(err);
        failures += err < 0;
    }
}

static void close_if_open(evloop_dgram *d)
{
    if (evloop_dgram_active(d))
        assert_int_equal(evloop_dgram_close(d, NULL), 0);
}

static unsigned play_scene(void)
{
    evloop_address where;
    int err = open_receiver(&where);
    if (!err)
        err = open_sender(&where);
    if (!err)
        err = open_lonely();
    tell(err);
    if (!err) {
        send_in_every_way();
        run_until_resolved();
    }
    close_if_open(&all.sender);
    close_if_open(&all.receiver);
    close_if_open(&all.lonely);
    for (int turns = 0; evloop_alive(all.loop); turns++) {
        assert_true(turns < 100);
        turn();
    }
    return all.told;
}

static void remove_path(const char *name)
{
    char path[PLACE_SIZE + 16];
    snprintf(path, sizeof path, "%s/%s", all.place, name);
    (void)unlink(path);
}

static void close_scene(void)
{
    for (unsigned i = 0; i < all.next && !all.told; i++)
        assert_int_equal(all.fates[i], ARRIVED);
    assert_int_equal(evloop_timer_stop(&all.patience), 0);
    loop_end(all.loop);
    if (all.nowhere_fd >= 0)
        assert_int_equal(close(all.nowhere_fd), 0);
    remove_path("receiver"); /* it was taken over, and its own removal may have failed */
    remove_path("sender");
    place_remove(all.place);
}

static const struct sweep sweeps[OVERS] = {
    {"udp4", OVER_UDP4, open_scene, play_scene, close_scene, NULL},
    {"udp6", OVER_UDP6, open_scene, play_scene, close_scene, NULL},
    {"unix", OVER_UNIX, open_scene, play_scene, close_scene, NULL},
};

TEST(whatever_call_fails_over_udp4_no_datagram_is_lost_in_silence)
{
    sweep_calls(&sweeps[OVER_UDP4]);
}

TEST(whatever_call_fails_over_udp6_no_datagram_is_lost_in_silence)
{
    if (!net_has_v6())
        skip();
    sweep_calls(&sweeps[OVER_UDP6]);
}

TEST(whatever_call_fails_over_unix_sockets_no_datagram_is_lost_in_silence)
{
    sweep_calls(&sweeps[OVER_UNIX]);
}

/* ---- what opening asks the kernel ------------------------------------------------------------ */

static int socket_new(void)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    return fd;
}

TEST(a_socket_of_which_the_kernel_does_not_tell_the_kind_is_not_taken_over)
{
    evloop *loop = loop_new();
    evloop_dgram d = {0};
    int fd = socket_new();
    for (unsigned nth = 1; nth <= 2; nth++) { /* its type; its family */
        calls_reset();
        calls_fail(CALL_GETSOCKOPT, nth, 1, ENOBUFS);
        assert_int_equal(evloop_dgram_open(loop, &d, fd, NULL), -ENOBUFS);
        assert_false(evloop_dgram_active(&d));
    }
    calls_reset();
    assert_int_equal(evloop_dgram_open(loop, &d, fd, NULL), 0);
    assert_int_equal(evloop_dgram_close(&d, NULL), 0);
    loop_run(loop);
    loop_end(loop);
}

/* Which port it has is asked if the local address is to be told; a wrong one is not told. */
TEST(a_socket_that_cannot_learn_its_port_does_not_receive)
{
    evloop *loop = loop_new();
    evloop_dgram d = {0};
    evloop_dgram_options options = evloop_dgram_options_default();
    for (int local = 0; local < 2; local++) {
        options.receive_local = local;
        assert_int_equal(evloop_udp_bind(loop, &d, "127.0.0.1:0", &options), 0);
        calls_reset();
        calls_fail(CALL_GETSOCKNAME, 1, 1, ENOBUFS);
        assert_int_equal(evloop_dgram_receive_start(&d, on_error), local ? -ENOBUFS : 0);
        assert_int_equal(evloop_dgram_receiving(&d), !local);
        assert_int_equal(calls_count(CALL_GETSOCKNAME), local);
        calls_reset();
        assert_int_equal(evloop_dgram_close(&d, NULL), 0);
        loop_run(loop);
    }
    loop_end(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SWEEP_ENTRY(whatever_call_fails_over_udp4_no_datagram_is_lost_in_silence),
        SWEEP_ENTRY(whatever_call_fails_over_udp6_no_datagram_is_lost_in_silence),
        SWEEP_ENTRY(whatever_call_fails_over_unix_sockets_no_datagram_is_lost_in_silence),
        TEST_ENTRY(a_socket_of_which_the_kernel_does_not_tell_the_kind_is_not_taken_over),
        TEST_ENTRY(a_socket_that_cannot_learn_its_port_does_not_receive),
    };
    support_limit(120);
    return RUN_TESTS("fault: calls of datagrams", tests);
}
