/* http://host:port/path, or https://, taken apart: who is asked by HTTP (traces, Patroni). Pure;
 * any thread. */
#ifndef BASE_HTTP_URL_H
#define BASE_HTTP_URL_H
#include <stdbool.h>

struct http_url {
	bool tls;            /* https */
	char host[256];      /* a name or an address, without brackets */
	unsigned port;       /* 80 if there is none, 443 of https */
	char authority[272]; /* as the header Host has it */
	char path[512];      /* with what follows a question mark; "/" if there is none */
};
/* 0, or -1: not such a URL; a user, a fragment and bytes beyond ASCII are not either. */
int http_url_parse(const char *text, struct http_url *u_r) __attribute__((warn_unused_result));
#endif
