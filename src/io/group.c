/*
 * group.c: N loops on N threads, and how connections are spread over them.
 *
 * Starting goes in steps, each of which can be undone: the loops are made; the threads start, run
 * init, and wait at a gate; the thread that starts the group, alone with the loops, makes them
 * listen; the gate opens. If anything fails, it opens for the threads to go home.
 *
 * Handing over. Loop 0 accepts; each of the others has a listener without a socket, and a ring of
 * places for descriptors on their way, each with a task of its own. Loop 0 fills the places in
 * order; the other loop's thread empties them. If a loop's ring is full, or its gate is closed, the
 * next one in the rotation gets the connection; loop 0 can always take it.
 */
#include "evloop/group.h"

#include <pthread.h>
#include <signal.h>

#include "core/loop.h"
#include "io/listener.h"
#include "poller/socket.h"
#include "util/cpu.h"
#include "util/memory.h"
#include "util/options.h"

enum {
    OPTIONS_SIZE_0_1 = sizeof(evloop_group_options),
    LISTEN_OPTIONS_SIZE_0_1 = sizeof(evloop_listen_options),
    PLACES = 64,
    THREADS_AT_MOST = 1 << 16
};

/* A descriptor on its way to another loop. */
struct place {
    evloop_task task;
    struct member *member;
    ATOMIC(int) fd; /* -1: the place is free */
};

struct member {
    evloop_group *group;
    unsigned index;
    evloop *loop;
    evloop_listener listener;
    evloop_notify keep; /* the loop alive, if it does not listen */
    pthread_t thread;
    int result;           /* of init; then of the run */
    struct place *places; /* NULL: nothing is handed over to it */
    unsigned given;       /* loop 0's thread: places that were filled so far */
};

enum gate { GATE_CLOSED, GATE_RUN, GATE_GO_HOME };

struct evloop_group {
    evloop_allocator allocator;
    evloop_group_options options;
    evloop_listener_fn fn;
    evloop_address local;
    ATOMIC(unsigned) visitors; /* threads inside evloop_group_shutdown() */
    bool hands_over;
    unsigned next; /* loop 0's thread: whose turn it is */

    mutex lock;
    pthread_cond_t changed;
    enum gate gate;
    unsigned waiting; /* threads that have come to the gate */

    unsigned size;
    struct member members[];
};

/* ---- handing over ---------------------------------------------------------------------------- */

static struct place *place_of(evloop_task *task)
{
    return evloop_container_of(task, struct place, task);
}

/* On the other loop's thread. */
static void take(evloop_task *task)
{
    struct place *place = place_of(task);
    int fd = atomic_get(&place->fd, relaxed); /* the task came after it: give() */
    evloop_listener *listener = &place->member->listener;
    atomic_set(&place->fd, -1, release); /* the task is at rest; partner: give() */
    listener_feed(listener, fd);
}

static void discard(evloop_task *task)
{
    socket_close(atomic_get(&place_of(task)->fd, relaxed)); /* the task came after it: give() */
}

static const evloop_task_info hand_over_info = {.name = "hand-over", .discard = discard};

static bool give(struct member *member, int fd)
{
    struct place *place = &member->places[member->given % PLACES];
    if (atomic_get(&place->fd, acquire) != -1) /* partner: take() */
        return false;
    atomic_set(&place->fd, fd, relaxed); /* published by the task; read in take(), discard() */
    if (evloop_submit(member->loop, &place->task, take) != 0) {
        atomic_set(&place->fd, -1, relaxed); /* refused: nobody else has seen it */
        return false;
    }
    member->given++;
    return true;
}

/* False: loop 0 is to keep it. */
static bool pass_on(evloop_group *group, int fd)
{
    for (unsigned tries = group->size; tries > 0; tries--) {
        struct member *member = &group->members[group->next];
        group->next = (group->next + 1) % group->size;
        if (member->index == 0)
            return false;
        if (give(member, fd))
            return true;
    }
    return false;
}

