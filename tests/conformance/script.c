/*
 * script.c: scenes, their notes, and those who play in them.
 */
#include "script.h"

#include <sys/socket.h>

/* Long beyond need: it ends a test that would hang, with the notes so far. */
#define PATIENCE EVLOOP_SEC(20)
#define QUIET_TURNS 5

/* ---- notes ----------------------------------------------------------------------------------- */

static struct note *note_new(struct scene *scene, const char *who, enum event event)
{
    assert_true(scene->note_count < NOTES);
    struct note *made = &scene->notes[scene->note_count++];
    memset(made, 0, sizeof *made);
    made->who = who;
    made->event = event;
    return made;
}

void note(struct scene *scene, const char *who, enum event event, const char *format, ...)
{
    struct note *made = note_new(scene, who, event);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(made->text, sizeof made->text, format, arguments);
    va_end(arguments);
}

static bool is_text(const char *data, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (data[i] < ' ' || data[i] > '~')
            return false;
    return true;
}

/* The read that bytes of this actor go on with: only news of the other direction came after it. */
static struct note *last_read_of(struct scene *scene, const char *who)
{
    for (unsigned i = scene->note_count; i-- > 0;) {
        struct note *noted = &scene->notes[i];
        if (strcmp(noted->who, who) != 0)
            continue;
        if (noted->event == READ || noted->event == CONNECT || noted->event == CLOSED)
            return noted->bytes ? noted : NULL;
    }
    return NULL;
}

static void note_bytes(struct actor *actor, const void *data, size_t size)
{
    struct note *made = last_read_of(actor->scene, actor->name);
    if (!made || actor->whole) {
        made = note_new(actor->scene, actor->name, READ);
        made->bytes = made->in_place = true;
    }
    size_t room = made->size < HEAD_SIZE ? HEAD_SIZE - made->size : 0;
    memcpy(made->text + (HEAD_SIZE - room), data, size < room ? size : room);
    made->in_place = made->in_place && pattern_matches(data, size, actor->heard);
    made->size += size;
    actor->heard += size;
}

static void note_format(const struct note *noted, char *text, size_t size)
{
    if (!noted->bytes)
        snprintf(text, size, "%s", noted->text);
    else if (noted->in_place)
        snprintf(text, size, "read %zu bytes", noted->size);
    else if (noted->size <= HEAD_SIZE && is_text(noted->text, noted->size))
        snprintf(text, size, "read %.*s", (int)noted->size, noted->text);
    else
        snprintf(text, size, "read %zu bytes, not those that were sent", noted->size);
}

static bool is_of(const struct note *noted, const char *who)
{
    return !who || strcmp(noted->who, who) == 0;
}

/* What was noted, as text; `certain` of it will not change: a last read may grow. */
static const char *notes_text(struct scene *scene, const char *who, size_t *certain)
{
    static char text[NOTES * NOTE_SIZE];
    size_t length = 0;
    bool may_grow = false;
    text[0] = '\0';
    *certain = 0;
    for (unsigned i = 0; i < scene->note_count; i++) {
        const struct note *noted = &scene->notes[i];
        char piece[NOTE_SIZE];
        if (!is_of(noted, who))
            continue;
        note_format(noted, piece, sizeof piece);
        length +=
            (size_t)snprintf(text + length, sizeof text - length, "%s%s%s%s", length ? "; " : "",
                             who ? "" : noted->who, who ? "" : " ", piece);
        check(length < sizeof text);
        may_grow = may_grow || (noted->bytes && last_read_of(scene, noted->who) == noted);
        if (!may_grow)
            *certain = length;
    }
    return text;
}

static void notes_take(struct scene *scene, const char *who)
{
    unsigned kept = 0;
    for (unsigned i = 0; i < scene->note_count; i++)
        if (!is_of(&scene->notes[i], who))
            scene->notes[kept++] = scene->notes[i];
    scene->note_count = kept;
}

void notes_forget(struct scene *scene)
{
    scene->note_count = 0;
}

