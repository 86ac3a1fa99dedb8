/* pg_reset - a setting that goes back to its default goes back to what the session started with,
 * which the server does not know: RESET, RESET ALL and SET ... TO DEFAULT are followed by a SET of
 * the startup value, in the same request. A SET takes no snapshot, so that SET TRANSACTION may
 * still come first. Thread: that of the env. */
#include "pg_run_int.h"

#include <string.h>

#include "base/hmap.h"
#include "base/mem.h"

/* Settings whose value is a list of identifiers: one string would be one of them. */
static bool is_list(const char *name)
{
	static const char *const lists[] = { "search_path", "temp_tablespaces",
		"local_preload_libraries", "session_preload_libraries", "shared_preload_libraries",
		"unix_socket_directories" };
	for (size_t i = 0; i < sizeof(lists) / sizeof(*lists); i++)
		if (var_name_cmp(name, lists[i]) == 0)
			return true;
	return false;
}

/* One element of a list into out (as large as the list), unquoted. NULL: not written as the server
 * itself would write it, so that SET would change the text. */
static const char *next_element(const char *p, char *out)
{
	if (*p != '"') {
		while ((*p >= 'a' && *p <= 'z') || *p == '_' || (*p >= '0' && *p <= '9'))
			*out++ = *p++;
	} else {
		for (p++; *p && (*p != '"' || p[1] == '"'); p++) {
			if (*p == '"')
				p++;
			*out++ = *p;
		}
		if (*p++ != '"')
			return NULL;
	}
	*out = 0;
	return *p == 0 || (*p == ',' && p[1] == ' ') ? p : NULL;
}

static bool put_list(struct buf *b, const char *value)
{
	char *one = mem_alloc(MEM_PROTO, strlen(value) + 1);
	const char *p = value;
	bool ok = one != NULL;
	while (ok) {
		p = next_element(p, one);
		ok = p != NULL;
		if (ok)
			pg_put_literal(b, one);
		if (!ok || *p == 0)
			break;
		buf_puts(b, ",");
		p += 2;
	}
	mem_free(MEM_PROTO, one);
	return ok;
}

static bool is_ascii(const char *s)
{
	while (*s >= 0x20 && *s < 0x7f)
		s++;
	return *s == 0;
}

/* "a"."b" */
static void put_name(struct buf *b, const char *name)
{
	buf_puts(b, "\"");
	for (; *name; name++) {
		if (*name == '.') {
			buf_puts(b, "\".\"");
			continue;
		}
		if (*name == '"')
			buf_puts(b, "\"");
		buf_put_u8(b, (uint8_t)*name);
	}
	buf_puts(b, "\"");
}

/* A literal of SET is no expression: texts that need one go through a function. */
static void put_back(struct buf *b, const struct var *v, bool local)
{
	struct buf list;
	buf_init(&list, 0);
	bool listed = is_list(v->name), plain = is_ascii(v->value) && is_ascii(v->name);
	if (listed && plain)
		plain = *v->value && put_list(&list, v->value) && !list.failed;
	if (!plain) {
		buf_puts(b, "SELECT pg_catalog.set_config(");
		pg_put_literal(b, v->name);
		buf_puts(b, ",");
		pg_put_literal(b, v->value);
		buf_puts(b, local ? ",true)" : ",false)");
	} else {
		buf_puts(b, local ? "SET LOCAL " : "SET ");
		put_name(b, v->name);
		buf_puts(b, " TO ");
		if (listed)
			buf_append(b, buf_data(&list), buf_len(&list));
		else
			pg_put_literal(b, v->value);
	}
	buf_fini(&list);
}

/* RESET ALL leaves the identity. */
static bool is_affected(const struct sql_stmt_info *info, const char *name)
{
	if (info->set_kind == SQL_SET_DEFAULT)
		return var_name_cmp(name, info->set_name) == 0;
	return info->set_kind == SQL_SET_ALL && var_name_cmp(name, "role") != 0 &&
	       var_name_cmp(name, "session_authorization") != 0;
}

