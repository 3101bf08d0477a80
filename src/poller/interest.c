/*
 * interest.c: who wants to know what about which descriptor; shared by the backends that have one
 * registration a descriptor.
 *
 * The kernel knows one set of events for each descriptor, the union of its watches'. `registered`
 * is what it was told last; a descriptor whose union may differ from that is in `changed`. Loop's
 * thread only.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "evloop/error.h"
#include "poller/poller.h"
#include "util/memory.h"

#define watch_of(link) list_entry(link, evloop_watch, same_fd_)

void interest_init(struct interest *interest)
{
    memset(interest, 0, sizeof *interest);
    list_init(&interest->changed);
    list_init(&interest->ready);
}

void interest_free(struct poller *poller)
{
    struct interest *interest = &poller->interest;
    for (size_t i = 0; i < interest->page_count; i++)
        memory_free(poller->allocator, interest->pages[i]);
    memory_free(poller->allocator, interest->pages);
    interest->pages = NULL;
    interest->page_count = 0;
}

static struct descriptor *find(const struct interest *interest, int fd)
{
    size_t page = (size_t)fd / DESCRIPTORS_A_PAGE;
    if (page >= interest->page_count || !interest->pages[page])
        return NULL;
    return &interest->pages[page]->of[(size_t)fd % DESCRIPTORS_A_PAGE];
}

static int grow(struct poller *poller, size_t wanted)
{
    struct interest *interest = &poller->interest;
    size_t count = interest->page_count ? interest->page_count : 1;
    while (count < wanted)
        count *= 2;
    struct descriptor_page **pages = (struct descriptor_page **)poller->allocator->resize(
        poller->allocator->context, interest->pages, count * sizeof *pages);
    if (!pages)
        return -ENOMEM;
    memset(pages + interest->page_count, 0, (count - interest->page_count) * sizeof *pages);
    interest->pages = pages;
    interest->page_count = count;
    return 0;
}

static int make_page(struct poller *poller, size_t index)
{
    struct interest *interest = &poller->interest;
    if (index >= interest->page_count && grow(poller, index + 1) != 0)
        return -ENOMEM;
    struct descriptor_page *page =
        (struct descriptor_page *)memory_zalloc(poller->allocator, sizeof *page);
    if (!page)
        return -ENOMEM;
    for (size_t i = 0; i < DESCRIPTORS_A_PAGE; i++)
        list_init(&page->of[i].watches);
    interest->pages[index] = page;
    return 0;
}

/* A number that is no descriptor gets no memory, however large it is. */
static int find_or_make(struct poller *poller, int fd, struct descriptor **found)
{
    struct interest *interest = &poller->interest;
    *found = find(interest, fd);
    if (*found)
        return 0;
    if (fcntl(fd, F_GETFD) < 0)
        return -errno;
    int err = make_page(poller, (size_t)fd / DESCRIPTORS_A_PAGE);
    *found = err ? NULL : find(interest, fd);
    return err;
}

int interest_attach(struct poller *poller, struct evloop_endpoint *endpoint)
{
    struct descriptor *descriptor = NULL;
    int err = poller_init(poller);
    if (!err)
        err = find_or_make(poller, endpoint->fd, &descriptor);
    if (err)
        return err;
    if (descriptor->endpoint || !list_empty(&descriptor->watches))
        return -EEXIST;
    descriptor->endpoint = endpoint;
    descriptor->generation++;
    poller->interest.watch_count++;
    return 0;
}

/* Removal is immediate: the descriptor may live on, elsewhere. */
void interest_detach(struct poller *poller, struct evloop_endpoint *endpoint)
{
    struct descriptor *descriptor = find(&poller->interest, endpoint->fd);
    interest_set(poller, endpoint, 0);
    descriptor->endpoint = NULL;
    descriptor->registered = 0;
    poller->interest.watch_count--;
}

