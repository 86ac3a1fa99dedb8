/* otlp - the texts of otlp_endpoint and otlp_headers taken apart. Any thread. */
#ifndef CONF_OTLP_H
#define CONF_OTLP_H
#include "base/http_url.h"

#include <stdbool.h>
#include <stddef.h>

/* -1 and in why (n bytes) a sentence without a dot: "must be ...". */
int otlp_url_parse(const char *text, struct http_url *u_r, char *why, size_t n)
	__attribute__((warn_unused_result));

struct otlp_header {
	char name[128];
	char value[2048]; /* decoded */
};
/* The next one of the text at *at; false: there is none, or with *at NULL: it is wrong. */
bool otlp_header_next(const char **at, struct otlp_header *h_r);
#endif
