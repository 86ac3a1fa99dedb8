/* mysql_begin - a BEGIN alone takes no link: it is answered here, and sent in front of what the
 * client says next, of which nothing runs if it fails. Ignorant of where that goes. Thread: that of
 * the env. Source: MySQL manual, START TRANSACTION: without WITH CONSISTENT SNAPSHOT the first read
 * makes the snapshot; what live servers answer. */
#include "mysql_up_int.h"

#include <string.h>
#include <strings.h>

#include "sql/lex_my.h"
#include "wire/mysql/query.h"

#define TEXT_MAX_BYTES 100U /* that is looked at */

/* How the transaction began, in c->begun. */
enum begun { BEGUN_NOT, BEGUN, BEGUN_WRITE, BEGUN_READ };

const char *my_begin_text(const struct my_client *c)
{
	static const char *const texts[] = { [BEGUN_NOT] = "",
		[BEGUN] = "START TRANSACTION",
		[BEGUN_WRITE] = "START TRANSACTION READ WRITE",
		[BEGUN_READ] = "START TRANSACTION READ ONLY" };
	return texts[c->begun];
}

/* ---- texts that no server reads in another way ---- */

static bool is_blank(char x)
{
	return x == ' ' || x == '\t' || x == '\r' || x == '\n';
}

static void skip_blanks(struct mystr *t)
{
	while (t->n && is_blank(*t->p)) {
		t->p++;
		t->n--;
	}
}

static bool take(struct mystr *t, const char *word)
{
	size_t n = strlen(word);
	skip_blanks(t);
	if (t->n < n || strncasecmp(t->p, word, n) != 0 ||
		(t->n > n && t->p[n] != ';' && !is_blank(t->p[n])))
		return false;
	t->p += n;
	t->n -= n;
	return true;
}

static bool is_over(struct mystr t)
{
	skip_blanks(&t);
	if (t.n && *t.p == ';') {
		t.p++;
		t.n--;
	}
	skip_blanks(&t);
	return t.n == 0;
}

static enum begun begin_of(struct mystr t)
{
	enum begun how = BEGUN;
	if (take(&t, "begin")) {
		(void)take(&t, "work");
	} else if (take(&t, "start") && take(&t, "transaction")) {
		if (take(&t, "read"))
			how = take(&t, "write")  ? BEGUN_WRITE
			      : take(&t, "only") ? BEGUN_READ
						 : BEGUN_NOT;
	} else {
		return BEGUN_NOT;
	}
	return is_over(t) ? how : BEGUN_NOT;
}

static bool is_end(struct mystr t)
{
	if (!take(&t, "commit") && !take(&t, "rollback"))
		return false;
	(void)take(&t, "work");
	return is_over(t);
}

/* ---- may it be answered here? ---- */

/* As its text says, and not as a setting or a rule has it. */
static bool is_plain(const struct my_client *c)
{
	struct sql_my_opts o;
	my_text_opts(c, &o);
	return c->mode == PROTO_TRANSACTION && c->ready && !c->lost && !my_client_pins(c) &&
	       !rules_any(c->ruling) && !(o.mode & SQL_MY_MODE_ORACLE) &&
	       o.charset != SQL_MY_CS_UNKNOWN && my_tell_is_plain(c);
}

static bool is_on(const char *v)
{
	return strcasecmp(v, "on") == 0 || strcmp(v, "1") == 0;
}

/* Where a transaction runs that only reads, in a cluster, is decided when it begins. */
static bool may_begin(const struct my_client *c, enum begun how)
{
	return how != BEGUN_NOT && !(how == BEGUN_READ && c->names) &&
	       !is_on(my_setting(c, "transaction_read_only")) &&
	       !is_on(my_setting(c, "tx_read_only")) && !is_on(my_setting(c, MY_FACT_READ_ONLY)) &&
	       is_plain(c);
}

/* Not with a completion_type that says AND CHAIN or RELEASE. */
static bool may_end(const struct my_client *c)
{
	const char *v = my_setting(c, "completion_type");
	if (*v == 0)
		v = my_setting(c, MY_FACT_COMPLETION);
	return (strcasecmp(v, "NO_CHAIN") == 0 || strcmp(v, "0") == 0) && is_plain(c);
}

/* ---- its answer ---- */

static void ends(struct my_client *c)
{
	c->begun = BEGUN_NOT;
	c->status &= (uint16_t) ~(MYSTATUS_IN_TRANS | MYSTATUS_IN_TRANS_READONLY);
}

static void put_answer(struct myup *u, const struct mypacket_head *h)
{
	struct my_client *c = u->c;
	struct myok ok = { .status = c->status & (uint16_t)~MYSTATUS_OF_REPLY };
	uint8_t seq = (uint8_t)(h->seq + 1);
	struct buf block;
	buf_init(&block, 0);
	my_tell_tx(c, c->begun != BEGUN_NOT, &ok, &block);
	myok_put(u->down, &seq, c->caps, &ok);
	u->down->failed = u->down->failed || block.failed;
	buf_fini(&block);
}

bool my_begin_answered(struct myup *u, const struct mypacket_head *h, const struct myquery *q)
{
	struct my_client *c = u->c;
	if (!c->defer_begin || u->l || q->attrs_n || q->text.n > TEXT_MAX_BYTES)
		return false;
	enum begun how = c->begun ? BEGUN_NOT : begin_of(q->text);
	if (c->begun ? !is_end(q->text) || !may_end(c) : !may_begin(c, how))
		return false;
	if (c->begun)
		ends(c);
	else
		c->status |= (uint16_t)(MYSTATUS_IN_TRANS |
					(how == BEGUN_READ ? MYSTATUS_IN_TRANS_READONLY : 0U));
	c->begun = (uint8_t)how;
	put_answer(u, h);
	if (!c->mariadb) /* which keeps the warnings of the statement before */
		my_diag_free(&c->diag);
	c->row_count = 0;
	c->n_attached++; /* what its last statement has left on a link is that of another one now */
	return true;
}

/* ---- it was sent ---- */

void my_begin_sent(struct my_client *c, struct my_link *l)
{
	l->begins = false;
	l->own_last = l->own_count = true;
	if (c) {
		c->begun = BEGUN_NOT;
		c->guarded = false; /* nothing in it may be tried elsewhere */
	}
}

void my_begin_error(struct my_client *c, const struct err *e)
{
	const char *state = *e->sqlstate ? e->sqlstate : err_info(e->code)->mysql_sqlstate;
	if (c->begun == BEGUN_NOT || strncmp(state, "40", 2) != 0)
		return;
	ends(c);
	c->tx_told = MY_TOLD_NO_TX;
}

void my_begin_lost(struct my_client *c)
{
	ends(c);
	c->tx_told = MY_TOLD_NO_TX;
}
