/* opt - finding rows of the option table, and text to value and back. Ignorant of files and
 * scopes' merging. Pure functions; any thread. */
#include "conf/opt.h"

#include "base/num.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define TIME_MAX_US INT64_C(3153600000000000) /* 100 years */

/* Is s (n bytes) one of the comma separated names? Its position, or -1. */
static int name_index(const char *names, const char *s, size_t n)
{
	int i = 0;
	for (const char *p = names; p; i++) {
		size_t len = strcspn(p, ",");
		if (len == n && strncasecmp(p, s, n) == 0)
			return i;
		p = p[len] ? p + len + 1 : NULL;
	}
	return -1;
}

const struct opt *opt_find(const char *name, unsigned scope)
{
	size_t n = strlen(name);
	for (unsigned i = 0; i < opt_table_n; i++) {
		const struct opt *o = &opt_table[i];
		if (!(o->scopes & scope))
			continue;
		if (strcasecmp(o->name, name) == 0 ||
			(o->local && strcasecmp(o->local, name) == 0) ||
			name_index(o->aliases, name, n) >= 0)
			return o;
	}
	return NULL;
}

size_t opt_distance(const char *a, const char *b)
{
	size_t an = strlen(a), bn = strlen(b);
	if (an > 64 || bn > 64)
		return SIZE_MAX;
	size_t rows[3][65]; /* of the matrix: the one before the last, the last, this */
	size_t *two = rows[0], *one = rows[1], *cur = rows[2];
	for (size_t j = 0; j <= bn; j++)
		one[j] = j;
	for (size_t i = 1; i <= an; i++) {
		cur[0] = i;
		for (size_t j = 1; j <= bn; j++) {
			int ca = tolower((unsigned char)a[i - 1]),
			    cb = tolower((unsigned char)b[j - 1]);
			size_t best = one[j - 1] + (ca != cb);
			if (one[j] + 1 < best)
				best = one[j] + 1;
			if (cur[j - 1] + 1 < best)
				best = cur[j - 1] + 1;
			if (i > 1 && j > 1 && ca == tolower((unsigned char)b[j - 2]) &&
				cb == tolower((unsigned char)a[i - 2]) && two[j - 2] + 1 < best)
				best = two[j - 2] + 1;
			cur[j] = best;
		}
		size_t *t = two;
		two = one;
		one = cur;
		cur = t;
	}
	return one[bn];
}

/* A third of the letters may be wrong, at least 1 and at most 4. */
static size_t tolerance(const char *name)
{
	size_t n = strlen(name) / 3;
	return n < 1 ? 1 : n > 4 ? 4 : n;
}

const char *opt_nearer(const char *name, const char *best, const char *other)
{
	size_t d = opt_distance(name, other);
	return d > tolerance(name) || (best && opt_distance(name, best) <= d) ? best : other;
}

/* Some have a shorter name in entries, which is understood for all, too; aliases that are several
 * are none. */
const char *opt_nearest(const char *name, unsigned scope)
{
	const char *best = NULL;
	for (unsigned i = 0; i < opt_table_n; i++) {
		const struct opt *o = &opt_table[i];
		const char *shown[] = { opt_name(o, scope), opt_name(o, OPT_DB), o->aliases };
		for (unsigned k = 0; o->scopes & scope && k < 3; k++)
			if (shown[k] && opt_find(shown[k], scope))
				best = opt_nearer(name, best, shown[k]);
	}
	return best;
}

static int parse_bool(const char *text, int64_t *i_r)
{
	static const char *const words[] = { "0", "1", "no", "yes", "off", "on", "false", "true" };
	for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strcasecmp(text, words[i]) == 0) {
			*i_r = i & 1;
			return 0;
		}
	}
	/* PgBouncer's are numbers, where all but 0 mean yes */
	if (num_i64(text, 0, INT32_MAX, i_r) == 0) {
		*i_r = *i_r != 0;
		return 0;
	}
	return -1;
}

static int parse_int(
	const struct opt *o, const char *text, struct opt_value *v, char *why, size_t n)
{
	if (num_i64(text, o->min, o->max, &v->i) == 0)
		return 0;
	snprintf(
		why, n, "must be a number from %lld to %lld", (long long)o->min, (long long)o->max);
	return -1;
}

