/* scram_common - reading of SCRAM attributes and the computations both roles share. Any thread. */
#include "scram_int.h"

#include "base/mem.h"
#include "crypto/b64.h"
#include "crypto/digest.h"

#include <string.h>

static const char NAME_BASIC[] = "SCRAM-SHA-256";
static const char NAME_PLUS[] = "SCRAM-SHA-256-PLUS";

enum scram_mech scram_mech_of(const char *name, size_t n)
{
	if (n == sizeof NAME_BASIC - 1 && memcmp(name, NAME_BASIC, n) == 0)
		return SCRAM_MECH_BASIC;
	if (n == sizeof NAME_PLUS - 1 && memcmp(name, NAME_PLUS, n) == 0)
		return SCRAM_MECH_PLUS;
	return SCRAM_MECH_NONE;
}

const char *scram_mech_name(enum scram_mech m)
{
	switch (m) {
	case SCRAM_MECH_NONE: return "";
	case SCRAM_MECH_BASIC: return NAME_BASIC;
	case SCRAM_MECH_PLUS: return NAME_PLUS;
	}
	return "";
}

bool scram_rd_init(struct scram_rd *r, const void *msg, size_t n)
{
	if (n == 0 || n > SCRAM_MSG_MAX || memchr(msg, 0, n) != NULL) {
		*r = (struct scram_rd){ .bad = true };
		return false;
	}
	*r = (struct scram_rd){ .p = msg, .end = (const char *)msg + n };
	return true;
}

bool scram_rd_at(const struct scram_rd *r, char name)
{
	return !r->bad && r->end - r->p >= 2 && r->p[0] == name && r->p[1] == '=';
}

bool scram_rd_any(struct scram_rd *r, char *name_r, const char **v_r, size_t *n_r)
{
	if (r->bad || r->end - r->p < 2 || r->p[1] != '=' ||
		!((r->p[0] >= 'a' && r->p[0] <= 'z') || (r->p[0] >= 'A' && r->p[0] <= 'Z'))) {
		r->bad = true;
		return false;
	}
	const char *v = r->p + 2;
	const char *comma = memchr(v, ',', (size_t)(r->end - v));

	*name_r = r->p[0];
	*v_r = v;
	*n_r = (size_t)((comma ? comma : r->end) - v);
	r->p = comma ? comma + 1 : r->end;
	if (comma && r->p == r->end) /* nothing behind the comma */
		r->bad = true;
	return !r->bad;
}

bool scram_rd_attr(struct scram_rd *r, char name, const char **v_r, size_t *n_r)
{
	char got;

	if (!scram_rd_any(r, &got, v_r, n_r) || got != name)
		r->bad = true;
	return !r->bad;
}

bool scram_rd_end(struct scram_rd *r)
{
	const char *v;
	size_t n;
	char name;

	while (!r->bad && r->p < r->end)
		(void)scram_rd_any(r, &name, &v, &n);
	return !r->bad;
}

bool scram_nonce_ok(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (s[i] < 0x21 || s[i] > 0x7e || s[i] == ',')
			return false;
	}
	return n > 0;
}

int scram_nonce_make(char *at, struct err *e)
{
	uint8_t raw[SCRAM_NONCE_RAW_BYTES];

	if (digest_random(raw, sizeof raw, e) < 0)
		return -1;
	return b64_encode(raw, sizeof raw, at, SCRAM_NONCE_LEN + 1) < 0 ? -1 : 0;
}

int scram_cbind_text(const char *gs2, const uint8_t *cbind, size_t cbind_n, char *out, size_t out_n)
{
	uint8_t raw[32 + SCRAM_CBIND_MAX];
	size_t gs2_n = strlen(gs2);

	if (gs2_n > 32 || cbind_n > SCRAM_CBIND_MAX)
		return -1;
	memcpy(raw, gs2, gs2_n);
	if (cbind_n > 0)
		memcpy(raw + gs2_n, cbind, cbind_n);
	return b64_encode(raw, gs2_n + cbind_n, out, out_n);
}

void scram_xor(const uint8_t *a, const uint8_t *b, uint8_t out[SCRAM_KEY_BYTES])
{
	for (size_t i = 0; i < SCRAM_KEY_BYTES; i++)
		out[i] = a[i] ^ b[i];
}

int scram_stored_key(
	const uint8_t client_key[SCRAM_KEY_BYTES], uint8_t out[SCRAM_KEY_BYTES], struct err *e)
{
	return digest_sha256(client_key, SCRAM_KEY_BYTES, out, e);
}

int scram_sign(const uint8_t key[SCRAM_KEY_BYTES], const struct buf *auth_msg,
	uint8_t out[SCRAM_KEY_BYTES], struct err *e)
{
	return digest_hmac_sha256(
		key, SCRAM_KEY_BYTES, buf_data(auth_msg), buf_len(auth_msg), out, e);
}
