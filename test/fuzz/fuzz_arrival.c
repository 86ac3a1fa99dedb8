/* fuzz_arrival - what another process says that core knows of a session, and of the link that it
 * keeps (session_state.c, link_hand.c), up to where it is looked up: the protocol's half is
 * fuzz_hand.c's. Oracle: what was taken has texts that end, times that are none of the far future,
 * and lies inside the input. One thread. */
#include "../../src/core/link_hand.c"
#include "../../src/core/session_state.c"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define NOW_US INT64_C(1000000000)
#define LATEST_US (NOW_US + INT64_C(3600000000))

static void must(bool ok)
{
	if (!ok)
		abort();
}

static void must_end(const char *s, size_t size)
{
	must(memchr(s, 0, size) != NULL);
}

static void link_of(struct rd r, const uint8_t *p, size_t n)
{
	struct known k = { 0 };
	must(rd_ok(&r) && r.p >= p && rd_left(&r) <= n && r.end <= p + n);
	if (!read_known(&r, &k, NOW_US))
		return;
	must(k.born_us >= 0 && k.born_us <= NOW_US && k.state_us >= 0 && k.state_us <= NOW_US);
	must_end(k.host, sizeof k.host);
	must_end(k.user, sizeof k.user);
	must_end(k.database, sizeof k.database);
	must_end(k.cluster, sizeof k.cluster);
	must_end(k.where, sizeof k.where);
}

static void session_of(const uint8_t *p, size_t n)
{
	struct arrival a = { 0 };
	struct rd r = rd_of(p, n);
	if (!read_arrival(&r, &a, NOW_US))
		return;
	must(a.connected_us >= 0 && a.connected_us <= LATEST_US && a.token.doubt_until_us >= 0 &&
		a.token.doubt_until_us <= LATEST_US && a.endpoint <= CONF_ENDPOINT_RO);
	must_end(a.db, sizeof a.db);
	must_end(a.user, sizeof a.user);
	must_end(a.creds.password, sizeof a.creds.password);
	link_of(a.link, p, n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *copy = calloc(size ? size : 1, 1); /* so that ASan sees reads behind it */
	must(copy != NULL);
	if (size)
		memcpy(copy, data, size);
	session_of(copy, size);
	link_of(rd_of(copy, size), copy, size);
	free(copy);
	return 0;
}
