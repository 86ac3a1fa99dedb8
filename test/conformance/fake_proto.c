/* fake_proto - the text-line protocol of the tests; the language stands in fake_proto.h. */
#include "fake_proto.h"

#include "base/mem.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define LINE_MAX_BYTES 4096
#define WORD 40

struct proto_env {
	uint32_t max_message_bytes;
};
struct proto_cache {
	char version[WORD];
};

struct client {
	char user[WORD], db[WORD], password[WORD], secret[WORD], var[WORD], version[WORD];
	struct proto_login login;
	struct proto_client_conf conf;
	uint32_t number;
	unsigned class, pins;
	enum { C_LOGIN, C_TLS, C_DECIDE, C_PROOF, C_PROVEN, C_SERVED, C_CONSOLE } step;
	unsigned vague_n, known_n; /* VAGUE requests so far; how many of them were asked about */
	bool greets, outside, doomed, ready, skip;
};

enum owed { O_REQUEST, O_SYNC, O_ASK, O_RESET, O_OWN };
struct link {
	char user[WORD], password[WORD], version[WORD], var[WORD], cells_text[WORD];
	unsigned id, class, ask_n; /* ask_n: what the answer to ASK will tell about */
	struct buf owed;           /* a byte for each reply: enum owed */
	enum tx_state tx;
	enum { L_HI, L_TLS, L_HANDSHAKE, L_LOGIN, L_DONE } step;
	const char *cell[2];
	bool greets, tls_try, dirty, vague, in_rows;
};

/* ---- lines ---- */

/* The length of the first line with its end; 0: not there yet, SIZE_MAX: too long. */
static size_t line_n(const uint8_t *p, size_t n)
{
	const uint8_t *end = n ? memchr(p, '\n', n) : NULL;
	if (end)
		return (size_t)(end - p) + 1;
	return n > LINE_MAX_BYTES ? SIZE_MAX : 0;
}

/* Word number i of the line, "" if there is none. */
static const char *word(const uint8_t *p, size_t n, unsigned i, char out[WORD])
{
	size_t at = 0, k = 0;
	for (; i > 0; i--) {
		while (at < n && p[at] > ' ')
			at++;
		while (at < n && p[at] == ' ')
			at++;
	}
	while (at < n && p[at] > ' ' && k < WORD - 1)
		out[k++] = (char)p[at++];
	out[k] = 0;
	return out;
}

static bool is(const uint8_t *p, size_t n, const char *verb)
{
	char w[WORD];
	return strcmp(word(p, n, 0, w), verb) == 0;
}

static unsigned number(const char *s)
{
	unsigned v = 0;
	while (isdigit((unsigned char)*s))
		v = v * 10 + (unsigned)(*s++ - '0');
	return v;
}

static void copy(char out[WORD], const char *s)
{
	snprintf(out, WORD, "%.*s", WORD - 1, s ? s : "");
}

static const char *shown(const char *s)
{
	return *s ? s : ".";
}

static struct pev ev(enum pev_kind kind, size_t n)
{
	return (struct pev){ .kind = kind, .n = n };
}

static struct pev bad(struct err *e, enum err_code code, const char *why)
{
	err_set(e, code, "%s", why);
	return ev(PEV_BAD, 0);
}

/* ---- per worker ---- */

static struct proto_env *env_new(const struct proto_env_opts *o)
{
	struct proto_env *v = mem_alloc(MEM_MISC, sizeof *v);
	if (v)
		v->max_message_bytes = o->max_message_bytes;
	return v;
}

static void env_set(struct proto_env *v, const struct proto_env_opts *o)
{
	v->max_message_bytes = o->max_message_bytes;
}

static void env_free(struct proto_env *v)
{
	mem_free(MEM_MISC, v);
}

/* ---- a client logs in ---- */

static void quiet_init(
	void *cst, struct proto_env *v, const struct proto_greet *g, struct buf *down)
{
	struct client *c = cst;
	(void)v;
	(void)down;
	c->number = g ? g->number : 0;
}