/* ---- waiting --------------------------------------------------------------------------------- */

static void on_impatience(evloop_timer *timer)
{
    evloop_container_of(timer, struct scene, patience)->in_vain = true;
}

static void patience_renew(struct scene *scene)
{
    int err = evloop_timer_again(&scene->patience, PATIENCE);
    assert_true(err == 0 || err == EVLOOP_ECLOSED); /* a shutdown has a limit of its own */
    scene->in_vain = false;
}

void scene_turn(struct scene *scene)
{
    assert_int_equal(evloop_run(scene->loop, EVLOOP_RUN_NOWAIT), 0);
}

void scene_wait(struct scene *scene)
{
    assert_int_equal(evloop_run(scene->loop, EVLOOP_RUN_ONCE), 0);
}

/* Whether something may still come. */
static bool may_come(struct scene *scene)
{
    return !scene->in_vain && evloop_get_state(scene->loop) != EVLOOP_STATE_CLOSED &&
           evloop_alive(scene->loop);
}

void scene_wait_for(struct scene *scene, const char *what)
{
    size_t certain;
    if (!may_come(scene))
        fail_msg("waited in vain for %s; notes: %s", what, notes_text(scene, NULL, &certain));
    scene_wait(scene);
}

/* Whether the notes are, or may still become, what is wanted. */
static bool notes_promise(struct scene *scene, const char *who, const char *wanted, bool *complete)
{
    size_t certain;
    const char *text = notes_text(scene, who, &certain);
    *complete = strcmp(text, wanted) == 0;
    return strncmp(text, wanted, certain) == 0;
}

void expect(struct scene *scene, const char *who, const char *format, ...)
{
    char wanted[2000];
    bool complete;
    size_t certain;
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(wanted, sizeof wanted, format, arguments);
    va_end(arguments);
    assert_true(length >= 0 && (size_t)length < sizeof wanted);
    patience_renew(scene);
    while (notes_promise(scene, who, wanted, &complete) && !complete && may_come(scene))
        scene_wait(scene);
    assert_string_equal(notes_text(scene, who, &certain), wanted);
    notes_take(scene, who);
}

static int compare_pieces(const void *one, const void *other)
{
    return strcmp(*(char *const *)one, *(char *const *)other);
}

/* "b; a" becomes "a; b". */
static void sort_pieces(char *text, size_t size)
{
    char copy[2000], *pieces[64], *rest = copy;
    size_t count = 0, length = 0;
    snprintf(copy, sizeof copy, "%s", text);
    while (rest && *rest) {
        char *comma = strstr(rest, "; ");
        assert_true(count < 64);
        pieces[count++] = rest;
        rest = comma ? comma + 2 : NULL;
        if (comma)
            *comma = '\0';
    }
    qsort(pieces, count, sizeof *pieces, compare_pieces);
    text[0] = '\0';
    for (size_t i = 0; i < count; i++)
        length += (size_t)snprintf(text + length, size - length, i ? "; %s" : "%s", pieces[i]);
}

void expect_all_of(struct scene *scene, const char *who, const char *notes)
{
    char wanted[2000], have[2000];
    size_t certain;
    snprintf(wanted, sizeof wanted, "%s", notes);
    sort_pieces(wanted, sizeof wanted);
    patience_renew(scene);
    for (;;) {
        snprintf(have, sizeof have, "%s", notes_text(scene, who, &certain));
        sort_pieces(have, sizeof have);
        if (strcmp(have, wanted) == 0 || !may_come(scene))
            break;
        scene_wait(scene);
    }
    assert_string_equal(have, wanted);
    notes_take(scene, who);
}

void expect_nothing(struct scene *scene)
{
    size_t certain;
    for (int i = 0; i < QUIET_TURNS; i++)
        scene_turn(scene);
    assert_string_equal(notes_text(scene, NULL, &certain), "");
}

/* ---- the callbacks --------------------------------------------------------------------------- */

