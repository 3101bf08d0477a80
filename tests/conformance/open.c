/*
 * open.c: streams made of what is there already, and given up again.
 */
#include "script.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/wait.h>

static void a_descriptor_becomes_a_stream(struct scene *scene)
{
    char word[6] = "";
    int other = meet_by_hand(&scene->a), fd = evloop_stream_fd(&scene->a.stream);
    assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
    assert_int_equal(evloop_stream_error(&scene->a.stream), 0);
    assert_ptr_equal(evloop_stream_loop(&scene->a.stream), scene->loop);
    if (scene->over == PIPE) {
        say(&scene->a, "hello");
        scene_turn(scene);
        assert_int_equal(read(other, word, 5), 5);
        assert_string_equal(word, "hello");
    } else {
        hear(&scene->a);
        assert_int_equal(write(other, "hello", 5), 5);
        expect(scene, "a", "read hello");
    }
    leave(&scene->a);
    expect(scene, "a", "closed");
    assert_int_equal(fcntl(fd, F_GETFD), -1);
    assert_int_equal(evloop_stream_fd(&scene->a.stream), -1);
    assert_int_equal(close(other), 0);
}

static void a_stream_gives_its_descriptor_up(struct scene *scene)
{
    meet(scene);
    int fd = evloop_stream_fd(&scene->b.stream);
    hear(&scene->b);
    say(&scene->a, "before");
    expect(scene, "b", "read before");
    assert_int_equal(evloop_stream_release(&scene->b.stream), fd);
    assert_false(evloop_stream_active(&scene->b.stream));
    assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
    say(&scene->a, "after");
    expect_nothing(scene);
    assert_int_equal(evloop_stream_open(scene->loop, &scene->b.stream, fd), 0);
    hear(&scene->b);
    expect(scene, "b", "read after");
}

static int given_up;

static void give_up(struct actor *actor, enum event event)
{
    if (event == READ && actor->last > 0)
        given_up = evloop_stream_release(&actor->stream);
}

static void a_stream_gives_its_descriptor_up_in_its_own_callback(struct scene *scene)
{
    static struct request request;
    given_up = -1;
    meet(scene);
    scene->b.then = give_up;
    hear(&scene->b);
    put(&scene->a, &request, 1000000);
    scene_until(scene, given_up >= 0);
    uint64_t heard = scene->b.heard;
    assert_false(evloop_stream_active(&scene->b.stream));
    for (int i = 0; i < 3; i++)
        scene_turn(scene);
    assert_int_equal(scene->b.heard, heard);
    scene->b.then = NULL;
    assert_int_equal(evloop_stream_open(scene->loop, &scene->b.stream, given_up), 0);
    hear(&scene->b);
    expect(scene, "b", "read 1000000 bytes"); /* no byte was lost on the way */
    expect(scene, "a", "write 1000000 0");
}

static void a_stream_with_something_to_do_is_not_given_up(struct scene *scene)
{
    static struct request request;
    meet_narrowly(scene);
    put(&scene->a, &request, 10);
    assert_int_equal(evloop_stream_release(&scene->a.stream), -EBUSY);
    expect(scene, "a", "write 10 0");
    put(&scene->a, &request, TOO_MUCH);
    scene_turn(scene);
    assert_int_equal(evloop_stream_release(&scene->a.stream), -EBUSY);
    hear(&scene->b);
    expect(scene, "a", "write %d 0", TOO_MUCH);
    expect(scene, "b", "read %d bytes", TOO_MUCH + 10);
    int fd = evloop_stream_release(&scene->a.stream);
    assert_true(fd >= 0);
    assert_int_equal(close(fd), 0);
    expect(scene, "b", "eof");
}

static void a_stream_that_connects_is_not_given_up(struct scene *scene)
{
    door_open(&scene->door, NULL);
    scene->door.next = &scene->b;
    dial(&scene->a, NULL);
    assert_int_equal(evloop_stream_release(&scene->a.stream), -EBUSY);
    expect(scene, "a", "connect 0");
    expect(scene, "door", "accept 0");
}

