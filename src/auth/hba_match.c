/* hba_match - which line of an HBA file speaks about a connection. Reads only; any thread. */
#include "hba_int.h"

#include <netinet/in.h>
#include <string.h>

static bool in_set(const struct hba_names *n, const char *name)
{
	return hmap_get(&n->set, name, strlen(name)) != NULL;
}

static bool db_matches(const struct hba_names *n, const struct hba_query *q)
{
	/* As PostgreSQL: a physical walsender has no database, so not even "all" speaks about it.
	 */
	if (q->physical_replication)
		return n->replication;
	return n->all || (n->sameuser && strcmp(q->db, q->user) == 0) || in_set(n, q->db);
}

static bool user_matches(const struct hba_names *n, const char *user)
{
	return n->all || in_set(n, user);
}

/* Family and bytes of an address; v4-mapped ones become IPv4. */
static const uint8_t *address(const struct sockaddr *sa, int *af_r)
{
	static const uint8_t MAPPED[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };
	const void *p = sa;

	if (sa != NULL && sa->sa_family == AF_INET) {
		*af_r = AF_INET;
		return (const uint8_t *)&((const struct sockaddr_in *)p)->sin_addr;
	}
	if (sa == NULL || sa->sa_family != AF_INET6)
		return NULL;
	const uint8_t *six = ((const struct sockaddr_in6 *)p)->sin6_addr.s6_addr;
	bool mapped = memcmp(six, MAPPED, sizeof MAPPED) == 0;

	*af_r = mapped ? AF_INET : AF_INET6;
	return mapped ? six + 12 : six;
}

static bool net_matches(const struct hba_net *net, int af, const uint8_t *addr)
{
	if (net->af != af)
		return false;
	for (size_t i = 0; i < (af == AF_INET ? 4u : 16u); i++) {
		if ((addr[i] ^ net->addr[i]) & net->mask[i])
			return false;
	}
	return true;
}

static bool addr_matches(const struct hba_line *l, const struct sockaddr *sa)
{
	int af = AF_UNSPEC;
	const uint8_t *addr = address(sa, &af);

	if (addr == NULL)
		return false;
	for (size_t i = 0; i < l->nets_n && !l->any_addr; i++) {
		if (net_matches(&l->nets[i], af, addr))
			return true;
	}
	return l->any_addr;
}

static bool type_matches(const struct hba_line *l, const struct hba_query *q)
{
	switch (l->type) {
	case HBA_LOCAL: return q->is_unix;
	case HBA_HOST: return !q->is_unix;
	case HBA_HOSTSSL: return !q->is_unix && q->is_tls;
	case HBA_HOSTNOSSL: return !q->is_unix && !q->is_tls;
	}
	return false;
}

const struct hba_rule *hba_find(const struct hba *h, const struct hba_query *q)
{
	for (size_t i = 0; h && i < h->n; i++) {
		const struct hba_line *l = &h->v[i];

		if (type_matches(l, q) && (l->type == HBA_LOCAL || addr_matches(l, q->addr)) &&
			db_matches(&l->dbs, q) && user_matches(&l->users, q->user))
			return &l->rule;
	}
	return NULL;
}