/* On loop 0: a connection, or the news that there can be none. */
static void distribute(evloop_listener *listener)
{
    evloop_group *group = evloop_container_of(listener, struct member, listener)->group;
    int fd = evloop_accept_fd(listener);
    if (fd >= 0 && pass_on(group, fd))
        return;
    if (fd >= 0)
        listener_put_back(listener, fd);
    group->fn(listener);
}

/* ---- the threads ----------------------------------------------------------------------------- */

/* Comes to the gate; what it opens for. */
static enum gate await_gate(evloop_group *group)
{
    mutex_lock(&group->lock);
    group->waiting++;
    pthread_cond_broadcast(&group->changed);
    while (group->gate == GATE_CLOSED)
        pthread_cond_wait(&group->changed, &group->lock);
    enum gate gate = group->gate;
    mutex_unlock(&group->lock);
    return gate;
}

static void await_threads(evloop_group *group, unsigned count)
{
    mutex_lock(&group->lock);
    while (group->waiting < count)
        pthread_cond_wait(&group->changed, &group->lock);
    mutex_unlock(&group->lock);
}

static void open_gate(evloop_group *group, enum gate gate)
{
    mutex_lock(&group->lock);
    group->gate = gate;
    pthread_cond_broadcast(&group->changed);
    mutex_unlock(&group->lock);
}

/* Until the shutdown; or until the loop ends by itself, and then nothing more is handed to it. */
static int run(const struct member *member)
{
    evloop_group *group = member->group;
    int err = evloop_run(member->loop, EVLOOP_RUN_DEFAULT);
    if (err)
        evloop_group_shutdown(group, 0);
    else if (group->hands_over && member->index == 0)
        evloop_group_shutdown(group, EVLOOP_FOREVER);
    evloop_shutdown(member->loop, 0);
    int drained = evloop_run(member->loop, EVLOOP_RUN_DEFAULT);
    if (!err && drained != EVLOOP_ECLOSED)
        err = drained;
    return err;
}

static void *thread_main(void *arg)
{
    struct member *member = (struct member *)arg;
    evloop_group *group = member->group;
    const evloop_group_options *options = &group->options;
    bool begun = true;
    if (options->init) {
        member->result = options->init(group, member->index);
        begun = member->result == 0;
    }
    if (await_gate(group) == GATE_RUN)
        member->result = run(member);
    if (begun && options->end)
        options->end(group, member->index);
    return NULL;
}

/* Those that a thread's own fault raises must find it, or the process ends without a word. */
static void block_signals(sigset_t *before)
{
    static const int faults[] = {SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGSYS, SIGTRAP};
    sigset_t blocked;
    sigfillset(&blocked);
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++)
        sigdelset(&blocked, faults[i]);
    pthread_sigmask(SIG_BLOCK, &blocked, before);
}