static const char *status_text(int status)
{
    return status ? evloop_err_name(status) : "0";
}

static void then(struct actor *actor, enum event event)
{
    actor->events[event]++;
    if (actor->then)
        actor->then(actor, event);
}

void on_connect(evloop_stream *stream, int status)
{
    struct actor *actor = stream->data;
    note(actor->scene, actor->name, CONNECT, "connect %s", status_text(status));
    then(actor, CONNECT);
}

void on_read(evloop_stream *stream, ssize_t n, const void *data)
{
    struct actor *actor = stream->data;
    assert_int_not_equal(n, 0);
    actor->last = n;
    actor->lent = data;
    if (n > 0) {
        if (actor->reads_into) {
            assert_ptr_equal(data, actor->memory);
            assert_int_equal(evloop_stream_read_count(stream), n);
        }
        if (actor->strict)
            assert_true(pattern_matches(data, (size_t)n, actor->heard));
        actor->reads++;
        note_bytes(actor, data, (size_t)n);
    } else {
        assert_null(data);
        assert_false(evloop_stream_reading(stream));
        if (n == EVLOOP_EOF)
            note(actor->scene, actor->name, READ, "eof");
        else
            note(actor->scene, actor->name, READ, "read %s", evloop_err_name((int)n));
    }
    then(actor, READ);
}

void on_write(evloop_write *write, int status)
{
    struct request *request = evloop_container_of(write, struct request, write);
    struct actor *actor = request->actor;
    assert_false(request->done);
    request->done = true;
    note(actor->scene, actor->name, WRITE, "write %zu %s", write->written, status_text(status));
    then(actor, WRITE);
}

void on_shutdown(evloop_stream *stream, int status)
{
    struct actor *actor = stream->data;
    note(actor->scene, actor->name, SHUTDOWN, "shutdown %s", status_text(status));
    then(actor, SHUTDOWN);
}

void on_watermark(evloop_stream *stream, bool full)
{
    struct actor *actor = stream->data;
    note(actor->scene, actor->name, full ? FULL : DRAINED, full ? "full" : "drained");
    then(actor, full ? FULL : DRAINED);
}

void on_closed(evloop_stream *stream)
{
    struct actor *actor = stream->data;
    assert_false(evloop_stream_active(stream));
    actor->error = evloop_stream_error(stream);
    note(actor->scene, actor->name, CLOSED, "closed");
    actor_init(actor, actor->scene, actor->name);
    then(actor, CLOSED);
}

void on_connection(evloop_listener *listener)
{
    struct door *door = listener->data;
    if (door->instead) {
        door->instead(door);
        return;
    }
    struct actor *actor = door->next;
    if (!actor) {
        note(door->scene, door->name, ACCEPT, "nobody");
        return;
    }
    int err = evloop_accept(listener, &actor->stream);
    actor->door = door;
    door->next = NULL;
    note(door->scene, door->name, ACCEPT, "accept %s", status_text(err));
    if (door->then)
        door->then(door, ACCEPT);
}

void on_door_closed(evloop_listener *listener)
{
    struct door *door = listener->data;
    assert_false(evloop_listener_active(listener));
    note(door->scene, door->name, CLOSED, "closed");
    door_init(door, door->scene, door->name);
    if (door->then)
        door->then(door, CLOSED);
}

/* ---- who plays ------------------------------------------------------------------------------- */

/* What belongs to the stream; what the actor has counted stays. */
void actor_init(struct actor *actor, struct scene *scene, const char *name)
{
    memset(&actor->stream, 0, sizeof actor->stream);
    actor->stream.data = actor;
    actor->stream.name = name;
    actor->scene = scene;
    actor->name = name;
}

void door_init(struct door *door, struct scene *scene, const char *name)
{
    memset(&door->listener, 0, sizeof door->listener);
    door->listener.data = door;
    door->listener.name = name;
    door->scene = scene;
    door->name = name;
}

bool both_ways(const struct scene *scene)
{
    return scene->over != PIPE;
}

