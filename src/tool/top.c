/* top - weirpool top: the same as stat, on a terminal, renewed each second, with keys. ANSI
 * sequences only: what they need of a terminal (clear a line, move up, reverse video) all of
 * them have. */
#include "tool_int.h"

#include "base/num.h"

#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

static const char usage_text[] =
	"Usage: weirpool top [OPTION]... [CONFIG-FILE | URL of the console]\n"
	"Looks at a running weirpool, each second.\n"
	"      --view=NAME      begin with pools, clients, servers, nodes or waits\n"
	"      --interval=N     seconds between two looks (1)\n"
	"      --once           print it once, without keys (also when this is no terminal)\n"
	"      --json           all of it once, as JSON\n"
	"  -h, --help           print this\n"
	"Keys: p pools, c clients, s servers, n nodes, w waits; < and > the column to sort\n"
	"by, r the other way round; arrows and page keys scroll; space looks now; q ends.\n"
	"No colours when NO_COLOR is set.\n";

static const struct option longs[] = {
	{ "view", required_argument, NULL, 'v' },
	{ "interval", required_argument, NULL, 'i' },
	{ "once", no_argument, NULL, 'o' },
	{ "json", no_argument, NULL, 'j' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

struct top {
	struct tool_target target;
	PGconn *c;
	const struct view *view;
	struct view_how how;
	unsigned rows; /* of the terminal */
	int interval_s;
	bool once, json, ends;
	struct tool_sample was, is;
	unsigned samples_n;
	struct termios terminal; /* as it was */
};

static volatile sig_atomic_t interrupted;

static volatile sig_atomic_t stopped;

static void on_signal(int sig)
{
	if (sig == SIGTSTP)
		stopped = 1;
	else if (sig != SIGWINCH)
		interrupted = 1;
}

/* ---- what is shown ---- */

static void choose(struct top *t, const struct view *v)
{
	t->view = v;
	t->how.sort = v->sort;
	t->how.up = false;
	t->how.from = 0;
}

static void put_head(const struct top *t, struct buf *out)
{
	struct tool_rate r = tool_rate(&t->was, &t->is);
	const struct tool_sample *s = &t->is;
	const bool alarm = t->how.colour && s->waiting;
	char in[16], sent[16], now[16], line[200];
	const int width = (int)(t->how.width ? t->how.width : sizeof line);
	time_t at = time(NULL);
	struct tm tm;
	strftime(now, sizeof now, "%H:%M:%S", localtime_r(&at, &tm));
	snprintf(line, sizeof line, "%s  %s  %s  %lld pinned", s->version, now, s->state, s->pins);
	buf_printf(out, "%.*s\n", width, line);
	snprintf(line, sizeof line, "clients %lld, %lld wait (max %.1fs)   servers %lld, %lld idle",
		s->clients, s->waiting, (double)s->maxwait_us / 1e6, s->servers, s->idle);
	buf_printf(out, "%s%.*s%s\n", alarm ? "\033[1m" : "", width, line, alarm ? "\033[0m" : "");
	if (t->samples_n > 1)
		snprintf(line, sizeof line,
			"%.0f xact/s  %.0f query/s  %.2f ms a query  %.2f ms wait  %s/s in  "
			"%s/s out",
			r.xacts, r.queries, r.query_ms, r.wait_ms, tool_short(r.in_bytes, in),
			tool_short(r.out_bytes, sent));
	else
		snprintf(line, sizeof line, "%lld transactions, %lld queries so far", s->xacts,
			s->queries);
	buf_printf(out, "%.*s\n", width, line);
}

static int look(struct top *t)
{
	t->was = t->is;
	t->samples_n++;
	return tool_sample(t->c, &t->is);
}

/* Head and table. */
static int put_all(struct top *t, struct buf *out)
{
	PGresult *r = tool_show(t->c, t->view->show);
	if (!r)
		return -1;
	unsigned n = (unsigned)PQntuples(r);
	if (t->how.from >= n)
		t->how.from = n ? n - 1 : 0;
	put_head(t, out);
	buf_printf(out, "%s: %u\n", t->view->title, n);
	top_view_put(out, t->view, r, &t->how);
	PQclear(r);
	return 0;
}

static int print(struct buf *out)
{
	bool ok = !out->failed && fwrite(buf_data(out), 1, buf_len(out), stdout) == buf_len(out) &&
		  fflush(stdout) == 0;
	buf_truncate(out, 0);
	return ok ? 0 : -1;
}

static int once(struct top *t)
{
	struct buf out;
	int rc = look(t);
	buf_init(&out, 0);
	t->how.lines_n = 100000;
	if (rc == 0)
		rc = put_all(t, &out);
	if (rc == 0)
		rc = print(&out);
	buf_fini(&out);
	return rc;
}

static int as_json(struct top *t)
{
	struct buf out;
	int rc = 0;
	buf_init(&out, 0);
	buf_puts(&out, "{");
	for (unsigned i = 0; i < top_views_n && rc == 0; i++) {
		PGresult *r = tool_show(t->c, top_views[i].show);
		buf_printf(&out, "%s\"%s\": ", i ? ",\n" : "", top_views[i].title);
		if (r)
			tool_json_rows(&out, r);
		else
			rc = -1;
		PQclear(r);
	}
	buf_puts(&out, "}\n");
	if (rc == 0)
		rc = print(&out);
	buf_fini(&out);
	return rc;
}

/* ---- the terminal ---- */

static void measure(struct top *t)
{
	struct winsize w = { 0 };
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) != 0 || w.ws_col < 20 || w.ws_row < 6)
		w = (struct winsize){ .ws_col = 80, .ws_row = 24 };
	t->how.width = w.ws_col;
	t->rows = w.ws_row;
	t->how.lines_n = t->rows - 6;
}

