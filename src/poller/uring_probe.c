/*
 * uring_probe.c: io_uring, tried out; see uring_probe.h.
 *
 * Each trial has buffers and sockets of its own, which are gone when it is over, however it ends.
 * The ring is the same for all, because the kernel takes its time to give back a ring's memory.
 * What is sent is a pattern, so that every byte's place is checked. No wait is longer than WAIT_NS.
 */
#include "poller/uring_probe.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "poller/poller.h"

enum { RING_SIZE = 8, COMPLETIONS = 32, GROUP = 7, BUFFERS = 8, BUFFER_SIZE = 64 };
enum { TAG_RECEIVE = 1, TAG_CANCEL, TAG_ACCEPT, TAG_SEND };

static const uint64_t WAIT_NS = EVLOOP_SEC(1);
static const int OLDER = -EINVAL; /* what a kernel says to a flag that it does not know */

struct completion {
    uint64_t tag;
    int result;
    unsigned flags;
};

struct trial {
    struct io_uring ring;
    struct io_uring_buf_ring *buffers; /* a page; behind it, another one for the buffers */
    unsigned char *memory;
    size_t page;
    bool ring_open;
    bool buffers_registered;
    int fds[2]; /* connected */
    unsigned sent;
    unsigned received;
    const char *reason; /* of the failure */
};

static int failed(struct trial *trial, int err, const char *reason)
{
    trial->reason = reason;
    return err;
}

static int odd(struct trial *trial, const char *reason)
{
    return failed(trial, -ENOTSUP, reason);
}

static bool is_shortage(int err)
{
    return err == -EMFILE || err == -ENFILE || err == -ENOMEM;
}

/* An operation came to what it should not: that says something of io_uring, or of a shortage. */
static int came_to(struct trial *trial, int result, const char *reason)
{
    return is_shortage(result) ? failed(trial, result, reason) : odd(trial, reason);
}

/* ---- the ring -------------------------------------------------------------------------------- */

static int open_ring(struct trial *trial)
{
    static const unsigned needed = IORING_FEAT_NODROP | IORING_FEAT_EXT_ARG | IORING_FEAT_FAST_POLL;
    static const char *const older = "io_uring is older than Linux 6.1 (no DEFER_TASKRUN)";
    struct io_uring_params params = {.flags = URING_SETUP_FLAGS, .cq_entries = COMPLETIONS};
    int err = io_uring_queue_init_params(RING_SIZE, &trial->ring, &params);
    if (err)
        return err == OLDER ? odd(trial, older) : failed(trial, err, "io_uring_setup");
    trial->ring_open = true;
    if ((params.features & needed) != needed)
        return odd(trial, older);
    err = uring_enable(&trial->ring);
    return err < 0 ? failed(trial, err, "io_uring_register (enabling the ring)") : 0;
}

static int map_memory(struct trial *trial)
{
    trial->page = (size_t)sysconf(_SC_PAGESIZE);
    void *memory =
        mmap(NULL, 2 * trial->page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return failed(trial, -errno, "self-test: mmap");
    trial->buffers = (struct io_uring_buf_ring *)memory;
    trial->memory = (unsigned char *)memory + trial->page;
    return 0;
}

static int open_trial(struct trial *trial)
{
    memset(trial, 0, sizeof *trial);
    trial->fds[0] = trial->fds[1] = -1;
    int err = open_ring(trial);
    return err ? err : map_memory(trial);
}

/*
 * Gives back what a trial has made beside the ring. Once the buffers are taken away from it, the
 * kernel puts nothing into them any more.
 */
static void clean(struct trial *trial)
{
    if (trial->buffers_registered)
        io_uring_unregister_buf_ring(&trial->ring, GROUP);
    for (int i = 0; i < 2; i++) {
        if (trial->fds[i] >= 0)
            close(trial->fds[i]);
        trial->fds[i] = -1;
    }
    if (trial->buffers)
        memset(trial->buffers, 0, 2 * trial->page);
    trial->buffers_registered = false;
    trial->sent = trial->received = 0;
}

/* A connection that was accepted, and that nobody has taken. */
static void close_accepted(struct trial *trial)
{
    struct io_uring_cqe *cqe;
    unsigned head;
    io_uring_for_each_cqe(&trial->ring, head, cqe)
    {
        if (cqe->user_data == TAG_ACCEPT && cqe->res >= 0)
            close(cqe->res);
    }
}

static void close_trial(struct trial *trial)
{
    clean(trial);
    if (trial->ring_open) {
        close_accepted(trial);
        io_uring_queue_exit(&trial->ring);
    }
    if (trial->buffers)
        munmap(trial->buffers, 2 * trial->page);
    trial->ring_open = false;
    trial->buffers = NULL;
}

static struct io_uring_sqe *next_entry(struct trial *trial, int fd, uint64_t tag)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&trial->ring);
    if (!sqe)
        return NULL;
    memset(sqe, 0, sizeof *sqe);
    sqe->fd = fd;
    sqe->user_data = tag;
    return sqe;
}

