/*
 * datagrams.c: datagram sockets that do anything at any time: what was accepted arrives once, whole
 * and in order, unless it was taken back; every request is told of once; every socket is closed.
 * Over unix sockets, which lose nothing.
 */
#include "net.h"

enum { PAIRS = 6, LARGEST = 9000, AT_ONCE = 20, NUMBERS = 1 << 16 };

enum fate { UNKNOWN, ACCEPTED, TAKEN_BACK };

/* A sender and its receiver. Datagram n has a size and bytes that follow from n. */
struct pair {
    evloop_dgram sender;
    evloop_dgram receiver;
    unsigned char fates[NUMBERS];
    uint32_t next;     /* number to be sent */
    uint32_t expected; /* none before this one comes any more */
    unsigned requests; /* whose callback has not come */
    bool ending;       /* nothing more is sent: what was accepted is to arrive */
    bool full;         /* as the watermark says */
    bool sender_closed;
    bool receiver_closed;
};

struct request {
    evloop_dgram_request request;
    struct pair *pair;
    struct request *next; /* those that may be cancelled */
    uint32_t number;
    struct iovec iov[3];
    unsigned char bytes[];
};

static struct {
    evloop *loop;
    evloop_hook hook;
    uint64_t seed;
    size_t opened;
    size_t to_open;
    size_t received;
    struct request *last; /* that was written, and is not over */
    struct pair pairs[PAIRS];
} all;

static size_t below(size_t n)
{
    return (size_t)(chance(&all.seed) % n);
}

static size_t size_of(uint32_t number)
{
    uint64_t seed = number + 1;
    uint64_t value = chance(&seed);
    return sizeof number + (size_t)(value % 8 ? value % 200 : value % LARGEST);
}

static void fill(unsigned char *bytes, uint32_t number)
{
    memset(bytes, (int)(number % 251), size_of(number));
    memcpy(bytes, &number, sizeof number);
}

static void take(struct pair *pair, const evloop_datagram *datagram)
{
    unsigned char expected[sizeof(uint32_t) + LARGEST];
    uint32_t number;
    assert_true(datagram->size >= sizeof number);
    memcpy(&number, datagram->data, sizeof number);
    assert_true(number >= pair->expected && number < pair->next);
    for (; pair->expected < number; pair->expected++)
        assert_int_equal(pair->fates[pair->expected], TAKEN_BACK);
    assert_int_equal(pair->fates[number], ACCEPTED);
    assert_int_equal(datagram->size, size_of(number));
    fill(expected, number);
    assert_memory_equal(datagram->data, expected, datagram->size);
    pair->expected = number + 1;
    all.received++;
}

static void on_datagrams(evloop_dgram *d, ssize_t n, const evloop_datagram *datagrams)
{
    struct pair *pair = evloop_container_of(d, struct pair, receiver);
    assert_true(n > 0);
    for (ssize_t i = 0; i < n; i++)
        take(pair, &datagrams[i]);
    if (below(10) == 0)
        assert_int_equal(evloop_dgram_receive_stop(d), 0);
}

static void never(evloop_dgram *d, ssize_t n, const evloop_datagram *datagrams)
{
    (void)d;
    (void)datagrams;
    fail_msg("a sender was told %d", (int)n);
}

static void on_watermark(evloop_dgram *d, bool full)
{
    struct pair *pair = evloop_container_of(d, struct pair, sender);
    assert_int_not_equal(full, pair->full);
    pair->full = full;
}

static void on_sender_closed(evloop_dgram *d)
{
    struct pair *pair = evloop_container_of(d, struct pair, sender);
    assert_int_equal(pair->requests, 0);
    assert_false(pair->sender_closed);
    pair->sender_closed = true;
}

static void on_receiver_closed(evloop_dgram *d)
{
    evloop_container_of(d, struct pair, receiver)->receiver_closed = true;
}

/* ---- sending --------------------------------------------------------------------------------- */

static void forget(struct request *request)
{
    struct request **place = &all.last;
    while (*place != request)
        place = &(*place)->next;
    *place = request->next;
    free(request);
}

static void on_written(evloop_dgram_request *of, int status)
{
    struct request *request = evloop_container_of(of, struct request, request);
    struct pair *pair = request->pair;
    assert_true(status == 0 || status == -ECANCELED);
    if (status == -ECANCELED)
        pair->fates[request->number] = TAKEN_BACK;
    pair->requests--;
    forget(request);
}

static void write_one(struct pair *pair)
{
    uint32_t number = pair->next++;
    size_t size = size_of(number);
    size_t first = below(size), second = below(size - first);
    struct request *request = calloc(1, sizeof *request + size);
    fill(request->bytes, number);
    request->pair = pair;
    request->number = number;
    request->iov[0] = (struct iovec){request->bytes, first};
    request->iov[1] = (struct iovec){request->bytes + first, second};
    request->iov[2] = (struct iovec){request->bytes + first + second, size - first - second};
    request->next = all.last;
    all.last = request;
    pair->fates[number] = ACCEPTED;
    pair->requests++;
    assert_int_equal(
        evloop_dgram_write(&pair->sender, &request->request, request->iov, 3, NULL, on_written), 0);
}

static void send_one(struct pair *pair)
{
    unsigned char bytes[sizeof(uint32_t) + LARGEST];
    uint32_t number = pair->next;
    fill(bytes, number);
    int err = evloop_dgram_send(&pair->sender, bytes, size_of(number), NULL);
    assert_true(err == 0 || err == -EAGAIN);
    if (!err)
        pair->fates[pair->next++] = ACCEPTED;
}