static void greeting_init(
	void *cst, struct proto_env *v, const struct proto_greet *g, struct buf *down)
{
	struct client *c = cst;
	(void)v;
	c->greets = true;
	c->number = g->number;
	if (g->facts_n)
		buf_printf(
			down, "HI %.*s %u\n", (int)g->facts_n, (const char *)g->facts, g->number);
	else
		buf_printf(down, "HI %s %u\n", *g->version ? g->version : "default", g->number);
}

static void client_fini(void *cst)
{
	struct client *c = cst;
	mem_wipe(c->password, sizeof c->password);
}

static void take_login(struct client *c, const uint8_t *p, size_t n)
{
	char w[WORD];
	word(p, n, 1, c->user);
	word(p, n, 2, c->db);
	c->class = number(word(p, n, 3, w));
	word(p, n, 4, c->password);
	bool given = strcmp(c->db, "-") != 0;
	if (!given)
		copy(c->db, c->greets ? "" : c->user);
	c->login = (struct proto_login){
		.user = c->user, .database = c->db, .application_name = "", .database_given = given
	};
	c->step = C_DECIDE;
}

static struct pev client_step(
	void *cst, const uint8_t *p, size_t n, struct buf *down, struct err *e)
{
	struct client *c = cst;
	if (c->step == C_PROVEN) {
		c->step = C_SERVED;
		return ev(PEV_AUTH_OK, 0);
	}
	size_t k = line_n(p, n);
	(void)down;
	if (k == SIZE_MAX)
		return bad(e, ERR_PROTOCOL, "the line is too long");
	if (k == 0)
		return ev(PEV_MORE, 0);
	if (is(p, k, "BYE"))
		return ev(PEV_BYE, k);
	if (c->step == C_LOGIN && is(p, k, "TLS")) {
		c->step = C_TLS;
		return ev(PEV_TLS, k);
	}
	if (c->step == C_LOGIN && is(p, k, "LOGIN")) {
		take_login(c, p, k);
		return ev(PEV_LOGIN, k);
	}
	if (c->step != C_PROOF || !is(p, k, "PW"))
		return bad(e, ERR_PROTOCOL, "that is no login");
	word(p, k, 1, c->password);
	if (c->outside) {
		c->step = C_DECIDE;
		struct pev r = ev(PEV_PASSWORD, k);
		r.text = (const uint8_t *)c->password;
		r.text_n = strlen(c->password);
		return r;
	}
	if (c->doomed || strcmp(c->password, c->secret) != 0)
		return bad(e, ERR_AUTH_FAILED, "password authentication failed");
	c->step = C_SERVED;
	return ev(PEV_AUTH_OK, k);
}

/* Nothing behind a line may be read while TLS can follow it. */
static size_t client_want(const void *cst, const uint8_t *p, size_t n)
{
	const struct client *c = cst;
	(void)p;
	(void)n;
	return c->step == C_LOGIN ? 1 : SIZE_MAX;
}

static void client_tls_answer(void *cst, bool yes, struct buf *down)
{
	struct client *c = cst;
	c->step = C_LOGIN;
	if (!c->greets)
		buf_puts(down, yes ? "YES\n" : "NO\n");
}

static const struct proto_login *client_login(const void *cst)
{
	const struct client *c = cst;
	return *c->user ? &c->login : NULL;
}

static int client_auth(void *cst, const struct proto_proof *pr, struct buf *down, struct err *e)
{
	struct client *c = cst;
	(void)e;
	c->doomed = pr->doomed;
	c->outside = pr->clear_outside;
	if (pr->kind == PROOF_NONE) {
		c->step = C_PROVEN;
		return 0;
	}
	copy(c->secret, pr->secret);
	c->step = C_PROOF;
	buf_puts(down, "PASSWORD?\n");
	return 0;
}

static void client_auth_result(void *cst, bool ok, struct buf *down)
{
	struct client *c = cst;
	(void)down;
	c->doomed = !ok;
	c->step = ok ? C_PROVEN : C_PROOF;
}

static bool client_creds(const void *cst, struct proto_creds *k)
{
	const struct client *c = cst;
	snprintf(k->password, sizeof k->password, "%s", c->password);
	return *c->password != 0;
}

static int client_conf(void *cst, const struct proto_client_conf *k, struct err *e)
{
	struct client *c = cst;
	(void)e;
	c->conf = *k;
	c->var[0] = 0;
	c->pins = 0;
	c->vague_n = c->known_n = 0;
	c->ready = false;
	return 0;
}