static int submit(struct trial *trial)
{
    int count;
    do {
        count = io_uring_submit(&trial->ring);
    } while (count == -EINTR);
    if (count < 0)
        return failed(trial, count, "io_uring_enter");
    return count == 1 ? 0 : odd(trial, "self-test: submit");
}

static int wait_until(struct trial *trial, uint64_t deadline_ns, struct io_uring_cqe **cqe)
{
    for (;;) {
        uint64_t now_ns;
        int err = poller_clock(&now_ns);
        if (err)
            return failed(trial, err, "self-test: clock_gettime");
        uint64_t left_ns = now_ns < deadline_ns ? deadline_ns - now_ns : 0;
        struct __kernel_timespec timeout = {.tv_sec = (long long)(left_ns / EVLOOP_SEC(1)),
                                            .tv_nsec = (long long)(left_ns % EVLOOP_SEC(1))};
        *cqe = NULL;
        err = io_uring_submit_and_wait_timeout(&trial->ring, cqe, 1, &timeout, NULL);
        if (*cqe)
            return 0;
        if (err < 0 && err != -EINTR && err != -ETIME)
            return failed(trial, err, "io_uring_enter");
        if (!left_ns)
            return -ETIME;
    }
}

/* The next completion; `reason` is what does not work if none comes. */
static int await(struct trial *trial, struct completion *completion, const char *reason)
{
    struct io_uring_cqe *cqe;
    uint64_t now_ns;
    int err = poller_clock(&now_ns);
    if (!err)
        err = wait_until(trial, now_ns + WAIT_NS, &cqe);
    if (err)
        return err == -ETIME ? odd(trial, reason) : err;
    completion->tag = cqe->user_data;
    completion->result = cqe->res;
    completion->flags = cqe->flags;
    io_uring_cqe_seen(&trial->ring, cqe);
    return 0;
}

/* Ends what is in flight under this tag, which must say so itself. */
static int cancel(struct trial *trial, uint64_t tag)
{
    static const char *const reason = "self-test: cancel";
    struct io_uring_sqe *sqe = next_entry(trial, -1, TAG_CANCEL);
    if (!sqe)
        return odd(trial, "self-test: submit");
    sqe->opcode = IORING_OP_ASYNC_CANCEL;
    sqe->addr = tag;
    int err = submit(trial);
    for (int i = 0; i < 2 && !err; i++) {
        struct completion completion;
        err = await(trial, &completion, reason);
        if (err)
            break;
        bool is_cancel = completion.tag == TAG_CANCEL && completion.result == 0;
        bool is_target = completion.tag == tag && completion.result == -ECANCELED;
        if ((!is_cancel && !is_target) || completion.flags & IORING_CQE_F_MORE)
            return came_to(trial, completion.result, reason);
    }
    return err;
}

/* ---- what is sent and received --------------------------------------------------------------- */

static unsigned char pattern(unsigned position)
{
    return (unsigned char)(position * 7 + 1);
}

static int open_pair(struct trial *trial)
{
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, trial->fds) == 0)
        return 0;
    trial->fds[0] = trial->fds[1] = -1;
    return failed(trial, -errno, "self-test: socketpair");
}

