/* fuzz_my_wire - one message of the MySQL protocol, of any kind, with any capabilities. The input:
 * the kind, 5 bytes of capabilities, the number of parameters, which of them were long data, then
 * the payload. What is accepted is written again; that must be accepted too, and come out the same.
 */
#include <stdlib.h>
#include <string.h>

#include "../unit/my_kinds.h"
#include "base/mem.h"
#include "wire/mysql/caps.h"

#define HEAD_BYTES 8U

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_again(const char *kind, const struct my_kind_env *env, const struct buf *one)
{
	struct buf two;
	struct mypacket_message m;
	buf_init(&two, 0);
	if (mypacket_take_message(buf_data(one), buf_len(one), SIZE_MAX, &m) != 1)
		abort();
	if (m.payload && my_kind_try(kind, env, m.payload, m.payload_n, &two) != 1)
		abort();
	if (m.payload && (buf_len(&two) != buf_len(one) ||
				 memcmp(buf_data(&two), buf_data(one), buf_len(one)) != 0))
		abort();
	buf_fini(&two);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned kinds_n = 0;
	struct buf one;
	if (size < HEAD_BYTES)
		return 0;
	while (my_kind_name(kinds_n))
		kinds_n++;
	const char *kind = my_kind_name(data[0] % kinds_n);
	struct rd r = rd_of(data + 1, HEAD_BYTES - 1);
	uint64_t caps = rd_u32le(&r);
	caps |= (uint64_t)rd_u8(&r) << 32 | MYCAP(PROTOCOL_41);
	struct my_kind_env env = { .caps = caps, .params_n = rd_u8(&r), .long_data = rd_u8(&r) };
	uint8_t types[255 * 2];
	memset(types, 0, sizeof(types));
	for (unsigned i = 0; i < 255; i++)
		types[2 * i] = i % 2 ? MYTYPE_LONG : MYTYPE_VAR_STRING;
	env.types = caps & MYCAP(FOUND_ROWS) ? types : NULL; /* a bit that means nothing here */
	buf_init(&one, 0);
	if (my_kind_try(kind, &env, data + HEAD_BYTES, size - HEAD_BYTES, &one) == 1 &&
		buf_len(&one))
		check_again(kind, &env, &one);
	buf_fini(&one);
	if (mem_live(MEM_BUF))
		abort();
	return 0;
}