static bool client_ready(void *cst, void *lst, struct proto_cache **cache, const uint8_t *key,
	size_t key_n, struct buf *down)
{
	struct client *c = cst;
	struct link *l = lst;
	(void)key;
	(void)key_n;
	if (l && !*cache)
		*cache = mem_alloc(MEM_POOL, sizeof **cache);
	if (!*cache)
		return false;
	if (l)
		copy((*cache)->version, l->version);
	copy(c->version, (*cache)->version);
	buf_printf(down, "WELCOME %s %u\n", c->version, c->number);
	c->ready = true;
	return true;
}

static unsigned client_params(const void *cst, struct proto_kv *out, unsigned max)
{
	(void)cst;
	(void)out;
	(void)max;
	return 0;
}

static size_t client_key_size(const void *cst)
{
	(void)cst;
	return 8;
}

static unsigned client_link_class(const void *cst)
{
	return ((const struct client *)cst)->class;
}

static void cache_export(const void *cst, struct buf *out)
{
	buf_puts(out, ((const struct client *)cst)->version);
}

static void cache_import(
	struct proto_cache **cache, struct proto_env *v, const uint8_t *p, size_t n)
{
	(void)v;
	if (!*cache)
		*cache = mem_alloc(MEM_POOL, sizeof **cache);
	if (*cache)
		word(p, n, 0, (*cache)->version);
}

static void cache_free(struct proto_cache **cache)
{
	mem_free(MEM_POOL, *cache);
	*cache = NULL;
}

/* ---- a link logs in ---- */

static void owe(struct link *l, enum owed what)
{
	buf_put_u8(&l->owed, (uint8_t)what);
}

static void put_login(struct link *l, struct buf *up)
{
	buf_printf(up, "LOGIN %s - %u %s\n", l->user, l->class, shown(l->password));
	l->step = L_LOGIN;
}

static int link_init_as(struct link *l, const struct proto_link_login *in, struct buf *up)
{
	buf_init(&l->owed, 0);
	copy(l->user, in->user);
	copy(l->password, in->creds ? in->creds->password : "");
	l->class = in->link_class;
	l->tls_try = in->tls_try;
	l->step = L_HI;
	if (!l->greets && l->tls_try) {
		buf_puts(up, "TLS\n");
		l->step = L_TLS;
	} else if (!l->greets) {
		put_login(l, up);
	}
	return up->failed ? -1 : 0;
}

static int quiet_link_init(void *lst, struct proto_env *v, const struct proto_link_login *in,
	struct buf *up, struct err *e)
{
	(void)v;
	return link_init_as(lst, in, up) == 0 ? 0 : err_set(e, ERR_NO_MEMORY, "out of memory");
}

static int greeting_link_init(void *lst, struct proto_env *v, const struct proto_link_login *in,
	struct buf *up, struct err *e)
{
	((struct link *)lst)->greets = true;
	return quiet_link_init(lst, v, in, up, e);
}

static void link_fini(void *lst)
{
	struct link *l = lst;
	buf_fini(&l->owed);
	mem_wipe(l->password, sizeof l->password);
}

static struct pev link_step(void *lst, const uint8_t *p, size_t n, struct buf *up, struct err *e)
{
	struct link *l = lst;
	char w[WORD];
	size_t k = line_n(p, n);
	if (k == SIZE_MAX)
		return bad(e, ERR_SERVER_PROTOCOL, "the line is too long");
	if (k == 0)
		return ev(PEV_MORE, 0);
	if (is(p, k, "ERR")) {
		err_set(e, ERR_SERVER_REFUSED, "%.*s", (int)k - 1, (const char *)p);
		snprintf(e->sqlstate, sizeof e->sqlstate, "%s", "28000");
		return ev(PEV_BAD, 0);
	}
	if (l->step == L_HI && is(p, k, "HI")) {
		word(p, k, 1, l->version);
		if (l->tls_try) {
			buf_puts(up, "TLS\n");
			l->step = L_HANDSHAKE;
			return ev(PEV_TLS, k);
		}
		put_login(l, up);
		return ev(PEV_DROP, k);
	}
	if (l->step == L_TLS && is(p, k, "YES")) {
		l->step = L_HANDSHAKE;
		return ev(PEV_TLS, k);
	}
	if (l->step == L_TLS && is(p, k, "NO")) {
		put_login(l, up);
		return ev(PEV_DROP, k);
	}
	if (l->step != L_LOGIN || !is(p, k, "WELCOME"))
		return bad(e, ERR_SERVER_PROTOCOL, "that is no answer to a login");
	word(p, k, 1, l->version);
	l->id = number(word(p, k, 2, w));
	l->step = L_DONE;
	return ev(PEV_AUTH_OK, k);
}

