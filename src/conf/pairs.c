/* pairs - the small languages inside values: k=v pairs as in [databases], host lists, comma lists.
 * Ignorant of what the keys mean. Pure functions; any thread. */
#include "conf_int.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/num.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#define HOSTS_MAX 64

static const char *skip_blank(const char *p)
{
	while (isspace((unsigned char)*p))
		p++;
	return p;
}

/* A 'quoted' value at p with '' for a quote in it. Behind it, or NULL when it does not end. */
static const char *read_quoted(const char *p, struct buf *out)
{
	for (p++; *p; p++) {
		if (*p == '\'') {
			if (p[1] != '\'')
				return p + 1;
			p++;
		}
		buf_append(out, p, 1);
	}
	return NULL;
}

/* PgBouncer docs, section [databases]: "key=value pairs of connection strings", values quoted as
 * in libpq's but without backslashes. */
int conf_pairs_next(struct conf *conf, const char **at, const char **key_r, const char **value_r,
	char *why, size_t n)
{
	const char *p = skip_blank(*at), *key = p;
	struct buf value;
	if (*p == '\0')
		return 0;
	while (*p && *p != '=' && !isspace((unsigned char)*p))
		p++;
	size_t key_n = (size_t)(p - key);
	p = skip_blank(p);
	if (*p != '=' || key_n == 0) {
		snprintf(why, n, "must be name=value pairs, but there is no = behind \"%.*s\"",
			key_n > 40 ? 40 : (int)key_n, key);
		return -1;
	}
	p = skip_blank(p + 1);
	buf_init(&value, 1U << 20);
	if (*p == '\'') {
		p = read_quoted(p, &value);
		if (p && *p && !isspace((unsigned char)*p))
			p = NULL;
	} else {
		const char *start = p;
		while (*p && !isspace((unsigned char)*p))
			p++;
		buf_append(&value, start, (size_t)(p - start));
	}
	bool ok = p && !value.failed;
	if (ok) {
		*key_r = conf_str(conf, key, key_n);
		*value_r = conf_str(
			conf, buf_len(&value) ? (char *)buf_data(&value) : "", buf_len(&value));
		*at = p;
	} else {
		snprintf(why, n, "the quoted value of \"%.*s\" has no end, or no space behind it",
			key_n > 40 ? 40 : (int)key_n, key);
	}
	buf_wipe(&value);
	return ok ? 1 : -1;
}

static unsigned count_items(const char *list)
{
	unsigned n = 1;
	for (; *list; list++)
		n += *list == ',';
	return n;
}

/* Item number i of a list, without spaces around it; its length in *n_r. */
static const char *item_at(const char *list, unsigned i, size_t *n_r)
{
	for (; i > 0; i--)
		list += strcspn(list, ",") + 1;
	list = list + strspn(list, " \t");
	size_t n = strcspn(list, ",");
	while (n > 0 && (list[n - 1] == ' ' || list[n - 1] == '\t'))
		n--;
	*n_r = n;
	return list;
}

static int parse_port(const char *ports, unsigned i, uint16_t *port_r, char *why, size_t why_n)
{
	size_t n;
	uint64_t v;
	const char *p = item_at(ports, i, &n);
	if (num_u64n(p, n, 1, 65535, &v) != 0) {
		snprintf(why, why_n, "port must be a number from 1 to 65535, but is \"%.*s\"",
			n > 40 ? 40 : (int)n, p);
		return -1;
	}
	*port_r = (uint16_t)v;
	return 0;
}

/* Digits and dots alone are an address: no name ends in a number. */
static bool is_bad_ipv4(const char *text)
{
	struct in_addr a;
	return text[strspn(text, "0123456789.")] == '\0' && inet_aton(text, &a) == 0;
}

const char *conf_host_wrong(const char *p, size_t n)
{
	char text[256];
	struct in6_addr a;
	bool name = true;
	if (n == 0 || n >= sizeof(text))
		return "is no name or address";
	snprintf(text, sizeof(text), "%.*s", (int)n, p);
	if (strcspn(text, ":") < n) {
		text[strcspn(text, "%")] = '\0'; /* the interface of a link-local one */
		return inet_pton(AF_INET6, text, &a) == 1
			       ? NULL
			       : "is no name or address (a port has an option of its own)";
	}
	for (size_t i = 0; i < n; i++) /* bytes above 127: names that are not ASCII */
		name = name && (isalnum((unsigned char)text[i]) || (text[i] & 0x80) ||
				       strchr(".-_", text[i]));
	return name && !is_bad_ipv4(text) ? NULL : "is no name or address";
}