static void a_stream_moves_to_another_loop(struct scene *scene)
{
    evloop *other = loop_new();
    meet(scene);
    hear(&scene->b);
    say(&scene->a, "here");
    expect(scene, "b", "read here");
    int fd = evloop_stream_release(&scene->b.stream);
    assert_int_equal(evloop_stream_open(other, &scene->b.stream, fd), 0);
    assert_ptr_equal(evloop_stream_loop(&scene->b.stream), other);
    hear(&scene->b);
    say(&scene->a, "there");
    scene_turn(scene);
    while (scene->b.reads < 2)
        assert_int_equal(evloop_run(other, EVLOOP_RUN_ONCE), 0);
    expect(scene, "b", "read there");
    leave(&scene->b);
    assert_int_equal(evloop_run(other, EVLOOP_RUN_DEFAULT), 0);
    expect(scene, "b", "closed");
    loop_end(other);
}

static void a_descriptor_belongs_to_one_stream(struct scene *scene)
{
    static struct actor third;
    evloop_watch watch = {0};
    meet(scene);
    actor_init(&third, scene, "third");
    int fd = evloop_stream_fd(&scene->b.stream);
    assert_int_equal(evloop_stream_open(scene->loop, &third.stream, fd), -EEXIST);
    assert_false(evloop_stream_active(&third.stream));
    hear(&scene->b);
    say(&scene->a, "unhurt");
    expect(scene, "b", "read unhurt");
    assert_int_equal(evloop_stream_open(scene->loop, &scene->a.stream, fd), -EBUSY);
    (void)watch;
}

static void no_stream_is_made_of_what_is_none(struct scene *scene)
{
    evloop_stream *stream = &scene->a.stream;
    evloop_address address;
    int listener = net_listen(AF_INET, 1, &address), datagrams = socket(AF_INET, SOCK_DGRAM, 0);
    int pair[2];
    assert_int_equal(evloop_stream_open(scene->loop, stream, listener), -EINVAL);
    assert_int_equal(evloop_stream_open(scene->loop, stream, datagrams), -EINVAL);
    assert_int_equal(evloop_stream_open(scene->loop, stream, -1), -EBADF);
    pair_open(pair);
    fds_close((int[2]){-1, pair[1]});
    assert_int_equal(evloop_stream_open(scene->loop, stream, pair[1]), -EBADF);
    assert_false(evloop_stream_active(stream));
    fds_close((int[2]){pair[0], -1});
    assert_int_equal(close(listener), 0);
    assert_int_equal(close(datagrams), 0);
}

/* ---- regular files --------------------------------------------------------------------------- */

static void a_regular_file_is_read_to_its_end(struct scene *scene)
{
    int file = file_make(0, 700000);
    assert_int_equal(evloop_stream_open(scene->loop, &scene->b.stream, file), 0);
    hear(&scene->b);
    assert_int_equal(scene->note_count, 0);
    expect(scene, "b", "read 700000 bytes; eof");
    expect_nothing(scene);
}

static void a_regular_file_is_read_from_where_it_stands(struct scene *scene)
{
    int file = file_make(0, 1000);
    assert_int_equal(lseek(file, 990, SEEK_SET), 990);
    assert_int_equal(evloop_stream_open(scene->loop, &scene->b.stream, file), 0);
    scene->b.heard = 990;
    hear(&scene->b);
    expect(scene, "b", "read 10 bytes; eof");
}

static void a_regular_file_is_read_into_memory_and_stopped(struct scene *scene)
{
    int file = file_make(0, 10000);
    assert_int_equal(evloop_stream_open(scene->loop, &scene->b.stream, file), 0);
    hear_into(&scene->b, 100, 100);
    expect(scene, "b", "read 100 bytes");
    expect_nothing(scene);
    hear(&scene->b);
    hush(&scene->b);
    expect_nothing(scene);
    hear(&scene->b);
    expect(scene, "b", "read 9900 bytes; eof");
}