static bool link_facts(const void *lst, struct buf *out)
{
	const struct link *l = lst;
	return *l->version && buf_puts(out, l->version);
}

/* The oldest version: what every one of the servers can. */
static bool facts_join(struct buf *all, const uint8_t *facts, size_t n, const char *version)
{
	size_t have = buf_len(all), k = have < n ? have : n;
	int c = have ? memcmp(facts, buf_data(all), k) : -1;
	(void)version;
	if (c > 0 || (c == 0 && n >= have))
		return true;
	buf_consume(all, have);
	buf_append(all, facts, n);
	return true;
}

static void link_tls_done(void *lst, const uint8_t *cbind, size_t cbind_n, struct buf *up)
{
	(void)cbind;
	(void)cbind_n;
	put_login(lst, up);
}

/* ---- up ---- */

static bool is_request(const uint8_t *p, size_t n)
{
	static const char *const verbs[] = { "Q", "BEGIN", "COMMIT", "SET", "PIN", "UNPIN", "VAGUE",
		"ROWS", "SLEEP" };
	for (unsigned i = 0; i < sizeof verbs / sizeof *verbs; i++)
		if (is(p, n, verbs[i]))
			return true;
	return false;
}

static struct pev up_own(struct client *c, const uint8_t *p, size_t k, struct err *e)
{
	char w[WORD];
	struct pev r;
	if (is(p, k, "BYE"))
		return ev(PEV_BYE, k);
	if (is(p, k, "KILL")) {
		r = ev(PEV_KILL, k);
		r.number = number(word(p, k, 1, w));
		r.whole = *word(p, k, 2, w) == 'C';
		return r;
	}
	if (is(p, k, "USER")) {
		take_login(c, p, k);
		return ev(PEV_RELOGIN, k);
	}
	return bad(e, ERR_PROTOCOL, "no such request");
}

static struct pev up_fn(void *cst, void *lst, const uint8_t *p, size_t n, struct buf *up,
	struct buf *down, struct err *e)
{
	struct client *c = cst;
	struct link *l = lst;
	size_t k = line_n(p, n);
	(void)up;
	(void)down;
	if (k == SIZE_MAX)
		return bad(e, ERR_TOO_BIG, "the line is too long");
	if (k == 0)
		return ev(PEV_MORE, 0);
	if (c->step == C_CONSOLE && !is(p, k, "BYE") && !is(p, k, "USER")) {
		struct pev r = ev(PEV_CONSOLE, k);
		r.text = p;
		r.text_n = k - 1;
		return r;
	}
	if (!is_request(p, k)) /* what is for us waits until the answers before it are there */
		return l && buf_len(&l->owed) ? ev(PEV_MORE, 0) : up_own(c, p, k, e);
	if (c->skip) {
		c->skip = false;
		return ev(PEV_DROP, k);
	}
	if (!l)
		return ev(PEV_REQUEST, 0);
	owe(l, O_REQUEST);
	if (is(p, k, "PIN"))
		c->pins = PIN(TEMP);
	if (is(p, k, "UNPIN"))
		c->pins = 0;
	if (is(p, k, "VAGUE"))
		c->vague_n++;
	return ev(PEV_FORWARD, k);
}

/* Its variable may be another than we think. */
static bool is_vague(const struct client *c)
{
	return c->vague_n != c->known_n;
}

/* ---- down ---- */

