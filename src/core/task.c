/*
 * task.c: tasks and microtasks, from the offer to the callback.
 *
 * A task's state word says QUEUED (OBJECT_ACTIVE) from the moment of the offer until its callback
 * begins; TAKEN once the loop's thread has moved it from the ingress queue to one of its own lists,
 * in the order of acceptance, where it can be unlinked. The owner's thread writes the word before
 * the push, the loop's thread after it.
 */
#include "core/loop.h"

enum { TASK_URGENT = OBJECT_BIT_2, TASK_TAKEN = OBJECT_BIT_3 };

/* Before the push: the word that says that the task is queued. */
void task_prepare(evloop *loop, evloop_task *task, uintptr_t flags)
{
    uintptr_t unref = atomic_get(&task->state_, relaxed) & OBJECT_UNREF;
    atomic_set(&task->state_, (uintptr_t)loop | unref | OBJECT_ACTIVE | flags, relaxed);
}

bool task_taken(const evloop_task *task)
{
    return atomic_get(&task->state_, relaxed) & TASK_TAKEN;
}

int task_offer(evloop *loop, evloop_task *task, evloop_task_fn fn, uintptr_t flags)
{
    uintptr_t before = atomic_get(&task->state_, acquire); /* partner: release_task() */
    if (before & OBJECT_ACTIVE)
        return -EBUSY;
    task->fn_ = fn;
    task_prepare(loop, task, flags);
    enum ingress_result result = ingress_push(&loop->ingress, &task->link_);
    if (result == INGRESS_REFUSED) {
        atomic_set(&task->state_, before, relaxed);
        state_leave_open(loop);
        return EVLOOP_ECLOSED;
    }
    if (result == INGRESS_ACCEPTED_WAKE)
        state_send_wake(loop);
    return 0;
}

static int submit(evloop *loop, evloop_task *task, evloop_task_fn fn, uintptr_t flags)
{
    if (!loop || !task || !fn)
        return -EINVAL;
    int err = loop_check_offer(loop);
    return err ? err : task_offer(loop, task, fn, flags);
}

int evloop_submit(evloop *loop, evloop_task *task, evloop_task_fn fn)
{
    return submit(loop, task, fn, 0);
}

int evloop_submit_urgent(evloop *loop, evloop_task *task, evloop_task_fn fn)
{
    return submit(loop, task, fn, TASK_URGENT);
}

/* Moves what the ingress holds to the loop's own lists, oldest first, behind what is there. */
void tasks_take(evloop *loop)
{
    list_link *end_of_urgent = loop->urgent.prev;
    list_link *end_of_tasks = loop->tasks.prev;
    list_link *link = ingress_take(&loop->ingress);
    uint64_t taken = 0;
    uint64_t unref = 0;
    for (; link; taken++) {
        evloop_task *task = list_entry(link, evloop_task, link_);
        uintptr_t state = atomic_get(&task->state_, relaxed);
        atomic_set(&task->state_, state | TASK_TAKEN, relaxed);
        unref += state & OBJECT_UNREF;
        link = link->next;
        list_insert_after(state & TASK_URGENT ? end_of_urgent : end_of_tasks, &task->link_);
    }
    loop->task_refs += taken - unref / OBJECT_UNREF;
    loop->count.tasks_accepted += taken;
}

/* Out of its list; it is its owner's from here on. */
static void release_task(evloop *loop, evloop_task *task)
{
    uintptr_t state = atomic_get(&task->state_, relaxed);
    loop->task_refs -= !(state & OBJECT_UNREF);
    /* release: this thread is done with the task; partner: task_offer() */
    atomic_set(&task->state_, state & ~(uintptr_t)(OBJECT_FLAGS & ~OBJECT_UNREF), release);
}

/* Takes back one that was taken. */
void task_withdraw(evloop *loop, evloop_task *task)
{
    list_remove(&task->link_);
    release_task(loop, task);
    loop->count.tasks_cancelled++;
}

/* For the loop's thread: accepts a task that no push could bring. */
void task_enqueue(evloop *loop, evloop_task *task)
{
    task_prepare(loop, task, TASK_TAKEN);
    list_append(&loop->tasks, &task->link_);
    loop->task_refs++;
    loop->count.tasks_accepted++;
}