/* At most six decimals, as that is what the field holds. */
static int parse_fraction(const char *text, struct opt_value *v, char *why, size_t n)
{
	const char *dot = strchr(text, '.'), *decimals = dot ? dot + 1 : "";
	size_t whole_n = dot ? (size_t)(dot - text) : strlen(text), n_decimals = strlen(decimals);
	uint64_t whole = 0, part = 0;
	bool ok = whole_n ? num_u64n(text, whole_n, 0, 1, &whole) == 0 : n_decimals > 0;
	ok = ok && n_decimals <= 6 &&
	     (!n_decimals || num_u64n(decimals, n_decimals, 0, 999999, &part) == 0);
	for (size_t i = n_decimals; i < 6; i++)
		part *= 10;
	if (!ok || whole * 1000000 + part > 1000000) {
		snprintf(why, n, "must be a fraction from 0 to 1, as 0.05, of at most 6 decimals");
		return -1;
	}
	v->i = (int64_t)(whole * 1000000 + part);
	return 0;
}

static int parse_duration(
	const struct opt *o, const char *text, struct opt_value *v, char *why, size_t n)
{
	int64_t us, max = o->max ? o->max : TIME_MAX_US;
	const char *unit = o->unit_us == 1000 ? "milliseconds" : "seconds";
	if (num_duration_us(text, o->unit_us, &us) != 0) {
		snprintf(why, n,
			"must be a time: a number of %s, or with a unit as 200ms, 5s, 2min, 1h, 1d",
			unit);
		return -1;
	}
	if (us < o->min || us > max) {
		double u = (double)o->unit_us;
		snprintf(why, n, "must be a time from %.12g to %.12g %s", (double)o->min / u,
			(double)max / u, unit);
		return -1;
	}
	v->i = us;
	return 0;
}

static int parse_bytes(
	const struct opt *o, const char *text, struct opt_value *v, char *why, size_t n)
{
	uint64_t b;
	if (num_bytes(text, &b) != 0) {
		snprintf(why, n, "must be a size in bytes, or with a unit as 64kB, 1MB, 1GB");
		return -1;
	}
	if (b > INT64_MAX || (int64_t)b < o->min || (int64_t)b > o->max) {
		snprintf(why, n, "must be a size from %lld to %lld bytes", (long long)o->min,
			(long long)o->max);
		return -1;
	}
	v->i = (int64_t)b;
	return 0;
}

/* "must be one of: a, b, c, did you mean b?" */
static int enum_error(const struct opt *o, const char *text, char *why, size_t n)
{
	char near[32] = "", list[160] = "";
	size_t near_d = tolerance(text) + 1, at = 0;
	for (const char *p = o->names; p;) {
		char word[32];
		size_t len = strcspn(p, ",");
		snprintf(word, sizeof(word), "%.*s", (int)len, p);
		at += (size_t)snprintf(list + at, sizeof(list) - at, "%s%s", at ? ", " : "", word);
		if (at >= sizeof(list))
			at = sizeof(list) - 1;
		size_t d = opt_distance(text, word);
		if (d < near_d) {
			near_d = d;
			snprintf(near, sizeof(near), "%s", word);
		}
		p = p[len] ? p + len + 1 : NULL;
	}
	if (near[0])
		snprintf(why, n, "must be one of: %s, did you mean \"%s\"?", list, near);
	else
		snprintf(why, n, "must be one of: %s", list);
	return -1;
}

int opt_parse(const struct opt *o, const char *text, struct opt_value *v_r, char *why, size_t n)
{
	struct opt_value v = { .i = 0, .s = text };
	uint32_t mode;
	switch (o->type) {
	case OPT_BOOL:
		if (parse_bool(text, &v.i) != 0) {
			snprintf(why, n, "must be 1 or 0 (also yes, no, on, off, true, false)");
			return -1;
		}
		break;
	case OPT_INT:
		if (parse_int(o, text, &v, why, n) != 0)
			return -1;
		break;
	case OPT_FRACTION:
		if (parse_fraction(text, &v, why, n) != 0)
			return -1;
		break;
	case OPT_DURATION:
		if (parse_duration(o, text, &v, why, n) != 0)
			return -1;
		break;
	case OPT_BYTES:
		if (parse_bytes(o, text, &v, why, n) != 0)
			return -1;
		break;
	case OPT_MODE:
		if (num_mode(text, &mode) != 0) {
			snprintf(why, n, "must be a file mode in octal, as 0770");
			return -1;
		}
		v.i = mode;
		break;
	case OPT_ENUM:
		v.i = name_index(o->names, text, strlen(text));
		if (v.i < 0)
			return enum_error(o, text, why, n);
		break;
	case OPT_LIST:
		if (*text && text[strspn(text, ", \t")] == '\0') {
			snprintf(why, n,
				"must be a list with commas, but there is nothing between them");
			return -1;
		}
		break;
	case OPT_STRING:
	case OPT_PATH:
	case OPT_SECRET: break;
	}
	*v_r = v;
	return 0;
}