static struct pev reply_end(struct client *c, struct link *l, const uint8_t *p, size_t k)
{
	char w[WORD];
	struct pev r = ev(PEV_TX, k);
	buf_consume(&l->owed, 1);
	l->in_rows = false;
	l->tx = *word(p, k, 2, w) == 'T' ? TX_OPEN : TX_IDLE;
	word(p, k, 3, w);
	if (is(p, k, "R") && strcmp(w, "?") != 0)
		copy(l->var, strcmp(w, ".") ? w : "");
	else if (is(p, k, "R"))
		l->vague = true;
	if (c && is(p, k, "R") && !is_vague(c))
		copy(c->var, l->var);
	r.tx = l->tx;
	r.idle = buf_len(&l->owed) == 0;
	return r;
}

static struct pev own_end(
	struct client *c, struct link *l, const uint8_t *p, size_t k, struct err *e)
{
	enum owed what = (enum owed) * buf_data(&l->owed);
	char w[WORD];
	word(p, k, 1, w);
	if (what == O_SYNC && is(p, k, "SYNCED")) {
		copy(l->var, strcmp(w, ".") ? w : "");
		buf_consume(&l->owed, 1);
		return ev(c && !c->ready ? PEV_SYNCED : PEV_DROP, k);
	}
	if (what == O_ASK && is(p, k, "VALUE")) {
		copy(l->var, strcmp(w, ".") ? w : "");
		buf_consume(&l->owed, 1);
		l->vague = false;
		if (c) {
			copy(c->var, l->var);
			c->known_n = l->ask_n;
		}
		return ev(PEV_ASKED, k);
	}
	if (what == O_OWN && is(p, k, "ROW")) {
		copy(l->cells_text, w);
		l->cell[0] = l->cells_text;
		l->cell[1] = NULL;
		struct pev r = ev(PEV_ROW, k);
		r.cells = l->cell;
		r.n_cells = 2;
		return r;
	}
	if ((what != O_OWN && what != O_RESET) || (!is(p, k, "DONE") && !is(p, k, "ERR")))
		return bad(e, ERR_SERVER_PROTOCOL, "an answer that nobody asked for");
	buf_consume(&l->owed, 1);
	if (is(p, k, "ERR"))
		err_set(e, ERR_SERVER_PROTOCOL, "the server said %s", w);
	if (what == O_RESET) {
		l->var[0] = 0;
		l->tx = TX_IDLE;
		l->dirty = l->vague = false;
	}
	return ev(PEV_QUERY_DONE, k);
}

static struct pev down_fn(void *cst, void *lst, const uint8_t *p, size_t n, struct buf *up,
	struct buf *down, struct err *e)
{
	struct client *c = cst;
	struct link *l = lst;
	size_t k = line_n(p, n);
	(void)up;
	if (k == SIZE_MAX)
		return bad(e, ERR_SERVER_PROTOCOL, "the line is too long");
	if (k == 0)
		return ev(PEV_MORE, 0);
	if (is(p, k, "NOTE")) {
		err_set(e, ERR_NONE, "%.*s", (int)k - 1, (const char *)p);
		return ev(PEV_NOTE, k);
	}
	if (!buf_len(&l->owed))
		return bad(e, ERR_SERVER_PROTOCOL, "an answer that nobody asked for");
	bool row = is(p, k, "D"), end = is(p, k, "R") || is(p, k, "E");
	if (*buf_data(&l->owed) != O_REQUEST)
		return own_end(c, l, p, k, e);
	if (!row && !end)
		return bad(e, ERR_SERVER_PROTOCOL, "an answer that nobody asked for");
	if (c)
		buf_append(down, p, k);
	if (end)
		return reply_end(c, l, p, k);
	l->in_rows = true;
	return ev(PEV_DROP, k);
}

/* ---- taking and leaving a link ---- */

static bool attach(void *cst, void *lst, struct buf *up)
{
	struct client *c = cst;
	struct link *l = lst;
	if (c->ready && !strcmp(c->var, l->var))
		return false;
	buf_printf(up, "SYNC %s\n", shown(c->var));
	owe(l, O_SYNC);
	return true;
}