static int say(struct trial *trial, unsigned size)
{
    unsigned char bytes[BUFFERS * BUFFER_SIZE];
    ssize_t count;
    for (unsigned i = 0; i < size; i++)
        bytes[i] = pattern(trial->sent + i);
    do {
        count = send(trial->fds[1], bytes, size, MSG_NOSIGNAL);
    } while (count < 0 && errno == EINTR);
    if (count < 0)
        return failed(trial, -errno, "self-test: send");
    trial->sent += size;
    return count == (ssize_t)size ? 0 : odd(trial, "self-test: send");
}

static unsigned char *bytes_of(struct trial *trial, unsigned buffer)
{
    return trial->memory + (size_t)buffer * BUFFER_SIZE;
}

static void give(struct trial *trial, unsigned short buffer)
{
    io_uring_buf_ring_add(trial->buffers, bytes_of(trial, buffer), BUFFER_SIZE, buffer,
                          io_uring_buf_ring_mask(BUFFERS), 0);
    io_uring_buf_ring_advance(trial->buffers, 1);
}

/* Connected sockets, and so many buffers to receive into. */
static int prepare_receive(struct trial *trial, unsigned short count, unsigned flags)
{
    int err = open_pair(trial);
    if (err)
        return err;
    err = uring_register_buffer_ring(&trial->ring, trial->buffers, BUFFERS, GROUP, flags);
    if (err)
        return failed(trial, err, "io_uring_register (buffers)");
    trial->buffers_registered = true;
    for (unsigned short i = 0; i < count; i++)
        give(trial, i);
    return 0;
}

static int start_receive(struct trial *trial, unsigned flags)
{
    struct io_uring_sqe *sqe = next_entry(trial, trial->fds[0], TAG_RECEIVE);
    if (!sqe)
        return odd(trial, "self-test: submit");
    sqe->opcode = IORING_OP_RECV;
    sqe->ioprio = (uint16_t)(IORING_RECV_MULTISHOT | flags);
    sqe->flags = IOSQE_BUFFER_SELECT;
    sqe->buf_group = GROUP;
    return submit(trial);
}

/* So many bytes have come, at this place behind the beginning of the buffer. */
static bool came(struct trial *trial, const struct completion *completion, unsigned size,
                 unsigned buffer, unsigned offset)
{
    const unsigned flags = IORING_CQE_F_MORE | IORING_CQE_F_BUFFER;
    if (completion->tag != TAG_RECEIVE || completion->result != (int)size ||
        (completion->flags & flags) != flags ||
        completion->flags >> IORING_CQE_BUFFER_SHIFT != buffer)
        return false;
    const unsigned char *bytes = bytes_of(trial, buffer) + offset;
    for (unsigned i = 0; i < size; i++)
        if (bytes[i] != pattern(trial->received + i))
            return false;
    trial->received += size;
    return true;
}

static int expect(struct trial *trial, unsigned size, unsigned buffer, unsigned offset,
                  const char *reason)
{
    struct completion completion;
    int err = await(trial, &completion, reason);
    if (err)
        return err;
    return came(trial, &completion, size, buffer, offset) ? 0 : odd(trial, reason);
}

static int say_and_expect(struct trial *trial, unsigned size, unsigned buffer, const char *reason)
{
    int err = say(trial, size);
    return err ? err : expect(trial, size, buffer, 0, reason);
}

/* ---- what we need ---------------------------------------------------------------------------- */

static int has_operations(struct trial *trial)
{
    static const unsigned char needed[] = {
        IORING_OP_ACCEPT,  IORING_OP_RECV,     IORING_OP_RECVMSG,      IORING_OP_SEND,
        IORING_OP_SENDMSG, IORING_OP_POLL_ADD, IORING_OP_ASYNC_CANCEL, IORING_OP_CONNECT};
    enum { OPERATIONS = 256 };
    union {
        struct io_uring_probe probe;
        unsigned char
            room[sizeof(struct io_uring_probe) + OPERATIONS * sizeof(struct io_uring_probe_op)];
    } answer;
    memset(&answer, 0, sizeof answer);
    int err = io_uring_register_probe(&trial->ring, &answer.probe, OPERATIONS);
    if (err < 0)
        return failed(trial, err, "io_uring_register (probing operations)");
    for (size_t i = 0; i < sizeof needed; i++)
        if (!io_uring_opcode_supported(&answer.probe, needed[i]))
            return odd(trial, "io_uring lacks an operation of sockets");
    return 0;
}

