/* run_golden - replays the streams of test/golden/pg through a session and a link of proto_pg:
 * whole, one byte at a time and at random cuts. A stream is a text file; each line is a direction,
 * a message type and its body: C Q "SELECT 1" 0       the client sends a Query U Q "SELECT 1" 0 it
 * must reach the server S Z "I"                the server sends D Z "I"                it must
 * reach the client U *                    any one message must reach the server = TX idle the event
 * that ended the last S (or C) lines: see event_name() mode session | max_prepared 0      before
 * all else A body is made of "text" (\n, \\, \"), i32:5, i16:1, and numbers for single bytes; #
 * starts a comment. */
#include "../unit/pg_pool.h"
#include "../unit/seed.h"
#include "wire/pg/msg.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/num.h"

static void teardown(void)
{
	cr_assert_eq(mem_live(MEM_PROTO), 0);
	cr_assert_eq(mem_live(MEM_STMT), 0);
	cr_assert_eq(mem_live(MEM_VARS), 0);
	cr_assert_eq(mem_live(MEM_BUF), 0);
}
TestSuite(golden, .fini = teardown, .timeout = 60);

struct scene {
	struct pool p;
	struct psess *s;
	struct plink *l;
	struct buf up, down; /* what came out and was not yet compared */
	struct buf c_in, s_in;
	char event[40];
	const char *file;
	unsigned line;
	unsigned cut; /* 0: whole, 1: bytes, else: random up to it */
};

static const char *event_name(const struct pev *ev)
{
	switch ((int)ev->kind) {
	case PEV_TX:
		return ev->tx == TX_OPEN     ? "TX open"
		       : ev->tx == TX_FAILED ? "TX failed"
		       : ev->idle            ? "TX idle"
					     : "TX more";
	case PEV_BAD: return "BAD";
	case PEV_BYE: return "BYE";
	case PEV_SYNCED: return "SYNCED";
	case PEV_ASKED: return "ASKED";
	case PEV_REFUSED: return "REFUSED";
	case PEV_LINK_BAD: return "LINK_BAD";
	default: return "";
	}
}

static size_t some(struct scene *x, size_t have, size_t shown)
{
	if (x->cut == 0)
		return have;
	size_t k = shown + (x->cut == 1 ? 1 : 1 + pool_rand(&x->p, x->cut));
	return k < have ? k : have;
}

static void note(struct scene *x, const struct pev *ev)
{
	if (*event_name(ev))
		snprintf(x->event, sizeof(x->event), "%s", event_name(ev));
}

/* Offers more and more of b to up() or down() until all of it was taken, or nothing more happens.
 */
static void feed(struct scene *x, struct buf *b, bool client)
{
	struct err e;
	size_t shown = 0;
	void *cst = x->s->cst, *lst = x->l->lst;
	struct buf *out = client ? &x->up : &x->down;
	while (buf_len(b) > 0) {
		shown = some(x, buf_len(b), shown);
		struct pev ev =
			client ? proto_pg.up(cst, lst, buf_data(b), shown, &x->up, &x->down, &e)
			       : proto_pg.down(cst, lst, buf_data(b), shown, &x->up, &x->down, &e);
		note(x, &ev);
		cr_assert(ev.n <= shown);
		if (ev.kind == PEV_FORWARD)
			buf_append(out, buf_data(b), ev.n);
		if (ev.n) {
			buf_consume(b, ev.n);
			shown = 0;
		} else if (ev.kind != PEV_MORE || shown == buf_len(b)) {
			break;
		}
		if (ev.kind == PEV_TX && ev.idle && ev.tx == TX_IDLE && x->p.mode != PROTO_SESSION)
			(void)proto_pg.link_release(
				cst, lst, &x->up); /* the session keeps its link here */
	}
	if (!client && buf_len(&x->c_in) > 0)
		feed(x, &x->c_in, true); /* what had to wait */
}

static void flush(struct scene *x)
{
	if (buf_len(&x->c_in))
		feed(x, &x->c_in, true);
	if (buf_len(&x->s_in))
		feed(x, &x->s_in, false);
}

static void put_number(struct scene *x, struct buf *b, const char *word)
{
	int64_t v = 0;
	const char *colon = strchr(word, ':');
	int bad = num_i64(colon ? colon + 1 : word, INT32_MIN, INT32_MAX, &v);
	cr_assert_eq(bad, 0, "%s:%u: %s", x->file, x->line, word);
	if (strncmp(word, "i32:", 4) == 0)
		buf_put_u32be(b, (uint32_t)v);
	else if (strncmp(word, "i16:", 4) == 0)
		buf_put_u16be(b, (uint16_t)v);
	else
		buf_put_u8(b, (uint8_t)v);
}