static enum proto_release link_release(void *cst, void *lst, struct buf *up)
{
	struct client *c = cst;
	struct link *l = lst;
	if (c->pins)
		return REL_PINNED;
	if (!is_vague(c))
		return REL_FREE;
	l->ask_n = c->vague_n;
	buf_puts(up, "ASK\n");
	owe(l, O_ASK);
	return REL_ASKING;
}

static void detach(void *cst, void *lst)
{
	struct client *c = cst;
	struct link *l = lst;
	l->dirty = l->dirty || c->pins || is_vague(c) || l->tx != TX_IDLE || buf_len(&l->owed);
}

static uint32_t client_pins(const void *cst)
{
	return ((const struct client *)cst)->pins;
}

static bool client_mid_message(const void *cst)
{
	(void)cst;
	return false;
}

static void client_confine(void *cst, bool reads_only, bool guarded)
{
	(void)cst;
	(void)reads_only;
	(void)guarded;
}

static bool client_only_read(const void *cst)
{
	(void)cst;
	return false;
}

static void client_fail_request(void *cst, const struct err *e, struct buf *down)
{
	struct client *c = cst;
	c->skip = true;
	buf_printf(down, "E - I %s\n", e->msg);
}

static void client_killed(void *cst, const struct err *e, struct buf *down)
{
	(void)cst;
	buf_printf(down, "E - I %s\n", e ? err_info(e->code)->name : "KILLED");
}

static bool client_in_request(const void *cst, const uint8_t *in, size_t n)
{
	(void)cst;
	(void)in;
	return n > 0;
}

/* ---- links on their own ---- */

static bool link_owes(const void *lst)
{
	return buf_len(&((const struct link *)lst)->owed) > 0;
}

static unsigned link_requests(const void *lst)
{
	const struct link *l = lst;
	unsigned n = 0;
	for (size_t i = 0; i < buf_len(&l->owed); i++)
		n += buf_data(&l->owed)[i] == O_REQUEST;
	return n;
}

static bool link_mid_reply(const void *lst)
{
	return ((const struct link *)lst)->in_rows;
}

static enum tx_state link_tx(const void *lst)
{
	return ((const struct link *)lst)->tx;
}

static bool link_abort(void *lst, struct buf *up)
{
	(void)lst;
	(void)up;
	return true;
}

static bool link_clean(void *lst, const char *sql, bool always, struct buf *up)
{
	struct link *l = lst;
	(void)sql;
	if (!always && !l->dirty && !l->vague && l->tx == TX_IDLE)
		return false;
	buf_puts(up, "RESET\n");
	owe(l, O_RESET);
	return true;
}

static void link_query(void *lst, const char *sql, const char *param, struct buf *up)
{
	buf_printf(up, "SQL %s %s\n", sql, param ? param : "");
	owe(lst, O_OWN);
}

static void link_ping(void *lst, struct buf *up)
{
	buf_puts(up, "PING\n");
	owe(lst, O_OWN);
}

static size_t link_cancel_key(const void *lst, const uint8_t **key_r)
{
	const struct link *l = lst;
	*key_r = (const uint8_t *)&l->id;
	return l->id ? sizeof l->id : 0;
}

static void put_cancel(void *lst, struct buf *up, const uint8_t *key, size_t key_n)
{
	unsigned id = 0;
	memcpy(&id, key, key_n < sizeof id ? key_n : sizeof id);
	buf_printf(up, "CANCEL %u\n", id);
	if (lst)
		owe(lst, O_OWN);
}

static void put_bye(void *lst, struct buf *up)
{
	(void)lst;
	buf_puts(up, "BYE\n");
}

static bool link_spoiled(const void *lst)
{
	(void)lst;
	return false;
}

static bool link_movable(const void *lst)
{
	const struct link *l = lst;
	return l->step == L_DONE && !buf_len(&l->owed) && l->tx == TX_IDLE && !l->dirty;
}

static void link_move_out(void *lst)
{
	(void)lst;
}

static bool link_move_in(void *lst, struct proto_env *v)
{
	(void)lst;
	(void)v;
	return true;
}

static unsigned n_statements(const void *st, bool is_link)
{
	(void)st;
	(void)is_link;
	return 0;
}

static unsigned link_server_pid(const void *lst)
{
	return ((const struct link *)lst)->id;
}

