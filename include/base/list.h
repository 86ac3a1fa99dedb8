/* list - intrusive circular doubly linked list. A node that is in no list points to itself.
 * One thread. */
#ifndef BASE_LIST_H
#define BASE_LIST_H
#include <assert.h>
#include <stdbool.h>
#include <stddef.h>

struct list {
	struct list *next, *prev;
};

#define list_entry(node, type, member) ((type *)(void *)((char *)(node)-offsetof(type, member)))
#define list_for(it, head) for (struct list *it = (head)->next; it != (head); it = it->next)
/* Safe against removal of it. */
#define list_for_safe(it, head) \
	for (struct list *it = (head)->next, *it##_next = it->next; it != (head); \
		it = it##_next, it##_next = it->next)

static inline void list_init(struct list *l)
{
	l->next = l->prev = l;
}
static inline bool list_empty(const struct list *l)
{
	return l->next == l;
}
static inline void list_add_between(struct list *n, struct list *prev, struct list *next)
{
	assert(n->next == n); /* in no list */
	n->prev = prev;
	n->next = next;
	prev->next = n;
	next->prev = n;
}
static inline void list_push(struct list *head, struct list *n)
{
	list_add_between(n, head, head->next);
}
static inline void list_append(struct list *head, struct list *n)
{
	list_add_between(n, head->prev, head);
}
static inline void list_del(struct list *n)
{
	n->prev->next = n->next;
	n->next->prev = n->prev;
	list_init(n);
}
static inline struct list *list_first(const struct list *head)
{
	return list_empty(head) ? NULL : head->next;
}
static inline struct list *list_last(const struct list *head)
{
	return list_empty(head) ? NULL : head->prev;
}
static inline struct list *list_pop(struct list *head)
{
	struct list *n = list_first(head);
	if (n)
		list_del(n);
	return n;
}
#endif
