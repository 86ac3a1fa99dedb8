/* fuzz_scram_server - a hostile client. Input: one byte of flags, client-first-message, \n,
 * client-final-message, in which \x01 stands for the nonce of the exchange (the fuzzer cannot guess
 * it). Nobody may get in: the password is not in the input. */
#include "crypto/scram.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Text with each \x01 replaced by the nonce. */
static void expand(struct buf *out, const uint8_t *p, size_t n, const char *nonce, size_t nonce_n)
{
	for (size_t i = 0; i < n; i++) {
		if (p[i] == 1)
			(void)buf_append(out, nonce, nonce_n);
		else
			(void)buf_put_u8(out, p[i]);
	}
}

static void exchange(
	uint8_t flags, const uint8_t *first, size_t first_n, const uint8_t *final, size_t final_n)
{
	static const uint8_t cbind[32] = { 1, 2, 3 };
	struct scram_secret secret = { .iterations = 4096, .salt_n = 16, .stored_key = { 1 } };
	struct scram_server s;
	struct buf out, msg;
	struct err e;

	scram_server_init(&s, &secret, flags & 1, cbind, flags & 2 ? sizeof cbind : 0);
	buf_init(&out, 0);
	buf_init(&msg, 1u << 20);
	if (scram_server_first(
		    &s, (enum scram_mech)(flags >> 2 & 3) % 3, first, first_n, &out, &e) == 0) {
		if (buf_len(&out) > SCRAM_MSG_MAX)
			abort();
		expand(&msg, final, final_n, s.nonce, s.nonce_n);
		buf_fini(&out);
		if (!msg.failed && buf_len(&msg) > 0 &&
			scram_server_final(&s, buf_data(&msg), buf_len(&msg), &out, &e) == 0)
			abort();
	}
	if (s.step == SCRAM_STEP_DONE)
		abort();
	buf_fini(&out);
	buf_fini(&msg);
	scram_server_fini(&s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	const uint8_t *first = data + 1, *nl = memchr(first, '\n', size - 1);
	size_t first_n = nl ? (size_t)(nl - first) : size - 1;

	exchange(data[0], first, first_n, nl ? nl + 1 : first, nl ? size - 2 - first_n : 0);
	return 0;
}
