/*
 * libevent.c: a bufferevent for each connection.
 */
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>

#include "../memory/memory.h"
#include "net.h"

struct side {
    struct net_server *server;
    struct event_base *base;
};

static void on_event(struct bufferevent *connection, short events, void *arg)
{
    (void)arg;
    if (events & (BEV_EVENT_EOF | BEV_EVENT_ERROR))
        bufferevent_free(connection);
}

/* The bytes are moved, not copied. */
static void on_echo(struct bufferevent *connection, void *arg)
{
    const struct side *side = arg;
    struct evbuffer *input = bufferevent_get_input(connection);
    struct evbuffer *output = bufferevent_get_output(connection);

    for (size_t left; (left = evbuffer_get_length(input)) > 0;)
        evbuffer_remove_buffer(input, output, net_request_size(side->server, left));
}

static void on_sink(struct bufferevent *connection, void *arg)
{
    const struct side *side = arg;
    struct evbuffer *input = bufferevent_get_input(connection);
    size_t size = evbuffer_get_length(input);

    evbuffer_drain(input, size);
    net_count(side->server, size);
}

/* The bytes stay where they are. */
static void write_each(struct bufferevent *connection, size_t size, size_t count)
{
    struct evbuffer *input = bufferevent_get_input(connection);
    struct evbuffer *output = bufferevent_get_output(connection);

    evbuffer_drain(input, evbuffer_get_length(input));
    for (size_t i = 0; i < count; i++)
        bench_check(evbuffer_add_reference(output, net_block, size, NULL, NULL),
                    "evbuffer_add_reference");
}

static void on_source(struct bufferevent *connection, void *arg)
{
    (void)arg;
    write_each(connection, NET_BLOCK, NET_BLOCKS);
}

static void on_small_writes(struct bufferevent *connection, void *arg)
{
    (void)arg;
    write_each(connection, NET_PIECE, NET_PIECES);
}

static void on_small_sends(struct bufferevent *connection, void *arg)
{
    struct evbuffer *input = bufferevent_get_input(connection);

    (void)arg;
    evbuffer_drain(input, evbuffer_get_length(input));
    for (size_t i = 0; i < NET_PIECES; i++)
        bench_check(bufferevent_write(connection, net_block, NET_PIECE), "bufferevent_write");
}

/* All is written. */
static void on_answered(struct bufferevent *connection, void *arg)
{
    (void)arg;
    bufferevent_free(connection);
}

static void on_answer(struct bufferevent *connection, void *arg)
{
    bufferevent_setcb(connection, NULL, on_answered, on_event, arg);
    bench_check(bufferevent_write_buffer(connection, bufferevent_get_input(connection)),
                "bufferevent_write_buffer");
}

static void begin(struct bufferevent *connection, struct side *side)
{
    static const bufferevent_data_cb readers[] = {
        [NET_ECHO] = on_echo,
        [NET_SINK] = on_sink,
        [NET_SOURCE] = on_source,
        [NET_SMALL_WRITES] = on_small_writes,
        [NET_SMALL_SENDS] = on_small_sends,
        [NET_ANSWER] = on_answer,
        [NET_IDLE] = on_echo,
    };
    const struct net_plan *plan = &side->server->plan;

    if (plan->buffer > 0)
        bufferevent_set_max_single_read(connection, plan->buffer);
    bufferevent_setcb(connection, readers[plan->service], NULL, on_event, side);
    bench_check(bufferevent_enable(connection, EV_READ), "bufferevent_enable");
    if (plan->service == NET_IDLE)
        net_count(side->server, 1);
}

static void on_connection(struct evconnlistener *listener, evutil_socket_t fd,
                          struct sockaddr *address, int size, void *arg)
{
    struct side *side = arg;
    struct bufferevent *connection;

    (void)listener;
    (void)address;
    (void)size;
    if (side->server->plan.service == NET_CLOSE) {
        evutil_closesocket(fd);
        return;
    }
    connection = bufferevent_socket_new(side->base, fd, BEV_OPT_CLOSE_ON_FREE);
    bench_check(connection ? 0 : -1, "bufferevent_socket_new");
    begin(connection, side);
}

static void serve(struct net_server *server)
{
    struct side *side = bench_alloc(1, sizeof *side);

    if (server->plan.service == NET_IDLE)
        memory_count_libevent();
    side->server = server;
    side->base = event_base_new();
    bench_check(side->base ? 0 : -1, "event_base_new");
    bench_check(evconnlistener_new(side->base, on_connection, side, 0, 0, server->listener) ? 0
                                                                                            : -1,
                "evconnlistener_new");
    event_base_dispatch(side->base);
}

const struct net_peer net_libevent = {serve};