bool reset_is_ours(
	const struct pg_client *c, const struct pg_link *l, const struct sql_stmt_info *info)
{
	bool any = false;
	if (c->start == NULL || info->n_statements != 1)
		return false;
	/* SET LOCAL outside of a transaction does nothing but warn. */
	if (info->set_local && l->tx == TX_IDLE && !(c->acc & (SQL_F_TX_BEGIN | SQL_F_BAD)))
		return false;
	for (uint32_t i = 0; i < c->start->n; i++)
		any = any || is_affected(info, c->start->v[i].name);
	return any;
}

const char *reset_value(const struct pg_client *c, const struct sql_stmt_info *info)
{
	return info->set_kind == SQL_SET_DEFAULT ? varset_get(c->start, info->set_name) : NULL;
}

void reset_query(struct upx *u, const char *text, size_t n, const struct sql_stmt_info *info)
{
	const struct varset *start = u->c->start;
	struct owed *o = owed_push(u->l, OWED_QUERY, OWED_FORWARD);
	if (o)
		o->flags = OWED_F_FIRST;
	flow_cut(&u->f);
	size_t at = pgmsg_begin(u->up, 'Q');
	buf_append(u->up, text, n);
	buf_puts(u->up, "\n");
	for (uint32_t i = 0; i < start->n; i++) {
		if (!is_affected(info, start->v[i].name))
			continue;
		buf_puts(u->up, ";");
		put_back(u->up, &start->v[i], info->set_local);
	}
	buf_put_u8(u->up, 0);
	pgmsg_end(u->up, at);
}

static void put_extended(struct upx *u, const struct var *v, bool local)
{
	struct buf text;
	buf_init(&text, 0);
	put_back(&text, v, local);
	(void)owed_push(u->l, OWED_CLOSE, OWED_SWALLOW);
	(void)owed_push(u->l, OWED_CLOSE, OWED_SWALLOW);
	(void)owed_push(u->l, OWED_PARSE, OWED_SWALLOW);
	(void)owed_push(u->l, OWED_BIND, OWED_SWALLOW);
	(void)owed_push(u->l, OWED_EXECUTE, OWED_SWALLOW);
	pgext_put_close(u->up, 'P', PG_STMT_RESET);
	pgext_put_close(u->up, 'S', PG_STMT_RESET);
	pgext_put_parse(
		u->up, PG_STMT_RESET, (const char *)buf_data(&text), buf_len(&text), NULL, 0);
	pgext_put_bind_text(u->up, PG_STMT_RESET, PG_STMT_RESET, NULL, 0);
	pgext_put_execute(u->up, PG_STMT_RESET, 0);
	u->l->failed = u->l->failed || text.failed;
	buf_fini(&text);
}

void reset_bound(struct upx *u, const struct stmt *s, const char *portal, size_t portal_n)
{
	struct pg_client *c = u->c;
	struct sql_stmt_info info;
	if (c->learn)
		mem_free(MEM_PROTO, c->learn->reset_name);
	if (c->learn)
		c->learn->reset_name = NULL;
	if (s == NULL || c->start == NULL || !(s->flags & (SQL_F_SET | SQL_F_SET_LOCAL)))
		return;
	up_classify(u, s->text, s->text_n, &info);
	struct pg_learn *k = reset_is_ours(c, u->l, &info) ? learn_of(c) : NULL;
	if (k == NULL)
		return;
	k->reset_name = mem_strndup(MEM_PROTO, info.set_name, info.set_name_n);
	k->reset_local = info.set_local;
	k->reset_kind = info.set_kind;
	k->reset_portal = hash64(portal, portal_n);
}

void reset_executed(struct upx *u, const struct pgext_execute *x)
{
	const struct varset *start = u->c->start;
	const struct pg_learn *k = u->c->learn;
	struct sql_stmt_info info = { .n_statements = 1 };
	if (k == NULL || k->reset_name == NULL || k->reset_portal != hash64(x->portal, x->portal_n))
		return;
	size_t n = strlen(k->reset_name);
	memcpy(info.set_name, k->reset_name, n + 1);
	info.set_kind = k->reset_kind;
	flow_cut(&u->f);
	u->l->no_replay = true;
	for (uint32_t i = 0; start && i < start->n; i++)
		if (is_affected(&info, start->v[i].name))
			put_extended(u, &start->v[i], k->reset_local);
}
