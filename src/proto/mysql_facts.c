/* mysql_facts - what a greeting says of the servers behind, before anybody knows which of them a
 * client will meet: what one server said in its own greeting, and what is true of all. Also which
 * capabilities bind a session to a kind of link. Pure. Any thread.
 *
 * The bytes of facts: family (1: MariaDB), collation, capabilities (8), version to the end. */
#include "mysql_login_int.h"

#include <string.h>

#include "base/num.h"
#include "base/rd.h"
#include "wire/mysql/codec.h"

/* Said while no server has been heard: drivers read a number at its front. */
#define ANY_VERSION "8.0.0-weirpool"
#define VERSION_MAX 200U
#define MYSQL_COLLATION 255U  /* utf8mb4_0900_ai_ci */
#define MARIADB_COLLATION 45U /* utf8mb4_general_ci */
#define MARIADB_PREFIX "5.5.5-"

/* What no MariaDB offers in these bits. */
#define MYSQL_ONLY_CAPS (MYCAP(MYSQL) | MYCAP(QUERY_ATTRIBUTES))

bool my_version_is_mariadb(struct mystr version)
{
	return memmem(version.p, version.n, "MariaDB", 7) != NULL;
}

/* A number of at most 3 digits at *p, which moves behind it and one dot. */
static uint32_t part(const char **p, const char *end)
{
	uint32_t v = 0;
	for (unsigned i = 0; i < 3 && *p < end && **p >= '0' && **p <= '9'; i++, ++*p)
		v = v * 10 + (uint32_t)(**p - '0');
	if (*p < end && **p == '.')
		++*p;
	return v;
}

uint32_t my_version_number(struct mystr version)
{
	const char *p = version.p, *end = p + version.n;
	size_t prefix_n = sizeof(MARIADB_PREFIX) - 1;
	if (version.n > prefix_n && memcmp(p, MARIADB_PREFIX, prefix_n) == 0)
		p += prefix_n;
	uint32_t major = part(&p, end);
	uint32_t minor = part(&p, end);
	uint32_t patch = part(&p, end);
	return major * 10000 + minor % 100 * 100 + patch % 100;
}

void my_facts_guess(const char *version, struct my_facts *f_r)
{
	if (*version == '\0')
		version = ANY_VERSION;
	struct mystr v = { version, strlen(version) };
	bool mariadb = my_version_is_mariadb(v);
	*f_r = (struct my_facts){ .mariadb = mariadb,
		.collation = mariadb ? MARIADB_COLLATION : MYSQL_COLLATION,
		.caps = mariadb ? MY_CLIENT_CAPS & ~MYSQL_ONLY_CAPS : MY_CLIENT_CAPS,
		.version = v };
}

bool my_facts_read(const uint8_t *p, size_t n, struct my_facts *f_r)
{
	struct rd r = rd_of(p, n);
	*f_r = (struct my_facts){ .mariadb = rd_u8(&r) == 1 };
	f_r->collation = rd_u8(&r);
	f_r->caps = rd_u64le(&r);
	f_r->version.n = rd_left(&r);
	f_r->version.p = (const char *)rd_bytes(&r, f_r->version.n);
	return rd_ok(&r) && f_r->version.n > 0;
}

static void put_facts(struct buf *b, const struct my_facts *f)
{
	buf_put_u8(b, f->mariadb);
	buf_put_u8(b, f->collation);
	buf_put_u64le(b, f->caps);
	buf_append(b, f->version.p, f->version.n);
}

bool my_link_facts(const void *lst, struct buf *out)
{
	const struct my_link *l = lst;
	if (l->version == NULL)
		return false;
	size_t n = strlen(l->version);
	put_facts(out, &(struct my_facts){ .mariadb = l->mariadb,
			       .collation = l->server_collation,
			       .caps = l->server_caps,
			       .version = { l->version, n < VERSION_MAX ? n : VERSION_MAX } });
	return true;
}

/* The older version is what all of them can do. Families cannot be joined: the first one stays, or
 * the configuration's. */
bool my_facts_join(struct buf *all, const uint8_t *facts, size_t n, const char *version)
{
	struct my_facts a, f;
	if (!my_facts_read(facts, n, &f))
		return true;
	if (*version &&
		my_version_is_mariadb((struct mystr){ version, strlen(version) }) != f.mariadb)
		return false;
	if (buf_len(all) == 0) {
		buf_append(all, facts, n);
		return true;
	}
	if (!my_facts_read(buf_data(all), buf_len(all), &a) || a.mariadb != f.mariadb)
		return false;
	uint64_t caps = a.caps & f.caps;
	struct my_facts j = my_version_number(f.version) < my_version_number(a.version) ? f : a;
	j.caps = caps;
	j.collation = a.collation == f.collation ? a.collation : MARIADB_COLLATION;
	struct buf b;
	buf_init(&b, 0);
	put_facts(&b, &j); /* may point into all */
	if (!b.failed) {
		buf_truncate(all, 0);
		buf_append(all, buf_data(&b), buf_len(&b));
	}
	buf_fini(&b);
	return true;
}

uint64_t my_caps_of_codings(unsigned codings)
{
	uint64_t caps = 0;
	if ((codings & PROTO_CODING_ZLIB) && mycodec_has(MYCODEC_ZLIB))
		caps |= MYCAP(COMPRESS);
	if ((codings & PROTO_CODING_ZSTD) && mycodec_has(MYCODEC_ZSTD))
		caps |= MYCAP(ZSTD);
	return caps;
}

bool my_client_fits(const void *cst, const void *lst, struct err *e)
{
	const struct my_client *c = cst;
	const struct my_link *l = lst;
	if (c->mariadb == l->mariadb)
		return true;
	(void)err_set(e, ERR_SERVER_REFUSED,
		"the server is %s, but this port speaks for %s: clients of both need a weirpool "
		"each",
		l->mariadb ? "a MariaDB" : "a MySQL", c->mariadb ? "MariaDB" : "MySQL");
	return false;
}

static const uint64_t CLASS[] = { MYCAP(FOUND_ROWS), MYCAP(IGNORE_SPACE), MYCAP(LOCAL_FILES),
	MYCAP(INTERACTIVE), MYCAP(NO_SCHEMA), MYCAP(OPTIONAL_METADATA) };
#define CLASS_N (sizeof(CLASS) / sizeof(CLASS[0]))

unsigned my_class_of_caps(uint64_t caps)
{
	unsigned v = 0;
	for (unsigned i = 0; i < CLASS_N; i++)
		if (caps & CLASS[i])
			v |= 1U << i;
	return v;
}

uint64_t my_caps_of_class(unsigned link_class)
{
	uint64_t caps = 0;
	for (unsigned i = 0; i < CLASS_N; i++)
		if (link_class & 1U << i)
			caps |= CLASS[i];
	return caps;
}