static void try_some(struct pair *pair)
{
    static unsigned char bytes[AT_ONCE][sizeof(uint32_t) + LARGEST];
    evloop_datagram datagrams[AT_ONCE];
    size_t count = 1 + below(AT_ONCE);
    for (size_t i = 0; i < count; i++) {
        uint32_t number = pair->next + (uint32_t)i;
        fill(bytes[i], number);
        datagrams[i] = (evloop_datagram){.data = bytes[i], .size = size_of(number)};
    }
    ssize_t n = evloop_dgram_try_send(&pair->sender, datagrams, count);
    assert_true(n > 0 || n == -EAGAIN);
    for (ssize_t i = 0; i < n; i++)
        pair->fates[pair->next++] = ACCEPTED;
}

static void cancel_one(void)
{
    struct request *request = all.last;
    for (size_t skip = below(4); request && skip > 0; skip--)
        request = request->next;
    if (!request)
        return;
    int err = evloop_dgram_cancel(&request->request);
    assert_true(err == 0 || err == -EALREADY || err == -EINVAL);
}

/* ---- life ------------------------------------------------------------------------------------ */

static void open_pair(struct pair *pair)
{
    char name[UNIX_NAME_SIZE], kind[32];
    evloop_dgram_options options = evloop_dgram_options_default();
    memset(pair, 0, sizeof *pair);
    snprintf(kind, sizeof kind, "stress-%zu", all.opened++);
    net_unix_name(name, kind);
    options.batch = 1 + (unsigned)below(40);
    options.receive_size = sizeof(uint32_t) + LARGEST;
    options.queue_limit = 1000 + below(100000);
    assert_int_equal(evloop_unix_dgram_bind(all.loop, &pair->receiver, name, &options), 0);
    assert_int_equal(evloop_unix_dgram_connect(all.loop, &pair->sender, name, &options), 0);
    net_narrow(evloop_dgram_fd(&pair->receiver)); /* some have less room than the largest needs */
    net_narrow(evloop_dgram_fd(&pair->sender));
    assert_int_equal(evloop_dgram_receive_start(&pair->sender, never), 0);
    assert_int_equal(
        evloop_dgram_set_watermarks(&pair->sender, below(3000), 3000 + below(9000), on_watermark),
        0);
}

/* All that was accepted has come, or was taken back. */
static bool is_done(struct pair *pair)
{
    while (pair->expected < pair->next && pair->fates[pair->expected] == TAKEN_BACK)
        pair->expected++;
    return pair->expected == pair->next;
}

static void close_pair(struct pair *pair)
{
    assert_int_equal(evloop_dgram_close(&pair->sender, on_sender_closed), 0);
    assert_int_equal(evloop_dgram_close(&pair->receiver, on_receiver_closed), 0);
}

static void end_pair(struct pair *pair)
{
    if (evloop_dgram_active(&pair->receiver) && !evloop_dgram_receiving(&pair->receiver))
        assert_int_equal(evloop_dgram_receive_start(&pair->receiver, on_datagrams), 0);
    if (is_done(pair) && pair->requests == 0)
        close_pair(pair);
}

static void toggle(struct pair *pair)
{
    if (evloop_dgram_receiving(&pair->receiver))
        assert_int_equal(evloop_dgram_receive_stop(&pair->receiver), 0);
    else
        assert_int_equal(evloop_dgram_receive_start(&pair->receiver, on_datagrams), 0);
}

static void do_something(struct pair *pair)
{
    size_t what = below(1000);
    if (what < 1)
        close_pair(pair);
    else if (what < 4 || pair->next > NUMBERS - 2 * AT_ONCE)
        pair->ending = true;
    else if (what < 150)
        toggle(pair);
    else if (what < 250)
        cancel_one();
    else if (what < 500)
        write_one(pair);
    else if (what < 600)
        try_some(pair);
    else
        send_one(pair);
}

static void on_turn(evloop_hook *hook)
{
    bool busy = all.opened < all.to_open;
    for (size_t i = 0; i < PAIRS; i++) {
        struct pair *pair = &all.pairs[i];
        bool open = evloop_dgram_active(&pair->sender) || evloop_dgram_active(&pair->receiver);
        bool closing = open && evloop_dgram_receive_stop(&pair->sender) == -ENOTCONN;
        if (open && !closing)
            assert_int_equal(evloop_dgram_receive_start(&pair->sender, never), 0);
        busy |= open;
        if (!open && all.opened < all.to_open)
            open_pair(pair);
        else if (open && !closing && pair->ending)
            end_pair(pair);
        else if (open && !closing)
            for (size_t n = below(8); n > 0 && evloop_dgram_receiving(&pair->sender); n--)
                do_something(pair);
    }
    if (!busy)
        evloop_hook_stop(hook);
}

TEST(what_was_accepted_arrives_once_and_in_order_whatever_else_happens)
{
    all.seed = 20;
    all.opened = 0;
    all.received = 0;
    all.to_open = scaled(4000);
    all.loop = loop_new();
    memset(all.pairs, 0, sizeof all.pairs);
    assert_int_equal(evloop_hook_start(all.loop, &all.hook, EVLOOP_HOOK_IDLE, on_turn), 0);
    loop_run(all.loop);
    assert_null(all.last);
    assert_true(all.received > all.to_open);
    loop_end(all.loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_ENTRY(what_was_accepted_arrives_once_and_in_order_whatever_else_happens),
    };
    return RUN_TESTS("datagrams", tests);
}