int interest_set(struct poller *poller, struct evloop_endpoint *endpoint, unsigned events)
{
    struct descriptor *descriptor = find(&poller->interest, endpoint->fd);
    if (descriptor->registered == events)
        return 0;
    /* relaxed: who closes it destroys the loop, and that is this thread; as in poller_modify() */
    if (atomic_get(&poller->users, relaxed) & POLLER_CLOSED)
        return EVLOOP_ECLOSED;
    int err = poller->backend->change(poller, endpoint->fd, descriptor->generation,
                                      descriptor->registered, events);
    if (!err)
        descriptor->registered = events;
    return err;
}

static unsigned wanted_events(const struct descriptor *descriptor)
{
    unsigned events = 0;
    list_each(&descriptor->watches, link, following)
        events |= watch_of(link)->interest_;
    return events;
}

static void mark_changed(struct interest *interest, struct descriptor *descriptor)
{
    if (!list_linked(&descriptor->changed))
        list_append(&interest->changed, &descriptor->changed);
}

static void collect(struct interest *interest, evloop_watch *watch, unsigned events)
{
    watch->ready_ |= events;
    if (!list_linked(&watch->collected_))
        list_append(&interest->ready, &watch->collected_);
}

/*
 * Urgent data is asked for at once where the rest is not, since the kernel may have none of this
 * descriptor: that is for this caller alone to know. Other errors are met again, and told, later.
 */
static int ask_for_priority(struct poller *poller, int fd, struct descriptor *descriptor,
                            unsigned events)
{
    unsigned before = descriptor->registered;
    if (!poller->backend->change_later || !(events & EVLOOP_PRIORITY & ~before))
        return 0;
    int err = poller->backend->change(poller, fd, descriptor->generation, before,
                                      before | EVLOOP_PRIORITY);
    if (!err)
        descriptor->registered |= EVLOOP_PRIORITY;
    return err == -ENOTSUP ? err : 0;
}

/* The first time the kernel is asked at once. */
static int ask_first(struct poller *poller, struct descriptor *descriptor,
                     const evloop_watch *watch)
{
    unsigned wanted = wanted_events(descriptor) | watch->interest_;
    int err = poller->backend->change(poller, watch->fd_, descriptor->generation, 0, wanted);
    if (!err)
        descriptor->registered = wanted;
    return err;
}

int poller_add(struct poller *poller, evloop_watch *watch)
{
    struct descriptor *descriptor = NULL;
    int err = poller_init(poller);
    if (!err)
        err = find_or_make(poller, watch->fd_, &descriptor);
    if (!err && watch->interest_ & poller->backend->untold)
        err = -ENOTSUP;
    if (!err && descriptor->endpoint)
        err = -EEXIST;
    if (err)
        return err;
    if (list_empty(&descriptor->watches))
        descriptor->generation++;
    bool first = !descriptor->registered;
    err = first ? ask_first(poller, descriptor, watch)
                : ask_for_priority(poller, watch->fd_, descriptor, watch->interest_);
    if (err)
        return err;
    if (!first)
        mark_changed(&poller->interest, descriptor);
    watch->ready_ = 0;
    watch->collected_.next = NULL;
    list_append(&descriptor->watches, &watch->same_fd_);
    poller->interest.watch_count++;
    return 0;
}

int poller_modify(struct poller *poller, evloop_watch *watch, unsigned events)
{
    if (atomic_get(&poller->users, relaxed) & POLLER_CLOSED)
        return EVLOOP_ECLOSED;
    if (events & poller->backend->untold)
        return -ENOTSUP;
    struct descriptor *descriptor = find(&poller->interest, watch->fd_);
    int err = ask_for_priority(poller, watch->fd_, descriptor, events);
    if (err)
        return err;
    watch->interest_ = events;
    mark_changed(&poller->interest, descriptor);
    return 0;
}

int poller_remove(struct poller *poller, evloop_watch *watch)
{
    struct descriptor *descriptor = find(&poller->interest, watch->fd_);
    list_remove(&watch->same_fd_);
    if (list_linked(&watch->collected_))
        list_remove(&watch->collected_);
    poller->interest.watch_count--;
    if (atomic_get(&poller->users, relaxed) & POLLER_CLOSED)
        return EVLOOP_ECLOSED;
    if (!list_empty(&descriptor->watches)) {
        mark_changed(&poller->interest, descriptor);
        return 0;
    }
    if (list_linked(&descriptor->changed))
        list_remove(&descriptor->changed);
    if (descriptor->registered) /* fails if it was closed first: there is nothing to remove then */
        poller->backend->change(poller, watch->fd_, descriptor->generation, descriptor->registered,
                                0);
    descriptor->registered = 0;
    return 0;
}

