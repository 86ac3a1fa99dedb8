/* http://host:port/path taken apart: who is asked by HTTP (traces, Patroni). Pure; any thread. */
#ifndef BASE_HTTP_URL_H
#define BASE_HTTP_URL_H

struct http_url {
	char host[256];      /* a name or an address, without brackets */
	unsigned port;       /* 80 if there is none */
	char authority[272]; /* as the header Host has it */
	char path[512];      /* with what follows a question mark; "/" if there is none */
};
/* 0, or -1: not such a URL; https, a user, a fragment and bytes beyond ASCII are not either. */
int http_url_parse(const char *text, struct http_url *u_r) __attribute__((warn_unused_result));
#endif