static void raw(struct top *t)
{
	struct termios r = t->terminal;
	r.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	r.c_cc[VMIN] = 0;
	r.c_cc[VTIME] = 0;
	(void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &r);
	fputs("\033[?1049h\033[?25l", stdout);
}

static void cooked(struct top *t)
{
	fputs("\033[?25h\033[?1049l", stdout);
	fflush(stdout);
	(void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &t->terminal);
}

/* Ctrl-Z: the shell gets its screen as it was; fg comes back to ours. */
static void stop(struct top *t)
{
	struct sigaction stops = { .sa_handler = SIG_DFL }, handled;
	stopped = 0;
	cooked(t);
	sigaction(SIGTSTP, &stops, &handled);
	raise(SIGTSTP); /* not SIGSTOP: where no shell could ever continue it, this does nothing */
	sigaction(SIGTSTP, &handled, NULL);
	raw(t);
}

/* Lines to the screen: each clears the rest of its own, the last one all below. */
static int draw(struct top *t)
{
	struct buf out, screen;
	measure(t);
	buf_init(&out, 0);
	buf_init(&screen, 0);
	int rc = put_all(t, &out);
	buf_puts(&screen, "\033[H");
	const char *p = (const char *)buf_data(&out), *end = p + buf_len(&out);
	unsigned lines = 0;
	for (; p && p < end && lines + 1 < t->rows; lines++) {
		const char *nl = memchr(p, '\n', (size_t)(end - p));
		buf_append(&screen, p, (size_t)((nl ? nl : end) - p));
		buf_puts(&screen, "\033[K\n");
		p = nl ? nl + 1 : end;
	}
	buf_printf(&screen, "\033[J\033[%u;1H%.*s", t->rows, (int)t->how.width,
		"p pools c clients s servers n nodes w waits  <> sort  r reverse  q quit");
	if (rc == 0)
		rc = print(&screen);
	buf_fini(&out);
	buf_fini(&screen);
	return rc;
}

static void scroll(struct top *t, int by)
{
	int to = (int)t->how.from + by;
	t->how.from = to < 0 ? 0 : (unsigned)to;
}

/* An escape sequence: the arrows, page up and down. */
static size_t on_escape(struct top *t, const char *s, size_t n)
{
	int page = (int)t->how.lines_n;
	if (n < 3 || s[1] != '[')
		return 1;
	switch (s[2]) {
	case 'A': scroll(t, -1); break;
	case 'B': scroll(t, 1); break;
	case '5': scroll(t, -page); break;
	case '6': scroll(t, page); break;
	case 'C': t->how.sort = (t->how.sort + 1) % t->view->n; break;
	case 'D': t->how.sort = (t->how.sort + t->view->n - 1) % t->view->n; break;
	default: break;
	}
	return n > 3 && s[3] == '~' ? 4 : 3;
}

