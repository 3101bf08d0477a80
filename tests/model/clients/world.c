#include "world.h"

#include "util/memory.h"

struct kernel kernel;
evloop *loop;
struct poller *poller;
struct item items[ITEMS];

static struct poller lone_poller;
static unsigned ran; /* items, so far */

/* ---- the kernel ------------------------------------------------------------------------------ */

static int kernel_open(struct poller *opened)
{
    (void)opened;
    kernel.opens++;
    if (kernel.open_error)
        return kernel.open_error;
    kernel.open = true;
    return 0;
}

static void kernel_close(struct poller *closed)
{
    (void)closed;
    require(kernel.open);
    kernel.open = false;
    kernel.closes++;
}

static int kernel_reopen(struct poller *reopened)
{
    (void)reopened;
    return 0;
}

static int kernel_change(struct poller *changed, int fd, uint32_t generation, unsigned from,
                         unsigned to)
{
    (void)changed, (void)fd, (void)generation, (void)from, (void)to;
    return 0;
}

static int kernel_wait(struct poller *waiting, uint64_t timeout_ns)
{
    (void)waiting;
    require(kernel.open);
    if (timeout_ns)
        model_wait(&kernel.woken);
    else
        model_poll(&kernel.woken);
    return 0;
}

static void kernel_wake(struct poller *woken)
{
    (void)woken;
    require(kernel.open);
    model_wake(&kernel.woken);
}

static const struct poller_backend backend = {
    .name = "model",
    .open = kernel_open,
    .close = kernel_close,
    .reopen = kernel_reopen,
    .change = kernel_change,
    .wait = kernel_wait,
    .wake = kernel_wake,
};

const struct poller_backend *const *poller_backends(void)
{
    static const struct poller_backend *const backends[] = {&backend, NULL};
    return backends;
}

int poller_clock(uint64_t *now_ns)
{
    model_turn();
    *now_ns = EVLOOP_SEC(1000);
    return 0;
}

/* ---- the loop -------------------------------------------------------------------------------- */

static void begin(void)
{
    memset(&kernel, 0, sizeof kernel);
    memset(items, 0, sizeof items);
    ran = 0;
}

static void make_loop_with(evloop_options options)
{
    options.allocator = &model_allocator;
    options.backend = "model";
    options.microtask_capacity = 2;
    options.post_cache = 2;
    begin();
    require(evloop_create(&loop, &options) == 0);
    poller = &loop->poller;
}

void make_loop(void)
{
    make_loop_with(evloop_options_default());
}

void make_loop_alive_with_small_budgets(void)
{
    evloop_options options = evloop_options_default();
    options.task_budget = 1;
    options.microtask_budget = 1;
    make_loop_with(options);
    loop->refs++;
}

void make_loop_awake(void)
{
    make_loop();
    state_end_sleep(loop);
}

void make_loop_alive(void)
{
    make_loop();
    loop->refs++;
}

void make_poller(void)
{
    begin();
    poller = &lone_poller;
    require(poller_choose(poller, &model_allocator, "model") == 0);
}

void destroy_loop(void)
{
    ingress_announce_sleep(&loop->ingress);
    require(evloop_destroy(loop, EVLOOP_DESTROY_FORCE) == 0);
    require(!kernel.open && kernel.closes == 1);
    require(model_blocks() == 0);
}

void run_loop(void)
{
    require(evloop_run(loop, EVLOOP_RUN_DEFAULT) == 0);
}

void run_and_destroy_loop(void)
{
    run_loop();
    loop->refs = 0;
    require(evloop_destroy(loop, EVLOOP_DESTROY_FORCE) == 0);
    require(!kernel.open);
}

/* ---- items ----------------------------------------------------------------------------------- */

static void run_item(struct item *item)
{
    item->ran++;
    item->position = ran++;
    if (item->asks)
        require(evloop_on_loop_thread(loop));
    if (item->offers) {
        microtask((int)(item - items) + 1);
        microtask((int)(item - items) + 2);
    }
    if (item->stops || item->stops_as == ran)
        require(evloop_stop(loop) == 0);
}

static void run_task(evloop_task *task)
{
    struct item *item = (struct item *)task->data;
    if (item->frees)
        model_allocator.resize(NULL, task, 0);
    run_item(item);
}

static void run_function(void *arg)
{
    run_item((struct item *)arg);
}

static int note(int item, int err)
{
    require(err == 0 || err == EVLOOP_ECLOSED);
    items[item].offered = true;
    items[item].accepted = err == 0;
    return err;
}

static evloop_task *task_of(int item)
{
    evloop_task *task = &items[item].task;
    if (items[item].frees) {
        task = (evloop_task *)model_allocator.resize(NULL, NULL, sizeof *task);
        memset(task, 0, sizeof *task);
    }
    task->data = &items[item];
    return task;
}

int submit(int item)
{
    return note(item, evloop_submit(loop, task_of(item), run_task));
}

int submit_urgent(int item)
{
    return note(item, evloop_submit_urgent(loop, task_of(item), run_task));
}

int post(int item)
{
    return note(item, evloop_post(loop, run_function, &items[item]));
}

int microtask(int item)
{
    return note(item, evloop_microtask(loop, run_function, &items[item]));
}

void run_tasks(void)
{
    tasks_run(loop);
    loop_run_microtasks(loop);
}

void verify_none_left(void)
{
    for (int i = 0; i < ITEMS; i++)
        require(items[i].ran == items[i].accepted);
}

void verify_all_ran(void)
{
    run_tasks();
    verify_none_left();
}

void verify_order(int first, int second)
{
    if (items[first].accepted && items[second].accepted)
        require(items[first].position < items[second].position);
}

/* Whoever takes a sleep away sends one wake; sleeps are announced in the ingress word. */
void verify_wakes(void)
{
    uint64_t words[256];
    size_t count = model_history(&loop->ingress.head, words, 256);
    uint64_t announced = count > 0 && (words[0] & INGRESS_SLEEPING);
    require(count <= 256);
    for (size_t i = 1; i < count; i++)
        announced += (words[i] & INGRESS_SLEEPING) && !(words[i - 1] & INGRESS_SLEEPING);
    uint64_t sent = atomic_get(&loop->wakes_sent, relaxed);
    if (model_history(&loop->wakes_sent, words, 256) > 0)
        require(sent - words[0] <= announced); /* words[0]: in setup() */
    state_end_sleep(loop);
    require(sent == loop->wakes_owed);
}