/* *started of them; the error of the first that could not be started. */
static int start_threads(evloop_group *group, unsigned *started)
{
    sigset_t before;
    int err = 0;
    block_signals(&before);
    for (*started = 0; !err && *started < group->size; *started += !err) {
        struct member *member = &group->members[*started];
        err = -pthread_create(&member->thread, NULL, thread_main, member);
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return err;
}

static void join_threads(evloop_group *group, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        pthread_join(group->members[i].thread, NULL);
}

static int first_result(const evloop_group *group)
{
    for (unsigned i = 0; i < group->size; i++)
        if (group->members[i].result)
            return group->members[i].result;
    return 0;
}

/* ---- listening ------------------------------------------------------------------------------- */

/*
 * Sockets that share a port with each other would share it with another program's as well, and each
 * would get a part of what is meant for the other.
 */
static int check_unused(const evloop_address *address, const evloop_listen_options *options)
{
    int family = evloop_address_family(address);
    int fd = socket_open(family, SOCK_STREAM);
    if (fd < 0)
        return 0; /* the listener says why */
    int err = socket_set_reuse_address(fd);
    if (!err && family == AF_INET6)
        err = socket_set_v6_only(fd, options->v6_only);
    if (!err)
        err = socket_bind(fd, address);
    socket_close(fd);
    return err == -EADDRINUSE ? err : 0;
}

static int listen_each(evloop_group *group, const evloop_address *address,
                       evloop_listen_options *options)
{
    int err = options->reuse_port ? 0 : check_unused(address, options);
    options->reuse_port = true;
    group->local = *address;
    for (unsigned i = 0; !err && i < group->size; i++) {
        struct member *member = &group->members[i];
        err = evloop_listen(member->loop, &member->listener, &group->local, options, group->fn);
        if (!err && i == 0)
            err = evloop_listener_local(&member->listener, &group->local);
    }
    return err;
}

static int make_places(struct member *member)
{
    const size_t size = PLACES * sizeof(struct place);
    member->places = (struct place *)memory_zalloc(&member->group->allocator, size);
    if (!member->places)
        return -ENOMEM;
    for (unsigned i = 0; i < PLACES; i++) {
        member->places[i].member = member;
        member->places[i].task.info = &hand_over_info;
        atomic_set(&member->places[i].fd, -1, relaxed); /* published by the gate */
    }
    return 0;
}

static int listen_for_all(evloop_group *group, const evloop_address *address,
                          const evloop_listen_options *options)
{
    struct member *first = &group->members[0];
    int err = evloop_listen(first->loop, &first->listener, address, options, distribute);
    if (!err)
        err = evloop_listener_local(&first->listener, &group->local);
    for (unsigned i = 1; !err && i < group->size; i++) {
        struct member *member = &group->members[i];
        err = make_places(member);
        if (!err)
            err = listener_start_fed(member->loop, &member->listener, &first->listener, group->fn);
    }
    return err;
}

static void keep_alive(evloop_notify *notify)
{
    (void)notify;
}

static int listen_nowhere(evloop_group *group)
{
    int err = 0;
    for (unsigned i = 0; !err && i < group->size; i++)
        err = evloop_notify_start(group->members[i].loop, &group->members[i].keep, keep_alive);
    return err;
}

/* ---- starting -------------------------------------------------------------------------------- */

/* What evloop_group_start() was asked for, checked. */
struct plan {
    evloop_address address; /* of no family: none */
    evloop_group_options options;
    evloop_listen_options listen;
    bool hands_over;
};

static int read_plan(struct plan *plan, const char *address, const evloop_group_options *options,
                     evloop_listener_fn fn)
{
    memset(&plan->address, 0, sizeof plan->address);
    plan->options = evloop_group_options_default();
    plan->listen = evloop_listen_options_default();
    int err = options_read(&plan->options, sizeof plan->options, OPTIONS_SIZE_0_1, options);
    if (!err)
        err = options_read(&plan->listen, sizeof plan->listen, LISTEN_OPTIONS_SIZE_0_1,
                           plan->options.listen);
    if (!err && (!address != !fn || plan->options.threads > THREADS_AT_MOST))
        err = -EINVAL;
    if (!err && address)
        err = evloop_address_parse(&plan->address, address);
    if (err)
        return err;
    plan->options.size = sizeof plan->options;
    plan->listen.size = sizeof plan->listen;
    plan->hands_over = address && (plan->options.hand_over ||
                                   !socket_spreads(evloop_address_family(&plan->address)));
    return plan->hands_over && plan->listen.max_connections ? -ENOTSUP : 0;
}

static void free_group(evloop_group *group)
{
    evloop_allocator allocator = group->allocator;
    for (unsigned i = 0; i < group->size; i++)
        if (group->members[i].loop)
            evloop_destroy(group->members[i].loop, EVLOOP_DESTROY_FORCE);
    for (unsigned i = 0; i < group->size; i++)
        memory_free(&allocator, group->members[i].places);
    pthread_cond_destroy(&group->changed);
    mutex_destroy(&group->lock);
    memory_free(&allocator, group);
}

/* The first loop is made before, and brings its allocator along. */
static evloop_group *allocate(const struct plan *plan, evloop *first, evloop_listener_fn fn)
{
    unsigned size = plan->options.threads ? plan->options.threads : cpu_count();
    evloop_group *group = (evloop_group *)memory_zalloc(
        &first->allocator, sizeof *group + size * sizeof(struct member));
    if (!group)
        return NULL;
    group->allocator = first->allocator;
    group->options = plan->options;
    group->fn = fn;
    group->hands_over = plan->hands_over;
    group->size = size;
    mutex_init(&group->lock);
    pthread_cond_init(&group->changed, NULL);
    for (unsigned i = 0; i < size; i++) {
        group->members[i].group = group;
        group->members[i].index = i;
        group->members[i].listener.data = plan->options.data;
    }
    group->members[0].loop = first;
    return group;
}

static int make_group(const struct plan *plan, evloop_listener_fn fn, evloop_group **out)
{
    evloop *first;
    int err = evloop_create(&first, plan->options.loop);
    if (err)
        return err;
    evloop_group *group = allocate(plan, first, fn);
    if (!group) {
        evloop_destroy(first, 0);
        return -ENOMEM;
    }
    for (unsigned i = 1; !err && i < group->size; i++)
        err = evloop_create(&group->members[i].loop, plan->options.loop);
    if (err)
        free_group(group);
    else
        *out = group;
    return err;
}

static int begin_listening(evloop_group *group, struct plan *plan)
{
    if (evloop_address_family(&plan->address) == AF_UNSPEC)
        return listen_nowhere(group);
    if (plan->hands_over)
        return listen_for_all(group, &plan->address, &plan->listen);
    return listen_each(group, &plan->address, &plan->listen);
}

int evloop_group_start(evloop_group **out, const char *address, const evloop_group_options *options,
                       evloop_listener_fn fn)
{
    struct plan plan;
    evloop_group *group = NULL;
    unsigned started = 0;
    int err = out ? read_plan(&plan, address, options, fn) : -EINVAL;
    if (!err)
        err = make_group(&plan, fn, &group);
    if (err)
        return err;
    err = start_threads(group, &started);
    await_threads(group, started);
    if (!err)
        err = first_result(group);
    if (!err)
        err = begin_listening(group, &plan);
    if (err) {
        open_gate(group, GATE_GO_HOME);
        join_threads(group, started);
        free_group(group);
        return err;
    }
    *out = group;
    open_gate(group, GATE_RUN);
    return 0;
}

/* ---- ending ---------------------------------------------------------------------------------- */

int evloop_group_shutdown(evloop_group *group, uint64_t timeout_ns)
{
    if (!group)
        return -EINVAL;
    int err = 0;
    atomic_add(&group->visitors, 1, relaxed); /* published with the shutdowns that follow */
    for (unsigned i = 0; i < group->size; i++) {
        int refused = evloop_shutdown(group->members[i].loop, timeout_ns);
        err = err ? err : refused;
    }
    atomic_sub(&group->visitors, 1, release); /* partner: evloop_group_join() */
    return err;
}

static bool is_own_thread(const evloop_group *group)
{
    for (unsigned i = 0; i < group->size; i++)
        if (pthread_equal(group->members[i].thread, pthread_self()))
            return true;
    return false;
}

int evloop_group_join(evloop_group *group)
{
    int err = group ? loop_check(group->members[0].loop) : -EINVAL;
    if (!err && is_own_thread(group))
        err = -EDEADLK;
    if (err)
        return err;
    join_threads(group, group->size);
    /* acquire: the last access of who shut it down; partner: evloop_group_shutdown() */
    while (atomic_get(&group->visitors, acquire) != 0)
        thread_yield();
    err = first_result(group);
    free_group(group);
    return err;
}

/* ---- about it -------------------------------------------------------------------------------- */

unsigned evloop_group_size(const evloop_group *group)
{
    return group ? group->size : 0;
}

evloop *evloop_group_loop(const evloop_group *group, unsigned index)
{
    return index < evloop_group_size(group) ? group->members[index].loop : NULL;
}

evloop_listener *evloop_group_listener(evloop_group *group, unsigned index)
{
    return index < evloop_group_size(group) ? &group->members[index].listener : NULL;
}

void *evloop_group_data(const evloop_group *group)
{
    return group ? group->options.data : NULL;
}

int evloop_group_local(const evloop_group *group, evloop_address *address)
{
    if (!group || !address)
        return -EINVAL;
    if (evloop_address_family(&group->local) == AF_UNSPEC)
        return -ENOTCONN;
    *address = group->local;
    return 0;
}