static int descriptor_number(const struct descriptor *descriptor)
{
    return watch_of(descriptor->watches.next)->fd_;
}

/* The kernel does not take the descriptor any more: its watches are told, once. */
static void report_lost(struct interest *interest, struct descriptor *descriptor)
{
    descriptor->registered = 0;
    list_each(&descriptor->watches, link, following)
        collect(interest, watch_of(link), EVLOOP_ERROR);
}

static bool passes(int err)
{
    return err == -ENOMEM || err == -ENOSPC || err == -EINTR;
}

/* 0; or an error that may pass, and that leaves the descriptor in `changed`. */
static int refused(struct interest *interest, struct descriptor *descriptor, int err)
{
    if (passes(err)) {
        mark_changed(interest, descriptor);
        return err;
    }
    report_lost(interest, descriptor);
    return 0;
}

int interest_refused(struct poller *poller, int fd, uint32_t generation, int err)
{
    struct descriptor *descriptor = find(&poller->interest, fd);
    if (!descriptor || descriptor->generation != generation || list_empty(&descriptor->watches))
        return 0;
    descriptor->registered = 0;
    return refused(&poller->interest, descriptor, err);
}

static int apply_now(struct poller *poller, struct descriptor *descriptor)
{
    unsigned wanted = wanted_events(descriptor);
    if (wanted == descriptor->registered)
        return 0;
    int err = poller->backend->change(poller, descriptor_number(descriptor), descriptor->generation,
                                      descriptor->registered, wanted);
    if (err)
        return refused(&poller->interest, descriptor, err);
    descriptor->registered = wanted;
    return 0;
}

/* An error is none of this change's, which has not been made yet. */
static int apply_later(struct poller *poller, struct descriptor *descriptor)
{
    unsigned wanted = wanted_events(descriptor);
    if (wanted == descriptor->registered)
        return 0;
    int err = poller->backend->change_later(poller, descriptor_number(descriptor),
                                            descriptor->generation, descriptor->registered, wanted);
    if (err)
        mark_changed(&poller->interest, descriptor);
    else
        descriptor->registered = wanted;
    return err;
}

/* All that can be applied is; the first error that may pass is returned. */
static int apply_all(struct poller *poller,
                     int (*apply)(struct poller *poller, struct descriptor *descriptor))
{
    list_link changed;
    list_link *link;
    int first_err = 0;
    list_init(&changed);
    list_prepend_all(&changed, &poller->interest.changed);
    while ((link = list_pop(&changed))) {
        int err = apply(poller, list_entry(link, struct descriptor, changed));
        first_err = first_err ? first_err : err;
    }
    return first_err;
}

int interest_apply(struct poller *poller)
{
    return apply_all(poller, poller->backend->change_later ? apply_later : apply_now);
}

bool poller_changed(const struct poller *poller)
{
    if (poller->backend->silent && poller_is(poller, POLLER_FD_LENT) &&
        poller->backend->silent(poller))
        return true;
    return poller->reopen_wanted || !list_empty(&poller->interest.changed) ||
           !list_empty(&poller->interest.ready) || poller_ready(poller);
}

/* In a fork's child: the thread that was at work on these lists is not there to finish it. */
void interest_after_fork(struct poller *poller)
{
    struct interest *interest = &poller->interest;
    list_init(&interest->changed);
    list_init(&interest->ready);
    for (evloop_watch *watch = poller_next_watch(poller, NULL); watch;
         watch = poller_next_watch(poller, watch)) {
        find(interest, watch->fd_)->changed.next = NULL;
        watch->collected_.next = NULL;
        watch->ready_ = 0;
    }
}