static void on_key(struct top *t, char key)
{
	for (unsigned i = 0; i < top_views_n; i++)
		if (top_views[i].key == key)
			choose(t, &top_views[i]);
	switch (key) {
	case 'q': t->ends = true; break;
	case '>': t->how.sort = (t->how.sort + 1) % t->view->n; break;
	case '<': t->how.sort = (t->how.sort + t->view->n - 1) % t->view->n; break;
	case 'r': t->how.up = !t->how.up; break;
	default: break;
	}
}

/* True: something was pressed. */
static bool read_keys(struct top *t)
{
	struct pollfd p = { .fd = STDIN_FILENO, .events = POLLIN };
	char keys[64];
	int got = poll(&p, 1, t->interval_s * 1000);
	if (got < 0 && errno == EINTR) /* another size */
		return true;
	ssize_t n = got > 0 ? read(STDIN_FILENO, keys, sizeof keys) : 0;
	if (got > 0 && n <= 0) /* the terminal is gone */
		t->ends = true;
	for (ssize_t i = 0; i < n;) {
		if (keys[i] == '\033') {
			i += (ssize_t)on_escape(t, keys + i, (size_t)(n - i));
		} else {
			on_key(t, keys[i++]);
		}
	}
	return n > 0;
}

static int interact(struct top *t)
{
	struct sigaction sa = { .sa_handler = on_signal };
	const int sigs[] = { SIGWINCH, SIGINT, SIGTERM, SIGHUP, SIGTSTP };
	if (tcgetattr(STDIN_FILENO, &t->terminal) != 0)
		return once(t);
	for (unsigned i = 0; i < sizeof sigs / sizeof *sigs; i++)
		sigaction(sigs[i], &sa, NULL);
	const char *term = getenv("TERM"), *no = getenv("NO_COLOR");
	t->how.colour = !(no && *no) && !(term && !strcmp(term, "dumb"));
	raw(t);
	int rc = look(t);
	while (rc == 0 && !t->ends && !interrupted) {
		if (stopped)
			stop(t);
		rc = draw(t);
		if (rc == 0 && !read_keys(t) && !t->ends)
			rc = look(t);
	}
	cooked(t);
	return rc;
}

/* ---- the command line ---- */

static int find_view(struct top *t, const char *name)
{
	for (unsigned i = 0; i < top_views_n; i++)
		if (strcmp(top_views[i].title, name) == 0 ||
			(name[0] == top_views[i].key && !name[1])) {
			choose(t, &top_views[i]);
			return 0;
		}
	tool_say("top", "there is no view \"%s\": pools, clients, servers, nodes, waits", name);
	return -1;
}

static int parse(int argc, char **argv, struct top *t, int *code_r)
{
	int c, rc = 0;
	int64_t interval_s = 1;
	*code_r = 2;
	while (rc == 0 && (c = getopt_long(argc, argv, "hv:i:oj", longs, NULL)) != -1) {
		switch (c) {
		case 'v': rc = find_view(t, optarg); break;
		case 'i':
			rc = num_i64(optarg, 1, 3600, &interval_s);
			t->interval_s = (int)interval_s;
			break;
		case 'o': t->once = true; break;
		case 'j': t->json = true; break;
		case 'h':
			fputs(usage_text, stdout);
			*code_r = 0;
			return -1;
		default: rc = -1;
		}
	}
	if (rc != 0 || argc - optind > 1) {
		fputs(usage_text, stderr);
		return -1;
	}
	t->target = (struct tool_target){ .name = "top", .arg = argv[optind] };
	return 0;
}

static int run(PGconn *c, void *arg)
{
	struct top *t = arg;
	bool terminal = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
	t->c = c;
	return t->json ? as_json(t) : t->once || !terminal ? once(t) : interact(t);
}

int tool_top(int argc, char **argv)
{
	struct top t = { .interval_s = 1 };
	int code;
	choose(&t, &top_views[0]);
	if (parse(argc, argv, &t, &code) != 0)
		return code;
	return tool_talk(&t.target, run, &t);
}