static bool is_message(const struct scene *scene)
{
    return scene->over == SEQPACKET;
}

static void door_place(const struct scene *scene, char *text, size_t size)
{
    if (scene->over == TCP4)
        snprintf(text, size, "127.0.0.1:0");
    else if (scene->over == TCP6)
        snprintf(text, size, "[::1]:0");
    else
        snprintf(text, size, "%s/door", scene->place);
}

void door_open(struct door *door, const evloop_listen_options *options)
{
    struct scene *scene = door->scene;
    evloop_listen_options all = options ? *options : evloop_listen_options_default();
    evloop_address address;
    char text[EVLOOP_ADDRESS_TEXT];
    all.seqpacket = is_message(scene);
    door_place(scene, text, sizeof text);
    assert_int_equal(evloop_address_parse(&address, text), 0);
    assert_int_equal(evloop_listen(scene->loop, &door->listener, &address, &all, on_connection), 0);
    assert_true(evloop_listener_active(&door->listener));
    assert_int_equal(evloop_listener_local(&door->listener, &scene->where), 0);
}

void dial(struct actor *actor, const evloop_connect_options *options)
{
    struct scene *scene = actor->scene;
    evloop_connect_options all = options ? *options : evloop_connect_options_default();
    unsigned notes = scene->note_count;
    all.seqpacket = is_message(scene);
    assert_int_equal(evloop_connect(scene->loop, &actor->stream, &scene->where, &all, on_connect),
                     0);
    assert_int_equal(scene->note_count, notes);
}

static void meet_through_a_door(struct actor *a, struct actor *b)
{
    struct scene *scene = a->scene;
    struct door *door = &scene->door;
    if (!evloop_listener_active(&door->listener))
        door_open(door, NULL);
    door->next = b;
    dial(a, NULL);
    expect(scene, a->name, "connect 0");
    expect(scene, door->name, "accept 0");
}

void meet_as(struct actor *a, struct actor *b)
{
    struct scene *scene = a->scene;
    int fds[2];
    switch (scene->over) {
    case PIPE:
        assert_int_equal(pipe(fds), 0);
        assert_int_equal(evloop_stream_open(scene->loop, &b->stream, fds[0]), 0);
        assert_int_equal(evloop_stream_open(scene->loop, &a->stream, fds[1]), 0);
        break;
    case PAIR:
        assert_int_equal(evloop_stream_pair(scene->loop, &a->stream, &fds[1]), 0);
        assert_int_equal(evloop_stream_open(scene->loop, &b->stream, fds[1]), 0);
        break;
    default:
        meet_through_a_door(a, b);
    }
}

void meet(struct scene *scene)
{
    meet_as(&scene->a, &scene->b);
}

int meet_by_hand(struct actor *actor)
{
    struct scene *scene = actor->scene;
    int fds[2];
    if (scene->over == PIPE)
        assert_int_equal(pipe(fds), 0);
    else
        net_pair(scene->over == TCP4 ? AF_INET : scene->over == TCP6 ? AF_INET6 : AF_UNIX, fds);
    bool writes = scene->over == PIPE && actor == &scene->a;
    assert_int_equal(evloop_stream_open(scene->loop, &actor->stream, fds[writes]), 0);
    return fds[!writes];
}

void meet_narrowly(struct scene *scene)
{
    meet(scene);
    if (scene->over == PIPE)
        return;
    net_narrow(evloop_stream_fd(&scene->a.stream));
    net_narrow(evloop_stream_fd(&scene->b.stream));
}

/* ---- what they do ---------------------------------------------------------------------------- */

void hear(struct actor *actor)
{
    actor->reads_into = false;
    assert_int_equal(evloop_stream_read_start(&actor->stream, on_read), 0);
    assert_true(evloop_stream_reading(&actor->stream));
}

void hear_into(struct actor *actor, size_t size, size_t least)
{
    assert_true(size <= sizeof actor->memory);
    actor->reads_into = true;
    memset(actor->memory, 0xa5, sizeof actor->memory);
    assert_int_equal(evloop_stream_read_into(&actor->stream, actor->memory, size, least, on_read),
                     0);
}

