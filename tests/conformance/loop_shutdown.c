/*
 * loop_shutdown.c: the shutdown of a loop: nobody new is let in, streams get until the deadline,
 * and what is there then is closed by force.
 */
#include "script.h"

#include <sys/socket.h>

#define SOON EVLOOP_MS(20)

static void assert_over(struct scene *scene)
{
    assert_int_equal(evloop_get_state(scene->loop), EVLOOP_STATE_CLOSED);
    assert_false(evloop_stream_active(&scene->a.stream));
    assert_false(evloop_stream_active(&scene->b.stream));
    assert_false(evloop_listener_active(&scene->door.listener));
}

static void leave_at_the_end(struct actor *actor, enum event event)
{
    if (event == READ && actor->last == EVLOOP_EOF)
        leave(actor);
}

static void end_after_writing(struct actor *actor, enum event event)
{
    if (event == WRITE)
        end(actor);
}

/* What is under way comes to its end; nothing is forced, and the deadline is not waited for. */
static void streams_go_on_until_they_are_done(struct scene *scene)
{
    static struct request request;
    meet_narrowly(scene);
    hear(&scene->a);
    hear(&scene->b);
    scene->a.then = leave_at_the_end;
    scene->b.then = leave_at_the_end;
    put(&scene->a, &request, TOO_MUCH);
    end(&scene->a);
    uint64_t begin = clock_ns();
    assert_int_equal(evloop_shutdown(scene->loop, EVLOOP_SEC(3600)), 0);
    loop_run(scene->loop);
    assert_true(clock_ns() - begin < EVLOOP_SEC(3600));
    expect(scene, "a", "write %d 0; shutdown 0; eof; closed", TOO_MUCH);
    expect(scene, "b", "read %d bytes; eof; closed", TOO_MUCH);
    assert_over(scene);
}

static int late = -1;

/* Whoever comes after the shutdown is not let in. */
static void come_late(struct actor *actor, enum event event)
{
    struct scene *scene = actor->scene;
    if (event == WRITE && actor->events[WRITE] == 1) {
        late = socket(scene->where.of.any.sa_family, SOCK_STREAM, 0);
        assert_true(late >= 0);
        fd_nonblocking(late);
        (void)connect(late, &scene->where.of.any, scene->where.size);
    }
    if (event == READ && actor->last == EVLOOP_EOF)
        leave(actor);
}

static void listeners_stop_first(struct scene *scene)
{
    static struct request request;
    meet_narrowly(scene);
    hear(&scene->a);
    hear(&scene->b);
    late = -1;
    scene->a.then = come_late;
    scene->b.then = come_late;
    assert_int_equal(evloop_shutdown(scene->loop, EVLOOP_SEC(3600)), 0);
    put(&scene->a, &request, TOO_MUCH);
    end(&scene->a);
    loop_run(scene->loop);
    expect(scene, "a", "write %d 0; shutdown 0; eof; closed", TOO_MUCH);
    expect(scene, "b", "read %d bytes; eof; closed", TOO_MUCH);
    expect(scene, "door", "%s", ""); /* nobody */
    assert_true(late >= 0);
    assert_int_equal(close(late), 0);
    assert_over(scene);
}

static evloop_listener late_listener;

static void listen_late(struct actor *actor, enum event event)
{
    evloop_address address;
    if (event != SHUTDOWN)
        return;
    assert_int_equal(evloop_address_parse(&address, "127.0.0.1:0"), 0);
    assert_int_equal(
        evloop_listen(actor->scene->loop, &late_listener, &address, NULL, on_connection),
        EVLOOP_ECLOSED);
}

/* It would keep the loop alive, since it was not there to be told. */
static void no_listener_starts_once_they_have_stopped(struct scene *scene)
{
    meet(scene);
    hear(&scene->a);
    hear(&scene->b);
    scene->a.then = listen_late;
    scene->b.then = come_late;
    assert_int_equal(evloop_shutdown(scene->loop, EVLOOP_FOREVER), 0);
    end(&scene->a);
    scene_until(scene, scene->a.events[SHUTDOWN]);
    leave(&scene->a);
    loop_run(scene->loop);
    notes_forget(scene);
    assert_over(scene);
}

static void what_is_there_at_the_deadline_is_forced(struct scene *scene)
{
    static struct request big, small;
    meet_narrowly(scene);
    if (both_ways(scene))
        hear(&scene->a);
    put(&scene->a, &big, TOO_MUCH);
    put(&scene->a, &small, 10);
    uint64_t begin = clock_ns();
    assert_int_equal(evloop_shutdown(scene->loop, SOON), 0);
    loop_run(scene->loop);
    assert_true(clock_ns() - begin >= SOON);
    if (both_ways(scene))
        expect(scene, "a", "write %zu ECANCELED; write 0 ECANCELED; read EVLOOP_ECLOSED",
               big.write.written);
    else
        expect(scene, "a", "write %zu ECANCELED; write 0 ECANCELED", big.write.written);
    assert_over(scene);
}

static void leave_when_forced(struct actor *actor, enum event event)
{
    if (event == READ && actor->last == EVLOOP_ECLOSED)
        leave(actor);
}

static void a_stream_that_is_forced_may_be_closed_by_its_owner(struct scene *scene)
{
    meet(scene);
    hear(&scene->a);
    hear(&scene->b);
    scene->a.then = leave_when_forced;
    assert_int_equal(evloop_shutdown(scene->loop, SOON), 0);
    loop_run(scene->loop);
    expect(scene, "a", "read EVLOOP_ECLOSED; closed");
    expect(scene, "b", "read EVLOOP_ECLOSED");
    assert_over(scene);
}