/* One host; text is kept in conf. */
static int parse_host(
	struct conf *conf, const char *p, size_t n, struct conf_host *h, char *why, size_t why_n)
{
	const char *dir = conf->global.unix_socket_dir;
	if (n == 0) { /* PgBouncer's docs: without host, the unix socket */
		if (dir[0] == '\0') {
			snprintf(why, why_n,
				"without host= it is reached by the unix socket, but "
				"unix_socket_dir is empty");
			return -1;
		}
		p = dir;
		n = strlen(dir);
	}
	h->kind = *p == '/' ? CONF_HOST_UNIX : *p == '@' ? CONF_HOST_ABSTRACT : CONF_HOST_TCP;
	if (h->kind == CONF_HOST_ABSTRACT) {
		p++;
		n--;
	} else if (n > 2 && *p == '[' && p[n - 1] == ']') { /* an IPv6 address as in URLs */
		p++;
		n -= 2;
	}
	size_t longest =
		h->kind == CONF_HOST_TCP ? 255 : sizeof(((struct sockaddr_un *)0)->sun_path) - 18;
	if (n == 0 || n > longest) {
		snprintf(why, why_n, "host must have 1 to %zu characters: \"%.*s\"", longest,
			n > 40 ? 40 : (int)n, p);
		return -1;
	}
	for (size_t i = 0; i < n; i++) {
		if ((unsigned char)p[i] <= ' ' && h->kind == CONF_HOST_TCP) {
			snprintf(why, why_n, "a host cannot contain spaces: \"%.*s\"",
				n > 40 ? 40 : (int)n, p);
			return -1;
		}
	}
	const char *wrong = h->kind == CONF_HOST_TCP ? conf_host_wrong(p, n) : NULL;
	if (wrong) {
		snprintf(why, why_n, "host \"%.*s\" %s", n > 60 ? 60 : (int)n, p, wrong);
		return -1;
	}
	h->host = conf_str(conf, p, n);
	return 0;
}

int conf_hosts_parse(struct conf *conf, const char *hosts, const char *ports,
	struct conf_host **list_r, unsigned *n_r, char *why, size_t why_n)
{
	unsigned n = count_items(hosts), ports_n = count_items(ports);
	*list_r = NULL;
	*n_r = 0;
	if (n > HOSTS_MAX) {
		snprintf(why, why_n, "there can be at most %d hosts", HOSTS_MAX);
		return -1;
	}
	if (ports_n != 1 && ports_n != n) {
		snprintf(why, why_n,
			"there are %u hosts but %u ports; give one port, or one for each host", n,
			ports_n);
		return -1;
	}
	struct conf_host *list = mem_xalloc(MEM_CONF, n * sizeof(*list));
	for (unsigned i = 0; i < n; i++) {
		size_t len;
		const char *h = item_at(hosts, i, &len);
		if (len == 0 && n > 1) {
			snprintf(why, why_n, "host %u of the list is empty", i + 1);
			goto fail;
		}
		if (parse_host(conf, h, len, &list[i], why, why_n) != 0 ||
			parse_port(ports, ports_n == 1 ? 0 : i, &list[i].port, why, why_n) != 0)
			goto fail;
	}
	*list_r = list;
	*n_r = n;
	return 0;
fail:
	mem_free(MEM_CONF, list);
	return -1;
}

bool conf_list_next(const char **at, char *out, size_t n)
{
	while (*at && **at) {
		size_t len;
		const char *p = item_at(*at, 0, &len);
		*at = p + strcspn(p, ",");
		if (**at == ',')
			(*at)++;
		if (len > 0 && len < n) {
			memcpy(out, p, len);
			out[len] = '\0';
			return true;
		}
	}
	return false;
}

bool conf_list_has(const char *list, const char *name)
{
	size_t want = strlen(name);
	if (want == 0)
		return false;
	for (const char *at = list; *at;) {
		size_t len;
		const char *p = item_at(at, 0, &len);
		if (len == want && memcmp(p, name, want) == 0)
			return true;
		at = p + strcspn(p, ",");
		if (*at == ',')
			at++;
	}
	return false;
}
