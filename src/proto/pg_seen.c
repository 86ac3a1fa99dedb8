/* pg_seen - what a text does, read or remembered. What is kept of a text is alike for all sessions
 * that read it in the same way. Ignorant of messages. Thread: that of the env. */
#include "pg_run_int.h"
#include "pg_view_int.h"

#include <string.h>

struct texts_ref pg_text_ref(struct pg_client *c, const char *text, size_t n)
{
	return texts_ref_of(text, n, pg_lex_byte(pg_lex(c)));
}

static bool names_or_sets(const struct sql_stmt_info *info)
{
	return info->set_kind != SQL_SET_NONE || info->name_n || info->set_value_n;
}

/* Texts with passwords in them are among the others. */
#define KEPT \
	(SQL_F_MULTI | SQL_F_UNKNOWN | SQL_F_SET_LOCAL | SQL_F_ADVISORY | SQL_F_SEED | \
		SQL_F_SEQ_READ | SQL_F_SEQ_USE | SQL_F_TX_BEGIN | SQL_F_TX_END | SQL_F_TX_CHAIN | \
		SQL_F_TX_SUB | SQL_F_TX_COMMIT | SQL_F_WRITE | SQL_F_ROW_LOCK | SQL_F_COPY_IN | \
		SQL_F_COPY_OUT | SQL_F_NOT_IN_TX)

struct pg_known *pg_text_keep(
	struct pg_client *c, const struct texts_ref *r, const struct sql_stmt_info *info)
{
	if (names_or_sets(info) || (info->flags & ~(uint64_t)KEPT))
		return NULL;
	const struct pg_lex_opts *x = pg_lex(c);
	struct sql_lang lang = { .pg = &sql_dialect_pg, .scs = x->scs };
	struct pg_known *k = texts_put(&c->env->texts, r, x->unsafe_encoding ? NULL : &lang);
	if (k == NULL)
		return NULL;
	memcpy(k->info, info, sizeof(k->info));
	k->view_mentioned = view_mentioned(r->text, r->n);
	return k;
}

uint64_t pg_known_flags(const struct pg_known *k)
{
	uint64_t flags;
	memcpy(&flags, k->info + offsetof(struct sql_stmt_info, flags), sizeof(flags));
	return flags;
}

void pg_remember(struct pg_client *c, const char *text, size_t n, const struct sql_stmt_info *info)
{
	struct pg_seen *s = &c->env->seen;
	s->n = n <= sizeof(s->text) && !names_or_sets(info) ? n : 0;
	if (s->n == 0)
		return;
	s->lex = *pg_lex(c);
	memcpy(&s->info, info, offsetof(struct sql_stmt_info, set_name));
	memcpy(s->text, text, n);
}

bool pg_seen(struct pg_client *c, const char *text, size_t n, struct sql_stmt_info *info_r)
{
	const struct pg_seen *s = &c->env->seen;
	if (n == 0 || s->n != n || pg_lex_byte(&s->lex) != pg_lex_byte(pg_lex(c)) ||
		memcmp(s->text, text, n) != 0)
		return false;
	memcpy(info_r, &s->info, offsetof(struct sql_stmt_info, set_name));
	return true;
}

void up_classify(struct upx *u, const char *text, size_t n, struct sql_stmt_info *info_r)
{
	const struct pg_lex_opts *x = pg_lex(u->c);
	struct sql_opts o = { .dialect = &sql_dialect_pg,
		.standard_conforming_strings = x->scs,
		.unsafe_encoding = x->unsafe_encoding,
		.server_major = x->server_major };
	struct texts_ref r = pg_text_ref(u->c, text, n);
	u->known = texts_find(&u->c->env->texts, &r);
	if (u->known) {
		memcpy(info_r, u->known->info, sizeof(u->known->info));
		return;
	}
	if (pg_seen(u->c, text, n, info_r))
		return;
	sql_classify(&o, text, n, info_r);
	u->known = pg_text_keep(u->c, &r, info_r);
}