static void take_the_other_along(struct actor *actor, enum event event)
{
    leave_when_forced(actor, event);
    if (event == CLOSED)
        leave(&actor->scene->b);
}

static void who_is_closed_by_a_closing_is_told(struct scene *scene)
{
    meet(scene);
    hear(&scene->a);
    scene->a.then = take_the_other_along;
    assert_int_equal(evloop_shutdown(scene->loop, 0), 0);
    loop_run(scene->loop);
    expect(scene, "a", "read EVLOOP_ECLOSED; closed");
    expect(scene, "b", "closed");
    assert_over(scene);
}

static void open_another(struct actor *actor, enum event event)
{
    static evloop_stream another;
    int other_end;
    leave_when_forced(actor, event);
    if (event == CLOSED)
        assert_int_equal(evloop_stream_pair(actor->scene->loop, &another, &other_end),
                         EVLOOP_ECLOSED);
}

/* It would be closed without a word to whoever writes to it. */
static void nobody_comes_when_a_shutdown_is_over(struct scene *scene)
{
    meet(scene);
    hear(&scene->a);
    scene->a.then = open_another;
    assert_int_equal(evloop_shutdown(scene->loop, 0), 0);
    loop_run(scene->loop);
    expect(scene, "a", "read EVLOOP_ECLOSED; closed");
    assert_over(scene);
}

static void a_shutdown_without_time_forces_at_once(struct scene *scene)
{
    static struct request request;
    meet(scene);
    hear(&scene->b);
    put(&scene->a, &request, 10);
    assert_int_equal(evloop_shutdown(scene->loop, 0), 0);
    loop_run(scene->loop);
    scene_until(scene, scene->b.events[READ]);
    assert_int_equal(scene->b.last, EVLOOP_ECLOSED);
    assert_int_equal(scene->a.events[WRITE], 1);
    notes_forget(scene);
    assert_over(scene);
}

static void a_graceful_close_is_forced_too(struct scene *scene)
{
    static struct request request;
    meet_narrowly(scene);
    put(&scene->a, &request, TOO_MUCH);
    assert_int_equal(evloop_stream_close_gracefully(&scene->a.stream, EVLOOP_SEC(3600), on_closed),
                     0);
    assert_int_equal(evloop_shutdown(scene->loop, SOON), 0);
    loop_run(scene->loop);
    expect(scene, "a", "write %zu ECANCELED; closed", request.write.written);
    assert_over(scene);
}

static void a_connection_that_does_not_come_about_is_forced(struct scene *scene)
{
    int family = scene->over == TCP4 ? AF_INET : AF_INET6;
    int crowd[CROWD], listener = net_listen_full(family, &scene->where, crowd);
    dial(&scene->a, NULL);
    assert_int_equal(evloop_shutdown(scene->loop, SOON), 0);
    loop_run(scene->loop);
    expect(scene, "a", "connect EVLOOP_ECLOSED");
    assert_over(scene);
    net_disperse(listener, crowd);
}

static void after_a_shutdown_nothing_is_opened(struct scene *scene)
{
    int fds[2];
    evloop_address address;
    assert_int_equal(evloop_address_parse(&address, "127.0.0.1:0"), 0);
    net_pair(AF_UNIX, fds);
    assert_int_equal(evloop_shutdown(scene->loop, 0), 0);
    loop_run(scene->loop);
    assert_int_equal(evloop_stream_open(scene->loop, &scene->a.stream, fds[0]), EVLOOP_ECLOSED);
    assert_int_equal(
        evloop_listen(scene->loop, &scene->door.listener, &address, NULL, on_connection),
        EVLOOP_ECLOSED);
    assert_int_equal(evloop_connect(scene->loop, &scene->a.stream, &address, NULL, on_connect),
                     EVLOOP_ECLOSED);
    assert_int_equal(evloop_stream_pair(scene->loop, &scene->a.stream, &fds[0]), EVLOOP_ECLOSED);
    fds_close(fds);
    assert_over(scene);
}

static void a_loop_without_a_deadline_closes_who_closes(struct scene *scene)
{
    static struct request request;
    meet(scene);
    scene->a.then = end_after_writing;
    scene->b.then = leave_at_the_end;
    hear(&scene->b);
    put(&scene->a, &request, 10);
    assert_int_equal(evloop_stream_unref(&scene->a.stream), 0);
    assert_int_equal(evloop_shutdown(scene->loop, EVLOOP_FOREVER), 0);
    loop_run(scene->loop);
    expect(scene, "b", "read 10 bytes; eof; closed");
    notes_forget(scene); /* a kept nobody waiting */
    assert_over(scene);
}

const struct script loop_shutdown_scripts[] = {
    SCRIPT(streams_go_on_until_they_are_done, DUPLEX),
    SCRIPT(listeners_stop_first, LISTENING),
    SCRIPT(no_listener_starts_once_they_have_stopped, TCP),
    SCRIPT(what_is_there_at_the_deadline_is_forced, ANY),
    SCRIPT(a_stream_that_is_forced_may_be_closed_by_its_owner, DUPLEX),
    SCRIPT(who_is_closed_by_a_closing_is_told, DUPLEX),
    SCRIPT(nobody_comes_when_a_shutdown_is_over, DUPLEX),
    SCRIPT(a_shutdown_without_time_forces_at_once, ANY),
    SCRIPT(a_graceful_close_is_forced_too, ANY),
    SCRIPT(a_connection_that_does_not_come_about_is_forced, TCP),
    SCRIPT(after_a_shutdown_nothing_is_opened, TCP4),
    SCRIPT(a_loop_without_a_deadline_closes_who_closes, DUPLEX),
    {NULL, NULL, 0},
};
