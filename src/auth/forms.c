/* forms - see auth/forms.h. Ignorant of names. */
#include "auth/forms.h"

#include <string.h>

void forms_note(struct forms *f, enum secret_kind kind, const char *secret, size_t n)
{
	char decoy[MYSQL_STORED_MAX + 1];

	mysql_stored_decoy(secret, n, decoy);
	for (unsigned i = 0; i < f->n; i++)
		if (f->list[i].kind == kind && strcmp(f->list[i].decoy, decoy) == 0)
			return;
	if (f->n == FORMS_MAX)
		return;
	f->list[f->n].kind = kind;
	memcpy(f->list[f->n].decoy, decoy, sizeof decoy);
	f->n++;
}

const struct form *forms_pick(const struct forms *a, const struct forms *b, uint64_t hash)
{
	unsigned n = a->n + b->n;

	if (n == 0)
		return NULL;
	unsigned i = (unsigned)(hash % n);
	return i < a->n ? &a->list[i] : &b->list[i - a->n];
}