static void *field(const struct opt *o, void *base)
{
	return (char *)base + o->offset;
}

void opt_store(const struct opt *o, void *base, const struct opt_value *v)
{
	if (o->in == OPT_IN_NOWHERE)
		return;
	void *f = field(o, base);
	switch (o->type) {
	case OPT_BOOL: *(bool *)f = v->i != 0; break;
	case OPT_INT:
	case OPT_FRACTION:
	case OPT_ENUM: /* all our enums are as wide as int: see the assertion below */
		*(int *)f = (int)v->i;
		break;
	case OPT_DURATION:
	case OPT_BYTES: *(int64_t *)f = v->i; break;
	case OPT_MODE: *(uint32_t *)f = (uint32_t)v->i; break;
	case OPT_STRING:
	case OPT_LIST:
	case OPT_PATH:
	case OPT_SECRET: *(const char **)f = v->s; break;
	}
}
_Static_assert(sizeof(enum opt_type) == sizeof(int), "enums are stored through int");

static const char *show_enum(const struct opt *o, int v, char *tmp, size_t n)
{
	const char *p = o->names;
	for (int i = 0; i < v && p; i++) {
		p = strchr(p, ',');
		p = p ? p + 1 : NULL;
	}
	snprintf(tmp, n, "%.*s", p ? (int)strcspn(p, ",") : 1, p ? p : "?");
	return tmp;
}

/* Without the zeros at its end, and never with an exponent. */
static const char *show_fraction(int millionths, char *tmp, size_t n)
{
	int digits = 6;
	int rest = millionths % 1000000;
	for (; digits > 0 && rest % 10 == 0; digits--)
		rest /= 10;
	if (digits == 0)
		snprintf(tmp, n, "%d", millionths / 1000000);
	else
		snprintf(tmp, n, "%d.%0*d", millionths / 1000000, digits, rest);
	return tmp;
}

const char *opt_show(const struct opt *o, const void *base, char *tmp, size_t n)
{
	if (o->in == OPT_IN_NOWHERE)
		return "";
	const char *f = (const char *)base + o->offset;
	switch (o->type) {
	case OPT_BOOL: return *(const bool *)f ? "1" : "0";
	case OPT_INT: snprintf(tmp, n, "%d", *(const int *)(const void *)f); return tmp;
	case OPT_FRACTION: return show_fraction(*(const int *)(const void *)f, tmp, n);
	case OPT_DURATION:
		snprintf(tmp, n, "%g",
			(double)*(const int64_t *)(const void *)f / (double)o->unit_us);
		return tmp;
	case OPT_BYTES:
		snprintf(tmp, n, "%lld", (long long)*(const int64_t *)(const void *)f);
		return tmp;
	case OPT_MODE: snprintf(tmp, n, "%04o", *(const uint32_t *)(const void *)f); return tmp;
	case OPT_ENUM: return show_enum(o, *(const int *)(const void *)f, tmp, n);
	case OPT_SECRET: return **(const char *const *)(const void *)f ? "****" : "";
	case OPT_STRING:
	case OPT_LIST:
	case OPT_PATH: return *(const char *const *)(const void *)f;
	}
	return "";
}

const char *opt_default(const struct opt *o, bool pgbouncer)
{
	return pgbouncer && o->dflt_pgb ? o->dflt_pgb : o->dflt;
}

bool opt_is_idle(const struct opt *o)
{
	return strstr(o->help, "without effect") != NULL;
}

const char *opt_type_name(const struct opt *o)
{
	static const char *const names[] = {
		[OPT_BOOL] = "0 or 1",
		[OPT_INT] = "number",
		[OPT_FRACTION] = "fraction, 0 to 1",
		[OPT_DURATION] = "time",
		[OPT_BYTES] = "size",
		[OPT_MODE] = "octal",
		[OPT_ENUM] = "one of",
		[OPT_STRING] = "text",
		[OPT_LIST] = "list",
		[OPT_PATH] = "file",
		[OPT_SECRET] = "secret",
	};
	return names[o->type];
}

const char *opt_apply_name(enum opt_apply a)
{
	switch (a) {
	case OPT_NOW: return "now";
	case OPT_NEW_CONN: return "new connections";
	case OPT_RESTART: return "restart";
	}
	return "";
}
