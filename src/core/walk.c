/*
 * walk.c: what is in the loop, for debugging and for saying why it cannot be destroyed.
 */
#include <stdio.h>
#include <string.h>

#include "core/handle.h"
#include "core/loop.h"

const char *evloop_type_name(evloop_type type)
{
    static const char *const names[] = {"task",  "notify", "timer",    "hook",
                                        "watch", "stream", "listener", "datagram socket"};
    return (unsigned)type < sizeof names / sizeof names[0] ? names[type] : "unknown";
}

struct walk {
    evloop_walk_fn fn;
    void *arg;
    int result;
};

/* Whether the walk goes on. */
static bool show(struct walk *walk, evloop_type type, const char *name, void *object, void *data,
                 uintptr_t state)
{
    evloop_object shown = {type, name ? name : "", object, data, !(state & OBJECT_UNREF)};
    walk->result = walk->fn(&shown, walk->arg);
    return walk->result == 0;
}

static bool show_tasks(list_link *tasks, struct walk *walk)
{
    list_each(tasks, link, following) {
        evloop_task *task = list_entry(link, evloop_task, link_);
        bool post = task_is_post(task);
        const char *name = post ? "post" : task->info ? task->info->name : NULL;
        if (task->fn_ == notify_run) /* shown as the notify object that it is part of */
            continue;
        if (!show(walk, EVLOOP_TYPE_TASK, name, post ? NULL : task, task->data,
                  atomic_get(&task->state_, relaxed)))
            return false;
    }
    return true;
}

static bool show_all_tasks(evloop *loop, struct walk *walk)
{
    tasks_take(loop);
    return show_tasks(&loop->urgent_phase, walk) && show_tasks(&loop->urgent, walk) &&
           show_tasks(&loop->task_phase, walk) && show_tasks(&loop->tasks, walk);
}

static bool show_notifies(evloop *loop, struct walk *walk)
{
    list_each(&loop->notifies, link, following) {
        evloop_notify *notify = list_entry(link, evloop_notify, link_);
        if (!show(walk, EVLOOP_TYPE_NOTIFY, notify->name, notify, notify->data,
                  atomic_get(&notify->state_, relaxed)))
            return false;
    }
    return true;
}

static bool show_timers(evloop *loop, struct walk *walk)
{
    evloop_timer *timer;
    size_t place = 0;
    while ((timer = timers_list(&loop->timers, &place))) {
        while (timer) {
            evloop_timer *next = timer->next_;
            if (!timer_hidden(timer) && !show(walk, EVLOOP_TYPE_TIMER, timer->name, timer,
                                              timer->data, object_get(&timer->state_)))
                return false;
            timer = next;
        }
    }
    return true;
}

static bool show_hooks(evloop *loop, list_link *hooks, struct walk *walk)
{
    list_each(hooks, link, following) {
        evloop_hook *hook = list_entry(link, evloop_hook, link_);
        if (hook_is_mark(loop, link))
            continue;
        if (!show(walk, EVLOOP_TYPE_HOOK, hook->name, hook, hook->data, object_get(&hook->state_)))
            return false;
    }
    return true;
}

static bool show_all_hooks(evloop *loop, struct walk *walk)
{
    for (int kind = 0; kind < HOOK_KINDS; kind++)
        if (!show_hooks(loop, &loop->hooks[kind], walk))
            return false;
    return true;
}

static bool show_watches(evloop *loop, struct walk *walk)
{
    evloop_watch *watch = poller_next_watch(&loop->poller, NULL);
    while (watch) {
        evloop_watch *next = poller_next_watch(&loop->poller, watch);
        if (!show(walk, EVLOOP_TYPE_WATCH, watch->name, watch, watch->data,
                  object_get(&watch->state_)))
            return false;
        watch = next;
    }
    return true;
}

/* What all of them begin with. */
struct object_head {
    void *data;
    const char *name;
};

static bool show_handles(evloop *loop, struct walk *walk)
{
    list_each(&loop->handles, link, following) {
        struct evloop_handle *handle = list_entry(link, struct evloop_handle, all);
        struct object_head *head = (struct object_head *)handle_object(handle);
        if (!show(walk, handle->kind->type, head->name, head, head->data,
                  object_get(&handle->state)))
            return false;
    }
    return true;
}

int evloop_walk(evloop *loop, evloop_walk_fn fn, void *arg)
{
    int err = loop_check_thread(loop);
    if (err)
        return err;
    if (!fn)
        return -EINVAL;
    struct walk walk = {fn, arg, 0};
    (void)(show_all_tasks(loop, &walk) && show_notifies(loop, &walk) && show_timers(loop, &walk) &&
           show_all_hooks(loop, &walk) && show_watches(loop, &walk) && show_handles(loop, &walk));
    return walk.result;
}

struct census {
    size_t count[EVLOOP_TYPE_DGRAM + 1];
    const char *name[EVLOOP_TYPE_DGRAM + 1]; /* the first that has one */
};

static int count_object(const evloop_object *object, void *arg)
{
    struct census *census = (struct census *)arg;
    census->count[object->type]++;
    if (!census->name[object->type] && *object->name)
        census->name[object->type] = object->name;
    return 0;
}

/* Appends what fits. */
static void append_count(char *text, size_t count, const char *kind, const char *name)
{
    size_t used = strlen(text);
    if (count == 0)
        return;
    snprintf(text + used, BUSY_REASON_SIZE - used, "%s%zu %s%s%s%s", used ? ", " : "", count, kind,
             name ? " (\"" : "", name ? name : "", name ? "\")" : "");
}

const char *evloop_busy_reason(evloop *loop)
{
    static const char *const one[] = {"task",  "notify object", "timer",    "hook",
                                      "watch", "stream",        "listener", "datagram socket"};
    static const char *const many[] = {"tasks",     "notify objects",  "timers",
                                       "hooks",     "watches",         "streams",
                                       "listeners", "datagram sockets"};
    struct census census = {{0}, {NULL}};
    if (loop_check_thread(loop) != 0)
        return "";
    char *text = loop->busy_reason;
    text[0] = '\0';
    evloop_walk(loop, count_object, &census);
    for (int type = 0; type <= EVLOOP_TYPE_DGRAM; type++) {
        size_t count = census.count[type];
        append_count(text, count, count == 1 ? one[type] : many[type], census.name[type]);
    }
    size_t count = microtasks_count(&loop->microtasks);
    append_count(text, count, count == 1 ? "microtask" : "microtasks", NULL);
    return text;
}