/*
 * The buffers run out, which ends it, and nothing is lost. Some kernels end it as soon as the last
 * one is used, and others when there is none for what comes: afterwards one is left over.
 */
static int runs_out(struct trial *trial)
{
    static const char *const reason = "self-test: multishot receive without buffers";
    struct completion completion;
    int err = say(trial, 3);
    if (!err)
        err = await(trial, &completion, reason);
    if (err)
        return err;
    if (completion.tag != TAG_RECEIVE || completion.result != -ENOBUFS ||
        completion.flags & (IORING_CQE_F_MORE | IORING_CQE_F_BUFFER))
        return odd(trial, reason);
    give(trial, 2);
    give(trial, 3);
    err = start_receive(trial, 0);
    return err ? err : expect(trial, 3, 2, 0, reason);
}

static int receives(struct trial *trial)
{
    static const char *const reason = "self-test: multishot receive";
    int err = prepare_receive(trial, 2, 0);
    if (!err)
        err = start_receive(trial, 0);
    if (!err)
        err = say_and_expect(trial, 5, 0, reason);
    if (!err)
        err = say_and_expect(trial, 9, 1, reason);
    if (!err)
        err = runs_out(trial);
    return err ? err : cancel(trial, TAG_RECEIVE);
}

/* Nothing is in flight. */
static int times_out(struct trial *trial)
{
    struct __kernel_timespec timeout = {.tv_nsec = 1000};
    struct io_uring_cqe *cqe = NULL;
    int err;
    do {
        err = io_uring_submit_and_wait_timeout(&trial->ring, &cqe, 1, &timeout, NULL);
    } while (err == -EINTR);
    if (err < 0 && err != -ETIME)
        return failed(trial, err, "io_uring_enter");
    return err == -ETIME && !cqe ? 0 : odd(trial, "self-test: wait with a timeout");
}

/* A listening socket without a name in the file system, and one that connects to it. */
static int open_listener(struct trial *trial)
{
    const int type = SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    socklen_t size = sizeof address.sun_family;
    for (int i = 0; i < 2; i++) {
        trial->fds[i] = socket(AF_UNIX, type, 0);
        if (trial->fds[i] < 0)
            return failed(trial, -errno, "self-test: socket");
    }
    if (bind(trial->fds[0], (struct sockaddr *)&address, size) != 0)
        return failed(trial, -errno, "self-test: bind");
    if (listen(trial->fds[0], 1) != 0)
        return failed(trial, -errno, "self-test: listen");
    size = sizeof address;
    if (getsockname(trial->fds[0], (struct sockaddr *)&address, &size) != 0)
        return failed(trial, -errno, "self-test: getsockname");
    if (connect(trial->fds[1], (struct sockaddr *)&address, size) != 0)
        return failed(trial, -errno, "self-test: connect");
    return 0;
}

static int accepts(struct trial *trial)
{
    static const char *const reason = "self-test: multishot accept";
    struct completion completion;
    int err = open_listener(trial);
    if (err)
        return err;
    struct io_uring_sqe *sqe = next_entry(trial, trial->fds[0], TAG_ACCEPT);
    if (!sqe)
        return odd(trial, "self-test: submit");
    sqe->opcode = IORING_OP_ACCEPT;
    sqe->ioprio = IORING_ACCEPT_MULTISHOT;
    sqe->accept_flags = SOCK_CLOEXEC | SOCK_NONBLOCK;
    err = submit(trial);
    if (!err)
        err = await(trial, &completion, reason);
    if (err)
        return err;
    if (completion.tag != TAG_ACCEPT || completion.result < 0)
        return came_to(trial, completion.result, reason);
    bool as_asked = fcntl(completion.result, F_GETFD) == FD_CLOEXEC &&
                    fcntl(completion.result, F_GETFL) & O_NONBLOCK &&
                    completion.flags & IORING_CQE_F_MORE;
    close(completion.result);
    return as_asked ? cancel(trial, TAG_ACCEPT) : odd(trial, reason);
}

