/* list: order, removal while walking, and that a removed node is in no list. */
#include "base/list.h"

#include <criterion/criterion.h>
#include <signal.h>

struct item {
	int v;
	struct list node;
};

static int value(struct list *n)
{
	return list_entry(n, struct item, node)->v;
}

static void expect(struct list *h, const int *want, int n)
{
	int i = 0;
	for (struct list *it = h->next; it != h; it = it->next, i++) {
		cr_assert_lt(i, n);
		cr_assert_eq(value(it), want[i]);
		cr_assert_eq(it->next->prev, it);
		cr_assert_eq(it->prev->next, it);
	}
	cr_assert_eq(i, n);
}

static struct item item[6];
static struct list head;

static void setup(void)
{
	list_init(&head);
	for (int i = 0; i < 6; i++) {
		item[i].v = i;
		list_init(&item[i].node);
	}
}
TestSuite(list, .init = setup);

Test(list, empty)
{
	cr_assert(list_empty(&head));
	cr_assert_null(list_first(&head));
	cr_assert_null(list_last(&head));
	cr_assert_null(list_pop(&head));
	list_del(&item[0].node); /* in no list: harmless */
	cr_assert(list_empty(&item[0].node));
}

Test(list, order)
{
	list_append(&head, &item[1].node);
	list_append(&head, &item[2].node);
	list_push(&head, &item[0].node);
	expect(&head, (int[]){ 0, 1, 2 }, 3);
	cr_assert_eq(value(list_first(&head)), 0);
	cr_assert_eq(value(list_last(&head)), 2);
	cr_assert_eq(list_pop(&head), &item[0].node);
	cr_assert(list_empty(&item[0].node));
	list_del(&item[2].node);
	expect(&head, (int[]){ 1 }, 1);
	list_append(&head, &item[2].node); /* may come back */
	expect(&head, (int[]){ 1, 2 }, 2);
}

Test(list, removal_while_walking)
{
	for (int i = 0; i < 6; i++)
		list_append(&head, &item[i].node);
	list_for_safe(it, &head)
		if (value(it) % 2)
			list_del(it);
	expect(&head, (int[]){ 0, 2, 4 }, 3);
	int sum = 0;
	list_for(it, &head)
		sum += value(it);
	cr_assert_eq(sum, 6);
	list_for_safe(it, &head)
		list_del(it);
	cr_assert(list_empty(&head));
}

Test(list, adding_twice_is_a_bug, .signal = SIGABRT)
{
	list_append(&head, &item[0].node);
	list_append(&head, &item[0].node);
}
