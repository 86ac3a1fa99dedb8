/* fuzz_hba - any text as HBA file, as ident map and as LDAP options. Either a mistake is reported
 * or the rules can be asked; nothing may stay behind. An @ would read files: it is replaced. */
#include "auth/hba.h"
#include "auth/ident.h"
#include "auth/ldap_opts.h"
#include "base/mem.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void ask(const struct hba *h)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };
	const void *addr[] = { &v4, &v6, NULL };

	for (unsigned i = 0; i < 24; i++) {
		struct hba_query q = { .is_unix = i & 1,
			.is_tls = i & 2,
			.physical_replication = i & 4,
			.db = "a",
			.user = i & 2 ? "a" : "b",
			.addr = addr[i / 8] };
		const struct hba_rule *r = hba_find(h, &q);

		if (r && (r->line == 0 || r->method == AUTH_ANY || r->method == AUTH_HBA))
			abort();
		if (r && r->method == AUTH_PEER && !q.is_unix)
			abort();
	}
}

static void as_hba(const char *text, size_t n)
{
	struct problems p;
	struct hba *h = NULL;

	problems_init(&p);
	int rc = hba_parse("f", text, n, &h, &p);

	if ((rc == 0) != (p.errors_n == 0) || (rc == 0) != (h != NULL))
		abort();
	if (p.errors_n > 0 && strncmp(problems_text(&p), "f:", 2) != 0)
		abort();
	ask(h);
	hba_free(&h);
	problems_fini(&p);
}

static void as_ident(const char *text, size_t n)
{
	struct problems p;
	struct ident *i = NULL;

	problems_init(&p);
	if ((ident_parse("f", text, n, &i, &p) == 0) != (p.errors_n == 0))
		abort();
	(void)ident_allows(i, "m", "a", "b");
	ident_free(&i);
	problems_fini(&p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = mem_xstrndup(MEM_MISC, size ? (const char *)data : "", size);
	struct ldap_opts o;
	struct err e;

	for (size_t i = 0; i < size; i++) {
		if (text[i] == '@')
			text[i] = '_';
	}
	as_hba(text, size);
	as_ident(text, size);
	if (ldap_opts_parse(text, &o, &e) == 0)
		ldap_opts_fini(&o);
	mem_free(MEM_MISC, text);
	if (mem_live(MEM_AUTH) != 0 || mem_live(MEM_BUF) != 0)
		abort();
	return 0;
}