/* ---- what is of use -------------------------------------------------------------------------- */

/* Two pieces fill one buffer, and the next goes into the next one. */
static int receives_incrementally(struct trial *trial)
{
    static const char *const reason = "self-test: incremental buffers";
    static const struct {
        unsigned size, buffer, offset, more;
    } pieces[] = {{16, 0, 0, URING_COMPLETION_BUFFER_MORE},
                  {BUFFER_SIZE - 16, 0, 16, 0},
                  {8, 1, 0, URING_COMPLETION_BUFFER_MORE}};
    int err = prepare_receive(trial, 2, URING_BUFFERS_INCREMENTAL);
    if (!err)
        err = start_receive(trial, 0);
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces && !err; i++) {
        struct completion completion;
        err = say(trial, pieces[i].size);
        if (!err)
            err = await(trial, &completion, reason);
        if (!err &&
            (!came(trial, &completion, pieces[i].size, pieces[i].buffer, pieces[i].offset) ||
             (completion.flags & URING_COMPLETION_BUFFER_MORE) != pieces[i].more))
            err = odd(trial, reason);
    }
    return err ? err : cancel(trial, TAG_RECEIVE);
}

/* All that was sent, in as many completions as the kernel likes, from one buffer to the next. */
static int expect_bundles(struct trial *trial, unsigned *next, const char *reason)
{
    bool spans = false;
    while (trial->received < trial->sent) {
        struct completion completion;
        int err = await(trial, &completion, reason);
        if (err)
            return err;
        unsigned size = completion.result > 0 ? (unsigned)completion.result : 0;
        if (!size || size > trial->sent - trial->received ||
            !came(trial, &completion, size, *next, 0))
            return odd(trial, reason);
        *next += (size + BUFFER_SIZE - 1) / BUFFER_SIZE;
        spans = spans || size > BUFFER_SIZE;
    }
    return spans ? 0 : odd(trial, reason);
}

/* What is longer than a buffer goes on in the next ones; what comes later, behind these. */
static int receives_bundles(struct trial *trial)
{
    static const char *const reason = "self-test: bundles";
    unsigned next = 0;
    if (!(trial->ring.features & URING_FEATURE_BUNDLES))
        return odd(trial, reason);
    int err = prepare_receive(trial, BUFFERS, 0);
    if (!err)
        err = say(trial, 3 * BUFFER_SIZE + 10);
    if (!err)
        err = start_receive(trial, URING_RECEIVE_BUNDLE);
    if (!err)
        err = expect_bundles(trial, &next, reason);
    if (!err)
        err = say_and_expect(trial, 20, next, reason);
    return err ? err : cancel(trial, TAG_RECEIVE);
}

/* A datagram socket of 127.0.0.1 that is connected to itself. */
/* One after the other through all buffers, each of which may be used up by several completions. */
static int receives_bundles_incrementally(struct trial *trial)
{
    static const char *const reason = "self-test: bundles of incremental buffers";
    static const unsigned sizes[] = {10, BUFFER_SIZE + 20, 8};
    unsigned place = 0;
    int err = prepare_receive(trial, BUFFERS, URING_BUFFERS_INCREMENTAL);
    if (!err)
        err = start_receive(trial, URING_RECEIVE_BUNDLE);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes && !err; i++) {
        err = say(trial, sizes[i]);
        while (!err && trial->received < trial->sent) {
            struct completion completion;
            err = await(trial, &completion, reason);
            unsigned size = !err && completion.result > 0 ? (unsigned)completion.result : 0;
            if (err || !size || size > trial->sent - trial->received ||
                !came(trial, &completion, size, place / BUFFER_SIZE, place % BUFFER_SIZE))
                return err ? err : odd(trial, reason);
            place += size;
            if (!(completion.flags & URING_COMPLETION_BUFFER_MORE) != (place % BUFFER_SIZE == 0))
                return odd(trial, reason);
        }
    }
    return err ? err : cancel(trial, TAG_RECEIVE);
}

