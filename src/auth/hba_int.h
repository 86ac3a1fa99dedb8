/* hba_int - the parsed form of an HBA file, shared by its parser and its matcher. */
#ifndef AUTH_HBA_INT_H
#define AUTH_HBA_INT_H
#include "auth/hba.h"
#include "auth_int.h"
#include "base/hmap.h"
#include <stdint.h>

enum hba_type { HBA_LOCAL, HBA_HOST, HBA_HOSTSSL, HBA_HOSTNOSSL };

struct hba_names {
	bool all, sameuser, replication;
	struct hmap set; /* key: the name; value: anything but NULL */
};
struct hba_net {
	int af; /* AF_INET or AF_INET6 */
	uint8_t addr[16], mask[16];
};
struct hba_line {
	struct hba_rule rule;
	enum hba_type type;
	struct hba_names dbs, users;
	bool any_addr;
	struct hba_net *nets;
	size_t nets_n;
	/* owned, shown by rule */
	char *map, *pam_service, *ldap;
};
struct hba {
	char *file;
	struct hba_line *v;
	size_t n, size;
};

/* Reading one line: a cursor over its words. */
struct hba_ctx {
	const char *file;
	unsigned line;
	struct problems *p;
	const struct toks *t;
	size_t at;
};

/* The address words (one or two) of a host line into l. False: the problem was reported. */
bool hba_read_address(struct hba_ctx *c, struct hba_line *l);
/* The option words behind the method. */
bool hba_read_options(struct hba_ctx *c, struct hba_line *l);
/* A database or user field, with @files. */
bool hba_read_names(struct hba_ctx *c, bool is_db, struct hba_names *names);
#endif