static void put_body(struct scene *x, struct buf *b, const char *p)
{
	while (*p && *p != '#') {
		char word[40];
		if (*p == ' ') {
			p++;
		} else if (*p == '"') {
			for (p++; *p != '"'; p++) {
				cr_assert_neq(*p, 0, "%s:%u: no end of text", x->file, x->line);
				if (*p == '\\')
					p++;
				buf_put_u8(b, p[-1] == '\\' && *p == 'n' ? '\n' : (uint8_t)*p);
			}
			p++;
		} else {
			size_t n = strcspn(p, " ");
			snprintf(word, sizeof(word), "%.*s", (int)n, p);
			put_number(x, b, word);
			p += n;
		}
	}
}

static void expect(struct scene *x, struct buf *got, const struct buf *want)
{
	size_t n = buf_len(want);
	bool same = buf_len(got) >= n && memcmp(buf_data(got), buf_data(want), n) == 0;
	cr_assert(same, "%s:%u (cut %u): got %zu bytes: type %c, wanted %zu", x->file, x->line,
		x->cut, buf_len(got), buf_len(got) ? buf_data(got)[0] : '-', n);
	buf_consume(got, n);
}

static void run_line(struct scene *x, const char *line)
{
	struct buf b, m;
	if (line[0] == '=') {
		flush(x);
		cr_assert_str_eq(x->event, line + 2, "%s:%u (cut %u): event %s", x->file, x->line,
			x->cut, x->event);
		x->event[0] = 0;
		return;
	}
	if (strcmp(line, "U *") == 0) {
		struct pgmsg any;
		flush(x);
		cr_assert_eq(pgmsg_take(buf_data(&x->up), buf_len(&x->up), 1 << 20, &any), 1,
			"%s:%u", x->file, x->line);
		buf_consume(&x->up, any.total);
		return;
	}
	buf_init(&b, 0);
	buf_init(&m, 0);
	put_body(x, &b, line + 3);
	pgmsg_put(&m, (uint8_t)line[2], buf_data(&b), buf_len(&b));
	if (line[0] == 'C')
		buf_append(&x->c_in, buf_data(&m), buf_len(&m));
	else if (line[0] == 'S')
		buf_append(&x->s_in, buf_data(&m), buf_len(&m));
	else
		flush(x);
	if (line[0] == 'U' || line[0] == 'D')
		expect(x, line[0] == 'U' ? &x->up : &x->down, &m);
	buf_fini(&b);
	buf_fini(&m);
}

static void begin(struct scene *x, FILE *f)
{
	char line[1000], word[40];
	enum proto_mode mode = PROTO_TRANSACTION;
	unsigned max_prepared = 10;
	while (fgets(line, sizeof(line), f)) { /* settings may stand anywhere */
		if (strncmp(line, "mode session", 12) == 0)
			mode = PROTO_SESSION;
		snprintf(word, sizeof(word), "%.15s", line);
		if (strncmp(word, "max_prepared 0", 14) == 0)
			max_prepared = 0;
	}
	rewind(f);
	pool_init(&x->p, mode, 1, max_prepared, seed_first());
	x->s = pool_login(&x->p, NULL);
	pool_run(&x->p, 0);
	buf_fini(&x->s->got);
	x->l = &x->p.link[0];
	cr_assert_not(proto_pg.attach(x->s->cst, x->l->lst, &x->up));
}

static void end(struct scene *x)
{
	flush(x);
	cr_assert_eq(buf_len(&x->up), 0, "%s (cut %u): more went up: %c", x->file, x->cut,
		buf_len(&x->up) ? buf_data(&x->up)[0] : '-');
	cr_assert_eq(buf_len(&x->down), 0, "%s (cut %u): more came down: %c", x->file, x->cut,
		buf_len(&x->down) ? buf_data(&x->down)[0] : '-');
	buf_fini(&x->c_in);
	buf_fini(&x->s_in);
	proto_pg.detach(x->s->cst, x->l->lst);
	pool_fini(&x->p);
}

static void replay(const char *dir, const char *name, unsigned cut)
{
	static struct scene x;
	char path[800], line[1000];
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	FILE *f = fopen(path, "r");
	cr_assert_not_null(f, "%s", path);
	memset(&x, 0, sizeof(x));
	x.file = name;
	x.cut = cut;
	begin(&x, f);
	while (fgets(line, sizeof(line), f)) {
		x.line++;
		line[strcspn(line, "\n")] = 0;
		if (line[0] && line[0] != '#' && line[1] == ' ')
			run_line(&x, line);
	}
	fclose(f);
	end(&x);
}

Test(golden, every_stream_at_every_cut)
{
	static const unsigned cuts[] = { 0, 1, 3, 17, 40 };
	char dir[500];
	const char *src = getenv("srcdir");
	unsigned n = 0;
	snprintf(dir, sizeof(dir), "%s/test/golden/pg", src ? src : ".");
	DIR *d = opendir(dir);
	cr_assert_not_null(d, "%s", dir);
	for (struct dirent *f; (f = readdir(d)) != NULL;) {
		if (strstr(f->d_name, ".txt") == NULL)
			continue;
		n++;
		for (unsigned i = 0; i < sizeof(cuts) / sizeof(*cuts); i++)
			replay(dir, f->d_name, cuts[i]);
	}
	closedir(d);
	cr_assert_gt(n, 5);
}
