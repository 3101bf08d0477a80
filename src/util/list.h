/*
 * list.h: doubly linked circular lists with a sentinel. A link that is in no list has next == NULL.
 */
#ifndef UTIL_LIST_H
#define UTIL_LIST_H

#include <assert.h>

#include "evloop/base.h"

typedef struct evloop_link list_link;

static inline void list_init(list_link *list)
{
    list->next = list;
    list->prev = list;
}

static inline bool list_empty(const list_link *list)
{
    return list->next == list;
}

static inline bool list_linked(const list_link *link)
{
    return link->next != NULL;
}

static inline void list_insert_after(list_link *place, list_link *link)
{
    link->next = place->next;
    link->prev = place;
    place->next->prev = link;
    place->next = link;
}

static inline void list_append(list_link *list, list_link *link)
{
    list_insert_after(list->prev, link);
}

static inline void list_remove(list_link *link)
{
    assert(list_linked(link));
    link->prev->next = link->next;
    link->next->prev = link->prev;
    link->next = NULL;
}

/* The first link, taken out of the list; NULL if the list is empty. */
static inline list_link *list_pop(list_link *list)
{
    list_link *first = list->next;
    if (first == list)
        return NULL;
    list_remove(first);
    return first;
}

/* Puts all of `from` in front of what `list` holds; `from` is empty then. */
static inline void list_prepend_all(list_link *list, list_link *from)
{
    if (list_empty(from))
        return;
    from->prev->next = list->next;
    list->next->prev = from->prev;
    list->next = from->next;
    from->next->prev = list;
    list_init(from);
}

#define list_entry(link, type, member) evloop_container_of(link, type, member)

/* The body may take the current link out of the list. */
#define list_each(list, link, following)                                                           \
    for (list_link *link = (list)->next, *following = link->next; link != (list);                  \
         link = following, following = link->next)

#endif