void hush(struct actor *actor)
{
    assert_int_equal(evloop_stream_read_stop(&actor->stream), 0);
    assert_false(evloop_stream_reading(&actor->stream));
}

void say(struct actor *actor, const char *text)
{
    size_t size = strlen(text);
    assert_int_equal(evloop_stream_send(&actor->stream, text, size), 0);
    actor->sent += size;
}

static void write_start(struct actor *actor, struct request *request, unsigned pieces, size_t size)
{
    unsigned notes = actor->scene->note_count;
    request->actor = actor;
    request->done = false;
    assert_int_equal(
        evloop_stream_write(&actor->stream, &request->write, request->iov, pieces, on_write), 0);
    assert_int_equal(actor->scene->note_count, notes);
    actor->sent += size;
}

void put(struct actor *actor, struct request *request, size_t size)
{
    memset(request, 0, sizeof *request);
    write_start(actor, request, pattern_pieces(request->iov, 64, actor->sent, size), size);
}

void put_text(struct actor *actor, struct request *request, const char *text)
{
    memset(request, 0, sizeof *request);
    request->iov[0].iov_base = (void *)(uintptr_t)text;
    request->iov[0].iov_len = strlen(text);
    write_start(actor, request, 1, request->iov[0].iov_len);
}

void end(struct actor *actor)
{
    assert_int_equal(evloop_stream_shutdown(&actor->stream, on_shutdown), 0);
}

void leave(struct actor *actor)
{
    assert_int_equal(evloop_stream_close(&actor->stream, on_closed), 0);
}

void door_close(struct door *door)
{
    assert_int_equal(evloop_listener_close(&door->listener, on_door_closed), 0);
}

/* ---- the scene ------------------------------------------------------------------------------- */

static void scene_begin(struct scene *scene, enum transport over)
{
    memset(scene, 0, sizeof *scene);
    scene->over = over;
    if (over & (UNIX | SEQPACKET | UDGRAM))
        place_make(scene->place);
    scene->loop = loop_new();
    actor_init(&scene->a, scene, "a");
    actor_init(&scene->b, scene, "b");
    scene->a.whole = scene->b.whole = over == SEQPACKET;
    door_init(&scene->door, scene, "door");
    assert_int_equal(evloop_timer_start(scene->loop, &scene->patience, PATIENCE, 0, on_impatience),
                     0);
    assert_int_equal(evloop_timer_unref(&scene->patience), 0);
}

static void leave_if_there(struct actor *actor)
{
    actor->then = NULL;
    if (evloop_stream_active(&actor->stream))
        assert_int_equal(evloop_stream_close(&actor->stream, NULL), 0);
}

/* Whatever is still there goes, without being noted. */
static void scene_end(struct scene *scene)
{
    expect(scene, NULL, "%s", "");
    if (scene->epilogue)
        scene->epilogue(scene);
    leave_if_there(&scene->a);
    leave_if_there(&scene->b);
    if (evloop_listener_active(&scene->door.listener))
        assert_int_equal(evloop_listener_close(&scene->door.listener, NULL), 0);
    if (evloop_get_state(scene->loop) != EVLOOP_STATE_CLOSED)
        loop_run(scene->loop);
    assert_int_equal(evloop_timer_stop(&scene->patience), 0);
    loop_end(scene->loop);
    if (scene->place[0])
        place_remove(scene->place);
}

static struct scene played;

void scene_play(const struct script *script, enum transport over)
{
    if (over & (TCP6 | UDP6) && !net_has_v6())
        skip();
    scene_begin(&played, over);
    script->play(&played);
    scene_end(&played);
    played.loop = NULL;
}

void scene_abandon(void)
{
    if (played.loop)
        evloop_destroy(played.loop, EVLOOP_DESTROY_FORCE);
    played.loop = NULL;
}
