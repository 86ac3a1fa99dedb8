/* fuzz_scram_client - a hostile server. Input: one byte of flags, server-first-message, \n,
 * server-final-message; \x01 stands for our nonce. The login must never be taken for good: the
 * fuzzer does not know the keys. Also tried on the input: the text form of secrets, and base64. */
#include "crypto/b64.h"
#include "crypto/scram.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expand(struct buf *out, const uint8_t *p, size_t n, const char *nonce, size_t nonce_n)
{
	for (size_t i = 0; i < n; i++) {
		if (p[i] == 1)
			(void)buf_append(out, nonce, nonce_n);
		else
			(void)buf_put_u8(out, p[i]);
	}
}

/* Behind a challenge that was accepted. */
static void answer(struct scram_client *c, const uint8_t *final, size_t final_n)
{
	struct scram_keys k = {
		.iterations = c->iterations, .salt_n = c->salt_n, .client_key = { 1 }
	};
	struct buf out;
	struct err e;

	if (c->iterations < 1 || c->iterations > SCRAM_MAX_ITERATIONS || c->salt_n < 1 ||
		c->salt_n > SCRAM_SALT_MAX || c->nonce_n > SCRAM_NONCE_MAX)
		abort();
	memcpy(k.salt, c->salt, c->salt_n);
	buf_init(&out, 0);
	if (scram_client_set_keys(c, &k, &e) < 0 || scram_client_final(c, &out, &e) < 0 ||
		buf_len(&out) > SCRAM_MSG_MAX)
		abort();
	buf_fini(&out);
	if (scram_client_finish(c, final, final_n, &e) == 0)
		abort();
}

static void exchange(
	uint8_t flags, const uint8_t *first, size_t first_n, const uint8_t *final, size_t final_n)
{
	static const uint8_t cbind[32] = { 1, 2, 3 };
	bool plus = flags & 1;
	struct scram_client c;
	struct buf out, msg;
	struct err e;

	scram_client_init(&c, 0);
	buf_init(&out, 0);
	buf_init(&msg, 1u << 20);
	if (scram_client_first(&c, plus ? SCRAM_MECH_PLUS : SCRAM_MECH_BASIC, cbind,
		    plus || flags & 2 ? sizeof cbind : 0, &out, &e) < 0)
		abort();
	expand(&msg, first, first_n, c.nonce, c.nonce_n);
	if (!msg.failed && buf_len(&msg) > 0 &&
		scram_client_challenge(&c, buf_data(&msg), buf_len(&msg), &e) == 0)
		answer(&c, final, final_n);
	if (scram_client_done(&c))
		abort();
	buf_fini(&out);
	buf_fini(&msg);
	scram_client_fini(&c);
}

/* What parses must come out again as it was, up to leading zeros of the count. */
static void secret_text(const uint8_t *p, size_t n)
{
	struct scram_secret s, t;
	char text[SCRAM_SECRET_TEXT_MAX];
	struct err e;

	if (scram_secret_parse((const char *)p, n, &s, &e) < 0)
		return;
	if (scram_secret_format(&s, text, sizeof text) < 0 ||
		scram_secret_parse(text, strlen(text), &t, &e) < 0 ||
		s.iterations != t.iterations || s.salt_n != t.salt_n ||
		memcmp(s.salt, t.salt, s.salt_n) != 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t bytes[256];
	size_t n;

	if (size == 0)
		return 0;
	const uint8_t *first = data + 1, *nl = memchr(first, '\n', size - 1);
	size_t first_n = nl ? (size_t)(nl - first) : size - 1;

	exchange(data[0], first, first_n, nl ? nl + 1 : first, nl ? size - 2 - first_n : 0);
	secret_text(first, size - 1);
	if (b64_decode((const char *)first, size - 1, bytes, sizeof bytes, &n) == 0 &&
		n > sizeof bytes)
		abort();
	return 0;
}