static const char *client_app_name(const void *cst)
{
	(void)cst;
	return "";
}

static const char *link_param(const void *lst, const char *name)
{
	const struct link *l = lst;
	return strcmp(name, "server_version") ? NULL : l->version;
}

/* ---- text ---- */

static void put_error(void *cst, struct buf *down, const struct err *e, bool fatal)
{
	(void)cst;
	(void)fatal;
	buf_printf(down, "ERR %s %s\n", err_info(e->code)->name, e->msg);
}

static void put_notice(
	void *cst, struct buf *down, const char *severity, const char *sqlstate, const char *msg)
{
	(void)cst;
	(void)severity;
	(void)sqlstate;
	buf_printf(down, "NOTE %s\n", msg);
}

static void console_start(
	void *cst, const char *version, const uint8_t *key, size_t key_n, struct buf *down)
{
	struct client *c = cst;
	(void)key;
	(void)key_n;
	c->step = C_CONSOLE;
	buf_printf(down, "WELCOME %s %u\n", version ? version : "console", c->number);
}

static void console_reply(void *cst, const struct rowset *r, struct buf *down)
{
	(void)cst;
	for (size_t i = 0; !err_is(&r->err) && i < r->n_rows; i++) {
		buf_puts(down, "D");
		for (unsigned j = 0; j < r->n_cols; j++)
			buf_printf(down, " %s", r->rows[i][j] ? r->rows[i][j] : "?");
		buf_puts(down, "\n");
	}
	if (err_is(&r->err))
		buf_printf(down, "E - I %s\n", r->err.msg);
	else
		buf_printf(down, "R - I %s\n", r->tag ? r->tag : ".");
}

#define COMMON \
	.client_size = sizeof(struct client), .link_size = sizeof(struct link), \
	.env_new = env_new, .env_set = env_set, .env_free = env_free, .client_fini = client_fini, \
	.client_step = client_step, .client_want = client_want, \
	.client_tls_answer = client_tls_answer, .client_login = client_login, \
	.client_auth = client_auth, .client_auth_result = client_auth_result, \
	.client_creds = client_creds, .client_conf = client_conf, .client_ready = client_ready, \
	.client_params = client_params, .client_key_size = client_key_size, \
	.cache_export = cache_export, .cache_import = cache_import, .cache_free = cache_free, \
	.link_fini = link_fini, .link_step = link_step, .link_facts = link_facts, \
	.facts_join = facts_join, .link_tls_done = link_tls_done, .up = up_fn, .down = down_fn, \
	.client_confine = client_confine, .client_only_read = client_only_read, .attach = attach, \
	.link_release = link_release, .detach = detach, .client_pins = client_pins, \
	.client_mid_message = client_mid_message, .client_fail_request = client_fail_request, \
	.client_killed = client_killed, .client_in_request = client_in_request, \
	.link_owes = link_owes, .link_requests = link_requests, .link_mid_reply = link_mid_reply, \
	.link_tx = link_tx, .link_abort = link_abort, .link_clean = link_clean, \
	.link_query = link_query, .link_ping = link_ping, .link_cancel_key = link_cancel_key, \
	.put_cancel = put_cancel, .put_bye = put_bye, .link_spoiled = link_spoiled, \
	.link_movable = link_movable, .link_move_out = link_move_out, \
	.link_move_in = link_move_in, .n_statements = n_statements, \
	.link_server_pid = link_server_pid, .client_app_name = client_app_name, \
	.link_param = link_param, .put_error = put_error, .put_notice = put_notice, \
	.console_start = console_start, .console_reply = console_reply

static unsigned one_class(const void *cst)
{
	(void)cst;
	return 0;
}

const struct proto_ops fake_quiet = {
	.name = "postgresql",
	.id = 0,
	.port = 5432,
	.client_init = quiet_init,
	.client_link_class = one_class,
	.link_init = quiet_link_init,
	COMMON,
};

const struct proto_ops fake_greeting = {
	.name = "mysql",
	.id = 1,
	.port = 3306,
	.greets = true,
	.schema_is_state = true,
	.cancel_logs_in = true,
	.client_init = greeting_init,
	.client_link_class = client_link_class,
	.link_init = greeting_link_init,
	COMMON,
};