/*
 * Runs what a queue holds at this moment, and leaves in it what the budget does not reach; whether
 * there was any of that.
 */
static bool run_phase(evloop *loop, list_link *queue, list_link *phase, uint32_t budget)
{
    list_link *link;
    list_prepend_all(phase, queue);
    loop->executing = true;
    while (budget-- > 0 && (link = list_pop(phase))) {
        evloop_task *task = list_entry(link, evloop_task, link_);
        evloop_task_fn fn = task->fn_;
        release_task(loop, task);
        loop->count.tasks_run++;
        fn(task);
        loop_run_microtasks(loop);
    }
    loop->executing = false;
    bool left = !list_empty(phase);
    list_prepend_all(queue, phase);
    return left;
}

void tasks_run(evloop *loop)
{
    tasks_take(loop);
    run_phase(loop, &loop->urgent, &loop->urgent_phase, UINT32_MAX);
    if (run_phase(loop, &loop->tasks, &loop->task_phase, loop->task_budget))
        loop->count.task_overruns++;
    posts_publish(loop);
}

/* Part of the pre-sleep check. */
bool tasks_left(const evloop *loop)
{
    return !list_empty(&loop->urgent) || !list_empty(&loop->tasks) ||
           !list_empty(&loop->urgent_phase) || !list_empty(&loop->task_phase) ||
           !ingress_empty(&loop->ingress);
}

int evloop_task_cancel(evloop_task *task)
{
    if (!task)
        return -EINVAL;
    evloop *loop = evloop_task_loop(task);
    if (!evloop_task_active(task))
        return -ENOENT;
    int err = loop_check_thread(loop);
    if (err)
        return err;
    tasks_take(loop);
    if (!task_taken(task))
        return -ENOENT;
    task_withdraw(loop, task);
    return 0;
}

static int set_ref(evloop_task *task, bool ref)
{
    if (!task)
        return -EINVAL;
    uintptr_t state = atomic_get(&task->state_, relaxed);
    if (state & OBJECT_ACTIVE)
        return -EBUSY;
    atomic_set(&task->state_, ref ? state & ~(uintptr_t)OBJECT_UNREF : state | OBJECT_UNREF,
               relaxed);
    return 0;
}

int evloop_task_unref(evloop_task *task)
{
    return set_ref(task, false);
}

int evloop_task_ref(evloop_task *task)
{
    return set_ref(task, true);
}

bool evloop_task_active(const evloop_task *task)
{
    /* acquire: partner: release_task() */
    return task && (atomic_get(&task->state_, acquire) & OBJECT_ACTIVE);
}

evloop *evloop_task_loop(const evloop_task *task)
{
    return task ? object_loop(atomic_get(&task->state_, relaxed)) : NULL;
}

static void discard(evloop *loop, evloop_task *task)
{
    bool post = task_is_post(task);
    release_task(loop, task);
    if (post)
        post_discard(loop, task);
    else if (task->info && task->info->discard)
        task->info->discard(task);
}

void tasks_discard_all(evloop *loop)
{
    list_link *link;
    tasks_take(loop);
    while ((link = list_pop(&loop->urgent)) || (link = list_pop(&loop->tasks)))
        discard(loop, list_entry(link, evloop_task, link_));
}

static NOINLINE int offer_microtask(evloop *loop, evloop_fn fn, void *arg)
{
    int err = microtasks_push(&loop->microtasks, fn, arg);
    if (err == EVLOOP_ECLOSED)
        state_leave_open(loop);
    return err;
}

static NOINLINE int offer_microtask_and_wake(evloop *loop, evloop_fn fn, void *arg)
{
    state_visit(loop);
    int err = offer_microtask(loop, fn, arg);
    state_wake_and_leave(loop);
    return err;
}

int evloop_microtask(evloop *loop, evloop_fn fn, void *arg)
{
    if (!fn)
        return -EINVAL;
    int err = loop_check(loop);
    if (err)
        return err;
    if (!state_on_loop_thread(loop))
        return offer_microtask_and_wake(loop, fn, arg);
    if (microtasks_push_own(&loop->microtasks, fn, arg)) /* and it is awake */
        return 0;
    return offer_microtask(loop, fn, arg);
}