static void a_regular_file_is_written(struct scene *scene)
{
    static struct request request;
    static unsigned char memory[600000];
    int file = file_make(0, 0), copy = dup(file);
    assert_int_equal(evloop_stream_open(scene->loop, &scene->a.stream, file), 0);
    put(&scene->a, &request, 500000);
    assert_int_equal(evloop_stream_send(&scene->a.stream, pattern_at(500000), 100000), 0);
    expect(scene, "a", "write 500000 0");
    scene_until(scene, evloop_stream_queued(&scene->a.stream) == 0);
    leave(&scene->a);
    expect(scene, "a", "closed");
    assert_int_equal(pread(copy, memory, sizeof memory, 0), sizeof memory);
    assert_true(pattern_matches(memory, sizeof memory, 0));
    assert_int_equal(close(copy), 0);
}

static void a_reading_of_a_regular_file_does_not_starve_the_others(struct scene *scene)
{
    int file = file_make(0, 64 * 1024 * 1024 / 4), other = meet_by_hand(&scene->a);
    assert_int_equal(evloop_stream_open(scene->loop, &scene->b.stream, file), 0);
    hear(&scene->a);
    hear(&scene->b);
    assert_int_equal(write(other, "me too", 6), 6);
    scene_turn(scene);
    scene_turn(scene);
    assert_true(scene->b.heard > 0 && scene->b.last > 0); /* it is not done */
    expect(scene, "a", "read me too");
    assert_int_equal(close(other), 0);
    notes_forget(scene);
    hush(&scene->b);
    leave(&scene->a);
    expect(scene, "a", "closed");
    notes_forget(scene);
}

/* ---- children -------------------------------------------------------------------------------- */

/* A pipe that is shared with another process: its state there is as before. */
static void a_shared_pipe_gets_its_state_back(struct scene *scene)
{
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    int shared = dup(fds[1]);
    assert_false(fcntl(shared, F_GETFL) & O_NONBLOCK);
    assert_int_equal(evloop_stream_open(scene->loop, &scene->a.stream, fds[1]), 0);
    say(&scene->a, "x");
    scene_turn(scene);
    leave(&scene->a);
    expect(scene, "a", "closed");
    assert_false(fcntl(shared, F_GETFL) & O_NONBLOCK);
    assert_int_equal(close(shared), 0);
    assert_int_equal(close(fds[0]), 0);
}

static void a_pair_serves_a_child(struct scene *scene)
{
    int other;
    assert_int_equal(evloop_stream_pair(scene->loop, &scene->a.stream, &other), 0);
    assert_false(fcntl(other, F_GETFL) & O_NONBLOCK);
    hear(&scene->a);
    say(&scene->a, "ping");
    scene_turn(scene);
    pid_t child = fork();
    check(child >= 0);
    if (child == 0) {
        char word[4];
        check(read(other, word, 4) == 4 && memcmp(word, "ping", 4) == 0);
        check(write(other, "pong", 4) == 4);
        _exit(0);
    }
    assert_int_equal(close(other), 0);
    expect(scene, "a", "read pong; eof");
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

const struct script open_scripts[] = {
    SCRIPT(a_descriptor_becomes_a_stream, ANY),
    SCRIPT(a_stream_gives_its_descriptor_up, ANY),
    SCRIPT(a_stream_gives_its_descriptor_up_in_its_own_callback, ANY),
    SCRIPT(a_stream_with_something_to_do_is_not_given_up, ANY),
    SCRIPT(a_stream_that_connects_is_not_given_up, LISTENING),
    SCRIPT(a_stream_moves_to_another_loop, ANY),
    SCRIPT(a_descriptor_belongs_to_one_stream, ANY),
    SCRIPT(no_stream_is_made_of_what_is_none, TCP4),
    SCRIPT(a_regular_file_is_read_to_its_end, PIPE),
    SCRIPT(a_regular_file_is_read_from_where_it_stands, PIPE),
    SCRIPT(a_regular_file_is_read_into_memory_and_stopped, PIPE),
    SCRIPT(a_regular_file_is_written, PIPE),
    SCRIPT(a_reading_of_a_regular_file_does_not_starve_the_others, PAIR),
    SCRIPT(a_shared_pipe_gets_its_state_back, PIPE),
    SCRIPT(a_pair_serves_a_child, PAIR),
    {NULL, NULL, 0},
};