/* The endpoints of one page; the first error. */
static int register_endpoints(struct poller *poller, struct descriptor_page *page)
{
    int first_err = 0;
    for (size_t i = 0; page && i < DESCRIPTORS_A_PAGE; i++) {
        struct descriptor *descriptor = &page->of[i];
        unsigned events = descriptor->registered;
        if (!descriptor->endpoint || !events)
            continue;
        descriptor->registered = 0;
        int err = interest_set(poller, descriptor->endpoint, events);
        if (err) /* so that the next attempt asks for it again */
            descriptor->registered = events;
        first_err = first_err ? first_err : err;
    }
    return first_err;
}

int interest_register_again(struct poller *poller)
{
    int first_err = 0;
    for (size_t i = 0; i < poller->interest.page_count; i++) {
        int err = register_endpoints(poller, poller->interest.pages[i]);
        first_err = first_err ? first_err : err;
    }
    if (first_err)
        return first_err;
    for (evloop_watch *watch = poller_next_watch(poller, NULL); watch;
         watch = poller_next_watch(poller, watch)) {
        struct descriptor *descriptor = find(&poller->interest, watch->fd_);
        descriptor->registered = 0;
        mark_changed(&poller->interest, descriptor);
    }
    return apply_all(poller, apply_now);
}

/* A descriptor that failed or hung up tells it to whoever asked for anything. */
static unsigned told_events(unsigned asked, unsigned events)
{
    if (!(events & EVLOOP_ERROR))
        return asked & events;
    unsigned told = asked & (events | EVLOOP_READABLE | EVLOOP_WRITABLE | EVLOOP_DISCONNECT);
    return told ? told : asked;
}

/* An event of an endpoint, if there is one. */
static void collect_endpoint(struct poller *poller, const struct descriptor *descriptor,
                             unsigned events)
{
    if (descriptor->endpoint)
        ready_collect(poller, descriptor->endpoint, events);
    else
        poller->reopen_wanted = true; /* a dead registration would keep the loop spinning */
}

void interest_collect(struct poller *poller, int fd, uint32_t generation, unsigned events)
{
    struct interest *interest = &poller->interest;
    struct descriptor *descriptor = find(interest, fd);
    if (!descriptor || descriptor->generation != generation) {
        poller->reopen_wanted = true; /* as above */
        return;
    }
    if (list_empty(&descriptor->watches)) {
        collect_endpoint(poller, descriptor, events);
        return;
    }
    list_each(&descriptor->watches, link, following) {
        evloop_watch *watch = watch_of(link);
        unsigned told = told_events(watch->interest_, events);
        if (told)
            collect(interest, watch, told);
    }
}

unsigned interest_registered(const struct poller *poller, int fd)
{
    return find(&poller->interest, fd)->registered;
}

evloop_watch *poller_next_ready(struct poller *poller, unsigned *events)
{
    list_link *link;
    while ((link = list_pop(&poller->interest.ready))) {
        evloop_watch *watch = list_entry(link, evloop_watch, collected_);
        *events = watch->ready_ & (watch->interest_ | EVLOOP_ERROR);
        watch->ready_ = 0;
        if (*events)
            return watch;
    }
    return NULL;
}

size_t poller_watch_count(const struct poller *poller)
{
    return poller->interest.watch_count;
}

static evloop_watch *first_watch(const struct descriptor_page *page, size_t place)
{
    for (; page && place < DESCRIPTORS_A_PAGE; place++)
        if (!list_empty(&page->of[place].watches))
            return watch_of(page->of[place].watches.next);
    return NULL;
}

evloop_watch *poller_next_watch(const struct poller *poller, const evloop_watch *after)
{
    const struct interest *interest = &poller->interest;
    size_t fd = 0;
    if (after) {
        const struct descriptor *descriptor = find(interest, after->fd_);
        if (after->same_fd_.next != &descriptor->watches)
            return watch_of(after->same_fd_.next);
        fd = (size_t)after->fd_ + 1;
    }
    evloop_watch *watch = NULL;
    size_t place = fd % DESCRIPTORS_A_PAGE;
    for (size_t i = fd / DESCRIPTORS_A_PAGE; !watch && i < interest->page_count; i++) {
        watch = first_watch(interest->pages[i], place);
        place = 0;
    }
    return watch;
}