static int open_mirror(struct trial *trial)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    trial->fds[0] = fd;
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, size) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &size) != 0 ||
        connect(fd, (struct sockaddr *)&address, size) != 0)
        return failed(trial, -errno, "self-test: a socket that is connected to itself");
    return 0;
}

/* The kernel says what was sent, and then that the memory is free. */
static int sends_without_copy(struct trial *trial)
{
    static const char *const reason = "self-test: send without a copy";
    struct completion sent;
    struct completion notice;
    int err = open_mirror(trial);
    if (err)
        return err;
    struct io_uring_sqe *sqe = next_entry(trial, trial->fds[0], TAG_SEND);
    if (!sqe)
        return odd(trial, "self-test: submit");
    trial->memory[0] = pattern(0);
    sqe->opcode = IORING_OP_SEND_ZC;
    sqe->addr = (uint64_t)(uintptr_t)trial->memory;
    sqe->len = BUFFER_SIZE;
    sqe->msg_flags = MSG_NOSIGNAL;
    err = submit(trial);
    if (!err)
        err = await(trial, &sent, reason);
    if (err)
        return err;
    unsigned char bytes[BUFFER_SIZE] = {0};
    if (sent.tag != TAG_SEND || sent.result != BUFFER_SIZE ||
        (sent.flags & (IORING_CQE_F_MORE | IORING_CQE_F_NOTIF)) != IORING_CQE_F_MORE ||
        recv(trial->fds[0], bytes, sizeof bytes, 0) != BUFFER_SIZE || bytes[0] != pattern(0))
        return odd(trial, reason);
    err = await(trial, &notice, reason);
    if (!err && (notice.tag != TAG_SEND || !(notice.flags & IORING_CQE_F_NOTIF) ||
                 notice.flags & IORING_CQE_F_MORE))
        err = odd(trial, reason);
    return err;
}

/* ---- the answer ------------------------------------------------------------------------------ */

struct answer {
    bool asked;
    int result;
    const char *reason;
    struct uring_features features;
};

static int run(struct trial *trial, int (*fn)(struct trial *trial))
{
    int err = fn(trial);
    clean(trial);
    return err;
}

/* After a failure something may be left in the ring: the next trial gets another one. */
static bool works(struct trial *trial, int (*fn)(struct trial *trial))
{
    if ((!trial->ring_open && open_trial(trial) != 0) || run(trial, fn) != 0) {
        close_trial(trial);
        return false;
    }
    return true;
}

static void ask(struct answer *answer)
{
    static int (*const needed[])(struct trial * trial) = {has_operations, times_out, receives,
                                                          accepts};
    struct trial trial;
    int err = open_trial(&trial);
    for (size_t i = 0; i < sizeof needed / sizeof *needed && !err; i++)
        err = run(&trial, needed[i]);
    if (!err) {
        answer->features.incremental = works(&trial, receives_incrementally);
        answer->features.bundles =
            works(&trial, receives_bundles) &&
            (!answer->features.incremental || works(&trial, receives_bundles_incrementally));
        answer->features.zero_copy = works(&trial, sends_without_copy);
    }
    answer->asked = true;
    answer->result = err;
    answer->reason = err ? trial.reason : "";
    close_trial(&trial);
}

static struct answer first;

static void ask_first(void *argument)
{
    struct answer *answer = (struct answer *)argument;
    ask(answer);
    first = *answer;
}

int uring_probe(struct uring_features *features, const char **reason)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct answer answer = {0};
    once_call(&once, ask_first, &answer);
    if (!answer.asked) {
        answer = first;
        if (is_shortage(answer.result))
            ask(&answer);
    }
    if (features)
        *features = answer.features;
    *reason = answer.reason;
    return answer.result;
}
